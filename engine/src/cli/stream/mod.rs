//! `granary stream`: what the log holds, through a running engine; and the log itself, while none runs.

mod export;
mod tail;
mod verify;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::Failure;
use super::client::{Client, Target, segment};
use super::sql;

#[derive(Args)]
pub(super) struct Stream {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the streams
    Ls {
        #[command(flatten)]
        target: Target,
    },
    /// Show the partitions of a stream and where the stages that read it stand
    Describe {
        /// Name, as `stream ls` prints it
        name: String,
        #[command(flatten)]
        target: Target,
    },
    /// Print records, one JSON object a line: the newest ones, or those from a place on
    Tail(tail::Tail),
    /// Print all records from a place on up to the present end, one JSON object a line
    Export(export::Export),
    /// Check every byte of a log that no engine uses; with --repair, let stages go on behind what is lost
    Verify(verify::Verify),
}

impl Stream {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Ls { target } => {
                print!("{}", listing(&get(&target.connect()?, "/streams").await?));
                Ok(())
            }
            Command::Describe { name, target } => {
                print!("{}", description(&get(&target.connect()?, &path(&name)).await?));
                Ok(())
            }
            Command::Tail(tail) => tail.run().await,
            Command::Export(export) => export.run().await,
            Command::Verify(verify) => verify.run().await,
        }
    }
}

async fn get(client: &Client, path: &str) -> Result<Value, Failure> {
    client.call(Method::GET, path, None).await
}

fn path(name: &str) -> String {
    format!("/streams/{}", segment(name))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn listing(answer: &Value) -> String {
    let row = |stream: &Value| {
        json!([stream["name"], stream["partitions"], stream["records"], retention(&stream["retentionMs"])])
    };
    let rows = list(&answer["streams"]).iter().map(row).collect();
    let mut text = sql::listing(&["name", "partitions", "records", "retention"], rows);
    let log = &answer["log"];
    // A log on other machines does not tell.
    if !log["freeBytes"].is_null() {
        text.push_str(&format!("the log takes {} bytes, {} are free\n", log["usedBytes"], log["freeBytes"]));
    }
    if number(&log["damagedPlaces"]) > 0 {
        text.push_str(&format!(
            "{} places of it are damaged: stop the engine and run `granary stream verify`\n",
            log["damagedPlaces"]
        ));
    }
    if number(&log["lostRecords"]) > 0 {
        text.push_str(&format!("{} records are lost, and that was accepted\n", log["lostRecords"]));
    }
    text
}

fn description(stream: &Value) -> String {
    let row =
        |p: &Value| json!([p["partition"], p["start"], p["end"], number(&p["end"]) - number(&p["start"])]);
    let rows = list(&stream["partitions"]).iter().map(row).collect();
    let name = stream["name"].as_str().unwrap_or_default();
    let mut text = format!("stream {name}, retention {}\n", retention(&stream["retentionMs"]));
    if let Some(stored_as) = stream["storedAs"].as_str() {
        text.push_str(&format!("on the cluster it is the topic {stored_as}\n"));
    }
    text.push('\n');
    text.push_str(&sql::listing(&["partition", "start", "end", "records"], rows));
    text.push_str("\nread by\n\n");
    let places = |reader: &Value| {
        let place = |p: &Value| json!([reader["stage"], p["partition"], p["next"], p["lag"]]);
        list(&reader["partitions"]).iter().map(place).collect::<Vec<_>>()
    };
    let rows = list(&stream["readers"]).iter().flat_map(places).collect();
    text.push_str(&sql::listing(&["stage", "partition", "next", "lag"], rows));
    text
}

/// A retention for people.
fn retention(ms: &Value) -> String {
    const DAY: u64 = 86_400_000;
    match ms.as_u64() {
        None => "for ever".to_owned(),
        Some(ms) if ms >= DAY && ms.is_multiple_of(DAY) => format!("{} d", ms / DAY),
        Some(ms) => format!("{} s", ms / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_listed_with_what_is_wrong_with_the_log() {
        let answer = json!({
            "streams": [{"name": "snowplow", "partitions": 1, "records": 7, "retentionMs": 604_800_000_u64}],
            "log": {"usedBytes": 10, "freeBytes": 20, "damagedPlaces": 0, "lostRecords": 0},
        });
        let whole = " name     | partitions | records | retention\n----------+------------+---------+-----------\n \
                     snowplow | 1          | 7       | 7 d\n(1 row)\nthe log takes 10 bytes, 20 are free\n";
        assert_eq!(listing(&answer), whole);
        let mut damaged = answer;
        damaged["log"]["damagedPlaces"] = json!(2);
        damaged["log"]["lostRecords"] = json!(3);
        let text = listing(&damaged);
        assert!(text.contains("2 places of it are damaged") && text.contains("3 records are lost"), "{text}");
    }

    #[test]
    fn a_stream_is_described_with_its_readers() {
        let stream = json!({
            "name": "s", "retentionMs": null, "partitions": [{"partition": 0, "start": 2, "end": 9}],
            "readers": [{"stage": "belt:7", "partitions": [{"partition": 0, "next": 8, "lag": 1}]}],
        });
        let text = description(&stream);
        assert!(!text.contains("cluster"), "{text}");
        let mut elsewhere = stream.clone();
        elsewhere["storedAs"] = json!("granary-s-3");
        assert!(description(&elsewhere).contains("on the cluster it is the topic granary-s-3\n"));
        for line in
            ["stream s, retention for ever", " 0         | 2     | 9   | 7", " belt:7 | 0         | 8    | 1"]
        {
            assert!(text.lines().any(|found| found == line), "'{line}' in\n{text}");
        }
        assert_eq!(retention(&json!(90_000)), "90 s");
    }
}
