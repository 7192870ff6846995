//! What a harvester is made and changed with.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::TransformBody;
use crate::{
    VersionChoice,
    event_type::read_version,
    fields::{Fields, STORED},
    report::Report,
};

/// What `POST` and `PUT` take. Missing fields keep their value in a `PUT`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HarvesterBody {
    /// Label; required at creation.
    pub display_name: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Required at creation, with `name` and `version`.
    pub source_type: Option<SourceBody>,
    /// Required at creation, with `name` and `version`.
    pub event_type: Option<EventTypeRefBody>,
    /// The default script when missing.
    pub transform: Option<TransformBody>,
    /// Defaults when missing.
    pub metadata_extractor: Option<AppBody>,
    /// Off when missing.
    #[schema(value_type = Option<Object>)]
    pub sessionizing: Option<Map<String, Value>>,
}

/// The source in a body.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceBody {
    /// Source type.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Replaces the stored one.
    #[schema(value_type = Option<Object>)]
    pub configuration: Option<Map<String, Value>>,
    /// Replaces the stored one.
    #[schema(value_type = Option<Object>)]
    pub deployment_configuration: Option<Map<String, Value>>,
    /// Replaces the stored one.
    #[schema(value_type = Option<Object>)]
    pub app_configuration: Option<Map<String, Value>>,
}

/// The event type in a body.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, ToSchema)]
pub struct EventTypeRefBody {
    /// Technical name, or a displayName that only one type has.
    pub name: Option<String>,
    /// A number, as number or text, or `latest`.
    #[schema(value_type = Option<String>)]
    pub version: Option<VersionChoice>,
}

/// The metadata extractor in a body.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppBody {
    /// Only the default.
    pub app: Option<String>,
    /// Stored and echoed.
    pub version: Option<String>,
    /// Replaces the stored one.
    #[schema(value_type = Option<Object>)]
    pub deployment_configuration: Option<Map<String, Value>>,
    /// Replaces the stored one.
    #[schema(value_type = Option<Object>)]
    pub app_configuration: Option<Map<String, Value>>,
}

impl EventTypeRefBody {
    pub(super) fn of(fields: &mut Fields<'_>) -> Self {
        Self { name: fields.text("name"), version: read_version(fields) }
    }
}

/// Both spellings of the deployment's map.
pub(super) fn deployment(fields: &mut Fields<'_>) -> Option<Map<String, Value>> {
    let documented = fields.map("deploymentConfiguration");
    let other = fields.map("deployerConfiguration");
    documented.or(other)
}

impl HarvesterBody {
    /// Reads a body; problems and unknown fields go to the report.
    pub fn read(body: &Value, report: &mut Report) -> Self {
        report.check_storable(body);
        let mut fields = Fields::of_body(body, report);
        fields.ignore(&["name", "streamName", "dlqTopic", "state"]);
        fields.ignore(&STORED);
        let read = Self {
            display_name: fields.text("displayName"),
            description: fields.text("description"),
            source_type: fields.object("sourceType", |source| SourceBody {
                name: source.text("name"),
                version: source.scalar("version"),
                configuration: source.map("configuration"),
                deployment_configuration: deployment(source),
                app_configuration: source.map("appConfiguration"),
            }),
            event_type: fields.object("eventType", EventTypeRefBody::of),
            transform: fields.object("transform", TransformBody::of),
            metadata_extractor: fields.object("metadataExtractor", |app| AppBody {
                app: app.text("app"),
                version: app.scalar("version"),
                deployment_configuration: deployment(app),
                app_configuration: app.map("appConfiguration"),
            }),
            sessionizing: fields.map("sessionizing"),
        };
        fields.finish();
        read
    }
}
