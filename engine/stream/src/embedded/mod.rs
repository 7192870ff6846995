//! The embedded log: all topics and partitions share one sequence of append-only files in one directory, so that one
//! write and one sync make everything durable that came in meanwhile.
//!
//! | file | knows |
//! |---|---|
//! | [`disk`], [`clock`], [`entropy`] | the world outside, behind traits |
//! | `manifest`, `table`, `mark` | the small files: identity and lock, topics, durable end |
//! | `format`, `record` | the bytes of log files, frames and records: the specification of format version 1 |
//! | `append`, `queue`, `patience`, `blocks`, `writer`, `answers` | group commit |
//! | `file`, `keeper` | making, closing and dropping log files beside the commits |
//! | `index`, `cache`, `reader` | finding and reading records |
//! | `scan`, `survey`, `recovery` | opening after a stop of any kind |
//! | `damage`, `verify` | what is damaged, what is lost by it, and going on without it |
//! | `retention` | what may be dropped |
//!
//! Promises beyond those of [`StreamLog`]: the queue of appends, the cache and the disk are bounded (see [`Options`]);
//! what exceeds a bound is refused at once with [`Error::Busy`], what comes from outside sooner than what stages have
//! made. A failed write or sync makes the log fail for good, since nobody can tell what is on the disk then; reopening it
//! finds out.
//!
//! Key and payload of a record that was read share a buffer of up to a mebibyte with its neighbours: who keeps a few
//! of them for long copies them.

pub mod clock;
pub mod disk;
pub mod entropy;
#[cfg(any(test, feature = "test-util"))]
pub mod sim;

mod answers;
mod append;
mod blocks;
mod cache;
mod damage;
#[cfg(any(test, feature = "test-util"))]
mod driver;
mod file;
mod format;
mod index;
mod keeper;
mod manifest;
mod mark;
mod options;
mod patience;
mod queue;
mod reader;
mod recovery;
mod retention;
mod scan;
mod shared;
mod survey;
mod table;
mod topic;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio::runtime::Handle;
use uuid::Uuid;

pub use damage::{Damage, Loss};
#[cfg(any(test, feature = "test-util"))]
pub use driver::Driver;
pub use options::{Options, World};
pub use verify::Report;

use crate::log::{Append, Bounds, Error, OffsetRange, ReadLimit, Record, Stats, StreamLog, TopicSpec};
use crate::signal::Watcher;
use answers::Teller;
use cache::Cache;
use disk::{Disk, Lock};
use file::Files;
use keeper::Keeper;
use mark::Mark;
use queue::Queue;
use shared::{Shared, Spare};
use table::{Row, Table};
use topic::Topic;
use writer::Writer;

/// More partitions than this are a mistake.
const PARTITIONS_MAX: u32 = 65_536;

/// A log in a directory of its own. Dropping it waits for what was accepted; [`StreamLog::close`] does so without
/// blocking the runtime.
#[derive(Debug)]
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    running: Arc<Mutex<Option<Running>>>,
}

/// What ends when the log is closed.
#[derive(Debug)]
struct Running {
    committer: JoinHandle<()>,
    keeper: JoinHandle<()>,
    _lock: Box<dyn Lock>,
}

impl EmbeddedLog {
    /// Opens the log in a directory, or makes one there. The directory is for this log alone.
    ///
    /// # Errors
    /// `Io` where another process uses the directory, or where it was made by a release with another format;
    /// `Corrupt` where the manifest or the table of topics is damaged. Damage elsewhere costs the records that lie there
    /// and nothing else: see [`EmbeddedLog::damages`].
    pub async fn open(directory: &Path, options: Options) -> Result<Self, Error> {
        Self::open_in(directory, options, World::default()).await
    }

    /// The same in another world, for tests and simulation.
    ///
    /// # Errors
    /// As [`EmbeddedLog::open`].
    pub async fn open_in(directory: &Path, options: Options, world: World) -> Result<Self, Error> {
        let directory = directory.to_owned();
        let runtime = options.answering.clone().unwrap_or_else(Handle::current);
        let opened = blocking("open the log", move || {
            let parts = open(&directory, options.bounded(), world, false)?;
            run(parts, &runtime)
        });
        opened.await?
    }

