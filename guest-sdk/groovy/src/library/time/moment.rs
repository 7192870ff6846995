//! Moments: what they are, how they move and compare, and how a pattern shows them.

use std::cmp::Ordering;
use std::fmt::Write;
use std::rc::Rc;

use super::civil::{
    MONTHS, MS_PER_DAY, NANOS_PER_DAY, NANOS_PER_SECOND, SECONDS_PER_DAY, WEEKDAYS, civil, days_of,
    in_bounds, invalid, plus_months, weekday,
};
use super::duration::duration;
use super::show::{write_date, write_time};
use super::zone::{Zone, numeric_offset, shown_offset};
use crate::class::Builtin;
use crate::raise::{Raise, Run, raise};

/// Letters of a pattern in a row: a number has at most 18 digits.
pub(super) const WIDTH_MAX: usize = 18;

/// Something of time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Moment {
    /// Milliseconds since the epoch.
    Date(i64),
    Instant {
        seconds: i64,
        nanos: i64,
    },
    /// Days since the epoch.
    LocalDate(i64),
    /// Nanoseconds of the day.
    LocalTime(i64),
    LocalDateTime {
        days: i64,
        nanos: i64,
    },
    /// With its offset in seconds; `named` tells a zone from an offset.
    Zoned {
        days: i64,
        nanos: i64,
        zone: Zone,
        named: bool,
    },
    Duration {
        seconds: i64,
        nanos: i64,
    },
    Period {
        months: i64,
        days: i64,
    },
    Formatter(Rc<str>, Builtin),
    Zone(Zone),
    Unit(&'static str),
    /// From 1, Monday.
    Weekday(i64),
    /// From 1.
    Month(i64),
}

/// The fields of a moment, as far as it has them.
pub(super) struct Fields {
    pub(super) days: Option<i64>,
    pub(super) nanos: Option<i64>,
    pub(super) zone: Option<Zone>,
}

impl Moment {
    /// Its class.
    pub(crate) fn class(&self) -> Builtin {
        match self {
            Self::Date(_) => Builtin::Date,
            Self::Instant { .. } => Builtin::Instant,
            Self::LocalDate(_) => Builtin::LocalDate,
            Self::LocalTime(_) => Builtin::LocalTime,
            Self::LocalDateTime { .. } => Builtin::LocalDateTime,
            Self::Zoned { named: true, .. } => Builtin::ZonedDateTime,
            Self::Zoned { .. } => Builtin::OffsetDateTime,
            Self::Duration { .. } => Builtin::Duration,
            Self::Period { .. } => Builtin::Period,
            Self::Formatter(_, class) => *class,
            Self::Zone(_) => Builtin::ZoneId,
            Self::Unit(_) => Builtin::ChronoUnit,
            Self::Weekday(_) => Builtin::DayOfWeek,
            Self::Month(_) => Builtin::Month,
        }
    }

    pub(super) fn fields(&self) -> Fields {
        match self {
            Self::Date(ms) => Fields {
                days: Some(ms.div_euclid(MS_PER_DAY)),
                nanos: Some(ms.rem_euclid(MS_PER_DAY) * 1_000_000),
                zone: Some(Zone { name: "UTC".into(), seconds: 0 }),
            },
            Self::Instant { seconds, nanos } => Fields {
                days: Some(seconds.div_euclid(SECONDS_PER_DAY)),
                nanos: Some(seconds.rem_euclid(SECONDS_PER_DAY) * NANOS_PER_SECOND + nanos),
                zone: Some(Zone::utc()),
            },
            Self::LocalDate(days) => Fields { days: Some(*days), nanos: None, zone: None },
            Self::LocalTime(nanos) => Fields { days: None, nanos: Some(*nanos), zone: None },
            Self::LocalDateTime { days, nanos } => {
                Fields { days: Some(*days), nanos: Some(*nanos), zone: None }
            }
            Self::Zoned { days, nanos, zone, .. } => {
                Fields { days: Some(*days), nanos: Some(*nanos), zone: Some(zone.clone()) }
            }
            _ => Fields { days: None, nanos: None, zone: None },
        }
    }

    /// Seconds since the epoch and nanoseconds, of what is a point in time.
    pub(super) fn instant(&self) -> Option<(i64, i64)> {
        match self {
            Self::Date(ms) => Some((ms.div_euclid(1000), ms.rem_euclid(1000) * 1_000_000)),
            Self::Instant { seconds, nanos } => Some((*seconds, *nanos)),
            Self::Zoned { days, nanos, zone, .. } => {
                let seconds = days * SECONDS_PER_DAY + nanos / NANOS_PER_SECOND - zone.seconds;
                Some((seconds, nanos % NANOS_PER_SECOND))
            }
            _ => None,
        }
    }

