//! The short form of the kill test; `make kill-test` runs the long one.

use anyhow::Result;
use granary_tests::kill::{self, Settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_every_kill_each_acknowledged_event_is_a_row_written_once() -> Result<()> {
    let verdict = kill::run(&Settings { rounds: 3, events: 2_000, ..Settings::default() }, &|_| {}).await?;
    verdict.check()
}
