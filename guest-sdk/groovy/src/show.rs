//! The texts of numbers, as Java writes them.

/// A double.
pub(crate) fn double(value: f64) -> String {
    floating(value, format!("{value:e}"))
}

/// A float.
pub(crate) fn float(value: f32) -> String {
    floating(f64::from(value), format!("{value:e}"))
}

/// From the shortest digits with an exponent.
fn floating(value: f64, scientific: String) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits = mantissa.replace('.', "");
    if value == 0.0 {
        return format!("{sign}0.0");
    }
    if !(-3..7).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let rest = if rest.is_empty() { "0" } else { rest };
        return format!("{sign}{first}.{rest}E{exponent}");
    }
    let Ok(whole_digits) = usize::try_from(exponent + 1) else {
        return format!("{sign}0.{}{digits}", "0".repeat((-exponent - 1).unsigned_abs() as usize));
    };
    if whole_digits == 0 {
        return format!("{sign}0.{digits}");
    }
    if digits.len() <= whole_digits {
        return format!("{sign}{digits}{}.0", "0".repeat(whole_digits - digits.len()));
    }
    let (whole, fraction) = digits.split_at(whole_digits);
    format!("{sign}{whole}.{fraction}")
}

/// A text in quotes, as `inspect()` writes it.
pub(crate) fn quoted(text: &str, to: &mut String) {
    to.push('\'');
    for char in text.chars() {
        match char {
            '\n' => to.push_str("\\n"),
            '\r' => to.push_str("\\r"),
            '\t' => to.push_str("\\t"),
            '\\' => to.push_str("\\\\"),
            '\'' => to.push_str("\\'"),
            _ => to.push(char),
        }
    }
    to.push('\'');
}

#[cfg(test)]
mod tests {
    #[test]
    fn doubles_are_those_of_java() {
        for (value, text) in [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (100.0, "100.0"),
            (0.1, "0.1"),
            (0.001, "0.001"),
            (0.000_12, "1.2E-4"),
            (1e7, "1.0E7"),
            (1_234_567.5, "1234567.5"),
            (-2.5, "-2.5"),
            (1.5e300, "1.5E300"),
            (f64::INFINITY, "Infinity"),
        ] {
            assert_eq!(super::double(value), text);
        }
        assert_eq!(super::float(1.1), "1.1");
    }
}
