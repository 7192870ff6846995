//! Arithmetic between numbers of all types, with Groovy's promotions and Java's overflow.

use std::cmp::Ordering;
use std::rc::Rc;

use num_bigint::BigInt;
use num_traits::{Signed, ToPrimitive, Zero};

use crate::class::Builtin;
use crate::debt;
use crate::decimal::{Decimal, SCALE_MAX};
use crate::raise::{Run, raise};
use crate::syntax::Binary;
use crate::value::Value;

/// Whole numbers may be this large; more is a mistake or an attack.
const BITS_MAX: u64 = 1 << 16;

/// What a number of any length takes beside its digits, roughly.
const BIG_BYTES: u64 = 32;

/// Two operands in the type that both are promoted to.
enum Pair<'a> {
    Int(i32, i32),
    Long(i64, i64),
    Big(BigInt, BigInt),
    Decimal(Decimals<'a>),
    Double(f64, f64),
}

/// Two decimals, borrowed where they were such before.
struct Decimals<'a>(std::borrow::Cow<'a, Decimal>, std::borrow::Cow<'a, Decimal>);

/// What the digits of a number take in bytes, where it may have many.
pub(crate) fn size(value: &Value) -> usize {
    match value {
        Value::Big(number) => usize::try_from(number.bits() / 8).unwrap_or(usize::MAX),
        Value::Decimal(number) => size_of(number),
        _ => 0,
    }
}

/// What the digits of a decimal take in bytes.
pub(crate) fn size_of(number: &Decimal) -> usize {
    usize::try_from(number.unscaled().bits() / 8).unwrap_or(usize::MAX)
}

/// The minus of a literal: `-2147483648` is an `Integer` although `2147483648` is not.
pub(crate) fn negated_literal(number: &Value) -> Value {
    match number {
        Value::Int(number) => Value::Int(number.wrapping_neg()),
        Value::Long(number) if *number == 1 << 31 => Value::Int(i32::MIN),
        Value::Long(number) => Value::Long(number.wrapping_neg()),
        Value::Float(number) => Value::Float(-number),
        Value::Double(number) => Value::Double(-number),
        Value::Big(number) => match (-&**number).to_i64() {
            Some(number) if number == i64::MIN => Value::Long(number),
            _ => Value::Big(Rc::new(-&**number)),
        },
        Value::Decimal(number) => Value::decimal(number.negated()),
        other => other.clone(),
    }
}

/// A number as a double.
pub(crate) fn to_double(value: &Value) -> Option<f64> {
    Some(match value {
        Value::Int(number) => f64::from(*number),
        Value::Long(number) => *number as f64,
        Value::Float(number) => f64::from(*number),
        Value::Double(number) => *number,
        Value::Big(number) => number.to_f64().unwrap_or(f64::NAN),
        Value::Decimal(number) => number.to_double(),
        Value::Char(char) => f64::from(u32::from(*char)),
        _ => return None,
    })
}

/// A number as a whole one, cut off and wrapped as Java's `longValue()` does.
pub(crate) fn to_long(value: &Value) -> Option<i64> {
    Some(match value {
        Value::Int(number) => i64::from(*number),
        Value::Long(number) => *number,
        Value::Float(number) => *number as i64,
        Value::Double(number) => *number as i64,
        Value::Big(number) => wrapped(number),
        Value::Decimal(number) => wrapped(&number.to_whole()),
        Value::Char(char) => i64::from(u32::from(*char)),
        _ => return None,
    })
}

/// The lowest 64 bits.
fn wrapped(number: &BigInt) -> i64 {
    let low = number.iter_u64_digits().next().unwrap_or(0) as i64;
    if number.is_negative() { low.wrapping_neg() } else { low }
}

/// A number as a whole one, cut off.
pub(crate) fn to_big(value: &Value) -> Option<BigInt> {
    Some(match value {
        Value::Big(number) => (**number).clone(),
        Value::Decimal(number) => number.to_whole(),
        Value::Float(_) | Value::Double(_) => {
            return to_double(value).and_then(Decimal::from_double).map(|number| number.to_whole());
        }
        other => BigInt::from(to_long(other)?),
    })
}

/// A number as a decimal one.
pub(crate) fn to_decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Decimal(number) => Some((**number).clone()),
        Value::Float(number) => Decimal::parse(&crate::show::float(*number)),
        Value::Double(number) => Decimal::from_double(*number),
        Value::Big(number) => Some(Decimal::new((**number).clone(), 0)),
        other => to_long(other).map(|number| Decimal::new(BigInt::from(number), 0)),
    }
}

