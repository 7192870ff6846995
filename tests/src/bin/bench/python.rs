//! `python_belt_vs_native`: the guide's callback in the sandbox against the same callback in the CPython on PATH, both on
//! one core, from the stored bytes of an event to the bytes of its update. Deadline and memory limit are on.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use granary_sandbox::{
    EventIn, Kind, Language, Level, LogSink, NoMetrics, Options, Runner, Sandbox, ScriptSpec, Update,
};
use granary_tests::event;
use granary_tests::figure::{Bar, Figure, median};
use granary_tests::node::{repository, target_dir};
use granary_tests::walkthrough::{CALLBACK, OUTPUT};
use serde_json::json;
use tokio::process::Command;
use tokio::time::Instant;

use crate::Size;

/// Events of a batch, as the engine's belts take them.
const BATCH: usize = 256;

/// Different events, repeated over and over.
const EVENTS: u64 = 4_096;

pub(crate) async fn measure(size: Size) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let callback = folder.path().join("callback.py");
    std::fs::write(&callback, CALLBACK)?;
    let payloads: Vec<Vec<u8>> = (0..EVENTS).map(|n| event::numbered("python", n).to_vec()).collect();
    let lines = folder.path().join("payloads");
    std::fs::write(&lines, payloads.join(&b'\n'))?;

    let mut belt = Belt::start(payloads).await?;
    belt.run(size.run / 4).await?;
    let (mut native, mut sandboxed) = (Vec::new(), Vec::new());
    let mut version = String::new();
    for _ in 0..size.runs {
        let (seen, rate) = native_run(&callback, &lines, size.run).await?;
        version = seen;
        native.push(rate);
        sandboxed.push(belt.run(size.run).await?);
    }
    println!("the native Python is {version}");
    let (native, sandboxed) = (median(&native), median(&sandboxed));
    Ok(vec![
        Figure { name: "python_native_events_per_s", value: native, unit: "events/s", bar: None },
        Figure { name: "python_belt_events_per_s", value: sandboxed, unit: "events/s", bar: None },
        Figure {
            name: "python_belt_vs_native",
            value: sandboxed / native,
            unit: "ratio",
            bar: Some(Bar::AtLeast(0.7)),
        },
    ])
}

/// One run of the baseline: its version and its rate.
async fn native_run(callback: &Path, payloads: &Path, run: Duration) -> Result<(String, f64)> {
    let script = repository().join("tests/src/bin/bench/native_belt.py");
    let output = Command::new("python3")
        .arg(script)
        .args([callback, payloads])
        .arg(run.as_secs_f64().to_string())
        .env("PYTHONPATH", repository().join("guest-sdk/python/src"))
        .output()
        .await
        .context("could not run python3")?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let Some((version, rate)) = printed.trim().split_once(' ') else {
        bail!("the baseline failed: {printed}{}", String::from_utf8_lossy(&output.stderr));
    };
    Ok((version.to_owned(), rate.parse()?))
}

struct Quiet;

impl LogSink for Quiet {
    fn line(&self, _: Level, _: &str, _: &str) {}
}

/// A stored event: its headers and its payload.
type Stored = (Vec<(String, String)>, Vec<u8>);

struct Belt {
    runner: Runner,
    events: Vec<Stored>,
}

impl Belt {
    async fn start(payloads: Vec<Vec<u8>>) -> Result<Self> {
        let sandbox =
            Sandbox::new(Options { cache_dir: target_dir().join("granary-cache"), count_fuel: false })?;
        let runtime = std::env::var_os("GRANARY_PYTHON_RUNTIME")
            .map_or_else(|| target_dir().join("guest").join("python.wasm"), Into::into);
        let runtime = sandbox.load_file(&runtime).await.context("run `make setup` for the Python runtime")?;
        let outputs = json!([{ "name": OUTPUT, "kind": "live_segment" }]);
        let spec = ScriptSpec {
            kind: Kind::Belt,
            language: Language::Python,
            source: CALLBACK.to_owned(),
            config: json!({
                "beltId": "1", "outputTypes": outputs, "fetchProfile": "FALSE", "debug": false, "env": {}
            }),
            memory_bytes_max: 512 << 20,
            call_timeout: Duration::from_secs(10),
            init_timeout: Duration::from_secs(10),
            log: Arc::new(Quiet),
            metrics: Arc::new(NoMetrics),
        };
        let runner = Runner::new(sandbox, runtime, spec).await?;
        let events = payloads.into_iter().enumerate().map(|(n, payload)| (headers(n), payload)).collect();
        Ok(Self { runner, events })
    }

    /// Events per second.
    async fn run(&mut self, run: Duration) -> Result<f64> {
        let batches: Vec<Vec<EventIn<'_>>> = self
            .events
            .chunks(BATCH)
            .map(|chunk| chunk.iter().map(|(headers, payload)| EventIn { headers, payload }).collect())
            .collect();
        let (begun, mut done) = (Instant::now(), 0);
        while begun.elapsed() < run {
            for batch in &batches {
                let outcomes = self.runner.run_belt(batch).await?;
                for outcome in &outcomes {
                    let updates = outcome.as_ref().map_err(|failure| anyhow::anyhow!("{failure:?}"))?;
                    ensure!(matches!(updates.as_slice(), [Update::Direct { .. }]), "one update an event");
                }
                done += outcomes.len();
                std::hint::black_box(outcomes);
            }
        }
        Ok(done as f64 / begun.elapsed().as_secs_f64())
    }
}

/// The headers of a stored event.
fn headers(n: usize) -> Vec<(String, String)> {
    let pairs = [
        ("grnry-event-type", "livesegment-datain".to_owned()),
        ("grnry-event-type-version", "1".to_owned()),
        ("grnry-event-id", format!("0a0b0c0d-0000-4000-8000-{n:012}")),
        ("grnry-correlation-id", format!("0a0b0c0d-0000-4000-9000-{n:012}")),
        ("grnry-harvester-name", "harvesterforlivesegm".to_owned()),
        ("grnry-event-timestamp", "1700000000000".to_owned()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
