//! The account that the server runs as, and what it can reach.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::Error;

/// Accounts that the server may take when the engine runs as root, in order of preference.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// Where things are kept that the account can not reach in the engine's own folders. The first one that can be made is
/// taken. Both survive a reboot.
const OUTSIDE: [&str; 2] = ["/var/lib/granary", "/var/tmp/granary"];

/// A user and its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Account {
    /// The account for the server: none when the engine is not root, else that of an existing cluster, else the first
    /// candidate that the machine knows.
    pub(crate) fn choose(cluster: Option<&Path>) -> Result<Option<Self>, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        if let Some(meta) = cluster.and_then(|path| fs::metadata(path).ok())
            && meta.uid() != 0
        {
            return Ok(Some(Self { uid: meta.uid(), gid: meta.gid() }));
        }
        let users = fs::read_to_string("/etc/passwd").map_err(Error::io("read", Path::new("/etc/passwd")))?;
        CANDIDATES.iter().find_map(|name| find(&users, name)).map(Some).ok_or(Error::NoAccount)
    }

    /// Whether the account can pass through every folder down to this one.
    pub(crate) fn reaches(self, folder: &Path) -> bool {
        let Ok(folder) = folder.canonicalize() else { return false };
        folder.ancestors().all(|f| {
            fs::metadata(f).is_ok_and(|meta| {
                let shift = if meta.uid() == self.uid {
                    6
                } else if meta.gid() == self.gid {
                    3
                } else {
                    0
                };
                meta.mode() >> shift & 1 == 1
            })
        })
    }
}

/// A line of the user database: `name:password:uid:gid:...`.
fn find(users: &str, name: &str) -> Option<Account> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok().filter(|uid| *uid != 0)?;
        Some(Account { uid, gid: fields.next()?.parse().ok()? })
    })
}

/// Gives a file to the account, where there is one.
pub(crate) fn give(path: &Path, account: Option<Account>) -> Result<(), Error> {
    match account {
        Some(a) => chown(path, Some(a.uid), Some(a.gid)).map_err(Error::io("change the owner of", path)),
        None => Ok(()),
    }
}

/// A folder of root's that the account can reach.
pub(crate) fn outside(account: Account) -> Result<&'static Path, Error> {
    let usable = |base: &&Path| {
        fs::create_dir_all(base).is_ok()
            && fs::metadata(base).is_ok_and(|m| m.uid() == 0)
            && fs::set_permissions(base, fs::Permissions::from_mode(0o755)).is_ok()
            && account.reaches(base)
    };
    OUTSIDE.iter().map(Path::new).find(usable).ok_or(Error::NoAccount)
}

/// A command that runs as the account, in a process group of its own: a Ctrl-C at the terminal is for the engine, which
/// stops the server when it has drained.
pub(crate) fn command(program: &Path, account: Option<Account>) -> Command {
    let mut command = Command::new(program);
    // The engine's folder may be closed to the account.
    command.current_dir("/").process_group(0);
    // Variables of a shell that works with another server must not lead this one astray.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C");
    if let Some(account) = account {
        // Supplementary groups of root are dropped along with it.
        command.gid(account.gid).uid(account.uid);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name_and_never_with_the_rights_of_root() {
        let users = "root:x:0:0::/root:/bin/sh\npostgresql:x:5:5::/:/bin/sh\npostgres:x:101:104::/:/bin/sh\nnobody:x:0:0::/:\n";
        assert_eq!(find(users, "postgres"), Some(Account { uid: 101, gid: 104 }));
        assert_eq!(find(users, "nobody"), None);
        assert_eq!(find(users, "someone"), None);
    }

    #[test]
    fn a_closed_folder_anywhere_above_is_out_of_reach() {
        let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let top = tempfile::tempdir().unwrap();
        let inner = top.path().join("inner");
        fs::create_dir(&inner).unwrap();
        open(&inner, 0o755);
        let stranger = Account { uid: 64_999, gid: 64_999 };
        open(top.path(), 0o700);
        assert!(!stranger.reaches(&inner));
        open(top.path(), 0o711);
        // As far as the folder for temporary files is open itself.
        assert_eq!(stranger.reaches(&inner), stranger.reaches(&std::env::temp_dir()));
        assert!(!stranger.reaches(&inner.join("missing")));
    }
}
