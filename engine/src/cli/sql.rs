//! `granary sql`.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::Context as _;
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::Failure;
use super::client::{Target, segment};

#[derive(Args)]
pub(super) struct Sql {
    /// Project whose tables and views are read
    project: String,
    /// One SQL statement. Without it, psql opens with a login of its own that ends after an hour
    query: Option<String>,
    /// Most rows to print
    #[arg(long, default_value_t = 1_000)]
    max_rows: u32,
    #[command(flatten)]
    target: Target,
}

impl Sql {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let client = self.target.connect()?;
        let base = format!("/projects/{}/sql", segment(&self.project));
        let Some(query) = self.query else {
            let login = client.call(Method::POST, &format!("{base}/login"), None).await?;
            return Err(open_psql(&login));
        };
        let body = json!({"query": query, "maxRows": self.max_rows});
        let answer = client.call(Method::POST, &base, Some(&body)).await?;
        print!("{}", table(&answer));
        Ok(())
    }
}

/// Replaces this process by psql; returns only when that fails.
fn open_psql(login: &Value) -> Failure {
    let field = |name: &str| login[name].as_str().map_or_else(|| login[name].to_string(), str::to_owned);
    let error = Command::new("psql")
        .env("PGHOST", field("host"))
        .env("PGPORT", field("port"))
        .env("PGDATABASE", field("database"))
        .env("PGUSER", field("user"))
        .env("PGPASSWORD", field("password"))
        .exec();
    let error = Err::<(), _>(error)
        .context("could not start psql; install Postgres' client programs, or give a statement");
    error.err().map_or_else(|| Failure::Usage(String::new()), Failure::Failed)
}

/// Rows under such heads, as [`table`] prints them.
pub(super) fn listing(heads: &[&str], rows: Vec<Value>) -> String {
    let columns: Vec<_> = heads.iter().map(|name| json!({ "name": name })).collect();
    table(&json!({ "columns": columns, "rows": rows }))
}

/// The rows with aligned columns, a head and a count, as psql prints them.
pub(super) fn table(answer: &Value) -> String {
    let list = |v: &Value| v.as_array().cloned().unwrap_or_default();
    let heads: Vec<String> = list(&answer["columns"]).iter().map(|c| cell(&c["name"])).collect();
    let rows: Vec<Vec<String>> =
        list(&answer["rows"]).iter().map(|row| list(row).iter().map(cell).collect()).collect();
    let widths: Vec<usize> = (0..heads.len())
        .map(|i| {
            rows.iter()
                .filter_map(|r| r.get(i))
                .chain([&heads[i]])
                .map(|c| c.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |cells: &[String]| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(c, w)| format!(" {c}{} ", " ".repeat(w - c.chars().count())))
            .collect();
        format!("{}\n", padded.join("|").trim_end())
    };
    let mut out = line(&heads);
    out.push_str(&widths.iter().map(|w| "-".repeat(w + 2)).collect::<Vec<_>>().join("+"));
    out.push('\n');
    for row in &rows {
        out.push_str(&line(row));
    }
    let more = if answer["truncated"] == true { ", and there are more" } else { "" };
    out.push_str(&format!("({} row{}{more})\n", rows.len(), if rows.len() == 1 { "" } else { "s" }));
    out
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(s) => s.replace('\n', "\\n"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_aligned_under_their_heads() {
        let answer = json!({"columns": [{"name": "id"}, {"name": "firstName"}], "rows": [["a", "Andrew"], ["bcd", null]], "truncated": true});
        assert_eq!(
            table(&answer),
            " id  | firstName\n-----+-----------\n a   | Andrew\n bcd |\n(2 rows, and there are more)\n"
        );
    }
}
