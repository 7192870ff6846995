//! What is finished, in a file, so that an interrupted harness goes on.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::chunk::Chunk;
use super::scenario::Scenario;
use super::tally::Tally;

/// The state of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Seed of everything that is random.
    pub seed: u64,
    /// When the program under test was built, in seconds since the epoch: what was found of another one counts for nothing.
    pub built: u64,
    /// Sums by the name of the scenario.
    pub tallies: BTreeMap<String, Tally>,
}

impl State {
    /// A run of that program that has just begun.
    pub fn new(seed: u64, binary: &Path) -> Result<Self> {
        let modified = fs::metadata(binary)?.modified()?;
        let built = modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(Self { seed, built, tallies: BTreeMap::new() })
    }

    /// What the file holds; `None` where there is none.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("could not read {}", path.display())),
        };
        let state = serde_json::from_str(&text);
        state.with_context(|| format!("{} is no state of this harness; FRESH=1 starts anew", path.display()))
    }

    /// Stores it; a crash leaves the old file or the new one.
    pub fn save(&self, path: &Path) -> Result<()> {
        let folder = path.parent().context("a file has a folder")?;
        fs::create_dir_all(folder)?;
        let new = path.with_extension("new");
        fs::write(&new, serde_json::to_string_pretty(self)?)?;
        fs::rename(&new, path).with_context(|| format!("could not write {}", path.display()))
    }

    /// The sums of a scenario.
    #[must_use]
    pub fn tally(&self, scenario: Scenario) -> Tally {
        self.tallies.get(scenario.name()).cloned().unwrap_or_default()
    }

    /// The sums of a scenario, to be added to.
    pub fn tally_mut(&mut self, scenario: Scenario) -> &mut Tally {
        self.tallies.entry(scenario.name().to_owned()).or_default()
    }

    /// What of a scenario has to be done next, where it shall have so many rounds; `None` where all is done.
    #[must_use]
    pub fn next_chunk(&self, scenario: Scenario, rounds: u64) -> Option<Chunk> {
        let first = self.tally(scenario).rounds;
        let rounds = rounds.checked_sub(first).filter(|left| *left > 0)?.min(scenario.size().chunk);
        Some(Chunk { first, rounds, seed: mixed(self.seed, scenario, first) })
    }
}

/// A seed for each place of a run, the same in each run of that seed.
fn mixed(seed: u64, scenario: Scenario, first: u64) -> u64 {
    let parts = [seed, scenario as u64, first];
    // SplitMix64: seeds that lie side by side give unlike ones.
    parts.into_iter().fold(0, |mixed, part| {
        let mut z: u64 = (mixed ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_state_goes_on_behind_its_last_chunk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("faults").join("state.json");
        assert_eq!(State::load(&path).unwrap(), None);
        let mut state = State { seed: 7, ..State::default() };
        let first = state.next_chunk(Scenario::Stops, 14).unwrap();
        assert_eq!((first.first, first.rounds), (0, 10));
        state.tally_mut(Scenario::Stops).rounds = 10;
        state.save(&path).unwrap();
        let state = State::load(&path).unwrap().unwrap();
        let second = state.next_chunk(Scenario::Stops, 14).unwrap();
        assert_eq!((second.first, second.rounds), (10, 4));
        assert_ne!(first.seed, second.seed);
        assert_eq!(state.next_chunk(Scenario::Stops, 10), None);
        assert_eq!(state.next_chunk(Scenario::Stops, 3), None);
    }

    #[test]
    fn a_file_of_something_else_is_refused_with_advice() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "[]").unwrap();
        assert!(State::load(file.path()).unwrap_err().to_string().contains("FRESH=1"));
    }
}
