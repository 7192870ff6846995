//! Measures the two candidates for the embedded log in one harness: the log of this crate, and fjall 3 with
//! `PersistMode::SyncData` behind the same kind of group commit.
//!
//! ```text
//! cargo run --release -p granary-stream --features test-util --example log_candidates [DIRECTORY [REOPEN_MB]]
//! ```
//!
//! Prints `figure <name> <value> <unit>` lines. `*_vs_disk_*` is the share of the records per second that a bare
//! loop of one write and one `fdatasync` for the same bytes reaches, measured before and after each run.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::Context;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use granary_stream::embedded::{EmbeddedLog, Options};
use granary_stream::probe::disk_limit_probe;
use granary_stream::{Append, Headers, Message, StreamLog, TopicSpec};
use tokio::sync::oneshot;

const TOPIC: &str = "snowplow";
const WRITERS: [usize; 4] = [1, 16, 64, 256];
const RUN: Duration = Duration::from_secs(3);
const PROBE: Duration = Duration::from_millis(1500);
const ROUNDS: usize = 3;
/// Frame header and the parts of a record beside its payload, for the message below.
const GROUP_OVERHEAD_BYTES: usize = 48;

fn message() -> Message {
    let mut headers = Headers::new();
    for n in 0..6 {
        headers.set(&format!("grnry-header-{n}"), "0123456789abcdef");
    }
    Message {
        key: Some("a-correlation-id-of-36-characters-xx".into()),
        headers,
        ..Message::of(vec![b'x'; 298])
    }
}

/// What fjall stores for one record: the same fields, one after another.
fn value(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(600);
    bytes.extend_from_slice(&message.time_ms.to_le_bytes());
    bytes.extend_from_slice(message.key.as_deref().unwrap_or_default());
    for (name, value) in message.headers.iter() {
        bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(value.as_bytes());
    }
    bytes.extend_from_slice(&message.payload);
    bytes
}

#[derive(Clone)]
enum Candidate {
    Ours(Arc<EmbeddedLog>),
    Fjall(Fjall),
}

/// fjall with a thread that commits all waiting records as one batch.
#[derive(Clone)]
struct Fjall {
    queue: mpsc::SyncSender<(Vec<u8>, oneshot::Sender<u64>)>,
    stopped: Arc<std::sync::Mutex<Option<std::thread::JoinHandle<anyhow::Result<()>>>>>,
}

fn open_fjall(path: &Path) -> anyhow::Result<(Database, Keyspace, u64)> {
    let database = Database::builder(path).open()?;
    let keyspace = database.keyspace(TOPIC, KeyspaceCreateOptions::default)?;
    let last = keyspace.last_key_value().map(fjall::Guard::key).transpose()?;
    let end = match last {
        Some(key) => u64::from_be_bytes(key.as_ref().try_into().context("a key of eight bytes")?) + 1,
        None => 0,
    };
    Ok((database, keyspace, end))
}

impl Fjall {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let (database, keyspace, mut next) = open_fjall(path)?;
        let (queue, waiting) = mpsc::sync_channel::<(Vec<u8>, oneshot::Sender<u64>)>(4096);
        let thread = std::thread::spawn(move || {
            while let Ok(first) = waiting.recv() {
                let group: Vec<_> = std::iter::once(first).chain(waiting.try_iter()).collect();
                let mut batch = database.batch().durability(Some(PersistMode::SyncData));
                let start = next;
                let mut replies = Vec::with_capacity(group.len());
                for (value, reply) in group {
                    batch.insert(&keyspace, next.to_be_bytes(), value);
                    replies.push(reply);
                    next += 1;
                }
                batch.commit()?;
                for (offset, reply) in (start..).zip(replies) {
                    let _ = reply.send(offset);
                }
            }
            Ok(())
        });
        Ok(Self { queue, stopped: Arc::new(std::sync::Mutex::new(Some(thread))) })
    }
}

impl Candidate {
    async fn open(name: &str, path: &Path) -> anyhow::Result<Self> {
        if name == "fjall" {
            return Ok(Self::Fjall(Fjall::open(path)?));
        }
        let log = EmbeddedLog::open(path, Options::default()).await?;
        log.create_topic(TOPIC, TopicSpec::of(1)).await?;
        Ok(Self::Ours(Arc::new(log)))
    }

    async fn append(&self, messages: Vec<Message>) -> anyhow::Result<()> {
        match self {
            Self::Ours(log) => {
                log.append(vec![Append { topic: TOPIC.to_owned(), partition: 0, messages }]).await?;
            }
            Self::Fjall(fjall) => {
                let mut answers = Vec::with_capacity(messages.len());
                for message in &messages {
                    let (reply, answer) = oneshot::channel();
                    fjall.queue.send((value(message), reply))?;
                    answers.push(answer);
                }
                for answer in answers {
                    answer.await?;
                }
            }
        }
        Ok(())
    }

