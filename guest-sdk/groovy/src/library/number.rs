//! Methods of numbers, characters and truth values.

use std::rc::Rc;

use num_bigint::BigInt;
use num_traits::{Num, Signed, ToPrimitive};

use super::{closure_of, count_of, format, whole_of};
use crate::class::Builtin;
use crate::debt;
use crate::decimal::{Decimal, Rounding};
use crate::machine::Machine;
use crate::names::Method as M;
use crate::number;
use crate::raise::{Run, raise};
use crate::syntax::Binary;
use crate::value::{Native, Value};

/// `new BigDecimal(..)` and its like.
pub(crate) fn create(machine: &mut Machine<'_>, class: Builtin, arguments: &[Value]) -> Run<Option<Value>> {
    Ok(Some(match arguments {
        [Value::Text(text)] => match number::parse(text, class) {
            Some(number) => number,
            None => return Err(super::text::not_a_number(text)),
        },
        [Value::Text(text), Value::Int(radix)] if class == Builtin::BigInteger => {
            in_radix(text, *radix).map(|number| Value::Big(Rc::new(number)))?
        }
        // What a double is exactly, as Java's constructor has it, is what nobody wants.
        [value, ..] if value.is_number() => convert(value, class).unwrap_or_default(),
        [value] => {
            let text = machine.text(value)?;
            match number::parse(&text, class) {
                Some(number) => number,
                None => return Err(super::text::not_a_number(&text)),
            }
        }
        _ => return Ok(None),
    }))
}

/// A number in another type.
pub(crate) fn convert(value: &Value, class: Builtin) -> Option<Value> {
    Some(match class {
        // Doubles beyond the bounds stay at them.
        Builtin::Integer => match value {
            Value::Double(number) => Value::Int(*number as i32),
            Value::Float(number) => Value::Int(*number as i32),
            other => Value::Int(number::to_long(other)? as i32),
        },
        Builtin::Long => Value::Long(number::to_long(value)?),
        Builtin::Short => Value::Int(i32::from(number::to_long(value)? as i16)),
        Builtin::Byte => Value::Int(i32::from(number::to_long(value)? as i8)),
        Builtin::Double => Value::Double(number::to_double(value)?),
        Builtin::Float => Value::Float(number::to_double(value)? as f32),
        Builtin::BigInteger => Value::Big(Rc::new(number::to_big(value)?)),
        Builtin::BigDecimal => Value::decimal(number::to_decimal(value)?),
        _ => return None,
    })
}

/// Whole numbers in another radix are read up to this length.
const DIGITS_MAX: usize = 4_096;

/// A whole number written with digits of a radix.
pub(crate) fn in_radix(text: &str, radix: i32) -> Run<BigInt> {
    let radix = u32::try_from(radix).ok().filter(|radix| (2..=36).contains(radix));
    let number =
        radix.filter(|_| text.len() < DIGITS_MAX).and_then(|radix| BigInt::from_str_radix(text, radix).ok());
    number.ok_or_else(|| super::text::not_a_number(text))
}

/// Digits of a radix.
pub(crate) fn with_radix(number: &BigInt, radix: i32) -> String {
    let radix = u32::try_from(radix).ok().filter(|radix| (2..=36).contains(radix)).unwrap_or(10);
    debt::digits(number.bits(), number.bits());
    number.to_str_radix(radix)
}

/// A rounding among the arguments: a mode, its name or its number.
pub(crate) fn rounding_of(machine: &mut Machine<'_>, value: &Value) -> Run<Rounding> {
    if let Value::Native(native) = value {
        if let Native::Rounding(rounding) = **native {
            return Ok(rounding);
        }
    }
    let text = machine.text(value)?;
    let by_number = match &*text {
        "0" => "UP",
        "1" => "DOWN",
        "2" => "CEILING",
        "3" => "FLOOR",
        "4" => "HALF_UP",
        "5" => "HALF_DOWN",
        "6" => "HALF_EVEN",
        name => name,
    };
    Rounding::named(by_number).ok_or_else(|| {
        raise(
            Builtin::IllegalArgumentException,
            format!("expected a rounding such as RoundingMode.HALF_UP, found {text}"),
        )
    })
}

