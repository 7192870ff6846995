//! `granary stream export`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

use super::{list, number, tail};
use crate::cli::Failure;
use crate::cli::client::{Client, Target, segment};

#[derive(Args)]
pub(super) struct Export {
    /// Name, as `stream ls` prints it
    name: String,
    /// Only this partition
    #[arg(long)]
    partition: Option<u32>,
    /// Begin at earliest, a time such as 2026-01-31T12:00:00Z, or an offset
    #[arg(long, default_value = "earliest")]
    from: String,
    /// File to write, which must not exist yet; the standard output without it
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Also records that no commit made count
    #[arg(long)]
    uncommitted: bool,
    #[command(flatten)]
    target: Target,
}

impl Export {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let client = self.target.connect()?;
        // What there is now: an export of a busy stream ends, too.
        let now = tail::records(&client, &self.name, "from=latest&limit=1").await?;
        let (mut out, to): (Box<dyn Write>, _) = match &self.output {
            None => (Box::new(BufWriter::new(io::stdout().lock())), "the standard output".to_owned()),
            Some(path) => {
                let file =
                    File::create_new(path).with_context(|| format!("cannot write {}", path.display()))?;
                (Box::new(BufWriter::new(file)), path.display().to_string())
            }
        };
        let mut count = 0;
        for place in list(&now["partitions"]) {
            let partition = u32::try_from(number(&place["partition"])).unwrap_or(u32::MAX);
            if self.partition.is_none_or(|only| only == partition) {
                count += self.partition(&client, &mut *out, partition, number(&place["end"])).await?;
            }
        }
        out.flush().with_context(|| format!("cannot write {to}"))?;
        eprintln!("{count} records of {} written to {to}", self.name);
        Ok(())
    }

    /// Writes the records of one partition before an offset. How many.
    async fn partition(
        &self,
        client: &Client,
        out: &mut dyn Write,
        partition: u32,
        end: u64,
    ) -> Result<u64, Failure> {
        let first = format!("partition={partition}&from={}&limit={}", segment(&self.from), tail::PAGE);
        let mut answer = tail::records(client, &self.name, &first).await?;
        let mut count = 0;
        loop {
            let Some(last) = list(&answer["records"]).last().map(|record| number(&record["offset"])) else {
                return Ok(count);
            };
            let wanted = |record: &&Value| {
                number(&record["offset"]) < end && (self.uncommitted || record["committed"] == true)
            };
            for record in list(&answer["records"]).iter().filter(wanted) {
                writeln!(out, "{record}").context("cannot write the records")?;
                count += 1;
            }
            if last + 1 >= end {
                return Ok(count);
            }
            match tail::page_from(client, &self.name, partition, last + 1).await? {
                Some(page) => answer = page.answer,
                None => return Ok(count),
            }
        }
    }
}
