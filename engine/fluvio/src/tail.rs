//! Where partitions end: asked of their leaders again and again, all in one request to each, while anybody wants to know.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::future::join_all;
use granary_stream::{Bounds, Error, Signal, TopicSpec};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::error;

use crate::cluster::{Cluster, SpuId};

/// Between two looks while records come.
const BUSY: Duration = Duration::from_millis(5);
/// Between two looks while none come.
const IDLE: Duration = Duration::from_millis(20);
/// How long after the last record that is.
const QUIET: Duration = Duration::from_millis(500);
/// After a look that failed.
const TROUBLE: Duration = Duration::from_millis(250);

#[derive(Debug, Default)]
struct Ends {
    start: AtomicU64,
    end: AtomicU64,
    /// Whether they were told yet.
    known: AtomicBool,
}

/// A topic whose partitions are looked at.
#[derive(Debug)]
pub(crate) struct Watched {
    physical: Arc<str>,
    partitions: Vec<Ends>,
    /// An end before the known one means nothing, see [`Cluster::keeps_one_copy`].
    one_copy: bool,
    /// Raised when any partition has grown.
    pub(crate) grown: Signal,
}

impl Watched {
    /// The bounds of a partition, once they are known.
    pub(crate) fn bounds(&self, partition: u32) -> Option<Bounds> {
        let ends =
            self.partitions.get(partition as usize).filter(|ends| ends.known.load(Ordering::Acquire))?;
        Some(Bounds { start: ends.start.load(Ordering::Acquire), end: ends.end.load(Ordering::Acquire) })
    }

    /// The end that is known now.
    pub(crate) fn end(&self, partition: u32) -> u64 {
        self.partitions.get(partition as usize).map_or(0, |ends| ends.end.load(Ordering::Acquire))
    }

    /// Takes in what a leader told, who was asked when `asked` was the end; answers whether the partition has grown.
    pub(crate) fn hear(&self, partition: u32, told: Bounds, asked: u64) -> bool {
        let Some(ends) = self.partitions.get(partition as usize) else { return false };
        ends.start.fetch_max(told.start, Ordering::AcqRel);
        let before = ends.end.fetch_max(told.end, Ordering::AcqRel);
        ends.known.store(true, Ordering::Release);
        // An append of ours may have been acknowledged since it was asked, so that the answer is late and not wrong.
        if told.end < asked && !self.one_copy {
            metrics::counter!("granary_fluvio_lost_records_total").increment(asked - told.end);
            error!(
                topic = &*self.physical,
                partition,
                was = asked,
                is = told.end,
                "the cluster has lost records that it had acknowledged; new ones will bear the same offsets"
            );
            ends.end.store(told.end, Ordering::Release);
        }
        told.end > before
    }
}

/// Looks at partitions.
pub(crate) struct Tail {
    cluster: Arc<Cluster>,
    topics: RwLock<HashMap<Arc<str>, Arc<Watched>>>,
    more: Notify,
}

impl Tail {
    pub(crate) fn new(cluster: Arc<Cluster>) -> Self {
        Self { cluster, topics: RwLock::default(), more: Notify::new() }
    }

    /// Looks at a topic from now on.
    pub(crate) fn watch(&self, physical: &Arc<str>, spec: TopicSpec) -> Arc<Watched> {
        if let Some(there) = self.watched(physical) {
            return there;
        }
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let watched = topics.entry(Arc::clone(physical)).or_insert_with(|| {
            let partitions = (0..spec.partitions).map(|_| Ends::default()).collect();
            let one_copy = self.cluster.keeps_one_copy(spec);
            Arc::new(Watched {
                physical: Arc::clone(physical),
                partitions,
                one_copy,
                grown: Signal::default(),
            })
        });
        self.more.notify_one();
        Arc::clone(watched)
    }

