//! Moments as texts.

use std::fmt::{self, Write};

use super::civil::{MONTHS, NANOS_PER_SECOND, WEEKDAYS, civil};
use super::moment::{Fields, Moment};
use super::zone::shown_offset;

pub(super) fn write_date(days: i64, to: &mut String) {
    let (year, month, day) = civil(days);
    let _ = if (0..=9999).contains(&year) {
        write!(to, "{year:04}-{month:02}-{day:02}")
    } else {
        write!(to, "{year:+05}-{month:02}-{day:02}")
    };
}

pub(super) fn write_time(nanos: i64, seconds_always: bool, to: &mut String) {
    let (seconds, fraction) = (nanos / NANOS_PER_SECOND, nanos % NANOS_PER_SECOND);
    let _ = write!(to, "{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
    if seconds_always || seconds % 60 != 0 || fraction != 0 {
        let _ = write!(to, ":{:02}", seconds % 60);
    }
    if fraction != 0 {
        // Three, six or nine digits.
        let _ = if fraction % 1_000_000 == 0 {
            write!(to, ".{:03}", fraction / 1_000_000)
        } else if fraction % 1_000 == 0 {
            write!(to, ".{:06}", fraction / 1_000)
        } else {
            write!(to, ".{fraction:09}")
        };
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut to = String::new();
        match self {
            Self::Date(_) => match self.format("EEE MMM dd HH:mm:ss 'UTC' yyyy") {
                Ok(text) => to = text,
                Err(_) => return Err(fmt::Error),
            },
            Self::Instant { .. } => {
                let Fields { days, nanos, .. } = self.fields();
                write_date(days.unwrap_or(0), &mut to);
                to.push('T');
                write_time(nanos.unwrap_or(0), true, &mut to);
                to.push('Z');
            }
            Self::LocalDate(days) => write_date(*days, &mut to),
            Self::LocalTime(nanos) => write_time(*nanos, false, &mut to),
            Self::LocalDateTime { days, nanos } => {
                write_date(*days, &mut to);
                to.push('T');
                write_time(*nanos, false, &mut to);
            }
            Self::Zoned { days, nanos, zone, named } => {
                write_date(*days, &mut to);
                to.push('T');
                write_time(*nanos, false, &mut to);
                to.push_str(&shown_offset(zone.seconds, true));
                if *named && zone.name.starts_with(|first: char| first.is_alphabetic()) && &*zone.name != "Z"
                {
                    let _ = write!(to, "[{}]", zone.name);
                }
            }
            Self::Duration { seconds, nanos } => write_duration(*seconds, *nanos, &mut to),
            Self::Period { months, days } => {
                to.push('P');
                for (amount, letter) in [(months / 12, 'Y'), (months % 12, 'M'), (*days, 'D')] {
                    if amount != 0 {
                        let _ = write!(to, "{amount}{letter}");
                    }
                }
                if to.len() == 1 {
                    to.push_str("0D");
                }
            }
            Self::Formatter(pattern, _) => to.push_str(pattern),
            Self::Zone(zone) => to.push_str(&zone.name),
            Self::Unit(unit) => {
                let (first, rest) = unit.split_at(1);
                to.push_str(first);
                to.push_str(&rest.to_lowercase());
            }
            Self::Weekday(day) => to.push_str(&name_of(&WEEKDAYS, *day)),
            Self::Month(month) => to.push_str(&name_of(&MONTHS, *month)),
        }
        f.write_str(&to)
    }
}

fn name_of(names: &[&str], number: i64) -> String {
    usize::try_from(number - 1)
        .ok()
        .and_then(|index| names.get(index))
        .map_or_else(String::new, |name| name.to_uppercase())
}

fn write_duration(seconds: i64, nanos: i64, to: &mut String) {
    to.push_str("PT");
    if seconds == 0 && nanos == 0 {
        to.push_str("0S");
        return;
    }
    let (hours, minutes, rest) = (seconds / 3600, seconds % 3600 / 60, seconds % 60);
    if hours != 0 {
        let _ = write!(to, "{hours}H");
    }
    if minutes != 0 {
        let _ = write!(to, "{minutes}M");
    }
    if rest != 0 || nanos != 0 {
        let fraction = format!("{nanos:09}");
        let fraction = fraction.trim_end_matches('0');
        if fraction.is_empty() {
            let _ = write!(to, "{rest}S");
        } else {
            let _ = write!(to, "{rest}.{fraction}S");
        }
    }
}
