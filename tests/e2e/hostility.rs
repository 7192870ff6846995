//! Callbacks that misbehave: each is a dead letter that says why, while a second belt keeps its pace.

use anyhow::Result;
use granary_tests::node::Node;
use granary_tests::project::DeadLetter;
use granary_tests::walkthrough::{BELT_BODY, CALLBACK, OUTPUT_BODY, Walkthrough, belt_with, json_of};
use serde_json::json;

/// Events that the second belt works on while the first has its trouble.
const EVENTS: u64 = 200;

/// Starts the guide's pipeline with a belt that runs `statement` for events that are marked, and a second belt that
/// writes to a table of its own. Posts the marked event and then ordinary ones; both belts must get through all of
/// them. Answers the dead letter of the marked one.
async fn misbehave(statement: &str, second_belt_first: bool) -> Result<DeadLetter> {
    let node = Node::start().await?;
    let callback = CALLBACK.replace(
        "    update = []\n",
        &format!("    update = []\n    if event_payload.get('evil'):\n        {statement}\n"),
    );
    let mut belt = belt_with(&callback);
    let environment = json!({"extraEnv": [{"name": "CALLBACK_TIMEOUT_SEC", "value": "4"}]});
    belt["extraEnv"] = json!(environment.to_string());
    let walk = Walkthrough::run_with(&node.api()?, &belt).await?;
    let project = &walk.project;

    let mut calm_output = json_of(OUTPUT_BODY);
    calm_output["displayName"] = json!("calm-output");
    let calm_output = project.create_event_type(&calm_output).await?;
    let mut calm = json_of(BELT_BODY);
    calm["name"] = json!("calm belt");
    calm["outputTypes"][0]["name"] = json!(calm_output);
    calm["extractorFn"] = json!(CALLBACK.replace("livesegment-dataoutp", &calm_output));
    let calm = project.create_belt(&calm).await?;
    project.run_belt(&calm).await?;

    project.api.event(r#"{"appId":"liveSegmenttest","evil":true,"firstName":"E","lastName":"V"}"#).await?;
    for n in 0..EVENTS {
        project.api.event(granary_tests::event::guide(n).to_vec()).await?;
    }
    project.await_rows(&project.live_segment(&calm_output), EVENTS + 1).await?;
    let stream = walk.belt_dead_letters();
    if second_belt_first {
        let letters = project.dead_letters(&stream).await?;
        assert!(letters.is_empty(), "the second belt waited for the first: {letters:?}");
    }
    let letters = project.await_dead_letters(&stream, 1).await?;
    walk.await_rows(EVENTS).await?;
    for belt in [&walk.belt, &calm] {
        project.api.await_status(&format!("{}/state", project.belt_path(belt)), "RUNNING").await?;
    }
    assert_eq!(json_of(letters[0].payload())["evil"], true, "{:?}", letters[0]);
    Ok(letters[0].clone())
}

#[tokio::test]
async fn an_infinite_loop_ends_at_the_deadline() -> Result<()> {
    let letter = misbehave("while True: pass", true).await?;
    assert!(letter.reason().contains("4s"), "names the limit: {letter:?}");
    Ok(())
}

#[tokio::test]
async fn an_allocation_of_10_gib_is_refused() -> Result<()> {
    let letter = misbehave("bytearray(10 * 1024 ** 3)", false).await?;
    assert!(letter.everything().to_lowercase().contains("memory"), "{letter:?}");
    Ok(())
}

#[tokio::test]
async fn memory_taken_bit_by_bit_ends_at_the_limit() -> Result<()> {
    let letter = misbehave("hoard = [bytearray(1 << 20) for _ in range(10 * 1024)]", false).await?;
    assert!(letter.everything().to_lowercase().contains("memory"), "{letter:?}");
    Ok(())
}

#[tokio::test]
async fn a_socket_is_refused() -> Result<()> {
    let letter = misbehave("import socket; socket.create_connection(('127.0.0.1', 5432))", false).await?;
    assert!(letter.reason().contains("network"), "{letter:?}");
    Ok(())
}

#[tokio::test]
async fn a_file_is_refused() -> Result<()> {
    let letter = misbehave("open('/etc/passwd').read()", false).await?;
    assert!(letter.reason().contains("file"), "{letter:?}");
    Ok(())
}

#[tokio::test]
async fn a_process_is_refused() -> Result<()> {
    let letter =
        misbehave("import os; os.system('true') if hasattr(os, 'system') else os.fork()", false).await?;
    assert!(!letter.reason().is_empty(), "{letter:?}");
    Ok(())
}

#[tokio::test]
async fn endless_recursion_is_an_error_of_that_event() -> Result<()> {
    let letter = misbehave("execute(event_headers, event_payload)", false).await?;
    assert!(
        letter.everything().to_lowercase().contains("recursion") || letter.everything().contains("stack"),
        "{letter:?}"
    );
    Ok(())
}
