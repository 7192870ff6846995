//! Event types: named, versioned descriptions of data. A `data_in` type carries the metadata expressions, a
//! `live_segment` type the JSON Schema of its table.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    duration::IsoDuration,
    fields::{Fields, STORED},
    name,
    report::Report,
    schema::LiveSegmentSchema,
};

mod metadata;

pub use metadata::Metadata;

/// Partitions of a stream when the body names no number.
pub const PARTITIONS_DEFAULT: u32 = 32;
const PARTITIONS_MAX: u64 = 1_024;
const REPLICATION_DEFAULT: u32 = 3;
/// Retention of a stream when the body names none: four days.
pub const RETENTION_MS_DEFAULT: u64 = 345_600_000;
/// A hundred thousand years; keeps sums of times within 64 bits.
const RETENTION_MS_MAX: u64 = 3_155_760_000_000_000;
/// What the streams of `data_in` types begin with; the type's name follows.
pub(crate) const DATA_IN_PREFIX: &str = "grnry_data_in_";
const TTL_DEFAULT: &str = "P100Y";
const TIMESTAMP_DEFAULT: &str = "#nowMillis()";
const EXPRESSION_CHARS_MAX: usize = 10_000;

/// The kinds of event types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Raw JSON events of a harvester.
    DataIn,
    /// Expired grains.
    Ttl,
    /// Notifications of grains.
    Ttn,
    /// A profile type.
    Profile,
    /// Output of a dbt belt.
    Segment,
    /// A table described by a JSON Schema.
    LiveSegment,
    /// Free-form.
    Custom,
}

impl EventKind {
    const CHOICES: [(&'static str, EventKind); 7] = [
        ("data_in", EventKind::DataIn),
        ("ttl", EventKind::Ttl),
        ("ttn", EventKind::Ttn),
        ("profile", EventKind::Profile),
        ("segment", EventKind::Segment),
        ("live_segment", EventKind::LiveSegment),
        ("custom", EventKind::Custom),
    ];

    /// As the API prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::DataIn => "data_in",
            EventKind::Ttl => "ttl",
            EventKind::Ttn => "ttn",
            EventKind::Profile => "profile",
            EventKind::Segment => "segment",
            EventKind::LiveSegment => "live_segment",
            EventKind::Custom => "custom",
        }
    }

    /// Reads a kind.
    pub fn parse(text: &str) -> Option<Self> {
        Self::CHOICES.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind)
    }

    /// Whether the type has a stream of its own.
    pub fn has_stream(self) -> bool {
        matches!(self, EventKind::DataIn | EventKind::LiveSegment | EventKind::Ttl | EventKind::Ttn)
    }

    /// Whether belts may read it.
    pub fn is_belt_input(self) -> bool {
        matches!(self, EventKind::DataIn | EventKind::Ttl | EventKind::Ttn)
    }

    /// Whether Python belts may write it.
    pub fn is_belt_output(self) -> bool {
        matches!(self, EventKind::DataIn | EventKind::LiveSegment | EventKind::Profile)
    }

    /// The persister that types of this kind own.
    pub fn persister(self) -> Option<crate::PersisterKind> {
        match self {
            EventKind::DataIn => Some(crate::PersisterKind::Pg),
            EventKind::LiveSegment => Some(crate::PersisterKind::LiveSegment),
            EventKind::Ttl | EventKind::Ttn | EventKind::Profile | EventKind::Segment | EventKind::Custom => {
                None
            }
        }
    }
}

/// A version as a reference names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VersionChoice {
    /// The newest one at the time of the start.
    Latest,
    /// That one.
    Number(u32),
}

impl VersionChoice {
    /// Reads `latest` or a number from 1.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        let number = text.parse().ok().filter(|number| *number >= 1);
        number
            .map(Self::Number)
            .ok_or_else(|| format!("must be a natural number or 'latest' but is '{text}'"))
    }
}

