//! Format version 1 as the first release wrote it, in `tests/fixtures/format-1`. Every later release reads it.
//!
//! `cargo test -p granary-stream -- --ignored writes_the_fixture` makes it; never run that to make a failing test
//! pass: a log in the field would not be rewritten either.

use super::*;
use crate::contract_tests::{PLENTY, batch, full_message, payloads};
use crate::embedded::clock::Clock;
use crate::embedded::entropy::Entropy;
use crate::message::Message;

/// A world in which the same log is written each time.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now_ms(&self) -> u64 {
        1_750_000_000_000
    }
}

impl Entropy for Still {
    fn random(&self) -> u128 {
        0x1234_5678_9abc_def0_0fed_cba9_8765_4321
    }
}

fn still() -> World {
    World { clock: Arc::new(Still), entropy: Arc::new(Still), ..World::default() }
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1")
}

async fn write(directory: &Path) {
    let log = EmbeddedLog::open_in(directory, small(), still()).await.unwrap();
    log.create_topic(
        "grnry_data_in_orders",
        TopicSpec { retention_ms: Some(86_400_000), ..TopicSpec::of(2) },
    )
    .await
    .unwrap();
    log.create_topic("gone", TopicSpec::of(1)).await.unwrap();
    log.append(vec![batch("gone", ["of a removed topic".to_owned()])]).await.unwrap();
    log.delete_topic("gone").await.unwrap();
    log.create_topic("snowplow", TopicSpec::of(1)).await.unwrap();
    for n in 0..12 {
        log.append(vec![
            batch("snowplow", [format!("{n}-a{}", "é".repeat(200)), format!("{n}-b")]),
            Append {
                topic: "grnry_data_in_orders".to_owned(),
                partition: 1,
                messages: vec![full_message(), Message::of(format!("order {n}"))],
            },
        ])
        .await
        .unwrap();
    }
    log.trim("snowplow", 0, 3).await.unwrap();
    log.close().await;
}

async fn check(log: &EmbeddedLog) {
    assert_eq!(log.log_id(), Uuid::from_u128(0x2143_6587_a9cb_4d0f_b0de_bc9a_7856_3412));
    assert_eq!(log.topics().len(), 2);
    assert_eq!(log.bounds("snowplow", 0).await.unwrap(), Bounds { start: 3, end: 24 });
    assert_eq!(log.bounds("grnry_data_in_orders", 0).await.unwrap(), Bounds { start: 0, end: 0 });
    let records = log.read("snowplow", 0, 3, PLENTY).await.unwrap();
    assert_eq!(
        payloads(&records)[..3],
        ["1-b".to_owned(), format!("2-a{}", "é".repeat(200)), "2-b".to_owned()]
    );
    assert!(records.iter().all(|record| record.message.time_ms == 1_750_000_000_000));
    let orders = log.read("grnry_data_in_orders", 1, 0, PLENTY).await.unwrap();
    assert_eq!(orders.len(), 24);
    assert_eq!(orders[22].message, full_message());
    assert_eq!(payloads(&orders)[23], "order 11");
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test]
async fn a_log_of_the_first_release_is_read_and_goes_on() {
    let root = tempfile::tempdir().unwrap();
    copy(&fixture(), root.path());
    let log = EmbeddedLog::open(root.path(), small()).await.unwrap();
    check(&log).await;
    let ranges = log.append(vec![batch("snowplow", ["next".to_owned()])]).await.unwrap();
    assert_eq!(ranges[0].start, 24);
}

#[tokio::test]
async fn this_release_writes_the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    write(root.path()).await;
    let mut compared = 0;
    for entry in std::fs::read_dir(fixture()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // The manifest names the release, and the turn of the mark counts how often it was moved.
        if name == manifest::NAME || name == mark::NAME {
            continue;
        }
        let (then, now) =
            (std::fs::read(fixture().join(&name)).unwrap(), std::fs::read(root.path().join(&name)).unwrap());
        assert!(then == now, "{name} differs");
        compared += 1;
    }
    assert!(compared >= 4, "{compared}");
}

#[tokio::test]
#[ignore = "makes the fixture"]
async fn writes_the_fixture() {
    std::fs::create_dir_all(fixture()).unwrap();
    write(&fixture()).await;
}
