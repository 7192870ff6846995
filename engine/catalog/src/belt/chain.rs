//! Chains of belts: what one writes another reads. A chain that comes back to where it began would give every event to
//! the same belts for ever, so it is refused.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use super::{Belt, BeltType};
use crate::event_type::DATA_IN_PREFIX;

/// What a belt reads and writes, as far as chains go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Identifies the belt.
    pub id: i64,
    /// Its name, for people.
    pub name: String,
    /// Names of the event types that it reads.
    pub reads: Vec<String>,
    /// Names of the event types that it may write.
    pub writes: Vec<String>,
}

impl From<&Belt> for Link {
    fn from(belt: &Belt) -> Self {
        // A raw topic may be the stream of an event type.
        let raw =
            belt.kafka_destination_topic.as_deref().and_then(|topic| topic.strip_prefix(DATA_IN_PREFIX));
        let outputs = belt.output_types.iter().map(|output| output.name.as_str());
        // A dbt belt runs on a schedule, whatever it reads.
        let chains = belt.belt_type != BeltType::DbtSegment;
        Self {
            id: belt.id,
            name: belt.name.clone(),
            reads: belt.event_types.clone(),
            writes: outputs.chain(raw).filter(|_| chains).map(str::to_owned).collect(),
        }
    }
}

/// A way from a belt back to itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle {
    /// Each belt of the way, by name, with the event type that it hands on to the next; the last one hands on to the
    /// first.
    pub steps: Vec<(String, String)>,
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (belt, event_type) in &self.steps {
            write!(f, "belt '{belt}' -> event type '{event_type}' -> ")?;
        }
        match self.steps.first() {
            Some((first, _)) => write!(f, "belt '{first}'"),
            None => Ok(()),
        }
    }
}