impl std::fmt::Display for VersionChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            VersionChoice::Latest => f.write_str("latest"),
            VersionChoice::Number(number) => write!(f, "{number}"),
        }
    }
}

impl Serialize for VersionChoice {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VersionChoice {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A reference to an event type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionRef {
    /// Technical name.
    pub name: String,
    /// A number as text, or `latest`.
    #[schema(value_type = String)]
    pub version: VersionChoice,
}

/// The JSON Schema of a live segment as it is sent: text within JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SchemaText {
    /// The schema, as text.
    pub schema: String,
    /// Subject of a schema registry; derived from the topic when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

/// One version of an event type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventType {
    /// Project that owns it.
    #[serde(rename = "projectName")]
    pub project: String,
    /// Technical name.
    pub name: String,
    /// From 1.
    pub version: u32,
    /// Label.
    pub display_name: String,
    /// Free text.
    pub description: String,
    /// Kind.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// Table description; `live_segment` only.
    #[serde(default)]
    pub schema: Option<SchemaText>,
    /// Sources; `custom` only.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    pub source: Option<Value>,
    /// Locations given by the user; `profile` and `custom` only.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    pub physical_locations: Option<Value>,
    /// How long raw events are kept, ISO-8601; `data_in`, `ttl`, `ttn`.
    #[serde(default, rename = "eventstoreTTL")]
    pub eventstore_ttl: Option<String>,
    /// `data_in` only.
    #[serde(default)]
    pub correlation_id_expression: Option<String>,
    /// `data_in` only.
    #[serde(default)]
    pub event_id_expression: Option<String>,
    /// Yields milliseconds since the epoch; `data_in` only.
    #[serde(default)]
    pub timestamp_expression: Option<String>,
    /// Yields a boolean; empty is off; `data_in` only.
    #[serde(default)]
    pub deletion_expression: Option<String>,
    /// Partitions of the stream.
    #[serde(default)]
    pub partition_count: Option<u32>,
    /// Copies of the stream; stored and echoed.
    #[serde(default)]
    pub replication: Option<u32>,
    /// How long the stream keeps records, in milliseconds.
    #[serde(default)]
    pub retention_ms: Option<u64>,
}

/// What `POST` and `PUT` take.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventTypeBody {
    /// Only in a `PUT`, and then the name of the path.
    pub name: Option<String>,
    /// Label; required at creation.
    pub display_name: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Kind; `data_in` when missing.
    #[serde(rename = "type")]
    pub kind: Option<EventKind>,
    /// Required for `live_segment`.
    pub schema: Option<SchemaText>,
    /// For `custom`.
    #[schema(value_type = Option<Vec<Object>>)]
    pub source: Option<Value>,
    /// For `profile` and `custom`.
    #[schema(value_type = Option<Vec<Object>>)]
    pub physical_locations: Option<Value>,
    /// ISO-8601 duration; `P100Y` when missing.
    #[serde(rename = "eventstoreTTL")]
    pub eventstore_ttl: Option<String>,
    /// Required for `data_in`.
    pub correlation_id_expression: Option<String>,
    /// Required for `data_in`.
    pub event_id_expression: Option<String>,
    /// `#nowMillis()` when missing.
    pub timestamp_expression: Option<String>,
    /// Off when empty.
    pub deletion_expression: Option<String>,
    /// 32 when missing; can not be changed.
    pub partition_count: Option<u32>,
    /// 3 when missing; can not be changed.
    pub replication: Option<u32>,
    /// Four days when missing; can not be changed.
    pub retention_ms: Option<u64>,
}

/// What a `PUT` changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing: 304.
    Nothing,
    /// Label or description: the version stays.
    Label,
    /// Something that makes a new version.
    Version,
}

