//! Finds the programs of a Postgres installation.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use tracing::{debug, info};

use crate::Error;
use crate::account::{self, Account, command};

/// Oldest major version that has what the engine needs (multiranges).
const MAJOR_MIN: u32 = 14;

/// The programs of one installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binaries {
    pub(crate) postgres: PathBuf,
    pub(crate) initdb: PathBuf,
    pub(crate) major: u32,
    /// As the server prints it, such as `15.18`.
    pub(crate) version: String,
}

/// The best installation: of that major version where one is wanted, else the first one that can be used.
///
/// Looked at in order: the given folder (itself or its `bin`), the folders of PATH, the places where distributions put
/// their versions. One that the server's account cannot get at, because a folder above it is closed, is copied to where it
/// can, if no other will do.
pub(crate) fn find(
    given: Option<&Path>,
    account: Option<Account>,
    wanted: Option<(u32, &Path)>,
) -> Result<Binaries, Error> {
    let mut seen = HashSet::new();
    let mut found: Vec<Binaries> = Vec::new();
    let (mut looked, mut closed) = (Vec::new(), Vec::new());
    for folder in folders(given) {
        // Links are followed: `initdb` lies beside the real program, not always beside the link.
        let Ok(postgres) = folder.join("postgres").canonicalize() else { continue };
        if !seen.insert(postgres.clone()) {
            continue;
        }
        match probe(postgres, account) {
            Ok(binaries) => {
                if wanted.is_none_or(|(major, _)| major == binaries.major) {
                    debug!(postgres = %binaries.postgres.display(), version = %binaries.version, "found Postgres");
                    return Ok(binaries);
                }
                found.push(binaries);
            }
            Err(why) => {
                looked.push(format!("{}: {why}", folder.display()));
                closed.push(folder);
            }
        }
    }
    for (folder, account) in closed.iter().zip(account.into_iter().cycle()) {
        match copied(folder, account) {
            Ok(Some(binaries)) if wanted.is_none_or(|(major, _)| major == binaries.major) => {
                return Ok(binaries);
            }
            Ok(other) => found.extend(other),
            Err(why) => looked.push(format!(
                "{} could not be copied to a place that account can reach: {why}",
                folder.display()
            )),
        }
    }
    if let Some((cluster, place)) = wanted
        && !found.is_empty()
    {
        let found = found.iter().map(|b| b.major.to_string()).collect::<Vec<_>>().join(", ");
        return Err(Error::OtherMajor { place: place.to_owned(), cluster, found });
    }
    looked.push("PATH, /usr/lib/postgresql, /usr/local and /usr/pgsql-*".to_owned());
    Err(Error::NotFound { looked: looked.join("; ") })
}

fn folders(given: Option<&Path>) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Some(given) = given {
        folders.extend([given.join("bin"), given.to_owned()]);
    }
    folders.extend(
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).filter(|p| p.is_absolute()),
    );
    folders.extend(versions("/usr/lib/postgresql", ""));
    folders.extend(["/usr/local/bin", "/usr/local/pgsql/bin", "/usr/libexec/postgresql"].map(PathBuf::from));
    folders.extend(versions("/usr", "pgsql-"));
    folders.extend(versions("/usr/libexec", "postgresql"));
    folders
}

/// `<parent>/<prefix><version>/bin` for all versions there are, the highest first.
fn versions(parent: &str, prefix: &str) -> Vec<PathBuf> {
    let number = |name: &OsStr| name.to_str()?.strip_prefix(prefix)?.parse::<u32>().ok();
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((number(&entry.file_name())?, entry.path())))
        .collect();
    found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    // Alpine keeps the programs beside each other without a `bin`.
    found.into_iter().flat_map(|(_, path)| [path.join("bin"), path]).collect()
}

