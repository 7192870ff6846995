//! The memory that the operating system keeps of files.

use std::fs::{self, File};
use std::path::Path;

use anyhow::Result;
use rustix::fs::{Advice, fadvise};

/// Makes the operating system let go of what it keeps of the files in a folder (`posix_fadvise`, `DONTNEED`), as after a
/// start of the machine. It is a request, which Linux follows for pages that nobody is using.
pub(crate) fn forget(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let file = File::open(entry?.path())?;
        // Only what is on the disk is let go.
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}
