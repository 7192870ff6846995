//! What an expression gives, and what becomes of it.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Number, Value as Json};

use crate::path::kind;

/// A result. Borrows from the payload, the headers and the expression where it can.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number with all its digits.
    Number(Number),
    /// A text.
    Text(Cow<'a, str>),
    /// An object or array.
    Tree(Cow<'a, Json>),
}

/// Why a result is not of the type that is needed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conversion {
    /// Another type came.
    #[error("the expression gave {actual} where {expected} is needed")]
    Type {
        /// What is needed.
        expected: &'static str,
        /// What came, with its beginning where that helps.
        actual: String,
    },
    /// A number beyond what a timestamp can hold.
    #[error("{0} is no time in milliseconds: it lies outside the years 1 to 9999")]
    TimeOutOfRange(String),
}

/// The first and last millisecond of the years 1 to 9999.
const TIME_MS: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

impl<'a> Value<'a> {
    /// A view of a JSON value.
    #[must_use]
    pub fn of(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => Self::Number(number.clone()),
            Json::String(text) => Self::Text(Cow::Borrowed(text)),
            Json::Array(_) | Json::Object(_) => Self::Tree(Cow::Borrowed(json)),
        }
    }

    /// A JSON value of its own.
    #[must_use]
    pub fn owned(json: Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(value),
            Json::Number(number) => Self::Number(number),
            Json::String(text) => Self::Text(Cow::Owned(text)),
            Json::Array(_) | Json::Object(_) => Self::Tree(Cow::Owned(json)),
        }
    }

    /// The result as JSON.
    #[must_use]
    pub fn into_json(self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(value),
            Self::Number(number) => Json::Number(number),
            Self::Text(text) => Json::String(text.into_owned()),
            Self::Tree(tree) => tree.into_owned(),
        }
    }

    /// Whether it is null. A null for a header that has to be there counts as missing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// A text, as correlation and event ids need it. Numbers and booleans are written out.
    ///
    /// # Errors
    /// For null, arrays and objects.
    pub fn to_text(&self) -> Result<Cow<'a, str>, Conversion> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Number(number) => Ok(number.to_string().into()),
            Self::Bool(value) => Ok(if *value { "true" } else { "false" }.into()),
            Self::Null | Self::Tree(_) => Err(self.unfit("a text")),
        }
    }

    /// Milliseconds since the Unix epoch, from a number or its text. A fraction of a millisecond is dropped.
    ///
    /// # Errors
    /// For anything that is not numeric, and beyond the years 1 to 9999.
    pub fn to_epoch_ms(&self) -> Result<i64, Conversion> {
        let expected = "a time in epoch milliseconds";
        let written = match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.trim().to_owned(),
            Self::Null | Self::Bool(_) | Self::Tree(_) => return Err(self.unfit(expected)),
        };
        let time_ms = match written.parse::<i64>() {
            Ok(time_ms) => time_ms,
            Err(_) => {
                // `parse` also takes words such as "inf" and "NaN".
                let numeric = written.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
                let time_ms: f64 =
                    written.parse().ok().filter(|_| numeric).ok_or_else(|| self.unfit(expected))?;
                // A number too large for the type becomes its largest, which is out of range.
                time_ms as i64
            }
        };
        TIME_MS
            .contains(&time_ms)
            .then_some(time_ms)
            .ok_or_else(|| Conversion::TimeOutOfRange(shortened(&written)))
    }

    /// A boolean, as the deletion flag needs it. Null is false: `#safeJsonPath(payload, 'deleted')` is no deletion
    /// where the field is absent. The texts `true` and `false` count in any case.
    ///
    /// # Errors
    /// For everything else.
    pub fn to_bool(&self) -> Result<bool, Conversion> {
        match self {
            Self::Null => Ok(false),
            Self::Bool(value) => Ok(*value),
            Self::Text(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Self::Text(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Self::Number(_) | Self::Text(_) | Self::Tree(_) => Err(self.unfit("true or false")),
        }
    }

    /// The type and, for plain values, the beginning of the value.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => format!("the number {}", shortened(&number.to_string())),
            Self::Text(text) => format!("the text '{}'", shortened(text)),
            Self::Tree(tree) => kind(tree).to_owned(),
        }
    }

    fn unfit(&self, expected: &'static str) -> Conversion {
        Conversion::Type { expected, actual: self.shown() }
    }
}

/// The beginning of a text, for errors.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// The order of two numbers by value; whole ones are compared exactly, whatever their length.
pub(crate) fn compare(a: &Number, b: &Number) -> Option<Ordering> {
    let (a, b) = (a.to_string(), b.to_string());
    let whole = |text: &str| text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
    if whole(&a) && whole(&b) {
        Some(compare_whole(&a, &b))
    } else {
        a.parse::<f64>().ok()?.partial_cmp(&b.parse().ok()?)
    }
}

/// JSON writes whole numbers without leading zeros, so the longer one is the larger.
fn compare_whole(a: &str, b: &str) -> Ordering {
    let magnitude = |a: &str, b: &str| a.len().cmp(&b.len()).then_with(|| a.cmp(b));
    let sign = |text: &str| match text {
        "0" | "-0" => 0,
        text if text.starts_with('-') => -1,
        _ => 1,
    };
    sign(a).cmp(&sign(b)).then_with(|| match sign(a) {
        1 => magnitude(a, b),
        -1 => magnitude(b, a),
        _ => Ordering::Equal,
    })
}
