//! How long the rest will take: what is known beforehand, corrected by what was measured.

use super::scenario::Scenario;
use super::state::State;

/// A scenario and how many rounds it shall have.
pub type Wanted = (Scenario, u64);

/// The seconds that are left of these scenarios.
#[must_use]
pub fn seconds_left(state: &State, wanted: &[Wanted]) -> f64 {
    let overall = correction(state, &Scenario::ALL).unwrap_or(1.0);
    let left = |&(scenario, rounds): &Wanted| {
        let rounds = rounds.saturating_sub(state.tally(scenario).rounds);
        let chunks = rounds.div_ceil(scenario.size().chunk);
        expected(scenario, rounds, chunks) * correction(state, &[scenario]).unwrap_or(overall)
    };
    wanted.iter().map(left).sum()
}

/// What this machine has needed for the finished rounds, as a multiple of what was expected.
fn correction(state: &State, scenarios: &[Scenario]) -> Option<f64> {
    let tallies: Vec<_> = scenarios.iter().map(|scenario| (*scenario, state.tally(*scenario))).collect();
    let needed: f64 = tallies.iter().map(|(_, tally)| tally.seconds).sum();
    let expected: f64 =
        tallies.iter().map(|(scenario, tally)| expected(*scenario, tally.rounds, tally.chunks)).sum();
    (expected > 0.0).then(|| needed / expected)
}

fn expected(scenario: Scenario, rounds: u64, chunks: u64) -> f64 {
    let size = scenario.size();
    rounds as f64 * size.round_seconds + chunks as f64 * size.chunk_seconds
}

/// `about 25 min`, `about 40 s`.
#[must_use]
pub fn spoken(seconds: f64) -> String {
    if seconds < 90.0 { format!("about {seconds:.0} s") } else { format!("about {:.0} min", seconds / 60.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_corrects_what_is_left() {
        let mut state = State::default();
        let wanted = [(Scenario::Stops, 20), (Scenario::TwoEngines, 6)];
        let at_first = seconds_left(&state, &wanted);
        let (stops, rivals) = (expected(Scenario::Stops, 10, 1), expected(Scenario::TwoEngines, 6, 1));
        assert!((at_first - 2.0 * stops - rivals).abs() < 1e-6);
        // A machine that is three times as slow.
        let tally = state.tally_mut(Scenario::Stops);
        (tally.rounds, tally.chunks, tally.seconds) = (10, 1, 3.0 * stops);
        assert!((seconds_left(&state, &wanted) - 3.0 * (stops + rivals)).abs() < 1e-6);
        state.tally_mut(Scenario::Stops).rounds = 20;
        assert_eq!(seconds_left(&state, &wanted[..1]), 0.0);
    }

    #[test]
    fn times_are_told_as_one_would() {
        assert_eq!((spoken(40.4), spoken(1_500.0)), ("about 40 s".to_owned(), "about 25 min".to_owned()));
    }
}
