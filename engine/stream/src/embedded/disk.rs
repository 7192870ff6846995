//! The file system as the log sees it: a small trait, so that a simulator or a failing disk can stand in its place.

use std::fmt::Debug;
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// What position, length and memory of a write are multiples of, so that it can go past the page cache.
pub const BLOCK_BYTES: usize = 4096;

/// Zeros written at once when a file is made ready.
const ZEROS_BYTES: usize = 1 << 20;

/// One open file. Positions and lengths are bytes. All methods may be called at once.
pub trait File: Debug + Send + Sync {
    /// Reads at a position until the buffer is full or the file ends; the number of bytes read.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;

    /// Writes all bytes at a position. Durable after the next successful sync. Whole blocks (see [`BLOCK_BYTES`]) may
    /// go past the page cache.
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()>;

    /// Reserves room so that the file is at least that long and writes up to there cannot run out of space. New
    /// bytes read as zero.
    fn allocate(&self, length: u64) -> io::Result<()>;

    /// Cuts or extends the file.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// The length.
    fn length(&self) -> io::Result<u64>;

    /// Makes the contents durable (`fdatasync`).
    fn sync_data(&self) -> io::Result<()>;

    /// Makes contents and length durable (`fsync`).
    fn sync_all(&self) -> io::Result<()>;
}

/// Held for as long as a directory is in use; dropping it frees the directory.
pub trait Lock: Debug + Send + Sync {}

/// Where files live.
pub trait Disk: Debug + Send + Sync {
    /// Makes a directory with its parents, durably. Nothing happens where it exists.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Makes an empty file, or empties the one that is there, open for reading and writing.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Opens an existing file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// The names of the files in a directory, in no particular order.
    fn list(&self, directory: &Path) -> io::Result<Vec<String>>;

    /// Renames a file, replacing any other of the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Open handles stay readable.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes creations, renames and removals in the directory durable.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    /// Bytes free for this process on the disk of the directory.
    fn free_bytes(&self, directory: &Path) -> io::Result<u64>;

    /// Takes the lock file, or answers `WouldBlock` where somebody holds it. It is freed when its holder ends,
    /// however that happens.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>>;
}

/// The disk of the operating system.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemDisk;

#[derive(Debug)]
struct SystemFile {
    file: fs::File,
    /// The same file past the page cache: `None` where the file system cannot.
    direct: OnceLock<Option<fs::File>>,
}

impl SystemFile {
    fn new(file: fs::File) -> Arc<Self> {
        Arc::new(Self { file, direct: OnceLock::new() })
    }

    fn direct(&self) -> Option<&fs::File> {
        let open = || {
            let flags = rustix::fs::OFlags::DIRECT.bits().cast_signed();
            let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            fs::OpenOptions::new().write(true).custom_flags(flags).open(path).ok()
        };
        self.direct.get_or_init(open).as_ref()
    }

    /// Writes zeros from one position to another.
    fn zero(&self, from: u64, to: u64) -> io::Result<()> {
        let room = vec![0; ZEROS_BYTES + BLOCK_BYTES];
        let zeros = &room[room.as_ptr().align_offset(BLOCK_BYTES)..][..ZEROS_BYTES];
        let mut at = from;
        while at < to {
            // Up to a boundary first, so that all that follows is aligned.
            let boundary = (at + 1).next_multiple_of(zeros.len() as u64).min(to);
            let count = usize::try_from(boundary - at).expect("at most a mebibyte");
            self.write_at(&zeros[..count], at)?;
            at = boundary;
        }
        Ok(())
    }
}

/// Whether a write of these bytes there can go past the page cache.
fn aligned(bytes: &[u8], position: u64) -> bool {
    let block = BLOCK_BYTES as u64;
    bytes.len().is_multiple_of(BLOCK_BYTES)
        && position.is_multiple_of(block)
        && bytes.as_ptr().align_offset(BLOCK_BYTES) == 0
}

#[derive(Debug)]
struct SystemLock(#[expect(dead_code, reason = "held for its lock")] fs::File);

impl Lock for SystemLock {}

impl File for SystemFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], position + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        if bytes.len() >= BLOCK_BYTES
            && aligned(bytes, position)
            && let Some(direct) = self.direct()
        {
            match direct.write_all_at(bytes, position) {
                // This disk has larger blocks, or the file system has changed its mind.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
                outcome => return outcome,
            }
        }
        self.file.write_all_at(bytes, position)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let before = self.file.metadata()?.len();
        if before >= length {
            return Ok(());
        }
        match rustix::fs::fallocate(&self.file, rustix::fs::FallocateFlags::empty(), 0, length) {
            // Some file systems cannot reserve room. There the file is only made longer, and running out of space
            // shows as a failed write.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => self.file.set_len(length)?,
            outcome => outcome.map_err(io::Error::from)?,
        }
        // Reserved blocks count as unwritten: the first write to each makes the file system journal that, which halves
        // the syncs that a disk does (measured: 1,390/s against 2,630/s of 32 KiB). So they are written here, ahead.
        self.zero(before, length)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

impl Disk for SystemDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            self.create_directory(parent)?;
        }
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let parent =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        self.sync_directory(parent)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(SystemFile::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(SystemFile::new(fs::OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)? {
            // A name that is not text is none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn free_bytes(&self, directory: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(directory)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(SystemLock(file))),
            Err(fs::TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Reads a whole small file; `None` where there is none.
pub(super) fn read_whole(disk: &dyn Disk, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = usize::try_from(file.length()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; length];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

/// Replaces a small file as a whole: after a crash either the old or the new contents are there.
pub(super) fn replace(disk: &dyn Disk, directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let draft = directory.join(format!("{name}.new"));
    let file = disk.create(&draft)?;
    file.write_at(bytes, 0)?;
    file.sync_all()?;
    disk.rename(&draft, &directory.join(name))?;
    disk.sync_directory(directory)
}
