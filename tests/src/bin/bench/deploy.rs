//! How long a Python belt takes from its POST until it runs:
//!
//! - `python_deploy_warm_ms`: on an engine that has run Python before;
//! - `python_deploy_cold_s`: the first one of an engine that has just become ready, with nothing compiled yet.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use granary_tests::figure::{Bar, Figure, median};
use granary_tests::node::{Node, Settings};
use granary_tests::project::Project;
use granary_tests::walkthrough::{BELT_BODY, CALLBACK, INPUT_BODY, OUTPUT_BODY, json_of};
use serde_json::json;
use tokio::time::Instant;

use crate::{Size, scratch};

/// Warm deployments for each run of the size.
const WARM: usize = 5;

pub(crate) async fn measure(size: Size) -> Result<Vec<Figure>> {
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..size.runs {
        let cache = tempfile::tempdir_in(scratch()?)?;
        let settings = Settings {
            scratch: Some(scratch()?),
            cache_dir: Some(cache.path().join("compiled")),
            ..Settings::default()
        };
        let node = Node::start_with(settings).await?;
        let project = Project::create(&node.api()?, "deploy").await?;
        project.create_event_type(&json_of(INPUT_BODY)).await?;
        project.create_event_type(&json_of(OUTPUT_BODY)).await?;
        cold.push(deploy(&project, 0).await?.as_secs_f64());
        for n in 1..=WARM {
            warm.push(deploy(&project, n).await?.as_secs_f64() * 1_000.0);
        }
    }
    let figure = |name, value, unit, bar| Figure { name, value, unit, bar: Some(Bar::AtMost(bar)) };
    Ok(vec![
        figure("python_deploy_warm_ms", median(&warm), "ms", 50.0),
        figure("python_deploy_cold_s", median(&cold), "s", 3.0),
    ])
}

/// Creates a belt whose source nobody has seen before, starts it, and answers how long it took until it ran.
async fn deploy(project: &Project, n: usize) -> Result<Duration> {
    let mut body = json_of(BELT_BODY);
    body["name"] = json!(format!("belt {n}"));
    body["extractorFn"] = json!(format!("{CALLBACK}\n# {n}\n"));
    let begun = Instant::now();
    let belt = project.create_belt(&body).await?;
    let state = format!("{}/state", project.belt_path(&belt));
    project.api.action(&state, "START").await?.ok()?;
    loop {
        let answer = project.api.get(&state).await?.ok()?;
        let status = answer["status"].as_str().context("a status")?;
        if status == "RUNNING" {
            return Ok(begun.elapsed());
        }
        ensure!(status == "DEPLOYING", "{answer}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
