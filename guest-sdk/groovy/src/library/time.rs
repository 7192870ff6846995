//! Dates and times: `Date`, `SimpleDateFormat` and the classes of java.time in daily use, in UTC and with fixed offsets.

use std::cmp::Ordering;
use std::fmt::{self, Write};
use std::rc::Rc;

use super::{count_of, whole_of};
use crate::class::Builtin;
use crate::machine::Machine;
use crate::names::Method as M;
use crate::raise::{Raise, Run, raise};
use crate::value::{Native, Value};

const MS_PER_DAY: i64 = 86_400_000;
const SECONDS_PER_DAY: i64 = 86_400;
const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_DAY: i64 = SECONDS_PER_DAY * NANOS_PER_SECOND;

/// Years beyond this are refused.
const YEAR_MAX: i64 = 999_999;

/// Letters of a pattern in a row: a number has at most 18 digits.
const WIDTH_MAX: usize = 18;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Units with what they are in nanoseconds, or in months.
const UNITS: [(&str, i64, i64); 12] = [
    ("NANOS", 1, 0),
    ("MICROS", 1_000, 0),
    ("MILLIS", 1_000_000, 0),
    ("SECONDS", NANOS_PER_SECOND, 0),
    ("MINUTES", 60 * NANOS_PER_SECOND, 0),
    ("HOURS", 3600 * NANOS_PER_SECOND, 0),
    ("HALF_DAYS", NANOS_PER_DAY / 2, 0),
    ("DAYS", NANOS_PER_DAY, 0),
    ("WEEKS", 7 * NANOS_PER_DAY, 0),
    ("MONTHS", 0, 1),
    ("YEARS", 0, 12),
    ("DECADES", 0, 120),
];

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

/// A zone with a fixed offset.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Zone {
    name: Rc<str>,
    seconds: i64,
}

impl Zone {
    fn utc() -> Self {
        Self { name: "Z".into(), seconds: 0 }
    }

    fn parse(text: &str) -> Run<Self> {
        if let Some(seconds) = offset_of(text) {
            let name: Rc<str> = match text {
                "+00:00" | "-00:00" | "+0000" => "Z".into(),
                other => other.into(),
            };
            return Ok(Self { name, seconds });
        }
        Err(raise(
            Builtin::DateTimeException,
            format!("the zone {text} is not supported; UTC and offsets such as +02:00 are"),
        ))
    }
}

/// The seconds of `Z`, `UTC`, `+02:00`, `+0200`, `GMT+2`.
fn offset_of(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z" | "UTC" | "GMT" | "UT" | "Etc/UTC" | "Zulu") {
        return Some(0);
    }
    let text = text.strip_prefix("UTC").or_else(|| text.strip_prefix("GMT")).unwrap_or(text);
    let (sign, digits) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(rest), _) => (1, rest),
        (_, Some(rest)) => (-1, rest),
        _ => return None,
    };
    let plain = digits.replace(':', "");
    if plain.is_empty() || plain.len() > 4 || !plain.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = if plain.len() <= 2 { (&*plain, "0") } else { plain.split_at(plain.len() - 2) };
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 18 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Year, month and day of a day.
fn civil(days: i64) -> (i64, i64, i64) {
    // Years begin in March here, so that the day that comes and goes is the last one.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The day of year, month and day.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn invalid(what: impl fmt::Display) -> Box<Raise> {
    raise(Builtin::DateTimeException, format!("Invalid date or time: {what}"))
}

fn checked_days(year: i64, month: i64, day: i64) -> Run<i64> {
    if !(-YEAR_MAX..=YEAR_MAX).contains(&year) || !(1..=12).contains(&month) {
        return Err(invalid(format!("year {year}, month {month}")));
    }
    if !(1..=days_in_month(year, month)).contains(&day) {
        return Err(invalid(format!("day {day} in month {month} of {year}")));
    }
    Ok(days_of(year, month, day))
}

fn checked_nanos(hour: i64, minute: i64, second: i64, nano: i64) -> Run<i64> {
    let in_bounds = (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..60).contains(&second)
        && (0..NANOS_PER_SECOND).contains(&nano);
    if !in_bounds {
        return Err(invalid(format!("{hour}:{minute}:{second}")));
    }
    Ok(((hour * 60 + minute) * 60 + second) * NANOS_PER_SECOND + nano)
}

/// A day moved by months; the day of the month is cut to what the month has.
fn plus_months(days: i64, months: i64) -> Run<i64> {
    let (year, month, day) = civil(days);
    let total = year.saturating_mul(12).saturating_add(month - 1).saturating_add(months);
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
    checked_days(year, month, day.min(days_in_month(year, month).max(1)))
}

/// Days within bounds.
fn in_bounds(days: i64) -> Run<i64> {
    if days.unsigned_abs() > YEAR_MAX.unsigned_abs() * 366 {
        return Err(raise(Builtin::DateTimeException, "the date lies too far away"));
    }
    Ok(days)
}

/// The fields of a moment, as far as it has them.
struct Fields {
    days: Option<i64>,
    nanos: Option<i64>,
    zone: Option<Zone>,
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

