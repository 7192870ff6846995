//! A disk that fails, fills up or loses its power while the log runs.

use std::collections::HashMap;
use std::time::Duration;

use super::*;
use crate::contract_tests::{PLENTY, batch, payloads};
use crate::embedded::sim::SimDisk;
use crate::{Incarnation, Message};

async fn open(disk: &SimDisk, options: Options) -> EmbeddedLog {
    let log = EmbeddedLog::open_in(Path::new("log"), options, disk.world()).await.unwrap();
    log.create_topic("t", TopicSpec::of(1)).await.unwrap();
    log
}

async fn append(log: &EmbeddedLog, payload: &str) -> Result<u64, Error> {
    Ok(log.append(vec![batch("t", [payload.to_owned()])]).await?[0].start)
}

async fn all(log: &EmbeddedLog) -> Vec<String> {
    payloads(&log.read("t", 0, 0, PLENTY).await.unwrap())
}

#[tokio::test]
async fn a_failed_sync_is_fatal_and_nothing_acknowledged_is_lost() {
    for seed in 0..8 {
        let disk = SimDisk::default();
        let log = open(&disk, SimDisk::options()).await;
        append(&log, "kept").await.unwrap();
        disk.fail_syncs(true);
        // Longer than a sector, so that later writes do not happen to make it durable.
        assert!(matches!(append(&log, &"doubtful".repeat(200)).await, Err(Error::Failed { .. })));
        disk.fail_syncs(false);
        let outcome = append(&log, "later").await;
        assert!(matches!(&outcome, Err(Error::Failed { reason }) if reason.contains("sync")), "{outcome:?}");
        assert!(matches!(log.health(), Err(Error::Failed { .. })));
        // What was durable can still be read, and nothing else.
        assert_eq!(all(&log).await, ["kept"]);
        drop(log);
        // The system has forgotten that the pages are not on the disk: a reader finds the record, and it has to be
        // written again before anything behind it is acknowledged.
        let log = open(&disk, SimDisk::options()).await;
        let found = all(&log).await;
        assert_eq!(found.len(), 2);
        append(&log, "after").await.unwrap();
        disk.power_up(seed);
        let log = open(&disk, SimDisk::options()).await;
        assert_eq!(all(&log).await, [found, vec!["after".to_owned()]].concat());
    }
}

#[tokio::test]
async fn a_torn_write_is_fatal_and_cut_off_at_the_next_start() {
    for bytes in [0, 1, 47, 48, 60] {
        let disk = SimDisk::default();
        let log = open(&disk, SimDisk::options()).await;
        append(&log, "kept").await.unwrap();
        disk.tear_next_write(bytes);
        assert!(matches!(append(&log, "a torn record").await, Err(Error::Failed { .. })));
        drop(log);
        let log = open(&disk, SimDisk::options()).await;
        assert_eq!(all(&log).await, ["kept"]);
        assert_eq!(append(&log, "after").await.unwrap(), 1);
    }
}

