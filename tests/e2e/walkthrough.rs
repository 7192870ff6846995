//! The guide's sequence, a test for every row. Each test goes the way up to its row through the same requests.

use anyhow::Result;
use granary_tests::node::Node;
use granary_tests::project::Project;
use granary_tests::walkthrough::{
    BELT_BODY, EVENT, HARVESTER, HARVESTER_BODY, INPUT, INPUT_BODY, OUTPUT, OUTPUT_BODY, PROJECT,
    PROJECT_BODY, Walkthrough, json_of,
};
use serde_json::{Value, json};
use uuid::Uuid;

#[tokio::test]
async fn step_1_a_project_gets_its_technical_name() -> Result<()> {
    let node = Node::start().await?;
    let api = node.api()?;
    let project = api.post_text("/projects?deploy=sqlpad", PROJECT_BODY).await?.ok()?;
    assert_eq!(project["name"], PROJECT);
    assert_eq!(project["displayName"], "projecttotestlivesegment");
    assert_eq!(project["description"], "Test Granary Project for live segement description");
    let seen = api.get("/projects/projecttotestliveseg").await?.ok()?;
    assert_eq!(seen["dataAccess"]["schema"], PROJECT);
    Ok(())
}

#[tokio::test]
async fn step_2_the_input_event_type_gets_its_defaults() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::project(&node.api()?).await?;
    let answer = project.api.post_text(&project.path("/event-types"), INPUT_BODY).await?.ok()?;
    assert_eq!(answer["name"], INPUT);
    assert_eq!(answer["type"], "data_in");
    assert_eq!(number(&answer["version"]), 1);
    assert_eq!(answer["topicName"], "grnry_data_in_livesegment-datain");
    assert_eq!(answer["eventstoreTTL"], "P100Y");
    assert_eq!(answer["partitionCount"], 32);
    assert_eq!(answer["projectName"], PROJECT);
    Ok(())
}

#[tokio::test]
async fn step_2a_starting_the_input_persister_leaves_it_running() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::project(&node.api()?).await?;
    project.create_event_type(&json_of(INPUT_BODY)).await?;
    let state = format!("{}/state", project.data_in_persister_path(INPUT));
    let answer = project.api.action(&state, "START").await?.ok()?;
    // It starts with its event type, so it is under way or there already.
    assert!(["DEPLOYING", "RUNNING"].contains(&answer["status"].as_str().unwrap_or_default()), "{answer}");
    project.api.await_status(&state, "RUNNING").await?;
    Ok(())
}

#[tokio::test]
async fn step_3_the_output_event_type_has_a_stream_and_a_table() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::project(&node.api()?).await?;
    let answer = project.api.post_text(&project.path("/event-types"), OUTPUT_BODY).await?.ok()?;
    assert_eq!(answer["name"], OUTPUT);
    assert_eq!(answer["type"], "live_segment");
    assert_eq!(number(&answer["version"]), 1);
    let locations = answer["physicalLocations"].as_array().cloned().unwrap_or_default();
    let location = |kind: &str| locations.iter().find(|l| l["type"] == kind).cloned().unwrap_or(Value::Null);
    assert_eq!(location("stream")["locationName"], "grnry_live_segment_livesegment-dataoutp", "{answer}");
    let table = location("database")["locationName"].as_str().unwrap_or_default().to_owned();
    assert!(table.contains("grnry_live_segment_livesegment-dataoutp"), "{answer}");
    Ok(())
}

#[tokio::test]
async fn step_3a_the_output_persister_starts_by_itself() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::project(&node.api()?).await?;
    project.create_event_type(&json_of(OUTPUT_BODY)).await?;
    let state = format!("{}/state", project.live_segment_persister_path(OUTPUT));
    project.api.await_status(&state, "RUNNING").await?;
    Ok(())
}

#[tokio::test]
async fn step_4_the_harvester_gets_its_names() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::event_types(&node.api()?).await?;
    let answer = project.api.post_text(&project.path("/harvesters/instances"), HARVESTER_BODY).await?.ok()?;
    assert_eq!(answer["name"], HARVESTER);
    assert_eq!(answer["displayName"], "harvesterforlivesegment");
    assert_eq!(answer["streamName"], "g-h-harvesterforlivesegm");
    assert_eq!(answer["dlqTopic"], "grnry_harvester_dlq_harvesterforlivesegm");
    let state = project.api.get(&format!("{}/state", project.harvester_path(HARVESTER))).await?.ok()?;
    assert_eq!(state["status"], "STOPPED");
    Ok(())
}

#[tokio::test]
async fn step_4a_the_harvester_starts() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::event_types(&node.api()?).await?;
    project.create_harvester(&json_of(HARVESTER_BODY)).await?;
    let state = format!("{}/state", project.harvester_path(HARVESTER));
    let answer = project.api.post_text(&state, r#"{"action": "START"}"#).await?.ok()?;
    assert!(["DEPLOYING", "RUNNING"].contains(&answer["status"].as_str().unwrap_or_default()), "{answer}");
    project.api.await_status(&state, "RUNNING").await?;
    Ok(())
}

