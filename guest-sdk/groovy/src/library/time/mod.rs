//! Dates and times: `Date`, `SimpleDateFormat` and the classes of java.time in daily use, in UTC and with fixed offsets.

mod calendar;
mod civil;
mod duration;
mod moment;
mod parse;
mod point;
mod show;
mod statics;
mod zone;

use std::rc::Rc;

pub(crate) use calendar::call_calendar;
pub(crate) use moment::Moment;
pub(crate) use statics::call_static;

use super::whole_of;
use crate::class::Builtin;
use crate::machine::Machine;
use crate::names::Method as M;
use crate::raise::{Run, raise};
use crate::value::{Native, Value};
use calendar::CALENDAR_FIELDS;
use civil::{MONTHS, NANOS_PER_DAY, WEEKDAYS};
use duration::{UNITS, call_duration, shift_of, unit_amount, units_between};
use point::{call_formatter, call_point};
use zone::Zone;

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

#[cfg(test)]
mod tests {
    use super::Moment;
    use super::civil::{NANOS_PER_SECOND, civil, days_of, plus_months, weekday};
    use super::duration::parse_duration;
    use super::parse::{moment_from, parse, parse_iso};
    use crate::class::Builtin;

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
