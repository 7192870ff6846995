//! One project of a node, and what one creates in it.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::api::{Answer, Api, Table};
use crate::wait::{Look, PATIENCE, await_condition};

/// A project and a client that may do everything in it.
#[derive(Debug, Clone)]
pub struct Project {
    /// The client.
    pub api: Api,
    /// Its technical name.
    pub name: String,
}

/// A message that could not be processed.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The whole answer.
    pub body: Value,
}

impl DeadLetter {
    /// The reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    /// Reason, type and stack trace in one text.
    #[must_use]
    pub fn everything(&self) -> String {
        let exception = self.body["exceptionType"].as_str().unwrap_or_default();
        format!("{exception}: {}\n{}", self.reason(), self.stacktrace())
    }

    /// The stack trace.
    #[must_use]
    pub fn stacktrace(&self) -> &str {
        self.body["stacktrace"].as_str().unwrap_or_default()
    }

    /// The last header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.body["headers"].as_array()?.iter().rev().find(|pair| pair[0] == name)?.get(1)?.as_str()
    }

    /// The payload as it was, whether the API shows it as text or in Base64.
    pub fn payload_bytes(&self) -> Result<Vec<u8>> {
        match self.body["payloadEncoding"].as_str() {
            Some("base64") => base64_decode(self.payload()).context("the payload should be Base64"),
            _ => Ok(self.payload().as_bytes().to_vec()),
        }
    }

    /// The payload as the API shows it.
    #[must_use]
    pub fn payload(&self) -> &str {
        self.body["payload"].as_str().unwrap_or_default()
    }
}

impl Project {
    /// Creates a project with this label.
    pub async fn create(api: &Api, display_name: &str) -> Result<Self> {
        let answer = api.post("/projects", &json!({ "displayName": display_name })).await?.ok()?;
        let name = answer["name"].as_str().context("a project has a name")?.to_owned();
        Ok(Self { api: api.clone(), name })
    }

    /// A path inside the project; `rest` begins with a slash.
    #[must_use]
    pub fn path(&self, rest: &str) -> String {
        format!("/projects/{}{rest}", self.name)
    }

    /// Path of an event type.
    #[must_use]
    pub fn event_type_path(&self, name: &str) -> String {
        self.path(&format!("/event-types/{name}"))
    }

    /// Path of a harvester.
    #[must_use]
    pub fn harvester_path(&self, name: &str) -> String {
        self.path(&format!("/harvesters/instances/{name}"))
    }

    /// Path of a belt.
    #[must_use]
    pub fn belt_path(&self, id: &str) -> String {
        self.path(&format!("/belts/{id}"))
    }

    /// Path of the persister of a `live_segment` event type.
    #[must_use]
    pub fn live_segment_persister_path(&self, event_type: &str) -> String {
        self.path(&format!("/event-types/{event_type}/eventstores/live-segment/persister"))
    }

    /// Path of the persister of a `data_in` event type.
    #[must_use]
    pub fn data_in_persister_path(&self, event_type: &str) -> String {
        self.path(&format!("/event-types/{event_type}/eventstores/pg/persister"))
    }

    /// Creates an event type and answers its technical name.
    pub async fn create_event_type(&self, body: &Value) -> Result<String> {
        name_of(&self.api.post(&self.path("/event-types"), body).await?)
    }

    /// Creates a harvester and answers its technical name.
    pub async fn create_harvester(&self, body: &Value) -> Result<String> {
        name_of(&self.api.post(&self.path("/harvesters/instances"), body).await?)
    }

    /// Creates a belt and answers its id.
    pub async fn create_belt(&self, body: &Value) -> Result<String> {
        let answer = self.api.post(&self.path("/belts"), body).await?.ok()?;
        Ok(answer["id"].as_str().context("a belt has an id, as text")?.to_owned())
    }

    /// Starts a harvester and waits until it runs.
    pub async fn run_harvester(&self, name: &str) -> Result<()> {
        self.run(&self.harvester_path(name)).await
    }

    /// Starts a belt and waits until it runs.
    pub async fn run_belt(&self, id: &str) -> Result<()> {
        self.run(&self.belt_path(id)).await
    }