    /// The random identity of this log.
    #[must_use]
    pub fn log_id(&self) -> Uuid {
        self.shared.id
    }

    /// What was found damaged when it was opened. Records in closed files are checked when they are read, or by
    /// [`EmbeddedLog::verify`].
    #[must_use]
    pub fn damages(&self) -> &[Damage] {
        &self.shared.damages
    }

    /// Drops records that are older than the retention of their topic, as far as whole files go, never past the least
    /// registered cursor of their partition, which `cursor` tells (`None`: nobody has registered one). The number of
    /// files that were dropped. To be called every minute or so.
    ///
    /// # Errors
    /// `Io` where the disk said no; nothing is lost then, and the next call tries again.
    pub async fn enforce_retention(
        &self,
        now_ms: u64,
        cursor: &(dyn Fn(&str, u32) -> Option<u64> + Sync),
    ) -> Result<usize, Error> {
        self.shared.usable()?;
        retention::expire(&self.shared, now_ms, cursor);
        let shared = self.shared.clone();
        self.shared.beside("drop log files", move || retention::sweep(&shared)).await?
    }
}

async fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Io {
        what: format!("could not {what}"),
        source: std::io::Error::other(error),
    })
}

/// A log that is open and has nobody yet who works for it.
struct Parts {
    shared: Arc<Shared>,
    active: Option<writer::Active>,
    lock: Box<dyn Lock>,
}

/// Opens the log. `driven`: nothing happens in threads.
fn open(directory: &Path, options: Options, world: World, driven: bool) -> Result<Parts, Error> {
    let World { disk, clock, entropy } = world;
    let failed = |doing: &str, source| Error::Io {
        what: format!("could not {doing} {}", directory.display()),
        source,
    };
    disk.create_directory(directory).map_err(|source| failed("make the directory", source))?;
    let lock = manifest::lock(&*disk, directory)?;
    let manifest = match manifest::read(&*disk, directory)? {
        Some(manifest) => manifest,
        None => found(&*disk, directory, &*entropy)?,
    };
    let id = manifest.log_id;
    let (mark, place) =
        Mark::open(&*disk, directory, id).map_err(|source| failed("open the durable-end mark in", source))?;
    let table = Table::read(&*disk, directory)?;
    let topics: Vec<Arc<Topic>> = table.topics.iter().map(|row| Arc::new(Topic::of(row))).collect();
    let files = Files::new(directory, disk.clone(), id, options.disk_bytes_max, options.disk_reserve_bytes);
    let recovered = recovery::recover(
        &*disk,
        directory,
        &files,
        id,
        (&mark, place),
        (&topics, table.next_id),
        options.file_bytes,
    )?;
    let shared = Arc::new(Shared {
        directory: directory.to_owned(),
        cache: Cache::new(options.cache_bytes_max),
        queue: Queue::new(options.queue_bytes_max),
        options,
        disk,
        clock,
        id,
        files,
        topics: ArcSwap::from_pointee(topics.into_iter().map(|topic| (topic.name.clone(), topic)).collect()),
        next_topic: Mutex::new(table.next_id),
        keeper: Keeper::new(recovered.next_number),
        mark,
        driven,
        damages: recovered.damages,
        failure: OnceLock::new(),
        closed: AtomicBool::new(false),
        full: AtomicBool::new(false),
        spare: Spare::default(),
    });
    for damage in &shared.damages {
        tracing::error!(%damage, "the log is damaged");
    }
    if recovered.skipped {
        retention::save_bounds(&shared)?;
    }
    for sealing in recovered.unsealed {
        shared.keeper.seal(sealing);
    }
    shared.keeper.sweep();
    Ok(Parts { shared, active: recovered.active, lock })
}

