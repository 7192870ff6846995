//! `make bench-transforms`: the transform of the guide in each language against the compiled one, and that one against the
//! same work in this process. One core, from the stored bytes of a record to the bytes of its event, deadline and memory limit
//! on. The programs take turns, so that a machine that gets slower for a while slows all of them.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use granary_collector::CollectorPayload;
use granary_sandbox::{EventIn, Kind, Runner, ScriptSpec, TransformMessage, Transformed};
use granary_tests::event;
use granary_tests::figure::{Bar, Figure, median};
use granary_tests::node::cache_dir;
use granary_tests::walkthrough::{TRANSFORM, TRANSFORM_GROOVY};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::Size;
use crate::sandboxed::{BATCH, EVENTS, Program, load};

/// Of the script languages, the least share of the compiled transform's speed.
const PROGRAMS: [(&str, &str, Program<'static>, f64); 3] = [
    ("js_transform_per_s", "js_vs_rust", Program::JavaScriptTransform(JAVASCRIPT), 0.4),
    ("groovy_transform_per_s", "groovy_vs_rust", Program::Groovy(TRANSFORM_GROOVY), 0.35),
    ("python_transform_per_s", "python_vs_rust", Program::Python(TRANSFORM), 0.4),
];

/// The guide's transform in JavaScript.
const JAVASCRIPT: &str = "\
var serde = Packages.io.grnry.scdfapps.scriptable.snowplow.SnowplowSerDe;
var body = serde.deserialize(payload).getBody();
var result = null;
if (JSON.parse(body).appId == 'liveSegmenttest') result = body;
result;
";

pub(crate) async fn measure(size: Size) -> Result<Vec<Figure>> {
    let records = records();
    let mut compiled = Transform::start(Program::Component("transform-rust.wasm")).await?;
    let mut scripts = Vec::new();
    for (_, _, program, _) in PROGRAMS {
        scripts.push((Transform::start(program).await?, Vec::new()));
    }
    compiled.run(&records, size.run / 4).await?;
    let (mut native, mut rust) = (Vec::new(), Vec::new());
    for _ in 0..size.runs {
        native.push(native_run(&records, size.run)?);
        rust.push(compiled.run(&records, size.run).await?);
        for (script, rates) in &mut scripts {
            rates.push(script.run(&records, size.run).await?);
        }
    }
    let (native, rust) = (median(&native), median(&rust));
    let plain = |name, value| Figure { name, value, unit: "events/s", bar: None };
    let ratio = |name, value, bar| Figure { name, value, unit: "ratio", bar: Some(Bar::AtLeast(bar)) };
    let mut figures = vec![
        plain("native_transform_per_s", native),
        plain("rust_transform_per_s", rust),
        ratio("rust_vs_native", rust / native, 0.5),
    ];
    for ((speed, share, _, bar), (_, rates)) in PROGRAMS.into_iter().zip(&scripts) {
        let rate = median(rates);
        figures.extend([plain(speed, rate), ratio(share, rate / rust, bar)]);
    }
    Ok(figures)
}

/// Records as the collector makes them of the guide's events.
fn records() -> Vec<Vec<u8>> {
    let text = |text: &str| Some(Bytes::from(text.to_owned()));
    let headers = [
        "Host: shop.example",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
        "Accept: */*",
        "Content-Type: application/json; charset=utf-8",
        "application/json; charset=utf-8",
    ];
    let record = |n| CollectorPayload {
        ip_address: text("203.0.113.7"),
        timestamp: Some(1_700_000_000_000),
        encoding: text("UTF-8"),
        collector: text("granary"),
        user_agent: text("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"),
        path: text("/com.snowplowanalytics.snowplow/tp2"),
        body: Some(event::numbered("bench", n)),
        headers: Some(headers.map(|header| Bytes::from_static(header.as_bytes())).to_vec()),
        content_type: text("application/json; charset=utf-8"),
        hostname: text("shop.example"),
        network_user_id: text("0a0b0c0d-0000-4000-8000-000000000000"),
        schema: text(granary_collector::thrift::SCHEMA),
        ..CollectorPayload::default()
    };
    (0..EVENTS).map(|n| record(n).encode()).collect()
}

/// A loaded transform.
struct Transform(Runner);

impl Transform {
    async fn start(program: Program<'_>) -> Result<Self> {
        let (sandbox, component) = load(program, cache_dir()).await?;
        let spec = ScriptSpec { kind: Kind::Transform, config: json!({}), ..program.spec() };
        Ok(Self(Runner::new(sandbox, component, spec).await?))
    }

    /// Events per second.
    async fn run(&mut self, records: &[Vec<u8>], run: Duration) -> Result<f64> {
        let batches: Vec<Vec<EventIn<'_>>> = records
            .chunks(BATCH)
            .map(|chunk| chunk.iter().map(|payload| EventIn { headers: &[], payload }).collect())
            .collect();
        let (begun, mut done) = (Instant::now(), 0);
        while begun.elapsed() < run {
            for batch in &batches {
                let outcomes = self.0.run_transform(batch).await?;
                for outcome in &outcomes {
                    let Ok(Transformed::Messages(messages)) = outcome else {
                        return Err(anyhow!("expected a message, got {outcome:?}"));
                    };
                    ensure!(matches!(messages.as_slice(), [TransformMessage::Text(_)]), "{messages:?}");
                }
                done += outcomes.len();
                std::hint::black_box(outcomes);
            }
        }
        Ok(done as f64 / begun.elapsed().as_secs_f64())
    }
}

/// The transform of `examples/transform-rust`, as a plain function.
fn execute(record: &[u8]) -> Result<Option<Vec<u8>>> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(rename = "appId", default)]
        app_id: Value,
    }
    let body = CollectorPayload::decode(record)?.body.context("a body")?;
    let parsed: Body = serde_json::from_slice(&body)?;
    Ok((parsed.app_id == "liveSegmenttest").then(|| body.to_vec()))
}

fn native_run(records: &[Vec<u8>], run: Duration) -> Result<f64> {
    let (begun, mut done) = (Instant::now(), 0);
    while begun.elapsed() < run {
        for record in records {
            ensure!(
                std::hint::black_box(execute(std::hint::black_box(record))?).is_some(),
                "a record was skipped"
            );
        }
        done += records.len();
    }
    Ok(done as f64 / begun.elapsed().as_secs_f64())
}
