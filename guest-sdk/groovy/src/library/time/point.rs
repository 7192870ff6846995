//! Methods of dates, times and instants, and of what formats them.

use std::cmp::Ordering;
use std::rc::Rc;

use super::calendar::calendar_field;
use super::civil::{
    NANOS_PER_DAY, NANOS_PER_SECOND, SECONDS_PER_DAY, checked_days, checked_nanos, civil, days_in_month,
    days_of, is_leap, weekday,
};
use super::duration::{duration, nanos_between, unit_amount, units_between};
use super::moment::{Fields, Moment};
use super::parse::{moment_from, parse, pattern_of};
use super::statics::at_zone;
use super::{made, moment_of};
use crate::class::Builtin;
use crate::library::{closure_of, count_of, whole_of};
use crate::machine::Machine;
use crate::names::Method as M;
use crate::raise::Run;
use crate::value::{Native, Value};

pub(super) fn call_formatter(
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
pub(super) fn call_point(
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
            let closure = closure_of(closure, "upto")?;
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
