//! `granary stream tail`.

use std::collections::HashMap;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::{get, list, number, path};
use crate::cli::Failure;
use crate::cli::client::{Client, Target, segment};

/// Between two looks with `--follow`.
const PAUSE: Duration = Duration::from_millis(300);
/// Records of one request.
pub(super) const PAGE: u64 = 1_000;

#[derive(Args)]
pub(super) struct Tail {
    /// Name, as `stream ls` prints it
    name: String,
    /// Only this partition
    #[arg(long)]
    partition: Option<u32>,
    /// Begin at earliest, a time such as 2026-01-31T12:00:00Z, or an offset; the newest records without it
    #[arg(long)]
    from: Option<String>,
    /// How many records, at most 1000
    #[arg(long, short = 'n', default_value_t = 20)]
    limit: u32,
    /// Go on with what is appended from now on
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    target: Target,
}

impl Tail {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let client = self.target.connect()?;
        let mut query = format!("limit={}", self.limit);
        if let Some(partition) = self.partition {
            query.push_str(&format!("&partition={partition}"));
        }
        if let Some(from) = &self.from {
            query.push_str(&format!("&from={}", segment(from)));
        }
        let page = records(&client, &self.name, &query).await?;
        print(&page);
        if !self.follow {
            return Ok(());
        }
        let mut next = ends(&page, self.partition);
        loop {
            tokio::time::sleep(PAUSE).await;
            let now = records(&client, &self.name, "from=latest&limit=1").await?;
            for (partition, end) in ends(&now, self.partition) {
                let next = next.entry(partition).or_insert(0);
                while *next < end {
                    let Some(page) = page_from(&client, &self.name, partition, *next).await? else { break };
                    print(&page.answer);
                    *next = page.next;
                }
            }
        }
    }
}

/// Some records of one partition.
pub(super) struct Page {
    pub(super) answer: Value,
    /// Where the next page begins.
    pub(super) next: u64,
}

/// The records of a partition from an offset on; `None` where there are none.
pub(super) async fn page_from(
    client: &Client,
    name: &str,
    partition: u32,
    from: u64,
) -> Result<Option<Page>, Failure> {
    let query = format!("partition={partition}&from={from}&limit={PAGE}");
    let answer = records(client, name, &query).await?;
    let last = list(&answer["records"]).last().map(|record| number(&record["offset"]));
    Ok(last.map(|last| Page { answer, next: last + 1 }))
}

pub(super) async fn records(client: &Client, name: &str, query: &str) -> Result<Value, Failure> {
    get(client, &format!("{}/records?{query}", path(name))).await
}

/// The ends of the partitions, by number.
fn ends(page: &Value, only: Option<u32>) -> HashMap<u32, u64> {
    let place = |p: &Value| Some((u32::try_from(number(&p["partition"])).ok()?, number(&p["end"])));
    let all = list(&page["partitions"]).iter().filter_map(place);
    all.filter(|(partition, _)| only.is_none_or(|only| only == *partition)).collect()
}

fn print(page: &Value) {
    for record in list(&page["records"]) {
        println!("{record}");
    }
}