    fn fields(&self) -> Fields {
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
    fn instant(&self) -> Option<(i64, i64)> {
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
    fn with(&self, days: i64, nanos: i64) -> Run<Self> {
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
    fn plus(&self, nanos: i64, months: i64, count: i64) -> Run<Self> {
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

/// From 1, Monday.
fn weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7) + 1
}

fn numeric_offset(seconds: i64, between: &str) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    format!("{sign}{:02}{between}{:02}", minutes / 60, minutes % 60)
}

fn shown_offset(seconds: i64, colon: bool) -> String {
    if seconds == 0 { "Z".to_owned() } else { numeric_offset(seconds, if colon { ":" } else { "" }) }
}

fn write_date(days: i64, to: &mut String) {
    let (year, month, day) = civil(days);
    let _ = if (0..=9999).contains(&year) {
        write!(to, "{year:04}-{month:02}-{day:02}")
    } else {
        write!(to, "{year:+05}-{month:02}-{day:02}")
    };
}

fn write_time(nanos: i64, seconds_always: bool, to: &mut String) {
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

fn duration(nanos: i128) -> Run<Moment> {
    let second = i128::from(NANOS_PER_SECOND);
    let seconds = i64::try_from(nanos.div_euclid(second)).map_err(|_| invalid("the duration is too long"))?;
    Ok(Moment::Duration { seconds, nanos: i64::try_from(nanos.rem_euclid(second)).unwrap_or(0) })
}

fn made(moment: Moment) -> Run<Option<Value>> {
    Ok(Some(Value::native(Native::Moment(moment))))
}

fn moment_of(value: &Value) -> Option<&Moment> {
    match value {
        Value::Native(native) => match &**native {
            Native::Moment(moment) => Some(moment),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a unit is called so.
pub(crate) fn is_unit(name: &str) -> bool {
    UNITS.iter().any(|(unit, ..)| *unit == name)
}

/// Constants such as `ChronoUnit.DAYS`.
pub(crate) fn constant(class: Builtin, name: &str) -> Option<Value> {
    let moment = match class {
        Builtin::ChronoUnit => Moment::Unit(UNITS.iter().find(|(unit, ..)| *unit == name)?.0),
        Builtin::Calendar => {
            let field = CALENDAR_FIELDS.iter().find(|(known, _)| *known == name).map(|(_, field)| *field);
            // Months count from 0, days of the week from 1, Sunday.
            let month =
                MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name)).map(|index| index as i64);
            let day = WEEKDAYS.iter().position(|day| day.eq_ignore_ascii_case(name));
            let day = day.map(|index| (index as i64 + 1) % 7 + 1);
            return field.or(month).or(day).map(Value::whole);
        }
        Builtin::ZoneOffset if name == "UTC" => Moment::Zone(Zone::utc()),
        Builtin::Instant if name == "EPOCH" => Moment::Instant { seconds: 0, nanos: 0 },
        Builtin::LocalDate if name == "EPOCH" => Moment::LocalDate(0),
        Builtin::LocalTime if name == "MIDNIGHT" || name == "MIN" => Moment::LocalTime(0),
        Builtin::LocalTime if name == "NOON" => Moment::LocalTime(NANOS_PER_DAY / 2),
        Builtin::LocalTime if name == "MAX" => Moment::LocalTime(NANOS_PER_DAY - 1),
        Builtin::Duration if name == "ZERO" => Moment::Duration { seconds: 0, nanos: 0 },
        Builtin::DateTimeFormatter if name.contains("ISO") || name.starts_with("RFC") => {
            Moment::Formatter(name.into(), class)
        }
        Builtin::DayOfWeek => {
            Moment::Weekday(WEEKDAYS.iter().position(|day| day.eq_ignore_ascii_case(name))? as i64 + 1)
        }
        Builtin::Month => {
            Moment::Month(MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))? as i64 + 1)
        }
        _ => return None,
    };
    Some(Value::native(Native::Moment(moment)))
}

/// `new Date(..)` and `new SimpleDateFormat(..)`
pub(crate) fn create(machine: &mut Machine<'_>, class: Builtin, arguments: &[Value]) -> Run {
    let moment = match (class, arguments) {
        (Builtin::GregorianCalendar, []) => {
            return Ok(Value::native(Native::Calendar(machine.host.now_ms().into())));
        }
        (Builtin::Date, []) => Moment::Date(machine.host.now_ms()),
        (Builtin::Date, [ms]) if ms.is_number() => Moment::Date(whole_of(machine, ms)?),
        (Builtin::SimpleDateFormat, [pattern, ..]) => {
            let pattern = machine.text(pattern)?;
            Moment::Date(0).format(&pattern)?;
            Moment::Formatter(pattern, Builtin::SimpleDateFormat)
        }
        _ => {
            return Err(raise(
                Builtin::GroovyRuntimeException,
                format!(
                    "Could not find matching constructor for: {}; `new Date()`, `new Date(milliseconds)` and \
                     `Date.parse(pattern, text)` are supported",
                    class.full_name()
                ),
            ));
        }
    };
    Ok(Value::native(Native::Moment(moment)))
}

/// Fields of calendars with their numbers.
const CALENDAR_FIELDS: [(&str, i64); 12] = [
    ("YEAR", 1),
    ("MONTH", 2),
    ("DATE", 5),
    ("DAY_OF_MONTH", 5),
    ("DAY_OF_YEAR", 6),
    ("DAY_OF_WEEK", 7),
    ("AM_PM", 9),
    ("HOUR", 10),
    ("HOUR_OF_DAY", 11),
    ("MINUTE", 12),
    ("SECOND", 13),
    ("MILLISECOND", 14),
];

/// A field of a calendar, in UTC. Months count from 0, days of the week from 1, Sunday.
pub(crate) fn calendar_field(ms: i64, field: i64) -> Option<i64> {
    let days = ms.div_euclid(MS_PER_DAY);
    let rest = ms.rem_euclid(MS_PER_DAY);
    let (year, month, day) = civil(days);
    Some(match field {
        1 => year,
        2 => month - 1,
        5 => day,
        6 => days - days_of(year, 1, 1) + 1,
        7 => weekday(days) % 7 + 1,
        9 => rest / (MS_PER_DAY / 2),
        10 => rest / 3_600_000 % 12,
        11 => rest / 3_600_000,
        12 => rest / 60_000 % 60,
        13 => rest / 1000 % 60,
        14 => rest % 1000,
        _ => return None,
    })
}

/// `calendar.name(..)`
pub(crate) fn call_calendar(
    machine: &mut Machine<'_>,
    this: &Value,
    ms: &std::cell::Cell<i64>,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    let shift = |field: i64| match field {
        1 => (0, 12),
        2 => (0, 1),
        5..=7 => (NANOS_PER_DAY, 0),
        10 | 11 => (3600 * NANOS_PER_SECOND, 0),
        12 => (60 * NANOS_PER_SECOND, 0),
        13 => (NANOS_PER_SECOND, 0),
        14 => (1_000_000, 0),
        _ => (0, 0),
    };
    let moved = |field: i64, count: i64| -> Run<()> {
        let (nanos, months) = shift(field);
        if let Moment::Date(moved) = Moment::Date(ms.get()).plus(nanos, months, count)? {
            ms.set(moved);
        }
        Ok(())
    };
    Ok(Some(match (method, arguments) {
        (M::getTime, []) => return made(Moment::Date(ms.get())),
        (M::getTimeInMillis, []) => Value::Long(ms.get()),
        (M::setTimeInMillis, [value]) => {
            ms.set(whole_of(machine, value)?);
            Value::Null
        }
        (M::setTime, [value]) => match moment_of(value) {
            Some(Moment::Date(value)) => {
                ms.set(*value);
                Value::Null
            }
            _ => return Ok(None),
        },
        (M::get | M::getAt, [field]) => {
            let field = whole_of(machine, field)?;
            match calendar_field(ms.get(), field) {
                Some(value) => Value::whole(value),
                None => return Err(invalid(format!("the field {field} of a calendar is not supported"))),
            }
        }
        (M::add, [field, count]) => {
            let (field, count) = (whole_of(machine, field)?, whole_of(machine, count)?);
            moved(field, count)?;
            Value::Null
        }
        (M::set | M::putAt, [field, value]) => {
            let (field, value) = (whole_of(machine, field)?, whole_of(machine, value)?);
            let before = calendar_field(ms.get(), field).unwrap_or(value);
            moved(field, value.saturating_sub(before))?;
            Value::Null
        }
        (M::set, [year, month, day, time @ ..]) => {
            let (year, month, day) =
                (whole_of(machine, year)?, whole_of(machine, month)?, whole_of(machine, day)?);
            let mut total =
                checked_days(year, month.saturating_add(1), day)? * MS_PER_DAY + ms.get().rem_euclid(1000);
            for (value, unit) in time.iter().zip([3_600_000, 60_000, 1000]) {
                total = total.saturating_add(whole_of(machine, value)?.saturating_mul(unit));
            }
            ms.set(total);
            Value::Null
        }
        (M::setTimeZone | M::setLenient, [_]) => Value::Null,
        (M::format, [pattern, ..]) => {
            let pattern = machine.text(pattern)?;
            machine.new_text(Moment::Date(ms.get()).format(&pattern)?)?
        }
        (M::before | M::after | M::compareTo, [other]) => {
            let Value::Native(other) = other else { return Ok(None) };
            let Native::Calendar(other) = &**other else { return Ok(None) };
            let order = ms.get().cmp(&other.get());
            match method {
                M::before => Value::Bool(order.is_lt()),
                M::after => Value::Bool(order.is_gt()),
                _ => Value::Int(order as i32),
            }
        }
        (M::clone, []) => Value::native(Native::Calendar(ms.clone())),
        (M::toInstant, []) => {
            let ms = ms.get();
            return made(Moment::Instant {
                seconds: ms.div_euclid(1000),
                nanos: ms.rem_euclid(1000) * 1_000_000,
            });
        }
        (M::clearTime, []) => {
            ms.set(ms.get().div_euclid(MS_PER_DAY) * MS_PER_DAY);
            this.clone()
        }
        _ => return Ok(None),
    }))
}

/// Characters of the longest name of a month or a day.
const LONGEST_NAME: usize = 9;

/// Reads a text by its pattern.
struct Parse<'a> {
    text: &'a str,
    at: usize,
}

/// What a text says.
#[derive(Default)]
struct Read {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: i64,
    has_time: bool,
    half: Option<bool>,
    minute: i64,
    second: i64,
    nano: i64,
    zone: Option<Zone>,
}

impl Parse<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, pattern: &str, class: Builtin) -> Box<Raise> {
        let shown: String = self.text.chars().take(60).collect();
        match class {
            Builtin::Date | Builtin::SimpleDateFormat => raise(
                Builtin::ParseException,
                format!("Unparseable date: \"{shown}\": expected a text like {pattern}"),
            ),
            _ => raise(
                Builtin::DateTimeParseException,
                format!(
                    "Text '{shown}' could not be parsed at index {}: expected a text like {pattern}",
                    self.at
                ),
            ),
        }
    }

    fn digits(&mut self, least: usize, most: usize) -> Option<i64> {
        let rest = self.rest();
        let signed = rest.starts_with('-') && least == 1 && most > 9;
        let body = if signed { rest.get(1..)? } else { rest };
        let count = body.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if count < least {
            return None;
        }
        let number: i64 = body.get(..count)?.parse().ok()?;
        self.at += count + usize::from(signed);
        Some(if signed { -number } else { number })
    }

    fn word(&mut self, names: &[&str]) -> Option<i64> {
        let rest: String = self.rest().chars().take(LONGEST_NAME).collect::<String>().to_ascii_lowercase();
        let (index, length) = names.iter().enumerate().find_map(|(index, name)| {
            let name = name.to_lowercase();
            let short = name.get(..3)?;
            if rest.starts_with(&name) {
                Some((index, name.len()))
            } else if rest.starts_with(short) {
                Some((index, 3))
            } else {
                None
            }
        })?;
        self.at += length;
        Some(index as i64 + 1)
    }

    fn zone(&mut self) -> Option<Zone> {
        let rest = self.rest();
        let length = rest
            .find(|char: char| !char.is_ascii_alphanumeric() && !matches!(char, '+' | '-' | ':' | '/'))
            .unwrap_or(rest.len());
        let zone = Zone::parse(rest.get(..length)?).ok()?;
        self.at += length;
        Some(zone)
    }

    /// One field of a pattern; `None` when the text does not have it. `adjacent` when the next field follows at once.
    fn field(&mut self, letter: char, width: usize, adjacent: bool, read: &mut Read) -> Option<()> {
        let most = if adjacent { width } else { width.max(10) };
        let least = if adjacent { width } else { 1 };
        match letter {
            'y' | 'u' | 'Y' => {
                let start = self.at;
                let year = self.digits(least, most)?;
                read.year = Some(if width == 2 && self.at - start == 2 { 2000 + year } else { year });
            }
            'M' | 'L' if width >= 3 => read.month = Some(self.word(&MONTHS)?),
            'M' | 'L' => read.month = Some(self.digits(least, most.min(2))?),
            'd' => read.day = Some(self.digits(least, most.min(2))?),
            'D' => read.day_of_year = Some(self.digits(least, most.min(3))?),
            'E' => {
                self.word(&WEEKDAYS)?;
            }
            'H' | 'k' => {
                read.hour = self.digits(least, most.min(2))?;
                read.has_time = true;
            }
            'h' | 'K' => {
                read.hour = self.digits(least, most.min(2))? % 12;
                read.has_time = true;
            }
            'a' => {
                let rest: String = self.rest().chars().take(2).collect::<String>().to_ascii_lowercase();
                read.half = Some(rest.starts_with("pm"));
                if !rest.starts_with("pm") && !rest.starts_with("am") {
                    return None;
                }
                self.at += 2;
            }
            'm' => read.minute = self.digits(least, most.min(2))?,
            's' => read.second = self.digits(least, most.min(2))?,
            'S' | 'n' => {
                let start = self.at;
                self.digits(1, width.max(9).min(if adjacent { width } else { 9 }))?;
                let digits = self.text.get(start..self.at)?;
                read.nano = format!("{digits:0<9}").parse().ok()?;
            }
            'X' | 'x' | 'Z' | 'z' | 'V' | 'O' => read.zone = Some(self.zone()?),
            _ => return None,
        }
        Some(())
    }
}

