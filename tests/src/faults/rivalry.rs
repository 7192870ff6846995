//! A second engine is started beside the first, on its data directory, on its database, or on its database with a copy of
//! its log. It has to refuse and say why, and the first goes on.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use tempfile::TempDir;

use super::chunk::{Chunk, random_moment, steady};
use super::scenario::Tell;
use crate::node::{Node, Settings};
use crate::trial::{Outcome, Trial};
use crate::{postgres, rival};

const PER_SECOND: f64 = 400.0;

/// Runs a chunk.
pub(super) async fn run(chunk: &Chunk, tell: Tell<'_>) -> Result<Outcome> {
    let mut trial = Trial::begin(Node::start().await?, steady("rival", PER_SECOND)).await?;
    let refused = refuse(chunk, &mut trial, tell).await;
    trial.end(refused, tell).await
}

async fn refuse(chunk: &Chunk, trial: &mut Trial, tell: Tell<'_>) -> Result<()> {
    let mut chance = chunk.chance();
    for round in chunk.numbers() {
        random_moment(&mut chance, Duration::from_secs(1)).await;
        let data_dir = trial.node.data_dir().to_owned();
        let database_url = Some(postgres::url(&data_dir)?);
        let (place, text) = match round % 3 {
            0 => ("on the same data directory", rival::on_data_dir(&data_dir).await?),
            1 => {
                let text = rival::refusal_of(Settings { database_url, ..Settings::default() }).await?;
                ensure!(text.contains("belongs to the log"), "it should name the foreign log: {text}");
                ("on the same database", text)
            }
            _ => {
                let copy = TempDir::with_prefix("granary-test-rival-")?;
                copy_log(&data_dir, &copy.path().join("data"))?;
                let data_dir = Some(copy.path().join("data"));
                let text =
                    rival::refusal_of(Settings { data_dir, database_url, ..Settings::default() }).await?;
                ensure!(
                    text.contains("another engine is using this database"),
                    "it should name the other: {text}"
                );
                ("on the same database with a copy of the log", text)
            }
        };
        trial.await_more().await?;
        trial.node.await_ready().await?;
        let last = text.trim().lines().last().unwrap_or_default();
        tell(format!("round {:>2}: a second engine {place} was refused: {last}", round + 1));
    }
    Ok(())
}

/// Copies the log while it is written: what its last file lacks is a torn end.
fn copy_log(from: &Path, to: &Path) -> Result<()> {
    let (from, to) = (from.join("log"), to.join("log"));
    fs::create_dir_all(&to)?;
    for entry in fs::read_dir(&from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
