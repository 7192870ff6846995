//! Persisters: what writes an event type into Postgres. Each `data_in` and `live_segment` type owns one.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::{Object, duration::IsoDuration, fields::Fields, report::Report};

const ROWS_MAX: u64 = 100_000;

/// The two kinds, named like the path element under `eventstores`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PersisterKind {
    /// Into `public.eventstore`.
    Pg,
    /// Into the live segment's table.
    LiveSegment,
}

impl PersisterKind {
    /// As paths and answers print it.
    pub fn as_str(self) -> &'static str {
        match self {
            PersisterKind::Pg => "pg",
            PersisterKind::LiveSegment => "live-segment",
        }
    }

    /// Reads what `as_str` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [PersisterKind::Pg, PersisterKind::LiveSegment].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A persister.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Persister {
    /// Project that owns it.
    pub project: String,
    /// Event type that it writes.
    pub event_type: String,
    /// Configuration, by kind.
    pub config: PersisterConfig,
}

/// Configuration by kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum PersisterConfig {
    /// Into the eventstore.
    Pg(PgConfig),
    /// Into a live segment's table.
    LiveSegment(LiveSegmentConfig),
}

/// Configuration of the eventstore persister: maps of texts, as the original keeps them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PgConfig {
    /// Name of the app; fixed.
    pub app_name: String,
    /// Version of the app; stored and echoed.
    pub app_version: String,
    /// `eventstore.batchSize`, `eventstore.batchTimeout`, `eventstore.ttlGracePeriod` have an effect.
    #[schema(value_type = Object)]
    pub app_config: Map<String, Value>,
    /// Stored and echoed.
    #[schema(value_type = Object)]
    pub deployer_config: Map<String, Value>,
}

/// Configuration of a live segment's persister.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LiveSegmentConfig {
    /// Parallel tasks; never more than partitions.
    pub tasks_max: u32,
    /// Rows per statement.
    pub batch_size: u32,
    /// Attempts at the database before the persister reports failure.
    pub max_retries: u32,
    /// Wait between attempts, in milliseconds.
    pub retry_backoff_ms: u64,
    /// Whether bad records go to the dead letters (`all`) or stop the persister (`none`).
    pub errors_tolerance: ErrorsTolerance,
    /// Adds headers with the context beyond the reason, which is always written.
    pub errors_deadletterqueue_context_headers_enable: bool,
}

/// What happens to a bad record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ErrorsTolerance {
    /// The persister stops with state `FAILED`.
    None,
    /// The record becomes a dead letter and the rest goes on.
    All,
}

impl Default for LiveSegmentConfig {
    fn default() -> Self {
        Self {
            tasks_max: 3,
            batch_size: 3_000,
            max_retries: 10,
            retry_backoff_ms: 3_000,
            errors_tolerance: ErrorsTolerance::All,
            errors_deadletterqueue_context_headers_enable: false,
        }
    }
}

impl Default for PgConfig {
    fn default() -> Self {
        let defaults = json!({
            "eventstore.tableName": "public.eventstore",
            "eventstore.batchSize": "100",
            "eventstore.batchTimeout": "1000",
            "eventstore.ttlGracePeriod": "P5D",
        });
        Self {
            app_name: "grnry-eventstore-batch-sink".to_owned(),
            app_version: "latest".to_owned(),
            app_config: defaults.as_object().cloned().unwrap_or_default(),
            deployer_config: Map::new(),
        }
    }
}

/// What `PUT` takes for the eventstore persister.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PgPersisterBody {
    /// Required.
    #[schema(value_type = Object)]
    pub app_config: Map<String, Value>,
    /// Required.
    #[schema(value_type = Object)]
    pub deployer_config: Map<String, Value>,
    /// Optional.
    pub app_version: Option<String>,
}

/// What `PUT` takes for a live segment's persister.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct LiveSegmentPersisterBody {
    /// Missing keys take their defaults.
    pub config: LiveSegmentConfig,
}

/// Looks a key up without regard to case: the original returns them lower-cased in places.
fn setting<'a>(config: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    config.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
}