/// Reads a text by a pattern.
fn parse(text: &str, pattern: &str, class: Builtin) -> Run<Read> {
    let mut parse = Parse { text, at: 0 };
    let mut read = Read::default();
    let mut chars = pattern.chars().peekable();
    let mut optional = 0;
    while let Some(char) = chars.next() {
        match char {
            '[' => optional += 1,
            ']' => optional -= 1,
            '\'' => {
                if chars.peek() == Some(&'\'') {
                    chars.next();
                    if parse.rest().starts_with('\'') {
                        parse.at += 1;
                    }
                    continue;
                }
                for literal in chars.by_ref().take_while(|char| *char != '\'') {
                    if !parse.rest().starts_with(literal) {
                        return Err(parse.error(pattern, class));
                    }
                    parse.at += literal.len_utf8();
                }
            }
            _ if char.is_ascii_alphabetic() => {
                let mut width = 1;
                while chars.peek() == Some(&char) {
                    chars.next();
                    width += 1;
                }
                let width = width.min(WIDTH_MAX);
                let adjacent = chars.peek().is_some_and(char::is_ascii_alphabetic);
                let before = parse.at;
                if parse.field(char, width, adjacent, &mut read).is_none() {
                    if optional == 0 {
                        return Err(parse.error(pattern, class));
                    }
                    parse.at = before;
                }
            }
            _ => {
                if parse.rest().starts_with(char) {
                    parse.at += char.len_utf8();
                } else if optional == 0 {
                    return Err(parse.error(pattern, class));
                }
            }
        }
    }
    // `SimpleDateFormat` does not mind what follows.
    if parse.at < text.len() && !matches!(class, Builtin::Date | Builtin::SimpleDateFormat) {
        return Err(parse.error(pattern, class));
    }
    Ok(read)
}

/// Reads the forms of ISO 8601.
fn parse_iso(text: &str, class: Builtin) -> Run<Read> {
    let mut parse = Parse { text, at: 0 };
    let mut read = Read::default();
    let (pattern, date, time, zone) = match class {
        Builtin::LocalDate => ("2024-01-31", true, false, false),
        Builtin::LocalTime => ("10:15:30", false, true, false),
        Builtin::LocalDateTime => ("2024-01-31T10:15:30", true, true, false),
        Builtin::Instant => ("2024-01-31T10:15:30Z", true, true, true),
        _ => ("2024-01-31T10:15:30+01:00", true, true, true),
    };
    let mut read_all = || -> Option<()> {
        if date {
            read.year = Some(parse.digits(4, 4)?);
            parse.at += usize::from(parse.rest().starts_with('-'));
            read.month = Some(parse.digits(2, 2)?);
            parse.at += usize::from(parse.rest().starts_with('-'));
            read.day = Some(parse.digits(2, 2)?);
        }
        if date && time {
            if !parse.rest().starts_with(['T', 't']) {
                return None;
            }
            parse.at += 1;
        }
        if time {
            read.hour = parse.digits(2, 2)?;
            parse.rest().strip_prefix(':')?;
            parse.at += 1;
            read.minute = parse.digits(2, 2)?;
            if parse.rest().starts_with(':') {
                parse.at += 1;
                read.second = parse.digits(2, 2)?;
                if parse.rest().starts_with('.') {
                    parse.at += 1;
                    parse.field('S', 9, false, &mut read)?;
                }
            }
            read.has_time = true;
        }
        if zone {
            read.zone = Some(parse.zone()?);
            // `[Europe/Berlin]` behind an offset says nothing more.
            if parse.rest().starts_with('[') && parse.rest().ends_with(']') {
                parse.at = text.len();
            }
        }
        (parse.at == text.len()).then_some(())
    };
    match read_all() {
        Some(()) => Ok(read),
        None => Err(parse.error(pattern, class)),
    }
}

