//! A belt in the sandbox by itself, from the stored bytes of events to the bytes of their updates. Deadline and memory
//! limit are on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use granary_sandbox::{
    Component, EventIn, Kind, Language, Level, LogSink, NoHttp, NoMetrics, Options, Runner, Sandbox,
    ScriptSpec, Update,
};
use granary_tests::event;
use granary_tests::node::{cache_dir, target_dir};
use granary_tests::walkthrough::OUTPUT;
use serde_json::json;
use tokio::time::Instant;

/// Events of a batch, as the engine's belts take them.
pub(crate) const BATCH: usize = 256;

/// Different events, repeated over and over.
pub(crate) const EVENTS: u64 = 4_096;

struct Quiet;

impl LogSink for Quiet {
    fn line(&self, _: Level, _: &str, _: &str) {}
}

/// A stored event: its headers and its payload.
pub(crate) type Stored = (Vec<(String, String)>, Vec<u8>);

/// The events of the figures.
pub(crate) fn events() -> Vec<Stored> {
    (0..EVENTS).map(|n| (headers(n), event::numbered("bench", n).to_vec())).collect()
}

/// The headers of a stored event.
pub(crate) fn headers(n: u64) -> Vec<(String, String)> {
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

/// What a belt runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Program<'a> {
    Python(&'a str),
    JavaScript(&'a str),
    Groovy(&'a str),
    JavaScriptTransform(&'a str),
    /// A component of `target/guest`.
    Component(&'a str),
}

impl Program<'_> {
    /// The file of the component: the runtime of the language, or the program itself.
    pub(crate) fn file(self) -> PathBuf {
        let name = match self {
            Self::Python(_) => "python.wasm",
            Self::JavaScript(_) => "javascript.wasm",
            Self::Groovy(_) => "groovy.wasm",
            Self::JavaScriptTransform(_) => "javascript-transform.wasm",
            Self::Component(name) => name,
        };
        target_dir().join("guest").join(name)
    }

    pub(crate) fn spec(self) -> ScriptSpec {
        let (language, source) = match self {
            Self::Python(source) => (Language::Python, source),
            Self::JavaScript(source) | Self::JavaScriptTransform(source) => (Language::JavaScript, source),
            Self::Groovy(source) => (Language::Groovy, source),
            Self::Component(_) => (Language::Component, ""),
        };
        let outputs = json!([{ "name": OUTPUT, "kind": "live_segment" }]);
        ScriptSpec {
            kind: Kind::Belt,
            language,
            source: source.to_owned(),
            config: json!({
                "beltId": "1", "outputTypes": outputs, "fetchProfile": "FALSE", "debug": false, "env": {}
            }),
            packages: Arc::default(),
            memory_bytes_max: 512 << 20,
            millicpu: None,
            call_timeout: Duration::from_secs(10),
            long_call: Duration::MAX,
            init_timeout: Duration::from_secs(10),
            log: Arc::new(Quiet),
            metrics: Arc::new(NoMetrics),
            http: Arc::new(NoHttp),
        }
    }
}

/// A loaded belt and the events that it runs on.
pub(crate) struct Belt {
    runner: Runner,
    events: Vec<Stored>,
}

impl Belt {
    pub(crate) async fn start(program: Program<'_>) -> Result<Self> {
        let (sandbox, component) = load(program, cache_dir()).await?;
        let runner = Runner::new(sandbox, component, program.spec()).await?;
        Ok(Self { runner, events: events() })
    }

    /// Events per second.
    pub(crate) async fn run(&mut self, run: Duration) -> Result<f64> {
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

/// A sandbox and the component of a program.
pub(crate) async fn load(program: Program<'_>, cache: PathBuf) -> Result<(Sandbox, Arc<Component>)> {
    let sandbox = Sandbox::new(Options::of(cache))?;
    let component = match program {
        Program::Component(_) => sandbox.load_file(program.file()).await,
        _ => sandbox.load_runtime(program.file()).await,
    };
    let component = component.context("run `make setup` and scripts/guests.sh")?;
    Ok((sandbox, component))
}
