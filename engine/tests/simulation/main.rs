//! Simulation: log, stages and the protocol of their commits, on a disk that loses power and a Postgres whose connections
//! break, in an order that a seed decides. See `schedule`.
//!
//! `make simulate SEEDS=10000` runs many; `make simulate SEED=7` runs one again and prints what happened.

mod audit;
mod bugs;
mod chance;
mod postgres;
mod schedule;
mod stages;

use bugs::Bug;
use schedule::{Report, run};

/// Schedules that are the same in every run.
const FIXED: u64 = 300;
/// Schedules that are new in every run.
const FRESH: u64 = 200;
/// A planted bug is found in so many schedules.
const FOUND_WITHIN: u64 = 1_000;

fn without_findings(seeds: impl IntoIterator<Item = u64>) -> Vec<Report> {
    let reports: Vec<Report> = seeds.into_iter().map(|seed| run(seed, None)).collect();
    for Report { seed, findings, .. } in &reports {
        assert!(findings.is_empty(), "`make simulate SEED={seed}` shows it: {findings:#?}");
    }
    reports
}

#[test]
fn fixed_schedules_keep_every_promise() {
    let reports = without_findings(0..FIXED);
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    // That something happens in them at all.
    assert!(sum(|report| report.acknowledged) > 10 * FIXED);
    assert!(sum(|report| report.commits) > 5 * FIXED);
    assert!(sum(|report| report.deaths) > 2 * FIXED);
}

#[test]
fn fresh_schedules_keep_every_promise() {
    let first = rand::random_range(FIXED..u64::MAX - FRESH);
    println!("seeds {first} to {}", first + FRESH - 1);
    without_findings(first..first + FRESH);
}

#[test]
fn a_seed_repeats_byte_for_byte() {
    for seed in 0..100 {
        let (once, again) = (run(seed, None), run(seed, None));
        assert!(!once.trace.is_empty(), "seed {seed}");
        let differs = once.trace.iter().zip(&again.trace).find(|(once, again)| once != again);
        assert!(differs.is_none() && once.trace.len() == again.trace.len(), "seed {seed}: {differs:?}");
    }
}

#[test]
fn planted_bugs_are_found() {
    for bug in Bug::ALL {
        let found =
            (0..FOUND_WITHIN).map(|seed| run(seed, Some(bug))).find(|report| !report.findings.is_empty());
        let Some(Report { seed, findings, .. }) = found else { panic!("{} was not found", bug.name()) };
        println!("{} is found with seed {seed}: {}", bug.name(), findings[0]);
    }
}
