//! Postgres goes away and comes back: the collector takes events all the time, and all of them become rows.

use anyhow::{Context, Result};
use granary_tests::api::Api;
use granary_tests::node::{Node, Settings};
use granary_tests::postgres::Server;
use granary_tests::wait::{Look, PATIENCE, await_condition};
use granary_tests::walkthrough::{EVENT, Walkthrough};
use serde_json::Value;

#[tokio::test]
async fn events_posted_while_postgres_is_stopped_become_rows_when_it_is_back() -> Result<()> {
    let mut server = Server::start().await?;
    let node = Node::start_with(Settings { database_url: Some(server.url()), ..Settings::default() }).await?;
    let walk = Walkthrough::run(&node.api()?).await?;
    walk.project.api.event(EVENT).await?;
    walk.await_rows(1).await?;

    server.stop().await?;
    for _ in 0..20 {
        walk.project.api.event(EVENT).await?;
    }
    let reason = await_unready(&walk.project.api).await?;
    assert!(!reason.is_empty());
    for _ in 0..20 {
        walk.project.api.event(EVENT).await?;
    }
    // Alive, though not ready: nothing should restart the engine because its database is away.
    walk.project.api.get("/health").await?.ok()?;

    server.restart().await?;
    node.await_ready().await?;
    walk.await_rows(41).await?;
    Ok(())
}

#[tokio::test]
async fn a_killed_embedded_postgres_comes_back_and_nothing_is_lost() -> Result<()> {
    let node = Node::start().await?;
    let walk = Walkthrough::run(&node.api()?).await?;
    let before = node.postgres_pid();
    for round in 0..10_u64 {
        walk.project.api.event(EVENT).await?;
        if round == 4 {
            node.kill_postgres()?;
        }
    }
    await_condition("another Postgres", PATIENCE, async || {
        let now = node.postgres_pid();
        Ok(Look::from_option((now.is_some() && now != before).then_some(()), format!("{now:?}")))
    })
    .await?;
    node.await_ready().await?;
    walk.await_rows(10).await
}

#[tokio::test]
async fn a_database_that_is_away_at_the_start_does_not_stop_the_collector() -> Result<()> {
    let mut server = Server::start().await?;
    server.stop().await?;
    let node = Node::launch(Settings { database_url: Some(server.url()), ..Settings::default() }).await?;
    let api = Api::new(node.url(), None)?;
    api.event(EVENT).await?;
    let reason = await_unready(&api).await?;
    assert!(!reason.is_empty());
    server.restart().await?;
    node.await_ready().await?;
    // Everything else works as ever after.
    let walk = Walkthrough::run(&node.api()?).await?;
    walk.project.api.event(EVENT).await?;
    walk.await_rows(1).await
}

/// Waits until `/ready` answers 503 and names the database, and answers the reason.
async fn await_unready(api: &Api) -> Result<String> {
    let reason: Value = await_condition("/ready to name the database", PATIENCE, async || {
        let answer = api.get("/ready").await?;
        let reason = answer.json()["dependencies"]["database"]["reason"].clone();
        let down = answer.status == 503 && reason.is_string();
        Ok(Look::from_option(down.then_some(reason), format!("{} {}", answer.status, answer.text)))
    })
    .await?;
    Ok(reason.as_str().context("a reason")?.to_owned())
}
