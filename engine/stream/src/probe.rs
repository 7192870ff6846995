//! What the disk itself can do: the bare loop that the log is measured against.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::embedded::disk::{Disk, SystemDisk};

const FILE_BYTES: u64 = 128 << 20;

/// How many times a second the disk of a directory takes one write of `bytes` bytes and one `fdatasync`, one after
/// the other, behind each other in preallocated files. Runs for about `time` and leaves nothing behind.
///
/// # Errors
/// What the operating system says.
pub fn disk_limit_probe(directory: &Path, bytes: usize, time: Duration) -> io::Result<f64> {
    // Random bytes, so that no disk can cheat by compressing them.
    let mut contents = vec![0; bytes];
    rand::fill(contents.as_mut_slice());
    let path = directory.join("disk-limit.tmp");
    let (mut count, mut spent) = (0_u32, Duration::ZERO);
    while spent < time {
        let file = SystemDisk.create(&path)?;
        file.allocate(FILE_BYTES.max(bytes as u64))?;
        file.sync_all()?;
        SystemDisk.sync_directory(directory)?;
        let started = Instant::now();
        let mut position = 0;
        while position + bytes as u64 <= FILE_BYTES.max(bytes as u64) && spent + started.elapsed() < time {
            file.write_at(&contents, position)?;
            file.sync_data()?;
            position += bytes as u64;
            count += 1;
        }
        spent += started.elapsed();
        SystemDisk.remove(&path)?;
    }
    Ok(f64::from(count) / spent.as_secs_f64())
}