/// The moment of a class that was read.
fn moment_from(read: &Read, class: Builtin) -> Run<Moment> {
    let hour = match read.half {
        Some(true) => read.hour % 12 + 12,
        _ => read.hour,
    };
    let nanos = checked_nanos(hour % 24, read.minute, read.second, read.nano)?;
    let year = read.year.unwrap_or(1970);
    let days = || match read.day_of_year {
        Some(day) => Ok(checked_days(year, 1, 1)? + day - 1),
        None => checked_days(year, read.month.unwrap_or(1), read.day.unwrap_or(1)),
    };
    let offset = read.zone.as_ref().map_or(0, |zone| zone.seconds);
    Ok(match class {
        Builtin::LocalDate => Moment::LocalDate(days()?),
        Builtin::LocalTime => Moment::LocalTime(nanos),
        Builtin::LocalDateTime => Moment::LocalDateTime { days: days()?, nanos },
        Builtin::Instant => Moment::Instant {
            seconds: days()? * SECONDS_PER_DAY + nanos / NANOS_PER_SECOND - offset,
            nanos: nanos % NANOS_PER_SECOND,
        },
        Builtin::ZonedDateTime | Builtin::OffsetDateTime => Moment::Zoned {
            days: days()?,
            nanos,
            zone: read.zone.clone().unwrap_or_else(Zone::utc),
            named: class == Builtin::ZonedDateTime,
        },
        // `SimpleDateFormat` counts days on beyond the end of the month.
        _ => {
            let month = read.month.unwrap_or(1);
            let first = checked_days(year, month.clamp(1, 12), 1)?;
            let days = first + read.day.unwrap_or(1) - 1;
            Moment::Date(days * MS_PER_DAY + nanos / 1_000_000 - offset * 1000)
        }
    })
}

/// Patterns of formatters with names.
fn pattern_of(formatter: &str) -> &str {
    match formatter {
        "ISO_LOCAL_DATE" | "ISO_DATE" => "yyyy-MM-dd",
        "BASIC_ISO_DATE" => "yyyyMMdd",
        "RFC_1123_DATE_TIME" => "EEE, d MMM yyyy HH:mm:ss z",
        other => other,
    }
}

