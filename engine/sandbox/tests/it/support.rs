//! A sandbox, the Python runtime, and short ways to run scripts.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use granary_sandbox::{
    BeltOutcome, Component, EventIn, Failure, Kind, Language, Level, LogSink, NoHttp, NoMetrics, Options,
    Runner, Sandbox, ScriptSpec, TransformOutcome, Update,
};
use serde_json::{Value, json};

/// Long enough for the slowest machine: only tests of deadlines set another one.
const PATIENCE: Duration = Duration::from_secs(300);

/// Keeps all lines.
#[derive(Default)]
pub(crate) struct Lines(pub(crate) Mutex<Vec<(Level, String, String)>>);

impl LogSink for Lines {
    fn line(&self, level: Level, logger: &str, message: &str) {
        self.0.lock().unwrap().push((level, logger.to_owned(), message.to_owned()));
    }
}

impl Lines {
    pub(crate) fn taken(&self) -> Vec<(Level, String, String)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn target() -> PathBuf {
    let mut target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    target.pop();
    target
}

/// The Python runtime component.
pub(crate) fn runtime_path() -> PathBuf {
    std::env::var_os("GRANARY_PYTHON_RUNTIME").map_or_else(|| guest_path("python.wasm"), PathBuf::from)
}

/// A component that the set-up builds.
pub(crate) fn guest_path(name: &str) -> PathBuf {
    let path = target().join("guest").join(name);
    assert!(path.exists(), "{} is missing: run `make setup`, which builds it", path.display());
    path
}

/// A sandbox that keeps its compiled components in the target folder.
pub(crate) fn sandbox_with(probation_millicpu: Option<u32>) -> Sandbox {
    let cache_dir = target().join("test-cache");
    Sandbox::new(Options { probation_millicpu, ..Options::of(cache_dir) }).unwrap()
}

/// A sandbox that keeps its compiled components in the target folder, and the Python runtime.
pub(crate) async fn python() -> (Sandbox, Arc<Component>) {
    let sandbox = sandbox_with(None);
    let runtime = sandbox.load_runtime(runtime_path()).await.unwrap();
    (sandbox, runtime)
}

pub(crate) fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures").join(name);
    std::fs::read_to_string(path).unwrap()
}

pub(crate) fn belt_spec(source: &str) -> (ScriptSpec, Arc<Lines>) {
    let lines = Arc::new(Lines::default());
    let config = json!({
        "beltId": "1",
        "outputTypes": [
            {"name": "livesegment-dataoutp", "kind": "live_segment"},
            {"name": "chained", "kind": "data_in"},
            {"name": "people", "kind": "profile"},
        ],
        "fetchProfile": "FALSE",
        "debug": false,
        "env": {},
    });
    let log: Arc<dyn LogSink> = lines.clone();
    let spec = ScriptSpec {
        kind: Kind::Belt,
        language: Language::Python,
        source: source.to_owned(),
        config,
        packages: Arc::default(),
        memory_bytes_max: 256 << 20,
        millicpu: None,
        call_timeout: PATIENCE,
        long_call: PATIENCE,
        init_timeout: PATIENCE,
        log,
        metrics: Arc::new(NoMetrics),
        http: Arc::new(NoHttp),
    };
    (spec, lines)
}

pub(crate) fn transform_spec(source: &str) -> ScriptSpec {
    ScriptSpec { kind: Kind::Transform, config: json!({}), ..belt_spec(source).0 }
}

/// Headers as an event of the guide has them.
pub(crate) fn headers(id: &str) -> Vec<(String, String)> {
    [("grnry-correlation-id", id), ("grnry-event-id", id), ("grnry-event-type", "livesegment-datain")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

pub(crate) async fn runner(spec: ScriptSpec) -> Runner {
    let (sandbox, runtime) = python().await;
    Runner::new(sandbox, runtime, spec).await.unwrap()
}

/// Gives payloads to a belt, in one batch, with the headers of the guide.
pub(crate) async fn run(runner: &mut Runner, payloads: &[&[u8]]) -> Vec<BeltOutcome> {
    let headers = headers("c-1");
    let events: Vec<_> = payloads.iter().map(|payload| EventIn { headers: &headers, payload }).collect();
    runner.run_belt(&events).await.unwrap()
}

/// Makes a belt of a function body that sees `p`, the payload, and answers the value of a row; runs it on one payload.
pub(crate) async fn answer_to(body: &str, payload: &[u8]) -> Result<Value, Failure> {
    let source = format!(
        "from grnry_belt.models.direct_update import DirectUpdate\n\
         def work(p):\n    {}\n\
         def execute(h, p):\n    return [DirectUpdate('livesegment-dataoutp', {{'id': '1', 'v': work(p)}})]\n",
        body.replace('\n', "\n    ")
    );
    let outcome = run(&mut runner(belt_spec(&source).0).await, &[payload]).await.remove(0);
    outcome.map(|updates| match updates.as_slice() {
        [Update::Direct { value, .. }] => serde_json::from_slice::<Value>(value).unwrap()["v"].clone(),
        other => panic!("expected one row, got {other:?}"),
    })
}

/// Runs a transform on payloads, in one batch.
pub(crate) async fn transform(source: &str, payloads: &[&[u8]]) -> Vec<TransformOutcome> {
    let headers = headers("c-1");
    let records: Vec<_> = payloads.iter().map(|payload| EventIn { headers: &headers, payload }).collect();
    runner(transform_spec(source)).await.run_transform(&records).await.unwrap()
}
