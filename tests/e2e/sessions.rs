//! Sessions: several events in one message, from one belt to the next.

use anyhow::{Context, Result, ensure};
use granary_tests::node::Node;
use granary_tests::project::Project;
use granary_tests::wait::{Look, PATIENCE, await_condition};
use granary_tests::walkthrough::{EVENT, INPUT, INPUT_BODY, OUTPUT, Walkthrough, belt_with, json_of};
use serde_json::{Value, json};

/// Makes a session of each event, twice the same; of a marked one something that is no session.
const MAKER: &str = "\
import json
from grnry_belt.models.grnry_event_update import GrnryEventUpdate

def execute(event_headers, event_payload):
    own = {'grnry-event-id': 'inner', 'grnry-correlation-id': 'c'}
    session = {'headers': [own, own], 'payload': [json.dumps(event_payload)] * 2}
    if event_payload.get('evil'):
        session = {'headers': []}
    update = GrnryEventUpdate('sessions', 'c', event_id='outer', headers={'grnry-session-count': 2})
    return [update.set_value(session)]
";

/// A row and a single event of each session.
const TAKER: &str = "\
import json
from grnry_belt.models.direct_update import DirectUpdate
from grnry_belt.models.grnry_event_update import GrnryEventUpdate

def execute(event_headers, event_payload):
    names = [json.loads(text)['firstName'] for text in event_payload]
    inner = [headers['grnry-event-id'] + headers['grnry-retry-count'] for headers in event_headers]
    row = DirectUpdate('livesegment-dataoutp', {'id': '1', 'firstName': ','.join(names), 'lastName': ','.join(inner)})
    return [row, GrnryEventUpdate('singles', 'c').set_value({})]
";

/// The guide's belt with other ends.
fn belt(name: &str, callback: &str, input: &str, outputs: &[&str]) -> Value {
    let mut body = belt_with(callback);
    body["name"] = json!(name);
    body["eventTypes"] = json!([input]);
    body["outputTypes"] = outputs.iter().map(|name| json!({ "name": name })).collect();
    body
}

async fn data_in(project: &Project, name: &str) -> Result<()> {
    let mut body = json_of(INPUT_BODY);
    body["displayName"] = json!(name);
    let named = project.create_event_type(&body).await?;
    ensure!(named == name, "{named}");
    Ok(())
}

#[tokio::test]
async fn a_session_reaches_the_next_belt_as_lists_and_one_that_is_none_is_a_dead_letter() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::harvester(&node.api()?).await?;
    data_in(&project, "sessions").await?;
    data_in(&project, "singles").await?;
    let taker = project.create_belt(&belt("taker", TAKER, "sessions", &[OUTPUT, "singles"])).await?;
    project.run_belt(&taker).await?;
    let maker = project.create_belt(&belt("maker", MAKER, INPUT, &["sessions"])).await?;
    project.run_belt(&maker).await?;

    project.api.event(EVENT).await?;
    project.await_rows(&project.live_segment(OUTPUT), 1).await?;
    let table = project.live_segment(OUTPUT);
    let rows = project.sql(&format!("select \"firstName\", \"lastName\" from {table}")).await?;
    let name = json_of(EVENT)["firstName"].clone();
    let name = name.as_str().context("the guide's event has a name")?;
    assert_eq!(rows.rows, [[json!(format!("{name},{name}")), json!("inner0,inner0")]]);

    // Where the update says nothing, the session's own headers; and the new event is a single one.
    let path = project.event_type_path("singles");
    let single = await_condition("a single event", PATIENCE, async || {
        let page = project.api.get(&format!("{path}/events?limit=1")).await?.ok()?;
        Ok(Look::from_option(page["events"].get(0).cloned(), page.to_string()))
    })
    .await?;
    let headers = single["headers"].as_array().context("headers")?;
    let header = |name: &str| headers.iter().find(|pair| pair[0] == name).map(|pair| pair[1].clone());
    assert_eq!(header("grnry-event-id"), Some(json!("outer")));
    assert_eq!(header("grnry-session-count"), None);

    project.api.event(r#"{"appId":"liveSegmenttest","evil":true,"firstName":"E","lastName":"V"}"#).await?;
    let letters = project.await_dead_letters(&format!("grnry_belt_dlq_{taker}"), 1).await?;
    let told = letters[0].everything();
    ensure!(told.contains("SessionError") && told.contains("missing field `payload`"), "{told}");
    assert_eq!(json_of(letters[0].payload()), json!({"headers": []}));
    Ok(())
}
