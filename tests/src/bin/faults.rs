//! The fault harness as a program: `make faults`.
//!
//! ```text
//! faults [--fresh] [--only kills,stops] [--scale 0.02] [--seed N]
//! ```
//!
//! It goes on where it was interrupted. The exit status is 0 when every acknowledged event of every scenario was written
//! exactly once and in the order of its key.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Parser;
use granary_tests::faults::chunk::Chunk;
use granary_tests::faults::estimate::{Wanted, seconds_left, spoken};
use granary_tests::faults::scenario::Scenario;
use granary_tests::faults::state::State;
use granary_tests::faults::table::{Row, Table};
use granary_tests::node;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

/// Lets everything that an engine stands on fail, while events are posted, and audits every write.
#[derive(Parser)]
struct Arguments {
    /// Start anew and not where the last run was interrupted
    #[arg(long)]
    fresh: bool,
    /// Run only these scenarios
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// The share of the rounds to run, for a smoke run
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Seed of the random moments; drawn and printed where none is given
    #[arg(long)]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let path = node::target_dir().join("faults").join("state.json");
    let state = begin(&arguments, &path)?;
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        done = run(&arguments, state, &path) => return done,
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
    // The run was dropped, and with it ended what it had started.
    println!("faults: interrupted; the same command goes on behind the last whole chunk");
    Ok(ExitCode::from(130))
}

/// The state to go on from.
fn begin(arguments: &Arguments, path: &Path) -> Result<State> {
    let fresh = State::new(arguments.seed.unwrap_or_else(rand::random), &node::binary()?)?;
    let stored = if arguments.fresh { None } else { State::load(path)? };
    Ok(match stored {
        None => fresh,
        Some(stored) if stored.built != fresh.built => {
            println!("faults: the program was built anew since the last run, so that it starts anew too");
            fresh
        }
        Some(stored) => {
            let asked = arguments.seed.unwrap_or(stored.seed);
            ensure!(
                asked == stored.seed,
                "the run to go on with has seed {}; FRESH=1 starts anew",
                stored.seed
            );
            stored
        }
    })
}

async fn run(arguments: &Arguments, mut state: State, path: &Path) -> Result<ExitCode> {
    let scenarios = if arguments.only.is_empty() { &Scenario::ALL[..] } else { &arguments.only[..] };
    let mut rows: Vec<Row> = Vec::new();
    let mut wanted: Vec<Wanted> = Vec::new();
    for &scenario in scenarios {
        let rounds = (scenario.size().rounds as f64 * arguments.scale).ceil().max(1.0) as u64;
        match scenario.obstacle() {
            Some(why) => {
                println!("faults: {scenario}: skipped: {why}");
                rows.push(Row::Skipped(scenario, why));
            }
            None => {
                rows.push(Row::of(&state, scenario, rounds));
                wanted.push((scenario, rounds));
            }
        }
    }
    println!("faults: seed {}, {}", state.seed, outlook(&state, &wanted));
    for &(scenario, rounds) in &wanted {
        // What has failed is looked into before it is tried again.
        while state.tally(scenario).clean()
            && let Some(chunk) = state.next_chunk(scenario, rounds)
        {
            one(scenario, &chunk, &mut state).await;
            state.save(path)?;
            println!("faults: {}", outlook(&state, &wanted));
        }
    }
    for row in &mut rows {
        if let Row::Ran { scenario, tally, .. } = row {
            *tally = state.tally(*scenario);
        }
    }
    let table = Table(rows);
    println!("{table}");
    println!("faults: seed {}: {}", state.seed, table.total());
    Ok(if table.clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs one chunk and adds what came of it.
async fn one(scenario: Scenario, chunk: &Chunk, state: &mut State) {
    let to = chunk.first + chunk.rounds;
    println!("faults: {scenario}: rounds {} to {to}, seed of the chunk {}", chunk.first + 1, chunk.seed);
    let begun = Instant::now();
    let outcome = scenario.run(chunk, &|line| println!("faults: {scenario}: {line}")).await;
    let tally = state.tally_mut(scenario);
    match outcome {
        Ok(outcome) => {
            if !outcome.clean() {
                println!("{}\ndead letters:      {}", outcome.findings, outcome.dead_letters);
            }
            tally.add(chunk.rounds, &outcome, begun.elapsed().as_secs_f64());
        }
        Err(error) => {
            println!("faults: {scenario}: FAILED: {error:?}");
            tally.failures.push(format!("{error:#}"));
        }
    }
}

/// What is left, and how long it will take about.
fn outlook(state: &State, wanted: &[Wanted]) -> String {
    let left = |&(scenario, rounds): &Wanted| rounds.saturating_sub(state.tally(scenario).rounds);
    match wanted.iter().map(left).sum::<u64>() {
        0 => "nothing to go".to_owned(),
        rounds => format!("{rounds} rounds to go, {}", spoken(seconds_left(state, wanted))),
    }
}
