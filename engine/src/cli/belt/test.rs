//! `granary belt test`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde_json::{Map, Value};

use super::build::{Program, program};
use super::folder::Folder;
use super::local::{Local, Ran};
use super::remote::Remote;
use super::samples::{self, Sample};
use super::verdict::{differences, of_outcome};
use super::{Failure, In, Sandboxed};
use crate::cli::client::Target;

/// What is expected of the samples.
const EXPECTED: &str = "expected.json";
/// The longest update that is printed whole.
const SHOWN_CHARS_MAX: usize = 400;

#[derive(Args)]
pub(super) struct Test {
    #[command(flatten)]
    place: In,
    /// Only this file of events
    #[arg(long, value_name = "FILE")]
    sample: Option<PathBuf>,
    /// Write what comes out into expected.json, in place of what is there
    #[arg(long)]
    accept: bool,
    /// Instead of the samples, the last N events of the input's stream in an engine; nothing is compared
    #[arg(long, value_name = "N", conflicts_with_all = ["sample", "accept"])]
    last: Option<u32>,
    /// With --last: the event type, in place of the belt's first input
    #[arg(long, requires = "last")]
    event_type: Option<String>,
    #[command(flatten)]
    sandboxed: Sandboxed,
    #[command(flatten)]
    target: Target,
    /// Project in the engine, in place of that of belt.toml
    #[arg(long, env = "GRANARY_PROJECT")]
    project: Option<String>,
}

impl Test {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let folder = Folder::open(&self.place.folder)?;
        let program = program(&folder)?;
        if let Some(last) = self.last {
            let remote = Remote::connect(&self.target, self.project.as_deref(), &folder)?;
            let input = self.event_type.as_deref().map_or_else(|| folder.input(), Ok)?;
            let events = remote.newest_events(input, last).await?;
            let mut local = Local::load(&folder, &program, None, &self.sandboxed).await?;
            let mut failed = 0;
            for event in &events {
                let ran = local.run(event).await?;
                failed += usize::from(ran.outcome.is_err());
                show(event, &ran);
            }
            println!("test: {} events of '{input}', {failed} failed", events.len());
            return if failed == 0 {
                Ok(())
            } else {
                Err(Failure::Failed(anyhow!("{failed} events failed")))
            };
        }
        let samples = match &self.sample {
            Some(file) => samples::of_file(&folder, file)?,
            None => samples::of_folder(&folder)?,
        };
        if samples.is_empty() {
            return Err(Failure::Failed(anyhow!(
                "{} has no samples: put events into samples/*.json, or give --last N to take some of a stream",
                self.place.folder.display()
            )));
        }
        let suite = Suite::run(&folder, &program, &samples, &self.sandboxed, Show::Everything).await?;
        if self.accept {
            suite.accept(&folder)?;
            println!("test: {} outcomes are expected from now on, see {EXPECTED}", samples.len());
            return Ok(());
        }
        suite.verdict()
    }
}

/// How much is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    /// Every event.
    Everything,
    /// Events that failed or came out otherwise than expected.
    Problems,
}

/// What came of all samples.
pub(super) struct Suite {
    outcomes: Map<String, Value>,
    events: usize,
    as_expected: usize,
    wrong: usize,
    unexpected_failures: usize,
}

impl Suite {
    /// Runs the samples and prints what came of them.
    pub(super) async fn run(
        folder: &Folder,
        program: &Program,
        samples: &[Sample],
        sandboxed: &Sandboxed,
        show_what: Show,
    ) -> Result<Self, Failure> {
        let expected = expectations(folder)?;
        let mut local = Local::load(folder, program, None, sandboxed).await?;
        for warning in local.warnings() {
            println!("test: warning: {warning}");
        }
        let mut suite = Self {
            outcomes: Map::new(),
            events: samples.len(),
            as_expected: 0,
            wrong: 0,
            unexpected_failures: 0,
        };
        for sample in samples {
            let ran = local.run(sample).await?;
            let got = of_outcome(&ran.outcome);
            let wanted = expected.get(&sample.source).and_then(|list| list.get(sample.index));
            let found = wanted.map(|wanted| differences(wanted, &got));
            let bad = found.as_ref().map_or_else(|| ran.outcome.is_err(), |found| !found.is_empty());
            if bad || show_what == Show::Everything {
                show(sample, &ran);
            }
            match found {
                Some(found) if found.is_empty() => suite.as_expected += 1,
                Some(found) => {
                    suite.wrong += 1;
                    for line in found {
                        println!("  not as expected: {line}");
                    }
                }
                None => suite.unexpected_failures += usize::from(ran.outcome.is_err()),
            }
            let list =
                suite.outcomes.entry(sample.source.clone()).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = list {
                list.push(got);
            }
        }
        Ok(suite)
    }

    /// Prints the last line; an error unless everything is as it should be.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        let Self { events, as_expected, wrong, unexpected_failures, .. } = self;
        let open = events - as_expected - wrong;
        let open = if open == 0 { String::new() } else { format!(", {open} without expectation") };
        println!("test: {events} events, {as_expected} as expected, {wrong} not{open}");
        if *wrong > 0 {
            return Err(Failure::Failed(anyhow!(
                "{wrong} events came out otherwise than {EXPECTED} says; where the new outcomes are right, \
                 `granary belt test --accept` writes them there"
            )));
        }
        if *unexpected_failures > 0 {
            return Err(Failure::Failed(anyhow!(
                "{unexpected_failures} events failed, and {EXPECTED} expects no failure"
            )));
        }
        Ok(())
    }

    fn accept(&self, folder: &Folder) -> Result<(), Failure> {
        let path = folder.root.join(EXPECTED);
        let text = format!("{}\n", serde_json::to_string_pretty(&self.outcomes).context("JSON")?);
        Ok(std::fs::write(&path, text).with_context(|| path.display().to_string())?)
    }
}

fn expectations(folder: &Folder) -> Result<Map<String, Value>, Failure> {
    let path = folder.root.join(EXPECTED);
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(Map::new()) };
    let expected = serde_json::from_str(&text).with_context(|| {
        format!("{} must be an object with a list of outcomes for each file of samples", path.display())
    })?;
    Ok(expected)
}

/// Prints what came of one event.
pub(super) fn show(sample: &Sample, ran: &Ran) {
    let place = if sample.source.contains('@') {
        sample.source.clone()
    } else {
        format!("{} #{}", sample.source, sample.index + 1)
    };
    let cost = format!(
        "{:.2} ms, {:.1} MiB, {} fuel",
        ran.took.max(Duration::from_micros(1)).as_secs_f64() * 1_000.0,
        ran.memory_bytes as f64 / f64::from(1 << 20),
        ran.fuel
    );
    match &ran.outcome {
        Ok(updates) => {
            let plural = if updates.len() == 1 { "" } else { "s" };
            println!("{place}: {} update{plural} ({cost})", updates.len());
            for update in of_outcome(&ran.outcome).as_array().into_iter().flatten() {
                println!("  {}", short(&update.to_string()));
            }
        }
        Err(failure) => {
            println!("{place}: failed ({cost})");
            println!("  {failure}");
            for line in failure.traceback.lines() {
                println!("  | {line}");
            }
        }
    }
    for line in &ran.logs {
        println!("  log: {}", short(line));
    }
}

/// A text on one line, cut where it is long.
pub(super) fn short(text: &str) -> String {
    let text = text.replace('\n', "\\n");
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((at, _)) => format!("{} ... ({} bytes)", &text[..at], text.len()),
        None => text,
    }
}
