//! Latencies and their percentiles.

use std::time::Duration;

/// A collection of measured durations. Exact: every value is kept (4 bytes each), which is cheap for the millions of
/// values that a run has.
#[derive(Debug, Default, Clone)]
pub struct Latencies {
    micros: Vec<u32>,
}

impl Latencies {
    /// Adds one.
    pub fn record(&mut self, value: Duration) {
        self.micros.push(u32::try_from(value.as_micros()).unwrap_or(u32::MAX));
    }

    /// Adds all of another collection.
    pub fn merge(&mut self, other: &Self) {
        self.micros.extend_from_slice(&other.micros);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.micros.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.micros.is_empty()
    }

    /// The value that `share` (0 to 1) of all values do not exceed, by the nearest-rank rule; zero where there is none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        if self.micros.is_empty() {
            return Duration::ZERO;
        }
        let mut sorted = self.micros.clone();
        let rank = (share.clamp(0.0, 1.0) * sorted.len() as f64).ceil() as usize;
        let (_, value, _) = sorted.select_nth_unstable(rank.saturating_sub(1));
        Duration::from_micros(u64::from(*value))
    }
}

/// A duration in milliseconds with its fraction.
#[must_use]
pub fn ms(value: Duration) -> f64 {
    value.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_follow_the_nearest_rank() {
        let mut l = Latencies::default();
        for n in (1..=100).rev() {
            l.record(Duration::from_millis(n));
        }
        assert_eq!(l.quantile(0.5), Duration::from_millis(50));
        assert_eq!(l.quantile(0.99), Duration::from_millis(99));
        assert_eq!(l.quantile(1.0), Duration::from_millis(100));
        assert_eq!(l.quantile(0.0), Duration::from_millis(1));
    }

    #[test]
    fn without_values_every_quantile_is_zero() {
        assert_eq!(Latencies::default().quantile(0.99), Duration::ZERO);
    }
}
