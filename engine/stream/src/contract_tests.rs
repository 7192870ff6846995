//! The suite that every log passes. Each case is an async function over the trait; a log runs them with
//! [`all`], and one that outlives its process runs [`survives_reopening`] too.
//!
//! To add a case: write the function, and add it to [`all`].

#![allow(clippy::unwrap_used, reason = "these are tests, which other crates run too")]

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use crate::log::{Append, Bounds, Error, OffsetRange, ReadLimit, Record, StreamLog, TopicSpec};
use crate::message::{Headers, Incarnation, Message, Producer, Source, System};

/// A log to test.
pub type Log = Arc<dyn StreamLog>;

/// Makes an empty log, or opens the same one again.
pub type Factory<'a> = &'a (dyn Fn() -> Pin<Box<dyn Future<Output = Log> + Send>> + Sync);

/// No bound that a test would meet.
pub const PLENTY: ReadLimit = ReadLimit { records: usize::MAX, bytes: usize::MAX };

const ONE: TopicSpec = TopicSpec::of(1);

/// Runs every case, each on a log of its own.
///
/// # Panics
/// Where the log breaks the contract.
pub async fn all(fresh: Factory<'_>) {
    offsets_are_consecutive(&*fresh().await).await;
    messages_come_back_whole(&*fresh().await).await;
    a_missing_time_is_set(&*fresh().await).await;
    topics_are_made_listed_and_removed(&*fresh().await).await;
    what_is_not_there_is_named(&*fresh().await).await;
    several_batches_go_in_one_append(&*fresh().await).await;
    reads_are_limited(&*fresh().await).await;
    reading_at_the_end_gives_nothing(&*fresh().await).await;
    trimmed_offsets_are_gone(&*fresh().await).await;
    offsets_are_found_by_time(&*fresh().await).await;
    growth_is_announced(&*fresh().await).await;
    concurrent_appends_keep_their_order(fresh().await).await;
    nothing_is_taken_after_close(&*fresh().await).await;
}

/// Messages with these payloads for partition 0 of a topic.
#[must_use]
pub fn batch(topic: &str, payloads: impl IntoIterator<Item = String>) -> Append {
    let messages = payloads.into_iter().map(Message::of).collect();
    Append { topic: topic.to_owned(), partition: 0, messages }
}

/// The payloads of records, as text.
#[must_use]
pub fn payloads(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(&record.message.payload).into_owned()).collect()
}

/// A message that uses every field.
#[must_use]
pub fn full_message() -> Message {
    let mut headers = Headers::new();
    headers.set("grnry-event-id", "1-2-3");
    headers.set("empty", "");
    headers.0.push(("grnry-event-id".to_owned(), "twice".to_owned()));
    headers.set("ünï", "\u{1F33E}\n");
    Message {
        key: Some(Bytes::from_static(&[0, 255, 7])),
        payload: Bytes::from_static(b"{\"n\":12345678901234567890}"),
        headers,
        time_ms: 1_700_000_000_123,
        system: System {
            source: Some(Source { topic: "snowplow".to_owned(), partition: 3, offset: u64::MAX, index: 9 }),
            stage: Some(Incarnation { stage: "harvester:orders".to_owned(), version: 4, epoch: 1 << 40 }),
            producer: Some(Producer { id: u128::MAX - 5, sequence: 77 }),
            schema_version: u32::MAX,
            trace_id: 1 << 100,
        },
    }
}

async fn offsets_are_consecutive(log: &dyn StreamLog) {
    log.create_topic("t", ONE).await.unwrap();
    assert_eq!(log.bounds("t", 0).await.unwrap(), Bounds { start: 0, end: 0 });
    for round in 0..3_u64 {
        let ranges = log.append(vec![batch("t", (0..5).map(|n| format!("{round}-{n}")))]).await.unwrap();
        let (start, end) = (round * 5, round * 5 + 5);
        assert_eq!(ranges, [OffsetRange { topic: "t".to_owned(), partition: 0, start, end }]);
        assert_eq!(log.bounds("t", 0).await.unwrap(), Bounds { start: 0, end });
    }
    let records = log.read("t", 0, 0, PLENTY).await.unwrap();
    assert_eq!(records.iter().map(|record| record.offset).collect::<Vec<_>>(), (0..15).collect::<Vec<_>>());
    assert_eq!(payloads(&records)[7], "1-2");
    assert_eq!(payloads(&log.read("t", 0, 13, PLENTY).await.unwrap()), ["2-3", "2-4"]);
}

