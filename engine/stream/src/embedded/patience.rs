//! How long the committer waits for more appends before a commit, and how.
//!
//! Each group costs the processors as much as several requests do, however few appends it holds. So the committer waits a
//! moment for the callers that it knows of, those that had appends on their way at the last commit. For a lone caller it
//! never waits, and for a few it does not sleep.
//!
//! Callers that append again as soon as they are answered come back together within less than a sync: for them it stays
//! awake, since being woken takes longer. It waits for all of them, or for half: then one half comes back while the group of
//! the other half is written, which is faster once they are so many that their coming takes longer than a larger group does.
//! Callers that have other work between two appends come back one by one, and need the processor for that: for them it
//! sleeps, until two thirds of the most that were in flight at once are there. To wait for the last ones would keep the others
//! less busy than they could be.
//!
//! How full the groups become does not tell these apart, the appends per second do: so now and then groups are taken another
//! way for a round, and what was faster becomes the habit. A disk that is slow for a moment says nothing of the callers, so what
//! counts of a round is its fastest spell.

use std::time::{Duration, Instant};

/// How long it stays awake for callers at most, and no longer than a sync takes.
const AWAKE_MAX: Duration = Duration::from_millis(1);

/// How long it sleeps at most until callers have come.
const SLEEP_MAX: Duration = Duration::from_micros(700);

/// For fewer callers than this it does not sleep: they would wait for longer than their groups save.
const SLEEP_CALLERS_MIN: usize = 4;

/// Groups of a spell.
const SPELL_GROUPS: u32 = 64;

/// Spells of a round, all of which are taken the same way: callers and the workers of their runtime need some groups to fall
/// into step with it.
const ROUND_SPELLS: u32 = 4;

/// What a sync usually takes moves by this share of the difference with each one.
const SYNC_WEIGHT: u32 = 64;

/// To stay awake must be so much faster than to sleep: where it makes no difference, others want the processor.
const GAIN_MIN: f64 = 1.1;

/// The habit lasts at most so many rounds until another way is tried again.
const HABIT_ROUNDS_MAX: u32 = 64;

/// So many after a rest.
const RESTED_ROUNDS: u32 = 2;

/// How appends are waited for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Asleep, for two thirds.
    #[default]
    Asleep,
    /// Awake, for all.
    Awake,
    /// Awake, for half.
    Half,
}

impl Way {
    const ALL: [Self; 3] = [Self::Asleep, Self::Awake, Self::Half];

    /// The other ways, by turns.
    fn another(self, turn: usize) -> Self {
        Self::ALL[(self as usize + 1 + turn % (Self::ALL.len() - 1)) % Self::ALL.len()]
    }

    /// What a pace is worth where it was reached in this way.
    fn worth(self, pace: f64) -> f64 {
        if self == Self::Asleep { pace * GAIN_MIN } else { pace }
    }
}

/// Groups that were taken one after the other.
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
    /// The most that were in flight at once in this spell, and in the one before.
    most: usize,
    most_before: usize,
    /// What a sync usually takes.
    sync: Duration,
    /// Up to when the time of the spell is counted.
    counted: Option<Instant>,
    /// How they are usually waited for.
    habit: Way,
    /// Another way that is being tried.
    trial: Option<Way>,
    /// Number of trials.
    trials: usize,
    /// The spell at hand.
    spell: Spell,
    /// Spells of the round at hand, and the appends per second of the fastest.
    spells: u32,
    pace: f64,
    /// Those of the round before the trial.
    pace_before: f64,
    /// Rounds until the next trial, and how many that was at the beginning.
    left: u32,
    length: u32,
}

