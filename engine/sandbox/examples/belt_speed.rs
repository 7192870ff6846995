//! How many events per second one belt instance does, at several batch sizes, deadlines on.
//!
//! `cargo run --release -p granary-sandbox --example belt_speed -- target/guest/python.wasm [cache folder]`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use granary_sandbox::{
    Kind, Language, Level, LogSink, NoHttp, NoMetrics, Options, Runner, Sandbox, ScriptSpec, speed,
};

struct Nowhere;

impl LogSink for Nowhere {
    fn line(&self, _: Level, _: &str, _: &str) {}
}

/// What this thread has taken of a processor (Linux).
fn thread_time() -> anyhow::Result<Duration> {
    let stat =
        std::fs::read_to_string("/proc/thread-self/schedstat").context("cannot read the thread's time")?;
    let nanos = stat.split(' ').next().and_then(|n| n.parse().ok()).context("no time in schedstat")?;
    Ok(Duration::from_nanos(nanos))
}

// One thread, whose own time is what counts: other programs on the machine do not blur the figure.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let runtime = arguments.next().context("usage: belt_speed <python.wasm> [cache folder]")?;
    let cache_dir = arguments.next().unwrap_or_else(|| std::env::temp_dir().join("granary-belt-speed"));
    let sandbox = Sandbox::new(Options::of(cache_dir))?;
    let runtime = sandbox.load_runtime(runtime).await?;
    let spec = ScriptSpec {
        kind: Kind::Belt,
        language: Language::Python,
        source: speed::CALLBACK.to_owned(),
        config: speed::config(),
        packages: Arc::default(),
        memory_bytes_max: 512 << 20,
        millicpu: None,
        call_timeout: Duration::from_secs(10),
        long_call: Duration::MAX,
        init_timeout: Duration::from_secs(5),
        log: Arc::new(Nowhere),
        metrics: Arc::new(NoMetrics),
        http: Arc::new(NoHttp),
    };
    let mut starts = Vec::new();
    for _ in 0..20 {
        let started = std::time::Instant::now();
        Runner::new(sandbox.clone(), Arc::clone(&runtime), spec.clone()).await?;
        starts.push(started.elapsed());
    }
    starts.sort();
    println!("fresh instance and init: {:?}", starts[starts.len() / 2]);

    let mut runner = Runner::new(sandbox, runtime, spec).await?;
    let events = speed::events(20_000);
    let bytes: usize = events.iter().map(|e| e.payload.len()).sum();
    println!("payload: {} bytes on average", bytes / events.len());
    for batch in [1, 16, 64, 128, 256] {
        let mut rates = Vec::new();
        for _ in 0..5 {
            let before = thread_time()?;
            speed::belt(&mut runner, &events, batch).await?;
            rates.push(events.len() as f64 / (thread_time()? - before).as_secs_f64());
        }
        rates.sort_by(f64::total_cmp);
        println!("batch {batch:>3}: {:>8.0} events/s of processor time", rates[rates.len() / 2]);
    }
    println!("{:?}", runner.stats());
    Ok(())
}
