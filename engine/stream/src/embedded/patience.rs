//! Whether the committer waits a moment for more appends before a commit.
//!
//! Callers that append again as soon as they are answered come back together within less than a sync: waiting for them
//! makes one full group of what would become two half ones. Callers that have other work between two appends come back
//! one by one: waiting for them only leaves the disk idle while they work. Which of the two it is shows by waiting; after
//! a wait that was in vain it is tried ever more rarely.

use std::time::Duration;

/// It never waits longer than this.
const WAIT_MAX: Duration = Duration::from_millis(1);

/// After so many waits in vain the pauses between them grow no further: 2^6 groups.
const VAIN_MAX: u32 = 6;

/// What the committer has learned of its callers.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// Appends that were in flight at the last commit.
    in_flight: usize,
    /// The time of the last sync.
    sync: Duration,
    /// Waits in vain since the last one that was not.
    vain: u32,
    /// Groups to take without waiting.
    pause: u32,
}

impl Patience {
    /// How many appends to wait for and how long.
    pub(super) fn wait(&self) -> (usize, Duration) {
        if self.pause > 0 || self.in_flight <= 1 {
            return (1, Duration::ZERO);
        }
        (self.in_flight, self.sync.min(WAIT_MAX))
    }

    /// Whether waiting pays: callers come back at once.
    pub(super) fn pays(&self) -> bool {
        self.pause == 0 && self.vain == 0
    }

    /// A group of so many appends was taken after that.
    pub(super) fn took(&mut self, appends: usize) {
        if self.pause > 0 {
            self.pause -= 1;
        } else if appends * 4 >= self.in_flight * 3 {
            self.vain = 0;
        } else {
            self.vain = (self.vain + 1).min(VAIN_MAX);
            self.pause = 1 << self.vain;
        }
    }

    /// The group was committed: so many appends were in flight, the sync took so long.
    pub(super) fn committed(&mut self, in_flight: usize, sync: Duration) {
        (self.in_flight, self.sync) = (in_flight, sync);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNC: Duration = Duration::from_micros(100);

    #[test]
    fn nobody_waits_for_a_lone_caller() {
        let mut patience = Patience::default();
        for _ in 0..10 {
            assert_eq!(patience.wait(), (1, Duration::ZERO));
            patience.took(1);
            patience.committed(1, SYNC);
        }
    }

    #[test]
    fn callers_that_come_back_at_once_are_waited_for() {
        let mut patience = Patience::default();
        patience.took(64);
        for took in [64, 60, 50] {
            patience.committed(64, SYNC);
            assert_eq!(patience.wait(), (64, SYNC));
            patience.took(took);
        }
        patience.committed(64, Duration::from_secs(1));
        assert_eq!(patience.wait(), (64, WAIT_MAX));
    }

    #[test]
    fn waits_in_vain_become_rare_and_success_brings_them_back() {
        let mut patience = Patience::default();
        patience.committed(64, SYNC);
        let mut waits = 0;
        for _ in 0..1000 {
            waits += u32::from(patience.wait().0 > 1);
            patience.took(20);
            patience.committed(64, SYNC);
        }
        assert!((6..30).contains(&waits), "{waits}");
        while patience.wait().0 == 1 {
            patience.took(20);
            patience.committed(64, SYNC);
        }
        for _ in 0..10 {
            patience.took(64);
            patience.committed(64, SYNC);
            assert_eq!(patience.wait(), (64, SYNC));
        }
    }
}