/// `Class.name(..)`
pub(crate) fn call_static(
    machine: &mut Machine<'_>,
    class: Builtin,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    let number = |machine: &mut Machine<'_>, index: usize| match arguments.get(index) {
        Some(Value::Native(native)) => match &**native {
            Native::Moment(Moment::Month(month)) => Ok(*month),
            _ => Ok(0),
        },
        Some(value) => whole_of(machine, value),
        None => Ok(0),
    };
    let count = arguments.len();
    match (class, method) {
        (Builtin::Instant, M::now) => {
            let ms = machine.host.now_ms();
            made(Moment::Instant { seconds: ms.div_euclid(1000), nanos: ms.rem_euclid(1000) * 1_000_000 })
        }
        (Builtin::Instant, M::ofEpochMilli) if count == 1 => {
            let ms = number(machine, 0)?;
            made(Moment::Instant { seconds: ms.div_euclid(1000), nanos: ms.rem_euclid(1000) * 1_000_000 })
        }
        (Builtin::Instant, M::ofEpochSecond) if count == 1 => {
            let seconds = number(machine, 0)?;
            in_bounds(seconds / SECONDS_PER_DAY)?;
            made(Moment::Instant { seconds, nanos: 0 })
        }
        (
            Builtin::LocalDate
            | Builtin::LocalTime
            | Builtin::LocalDateTime
            | Builtin::ZonedDateTime
            | Builtin::OffsetDateTime,
            M::now,
        ) => {
            let zone = match arguments.first().and_then(moment_of) {
                Some(Moment::Zone(zone)) => zone.clone(),
                _ => Zone::utc(),
            };
            let ms = machine.host.now_ms().saturating_add(zone.seconds * 1000);
            let (days, nanos) = (ms.div_euclid(MS_PER_DAY), ms.rem_euclid(MS_PER_DAY) * 1_000_000);
            made(match class {
                Builtin::LocalDate => Moment::LocalDate(days),
                Builtin::LocalTime => Moment::LocalTime(nanos),
                Builtin::LocalDateTime => Moment::LocalDateTime { days, nanos },
                _ => Moment::Zoned { days, nanos, zone, named: class == Builtin::ZonedDateTime },
            })
        }
        (
            Builtin::Instant
            | Builtin::LocalDate
            | Builtin::LocalTime
            | Builtin::LocalDateTime
            | Builtin::ZonedDateTime
            | Builtin::OffsetDateTime,
            M::parse,
        ) => {
            let Some((text, formatter)) = arguments.split_first() else { return Ok(None) };
            let text = machine.text(text)?;
            let pattern = match formatter.first() {
                Some(formatter) => Some(machine.text(formatter)?),
                None => None,
            };
            let iso = pattern
                .as_ref()
                .is_none_or(|pattern| pattern.starts_with("ISO_") && pattern.contains("TIME"));
            let read = match &pattern {
                Some(pattern) if !iso => parse(&text, pattern_of(pattern), class)?,
                _ => parse_iso(&text, class)?,
            };
            // A text whose fields are out of bounds does not parse either.
            match moment_from(&read, class) {
                Ok(moment) => made(moment),
                Err(_) => Err(raise(
                    Builtin::DateTimeParseException,
                    format!("Text '{text}' could not be parsed: a field is out of its bounds"),
                )),
            }
        }
        (Builtin::LocalDate, M::of) if count == 3 => made(Moment::LocalDate(checked_days(
            number(machine, 0)?,
            number(machine, 1)?,
            number(machine, 2)?,
        )?)),
        (Builtin::LocalDate, M::ofEpochDay) if count == 1 => {
            made(Moment::LocalDate(in_bounds(number(machine, 0)?)?))
        }
        (Builtin::LocalTime, M::of) if (2..=4).contains(&count) => made(Moment::LocalTime(checked_nanos(
            number(machine, 0)?,
            number(machine, 1)?,
            number(machine, 2)?,
            number(machine, 3)?,
        )?)),
        (Builtin::LocalDateTime, M::of) if (5..=7).contains(&count) => {
            let days = checked_days(number(machine, 0)?, number(machine, 1)?, number(machine, 2)?)?;
            let nanos = checked_nanos(
                number(machine, 3)?,
                number(machine, 4)?,
                number(machine, 5)?,
                number(machine, 6)?,
            )?;
            made(Moment::LocalDateTime { days, nanos })
        }
        (Builtin::LocalDateTime, M::of) if count == 2 => {
            match (moment_of(&arguments[0]), moment_of(&arguments[1])) {
                (Some(Moment::LocalDate(days)), Some(Moment::LocalTime(nanos))) => {
                    made(Moment::LocalDateTime { days: *days, nanos: *nanos })
                }
                _ => Ok(None),
            }
        }
        (Builtin::LocalDateTime | Builtin::ZonedDateTime | Builtin::OffsetDateTime, M::ofInstant)
            if count == 2 =>
        {
            at_zone(&arguments[0], &arguments[1], class)
        }
        (Builtin::LocalDateTime, M::ofEpochSecond) if count == 3 => {
            let seconds = number(machine, 0)?;
            let days = in_bounds(seconds.div_euclid(SECONDS_PER_DAY))?;
            let nanos = seconds.rem_euclid(SECONDS_PER_DAY) * NANOS_PER_SECOND;
            made(Moment::LocalDateTime { days, nanos })
        }
        (Builtin::ZonedDateTime | Builtin::OffsetDateTime, M::of) if count == 8 => {
            let days = checked_days(number(machine, 0)?, number(machine, 1)?, number(machine, 2)?)?;
            let nanos = checked_nanos(
                number(machine, 3)?,
                number(machine, 4)?,
                number(machine, 5)?,
                number(machine, 6)?,
            )?;
            let zone = match arguments.last().and_then(moment_of) {
                Some(Moment::Zone(zone)) => zone.clone(),
                _ => Zone::utc(),
            };
            made(Moment::Zoned { days, nanos, zone, named: class == Builtin::ZonedDateTime })
        }
        (Builtin::ZoneId | Builtin::TimeZone, M::of | M::getTimeZone) | (Builtin::ZoneOffset, M::of)
            if count == 1 =>
        {
            let name = machine.text(&arguments[0])?;
            made(Moment::Zone(Zone::parse(&name)?))
        }
        (Builtin::ZoneOffset, M::ofHours) if count == 1 => {
            let hours = number(machine, 0)?;
            made(Moment::Zone(Zone::parse(&numeric_offset(hours.clamp(-18, 18) * 3600, ":"))?))
        }
        (Builtin::ZoneId, M::systemDefault) | (Builtin::TimeZone, M::getDefault) => {
            made(Moment::Zone(Zone::utc()))
        }
        (Builtin::Calendar, M::getInstance) => {
            Ok(Some(Value::native(Native::Calendar(machine.host.now_ms().into()))))
        }
        (Builtin::Period, M::between) if count == 2 => {
            match (moment_of(&arguments[0]), moment_of(&arguments[1])) {
                (Some(from @ Moment::LocalDate(_)), Some(to @ Moment::LocalDate(last))) => {
                    let months = units_between(from, to, "MONTHS")?;
                    let Moment::LocalDate(reached) = from.plus(0, 1, months)? else { return Ok(None) };
                    made(Moment::Period { months, days: last - reached })
                }
                _ => Ok(None),
            }
        }
        (Builtin::Period, M::ofDays | M::ofWeeks | M::ofMonths | M::ofYears) if count == 1 => {
            let amount = number(machine, 0)?.clamp(-YEAR_MAX, YEAR_MAX);
            made(match method {
                M::ofDays => Moment::Period { months: 0, days: amount },
                M::ofWeeks => Moment::Period { months: 0, days: amount * 7 },
                M::ofMonths => Moment::Period { months: amount, days: 0 },
                _ => Moment::Period { months: amount * 12, days: 0 },
            })
        }
        (Builtin::Period, M::of) if count == 3 => {
            let (years, months, days) = (number(machine, 0)?, number(machine, 1)?, number(machine, 2)?);
            let bounded = |amount: i64| amount.clamp(-YEAR_MAX, YEAR_MAX);
            made(Moment::Period { months: bounded(years) * 12 + bounded(months), days: bounded(days) })
        }
        (Builtin::Duration, M::between) if count == 2 => {
            let (Some(from), Some(to)) = (moment_of(&arguments[0]), moment_of(&arguments[1])) else {
                return Ok(None);
            };
            made(duration(nanos_between(from, to)?)?)
        }
        (
            Builtin::Duration,
            M::ofDays | M::ofHours | M::ofMinutes | M::ofSeconds | M::ofMillis | M::ofNanos,
        ) if count == 1 => {
            let unit = match method {
                M::ofDays => NANOS_PER_DAY,
                M::ofHours => 3600 * NANOS_PER_SECOND,
                M::ofMinutes => 60 * NANOS_PER_SECOND,
                M::ofSeconds => NANOS_PER_SECOND,
                M::ofMillis => 1_000_000,
                _ => 1,
            };
            let amount = number(machine, 0)?;
            made(duration(i128::from(unit) * i128::from(amount))?)
        }
        (Builtin::Duration, M::parse) if count == 1 => {
            let text = machine.text(&arguments[0])?;
            match parse_duration(&text) {
                Some(nanos) => made(duration(nanos)?),
                None => Err(raise(
                    Builtin::DateTimeParseException,
                    format!("Text '{text}' cannot be parsed to a Duration: expected a text like PT1H30M"),
                )),
            }
        }
        (Builtin::DateTimeFormatter, M::ofPattern) if count >= 1 => {
            let pattern = machine.text(&arguments[0])?;
            let zoned = Moment::Zoned { days: 0, nanos: 0, zone: Zone::utc(), named: true };
            zoned.format(&pattern)?;
            made(Moment::Formatter(pattern, class))
        }
        (Builtin::ChronoUnit | Builtin::DayOfWeek | Builtin::Month, M::valueOf) if count == 1 => {
            let name = machine.text(&arguments[0])?;
            match constant(class, &name) {
                Some(value) => Ok(Some(value)),
                None => Err(raise(
                    Builtin::IllegalArgumentException,
                    format!("No enum constant {}.{name}", class.full_name()),
                )),
            }
        }
        (Builtin::DayOfWeek, M::of) if count == 1 => made(Moment::Weekday(number(machine, 0)?.clamp(1, 7))),
        (Builtin::Month, M::of) if count == 1 => made(Moment::Month(number(machine, 0)?.clamp(1, 12))),
        (Builtin::Date, M::parse) if count >= 2 => {
            let (pattern, text) = (machine.text(&arguments[0])?, machine.text(&arguments[1])?);
            let read = parse(&text, &pattern, class)?;
            made(moment_from(&read, class)?)
        }
        (Builtin::Date, M::from) if count == 1 => match moment_of(&arguments[0]).and_then(Moment::instant) {
            Some((seconds, nanos)) => {
                made(Moment::Date(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)))
            }
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

/// A point in time as the clocks of a zone show it.
fn at_zone(instant: &Value, zone: &Value, class: Builtin) -> Run<Option<Value>> {
    let (Some(instant), Some(Moment::Zone(zone))) =
        (moment_of(instant).and_then(Moment::instant), moment_of(zone))
    else {
        return Ok(None);
    };
    let seconds = instant.0.saturating_add(zone.seconds);
    let days = in_bounds(seconds.div_euclid(SECONDS_PER_DAY))?;
    let nanos = seconds.rem_euclid(SECONDS_PER_DAY) * NANOS_PER_SECOND + instant.1;
    made(match class {
        Builtin::LocalDateTime => Moment::LocalDateTime { days, nanos },
        Builtin::LocalDate => Moment::LocalDate(days),
        Builtin::LocalTime => Moment::LocalTime(nanos),
        _ => Moment::Zoned { days, nanos, zone: zone.clone(), named: class == Builtin::ZonedDateTime },
    })
}

/// `PT1H30M`, `P2DT3S`
fn parse_duration(text: &str) -> Option<i128> {
    let rest = text.strip_prefix('P')?;
    let (mut total, mut in_time, mut digits) = (0i128, false, String::new());
    for char in rest.chars() {
        match char {
            'T' => in_time = true,
            '0'..='9' | '-' | '.' => digits.push(char),
            'D' | 'H' | 'M' | 'S' => {
                let unit = match (char, in_time) {
                    ('D', false) => NANOS_PER_DAY,
                    ('H', true) => 3600 * NANOS_PER_SECOND,
                    ('M', true) => 60 * NANOS_PER_SECOND,
                    ('S', true) => NANOS_PER_SECOND,
                    _ => return None,
                };
                let amount: f64 = std::mem::take(&mut digits).parse().ok()?;
                total = total.saturating_add((amount * unit as f64) as i128);
            }
            _ => return None,
        }
    }
    digits.is_empty().then_some(total)
}

fn nanos_between(from: &Moment, to: &Moment) -> Run<i128> {
    let total = |moment: &Moment| {
        let second = i128::from(NANOS_PER_SECOND);
        match moment.instant() {
            Some((seconds, nanos)) => i128::from(seconds) * second + i128::from(nanos),
            None => {
                let Fields { days, nanos, .. } = moment.fields();
                i128::from(days.unwrap_or(0)) * i128::from(NANOS_PER_DAY) + i128::from(nanos.unwrap_or(0))
            }
        }
    };
    let comparable = from.instant().is_some() == to.instant().is_some();
    if !comparable {
        return Err(raise(
            Builtin::DateTimeException,
            format!(
                "expected two values of the same kind, found {} and {}",
                from.class().full_name(),
                to.class().full_name()
            ),
        ));
    }
    Ok(total(to) - total(from))
}

fn units_between(from: &Moment, to: &Moment, unit: &str) -> Run<i64> {
    let (nanos, months) =
        UNITS.iter().find(|(name, ..)| *name == unit).map_or((1, 0), |(_, nanos, months)| (*nanos, *months));
    if months == 0 {
        let units = nanos_between(from, to)? / i128::from(nanos.max(1));
        return Ok(i64::try_from(units).unwrap_or(i64::MAX));
    }
    let (Some(first), Some(last)) = (from.fields().days, to.fields().days) else { return Ok(0) };
    let (year, month, day) = civil(first);
    let (other_year, other_month, other_day) = civil(last);
    let mut total = (other_year - year) * 12 + other_month - month;
    let (time, other_time) = (from.fields().nanos.unwrap_or(0), to.fields().nanos.unwrap_or(0));
    if total > 0 && (other_day, other_time) < (day, time) {
        total -= 1;
    } else if total < 0 && (other_day, other_time) > (day, time) {
        total += 1;
    }
    Ok(total / months)
}

/// A unit and a sign of `plusDays`, `minusHours` and so on.
fn shift_of(method: M) -> Option<(&'static str, i64)> {
    Some(match method {
        M::plusNanos => ("NANOS", 1),
        M::plusMillis => ("MILLIS", 1),
        M::plusSeconds => ("SECONDS", 1),
        M::plusMinutes => ("MINUTES", 1),
        M::plusHours => ("HOURS", 1),
        M::plusDays => ("DAYS", 1),
        M::plusWeeks => ("WEEKS", 1),
        M::plusMonths => ("MONTHS", 1),
        M::plusYears => ("YEARS", 1),
        M::minusNanos => ("NANOS", -1),
        M::minusMillis => ("MILLIS", -1),
        M::minusSeconds => ("SECONDS", -1),
        M::minusMinutes => ("MINUTES", -1),
        M::minusHours => ("HOURS", -1),
        M::minusDays => ("DAYS", -1),
        M::minusWeeks => ("WEEKS", -1),
        M::minusMonths => ("MONTHS", -1),
        M::minusYears => ("YEARS", -1),
        _ => return None,
    })
}

fn unit_amount(unit: &str) -> (i64, i64) {
    UNITS.iter().find(|(name, ..)| *name == unit).map_or((0, 0), |(_, nanos, months)| (*nanos, *months))
}

/// `moment.name(..)`
pub(crate) fn call(
    machine: &mut Machine<'_>,
    this: &Moment,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    machine.step(4)?;
    if let (Some((unit, sign)), [amount]) = (shift_of(method), arguments) {
        let (nanos, months) = unit_amount(unit);
        let amount = whole_of(machine, amount)?;
        return made(this.plus(nanos, months, amount.saturating_mul(sign))?);
    }
    match this {
        Moment::Duration { seconds, nanos } => {
            return call_duration(machine, this, *seconds, *nanos, method, arguments);
        }
        Moment::Period { months, days } => {
            return Ok(Some(match (method, arguments) {
                (M::getYears, []) => Value::whole(months / 12),
                (M::getMonths, []) => Value::whole(months % 12),
                (M::getDays, []) => Value::whole(*days),
                (M::toTotalMonths, []) => Value::Long(*months),
                (M::isNegative, []) => Value::Bool(*months < 0 || *days < 0),
                (M::isZero, []) => Value::Bool(*months == 0 && *days == 0),
                (M::toString, []) => machine.new_text(this.to_string())?,
                _ => return Ok(None),
            }));
        }
        Moment::Formatter(pattern, class) => {
            return call_formatter(machine, pattern, *class, method, arguments);
        }
        Moment::Unit(unit) => {
            return Ok(Some(match (method, arguments) {
                (M::between, [from, to]) => match (moment_of(from), moment_of(to)) {
                    (Some(from), Some(to)) => Value::Long(units_between(from, to, unit)?),
                    _ => return Ok(None),
                },
                (M::name, []) => Value::text(unit),
                _ => return Ok(None),
            }));
        }
        Moment::Weekday(number) | Moment::Month(number) => {
            let most = if matches!(this, Moment::Weekday(_)) { 7 } else { 12 };
            return Ok(Some(match (method, arguments) {
                (M::getValue, []) => Value::whole(*number),
                (M::ordinal, []) => Value::whole(number - 1),
                (M::name | M::toString, []) => Value::text(this.to_string()),
                (M::plus | M::minus, [amount]) => {
                    let amount = whole_of(machine, amount)?;
                    let amount = if method == M::plus { amount % most } else { -(amount % most) };
                    let moved = (number - 1 + amount).rem_euclid(most) + 1;
                    return made(if most == 7 { Moment::Weekday(moved) } else { Moment::Month(moved) });
                }
                (M::compareTo, [other]) => match moment_of(other).and_then(|other| this.compare(other)) {
                    Some(order) => Value::Int(order as i32),
                    None => return Ok(None),
                },
                _ => return Ok(None),
            }));
        }
        Moment::Zone(zone) => {
            return Ok(match (method, arguments) {
                (M::getId | M::getID | M::toString, []) => Some(Value::Text(Rc::clone(&zone.name))),
                (M::getTotalSeconds, []) => Some(Value::whole(zone.seconds)),
                _ => None,
            });
        }
        _ => {}
    }
    call_point(machine, this, method, arguments)
}

fn call_duration(
    machine: &mut Machine<'_>,
    this: &Moment,
    seconds: i64,
    nanos: i64,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    let other = arguments.first().and_then(moment_of);
    Ok(Some(match (method, other) {
        (M::toMillis, None) => Value::Long(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)),
        (M::toNanos, None) => Value::Long(seconds.saturating_mul(NANOS_PER_SECOND).saturating_add(nanos)),
        (M::getSeconds | M::toSeconds, None) => Value::Long(seconds),
        (M::toMinutes, None) => Value::Long(seconds / 60),
        (M::toHours, None) => Value::Long(seconds / 3600),
        (M::toDays, None) => Value::Long(seconds / SECONDS_PER_DAY),
        (M::toMinutesPart, None) => Value::whole(seconds / 60 % 60),
        (M::toSecondsPart, None) => Value::whole(seconds % 60),
        (M::toHoursPart, None) => Value::whole(seconds / 3600 % 24),
        (M::getNano, None) => Value::whole(nanos),
        (M::isNegative, None) => Value::Bool(seconds < 0),
        (M::isZero, None) => Value::Bool(seconds == 0 && nanos == 0),
        (M::abs | M::negated, None) => {
            let total = i128::from(seconds) * i128::from(NANOS_PER_SECOND) + i128::from(nanos);
            return made(duration(if method == M::abs { total.abs() } else { -total })?);
        }
        (M::plus | M::minus, Some(Moment::Duration { seconds: other, nanos: more })) => {
            let sign = if method == M::plus { 1 } else { -1 };
            let total = i128::from(*other) * i128::from(NANOS_PER_SECOND) + i128::from(*more);
            let own = i128::from(seconds) * i128::from(NANOS_PER_SECOND) + i128::from(nanos);
            return made(duration(own + sign * total)?);
        }
        (M::multipliedBy | M::multiply, None) => {
            let Some(by) = arguments.first() else { return Ok(None) };
            let by = whole_of(machine, by)?;
            let own = i128::from(seconds) * i128::from(NANOS_PER_SECOND) + i128::from(nanos);
            return made(duration(own.saturating_mul(i128::from(by)))?);
        }
        (M::compareTo, Some(other)) => match this.compare(other) {
            Some(order) => Value::Int(order as i32),
            None => return Ok(None),
        },
        (M::toString, None) => machine.new_text(this.to_string())?,
        _ => return Ok(None),
    }))
}

