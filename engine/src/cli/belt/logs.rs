//! `granary belt logs`.

use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::folder::Folder;
use super::remote::Remote;
use super::{Failure, In};
use crate::cli::client::Target;

/// Between two looks with `--follow`.
const PAUSE: Duration = Duration::from_millis(300);

#[derive(Args)]
pub(super) struct Logs {
    #[command(flatten)]
    place: In,
    /// How many lines, at most 500
    #[arg(long, default_value_t = 100)]
    lines: u32,
    /// Go on with what is logged from now on
    #[arg(long, short)]
    follow: bool,
    /// Project in the engine, in place of that of belt.toml
    #[arg(long, env = "GRANARY_PROJECT")]
    project: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl Logs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let folder = Folder::open(&self.place.folder)?;
        let remote = Remote::connect(&self.target, self.project.as_deref(), &folder)?;
        let id = remote.belt(&folder).await?.id;
        let mut tail = Tail::default();
        let first = read(&remote, &id, self.lines).await?;
        for line in tail.fresh(first) {
            println!("{line}");
        }
        if !self.follow {
            return Ok(());
        }
        loop {
            tokio::time::sleep(PAUSE).await;
            follow(&remote, &id, &mut tail).await?;
        }
    }
}

/// Prints what was logged since the last look.
pub(super) async fn follow(remote: &Remote, id: &str, tail: &mut Tail) -> Result<(), Failure> {
    for line in tail.fresh(read(remote, id, 500).await?) {
        println!("{line}");
    }
    Ok(())
}

async fn read(remote: &Remote, id: &str, lines: u32) -> Result<Vec<String>, Failure> {
    let answer = remote.get(&format!("/belts/{id}/logs?lines={lines}")).await?;
    let instances = answer["logs"].as_object();
    let lines = instances.into_iter().flat_map(|instances| instances.values());
    Ok(lines.filter_map(Value::as_array).flatten().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// Tells new lines from those that were printed. Each line begins with its time, to the nanosecond.
#[derive(Default)]
pub(super) struct Tail {
    last: Option<String>,
}

impl Tail {
    fn fresh(&mut self, lines: Vec<String>) -> Vec<String> {
        let known = self.last.as_ref().and_then(|last| lines.iter().rposition(|line| line == last));
        let mut fresh: Vec<String> = lines.into_iter().skip(known.map_or(0, |at| at + 1)).collect();
        if let Some(last) = fresh.last() {
            let lost = self.last.is_some() && known.is_none();
            self.last = Some(last.clone());
            if lost {
                fresh.insert(0, "... (more lines than the engine keeps)".to_owned());
            }
        }
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(numbers: std::ops::Range<u32>) -> Vec<String> {
        numbers.map(|n| n.to_string()).collect()
    }

    #[test]
    fn only_new_lines_are_printed_and_a_gap_is_told() {
        let mut tail = Tail::default();
        assert!(tail.fresh(Vec::new()).is_empty());
        assert_eq!(tail.fresh(lines(0..3)), lines(0..3));
        assert_eq!(tail.fresh(lines(1..5)), lines(3..5));
        assert!(tail.fresh(lines(1..5)).is_empty());
        assert_eq!(tail.fresh(lines(9..10)), ["... (more lines than the engine keeps)", "9"]);
    }
}
