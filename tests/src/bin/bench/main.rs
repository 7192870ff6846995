//! `make bench` and `make bench-...` of belts, transforms, stream and collector: the figures that the project is held against.
//!
//! One line each, `figure <name> <value> <unit> [bar <op> <value> pass|fail]`. Where a figure is a comparison, baseline
//! and subject alternate, so that a machine that gets slower for a while slows both; every figure is a median of at
//! least three runs. `--quick` runs everything once and shortly, to see that it still works: its figures mean nothing.

mod bare;
mod cold_read;
mod collector;
mod compiled;
mod deploy;
mod disk;
mod end_to_end;
mod fluvio_path;
mod ingest;
mod javascript;
mod log_bytes;
mod neighbour;
mod newcomer;
mod no_log;
mod page_cache;
mod python;
mod records;
mod reopen;
mod resident;
mod sandboxed;
mod tail;
mod takeover;
mod transforms;
mod workers;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use granary_tests::figure::Figure;
use granary_tests::node::{Node, Settings, target_dir};
use mimalloc::MiMalloc;

/// The allocator of the engine, since some parts of it are measured in this process; what they are compared with has it, too.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Measures the engine.
#[derive(Parser)]
struct Arguments {
    /// One short run of everything, without verdict (the environment variable QUICK=1 does the same)
    #[arg(long)]
    quick: bool,
    /// Measure belts (`make bench-belts`) and not the engine
    #[arg(long)]
    belts: bool,
    /// Measure the stream layer (`make bench-stream`) and not the engine
    #[arg(long, conflicts_with = "belts")]
    stream: bool,
    /// Measure transforms (`make bench-transforms`) and not the engine
    #[arg(long, conflicts_with_all = ["belts", "stream"])]
    transforms: bool,
    /// Measure the collector (`make bench-collector`) and not the engine
    #[arg(long, conflicts_with_all = ["belts", "stream", "transforms"])]
    collector: bool,
    /// Measure only these parts
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Serve the baseline of the ingest figure (used by this program itself)
    #[arg(long, hide = true)]
    bare_axum: bool,
    /// Measure the memory of an instance after so many events (used by this program itself)
    #[arg(long, hide = true)]
    resident: Option<u64>,
    /// Fill a log in this folder and append until killed (used by this program itself)
    #[arg(long, hide = true)]
    fill: Option<PathBuf>,
    /// Bytes of payload to fill it with
    #[arg(long, hide = true, default_value_t = 0)]
    fill_bytes: u64,
    /// Keep a processor busy (used by this program itself)
    #[arg(long, hide = true)]
    spin: bool,
}

/// What is measured where nothing is said about single parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Engine,
    Belts,
    Stream,
    Transforms,
    Collector,
}

impl Mode {
    fn of(arguments: &Arguments) -> Self {
        match (arguments.belts, arguments.stream) {
            (true, _) => Self::Belts,
            (_, true) => Self::Stream,
            _ if arguments.transforms => Self::Transforms,
            _ if arguments.collector => Self::Collector,
            _ => Self::Engine,
        }
    }

    fn parts(self) -> &'static [Part] {
        match self {
            Self::Engine => ENGINE,
            Self::Belts => BELTS,
            Self::Stream => STREAM,
            Self::Transforms => &[Part::Transforms],
            Self::Collector => &[Part::Ingest, Part::Collector],
        }
    }
}

/// What can be measured by itself. They are measured in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Durable POSTs against a bare axum handler.
    Ingest,
    /// A Python belt against the same callback in native Python.
    Python,
    /// The log against the disk's own limit.
    Log,
    /// A compiled belt against the same function in native Rust.
    Rust,
    /// A JavaScript belt against the same callback in Node.js.
    Javascript,
    /// Two instances of a belt against one.
    Workers,
    /// The memory of a Python instance.
    Resident,
    /// From the POST of a Python belt until it runs.
    Deploy,
    /// Versions that take over from one another under load.
    Takeover,
    /// A belt beside one that is attacked.
    Neighbour,
    /// From an empty directory to a row, in each language.
    Newcomer,
    /// Throughput, latency and memory of the whole path.
    EndToEnd,
    /// What the log writes for each byte of payload.
    LogBytes,
    /// Opening a large log.
    Reopen,
    /// From an append to a reader at the end of the log.
    Tail,
    /// Reading a log that is not in memory.
    ColdRead,
    /// The whole path on a Fluvio cluster.
    FluvioPath,
    /// The guide's transform in each language.
    Transforms,
    /// Latency and memory of the collector.
    Collector,
}

