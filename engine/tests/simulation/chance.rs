//! Chance that repeats: everything that is random in a schedule comes from its seed, in the order in which it is asked.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

/// The chance of one schedule. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Chance(Arc<Mutex<SmallRng>>);

impl Chance {
    pub(crate) fn of(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(SmallRng::seed_from_u64(seed))))
    }

    fn with<T>(&self, draw: impl FnOnce(&mut SmallRng) -> T) -> T {
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A number of a range.
    pub(crate) fn number(&self, range: Range<u64>) -> u64 {
        self.with(|rng| rng.random_range(range))
    }

    /// True so often.
    pub(crate) fn happens(&self, probability: f64) -> bool {
        self.with(|rng| rng.random_bool(probability))
    }

    /// Lets others have their turn for some time of a range of milliseconds.
    pub(crate) async fn pause(&self, ms: Range<u64>) {
        tokio::time::sleep(Duration::from_millis(self.number(ms))).await;
    }
}
