//! Days, months and years of the calendar, and what of them is within bounds.

use std::fmt;

use crate::class::Builtin;
use crate::raise::{Raise, Run, raise};

pub(super) const MS_PER_DAY: i64 = 86_400_000;
pub(super) const SECONDS_PER_DAY: i64 = 86_400;
pub(super) const NANOS_PER_SECOND: i64 = 1_000_000_000;
pub(super) const NANOS_PER_DAY: i64 = SECONDS_PER_DAY * NANOS_PER_SECOND;

/// Years beyond this are refused.
pub(super) const YEAR_MAX: i64 = 999_999;

pub(super) const MONTHS: [&str; 12] = [
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
pub(super) const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Year, month and day of a day.
pub(super) fn civil(days: i64) -> (i64, i64, i64) {
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
pub(super) fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

pub(super) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(super) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

pub(super) fn invalid(what: impl fmt::Display) -> Box<Raise> {
    raise(Builtin::DateTimeException, format!("Invalid date or time: {what}"))
}

pub(super) fn checked_days(year: i64, month: i64, day: i64) -> Run<i64> {
    if !(-YEAR_MAX..=YEAR_MAX).contains(&year) || !(1..=12).contains(&month) {
        return Err(invalid(format!("year {year}, month {month}")));
    }
    if !(1..=days_in_month(year, month)).contains(&day) {
        return Err(invalid(format!("day {day} in month {month} of {year}")));
    }
    Ok(days_of(year, month, day))
}

pub(super) fn checked_nanos(hour: i64, minute: i64, second: i64, nano: i64) -> Run<i64> {
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
pub(super) fn plus_months(days: i64, months: i64) -> Run<i64> {
    let (year, month, day) = civil(days);
    let total = year.saturating_mul(12).saturating_add(month - 1).saturating_add(months);
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
    checked_days(year, month, day.min(days_in_month(year, month).max(1)))
}

/// Days within bounds.
pub(super) fn in_bounds(days: i64) -> Run<i64> {
    if days.unsigned_abs() > YEAR_MAX.unsigned_abs() * 366 {
        return Err(raise(Builtin::DateTimeException, "the date lies too far away"));
    }
    Ok(days)
}

/// From 1, Monday.
pub(super) fn weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7) + 1
}
