//! Zones with fixed offsets.

use std::rc::Rc;

use crate::class::Builtin;
use crate::raise::{Run, raise};

/// A zone with a fixed offset.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Zone {
    pub(super) name: Rc<str>,
    pub(super) seconds: i64,
}

impl Zone {
    pub(super) fn utc() -> Self {
        Self { name: "Z".into(), seconds: 0 }
    }

    pub(super) fn parse(text: &str) -> Run<Self> {
        if let Some(seconds) = offset_of(text) {
            let name: Rc<str> = match text {
                "+00:00" | "-00:00" | "+0000" => "Z".into(),
                other => other.into(),
            };
            return Ok(Self { name, seconds });
        }
        Err(raise(
            Builtin::DateTimeException,
            format!("the zone {text} is not supported; UTC and offsets such as +02:00 are"),
        ))
    }
}

/// The seconds of `Z`, `UTC`, `+02:00`, `+0200`, `GMT+2`.
fn offset_of(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z" | "UTC" | "GMT" | "UT" | "Etc/UTC" | "Zulu") {
        return Some(0);
    }
    let text = text.strip_prefix("UTC").or_else(|| text.strip_prefix("GMT")).unwrap_or(text);
    let (sign, digits) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(rest), _) => (1, rest),
        (_, Some(rest)) => (-1, rest),
        _ => return None,
    };
    let plain = digits.replace(':', "");
    if plain.is_empty() || plain.len() > 4 || !plain.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = if plain.len() <= 2 { (&*plain, "0") } else { plain.split_at(plain.len() - 2) };
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 18 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

pub(super) fn numeric_offset(seconds: i64, between: &str) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    format!("{sign}{:02}{between}{:02}", minutes / 60, minutes % 60)
}

pub(super) fn shown_offset(seconds: i64, colon: bool) -> String {
    if seconds == 0 { "Z".to_owned() } else { numeric_offset(seconds, if colon { ":" } else { "" }) }
}
