//! Some rounds of a scenario on one fresh node.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::load::Plan;
use crate::trial::Settings;

/// Connections that post, each with a key of its own.
pub const CONNECTIONS: usize = 16;

/// Some rounds of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Number of its first round, from 0.
    pub first: u64,
    /// How many rounds.
    pub rounds: u64,
    /// Seed of what is random in it.
    pub seed: u64,
}

impl Chunk {
    /// The numbers of its rounds.
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        self.first..self.first + self.rounds
    }

    /// Its chance.
    #[must_use]
    pub fn chance(&self) -> StdRng {
        StdRng::seed_from_u64(self.seed)
    }
}

/// A trial that posts at this rate until its end, with live segments of one partition, so that rows have to come in order.
#[must_use]
pub fn steady(run: &'static str, per_second: f64) -> Settings {
    Settings { run, partitions: 1, padding: 0, plan: Plan::endless(CONNECTIONS).at_rate(per_second) }
}

/// Waits for a random moment: the faults have to come at any.
pub async fn random_moment(chance: &mut StdRng, most: Duration) {
    tokio::time::sleep(random_time(chance, Duration::ZERO, most)).await;
}

/// A random time between two.
pub fn random_time(chance: &mut StdRng, least: Duration, most: Duration) -> Duration {
    Duration::from_secs_f64(chance.random_range(least.as_secs_f64()..=most.as_secs_f64()))
}
