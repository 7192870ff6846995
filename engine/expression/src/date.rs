//! Dates: reading ISO texts and writing them by the patterns of Java's `DateTimeFormatter`, in UTC and English.

use std::fmt::Write;

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// A parsed pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Item>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    /// A letter and how often it stands there.
    Field(char, usize),
    Literal(String),
}

/// Letters that mean something, with the largest number of repetitions.
const LETTERS: [(char, usize); 25] = [
    ('G', 5),
    ('y', 19),
    ('u', 19),
    ('M', 5),
    ('L', 5),
    ('d', 2),
    ('D', 3),
    ('Q', 2),
    ('q', 2),
    ('E', 5),
    ('e', 2),
    ('a', 1),
    ('H', 2),
    ('h', 2),
    ('K', 2),
    ('k', 2),
    ('m', 2),
    ('s', 2),
    ('S', 9),
    ('A', 19),
    ('n', 19),
    ('X', 5),
    ('x', 5),
    ('Z', 5),
    ('z', 4),
];

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut items = Vec::new();
        let mut characters = text.chars().peekable();
        while let Some(c) = characters.next() {
            if c.is_ascii_alphabetic() {
                let mut count = 1;
                while characters.next_if_eq(&c).is_some() {
                    count += 1;
                }
                items.push(field(text, c, count)?);
                continue;
            }
            let mut literal = String::new();
            match c {
                // Two quotes are one; otherwise everything up to the next single one is meant as it is.
                '\'' if characters.next_if_eq(&'\'').is_some() => literal.push('\''),
                '\'' => loop {
                    match characters.next() {
                        Some('\'') if characters.next_if_eq(&'\'').is_some() => literal.push('\''),
                        Some('\'') => break,
                        Some(quoted) => literal.push(quoted),
                        None => return Err(format!("date pattern '{text}': a quote (') is not closed")),
                    }
                },
                // Brackets mark what is optional; a complete date has it all.
                '[' | ']' => {}
                '{' | '}' | '#' => return Err(format!("date pattern '{text}': '{c}' is reserved; quote it")),
                other => literal.push(other),
            }
            items.push(Item::Literal(literal));
        }
        Ok(Self(items))
    }

    /// The date in that pattern.
    pub(crate) fn format(&self, date: OffsetDateTime) -> String {
        let mut out = String::new();
        for item in &self.0 {
            match item {
                Item::Literal(literal) => out.push_str(literal),
                Item::Field(letter, count) => write_field(&mut out, *letter, *count, date),
            }
        }
        out
    }
}

fn field(text: &str, letter: char, count: usize) -> Result<Item, String> {
    if matches!(letter, 'Y' | 'w' | 'W') {
        let message =
            "counts weeks, whose beginning depends on the country; for the year of a date write 'y'";
        return Err(format!("date pattern '{text}': '{letter}' {message}"));
    }
    match LETTERS.iter().find(|(known, _)| *known == letter) {
        Some((_, max)) if count <= *max => Ok(Item::Field(letter, count)),
        Some((_, max)) => {
            Err(format!("date pattern '{text}': '{letter}' may stand {max} times at most, not {count}"))
        }
        None => Err(format!(
            "date pattern '{text}': unknown letter '{letter}'; texts are quoted, as in yyyy-MM-dd'T'HH:mm"
        )),
    }
}

fn write_field(out: &mut String, letter: char, count: usize, date: OffsetDateTime) {
    let year_of_era = if date.year() > 0 { date.year() } else { 1 - date.year() };
    let quarter = (u8::from(date.month()) - 1) / 3 + 1;
    let hour = date.hour();
    match letter {
        'G' => out.push_str(match (count, date.year() > 0) {
            (1..=3, true) => "AD",
            (1..=3, false) => "BC",
            (4, true) => "Anno Domini",
            (4, false) => "Before Christ",
            (_, true) => "A",
            (_, false) => "B",
        }),
        'y' | 'u' => {
            let year = if letter == 'y' { year_of_era } else { date.year() };
            // Two letters are the last two digits, as in Java.
            number(out, i64::from(if count == 2 { year.rem_euclid(100) } else { year }), count);
        }
        'M' | 'L' => match count {
            1 | 2 => number(out, u8::from(date.month()).into(), count),
            3 => out.push_str(&date.month().to_string()[..3]),
            4 => out.push_str(&date.month().to_string()),
            _ => out.push_str(&date.month().to_string()[..1]),
        },
        'Q' | 'q' => number(out, quarter.into(), count),
        'd' => number(out, date.day().into(), count),
        'D' => number(out, date.ordinal().into(), count),
        'E' => {
            let name = date.weekday().to_string();
            out.push_str(match count {
                1..=3 => &name[..3],
                4 => &name,
                _ => &name[..1],
            });
        }
        'e' => number(out, date.weekday().number_from_monday().into(), count),
        'a' => out.push_str(if hour < 12 { "AM" } else { "PM" }),
        'H' => number(out, hour.into(), count),
        'h' => number(out, ((hour + 11) % 12 + 1).into(), count),
        'K' => number(out, (hour % 12).into(), count),
        'k' => number(out, if hour == 0 { 24 } else { hour }.into(), count),
        'm' => number(out, date.minute().into(), count),
        's' => number(out, date.second().into(), count),
        // A fraction: its first digits, not a number of milliseconds.
        'S' => out.push_str(&format!("{:09}", date.nanosecond())[..count]),
        'n' => number(out, date.nanosecond().into(), count),
        'A' => {
            let since_midnight = date.time() - Time::MIDNIGHT;
            number(out, i64::try_from(since_midnight.whole_milliseconds()).unwrap_or(0), count);
        }
        'X' => out.push('Z'),
        'x' => out.push_str(["+00", "+0000", "+00:00", "+0000", "+00:00"][count - 1]),
        'Z' => out.push_str(["+0000", "+0000", "+0000", "GMT", "Z"][count - 1]),
        _ => out.push_str(if count == 4 { "Coordinated Universal Time" } else { "UTC" }),
    }
}

