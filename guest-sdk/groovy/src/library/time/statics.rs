//! Static methods of the classes of time.

use super::civil::{
    MS_PER_DAY, NANOS_PER_DAY, NANOS_PER_SECOND, SECONDS_PER_DAY, YEAR_MAX, checked_days, checked_nanos,
    in_bounds,
};
use super::duration::{duration, nanos_between, parse_duration, units_between};
use super::moment::Moment;
use super::parse::{moment_from, parse, parse_iso, pattern_of};
use super::zone::{Zone, numeric_offset};
use super::{constant, made, moment_of};
use crate::class::Builtin;
use crate::library::whole_of;
use crate::machine::Machine;
use crate::names::Method as M;
use crate::raise::{Run, raise};
use crate::value::{Native, Value};

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
    let days = |machine: &mut Machine<'_>| {
        checked_days(number(machine, 0)?, number(machine, 1)?, number(machine, 2)?)
    };
    let nanos = |machine: &mut Machine<'_>, from: usize| {
        checked_nanos(
            number(machine, from)?,
            number(machine, from + 1)?,
            number(machine, from + 2)?,
            number(machine, from + 3)?,
        )
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
        (Builtin::LocalDate, M::of) if count == 3 => made(Moment::LocalDate(days(machine)?)),
        (Builtin::LocalDate, M::ofEpochDay) if count == 1 => {
            made(Moment::LocalDate(in_bounds(number(machine, 0)?)?))
        }
        (Builtin::LocalTime, M::of) if (2..=4).contains(&count) => {
            made(Moment::LocalTime(nanos(machine, 0)?))
        }
        (Builtin::LocalDateTime, M::of) if (5..=7).contains(&count) => {
            let (days, nanos) = (days(machine)?, nanos(machine, 3)?);
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
            let (days, nanos) = (days(machine)?, nanos(machine, 3)?);
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
pub(super) fn at_zone(instant: &Value, zone: &Value, class: Builtin) -> Run<Option<Value>> {
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
