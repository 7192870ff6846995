//! What was promised, and whether it was kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use granary_stream::embedded::Loss;
use granary_stream::{Intervals, ReadLimit, Record, StreamLog};

use crate::postgres::Postgres;
use crate::stages::{IN, MIDDLE, OUT, fails, name, outputs};

type Place = (u32, u64);

#[derive(Debug, Default)]
struct State {
    /// Number of the event of each append that was acknowledged.
    acknowledged: BTreeMap<Place, u64>,
    /// Number of each event that the first stage was given.
    delivered: BTreeMap<Place, u64>,
    /// Places of the events that became dead letters.
    failed: BTreeSet<Place>,
    /// What was lost by damage, by topic and partition.
    lost: BTreeMap<(String, u32), Intervals>,
    findings: Vec<String>,
    /// What happened, in order: the same for the same seed.
    trace: Vec<String>,
}

/// The audit of one schedule. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Audit(Arc<Mutex<State>>);

impl Audit {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, what: impl Into<String>) {
        self.state().trace.push(what.into());
    }

    pub(crate) fn find(&self, what: impl Into<String>) {
        let what = what.into();
        let mut state = self.state();
        state.trace.push(format!("finding: {what}"));
        state.findings.push(what);
    }

    /// Somebody was told of a loss, and has accepted it.
    pub(crate) fn lost(&self, loss: Loss) {
        self.note(format!("lost: {loss}"));
        self.state().lost.entry((loss.topic, loss.partition)).or_default().add(loss.start, loss.end);
    }

    fn lost_of(&self, topic: &str, partition: u32) -> Intervals {
        self.state().lost.get(&(topic.to_owned(), partition)).cloned().unwrap_or_default()
    }

    /// Whether everything between two offsets was lost; also where there is nothing.
    pub(crate) fn is_nothing_left(&self, topic: &str, partition: u32, start: u64, end: u64) -> bool {
        self.lost_of(topic, partition).missing(start, end) == Intervals::default()
    }

    /// An append was acknowledged.
    pub(crate) fn acknowledged(&self, partition: u32, offset: u64, event: u64) {
        self.note(format!("acknowledged {partition}/{offset} event {event}"));
        let before = self.state().acknowledged.insert((partition, offset), event);
        if let Some(other) = before {
            self.find(format!("offset {partition}/{offset} was given to event {other} and to event {event}"));
        }
    }

    /// A record was given to the first stage. The number of its event.
    pub(crate) fn delivered(&self, partition: u32, record: &Record) -> u64 {
        let text = String::from_utf8_lossy(&record.message.payload).into_owned();
        let event = text.trim_end_matches('x').parse().unwrap_or(u64::MAX);
        let place = (partition, record.offset);
        let mut state = self.state();
        let known = state.acknowledged.get(&place).copied();
        let before = state.delivered.insert(place, event);
        drop(state);
        for other in known.into_iter().chain(before).filter(|other| *other != event) {
            self.find(format!("offset {partition}/{} was event {other} and is event {event}", record.offset));
        }
        event
    }

    /// A dead letter of the first stage was stored.
    pub(crate) fn failed(&self, partition: u32, offset: u64) {
        if !self.state().failed.insert((partition, offset)) {
            self.find(format!("event {partition}/{offset} is a dead letter twice"));
        }
    }

    /// The records of the log that were acknowledged and are still needed are there.
    pub(crate) async fn check_log(&self, log: &dyn StreamLog, partitions: u32) {
        for partition in 0..partitions {
            let Ok(bounds) = log.bounds(IN, partition).await else { continue };
            let last =
                self.state().acknowledged.keys().filter(|(of, _)| *of == partition).map(|(_, o)| *o).max();
            if let Some(last) = last.filter(|last| *last >= bounds.end) {
                self.find(format!(
                    "offset {partition}/{last} was acknowledged, and the log ends at {}",
                    bounds.end
                ));
            }
        }
    }

    /// At the end: every event went through once, and in its order.
    pub(crate) async fn check_all(&self, log: &dyn StreamLog, postgres: &Postgres, partitions: u32) {
        self.check_log(log, partitions).await;
        let (mut expected, mut possible) = (BTreeSet::new(), BTreeSet::new());
        // Records that were lost after they had been written, and whatever they were.
        let mut lost = 0;
        for partition in 0..partitions {
            for topic in [MIDDLE, OUT] {
                let gone = self.lost_of(topic, partition);
                for (start, end) in postgres.ranges(topic, partition) {
                    lost += gone.count(start) - gone.count(end);
                }
            }
            let end = log.bounds(IN, partition).await.map_or(0, |bounds| bounds.end);
            for offset in 0..end {
                let state = self.state();
                let event = state.delivered.get(&(partition, offset)).copied();
                let has_failed = state.failed.contains(&(partition, offset));
                drop(state);
                let is_lost = self.lost_of(IN, partition).end_of(offset).is_some();
                let names = |event| (0..outputs(event)).map(move |index| name(partition, offset, index));
                if event.is_some_and(fails) != has_failed && !is_lost {
                    self.find(format!("event {partition}/{offset}: is a dead letter: {has_failed}"));
                }
                match event {
                    // Before or after it was committed.
                    Some(event) if is_lost => possible.extend(names(event)),
                    Some(event) => expected.extend(names(event)),
                    None if is_lost => {}
                    None => self.find(format!("event {partition}/{offset} was never processed")),
                }
            }
        }
        for topic in [OUT, MIDDLE] {
            let mut found = BTreeMap::new();
            for partition in 0..partitions {
                let payloads = match committed(log, postgres, topic, partition).await {
                    Ok(payloads) => payloads,
                    // The first stage's outputs are dropped when the second one has read them.
                    Err(granary_stream::Error::Trimmed { .. }) if topic == MIDDLE => return,
                    Err(error) => return self.find(format!("{topic}/{partition} cannot be read: {error}")),
                };
                if topic == MIDDLE {
                    self.check_order(topic, partition, &payloads);
                }
                for payload in payloads {
                    *found.entry(payload).or_insert(0) += 1;
                }
            }
            for (payload, count) in &found {
                if *count > 1 {
                    self.find(format!("{payload} is {count} times in {topic}"));
                }
                if !expected.contains(payload) && !possible.contains(payload) {
                    self.find(format!("{payload} is in {topic} and should not be"));
                }
            }
            let missing: Vec<&String> =
                expected.iter().filter(|payload| !found.contains_key(*payload)).collect();
            if missing.len() as u64 > lost {
                self.find(format!("{missing:?} are missing in {topic}, and {lost} were lost"));
            }
        }
    }

    /// What came from one partition lies in another one in its order.
    fn check_order(&self, topic: &str, partition: u32, payloads: &[String]) {
        let mut last: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for payload in payloads {
            let parts: Vec<u64> = payload.split('/').filter_map(|part| part.parse().ok()).collect();
            let &[from, offset, index] = parts.as_slice() else {
                self.find(format!("{payload} is no name"));
                continue;
            };
            let before = last.insert(from, (offset, index));
            if before.is_some_and(|before| before >= (offset, index)) {
                self.find(format!("{payload} lies behind {before:?} in {topic}/{partition}"));
            }
        }
    }

    pub(crate) fn findings(&self) -> Vec<String> {
        self.state().findings.clone()
    }

    pub(crate) fn trace(&self) -> Vec<String> {
        self.state().trace.clone()
    }

    /// How many appends were acknowledged.
    pub(crate) fn acknowledgements(&self) -> u64 {
        self.state().acknowledged.len() as u64
    }
}

/// The payloads of the committed records of a partition, in order.
async fn committed(
    log: &dyn StreamLog,
    postgres: &Postgres,
    topic: &str,
    partition: u32,
) -> Result<Vec<String>, granary_stream::Error> {
    let mut ranges = postgres.ranges(topic, partition);
    ranges.sort_unstable();
    let mut payloads = Vec::new();
    for (start, end) in ranges {
        let limit =
            ReadLimit { records: usize::try_from(end - start).unwrap_or(usize::MAX), bytes: usize::MAX };
        let records = if start < end { log.read(topic, partition, start, limit).await? } else { Vec::new() };
        let text = |record: &Record| String::from_utf8_lossy(&record.message.payload).into_owned();
        payloads.extend(records.iter().filter(|record| record.offset < end).map(text));
    }
    Ok(payloads)
}
