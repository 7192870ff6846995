//! A belt's folder: `belt.toml` and what it names.
//!
//! ```toml
//! project = "people"
//!
//! [program]
//! language = "python"          # python, javascript (also TypeScript) or rust
//! source = "belt.py"           # for rust the folder of the crate
//!
//! [belt]                       # the fields of POST .../belts
//! name = "people"
//! eventTypes = ["people-in"]
//! outputTypes = [{ name = "people" }]
//!
//! [eventTypes.people-in]       # the fields of POST .../event-types; made by `push` where it is missing
//! type = "data_in"
//!
//! [eventTypes.people]
//! type = "live_segment"
//! schema = "people.schema.json"
//!
//! [harvester]                  # made by `push` where it is missing
//! appId = "people"             # takes the events that carry it
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use granary_catalog::event_type::{Directory, Entry};
use granary_catalog::{Belt, EventKind, Report, belt::BeltBody};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Failure;

/// The name of the file.
pub(super) const MANIFEST: &str = "belt.toml";

/// What a belt is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Language {
    /// Python
    Python,
    /// Rust, compiled to a component
    Rust,
    /// JavaScript or TypeScript
    #[serde(alias = "js", alias = "typescript", alias = "ts")]
    #[value(alias = "js", alias = "typescript", alias = "ts")]
    Javascript,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Manifest {
    /// Project that `push` goes to.
    pub(super) project: Option<String>,
    pub(super) program: Program,
    /// Fields of the definition.
    pub(super) belt: Map<String, Value>,
    /// Fields of event types, by technical name.
    #[serde(default)]
    pub(super) event_types: BTreeMap<String, Map<String, Value>>,
    pub(super) harvester: Option<Harvester>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Program {
    pub(super) language: Language,
    /// The source file, or the folder of the crate.
    pub(super) source: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Harvester {
    /// Takes the events whose `appId` is this.
    pub(super) app_id: String,
}

/// An opened folder.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub(super) root: PathBuf,
    pub(super) manifest: Manifest,
}

impl Folder {
    pub(super) fn open(root: &Path) -> Result<Self, Failure> {
        let path = root.join(MANIFEST);
        let text = std::fs::read_to_string(&path).map_err(|e| {
            Failure::Usage(format!(
                "{} cannot be read ({e}): name the folder of a belt, or make one with `granary belt new NAME`",
                path.display()
            ))
        })?;
        let manifest: Manifest =
            toml::from_str(&text).map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))?;
        Ok(Self { root: root.to_owned(), manifest })
    }

    /// Label of the belt.
    pub(super) fn name(&self) -> Result<&str, Failure> {
        let name = self.manifest.belt.get("name").and_then(Value::as_str);
        name.ok_or_else(|| self.wrong("[belt] needs a name"))
    }

    /// The first event type that it reads.
    pub(super) fn input(&self) -> Result<&str, Failure> {
        let first = self.manifest.belt.get("eventTypes").and_then(|types| types.get(0));
        first.and_then(Value::as_str).ok_or_else(|| {
            self.wrong("[belt] needs eventTypes, the event types that it reads: eventTypes = [\"people-in\"]")
        })
    }

    /// The event types that it writes.
    pub(super) fn outputs(&self) -> Vec<&str> {
        let outputs = self.manifest.belt.get("outputTypes").and_then(Value::as_array);
        outputs.into_iter().flatten().filter_map(|output| output["name"].as_str()).collect()
    }

    /// The definition without its program, as the API takes it.
    pub(super) fn definition(&self) -> Map<String, Value> {
        let mut definition = self.manifest.belt.clone();
        // A table is easier to write than the API's text with a list in it.
        if let Some(Value::Object(variables)) = definition.get("extraEnv") {
            let list: Vec<Value> = variables.iter().map(|(name, value)| variable(name, value)).collect();
            let text = json!({ "extraEnv": list }).to_string();
            definition.insert("extraEnv".to_owned(), text.into());
        }
        definition
    }

    /// The body that makes an event type of this folder.
    pub(super) fn event_type(&self, name: &str) -> Result<Option<Value>, Failure> {
        let Some(fields) = self.manifest.event_types.get(name) else { return Ok(None) };
        let mut body = fields.clone();
        if let Some(Value::String(file)) = fields.get("schema") {
            let path = self.root.join(file);
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("the schema of '{name}', {}", path.display()))?;
            body.insert("schema".to_owned(), json!({ "schema": text }));
        }
        body.entry("displayName").or_insert_with(|| name.into());
        body.insert("name".to_owned(), name.into());
        Ok(Some(Value::Object(body)))
    }

    /// The belt as the catalog sees it, checked like one that is uploaded; and its outputs with their kinds.
    pub(super) fn belt(&self) -> Result<(Belt, Vec<(String, EventKind)>), Failure> {
        let mut entries = Vec::new();
        for (name, fields) in &self.manifest.event_types {
            let kind = fields.get("type").cloned().unwrap_or_default();
            let kind: EventKind = serde_json::from_value(kind.clone()).map_err(|_| {
                self.wrong(&format!(
                    "[eventTypes.{name}] needs a type such as \"data_in\" or \"live_segment\", it is {kind}"
                ))
            })?;
            entries.push(Entry { name: name.clone(), display_name: name.clone(), kind, version: 1 });
        }
        let directory = Directory(entries);
        let mut definition = self.definition();
        let belt_type = match self.manifest.program.language {
            Language::Python => "python-callback",
            Language::Javascript => "javascript-callback",
            Language::Rust => "component",
        };
        definition.insert("beltType".to_owned(), belt_type.into());
        if self.manifest.program.language == Language::Rust {
            definition.insert("component".to_owned(), "0".repeat(64).into());
        }
        let mut report = Report::default();
        let body = BeltBody::read(&Value::Object(definition), &mut report);
        let belt = Belt::create("local", 1, 0, body, &directory, &mut report);
        let problems: Vec<String> =
            report.problems.iter().map(|problem| format!("{} {}", problem.name, problem.reason)).collect();
        let belt = belt.ok_or_else(|| self.wrong(&format!("[belt] {}", problems.join("; "))))?;
        let outputs = belt.outputs(&directory);
        Ok((belt, outputs))
    }

    /// The path of the source.
    pub(super) fn source_path(&self) -> PathBuf {
        self.root.join(&self.manifest.program.source)
    }

    /// The source text.
    pub(super) fn source(&self) -> Result<String, Failure> {
        let path = self.source_path();
        Ok(std::fs::read_to_string(&path)
            .with_context(|| format!("[program] names {}, which cannot be read", path.display()))?)
    }

    /// A mistake in the manifest.
    pub(super) fn wrong(&self, what: &str) -> Failure {
        Failure::Failed(anyhow!("{}: {what}", self.root.join(MANIFEST).display()))
    }
}

/// A variable as the API takes it: a text, or `{ secret = "name", key = "key" }`.
fn variable(name: &str, value: &Value) -> Value {
    match value {
        Value::Object(reference) => {
            let mut reference = reference.clone();
            if let Some(secret) = reference.shift_remove("secret") {
                reference.insert("name".to_owned(), secret);
            }
            json!({"name": name, "valueFrom": {"secretKeyRef": reference}})
        }
        Value::String(text) => json!({"name": name, "value": text}),
        other => json!({"name": name, "value": other.to_string()}),
    }
}
