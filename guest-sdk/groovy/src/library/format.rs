//! Formats of `String.format`, `sprintf` and `printf`.

use num_bigint::BigInt;
use num_traits::Signed;

use crate::class::Builtin;
use crate::decimal::{Decimal, Rounding};
use crate::machine::Machine;
use crate::number;
use crate::raise::{Raise, Run, raise};
use crate::value::{Native, Value};

/// Widths and precisions are at most this large.
const WIDTH_MAX: usize = 100_000;

/// What stands between the percent sign and the letter.
#[derive(Default)]
struct Spec {
    index: Option<usize>,
    left: bool,
    plus: bool,
    space: bool,
    zero: bool,
    group: bool,
    parentheses: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

fn bad(format: &str, why: &str) -> Box<Raise> {
    let shown: String = format.chars().take(60).collect();
    raise(Builtin::IllegalArgumentException, format!("the format '{shown}' {why}"))
}

/// `sprintf(format, ..)`, whose arguments may be a list.
pub(crate) fn sprintf(machine: &mut Machine<'_>, arguments: &[Value]) -> Run {
    let Some((format, values)) = arguments.split_first() else {
        return Err(raise(
            Builtin::IllegalArgumentException,
            "expected a format, as in sprintf('%s', value)",
        ));
    };
    let format = machine.text(format)?;
    let values = match values {
        [list @ Value::List(_)] => machine.items(list)?,
        values => values.to_vec(),
    };
    let text = formatted(machine, &format, &values)?;
    machine.new_text(text)
}

/// A format with its values.
pub(crate) fn formatted(machine: &mut Machine<'_>, format: &str, values: &[Value]) -> Run<String> {
    let mut to = String::with_capacity(format.len());
    let mut chars = format.chars().peekable();
    let mut next = 0;
    while let Some(char) = chars.next() {
        if char != '%' {
            to.push(char);
            continue;
        }
        let mut spec = Spec::default();
        let mut digits = String::new();
        while let Some(flag) = chars.peek().copied() {
            match flag {
                '-' => spec.left = true,
                '+' => spec.plus = true,
                ' ' => spec.space = true,
                '0' if digits.is_empty() => spec.zero = true,
                ',' => spec.group = true,
                '(' => spec.parentheses = true,
                '#' => spec.alternate = true,
                '0'..='9' => digits.push(flag),
                '$' => spec.index = std::mem::take(&mut digits).parse::<usize>().ok(),
                '<' => spec.index = Some(next),
                _ => break,
            }
            chars.next();
        }
        spec.width = digits.parse().unwrap_or(0);
        if chars.peek() == Some(&'.') {
            chars.next();
            let mut digits = String::new();
            while let Some(digit) = chars.peek().copied().filter(char::is_ascii_digit) {
                digits.push(digit);
                chars.next();
            }
            spec.precision = digits.parse().ok();
        }
        if spec.width > WIDTH_MAX || spec.precision.is_some_and(|precision| precision > WIDTH_MAX) {
            return Err(bad(format, &format!("has a width beyond {WIDTH_MAX}")));
        }
        let Some(letter) = chars.next() else {
            return Err(bad(format, "ends after a percent sign; write `%%` for the sign itself"));
        };
        match letter {
            '%' => {
                machine.allocate(spec.width + 1)?;
                pad(&mut to, "%", &spec);
                continue;
            }
            'n' => {
                to.push('\n');
                continue;
            }
            _ => {}
        }
        let index = spec.index.unwrap_or_else(|| {
            next += 1;
            next
        });
        let Some(value) = index.checked_sub(1).and_then(|index| values.get(index)) else {
            return Err(bad(format, &format!("needs a value for `%{letter}`; give {index} or more")));
        };
        let date = if matches!(letter, 't' | 'T') { chars.next() } else { None };
        let text = one(machine, format, letter, date, &spec, value)?;
        machine.allocate(text.len() + spec.width)?;
        let text = if letter.is_uppercase() { text.to_uppercase() } else { text };
        pad(&mut to, &text, &spec);
    }
    Ok(to)
}

fn pad(to: &mut String, text: &str, spec: &Spec) {
    let missing = spec.width.saturating_sub(text.chars().count());
    if spec.left {
        to.push_str(text);
    }
    to.extend(std::iter::repeat_n(' ', missing));
    if !spec.left {
        to.push_str(text);
    }
}

fn one(
    machine: &mut Machine<'_>,
    format: &str,
    letter: char,
    date: Option<char>,
    spec: &Spec,
    value: &Value,
) -> Run<String> {
    let mismatch = |expected: &str| {
        bad(
            format,
            &format!(
                "needs {expected} for `%{letter}`, found a value of class {}",
                value.class().full_name()
            ),
        )
    };
    Ok(match letter {
        's' | 'S' => {
            let text = machine.text(value)?;
            match spec.precision {
                Some(precision) => text.chars().take(precision).collect(),
                None => text.to_string(),
            }
        }
        _ if value.is_null() => "null".to_owned(),
        'd' => match value {
            Value::Int(_) | Value::Long(_) | Value::Big(_) => {
                let number = number::to_big(value).unwrap_or_default();
                signed(&number.magnitude().to_string(), number.is_negative(), spec)
            }
            _ => return Err(mismatch("a whole number")),
        },
        'f' | 'F' | 'e' | 'E' | 'g' | 'G' if value.is_number() => {
            let Some(number) = number::to_decimal(value) else {
                return machine.text(value).map(|text| text.to_string());
            };
            let precision = i32::try_from(spec.precision.unwrap_or(6)).unwrap_or(6);
            let negative = number.signum() < 0;
            if matches!(letter, 'e' | 'E') {
                signed(&scientific(&number.absolute(), precision), negative, spec)
            } else {
                let rounded = number.absolute().with_scale(precision, Rounding::HalfUp);
                machine.allocate(rounded.scale().unsigned_abs() as usize)?;
                signed(&rounded.to_plain(), negative, spec)
            }
        }
        'f' | 'e' | 'E' | 'g' => return Err(mismatch("a number")),
        'x' | 'X' | 'o' => match value {
            Value::Int(number) if letter == 'o' => filled(format!("{number:o}"), spec),
            Value::Int(number) => filled(format!("{number:x}"), spec),
            Value::Long(number) if letter == 'o' => filled(format!("{number:o}"), spec),
            Value::Long(number) => filled(format!("{number:x}"), spec),
            Value::Big(number) => {
                let number: &BigInt = number;
                filled(number.to_str_radix(if letter == 'o' { 8 } else { 16 }), spec)
            }
            _ => return Err(mismatch("a whole number")),
        },
        'b' | 'B' => match value {
            Value::Bool(value) => value.to_string(),
            _ => "true".to_owned(),
        },
        'c' | 'C' => match value {
            Value::Int(code) => {
                u32::try_from(*code).ok().and_then(char::from_u32).unwrap_or_default().to_string()
            }
            other => machine.text(other)?.chars().take(1).collect(),
        },
        'h' | 'H' => {
            let hash = machine.invoke(value, &crate::syntax::MethodName::new("hashCode"), &[])?;
            format!("{:x}", number::to_long(&hash).unwrap_or(0) as i32)
        }
        't' | 'T' => {
            let moment = match value {
                Value::Native(native) => match &**native {
                    Native::Moment(moment) => Some(moment.clone()),
                    _ => None,
                },
                Value::Long(ms) => Some(super::time::Moment::Date(*ms)),
                _ => None,
            };
            let Some(moment) = moment else { return Err(mismatch("a date")) };
            let pattern = match date {
                Some('Y') => "yyyy",
                Some('y') => "yy",
                Some('m') => "MM",
                Some('d') => "dd",
                Some('e') => "d",
                Some('H') => "HH",
                Some('M') => "mm",
                Some('S') => "ss",
                Some('L') => "SSS",
                Some('F') => "yyyy-MM-dd",
                Some('T') => "HH:mm:ss",
                Some('R') => "HH:mm",
                Some('B') => "MMMM",
                Some('b') => "MMM",
                Some('A') => "EEEE",
                Some('a') => "EEE",
                _ => {
                    return Err(bad(
                        format,
                        "has a letter for dates that is not supported; use `date.format(..)`",
                    ));
                }
            };
            moment.format(pattern)?
        }
        _ => {
            return Err(bad(
                format,
                &format!("has the letter `%{letter}`, which means nothing; use s, d, f, e, x, o, b or c"),
            ));
        }
    })
}

/// Digits with zeros in front.
fn filled(digits: String, spec: &Spec) -> String {
    let digits = if spec.alternate { format!("0x{digits}") } else { digits };
    if !spec.zero || spec.left {
        return digits;
    }
    let missing = spec.width.saturating_sub(digits.len());
    format!("{}{digits}", "0".repeat(missing))
}

/// Digits with their sign, groups and zeros.
fn signed(digits: &str, negative: bool, spec: &Spec) -> String {
    let grouped = if spec.group {
        let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
        let mut groups = String::new();
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index) % 3 == 0 {
                groups.push(',');
            }
            groups.push(digit);
        }
        groups + fraction
    } else {
        digits.to_owned()
    };
    let (before, after) = match (negative, spec.parentheses, spec.plus, spec.space) {
        (true, true, ..) => ("(", ")"),
        (true, ..) => ("-", ""),
        (false, _, true, _) => ("+", ""),
        (false, _, _, true) => (" ", ""),
        _ => ("", ""),
    };
    let missing = if spec.zero && !spec.left {
        spec.width.saturating_sub(grouped.len() + before.len() + after.len())
    } else {
        0
    };
    format!("{before}{}{grouped}{after}", "0".repeat(missing))
}

