//! The suite that every log passes, on the stand-in, and on a real cluster where there is one.

mod support;

use std::sync::Arc;
use std::time::Duration;

use granary_fluvio::stand_in::StandIn;
use granary_stream::contract_tests::{PLENTY, batch};
use granary_stream::{Append, StreamLog, TopicSpec, contract_tests};
use support::{Real, log_at, real_cluster, unique_prefix};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stand_in_keeps_the_contract() {
    let cluster = StandIn::start().await.unwrap();
    keeps_the_contract(&cluster.address()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_is_kept_while_answers_are_cut() {
    let cluster = StandIn::start().await.unwrap();
    cluster.cut_batches(true);
    keeps_the_contract(&cluster.address()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_cluster_keeps_the_contract() {
    let Some(cluster) = real_cluster().await else { return };
    keeps_the_contract(cluster.address()).await;
}

async fn keeps_the_contract(address: &str) {
    contract_tests::all(&|| {
        let address = address.to_owned();
        Box::pin(async move {
            let log: Arc<dyn StreamLog> = Arc::new(log_at(&address, &unique_prefix()).await);
            log
        })
    })
    .await;
    let prefix = unique_prefix();
    contract_tests::survives_reopening(&|| {
        let (address, prefix) = (address.to_owned(), prefix.clone());
        Box::pin(async move {
            let log: Arc<dyn StreamLog> = Arc::new(log_at(&address, &prefix).await);
            log
        })
    })
    .await;
}

/// After a restart an SPU tells an end that lies before what it has acknowledged, until the next record comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_real_broker_has_acknowledged_is_read_when_it_was_killed_and_nothing_more_is_written() {
    let Some(Real::Own(mut cluster)) = real_cluster().await else {
        eprintln!("skipped: no Fluvio cluster of our own that may be killed (put fluvio-run on PATH)");
        return;
    };
    let log = log_at(&cluster.address, "k").await;
    log.create_topic("t", TopicSpec::of(4)).await.expect("a topic");
    for round in 0..3_u64 {
        let appends = (0..4).map(|partition| Append { partition, ..batch("t", [round.to_string()]) });
        log.append(appends.collect()).await.expect("appended");
        cluster.kill_broker();
        cluster.start_broker().await;
        for partition in 0..4 {
            let read = async {
                loop {
                    match log.read("t", partition, 0, PLENTY).await {
                        Ok(records) if records.len() as u64 == round + 1 => return,
                        _ => tokio::time::sleep(Duration::from_millis(50)).await,
                    }
                }
            };
            tokio::time::timeout(Duration::from_secs(60), read).await.expect("everything is there");
        }
    }
}
