//! Which dead letters a request means, in its query or in its body.

use granary_catalog::Problem;
use granary_db::dead_letters::{Filter, State};
use serde::Deserialize;
use serde_json::{Map, Value};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use utoipa::ToSchema;

use crate::api::{
    error::Error,
    query::{Params, encode},
};

/// The parts of a filter that a query and a body have in common.
const TEXTS: [&str; 5] = ["stream", "code", "since", "until", "contains"];

/// Which letters a change is about: ids, a filter, or all.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body in the OpenAPI document; the body is read field by field")]
pub(super) struct Selection {
    /// Those with these ids, whatever state they are in.
    ids: Option<Vec<String>>,
    /// Those of one stream, such as `grnry_belt_dlq_7`.
    stream: Option<String>,
    /// Those of one code, such as `exception`.
    code: Option<String>,
    /// Those written at or after this time.
    since: Option<String>,
    /// Those written before this time.
    until: Option<String>,
    /// Those whose message contains this text.
    contains: Option<String>,
    /// All that are open; alone.
    all: Option<bool>,
}

/// The filter of a list. Without `state`, it lets through what is still open.
pub(super) fn of_query(query: &Params) -> Result<Filter, Error> {
    let mut problems = Vec::new();
    let mut filter = of_texts(|name| query.get(name), &mut problems);
    filter.ids =
        query.get("ids").map(|text| text.split(',').filter_map(|id| id_of(id, &mut problems)).collect());
    filter.states = Some(match query.get("state") {
        None => State::OPEN.to_vec(),
        Some("all") => State::ALL.to_vec(),
        Some(text) => text.split(',').filter_map(|name| state_of(name, &mut problems)).collect(),
    });
    if problems.is_empty() { Ok(filter) } else { Err(problems.into()) }
}

/// The pairs of a query that make the same filter, to make links with.
pub(super) fn pairs(query: &Params) -> Vec<String> {
    let names = TEXTS.iter().chain(&["ids", "state"]);
    names.filter_map(|name| query.get(name).map(|value| format!("{name}={}", encode(value)))).collect()
}

/// The filter of a change. An empty one is refused: nobody shall change everything by leaving something out.
pub(super) fn of_body(body: &Value) -> Result<Filter, Error> {
    let empty = Map::new();
    let fields = match body {
        Value::Object(fields) => fields,
        Value::Null => &empty,
        other => return Err(Error::parameter("body", format!("{EXPECTED}, but is {other}"))),
    };
    let mut problems = Vec::new();
    for (name, value) in fields {
        let reason = match name.as_str() {
            "ids" if value.is_array() => continue,
            "ids" => format!("must be a list of ids but is {value}"),
            "all" if value.is_boolean() => continue,
            "all" => format!("must be true or false but is {value}"),
            known if TEXTS.contains(&known) && value.is_string() => continue,
            known if TEXTS.contains(&known) => format!("must be text but is {value}"),
            _ => format!("is not known; {EXPECTED}"),
        };
        problems.push(Problem { name: name.clone(), reason });
    }
    let mut filter = of_texts(|name| fields.get(name).and_then(Value::as_str), &mut problems);
    if let Some(ids) = fields.get("ids").and_then(Value::as_array) {
        let text = |id: &Value| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        filter.ids = Some(ids.iter().filter_map(|id| id_of(&text(id), &mut problems)).collect());
    }
    if !problems.is_empty() {
        return Err(problems.into());
    }
    let all = fields.get("all") == Some(&Value::Bool(true));
    match (all, filter == Filter::default()) {
        (false, true) => Err(Error::parameter("body", format!("{EXPECTED}, but names no letters"))),
        (true, false) => Err(Error::parameter("all", "stands alone: leave it out, or the other fields")),
        _ => {
            // Who names letters is told about each; who filters means those that something can still be done about.
            filter.states = filter.ids.is_none().then(|| State::OPEN.to_vec());
            Ok(filter)
        }
    }
}

const EXPECTED: &str = "must be {\"ids\": [\"1\", \"2\"]}, a filter of stream, code, since, until and contains, or {\"all\": true}";

fn of_texts<'a>(get: impl Fn(&str) -> Option<&'a str>, problems: &mut Vec<Problem>) -> Filter {
    let text = |name: &str| get(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let mut time = |name: &str| moment(name, &text(name)?, problems);
    Filter {
        since_ms: time("since"),
        until_ms: time("until"),
        stream: text("stream"),
        code: text("code"),
        contains: text("contains").map(|text| text.replace('\0', "\u{fffd}")),
        ..Filter::default()
    }
}

fn moment(name: &str, text: &str, problems: &mut Vec<Problem>) -> Option<i64> {
    // A `+` of an offset arrives as a blank when the client did not escape it.
    let moment = OffsetDateTime::parse(&text.replace(' ', "+"), &Rfc3339).ok();
    let millis = moment.and_then(|at| i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok());
    if millis.is_none() {
        let reason = format!("must be a time such as 2026-01-31T12:00:00Z but is '{text}'");
        problems.push(Problem { name: name.to_owned(), reason });
    }
    millis
}

fn id_of(text: &str, problems: &mut Vec<Problem>) -> Option<i64> {
    let id = text.parse().ok().filter(|id| *id >= 1);
    if id.is_none() {
        let reason = format!("must be natural numbers but one is '{text}'");
        problems.push(Problem { name: "ids".to_owned(), reason });
    }
    id
}

fn state_of(name: &str, problems: &mut Vec<Problem>) -> Option<State> {
    let state = State::parse(name);
    if state.is_none() {
        let known = State::ALL.map(State::as_str).join(", ");
        let reason = format!("must be 'all' or some of {known} but is '{name}'");
        problems.push(Problem { name: "state".to_owned(), reason });
    }
    state
}