fn number(out: &mut String, value: i64, width: usize) {
    write!(out, "{value:0width$}").expect("writing to a text cannot fail");
}

/// The moment of epoch milliseconds, within the years -9999 to 9999.
pub(crate) fn of_epoch_ms(time_ms: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(time_ms) * 1_000_000).ok()
}

/// `2019-06-30T03:10:00.000Z`.
pub(crate) fn date_time_text(date: OffsetDateTime) -> String {
    let time =
        format!("{:02}:{:02}:{:02}.{:03}", date.hour(), date.minute(), date.second(), date.millisecond());
    format!("{}T{time}Z", date_text(date))
}

/// `2019-06-30`.
pub(crate) fn date_text(date: OffsetDateTime) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

/// Reads an ISO 8601 date, or date and time; without an offset it is in UTC. Accepted are `2019-01-01`,
/// `2019-01-01T10:20`, `2019-01-01T10:20:30.123456789+02:00[Europe/Berlin]`, also with a blank for the `T`.
pub(crate) fn parse_iso(text: &str) -> Result<OffsetDateTime, String> {
    iso(text.trim()).ok_or_else(|| {
        let shown: String = text.chars().take(64).collect();
        format!(
            "'{shown}' is not an ISO date: expected something like 2019-06-30 or 2019-06-30T03:10:00.000Z"
        )
    })
}

fn iso(text: &str) -> Option<OffsetDateTime> {
    // The name of a zone adds nothing to its offset.
    let text = text.split('[').next()?;
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text.strip_suffix('Z').unwrap_or(text), None),
    };
    let mut parts = date.split('-');
    let (year, month, day) =
        (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    if parts.next().is_some() {
        return None;
    }
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(i32::try_from(year).ok()?, month, u8::try_from(day).ok()?).ok()?;
    let Some(time) = time else { return Some(date.midnight().assume_utc()) };
    let clock_end = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (clock, offset) = time.split_at(clock_end);
    let local = PrimitiveDateTime::new(date, clock_time(clock)?).assume_offset(zone(offset)?);
    // At the edges of the calendar the shift to UTC may leave it.
    local.checked_to_offset(UtcOffset::UTC)
}

/// `10:20`, `10:20:30`, `10:20:30.123456789`.
fn clock_time(text: &str) -> Option<Time> {
    let (clock, fraction) = match text.split_once(['.', ',']) {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (text, None),
    };
    let mut parts = clock.split(':').map(|part| digits(part, 2).and_then(|n| u8::try_from(n).ok()));
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = match parts.next() {
        Some(second) => second?,
        None if fraction.is_some() => return None,
        None => 0,
    };
    let nanosecond = match fraction {
        Some(fraction) if (1..=9).contains(&fraction.len()) => {
            digits(fraction, fraction.len())? * 10_u32.pow(9 - u32::try_from(fraction.len()).ok()?)
        }
        Some(_) => return None,
        None => 0,
    };
    parts.next().is_none().then(|| Time::from_hms_nano(hour, minute, second, nanosecond).ok())?
}

/// Nothing, `Z`, `+02`, `+0200`, `+02:00`.
fn zone(text: &str) -> Option<UtcOffset> {
    let Some(sign) = text.chars().next().filter(|sign| !matches!(sign, 'Z' | 'z')) else {
        return (text.len() <= 1).then_some(UtcOffset::UTC);
    };
    let amount = &text[1..];
    let (hours, minutes) = match amount.len() {
        2 => (amount, "00"),
        4 => (amount.get(..2)?, amount.get(2..)?),
        _ => amount.split_once(':')?,
    };
    let seconds = i32::try_from(digits(hours, 2)? * 3600 + digits(minutes, 2)? * 60).ok()?;
    UtcOffset::from_whole_seconds(if sign == '-' { -seconds } else { seconds }).ok()
}

