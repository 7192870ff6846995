//! Secrets: they reach the program of a belt and are seen nowhere else.

use std::fs;

use anyhow::{Context, Result, ensure};
use granary_tests::node::Node;
use granary_tests::program::Program;
use granary_tests::walkthrough::{EVENT, HARVESTER, Walkthrough, belt_with};
use serde_json::json;

const FIRST: &str = "correct horse battery staple";
const FIRST_SHA256: &str = "c4bbcb1fbec99d65bf59d85c8cb62ee2db963f0fe106f483d9afa73bd4e39a8a";
const SECOND: &str = "Tr0ub4dor&3";
const SECOND_SHA256: &str = "48486e1514e842346ff405b1e45f44059ae82619f2306f99d0940dcb386e91f7";

/// A callback that writes a hash of what it was given, and is careless with the rest.
const CALLBACK: &str = "\
import hashlib
import logging
import os
from grnry_belt.models.direct_update import DirectUpdate

PASSWORD = os.environ['PASSWORD']

def execute(event_headers, event_payload):
    logging.info('password is %s', PASSWORD)
    if event_payload['firstName'] == 'fail':
        raise ValueError('401 for https://mail.test/?password=' + PASSWORD)
    return [DirectUpdate('livesegment-dataoutp', {
        'id': event_headers['grnry-correlation-id'], 'firstName': hashlib.sha256(PASSWORD.encode()).hexdigest(),
        'lastName': os.environ.get('TOKEN', 'unset'), 'fullName': 'x'})]
";

/// Whether a row of the live segment has that value.
async fn has(walk: &Walkthrough, value: &str) -> Result<bool> {
    let rows = walk.project.sql(&format!("select * from {}", walk.table())).await?.rows;
    Ok(rows.iter().any(|row| row.contains(&json!(value))))
}

#[tokio::test]
async fn a_secret_reaches_its_belt_and_nothing_else() -> Result<()> {
    let mut node = Node::start().await?;
    let project = Walkthrough::harvester(&node.api()?).await?;
    let home = tempfile::tempdir()?;
    let granary = Program::beside(&node, home.path());
    let name = project.name.clone();
    let arguments = ["secret", "set", "mailer", "--project", &name, "password=@password"];
    fs::write(home.path().join("password"), FIRST)?;
    let printed = granary.ok(&arguments).await?;
    ensure!(printed.contains("version 1") && !printed.contains(FIRST), "{printed}");

    let reference = |key: &str, optional: bool| json!({"secretKeyRef": {"name": "mailer", "key": key, "optional": optional}});
    let env = json!({"extraEnv": [
        {"name": "PASSWORD", "valueFrom": reference("password", false)},
        {"name": "TOKEN", "valueFrom": reference("token", true)},
    ]});
    let mut body = belt_with(CALLBACK);
    body["extraEnv"] = json!(env.to_string());
    let belt = project.create_belt(&body).await?;
    project.run_belt(&belt).await?;
    let mut walk = Walkthrough { project, belt };
    let path = walk.project.belt_path(&walk.belt);
    let state = format!("{path}/state");
    walk.project.api.event(EVENT).await?;
    walk.await_rows(1).await?;
    ensure!(has(&walk, FIRST_SHA256).await? && has(&walk, "unset").await?);

    // A change reaches the belt when it is restarted, and its state says so until then.
    fs::write(home.path().join("password"), SECOND)?;
    let printed = granary.ok(&arguments).await?;
    ensure!(printed.contains("version 2") && printed.contains("restarted"), "{printed}");
    walk.project.api.await_status(&state, "RUNNING_BUT_OUTDATED").await?;
    walk.project.api.action(&state, "RESTART").await?.ok()?;
    walk.project.api.await_status(&state, "RUNNING").await?;
    walk.project.api.event(EVENT).await?;
    walk.await_rows(2).await?;
    ensure!(has(&walk, SECOND_SHA256).await?);

    let secret = walk.project.path("/secrets/mailer");
    walk.project.api.delete(&secret).await?.refused(409, "entity_in_use", &[&walk.belt])?;
    let listed = granary.ok(&["secret", "ls", "--project", &name]).await?;
    ensure!(listed.contains("mailer") && listed.contains("password"), "{listed}");

    // The callback logs it and fails with it.
    walk.project.api.event(r#"{"appId": "liveSegmenttest", "firstName": "fail", "lastName": "x"}"#).await?;
    let letters = walk.project.await_dead_letters(&walk.belt_dead_letters(), 1).await?;
    ensure!(letters[0].reason().contains("?password=***"), "{letters:?}");
    let mut seen = vec![node.output(), format!("{letters:?}"), listed];
    for path in
        [path.as_str(), &state, &format!("{path}/logs"), &format!("{path}/versions"), &secret, "/metrics"]
    {
        seen.push(walk.project.api.get(path).await?.text);
    }
    ensure!(seen[5].contains("password is ***"), "{}", seen[5]);
    for text in &seen {
        ensure!(!text.contains(FIRST) && !text.contains(SECOND), "{text}");
    }

    // Without its key the engine starts all the same, and everything but the belt goes on.
    node.stop().await?;
    let key = node.data_dir().join("secret.key");
    let kept = fs::read(&key).context("the key file")?;
    fs::remove_file(&key)?;
    node.restart().await?;
    walk.project.api = node.api()?;
    let failed = walk.project.api.await_status(&state, "FAILED").await?;
    let reason = failed["deploymentEvents"][0]["message"].as_str().context("a reason")?;
    ensure!(reason.contains("secret.key") && reason.contains("granary secret set mailer"), "{reason}");
    ensure!(node.output().contains("sealed with another key"), "{}", node.output());
    let harvester = walk.project.harvester_path(HARVESTER);
    walk.project.api.await_status(&format!("{harvester}/state"), "RUNNING").await?;
    fs::write(&key, kept)?;
    walk.project.run_belt(&walk.belt).await?;
    walk.project.api.event(EVENT).await?;
    walk.await_rows(3).await?;

    walk.project.api.delete(&path).await?.ok()?;
    granary.ok(&["secret", "rm", "mailer", "--project", &name]).await?;
    walk.project.api.get(&secret).await?.refused(404, "entity_not_found", &["mailer"])?;
    Ok(())
}
