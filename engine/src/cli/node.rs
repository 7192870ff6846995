//! `granary node`: the processes of an installation.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::Failure;
use super::client::Target;
use super::sql;

#[derive(Args)]
pub(super) struct Node {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the processes, what each runs, and the partitions that it works on
    Ls {
        #[command(flatten)]
        target: Target,
    },
}

impl Node {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Command::Ls { target } = self.command;
        print!("{}", listing(&target.connect()?.call(Method::GET, "/nodes", None).await?));
        Ok(())
    }
}

fn listing(answer: &Value) -> String {
    let nodes = answer["nodes"].as_array().map_or(&[][..], Vec::as_slice);
    if nodes.is_empty() {
        return "one process does everything here; several need --stream fluvio://\n".to_owned();
    }
    let texts = |value: &Value| {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
    };
    let row = |node: &Value| {
        let stages = node["stages"].as_array().map_or(&[][..], Vec::as_slice);
        let partitions: u64 = stages.iter().filter_map(|stage| stage["partitions"].as_u64()).sum();
        let seen = format!("{:.1} s ago", node["seenMsAgo"].as_i64().unwrap_or_default() as f64 / 1000.0);
        let state = if node["alive"] == true { "alive" } else { "dead" };
        json!([node["name"], node["address"], texts(&node["roles"]), state, seen, stages.len(), partitions])
    };
    let mut text = sql::listing(
        &["name", "address", "roles", "state", "seen", "stages", "partitions"],
        nodes.iter().map(row).collect(),
    );
    let parts = |node: &Value| {
        let part = |stage: &Value| json!([stage["stage"], node["name"], stage["partitions"]]);
        node["stages"].as_array().into_iter().flatten().map(part).collect::<Vec<_>>()
    };
    let mut rows: Vec<Value> = nodes.iter().flat_map(parts).collect();
    rows.sort_by_key(|row| row[0].as_str().map(str::to_owned));
    text.push('\n');
    text.push_str(&sql::listing(&["stage", "on", "partitions"], rows));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_listed_with_their_share() {
        let answer = json!({"nodes": [
            {"name": "a:1", "address": "http://a:1", "roles": ["api", "worker"], "alive": true, "seenMsAgo": 300,
             "stages": [{"stage": "belt:7", "partitions": 16}]},
            {"name": "b:1", "address": "http://b:1", "roles": ["worker"], "alive": false, "seenMsAgo": 61_000, "stages": []},
        ]});
        let text = listing(&answer);
        for part in ["a:1", "api,worker", "alive", "0.3 s ago", "dead", "61.0 s ago", "belt:7"] {
            assert!(text.contains(part), "'{part}' in\n{text}");
        }
        assert!(listing(&json!({"nodes": []})).contains("one process"));
    }
}