impl Patience {
    /// What to wait for before the next commit, if anything.
    pub(super) fn wait(&self) -> Option<Wait> {
        let awake = Wait { appends: self.in_flight, time: self.sync.min(AWAKE_MAX), awake: true };
        let (callers_min, wait) = match self.way() {
            Way::Asleep => {
                let appends = (self.most.max(self.most_before) * 2).div_ceil(3);
                (SLEEP_CALLERS_MIN, Wait { appends, time: SLEEP_MAX, awake: false })
            }
            Way::Awake => (2, awake),
            Way::Half => (2, Wait { appends: self.in_flight.div_ceil(2), ..awake }),
        };
        (self.in_flight >= callers_min).then_some(wait)
    }

    fn way(&self) -> Way {
        self.trial.unwrap_or(self.habit)
    }

    /// Whether it waits for callers that all come back at once, together, or tries that.
    pub(super) fn all_at_once(&self) -> bool {
        self.way() == Way::Awake
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
        self.most = self.most.max(in_flight);
        self.sync =
            if self.sync.is_zero() { sync } else { (self.sync * (SYNC_WEIGHT - 1) + sync) / SYNC_WEIGHT };
        if let Some(taken) = self.counted.replace(now) {
            self.spell.time += now.saturating_duration_since(taken);
        }
        if self.spell.groups >= SPELL_GROUPS {
            let spell = std::mem::take(&mut self.spell);
            self.most_before = std::mem::take(&mut self.most);
            self.spells += 1;
            self.pace = self.pace.max(spell.pace());
            if self.spells >= ROUND_SPELLS {
                self.spells = 0;
                let pace = std::mem::take(&mut self.pace);
                self.judge(pace);
            }
        }
    }

    /// Nothing came for a while: the callers may be gone. The habit is kept, and soon put to the test.
    pub(super) fn rested(&mut self) {
        let Self { sync, habit, trials, length, .. } = *self;
        let left = self.left.min(RESTED_ROUNDS);
        *self = Self { sync, habit, trials, length, left, ..Self::default() };
    }

