//! Decimal numbers with the scales, roundings and texts of Java's `BigDecimal`.

use std::cmp::Ordering;
use std::fmt;

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{One, Signed, ToPrimitive, Zero};

use crate::debt;

/// Scales beyond this are refused: a text of twelve characters could otherwise ask for gigabytes of zeros.
pub(crate) const SCALE_MAX: i32 = 10_000;

/// Texts longer than this are no number: reading one takes the square of its length.
const TEXT_MAX: usize = 20_000;

/// Digits that a division without end has at least behind the point.
const DIVISION_SCALE_MIN: i32 = 10;

/// What is computed beyond the operands' precision by a division without end.
const DIVISION_EXTRA_DIGITS: u32 = 10;

/// How a digit too many is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// Away from zero.
    Up,
    /// Towards zero.
    Down,
    /// Towards positive infinity.
    Ceiling,
    /// Towards negative infinity.
    Floor,
    /// To the nearest, halves away from zero.
    HalfUp,
    /// To the nearest, halves towards zero.
    HalfDown,
    /// To the nearest, halves to the even digit.
    HalfEven,
}

impl Rounding {
    /// The mode of that Java name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "UP" | "ROUND_UP" => Self::Up,
            "DOWN" | "ROUND_DOWN" => Self::Down,
            "CEILING" | "ROUND_CEILING" => Self::Ceiling,
            "FLOOR" | "ROUND_FLOOR" => Self::Floor,
            "HALF_UP" | "ROUND_HALF_UP" => Self::HalfUp,
            "HALF_DOWN" | "ROUND_HALF_DOWN" => Self::HalfDown,
            "HALF_EVEN" | "ROUND_HALF_EVEN" => Self::HalfEven,
            _ => return None,
        })
    }

    /// The Java name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Up => "UP",
            Self::Down => "DOWN",
            Self::Ceiling => "CEILING",
            Self::Floor => "FLOOR",
            Self::HalfUp => "HALF_UP",
            Self::HalfDown => "HALF_DOWN",
            Self::HalfEven => "HALF_EVEN",
        }
    }
}

/// `unscaled / 10^scale`.
#[derive(Debug, Clone)]
pub(crate) struct Decimal {
    unscaled: BigInt,
    scale: i32,
}

/// `10^exponent`.
pub(crate) fn power_of_ten(exponent: u32) -> BigInt {
    match 10u64.checked_pow(exponent) {
        Some(small) => BigInt::from(small),
        None => {
            // A digit takes more than three bits.
            debt::digits(u64::from(exponent) * 3, u64::from(exponent) * 3);
            BigInt::from(10).pow(exponent)
        }
    }
}

/// A quotient rounded to a whole number.
fn divide_rounded(dividend: &BigInt, divisor: &BigInt, rounding: Rounding) -> BigInt {
    debt::digits(dividend.bits(), divisor.bits());
    let (quotient, rest) = dividend.div_rem(divisor);
    if rest.is_zero() {
        return quotient;
    }
    let negative = dividend.is_negative() != divisor.is_negative();
    let half = (rest.abs() * 2u8).cmp(&divisor.abs());
    let away = match rounding {
        Rounding::Up => true,
        Rounding::Down => false,
        Rounding::Ceiling => !negative,
        Rounding::Floor => negative,
        Rounding::HalfUp => half != Ordering::Less,
        Rounding::HalfDown => half == Ordering::Greater,
        Rounding::HalfEven => half == Ordering::Greater || (half == Ordering::Equal && quotient.is_odd()),
    };
    match (away, negative) {
        (false, _) => quotient,
        (true, false) => quotient + 1,
        (true, true) => quotient - 1,
    }
}

fn product(left: &BigInt, right: &BigInt) -> BigInt {
    debt::digits(left.bits(), right.bits());
    left * right
}

