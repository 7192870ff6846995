//! `kill -9` of a process that appends, at random moments: every append that it reported is there afterwards.

#![allow(clippy::unwrap_used, reason = "these are tests, helpers and all")]

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use granary_stream::embedded::{EmbeddedLog, Options};
use granary_stream::{Append, Message, ReadLimit, Record, StreamLog, TopicSpec};

const DIRECTORY: &str = "GRANARY_KILL_TEST_DIRECTORY";
const ROUND: &str = "GRANARY_KILL_TEST_ROUND";
const TOPICS: [&str; 2] = ["a", "b"];
const WRITERS: usize = 8;

/// Payloads that were acknowledged, by topic and offset.
type Acknowledged = HashMap<(String, u64), String>;

async fn open(directory: &Path) -> EmbeddedLog {
    // Small files, so that the kill also meets their making and closing.
    let options = Options { file_bytes: 64 * 1024, disk_reserve_bytes: 0, ..Options::default() };
    let log = EmbeddedLog::open(directory, options).await.unwrap();
    for topic in TOPICS {
        log.create_topic(topic, TopicSpec::of(1)).await.unwrap();
    }
    log
}

/// The process that is killed: appends for ever and prints what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the test below"]
async fn appends_until_killed() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let round = std::env::var(ROUND).unwrap();
    let log = Arc::new(open(&PathBuf::from(directory)).await);
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let (log, round) = (log.clone(), round.clone());
        let topic = TOPICS[writer % TOPICS.len()];
        writers.push(tokio::spawn(async move {
            for n in 0_usize.. {
                let payload = format!("{round}:{writer}:{n}:{}", "x".repeat(n * 31 % 700));
                let messages = vec![Message::of(payload.clone())];
                let append = Append { topic: topic.to_owned(), partition: 0, messages };
                let offset = log.append(vec![append]).await.unwrap()[0].start;
                let line = format!("ack {topic} {offset} {payload}\n");
                std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
}

async fn all(log: &EmbeddedLog, topic: &str) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    loop {
        let limit = ReadLimit { records: 1000, bytes: 1 << 20 };
        let more = log.read(topic, 0, records.len() as u64, limit).await.unwrap();
        if more.is_empty() {
            return records;
        }
        records.extend(more);
    }
}

/// Appends in a child until it has reported `acks` appends, kills it, and gathers all that it reported.
fn run_and_kill(directory: &Path, round: usize, acks: usize, acknowledged: &mut Acknowledged) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "appends_until_killed", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let (mut line, mut seen) = (String::new(), 0);
    while lines.read_line(&mut line).unwrap() > 0 {
        // The harness prints its own words before, and the kill may cut the last line short.
        if let Some((_, ack)) = line.strip_suffix('\n').and_then(|line| line.split_once("ack ")) {
            let mut parts = ack.split(' ').map(str::to_owned);
            let mut part = || parts.next().unwrap();
            let (topic, offset, payload) = (part(), part().parse().unwrap(), part());
            acknowledged.insert((topic, offset), payload);
            seen += 1;
            if seen == acks {
                child.kill().unwrap();
            }
        }
        line.clear();
    }
    child.wait().unwrap();
    assert!(seen >= acks, "the child ended by itself after {seen} appends");
}

/// Each writer waits for its acknowledgement, so its appends are there in order, once, and without gaps.
fn check_order(records: &[Record]) {
    let mut sent = HashSet::new();
    let mut next: HashMap<(usize, usize), usize> = HashMap::new();
    for (offset, record) in (0_u64..).zip(records) {
        assert_eq!(record.offset, offset);
        let text = std::str::from_utf8(&record.message.payload).unwrap();
        let mut parts = text.split(':');
        let mut number = || parts.next().unwrap().parse::<usize>().unwrap();
        let (round, writer, n) = (number(), number(), number());
        assert!(sent.insert((round, writer, n)), "{text} is there twice");
        let next = next.entry((round, writer)).or_default();
        assert_eq!(*next, n, "{text}");
        *next += 1;
    }
}

#[tokio::test]
async fn every_reported_append_outlives_kill_9() {
    let rounds = std::env::var("GRANARY_KILL_ROUNDS").map_or(10, |rounds| rounds.parse().unwrap());
    let root = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::new();
    for round in 0..rounds {
        run_and_kill(root.path(), round, rand::random_range(1..800), &mut acknowledged);
        let log = open(root.path()).await;
        for topic in TOPICS {
            let records = all(&log, topic).await;
            check_order(&records);
            for ((_, offset), payload) in acknowledged.iter().filter(|((of, _), _)| of == topic) {
                let record = records.get(usize::try_from(*offset).unwrap());
                let record = record.unwrap_or_else(|| panic!("round {round}: {topic} {offset} is lost"));
                assert_eq!(record.message.payload, payload.as_bytes(), "round {round}");
            }
        }
        log.close().await;
    }
}