/// A decimal at another scale, within bounds.
fn scaled(machine: &mut Machine<'_>, number: &Decimal, scale: &Value, rounding: Rounding) -> Run {
    let scale = whole_of(machine, scale)?;
    let bound = i64::from(crate::decimal::SCALE_MAX);
    if !(-bound..=bound).contains(&scale) {
        return Err(raise(
            Builtin::ArithmeticException,
            format!("expected a scale up to {bound}, found {scale}"),
        ));
    }
    let scale = scale as i32;
    machine.allocate(scale.unsigned_abs() as usize)?;
    let scaled = number.with_scale(scale, rounding);
    machine.allocate(number::size_of(&scaled))?;
    Ok(Value::decimal(scaled))
}

/// Counting from a number to another.
fn count(machine: &mut Machine<'_>, from: &Value, to: &Value, closure: &Value, up: bool) -> Run {
    let closure = closure_of(closure, if up { "upto" } else { "downto" })?;
    let (first, last) = (whole_of(machine, from)?, whole_of(machine, to)?);
    if (up && first > last) || (!up && first < last) {
        return Err(raise(
            Builtin::GroovyRuntimeException,
            format!(
                "The argument ({last}) to {}() cannot be {} than the value ({first}) it's called on.",
                if up { "upto" } else { "downto" },
                if up { "less" } else { "greater" }
            ),
        ));
    }
    let mut number = from.clone();
    for _ in 0..=first.abs_diff(last) {
        machine.call_closure(closure, std::slice::from_ref(&number))?;
        number = machine.binary(if up { Binary::Add } else { Binary::Subtract }, &number, &Value::Int(1))?;
    }
    Ok(Value::Null)
}

/// Whether a number is prime, by the test of Miller and Rabin with the first primes as bases.
fn is_prime(number: &BigInt) -> bool {
    let (one, two) = (BigInt::from(1), BigInt::from(2));
    if *number < two {
        return false;
    }
    let below: BigInt = number - &one;
    let twos = below.trailing_zeros().unwrap_or(0);
    let odd = &below >> twos;
    [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37].into_iter().map(BigInt::from).all(|base| {
        if base >= *number {
            return true;
        }
        let mut power = base.modpow(&odd, number);
        if power == one || power == below {
            return true;
        }
        (1..twos).any(|_| {
            power = power.modpow(&two, number);
            power == below
        })
    })
}

