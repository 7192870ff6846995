//! Source types: versioned connectors that harvesters read from. They are built in.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// A connector with its default configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceType {
    /// Name, for example `grnry-topic`.
    pub name: String,
    /// Version; `latest` is an ordinary version text.
    pub version: String,
    /// What it does.
    pub description: String,
    /// Where its code is; built in.
    pub uri: String,
    /// Where its description is; none.
    pub metadata_uri: String,
    /// Defaults of the configuration.
    #[schema(value_type = Object)]
    pub app_config: Map<String, Value>,
    /// Defaults of the deployment; none.
    #[schema(value_type = Object)]
    pub deployer_config: Map<String, Value>,
}

/// The topic source.
pub const TOPIC: &str = "grnry-topic";
/// The topic that the topic source reads by default.
pub const DEFAULT_TOPIC: &str = "snowplow";

/// Every source type there is, by name and version.
pub fn all() -> Vec<SourceType> {
    let defaults = json!({
        "grnry-topic.inputTopic": DEFAULT_TOPIC,
        "grnry-topic.concurrency": "6",
        "grnry-topic.resetOffsets": "false",
        "grnry-topic.startOffset": "latest",
    });
    let app_config = match defaults {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    vec![SourceType {
        name: TOPIC.to_owned(),
        version: "latest".to_owned(),
        description: "Reads a stream of the engine; by default the one that the collector writes.".to_owned(),
        uri: "builtin:grnry-topic".to_owned(),
        metadata_uri: String::new(),
        app_config,
        deployer_config: Map::new(),
    }]
}

/// One version of a source type.
pub fn find(name: &str, version: &str) -> Option<SourceType> {
    all().into_iter().find(|source| source.name == name && source.version == version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topic_source_is_there() {
        assert_eq!(find(TOPIC, "latest").unwrap().app_config["grnry-topic.startOffset"], "latest");
        assert_eq!(find(TOPIC, "1"), None);
        assert_eq!(find("grnry-jdbc", "latest"), None);
    }
}