impl EventTypeBody {
    /// Reads a body; problems and unknown fields go to the report.
    pub fn read(body: &Value, report: &mut Report) -> Self {
        report.check_storable(body);
        let mut fields = Fields::of_body(body, report);
        fields.ignore(&["topicName", "inputs", "outputs", "persisters", "sources", "editor", "consumer"]);
        fields.ignore(&STORED);
        let read = Self {
            name: fields.text("name"),
            display_name: fields.text("displayName"),
            description: fields.text("description"),
            kind: fields.one_of("type", &EventKind::CHOICES),
            schema: fields
                .object("schema", |schema| {
                    let subject = schema.text("subject");
                    let text = schema.text("schema");
                    if text.is_none() {
                        let path = schema.path("schema");
                        let reason = "must be a text that holds the JSON Schema but is missing";
                        if !schema.has("schema") {
                            schema.report().problem(path, reason);
                        }
                    }
                    text.map(|text| SchemaText { schema: text, subject })
                })
                .flatten(),
            source: fields.any("source"),
            physical_locations: fields.any("physicalLocations"),
            eventstore_ttl: fields.text("eventstoreTTL"),
            correlation_id_expression: fields.text("correlationIdExpression"),
            event_id_expression: fields.text("eventIdExpression"),
            timestamp_expression: fields.text("timestampExpression"),
            deletion_expression: fields.text("deletionExpression"),
            partition_count: fields.integer("partitionCount", 1, PARTITIONS_MAX).map(|count| count as u32),
            replication: fields.integer("replication", 1, 100).map(|count| count as u32),
            retention_ms: fields.integer("retentionMs", 1, RETENTION_MS_MAX),
        };
        fields.finish();
        read
    }
}

fn check_array(field: &str, value: &Value, report: &mut Report) {
    if !value.is_array() {
        report.problem(field, format!("must be an array but is {}", crate::fields::kind(value)));
    }
}

fn check_schema(text: &SchemaText, report: &mut Report) -> Option<LiveSegmentSchema> {
    match LiveSegmentSchema::parse(&text.schema) {
        Ok(schema) => {
            for warning in schema.warnings() {
                report.warn(warning.to_string());
            }
            Some(schema)
        }
        Err(error) => {
            report.problem("schema", format!("is not usable: {error}"));
            None
        }
    }
}

impl EventType {
    /// A new event type, version 1. `name` is the name of the path where one was given; else one is derived, and
    /// `taken` tells whether a name is in use anywhere, without case.
    pub fn create(
        project: &str,
        name: Option<&str>,
        body: EventTypeBody,
        taken: impl Fn(&str) -> bool,
        report: &mut Report,
    ) -> Option<Self> {
        let kind = body.kind.unwrap_or(EventKind::DataIn);
        let label = body.display_name.clone().unwrap_or_default();
        let name = name::choose(name, &label, taken, report);
        let mut event_type = Self {
            project: project.to_owned(),
            name,
            version: 1,
            display_name: label,
            description: body.description.clone().unwrap_or_default(),
            kind,
            schema: None,
            source: None,
            physical_locations: None,
            eventstore_ttl: None,
            correlation_id_expression: None,
            event_id_expression: None,
            timestamp_expression: None,
            deletion_expression: None,
            partition_count: kind.has_stream().then(|| body.partition_count.unwrap_or(PARTITIONS_DEFAULT)),
            replication: kind.has_stream().then(|| body.replication.unwrap_or(REPLICATION_DEFAULT)),
            retention_ms: kind.has_stream().then(|| body.retention_ms.unwrap_or(RETENTION_MS_DEFAULT)),
        };
        if kind == EventKind::DataIn {
            event_type.timestamp_expression = Some(TIMESTAMP_DEFAULT.to_owned());
            event_type.deletion_expression = Some(String::new());
        }
        if event_type.keeps_ttl() {
            event_type.eventstore_ttl = Some(TTL_DEFAULT.to_owned());
        }
        event_type.require(&body, report);
        event_type.apply(&body, report);
        report.is_clean().then_some(event_type)
    }

    fn keeps_ttl(&self) -> bool {
        matches!(self.kind, EventKind::DataIn | EventKind::Ttl | EventKind::Ttn)
    }

