//! The sums of a scenario.

use serde::{Deserialize, Serialize};

use crate::trial::Outcome;

/// What the finished rounds of a scenario came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Rounds that were finished.
    pub rounds: u64,
    /// Events acknowledged.
    pub acknowledged: u64,
    /// Acknowledged events that are not there.
    pub missing: u64,
    /// Events that were written more than once.
    pub doubled: u64,
    /// Acknowledged events that came behind a later one of their key.
    pub disordered: u64,
    /// What was written and never sent, and dead letters.
    pub strange: u64,
    /// How long the rounds took.
    pub seconds: f64,
    /// Chunks that were finished.
    pub chunks: u64,
    /// What else went wrong: an engine that ended, a server that did not come back.
    pub failures: Vec<String>,
}

impl Tally {
    /// Adds a finished chunk.
    pub fn add(&mut self, rounds: u64, outcome: &Outcome, seconds: f64) {
        let findings = &outcome.findings;
        self.rounds += rounds;
        self.acknowledged += outcome.acknowledged;
        self.missing += findings.missing_count();
        self.doubled += findings.repeated_count();
        self.disordered += findings.disordered.len() as u64;
        self.strange += findings.unsent.len() as u64 + outcome.dead_letters;
        self.seconds += seconds;
        self.chunks += 1;
    }

    /// The same together with others.
    #[must_use]
    pub fn sum<'a>(tallies: impl IntoIterator<Item = &'a Self>) -> Self {
        tallies.into_iter().fold(Self::default(), |mut sum, tally| {
            sum.rounds += tally.rounds;
            sum.acknowledged += tally.acknowledged;
            sum.missing += tally.missing;
            sum.doubled += tally.doubled;
            sum.disordered += tally.disordered;
            sum.strange += tally.strange;
            sum.seconds += tally.seconds;
            sum.chunks += tally.chunks;
            sum.failures.extend_from_slice(&tally.failures);
            sum
        })
    }

    /// Whether everything so far is as it must be.
    #[must_use]
    pub fn clean(&self) -> bool {
        self.missing + self.doubled + self.disordered + self.strange == 0 && self.failures.is_empty()
    }
}
