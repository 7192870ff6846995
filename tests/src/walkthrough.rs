//! The live-segment guide: its bodies and its steps.

use anyhow::Result;
use serde_json::{Value, json};

use crate::api::Api;
use crate::project::Project;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../fixtures/walkthrough/", $name))
    };
}

/// Step 1: the project.
pub const PROJECT_BODY: &str = fixture!("step1-create-project.json");
/// Step 2: the input event type.
pub const INPUT_BODY: &str = fixture!("step2-create-input-event-type.json");
/// Step 3 as printed: `id` is an integer.
pub const OUTPUT_BODY_AS_PRINTED: &str = fixture!("step3-create-output-event-type.json");
/// Step 3 repaired: `id` is a string.
pub const OUTPUT_BODY: &str = fixture!("fixed-step3-create-output-event-type.json");
/// The schema of step 3 as printed.
pub const SCHEMA_AS_PRINTED: &str = fixture!("step3-schema.json");
/// Step 4 as printed: the transform is Groovy.
pub const HARVESTER_BODY: &str = fixture!("step4-create-harvester.json");
/// Step 4 with the transform in Python.
pub const HARVESTER_BODY_PYTHON: &str = fixture!("python-step4-create-harvester.json");
/// The transform of step 4 by itself.
pub const TRANSFORM_GROOVY: &str = fixture!("step4-transform.groovy");
/// The transform of step 4 in Python.
pub const TRANSFORM: &str = fixture!("step4-transform.py");
/// Step 5 as printed: not JSON.
pub const BELT_BODY_AS_PRINTED: &str = fixture!("step5-create-belt.as-printed.json");
/// Step 5 without the line that is not JSON: the callback is not Python.
pub const BELT_BODY_ESCAPED: &str = fixture!("step5-create-belt.json");
/// Step 5 repaired.
pub const BELT_BODY: &str = fixture!("fixed-step5-create-belt.json");
/// The callback of step 5 as displayed.
pub const CALLBACK: &str = fixture!("step5-callback.py");
/// Step 6: the event.
pub const EVENT: &str = fixture!("step6-event.json");

/// Technical name of the project.
pub const PROJECT: &str = "projecttotestliveseg";
/// Technical name of the input event type.
pub const INPUT: &str = "livesegment-datain";
/// Technical name of the output event type.
pub const OUTPUT: &str = "livesegment-dataoutp";
/// Technical name of the harvester.
pub const HARVESTER: &str = "harvesterforlivesegm";

/// A fixture as JSON.
#[must_use]
pub fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

/// The repaired belt with another callback.
#[must_use]
pub fn belt_with(callback: &str) -> Value {
    let mut body = json_of(BELT_BODY);
    body["extractorFn"] = json!(callback);
    body
}

/// The guide's pipeline, running.
#[derive(Debug, Clone)]
pub struct Walkthrough {
    /// The project.
    pub project: Project,
    /// Id of the belt.
    pub belt: String,
}

impl Walkthrough {
    /// Step 1.
    pub async fn project(api: &Api) -> Result<Project> {
        let answer = api.post_text("/projects?deploy=sqlpad", PROJECT_BODY).await?;
        answer.ok()?;
        Ok(Project { api: api.clone(), name: PROJECT.to_owned() })
    }

    /// Steps 1 to 3.
    pub async fn event_types(api: &Api) -> Result<Project> {
        let project = Self::project(api).await?;
        project.create_event_type(&json_of(INPUT_BODY)).await?;
        project.create_event_type(&json_of(OUTPUT_BODY)).await?;
        project
            .api
            .await_status(&format!("{}/state", project.data_in_persister_path(INPUT)), "RUNNING")
            .await?;
        let output = project.live_segment_persister_path(OUTPUT);
        project.api.await_status(&format!("{output}/state"), "RUNNING").await?;
        Ok(project)
    }

    /// Steps 1 to 4: everything up to the running harvester.
    pub async fn harvester(api: &Api) -> Result<Project> {
        let project = Self::event_types(api).await?;
        project.create_harvester(&json_of(HARVESTER_BODY)).await?;
        project.run_harvester(HARVESTER).await?;
        Ok(project)
    }

    /// Steps 1 to 5 with the guide's belt.
    pub async fn run(api: &Api) -> Result<Self> {
        Self::run_with(api, &json_of(BELT_BODY)).await
    }

    /// Steps 1 to 5 with another belt.
    pub async fn run_with(api: &Api, belt: &Value) -> Result<Self> {
        let project = Self::harvester(api).await?;
        let belt = project.create_belt(belt).await?;
        project.run_belt(&belt).await?;
        Ok(Self { project, belt })
    }

    /// The live segment's table, quoted for SQL.
    #[must_use]
    pub fn table(&self) -> String {
        self.project.live_segment(OUTPUT)
    }

    /// The stream of the belt's dead letters.
    #[must_use]
    pub fn belt_dead_letters(&self) -> String {
        format!("grnry_belt_dlq_{}", self.belt)
    }

    /// The stream of the harvester's dead letters.
    #[must_use]
    pub fn harvester_dead_letters() -> String {
        format!("grnry_harvester_dlq_{HARVESTER}")
    }

    /// Waits until the live segment has exactly that many rows.
    pub async fn await_rows(&self, rows: u64) -> Result<()> {
        self.project.await_rows(&self.table(), rows).await
    }
}
