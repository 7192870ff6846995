//! Tests of the embedded log as a whole.

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::contract_tests;

/// Small files, so that a test meets their ends.
fn small() -> Options {
    Options { file_bytes: 4096, cache_bytes_max: 8192, ..Options::default() }
}

mod contract {
    use super::*;

    async fn keeps_the_contract(options: Options) {
        let root = tempfile::tempdir().unwrap();
        let count = std::sync::atomic::AtomicU32::new(0);
        contract_tests::all(&|| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            let (path, options) = (root.path().join(number.to_string()), options.clone());
            Box::pin(async move {
                Arc::new(EmbeddedLog::open(&path, options).await.unwrap()) as Arc<dyn StreamLog>
            })
        })
        .await;
    }

    #[tokio::test]
    async fn kept_from_the_cache() {
        keeps_the_contract(Options::default()).await;
    }

    #[tokio::test]
    async fn kept_from_the_disk_and_over_many_files() {
        keeps_the_contract(Options { cache_bytes_max: 0, ..small() }).await;
    }

    #[tokio::test]
    async fn kept_over_reopening() {
        for options in [Options::default(), small()] {
            let root = tempfile::tempdir().unwrap();
            let path: PathBuf = root.path().join("log");
            contract_tests::survives_reopening(&|| {
                let (path, options) = (path.clone(), options.clone());
                Box::pin(async move {
                    Arc::new(EmbeddedLog::open(&path, options).await.unwrap()) as Arc<dyn StreamLog>
                })
            })
            .await;
        }
    }
}

mod crash;
mod faults;
mod fixture;
mod model;
mod retention;
