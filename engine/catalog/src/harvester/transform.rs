//! Transforms: what a harvester does to each message.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{body::deployment, script::unescape, set, set_app};
use crate::{fields::Fields, report::Report};

/// The script of a harvester that gives none: hands the payload on as text.
pub const DEFAULT_SCRIPT: &str = "return new String(payload , 'UTF-8');";
const APP: &str = "grnry-scriptable";
const LANGUAGES: [&str; 6] = ["groovy", "js", "javascript", "python", "ruby", "component"];

/// The transform of a harvester.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transform {
    /// Always `grnry-scriptable`.
    pub app: String,
    /// Stored and echoed.
    pub version: String,
    /// `groovy`, `js`, `python`, `ruby`, or `component` for an uploaded WebAssembly component.
    pub language: String,
    /// Source text, as given; see [`Transform::program`].
    pub script: String,
    /// SHA-256 of the uploaded component, in hex; with language `component`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Stored and echoed.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub deployment_configuration: Map<String, Value>,
    /// Stored and echoed.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub app_configuration: Map<String, Value>,
}

impl Default for Transform {
    /// Hands the payload on as text.
    fn default() -> Self {
        Self {
            app: APP.to_owned(),
            version: "latest".to_owned(),
            language: "groovy".to_owned(),
            script: DEFAULT_SCRIPT.to_owned(),
            component: None,
            deployment_configuration: Map::new(),
            app_configuration: Map::new(),
        }
    }
}

impl Transform {
    /// Takes over what a body gives; what is wrong with it goes to the report.
    pub fn apply(&mut self, given: TransformBody, report: &mut Report) {
        set_app("transform.app", APP, given.app, report);
        set(&mut self.version, given.version);
        if given.component.is_some() {
            self.component = given.component;
            // A component needs no script and no word on its language.
            self.language = "component".to_owned();
            self.script = String::new();
        }
        if let Some(language) = given.language {
            self.language = language.to_ascii_lowercase();
            if self.language != "component" {
                self.component = None;
            }
        }
        set(&mut self.script, given.script);
        set(&mut self.deployment_configuration, given.deployment_configuration);
        set(&mut self.app_configuration, given.app_configuration);
        if !LANGUAGES.contains(&self.language.as_str()) {
            let (known, came) = (LANGUAGES.join(", "), &self.language);
            report.problem("transform.language", format!("must be one of {known} but is '{came}'"));
        }
        let hex = |text: &str| text.len() == 64 && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
        match (&self.component, self.language.as_str()) {
            (Some(hash), "component") if !hex(hash) => {
                report.problem(
                    "transform.component",
                    format!("must be the SHA-256 of an uploaded component, 64 lower-case hex digits, but is '{hash}'"),
                );
            }
            (None, "component") => {
                report.problem("transform.component", "must not be null with the language 'component'");
            }
            (_, "component") => {}
            _ if self.script.trim().is_empty() => {
                report.problem("transform.script", "must not be empty");
            }
            _ => {}
        }
    }

    /// Why it can not run in this engine, if so.
    pub fn obstacle(&self) -> Option<String> {
        match self.program() {
            Program::Unsupported(language) => Some(format!(
                "the transform's language '{language}' does not run in this version of the engine; \
                 those that run are 'groovy', 'javascript', 'python' and 'component' (an uploaded WebAssembly component)"
            )),
            Program::Identity
            | Program::Python(_)
            | Program::Groovy(_)
            | Program::JavaScript(_)
            | Program::Component(_) => None,
        }
    }

    /// What it runs as.
    pub fn program(&self) -> Program<'_> {
        match (self.language.as_str(), &self.component) {
            ("component", Some(hash)) => Program::Component(hash),
            ("python", _) => Program::Python(unescape(&self.script)),
            ("groovy", _) if self.script.trim() == DEFAULT_SCRIPT => Program::Identity,
            ("groovy", _) => Program::Groovy(&self.script),
            ("js" | "javascript", _) => Program::JavaScript(&self.script),
            (language, _) => Program::Unsupported(language),
        }
    }
}

/// What a transform runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program<'a> {
    /// The default script: the payload as it is, if it is UTF-8.
    Identity,
    /// A Python script, un-escaped.
    Python(String),
    /// A Groovy script, as it was given: its runtime un-escapes it, going by what compiles.
    Groovy(&'a str),
    /// Likewise in JavaScript.
    JavaScript(&'a str),
    /// An uploaded component, by the SHA-256 of its bytes in hex.
    Component(&'a str),
    /// A language that does not run yet.
    Unsupported(&'a str),
}

/// The transform in a body.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransformBody {
    /// Only `grnry-scriptable`.
    pub app: Option<String>,
    /// Stored and echoed.
    pub version: Option<String>,
    /// Language of the script, or `component`.
    pub language: Option<String>,
    /// Source text.
    pub script: Option<String>,
    /// SHA-256 of an uploaded component.
    pub component: Option<String>,
    /// Replaces the stored one.
    #[schema(value_type = Option<Object>)]
    pub deployment_configuration: Option<Map<String, Value>>,
    /// Replaces the stored one.
    #[schema(value_type = Option<Object>)]
    pub app_configuration: Option<Map<String, Value>>,
}

impl TransformBody {
    pub(super) fn of(fields: &mut Fields<'_>) -> Self {
        Self {
            app: fields.text("app"),
            version: fields.scalar("version"),
            language: fields.text("language"),
            script: fields.text("script"),
            component: fields.text("component"),
            deployment_configuration: deployment(fields),
            app_configuration: fields.map("appConfiguration"),
        }
    }
}