async fn messages_come_back_whole(log: &dyn StreamLog) {
    log.create_topic("t", ONE).await.unwrap();
    let empty = Message { time_ms: 1, ..Message::default() };
    let empty_key = Message { key: Some(Bytes::new()), time_ms: 2, ..Message::default() };
    let large = Message { payload: vec![42; 1_000_000].into(), time_ms: 3, ..Message::default() };
    let messages = vec![full_message(), empty, empty_key, large, full_message()];
    log.append(vec![Append { topic: "t".to_owned(), partition: 0, messages: messages.clone() }])
        .await
        .unwrap();
    let records = log.read("t", 0, 0, PLENTY).await.unwrap();
    assert_eq!(records.into_iter().map(|record| record.message).collect::<Vec<_>>(), messages);
}

async fn a_missing_time_is_set(log: &dyn StreamLog) {
    log.create_topic("t", ONE).await.unwrap();
    log.append(vec![batch("t", ["a".to_owned()])]).await.unwrap();
    assert_ne!(log.read("t", 0, 0, PLENTY).await.unwrap()[0].message.time_ms, 0);
}

async fn topics_are_made_listed_and_removed(log: &dyn StreamLog) {
    let three = TopicSpec { retention_ms: Some(5), ..TopicSpec::of(3) };
    log.create_topic("a", ONE).await.unwrap();
    log.create_topic("b", three).await.unwrap();
    log.create_topic("a", ONE).await.unwrap();
    assert!(matches!(log.create_topic("a", three).await, Err(Error::TopicExists(name)) if name == "a"));
    assert!(log.create_topic("none", TopicSpec::of(0)).await.is_err());
    assert_eq!(log.topics(), [("a".to_owned(), ONE), ("b".to_owned(), three)].into());
    log.append(vec![batch("a", ["old".to_owned()])]).await.unwrap();
    log.delete_topic("a").await.unwrap();
    log.delete_topic("a").await.unwrap();
    assert_eq!(log.topics(), [("b".to_owned(), three)].into());
    assert!(matches!(log.read("a", 0, 0, PLENTY).await, Err(Error::NoTopic(_))));
    log.create_topic("a", three).await.unwrap();
    assert_eq!(log.bounds("a", 0).await.unwrap(), Bounds { start: 0, end: 0 });
    log.append(vec![batch("a", ["new".to_owned()])]).await.unwrap();
    assert_eq!(payloads(&log.read("a", 0, 0, PLENTY).await.unwrap()), ["new"]);
}

async fn what_is_not_there_is_named(log: &dyn StreamLog) {
    log.create_topic("t", ONE).await.unwrap();
    assert!(matches!(log.bounds("x", 0).await, Err(Error::NoTopic(name)) if name == "x"));
    assert!(matches!(log.watch("x"), Err(Error::NoTopic(_))));
    assert!(matches!(log.trim("x", 0, 0).await, Err(Error::NoTopic(_))));
    assert!(matches!(log.read("x", 0, 0, PLENTY).await, Err(Error::NoTopic(_))));
    assert!(matches!(log.offset_at("x", 0, 0).await, Err(Error::NoTopic(_))));
    assert!(matches!(log.bounds("t", 1).await, Err(Error::NoPartition { partition: 1, partitions: 1, .. })));
    assert!(matches!(log.read("t", 1, 0, PLENTY).await, Err(Error::NoPartition { .. })));
    assert!(matches!(log.append(vec![batch("x", ["a".to_owned()])]).await, Err(Error::NoTopic(_))));
    // One batch that cannot be taken: none is.
    let astray = Append { partition: 9, ..batch("t", ["b".to_owned()]) };
    let outcome = log.append(vec![batch("t", ["a".to_owned()]), astray]).await;
    assert!(matches!(outcome, Err(Error::NoPartition { .. })));
    assert_eq!(log.bounds("t", 0).await.unwrap().end, 0);
}

