//! What `POST` and `PUT` of a belt take.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{BeltType, DBT_FIELDS, FetchProfile, LEGACY, MEMORY_MIB_MIN, REPLICAS_MAX, WITHOUT_EFFECT};
use crate::{
    VersionChoice,
    event_type::read_version,
    fields::{Fields, STORED},
    report::Report,
};

/// What `POST` and `PUT` take. A `PUT` is the full representation: missing fields return to their defaults.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BeltBody {
    /// Label; required, at most 255 characters.
    pub name: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Free labels.
    pub labels: Option<Vec<String>>,
    /// `component` where `component` is given, otherwise `python-callback` when missing.
    pub belt_type: Option<BeltType>,
    /// Input event types; required.
    pub event_types: Option<Vec<String>>,
    /// Declared outputs.
    pub output_types: Option<Vec<OutputBody>>,
    /// Deprecated; excludes `outputTypes`.
    pub kafka_destination_topic: Option<String>,
    /// Number of instances; 1 when missing.
    pub replicas: Option<u32>,
    /// CPU limit in thousandths of a core, number or text; none when missing.
    #[schema(value_type = Option<String>)]
    pub millicpu: Option<u32>,
    /// Memory limit in MiB, number or text; 512 when missing.
    #[schema(value_type = Option<String>)]
    pub memory: Option<u32>,
    /// JSON text `{"extraEnv": [{"name": "FOO", "value": "bar"}]}`; an entry may have
    /// `"valueFrom": {"secretKeyRef": {"name": "a-secret", "key": "a-key", "optional": false}}` in place of `value`.
    pub extra_env: Option<String>,
    /// Whether debug lines are logged.
    pub debug: Option<bool>,
    /// Source of the callback.
    pub extractor_fn: Option<String>,
    /// SHA-256 of an uploaded component, in hex.
    pub component: Option<String>,
    /// Version of the runtime; stored and echoed.
    pub extractor_version: Option<String>,
    /// Packages in pip's notation, one a line: a name, perhaps with versions, such as `humanize==4.9.0`.
    pub requirements_py: Option<String>,
    /// Hosts that it may send HTTP requests to, as `host`, `host:port` or `*.domain`; none when missing.
    pub outbound_hosts: Option<Vec<String>>,
    /// Start offsets by topic and partition.
    #[schema(value_type = Option<Object>)]
    pub partition_offsets: Option<BTreeMap<String, Vec<u64>>>,
    /// `FALSE`, `PREFETCH`, `PREFETCH_WITH_HISTORY` or `LAZY`.
    pub fetch_profile: Option<FetchProfile>,
    /// Profile type that is fetched.
    pub profile_type: Option<String>,
    /// What is stored and echoed without effect.
    #[serde(default)]
    #[schema(ignore)]
    pub other: Map<String, Value>,
}

/// A declared output in a body.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
pub struct OutputBody {
    /// Technical name, or a displayName that only one type has.
    pub name: String,
    /// A number, as number or text, or `latest`; `latest` when missing.
    #[schema(value_type = Option<String>)]
    pub version: VersionChoice,
}

/// Reads `512`, `"512"`, `"512Mi"`, `"1Gi"`, `"200m"` in the unit of the field.
fn quantity(fields: &mut Fields<'_>, name: &'static str, min: u32, units: &[(&str, u64)]) -> Option<u32> {
    let text = fields.scalar(name)?;
    let trimmed = text.trim();
    let (digits, factor) = units
        .iter()
        .find_map(|(unit, factor)| trimmed.strip_suffix(unit).map(|digits| (digits, *factor)))
        .unwrap_or((trimmed, 1));
    let number = digits.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    match number.and_then(|number| u32::try_from(number).ok()).filter(|number| *number >= min) {
        Some(number) => Some(number),
        None => {
            let path = fields.path(name);
            fields
                .report()
                .problem(path, format!("must be a natural number of at least {min} but is '{text}'"));
            None
        }
    }
}

