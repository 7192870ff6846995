//! The disk that the log lies on gets full, stays full for a while and is freed. Every second time the engine is killed and
//! started while it is full.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::chunk::{Chunk, random_moment, steady};
use super::scenario::Tell;
use super::volume::Volume;
use crate::node::{Node, Settings};
use crate::postgres;
use crate::trial::{self, Outcome, Trial};
use crate::wait::{Look, await_condition};

/// Room for what a chunk posts until the disk is full for the last time, and for what others than stages need then to be taken
/// again: an event is written several times, 72 MB a second, and no file is old enough to be dropped. The log takes room by
/// files of 64 MiB, and has the next one ready.
const DISK_BYTES: u64 = 1 << 30;

/// What the log leaves of it.
const RESERVE: &str = "1MiB";

/// With so many events of this size the files that the log has ready are full within seconds.
const PER_SECOND: f64 = 1_000.0;
const PADDING: usize = 24 << 10;

/// How long it may take until the files that the log has ready are full.
const FILL_PATIENCE: Duration = Duration::from_secs(180);

/// Runs a chunk.
pub(super) async fn run(chunk: &Chunk, tell: Tell<'_>) -> Result<Outcome> {
    // The log's folder only is on the small disk: what Postgres does when its own is full is its own matter.
    let mut place = Place::make()?;
    let mut volume = Volume::mount(&place.data_dir.join("log"), DISK_BYTES)?;
    let node = Node::start_with(Settings {
        data_dir: Some(place.data_dir.clone()),
        arguments: vec!["--log-disk-reserve".to_owned(), RESERVE.to_owned()],
        ..Settings::default()
    })
    .await?;
    let settings = trial::Settings { padding: PADDING, ..steady("disk", PER_SECOND) };
    let mut trial = Trial::begin(node, settings).await?;
    let filled = fill(chunk, &mut trial, &volume, tell).await;
    let outcome = trial.end(filled, tell).await;
    if !outcome.as_ref().is_ok_and(Outcome::clean) {
        place.keep();
        tell(format!("its log lies in memory, until `umount {}`", volume.keep().display()));
    }
    outcome
}

async fn fill(chunk: &Chunk, trial: &mut Trial, volume: &Volume, tell: Tell<'_>) -> Result<()> {
    let mut chance = chunk.chance();
    for round in chunk.numbers() {
        random_moment(&mut chance, Duration::from_secs(1)).await;
        volume.fill()?;
        let (before, posted) = (trial.busy(), trial.acknowledged());
        await_condition("a 503", FILL_PATIENCE, async || {
            trial.check_alive()?;
            let seen = format!("{} events acknowledged", trial.acknowledged());
            Ok(Look::from_option((trial.busy() > before).then_some(()), seen))
        })
        .await?;
        let posted = trial.acknowledged() - posted;
        random_moment(&mut chance, Duration::from_secs(2)).await;
        let killed = round % 2 == 1;
        if killed {
            trial.hold();
            trial.node.kill().await?;
            trial.node.relaunch().await.context("the engine has to start on a full disk")?;
            trial.release();
            random_moment(&mut chance, Duration::from_secs(1)).await;
        }
        trial.check_alive()?;
        volume.free()?;
        trial.await_more().await?;
        trial.node.await_ready().await?;
        tell(format!(
            "round {:>2}: the disk was full, 503 after {posted} further events{}, and went on when it was freed",
            round + 1,
            if killed { ", killed and started on the full disk" } else { "" }
        ));
    }
    Ok(())
}

/// A data directory with an empty folder for the log.
struct Place {
    data_dir: PathBuf,
    folder: TempDir,
    kept: bool,
}

impl Place {
    fn make() -> Result<Self> {
        let folder = TempDir::with_prefix("granary-test-")?;
        let data_dir = folder.path().join("data");
        fs::create_dir_all(data_dir.join("log"))?;
        Ok(Self { data_dir, folder, kept: false })
    }

    fn keep(&mut self) {
        self.folder.disable_cleanup(true);
        self.kept = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.kept {
            // Where the embedded server could not reach the data directory, its files lie elsewhere.
            postgres::remove(&self.data_dir);
        }
    }
}
