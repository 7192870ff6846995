//! Belts: a program of the user, called for every event of its input types.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::{
    Object, SecretValues, VersionRef,
    event_type::{Directory, EventKind},
    report::Report,
};

mod body;
pub mod chain;
mod environment;
mod outbound;
mod render;
mod requirements;
mod secret_ref;

pub use body::{BeltBody, OutputBody};
pub use environment::RetryPolicy;
pub use requirements::{Requirement, package_name};
pub use secret_ref::{SecretRef, secret_refs};

/// The callback of a Python belt that gives none.
pub const DEFAULT_EXTRACTOR: &str = "\
def execute(event_headers, event_payload, profile=None):
    print('Hello, world!')
    return []
";
/// The callback of a JavaScript belt that gives none.
pub const DEFAULT_EXTRACTOR_JAVASCRIPT: &str = "\
export function execute(headers, payload) {
  console.log('Hello, world!');
  return [];
}
";
const NAME_CHARS_MAX: usize = 255;
const SOURCE_BYTES_MAX: usize = 1_048_576;
/// Memory of a belt in MiB when the body sets none.
const MEMORY_MIB_DEFAULT: u32 = 512;
/// An interpreter needs about 10 MiB; less than this only makes puzzling failures.
const MEMORY_MIB_MIN: u32 = 32;
/// A WebAssembly memory has 32-bit addresses.
const MEMORY_MIB_MAX: u32 = 4_096;
/// CPU share in thousandths of a core that answers show when the body sets none.
const MILLICPU_DEFAULT: u32 = 200;
const REPLICAS_MAX: u64 = 64;

/// Fields that only mean something to Kubernetes, or to what this engine does not have: stored and echoed.
const WITHOUT_EFFECT: [&str; 12] = [
    "millicpuRequests",
    "memoryRequests",
    "image",
    "imagePullSecret",
    "volumes",
    "volumeMounts",
    "serviceAccountName",
    "secret",
    "secretUsername",
    "secretPassword",
    "imageTag",
    "restartPolicy",
];
/// Fields of dbt belts.
const DBT_FIELDS: [&str; 3] = ["segmentDefinition", "cronExpression", "activeDeadlineSeconds"];
/// Fields of old versions, always empty in answers; some tutorials send them.
const LEGACY: [&str; 5] = ["affectedPaths", "assumedRole", "runtime", "parameter", "author"];

/// The kinds of belts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BeltType {
    /// A Python function run per message.
    PythonCallback,
    /// The same in JavaScript or TypeScript.
    JavascriptCallback,
    /// A component of the world `granary:belt/belt`, compiled by the user from whatever language.
    Component,
    /// A scheduled SQL model; stored, does not run yet.
    DbtSegment,
}

impl BeltType {
    /// As the API prints it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PythonCallback => "python-callback",
            Self::JavascriptCallback => "javascript-callback",
            Self::Component => "component",
            Self::DbtSegment => "dbt-segment",
        }
    }
}

/// What a belt runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program<'a> {
    /// Python source, un-escaped.
    Python(&'a str),
    /// JavaScript or TypeScript source.
    JavaScript(&'a str),
    /// An uploaded component, by the SHA-256 of its bytes in hex.
    Component(&'a str),
    /// A SQL model; does not run yet.
    Dbt,
}

/// Whether and how profiles are fetched for the callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FetchProfile {
    /// Not at all.
    False,
    /// The latest grains, as third argument.
    Prefetch,
    /// All grains, as third argument.
    PrefetchWithHistory,
    /// Clients are injected, nothing is fetched up front.
    Lazy,
}

impl FetchProfile {
    /// As the API prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            FetchProfile::False => "FALSE",
            FetchProfile::Prefetch => "PREFETCH",
            FetchProfile::PrefetchWithHistory => "PREFETCH_WITH_HISTORY",
            FetchProfile::Lazy => "LAZY",
        }
    }

    /// Reads a mode, with the old names and the misprints of the documentation.
    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_uppercase().as_str() {
            "FALSE" | "" => Some(FetchProfile::False),
            "PREFETCH" | "PREFETH" | "PREFETCHED" => Some(FetchProfile::Prefetch),
            "PREFETCH_WITH_HISTORY" | "TRUE" | "YES" => Some(FetchProfile::PrefetchWithHistory),
            "LAZY" => Some(FetchProfile::Lazy),
            _ => None,
        }
    }
}

