//! `js_belt_vs_node`: the guide's belt in JavaScript in the sandbox against the same in the Node.js on PATH.

use anyhow::{Context, Result, bail};
use granary_tests::figure::{Bar, Figure, median};
use granary_tests::node::repository;
use tokio::process::Command;

use crate::Size;
use crate::sandboxed::{Belt, Program, events};

/// The guide's callback.
const CALLBACK: &str = "\
import { DirectUpdate } from 'granary-belt';

export function execute(headers, payload) {
  const value = {
    id: String(headers['grnry-correlation-id']),
    firstName: String(payload.firstName),
    lastName: String(payload.lastName),
  };
  return [new DirectUpdate('livesegment-dataoutp', value)];
}
";

pub(crate) async fn measure(size: Size) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let sdk = repository().join("guest-sdk/javascript/index.js");
    let callback = folder.path().join("callback.mjs");
    std::fs::write(&callback, CALLBACK.replace("'granary-belt'", &format!("'{}'", sdk.display())))?;
    let payloads: Vec<Vec<u8>> = events().into_iter().map(|(_, payload)| payload).collect();
    let lines = folder.path().join("payloads");
    std::fs::write(&lines, payloads.join(&b'\n'))?;
    let mut belt = Belt::start(Program::JavaScript(CALLBACK)).await?;
    belt.run(size.run / 4).await?;
    let (mut native, mut sandboxed) = (Vec::new(), Vec::new());
    for _ in 0..size.runs {
        let output = Command::new("node")
            .arg(repository().join("tests/src/bin/bench/native_belt.mjs"))
            .args([&callback, &lines])
            .arg(size.run.as_secs_f64().to_string())
            .output()
            .await
            .context("could not run node: install Node.js 20 or later")?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let Ok(rate) = printed.trim().parse() else {
            bail!("the baseline failed: {printed}{}", String::from_utf8_lossy(&output.stderr));
        };
        native.push(rate);
        sandboxed.push(belt.run(size.run).await?);
    }
    let (native, sandboxed) = (median(&native), median(&sandboxed));
    Ok(vec![
        Figure { name: "js_node_events_per_s", value: native, unit: "events/s", bar: None },
        Figure { name: "js_belt_events_per_s", value: sandboxed, unit: "events/s", bar: None },
        Figure {
            name: "js_belt_vs_node",
            value: sandboxed / native,
            unit: "ratio",
            bar: Some(Bar::AtLeast(0.3)),
        },
    ])
}
