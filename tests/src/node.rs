//! A real `granary up` in a process of its own.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::api::Api;
use crate::postgres;
use crate::wait::{Look, PATIENCE, await_condition};

/// How a node is started.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Data directory; a fresh temporary one where none is given.
    pub data_dir: Option<PathBuf>,
    /// Folder in which the temporary data directory is made, instead of the system's.
    pub scratch: Option<PathBuf>,
    /// Folder of compiled guests; one that all runs share where none is given.
    pub cache_dir: Option<PathBuf>,
    /// A Postgres to use instead of the embedded one.
    pub database_url: Option<String>,
    /// Address to listen on; a free port of the loopback where none is given.
    pub listen: Option<SocketAddr>,
    /// Further arguments of `granary up`.
    pub arguments: Vec<String>,
    /// Variables of its environment.
    pub environment: Vec<(String, String)>,
    /// Where its standard error goes; a file beside the data directory where none is given.
    pub stderr: Option<PathBuf>,
}

/// A running (or killed) node. Dropping it kills the engine and its Postgres, and removes what they wrote unless the data
/// directory was given.
#[derive(Debug)]
pub struct Node {
    settings: Settings,
    child: Option<Child>,
    address: SocketAddr,
    data_dir: PathBuf,
    /// Removes the temporary folder when it goes; `None` where the folder was given.
    temporary: Option<TempDir>,
    keep: bool,
}

/// The repository.
#[must_use]
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_path_buf()
}

/// The folder of build products.
#[must_use]
pub fn target_dir() -> PathBuf {
    let given = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    given.map_or_else(|| repository().join("target"), |dir| repository().join(dir))
}

/// The binary under test: `GRANARY_BIN`, or what `make build` leaves.
pub fn binary() -> Result<PathBuf> {
    let path = std::env::var_os("GRANARY_BIN")
        .map_or_else(|| target_dir().join("release").join("granary"), PathBuf::from);
    let path = std::path::absolute(path)?;
    if !path.is_file() {
        bail!("there is no {}: run `make build`, or name the binary in GRANARY_BIN", path.display());
    }
    Ok(path)
}

/// A component that `scripts/guests.sh` builds.
pub fn guest(name: &str) -> Result<Vec<u8>> {
    let path = target_dir().join("guest").join(name);
    fs::read(&path).with_context(|| format!("{} (made by scripts/guests.sh)", path.display()))
}

/// Compiled guests, shared by all runs, so that the Python runtime is compiled once and not once a test.
#[must_use]
pub fn cache_dir() -> PathBuf {
    target_dir().join("granary-cache")
}

impl Node {
    /// Starts a node with embedded defaults in a fresh data directory and waits until it is ready.
    pub async fn start() -> Result<Self> {
        Self::start_with(Settings::default()).await
    }

    /// Starts a node and waits until it is ready.
    pub async fn start_with(settings: Settings) -> Result<Self> {
        let node = Self::launch(settings).await?;
        node.await_ready().await?;
        Ok(node)
    }

    /// Starts a node and waits until it says where it listens, ready or not.
    pub async fn launch(settings: Settings) -> Result<Self> {
        let (data_dir, temporary) = match &settings.data_dir {
            Some(dir) => (dir.clone(), None),
            None => {
                // A folder of mode 0700, as temporary folders are: the embedded Postgres has to cope with that.
                let base = settings.scratch.clone().unwrap_or_else(std::env::temp_dir);
                let dir = TempDir::with_prefix_in("granary-test-", base)?;
                (dir.path().join("data"), Some(dir))
            }
        };
        let unset = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut node = Self { settings, child: None, address: unset, data_dir, temporary, keep: false };
        node.spawn().await?;
        Ok(node)
    }

    /// Starts the process again on the same data directory, after [`Node::kill`] or [`Node::stop`], and waits until
    /// it is ready.
    pub async fn restart(&mut self) -> Result<()> {
        self.relaunch().await?;
        self.await_ready().await
    }

    /// Like [`Node::restart`] without waiting for readiness.
    pub async fn relaunch(&mut self) -> Result<()> {
        self.spawn().await
    }

    /// The command that starts a node with these settings.
    pub fn command(settings: &Settings, data_dir: &Path) -> Result<Command> {
        let listen = settings.listen.map_or_else(|| "127.0.0.1:0".to_owned(), |l| l.to_string());
        let mut command = Command::new(binary()?);
        command.arg("up").arg("--data-dir").arg(data_dir).args(["--listen", &listen]);
        command.arg("--cache-dir").arg(settings.cache_dir.clone().unwrap_or_else(cache_dir));
        if let Some(url) = &settings.database_url {
            command.args(["--database-url", url]);
        }
        // Away from any granary.toml of the developer's.
        if let Some(base) = data_dir.parent().filter(|base| base.is_dir()) {
            command.current_dir(base);
        }
        command.args(&settings.arguments).envs(settings.environment.iter().cloned()).stdin(Stdio::null());
        Ok(command)
    }

    async fn spawn(&mut self) -> Result<()> {
        self.begin()?;
        let stdout = self.stdout_path();
        self.address = self
            .while_running("the first line of granary up", async || {
                let text = fs::read_to_string(&stdout)?;
                let Some((first, _)) = text.split_once('\n') else { return Ok(Look::NotYet(text)) };
                let address = first
                    .strip_prefix("listening on http://")
                    .with_context(|| format!("the first line should say where it listens, not {first:?}"))?;
                Ok(Look::Done(address.trim().parse::<SocketAddr>().with_context(|| address.to_owned())?))
            })
            .await?;
        Ok(())
    }