const ENGINE: &[Part] = &[Part::Ingest, Part::Python, Part::Log, Part::EndToEnd];
const BELTS: &[Part] = &[
    Part::Rust,
    Part::Python,
    Part::Javascript,
    Part::Workers,
    Part::Resident,
    Part::Deploy,
    Part::Takeover,
    Part::Neighbour,
    Part::Newcomer,
];
const STREAM: &[Part] =
    &[Part::Log, Part::LogBytes, Part::Reopen, Part::Tail, Part::ColdRead, Part::FluvioPath];

impl Part {
    /// Measures it. What parts of several modes have in common is measured with the bars of the mode.
    async fn measure(self, size: Size, mode: Mode) -> Result<Vec<Figure>> {
        match self {
            Self::Ingest => ingest::measure(size, if mode == Mode::Collector { 0.6 } else { 0.5 }).await,
            Self::Python => python::measure(size, if mode == Mode::Belts { 0.85 } else { 0.7 }).await,
            Self::Log if mode == Mode::Stream => disk::measure_stream(size).await,
            Self::Log => disk::measure(size).await,
            Self::Rust => compiled::measure(size).await,
            Self::Javascript => javascript::measure(size).await,
            Self::Workers => workers::measure(size).await,
            Self::Resident => resident::measure(size).await,
            Self::Deploy => deploy::measure(size).await,
            Self::Takeover => takeover::measure(size).await,
            Self::Neighbour => neighbour::measure(size).await,
            Self::Newcomer => newcomer::measure(size).await,
            Self::EndToEnd => end_to_end::measure(size).await,
            Self::LogBytes => log_bytes::measure(size).await,
            Self::Reopen => reopen::measure(size).await,
            Self::Tail => tail::measure(size).await,
            Self::ColdRead => cold_read::measure(size).await,
            Self::FluvioPath => fluvio_path::measure(size).await,
            Self::Transforms => transforms::measure(size).await,
            Self::Collector => collector::measure(size).await,
        }
    }
}

/// Bytes of payload of any log in a short run.
const QUICK_BYTES: u64 = 200_000_000;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Runs of each side, of which the median counts.
    runs: usize,
    /// Length of a run that is bound by time.
    run: Duration,
    /// Events of a run that is bound by number.
    events: u64,
}

impl Size {
    fn new(quick: bool, mode: Mode) -> Self {
        if quick {
            Self { runs: 1, run: Duration::from_secs(1), events: 2_000 }
        } else {
            let runs = if matches!(mode, Mode::Belts | Mode::Transforms) { 5 } else { 3 };
            Self { runs, run: Duration::from_secs(6), events: 50_000 }
        }
    }

    /// Bytes of payload of a log that is to have so many.
    fn bytes(self, whole: u64) -> u64 {
        if self.runs == 1 { whole.min(QUICK_BYTES) } else { whole }
    }
}

/// Where data is written: on the disk of the build, because a folder for temporary files may lie in memory.
fn scratch() -> Result<PathBuf> {
    let folder = target_dir().join("bench");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// A fresh node whose data lies there.
async fn node() -> Result<Node> {
    Node::start_with(Settings { scratch: Some(scratch()?), ..Settings::default() }).await
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.spin {
        loop {
            std::hint::spin_loop();
        }
    }
    // As many threads as the engine itself takes.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if arguments.bare_axum {
            bare::serve().await?;
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(events) = arguments.resident {
            resident::child(events).await?;
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(folder) = &arguments.fill {
            reopen::child(folder, arguments.fill_bytes).await?;
            return Ok(ExitCode::SUCCESS);
        }
        measure(&arguments).await
    })
}

async fn measure(arguments: &Arguments) -> Result<ExitCode> {
    let quick = arguments.quick || std::env::var("QUICK").is_ok_and(|v| !["", "0"].contains(&v.as_str()));
    let mode = Mode::of(arguments);
    let size = Size::new(quick, mode);
    let wanted = match arguments.only.as_slice() {
        [] => mode.parts(),
        only => only,
    };
    let mut passes = true;
    for part in Part::value_variants().iter().filter(|part| wanted.contains(part)) {
        for figure in part.measure(size, mode).await.with_context(|| format!("{part:?}"))? {
            println!("{figure}");
            passes &= figure.passes();
        }
    }
    Ok(if passes || quick { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
