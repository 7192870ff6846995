//! `granary belt dev`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Args;

use super::Failure;
use super::build::program;
use super::folder::Folder;
use super::logs::{Tail, follow};
use super::push::Push;
use super::samples;
use super::test::{Show, Suite};

/// Between two looks at the files and the logs.
const PAUSE: Duration = Duration::from_millis(250);

#[derive(Args)]
pub(super) struct Dev {
    #[command(flatten)]
    push: Push,
    /// Only test, without an engine
    #[arg(long)]
    local: bool,
}

impl Dev {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let root = self.push.folder().to_owned();
        let mut seen = BTreeMap::new();
        let mut tail = Tail::default();
        let mut id = None;
        println!("dev: watching {}; Ctrl-C ends it", root.display());
        loop {
            let now = files(&root);
            if now != seen {
                // From before the round: what is saved meanwhile makes another one.
                seen = now;
                match self.round().await {
                    Ok(pushed) => id = pushed.or(id),
                    Err(Failure::Failed(error)) => println!("dev: {error:#}"),
                    Err(Failure::Usage(text)) => println!("dev: {text}"),
                }
                println!("dev: waiting for a change");
            }
            if let Some(id) = &id {
                let folder = Folder::open(&root)?;
                // The engine may be restarting; the next look shows the rest.
                let _ = follow(&self.push.remote(&folder)?, id, &mut tail).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Builds, tests and pushes; the id of the belt where it was pushed.
    async fn round(&self) -> Result<Option<String>, Failure> {
        let folder = Folder::open(self.push.folder())?;
        let program = program(&folder)?;
        let samples = samples::of_folder(&folder)?;
        if !samples.is_empty() {
            let suite =
                Suite::run(&folder, &program, &samples, self.push.sandboxed(), Show::Everything).await?;
            suite.verdict()?;
        }
        if self.local {
            return Ok(None);
        }
        let remote = self.push.remote(&folder)?;
        self.push.quick().upload(&folder, &remote, &program).await?;
        Ok(Some(remote.belt(&folder).await?.id))
    }
}

/// The files of a folder with their times. Hidden ones, `target` and `node_modules` are left out.
fn files(root: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') || ["target", "node_modules", "__pycache__"].contains(&&*name) {
                continue;
            }
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => {
                    found.insert(entry.path(), metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH));
                }
                Err(_) => {}
            }
        }
    }
    found
}