async fn several_batches_go_in_one_append(log: &dyn StreamLog) {
    log.create_topic("t", TopicSpec::of(2)).await.unwrap();
    log.create_topic("u", ONE).await.unwrap();
    let second = |batch: Append| Append { partition: 1, ..batch };
    let ranges = log
        .append(vec![
            batch("u", ["u0".to_owned()]),
            second(batch("t", ["b0".to_owned(), "b1".to_owned()])),
            batch("t", ["a0".to_owned()]),
            second(batch("t", ["b2".to_owned()])),
        ])
        .await
        .unwrap();
    let places: Vec<_> = ranges.iter().map(|r| (r.topic.as_str(), r.partition, r.start, r.end)).collect();
    assert_eq!(places, [("u", 0, 0, 1), ("t", 1, 0, 2), ("t", 0, 0, 1), ("t", 1, 2, 3)]);
    assert_eq!(payloads(&log.read("t", 1, 0, PLENTY).await.unwrap()), ["b0", "b1", "b2"]);
    assert_eq!(payloads(&log.read("t", 0, 0, PLENTY).await.unwrap()), ["a0"]);
    assert_eq!(payloads(&log.read("u", 0, 0, PLENTY).await.unwrap()), ["u0"]);
}

async fn reads_are_limited(log: &dyn StreamLog) {
    log.create_topic("t", ONE).await.unwrap();
    log.append(vec![batch("t", (0..10).map(|n| format!("{n}{}", "x".repeat(99))))]).await.unwrap();
    for (records, bytes, expected) in
        [(3, 1_000_000, 3), (100, 250, 3), (100, 200, 2), (0, 0, 1), (100, 0, 1), (100, 10_000, 10)]
    {
        let read = log.read("t", 0, 0, ReadLimit { records, bytes }).await.unwrap();
        assert_eq!(read.len(), expected, "at most {records} records, {bytes} bytes");
    }
}

async fn reading_at_the_end_gives_nothing(log: &dyn StreamLog) {
    log.create_topic("t", ONE).await.unwrap();
    assert!(log.read("t", 0, 0, PLENTY).await.unwrap().is_empty());
    log.append(vec![batch("t", ["a".to_owned()])]).await.unwrap();
    assert!(log.read("t", 0, 1, PLENTY).await.unwrap().is_empty());
    assert!(log.read("t", 0, u64::MAX, PLENTY).await.unwrap().is_empty());
}

async fn trimmed_offsets_are_gone(log: &dyn StreamLog) {
    log.create_topic("t", ONE).await.unwrap();
    log.append(vec![batch("t", (0..10).map(|n| n.to_string()))]).await.unwrap();
    log.trim("t", 0, 4).await.unwrap();
    log.trim("t", 0, 2).await.unwrap();
    let Bounds { start, end } = log.bounds("t", 0).await.unwrap();
    assert!(start <= 4 && end == 10);
    if start > 0 {
        let outcome = log.read("t", 0, start - 1, PLENTY).await;
        assert!(
            matches!(outcome, Err(Error::Trimmed { asked, start: s, .. }) if asked == start - 1 && s == start)
        );
    }
    assert_eq!(payloads(&log.read("t", 0, 4, PLENTY).await.unwrap())[0], "4");
    // Beyond the end: everything, and no offset is lost.
    log.trim("t", 0, u64::MAX).await.unwrap();
    let ranges = log.append(vec![batch("t", ["next".to_owned()])]).await.unwrap();
    assert_eq!((ranges[0].start, ranges[0].end), (10, 11));
    assert_eq!(payloads(&log.read("t", 0, 10, PLENTY).await.unwrap()), ["next"]);
}

async fn offsets_are_found_by_time(log: &dyn StreamLog) {
    log.create_topic("t", ONE).await.unwrap();
    assert_eq!(log.offset_at("t", 0, 5).await.unwrap(), 0);
    for time_ms in [10, 20, 20, 15, 40] {
        let messages = vec![Message { time_ms, ..Message::of("x") }];
        log.append(vec![Append { topic: "t".to_owned(), partition: 0, messages }]).await.unwrap();
    }
    for (time_ms, offset) in [(1, 0), (10, 0), (11, 1), (20, 1), (21, 4), (40, 4), (41, 5)] {
        assert_eq!(log.offset_at("t", 0, time_ms).await.unwrap(), offset, "at {time_ms}");
    }
}