/// `number.name(..)`
pub(crate) fn call(
    machine: &mut Machine<'_>,
    this: &Value,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    // Most answers are as long as the number itself.
    machine.allocate(number::size(this))?;
    let double = || number::to_double(this).unwrap_or(f64::NAN);
    Ok(Some(match (method, arguments) {
        (M::toInteger | M::intValue, []) => convert(this, Builtin::Integer).unwrap_or_default(),
        (M::toLong | M::longValue, []) => convert(this, Builtin::Long).unwrap_or_default(),
        (M::toDouble | M::doubleValue, []) => Value::Double(double()),
        (M::toFloat | M::floatValue, []) => Value::Float(double() as f32),
        (M::toShort | M::shortValue, []) => convert(this, Builtin::Short).unwrap_or_default(),
        (M::byteValue, []) => convert(this, Builtin::Byte).unwrap_or_default(),
        (M::toBigDecimal, []) => convert(this, Builtin::BigDecimal).unwrap_or_default(),
        (M::toBigInteger, []) => convert(this, Builtin::BigInteger).unwrap_or_default(),
        (M::intValueExact | M::longValueExact, []) => {
            let wanted = if method == M::intValueExact { Builtin::Integer } else { Builtin::Long };
            let exact = convert(this, wanted).unwrap_or_default();
            if number::compare(&exact, this) != Some(std::cmp::Ordering::Equal) {
                return Err(raise(Builtin::ArithmeticException, "the number does not fit its new type"));
            }
            exact
        }
        (M::abs, []) => match this {
            Value::Int(number) => Value::Int(number.wrapping_abs()),
            Value::Long(number) => Value::Long(number.wrapping_abs()),
            Value::Float(number) => Value::Float(number.abs()),
            Value::Double(number) => Value::Double(number.abs()),
            Value::Big(number) => Value::Big(Rc::new(number.abs())),
            Value::Decimal(number) => Value::decimal(number.absolute()),
            _ => return Ok(None),
        },
        (M::negate | M::negative | M::unaryMinus, []) => number::negated(this).unwrap_or_default(),
        (M::positive, []) => this.clone(),
        (M::bitwiseNegate, []) => match this {
            Value::Int(number) => Value::Int(!number),
            Value::Long(number) => Value::Long(!number),
            _ => return Ok(None),
        },
        (M::signum, []) => Value::Int(number::compare(this, &Value::Int(0)).map_or(0, |order| order as i32)),
        (M::round, []) => match this {
            Value::Decimal(number) => Value::whole_of(number.with_scale(0, Rounding::HalfUp).to_whole()),
            Value::Float(_) => Value::Int((double() + 0.5).floor() as i32),
            Value::Double(_) => Value::Long((double() + 0.5).floor() as i64),
            other => other.clone(),
        },
        (M::round, [Value::Native(native)]) => match (&**native, number::to_decimal(this)) {
            (Native::Precision(digits, rounding), Some(number)) => {
                Value::decimal(number.rounded(*digits, *rounding))
            }
            _ => return Ok(None),
        },
        (M::round | M::trunc | M::truncate, [digits]) => {
            let digits = whole_of(machine, digits)?;
            let rounding = if method == M::round { Rounding::HalfUp } else { Rounding::Down };
            match (this, number::to_decimal(this)) {
                (Value::Double(_) | Value::Float(_), Some(number)) => {
                    let number = number.with_scale(digits.clamp(-300, 300) as i32, rounding);
                    Value::Double(number.to_double())
                }
                (_, Some(number)) => scaled(machine, &number, &Value::Long(digits), rounding)?,
                (this, None) => this.clone(),
            }
        }
        (M::trunc | M::truncate, []) => match this {
            Value::Double(number) => Value::Double(number.trunc()),
            Value::Decimal(number) => Value::decimal(number.with_scale(0, Rounding::Down)),
            other => other.clone(),
        },
        (M::ceil, []) => Value::Double(double().ceil()),
        (M::floor, []) => Value::Double(double().floor()),
        (M::intdiv, [other]) => return number::whole_division(this, other),
        (M::setScale, [scale]) => match this {
            Value::Decimal(number) => {
                let wanted = whole_of(machine, scale)?;
                let exact = scaled(machine, number, scale, Rounding::Down)?;
                if number::compare(&exact, this) != Some(std::cmp::Ordering::Equal) {
                    return Err(raise(
                        Builtin::ArithmeticException,
                        format!("Rounding necessary: write setScale({wanted}, RoundingMode.HALF_UP)"),
                    ));
                }
                exact
            }
            _ => return Ok(None),
        },
        (M::setScale, [scale, rounding]) => {
            let rounding = rounding_of(machine, rounding)?;
            match this {
                Value::Decimal(number) => scaled(machine, number, scale, rounding)?,
                _ => return Ok(None),
            }
        }
        (M::scale, []) => match this {
            Value::Decimal(number) => Value::Int(number.scale()),
            _ => return Ok(None),
        },
        (M::precision, []) => match this {
            Value::Decimal(number) => Value::Int(number.precision() as i32),
            _ => return Ok(None),
        },
        (M::unscaledValue, []) => match this {
            Value::Decimal(number) => Value::Big(Rc::new(number.unscaled().clone())),
            _ => return Ok(None),
        },
        (M::stripTrailingZeros, []) => match this {
            Value::Decimal(number) => Value::decimal(number.stripped()),
            _ => return Ok(None),
        },
        (M::toPlainString, []) => match this {
            Value::Decimal(number) => machine.new_text(number.to_plain())?,
            _ => return Ok(None),
        },
        (M::divide, [other, Value::Int(scale), rounding]) => {
            let rounding = rounding_of(machine, rounding)?;
            match (number::to_decimal(this), number::to_decimal(other)) {
                (Some(left), Some(right)) if !right.is_zero() => {
                    // Digits enough that rounding them once more changes nothing.
                    let wide =
                        left.with_scale((*scale).clamp(0, 5_000) + 40 + right.scale().abs(), Rounding::Down);
                    let quotient = wide.divide(&right).unwrap_or(wide);
                    let rounded = quotient.with_scale((*scale).clamp(-5_000, 5_000), rounding);
                    machine.allocate(number::size_of(&rounded))?;
                    Value::decimal(rounded)
                }
                (Some(_), Some(_)) => return Err(raise(Builtin::ArithmeticException, "/ by zero")),
                _ => return Ok(None),
            }
        }
        (M::plus | M::add, [other @ Value::Text(_)]) => machine.binary(Binary::Add, this, other)?,
        (M::plus | M::add, [other]) => return number::arithmetic(Binary::Add, this, other),
        (M::minus | M::subtract, [other]) => return number::arithmetic(Binary::Subtract, this, other),
        (M::multiply, [other]) => return number::arithmetic(Binary::Multiply, this, other),
        (M::div | M::divide, [other]) => {
            if let (Value::Big(_), Value::Big(_), M::divide) = (this, other, method) {
                return number::whole_division(this, other);
            }
            return number::arithmetic(Binary::Divide, this, other);
        }
        (M::r#mod | M::remainder | M::rem, [other]) => {
            return number::arithmetic(Binary::Remainder, this, other);
        }
        (M::power | M::pow, [other]) => return number::arithmetic(Binary::Power, this, other),
        (M::and, [other]) => return number::bits(Binary::And, this, other),
        (M::or, [other]) => return number::bits(Binary::Or, this, other),
        (M::xor, [other]) => return number::bits(Binary::Xor, this, other),
        (M::leftShift | M::shiftLeft, [other]) => return number::bits(Binary::ShiftLeft, this, other),
        (M::rightShift | M::shiftRight, [other]) => return number::bits(Binary::ShiftRight, this, other),
        (M::rightShiftUnsigned, [other]) => return number::bits(Binary::ShiftRightUnsigned, this, other),
        (M::next, []) => machine.binary(Binary::Add, this, &Value::Int(1))?,
        (M::previous, []) => machine.binary(Binary::Subtract, this, &Value::Int(1))?,
        (M::times, [closure]) => {
            let closure = closure_of(closure, "times")?;
            let count = whole_of(machine, this)?;
            for index in 0..count.max(0) {
                machine.call_closure(closure, &[Value::whole(index)])?;
            }
            Value::Null
        }
        (M::upto, [to, closure]) => count(machine, this, to, closure, true)?,
        (M::downto, [to, closure]) => count(machine, this, to, closure, false)?,
        (M::step, [to, by, closure]) => {
            let closure = closure_of(closure, "step")?;
            let mut number = this.clone();
            if number::compare(by, &Value::Int(0)) == Some(std::cmp::Ordering::Equal) {
                return Err(raise(Builtin::GroovyRuntimeException, "Infinite loop in step(): the step is 0"));
            }
            let up = number::compare(by, &Value::Int(0)) == Some(std::cmp::Ordering::Greater);
            loop {
                let order = number::compare(&number, to);
                let wanted = if up { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater };
                if order != Some(wanted) {
                    break;
                }
                machine.call_closure(closure, std::slice::from_ref(&number))?;
                number = machine.binary(Binary::Add, &number, by)?;
            }
            Value::Null
        }
        (M::compareTo, [other]) => Value::Int(machine.compare(this, other)? as i32),
        (M::equals, [other]) => Value::Bool(crate::compare::same_key(this, other, crate::value::KEY_DEPTH)),
        (M::max | M::min, [other]) => {
            let greater = machine.compare(this, other)?.is_ge();
            if greater == (method == M::max) { this.clone() } else { other.clone() }
        }
        (M::isNaN, []) => Value::Bool(double().is_nan()),
        (M::isInfinite, []) => Value::Bool(double().is_infinite()),
        (M::gcd, [other]) => match (number::to_big(this), number::to_big(other)) {
            (Some(left), Some(right)) => {
                let bits = left.bits().max(right.bits());
                machine.step(bits * (bits / 64) / 8)?;
                Value::Big(Rc::new(num_integer::Integer::gcd(&left, &right)))
            }
            _ => return Ok(None),
        },
        (M::isProbablePrime, [_]) => match this {
            Value::Big(number) => {
                // Twelve powers, each as many products as the number has bits.
                let digits = number.bits() / 64 + 1;
                machine.step(number.bits() * digits * digits)?;
                Value::Bool(is_prime(number))
            }
            _ => return Ok(None),
        },
        (M::bitLength, []) => match this {
            Value::Big(number) => Value::Int(number.bits() as i32),
            _ => return Ok(None),
        },
        (M::testBit, [bit]) => {
            let bit = count_of(machine, bit, "a bit")? as u64;
            Value::Bool(number::to_big(this).is_some_and(|number| number.bit(bit)))
        }
        (M::toString, []) => machine.text(this).map(Value::Text)?,
        (M::toString, [Value::Int(radix)]) => match (this, number::to_big(this)) {
            (Value::Int(_) | Value::Long(_) | Value::Big(_), Some(number)) => {
                machine.new_text(with_radix(&number, *radix))?
            }
            _ => return Ok(None),
        },
        (M::hashCode, []) => Value::Int(match this {
            Value::Int(number) => *number,
            other => {
                let bits = number::to_long(other).unwrap_or(0);
                (bits ^ (bits >> 32)) as i32
            }
        }),
        (M::toCharacter | M::toChar, []) => {
            let code = number::to_long(this).and_then(|code| u32::try_from(code).ok());
            Value::Char(code.and_then(char::from_u32).unwrap_or_default())
        }
        (M::isCase, [other]) => Value::Bool(machine.equal(this, other)?),
        (M::asBoolean, []) => Value::Bool(machine.truth(this)?),
        (M::format, [pattern]) => {
            let pattern = machine.text(pattern)?;
            let text = format::formatted(machine, &pattern, std::slice::from_ref(this))?;
            machine.new_text(text)?
        }
        (M::toMillis, []) => this.clone(),
        _ => return Ok(None),
    }))
}

