//! Methods and fields of `Calendar`, in UTC.

use super::civil::{
    MS_PER_DAY, NANOS_PER_DAY, NANOS_PER_SECOND, checked_days, civil, days_of, invalid, weekday,
};
use super::moment::Moment;
use super::{made, moment_of};
use crate::library::whole_of;
use crate::machine::Machine;
use crate::names::Method as M;
use crate::raise::Run;
use crate::value::{Native, Value};

/// Fields of calendars with their numbers.
pub(super) const CALENDAR_FIELDS: [(&str, i64); 12] = [
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
pub(super) fn calendar_field(ms: i64, field: i64) -> Option<i64> {
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
