//! The kinds of faults.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use anyhow::Result;
use clap::ValueEnum;

use super::chunk::Chunk;
use super::{broker, database, disk, engine, pause, rivalry, volume, worker};
use crate::fluvio;
use crate::trial::Outcome;

/// Hears what is done.
pub type Tell<'a> = &'a (dyn Fn(String) + Sync);

/// One kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Scenario {
    /// The engine is killed.
    Kills,
    /// The engine is suspended, and loses its connections to Postgres meanwhile.
    Stops,
    /// Postgres is killed or restarted.
    PostgresKills,
    /// The SPU of a Fluvio cluster is killed or restarted.
    BrokerKills,
    /// One of two processes on a Fluvio cluster is killed, or suspended past its lease.
    WorkerLosses,
    /// The log's disk is full.
    DiskFull,
    /// A second engine is started beside the first.
    TwoEngines,
}

/// How much of it there is, and how long that takes about, in seconds on a machine with two cores.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Rounds of the whole scenario.
    pub rounds: u64,
    /// Rounds of one chunk.
    pub chunk: u64,
    /// What a round takes.
    pub round_seconds: f64,
    /// What the start and the audit of a chunk take.
    pub chunk_seconds: f64,
}

impl Scenario {
    /// All of them, in the order in which they run.
    pub const ALL: [Self; 7] = [
        Self::Kills,
        Self::Stops,
        Self::PostgresKills,
        Self::BrokerKills,
        Self::WorkerLosses,
        Self::DiskFull,
        Self::TwoEngines,
    ];

    /// Its name, as `--only` and the table have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kills => "kills",
            Self::Stops => "stops",
            Self::PostgresKills => "postgres-kills",
            Self::BrokerKills => "broker-kills",
            Self::WorkerLosses => "worker-losses",
            Self::DiskFull => "disk-full",
            Self::TwoEngines => "two-engines",
        }
    }

    /// Its size.
    #[must_use]
    pub const fn size(self) -> Size {
        match self {
            Self::Kills => Size { rounds: 300, chunk: 20, round_seconds: 2.5, chunk_seconds: 15.0 },
            Self::Stops => Size { rounds: 20, chunk: 10, round_seconds: 4.5, chunk_seconds: 15.0 },
            // Every third round is a restart: 20 kills.
            Self::PostgresKills => Size { rounds: 30, chunk: 10, round_seconds: 7.0, chunk_seconds: 15.0 },
            // Every sixth round is a restart: 50 kills.
            Self::BrokerKills => Size { rounds: 60, chunk: 12, round_seconds: 6.0, chunk_seconds: 30.0 },
            Self::WorkerLosses => Size { rounds: 10, chunk: 10, round_seconds: 15.0, chunk_seconds: 45.0 },
            Self::DiskFull => Size { rounds: 6, chunk: 3, round_seconds: 12.0, chunk_seconds: 25.0 },
            Self::TwoEngines => Size { rounds: 6, chunk: 6, round_seconds: 8.0, chunk_seconds: 15.0 },
        }
    }

    /// Why it can not run here, where it can not.
    #[must_use]
    pub fn obstacle(self) -> Option<String> {
        match self {
            Self::BrokerKills | Self::WorkerLosses if fluvio::program().is_none() => {
                Some("no Fluvio cluster (put fluvio-run on PATH)".to_owned())
            }
            Self::DiskFull => {
                volume::obstacle().map(|why| format!("no small file system (a tmpfs needs root: {why})"))
            }
            _ => None,
        }
    }

    /// Runs some rounds of it.
    #[must_use]
    pub fn run<'a>(
        self,
        chunk: &'a Chunk,
        tell: Tell<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<Outcome>> + 'a>> {
        match self {
            Self::Kills => Box::pin(engine::run(chunk, tell)),
            Self::Stops => Box::pin(pause::run(chunk, tell)),
            Self::PostgresKills => Box::pin(database::run(chunk, tell)),
            Self::BrokerKills => Box::pin(broker::run(chunk, tell)),
            Self::WorkerLosses => Box::pin(worker::run(chunk, tell)),
            Self::DiskFull => Box::pin(disk::run(chunk, tell)),
            Self::TwoEngines => Box::pin(rivalry::run(chunk, tell)),
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
