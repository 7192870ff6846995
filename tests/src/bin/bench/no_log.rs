//! `no_log_64_vs_disk_limit`, `no_log_256_vs_disk_limit`: what is left of the disk's limit when there are callers and no log.
//!
//! Each caller is a task that hands over the sending half of a channel and waits for it. One thread stays awake until all are
//! there, writes as many bytes of nothing past the page cache, syncs them and has a task answer all, which is awake by then.
//! It goes on in a new file now and then, which another thread has filled with zeros. So it wakes, waits and uses the disk as
//! the log does, and there are no records, no copies, no checksums, no offsets and no readers.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use granary_stream::embedded::Options;
use granary_stream::embedded::disk::{Disk, File, SystemDisk};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// How long the thread waits for callers that are missing, and the task for answers.
const AWAKE_MAX: Duration = Duration::from_micros(200);

/// Writes past the page cache are whole blocks.
const BLOCK_BYTES: usize = 4096;

type Waiting = Vec<oneshot::Sender<()>>;

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// All callers wait.
    full: AtomicBool,
    ended: AtomicBool,
}

impl Shared {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often per second the callers were answered, all together. The files are made in that folder.
pub(crate) async fn run(folder: &Path, callers: usize, group_bytes: usize, run: Duration) -> Result<f64> {
    let shared = Arc::new(Shared::default());
    let (told, mut hear) = mpsc::unbounded_channel::<Waiting>();
    let answering = tokio::spawn(async move {
        while let Some(waiting) = hear.recv().await {
            // Nobody yet: the answers come in a moment.
            let until = Instant::now() + AWAKE_MAX;
            while waiting.is_empty() && hear.is_empty() && Instant::now() < until {
                std::hint::spin_loop();
            }
            for caller in waiting {
                let _ = caller.send(());
            }
        }
    });
    // The next file is there when it is wanted, as with a log.
    let (ready, files) = std_mpsc::sync_channel(1);
    let making = {
        let folder = folder.to_owned();
        std::thread::spawn(move || make(&folder, &ready))
    };
    let (first, files) =
        tokio::task::spawn_blocking(move || next(&files).map(|first| (first, files))).await??;
    let committer = {
        let shared = Arc::clone(&shared);
        std::thread::spawn(move || commit(&shared, first, files, callers, group_bytes, &told))
    };
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let shared = Arc::clone(&shared);
        tasks.spawn(async move {
            let mut answers = 0_u64;
            while begun.elapsed() < run {
                let (sender, receiver) = oneshot::channel();
                let full = {
                    let mut waiting = shared.waiting();
                    waiting.push(sender);
                    waiting.len() == callers
                };
                if full {
                    shared.full.store(true, Ordering::Release);
                }
                receiver.await.context("the committer has ended")?;
                answers += 1;
            }
            anyhow::Ok(answers)
        });
    }
    let mut answers = 0;
    while let Some(done) = tasks.join_next().await {
        answers += done??;
    }
    let rate = answers as f64 / begun.elapsed().as_secs_f64();
    shared.ended.store(true, Ordering::Release);
    tokio::task::spawn_blocking(move || committer.join()).await?.expect("the committer does not panic")?;
    answering.await?;
    tokio::task::spawn_blocking(move || making.join()).await?.expect("the maker of files does not panic");
    Ok(rate)
}

/// A file of zeros. Dropping it removes the file.
struct Room {
    file: Arc<dyn File>,
    path: PathBuf,
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = SystemDisk.remove(&self.path);
    }
}

impl Room {
    fn make(path: PathBuf) -> Result<Self> {
        let file = SystemDisk.create(&path)?;
        let room = Self { file, path };
        room.file.allocate(Options::default().file_bytes)?;
        room.file.sync_all()?;
        Ok(room)
    }
}

/// Makes files until nobody wants one any more, or until one could not be made.
fn make(folder: &Path, ready: &std_mpsc::SyncSender<Result<Room>>) {
    for number in 0.. {
        let made = Room::make(folder.join(format!("room-{number}")));
        let failed = made.is_err();
        if ready.send(made).is_err() || failed {
            break;
        }
    }
}

fn next(files: &std_mpsc::Receiver<Result<Room>>) -> Result<Room> {
    files.recv().context("nobody makes files")?.context("a file could not be made")
}

fn commit(
    shared: &Shared,
    first: Room,
    files: std_mpsc::Receiver<Result<Room>>,
    callers: usize,
    group_bytes: usize,
    told: &mpsc::UnboundedSender<Waiting>,
) -> Result<()> {
    let buffer = vec![0x5a; group_bytes.next_multiple_of(BLOCK_BYTES) + BLOCK_BYTES];
    let start = buffer.as_ptr().align_offset(BLOCK_BYTES);
    let room_bytes = Options::default().file_bytes;
    // Removing a file takes the disk's time, so they all go at the end.
    let (mut full, mut room, mut at) = (Vec::new(), first, 0);
    while !shared.ended.load(Ordering::Acquire) {
        let until = Instant::now() + AWAKE_MAX;
        while !shared.full.swap(false, Ordering::AcqRel) && Instant::now() < until {
            std::thread::yield_now();
        }
        let waiting = std::mem::take(&mut *shared.waiting());
        if waiting.is_empty() {
            continue;
        }
        let bytes = (group_bytes * waiting.len() / callers).next_multiple_of(BLOCK_BYTES);
        if at + bytes as u64 > room_bytes {
            full.push(std::mem::replace(&mut room, next(&files)?));
            at = 0;
        }
        told.send(Waiting::new()).context("nobody answers")?;
        room.file.write_at(&buffer[start..start + bytes], at)?;
        room.file.sync_data()?;
        at += bytes as u64;
        told.send(waiting).context("nobody answers")?;
    }
    Ok(())
}