    async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Ours(log) => log.close().await,
            Self::Fjall(Fjall { queue, stopped }) => {
                drop(queue);
                let thread = stopped.lock().map_err(|_| anyhow::anyhow!("a panic"))?.take();
                thread.context("closed twice")?.join().map_err(|_| anyhow::anyhow!("fjall panicked"))??;
            }
        }
        Ok(())
    }
}

/// Seconds of CPU of this process so far, from `/proc/self/stat` (ticks of 10 ms).
fn cpu_seconds() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, rest) = stat.rsplit_once(") ").context("a name in parentheses")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks = |at: usize| -> anyhow::Result<f64> { Ok(fields.get(at).context("a field")?.parse()?) };
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}

/// Bytes that this process caused to be written so far.
fn written_bytes() -> anyhow::Result<f64> {
    let io = std::fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).context("write_bytes")?;
    Ok(line.parse()?)
}

struct Measured {
    records_per_s: f64,
    share: f64,
    cpu_us: f64,
    bytes_per_record: f64,
}

#[expect(clippy::cast_precision_loss, reason = "figures are floats")]
async fn measure(name: &str, path: &Path, writers: usize) -> anyhow::Result<Measured> {
    let group_bytes = writers * (value(&message()).len() + 20) + GROUP_OVERHEAD_BYTES;
    let probe = |time| {
        disk_limit_probe(path.parent().context("a directory")?, group_bytes, time).context("the probe")
    };
    let before = probe(PROBE / 2)?;
    let candidate = Candidate::open(name, path).await?;
    let (cpu, written, started) = (cpu_seconds()?, written_bytes()?, Instant::now());
    let count = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..writers)
        .map(|_| {
            let (candidate, count) = (candidate.clone(), count.clone());
            tokio::spawn(async move {
                while started.elapsed() < RUN {
                    candidate.append(vec![message()]).await?;
                    count.fetch_add(1, Ordering::Relaxed);
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let records = count.load(Ordering::Relaxed) as f64;
    let seconds = started.elapsed().as_secs_f64();
    let (cpu, written) = (cpu_seconds()? - cpu, written_bytes()? - written);
    candidate.close().await?;
    let limit = f64::midpoint(before, probe(PROBE / 2)?) * writers as f64;
    Ok(Measured {
        records_per_s: records / seconds,
        share: records / seconds / limit,
        cpu_us: cpu / records * 1e6,
        bytes_per_record: written / records,
    })
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn reopen(name: &str, path: &Path, megabytes: usize) -> anyhow::Result<()> {
    let candidate = Candidate::open(name, path).await?;
    let batch = vec![message(); 500];
    let batches = megabytes * 1_000_000 / (value(&message()).len() * batch.len());
    for _ in 0..batches {
        candidate.append(batch.clone()).await?;
    }
    candidate.close().await?;
    let started = Instant::now();
    let candidate = Candidate::open(name, path).await?;
    println!("figure {name}_reopen_{megabytes}mb {:.0} ms", started.elapsed().as_secs_f64() * 1e3);
    candidate.close().await
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let root = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let megabytes = arguments.next().map_or(Ok(256), |megabytes| megabytes.parse())?;
    let root = tempfile::tempdir_in(root)?;
    for writers in WRITERS {
        let mut measured: [Vec<Measured>; 2] = Default::default();
        for round in 0..ROUNDS {
            for (candidate, name) in ["ours", "fjall"].into_iter().enumerate() {
                let path = root.path().join(format!("{name}-{writers}-{round}"));
                measured[candidate].push(measure(name, &path, writers).await?);
                std::fs::remove_dir_all(&path)?;
            }
        }
        for (name, measured) in ["ours", "fjall"].into_iter().zip(&measured) {
            let of = |part: fn(&Measured) -> f64| median(measured.iter().map(part));
            println!("figure {name}_appends_{writers} {:.0} records/s", of(|m| m.records_per_s));
            println!("figure {name}_vs_disk_{writers} {:.2} ratio", of(|m| m.share));
            println!("figure {name}_cpu_{writers} {:.1} us/record", of(|m| m.cpu_us));
            println!("figure {name}_written_{writers} {:.0} bytes/record", of(|m| m.bytes_per_record));
        }
    }
    for name in ["ours", "fjall"] {
        reopen(name, &root.path().join(format!("{name}-reopen")), megabytes).await?;
    }
    Ok(())
}
