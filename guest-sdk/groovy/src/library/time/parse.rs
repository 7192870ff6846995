//! Reads moments from texts, by a pattern or in the forms of ISO 8601.

use super::civil::{
    MONTHS, MS_PER_DAY, NANOS_PER_SECOND, SECONDS_PER_DAY, WEEKDAYS, checked_days, checked_nanos,
};
use super::moment::{Moment, WIDTH_MAX};
use super::zone::Zone;
use crate::class::Builtin;
use crate::raise::{Raise, Run, raise};

/// Characters of the longest name of a month or a day.
const LONGEST_NAME: usize = 9;

/// Reads a text by its pattern.
struct Parse<'a> {
    text: &'a str,
    at: usize,
}

/// What a text says.
#[derive(Default)]
pub(super) struct Read {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: i64,
    pub(super) has_time: bool,
    half: Option<bool>,
    minute: i64,
    second: i64,
    nano: i64,
    pub(super) zone: Option<Zone>,
}

impl Parse<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, pattern: &str, class: Builtin) -> Box<Raise> {
        let shown: String = self.text.chars().take(60).collect();
        match class {
            Builtin::Date | Builtin::SimpleDateFormat => raise(
                Builtin::ParseException,
                format!("Unparseable date: \"{shown}\": expected a text like {pattern}"),
            ),
            _ => raise(
                Builtin::DateTimeParseException,
                format!(
                    "Text '{shown}' could not be parsed at index {}: expected a text like {pattern}",
                    self.at
                ),
            ),
        }
    }

    fn digits(&mut self, least: usize, most: usize) -> Option<i64> {
        let rest = self.rest();
        let signed = rest.starts_with('-') && least == 1 && most > 9;
        let body = if signed { rest.get(1..)? } else { rest };
        let count = body.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if count < least {
            return None;
        }
        let number: i64 = body.get(..count)?.parse().ok()?;
        self.at += count + usize::from(signed);
        Some(if signed { -number } else { number })
    }

    fn word(&mut self, names: &[&str]) -> Option<i64> {
        let rest: String = self.rest().chars().take(LONGEST_NAME).collect::<String>().to_ascii_lowercase();
        let (index, length) = names.iter().enumerate().find_map(|(index, name)| {
            let name = name.to_lowercase();
            let short = name.get(..3)?;
            if rest.starts_with(&name) {
                Some((index, name.len()))
            } else if rest.starts_with(short) {
                Some((index, 3))
            } else {
                None
            }
        })?;
        self.at += length;
        Some(index as i64 + 1)
    }

    fn zone(&mut self) -> Option<Zone> {
        let rest = self.rest();
        let length = rest
            .find(|char: char| !char.is_ascii_alphanumeric() && !matches!(char, '+' | '-' | ':' | '/'))
            .unwrap_or(rest.len());
        let zone = Zone::parse(rest.get(..length)?).ok()?;
        self.at += length;
        Some(zone)
    }

    /// One field of a pattern; `None` when the text does not have it. `adjacent` when the next field follows at once.
    fn field(&mut self, letter: char, width: usize, adjacent: bool, read: &mut Read) -> Option<()> {
        let most = if adjacent { width } else { width.max(10) };
        let least = if adjacent { width } else { 1 };
        match letter {
            'y' | 'u' | 'Y' => {
                let start = self.at;
                let year = self.digits(least, most)?;
                read.year = Some(if width == 2 && self.at - start == 2 { 2000 + year } else { year });
            }
            'M' | 'L' if width >= 3 => read.month = Some(self.word(&MONTHS)?),
            'M' | 'L' => read.month = Some(self.digits(least, most.min(2))?),
            'd' => read.day = Some(self.digits(least, most.min(2))?),
            'D' => read.day_of_year = Some(self.digits(least, most.min(3))?),
            'E' => {
                self.word(&WEEKDAYS)?;
            }
            'H' | 'k' => {
                read.hour = self.digits(least, most.min(2))?;
                read.has_time = true;
            }
            'h' | 'K' => {
                read.hour = self.digits(least, most.min(2))? % 12;
                read.has_time = true;
            }
            'a' => {
                let rest: String = self.rest().chars().take(2).collect::<String>().to_ascii_lowercase();
                read.half = Some(rest.starts_with("pm"));
                if !rest.starts_with("pm") && !rest.starts_with("am") {
                    return None;
                }
                self.at += 2;
            }
            'm' => read.minute = self.digits(least, most.min(2))?,
            's' => read.second = self.digits(least, most.min(2))?,
            'S' | 'n' => {
                let start = self.at;
                self.digits(1, width.max(9).min(if adjacent { width } else { 9 }))?;
                let digits = self.text.get(start..self.at)?;
                read.nano = format!("{digits:0<9}").parse().ok()?;
            }
            'X' | 'x' | 'Z' | 'z' | 'V' | 'O' => read.zone = Some(self.zone()?),
            _ => return None,
        }
        Some(())
    }
}

