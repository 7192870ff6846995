//! The engine that a belt goes to.

use anyhow::Context as _;
use granary_catalog::event_type::Entry;
use serde_json::{Value, json};

use super::Failure;
use super::folder::Folder;
use super::samples::{self, Sample};
use crate::cli::client::{Target, segment};
pub(super) use crate::cli::remote::{Remote, Stored};

impl Remote {
    /// The project that was named, or else that of the folder.
    pub(super) fn connect(target: &Target, project: Option<&str>, folder: &Folder) -> Result<Self, Failure> {
        let project = project.or(folder.manifest.project.as_deref()).ok_or_else(|| {
            Failure::Usage(
                "no project: give --project (or GRANARY_PROJECT), or write project = \"...\" into belt.toml"
                    .to_owned(),
            )
        })?;
        Self::of(target, project)
    }

    /// The belt of a folder; an error where it was never pushed.
    pub(super) async fn belt(&self, folder: &Folder) -> Result<Stored, Failure> {
        self.belt_named(folder.name()?, "`granary belt push` uploads it").await
    }

    /// The event types of the project.
    pub(super) async fn event_types(&self) -> Result<Vec<Entry>, Failure> {
        let mut found = Vec::new();
        loop {
            let page = self.get(&format!("/event-types?pagesize=250&offset={}", found.len())).await?;
            let types = page["eventTypes"].as_array().cloned().unwrap_or_default();
            let last = types.len() < 250;
            for body in types {
                let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
                let kind =
                    serde_json::from_value(body["type"].clone()).context("the type of an event type")?;
                let entry = Entry { name: text("name"), display_name: text("displayName"), kind, version: 1 };
                found.push(entry);
            }
            if last {
                return Ok(found);
            }
        }
    }

    /// The newest events of a stream.
    pub(super) async fn newest_events(&self, event_type: &str, count: u32) -> Result<Vec<Sample>, Failure> {
        let page = self.get(&format!("/event-types/{}/events?limit={count}", segment(event_type))).await?;
        page["events"].as_array().into_iter().flatten().map(samples::of_stream).collect()
    }

    /// The state of a belt, with the reason where it is not well.
    pub(super) async fn state(&self, id: &str) -> Result<(String, String), Failure> {
        let state = self.get(&format!("/belts/{id}/state")).await?;
        let reason = state["deploymentEvents"][0]["message"].as_str().or_else(|| state["reason"].as_str());
        let status = state["status"].as_str().unwrap_or_default().to_owned();
        Ok((status, reason.unwrap_or_default().to_owned()))
    }

    /// Starts or stops a belt.
    pub(super) async fn act(&self, id: &str, action: &str, query: &str) -> Result<Value, Failure> {
        self.post(&format!("/belts/{id}/state{query}"), &json!({ "action": action })).await
    }
}