/// A belt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Belt {
    /// Project that owns it.
    #[serde(rename = "projectName")]
    pub project: String,
    /// Identifies it; a decimal text in answers.
    pub id: i64,
    /// Grows by one with each `PUT`.
    pub version: u64,
    /// Milliseconds since the epoch at creation; part of the consumer group's name.
    pub created_at_ms: i64,
    /// Label, unique in the project.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Free labels.
    pub labels: Vec<String>,
    /// Kind.
    pub belt_type: BeltType,
    /// Names of the input event types.
    pub event_types: Vec<String>,
    /// Declared outputs.
    pub output_types: Vec<VersionRef>,
    /// Topic of updates when no outputs are declared; deprecated.
    #[serde(default)]
    pub kafka_destination_topic: Option<String>,
    /// Number of instances at most.
    pub replicas: u32,
    /// CPU limit in thousandths of a core; `None` is no limit.
    #[serde(default)]
    pub millicpu: Option<u32>,
    /// Memory limit in MiB.
    pub memory: u32,
    /// Environment as it was given: JSON text. What it takes from secrets it names only.
    #[serde(default)]
    pub extra_env: Option<String>,
    /// Whether debug lines are logged.
    pub debug: bool,
    /// Source of the callback; empty for a component.
    pub extractor_fn: String,
    /// SHA-256 of the uploaded component, in hex; of belts of type `component`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Version of the runtime; stored and echoed.
    pub extractor_version: String,
    /// Packages in pip's notation.
    pub requirements_py: String,
    /// SHA-256 of the archive that these became when the version was made, in hex; `None` where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packages: Option<String>,
    /// Hosts that it may send HTTP requests to.
    #[serde(default)]
    pub outbound_hosts: Vec<String>,
    /// Start offsets by topic and partition; used on the very first start.
    #[serde(default)]
    pub partition_offsets: BTreeMap<String, Vec<u64>>,
    /// Whether profiles are fetched.
    pub fetch_profile: FetchProfile,
    /// Profile type that is fetched.
    pub profile_type: String,
    /// What is stored and echoed without effect.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub other: Map<String, Value>,
}

impl Belt {
    /// A new belt. `now_ms` is the time of creation. Whether the id and the name are free is for the caller to see.
    pub fn create(
        project: &str,
        id: i64,
        now_ms: i64,
        body: BeltBody,
        event_types: &Directory,
        report: &mut Report,
    ) -> Option<Self> {
        Self::build(project, (id, 1, now_ms), body, event_types, report)
    }

    /// The belt that a `PUT` leaves behind: everything from the body, the version one higher.
    pub fn update(&self, body: BeltBody, event_types: &Directory, report: &mut Report) -> Option<Self> {
        Self::build(&self.project, (self.id, self.version + 1, self.created_at_ms), body, event_types, report)
    }

    fn build(
        project: &str,
        (id, version, created_at_ms): (i64, u64, i64),
        body: BeltBody,
        event_types: &Directory,
        report: &mut Report,
    ) -> Option<Self> {
        let of_program =
            if body.component.is_some() { BeltType::Component } else { BeltType::PythonCallback };
        let belt_type = body.belt_type.unwrap_or(of_program);
        let default_source = match belt_type {
            BeltType::Component => "",
            BeltType::JavascriptCallback => DEFAULT_EXTRACTOR_JAVASCRIPT,
            BeltType::PythonCallback | BeltType::DbtSegment => DEFAULT_EXTRACTOR,
        };
        let mut belt = Self {
            project: project.to_owned(),
            id,
            version,
            created_at_ms,
            name: body.name.unwrap_or_default(),
            description: body.description.unwrap_or_default(),
            labels: body.labels.unwrap_or_default(),
            belt_type,
            event_types: body.event_types.unwrap_or_default(),
            output_types: Vec::new(),
            kafka_destination_topic: body.kafka_destination_topic.filter(|topic| !topic.is_empty()),
            replicas: body.replicas.unwrap_or(1),
            millicpu: body.millicpu,
            memory: body.memory.unwrap_or(MEMORY_MIB_DEFAULT),
            extra_env: body.extra_env.filter(|text| !text.trim().is_empty()),
            debug: body.debug.unwrap_or(false),
            extractor_fn: body.extractor_fn.unwrap_or_else(|| default_source.to_owned()),
            component: body.component,
            extractor_version: body.extractor_version.unwrap_or_else(|| "latest".to_owned()),
            requirements_py: body.requirements_py.unwrap_or_default(),
            packages: None,
            outbound_hosts: body.outbound_hosts.unwrap_or_default(),
            partition_offsets: body.partition_offsets.unwrap_or_default(),
            fetch_profile: body.fetch_profile.unwrap_or(FetchProfile::False),
            profile_type: body.profile_type.unwrap_or_else(|| "_d".to_owned()),
            other: body.other,
        };
        belt.check_plain(report);
        belt.resolve_inputs(event_types, report);
        belt.resolve_outputs(body.output_types.unwrap_or_default(), event_types, report);
        environment::check(&belt, report);
        outbound::check(&belt, report);
        report.is_clean().then_some(belt)
    }

