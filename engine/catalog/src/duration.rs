//! ISO-8601 durations, as `eventstoreTTL` and the grace period are written: `P100Y`, `P5D`, `PT12H30M`.

use std::time::Duration;

/// A duration in its parts. Fractions are allowed in the seconds only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IsoDuration {
    /// Calendar months, years included.
    pub months: u64,
    /// Days, weeks included.
    pub days: u64,
    /// The part after `T`, in milliseconds.
    pub millis: u64,
}

/// The text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be an ISO-8601 duration such as P100Y, P5D or PT12H but is '{0}'")]
pub struct Error(pub String);

/// Larger numbers than this are refused, so that sums never overflow.
const PART_MAX: u64 = 1_000_000_000;

impl IsoDuration {
    /// Reads a duration.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::read(text).ok_or_else(|| Error(text.to_owned()))
    }

    fn read(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('P')?;
        let (date, time) = match rest.split_once('T') {
            Some((_, "")) => return None,
            Some((date, time)) => (date, time),
            None => (rest, ""),
        };
        let mut result = Self::default();
        let mut parts = 0;
        for (number, unit) in pairs(date, "YMWD")? {
            let number: u64 = number.parse().ok().filter(|number| *number <= PART_MAX)?;
            match unit {
                'Y' => result.months += number * 12,
                'M' => result.months += number,
                'W' => result.days += number * 7,
                _ => result.days += number,
            }
            parts += 1;
        }
        for (number, unit) in pairs(time, "HMS")? {
            let millis = match unit {
                'H' => whole(number)? * 3_600_000,
                'M' => whole(number)? * 60_000,
                _ => seconds(number)?,
            };
            result.millis += millis;
            parts += 1;
        }
        (parts > 0).then_some(result)
    }

    /// The length with months of 30.436875 days (a year of 365.2425), as a plain length of time.
    pub fn approximate(&self) -> Duration {
        const DAY_MS: u64 = 86_400_000;
        const MONTH_MS: u64 = 2_629_746_000;
        let millis = self
            .months
            .saturating_mul(MONTH_MS)
            .saturating_add(self.days.saturating_mul(DAY_MS))
            .saturating_add(self.millis);
        Duration::from_millis(millis)
    }
}

fn whole(number: &str) -> Option<u64> {
    number.parse().ok().filter(|number| *number <= PART_MAX)
}

fn seconds(number: &str) -> Option<u64> {
    let (secs, fraction) = number.split_once(['.', ',']).unwrap_or((number, "0"));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    fraction.chars().all(|c| c.is_ascii_digit()).then_some(())?;
    Some(whole(secs)? * 1_000 + digits.parse::<u64>().ok()?)
}

/// Splits `1Y2M` into numbers and units; units must come in the order of `units`, each at most once.
fn pairs<'a>(mut text: &'a str, units: &str) -> Option<Vec<(&'a str, char)>> {
    let mut found = Vec::new();
    let mut from = 0;
    while !text.is_empty() {
        let end = text.find(|c: char| c.is_ascii_alphabetic())?;
        let unit = text[end..].chars().next()?;
        let place = units[from..].find(unit)? + from;
        let number = &text[..end];
        let well_formed = !number.is_empty() && number.starts_with(|c: char| c.is_ascii_digit());
        let plain = number.chars().all(|c| c.is_ascii_digit() || (unit == 'S' && (c == '.' || c == ',')));
        (well_formed && plain).then_some(())?;
        found.push((number, unit));
        from = place + 1;
        text = &text[end + 1..];
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read() {
        for (text, months, days, millis) in [
            ("P100Y", 1200, 0, 0),
            ("P5D", 0, 5, 0),
            ("P1Y2M3W4D", 14, 25, 0),
            ("PT12H", 0, 0, 43_200_000),
            ("P1DT1H1M1.5S", 0, 1, 3_661_500),
            ("PT0S", 0, 0, 0),
            ("PT1,25S", 0, 0, 1_250),
        ] {
            assert_eq!(IsoDuration::parse(text), Ok(IsoDuration { months, days, millis }), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "P",
            "PT",
            "P100",
            "100Y",
            "P1D2Y",
            "P1YT",
            "P-1D",
            "P1.5D",
            "p1d",
            "P1D1D",
            "PT1.S1",
            "P99999999999999Y",
            "PäD",
        ] {
            assert!(IsoDuration::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lengths_of_time_do_not_overflow() {
        assert_eq!(IsoDuration::parse("P1D").unwrap().approximate(), Duration::from_secs(86_400));
        let _ = IsoDuration::parse("P1000000000Y1000000000M1000000000W").unwrap().approximate();
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "P?[0-9YMWDTHS.,ä-]{0,12}") {
            let _ = IsoDuration::parse(&text);
        }
    }
}
