//! Who works on which partition: every process computes the same from the list of those that are alive.
//!
//! Lists may differ for a moment while a process comes or goes. Then a partition is left alone, or two want it; the cursors'
//! owners and epochs in the database decide, so that costs time and nothing else.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use granary_stream::{Signal, Watcher};
use uuid::Uuid;

/// The processes that share the stages, in the same order for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// This process.
    pub me: Uuid,
    /// Those that run harvesters and belts.
    pub workers: Vec<Uuid>,
    /// Those that run persisters.
    pub persisters: Vec<Uuid>,
}

/// The side that knows which processes there are. Clones tell the same.
#[derive(Debug, Clone)]
pub struct Views {
    now: Arc<Mutex<View>>,
    changed: Signal,
}

impl Views {
    /// Begins with a view.
    #[must_use]
    pub fn new(view: View) -> Self {
        Self { now: Arc::new(Mutex::new(view)), changed: Signal::default() }
    }

    /// Tells another view; whether it differs from the one before.
    pub fn tell(&self, view: View) -> bool {
        {
            let mut now = lock(&self.now);
            if *now == view {
                return false;
            }
            *now = view;
        }
        self.changed.raise();
        true
    }

    /// Somebody who hears what is told.
    #[must_use]
    pub fn members(&self) -> Members {
        Members(Some(Heard { now: Arc::clone(&self.now), changed: self.changed.watch() }))
    }
}

/// The view of now. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Members(Option<Heard>);

#[derive(Debug, Clone)]
struct Heard {
    now: Arc<Mutex<View>>,
    changed: Watcher,
}

impl Members {
    /// One process does everything.
    #[must_use]
    pub fn alone() -> Self {
        Self(None)
    }

    /// This process, where it is one of several.
    #[must_use]
    pub fn me(&self) -> Option<Uuid> {
        self.0.as_ref().map(|heard| lock(&heard.now).me)
    }

    /// Whether this process is to work on a partition that a stage of that kind reads.
    #[must_use]
    pub fn owns(&self, kind: &str, stage: &str, topic: &str, partition: u32) -> bool {
        let Some(heard) = &self.0 else { return true };
        let view = lock(&heard.now);
        let nodes = if kind == "persister" { &view.persisters } else { &view.workers };
        owner(nodes, stage, topic, partition) == Some(view.me)
    }

    /// Whether the view has changed since this was asked last.
    pub fn has_changed(&mut self) -> bool {
        self.0.as_mut().is_some_and(|heard| heard.changed.take_changed())
    }

    /// Returns when the view changes; never where there is only one process.
    pub async fn changed(&self) {
        match &self.0 {
            Some(heard) => heard.changed.clone().changed().await,
            None => std::future::pending().await,
        }
    }
}

fn lock(view: &Mutex<View>) -> MutexGuard<'_, View> {
    view.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The node of a partition: the first one by a hash of stage and topic, then round, so that each gets its share of every stage.
fn owner(nodes: &[Uuid], stage: &str, topic: &str, partition: u32) -> Option<Uuid> {
    let count = u64::try_from(nodes.len()).ok().filter(|count| *count > 0)?;
    let bytes = stage.bytes().chain([0]).chain(topic.bytes());
    let first =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let at = ((first >> 32) + u64::from(partition)) % count;
    nodes.get(usize::try_from(at).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_one_owner_and_each_process_its_share() {
        let nodes: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();
        for stage in ["belt:1", "belt:2", "persister:pg:x"] {
            let mut counts = [0; 3];
            for partition in 0..32 {
                let owner = owner(&nodes, stage, "t", partition).expect("an owner");
                counts[nodes.iter().position(|node| *node == owner).expect("one of them")] += 1;
            }
            assert!(counts.iter().all(|count| (10..=11).contains(count)), "{counts:?}");
        }
        assert_eq!(owner(&[], "belt:1", "t", 0), None);
    }

    #[tokio::test]
    async fn a_change_is_told_once() {
        let view = |workers: Vec<Uuid>| View { me: Uuid::from_u128(1), workers, persisters: Vec::new() };
        let views = Views::new(view(vec![Uuid::from_u128(1)]));
        let mut members = views.members();
        assert!(members.owns("belt", "s", "t", 0) && !members.owns("persister", "s", "t", 0));
        assert!(!members.has_changed());
        assert!(!views.tell(view(vec![Uuid::from_u128(1)])) && !members.has_changed());
        assert!(views.tell(view(vec![Uuid::from_u128(2)])));
        members.changed().await;
        assert!(members.has_changed() && !members.has_changed());
        assert!(!members.owns("belt", "s", "t", 0));
        assert!(Members::alone().owns("belt", "s", "t", 0) && Members::alone().me().is_none());
    }
}
