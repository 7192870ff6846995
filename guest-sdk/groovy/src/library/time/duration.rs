//! Durations, and the units that moments move by.

use super::civil::{NANOS_PER_DAY, NANOS_PER_SECOND, SECONDS_PER_DAY, civil, invalid};
use super::moment::{Fields, Moment};
use super::{made, moment_of};
use crate::class::Builtin;
use crate::library::whole_of;
use crate::machine::Machine;
use crate::names::Method as M;
use crate::raise::{Run, raise};
use crate::value::Value;

/// Units with what they are in nanoseconds, or in months.
pub(super) const UNITS: [(&str, i64, i64); 12] = [
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

pub(super) fn duration(nanos: i128) -> Run<Moment> {
    let second = i128::from(NANOS_PER_SECOND);
    let seconds = i64::try_from(nanos.div_euclid(second)).map_err(|_| invalid("the duration is too long"))?;
    Ok(Moment::Duration { seconds, nanos: i64::try_from(nanos.rem_euclid(second)).unwrap_or(0) })
}

/// `PT1H30M`, `P2DT3S`
pub(super) fn parse_duration(text: &str) -> Option<i128> {
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

pub(super) fn nanos_between(from: &Moment, to: &Moment) -> Run<i128> {
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

pub(super) fn units_between(from: &Moment, to: &Moment, unit: &str) -> Run<i64> {
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
pub(super) fn shift_of(method: M) -> Option<(&'static str, i64)> {
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

pub(super) fn unit_amount(unit: &str) -> (i64, i64) {
    UNITS.iter().find(|(name, ..)| *name == unit).map_or((0, 0), |(_, nanos, months)| (*nanos, *months))
}

pub(super) fn call_duration(
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
