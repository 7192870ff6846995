//! Grouping by inactivity.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::report::Report;

const APP: &str = "grnry-sessionizing";

/// Grouping of events by inactivity gaps. Kept as it was given, with its defaults, when enabled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sessionizing {
    /// Whether it is on.
    pub enabled: bool,
    /// The other fields; empty when off.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub settings: Map<String, Value>,
}

impl Sessionizing {
    /// Takes over what a body gives; what is wrong with it goes to the report.
    pub(super) fn apply(&mut self, mut settings: Map<String, Value>, report: &mut Report) {
        let enabled = match settings.remove("enabled") {
            None | Some(Value::Null) => self.enabled,
            Some(Value::Bool(enabled)) => enabled,
            Some(other) => {
                report.problem("sessionizing.enabled", format!("must be true or false but is {other}"));
                return;
            }
        };
        settings.retain(|_, value| !value.is_null());
        if !enabled {
            if let Some(field) = settings.keys().next() {
                report.problem(
                    format!("sessionizing.{field}"),
                    "must not be set while 'sessionizing.enabled' is false",
                );
            }
            *self = Self { enabled, settings: Map::new() };
            return;
        }
        for name in ["sessionIdExpression", "sessioningAttributeExpression"] {
            if let Some(value) = settings.remove(name) {
                settings.entry("sessionizingAttributeExpression").or_insert(value);
            }
        }
        let defaults = json!({
            "app": APP, "version": "latest",
            "correlationIdExpression": "headers['grnry-correlation-id']",
            "sessionizingAttributeExpression": "", "inactivityGapSec": 1800, "gracePeriodSec": 120,
            "deploymentConfiguration": {}, "appConfiguration": {},
        });
        let mut merged = if self.enabled { self.settings.clone() } else { Map::new() };
        merged.extend(settings);
        for (key, value) in defaults.as_object().cloned().unwrap_or_default() {
            merged.entry(key).or_insert(value);
        }
        for field in ["correlationIdExpression", "sessionizingAttributeExpression"] {
            let text = merged.get(field).and_then(Value::as_str).unwrap_or_default();
            if !text.is_empty() {
                report.check_expression(format!("sessionizing.{field}"), text);
            }
        }
        *self = Self { enabled, settings: merged };
    }
}
