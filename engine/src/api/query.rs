//! The query of a request: paging, search, expand, export, and single values.

use axum::{
    extract::{FromRequestParts, Query},
    http::{Uri, request::Parts},
};
use granary_catalog::{Problem, StartPosition};
use granary_db::definitions::Page;

use super::{ApiState, error::Error};

const PAGESIZE_DEFAULT: i64 = 20;
const PAGESIZE_MAX: i64 = 250;
/// Lines of a log that one request returns, by default and at most.
const LINES_MAX: usize = 500;

/// The URI as it was requested; set by the outermost layer.
#[derive(Clone)]
pub(super) struct Requested(pub(super) Uri);

/// All pairs of the query, and the path, to make links with.
pub(super) struct Params {
    path: String,
    pairs: Vec<(String, String)>,
}

impl FromRequestParts<ApiState> for Params {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, Error> {
        // Nested routers strip their prefix; links need the path as it came.
        let uri = parts.extensions.get::<Requested>().map_or_else(|| parts.uri.clone(), |uri| uri.0.clone());
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&uri)
            .map_err(|error| Error::parameter("query", format!("can not be read: {error}")))?;
        if let Some((name, _)) = pairs.iter().find(|(_, value)| value.contains('\0')) {
            return Err(Error::parameter(name.as_str(), "contains the character U+0000"));
        }
        Ok(Self { path: uri.path().to_owned(), pairs })
    }
}

/// How `offset` counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Offset {
    /// A whole multiple of the page size.
    Pages,
    /// Any start.
    Plain,
}

impl Params {
    /// The path as it was requested.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// A value; the last one wins.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A flag, compared without case. Anything but `true` is off.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A flag that is on or off when it is missing.
    pub(super) fn flag_or(&self, name: &str, missing: bool) -> bool {
        if self.get(name).is_some() { self.flag(name) } else { missing }
    }

    /// Whether the comma-separated `expand` names it.
    pub(super) fn expands(&self, name: &str) -> bool {
        let mut values = self.pairs.iter().filter(|(known, _)| known == "expand");
        values.any(|(_, value)| value.split(',').any(|part| part.trim() == name))
    }

    /// The text to search for.
    pub(super) fn search(&self) -> &str {
        self.get("search").unwrap_or_default()
    }

    /// Page size and offset.
    pub(super) fn page(&self, offset_kind: Offset) -> Result<Page, Error> {
        let mut problems = Vec::new();
        let mut problem =
            |name: &str, reason: String| problems.push(Problem { name: name.to_owned(), reason });
        let size = match self.get("pagesize") {
            None => PAGESIZE_DEFAULT,
            Some(text) => match text.parse::<i64>() {
                Ok(size) if (1..=PAGESIZE_MAX).contains(&size) => size,
                Ok(size) if size > PAGESIZE_MAX => {
                    problem("pagesize", format!("must be at most {PAGESIZE_MAX} but is '{text}'"));
                    PAGESIZE_DEFAULT
                }
                _ => {
                    problem("pagesize", format!("must be a natural number but is '{text}'"));
                    PAGESIZE_DEFAULT
                }
            },
        };
        let offset = match self.get("offset") {
            None => 0,
            Some(text) => match text.parse::<i64>() {
                Ok(offset) if offset >= 0 && (offset_kind == Offset::Plain || offset % size == 0) => offset,
                Ok(offset) if offset >= 0 => {
                    problem(
                        "offset",
                        format!("must be a whole multiple of the page size {size} but is '{text}'"),
                    );
                    0
                }
                _ => {
                    problem("offset", format!("must be 0 or a natural number but is '{text}'"));
                    0
                }
            },
        };
        if problems.is_empty() { Ok(Page { size, offset }) } else { Err(Error::BadParameters(problems)) }
    }

    /// The number of log lines asked for.
    pub(super) fn lines(&self) -> Result<usize, Error> {
        let Some(text) = self.get("lines") else { return Ok(LINES_MAX) };
        let lines = text.parse().ok().filter(|lines| (1..=LINES_MAX).contains(lines));
        lines.ok_or_else(|| {
            Error::parameter("lines", format!("must be in between 1 and {LINES_MAX} but is '{text}'"))
        })
    }

    /// Where a start begins to read.
    pub(super) fn from(&self) -> Result<Option<StartPosition>, Error> {
        let parse =
            |text: &str| StartPosition::parse(text).map_err(|reason| Error::parameter("from", reason));
        self.get("from").map(parse).transpose()
    }

    /// The links of a list: itself, and the next page where there is one.
    pub(super) fn links(&self, public_url: &str, page: Page, total: i64) -> serde_json::Value {
        let link = |offset: i64| {
            let mut query: Vec<String> = self
                .pairs
                .iter()
                .filter(|(name, _)| name != "offset")
                .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
                .collect();
            if offset > 0 {
                query.push(format!("offset={offset}"));
            }
            let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
            serde_json::json!({"href": format!("{public_url}{}{query}", self.path)})
        };
        let mut links = serde_json::json!({"self": link(page.offset)});
        let next = page.offset.saturating_add(page.size);
        if next < total {
            links["next"] = link(next);
        }
        links
    }
}

/// Percent-encodes a part of a path or query.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