/// Starts the threads of a log.
fn run(Parts { shared, active, lock }: Parts, runtime: &Handle) -> Result<EmbeddedLog, Error> {
    let failed = |source| Error::Io {
        what: format!("could not start a thread for {}", shared.directory.display()),
        source,
    };
    let writer = Writer::new(shared.clone(), active, Teller::start(runtime));
    let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
    let keeper = {
        let shared = shared.clone();
        thread("granary-keeper").spawn(move || keeper::run(&shared))
    };
    let keeper = keeper.map_err(failed)?;
    let committer = match thread("granary-commit").spawn(move || writer.run()) {
        Ok(committer) => committer,
        Err(source) => {
            shared.keeper.stop();
            return Err(failed(source));
        }
    };
    let running = Running { committer, keeper, _lock: lock };
    Ok(EmbeddedLog { shared, running: Arc::new(Mutex::new(Some(running))) })
}

/// Makes a new log. The manifest comes last: until it is there, the directory holds no log.
fn found(
    disk: &dyn Disk,
    directory: &Path,
    entropy: &dyn entropy::Entropy,
) -> Result<manifest::Manifest, Error> {
    let failed =
        |source| Error::Io { what: format!("could not make a log in {}", directory.display()), source };
    let names = disk.list(directory).map_err(failed)?;
    if let Some(name) = names.iter().find(|name| file::number(name).is_some()) {
        let missing = directory.join(manifest::NAME);
        return Err(Error::Corrupt {
            what: format!("{} is missing, and {name} is there", missing.display()),
        });
    }
    let manifest = manifest::Manifest::new(entropy);
    Mark::create(disk, directory, manifest.log_id).map_err(failed)?;
    Table::default().write(disk, directory)?;
    manifest.write(disk, directory)?;
    Ok(manifest)
}

/// Ends the threads and frees the directory. Blocks.
fn shut_down(shared: &Shared, running: &Mutex<Option<Running>>) {
    // Held to the end, so that a second close returns when the first one is done.
    let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(Running { committer, keeper, _lock: lock }) = running.take() else { return };
    shared.queue.close();
    let _ = committer.join();
    shared.keeper.stop();
    let _ = keeper.join();
    shared.closed.store(true, Ordering::Release);
    if shared.failure.get().is_none()
        && let Err(error) = retention::save_bounds(shared)
    {
        tracing::warn!(%error, "the bounds of the topics could not be stored; trims may be forgotten");
    }
    shared.files.close();
    shared.cache.clear();
    drop(lock);
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        shut_down(&self.shared, &self.running);
    }
}

#[async_trait]
impl StreamLog for EmbeddedLog {
    fn id(&self) -> Uuid {
        self.shared.id
    }

    async fn create_topic(&self, topic: &str, spec: TopicSpec) -> Result<(), Error> {
        if spec.partitions == 0 || spec.partitions > PARTITIONS_MAX {
            let why = format!(
                "a topic has 1 to {PARTITIONS_MAX} partitions, and {} were asked for",
                spec.partitions
            );
            return Err(Error::Io {
                what: format!("could not make topic '{topic}'"),
                source: std::io::Error::new(std::io::ErrorKind::InvalidInput, why),
            });
        }
        self.shared.usable()?;
        let spec = TopicSpec { replication: None, ..spec };
        let (shared, name) = (self.shared.clone(), topic.to_owned());
        self.shared.beside("make a topic", move || create_topic(&shared, name, spec)).await?
    }

    async fn delete_topic(&self, topic: &str) -> Result<(), Error> {
        self.shared.usable()?;
        let (shared, name) = (self.shared.clone(), topic.to_owned());
        self.shared.beside("remove a topic", move || delete_topic(&shared, &name)).await?
    }

    fn topics(&self) -> HashMap<String, TopicSpec> {
        self.shared.topics.load().iter().map(|(name, topic)| (name.clone(), topic.spec)).collect()
    }

    async fn append(&self, batches: Vec<Append>) -> Result<Vec<OffsetRange>, Error> {
        append::append(&self.shared, batches).await
    }