/// Exactly that many digits.
fn digits(text: &str, count: usize) -> Option<u32> {
    (text.len() == count && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(iso: &str, pattern: &str) -> String {
        Pattern::parse(pattern).unwrap().format(parse_iso(iso).unwrap())
    }

    #[test]
    fn patterns_write_what_java_writes() {
        let noon = "2019-06-03T13:05:09.120Z";
        for (pattern, expected) in [
            ("yyyy", "2019"),
            ("yy", "19"),
            ("y", "2019"),
            ("u", "2019"),
            ("yyyyy", "02019"),
            ("M", "6"),
            ("MM", "06"),
            ("MMM", "Jun"),
            ("MMMM", "June"),
            ("MMMMM", "J"),
            ("LL", "06"),
            ("d", "3"),
            ("dd", "03"),
            ("D", "154"),
            ("DDD", "154"),
            ("QQ", "02"),
            ("q", "2"),
            ("E", "Mon"),
            ("EEE", "Mon"),
            ("EEEE", "Monday"),
            ("EEEEE", "M"),
            ("e", "1"),
            ("G", "AD"),
            ("H", "13"),
            ("HH", "13"),
            ("h", "1"),
            ("hh", "01"),
            ("K", "1"),
            ("kk", "13"),
            ("a", "PM"),
            ("m", "5"),
            ("mm", "05"),
            ("s", "9"),
            ("ss", "09"),
            ("S", "1"),
            ("SSS", "120"),
            ("SSSSSSSSS", "120000000"),
            ("n", "120000000"),
            ("A", "47109120"),
            ("X", "Z"),
            ("XXX", "Z"),
            ("x", "+00"),
            ("xxx", "+00:00"),
            ("Z", "+0000"),
            ("ZZZZ", "GMT"),
            ("ZZZZZ", "Z"),
            ("z", "UTC"),
            ("zzzz", "Coordinated Universal Time"),
            ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2019-06-03T13:05:09.120Z"),
            ("hh 'o''clock' a", "01 o'clock PM"),
            ("''yy''", "'19'"),
            ("[yyyy]", "2019"),
            ("dd.MM.yyyy, HH:mm", "03.06.2019, 13:05"),
            ("", ""),
            ("yyyyMMdd", "20190603"),
        ] {
            assert_eq!(formatted(noon, pattern), expected, "{pattern}");
        }
        assert_eq!(formatted("2019-06-03T00:00:00Z", "h K k H a"), "12 0 24 0 AM");
        assert_eq!(formatted("2019-06-03T12:00:00Z", "h K k H a"), "12 0 12 12 PM");
    }

    #[test]
    fn iso_texts_are_read_in_utc() {
        for (text, expected) in [
            ("2019-01-01", "2019-01-01T00:00:00.000Z"),
            ("2019-01-01Z", "2019-01-01T00:00:00.000Z"),
            ("2019-06-30T03:10:00.000Z", "2019-06-30T03:10:00.000Z"),
            (" 2019-06-30 03:10 ", "2019-06-30T03:10:00.000Z"),
            ("2019-06-30T03:10:05", "2019-06-30T03:10:05.000Z"),
            ("2019-06-30T03:10:05,5+02:00", "2019-06-30T01:10:05.500Z"),
            ("2019-12-31T23:30:00-0100", "2020-01-01T00:30:00.000Z"),
            ("2019-06-30T03:10:05.123456789+02[Europe/Berlin]", "2019-06-30T01:10:05.123Z"),
            ("2020-02-29", "2020-02-29T00:00:00.000Z"),
        ] {
            assert_eq!(parse_iso(text).map(date_time_text), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_dates() {
        for text in [
            "",
            "2019",
            "2019-1-1",
            "2019-13-01",
            "2019-02-29",
            "2019-01-01T",
            "2019-01-01T25:00",
            "2019-01-01T10",
            "2019-01-01T10:00:00.",
            "2019-01-01T10:00.5",
            "2019-01-01T10:00:00.1234567890",
            "2019-01-01T10:00+2",
            "2019-01-01T10:00+\u{e4}",
            "2019-01-01T10:00+99:99",
            "2019-01-01T10:00ZZ",
            "+019-01-01",
            "2019-01-01-01",
            "\u{e4}\u{e4}",
            "1584708855528",
        ] {
            assert!(parse_iso(text).is_err(), "{text}");
        }
        assert!(parse_iso("0000-01-01T00:00+18:00").is_ok());
    }

    #[test]
    fn patterns_that_java_refuses_are_refused() {
        for pattern in ["YYYY", "ww", "b", "yyyy-MM-dd'T", "HHH", "aa", "{", "SSSSSSSSSS", "yyyy-MM-ddTHH"] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