async fn growth_is_announced(log: &dyn StreamLog) {
    log.create_topic("t", TopicSpec::of(2)).await.unwrap();
    log.create_topic("other", ONE).await.unwrap();
    let mut growth = log.watch("t").unwrap();
    let mut other = log.watch("other").unwrap();
    growth.mark_seen();
    other.mark_seen();
    log.append(vec![Append { partition: 1, ..batch("t", ["a".to_owned()]) }]).await.unwrap();
    growth.changed().await;
    assert_eq!(log.bounds("t", 1).await.unwrap().end, 1);
    assert!(!other.has_changed());
}

async fn concurrent_appends_keep_their_order(log: Log) {
    log.create_topic("t", ONE).await.unwrap();
    let writers = (0..16).map(|writer| {
        let log = log.clone();
        tokio::spawn(async move {
            let mut places = Vec::new();
            for n in 0..25 {
                let ranges = log.append(vec![batch("t", [format!("{writer}:{n}")])]).await.unwrap();
                places.push((ranges[0].start, format!("{writer}:{n}")));
            }
            places
        })
    });
    let mut seen = HashSet::new();
    let mut expected = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        let places = writer.await.unwrap();
        assert!(places.is_sorted_by_key(|(offset, _)| *offset));
        assert!(places.iter().all(|(offset, _)| seen.insert(*offset)));
        expected.extend(places);
    }
    expected.sort();
    let records = log.read("t", 0, 0, PLENTY).await.unwrap();
    let found: Vec<_> = records.iter().map(|record| record.offset).zip(payloads(&records)).collect();
    assert_eq!(found, expected);
}

async fn nothing_is_taken_after_close(log: &dyn StreamLog) {
    log.create_topic("t", ONE).await.unwrap();
    log.append(vec![batch("t", ["a".to_owned()])]).await.unwrap();
    log.close().await;
    log.close().await;
    assert!(log.append(vec![batch("t", ["b".to_owned()])]).await.is_err());
    assert!(log.health().is_err());
}

/// What a log keeps when it is closed and opened again. `open` opens the same log each time.
///
/// # Panics
/// Where the log breaks the contract.
pub async fn survives_reopening(open: Factory<'_>) {
    let log = open().await;
    let id = log.id();
    let spec = TopicSpec { retention_ms: Some(1_000_000), ..TopicSpec::of(2) };
    log.create_topic("t", spec).await.unwrap();
    log.create_topic("gone", ONE).await.unwrap();
    log.append(vec![batch("gone", ["x".to_owned()])]).await.unwrap();
    log.delete_topic("gone").await.unwrap();
    let messages = vec![full_message(); 3];
    log.append(vec![Append { topic: "t".to_owned(), partition: 1, messages: messages.clone() }])
        .await
        .unwrap();
    log.append(vec![batch("t", (0..10).map(|n| n.to_string()))]).await.unwrap();
    log.trim("t", 0, 4).await.unwrap();
    log.close().await;
    drop(log);

    let log = open().await;
    assert_eq!(log.id(), id);
    assert_eq!(log.topics(), [("t".to_owned(), spec)].into());
    assert_eq!(log.bounds("t", 0).await.unwrap(), Bounds { start: 4, end: 10 });
    assert_eq!(log.bounds("t", 1).await.unwrap(), Bounds { start: 0, end: 3 });
    let records = log.read("t", 1, 0, PLENTY).await.unwrap();
    assert_eq!(records.into_iter().map(|record| record.message).collect::<Vec<_>>(), messages);
    assert_eq!(payloads(&log.read("t", 0, 8, PLENTY).await.unwrap()), ["8", "9"]);
    let ranges = log.append(vec![batch("t", ["next".to_owned()])]).await.unwrap();
    assert_eq!(ranges[0].start, 10);
    log.create_topic("gone", ONE).await.unwrap();
    assert_eq!(log.bounds("gone", 0).await.unwrap(), Bounds { start: 0, end: 0 });
    log.close().await;
}