fn offsets(fields: &mut Fields<'_>) -> Option<BTreeMap<String, Vec<u64>>> {
    let map = fields.map("partitionOffsets")?;
    let mut read = BTreeMap::new();
    for (topic, value) in map {
        let numbers: Option<Vec<u64>> =
            value.as_array().and_then(|items| items.iter().map(Value::as_u64).collect());
        match numbers {
            Some(numbers) => {
                read.insert(topic, numbers);
            }
            None => fields.report().problem(
                format!("partitionOffsets.{topic}"),
                "must be an array of offsets, one natural number for each partition",
            ),
        }
    }
    Some(read)
}

impl BeltBody {
    /// Reads a body; problems and unknown fields go to the report.
    pub fn read(body: &Value, report: &mut Report) -> Self {
        report.check_storable(body);
        let mut fields = Fields::of_body(body, report);
        fields.ignore(&[
            "id",
            "kubernetesName",
            "kafkaConsumerGroupName",
            "dlqTopic",
            "programSha256",
            "packages",
            "status",
            "beltState",
        ]);
        fields.ignore(&STORED);
        fields.ignore(&LEGACY);
        let mut other = Map::new();
        for name in DBT_FIELDS {
            if let Some(value) = fields.any(name) {
                other.insert(name.to_owned(), value);
            }
        }
        fields.without_effect(&WITHOUT_EFFECT, &mut other);
        let types = [
            BeltType::PythonCallback,
            BeltType::JavascriptCallback,
            BeltType::Component,
            BeltType::DbtSegment,
        ]
        .map(|kind| (kind.as_str(), kind));
        let read = Self {
            name: fields.text("name"),
            description: fields.text("description"),
            labels: fields.texts("labels"),
            belt_type: fields.one_of("beltType", &types),
            event_types: fields.texts("eventTypes"),
            output_types: fields
                .objects("outputTypes", |output| {
                    let name = output.text("name");
                    if name.is_none() {
                        let path = output.path("name");
                        output.report().problem(path, "must not be null");
                    }
                    let version = read_version(output).unwrap_or(VersionChoice::Latest);
                    name.map(|name| OutputBody { name, version })
                })
                .map(|outputs| outputs.into_iter().flatten().collect()),
            kafka_destination_topic: fields.text("kafkaDestinationTopic"),
            replicas: fields.integer("replicas", 1, REPLICAS_MAX).map(|count| count as u32),
            millicpu: quantity(&mut fields, "millicpu", 1, &[("m", 1)]),
            memory: quantity(&mut fields, "memory", MEMORY_MIB_MIN, &[("Mi", 1), ("Gi", 1_024)]),
            extra_env: extra_env(&mut fields),
            debug: fields.flag("debug"),
            extractor_fn: fields.text("extractorFn"),
            component: fields.text("component"),
            extractor_version: fields.scalar("extractorVersion"),
            requirements_py: fields.text("requirementsPy"),
            outbound_hosts: fields.texts("outboundHosts"),
            partition_offsets: offsets(&mut fields),
            fetch_profile: fetch_profile(&mut fields),
            profile_type: fields.text("profileType"),
            other,
        };
        fields.finish();
        read
    }
}

/// The environment as text; an object or array is turned into the text it should have been.
fn extra_env(fields: &mut Fields<'_>) -> Option<String> {
    match fields.any("extraEnv")? {
        Value::String(text) => Some(text),
        structured => Some(structured.to_string()),
    }
}

fn fetch_profile(fields: &mut Fields<'_>) -> Option<FetchProfile> {
    let text = match fields.any("fetchProfile")? {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let mode = FetchProfile::parse(&text);
    if mode.is_none() {
        fields.report().problem(
            "fetchProfile",
            format!("must be one of FALSE, PREFETCH, PREFETCH_WITH_HISTORY, LAZY but is '{text}'"),
        );
    }
    mode
}
