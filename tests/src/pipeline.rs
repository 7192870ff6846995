//! A pipeline like the guide's whose rows carry the client's own id, for runs with many events.

use anyhow::Result;
use serde_json::{Value, json};

use crate::api::Api;
use crate::project::Project;
use crate::walkthrough::{BELT_BODY, HARVESTER_BODY, INPUT_BODY, json_of};

/// What identifies a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowId {
    /// The correlation id, random for every event, as in the guide.
    Correlation,
    /// The client's id, so that rows can be looked up by it.
    Client,
    /// The event id, which every stored event has one of. The events are those of [`crate::event::keyed`], with their key
    /// as correlation id: what has one key comes in order as far as it stays in one partition, in the eventstore always,
    /// and in the live segment where that has one partition only.
    Event {
        /// Partitions of the live segment.
        partitions: u32,
    },
}

/// The running pipeline.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Its project.
    pub project: Project,
    /// Name of the `data_in` event type.
    pub input: String,
    /// Name of the `live_segment` event type.
    pub output: String,
    /// Name of the harvester.
    pub harvester: String,
    /// Id of the belt.
    pub belt: String,
}

/// The callback: the guide's with one column more.
fn callback(row_id: RowId) -> String {
    let id = match row_id {
        RowId::Correlation => "event_headers['grnry-correlation-id']",
        RowId::Client => "event_payload['clientId']",
        RowId::Event { .. } => "event_headers['grnry-event-id']",
    };
    format!(
        "from grnry_belt.models.direct_update import DirectUpdate\n\
         \n\
         def execute(event_headers, event_payload, profile=None):\n\
         \x20   return [DirectUpdate('numbered-out', {{\n\
         \x20       'id': str({id}),\n\
         \x20       'clientId': event_payload['clientId'],\n\
         \x20       'firstName': event_payload['firstName'],\n\
         \x20       'lastName': event_payload['lastName'],\n\
         \x20   }})]\n"
    )
}

impl Pipeline {
    /// Creates and starts one. Its events are those of [`crate::event::numbered`], unless the row id says otherwise.
    pub async fn run(api: &Api, row_id: RowId) -> Result<Self> {
        let project = Project::create(api, "numbered").await?;
        let mut body = json_of(INPUT_BODY);
        body["displayName"] = json!("numbered-in");
        let mut segment = live_segment();
        if let RowId::Event { partitions } = row_id {
            body["correlationIdExpression"] = json!("#safeJsonPath(payload, 'clientKey')");
            segment["partitionCount"] = json!(partitions);
        }
        let input = project.create_event_type(&body).await?;
        let output = project.create_event_type(&segment).await?;
        let mut body = json_of(HARVESTER_BODY);
        body["displayName"] = json!("numbered");
        body["eventType"]["name"] = json!(input);
        let harvester = project.create_harvester(&body).await?;
        let mut body = json_of(BELT_BODY);
        body["name"] = json!("numbered");
        body["eventTypes"] = json!([input]);
        body["outputTypes"] = json!([{"name": output, "version": "latest"}]);
        body["extractorFn"] = json!(callback(row_id));
        let belt = project.create_belt(&body).await?;
        let pipeline = Self { project, input, output, harvester, belt };
        pipeline.project.run_harvester(&pipeline.harvester).await?;
        pipeline.project.run_belt(&pipeline.belt).await?;
        pipeline.await_running().await?;
        Ok(pipeline)
    }

    /// Waits until every part of it runs.
    pub async fn await_running(&self) -> Result<()> {
        let p = &self.project;
        for path in [
            p.data_in_persister_path(&self.input),
            p.live_segment_persister_path(&self.output),
            p.harvester_path(&self.harvester),
            p.belt_path(&self.belt),
        ] {
            p.api.await_status(&format!("{path}/state"), "RUNNING").await?;
        }
        Ok(())
    }

    /// The live segment's table, quoted for SQL.
    #[must_use]
    pub fn table(&self) -> String {
        self.project.live_segment(&self.output)
    }

    /// The table behind the eventstore's view of the input, quoted for SQL.
    #[must_use]
    pub fn event_table(&self) -> String {
        format!(r#"public."eventstore_{}""#, self.input)
    }
}

fn live_segment() -> Value {
    let text = json!({ "type": "string" });
    let schema = json!({
        "type": "object",
        "required": ["id", "clientId", "firstName", "lastName"],
        "properties": { "id": text, "clientId": text, "firstName": text, "lastName": text },
    });
    json!({ "displayName": "numbered-out", "type": "live_segment", "schema": { "schema": schema.to_string() } })
}
