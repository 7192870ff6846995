//! `granary stream verify`.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use granary_stream::embedded::{EmbeddedLog, Options, Report, World};

use crate::cli::Failure;
use crate::streams::LOG_FOLDER;

#[derive(Args)]
pub(super) struct Verify {
    /// Let stages go on behind records that are lost, at the next start. What is damaged stays where it is
    #[arg(long)]
    repair: bool,
    /// Data directory of an engine that does not run
    #[arg(long, env = "GRANARY_DATA_DIR", default_value = "./granary-data")]
    data_dir: PathBuf,
}

impl Verify {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let directory = self.data_dir.join(LOG_FOLDER);
        if !directory.is_dir() {
            return Err(Failure::Usage(format!(
                "{} is no folder, so there is no log: give --data-dir of an engine that ran on this machine",
                directory.display()
            )));
        }
        let report = if self.repair {
            EmbeddedLog::repair(&directory, Options::default(), World::default()).await
        } else {
            EmbeddedLog::verify(&directory, World::default()).await
        };
        let report = report?;
        print!("{}", text(&report));
        if report.is_whole() {
            return Ok(());
        }
        Err(Failure::Failed(anyhow!(
            "records are lost. Stages stop where they miss them, and everything else is served: restore a backup of the \
             data directory, or run this again with --repair to let stages go on behind them"
        )))
    }
}

fn text(report: &Report) -> String {
    let Report { files, bytes, records, damages, losses, hidden } = report;
    let mut text = format!("{files} log files, {bytes} bytes, {records} whole records\n");
    for damage in damages {
        text.push_str(&format!("damaged: {damage}\n"));
    }
    for loss in losses {
        text.push_str(&format!("lost: {loss}\n"));
    }
    if *hidden {
        text.push_str("lost: perhaps the last records of some partitions, which nothing tells of\n");
    }
    text.push_str(match (damages.is_empty(), losses.is_empty()) {
        (true, true) => "the log is whole\n",
        (false, true) if !hidden => "no record is lost\n",
        _ if report.is_whole() => "stages go on behind what is lost\n",
        _ => "",
    });
    text
}

#[cfg(test)]
mod tests {
    use granary_stream::embedded::{Damage, Loss};

    use super::*;

    #[test]
    fn a_report_ends_with_a_verdict() {
        let whole = Report { files: 2, bytes: 300, records: 4, ..Report::default() };
        assert_eq!(text(&whole), "2 log files, 300 bytes, 4 whole records\nthe log is whole\n");
        let damage = Damage { path: "log/1".into(), position: 64, bytes: 9, found: "nothing".to_owned() };
        let damaged = Report { damages: vec![damage], ..whole };
        assert!(text(&damaged).ends_with("damaged: log/1 at byte 64, 9 bytes: nothing\nno record is lost\n"));
        let loss = Loss { topic: "t".to_owned(), partition: 3, start: 5, end: 8, accepted: false };
        let mut lost = Report { losses: vec![loss], ..damaged };
        assert!(text(&lost).ends_with("lost: topic 't' partition 3: records 5 to 7\n"));
        lost.losses[0].accepted = true;
        assert!(text(&lost).ends_with("records 5 to 7 (accepted)\nstages go on behind what is lost\n"));
    }
}
