//! The suite that every log passes, on the stand-in, and on a real cluster where there is one.

mod support;

use std::sync::Arc;

use granary_fluvio::stand_in::StandIn;
use granary_stream::{StreamLog, contract_tests};
use support::{log_at, real_cluster, unique_prefix};

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
