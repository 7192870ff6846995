//! `granary belt`: the loop from an idea to a running belt.
//!
//! ```text
//! new -> (edit -> test)* -> push -> send          in a folder with a belt.toml
//!                           logs, versions, rollback, replay
//! dev = edit -> test -> push, again and again
//! ```
//!
//! `test` and `replay --shadow` run the belt here, in the same sandbox as the engine's; everything else talks to an
//! engine over its API.

mod build;
mod dev;
mod folder;
pub(super) mod local;
mod logs;
mod new;
mod push;
mod remote;
mod replay;
mod samples;
mod secrets;
mod send;
mod test;
mod verdict;
mod versions;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Failure;

#[derive(Args)]
pub(super) struct Belt {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a folder with a belt, a sample event and what is expected of it
    New(new::New),
    /// Check a belt; one in Rust is compiled
    Build(build::Build),
    /// Run a belt in the sandbox over its samples, or over events of a stream, and compare with expected.json
    Test(test::Test),
    /// Test, save, test, push: again whenever a file changes, with the belt's logs
    Dev(dev::Dev),
    /// Test a belt, upload it, and start it; what it reads and writes is made where it is missing
    Push(push::Push),
    /// Post events to the collector and show the rows that come out
    Send(send::Send),
    /// Print what a belt has logged
    Logs(logs::Logs),
    /// List the versions of a belt
    Versions(versions::Versions),
    /// Go back to an earlier version of a belt
    Rollback(versions::Rollback),
    /// Run a belt again over events that are in the stream already
    Replay(replay::Replay),
}

impl Belt {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::New(new) => new.run(),
            Command::Build(build) => build.run().await,
            Command::Test(test) => test.run().await,
            Command::Dev(dev) => dev.run().await,
            Command::Push(push) => push.run().await,
            Command::Send(send) => send.run().await,
            Command::Logs(logs) => logs.run().await,
            Command::Versions(versions) => versions.run().await,
            Command::Rollback(rollback) => rollback.run().await,
            Command::Replay(replay) => replay.run().await,
        }
    }
}

/// Which folder.
#[derive(Args, Clone)]
struct In {
    /// Folder of the belt, with its belt.toml
    #[arg(default_value = ".")]
    folder: PathBuf,
}

/// Where the sandbox that runs here keeps compiled code and finds the script runtimes.
#[derive(Args, Clone)]
struct Sandboxed {
    /// Where compiled WebAssembly is kept; ~/.cache/granary when missing
    #[arg(long, env = "GRANARY_CACHE_DIR")]
    cache_dir: Option<PathBuf>,
    /// Stands in for the engine's secrets: TOML with a table of texts for each; secrets.toml in the folder when missing
    #[arg(long, env = "GRANARY_SECRETS", value_name = "FILE")]
    secrets: Option<PathBuf>,
    /// The Python runtime component
    #[arg(long, env = "GRANARY_PYTHON_RUNTIME", hide = true)]
    python_runtime: Option<PathBuf>,
    /// The JavaScript runtime component
    #[arg(long, env = "GRANARY_JAVASCRIPT_RUNTIME", hide = true)]
    javascript_runtime: Option<PathBuf>,
}
