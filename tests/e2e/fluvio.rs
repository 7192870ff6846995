//! The whole path on a Fluvio cluster. In most tests that is the stand-in in this process, which speaks the protocol of one
//! and fails on demand; the last one takes a real cluster where there is one.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use fluvio_protocol::link::ErrorCode;
use granary_fluvio::stand_in::StandIn;
use granary_tests::api::{Api, COLLECTOR_PATH};
use granary_tests::node::{Node, Settings};
use granary_tests::postgres::Server;
use granary_tests::wait::{Look, PATIENCE, await_condition};
use granary_tests::walkthrough::{EVENT, Walkthrough};
use serde_json::Value;

/// A node whose streams are on a cluster.
fn on(cluster: &str) -> Settings {
    let stream = format!("fluvio://{cluster}?replication=1&partitions=2");
    Settings { arguments: vec!["--stream".to_owned(), stream], ..Settings::default() }
}

/// Posts events until so many are acknowledged.
async fn post(api: &Api, events: usize) -> Result<()> {
    for _ in 0..events {
        api.event(EVENT).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_a_row_once_on_a_cluster_that_fails_and_an_engine_that_is_killed() -> Result<()> {
    let cluster = Arc::new(StandIn::start().await?);
    cluster.cut_batches(true);
    let mut node = Node::start_with(on(&cluster.address())).await?;
    let mut walk = Walkthrough::run(&node.api()?).await?;
    post(&node.api()?, 20).await?;
    walk.await_rows(20).await?;

    // Answers that do not come, and refusals: appends of the collector, and of the stages behind it.
    for round in 0..12 {
        match round % 3 {
            0 => cluster.store_and_hang_up(1),
            1 => cluster.store_and_refuse(1, ErrorCode::StorageError),
            _ => cluster.refuse_produce(2, ErrorCode::NotLeaderForPartition),
        }
        post(&node.api()?, 5).await?;
    }
    walk.await_rows(80).await?;

    // An outage: the collector says so, and goes on afterwards.
    cluster.pause();
    let answer = await_condition("503 from the collector", PATIENCE, async || {
        let answer = node.api()?.with_token(None).post_text(COLLECTOR_PATH, EVENT).await?;
        Ok(Look::from_option((answer.status == 503).then_some(answer.clone()), answer.status.to_string()))
    })
    .await?;
    assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    let ready = node.api()?.get("/ready").await?;
    let reason = ready.json()["dependencies"]["log"]["reason"].to_string();
    assert!(ready.status == 503 && reason.contains("127.0.0.1"), "{}", ready.text);
    cluster.resume();
    node.await_ready().await?;
    post(&node.api()?, 20).await?;

    // A killed engine goes on where its cursors stand.
    node.kill().await?;
    node.restart().await?;
    walk.project.api = node.api()?;
    post(&node.api()?, 20).await?;
    // Those that were answered with 503 may have been stored or not; all others are there once.
    let rows = await_rows_between(&walk, 120, 121).await?;
    assert!(rows >= 120);
    Ok(())
}

/// Waits until the table has at least so many rows and answers how many they are, an error where they are too many.
async fn await_rows_between(walk: &Walkthrough, least: u64, most: u64) -> Result<u64> {
    let rows = await_condition("the rows", PATIENCE, async || {
        let rows = walk.project.rows_in(&walk.table()).await?;
        Ok(Look::from_option((rows >= least).then_some(rows), format!("{rows} rows")))
    })
    .await?;
    anyhow::ensure!(rows <= most, "{rows} rows, and at most {most} were sent");
    Ok(rows)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_whose_cluster_is_away_says_so_and_goes_on_when_it_comes() -> Result<()> {
    let cluster = StandIn::start().await?;
    cluster.pause();
    let node = Node::launch(on(&cluster.address())).await?;
    let api = Api::new(node.url(), None)?;
    let answer = await_condition("/ready to name the cluster", PATIENCE, async || {
        let answer = api.get("/ready").await?;
        let named = answer.json()["dependencies"]["log"]["reason"].to_string().contains(&cluster.address());
        Ok(Look::from_option((answer.status == 503 && named).then_some(answer.clone()), answer.text))
    })
    .await?;
    assert!(answer.text.contains("Fluvio does not sync its files"), "{}", answer.text);
    let refused = api.post_text(COLLECTOR_PATH, EVENT).await?;
    assert_eq!(refused.status, 503);
    assert!(refused.headers.contains_key("retry-after"));
    cluster.resume();
    node.await_ready().await?;
    let walk = Walkthrough::run(&node.api()?).await?;
    post(&node.api()?, 3).await?;
    walk.await_rows(3).await
}

/// The living processes, each with the number of partitions that it works on, by name.
async fn shares(api: &Api) -> Result<Vec<(String, u64)>> {
    let answer = api.get("/nodes").await?.ok()?;
    let share = |node: &Value| {
        let stages = node["stages"].as_array().into_iter().flatten();
        let partitions = stages.filter_map(|stage| stage["partitions"].as_u64()).sum();
        (node["name"].as_str().unwrap_or_default().to_owned(), partitions)
    };
    Ok(answer["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|node| node["alive"] == true)
        .map(share)
        .collect())
}

/// Waits until so many processes live, each with a share, and all partitions are somebody's.
async fn await_shares(api: &Api, processes: usize, partitions: u64) -> Result<()> {
    await_condition("every partition to have a process", PATIENCE, async || {
        let shares = shares(api).await?;
        let all: u64 = shares.iter().map(|(_, share)| share).sum();
        let done =
            shares.len() == processes && shares.iter().all(|(_, share)| *share > 0) && all == partitions;
        Ok(Look::from_option(done.then_some(()), format!("{shares:?}")))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_the_partitions_and_what_a_killed_one_had_is_taken_over() -> Result<()> {
    let cluster = StandIn::start().await?;
    let server = Server::start().await?;
    let settings = |roles: &str| {
        let mut settings = Settings { database_url: Some(server.url()), ..on(&cluster.address()) };
        settings.arguments.extend(["--roles".to_owned(), roles.to_owned()]);
        settings
    };
    let first = Node::start_with(settings("api,collector,worker,persister")).await?;
    let mut second = Node::start_with(settings("worker,persister")).await?;
    let api = first.api()?;
    let walk = Walkthrough::run(&api).await?;
    // The harvester's two of the collector, the belt's and the two persisters' 32 each.
    let partitions = 2 + 3 * 32;
    await_shares(&api, 2, partitions).await?;
    let refused = second.api()?.get("/projects").await?;
    assert!(refused.status == 404 && refused.text.contains("worker, persister"), "{}", refused.text);
    post(&api, 100).await?;
    walk.await_rows(100).await?;

    second.kill().await?;
    post(&api, 50).await?;
    await_shares(&api, 1, partitions).await?;
    walk.await_rows(150).await?;

    second.restart().await?;
    await_shares(&api, 2, partitions).await?;
    post(&api, 50).await?;
    walk.await_rows(200).await?;

    // One that is stopped leaves at once, and the others go on.
    second.stop().await?;
    await_shares(&api, 1, partitions).await?;
    post(&api, 20).await?;
    walk.await_rows(220).await?;

    // What is deleted while it runs is gone from all of them.
    second.restart().await?;
    await_shares(&api, 2, partitions).await?;
    api.delete(&walk.project.belt_path(&walk.belt)).await?.ok()?;
    await_shares(&api, 2, partitions - 32).await
}

#[tokio::test]
async fn a_mistake_in_the_address_is_named() -> Result<()> {
    let settings = Settings {
        arguments: vec!["--stream".to_owned(), "fluvio://sc.example?replicas=3".to_owned()],
        ..Settings::default()
    };
    let folder = tempfile::tempdir()?;
    let output = Node::command(&settings, folder.path())?.output().await?;
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("--stream: the parameter 'replicas' is not known; expected fluvio://"), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_walkthrough_runs_on_a_real_cluster() -> Result<()> {
    let Ok(cluster) = std::env::var("GRANARY_TEST_FLUVIO") else {
        eprintln!("skipped: no Fluvio cluster (set GRANARY_TEST_FLUVIO=host:port)");
        return Ok(());
    };
    let prefix = format!("e2e{:x}", std::process::id());
    let stream = format!("fluvio://{cluster}?replication=1&prefix={prefix}");
    let settings = Settings { arguments: vec!["--stream".to_owned(), stream], ..Settings::default() };
    let mut node = Node::start_with(settings).await?;
    let mut walk = Walkthrough::run(&node.api()?).await?;
    post(&node.api()?, 50).await?;
    walk.await_rows(50).await?;
    node.kill().await?;
    node.restart().await?;
    walk.project.api = node.api()?;
    post(&node.api()?, 50).await?;
    walk.await_rows(100).await?;
    let described = node.api()?.get("/streams/grnry_data_in_livesegment-datain").await?.ok()?;
    let name = described["storedAs"].as_str().context("a name on the cluster")?.to_owned();
    assert!(name.starts_with(&format!("{prefix}-grnry-data-in-livesegment-datain-")), "{name}");
    tokio::time::timeout(Duration::from_secs(60), node.stop()).await??;
    Ok(())
}