    fn require(&self, body: &EventTypeBody, report: &mut Report) {
        if self.kind == EventKind::DataIn {
            for (field, value) in [
                ("correlationIdExpression", &body.correlation_id_expression),
                ("eventIdExpression", &body.event_id_expression),
            ] {
                if value.as_deref().is_none_or(|text| text.trim().is_empty()) {
                    report.problem(field, "must not be empty");
                }
            }
        }
        let schema_is_bad = report.problems.iter().any(|problem| problem.name.starts_with("schema"));
        if self.kind == EventKind::LiveSegment && body.schema.is_none() && !schema_is_bad {
            report.problem("schema", "must not be null for an event type of type 'live_segment'");
        }
    }

    /// Sets what the body gives and the kind has; the rest is named in warnings.
    fn apply(&mut self, body: &EventTypeBody, report: &mut Report) {
        let kind = self.kind;
        let misplaced = |field: &str, given: bool, report: &mut Report| {
            if given {
                let kind = kind.as_str();
                report.warn(format!("Field '{field}' has no effect for an event type of type '{kind}'."));
            }
        };
        if kind == EventKind::DataIn {
            for (field, given, stored) in [
                (
                    "correlationIdExpression",
                    &body.correlation_id_expression,
                    &mut self.correlation_id_expression,
                ),
                ("eventIdExpression", &body.event_id_expression, &mut self.event_id_expression),
                ("timestampExpression", &body.timestamp_expression, &mut self.timestamp_expression),
                ("deletionExpression", &body.deletion_expression, &mut self.deletion_expression),
            ] {
                let Some(text) = given else { continue };
                if text.trim().is_empty() {
                    match field {
                        "deletionExpression" => *stored = Some(String::new()),
                        "timestampExpression" => *stored = Some(TIMESTAMP_DEFAULT.to_owned()),
                        // `require` says it at creation; an update may not empty them either.
                        _ if stored.is_some() => report.problem(field, "must not be empty"),
                        _ => {}
                    }
                    continue;
                }
                if text.chars().count() > EXPRESSION_CHARS_MAX {
                    report.problem(field, format!("must have at most {EXPRESSION_CHARS_MAX} characters"));
                } else {
                    report.check_expression(field, text);
                }
                *stored = Some(text.clone());
            }
        } else {
            misplaced("correlationIdExpression", body.correlation_id_expression.is_some(), report);
            misplaced("eventIdExpression", body.event_id_expression.is_some(), report);
            misplaced("timestampExpression", body.timestamp_expression.is_some(), report);
            misplaced("deletionExpression", body.deletion_expression.is_some(), report);
        }
        match (&body.eventstore_ttl, self.keeps_ttl()) {
            (Some(ttl), true) => {
                if let Err(error) = IsoDuration::parse(ttl) {
                    report.problem("eventstoreTTL", error.to_string());
                }
                self.eventstore_ttl = Some(ttl.clone());
            }
            (given, _) => misplaced("eventstoreTTL", given.is_some(), report),
        }
        match (&body.schema, kind) {
            (Some(schema), EventKind::LiveSegment) => {
                check_schema(schema, report);
                self.schema = Some(schema.clone());
            }
            (given, _) => misplaced("schema", given.is_some(), report),
        }
        // Other kinds answer with a generated one, which bodies may echo.
        if let (Some(source), EventKind::Custom) = (&body.source, kind) {
            check_array("source", source, report);
            self.source = Some(source.clone());
        }
        if let (Some(locations), EventKind::Custom | EventKind::Profile) = (&body.physical_locations, kind) {
            check_array("physicalLocations", locations, report);
            self.physical_locations = Some(locations.clone());
        }
        if !kind.has_stream() {
            misplaced("partitionCount", body.partition_count.is_some(), report);
            misplaced("replication", body.replication.is_some(), report);
            misplaced("retentionMs", body.retention_ms.is_some(), report);
        }
    }