/// Appends until the log takes no more; what was acknowledged.
async fn fill(log: &EmbeddedLog) -> (Vec<String>, String) {
    let mut acknowledged = Vec::new();
    loop {
        let payload = format!("{}{}", acknowledged.len(), "x".repeat(300));
        match append(log, &payload).await {
            Ok(_) => acknowledged.push(payload),
            Err(Error::Busy { reason }) => return (acknowledged, reason),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_full_disk_refuses_appends_and_harms_nothing() {
    let disk = SimDisk::default();
    let log = open(&disk, SimDisk::options()).await;
    disk.set_capacity(Some(20_000));
    let (mut acknowledged, reason) = fill(&log).await;
    assert!(reason.contains("disk full"), "{reason}");
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());
    assert!(matches!(log.health(), Err(Error::Busy { .. })));
    assert_eq!(all(&log).await, acknowledged);
    // A full disk is no obstacle to starting either.
    log.close().await;
    let log = open(&disk, SimDisk::options()).await;
    assert_eq!(all(&log).await, acknowledged);
    acknowledged.extend(fill(&log).await.0);
    disk.set_capacity(None);
    log.health().unwrap();
    append(&log, "room again").await.unwrap();
    acknowledged.push("room again".to_owned());
    assert_eq!(all(&log).await, acknowledged);
}

/// Otherwise what was acknowledged could not be processed any more: its outputs need room.
#[tokio::test]
async fn the_last_room_of_a_disk_is_for_the_outputs_of_stages() {
    let disk = SimDisk::default();
    let stage_room_bytes = 16 * 1024;
    let log = open(&disk, Options { stage_room_bytes, ..SimDisk::options() }).await;
    disk.set_capacity(Some(48 * 1024));
    let (acknowledged, reason) = fill(&log).await;
    assert!(!acknowledged.is_empty() && reason.contains("kept for the stages"), "{reason}");
    assert!(matches!(log.health(), Err(Error::Busy { .. })));
    let output = |n: usize| {
        let incarnation = Incarnation { stage: "belt:1".to_owned(), version: 1, epoch: 1 };
        let mut message = Message::of(format!("output {n}"));
        message.system.stage = Some(incarnation);
        Append { topic: "t".to_owned(), partition: 0, messages: vec![message] }
    };
    for n in 0..acknowledged.len() {
        log.append(vec![output(n)]).await.unwrap();
    }
    assert_eq!(all(&log).await.len(), 2 * acknowledged.len());
    disk.set_capacity(None);
    tokio::time::timeout(Duration::from_secs(30), async {
        while append(&log, "room again").await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn the_bound_of_the_log_holds_and_dropped_files_make_room() {
    let disk = SimDisk::default();
    let log = open(&disk, Options { disk_bytes_max: Some(16 * 1024), ..SimDisk::options() }).await;
    let (acknowledged, reason) = fill(&log).await;
    assert!(reason.contains("bounded to 16384"), "{reason}");
    assert!(log.stats().disk_used_bytes <= 16 * 1024);
    log.trim("t", 0, acknowledged.len() as u64).await.unwrap();
    // Files are dropped beside the appends.
    tokio::time::timeout(Duration::from_secs(30), async {
        while append(&log, "x").await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    log.health().unwrap();
}

#[tokio::test]
async fn the_reserve_of_the_disk_is_left_alone() {
    let disk = SimDisk::default();
    disk.set_capacity(Some(30_000));
    let log = open(&disk, Options { disk_reserve_bytes: 15_000, ..SimDisk::options() }).await;
    fill(&log).await;
    let free = crate::embedded::disk::Disk::free_bytes(&disk, Path::new("log")).unwrap();
    assert!(free >= 15_000, "{free}");
}

#[tokio::test]
async fn an_append_larger_than_a_file_gets_a_file_of_its_size() {
    let disk = SimDisk::default();
    let log = open(&disk, SimDisk::options()).await;
    let payloads: Vec<String> = (0..3).map(|n| format!("{n}").repeat(9000)).collect();
    append(&log, "before").await.unwrap();
    log.append(vec![batch("t", payloads.clone())]).await.unwrap();
    append(&log, "after").await.unwrap();
    let expected = [vec!["before".to_owned()], payloads, vec!["after".to_owned()]].concat();
    assert_eq!(all(&log).await, expected);
    log.close().await;
    assert_eq!(all(&open(&disk, SimDisk::options()).await).await, expected);
}

#[tokio::test]
async fn a_record_over_the_limit_is_refused() {
    let disk = SimDisk::default();
    let log = open(&disk, Options { record_bytes_max: 1000, ..SimDisk::options() }).await;
    let outcome = append(&log, &"x".repeat(1000)).await;
    assert!(matches!(outcome, Err(Error::RecordTooLarge { limit: 1000, .. })), "{outcome:?}");
    assert_eq!(append(&log, &"x".repeat(900)).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_at_once_and_the_rest_is_stored() {
    let disk = SimDisk::default();
    let log = Arc::new(open(&disk, Options { queue_bytes_max: 2000, ..SimDisk::options() }).await);
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let log = log.clone();
            tokio::spawn(async move { append(&log, &format!("{n:0500}")).await })
        })
        .collect();
    let mut acknowledged = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => acknowledged += 1,
            Err(error) => assert!(matches!(error, Error::Busy { .. }), "{error}"),
        }
    }
    assert!(acknowledged > 0);
    assert_eq!(all(&log).await.len(), acknowledged);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_that_wait_share_a_write_and_a_sync() {
    let disk = SimDisk::default();
    let log = Arc::new(open(&disk, Options::default()).await);
    append(&log, "warm").await.unwrap();
    let (_, before) = disk.counts();
    let payloads: Vec<String> = (0..64).map(|n| n.to_string()).collect();
    let writers: Vec<_> = payloads
        .into_iter()
        .map(|payload| {
            let log = log.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    append(&log, &payload).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let (_, after) = disk.counts();
    assert!(after - before < 64 * 20, "{} syncs", after - before);
    assert_eq!(log.bounds("t", 0).await.unwrap().end, 64 * 20 + 1);
}

#[tokio::test]
async fn power_cuts_at_any_moment_lose_nothing_acknowledged() {
    for seed in 0..150_u64 {
        let disk = SimDisk::default();
        let mut acknowledged: HashMap<u64, String> = HashMap::new();
        let log = open(&disk, SimDisk::options()).await;
        drop(log);
        for round in 0..4 {
            disk.cut_power_after((seed * 37 + round * 101) % 260);
            let opened = EmbeddedLog::open_in(Path::new("log"), SimDisk::options(), disk.world()).await;
            if let Ok(log) = opened {
                for n in 0.. {
                    let payload =
                        format!("{seed}-{round}-{n}{}", "y".repeat(usize::try_from(n * 53 % 900).unwrap()));
                    match append(&log, &payload).await {
                        Ok(offset) => acknowledged.insert(offset, payload),
                        Err(_) => break,
                    };
                    // Files come and go meanwhile.
                    if n % 7 == 6 {
                        let _ =
                            log.trim("t", 0, log.bounds("t", 0).await.unwrap().end.saturating_sub(12)).await;
                    }
                }
            }
            disk.power_up(seed * 1000 + round);
            let log = EmbeddedLog::open_in(Path::new("log"), SimDisk::options(), disk.world()).await;
            let log = log.unwrap_or_else(|error| panic!("seed {seed} round {round}: {error}"));
            let bounds = log.bounds("t", 0).await.unwrap();
            let records = log.read("t", 0, bounds.start, PLENTY).await.unwrap();
            assert_eq!(records.len() as u64, bounds.end - bounds.start);
            for (offset, payload) in acknowledged.iter().filter(|(offset, _)| **offset >= bounds.start) {
                let at = usize::try_from(offset - bounds.start).unwrap();
                let found =
                    records.get(at).unwrap_or_else(|| panic!("seed {seed} round {round}: {offset} is lost"));
                assert_eq!(found.message.payload, payload.as_bytes(), "seed {seed} round {round}");
            }
            drop(log);
            disk.restart();
        }
    }
}
