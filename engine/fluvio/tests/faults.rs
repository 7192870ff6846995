//! What a cluster does to its clients, and what the log makes of it. `naive.rs` shows what becomes of the client's own
//! producer and consumer under the same faults.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fluvio_protocol::link::ErrorCode;
use granary_fluvio::stand_in::StandIn;
use granary_fluvio::{FluvioLog, Options};
use granary_stream::contract_tests::{PLENTY, batch, payloads};
use granary_stream::{
    Append, Error, Incarnation, Message, OffsetRange, Producer, Record, StreamLog, System, TopicSpec,
};
use support::{address, log_at, unique_prefix};

const ONE: TopicSpec = TopicSpec::of(1);

async fn cluster() -> StandIn {
    StandIn::start().await.unwrap()
}

/// A log that gives up soon.
async fn hasty(cluster: &StandIn) -> FluvioLog {
    let options = Options { append_patience: Duration::from_millis(700), ..Options::default() };
    let log = FluvioLog::open(address(&cluster.address(), "hasty"), options);
    log.reached().await;
    log
}

/// A message as the collector makes them: it comes from outside, so a repeat of it can be told.
fn from_outside(payload: &str) -> Message {
    let system = System { producer: Some(Producer { id: 1, sequence: 0 }), ..System::default() };
    Message { system, ..Message::of(payload.to_owned()) }
}

async fn append(log: &dyn StreamLog, messages: Vec<Message>) -> Result<OffsetRange, Error> {
    let mut ranges = log.append(vec![Append { topic: "t".to_owned(), partition: 0, messages }]).await?;
    Ok(ranges.remove(0))
}

async fn read_all(log: &dyn StreamLog, topic: &str) -> Vec<Record> {
    log.read(topic, 0, 0, PLENTY).await.unwrap()
}