    /// Applies the body of a `PUT` to the newest version. The result, if nothing is wrong, and what it changed.
    pub fn update(&self, body: &EventTypeBody, report: &mut Report) -> (Self, Change) {
        let mut next = self.clone();
        self.check_immutable(body, report);
        if let Some(label) = &body.display_name
            && report.check_label(label)
        {
            next.display_name = label.clone();
        }
        if let Some(description) = &body.description {
            next.description = description.clone();
        }
        next.apply(body, report);
        if report.is_clean() {
            self.check_evolution(&next, report);
        }
        let labels_only = Self {
            display_name: next.display_name.clone(),
            description: next.description.clone(),
            ..self.clone()
        };
        let change = match &next {
            next if next == self => Change::Nothing,
            next if *next == labels_only => Change::Label,
            _ => Change::Version,
        };
        if change == Change::Version {
            next.version += 1;
        }
        (next, change)
    }

    fn check_immutable(&self, body: &EventTypeBody, report: &mut Report) {
        let mut same = |field: &str, given: Option<String>, stored: String| {
            if let Some(given) = given.filter(|given| *given != stored) {
                report
                    .problem(field, format!("can not be changed: it is '{stored}' but '{given}' was given"));
            }
        };
        same("name", body.name.clone(), self.name.clone());
        same("type", body.kind.map(|kind| kind.as_str().to_owned()), self.kind.as_str().to_owned());
        let text = |number: Option<u32>| number.map(|number| number.to_string());
        if self.kind.has_stream() {
            same(
                "partitionCount",
                text(body.partition_count),
                text(self.partition_count).unwrap_or_default(),
            );
            same("replication", text(body.replication), text(self.replication).unwrap_or_default());
            let retention = self.retention_ms.map(|ms| ms.to_string()).unwrap_or_default();
            same("retentionMs", body.retention_ms.map(|ms| ms.to_string()), retention);
        }
    }

    fn check_evolution(&self, next: &Self, report: &mut Report) {
        let (Some(old), Some(new)) = (&self.schema, &next.schema) else { return };
        if old.schema == new.schema {
            return;
        }
        // Both parsed before: the old one when it was stored, the new one in `apply`.
        let (Ok(old), Ok(new)) =
            (LiveSegmentSchema::parse(&old.schema), LiveSegmentSchema::parse(&new.schema))
        else {
            return;
        };
        if let Err(reasons) = new.check_evolution(&old) {
            for reason in reasons {
                report
                    .problem("schema", format!("is not compatible with version {}: {reason}", self.version));
            }
        }
    }

    /// The stream, for kinds that have one.
    pub fn topic_name(&self) -> Option<String> {
        let prefix = match self.kind {
            EventKind::DataIn => DATA_IN_PREFIX,
            EventKind::LiveSegment => "grnry_live_segment_",
            EventKind::Ttl => "grnry_ttl_",
            EventKind::Ttn => "grnry_ttn_",
            EventKind::Profile | EventKind::Segment | EventKind::Custom => return None,
        };
        Some(format!("{prefix}{}", self.name))
    }

    /// The relation in the project's schema that shows its data, for kinds that have one: the view on the eventstore,
    /// the table of a live segment (named as in the guide).
    pub fn table_name(&self) -> Option<String> {
        match self.kind {
            EventKind::DataIn => Some(format!("eventstore_{}", self.name)),
            EventKind::LiveSegment => Some(format!("grnry_live_segment_{}", self.name)),
            EventKind::Profile => Some(format!("profilestore_{}", self.name)),
            EventKind::Segment => Some(format!("sgmt_{}", self.name)),
            EventKind::Ttl | EventKind::Ttn | EventKind::Custom => None,
        }
    }

    /// The view on the eventstore, for `data_in`.
    pub fn eventstore_view_name(&self) -> Option<String> {
        (self.kind == EventKind::DataIn).then(|| format!("eventstore_{}", self.name))
    }