/// `char.name(..)`
pub(crate) fn call_char(
    machine: &mut Machine<'_>,
    this: char,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    Ok(Some(match (method, arguments) {
        (M::isDigit, []) => Value::Bool(this.is_numeric()),
        (M::isLetter, []) => Value::Bool(this.is_alphabetic()),
        (M::isLetterOrDigit, []) => Value::Bool(this.is_alphanumeric()),
        (M::isUpperCase, []) => Value::Bool(this.is_uppercase()),
        (M::isLowerCase, []) => Value::Bool(this.is_lowercase()),
        (M::isWhitespace, []) => Value::Bool(this.is_whitespace()),
        (M::toUpperCase, []) => Value::Char(this.to_uppercase().next().unwrap_or(this)),
        (M::toLowerCase, []) => Value::Char(this.to_lowercase().next().unwrap_or(this)),
        (M::toInteger | M::intValue, []) => {
            Value::Int(this.to_digit(36).map_or(this as i32, |digit| digit as i32))
        }
        (M::charValue, []) => Value::Char(this),
        (M::next, []) => Value::Char(char::from_u32(this as u32 + 1).unwrap_or(this)),
        (M::previous, []) => {
            Value::Char((this as u32).checked_sub(1).and_then(char::from_u32).unwrap_or(this))
        }
        (M::compareTo, [other]) => Value::Int(machine.compare(&Value::Char(this), other)? as i32),
        (M::equals, [other]) => Value::Bool(matches!(other, Value::Char(other) if *other == this)),
        (M::toString, []) => Value::text(this.encode_utf8(&mut [0; 4])),
        (M::hashCode, []) => Value::Int(this as i32),
        (M::plus | M::minus | M::multiply | M::div, [other]) => {
            let operator = match method {
                M::plus => Binary::Add,
                M::minus => Binary::Subtract,
                M::multiply => Binary::Multiply,
                _ => Binary::Divide,
            };
            let code = Value::Int(i32::try_from(u32::from(this)).unwrap_or(0));
            return number::arithmetic(operator, &code, other);
        }
        _ => return Ok(None),
    }))
}

