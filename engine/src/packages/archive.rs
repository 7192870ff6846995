//! The archive of a folder of packages: a zip without compression, the same bytes for the same files.
//!
//! It is written here and not by a library since it needs so little: names in order, no times, no modes. What it takes
//! on disk, Postgres compresses.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::Error;

/// Every instance of the belt holds the archive.
const BYTES_MAX: usize = 32 << 20;
const FILES_MAX: usize = 20_000;
/// Files that only a linker reads.
const NATIVE: [&str; 5] = ["so", "pyd", "dylib", "dll", "a"];
/// What packages read of their own installation, such as their versions; the rest is of pip.
const OF_INSTALLATION: [&str; 2] = ["METADATA", "entry_points.txt"];

const LOCAL_HEADER: u32 = 0x0403_4b50;
const CENTRAL_HEADER: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const VERSION: u16 = 20;
/// Names are UTF-8.
const FLAGS: u16 = 0x0800;
/// The first of January 1980, as early as it goes.
const DATE: u16 = 0x0021;

/// Packs the files of a folder that pip has filled.
pub(super) fn pack(folder: &Path) -> Result<Vec<u8>, Error> {
    let mut files = Files::default();
    files
        .take(folder, "")
        .map_err(|error| Error::Unavailable(format!("The installed packages cannot be read: {error}.")))?;
    if let Some(native) = files.native {
        return Err(Error::Refused(vec![format!(
            "names packages with native code, which a sandbox does not run: {native}. Leave them out"
        )]));
    }
    if files.bytes > BYTES_MAX || files.files.len() > FILES_MAX {
        return Err(Error::Refused(vec![format!(
            "names packages of {} MiB in {} files, with all that they need; a belt can have {} MiB in {FILES_MAX} files",
            files.bytes.div_ceil(1 << 20),
            files.files.len(),
            BYTES_MAX >> 20
        )]));
    }
    Ok(zip(&files.files))
}

/// The files by name, and how much they are.
#[derive(Default)]
struct Files {
    files: BTreeMap<String, Vec<u8>>,
    bytes: usize,
    native: Option<String>,
}

impl Files {
    fn take(&mut self, folder: &Path, prefix: &str) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            // Such a name cannot be imported.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let place = format!("{prefix}{name}");
            if entry.file_type()?.is_dir() {
                // Programs for the command line; compiled Python.
                if place != "bin" && name != "__pycache__" {
                    self.take(&entry.path(), &format!("{place}/"))?;
                }
                continue;
            }
            let extension = Path::new(&name).extension().and_then(|e| e.to_str()).unwrap_or_default();
            let of_pip = prefix.ends_with(".dist-info/") && !OF_INSTALLATION.contains(&name.as_str());
            if of_pip
                || prefix.contains(".dist-info/licenses/")
                || extension == "pyc"
                || !entry.file_type()?.is_file()
            {
                continue;
            }
            if NATIVE.contains(&extension) {
                self.native = Some(place.clone());
            }
            self.bytes =
                self.bytes.saturating_add(usize::try_from(entry.metadata()?.len()).unwrap_or(usize::MAX));
            // Beyond the limit only the size counts.
            let content = if self.bytes > BYTES_MAX { Vec::new() } else { fs::read(entry.path())? };
            self.files.insert(place, content);
        }
        Ok(())
    }
}

/// The fields that local and central headers share, and the length of the name.
fn common(name: &str, content: &[u8]) -> Vec<u8> {
    let mut fields = Vec::with_capacity(26);
    for field in [VERSION, FLAGS, 0, 0, DATE] {
        fields.extend(field.to_le_bytes());
    }
    fields.extend(crc32fast::hash(content).to_le_bytes());
    // `BYTES_MAX` is far below what 32 bits hold.
    let size = (content.len() as u32).to_le_bytes();
    fields.extend(size);
    fields.extend(size);
    fields.extend((name.len() as u16).to_le_bytes());
    fields.extend([0, 0]);
    fields
}

fn zip(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let (at, common) = (archive.len() as u32, common(name, content));
        archive.extend(LOCAL_HEADER.to_le_bytes());
        archive.extend(&common);
        archive.extend(name.as_bytes());
        archive.extend(content);
        directory.extend(CENTRAL_HEADER.to_le_bytes());
        directory.extend(VERSION.to_le_bytes());
        directory.extend(&common);
        // Comment, disk, attributes.
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (at, count) = (archive.len() as u32, (files.len() as u16).to_le_bytes());
    let size = (directory.len() as u32).to_le_bytes();
    archive.extend(directory);
    archive.extend(END.to_le_bytes());
    archive.extend([0; 4]);
    archive.extend(count);
    archive.extend(count);
    archive.extend(size);
    archive.extend(at.to_le_bytes());
    archive.extend([0; 2]);
    archive
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        folder
    }

    #[test]
    fn the_same_files_make_the_same_bytes_and_what_is_of_pip_is_left_out() {
        let one = folder(&[("b/__init__.py", "x"), ("a.py", "y"), ("a-1.dist-info/METADATA", "m")]);
        let other = folder(&[
            ("a-1.dist-info/METADATA", "m"),
            ("a-1.dist-info/RECORD", "other"),
            ("a-1.dist-info/licenses/LICENSE", "l"),
            ("a.py", "y"),
            ("b/__init__.py", "x"),
            ("b/__pycache__/a.pyc", "z"),
            ("bin/a", "z"),
        ]);
        assert_eq!(pack(one.path()).unwrap(), pack(other.path()).unwrap());
    }

    #[test]
    fn pythons_own_reader_finds_everything() {
        let made = folder(&[("a.py", "print('a')"), ("p/data.txt", "\u{e9}"), ("p/__init__.py", "")]);
        let path = made.path().join("out");
        fs::write(&path, pack(made.path()).unwrap()).unwrap();
        let script = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; \
                      print(z.namelist(), z.read('p/data.txt').decode())";
        let output = std::process::Command::new("python3")
            .env("PYTHONIOENCODING", "utf-8")
            .args(["-c", script])
            .arg(&path)
            .output()
            .unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert_eq!(told.trim(), "['a.py', 'p/__init__.py', 'p/data.txt'] \u{e9}");
    }

    #[test]
    fn native_files_and_too_much_are_refused_with_what_there_is() {
        let native = folder(&[("p/fast.cpython-314.so", "")]);
        let error = pack(native.path()).unwrap_err().to_string();
        assert!(error.contains("p/fast.cpython-314.so"), "{error}");
        let large = folder(&[("p.py", "")]);
        fs::File::create(large.path().join("q.py")).unwrap().set_len(BYTES_MAX as u64 + 1).unwrap();
        let error = pack(large.path()).unwrap_err().to_string();
        assert!(error.contains("33 MiB in 2 files"), "{error}");
    }
}