fn pair<'a>(left: &'a Value, right: &'a Value) -> Option<Pair<'a>> {
    use std::borrow::Cow;
    fn decimal(value: &Value) -> Option<Cow<'_, Decimal>> {
        match value {
            Value::Decimal(number) => Some(Cow::Borrowed(number)),
            other => to_decimal(other).map(Cow::Owned),
        }
    }
    let is_double = |value: &Value| matches!(value, Value::Double(_) | Value::Float(_));
    Some(match (left, right) {
        (Value::Int(left), Value::Int(right)) => Pair::Int(*left, *right),
        (left, right) if is_double(left) || is_double(right) => {
            Pair::Double(to_double(left)?, to_double(right)?)
        }
        (Value::Decimal(_), right) if right.is_number() => {
            Pair::Decimal(Decimals(decimal(left)?, decimal(right)?))
        }
        (left, Value::Decimal(_)) if left.is_number() => {
            Pair::Decimal(Decimals(decimal(left)?, decimal(right)?))
        }
        (Value::Big(_), _) | (_, Value::Big(_)) => {
            let (left, right) = (to_big(left)?, to_big(right)?);
            debt::digits(left.bits(), right.bits());
            Pair::Big(left, right)
        }
        (Value::Long(_), _) | (_, Value::Long(_)) => Pair::Long(to_long(left)?, to_long(right)?),
        (left, right) => Pair::Int(to_long(left)? as i32, to_long(right)? as i32),
    })
}

fn big(number: BigInt) -> Run {
    if number.bits() > BITS_MAX {
        return Err(raise(
            Builtin::ArithmeticException,
            format!("the number is too large: more than {BITS_MAX} bits"),
        ));
    }
    debt::bytes(BIG_BYTES + number.bits() / 8);
    Ok(Value::Big(Rc::new(number)))
}

fn decimal(number: Decimal) -> Run {
    if number.scale().abs() > SCALE_MAX || number.unscaled().bits() > BITS_MAX {
        return Err(raise(
            Builtin::ArithmeticException,
            format!(
                "the number is too large or too fine: more than {SCALE_MAX} digits on one side of the point"
            ),
        ));
    }
    debt::bytes(BIG_BYTES + number.unscaled().bits() / 8);
    Ok(Value::decimal(number))
}

fn by_zero<T>() -> Run<T> {
    Err(raise(Builtin::ArithmeticException, "Division by zero"))
}

/// `left operator right` for numbers; `None` when one of them is not a number.
pub(crate) fn arithmetic(operator: Binary, left: &Value, right: &Value) -> Run<Option<Value>> {
    let Some(pair) = pair(left, right) else { return Ok(None) };
    let answer = match operator {
        Binary::Add => match pair {
            Pair::Int(left, right) => Value::Int(left.wrapping_add(right)),
            Pair::Long(left, right) => Value::Long(left.wrapping_add(right)),
            Pair::Big(left, right) => big(left + right)?,
            Pair::Decimal(Decimals(left, right)) => decimal(left.add(&right))?,
            Pair::Double(left, right) => Value::Double(left + right),
        },
        Binary::Subtract => match pair {
            Pair::Int(left, right) => Value::Int(left.wrapping_sub(right)),
            Pair::Long(left, right) => Value::Long(left.wrapping_sub(right)),
            Pair::Big(left, right) => big(left - right)?,
            Pair::Decimal(Decimals(left, right)) => decimal(left.subtract(&right))?,
            Pair::Double(left, right) => Value::Double(left - right),
        },
        Binary::Multiply => match pair {
            Pair::Int(left, right) => Value::Int(left.wrapping_mul(right)),
            Pair::Long(left, right) => Value::Long(left.wrapping_mul(right)),
            Pair::Big(left, right) => big(left * right)?,
            Pair::Decimal(Decimals(left, right)) => decimal(left.multiply(&right))?,
            Pair::Double(left, right) => Value::Double(left * right),
        },
        Binary::Divide => match pair {
            Pair::Double(left, right) => Value::Double(left / right),
            Pair::Decimal(Decimals(left, right)) => match left.divide(&right) {
                Some(quotient) => decimal(quotient)?,
                None => return by_zero(),
            },
            // Whole numbers divide as decimals do.
            _ => match to_decimal(left).zip(to_decimal(right)) {
                Some((left, right)) => match left.divide(&right) {
                    Some(quotient) => decimal(quotient)?,
                    None => return by_zero(),
                },
                None => return Ok(None),
            },
        },
        Binary::Remainder => match pair {
            Pair::Int(left, right) => {
                Value::Int(left.checked_rem(right).map_or_else(|| rest(right == 0), Ok)?)
            }
            Pair::Long(left, right) => {
                Value::Long(left.checked_rem(right).map_or_else(|| rest(right == 0), Ok)?)
            }
            Pair::Big(_, right) if right.is_zero() => return by_zero(),
            Pair::Big(left, right) => big(left % right)?,
            Pair::Decimal(Decimals(left, right)) => match left.remainder(&right) {
                Some(remainder) => decimal(remainder)?,
                None => return by_zero(),
            },
            Pair::Double(left, right) => Value::Double(left % right),
        },
        Binary::Power => return power(left, right).map(Some),
        _ => return Ok(None),
    };
    Ok(Some(answer))
}

