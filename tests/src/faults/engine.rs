//! The engine is killed at random moments, its Postgres with it every second time, and now and then once more while it
//! starts: the [kill test](crate::kill).

use anyhow::Result;

use super::chunk::{CONNECTIONS, Chunk};
use super::scenario::{Scenario, Tell};
use crate::kill::{self, Postgres, Settings};
use crate::trial::Outcome;

/// Events that are posted in a round: enough for a round to find every stage at work, and few enough that they come out
/// before the next one.
const EVENTS: u64 = 600;

/// Every so many rounds the engine is killed while it starts.
const START_KILLED_EVERY: u64 = 5;

/// Runs a chunk.
pub(super) async fn run(chunk: &Chunk, tell: Tell<'_>) -> Result<Outcome> {
    let number = chunk.first / Scenario::Kills.size().chunk;
    let settings = Settings {
        rounds: chunk.rounds,
        events: chunk.rounds * EVENTS,
        connections: CONNECTIONS,
        // In turn: rows that have to come in order, and transactions over many partitions.
        partitions: if number.is_multiple_of(2) { 1 } else { 32 },
        postgres: Postgres::KilledEverySecondTime,
        start_killed_every: START_KILLED_EVERY,
        seed: chunk.seed,
    };
    Ok(kill::run(&settings, tell).await?.outcome)
}
