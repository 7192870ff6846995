//! The walkthrough's negative checks and its replacement check.

use anyhow::Result;
use granary_tests::node::Node;
use granary_tests::wait::{Look, PATIENCE, await_condition};
use granary_tests::walkthrough::{EVENT, INPUT, INPUT_BODY, Walkthrough, json_of};
use serde_json::json;

#[tokio::test]
async fn an_event_of_another_application_leaves_no_trace() -> Result<()> {
    let node = Node::start().await?;
    let walk = Walkthrough::run(&node.api()?).await?;
    walk.project.api.event(EVENT.replace("liveSegmenttest", "somethingElse")).await?;
    // The stream keeps its order, so what comes after has passed the first one.
    walk.project.api.event(EVENT).await?;
    walk.await_rows(1).await?;
    walk.project.await_rows(&walk.project.eventstore(INPUT), 1).await?;
    assert!(walk.project.dead_letters(&Walkthrough::harvester_dead_letters()).await?.is_empty());
    assert!(walk.project.dead_letters(&walk.belt_dead_letters()).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn text_that_is_not_json_is_a_dead_letter_of_the_harvester_with_its_bytes() -> Result<()> {
    let node = Node::start().await?;
    let walk = Walkthrough::run(&node.api()?).await?;
    walk.project.api.event("hello").await?;
    walk.project.api.event(EVENT).await?;
    let letters = walk.project.await_dead_letters(&Walkthrough::harvester_dead_letters(), 1).await?;
    // What the stream held: the collector's Thrift record with the body inside.
    let bytes = letters[0].payload_bytes()?;
    let holds = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(holds("hello") && holds("iglu:com.snowplowanalytics.snowplow/CollectorPayload/thrift/1-0-0"));
    assert!(letters[0].reason().contains("expected a value, found `h`"), "{:?}", letters[0]);
    let header = |name: &str| letters[0].header(name).unwrap_or_default().to_owned();
    assert_eq!(header("grnry-dlc-exception-message"), letters[0].reason());
    assert_eq!(header("grnry-dlc-exception-stacktrace"), letters[0].stacktrace());
    assert!(letters[0].stacktrace().contains("script:10"), "the line of the script: {:?}", letters[0]);
    walk.await_rows(1).await?;
    walk.project.await_rows(&walk.project.eventstore(INPUT), 1).await
}

#[tokio::test]
async fn an_event_without_a_name_is_stored_and_a_dead_letter_of_the_belt() -> Result<()> {
    let node = Node::start().await?;
    let walk = Walkthrough::run(&node.api()?).await?;
    walk.project.api.event(r#"{"appId": "liveSegmenttest", "lastName": "Peterson"}"#).await?;
    walk.project.api.event(EVENT).await?;
    let letters = walk.project.await_dead_letters(&walk.belt_dead_letters(), 1).await?;
    let letter = &letters[0];
    assert!(letter.everything().contains("KeyError"), "{letter:?}");
    // The line of the user's source: the third of the dict in the callback.
    assert!(letter.stacktrace().contains("line 13"), "{letter:?}");
    assert!(letter.stacktrace().contains("firstName"), "{letter:?}");
    assert_eq!(json_of(letter.payload()), json!({"appId": "liveSegmenttest", "lastName": "Peterson"}));
    assert_eq!(letter.header("grnry-exception-message"), Some(letter.reason()));
    assert_eq!(letter.header("grnry-event-type"), Some(INPUT), "the message's own headers stay");
    walk.project.await_rows(&walk.project.eventstore(INPUT), 2).await?;
    walk.await_rows(1).await
}

#[tokio::test]
async fn the_same_event_twice_makes_two_rows() -> Result<()> {
    let node = Node::start().await?;
    let walk = Walkthrough::run(&node.api()?).await?;
    walk.project.api.event(EVENT).await?;
    walk.project.api.event(EVENT).await?;
    walk.await_rows(2).await?;
    let ids = walk.project.sql(&format!(r#"select distinct "id" from {}"#, walk.table())).await?;
    assert_eq!(ids.rows.len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_correlation_id_from_the_payload_updates_its_row() -> Result<()> {
    let node = Node::start().await?;
    let walk = Walkthrough::run(&node.api()?).await?;
    let project = &walk.project;
    let mut input = json_of(INPUT_BODY);
    input["correlationIdExpression"] = json!("#safeJsonPath(payload,'customerId')?:#randomUUID()");
    let changed = project.api.put(&project.event_type_path(INPUT), &input).await?.ok()?;
    assert_eq!(changed["version"].to_string().trim_matches('"'), "2");
    // The harvester names version 1 of the guide, so it is told to take the latest, and started anew.
    let path = project.harvester_path("harvesterforlivesegm");
    let latest = json!({"eventType": {"name": INPUT, "version": "latest"}});
    project.api.put(&path, &latest).await?.ok()?;
    project.halt(&path).await?;
    project.run(&path).await?;
    for (id, last_name) in [("c1", "Peterson"), ("c2", "Miller"), ("c1", "Petersen")] {
        let event = json!({"appId": "liveSegmenttest", "customerId": id, "firstName": "Andrew", "lastName": last_name});
        project.api.event(event.to_string()).await?;
    }
    // The eventstore tells that all three came; the live segment keeps the last of each id.
    project.await_rows(&project.eventstore(INPUT), 3).await?;
    let query = format!(r#"select "id", "lastName" from {} order by "id""#, walk.table());
    let wanted = [[json!("c1"), json!("Petersen")], [json!("c2"), json!("Miller")]];
    await_condition("the last name of each id", PATIENCE, async || {
        let rows = project.sql(&query).await?.rows;
        Ok(Look::from_option((rows == wanted).then_some(()), format!("{rows:?}")))
    })
    .await
}

#[tokio::test]
async fn a_deterministic_callback_id_replaces_the_row() -> Result<()> {
    let node = Node::start().await?;
    let callback = granary_tests::walkthrough::CALLBACK.replace("str(correlation_id)", "'one'");
    let walk = Walkthrough::run_with(&node.api()?, &granary_tests::walkthrough::belt_with(&callback)).await?;
    walk.project.api.event(EVENT).await?;
    walk.await_rows(1).await?;
    walk.project.api.event(EVENT.replace("Andrew", "Andrea")).await?;
    let query = format!(r#"select "id", "firstName" from {}"#, walk.table());
    await_condition("the replaced row", PATIENCE, async || {
        let rows = walk.project.sql(&query).await?.rows;
        let replaced = rows == [[json!("one"), json!("Andrea")]];
        Ok(Look::from_option(replaced.then_some(()), format!("{rows:?}")))
    })
    .await
}