    pub(crate) fn watched(&self, physical: &str) -> Option<Arc<Watched>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).get(physical).cloned()
    }

    pub(crate) fn forget(&self, physical: &str) {
        self.topics.write().unwrap_or_else(PoisonError::into_inner).remove(physical);
    }

    /// Records up to `end` were acknowledged.
    pub(crate) fn acknowledged(&self, physical: &str, partition: u32, end: u64) {
        let Some(watched) = self.watched(physical) else { return };
        let Some(ends) = watched.partitions.get(partition as usize) else { return };
        if ends.end.fetch_max(end, Ordering::AcqRel) < end {
            watched.grown.raise();
        }
    }

    /// Looks until it is dropped.
    pub(crate) async fn run(&self) {
        let mut last_growth = Instant::now();
        loop {
            let watched: Vec<Arc<Watched>> =
                self.topics.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
            if watched.is_empty() {
                self.more.notified().await;
                continue;
            }
            let wait = match self.look(&watched).await {
                Ok(true) => {
                    last_growth = Instant::now();
                    BUSY
                }
                Ok(false) if last_growth.elapsed() < QUIET => BUSY,
                Ok(false) => IDLE,
                Err(_) => TROUBLE,
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.more.notified() => {}
            }
        }
    }

    /// One look at all of them; answers whether any has grown. Fails where any leader did not answer.
    async fn look(&self, watched: &[Arc<Watched>]) -> Result<bool, Error> {
        let mut by_leader: HashMap<SpuId, Vec<(Arc<str>, u32)>> = HashMap::new();
        let mut missing = false;
        let mut asked: HashMap<(Arc<str>, u32), u64> = HashMap::new();
        for topic in watched {
            for partition in (0_u32..).take(topic.partitions.len()) {
                asked.insert((Arc::clone(&topic.physical), partition), topic.end(partition));
                match self.cluster.leader(&topic.physical, partition) {
                    Some(leader) => {
                        by_leader.entry(leader).or_default().push((Arc::clone(&topic.physical), partition));
                    }
                    None => missing = true,
                }
            }
        }
        let looks = by_leader.iter().map(|(leader, wanted)| self.cluster.offsets(*leader, wanted));
        let mut outcome = Ok(false);
        let mut grown: HashMap<Arc<str>, bool> = HashMap::new();
        for answer in join_all(looks).await {
            match answer {
                Ok(told) => {
                    for (place, bounds) in told {
                        let asked = asked.get(&place).copied().unwrap_or(0);
                        let (physical, partition) = place;
                        if let Some(topic) = watched.iter().find(|topic| topic.physical == physical) {
                            *grown.entry(physical).or_default() |= topic.hear(partition, bounds, asked);
                        }
                    }
                }
                Err(error) => outcome = Err(error),
            }
        }
        for topic in watched.iter().filter(|topic| grown.get(&topic.physical) == Some(&true)) {
            topic.grown.raise();
            outcome = outcome.map(|_| true);
        }
        if missing {
            self.cluster.refresh().await?;
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(one_copy: bool) -> Watched {
        Watched {
            physical: "t".into(),
            partitions: vec![Ends::default()],
            one_copy,
            grown: Signal::default(),
        }
    }

    #[test]
    fn a_late_answer_is_no_loss_and_an_end_before_the_known_one_is() {
        let topic = watched(false);
        let told = |end| Bounds { start: 0, end };
        assert!(topic.hear(0, told(5), 0) && !topic.hear(0, told(5), 5));
        // An append was acknowledged after the question.
        topic.partitions[0].end.store(9, Ordering::Release);
        assert!(!topic.hear(0, told(5), 5));
        assert_eq!(topic.end(0), 9);
        assert!(!topic.hear(0, told(7), 9));
        assert_eq!(topic.end(0), 7, "the cluster has lost two");
        let topic = watched(true);
        assert!(topic.hear(0, told(5), 0) && !topic.hear(0, told(3), 5));
        assert_eq!(topic.end(0), 5, "an SPU with one copy does not know better after a restart");
    }
}
