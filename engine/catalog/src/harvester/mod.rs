//! Harvesters: a source, a transform, and the event type whose expressions make the metadata.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::{
    Object, VersionChoice, VersionRef,
    event_type::{Directory, EventKind},
    name,
    report::Report,
    source_type::{self, SourceType},
};

mod body;
mod dry_run;
mod script;
mod sessionizing;
mod transform;

pub use body::{AppBody, EventTypeRefBody, HarvesterBody, SourceBody};
pub use dry_run::{DryRunBody, ExpressionsBody, SampleBody, StreamBody};
pub use script::unescape;
pub use sessionizing::Sessionizing;
pub use transform::{DEFAULT_SCRIPT, Program, Transform, TransformBody};

const EXTRACTOR_APP: &str = "grnry-data-in-metadata";

/// A harvester.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Harvester {
    /// Project that owns it.
    #[serde(rename = "projectName")]
    pub project: String,
    /// Technical name.
    pub name: String,
    /// Grows by one with each change; the definition version of records and dead letters.
    pub version: u32,
    /// Label.
    pub display_name: String,
    /// Free text.
    pub description: String,
    /// Where it reads.
    pub source_type: SourceRef,
    /// Where it writes, and by whose expressions.
    pub event_type: VersionRef,
    /// What it does to each message.
    pub transform: Transform,
    /// Stored and echoed; the expressions are those of the event type.
    pub metadata_extractor: App,
    /// Grouping by inactivity.
    pub sessionizing: Sessionizing,
}

/// The source of a harvester.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceRef {
    /// Source type.
    pub name: String,
    /// Version of the source type.
    pub version: String,
    /// Configuration; that of the source type when missing.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub configuration: Map<String, Value>,
    /// Stored and echoed.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub deployment_configuration: Map<String, Value>,
    /// Stored and echoed.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub app_configuration: Map<String, Value>,
}

/// A step without settings of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct App {
    /// Name; fixed.
    pub app: String,
    /// Stored and echoed.
    pub version: String,
    /// Stored and echoed.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub deployment_configuration: Map<String, Value>,
    /// Stored and echoed.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub app_configuration: Map<String, Value>,
}

fn missing(report: &mut Report, field: &str) {
    // A field of the wrong type has its problem already.
    if !report.problems.iter().any(|problem| problem.name == field) {
        report.problem(field, "must not be null");
    }
}

fn set<T>(target: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *target = given;
    }
}

fn set_app(field: &str, stored: &str, given: Option<String>, report: &mut Report) {
    if let Some(given) = given.filter(|given| !given.is_empty() && given != stored) {
        report.problem(field, format!("can not be replaced: it is '{stored}' but '{given}' was given"));
    }
}

impl Harvester {
    /// A new harvester. `name` is the name of the path where one was given; else one is derived, and `taken` tells
    /// whether a name is in use anywhere, without case. `imported` merges the source type's defaults under the maps.
    pub fn create(
        project: &str,
        name: Option<&str>,
        body: HarvesterBody,
        imported: bool,
        event_types: &Directory,
        taken: impl Fn(&str) -> bool,
        report: &mut Report,
    ) -> Option<Self> {
        let label = body.display_name.clone().unwrap_or_default();
        let name = name::choose(name, &label, taken, report);
        let source = body.source_type.clone().unwrap_or_default();
        if source.name.is_none() {
            missing(report, "sourceType.name");
        }
        if source.version.is_none() {
            missing(report, "sourceType.version");
        }
        let event_type = body.event_type.clone().unwrap_or_default();
        if event_type.name.is_none() {
            missing(report, "eventType.name");
        }
        if event_type.version.is_none() {
            missing(report, "eventType.version");
        }
        let mut harvester = Self {
            project: project.to_owned(),
            name,
            version: 1,
            display_name: label,
            description: String::new(),
            source_type: SourceRef {
                name: source.name.unwrap_or_default(),
                version: source.version.unwrap_or_default(),
                configuration: Map::new(),
                deployment_configuration: Map::new(),
                app_configuration: Map::new(),
            },
            event_type: VersionRef {
                name: event_type.name.unwrap_or_default(),
                version: event_type.version.unwrap_or(VersionChoice::Latest),
            },
            transform: Transform::default(),
            metadata_extractor: App {
                app: EXTRACTOR_APP.to_owned(),
                version: "latest".to_owned(),
                deployment_configuration: Map::new(),
                app_configuration: Map::new(),
            },
            sessionizing: Sessionizing { enabled: false, settings: Map::new() },
        };
        if let Some(source) = harvester.known_source() {
            harvester.source_type.configuration = source.app_config;
            harvester.source_type.deployment_configuration = source.deployer_config;
        }
        harvester.apply(body, imported, event_types, report);
        report.is_clean().then_some(harvester)
    }

    fn known_source(&self) -> Option<SourceType> {
        source_type::find(&self.source_type.name, &self.source_type.version)
    }

    /// Applies the body of a `PUT`. The result equals `self` when nothing changed; else its version is one higher.
    pub fn update(
        &self,
        body: HarvesterBody,
        imported: bool,
        event_types: &Directory,
        report: &mut Report,
    ) -> Self {
        let mut next = self.clone();
        if let Some(label) = &body.display_name
            && report.check_label(label)
        {
            next.display_name = label.clone();
        }
        next.apply(body, imported, event_types, report);
        if next.event_type.name != self.event_type.name {
            let (stored, given) = (&self.event_type.name, &next.event_type.name);
            report.problem(
                "eventType.name",
                format!("can not be changed: it is '{stored}' but '{given}' was given"),
            );
        }
        if next != *self {
            next.version += 1;
        }
        next
    }