fn digits(of: &BigInt) -> u32 {
    if of.is_zero() {
        return 1;
    }
    debt::digits(of.bits(), of.bits());
    let text = of.magnitude().to_str_radix(10);
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

impl Decimal {
    /// A number of its unscaled digits and scale.
    pub(crate) fn new(unscaled: BigInt, scale: i32) -> Self {
        Self { unscaled, scale }
    }

    /// Reads `-12.50`, `.5` and `1e3`; `None` for anything else and for exponents out of bounds.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > TEXT_MAX {
            return None;
        }
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let unsigned = whole.strip_prefix(['+', '-']).unwrap_or(whole);
        let all_digits = unsigned.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
        if !all_digits || (unsigned.is_empty() && fraction.is_empty()) {
            return None;
        }
        let unscaled = if fraction.is_empty() && whole.len() < 19 {
            BigInt::from(whole.trim_start_matches('+').parse::<i64>().ok()?)
        } else {
            let joined = format!("{}{fraction}", whole.trim_start_matches('+'));
            debt::digits(joined.len() as u64 * 3, joined.len() as u64 * 3);
            joined.parse::<BigInt>().ok()?
        };
        let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        (scale.abs() <= SCALE_MAX).then_some(Self { unscaled, scale })
    }

    /// The shortest decimal that reads back as this double; `None` for infinities and NaN.
    pub(crate) fn from_double(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        Self::parse(&crate::show::double(value))
    }

    /// Digits behind the point.
    pub(crate) fn scale(&self) -> i32 {
        self.scale
    }

    /// All digits, without the point.
    pub(crate) fn unscaled(&self) -> &BigInt {
        &self.unscaled
    }

    /// Number of digits.
    pub(crate) fn precision(&self) -> u32 {
        digits(&self.unscaled)
    }

    /// Whether it is zero.
    pub(crate) fn is_zero(&self) -> bool {
        self.unscaled.is_zero()
    }

    /// -1, 0 or 1.
    pub(crate) fn signum(&self) -> i32 {
        match self.unscaled.sign() {
            num_bigint::Sign::Minus => -1,
            num_bigint::Sign::NoSign => 0,
            num_bigint::Sign::Plus => 1,
        }
    }

    /// The digits at a larger scale.
    fn digits_at(&self, scale: i32) -> BigInt {
        match u32::try_from(scale - self.scale) {
            Ok(0) | Err(_) => self.unscaled.clone(),
            Ok(more) => product(&self.unscaled, &power_of_ten(more)),
        }
    }

    /// Sum, at the larger scale of the two.
    pub(crate) fn add(&self, other: &Self) -> Self {
        let scale = self.scale.max(other.scale);
        Self { unscaled: self.digits_at(scale) + other.digits_at(scale), scale }
    }

    /// Difference, at the larger scale of the two.
    pub(crate) fn subtract(&self, other: &Self) -> Self {
        let scale = self.scale.max(other.scale);
        Self { unscaled: self.digits_at(scale) - other.digits_at(scale), scale }
    }

    /// Product; the scales add up.
    pub(crate) fn multiply(&self, other: &Self) -> Self {
        Self {
            unscaled: product(&self.unscaled, &other.unscaled),
            scale: self.scale.saturating_add(other.scale),
        }
    }

    /// Quotient as Groovy's `/`: exact where it ends, else rounded. `None` for a division by zero.
    pub(crate) fn divide(&self, other: &Self) -> Option<Self> {
        if other.is_zero() {
            return None;
        }
        let preferred = self.scale.saturating_sub(other.scale);
        if self.is_zero() {
            return Some(Self { unscaled: BigInt::zero(), scale: preferred.max(0) });
        }
        if let Some(exact) = self.divide_exactly(other, preferred) {
            return Some(exact);
        }
        let precision = self.precision().max(other.precision()) + DIVISION_EXTRA_DIGITS;
        let quotient = self.divide_to_precision(other, precision)?;
        let scale = self.scale.max(other.scale).max(DIVISION_SCALE_MIN);
        Some(if quotient.scale > scale { quotient.with_scale(scale, Rounding::HalfUp) } else { quotient })
    }

    /// The quotient when its digits end, at the smallest scale from the preferred one that holds it.
    fn divide_exactly(&self, other: &Self, preferred: i32) -> Option<Self> {
        // It goes through the bits of one number, with all of the other.
        let bits = self.unscaled.bits().max(other.unscaled.bits());
        if bits > 128 {
            debt::steps(bits.saturating_mul(bits / 64) / 8);
        }
        let common = self.unscaled.gcd(&other.unscaled);
        let (mut denominator, mut twos, mut fives) = ((&other.unscaled / &common).abs(), 0u32, 0u32);
        let (two, five) = (BigInt::from(2), BigInt::from(5));
        for (prime, count) in [(&two, &mut twos), (&five, &mut fives)] {
            loop {
                debt::digits(denominator.bits(), 64);
                let (quotient, rest) = denominator.div_rem(prime);
                if !rest.is_zero() {
                    break;
                }
                denominator = quotient;
                *count += 1;
            }
        }
        if !denominator.is_one() {
            return None;
        }
        let more = twos.max(fives);
        let dividend = product(&self.unscaled, &power_of_ten(more));
        debt::digits(dividend.bits(), other.unscaled.bits());
        let unscaled = dividend / &other.unscaled;
        let scale = preferred.saturating_add(i32::try_from(more).ok()?);
        Some(Self { unscaled, scale }.stripped_to(preferred))
    }

    fn divide_to_precision(&self, other: &Self, precision: u32) -> Option<Self> {
        // One digit more than needed may come out; it is rounded away at once, from a dividend that is long enough.
        let wanted = i64::from(precision) + 3 + i64::from(other.precision()) - i64::from(self.precision());
        let more = u32::try_from(wanted.max(0)).ok()?;
        let dividend = product(&self.unscaled, &power_of_ten(more));
        debt::digits(dividend.bits(), other.unscaled.bits());
        let (quotient, rest) = dividend.div_rem(&other.unscaled);
        // A sticky digit keeps halves apart from what is a little more.
        let sticky = if rest.is_zero() {
            0
        } else if self.signum() * other.signum() < 0 {
            -1
        } else {
            1
        };
        let unscaled = quotient * 10 + sticky;
        let scale = self.scale.checked_sub(other.scale)?.checked_add(i32::try_from(more).ok()?)? + 1;
        Some(Self { unscaled, scale }.rounded(precision, Rounding::HalfUp))
    }

    /// The number with at most that many digits.
    pub(crate) fn rounded(&self, precision: u32, rounding: Rounding) -> Self {
        let excess = self.precision().saturating_sub(precision);
        if excess == 0 || precision == 0 {
            return self.clone();
        }
        let less = i32::try_from(excess).unwrap_or(i32::MAX);
        let rounded = self.with_scale(self.scale.saturating_sub(less), rounding);
        // 9.99 becomes 10.0, which has a digit too many again.
        if rounded.precision() > precision { rounded.rounded(precision, rounding) } else { rounded }
    }

    /// Drops zeros at the end while the scale stays above that one.
    fn stripped_to(mut self, scale: i32) -> Self {
        let ten = BigInt::from(10);
        while self.scale > scale {
            debt::digits(self.unscaled.bits(), 64);
            let (quotient, rest) = self.unscaled.div_rem(&ten);
            if !rest.is_zero() {
                break;
            }
            self.unscaled = quotient;
            self.scale -= 1;
        }
        self
    }

    /// Without zeros at the end.
    pub(crate) fn stripped(&self) -> Self {
        if self.is_zero() {
            return Self { unscaled: BigInt::zero(), scale: 0 };
        }
        self.clone().stripped_to(-SCALE_MAX)
    }

    /// Remainder of the division to a whole number. `None` for a division by zero.
    pub(crate) fn remainder(&self, other: &Self) -> Option<Self> {
        if other.is_zero() {
            return None;
        }
        let scale = self.scale.max(other.scale);
        let (dividend, divisor) = (self.digits_at(scale), other.digits_at(scale));
        debt::digits(dividend.bits(), divisor.bits());
        Some(Self { unscaled: dividend % divisor, scale })
    }

    /// At another scale.
    pub(crate) fn with_scale(&self, scale: i32, rounding: Rounding) -> Self {
        if scale >= self.scale {
            return Self { unscaled: self.digits_at(scale), scale };
        }
        let less = u32::try_from(self.scale - scale).unwrap_or(0);
        Self { unscaled: divide_rounded(&self.unscaled, &power_of_ten(less), rounding), scale }
    }

    /// With the sign changed.
    pub(crate) fn negated(&self) -> Self {
        Self { unscaled: -&self.unscaled, scale: self.scale }
    }

    /// Without the sign.
    pub(crate) fn absolute(&self) -> Self {
        Self { unscaled: self.unscaled.abs(), scale: self.scale }
    }

    /// Itself multiplied that many times.
    pub(crate) fn power(&self, exponent: u32) -> Self {
        let scale = i64::from(self.scale) * i64::from(exponent);
        let bits = self.unscaled.bits().saturating_mul(u64::from(exponent));
        debt::digits(bits, bits);
        Self { unscaled: self.unscaled.pow(exponent), scale: i32::try_from(scale).unwrap_or(i32::MAX) }
    }

    /// The whole part.
    pub(crate) fn to_whole(&self) -> BigInt {
        self.with_scale(0, Rounding::Down).unscaled
    }

    /// The nearest double.
    pub(crate) fn to_double(&self) -> f64 {
        if (0..=22).contains(&self.scale) {
            let exact = self.unscaled.to_i64().filter(|digits| digits.unsigned_abs() < 1 << 53);
            if let Some(digits) = exact {
                // Both are exact as doubles, so the quotient is rounded once.
                return digits as f64 / 10f64.powi(self.scale);
            }
        }
        debt::digits(self.unscaled.bits(), self.unscaled.bits());
        format!("{}e{}", self.unscaled, -i64::from(self.scale)).parse().unwrap_or(f64::NAN)
    }

    /// The text without an exponent.
    pub(crate) fn to_plain(&self) -> String {
        debt::digits(self.unscaled.bits(), self.unscaled.bits());
        let sign = if self.unscaled.is_negative() { "-" } else { "" };
        let digits = self.unscaled.magnitude().to_string();
        let Ok(scale) = usize::try_from(self.scale) else {
            let zeros = if self.is_zero() { 0 } else { self.scale.unsigned_abs() as usize };
            return format!("{sign}{digits}{}", "0".repeat(zeros));
        };
        if scale == 0 {
            return format!("{sign}{digits}");
        }
        let padded = if digits.len() <= scale {
            format!("{}{digits}", "0".repeat(scale + 1 - digits.len()))
        } else {
            digits
        };
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        format!("{sign}{whole}.{fraction}")
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debt::digits(self.unscaled.bits(), self.unscaled.bits());
        let digits = self.unscaled.magnitude().to_string();
        let exponent = digits.len() as i64 - 1 - i64::from(self.scale);
        if self.scale >= 0 && exponent >= -6 {
            return f.write_str(&self.to_plain());
        }
        let sign = if self.unscaled.is_negative() { "-" } else { "" };
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        write!(f, "{sign}{first}{point}{rest}E{exponent:+}")
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    /// By value: `1.0` is `1.00`.
    fn cmp(&self, other: &Self) -> Ordering {
        if self.scale == other.scale {
            return self.unscaled.cmp(&other.unscaled);
        }
        let scale = self.scale.max(other.scale);
        self.digits_at(scale).cmp(&other.digits_at(scale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn texts_are_those_of_java() {
        for (text, shown) in [
            ("1.50", "1.50"),
            (".5", "0.5"),
            ("-0.001", "-0.001"),
            ("1e3", "1E+3"),
            ("1.5e3", "1.5E+3"),
            ("0.0000001", "1E-7"),
            ("0.000001", "0.000001"),
            ("12345678901234567890.12", "12345678901234567890.12"),
        ] {
            assert_eq!(of(text).to_string(), shown);
        }
        for text in ["", ".", "-", "1.2.3", "a", "1e", "1e99999", "--1", "1-1"] {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn division_is_that_of_groovy() {
        for (left, right, quotient) in [
            ("10", "4", "2.5"),
            ("1", "3", "0.3333333333"),
            ("2", "3", "0.6666666667"),
            ("6", "3", "2"),
            ("1.00", "2", "0.50"),
            ("1", "8", "0.125"),
            ("-1", "3", "-0.3333333333"),
            ("0", "7", "0"),
            ("100", "7", "14.2857142857"),
        ] {
            assert_eq!(of(left).divide(&of(right)).unwrap().to_string(), quotient, "{left}/{right}");
        }
        assert!(of("1").divide(&of("0")).is_none());
    }

    #[test]
    fn roundings() {
        for (text, scale, rounding, rounded) in [
            ("2.345", 2, Rounding::HalfUp, "2.35"),
            ("2.345", 2, Rounding::HalfEven, "2.34"),
            ("2.345", 2, Rounding::HalfDown, "2.34"),
            ("-2.5", 0, Rounding::Floor, "-3"),
            ("-2.5", 0, Rounding::Ceiling, "-2"),
            ("2.1", 0, Rounding::Up, "3"),
            ("2.9", 0, Rounding::Down, "2"),
            ("2", 2, Rounding::Down, "2.00"),
        ] {
            assert_eq!(of(text).with_scale(scale, rounding).to_string(), rounded);
        }
        assert_eq!(of("9.99").rounded(2, Rounding::HalfUp).to_string(), "10");
        assert_eq!(of("100.0").stripped().to_string(), "1E+2");
        assert_eq!(of("1.1").to_double(), 1.1);
        assert_eq!(of("7.5").remainder(&of("2")).unwrap().to_string(), "1.5");
    }
}