/// A remainder that does not exist, or that of the smallest number by -1.
fn rest<T: Default>(by_zero: bool) -> Run<T> {
    if by_zero { Err(raise(Builtin::ArithmeticException, "/ by zero")) } else { Ok(T::default()) }
}

/// The whole part of a division.
pub(crate) fn whole_division(left: &Value, right: &Value) -> Run<Option<Value>> {
    Ok(Some(match pair(left, right) {
        Some(Pair::Int(_, 0) | Pair::Long(_, 0)) => {
            return Err(raise(Builtin::ArithmeticException, "/ by zero"));
        }
        Some(Pair::Int(left, right)) => Value::Int(left.wrapping_div(right)),
        Some(Pair::Long(left, right)) => Value::Long(left.wrapping_div(right)),
        Some(Pair::Big(_, right)) if right.is_zero() => return by_zero(),
        Some(Pair::Big(left, right)) => big(left / right)?,
        _ => return Ok(None),
    }))
}

fn power(base: &Value, exponent: &Value) -> Run {
    let whole = match exponent {
        Value::Int(exponent) => u32::try_from(*exponent).ok(),
        Value::Long(exponent) => u32::try_from(*exponent).ok(),
        _ => None,
    };
    if let Some(exponent) = whole {
        let bits = |bits: u64| bits.saturating_mul(u64::from(exponent)) > BITS_MAX + 64;
        let too_large = || {
            raise(Builtin::ArithmeticException, format!("the number is too large: more than {BITS_MAX} bits"))
        };
        match base {
            Value::Int(_) | Value::Long(_) | Value::Big(_) => {
                let number = to_big(base).unwrap_or_default();
                if number.bits() > 1 && bits(number.bits()) {
                    return Err(too_large());
                }
                let size = number.bits().saturating_mul(u64::from(exponent)).min(BITS_MAX);
                debt::digits(size, size);
                let answer = number.pow(exponent);
                return match base {
                    Value::Int(_) => {
                        answer.to_i32().map_or_else(|| big(answer), |small| Ok(Value::Int(small)))
                    }
                    Value::Long(_) => {
                        answer.to_i64().map_or_else(|| big(answer), |small| Ok(Value::Long(small)))
                    }
                    _ => big(answer),
                };
            }
            Value::Decimal(number) => {
                if bits(number.unscaled().bits()) || bits(u64::from(number.scale().unsigned_abs())) {
                    return Err(too_large());
                }
                return decimal(number.power(exponent));
            }
            _ => {}
        }
    }
    let base = to_double(base).unwrap_or(f64::NAN);
    let answer = base.powf(to_double(exponent).unwrap_or(f64::NAN));
    Ok(if f64::from(answer as i32) == answer {
        Value::Int(answer as i32)
    } else if (answer as i64) as f64 == answer && answer.abs() < 9e18 {
        Value::Long(answer as i64)
    } else {
        Value::Double(answer)
    })
}

/// The minus of a number.
pub(crate) fn negated(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Int(number) => Value::Int(number.wrapping_neg()),
        Value::Long(number) => Value::Long(number.wrapping_neg()),
        Value::Float(number) => Value::Float(-number),
        Value::Double(number) => Value::Double(-number),
        Value::Big(number) => Value::Big(Rc::new(-&**number)),
        Value::Decimal(number) => Value::decimal(number.negated()),
        _ => return None,
    })
}

/// The order of two numbers; `None` when one of them is not a number, or NaN.
pub(crate) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match pair(left, right)? {
        Pair::Int(left, right) => Some(left.cmp(&right)),
        Pair::Long(left, right) => Some(left.cmp(&right)),
        Pair::Big(left, right) => Some(left.cmp(&right)),
        Pair::Decimal(Decimals(left, right)) => Some(left.cmp(&right)),
        Pair::Double(left, right) => left.partial_cmp(&right),
    }
}

