//! The table of what was found.

use std::fmt;

use super::scenario::Scenario;
use super::state::State;
use super::tally::Tally;

/// What became of a scenario.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// It ran, so far.
    Ran {
        /// Which one.
        scenario: Scenario,
        /// How many rounds it shall have.
        wanted: u64,
        /// What it came to.
        tally: Tally,
    },
    /// It can not run here.
    Skipped(Scenario, String),
}

impl Row {
    /// The row of a scenario that can run.
    #[must_use]
    pub fn of(state: &State, scenario: Scenario, wanted: u64) -> Self {
        Self::Ran { scenario, wanted, tally: state.tally(scenario) }
    }

    fn verdict(&self) -> String {
        match self {
            Self::Skipped(_, why) => format!("skipped: {why}"),
            Self::Ran { tally, .. } if !tally.clean() => match tally.failures.first() {
                Some(failure) => format!("FAILED: {}", failure.lines().next().unwrap_or_default()),
                None if tally.strange > 0 => format!("FAILED: {} never sent or dead letters", tally.strange),
                None => "FAILED".to_owned(),
            },
            Self::Ran { tally, wanted, .. } if tally.rounds < *wanted => {
                format!("unfinished: {} rounds to go", wanted - tally.rounds)
            }
            Self::Ran { .. } => "clean".to_owned(),
        }
    }
}

/// The whole table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table(pub Vec<Row>);

impl Table {
    /// Whether everything that ran is finished and clean.
    #[must_use]
    pub fn clean(&self) -> bool {
        self.0.iter().all(|row| match row {
            Row::Ran { wanted, tally, .. } => tally.clean() && tally.rounds >= *wanted,
            Row::Skipped(..) => true,
        })
    }

    fn sum(&self) -> Tally {
        Tally::sum(self.0.iter().filter_map(|row| match row {
            Row::Ran { tally, .. } => Some(tally),
            Row::Skipped(..) => None,
        }))
    }

    /// The last line: everything in one.
    #[must_use]
    pub fn total(&self) -> String {
        let Tally { rounds, acknowledged, missing, doubled, disordered, .. } = self.sum();
        let skipped = self.0.iter().filter(|row| matches!(row, Row::Skipped(..))).count();
        format!(
            "{rounds} rounds, {acknowledged} events acknowledged: {missing} missing, {doubled} doubled, {disordered} out \
             of order; {}{}",
            if self.clean() { "clean" } else { "NOT CLEAN" },
            if skipped > 0 { format!(", {skipped} scenarios skipped") } else { String::new() }
        )
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads =
            ["scenario", "rounds", "acknowledged", "missing", "doubled", "out of order per key", "verdict"];
        line(f, heads.map(str::to_owned))?;
        for row in &self.0 {
            writeln!(f)?;
            let (scenario, figures) = match row {
                Row::Ran { scenario, tally, .. } => {
                    let Tally { rounds, acknowledged, missing, doubled, disordered, .. } = tally;
                    (scenario, [rounds, acknowledged, missing, doubled, disordered].map(ToString::to_string))
                }
                Row::Skipped(scenario, _) => (scenario, [(); 5].map(|()| "-".to_owned())),
            };
            let [rounds, acknowledged, missing, doubled, disordered] = figures;
            line(
                f,
                [scenario.to_string(), rounds, acknowledged, missing, doubled, disordered, row.verdict()],
            )?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, cells: [String; 7]) -> fmt::Result {
    let [scenario, rounds, acknowledged, missing, doubled, disordered, verdict] = cells;
    write!(
        f,
        "{scenario:<14}  {rounds:>6}  {acknowledged:>12}  {missing:>7}  {doubled:>7}  {disordered:>20}  {verdict}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(rounds: u64, missing: u64, failures: &[&str]) -> Row {
        let failures = failures.iter().map(|text| (*text).to_owned()).collect();
        let tally = Tally { rounds, acknowledged: 1_000, missing, failures, ..Tally::default() };
        Row::Ran { scenario: Scenario::Kills, wanted: 300, tally }
    }

    #[test]
    fn the_verdict_says_what_is_wrong() {
        assert_eq!(ran(300, 0, &[]).verdict(), "clean");
        assert_eq!(ran(20, 0, &[]).verdict(), "unfinished: 280 rounds to go");
        assert_eq!(ran(300, 1, &[]).verdict(), "FAILED");
        assert_eq!(ran(300, 0, &["it ended\nwith more"]).verdict(), "FAILED: it ended");
    }

    #[test]
    fn what_is_skipped_spoils_nothing_and_is_told() {
        let skipped = Row::Skipped(Scenario::BrokerKills, "no Fluvio cluster".to_owned());
        let table = Table(vec![ran(300, 0, &[]), skipped]);
        assert!(table.clean());
        assert!(table.total().ends_with("0 out of order; clean, 1 scenarios skipped"), "{}", table.total());
        assert!(table.to_string().ends_with("skipped: no Fluvio cluster"));
        assert!(!Table(vec![ran(300, 1, &[])]).clean() && !Table(vec![ran(299, 0, &[])]).clean());
    }
}
