//! `python_belt_vs_native`: the guide's callback in the sandbox against the same callback in the CPython on PATH, both on
//! one core, from the stored bytes of an event to the bytes of its update. Deadline and memory limit are on.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use granary_tests::figure::{Bar, Figure, median};
use granary_tests::node::repository;
use granary_tests::walkthrough::CALLBACK;
use tokio::process::Command;

use crate::Size;
use crate::sandboxed::{Belt, Program, events};

pub(crate) async fn measure(size: Size, bar: f64) -> Result<Vec<Figure>> {
    let baseline = Native::new()?;
    let mut belt = Belt::start(Program::Python(CALLBACK)).await?;
    belt.run(size.run / 4).await?;
    let (mut native, mut sandboxed) = (Vec::new(), Vec::new());
    let mut version = String::new();
    for _ in 0..size.runs {
        let (seen, rate) = baseline.run(size.run).await?;
        version = seen;
        native.push(rate);
        sandboxed.push(belt.run(size.run).await?);
    }
    println!("the native Python is {version}");
    let (native, sandboxed) = (median(&native), median(&sandboxed));
    Ok(vec![
        Figure { name: "python_native_events_per_s", value: native, unit: "events/s", bar: None },
        Figure { name: "python_belt_events_per_s", value: sandboxed, unit: "events/s", bar: None },
        Figure {
            name: "python_belt_vs_native",
            value: sandboxed / native,
            unit: "ratio",
            bar: Some(Bar::AtLeast(bar)),
        },
    ])
}

/// The baseline: the same callback and the same events for the CPython on PATH.
pub(crate) struct Native {
    _folder: tempfile::TempDir,
    callback: PathBuf,
    payloads: PathBuf,
}

impl Native {
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let callback = folder.path().join("callback.py");
        std::fs::write(&callback, CALLBACK)?;
        let lines: Vec<Vec<u8>> = events().into_iter().map(|(_, payload)| payload).collect();
        let payloads = folder.path().join("payloads");
        std::fs::write(&payloads, lines.join(&b'\n'))?;
        Ok(Self { _folder: folder, callback, payloads })
    }

    /// One run in a process of its own: the version of CPython, and events per second.
    pub(crate) async fn run(&self, run: Duration) -> Result<(String, f64)> {
        let script = repository().join("tests/src/bin/bench/native_belt.py");
        let output = Command::new("python3")
            .arg(script)
            .args([&self.callback, &self.payloads])
            .arg(run.as_secs_f64().to_string())
            .env("PYTHONPATH", repository().join("guest-sdk/python/src"))
            .output()
            .await
            .context("could not run python3")?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let Some((version, rate)) = printed.trim().split_once(' ') else {
            bail!("the baseline failed: {printed}{}", String::from_utf8_lossy(&output.stderr));
        };
        Ok((version.to_owned(), rate.parse()?))
    }
}