    /// A round is over, with that pace.
    fn judge(&mut self, pace: f64) {
        if let Some(trial) = self.trial.take() {
            let better = trial.worth(pace) > self.habit.worth(self.pace_before);
            self.length = if better { 1 } else { (self.length * 2).clamp(2, HABIT_ROUNDS_MAX) };
            self.left = self.length;
            if better {
                self.habit = trial;
            }
        } else if self.left > 1 {
            self.left -= 1;
        } else {
            (self.trial, self.pace_before) = (Some(self.habit.another(self.trials)), pace);
            self.trials += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNC: Duration = Duration::from_micros(100);
    const ROUND_GROUPS: u32 = ROUND_SPELLS * SPELL_GROUPS;

    /// Callers whose groups are of such a size after such a time, for each way to wait for them.
    struct Callers {
        now: Instant,
        groups: [(Way, usize, Duration); 3],
    }

    impl Callers {
        fn new(asleep: (usize, u64), awake: (usize, u64), half: (usize, u64)) -> Self {
            let ways = [(Way::Asleep, asleep), (Way::Awake, awake), (Way::Half, half)];
            let groups = ways.map(|(way, (appends, micros))| (way, appends, Duration::from_micros(micros)));
            Self { now: Instant::now(), groups }
        }

        /// Those who come back at once; together, or in two halves that take turns.
        fn at_once(half_micros: u64) -> Self {
            Self::new((64, 400), (64, 300), (32, half_micros))
        }

        /// Those who have other work: awake, the groups are fuller, but there are no more appends per second.
        fn busy() -> Self {
            Self::new((20, 200), (30, 300), (25, 250))
        }

        /// Commits groups of theirs and counts those that were waited for in that way.
        fn commit(&mut self, patience: &mut Patience, groups: u32, counted: Way) -> u32 {
            let mut count = 0;
            for _ in 0..groups {
                let way = patience.way();
                count += u32::from(way == counted);
                let (_, appends, time) = self.groups.into_iter().find(|(of, ..)| *of == way).unwrap();
                patience.took(appends, self.now);
                self.now += time;
                patience.committed(64, SYNC, self.now);
            }
            count
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
    fn what_was_faster_becomes_the_habit() {
        let kinds = [
            (Callers::at_once(200), Way::Awake),
            (Callers::at_once(120), Way::Half),
            (Callers::busy(), Way::Asleep),
        ];
        for (mut callers, expected) in kinds {
            let mut patience = Patience::default();
            callers.commit(&mut patience, 20 * ROUND_GROUPS, expected);
            let counted = callers.commit(&mut patience, 1000 * ROUND_GROUPS, expected);
            // The other ways are tried, ever more seldom.
            assert!((950 * ROUND_GROUPS..1000 * ROUND_GROUPS).contains(&counted), "{expected:?}: {counted}");
        }
    }

    #[test]
    fn other_callers_change_the_habit() {
        let mut patience = Patience::default();
        let asleep = Wait { appends: 43, time: SLEEP_MAX, awake: false };
        let awake = Wait { appends: 64, time: SYNC, awake: true };
        let half = Wait { appends: 32, ..awake };
        for (mut callers, expected) in [
            (Callers::at_once(200), awake),
            (Callers::busy(), asleep),
            (Callers::at_once(120), half),
            (Callers::at_once(200), awake),
            (Callers::at_once(120), half),
            (Callers::busy(), asleep),
        ] {
            callers.commit(&mut patience, 4 * HABIT_ROUNDS_MAX * ROUND_GROUPS, Way::Asleep);
            patience.trial = None;
            assert_eq!(patience.wait(), Some(expected));
        }
    }

    #[test]
    fn callers_that_left_are_forgotten() {
        let (mut patience, now) = (Patience::default(), Instant::now());
        patience.committed(60, SYNC, now);
        for (groups, expected) in [(2 * SPELL_GROUPS - 1, 40), (1, 4)] {
            for _ in 0..groups {
                patience.trial = None;
                patience.took(6, now);
                patience.committed(6, SYNC, now);
            }
            patience.trial = None;
            assert_eq!(patience.wait(), Some(Wait { appends: expected, time: SLEEP_MAX, awake: false }));
        }
    }

    #[test]
    fn a_wait_is_bounded_and_quiet_times_do_not_count() {
        let mut patience = Patience { habit: Way::Awake, ..Patience::default() };
        let now = Instant::now();
        patience.took(64, now);
        let second = Duration::from_secs(1);
        patience.committed(64, second, now + second);
        assert_eq!(patience.wait(), Some(Wait { appends: 64, time: AWAKE_MAX, awake: true }));
        patience.took(64, now + 60 * second);
        assert_eq!(patience.spell.time, second + AWAKE_MAX);
    }

    #[test]
    fn after_a_rest_nobody_is_waited_for_and_the_habit_is_kept() {
        let (mut patience, mut callers) = (Patience::default(), Callers::at_once(200));
        callers.commit(&mut patience, 16 * ROUND_GROUPS, Way::Awake);
        patience.rested();
        assert_eq!(patience.wait(), None);
        for (way, rounds) in [(Way::Awake, RESTED_ROUNDS), (Way::Half, 1), (Way::Awake, HABIT_ROUNDS_MAX / 4)]
        {
            let groups = rounds * ROUND_GROUPS;
            assert_eq!(callers.commit(&mut patience, groups, way), groups, "{way:?}");
        }
    }

    #[test]
    fn a_slow_disk_says_nothing_of_the_callers() {
        let (mut patience, mut callers) = (Patience::default(), Callers::at_once(200));
        callers.commit(&mut patience, 20 * ROUND_GROUPS, Way::Awake);
        let mut counted = 0;
        for spell in 0..4000 {
            // Three spells of ten are half as fast.
            let slowness = if spell % 10 < 3 { 2 } else { 1 };
            let groups = callers.groups;
            callers.groups.iter_mut().for_each(|(.., time)| *time *= slowness);
            counted += callers.commit(&mut patience, SPELL_GROUPS, Way::Awake);
            callers.groups = groups;
        }
        assert!(counted > 3800 * SPELL_GROUPS, "{counted}");
    }
}