/// What the first stage does with repeats: of each producer, it takes what goes beyond the highest sequence so far.
fn without_repeats(records: &[Record]) -> Vec<String> {
    let mut highest: BTreeMap<u128, u64> = BTreeMap::new();
    let fresh = records.iter().filter(|record| {
        let Some(Producer { id, sequence }) = record.message.system.producer else { return true };
        let fresh = highest.get(&id).is_none_or(|before| sequence > *before);
        if fresh {
            highest.insert(id, sequence);
        }
        fresh
    });
    payloads(&fresh.cloned().collect::<Vec<_>>())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_cut_loses_nothing() {
    let cluster = cluster().await;
    cluster.cut_batches(true);
    let log = log_at(&cluster.address(), "a").await;
    log.create_topic("t", ONE).await.unwrap();
    // One batch of more than a fetch, and small ones behind it.
    let line = |n: usize| format!("{n:06}{}", "x".repeat(494));
    log.append(vec![batch("t", (0..6_000).map(line))]).await.unwrap();
    for n in 6_000..6_100 {
        log.append(vec![batch("t", [line(n)])]).await.unwrap();
    }
    let records = read_all(&log, "t").await;
    assert!(records.iter().map(|record| record.offset).eq(0..6_100));
    assert!(payloads(&records).into_iter().eq((0..6_100).map(line)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_larger_than_a_fetch_is_read() {
    let cluster = cluster().await;
    cluster.cut_batches(true);
    let log = log_at(&cluster.address(), "b").await;
    log.create_topic("t", ONE).await.unwrap();
    let sizes = [10, 5 << 20, 10, 9 << 20];
    for size in sizes {
        append(&log, vec![Message::of(vec![7; size])]).await.unwrap();
    }
    let read: Vec<usize> =
        read_all(&log, "t").await.iter().map(|record| record.message.payload.len()).collect();
    assert_eq!(read, sizes);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_partition_goes_on_after_the_broker_was_away() {
    let cluster = cluster().await;
    let log = Arc::new(log_at(&cluster.address(), "c").await);
    log.create_topic("t", TopicSpec::of(8)).await.unwrap();
    let mut growth = log.watch("t").unwrap();
    let to_all = |text: &'static str| {
        let log = Arc::clone(&log);
        async move {
            let appends = (0..8).map(|partition| Append { partition, ..batch("t", [text.to_owned()]) });
            log.append(appends.collect()).await.unwrap()
        }
    };
    to_all("before").await;
    cluster.pause();
    let during = tokio::spawn(to_all("during"));
    // The batch goes out and fails at least once before the cluster is back.
    while log.health().is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    growth.mark_seen();
    cluster.resume();
    during.await.unwrap();
    to_all("after").await;
    growth.changed().await;
    for partition in 0..8 {
        let records = log.read("t", partition, 0, PLENTY).await.unwrap();
        assert_eq!(payloads(&records), ["before", "during", "after"], "partition {partition}");
    }
    assert!(log.health().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn evicted_records_are_told() {
    let cluster = cluster().await;
    let log = log_at(&cluster.address(), "d").await;
    log.create_topic("t", ONE).await.unwrap();
    for n in 0..10 {
        log.append(vec![batch("t", [n.to_string()])]).await.unwrap();
    }
    cluster.evict(&log.stored_as("t").unwrap(), 0, 4);
    let error = log.read("t", 0, 1, PLENTY).await.unwrap_err();
    assert!(matches!(error, Error::Trimmed { asked: 1, start: 4, .. }), "{error}");
    assert_eq!(log.bounds("t", 0).await.unwrap().start, 4);
    assert_eq!(payloads(&log.read("t", 0, 4, PLENTY).await.unwrap()).len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_without_an_answer_is_acknowledged_once_and_the_repeat_can_be_told() {
    for fault in 0..2 {
        let cluster = cluster().await;
        let log = log_at(&cluster.address(), "f").await;
        log.create_topic("t", ONE).await.unwrap();
        append(&log, vec![from_outside("first")]).await.unwrap();
        match fault {
            0 => cluster.store_and_hang_up(1),
            _ => cluster.store_and_refuse(1, ErrorCode::StorageError),
        }
        let range = append(&log, vec![from_outside("a"), from_outside("b")]).await.unwrap();
        append(&log, vec![from_outside("last")]).await.unwrap();
        let records = read_all(&log, "t").await;
        assert_eq!(payloads(&records), ["first", "a", "b", "a", "b", "last"]);
        assert_eq!((range.start, range.end), (3, 5), "the copy that was acknowledged");
        assert_eq!(without_repeats(&records), ["first", "a", "b", "last"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stage_has_made_is_never_stored_twice_by_itself() {
    let cluster = cluster().await;
    let log = log_at(&cluster.address(), "f").await;
    log.create_topic("t", ONE).await.unwrap();
    let made = |text: &str| {
        let stage = Some(Incarnation { stage: "belt:1".to_owned(), version: 1, epoch: 1 });
        Message { system: System { stage, ..System::default() }, ..Message::of(text.to_owned()) }
    };
    cluster.store_and_hang_up(1);
    let error = append(&log, vec![made("doubtful")]).await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable { reason } if reason.contains("not known")), "{error}");
    assert_eq!(append(&log, vec![made("again")]).await.unwrap().start, 1);
    assert_eq!(payloads(&read_all(&log, "t").await), ["doubtful", "again"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_batch_is_sent_again_in_its_order() {
    let cluster = cluster().await;
    let log = Arc::new(log_at(&cluster.address(), "f").await);
    log.create_topic("t", ONE).await.unwrap();
    cluster.refuse_produce(3, ErrorCode::NotLeaderForPartition);
    let first = tokio::spawn({
        let log = Arc::clone(&log);
        async move { append(&*log, vec![from_outside("first")]).await.unwrap().start }
    });
    // The second one is put into the queue while the first one is being refused.
    let before = cluster.produce_requests();
    while cluster.produce_requests() == before {
        tokio::task::yield_now().await;
    }
    let second = append(&*log, vec![from_outside("second")]).await.unwrap().start;
    assert_eq!((first.await.unwrap(), second), (0, 1));
    assert_eq!(payloads(&read_all(&*log, "t").await), ["first", "second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_never_answers_is_given_up_and_the_queue_is_bounded() {
    let cluster = cluster().await;
    let options =
        Options { append_patience: Duration::from_millis(700), queue_bytes_max: 1_000, ..Options::default() };
    let log = Arc::new(FluvioLog::open(address(&cluster.address(), "g"), options));
    log.reached().await;
    log.create_topic("t", ONE).await.unwrap();
    cluster.swallow_produce(true);
    let before = cluster.produce_requests();
    let waiting = tokio::spawn({
        let log = Arc::clone(&log);
        async move { append(&*log, vec![Message::of(vec![1; 900])]).await }
    });
    while cluster.produce_requests() == before {
        tokio::task::yield_now().await;
    }
    let full = append(&*log, vec![Message::of(vec![1; 900])]).await.unwrap_err();
    assert!(matches!(&full, Error::Busy { reason } if reason.contains("the queue takes 1000")), "{full}");
    let given_up = waiting.await.unwrap().unwrap_err();
    assert!(matches!(given_up, Error::Unreachable { .. }), "{given_up}");
    cluster.swallow_produce(false);
    cluster.close_sockets();
    // What was given up may or may not be found; what is taken now is.
    let range = loop {
        match append(&*log, vec![Message::of("after")]).await {
            Ok(range) => break range,
            Err(error) => assert!(matches!(error, Error::Unreachable { .. } | Error::Busy { .. }), "{error}"),
        }
    };
    let records = log.read("t", 0, range.start, PLENTY).await.unwrap();
    assert_eq!(payloads(&records[..1]), ["after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_copies_than_brokers_are_refused_at_once() {
    let cluster = cluster().await;
    let at = format!("fluvio://{}?prefix=i", cluster.address()).parse().unwrap();
    let log = FluvioLog::open(at, Options::default());
    log.reached().await;
    let error =
        log.create_topic("t", TopicSpec { replication: Some(3), ..ONE }).await.unwrap_err().to_string();
    for part in ["3 copies need 3 SPUs", "1 are online", "?replication=1"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(log.topics().is_empty());
    log.create_topic("t", ONE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_other_clients_write_goes_through_as_it_is() {
    let cluster = cluster().await;
    let log = log_at(&cluster.address(), "k").await;
    log.create_topic("t", ONE).await.unwrap();
    log.append(vec![batch("t", ["ours".to_owned()])]).await.unwrap();
    let physical = log.stored_as("t").unwrap();
    cluster.append_foreign(&physical, 0, Some(b"key"), b"theirs");
    log.append(vec![batch("t", ["ours again".to_owned()])]).await.unwrap();
    cluster.append_foreign(&physical, 0, None, b"GRN\x07newer");
    log.append(vec![batch("t", ["behind".to_owned()])]).await.unwrap();
    let records = read_all(&log, "t").await;
    assert_eq!(payloads(&records), ["ours", "theirs", "ours again"]);
    assert_eq!(records[1].message.key, Some(Bytes::from_static(b"key")));
    let error = log.read("t", 0, 3, PLENTY).await.unwrap_err().to_string();
    assert!(
        error.contains("offset 3")
            && error.contains("envelope version 7")
            && error.contains("reads version 1"),
        "{error}"
    );
    assert_eq!(payloads(&log.read("t", 0, 4, PLENTY).await.unwrap()), ["behind"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_over_the_limit_is_refused_with_both_sizes() {
    let cluster = cluster().await;
    let options = Options { record_bytes_max: 1_000, ..Options::default() };
    let log = FluvioLog::open(address(&cluster.address(), "m"), options);
    log.reached().await;
    log.create_topic("t", ONE).await.unwrap();
    let error = append(&log, vec![Message::of(vec![0; 1_001])]).await.unwrap_err();
    assert!(matches!(error, Error::RecordTooLarge { bytes, limit: 1_000 } if bytes > 1_000), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_away_at_the_start_is_named_and_found_when_it_comes() {
    let cluster = cluster().await;
    cluster.pause();
    let log = FluvioLog::open(address(&cluster.address(), "u"), Options::default());
    let named = |error: Error| {
        assert!(
            matches!(&error, Error::Unreachable { reason } if reason.contains(&cluster.address())),
            "{error}"
        );
    };
    named(log.health().unwrap_err());
    named(append(&log, vec![Message::of("early")]).await.unwrap_err());
    named(log.create_topic("t", ONE).await.unwrap_err());
    assert!(log.id().is_nil());
    cluster.resume();
    log.reached().await;
    assert!(!log.id().is_nil() && log.health().is_ok());
    log.create_topic("t", ONE).await.unwrap();
    assert_eq!(append(&log, vec![Message::of("late")]).await.unwrap().start, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_engines_make_the_same_topic_and_hear_of_each_other() {
    let cluster = cluster().await;
    let at = cluster.address();
    let (one, other) = tokio::join!(log_at(&at, "l"), log_at(&at, "l"));
    assert_eq!(one.id(), other.id(), "the first identity counts");
    let name = "Grnry_Data.In";
    let (made, also) = tokio::join!(one.create_topic(name, ONE), other.create_topic(name, ONE));
    made.unwrap();
    also.unwrap();
    assert_eq!(one.stored_as(name), other.stored_as(name));
    let physical = one.stored_as(name).unwrap();
    assert!(physical.starts_with("l-grnry-data-in-"), "{physical}");
    let range = one.append(vec![batch(name, ["from one".to_owned()])]).await.unwrap();
    other.append(vec![batch(name, ["from the other".to_owned()])]).await.unwrap();
    assert_eq!(range[0].start, 0);
    assert_eq!(payloads(&read_all(&one, name).await), ["from one", "from the other"]);

    // Made anew by one, and written by the other, which still knows the old one.
    one.delete_topic(name).await.unwrap();
    one.create_topic(name, TopicSpec::of(2)).await.unwrap();
    assert_ne!(one.stored_as(name).unwrap(), physical);
    while other.topics().get(name) != Some(&TopicSpec::of(2)) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    other.append(vec![batch(name, ["anew".to_owned()])]).await.unwrap();
    assert_eq!(payloads(&read_all(&one, name).await), ["anew"]);
    assert!(!cluster.topics().contains(&physical));
}

#[tokio::test(flavor = "multi_thread")]
async fn growth_by_another_engine_is_heard() {
    let cluster = cluster().await;
    let (at, prefix) = (cluster.address(), unique_prefix());
    let (one, other) = tokio::join!(log_at(&at, &prefix), log_at(&at, &prefix));
    one.create_topic("t", ONE).await.unwrap();
    while other.topics().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut growth = other.watch("t").unwrap();
    growth.mark_seen();
    append(&one, vec![Message::of("x")]).await.unwrap();
    growth.changed().await;
    assert_eq!(payloads(&read_all(&other, "t").await), ["x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_under_all_faults_are_where_they_were_acknowledged_and_once_without_repeats() {
    let cluster = Arc::new(cluster().await);
    cluster.cut_batches(true);
    let log = Arc::new(hasty(&cluster).await);
    log.create_topic("t", ONE).await.unwrap();
    let weather = tokio::spawn({
        let cluster = Arc::clone(&cluster);
        async move {
            for round in 0_usize.. {
                match round % 5 {
                    0 => cluster.store_and_hang_up(1),
                    1 => cluster.refuse_produce(2, ErrorCode::NotLeaderForPartition),
                    2 => cluster.store_and_refuse(1, ErrorCode::StorageError),
                    3 => cluster.close_sockets(),
                    _ => {
                        cluster.pause();
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        cluster.resume();
                    }
                }
                // Some fair weather in between.
                let before = cluster.produce_requests();
                while cluster.produce_requests() < before + 6 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
    });
    let writers = (0..8).map(|writer| {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for n in 0..25 {
                let payload = format!("{writer}:{n}");
                if let Ok(range) = append(&*log, vec![from_outside(&payload)]).await {
                    acknowledged.push((range.start, payload));
                }
            }
            acknowledged
        })
    });
    let mut acknowledged = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        acknowledged.extend(writer.await.unwrap());
    }
    weather.abort();
    cluster.resume();
    while log.bounds("t", 0).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let records = read_all(&*log, "t").await;
    assert!(acknowledged.len() > 40, "{} acknowledged", acknowledged.len());
    for (offset, payload) in &acknowledged {
        assert_eq!(payloads(&records[usize::try_from(*offset).unwrap()..][..1]), [payload.as_str()]);
    }
    let fresh = without_repeats(&records);
    let once: HashSet<&String> = fresh.iter().collect();
    assert_eq!(once.len(), fresh.len(), "nothing is there twice");
    assert!(
        acknowledged.iter().all(|(_, payload)| once.contains(payload)),
        "nothing acknowledged is taken for a repeat"
    );
    assert!(records.len() > fresh.len(), "some were stored twice");
    for writer in 0..8 {
        let of_writer = |text: &&String| text.starts_with(&format!("{writer}:"));
        let order: Vec<u32> =
            fresh.iter().filter(of_writer).filter_map(|text| text.split(':').nth(1)?.parse().ok()).collect();
        assert!(order.is_sorted(), "writer {writer}: {order:?}");
    }
}
