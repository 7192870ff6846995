//! Whether the committer waits a moment for more appends before a commit.
//!
//! Callers that append again as soon as they are answered come back together within less than a sync: waiting for them
//! makes one full group of what would become two half ones. Callers that have other work between two appends come back
//! one by one: waiting for them leaves the disk idle, and takes the processor from them. How full the groups become does
//! not tell the two apart, the appends per second do: so now and then a few groups are taken the other way, and what was
//! faster becomes the habit.

use std::time::{Duration, Instant};

/// It never waits longer than this.
const WAIT_MAX: Duration = Duration::from_millis(1);

/// So many groups are taken the same way before their speed is looked at.
const SPELL_GROUPS: u32 = 32;

/// Waiting must be so much faster than not waiting: where it makes no difference, it only delays.
const GAIN_MIN: f64 = 1.1;

/// The habit lasts at most so many spells until the other way is tried again.
const HABIT_SPELLS_MAX: u32 = 64;

/// Groups that are taken the same way, one after the other.
#[derive(Debug, Default)]
struct Spell {
    groups: u32,
    appends: u64,
    time: Duration,
}

impl Spell {
    /// Appends per second.
    fn pace(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a spell has few appends")]
        let appends = self.appends as f64;
        appends / self.time.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// What the committer has learned of its callers.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// Appends that were in flight at the last commit.
    in_flight: usize,
    /// The time of the last sync.
    sync: Duration,
    /// Up to when the time of the spell is counted.
    counted: Option<Instant>,
    /// Whether to wait is the habit.
    habit: bool,
    /// Whether the other way is being tried.
    trial: bool,
    /// The spell at hand.
    spell: Spell,
    /// Appends per second in the spell before the trial.
    pace: f64,
    /// Spells until the next trial, and how many that was at the beginning.
    left: u32,
    length: u32,
}

impl Patience {
    /// How many appends to wait for and how long.
    pub(super) fn wait(&self) -> (usize, Duration) {
        if self.pays() && self.in_flight > 1 {
            (self.in_flight, self.sync.min(WAIT_MAX))
        } else {
            (1, Duration::ZERO)
        }
    }

    /// Whether it waits at present: callers come back at once.
    pub(super) fn pays(&self) -> bool {
        self.habit != self.trial
    }

    /// A group of so many appends was taken.
    pub(super) fn took(&mut self, appends: usize, now: Instant) {
        self.spell.groups += 1;
        self.spell.appends += appends as u64;
        if let Some(counted) = self.counted {
            // A quiet time is nobody's fault.
            self.spell.time += now.saturating_duration_since(counted).min(WAIT_MAX);
        }
        self.counted = Some(now);
    }

    /// The group was committed: so many appends were in flight, the sync took so long.
    pub(super) fn committed(&mut self, in_flight: usize, sync: Duration, now: Instant) {
        (self.in_flight, self.sync) = (in_flight, sync);
        if let Some(taken) = self.counted.replace(now) {
            self.spell.time += now.saturating_duration_since(taken);
        }
        if self.spell.groups >= SPELL_GROUPS {
            let spell = std::mem::take(&mut self.spell);
            self.judge(spell.pace());
        }
    }

    fn judge(&mut self, pace: f64) {
        if self.trial {
            let (waiting, not) = if self.habit { (self.pace, pace) } else { (pace, self.pace) };
            let habit = waiting >= not * GAIN_MIN;
            self.length = if habit == self.habit { (self.length * 2).clamp(2, HABIT_SPELLS_MAX) } else { 1 };
            (self.habit, self.trial, self.left) = (habit, false, self.length);
        } else if self.left > 1 {
            self.left -= 1;
        } else {
            (self.trial, self.pace) = (true, pace);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNC: Duration = Duration::from_micros(100);

    /// Callers whose groups are of such a size after such a time, with and without waiting.
    struct Callers {
        now: Instant,
        waiting: (usize, Duration),
        not: (usize, Duration),
    }

    impl Callers {
        fn new(waiting: (usize, u64), not: (usize, u64)) -> Self {
            let of = |(appends, micros)| (appends, Duration::from_micros(micros));
            Self { now: Instant::now(), waiting: of(waiting), not: of(not) }
        }

        /// Commits groups of theirs and counts those that were waited for.
        fn commit(&mut self, patience: &mut Patience, groups: u32) -> u32 {
            let mut waits = 0;
            for _ in 0..groups {
                let waits_now = patience.wait().0 > 1;
                waits += u32::from(waits_now);
                let (appends, time) = if waits_now { self.waiting } else { self.not };
                patience.took(appends, self.now);
                self.now += time;
                patience.committed(64, SYNC, self.now);
            }
            waits
        }
    }

    #[test]
    fn nobody_waits_for_a_lone_caller() {
        let mut patience = Patience::default();
        let mut now = Instant::now();
        for _ in 0..1000 {
            assert_eq!(patience.wait(), (1, Duration::ZERO));
            patience.took(1, now);
            now += SYNC;
            patience.committed(1, SYNC, now);
        }
    }

    #[test]
    fn callers_that_come_back_at_once_are_waited_for() {
        let mut patience = Patience::default();
        let mut callers = Callers::new((64, 150), (32, 100));
        callers.commit(&mut patience, 4 * SPELL_GROUPS);
        let waits = callers.commit(&mut patience, 100 * SPELL_GROUPS);
        assert!(waits > 90 * SPELL_GROUPS, "{waits}");
    }

    #[test]
    fn callers_that_have_other_work_are_not() {
        let mut patience = Patience::default();
        // Fuller groups, but no more appends per second.
        let mut callers = Callers::new((30, 300), (20, 200));
        callers.commit(&mut patience, 4 * SPELL_GROUPS);
        let waits = callers.commit(&mut patience, 100 * SPELL_GROUPS);
        assert!((1..10 * SPELL_GROUPS).contains(&waits), "{waits}");
    }

    #[test]
    fn other_callers_change_the_habit() {
        let mut patience = Patience::default();
        let (at_once, busy) = (((64, 150), (32, 100)), ((30, 300), (20, 200)));
        for ((waiting, not), expected) in [(at_once, true), (busy, false), (at_once, true)] {
            Callers::new(waiting, not).commit(&mut patience, 2 * HABIT_SPELLS_MAX * SPELL_GROUPS);
            assert_eq!(patience.habit, expected);
        }
    }

    #[test]
    fn a_wait_is_bounded_and_quiet_times_do_not_count() {
        let mut patience = Patience { habit: true, ..Patience::default() };
        let now = Instant::now();
        patience.took(64, now);
        patience.committed(64, Duration::from_secs(1), now + SYNC);
        assert_eq!(patience.wait(), (64, WAIT_MAX));
        patience.took(64, now + Duration::from_secs(60));
        assert_eq!(patience.spell.time, SYNC + WAIT_MAX);
    }
}