/// Reads a text by a pattern.
pub(super) fn parse(text: &str, pattern: &str, class: Builtin) -> Run<Read> {
    let mut parse = Parse { text, at: 0 };
    let mut read = Read::default();
    let mut chars = pattern.chars().peekable();
    let mut optional = 0;
    while let Some(char) = chars.next() {
        match char {
            '[' => optional += 1,
            ']' => optional -= 1,
            '\'' => {
                if chars.peek() == Some(&'\'') {
                    chars.next();
                    if parse.rest().starts_with('\'') {
                        parse.at += 1;
                    }
                    continue;
                }
                for literal in chars.by_ref().take_while(|char| *char != '\'') {
                    if !parse.rest().starts_with(literal) {
                        return Err(parse.error(pattern, class));
                    }
                    parse.at += literal.len_utf8();
                }
            }
            _ if char.is_ascii_alphabetic() => {
                let mut width = 1;
                while chars.peek() == Some(&char) {
                    chars.next();
                    width += 1;
                }
                let width = width.min(WIDTH_MAX);
                let adjacent = chars.peek().is_some_and(char::is_ascii_alphabetic);
                let before = parse.at;
                if parse.field(char, width, adjacent, &mut read).is_none() {
                    if optional == 0 {
                        return Err(parse.error(pattern, class));
                    }
                    parse.at = before;
                }
            }
            _ => {
                if parse.rest().starts_with(char) {
                    parse.at += char.len_utf8();
                } else if optional == 0 {
                    return Err(parse.error(pattern, class));
                }
            }
        }
    }
    // `SimpleDateFormat` does not mind what follows.
    if parse.at < text.len() && !matches!(class, Builtin::Date | Builtin::SimpleDateFormat) {
        return Err(parse.error(pattern, class));
    }
    Ok(read)
}

/// Reads the forms of ISO 8601.
pub(super) fn parse_iso(text: &str, class: Builtin) -> Run<Read> {
    let mut parse = Parse { text, at: 0 };
    let mut read = Read::default();
    let (pattern, date, time, zone) = match class {
        Builtin::LocalDate => ("2024-01-31", true, false, false),
        Builtin::LocalTime => ("10:15:30", false, true, false),
        Builtin::LocalDateTime => ("2024-01-31T10:15:30", true, true, false),
        Builtin::Instant => ("2024-01-31T10:15:30Z", true, true, true),
        _ => ("2024-01-31T10:15:30+01:00", true, true, true),
    };
    let mut read_all = || -> Option<()> {
        if date {
            read.year = Some(parse.digits(4, 4)?);
            parse.at += usize::from(parse.rest().starts_with('-'));
            read.month = Some(parse.digits(2, 2)?);
            parse.at += usize::from(parse.rest().starts_with('-'));
            read.day = Some(parse.digits(2, 2)?);
        }
        if date && time {
            if !parse.rest().starts_with(['T', 't']) {
                return None;
            }
            parse.at += 1;
        }
        if time {
            read.hour = parse.digits(2, 2)?;
            parse.rest().strip_prefix(':')?;
            parse.at += 1;
            read.minute = parse.digits(2, 2)?;
            if parse.rest().starts_with(':') {
                parse.at += 1;
                read.second = parse.digits(2, 2)?;
                if parse.rest().starts_with('.') {
                    parse.at += 1;
                    parse.field('S', 9, false, &mut read)?;
                }
            }
            read.has_time = true;
        }
        if zone {
            read.zone = Some(parse.zone()?);
            // `[Europe/Berlin]` behind an offset says nothing more.
            if parse.rest().starts_with('[') && parse.rest().ends_with(']') {
                parse.at = text.len();
            }
        }
        (parse.at == text.len()).then_some(())
    };
    match read_all() {
        Some(()) => Ok(read),
        None => Err(parse.error(pattern, class)),
    }
}

/// The moment of a class that was read.
pub(super) fn moment_from(read: &Read, class: Builtin) -> Run<Moment> {
    let hour = match read.half {
        Some(true) => read.hour % 12 + 12,
        _ => read.hour,
    };
    let nanos = checked_nanos(hour % 24, read.minute, read.second, read.nano)?;
    let year = read.year.unwrap_or(1970);
    let days = || match read.day_of_year {
        Some(day) => Ok(checked_days(year, 1, 1)? + day - 1),
        None => checked_days(year, read.month.unwrap_or(1), read.day.unwrap_or(1)),
    };
    let offset = read.zone.as_ref().map_or(0, |zone| zone.seconds);
    Ok(match class {
        Builtin::LocalDate => Moment::LocalDate(days()?),
        Builtin::LocalTime => Moment::LocalTime(nanos),
        Builtin::LocalDateTime => Moment::LocalDateTime { days: days()?, nanos },
        Builtin::Instant => Moment::Instant {
            seconds: days()? * SECONDS_PER_DAY + nanos / NANOS_PER_SECOND - offset,
            nanos: nanos % NANOS_PER_SECOND,
        },
        Builtin::ZonedDateTime | Builtin::OffsetDateTime => Moment::Zoned {
            days: days()?,
            nanos,
            zone: read.zone.clone().unwrap_or_else(Zone::utc),
            named: class == Builtin::ZonedDateTime,
        },
        // `SimpleDateFormat` counts days on beyond the end of the month.
        _ => {
            let month = read.month.unwrap_or(1);
            let first = checked_days(year, month.clamp(1, 12), 1)?;
            let days = first + read.day.unwrap_or(1) - 1;
            Moment::Date(days * MS_PER_DAY + nanos / 1_000_000 - offset * 1000)
        }
    })
}

/// Patterns of formatters with names.
pub(super) fn pattern_of(formatter: &str) -> &str {
    match formatter {
        "ISO_LOCAL_DATE" | "ISO_DATE" => "yyyy-MM-dd",
        "BASIC_ISO_DATE" => "yyyyMMdd",
        "RFC_1123_DATE_TIME" => "EEE, d MMM yyyy HH:mm:ss z",
        other => other,
    }
}
