//! The key file: 32 random bytes in hex, in the data directory, readable by its owner only.
//!
//! It is read each time that it is needed, which is seldom: what an operator puts back takes effect at once.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use ring::rand::{SecureRandom as _, SystemRandom};
use sha2::{Digest as _, Sha256};

use super::Error;

/// Name of the file.
pub const FILE: &str = "secret.key";
/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// Bytes of the hash that stands for a key.
const ID_BYTES: usize = 8;

/// A key that seals and opens.
pub struct Key(pub(super) [u8; KEY_BYTES]);

impl Key {
    /// A fresh one.
    fn random() -> Result<Self, Error> {
        let mut bytes = [0; KEY_BYTES];
        SystemRandom::new().fill(&mut bytes).map_err(|_| Error::NoRandomness)?;
        Ok(Self(bytes))
    }

    /// Stands for the key where it must not be told: the beginning of its hash, in hex.
    #[must_use]
    pub fn id(&self) -> String {
        // Other words in front than those of other uses of the key.
        let hash = Sha256::new_with_prefix(b"granary secret key").chain_update(self.0).finalize();
        hex(&hash[..ID_BYTES])
    }

    /// Reads the file; `None` where there is none.
    pub(super) fn read(data_dir: &Path) -> Result<Option<Self>, Error> {
        let text = match fs::read_to_string(data_dir.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(Error::NoKey),
            Err(error) => return Err(Error::Unreadable(error)),
        };
        parse(text.trim()).map(Some).ok_or(Error::NoKey)
    }

    /// Reads the file, and makes it where there is none. When this returns a new key it is on disk: what it seals
    /// outlives a crash.
    pub(super) fn read_or_make(data_dir: &Path) -> Result<Self, Error> {
        if let Some(key) = Self::read(data_dir)? {
            return Ok(key);
        }
        let key = Self::random()?;
        if key.write(data_dir).map_err(Error::Unwritable)? {
            return Ok(key);
        }
        // Another task made one in between.
        Self::read(data_dir)?.ok_or(Error::Missing)
    }

    /// Writes the file under its name only when it is whole and on disk. `false` where one is there already.
    fn write(&self, data_dir: &Path) -> io::Result<bool> {
        // Temporary files are for their owner only from the beginning.
        let mut file = tempfile::Builder::new().prefix("secret.key.").tempfile_in(data_dir)?;
        file.as_file().set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(format!("{}\n", hex(&self.0)).as_bytes())?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(data_dir.join(FILE)) {
            Ok(_) => {}
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(error.error),
        }
        File::open(data_dir)?.sync_all()?;
        Ok(true)
    }
}

/// Whether others than the owner of the file may read it.
pub(super) fn is_open_to_others(data_dir: &Path) -> bool {
    fs::metadata(data_dir.join(FILE)).is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse(text: &str) -> Option<Key> {
    let mut key = [0; KEY_BYTES];
    if text.len() != 2 * KEY_BYTES || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(Key(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_makes_a_key_that_stays() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Key::read(dir.path()).unwrap().is_none());
        let made = Key::read_or_make(dir.path()).unwrap();
        assert_eq!(Key::read_or_make(dir.path()).unwrap().0, made.0);
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!is_open_to_others(dir.path()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left behind");
        let other = tempfile::tempdir().unwrap();
        assert_ne!(Key::read_or_make(other.path()).unwrap().id(), made.id());
    }

    #[test]
    fn a_key_that_is_there_is_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let made = Key::read_or_make(dir.path()).unwrap();
        assert!(!Key::random().unwrap().write(dir.path()).unwrap());
        assert_eq!(Key::read(dir.path()).unwrap().unwrap().0, made.0);
    }

    #[test]
    fn what_is_no_key_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        for bytes in [&b""[..], b"abc", b"\xff\xfe", "g".repeat(64).as_bytes(), "ü".repeat(32).as_bytes()] {
            fs::write(dir.path().join(FILE), bytes).unwrap();
            assert!(matches!(Key::read_or_make(dir.path()), Err(Error::NoKey)));
            assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), bytes);
        }
        assert!(matches!(Key::read_or_make(&dir.path().join("nowhere")), Err(Error::Unwritable(_))));
    }
}
