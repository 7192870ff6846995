//! A real Fluvio cluster of the tests' own: one SC and one SPU, started from the program `fluvio-run`.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::node::terminate;
use crate::wait::{Look, PATIENCE, await_condition};

/// Number of the one SPU.
const SPU: u16 = 5001;

/// The program `fluvio-run`, where it is on the PATH.
#[must_use]
pub fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("fluvio-run")).find(|program| program.is_file())
}

/// A cluster with its files in a temporary folder. Dropping it ends it.
#[derive(Debug)]
pub struct Cluster {
    controller: Child,
    broker: Option<Child>,
    program: PathBuf,
    ports: Ports,
    folder: TempDir,
}

/// Ports of the loopback, those of clients and those among the servers.
#[derive(Debug, Clone, Copy)]
struct Ports {
    controller: u16,
    controller_private: u16,
    broker: u16,
    broker_private: u16,
}

impl Cluster {
    /// Starts one and waits until its ports are open.
    pub async fn start(program: &Path) -> Result<Self> {
        let folder = TempDir::with_prefix("granary-test-fluvio-")?;
        let [controller, controller_private, broker, broker_private] = free_ports()?;
        let ports = Ports { controller, controller_private, broker, broker_private };
        let registered = folder.path().join("meta/SPU");
        fs::create_dir_all(&registered)?;
        fs::write(registered.join(format!("custom-spu-{SPU}.yaml")), registration(ports))?;
        let mut command = Command::new(program);
        command.args(["sc", "--local"]).arg(folder.path().join("meta"));
        command.args(["--bind-public", &local(controller), "--bind-private", &local(controller_private)]);
        let controller = spawn(command, &folder.path().join("controller.out"))?;
        // From here on it is ended when the rest fails.
        let mut cluster = Self { controller, broker: None, program: program.to_owned(), ports, folder };
        for port in [ports.controller, ports.controller_private] {
            await_port(port, &mut cluster.controller).await?;
        }
        cluster.start_broker().await?;
        Ok(cluster)
    }

    /// `host:port` of its SC.
    #[must_use]
    pub fn address(&self) -> String {
        local(self.ports.controller)
    }

    /// Leaves its files in place when this value goes, and answers where they are.
    pub fn keep(&mut self) -> &Path {
        self.folder.disable_cleanup(true);
        self.folder.path()
    }

    /// Kills the SPU as `kill -9` does.
    pub fn kill_broker(&mut self) -> Result<()> {
        let mut broker = self.broker.take().context("the SPU does not run")?;
        broker.kill()?;
        broker.wait()?;
        Ok(())
    }

    /// Tells the SPU to end, and waits until it has.
    pub async fn stop_broker(&mut self) -> Result<()> {
        let mut broker = self.broker.take().context("the SPU does not run")?;
        terminate(broker.id(), Signal::TERM);
        await_condition("the SPU to end", PATIENCE, async || {
            Ok(Look::from_option(broker.try_wait()?, "it runs"))
        })
        .await?;
        Ok(())
    }

    /// Starts the SPU again on the same files.
    pub async fn start_broker(&mut self) -> Result<()> {
        if self.broker.is_some() {
            bail!("the SPU runs");
        }
        let Ports { controller_private, broker, broker_private, .. } = self.ports;
        let mut command = Command::new(&self.program);
        command.args(["spu", "-i", &SPU.to_string(), "-p", &local(broker), "-v", &local(broker_private)]);
        command.args(["--sc-addr", &local(controller_private), "--log-base-dir"]);
        command.arg(self.folder.path().join("logs"));
        let child = self.broker.insert(spawn(command, &self.folder.path().join("broker.out"))?);
        await_port(broker, child).await
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.broker.iter_mut().chain([&mut self.controller]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn spawn(mut command: Command, output: &Path) -> Result<Child> {
    let output = File::options().create(true).append(true).open(output)?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    command.spawn().with_context(|| format!("could not start {}", command.get_program().display()))
}

/// What the SC knows of its SPU, so that nobody has to register it.
fn registration(Ports { broker, broker_private, .. }: Ports) -> String {
    format!(
        "!1.0.0\nmeta:\n  id: custom-spu-{SPU}\n  revision: 1\nkey: custom-spu-{SPU}\nstatus:\n  resolution: \
         Online\nspec:\n  spuId: {SPU}\n  spuType: Custom\n  publicEndpoint:\n    port: {broker}\n    ingress:\n    - \
         hostname: 127.0.0.1\n      ip: null\n    encryption: PLAINTEXT\n  privateEndpoint:\n    port: \
         {broker_private}\n    host: 127.0.0.1\n    encryption: PLAINTEXT\n"
    )
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// Ports that are free, all held until each is known.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let listeners: Vec<TcpListener> =
        (0..N).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<_, _>>()?;
    let ports: Vec<u16> =
        listeners.iter().map(|l| l.local_addr().map(|a| a.port())).collect::<Result<_, _>>()?;
    <[u16; N]>::try_from(ports).ok().context("as many ports as asked for")
}

async fn await_port(port: u16, child: &mut Child) -> Result<()> {
    await_condition(&format!("port {port} of Fluvio"), PATIENCE, async || {
        if let Some(status) = child.try_wait()? {
            bail!("fluvio-run has ended with {status}");
        }
        let open = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
        Ok(match open {
            Ok(_) => Look::Done(()),
            Err(error) => Look::NotYet(error.to_string()),
        })
    })
    .await
}