fn call_formatter(
    machine: &mut Machine<'_>,
    pattern: &Rc<str>,
    class: Builtin,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    match (method, arguments) {
        (M::format, [value]) => match value {
            Value::Long(ms) => machine.new_text(Moment::Date(*ms).format(pattern)?).map(Some),
            value => match moment_of(value) {
                Some(moment) => machine.new_text(moment.format(pattern)?).map(Some),
                None => Ok(None),
            },
        },
        (M::parse, [text]) => {
            let text = machine.text(text)?;
            let read = parse(&text, pattern_of(pattern), class)?;
            let kind = match class {
                Builtin::SimpleDateFormat => Builtin::Date,
                _ if read.zone.is_some() => Builtin::ZonedDateTime,
                _ if read.has_time => Builtin::LocalDateTime,
                _ => Builtin::LocalDate,
            };
            made(moment_from(&read, kind)?)
        }
        (M::withZone | M::withLocale, [_]) => made(Moment::Formatter(Rc::clone(pattern), class)),
        (M::setTimeZone | M::setLenient, [_]) => Ok(Some(Value::Null)),
        (M::toPattern, []) => Ok(Some(Value::Text(Rc::clone(pattern)))),
        _ => Ok(None),
    }
}

/// Methods of dates, times and instants.
fn call_point(
    machine: &mut Machine<'_>,
    this: &Moment,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    let Fields { days, nanos, zone } = this.fields();
    let date = days.map(civil);
    let other = arguments.first().and_then(moment_of);
    let order = other.and_then(|other| this.compare(other));
    let number = |value: Option<i64>| Ok(value.map(Value::whole));
    match (method, arguments) {
        (M::isBefore | M::before, [_]) => Ok(order.map(|order| Value::Bool(order.is_lt()))),
        (M::isAfter | M::after, [_]) => Ok(order.map(|order| Value::Bool(order.is_gt()))),
        (M::isEqual | M::equals, [_]) => Ok(Some(Value::Bool(order == Some(Ordering::Equal)))),
        (M::compareTo, [_]) => Ok(order.map(|order| Value::Int(order as i32))),
        (M::getTime | M::toEpochMilli, []) => Ok(this.instant().map(|(seconds, nanos)| {
            Value::Long(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000))
        })),
        (M::getEpochSecond | M::toEpochSecond, []) => {
            Ok(this.instant().map(|(seconds, _)| Value::Long(seconds)))
        }
        (M::toEpochSecond, [zone]) => Ok(match (moment_of(zone), days, nanos) {
            (Some(Moment::Zone(zone)), Some(days), Some(nanos)) => {
                Some(Value::Long(days * SECONDS_PER_DAY + nanos / NANOS_PER_SECOND - zone.seconds))
            }
            _ => None,
        }),
        (M::toEpochDay, []) => Ok(days.map(Value::Long)),
        (M::getYear, []) => match this {
            Moment::Date(_) => number(date.map(|(year, ..)| year - 1900)),
            _ => number(date.map(|(year, ..)| year)),
        },
        (M::getMonthValue, []) => number(date.map(|(_, month, _)| month)),
        (M::getMonth, []) => match (this, date) {
            (Moment::Date(_), Some((_, month, _))) => Ok(Some(Value::whole(month - 1))),
            (_, Some((_, month, _))) => made(Moment::Month(month)),
            _ => Ok(None),
        },
        (M::getDayOfMonth, []) => number(date.map(|(.., day)| day)),
        (M::getDate, []) => number(date.map(|(.., day)| day)),
        (M::getDayOfYear, []) => {
            number(days.zip(date).map(|(days, (year, ..))| days - days_of(year, 1, 1) + 1))
        }
        (M::getDayOfWeek, []) => match days {
            Some(days) => made(Moment::Weekday(weekday(days))),
            None => Ok(None),
        },
        (M::getDay, []) => number(days.map(|days| weekday(days) % 7)),
        (M::getHour | M::getHours, []) => number(nanos.map(|nanos| nanos / (3600 * NANOS_PER_SECOND))),
        (M::getMinute | M::getMinutes, []) => number(nanos.map(|nanos| nanos / (60 * NANOS_PER_SECOND) % 60)),
        (M::getSecond | M::getSeconds, []) => number(nanos.map(|nanos| nanos / NANOS_PER_SECOND % 60)),
        (M::getNano, []) => number(nanos.map(|nanos| nanos % NANOS_PER_SECOND)),
        (M::toSecondOfDay, []) => number(nanos.map(|nanos| nanos / NANOS_PER_SECOND)),
        (M::toNanoOfDay, []) => Ok(nanos.map(Value::Long)),
        (M::lengthOfMonth, []) => number(date.map(|(year, month, _)| days_in_month(year, month))),
        (M::lengthOfYear, []) => number(date.map(|(year, ..)| 365 + i64::from(is_leap(year)))),
        (M::isLeapYear, []) => Ok(date.map(|(year, ..)| Value::Bool(is_leap(year)))),
        (M::getOffset | M::getZone, []) => match zone {
            Some(zone) => made(Moment::Zone(zone)),
            None => Ok(None),
        },
        (M::toInstant, [] | [_]) => match this.instant() {
            Some((seconds, nanos)) => made(Moment::Instant { seconds, nanos }),
            None => match (arguments.first().and_then(moment_of), days, nanos) {
                (Some(Moment::Zone(zone)), Some(days), Some(nanos)) => made(Moment::Instant {
                    seconds: days * SECONDS_PER_DAY + nanos / NANOS_PER_SECOND - zone.seconds,
                    nanos: nanos % NANOS_PER_SECOND,
                }),
                _ => Ok(None),
            },
        },
        (M::toLocalDate, []) => match days {
            Some(days) => made(Moment::LocalDate(days)),
            None => Ok(None),
        },
        (M::toLocalTime, []) => match nanos {
            Some(nanos) => made(Moment::LocalTime(nanos)),
            None => Ok(None),
        },
        (M::toLocalDateTime, []) => match (days, nanos) {
            (Some(days), Some(nanos)) => made(Moment::LocalDateTime { days, nanos }),
            _ => Ok(None),
        },
        (M::toOffsetDateTime | M::toZonedDateTime, []) => match (days, nanos, zone) {
            (Some(days), Some(nanos), Some(zone)) => {
                made(Moment::Zoned { days, nanos, zone, named: method == M::toZonedDateTime })
            }
            _ => Ok(None),
        },
        (M::toDate, []) => match this.instant() {
            Some((seconds, nanos)) => {
                made(Moment::Date(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)))
            }
            None => Ok(None),
        },
        (M::atStartOfDay, []) => match days {
            Some(days) => made(Moment::LocalDateTime { days, nanos: 0 }),
            None => Ok(None),
        },
        (M::atStartOfDay, [zone]) => match (moment_of(zone), days) {
            (Some(Moment::Zone(zone)), Some(days)) => {
                made(Moment::Zoned { days, nanos: 0, zone: zone.clone(), named: true })
            }
            _ => Ok(None),
        },
        (M::atTime, [time]) => match (moment_of(time), days) {
            (Some(Moment::LocalTime(nanos)), Some(days)) => {
                made(Moment::LocalDateTime { days, nanos: *nanos })
            }
            _ => Ok(None),
        },
        (M::atTime, [hour, minute, rest @ ..]) => {
            let (hour, minute) = (whole_of(machine, hour)?, whole_of(machine, minute)?);
            let second = rest.first().map_or(Ok(0), |second| whole_of(machine, second))?;
            match days {
                Some(days) => {
                    made(Moment::LocalDateTime { days, nanos: checked_nanos(hour, minute, second, 0)? })
                }
                None => Ok(None),
            }
        }
        (M::atDate, [_]) => match (other, nanos) {
            (Some(Moment::LocalDate(days)), Some(nanos)) => {
                made(Moment::LocalDateTime { days: *days, nanos })
            }
            _ => Ok(None),
        },
        (M::atZone | M::atOffset | M::withZoneSameInstant | M::withOffsetSameInstant, [zone]) => {
            let class = if matches!(method, M::atZone | M::withZoneSameInstant) {
                Builtin::ZonedDateTime
            } else {
                Builtin::OffsetDateTime
            };
            match (this, moment_of(zone)) {
                (Moment::LocalDateTime { days, nanos }, Some(Moment::Zone(zone))) => {
                    let named = class == Builtin::ZonedDateTime;
                    made(Moment::Zoned { days: *days, nanos: *nanos, zone: zone.clone(), named })
                }
                _ => at_zone(&Value::native(Native::Moment(this.clone())), zone, class),
            }
        }
        (M::withZoneSameLocal, [zone]) => match (moment_of(zone), days, nanos) {
            (Some(Moment::Zone(zone)), Some(days), Some(nanos)) => {
                made(Moment::Zoned { days, nanos, zone: zone.clone(), named: true })
            }
            _ => Ok(None),
        },
        (M::withYear | M::withMonth | M::withDayOfMonth | M::withDayOfYear, [value]) => {
            let value = whole_of(machine, value)?;
            let Some((year, month, day)) = date else { return Ok(None) };
            let days = match method {
                M::withYear => checked_days(value, month, day.min(days_in_month(value, month)))?,
                M::withMonth => checked_days(year, value, day.min(days_in_month(year, value)))?,
                M::withDayOfMonth => checked_days(year, month, value)?,
                _ => days_of(year, 1, 1).saturating_add(value.saturating_sub(1)),
            };
            made(this.with(days, nanos.unwrap_or(0))?)
        }
        (M::withHour | M::withMinute | M::withSecond | M::withNano, [value]) => {
            let value = whole_of(machine, value)?;
            let Some(nanos) = nanos else { return Ok(None) };
            let (mut hour, mut minute, mut second, mut nano) = (
                nanos / (3600 * NANOS_PER_SECOND),
                nanos / (60 * NANOS_PER_SECOND) % 60,
                nanos / NANOS_PER_SECOND % 60,
                nanos % NANOS_PER_SECOND,
            );
            match method {
                M::withHour => hour = value,
                M::withMinute => minute = value,
                M::withSecond => second = value,
                _ => nano = value,
            }
            made(this.with(days.unwrap_or(0), checked_nanos(hour, minute, second, nano)?)?)
        }
        (M::truncatedTo, [_]) => match (other, nanos) {
            (Some(Moment::Unit(unit)), Some(nanos)) => {
                let (size, _) = unit_amount(unit);
                let size = size.clamp(1, NANOS_PER_DAY);
                made(this.with(days.unwrap_or(0), nanos - nanos.rem_euclid(size))?)
            }
            _ => Ok(None),
        },
        (M::plus | M::minus, [amount, unit]) => match moment_of(unit) {
            Some(Moment::Unit(unit)) => {
                let (nanos, months) = unit_amount(unit);
                let amount = whole_of(machine, amount)?;
                made(this.plus(
                    nanos,
                    months,
                    if method == M::plus { amount } else { amount.saturating_neg() },
                )?)
            }
            _ => Ok(None),
        },
        (M::plus | M::minus, [_]) => match (other, this) {
            (Some(Moment::Duration { seconds, nanos }), _) => {
                let sign = if method == M::plus { 1 } else { -1 };
                let moved = this.plus(NANOS_PER_SECOND, 0, seconds.saturating_mul(sign))?;
                made(moved.plus(*nanos, 0, sign)?)
            }
            (Some(Moment::Period { months, days }), _) => {
                let sign = if method == M::plus { 1 } else { -1 };
                made(this.plus(0, 1, months * sign)?.plus(NANOS_PER_DAY, 0, days.saturating_mul(sign))?)
            }
            (Some(other), Moment::Date(_) | Moment::LocalDate(_)) if method == M::minus => {
                Ok(Some(Value::whole(units_between(other, this, "DAYS")?)))
            }
            (Some(other), _) if method == M::minus => made(duration(nanos_between(other, this)?)?),
            (Some(_), _) => Ok(None),
            (None, _) => {
                // A number counts days of dates, and seconds of all else.
                let Some(amount) = arguments.first().filter(|amount| amount.is_number()) else {
                    return Ok(None);
                };
                let amount = whole_of(machine, amount)?;
                let unit = match this {
                    Moment::Date(_) | Moment::LocalDate(_) => NANOS_PER_DAY,
                    _ => NANOS_PER_SECOND,
                };
                made(this.plus(unit, 0, if method == M::plus { amount } else { amount.saturating_neg() })?)
            }
        },
        (M::next | M::previous, []) => {
            let unit = match this {
                Moment::Date(_) | Moment::LocalDate(_) => NANOS_PER_DAY,
                _ => NANOS_PER_SECOND,
            };
            made(this.plus(unit, 0, if method == M::next { 1 } else { -1 })?)
        }
        (M::until, [to, unit]) => match (moment_of(to), moment_of(unit)) {
            (Some(to), Some(Moment::Unit(unit))) => Ok(Some(Value::Long(units_between(this, to, unit)?))),
            _ => Ok(None),
        },
        (M::getAt, [field]) => match this {
            // `date[Calendar.YEAR]`
            Moment::Date(ms) => {
                let field = whole_of(machine, field)?;
                Ok(calendar_field(*ms, field).map(Value::whole))
            }
            _ => Ok(None),
        },
        (M::toCalendar, []) => match this {
            Moment::Date(ms) => Ok(Some(Value::native(Native::Calendar((*ms).into())))),
            _ => Ok(None),
        },
        (M::clearTime, []) => made(this.with(days.unwrap_or(0), 0)?),
        (M::format, [pattern, ..]) => {
            let pattern = machine.text(pattern)?;
            machine.new_text(this.format(&pattern)?).map(Some)
        }
        (M::toString, []) => machine.new_text(this.to_string()).map(Some),
        (M::hashCode, []) => {
            let total = days.unwrap_or(0).wrapping_mul(31).wrapping_add(nanos.unwrap_or(0));
            Ok(Some(Value::Int((total ^ (total >> 32)) as i32)))
        }
        (M::upto | M::downto, [to, closure]) => {
            let Some(last) = moment_of(to) else { return Ok(None) };
            let closure = super::closure_of(closure, "upto")?;
            let steps = units_between(this, last, "DAYS")?;
            let step = if method == M::upto { 1 } else { -1 };
            let count = count_of(machine, &Value::Long(steps.saturating_mul(step)), "days to go")?;
            for index in 0..=count as i64 {
                let moved = this.plus(NANOS_PER_DAY, 0, index * step)?;
                machine.call_closure(closure, &[Value::native(Native::Moment(moved))])?;
            }
            Ok(Some(Value::Null))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates() {
        for days in (-800_000..800_000).step_by(97) {
            let (year, month, day) = civil(days);
            assert_eq!(days_of(year, month, day), days);
        }
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(weekday(0), 4);
        assert_eq!(plus_months(days_of(2024, 1, 31), 1).unwrap(), days_of(2024, 2, 29));
    }

    #[test]
    fn texts() {
        let moment = Moment::Date(1_700_000_000_123);
        assert_eq!(moment.to_string(), "Tue Nov 14 22:13:20 UTC 2023");
        assert_eq!(moment.format("yyyy-MM-dd'T'HH:mm:ss.SSSZ").unwrap(), "2023-11-14T22:13:20.123+0000");
        let instant = Moment::Instant { seconds: 1_700_000_000, nanos: 0 };
        assert_eq!(instant.to_string(), "2023-11-14T22:13:20Z");
        assert_eq!(instant.format("ISO_INSTANT").unwrap(), "2023-11-14T22:13:20Z");
        assert!(Moment::LocalDate(0).format("HH").is_err());
    }

    #[test]
    fn parsing() {
        let read = parse_iso("2023-11-14T22:13:20.5Z", Builtin::Instant).unwrap();
        let instant = moment_from(&read, Builtin::Instant).unwrap();
        assert_eq!(instant, Moment::Instant { seconds: 1_700_000_000, nanos: 500_000_000 });
        assert!(parse_iso("2023-11", Builtin::LocalDate).is_err());
        let read = parse("14.11.2023", "dd.MM.yyyy", Builtin::LocalDate).unwrap();
        assert_eq!(moment_from(&read, Builtin::LocalDate).unwrap().to_string(), "2023-11-14");
        let read = parse("20231114", "yyyyMMdd", Builtin::LocalDate).unwrap();
        assert_eq!(moment_from(&read, Builtin::LocalDate).unwrap().to_string(), "2023-11-14");
        assert_eq!(parse_duration("PT1H30M"), Some(5400 * i128::from(NANOS_PER_SECOND)));
    }
}