    fn check_plain(&self, report: &mut Report) {
        let count = self.name.chars().count();
        let name_is_wrong_type = report.problems.iter().any(|problem| problem.name == "name");
        if self.name.trim().is_empty() && !name_is_wrong_type {
            report.problem("name", "must not be empty");
        } else if count > NAME_CHARS_MAX {
            report.problem("name", format!("must have at most {NAME_CHARS_MAX} characters but has {count}"));
        }
        if self.extractor_version.trim().is_empty() {
            report.problem("extractorVersion", "must not be empty");
        }
        if self.extractor_fn.len() > SOURCE_BYTES_MAX {
            let bytes = self.extractor_fn.len();
            report.problem(
                "extractorFn",
                format!("must have at most {SOURCE_BYTES_MAX} bytes but has {bytes}"),
            );
        }
        if self.memory > MEMORY_MIB_MAX {
            report.warn(format!(
                "Field 'memory' is {} MiB; a belt can use at most {MEMORY_MIB_MAX} MiB, which is its limit now.",
                self.memory
            ));
        }
        match self.belt_type {
            BeltType::DbtSegment if self.replicas != 1 => {
                report.problem(
                    "replicas",
                    format!("must be 1 for a dbt-segment belt but is '{}'", self.replicas),
                );
            }
            BeltType::DbtSegment => {
                report.warn(
                    "Belts of type 'dbt-segment' are stored but do not run in this version of the engine.",
                );
            }
            BeltType::PythonCallback | BeltType::JavascriptCallback | BeltType::Component => {
                for field in DBT_FIELDS.iter().filter(|field| self.other.contains_key(**field)) {
                    let kind = self.belt_type.as_str();
                    report.warn(format!("Field '{field}' has no effect for a {kind} belt."));
                }
            }
        }
        self.check_program(report);
        requirements::check(self, report);
        if self.fetch_profile != FetchProfile::False {
            report.warn("Field 'fetchProfile' has no effect yet: 'profile' is None in every call.");
        }
    }

    fn check_program(&self, report: &mut Report) {
        match (self.belt_type, &self.component) {
            (BeltType::Component, None) => report.problem(
                "component",
                "must be the SHA-256 of an uploaded component; PUT .../belts/{id}/component uploads one into a belt, \
                 POST .../components by itself",
            ),
            (BeltType::Component, Some(hash)) if !is_sha256(hash) => report.problem(
                "component",
                format!("must be a SHA-256, 64 lower-case hex digits, but is '{hash}'"),
            ),
            (BeltType::Component, Some(_)) if !self.extractor_fn.trim().is_empty() => {
                report.problem("extractorFn", "must not be combined with 'component': a belt runs one of them");
            }
            (BeltType::Component, Some(_)) | (_, None) => {}
            (other, Some(_)) => report.problem(
                "component",
                format!("must not be given for a belt of type '{}'", other.as_str()),
            ),
        }
    }

    /// Its outputs with their kinds.
    #[must_use]
    pub fn outputs(&self, event_types: &Directory) -> Vec<(String, EventKind)> {
        let names = self.output_types.iter().map(|output| &output.name);
        let entries = names.filter_map(|name| event_types.0.iter().find(|entry| entry.name == *name));
        entries.map(|entry| (entry.name.clone(), entry.kind)).collect()
    }

