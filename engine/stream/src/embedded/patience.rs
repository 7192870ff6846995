//! How long the committer waits for more appends before a commit, and how.
//!
//! Each group costs the processors as much as several requests do, however few appends it holds. So the committer waits a
//! moment for the callers that it knows of, those that had appends on their way at the last commit. For a lone caller it
//! never waits, and for a few it does not sleep.
//!
//! Callers that append again as soon as they are answered come back together within less than a sync: for them it stays
//! awake, since being woken takes longer. Callers that have other work between two appends come back one by one, and need
//! the processor for that: for them it sleeps. How full the groups become does not tell the two apart, the appends per second
//! do: so now and then a few groups are taken the other way, and what was faster becomes the habit. Each sync counts as long as
//! one usually takes, since a few that are slow would say more of the disk than of the callers.

use std::time::{Duration, Instant};

/// How long it stays awake for callers at most, and no longer than a sync takes.
const AWAKE_MAX: Duration = Duration::from_millis(1);

/// How long it sleeps until callers have come. Longer, and those who came first keep less busy than they could.
const SLEEP_MAX: Duration = Duration::from_micros(300);

/// For fewer callers than this it does not sleep: they would wait for longer than their groups save.
const SLEEP_CALLERS_MIN: usize = 4;

/// So many groups are taken the same way before their speed is looked at.
const SPELL_GROUPS: u32 = 32;

/// What a sync usually takes moves by this share of the difference with each one.
const SYNC_WEIGHT: u32 = 64;

/// To stay awake must be so much faster than to sleep: where it makes no difference, others want the processor.
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

/// A wait for appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait {
    /// Until so many are there.
    pub(super) appends: usize,
    /// At most so long.
    pub(super) time: Duration,
    /// Whether to keep the processor meanwhile.
    pub(super) awake: bool,
}