    /// The order of two moments of the same kind.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        if let (Some(one), Some(other)) = (self.instant(), other.instant()) {
            return Some(one.cmp(&other));
        }
        match (self, other) {
            (Self::LocalDate(one), Self::LocalDate(other))
            | (Self::LocalTime(one), Self::LocalTime(other)) => Some(one.cmp(other)),
            (Self::Weekday(one), Self::Weekday(other)) | (Self::Month(one), Self::Month(other)) => {
                Some(one.cmp(other))
            }
            (
                Self::LocalDateTime { days, nanos },
                Self::LocalDateTime { days: other_days, nanos: other_nanos },
            ) => Some((days, nanos).cmp(&(other_days, other_nanos))),
            (
                Self::Duration { seconds, nanos },
                Self::Duration { seconds: other_seconds, nanos: other_nanos },
            ) => Some((seconds, nanos).cmp(&(other_seconds, other_nanos))),
            _ => None,
        }
    }

    /// The same kind of moment with other fields.
    pub(super) fn with(&self, days: i64, nanos: i64) -> Run<Self> {
        let days = in_bounds(days.saturating_add(nanos.div_euclid(NANOS_PER_DAY)))?;
        let nanos = nanos.rem_euclid(NANOS_PER_DAY);
        Ok(match self {
            Self::Date(_) => Self::Date(days * MS_PER_DAY + nanos / 1_000_000),
            Self::Instant { .. } => Self::Instant {
                seconds: days * SECONDS_PER_DAY + nanos / NANOS_PER_SECOND,
                nanos: nanos % NANOS_PER_SECOND,
            },
            Self::LocalDate(_) => Self::LocalDate(days),
            Self::LocalTime(_) => Self::LocalTime(nanos),
            Self::LocalDateTime { .. } => Self::LocalDateTime { days, nanos },
            Self::Zoned { zone, named, .. } => Self::Zoned { days, nanos, zone: zone.clone(), named: *named },
            other => other.clone(),
        })
    }

    /// Moved by nanoseconds and months.
    pub(super) fn plus(&self, nanos: i64, months: i64, count: i64) -> Run<Self> {
        if let Self::Duration { seconds, nanos: own } = self {
            let total = i128::from(*seconds) * i128::from(NANOS_PER_SECOND)
                + i128::from(*own)
                + i128::from(nanos) * i128::from(count);
            return duration(total);
        }
        let Fields { days, nanos: own, .. } = self.fields();
        let mut moved = days.unwrap_or(0);
        if months != 0 {
            moved = plus_months(moved, months.saturating_mul(count))?;
        }
        let total = i128::from(own.unwrap_or(0)) + i128::from(nanos) * i128::from(count);
        let more = i64::try_from(total.div_euclid(i128::from(NANOS_PER_DAY)))
            .map_err(|_| invalid("too far away"))?;
        let rest = i64::try_from(total.rem_euclid(i128::from(NANOS_PER_DAY))).unwrap_or(0);
        self.with(in_bounds(moved.saturating_add(more))?, rest)
    }

    /// With a pattern of `SimpleDateFormat` or `DateTimeFormatter`.
    pub(crate) fn format(&self, pattern: &str) -> Run<String> {
        let pattern = match pattern {
            "ISO_LOCAL_DATE" | "ISO_DATE" => "yyyy-MM-dd",
            "ISO_LOCAL_DATE_TIME" | "ISO_LOCAL_TIME" | "ISO_TIME" => return Ok(self.iso_local(pattern)),
            "ISO_INSTANT" => match self.instant() {
                Some((seconds, nanos)) => return Ok(Self::Instant { seconds, nanos }.to_string()),
                None => return Err(missing_field("the instant", self)),
            },
            "ISO_DATE_TIME" | "ISO_OFFSET_DATE_TIME" | "ISO_ZONED_DATE_TIME" => {
                let zone = self.fields().zone.map(|zone| shown_offset(zone.seconds, true));
                return Ok(self.iso_local("ISO_LOCAL_DATE_TIME") + &zone.unwrap_or_default());
            }
            "BASIC_ISO_DATE" => "yyyyMMdd",
            "RFC_1123_DATE_TIME" => "EEE, d MMM yyyy HH:mm:ss 'GMT'",
            other => other,
        };
        let mut to = String::new();
        let mut chars = pattern.chars().peekable();
        while let Some(char) = chars.next() {
            if char == '\'' {
                if chars.peek() == Some(&'\'') {
                    chars.next();
                    to.push('\'');
                    continue;
                }
                while let Some(char) = chars.next() {
                    if char != '\'' {
                        to.push(char);
                    } else if chars.peek() == Some(&'\'') {
                        chars.next();
                        to.push('\'');
                    } else {
                        break;
                    }
                }
                continue;
            }
            if !char.is_ascii_alphabetic() {
                if !matches!(char, '[' | ']') {
                    to.push(char);
                }
                continue;
            }
            let mut width = 1;
            while chars.peek() == Some(&char) {
                chars.next();
                width += 1;
            }
            if width > WIDTH_MAX {
                return Err(invalid(format!("a pattern repeats {char} more than {WIDTH_MAX} times")));
            }
            self.format_field(char, width, &mut to)?;
        }
        Ok(to)
    }

    fn format_field(&self, letter: char, width: usize, to: &mut String) -> Run<()> {
        let Fields { days, nanos, zone } = self.fields();
        let date = || days.map(civil).ok_or_else(|| missing_field("the date", self));
        let time = || nanos.ok_or_else(|| missing_field("the time", self));
        let hour = || time().map(|nanos| nanos / (3600 * NANOS_PER_SECOND));
        let mut number = |value: i64| {
            let _ = write!(to, "{value:0width$}");
        };
        match letter {
            'y' | 'u' | 'Y' => {
                let year = date()?.0;
                if width == 2 { number(year.rem_euclid(100)) } else { number(year) }
            }
            'M' | 'L' => {
                let month = date()?.1;
                let name = usize::try_from(month - 1)
                    .ok()
                    .and_then(|index| MONTHS.get(index))
                    .copied()
                    .unwrap_or("");
                match width {
                    1 | 2 => number(month),
                    3 => to.push_str(name.get(..3).unwrap_or(name)),
                    _ => to.push_str(name),
                }
            }
            'd' => number(date()?.2),
            'D' => {
                let (year, ..) = date()?;
                number(days.unwrap_or(0) - days_of(year, 1, 1) + 1);
            }
            'E' | 'e' | 'c' => {
                let weekday = weekday(days.ok_or_else(|| missing_field("the date", self))?);
                let name = usize::try_from(weekday - 1)
                    .ok()
                    .and_then(|index| WEEKDAYS.get(index))
                    .copied()
                    .unwrap_or("");
                if letter != 'E' {
                    number(weekday);
                } else if width < 4 {
                    to.push_str(name.get(..3).unwrap_or(name));
                } else {
                    to.push_str(name);
                }
            }
            'H' => number(hour()?),
            'k' => number(if hour()? == 0 { 24 } else { hour()? }),
            'K' => number(hour()? % 12),
            'h' => number(if hour()? % 12 == 0 { 12 } else { hour()? % 12 }),
            'a' => to.push_str(if hour()? < 12 { "AM" } else { "PM" }),
            'm' => number(time()? / (60 * NANOS_PER_SECOND) % 60),
            's' => number(time()? / NANOS_PER_SECOND % 60),
            'S' => {
                let fraction = format!("{:09}", time()? % NANOS_PER_SECOND);
                match self {
                    // Here the letter means milliseconds.
                    Self::Date(_) => number(time()? % NANOS_PER_SECOND / 1_000_000),
                    _ => to.push_str(fraction.get(..width.min(9)).unwrap_or(&fraction)),
                }
            }
            'n' => number(time()? % NANOS_PER_SECOND),
            'A' => number(time()? / 1_000_000),
            'X' | 'x' | 'Z' => {
                let zone = zone.ok_or_else(|| missing_field("the offset", self))?;
                let shown = match (letter, width) {
                    ('X', _) if zone.seconds == 0 => "Z".to_owned(),
                    ('X' | 'x', 1) if zone.seconds % 3600 == 0 => {
                        shown_offset(zone.seconds, false).get(..3).unwrap_or("+00").to_owned()
                    }
                    ('X' | 'x', 3..) | ('Z', 5..) => numeric_offset(zone.seconds, ":"),
                    _ => numeric_offset(zone.seconds, ""),
                };
                to.push_str(&shown);
            }
            'z' | 'V' | 'O' => {
                let zone = zone.ok_or_else(|| missing_field("the zone", self))?;
                to.push_str(&zone.name);
            }
            'G' => to.push_str("AD"),
            'w' | 'W' | 'F' | 'Q' | 'q' | 'N' | 'B' => {
                return Err(raise(
                    Builtin::IllegalArgumentException,
                    format!(
                        "the letter {letter} of date patterns is not supported; y, M, d, D, E, H, h, m, s, S, a, X, Z and z are"
                    ),
                ));
            }
            _ => {
                return Err(raise(
                    Builtin::IllegalArgumentException,
                    format!("Illegal pattern character '{letter}': put text into single quotes"),
                ));
            }
        }
        Ok(())
    }

    /// The forms of ISO 8601 without a zone.
    fn iso_local(&self, form: &str) -> String {
        let Fields { days, nanos, .. } = self.fields();
        let mut to = String::new();
        if form == "ISO_LOCAL_DATE_TIME" {
            write_date(days.unwrap_or(0), &mut to);
            to.push('T');
        }
        let nanos = nanos.unwrap_or(0);
        write_time(nanos, true, &mut to);
        to
    }
}

fn missing_field(what: &str, moment: &Moment) -> Box<Raise> {
    raise(
        Builtin::DateTimeException,
        format!(
            "Unsupported field: a {} does not know {what} that the pattern asks for",
            moment.class().simple_name()
        ),
    )
}
