//! A small file system in memory that can be filled.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;
use tempfile::TempDir;

/// A file system at a folder. Dropping it unmounts it.
#[derive(Debug)]
pub(super) struct Volume {
    folder: PathBuf,
    kept: bool,
}

/// Why none can be made here, where that is so.
#[must_use]
pub(super) fn obstacle() -> Option<String> {
    let folder = TempDir::with_prefix("granary-test-volume-");
    let tried = folder.context("no temporary folder").and_then(|folder| {
        // Unmounted before its folder goes.
        Volume::mount(folder.path(), 1 << 20).map(drop)
    });
    tried.err().map(|error| format!("{error:#}"))
}

impl Volume {
    /// Makes one of so many bytes at an empty folder.
    pub(super) fn mount(folder: &Path, bytes: u64) -> Result<Self> {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={bytes},mode=700"), "granary-test"]).arg(folder);
        let output = command.output().context("could not run mount")?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(Self { folder: folder.to_owned(), kept: false })
    }

    /// Takes all room that is left; the room of files that are made meanwhile is not.
    pub(super) fn fill(&self) -> Result<()> {
        let ballast = File::options().create(true).append(true).open(self.ballast())?;
        let mut length = ballast.metadata()?.len();
        loop {
            let disk = statvfs(&self.folder)?;
            let mut wanted = disk.f_bavail * disk.f_frsize;
            if wanted == 0 {
                return Ok(());
            }
            // Others take room too: what is not there any more is not asked for again.
            while let Err(error) = fallocate(&ballast, FallocateFlags::empty(), length, wanted) {
                if error != Errno::NOSPC || wanted <= disk.f_frsize {
                    return Err(error).context("could not fill the disk");
                }
                wanted = wanted / 2 / disk.f_frsize * disk.f_frsize;
            }
            length += wanted;
        }
    }

    /// Gives back what [`Volume::fill`] has taken.
    pub(super) fn free(&self) -> Result<()> {
        Ok(fs::remove_file(self.ballast())?)
    }

    /// Leaves it mounted when this value goes, and answers where.
    pub(super) fn keep(&mut self) -> &Path {
        self.kept = true;
        &self.folder
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // Lazily, where somebody still holds a file of it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}