/// A number by a pattern of `DecimalFormat`, such as `#,##0.00`.
pub(crate) fn by_pattern(pattern: &str, number: &Decimal, rounding: Rounding) -> String {
    let pattern = pattern.split(';').next().unwrap_or_default();
    let is_digit = |char: char| matches!(char, '#' | '0' | ',' | '.');
    let start = pattern.find(is_digit).unwrap_or(pattern.len());
    let end = pattern.rfind(is_digit).map_or(start, |last| last + 1);
    let (prefix, rest) = pattern.split_at(start);
    let (body, suffix) = rest.split_at(end - start);
    let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
    let least = whole.matches('0').count();
    let group = whole.rfind(',').map(|comma| whole.len() - comma - 1).filter(|size| *size > 0);
    let (fraction_least, fraction_most) = (fraction.matches('0').count(), fraction.len());
    let scaled = if suffix.contains('%') || prefix.contains('%') {
        number.multiply(&Decimal::new(BigInt::from(100), 0))
    } else {
        number.clone()
    };
    let scale = i32::try_from(fraction_most.min(WIDTH_MAX / 100)).unwrap_or(0);
    let rounded = scaled.with_scale(scale, rounding);
    let plain = rounded.absolute().to_plain();
    let (digits, decimals) = plain.split_once('.').unwrap_or((&plain, ""));
    let digits = if least == 0 && digits == "0" && fraction_most > 0 { "" } else { digits };
    let digits = "0".repeat(least.saturating_sub(digits.len())) + digits;
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if let Some(size) = group {
            if index > 0 && (digits.len() - index) % size == 0 {
                grouped.push(',');
            }
        }
        grouped.push(digit);
    }
    let mut decimals = decimals.to_owned();
    while decimals.len() > fraction_least && decimals.ends_with('0') {
        decimals.pop();
    }
    let point = if decimals.is_empty() { "" } else { "." };
    let sign = if rounded.signum() < 0 { "-" } else { "" };
    format!("{sign}{}{grouped}{point}{decimals}{}", prefix.replace('\'', ""), suffix.replace('\'', ""))
}

fn scientific(number: &Decimal, precision: i32) -> String {
    if number.is_zero() {
        let zeros = "0".repeat(usize::try_from(precision).unwrap_or(0));
        let point = if precision > 0 { "." } else { "" };
        return format!("0{point}{zeros}e+00");
    }
    let digits_wanted = u32::try_from(precision + 1).unwrap_or(1);
    let rounded = number.rounded(digits_wanted, Rounding::HalfUp);
    let mut digits = rounded.unscaled().magnitude().to_string();
    let exponent = digits.len() as i64 - 1 - i64::from(rounded.scale());
    while digits.len() < digits_wanted as usize {
        digits.push('0');
    }
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{first}{point}{rest}e{sign}{:02}", exponent.abs())
}