/// What the committer has learned of its callers.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// Appends that were in flight at the last commit.
    in_flight: usize,
    /// The time that a sync usually takes.
    sync: Duration,
    /// Up to when the time of the spell is counted.
    counted: Option<Instant>,
    /// Whether to stay awake is the habit.
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
    /// What to wait for before the next commit, if anything.
    pub(super) fn wait(&self) -> Option<Wait> {
        let awake = self.at_once();
        let (callers_min, time) =
            if awake { (2, self.sync.min(AWAKE_MAX)) } else { (SLEEP_CALLERS_MIN, SLEEP_MAX) };
        (self.in_flight >= callers_min).then_some(Wait { appends: self.in_flight, time, awake })
    }

    /// Whether callers seem to come back at once, or that is being tried.
    pub(super) fn at_once(&self) -> bool {
        self.habit != self.trial
    }

    /// A group of so many appends was taken.
    pub(super) fn took(&mut self, appends: usize, now: Instant) {
        self.spell.groups += 1;
        self.spell.appends += appends as u64;
        if let Some(counted) = self.counted {
            // A quiet time is nobody's fault, and no wait is longer.
            self.spell.time += now.saturating_duration_since(counted).min(AWAKE_MAX);
        }
        self.counted = Some(now);
    }

    /// The group was committed: so many appends were in flight, the sync took so long.
    pub(super) fn committed(&mut self, in_flight: usize, sync: Duration, now: Instant) {
        self.in_flight = in_flight;
        self.sync =
            if self.sync.is_zero() { sync } else { (self.sync * (SYNC_WEIGHT - 1) + sync) / SYNC_WEIGHT };
        if let Some(taken) = self.counted.replace(now) {
            self.spell.time += now.saturating_duration_since(taken).saturating_sub(sync) + self.sync;
        }
        if self.spell.groups >= SPELL_GROUPS {
            let spell = std::mem::take(&mut self.spell);
            self.judge(spell.pace());
        }
    }

    fn judge(&mut self, pace: f64) {
        if self.trial {
            let (awake, asleep) = if self.habit { (self.pace, pace) } else { (pace, self.pace) };
            let habit = awake >= asleep * GAIN_MIN;
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

    /// Callers whose groups are of such a size after such a time, by how they are waited for.
    struct Callers {
        now: Instant,
        awake: (usize, Duration),
        asleep: (usize, Duration),
    }

    impl Callers {
        fn new(awake: (usize, u64), asleep: (usize, u64)) -> Self {
            let of = |(appends, micros)| (appends, Duration::from_micros(micros));
            Self { now: Instant::now(), awake: of(awake), asleep: of(asleep) }
        }

        /// Commits groups of theirs and counts those for which it stayed awake.
        fn commit(&mut self, patience: &mut Patience, groups: u32) -> u32 {
            let mut stayed = 0;
            for _ in 0..groups {
                let awake = patience.wait().is_some_and(|wait| wait.awake);
                stayed += u32::from(awake);
                let (appends, time) = if awake { self.awake } else { self.asleep };
                patience.took(appends, self.now);
                self.now += time;
                patience.committed(64, SYNC, self.now);
            }
            stayed
        }
    }

    #[test]
    fn nobody_waits_for_a_lone_caller() {
        let mut patience = Patience::default();
        let mut now = Instant::now();
        for _ in 0..1000 {
            assert_eq!(patience.wait(), None);
            patience.took(1, now);
            now += SYNC;
            patience.committed(1, SYNC, now);
        }
    }

    #[test]
    fn it_does_not_sleep_for_a_few() {
        let mut patience = Patience::default();
        for (in_flight, sleeps) in [(2, false), (SLEEP_CALLERS_MIN - 1, false), (SLEEP_CALLERS_MIN, true)] {
            patience.committed(in_flight, SYNC, Instant::now());
            assert_eq!(patience.wait().is_some(), sleeps, "{in_flight}");
        }
    }

    #[test]
    fn it_stays_awake_for_callers_that_come_back_at_once() {
        let mut patience = Patience::default();
        let mut callers = Callers::new((64, 150), (64, 200));
        callers.commit(&mut patience, 4 * SPELL_GROUPS);
        let stayed = callers.commit(&mut patience, 100 * SPELL_GROUPS);
        assert!(stayed > 90 * SPELL_GROUPS, "{stayed}");
    }

    #[test]
    fn it_sleeps_for_callers_that_have_other_work() {
        let mut patience = Patience::default();
        // Fuller groups, but no more appends per second.
        let mut callers = Callers::new((30, 300), (20, 200));
        callers.commit(&mut patience, 4 * SPELL_GROUPS);
        let stayed = callers.commit(&mut patience, 100 * SPELL_GROUPS);
        assert!((1..10 * SPELL_GROUPS).contains(&stayed), "{stayed}");
        assert_eq!(patience.wait(), Some(Wait { appends: 64, time: SLEEP_MAX, awake: false }));
    }

    #[test]
    fn other_callers_change_the_habit() {
        let mut patience = Patience::default();
        let (at_once, busy) = (((64, 150), (32, 100)), ((30, 300), (20, 200)));
        for ((awake, asleep), expected) in [(at_once, true), (busy, false), (at_once, true)] {
            Callers::new(awake, asleep).commit(&mut patience, 2 * HABIT_SPELLS_MAX * SPELL_GROUPS);
            assert_eq!(patience.habit, expected);
        }
    }

    #[test]
    fn a_wait_is_bounded_and_quiet_times_do_not_count() {
        let mut patience = Patience { habit: true, ..Patience::default() };
        let now = Instant::now();
        patience.took(64, now);
        let second = Duration::from_secs(1);
        patience.committed(64, second, now + second);
        assert_eq!(patience.wait(), Some(Wait { appends: 64, time: AWAKE_MAX, awake: true }));
        patience.took(64, now + 60 * second);
        assert_eq!(patience.spell.time, second + AWAKE_MAX);
    }

    #[test]
    fn a_slow_sync_says_nothing_of_the_callers() {
        let mut patience = Patience::default();
        let mut now = Instant::now();
        for sync in [SYNC, 100 * SYNC] {
            patience.took(64, now);
            now += sync + SYNC;
            patience.committed(64, sync, now);
        }
        assert!(patience.spell.time < 6 * SYNC, "{:?}", patience.spell.time);
    }
}