/// Asks the server for its version, as the account that is to run it.
fn probe(postgres: PathBuf, account: Option<Account>) -> Result<Binaries, String> {
    let initdb = postgres.with_file_name("initdb");
    if !initdb.is_file() {
        return Err("there is no initdb beside postgres".to_owned());
    }
    let output = command(&postgres, account).arg("--version").output().map_err(|e| match e.kind() {
        io::ErrorKind::PermissionDenied => "the account of the server may not run it".to_owned(),
        _ => format!("postgres can not be run: {e}"),
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (major, version) =
        parse(&text).ok_or_else(|| format!("unexpected version text {:?}", text.trim()))?;
    if major < MAJOR_MIN {
        return Err(format!("version {version} is too old"));
    }
    Ok(Binaries { postgres, initdb, major, version })
}

/// A copy that the account can run of an installation that only root can get at. `None` where it is not an installation
/// that stands for itself, in a folder of its own with `bin`, `lib` and `share`.
fn copied(folder: &Path, account: Account) -> Result<Option<Binaries>, String> {
    let Ok(program) = folder.join("postgres").canonicalize() else { return Ok(None) };
    let Some(home) = program.parent().and_then(Path::parent) else { return Ok(None) };
    let whole = ["bin", "lib", "share"].iter().all(|part| home.join(part).is_dir());
    if !whole || home.starts_with("/usr") || account.reaches(home) {
        return Ok(None);
    }
    let Ok(original) = probe(program.clone(), None) else { return Ok(None) };
    let base = account::outside(account).map_err(|e| e.to_string())?;
    let copy = base.join(format!("postgres-{}", original.version));
    let usable = || {
        command(&copy.join("bin/initdb"), Some(account))
            .arg("--version")
            .output()
            .is_ok_and(|o| o.status.success())
    };
    if copy.is_dir() && !usable() {
        fs::remove_dir_all(&copy).map_err(|e| e.to_string())?;
    }
    if !copy.is_dir() {
        info!(from = %home.display(), to = %copy.display(), "the server's account cannot reach the Postgres programs, copying them");
        let draft =
            tempfile::Builder::new().prefix("postgres-").tempdir_in(base).map_err(|e| e.to_string())?;
        copy_tree(home, draft.path()).map_err(|e| e.to_string())?;
        if let Err(error) = fs::rename(draft.path(), &copy)
            && !copy.is_dir()
        {
            return Err(error.to_string());
        }
    }
    probe(copy.join("bin/postgres"), Some(account)).map(Some)
}

/// Copies a folder with all in it, readable for everybody.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, copy, kind) = (entry.path(), to.join(entry.file_name()), entry.file_type()?);
        if kind.is_dir() {
            copy_tree(&source, &copy)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &copy)?;
        } else {
            fs::copy(&source, &copy)?;
            let mode = entry.metadata()?.permissions().mode();
            // What its owner may run, everybody may.
            let mode = if mode & 0o100 == 0 { 0o644 } else { 0o755 };
            fs::set_permissions(&copy, fs::Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn parse(text: &str) -> Option<(u32, String)> {
    let version = text.split_once("(PostgreSQL) ")?.1.split_whitespace().next()?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    Some((digits.parse().ok()?, version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_servers_print_them() {
        let parsed = |text| parse(text).unwrap();
        assert_eq!(
            parsed("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            (15, "15.18".to_owned())
        );
        assert_eq!(parsed("postgres (PostgreSQL) 18beta1\n"), (18, "18beta1".to_owned()));
        assert_eq!(parse("bash: postgres: not found"), None);
    }

    #[test]
    fn another_major_is_told_with_both_versions() {
        let Err(error) = find(None, None, Some((13, Path::new("cluster")))) else {
            panic!("13 is not installed")
        };
        let text = error.to_string();
        assert!(text.contains("made by Postgres 13") && text.contains("pg_dumpall"), "{text}");
    }

    #[test]
    fn an_installation_is_copied_as_it_is_and_readable() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (from, to) = (from.path(), to.path().join("copy"));
        fs::create_dir(from.join("bin")).unwrap();
        for (name, mode) in [("bin/postgres", 0o700), ("readme", 0o600)] {
            fs::write(from.join(name), name).unwrap();
            fs::set_permissions(from.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        symlink("postgres", from.join("bin/postmaster")).unwrap();
        copy_tree(from, &to).unwrap();
        let mode = |name: &str| fs::metadata(to.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!([mode("bin"), mode("bin/postgres"), mode("readme")], [0o755, 0o755, 0o644]);
        assert_eq!(fs::read_link(to.join("bin/postmaster")).unwrap(), Path::new("postgres"));
        assert_eq!(fs::read_to_string(to.join("readme")).unwrap(), "readme");
    }

    #[test]
    fn an_installation_without_a_usable_server_says_why() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("postgres"), "").unwrap();
        assert!(probe(folder.path().join("postgres"), None).unwrap_err().contains("initdb"));
    }
}
