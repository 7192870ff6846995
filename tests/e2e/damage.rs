//! A bit of the log flips on its disk: what is damaged is refused, the rest is served, and an operator lets stages go on.

use anyhow::{Context, Result, ensure};
use granary_tests::event;
use granary_tests::node::Node;
use granary_tests::program::Program;
use granary_tests::walkthrough::{HARVESTER, Walkthrough};
use serde_json::Value;

/// Flips a bit of the only place in the log files that holds those bytes.
fn flip(node: &Node, marker: &[u8]) -> Result<()> {
    for entry in std::fs::read_dir(node.data_dir().join("log"))? {
        let path = entry?.path();
        let mut bytes = std::fs::read(&path)?;
        let found = bytes.windows(marker.len()).position(|window| window == marker);
        if let Some(at) = found {
            bytes[at] ^= 1;
            return Ok(std::fs::write(&path, bytes)?);
        }
    }
    anyhow::bail!("no file holds {marker:?}")
}

#[tokio::test]
async fn stages_stop_at_lost_records_until_somebody_accepts_the_loss() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut node = Node::start().await?;
    let granary = Program::beside(&node, folder.path());
    let mut walk = Walkthrough::run(&node.api()?).await?;
    let harvester = walk.project.harvester_path(HARVESTER);
    walk.project.api.event(event::guide(0).to_vec()).await?;
    walk.await_rows(1).await?;
    walk.project.halt(&harvester).await?;
    for marked in ["a-whole-one", "a-damaged-one", "another-whole-one"] {
        let text = String::from_utf8(event::guide(1).to_vec())?;
        let payload = text.replacen("Andrew", marked, 1);
        ensure!(payload != text, "the event has a name: {text}");
        walk.project.api.event(payload.into_bytes()).await?;
    }

    let refused = granary.fails(&["stream", "verify"], 1).await?;
    ensure!(refused.contains("another engine uses this directory"), "{refused}");
    node.kill().await?;
    let whole = granary.ok(&["stream", "verify"]).await?;
    ensure!(whole.ends_with("the log is whole\n"), "{whole}");
    flip(&node, b"a-damaged-one")?;

    // The engine starts all the same and serves what is whole.
    node.restart().await?;
    walk.project.api = node.api()?;
    let listed = granary.ok(&["stream", "ls"]).await?;
    ensure!(listed.contains("1 places of it are damaged") && listed.contains(" snowplow "), "{listed}");
    walk.project.api.post(&format!("{harvester}/state"), &serde_json::json!({"action": "START"})).await?;
    let failed = walk.project.api.await_status(&format!("{harvester}/state"), "FAILED").await?;
    let why = failed.to_string();
    ensure!(why.contains("granary stream verify") && why.contains(" at byte "), "{why}");
    walk.await_rows(2).await?;
    node.stop().await?;

    let lost = granary.fails(&["stream", "verify"], 1).await?;
    ensure!(lost.contains("lost: topic 'snowplow' partition 0: records 2 to 2\n"), "{lost}");
    let repaired = granary.ok(&["stream", "verify", "--repair"]).await?;
    ensure!(repaired.contains("records 2 to 2 (accepted)\nstages go on behind what is lost\n"), "{repaired}");
    granary.ok(&["stream", "verify"]).await?;

    node.restart().await?;
    walk.project.api = node.api()?;
    walk.project.api.await_status(&format!("{harvester}/state"), "RUNNING").await?;
    walk.await_rows(3).await?;
    walk.project.api.event(event::guide(2).to_vec()).await?;
    walk.await_rows(4).await?;
    let listed = granary.ok(&["stream", "ls"]).await?;
    ensure!(listed.contains("1 records are lost, and that was accepted"), "{listed}");
    Ok(())
}

#[tokio::test]
async fn streams_are_described_read_and_exported() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let node = Node::start().await?;
    let granary = Program::beside(&node, folder.path());
    let walk = Walkthrough::run(&node.api()?).await?;
    for n in 0..30 {
        walk.project.api.event(event::guide(n).to_vec()).await?;
    }
    walk.await_rows(30).await?;
    let described = granary.ok(&["stream", "describe", "snowplow"]).await?;
    ensure!(
        described.contains(" 0         | 0     | 30  | 30") && described.contains("harvester:"),
        "{described}"
    );
    let lines = |text: String| -> Result<Vec<Value>> {
        text.lines()
            .filter(|line| line.starts_with('{'))
            .map(|line| Ok(serde_json::from_str(line)?))
            .collect()
    };
    let newest = lines(granary.ok(&["stream", "tail", "snowplow", "-n", "3"]).await?)?;
    let offsets: Vec<_> = newest.iter().map(|record| record["offset"].as_u64()).collect();
    ensure!(offsets == [Some(27), Some(28), Some(29)], "{offsets:?}");
    let target = folder.path().join("out.jsonl");
    let target = target.to_str().context("a path that is text")?;
    let output = format!("grnry_data_in_{}", granary_tests::walkthrough::INPUT);
    let told = granary.ok(&["stream", "export", &output, "--output", target]).await?;
    ensure!(told.contains(&format!("30 records of {output} written")), "{told}");
    let exported = lines(std::fs::read_to_string(target)?)?;
    ensure!(exported.len() == 30, "{}", exported.len());
    ensure!(
        exported.iter().all(|record| record["committed"] == true && record["source"]["stream"] == "snowplow")
    );
    let again = granary.fails(&["stream", "export", &output, "--output", target], 1).await?;
    ensure!(again.contains("File exists"), "{again}");
    let typo = granary.fails(&["stream", "tail", "snowplov"], 1).await?;
    ensure!(typo.contains("Did you mean 'snowplow'?"), "{typo}");
    Ok(())
}
