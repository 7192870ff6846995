//! The engine is stopped or killed and started again.

use anyhow::Result;
use granary_tests::node::Node;
use granary_tests::walkthrough::{EVENT, HARVESTER, INPUT, OUTPUT, Walkthrough};

#[tokio::test]
async fn definitions_survive_and_what_ran_runs_again() -> Result<()> {
    let mut node = Node::start().await?;
    let walk = Walkthrough::run(&node.api()?).await?;
    walk.project.api.event(EVENT).await?;
    walk.await_rows(1).await?;
    // Stopped on purpose, so it stays so.
    walk.project.halt(&walk.project.data_in_persister_path(INPUT)).await?;
    let paths = [
        walk.project.path(""),
        walk.project.event_type_path(INPUT),
        walk.project.event_type_path(OUTPUT),
        walk.project.harvester_path(HARVESTER),
        walk.project.belt_path(&walk.belt),
    ];
    let mut before = Vec::new();
    for path in &paths {
        before.push(walk.project.api.get(path).await?.ok()?);
    }

    let status = node.stop().await?;
    assert!(status.success(), "SIGTERM ends with {status}: {}", node.output());
    node.restart().await?;

    let mut walk = walk;
    walk.project.api = node.api()?;
    let project = &walk.project;
    for path in [project.harvester_path(HARVESTER), project.belt_path(&walk.belt)] {
        project.api.await_status(&format!("{path}/state"), "RUNNING").await?;
    }
    for (path, before) in paths.iter().zip(before) {
        let after = project.api.get(path).await?.ok()?;
        // The port is another one, and it is part of the links.
        assert_eq!(without_links(&after), without_links(&before), "{path}");
    }
    let stopped = project.api.get(&format!("{}/state", project.data_in_persister_path(INPUT))).await?.ok()?;
    assert_eq!(stopped["status"], "STOPPED");
    project.api.event(EVENT).await?;
    walk.await_rows(2).await?;
    assert_eq!(project.rows_in(&project.eventstore(INPUT)).await?, 1);
    // Started again, it takes up where it stopped.
    project.run(&project.data_in_persister_path(INPUT)).await?;
    project.await_rows(&project.eventstore(INPUT), 2).await
}

#[tokio::test]
async fn sigterm_drains_what_was_taken() -> Result<()> {
    let mut node = Node::start().await?;
    let mut walk = Walkthrough::run(&node.api()?).await?;
    for n in 0..300 {
        walk.project.api.event(granary_tests::event::guide(n).to_vec()).await?;
    }
    let status = node.stop().await?;
    assert!(status.success(), "{status}: {}", node.output());
    assert_eq!(node.postgres_pid(), None, "the embedded Postgres is stopped with the engine");
    node.restart().await?;
    walk.project.api = node.api()?;
    walk.await_rows(300).await
}

#[tokio::test]
async fn after_kill_9_the_running_postgres_is_no_obstacle() -> Result<()> {
    let mut node = Node::start().await?;
    let mut walk = Walkthrough::run(&node.api()?).await?;
    walk.project.api.event(EVENT).await?;
    for round in 1..=3 {
        node.kill().await?;
        node.restart().await?;
        walk.project.api = node.api()?;
        walk.await_rows(round).await?;
        let path = walk.project.belt_path(&walk.belt);
        walk.project.api.await_status(&format!("{path}/state"), "RUNNING").await?;
        let path = walk.project.harvester_path(HARVESTER);
        walk.project.api.await_status(&format!("{path}/state"), "RUNNING").await?;
        walk.project.api.event(EVENT).await?;
    }
    walk.await_rows(4).await
}

#[tokio::test]
async fn the_admin_token_of_the_first_start_stays() -> Result<()> {
    let mut node = Node::start().await?;
    let token = node.admin_token()?;
    node.stop().await?;
    node.restart().await?;
    assert_eq!(node.admin_token()?, token);
    node.api()?.get("/projects").await?.ok()?;
    Ok(())
}

fn without_links(value: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter(|(key, _)| !["_links", "links", "dataAccess"].contains(&key.as_str()))
                .map(|(key, value)| (key.clone(), without_links(value)))
                .collect(),
        ),
        Value::Array(items) => items.iter().map(without_links).collect(),
        other => other.clone(),
    }
}
