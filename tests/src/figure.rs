//! The lines that the benchmarks print.

use std::fmt;

/// What a figure is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// At least this much.
    AtLeast(f64),
    /// At most this much.
    AtMost(f64),
}

/// One measured figure: `figure <name> <value> <unit> [bar <op> <value> pass|fail]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Name, in lower case with underscores.
    pub name: &'static str,
    /// Value.
    pub value: f64,
    /// Unit; `ratio` for a share.
    pub unit: &'static str,
    /// Bar, where there is one.
    pub bar: Option<Bar>,
}

impl Figure {
    /// Whether the bar is met; a figure without one always is.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self.bar {
            None => true,
            Some(Bar::AtLeast(bar)) => self.value >= bar,
            Some(Bar::AtMost(bar)) => self.value <= bar,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Shares and small values need their digits, rates do not.
        let digits = if self.value.abs() < 10.0 { 3 } else { 1 };
        write!(f, "figure {} {:.digits$} {}", self.name, self.value, self.unit)?;
        let verdict = if self.passes() { "pass" } else { "fail" };
        match self.bar {
            None => Ok(()),
            Some(Bar::AtLeast(bar)) => write!(f, " bar >= {bar} {verdict}"),
            Some(Bar::AtMost(bar)) => write!(f, " bar <= {bar} {verdict}"),
        }
    }
}

/// The middle of the values (the mean of the two middle ones); NaN where there is none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_prints_its_bar_and_the_verdict() {
        let figure =
            Figure { name: "rate", value: 5234.56, unit: "events/s", bar: Some(Bar::AtLeast(5000.0)) };
        assert_eq!(figure.to_string(), "figure rate 5234.6 events/s bar >= 5000 pass");
        let figure = Figure { name: "share", value: 0.4321, unit: "ratio", bar: Some(Bar::AtLeast(0.5)) };
        assert_eq!(figure.to_string(), "figure share 0.432 ratio bar >= 0.5 fail");
        let figure = Figure { name: "size", value: 12.0, unit: "mib", bar: None };
        assert_eq!(figure.to_string(), "figure size 12.0 mib");
    }

    #[test]
    fn a_value_that_could_not_be_measured_fails() {
        assert!(!Figure { name: "n", value: f64::NAN, unit: "u", bar: Some(Bar::AtMost(1.0)) }.passes());
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
    }
}