/// `truth.name(..)`
pub(crate) fn call_bool(
    machine: &mut Machine<'_>,
    this: bool,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    Ok(Some(match (method, arguments) {
        (M::toString, []) => Value::text(if this { "true" } else { "false" }),
        (M::booleanValue | M::asBoolean | M::toBoolean, []) => Value::Bool(this),
        (M::and | M::or | M::xor | M::implies, [other]) => {
            let other = machine.truth(other)?;
            Value::Bool(match method {
                M::and => this && other,
                M::or => this || other,
                M::xor => this != other,
                _ => !this || other,
            })
        }
        (M::compareTo, [Value::Bool(other)]) => Value::Int(this.cmp(other) as i32),
        (M::equals, [other]) => Value::Bool(matches!(other, Value::Bool(other) if *other == this)),
        (M::hashCode, []) => Value::Int(if this { 1231 } else { 1237 }),
        _ => return Ok(None),
    }))
}

/// Functions of `Math`.
pub(crate) fn math(machine: &mut Machine<'_>, method: M, arguments: &[Value]) -> Run<Option<Value>> {
    let double = |index: usize| arguments.get(index).and_then(number::to_double).unwrap_or(f64::NAN);
    if arguments.is_empty() || arguments.iter().any(|argument| !argument.is_number()) {
        return Ok(None);
    }
    Ok(Some(match (method, arguments) {
        (M::abs, [value]) => match value {
            Value::Decimal(number) => Value::decimal(number.absolute()),
            other => call(machine, other, M::abs, &[])?.unwrap_or_default(),
        },
        (M::max | M::min, [left, right]) => {
            let greater = machine.compare(left, right)?.is_ge();
            let answer = if greater == (method == M::max) { left } else { right };
            // Both become the wider type.
            match (left, right) {
                (Value::Double(_), _)
                | (_, Value::Double(_))
                | (Value::Decimal(_), _)
                | (_, Value::Decimal(_)) => Value::Double(number::to_double(answer).unwrap_or(f64::NAN)),
                (Value::Long(_), _) | (_, Value::Long(_)) => {
                    Value::Long(number::to_long(answer).unwrap_or(0))
                }
                _ => answer.clone(),
            }
        }
        (M::round, [Value::Float(number)]) => Value::Int((f64::from(*number) + 0.5).floor() as i32),
        (M::round, [_]) => Value::Long((double(0) + 0.5).floor() as i64),
        (M::floor, [_]) => Value::Double(double(0).floor()),
        (M::ceil, [_]) => Value::Double(double(0).ceil()),
        (M::rint, [_]) => Value::Double(double(0).round_ties_even()),
        (M::sqrt, [_]) => Value::Double(double(0).sqrt()),
        (M::cbrt, [_]) => Value::Double(double(0).cbrt()),
        (M::pow, [_, _]) => Value::Double(double(0).powf(double(1))),
        (M::exp, [_]) => Value::Double(double(0).exp()),
        (M::log, [_]) => Value::Double(double(0).ln()),
        (M::log10, [_]) => Value::Double(double(0).log10()),
        (M::sin, [_]) => Value::Double(double(0).sin()),
        (M::cos, [_]) => Value::Double(double(0).cos()),
        (M::tan, [_]) => Value::Double(double(0).tan()),
        (M::asin, [_]) => Value::Double(double(0).asin()),
        (M::acos, [_]) => Value::Double(double(0).acos()),
        (M::atan, [_]) => Value::Double(double(0).atan()),
        (M::atan2, [_, _]) => Value::Double(double(0).atan2(double(1))),
        (M::hypot, [_, _]) => Value::Double(double(0).hypot(double(1))),
        (M::toRadians, [_]) => Value::Double(double(0).to_radians()),
        (M::toDegrees, [_]) => Value::Double(double(0).to_degrees()),
        (M::signum, [_]) => {
            Value::Double(if double(0) == 0.0 || double(0).is_nan() { double(0) } else { double(0).signum() })
        }
        (M::floorDiv | M::floorMod, [left, right]) => {
            let (left_, right_) = (whole_of(machine, left)?, whole_of(machine, right)?);
            if right_ == 0 {
                return Err(raise(Builtin::ArithmeticException, "/ by zero"));
            }
            let rest = left_.wrapping_rem(right_);
            let below = rest != 0 && (rest < 0) != (right_ < 0);
            let answer = if method == M::floorMod {
                if below { rest + right_ } else { rest }
            } else {
                left_.wrapping_div(right_) - i64::from(below)
            };
            match (left, right) {
                (Value::Int(_), Value::Int(_)) => Value::Int(answer as i32),
                _ => Value::Long(answer),
            }
        }
        (M::addExact | M::subtractExact | M::multiplyExact, [left, right]) => {
            let (left_, right_) = (whole_of(machine, left)?, whole_of(machine, right)?);
            let answer = match method {
                M::addExact => left_.checked_add(right_),
                M::subtractExact => left_.checked_sub(right_),
                _ => left_.checked_mul(right_),
            };
            let small = matches!((left, right), (Value::Int(_), Value::Int(_)));
            match answer {
                Some(answer) if !small => Value::Long(answer),
                Some(answer) if i32::try_from(answer).is_ok() => Value::Int(answer as i32),
                _ => {
                    let class = if small { "integer" } else { "long" };
                    return Err(raise(Builtin::ArithmeticException, format!("{class} overflow")));
                }
            }
        }
        (M::toIntExact, [value]) => {
            let number = whole_of(machine, value)?;
            match number.to_i32() {
                Some(number) => Value::Int(number),
                None => return Err(raise(Builtin::ArithmeticException, "integer overflow")),
            }
        }
        _ => return Ok(None),
    }))
}
