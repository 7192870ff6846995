//! What the tests share: logs on a cluster, and a real cluster where one can be had.

#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(dead_code, reason = "each test program uses its part")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use granary_fluvio::{Address, FluvioLog, Options};
use granary_stream::StreamLog as _;

/// A prefix that no other test uses.
pub(crate) fn unique_prefix() -> String {
    format!("t{:08x}", rand::random::<u32>())
}

/// The address of a log on a cluster.
pub(crate) fn address(cluster: &str, prefix: &str) -> Address {
    format!("fluvio://{cluster}?prefix={prefix}&replication=1").parse().unwrap()
}

/// A log that was reached.
pub(crate) async fn log_at(cluster: &str, prefix: &str) -> FluvioLog {
    let log = FluvioLog::open(address(cluster, prefix), Options::default());
    tokio::time::timeout(Duration::from_secs(30), log.reached()).await.expect("the cluster is reached");
    log
}

/// A real cluster: the one that `GRANARY_TEST_FLUVIO` names, or one of our own where there is a `fluvio-run`.
pub(crate) enum Real {
    Named(String),
    Own(Own),
}

impl Real {
    pub(crate) fn address(&self) -> &str {
        match self {
            Self::Named(address) => address,
            Self::Own(own) => &own.address,
        }
    }
}

/// The real cluster, or one line that says why there is none.
pub(crate) async fn real_cluster() -> Option<Real> {
    if let Ok(address) = std::env::var("GRANARY_TEST_FLUVIO") {
        return Some(Real::Named(address));
    }
    let Some(program) = program() else {
        eprintln!(
            "skipped: no Fluvio cluster (set GRANARY_TEST_FLUVIO=host:port, or put fluvio-run on PATH)"
        );
        return None;
    };
    Some(Real::Own(Own::start(&program).await))
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("fluvio-run")).find(|program| program.is_file())
}

/// An SC and an SPU of our own, with their files in a temporary folder.
pub(crate) struct Own {
    program: PathBuf,
    folder: tempfile::TempDir,
    pub(crate) address: String,
    ports: [u16; 4],
    controller: Child,
    broker: Child,
}

const SPU: u16 = 5001;

impl Own {
    pub(crate) async fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports: [u16; 4] = std::array::from_fn(|_| free_port());
        let [public, private, spu_public, spu_private] = ports;
        let registered = folder.path().join("meta/SPU");
        std::fs::create_dir_all(&registered).unwrap();
        std::fs::write(
            registered.join(format!("custom-spu-{SPU}.yaml")),
            registration(spu_public, spu_private),
        )
        .unwrap();
        let controller = Command::new(program)
            .args(["sc", "--local"])
            .arg(folder.path().join("meta"))
            .args([
                "--bind-public",
                &format!("127.0.0.1:{public}"),
                "--bind-private",
                &format!("127.0.0.1:{private}"),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("fluvio-run sc starts");
        wait_for_port(public).await;
        wait_for_port(private).await;
        let broker = broker(program, folder.path(), ports);
        wait_for_port(spu_public).await;
        Self {
            program: program.to_owned(),
            folder,
            address: format!("127.0.0.1:{public}"),
            ports,
            controller,
            broker,
        }
    }

    /// Kills the SPU as `kill -9` does.
    pub(crate) fn kill_broker(&mut self) {
        self.broker.kill().unwrap();
        self.broker.wait().unwrap();
    }

    /// Starts it again on the same files.
    pub(crate) async fn start_broker(&mut self) {
        self.broker = broker(&self.program, self.folder.path(), self.ports);
        wait_for_port(self.ports[2]).await;
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        for child in [&mut self.broker, &mut self.controller] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn broker(program: &Path, folder: &Path, [_, private, spu_public, spu_private]: [u16; 4]) -> Child {
    Command::new(program)
        .args(["spu", "-i", &SPU.to_string(), "-p", &format!("127.0.0.1:{spu_public}")])
        .args(["-v", &format!("127.0.0.1:{spu_private}"), "--sc-addr", &format!("127.0.0.1:{private}")])
        .arg("--log-base-dir")
        .arg(folder.join("logs"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("fluvio-run spu starts")
}

fn registration(public: u16, private: u16) -> String {
    format!(
        "!1.0.0\nmeta:\n  id: custom-spu-{SPU}\n  revision: 1\nkey: custom-spu-{SPU}\nstatus:\n  resolution: Online\nspec:\n  \
         spuId: {SPU}\n  spuType: Custom\n  publicEndpoint:\n    port: {public}\n    ingress:\n    - hostname: 127.0.0.1\n      \
         ip: null\n    encryption: PLAINTEXT\n  privateEndpoint:\n    port: {private}\n    host: 127.0.0.1\n    encryption: \
         PLAINTEXT\n"
    )
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn wait_for_port(port: u16) {
    let open = async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), open).await.expect("the port opens");
}