    async fn read(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Record>, Error> {
        if self.shared.closed.load(Ordering::Acquire) {
            self.shared.usable()?;
        }
        let topic = self.shared.topic(topic)?;
        let place = topic.partition(partition)?;
        if let Some(records) = reader::read_cached(&self.shared, &topic, place, from, limit)? {
            return Ok(records);
        }
        let (shared, place) = (self.shared.clone(), place.clone());
        self.shared.beside("read the log", move || reader::read(&shared, &topic, &place, from, limit)).await?
    }

    async fn bounds(&self, topic: &str, partition: u32) -> Result<Bounds, Error> {
        Ok(self.shared.topic(topic)?.partition(partition)?.bounds())
    }

    async fn offset_at(&self, topic: &str, partition: u32, time_ms: u64) -> Result<u64, Error> {
        let topic = self.shared.topic(topic)?;
        let (shared, place) = (self.shared.clone(), topic.partition(partition)?.clone());
        self.shared.beside("read the log", move || reader::offset_at(&shared, &place, time_ms)).await?
    }

    fn watch(&self, topic: &str) -> Result<Watcher, Error> {
        Ok(self.shared.topic(topic)?.watch())
    }

    async fn trim(&self, topic: &str, partition: u32, before: u64) -> Result<(), Error> {
        let topic = self.shared.topic(topic)?;
        if topic.partition(partition)?.trim(before) && !retention::droppable(&self.shared).is_empty() {
            self.shared.keeper.sweep();
        }
        Ok(())
    }

    fn stats(&self) -> Stats {
        let files = &self.shared.files;
        let topics = self.shared.all_topics();
        let partitions = topics.iter().flat_map(|topic| topic.partitions());
        let lost = partitions.map(|partition| partition.losses(|lost| lost.count(partition.bounds().start)));
        Stats {
            disk_used_bytes: files.used(),
            disk_free_bytes: files.free(),
            damaged_places: self.shared.damages.len() as u64,
            lost_records: lost.sum(),
        }
    }

    fn health(&self) -> Result<(), Error> {
        self.shared.usable()?;
        self.shared.room_for_all(self.shared.clock.now_ms())?;
        // A refusal may be out of date by now.
        if self.shared.full.load(Ordering::Relaxed) {
            self.shared
                .files
                .room(self.shared.options.file_bytes)
                .map_err(|reason| Error::Busy { reason })?;
        }
        Ok(())
    }

    async fn close(&self) {
        let (shared, running) = (self.shared.clone(), self.running.clone());
        let _ = tokio::task::spawn_blocking(move || shut_down(&shared, &running)).await;
    }
}

fn create_topic(shared: &Shared, name: String, spec: TopicSpec) -> Result<(), Error> {
    let mut next_id = shared.next_topic.lock().unwrap_or_else(PoisonError::into_inner);
    if let Ok(there) = shared.topic(&name) {
        return if there.spec == spec { Ok(()) } else { Err(Error::TopicExists(name)) };
    }
    let bounds = vec![(0, 0); spec.partitions as usize];
    let (id, retention_ms) = (*next_id, spec.retention_ms);
    let row = Row { id, name: name.clone(), retention_ms, bounds, lost: Vec::new() };
    let topic = Arc::new(Topic::of(&row));
    let mut topics = shared.all_topics();
    topics.push(topic.clone());
    shared.write_table(*next_id + 1, &topics)?;
    *next_id += 1;
    shared.change_topics(|topics| drop(topics.insert(name, topic)));
    Ok(())
}

fn delete_topic(shared: &Shared, name: &str) -> Result<(), Error> {
    let next_id = shared.next_topic.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(topic) = shared.topic(name) else { return Ok(()) };
    let mut topics = shared.all_topics();
    topics.retain(|other| other.id != topic.id);
    shared.write_table(*next_id, &topics)?;
    shared.change_topics(|topics| drop(topics.remove(name)));
    topic.mark_deleted();
    shared.keeper.sweep();
    Ok(())
}
