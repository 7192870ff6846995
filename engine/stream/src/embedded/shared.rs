//! What the threads and the callers of one log share.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::ArcSwap;
use uuid::Uuid;

use super::Options;
use super::cache::Cache;
use super::clock::Clock;
use super::damage::Damage;
use super::disk::Disk;
use super::file::Files;
use super::keeper::Keeper;
use super::mark::Mark;
use super::queue::Queue;
use super::table::Table;
use super::topic::Topic;
use crate::log::Error;

/// The state of an open log.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) directory: PathBuf,
    pub(super) options: Options,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) id: Uuid,
    pub(super) files: Files,
    pub(super) topics: ArcSwap<Topics>,
    /// The next topic id. Held while the table is written, so that writers of the table take turns.
    pub(super) next_topic: Mutex<u32>,
    pub(super) cache: Cache,
    pub(super) queue: Queue,
    pub(super) keeper: Keeper,
    pub(super) mark: Mark,
    /// Whether the log is driven by its caller, without threads.
    pub(super) driven: bool,
    /// What was found damaged at the opening.
    pub(super) damages: Vec<Damage>,
    pub(super) failure: OnceLock<String>,
    pub(super) closed: AtomicBool,
    /// The last group was refused for want of room.
    pub(super) full: AtomicBool,
    /// When room for others than stages was found last.
    pub(super) spare: Spare,
}

/// The topics by name.
pub(super) type Topics = HashMap<String, Arc<Topic>>;

/// A topic by name.
pub(super) fn topic<'a>(topics: &'a Topics, name: &str) -> Result<&'a Arc<Topic>, Error> {
    topics.get(name).ok_or_else(|| Error::NoTopic(name.to_owned()))
}

/// When room for others than stages was found last. Every append asks, so it is told without a lock.
#[derive(Debug, Default)]
pub(super) struct Spare {
    found_ms: AtomicU64,
    /// What the files of the log took then.
    used: AtomicU64,
}

/// How long that counts while the log makes no file: others take room of the same disk.
const SPARE_FOR_MS: u64 = 100;

impl Spare {
    fn is_known(&self, used: u64, now_ms: u64) -> bool {
        // Where the clock was set back the age is enormous.
        let age_ms = now_ms.wrapping_sub(self.found_ms.load(Ordering::Relaxed));
        age_ms < SPARE_FOR_MS && self.used.load(Ordering::Relaxed) == used
    }

    fn found(&self, used: u64, now_ms: u64) {
        self.used.store(used, Ordering::Relaxed);
        self.found_ms.store(now_ms, Ordering::Relaxed);
    }
}

impl Shared {
    /// A topic by name.
    pub(super) fn topic(&self, name: &str) -> Result<Arc<Topic>, Error> {
        topic(&self.topics.load(), name).cloned()
    }

    /// Replaces the topics by changed ones. The caller holds `next_topic`.
    pub(super) fn change_topics(&self, change: impl FnOnce(&mut Topics)) {
        let mut topics = Topics::clone(&self.topics.load());
        change(&mut topics);
        self.topics.store(Arc::new(topics));
    }

    /// All topics, by id.
    pub(super) fn all_topics(&self) -> Vec<Arc<Topic>> {
        let mut all: Vec<_> = self.topics.load().values().cloned().collect();
        all.sort_by_key(|topic| topic.id);
        all
    }

    /// Writes the table with the bounds of now. The caller holds `next_topic`, whose value is passed.
    pub(super) fn write_table(&self, next_id: u32, topics: &[Arc<Topic>]) -> Result<(), Error> {
        let topics = topics.iter().map(|topic| topic.row()).collect();
        Table { next_id, topics, ..Table::default() }.write(&*self.disk, &self.directory)
    }

    /// Fails for good: what is in flight and what comes later is refused.
    pub(super) fn fail(&self, reason: String) {
        if self.failure.set(reason).is_ok()
            && let Some(reason) = self.failure.get()
        {
            tracing::error!(reason, "the log has failed and takes no more appends");
        }
        for waiter in self.queue.abandon() {
            let _ = waiter.reply.send(Err(self.failed()));
        }
    }

    /// The error of a log that has failed.
    pub(super) fn failed(&self) -> Error {
        let reason = self.failure.get().cloned().unwrap_or_else(|| "the committer has ended".to_owned());
        Error::Failed { reason }
    }

    /// Does work that blocks beside the tasks of the runtime.
    pub(super) async fn beside<T: Send + 'static>(
        &self,
        what: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        if self.driven { Ok(work()) } else { super::blocking(what, work).await }
    }

    /// Whether there is room for others than stages.
    pub(super) fn room_for_all(&self, now_ms: u64) -> Result<(), Error> {
        let bytes = self.options.stage_room_bytes;
        if bytes == 0 {
            return Ok(());
        }
        let used = self.files.used();
        if !self.spare.is_known(used, now_ms) {
            self.files.room(bytes).map_err(|reason| Error::Busy {
                reason: format!("{reason} (the last {bytes} bytes are kept for the stages)"),
            })?;
            self.spare.found(used, now_ms);
        }
        Ok(())
    }

    /// Whether the log can be used.
    pub(super) fn usable(&self) -> Result<(), Error> {
        if self.failure.get().is_some() {
            return Err(self.failed());
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Busy { reason: "the log is closed".to_owned() });
        }
        Ok(())
    }
}
