//! `make simulate`: many schedules on fresh seeds, or one again.
//!
//! | variable | |
//! |---|---|
//! | `SEEDS` | how many fresh seeds; 1,000 without it |
//! | `SEED` | one seed, whose trace is printed |
//! | `BUG` | a bug to plant, by its name; ends with the first schedule that finds it, and finding none is the failure |

mod audit;
mod bugs;
mod chance;
mod postgres;
mod schedule;
mod stages;

use std::process::ExitCode;
use std::time::Instant;

use bugs::Bug;

fn main() -> ExitCode {
    let bug = match std::env::var("BUG") {
        Err(_) => None,
        Ok(name) if name.is_empty() => None,
        Ok(name) => match Bug::ALL.into_iter().find(|bug| bug.name() == name) {
            None => {
                let names = Bug::ALL.map(Bug::name).join(", ");
                eprintln!("simulate: BUG is '{name}', and the bugs are {names}");
                return ExitCode::from(2);
            }
            bug => bug,
        },
    };
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("SEED") {
        let report = schedule::run(seed, bug);
        report.trace.iter().for_each(|line| println!("{line}"));
        println!(
            "seed {seed}: {} acknowledged, {} commits, {} deaths, {} findings",
            report.acknowledged,
            report.commits,
            report.deaths,
            report.findings.len()
        );
        return if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let count = number("SEEDS").unwrap_or(1_000).max(1);
    let first = rand::random_range(0..u64::MAX - count);
    println!("simulate: {count} schedules, seeds {first} to {}", first + count - 1);
    let begun = Instant::now();
    let (mut acknowledged, mut commits, mut deaths, mut bad) = (0, 0, 0, 0);
    for seed in first..first + count {
        let report = schedule::run(seed, bug);
        acknowledged += report.acknowledged;
        commits += report.commits;
        deaths += report.deaths;
        if !report.findings.is_empty() {
            bad += 1;
            println!("seed {}: {:#?}", report.seed, report.findings);
            if let Some(bug) = bug {
                let schedules = seed - first + 1;
                println!("{} is found by schedule {schedules}, seed {seed}", bug.name());
                return ExitCode::SUCCESS;
            }
            println!("again: make simulate SEED={seed}");
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("simulate: {acknowledged} acknowledged appends, {commits} commits, {deaths} deaths");
    println!("figure simulated_schedules_per_s {:.1} schedules/s", count as f64 / seconds);
    if let Some(bug) = bug {
        println!("{} was not found", bug.name());
        return ExitCode::FAILURE;
    }
    println!("figure simulated_findings {bad} schedules bar <= 0 {}", if bad == 0 { "pass" } else { "fail" });
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
