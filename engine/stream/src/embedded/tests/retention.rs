//! What is dropped, and what never is.

use super::*;
use crate::contract_tests::PLENTY;
use crate::embedded::sim::SimDisk;
use crate::message::Message;

const KEPT_MS: u64 = 1000;

async fn open(disk: &SimDisk) -> EmbeddedLog {
    let log = EmbeddedLog::open_in(Path::new("log"), SimDisk::options(), disk.world()).await.unwrap();
    let short = TopicSpec { retention_ms: Some(KEPT_MS), ..TopicSpec::of(2) };
    log.create_topic("short", short).await.unwrap();
    log.create_topic("forever", TopicSpec::of(1)).await.unwrap();
    log
}

async fn append(log: &EmbeddedLog, topic: &str, partition: u32, times: std::ops::Range<u64>) {
    for time_ms in times {
        let messages = vec![Message { time_ms, ..Message::of("x".repeat(500)) }];
        log.append(vec![Append { topic: topic.to_owned(), partition, messages }]).await.unwrap();
    }
    // Retention drops closed files, and the keeper closes them in its own time.
    log.shared.keeper.settle();
}

fn files(disk: &SimDisk) -> usize {
    disk.names().iter().filter(|name| file::number(name).is_some()).count()
}

#[tokio::test]
async fn old_records_are_dropped_by_files_up_to_the_least_cursor() {
    let disk = SimDisk::default();
    let log = open(&disk).await;
    append(&log, "short", 0, 1..101).await;
    let before = files(&disk);
    assert_eq!(log.enforce_retention(1000, &|_, _| None).await.unwrap(), 0);
    // A reader at 20 holds everything from there on.
    let dropped = log.enforce_retention(100_000, &|topic, _| (topic == "short").then_some(20)).await.unwrap();
    assert!(dropped > 0);
    assert_eq!(log.bounds("short", 0).await.unwrap().start, 20);
    assert_eq!(log.read("short", 0, 20, PLENTY).await.unwrap().len(), 80);
    let held = files(&disk);
    assert!(held < before);
    // Nobody registered: age alone decides, and the file that is being written stays.
    log.enforce_retention(100_000, &|_, _| None).await.unwrap();
    assert!(files(&disk) < held);
    let bounds = log.bounds("short", 0).await.unwrap();
    assert!(bounds.start > 80 && bounds.end == 100, "{bounds:?}");
}

#[tokio::test]
async fn only_records_older_than_the_retention_expire() {
    let disk = SimDisk::default();
    let log = open(&disk).await;
    append(&log, "short", 0, 1..101).await;
    log.enforce_retention(KEPT_MS + 50, &|_, _| None).await.unwrap();
    let start = log.bounds("short", 0).await.unwrap().start;
    assert!(start > 30 && start < 50, "{start}");
    assert_eq!(log.read("short", 0, start, PLENTY).await.unwrap()[0].message.time_ms, start + 1);
}

#[tokio::test]
async fn a_record_of_another_topic_keeps_its_file() {
    let disk = SimDisk::default();
    let log = open(&disk).await;
    append(&log, "forever", 0, 1..2).await;
    append(&log, "short", 1, 1..101).await;
    log.trim("short", 1, 100).await.unwrap();
    log.enforce_retention(0, &|_, _| None).await.unwrap();
    log.close().await;
    // Files in the middle are gone, the first one is not, and the gap is no damage.
    let log = open(&disk).await;
    assert_eq!(log.read("forever", 0, 0, PLENTY).await.unwrap().len(), 1);
    assert_eq!(log.bounds("short", 1).await.unwrap(), Bounds { start: 100, end: 100 });
    assert!(files(&disk) <= 3, "{}", files(&disk));
    append(&log, "short", 1, 500..501).await;
    assert_eq!(log.bounds("short", 1).await.unwrap().end, 101);
}

#[tokio::test]
async fn offsets_go_on_where_every_record_was_dropped() {
    let disk = SimDisk::default();
    let log = open(&disk).await;
    append(&log, "short", 0, 1..31).await;
    log.trim("short", 0, 30).await.unwrap();
    append(&log, "forever", 0, 1..40).await;
    log.enforce_retention(0, &|_, _| None).await.unwrap();
    // Killed, not closed: what was stored before the files went is enough.
    disk.restart();
    drop(log);
    let log = open(&disk).await;
    assert_eq!(log.bounds("short", 0).await.unwrap(), Bounds { start: 30, end: 30 });
    append(&log, "short", 0, 50..51).await;
    assert_eq!(log.read("short", 0, 30, PLENTY).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_files_of_a_removed_topic_go() {
    let disk = SimDisk::default();
    let log = open(&disk).await;
    append(&log, "forever", 0, 1..101).await;
    let before = files(&disk);
    log.delete_topic("forever").await.unwrap();
    log.enforce_retention(0, &|_, _| None).await.unwrap();
    assert!(files(&disk) < before / 2);
    let used: usize = disk
        .names()
        .iter()
        .filter(|name| file::number(name).is_some())
        .map(|name| disk.get(&Path::new("log").join(name)).len())
        .sum();
    assert_eq!(log.stats().disk_used_bytes, used as u64);
}

#[tokio::test]
async fn a_trimmed_offset_is_gone_even_for_a_reader_that_was_about_to_read_it() {
    let disk = SimDisk::default();
    let log = Arc::new(open(&disk).await);
    append(&log, "short", 0, 1..201).await;
    let reader = {
        let log = log.clone();
        tokio::spawn(async move {
            loop {
                match log.read("short", 0, 0, ReadLimit { records: 50, bytes: usize::MAX }).await {
                    Ok(records) => assert_eq!(records.len(), 50),
                    Err(error) => return error,
                }
            }
        })
    };
    tokio::task::yield_now().await;
    log.trim("short", 0, 200).await.unwrap();
    log.enforce_retention(0, &|_, _| None).await.unwrap();
    let error = reader.await.unwrap();
    assert!(matches!(error, Error::Trimmed { start: 200, .. }), "{error}");
}