    fn apply(&mut self, body: HarvesterBody, imported: bool, event_types: &Directory, report: &mut Report) {
        set(&mut self.description, body.description);
        if let Some(source) = body.source_type {
            self.apply_source(source, imported, report);
        }
        if let Some(event_type) = body.event_type {
            set(&mut self.event_type.name, event_type.name);
            set(&mut self.event_type.version, event_type.version);
            self.check_event_type(event_types, report);
        }
        if let Some(transform) = body.transform {
            self.transform.apply(transform, report);
        }
        if let Some(app) = body.metadata_extractor {
            set_app("metadataExtractor.app", &self.metadata_extractor.app, app.app, report);
            set(&mut self.metadata_extractor.version, app.version);
            set(&mut self.metadata_extractor.deployment_configuration, app.deployment_configuration);
            set(&mut self.metadata_extractor.app_configuration, app.app_configuration);
        }
        if let Some(settings) = body.sessionizing {
            self.sessionizing.apply(settings, report);
        }
    }

    fn apply_source(&mut self, source: SourceBody, imported: bool, report: &mut Report) {
        let stored = self.source_type.name.clone();
        set_app("sourceType.name", &stored, source.name, report);
        set(&mut self.source_type.version, source.version);
        set(&mut self.source_type.configuration, source.configuration);
        set(&mut self.source_type.deployment_configuration, source.deployment_configuration);
        set(&mut self.source_type.app_configuration, source.app_configuration);
        let known = source_type::all();
        if self.source_type.name.is_empty() || self.source_type.version.is_empty() {
            return;
        }
        let Some(found) = self.known_source() else {
            let names: Vec<_> =
                known.iter().map(|s| format!("'{}' version '{}'", s.name, s.version)).collect();
            report.problem(
                "sourceType",
                format!(
                    "names the source type '{}' version '{}', which does not exist; there is {}",
                    self.source_type.name,
                    self.source_type.version,
                    names.join(", ")
                ),
            );
            return;
        };
        if imported {
            for (key, value) in found.app_config {
                self.source_type.configuration.entry(key).or_insert(value);
            }
        }
        if let Some(offset) = self.source_setting(&["startOffset"])
            && !matches!(offset.as_str(), "latest" | "earliest")
        {
            report.problem(
                "sourceType.configuration.grnry-topic.startOffset",
                format!("must be 'earliest' or 'latest' but is '{offset}'"),
            );
        }
    }

    fn check_event_type(&mut self, event_types: &Directory, report: &mut Report) {
        let given = self.event_type.name.clone();
        if given.is_empty() {
            return;
        }
        let Some(entry) = event_types.resolve("eventType.name", &given, report) else { return };
        if entry.kind != EventKind::DataIn {
            report.problem(
                "eventType.name",
                format!(
                    "must name an event type of type 'data_in' but '{}' is of type '{}'",
                    entry.name,
                    entry.kind.as_str()
                ),
            );
        }
        event_types.check_version("eventType.version", entry, self.event_type.version, report);
        self.event_type.name = entry.name.clone();
    }

    /// A setting of the source by the last part of its key, whatever stands before it.
    fn source_setting(&self, names: &[&str]) -> Option<String> {
        let configuration = &self.source_type.configuration;
        let value = configuration.iter().find_map(|(key, value)| {
            let last = key.rsplit('.').next().unwrap_or(key);
            names.iter().any(|name| last.eq_ignore_ascii_case(name)).then_some(value)
        })?;
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    /// The topic that it reads.
    pub fn input_topic(&self) -> String {
        let given = self.source_setting(&["inputTopic", "input-topic"]).filter(|topic| !topic.is_empty());
        given.unwrap_or_else(|| source_type::DEFAULT_TOPIC.to_owned())
    }

    /// Whether its first start begins at the earliest record; else at the newest.
    pub fn starts_at_earliest(&self) -> bool {
        self.source_setting(&["startOffset"]).as_deref() == Some("earliest")
    }

    /// Name of the original's deployment.
    pub fn stream_name(&self) -> String {
        format!("g-h-{}", self.name)
    }

    /// The stream name of its dead letters.
    pub fn dlq_topic(&self) -> String {
        self.object().dead_letter_stream()
    }

    /// What is started and stopped.
    pub fn object(&self) -> Object {
        Object::Harvester(self.name.clone())
    }

    /// Why it can not be started in this engine, if so.
    pub fn start_obstacle(&self) -> Option<String> {
        if self.sessionizing.enabled {
            return Some(
                "sessionizing does not run in this version of the engine; set 'sessionizing.enabled' to false".into(),
            );
        }
        self.transform.obstacle()
    }
}

impl Harvester {
    /// What a `POST` body needs to make the same harvester again: the name and every field that is not at its default.
    pub fn export(&self) -> Map<String, Value> {
        let source = self.known_source();
        let defaults = json!({
            "description": "",
            "sourceType": {
                "configuration": source.as_ref().map(|source| &source.app_config),
                "deploymentConfiguration": source.as_ref().map(|source| &source.deployer_config),
                "appConfiguration": {},
            },
            "transform": Transform::default(),
            "metadataExtractor": {
                "app": EXTRACTOR_APP, "version": "latest", "deploymentConfiguration": {}, "appConfiguration": {},
            },
            "sessionizing": {"enabled": false},
        });
        let mut body = match serde_json::to_value(self) {
            Ok(Value::Object(body)) => body,
            _ => Map::new(),
        };
        body.retain(|key, value| {
            if matches!(key.as_str(), "projectName" | "version") {
                return false;
            }
            let default = &defaults[key.as_str()];
            if let (Value::Object(fields), Value::Object(default)) = (&mut *value, default) {
                fields.retain(|key, value| default.get(key) != Some(value));
                return !fields.is_empty();
            }
            default != value
        });
        body
    }
}

#[cfg(test)]
mod tests;
