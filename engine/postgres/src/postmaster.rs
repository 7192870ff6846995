//! The server's main process: how it is found, started and told to stop.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tracing::{info, warn};

use crate::Error;
use crate::account::{Account, command};
use crate::binaries::Binaries;

/// How long sessions get to end in a fast shutdown, with its checkpoint, before harder means.
const FAST_PATIENCE: Duration = Duration::from_secs(60);
/// How long an immediate shutdown may take.
const IMMEDIATE_PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at a process that is not our child.
const POLL: Duration = Duration::from_millis(20);

/// What `postmaster.pid` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PidFile {
    pub(crate) pid: Pid,
    pub(crate) ready: bool,
}

impl PidFile {
    /// Reads the file in a data folder; `None` where no server runs or the file is just being written.
    pub(crate) fn read(data: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(data.join("postmaster.pid")).ok()?)
    }

    /// Line 1 is the process, line 8 its state.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok().and_then(Pid::from_raw)?;
        Some(Self { pid, ready: lines.nth(6).is_some_and(|state| state.trim() == "ready") })
    }
}

/// Whether the process is alive and is the server of that data folder, which is its working folder. A number that was
/// given to another process since, and a dead process that nobody has collected, are not.
fn serves(pid: Pid, data: &Path) -> bool {
    let folder = fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero()));
    matches!((folder, data.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Stops a server that an earlier engine left behind in this data folder. Its sessions end, and so do transactions that
/// the dead engine had under way.
pub(crate) async fn stop_left_behind(data: &Path) {
    let Some(PidFile { pid, .. }) = PidFile::read(data) else { return };
    if !serves(pid, data) {
        return;
    }
    info!(pid = pid.as_raw_nonzero(), "stopping the Postgres server that an earlier run left behind");
    for (signal, patience) in
        [(Signal::INT, FAST_PATIENCE), (Signal::QUIT, IMMEDIATE_PATIENCE), (Signal::KILL, IMMEDIATE_PATIENCE)]
    {
        // It may be gone already.
        let _ = kill_process(pid, signal);
        let until = Instant::now() + patience;
        while serves(pid, data) && Instant::now() < until {
            tokio::time::sleep(POLL).await;
        }
        if !serves(pid, data) {
            return;
        }
        warn!(pid = pid.as_raw_nonzero(), ?signal, "the Postgres server does not stop");
    }
}

/// Stops a child: fast at first, which lets nobody finish but loses nothing that was committed.
pub(crate) async fn stop(child: &mut Child) {
    for (signal, patience) in [(Signal::INT, FAST_PATIENCE), (Signal::QUIT, IMMEDIATE_PATIENCE)] {
        signal_child(child, signal);
        if tokio::time::timeout(patience, child.wait()).await.is_ok() {
            return;
        }
        warn!(?signal, "the Postgres server does not stop");
    }
    if let Err(error) = child.kill().await {
        warn!(%error, "the Postgres server could not be killed");
    }
}

/// Asks a child for a fast shutdown, without waiting.
pub(crate) fn tell_to_stop(child: &Child) {
    signal_child(child, Signal::INT);
}

/// Sends a signal to a child that has not been waited for, so that its number is still its own.
fn signal_child(child: &Child, signal: Signal) {
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
        // It may have ended in this moment.
        let _ = kill_process(pid, signal);
    }
}

/// Starts the server. It says what it has to say into the log.
pub(crate) fn spawn(
    binaries: &Binaries,
    account: Option<Account>,
    data: &Path,
    settings: &[(String, String)],
    log: &Path,
) -> Result<Child, Error> {
    let file = File::options().create(true).append(true).open(log).map_err(Error::io("open", log))?;
    let again = file.try_clone().map_err(Error::io("open", log))?;
    let mut command = command(&binaries.postgres, account);
    command.arg("-D").arg(data);
    for (name, value) in settings {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    command.stdin(Stdio::null()).stdout(file).stderr(again);
    Command::from(command).spawn().map_err(Error::io("run", &binaries.postgres))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_file_tells_when_the_server_is_ready() {
        let ready = "17\n/data\n1700000000\n5432\n/socket\n127.0.0.1\n  123   4\nready   \n";
        assert_eq!(PidFile::parse(ready), Some(PidFile { pid: Pid::from_raw(17).unwrap(), ready: true }));
        assert!(!PidFile::parse(&ready.replace("ready   ", "starting")).unwrap().ready);
        assert!(!PidFile::parse("17\n/data\n").unwrap().ready);
        assert_eq!(PidFile::parse(""), None);
        assert_eq!(PidFile::parse("0\n"), None);
    }
}
