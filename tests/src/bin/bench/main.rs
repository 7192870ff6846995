//! `make bench`: the figures that the project is held against.
//!
//! One line each, `figure <name> <value> <unit> [bar <op> <value> pass|fail]`. Where a figure is a comparison, baseline
//! and subject alternate, so that a machine that gets slower for a while slows both; every figure is a median of at
//! least three runs. `--quick` runs everything once and shortly, to see that it still works: its figures mean nothing.

mod bare;
mod compiled;
mod deploy;
mod disk;
mod end_to_end;
mod ingest;
mod javascript;
mod neighbour;
mod newcomer;
mod python;
mod resident;
mod sandboxed;
mod takeover;
mod workers;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use granary_tests::figure::Figure;
use granary_tests::node::{Node, Settings, target_dir};

/// Measures the engine.
#[derive(Parser)]
struct Arguments {
    /// One short run of everything, without verdict (the environment variable QUICK=1 does the same)
    #[arg(long)]
    quick: bool,
    /// Measure belts (`make bench-belts`) and not the engine
    #[arg(long)]
    belts: bool,
    /// Measure only these parts
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Serve the baseline of the ingest figure (used by this program itself)
    #[arg(long, hide = true)]
    bare_axum: bool,
    /// Measure the memory of an instance after so many events (used by this program itself)
    #[arg(long, hide = true)]
    resident: Option<u64>,
    /// Keep a processor busy (used by this program itself)
    #[arg(long, hide = true)]
    spin: bool,
}

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Durable POSTs against a bare axum handler.
    Ingest,
    /// A Python belt against the same callback in native Python.
    Python,
    /// The log against the disk's own limit.
    Log,
    /// Throughput, latency and memory of the whole path.
    EndToEnd,
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
    fn new(quick: bool, belts: bool) -> Self {
        if quick {
            Self { runs: 1, run: Duration::from_secs(1), events: 2_000 }
        } else {
            Self { runs: if belts { 5 } else { 3 }, run: Duration::from_secs(6), events: 50_000 }
        }
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
        measure(&arguments).await
    })
}

async fn measure(arguments: &Arguments) -> Result<ExitCode> {
    let quick = arguments.quick || std::env::var("QUICK").is_ok_and(|v| !["", "0"].contains(&v.as_str()));
    let size = Size::new(quick, arguments.belts);
    let belts = arguments.belts;
    let by_default = if belts { BELTS } else { ENGINE };
    let wanted = |part| match arguments.only.as_slice() {
        [] => by_default.contains(&part),
        only => only.contains(&part),
    };
    let mut passes = true;
    let mut print = |figures: Vec<Figure>| {
        for figure in figures {
            println!("{figure}");
            passes &= figure.passes();
        }
    };
    if wanted(Part::Ingest) {
        print(ingest::measure(size).await.context("ingest")?);
    }
    if wanted(Part::Python) {
        print(python::measure(size, if belts { 0.85 } else { 0.7 }).await.context("python")?);
    }
    if wanted(Part::Log) {
        print(disk::measure(size).await.context("log")?);
    }
    if wanted(Part::Rust) {
        print(compiled::measure(size).await.context("rust")?);
    }
    if wanted(Part::Javascript) {
        print(javascript::measure(size).await.context("javascript")?);
    }
    if wanted(Part::Workers) {
        print(workers::measure(size).await.context("workers")?);
    }
    if wanted(Part::Resident) {
        print(resident::measure(size).await.context("resident")?);
    }
    if wanted(Part::Deploy) {
        print(deploy::measure(size).await.context("deploy")?);
    }
    if wanted(Part::Takeover) {
        print(takeover::measure(size).await.context("takeover")?);
    }
    if wanted(Part::Neighbour) {
        print(neighbour::measure(size).await.context("neighbour")?);
    }
    if wanted(Part::Newcomer) {
        print(newcomer::measure(size).await.context("newcomer")?);
    }
    if wanted(Part::EndToEnd) {
        print(end_to_end::measure(size).await.context("end to end")?);
    }
    Ok(if passes || quick { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