#[tokio::test]
async fn step_4b_the_event_type_lists_its_harvester() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::harvester(&node.api()?).await?;
    let path = format!("{}/latest?expand=inputs", project.event_type_path(INPUT));
    let answer = project.api.get(&path).await?.ok()?;
    assert_eq!(answer["inputs"]["harvesters"][0]["id"], HARVESTER, "{answer}");
    let answer = project.api.get(&format!("{}/latest", project.event_type_path(INPUT))).await?.ok()?;
    assert_eq!(answer["inputs"]["harvesters"][0]["id"], HARVESTER, "{answer}");
    Ok(())
}

#[tokio::test]
async fn step_5_the_belt_gets_its_id_and_defaults() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::harvester(&node.api()?).await?;
    let answer = project.api.post_text(&project.path("/belts"), BELT_BODY).await?.ok()?;
    let id = answer["id"].as_str().unwrap_or_default();
    assert!(id.parse::<u64>().is_ok(), "{answer}");
    assert_eq!(answer["name"], "liveSegement-belt");
    assert_eq!(answer["status"], "STOPPED");
    assert_eq!(answer["dlqTopic"], format!("grnry_belt_dlq_{id}"));
    assert_eq!(answer["fetchProfile"], "FALSE");
    assert_eq!(answer["beltType"], "python-callback");
    Ok(())
}

#[tokio::test]
async fn step_5a_the_belt_starts() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::harvester(&node.api()?).await?;
    let id = project.create_belt(&json_of(BELT_BODY)).await?;
    let state = format!("{}/state", project.belt_path(&id));
    let answer = project.api.action(&state, "START").await?.ok()?;
    assert!(["DEPLOYING", "RUNNING"].contains(&answer["status"].as_str().unwrap_or_default()), "{answer}");
    project.api.await_status(&state, "RUNNING").await?;
    Ok(())
}

#[tokio::test]
async fn step_6_the_collector_takes_the_event_without_a_token() -> Result<()> {
    let node = Node::start().await?;
    let walk = Walkthrough::run(&node.api()?).await?;
    let api = walk.project.api.with_token(None);
    for path in ["/api/com.snowplowanalytics.snowplow/tp2", "/com.snowplowanalytics.snowplow/tp2"] {
        let answer = api.post_text(path, EVENT).await?;
        answer.ok()?;
        assert_eq!(answer.text, "ok");
        api.get(&format!("{path}?e=pv&p=web")).await?.ok()?;
    }
    walk.await_rows(2).await
}

#[tokio::test]
async fn step_6a_the_event_becomes_a_row_of_the_live_segment() -> Result<()> {
    let node = Node::start().await?;
    let walk = Walkthrough::run(&node.api()?).await?;
    walk.project.api.event(EVENT).await?;
    walk.await_rows(1).await?;
    let rows = live_rows(&walk.project, &walk.table()).await?;
    let id = rows[0][0].as_str().unwrap_or_default();
    assert_eq!(Uuid::parse_str(id)?.to_string(), id);
    assert_eq!(rows[0][1..], [json!("Andrew"), json!("Peterson")]);
    let view = format!(r#""{PROJECT}"."grnry_live_sgmt_{OUTPUT}""#);
    assert_eq!(live_rows(&walk.project, &view).await?, rows);
    Ok(())
}

#[tokio::test]
async fn step_6b_the_event_becomes_a_row_of_the_eventstore() -> Result<()> {
    let node = Node::start().await?;
    let walk = Walkthrough::run(&node.api()?).await?;
    walk.project.api.event(EVENT).await?;
    walk.await_rows(1).await?;
    let eventstore = walk.project.eventstore(INPUT);
    walk.project.await_rows(&eventstore, 1).await?;
    let query = format!("select event_type, event_harvester, message, correlation_id from {eventstore}");
    let table = walk.project.sql(&query).await?;
    assert_eq!(table.columns, ["event_type", "event_harvester", "message", "correlation_id"]);
    assert_eq!(table.rows[0][..3], [json!(INPUT), json!(HARVESTER), json_of(EVENT)]);
    let id = live_rows(&walk.project, &walk.table()).await?[0][0].clone();
    assert_eq!(table.rows[0][3], id, "the correlation id is the id of the live segment's row");
    Ok(())
}

async fn live_rows(project: &Project, relation: &str) -> Result<Vec<Vec<Value>>> {
    Ok(project.sql(&format!(r#"select "id", "firstName", "lastName" from {relation}"#)).await?.rows)
}

/// Versions are printed as numbers or as texts.
fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
}