    /// Starts the object at `path` and waits until it runs.
    pub async fn run(&self, path: &str) -> Result<()> {
        let state = format!("{path}/state");
        self.api.action(&state, "START").await?.ok()?;
        self.api.await_status(&state, "RUNNING").await?;
        Ok(())
    }

    /// Stops the object at `path` and waits until it is stopped.
    pub async fn halt(&self, path: &str) -> Result<()> {
        let state = format!("{path}/state");
        self.api.action(&state, "STOP").await?.ok()?;
        self.api.await_status(&state, "STOPPED").await?;
        Ok(())
    }

    /// The table of a live segment, quoted for SQL.
    #[must_use]
    pub fn live_segment(&self, event_type: &str) -> String {
        format!(r#""{}"."grnry_live_segment_{event_type}""#, self.name)
    }

    /// The eventstore view of a `data_in` event type, quoted for SQL.
    #[must_use]
    pub fn eventstore(&self, event_type: &str) -> String {
        format!(r#""{}"."eventstore_{event_type}""#, self.name)
    }

    /// Runs one query.
    pub async fn sql(&self, query: &str) -> Result<Table> {
        self.api.sql(&self.name, query).await
    }

    /// How many rows a relation has.
    pub async fn rows_in(&self, relation: &str) -> Result<u64> {
        self.api.count(&self.name, &format!("select count(*) from {relation}")).await
    }

    /// Waits until a relation has exactly that many rows; more are an error at once. A database that is away for a
    /// while is waited for.
    pub async fn await_rows(&self, relation: &str, rows: u64) -> Result<()> {
        let query = json!({ "query": format!("select count(*) from {relation}") });
        await_condition(&format!("{rows} rows in {relation}"), PATIENCE, async || {
            let answer = self.api.post(&self.path("/sql"), &query).await?;
            if answer.status == 503 {
                return Ok(Look::NotYet(answer.text));
            }
            let seen = answer.ok()?["rows"][0][0].as_u64().context("a count")?;
            anyhow::ensure!(seen <= rows, "{relation} has {seen} rows, expected {rows}");
            Ok(Look::from_option((seen == rows).then_some(()), format!("{seen} rows")))
        })
        .await
    }

    /// The dead letters of a stream, oldest first, at most a thousand.
    pub async fn dead_letters(&self, stream: &str) -> Result<Vec<DeadLetter>> {
        let path = self.path(&format!("/dead-letters?stream={stream}&limit=1000"));
        let body = self.api.get(&path).await?.ok()?;
        let newest_first =
            body["deadLetters"].as_array().with_context(|| format!("dead letters, not {body}"))?;
        Ok(newest_first.iter().rev().map(|letter| DeadLetter { body: letter.clone() }).collect())
    }

    /// How many dead letters the project has, in all streams.
    pub async fn dead_letter_count(&self) -> Result<u64> {
        let body = self.api.get(&self.path("/dead-letters?limit=1")).await?.ok()?;
        body["totalCount"].as_u64().with_context(|| format!("a count, not {body}"))
    }

    /// Waits until a stream has exactly that many dead letters; more are an error at once.
    pub async fn await_dead_letters(&self, stream: &str, count: usize) -> Result<Vec<DeadLetter>> {
        await_condition(&format!("{count} dead letters in {stream}"), PATIENCE, async || {
            let letters = self.dead_letters(stream).await?;
            anyhow::ensure!(letters.len() <= count, "{stream} has more than {count} letters: {letters:?}");
            let seen = format!("{} of them", letters.len());
            Ok(Look::from_option((letters.len() == count).then_some(letters), seen))
        })
        .await
    }
}

fn name_of(answer: &Answer) -> Result<String> {
    Ok(answer.ok()?["name"].as_str().context("an object has a name")?.to_owned())
}

/// Decodes Base64 of either alphabet; `None` where it is not that.
#[must_use]
pub fn base64_decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_any_length_is_decoded() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("aA==", b"h"),
            ("aGU=", b"he"),
            ("aGVs", b"hel"),
            ("/+8=", b"\xff\xef"),
            ("_-8", b"\xff\xef"),
        ] {
            assert_eq!(base64_decode(text).as_deref(), Some(bytes), "{text}");
        }
        assert_eq!(base64_decode("a b"), None);
    }
}