    /// Starts the process and waits for nothing, so that it can be killed while it starts. It has no address then.
    pub fn begin(&mut self) -> Result<()> {
        if self.child.is_some() {
            bail!("the node still runs");
        }
        let mut command = Self::command(&self.settings, &self.data_dir)?;
        let base = self.data_dir.parent().context("a data directory has a parent")?;
        fs::create_dir_all(base)?;
        // Files, not pipes: nobody has to read them for the engine to go on.
        let stdout = File::create(self.stdout_path())?;
        let stderr = self.settings.stderr.clone().unwrap_or_else(|| self.stderr_path());
        let stderr = File::options().create(true).append(true).open(stderr)?;
        self.child = Some(command.stdout(stdout).stderr(stderr).spawn().context("could not start granary")?);
        Ok(())
    }

    /// Waits until `/ready` answers 200.
    pub async fn await_ready(&self) -> Result<()> {
        let api = Api::new(self.url(), None)?;
        self.while_running("/ready to answer 200", async || {
            Ok(match api.get("/ready").await {
                Ok(answer) if answer.status == 200 => Look::Done(()),
                Ok(answer) => Look::NotYet(format!("{} {}", answer.status, answer.text)),
                Err(error) => Look::NotYet(format!("{error:#}")),
            })
        })
        .await
    }

    /// Waits for a condition, but not longer than the process lives.
    async fn while_running<T>(
        &self,
        what: &str,
        mut look: impl AsyncFnMut() -> Result<Look<T>>,
    ) -> Result<T> {
        let pid = self.pid();
        let result = await_condition(what, PATIENCE, async || {
            let seen = look().await?;
            if matches!(seen, Look::NotYet(_)) && !pid.is_some_and(is_alive) {
                bail!("granary has ended");
            }
            Ok(seen)
        })
        .await;
        result.with_context(|| format!("granary up failed; it wrote:\n{}", self.output()))
    }

    /// A client with the administrator's token.
    pub fn api(&self) -> Result<Api> {
        Api::new(self.url(), Some(self.admin_token()?))
    }

    /// The token that the first start wrote.
    pub fn admin_token(&self) -> Result<String> {
        let path = self.data_dir.join("admin.token");
        let text = fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
        Ok(text.trim().to_owned())
    }

    /// Base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its data directory.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Process id of the engine.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// What the engine wrote to its standard error, the last 16 KiB of it.
    #[must_use]
    pub fn output(&self) -> String {
        let text = fs::read(self.stderr_path()).unwrap_or_default();
        String::from_utf8_lossy(&text[text.len().saturating_sub(16 * 1024)..]).into_owned()
    }

    fn stdout_path(&self) -> PathBuf {
        self.data_dir.with_extension("stdout")
    }

    fn stderr_path(&self) -> PathBuf {
        self.data_dir.with_extension("stderr")
    }

    /// `kill -9` of the engine. Its Postgres is left as it is.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// SIGTERM, then waits for the end.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let mut child = self.child.take().context("the node does not run")?;
        match tokio::time::timeout(PATIENCE, child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => {
                child.kill().await?;
                bail!("granary did not end within {PATIENCE:?} of SIGTERM; it wrote:\n{}", self.output());
            }
        }
    }

    /// Sends a signal to the engine.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.pid().and_then(as_pid).context("the node does not run")?;
        Ok(kill_process(pid, signal)?)
    }

    /// `kill -9` of the embedded Postgres, as an out-of-memory killer would do it.
    pub fn kill_postgres(&self) -> Result<()> {
        self.signal_postgres(Signal::KILL)
    }

    /// Sends a signal to the main process of the embedded Postgres.
    pub fn signal_postgres(&self, signal: Signal) -> Result<()> {
        let pid = self.postgres_pid().context("no embedded Postgres runs")?;
        Ok(kill_process(as_pid(pid).context("a process id")?, signal)?)
    }

    /// Process id of the embedded Postgres, where it runs.
    #[must_use]
    pub fn postgres_pid(&self) -> Option<u32> {
        postgres::postmaster_pid(&self.data_dir)
    }

    /// The exit status of the engine, where it has ended by itself.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.as_mut().map_or(Ok(None), |child| Ok(child.try_wait()?))
    }

    /// Leaves the process running and its files in place when this value goes.
    pub fn keep(mut self) -> PathBuf {
        self.keep = true;
        if let Some(dir) = self.temporary.take() {
            let _ = dir.keep();
        }
        self.data_dir.clone()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        if std::thread::panicking() {
            eprintln!("granary wrote:\n{}", self.output());
        }
        if let Some(pid) = self.pid() {
            terminate(pid, Signal::KILL);
            // Reaps the process, so that the wait below sees it go.
            if let Some(child) = &mut self.child {
                let until = Instant::now() + Duration::from_secs(5);
                while Instant::now() < until && matches!(child.try_wait(), Ok(None)) {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        }
        postgres::quit(&self.data_dir);
        if self.temporary.is_some() {
            postgres::remove(&self.data_dir);
        }
    }
}

/// A process id as the system calls want it.
#[must_use]
pub fn as_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// Whether a process is there and not a zombie.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    // The state is the first letter after the name, which stands in parentheses and may hold anything.
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z')))
}

/// Sends a signal; a process that is gone is no error.
pub fn terminate(pid: u32, signal: Signal) {
    if let Some(pid) = as_pid(pid) {
        let _ = kill_process(pid, signal);
    }
}

/// The most memory that a process has held since [`reset_peak_memory`], in MiB.
#[must_use]
pub fn peak_memory_mib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

/// Starts the measurement of the peak anew. Where the kernel does not let us, the peak stays that of the whole life.
pub fn reset_peak_memory(pid: u32) {
    let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
}