/// The shortest cycle that `belt` closes among the belts that are there, if it closes one. A belt with its id among them
/// is what it replaces.
#[must_use]
pub fn cycle(belt: &Link, there: &[Link]) -> Option<Cycle> {
    let others: Vec<&Link> = there.iter().filter(|other| other.id != belt.id).collect();
    let mut readers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, other) in others.iter().enumerate() {
        for event_type in &other.reads {
            readers.entry(event_type).or_default().push(index);
        }
    }
    // Breadth first, so that the first way found is a shortest one. A visit knows the visit that it came from.
    struct Visit<'a> {
        belt: &'a Link,
        from: Option<(usize, &'a str)>,
    }
    let mut visits = vec![Visit { belt, from: None }];
    let mut seen = BTreeSet::new();
    let mut waiting = VecDeque::from([0]);
    while let Some(at) = waiting.pop_front() {
        let present = visits[at].belt;
        for event_type in &present.writes {
            if belt.reads.contains(event_type) {
                let mut steps = vec![(present.name.clone(), event_type.clone())];
                let mut step = visits[at].from;
                while let Some((before, handed_on)) = step {
                    steps.push((visits[before].belt.name.clone(), handed_on.to_owned()));
                    step = visits[before].from;
                }
                steps.reverse();
                return Some(Cycle { steps });
            }
            for &reader in readers.get(event_type.as_str()).into_iter().flatten() {
                if seen.insert(reader) {
                    waiting.push_back(visits.len());
                    visits.push(Visit { belt: others[reader], from: Some((at, event_type)) });
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn link(id: i64, reads: &[&str], writes: &[&str]) -> Link {
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect();
        Link { id, name: format!("b{id}"), reads: names(reads), writes: names(writes) }
    }

    fn told(belt: &Link, there: &[Link]) -> Option<String> {
        cycle(belt, there).map(|cycle| cycle.to_string())
    }

    #[test]
    fn a_belt_that_reads_what_it_writes_is_a_cycle() {
        let belt = link(1, &["w", "x"], &["y", "x"]);
        assert_eq!(told(&belt, &[]).unwrap(), "belt 'b1' -> event type 'x' -> belt 'b1'");
    }

    #[test]
    fn the_way_back_leads_through_other_belts() {
        let there = [link(2, &["y"], &["z"]), link(3, &["z"], &["x", "q"]), link(4, &["z"], &["p"])];
        assert_eq!(
            told(&link(1, &["x"], &["y"]), &there).unwrap(),
            "belt 'b1' -> event type 'y' -> belt 'b2' -> event type 'z' -> belt 'b3' -> event type 'x' -> belt 'b1'"
        );
    }

    #[test]
    fn the_shortest_way_is_told() {
        let there = [link(2, &["y"], &["z"]), link(3, &["z"], &["x"]), link(4, &["y"], &["x"])];
        assert_eq!(
            told(&link(1, &["x"], &["y"]), &there).unwrap(),
            "belt 'b1' -> event type 'y' -> belt 'b4' -> event type 'x' -> belt 'b1'"
        );
    }

    #[test]
    fn chains_that_branch_and_meet_again_are_none() {
        let there = [link(2, &["y"], &["z"]), link(3, &["y"], &["z"]), link(4, &["z"], &["end"])];
        assert_eq!(told(&link(1, &["x"], &["y"]), &there), None);
    }

    #[test]
    fn what_a_belt_was_before_its_change_does_not_count() {
        let there = [link(1, &["x"], &["y"]), link(2, &["y"], &["z"])];
        assert_eq!(told(&link(1, &["z"], &["end"]), &there), None);
        assert!(told(&link(1, &["z"], &["y"]), &there).is_some());
    }

    #[test]
    fn a_cycle_of_others_is_not_this_belts() {
        // Stored before cycles were refused: it must not keep anybody from changing a belt beside it.
        let there = [link(2, &["y"], &["z"]), link(3, &["z"], &["y"])];
        assert_eq!(told(&link(1, &["x"], &["y"]), &there), None);
    }

    prop_compose! {
        /// Belts over ten event types.
        fn links()(all in prop::collection::vec((prop::collection::vec(0..10u8, 0..3), prop::collection::vec(0..10u8, 0..3)), 1..9))
            -> Vec<Link> {
            let names = |all: &[u8]| all.iter().map(u8::to_string).collect();
            let link = |(id, (reads, writes)): (i64, &(Vec<u8>, Vec<u8>))| {
                Link { id, name: format!("b{id}"), reads: names(reads), writes: names(writes) }
            };
            (0..).zip(&all).map(link).collect()
        }
    }

    /// Whether events of `belt` come back to it, by the definition: the closure of "is read by".
    fn comes_back(belt: &Link, all: &[Link]) -> bool {
        let mut written: BTreeSet<&String> = belt.writes.iter().collect();
        loop {
            let more = all.iter().filter(|other| other.reads.iter().any(|name| written.contains(name)));
            let grown: BTreeSet<&String> =
                written.iter().copied().chain(more.flat_map(|other| &other.writes)).collect();
            if grown == written {
                return belt.reads.iter().any(|name| written.contains(name));
            }
            written = grown;
        }
    }

    proptest! {
        #[test]
        fn a_cycle_is_found_exactly_where_there_is_one(all in links()) {
            prop_assert_eq!(cycle(&all[0], &all).is_some(), comes_back(&all[0], &all));
        }

        #[test]
        fn every_step_of_a_cycle_is_written_by_its_belt_and_read_by_the_next(all in links()) {
            let Some(Cycle { steps }) = cycle(&all[0], &all) else { return Ok(()) };
            let of = |name: &String| all.iter().find(|belt| belt.name == *name).unwrap();
            prop_assert_eq!(&steps[0].0, &all[0].name);
            let next = steps.iter().cycle().skip(1);
            for ((belt, event_type), (reader, _)) in steps.iter().zip(next) {
                prop_assert!(of(belt).writes.contains(event_type) && of(reader).reads.contains(event_type));
            }
        }

        #[test]
        fn belts_that_only_write_upwards_never_close_a_cycle(all in links()) {
            let upwards = |link: &Link| {
                let highest = link.reads.iter().max().cloned().unwrap_or_default();
                let writes = link.writes.iter().filter(|name| **name > highest).cloned().collect();
                Link { writes, ..link.clone() }
            };
            let all: Vec<Link> = all.iter().map(upwards).collect();
            for belt in &all {
                prop_assert_eq!(cycle(belt, &all), None);
            }
        }
    }
}
