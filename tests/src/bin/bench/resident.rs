//! `python_instance_rss_mib`: what one more Python instance keeps in memory after 100,000 events, and how much that
//! grows over the next 200,000.
//!
//! It is measured in a process of its own, whose memory is that of nothing else: a first instance takes what all
//! instances share (the machine code, the caches of the allocator), the second is the one that is measured. Every event
//! is another one, so that nothing is kept because it came twice.

use std::fs;

use anyhow::{Context, Result, ensure};
use granary_sandbox::{EventIn, Runner};
use granary_tests::event;
use granary_tests::figure::{Bar, Figure};
use granary_tests::node::cache_dir;
use granary_tests::walkthrough::CALLBACK;
use tokio::process::Command;

use crate::Size;
use crate::sandboxed::{BATCH, Program, headers, load};

/// Events after which the memory is looked at.
const EVENTS: u64 = 100_000;

pub(crate) async fn measure(size: Size) -> Result<Vec<Figure>> {
    let events = if size.runs == 1 { size.events } else { EVENTS };
    let program = std::env::current_exe()?;
    let mut child = Command::new(program);
    // What the allocator keeps for a second before it gives it back would go in the middle of the measuring.
    child.args(["--resident", &events.to_string()]).env("MIMALLOC_PURGE_DELAY", "0");
    let output = child.output().await?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<f64> = printed.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let [first, last] = numbers[..] else {
        anyhow::bail!("the measuring process failed: {printed}{}", String::from_utf8_lossy(&output.stderr));
    };
    let figure = |name, value, bar| Figure { name, value, unit: "mib", bar: Some(Bar::AtMost(bar)) };
    Ok(vec![
        figure("python_instance_rss_mib", first, 20.0),
        figure("python_instance_growth_mib", last - first, 1.0),
    ])
}

/// In the measuring process: prints what the second instance keeps after so many events, and after three times as many.
pub(crate) async fn child(events: u64) -> Result<()> {
    let program = Program::Python(CALLBACK);
    let (sandbox, component) = load(program, cache_dir()).await?;
    let mut shared = Runner::new(sandbox.clone(), component.clone(), program.spec()).await?;
    run(&mut shared, 0..events).await?;
    let before = resident_mib()?;
    let mut runner = Runner::new(sandbox, component, program.spec()).await?;
    run(&mut runner, 0..events).await?;
    let first = resident_mib()? - before;
    run(&mut runner, events..events * 3).await?;
    let last = resident_mib()? - before;
    ensure!(runner.stats().instances == 1, "the instance was made anew: {:?}", runner.stats());
    println!("{first} {last}");
    Ok(())
}

async fn run(runner: &mut Runner, numbers: std::ops::Range<u64>) -> Result<()> {
    let mut from = numbers.start;
    while from < numbers.end {
        let to = numbers.end.min(from + BATCH as u64);
        let stored: Vec<_> = (from..to).map(|n| (headers(n), event::numbered("resident", n))).collect();
        let events: Vec<_> = stored.iter().map(|(headers, payload)| EventIn { headers, payload }).collect();
        let outcomes = runner.run_belt(&events).await?;
        ensure!(outcomes.iter().all(Result::is_ok), "an event failed");
        from = to;
    }
    Ok(())
}

/// What this process keeps in memory.
fn resident_mib() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.split_whitespace().next().context("no number")?.parse()?;
    Ok(kib / 1024.0)
}