/// Bit operations and shifts of whole numbers.
pub(crate) fn bits(operator: Binary, left: &Value, right: &Value) -> Run<Option<Value>> {
    let is_whole = |value: &Value| matches!(value, Value::Int(_) | Value::Long(_) | Value::Big(_));
    if !is_whole(left) || !is_whole(right) {
        return Ok(None);
    }
    if matches!(operator, Binary::ShiftLeft | Binary::ShiftRight | Binary::ShiftRightUnsigned) {
        let by = to_long(right).unwrap_or(0) as u32;
        return Ok(Some(match (left, operator) {
            (Value::Int(left), Binary::ShiftLeft) => Value::Int(left.wrapping_shl(by)),
            (Value::Int(left), Binary::ShiftRight) => Value::Int(left.wrapping_shr(by)),
            (Value::Int(left), _) => Value::Int((*left as u32).wrapping_shr(by) as i32),
            (Value::Long(left), Binary::ShiftLeft) => Value::Long(left.wrapping_shl(by)),
            (Value::Long(left), Binary::ShiftRight) => Value::Long(left.wrapping_shr(by)),
            (Value::Long(left), _) => Value::Long((*left as u64).wrapping_shr(by) as i64),
            (Value::Big(left), Binary::ShiftLeft) if u64::from(by) <= BITS_MAX => {
                debt::digits(left.bits() + u64::from(by), 0);
                big(&**left << by)?
            }
            (Value::Big(left), Binary::ShiftRight) => {
                debt::digits(left.bits(), 0);
                big(&**left >> by)?
            }
            _ => return Ok(None),
        }));
    }
    let apply = |left: i64, right: i64| match operator {
        Binary::And => left & right,
        Binary::Or => left | right,
        _ => left ^ right,
    };
    Ok(Some(match pair(left, right) {
        Some(Pair::Int(left, right)) => Value::Int(apply(i64::from(left), i64::from(right)) as i32),
        Some(Pair::Long(left, right)) => Value::Long(apply(left, right)),
        Some(Pair::Big(left, right)) => big(match operator {
            Binary::And => left & right,
            Binary::Or => left | right,
            _ => left ^ right,
        })?,
        _ => return Ok(None),
    }))
}

/// The number in a text, as `as BigDecimal`, `toInteger()` and the like read it.
pub(crate) fn parse(text: &str, class: Builtin) -> Option<Value> {
    let trimmed = text.trim();
    Some(match class {
        Builtin::Integer => Value::Int(trimmed.parse().ok()?),
        Builtin::Short => Value::Int(i32::from(trimmed.parse::<i16>().ok()?)),
        Builtin::Byte => Value::Int(i32::from(trimmed.parse::<i8>().ok()?)),
        Builtin::Long => Value::Long(trimmed.parse().ok()?),
        Builtin::Double => Value::Double(parse_double(trimmed)?),
        Builtin::Float => Value::Float(parse_double(trimmed)? as f32),
        Builtin::BigInteger if trimmed.len() < 20_000 => {
            debt::digits(trimmed.len() as u64 * 3, trimmed.len() as u64 * 3);
            Value::Big(Rc::new(trimmed.parse().ok()?))
        }
        Builtin::BigDecimal if trimmed.len() < 20_000 => Value::decimal(Decimal::parse(trimmed)?),
        _ => return None,
    })
}

/// A double as Java reads it.
fn parse_double(text: &str) -> Option<f64> {
    let body = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    match body {
        "NaN" => Some(f64::NAN),
        "Infinity" | "+Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ if body.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) => {
            body.parse().ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &Value) -> String {
        format!("{value:?}")
    }

    #[test]
    fn promotions() {
        let int = Value::Int(i32::MAX);
        assert_eq!(
            shown(&arithmetic(Binary::Add, &int, &Value::Int(1)).unwrap().unwrap()),
            "Int(-2147483648)"
        );
        let long = arithmetic(Binary::Add, &int, &Value::Long(1)).unwrap().unwrap();
        assert_eq!(shown(&long), "Long(2147483648)");
        assert!(arithmetic(Binary::Remainder, &int, &Value::Int(0)).is_err());
        assert_eq!(
            shown(&arithmetic(Binary::Remainder, &Value::Int(i32::MIN), &Value::Int(-1)).unwrap().unwrap()),
            "Int(0)"
        );
        assert!(arithmetic(Binary::Power, &Value::Int(10), &Value::Int(1_000_000_000)).is_err());
        assert_eq!(shown(&power(&Value::Int(2), &Value::Int(-1)).unwrap()), "Double(0.5)");
    }

    #[test]
    fn comparison_is_by_value() {
        let decimal = parse("1.0", Builtin::BigDecimal).unwrap();
        assert_eq!(compare(&Value::Int(1), &decimal), Some(Ordering::Equal));
        assert_eq!(compare(&Value::Double(0.5), &Value::Long(1)), Some(Ordering::Less));
        assert!(compare(&Value::Int(1), &Value::Null).is_none());
    }
}