    /// The parsed schema of a live segment. `None` for other kinds; stored schemas always parse.
    pub fn live_segment_schema(&self) -> Option<LiveSegmentSchema> {
        self.schema.as_ref().and_then(|schema| LiveSegmentSchema::parse(&schema.schema).ok())
    }

    /// Where its data lies: what the user gave, else what the kind implies.
    pub fn locations(&self) -> Value {
        if let Some(given) = &self.physical_locations {
            return given.clone();
        }
        let mut locations = Vec::new();
        if let Some(topic) = self.topic_name() {
            locations.push(json!({"locationName": topic, "source": "stream", "type": "stream"}));
        }
        if let Some(table) = self.table_name() {
            let location = format!("\"{}\".\"{table}\"", self.project);
            locations.push(json!({"locationName": location, "source": "postgres", "type": "database"}));
        }
        Value::Array(locations)
    }
}

impl EventType {
    /// What a `POST` body needs to make the same type again: every field that is not at its default.
    pub fn export(&self) -> serde_json::Map<String, Value> {
        let defaults = json!({
            "description": "", "type": "data_in", "eventstoreTTL": TTL_DEFAULT,
            "timestampExpression": TIMESTAMP_DEFAULT, "deletionExpression": "",
            "partitionCount": PARTITIONS_DEFAULT, "replication": REPLICATION_DEFAULT,
            "retentionMs": RETENTION_MS_DEFAULT,
        });
        let mut body = match serde_json::to_value(self) {
            Ok(Value::Object(body)) => body,
            _ => serde_json::Map::new(),
        };
        body.retain(|key, value| {
            let is_generated = matches!(key.as_str(), "projectName" | "name" | "version");
            !is_generated && !value.is_null() && defaults.get(key.as_str()) != Some(value)
        });
        body
    }
}

/// What is known of an event type when something refers to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Technical name.
    pub name: String,
    /// Label.
    pub display_name: String,
    /// Kind.
    pub kind: EventKind,
    /// Newest version.
    pub version: u32,
}

/// The event types of one project, to resolve references with.
#[derive(Debug, Clone, Default)]
pub struct Directory(pub Vec<Entry>);

impl Directory {
    /// Resolves a reference by name, else by a label that only one type has (with a warning). Notes a problem with
    /// the nearest name otherwise.
    pub fn resolve(&self, field: &str, given: &str, report: &mut Report) -> Option<&Entry> {
        if let Some(entry) = self.0.iter().find(|entry| entry.name == given) {
            return Some(entry);
        }
        let mut labelled = self.0.iter().filter(|entry| entry.display_name == given);
        if let (Some(entry), None) = (labelled.next(), labelled.next()) {
            report.warn(format!(
                "Field '{field}' gives the displayName '{given}'; its technical name '{}' is used.",
                entry.name
            ));
            return Some(entry);
        }
        let mut reason = format!("names the event type '{given}', which does not exist in this project");
        if let Some(near) = name::nearest(given, self.0.iter().map(|entry| entry.name.as_str())) {
            reason.push_str(&format!(" (did you mean '{near}'?)"));
        }
        report.problem(field, reason);
        None
    }

    /// Checks that a referenced version exists.
    pub fn check_version(&self, field: &str, entry: &Entry, version: VersionChoice, report: &mut Report) {
        if let VersionChoice::Number(number) = version
            && number > entry.version
        {
            let newest = entry.version;
            report.problem(
                field,
                format!(
                    "names version {number} of event type '{}', whose newest version is {newest}",
                    entry.name
                ),
            );
        }
    }
}

/// Reads a version given as number or text.
pub(crate) fn read_version(fields: &mut Fields<'_>) -> Option<VersionChoice> {
    let text = fields.scalar("version")?;
    match VersionChoice::parse(&text) {
        Ok(version) => Some(version),
        Err(reason) => {
            let path = fields.path("version");
            fields.report().problem(path, reason);
            None
        }
    }
}

#[cfg(test)]
mod tests;