fn number(config: &Map<String, Value>, key: &str) -> Option<u64> {
    match setting(config, key)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

impl PgConfig {
    /// The configuration that a `PUT` leaves behind. `imported` merges the defaults under the given maps.
    pub fn updated(&self, body: &Value, imported: bool, report: &mut Report) -> Self {
        report.check_storable(body);
        let mut fields = Fields::of_body(body, report);
        fields.ignore(&[
            "streamName",
            "projectName",
            "appName",
            "eventTypeName",
            "eventstoreType",
            "lastUpdated",
            "state",
            "_links",
            "warnings",
        ]);
        let app_config = fields.map("appConfig");
        let deployer_config = fields.map("deployerConfig");
        for (field, missing) in
            [("appConfig", !fields.has("appConfig")), ("deployerConfig", !fields.has("deployerConfig"))]
        {
            if missing {
                fields.report().problem(field, "must not be null");
            }
        }
        let app_version = fields.text("appVersion").unwrap_or_else(|| self.app_version.clone());
        fields.finish();
        let mut next = Self {
            app_name: self.app_name.clone(),
            app_version,
            app_config: app_config.unwrap_or_default(),
            deployer_config: deployer_config.unwrap_or_default(),
        };
        if imported {
            for (key, value) in Self::default().app_config {
                if setting(&next.app_config, &key).is_none() {
                    next.app_config.insert(key, value);
                }
            }
        }
        next.check(report);
        next
    }

    fn check(&self, report: &mut Report) {
        for (key, min, max) in
            [("eventstore.batchSize", 1, ROWS_MAX), ("eventstore.batchTimeout", 0, 600_000)]
        {
            if let Some(value) = setting(&self.app_config, key) {
                let number = number(&self.app_config, key);
                if !number.is_some_and(|number| (min..=max).contains(&number)) {
                    report.problem(
                        format!("appConfig.{key}"),
                        format!("must be an integer from {min} to {max} but is {value}"),
                    );
                }
            }
        }
        if let Some(value) = setting(&self.app_config, "eventstore.ttlGracePeriod") {
            let text = value.as_str().unwrap_or_default();
            if let Err(error) = IsoDuration::parse(text) {
                report.problem("appConfig.eventstore.ttlGracePeriod", error.to_string());
            }
        }
        let table = setting(&self.app_config, "eventstore.tableName").and_then(Value::as_str);
        if !matches!(table, None | Some("public.eventstore" | "eventstore")) {
            report.warn(
                "Field 'appConfig.eventstore.tableName' has no effect: events go to public.eventstore.",
            );
        }
    }

    /// Rows per statement.
    pub fn batch_size(&self) -> usize {
        number(&self.app_config, "eventstore.batchSize").unwrap_or(100) as usize
    }

    /// How long a batch may wait to fill.
    pub fn batch_timeout(&self) -> Duration {
        Duration::from_millis(number(&self.app_config, "eventstore.batchTimeout").unwrap_or(1_000))
    }

    /// What is added to the age of an event when a deletion notice marks it.
    pub fn ttl_grace_period(&self) -> IsoDuration {
        setting(&self.app_config, "eventstore.ttlGracePeriod")
            .and_then(Value::as_str)
            .and_then(|text| IsoDuration::parse(text).ok())
            .unwrap_or_else(|| IsoDuration { days: 5, ..IsoDuration::default() })
    }
}

impl LiveSegmentConfig {
    /// Reads the body of a `PUT`. Missing keys take their defaults.
    pub fn read(body: &Value, report: &mut Report) -> Self {
        report.check_storable(body);
        let mut fields = Fields::of_body(body, report);
        fields.ignore(&["eventTypeName", "eventstoreType", "projectName", "state", "_links", "warnings"]);
        let config = fields.object("config", |config| {
            let default = Self::default();
            let tasks = config.integer("tasksMax", 1, 1_024);
            let tasks_misspelt = config.integer("taskMax", 1, 1_024);
            Self {
                tasks_max: tasks.or(tasks_misspelt).map_or(default.tasks_max, |count| count as u32),
                batch_size: config.integer("batchSize", 1, ROWS_MAX).map_or(default.batch_size, |n| n as u32),
                max_retries: config
                    .integer("maxRetries", 0, 1_000_000)
                    .map_or(default.max_retries, |n| n as u32),
                retry_backoff_ms: config
                    .integer("retryBackoffMs", 0, 3_600_000)
                    .unwrap_or(default.retry_backoff_ms),
                errors_tolerance: config
                    .one_of(
                        "errorsTolerance",
                        &[("none", ErrorsTolerance::None), ("all", ErrorsTolerance::All)],
                    )
                    .unwrap_or(default.errors_tolerance),
                errors_deadletterqueue_context_headers_enable: config
                    .flag("errorsDeadletterqueueContextHeadersEnable")
                    .unwrap_or(default.errors_deadletterqueue_context_headers_enable),
            }
        });
        if !fields.has("config") {
            fields.report().problem("config", "must not be null");
        }
        fields.finish();
        config.unwrap_or_default()
    }
}

impl Persister {
    /// The persister that an event type gets at its creation.
    pub fn new(project: &str, event_type: &str, kind: PersisterKind) -> Self {
        let config = match kind {
            PersisterKind::Pg => PersisterConfig::Pg(PgConfig::default()),
            PersisterKind::LiveSegment => PersisterConfig::LiveSegment(LiveSegmentConfig::default()),
        };
        Self { project: project.to_owned(), event_type: event_type.to_owned(), config }
    }

    /// Its kind.
    pub fn kind(&self) -> PersisterKind {
        match self.config {
            PersisterConfig::Pg(_) => PersisterKind::Pg,
            PersisterConfig::LiveSegment(_) => PersisterKind::LiveSegment,
        }
    }

    /// What is started and stopped.
    pub fn object(&self) -> Object {
        match self.kind() {
            PersisterKind::Pg => Object::DataInPersister(self.event_type.clone()),
            PersisterKind::LiveSegment => Object::LiveSegmentPersister(self.event_type.clone()),
        }
    }

    /// Rows per statement.
    pub fn batch_size(&self) -> usize {
        match &self.config {
            PersisterConfig::Pg(config) => config.batch_size(),
            PersisterConfig::LiveSegment(config) => config.batch_size as usize,
        }
    }

    /// Name of the original's deployment.
    pub fn stream_name(&self) -> String {
        format!("g-p-{}-{}", self.kind().as_str(), self.event_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_segment_settings_are_taken_as_numbers_and_as_texts() {
        let mut report = Report::default();
        let body = json!({"config": {"taskMax": "5", "batchSize": 10, "errorsTolerance": "none",
            "errorsDeadletterqueueContextHeadersEnable": "true"}});
        let config = LiveSegmentConfig::read(&body, &mut report);
        assert_eq!(report, Report::default());
        assert_eq!((config.tasks_max, config.batch_size, config.max_retries), (5, 10, 10));
        assert_eq!(config.errors_tolerance, ErrorsTolerance::None);
        assert!(config.errors_deadletterqueue_context_headers_enable);
    }

    #[test]
    fn live_segments_tolerate_bad_records_by_default() {
        assert_eq!(LiveSegmentConfig::default().errors_tolerance, ErrorsTolerance::All);
    }

    #[test]
    fn every_bad_setting_is_named() {
        let mut report = Report::default();
        LiveSegmentConfig::read(
            &json!({"config": {"tasksMax": 0, "batchSize": "x", "errorsTolerance": "some"}}),
            &mut report,
        );
        let named: Vec<_> = report.problems.iter().map(|problem| problem.name.as_str()).collect();
        assert_eq!(named, ["config.tasksMax", "config.batchSize", "config.errorsTolerance"]);
        let mut report = Report::default();
        LiveSegmentConfig::read(&json!({}), &mut report);
        assert_eq!(report.problems[0].name, "config");
    }

    #[test]
    fn eventstore_settings_are_checked_and_read_without_case() {
        let mut report = Report::default();
        let body = json!({"deployerConfig": {}, "appConfig": {"eventstore.batchsize": "7"}});
        let config = PgConfig::default().updated(&body, true, &mut report);
        assert_eq!(report, Report::default());
        assert_eq!(config.batch_size(), 7);
        assert_eq!(config.batch_timeout(), Duration::from_secs(1));
        assert_eq!(config.ttl_grace_period().days, 5);
        let mut report = Report::default();
        let body =
            json!({"appConfig": {"eventstore.batchSize": "none", "eventstore.ttlGracePeriod": "5 days"}});
        PgConfig::default().updated(&body, false, &mut report);
        let named: Vec<_> = report.problems.iter().map(|problem| problem.name.as_str()).collect();
        assert_eq!(
            named,
            ["deployerConfig", "appConfig.eventstore.batchSize", "appConfig.eventstore.ttlGracePeriod"]
        );
    }
}