    /// What it runs.
    #[must_use]
    pub fn program(&self) -> Program<'_> {
        match (self.belt_type, &self.component) {
            (BeltType::Component, Some(hash)) => Program::Component(hash),
            (BeltType::DbtSegment, _) => Program::Dbt,
            (BeltType::JavascriptCallback, _) => Program::JavaScript(&self.extractor_fn),
            _ => Program::Python(&self.extractor_fn),
        }
    }

    /// SHA-256 of what it runs, in hex: of the component's bytes, or of the source text.
    #[must_use]
    pub fn program_sha256(&self) -> String {
        match self.program() {
            Program::Component(hash) => hash.to_owned(),
            Program::Python(_) | Program::JavaScript(_) | Program::Dbt => {
                let digest = Sha256::digest(self.extractor_fn.as_bytes());
                digest.iter().map(|byte| format!("{byte:02x}")).collect()
            }
        }
    }

    /// The packages that it needs beside those that every belt has; none for belts that are not in Python.
    #[must_use]
    pub fn requirements(&self) -> Vec<Requirement> {
        requirements::of(self)
    }

    fn resolve_inputs(&mut self, event_types: &Directory, report: &mut Report) {
        let wrong_type = report.problems.iter().any(|problem| problem.name.starts_with("eventTypes"));
        if self.event_types.is_empty() && !wrong_type {
            report.problem("eventTypes", "must name at least one event type");
        }
        let mut names = Vec::with_capacity(self.event_types.len());
        for (index, given) in self.event_types.iter().enumerate() {
            let field = format!("eventTypes[{index}]");
            let Some(entry) = event_types.resolve(&field, given, report) else { continue };
            if self.belt_type != BeltType::DbtSegment && !entry.kind.is_belt_input() {
                let kind = entry.kind.as_str();
                report.problem(
                    field,
                    format!("must be of type data_in, ttl or ttn but '{}' is of type '{kind}'", entry.name),
                );
            }
            if !names.contains(&entry.name) {
                names.push(entry.name.clone());
            }
        }
        self.event_types = names;
    }

    fn resolve_outputs(&mut self, outputs: Vec<OutputBody>, event_types: &Directory, report: &mut Report) {
        if !outputs.is_empty() && self.kafka_destination_topic.is_some() {
            report.problem("kafkaDestinationTopic", "must not be combined with 'outputTypes'");
        }
        if self.belt_type == BeltType::DbtSegment && outputs.len() != 1 {
            report.problem(
                "outputTypes",
                format!(
                    "must name exactly one event type for a dbt-segment belt but names {}",
                    outputs.len()
                ),
            );
        }
        let mut resolved: Vec<VersionRef> = Vec::with_capacity(outputs.len());
        for (index, output) in outputs.into_iter().enumerate() {
            let field = format!("outputTypes[{index}].name");
            let Some(entry) = event_types.resolve(&field, &output.name, report) else { continue };
            let (allowed, expected) = match self.belt_type {
                BeltType::PythonCallback | BeltType::JavascriptCallback | BeltType::Component => {
                    (entry.kind.is_belt_output(), "live_segment, data_in or profile")
                }
                BeltType::DbtSegment => (entry.kind == EventKind::Segment, "segment"),
            };
            if !allowed {
                let kind = entry.kind.as_str();
                report.problem(
                    &field,
                    format!("must be of type {expected} but '{}' is of type '{kind}'", entry.name),
                );
            }
            if resolved.iter().any(|known| known.name == entry.name) {
                report.problem(&field, format!("names the event type '{}' a second time", entry.name));
            }
            event_types.check_version(
                &format!("outputTypes[{index}].version"),
                entry,
                output.version,
                report,
            );
            resolved.push(VersionRef { name: entry.name.clone(), version: output.version });
        }
        self.output_types = resolved;
    }

    /// The memory limit in bytes.
    pub fn memory_bytes(&self) -> u64 {
        u64::from(self.memory.min(MEMORY_MIB_MAX)) * 1_048_576
    }

    /// The variables whose values stand in the definition, in the order given.
    pub fn env(&self) -> Vec<(String, String)> {
        environment::read(self.extra_env.as_deref().unwrap_or_default()).unwrap_or_default()
    }

    /// The environment that its program sees, in the order given. A variable whose secret is not among these is not set.
    pub fn env_with(&self, secrets: &SecretValues) -> Vec<(String, String)> {
        environment::with_secrets(self.extra_env.as_deref().unwrap_or_default(), secrets)
    }

    /// The longest that one call may take (`CALLBACK_TIMEOUT_SEC`; 10 s).
    pub fn callback_timeout(&self) -> Duration {
        environment::callback_timeout(&self.env())
    }

    /// From which duration on a call counts as long (`CALLBACK_LONGRUNNING_SEC`; 3/5 of the timeout).
    pub fn callback_long_running(&self) -> Duration {
        environment::long_running(&self.env())
    }

    /// What follows a `RetryException`.
    pub fn retry(&self) -> RetryPolicy {
        environment::retry(&self.env())
    }

    /// What is started and stopped.
    pub fn object(&self) -> Object {
        Object::Belt(self.id)
    }

    /// The stream name of its dead letters.
    pub fn dlq_topic(&self) -> String {
        self.object().dead_letter_stream()
    }

    /// Name of the original's deployment.
    pub fn kubernetes_name(&self) -> String {
        format!("grnry-belt-{}", self.id)
    }

    /// Name of the original's consumer group.
    pub fn consumer_group_name(&self) -> String {
        format!("grnry-belt-{}-{}", self.id, self.created_at_ms)
    }

    /// Why it can not be started in this engine, if so.
    pub fn start_obstacle(&self) -> Option<String> {
        (self.belt_type == BeltType::DbtSegment).then(|| {
            "belts of type 'dbt-segment' do not run in this version of the engine; 'python-callback', \
             'javascript-callback' and 'component' do"
                .to_owned()
        })
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Reads the id of a belt as paths give it.
pub fn parse_id(text: &str) -> Result<i64, String> {
    let id = text.parse::<i64>().ok().filter(|id| *id >= 1 && !text.starts_with('+'));
    id.ok_or_else(|| format!("must be a natural number but is '{text}'"))
}

#[cfg(test)]
mod tests;
