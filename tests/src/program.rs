//! The `granary` program as somebody at a terminal uses it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;

use crate::node::{self, Node};

/// Runs commands in a folder, against one node.
#[derive(Debug, Clone)]
pub struct Program {
    folder: PathBuf,
    data_dir: PathBuf,
}

impl Program {
    /// A program that finds the node by its data directory.
    #[must_use]
    pub fn beside(node: &Node, folder: &Path) -> Self {
        Self { folder: folder.to_owned(), data_dir: node.data_dir().to_owned() }
    }

    /// Replaces a text, which must be there, in a file of the folder.
    pub fn edit(&self, file: &str, from: &str, to: &str) -> Result<()> {
        let path = self.folder.join(file);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        ensure!(text.contains(from), "{file} holds no {from:?}");
        Ok(std::fs::write(&path, text.replace(from, to))?)
    }

    /// Runs a command that must succeed; what it printed, errors included.
    pub async fn ok(&self, arguments: &[&str]) -> Result<String> {
        self.fails(arguments, 0).await
    }

    /// Runs a command that must end with that status; what it printed, errors included.
    pub async fn fails(&self, arguments: &[&str], status: i32) -> Result<String> {
        let output = Command::new(node::binary()?)
            .args(arguments)
            .current_dir(&self.folder)
            .env("GRANARY_DATA_DIR", &self.data_dir)
            .env("GRANARY_CACHE_DIR", node::cache_dir())
            // Crates that a belt needs are compiled once and not once a run.
            .env("CARGO_TARGET_DIR", node::target_dir().join("newcomer"))
            .env_remove("GRANARY_URL")
            .env_remove("GRANARY_TOKEN")
            .env_remove("GRANARY_PROJECT")
            .kill_on_drop(true)
            .output()
            .await
            .context("could not start granary")?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        if output.status.code() != Some(status) {
            bail!("granary {}: expected status {status}, got {}\n{text}", arguments.join(" "), output.status);
        }
        Ok(text)
    }
}
