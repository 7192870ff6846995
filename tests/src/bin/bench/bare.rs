//! The baseline of the ingest figure: an axum handler that reads the body and answers, and does nothing else. It runs
//! in a process of its own, as the engine does.

use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::{Context, Result};
use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use granary_tests::api::COLLECTOR_PATH;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

/// Serves until killed; the first line of its output is its address.
pub(crate) async fn serve() -> Result<()> {
    let router = Router::new().route(
        COLLECTOR_PATH,
        post(async |body: Bytes| {
            std::hint::black_box(body);
            "ok"
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    axum::serve(listener, router).await?;
    Ok(())
}

/// The running baseline; killed when dropped.
pub(crate) struct Bare {
    _child: Child,
    pub(crate) address: SocketAddr,
}

impl Bare {
    pub(crate) async fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--bare-axum")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("could not start the baseline")?;
        let stdout = child.stdout.take().context("a piped standard output")?;
        let line = BufReader::new(stdout).lines().next_line().await?.context("the baseline ended")?;
        Ok(Self { address: line.trim().parse()?, _child: child })
    }
}
