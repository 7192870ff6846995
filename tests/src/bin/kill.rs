//! The kill test as a program: kills the engine while events are posted, restarts it, and audits every write.
//!
//! ```text
//! kill [--rounds 20] [--events 20000] [--seed N] [--spare-postgres]
//! ```
//!
//! Without `--spare-postgres` its Postgres is killed too, every second time. The exit status is 0 when every
//! acknowledged event was written exactly once and nothing else was.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use granary_tests::kill::{self, Postgres, Settings};

/// Kills the engine while events are posted, and audits every write.
#[derive(Parser)]
struct Arguments {
    /// How often the engine is killed
    #[arg(long, default_value_t = 20)]
    rounds: u64,
    /// Events posted in all
    #[arg(long, default_value_t = 20_000)]
    events: u64,
    /// Connections that post
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Seed of the random moments; drawn and printed where none is given
    #[arg(long)]
    seed: Option<u64>,
    /// Never kill its Postgres
    #[arg(long)]
    spare_postgres: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(rand::random);
    let settings = Settings {
        rounds: arguments.rounds,
        events: arguments.events,
        connections: arguments.connections,
        postgres: if arguments.spare_postgres { Postgres::Spared } else { Postgres::KilledEverySecondTime },
        seed,
        ..Settings::default()
    };
    println!("kill: {} rounds, {} events, seed {seed}", settings.rounds, settings.events);
    let verdict = kill::run(&settings, &|line| println!("kill: {line}")).await?;
    println!("{verdict}");
    match verdict.check() {
        Ok(()) => {
            println!(
                "kill: every acknowledged event is there, each was written exactly once, and nothing else is there"
            );
            Ok(ExitCode::SUCCESS)
        }
        Err(_) => {
            println!("kill: FAILED (seed {seed})");
            Ok(ExitCode::FAILURE)
        }
    }
}
