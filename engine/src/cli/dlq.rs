//! `granary dlq`: look at dead letters, have them processed again, give them up.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Failure;
use super::client::segment;
use super::remote::{Place, Remote};
use super::sql;

/// Between two looks with `--wait`.
const PAUSE: Duration = Duration::from_millis(200);
/// Letters that are waited for at a time: their ids have to fit into an address.
const WAIT_LETTERS: usize = 500;

#[derive(Args)]
pub(super) struct Dlq {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List dead letters, newest first
    Ls {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        filter: Filter,
        /// Some of dead, retrying, retried and discarded, with commas, or all
        #[arg(long, default_value = "dead,retrying")]
        state: String,
        /// How many, at most 1000
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Print one dead letter with its payload, its reason and its history
    Show {
        /// Its id, as `dlq ls` prints it
        id: String,
        #[command(flatten)]
        place: Place,
    },
    /// Have dead letters processed again by their stage, as it is now
    Retry {
        #[command(flatten)]
        selection: Selection,
        /// Wait until each went through or is dead again; exit with 1 if one is
        #[arg(long)]
        wait: bool,
    },
    /// Give dead letters up
    Discard {
        #[command(flatten)]
        selection: Selection,
    },
}

#[derive(Args)]
struct Filter {
    /// Those of the belt of this name
    #[arg(long, conflicts_with = "stream")]
    belt: Option<String>,
    /// Those of this stream, such as grnry_belt_dlq_7
    #[arg(long)]
    stream: Option<String>,
    /// Those of this code, such as exception
    #[arg(long)]
    code: Option<String>,
    /// Those written at or after this time, such as 2026-01-31T12:00:00Z
    #[arg(long)]
    since: Option<String>,
    /// Those written before this time
    #[arg(long)]
    until: Option<String>,
    /// Those whose message contains this text
    #[arg(long)]
    contains: Option<String>,
}

/// Which letters a change is about.
#[derive(Args)]
struct Selection {
    /// Their ids, as `dlq ls` prints them
    #[arg(conflicts_with_all = ["belt", "stream", "code", "since", "until", "contains", "all"])]
    ids: Vec<String>,
    /// All letters of the project that are open
    #[arg(long, conflicts_with_all = ["belt", "stream", "code", "since", "until", "contains"])]
    all: bool,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    place: Place,
}

impl Dlq {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Ls { place, filter, state, limit } => {
                let remote = place.connect()?;
                let mut fields = filter.fields(&remote).await?;
                fields.push(("state", state));
                fields.push(("limit", limit.to_string()));
                let page = remote.get(&format!("/dead-letters?{}", query(&fields))).await?;
                print!("{}", table(&page));
                Ok(())
            }
            Command::Show { id, place } => {
                let letter = place.connect()?.get(&format!("/dead-letters/{}", segment(&id))).await?;
                println!("{letter:#}");
                Ok(())
            }
            Command::Retry { selection, wait: false } => selection.change("retry").await,
            Command::Retry { selection, wait: true } => selection.retry_and_wait().await,
            Command::Discard { selection } => selection.change("discard").await,
        }
    }
}

impl Filter {
    async fn fields(&self, remote: &Remote) -> Result<Vec<(&'static str, String)>, Failure> {
        let stream = match &self.belt {
            Some(name) => {
                let belt = remote.belt_named(name, "the API's GET .../belts lists those that it has").await?;
                Some(format!("grnry_belt_dlq_{}", belt.id))
            }
            None => self.stream.clone(),
        };
        let fields = [
            ("stream", stream),
            ("code", self.code.clone()),
            ("since", self.since.clone()),
            ("until", self.until.clone()),
            ("contains", self.contains.clone()),
        ];
        Ok(fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }
}

impl Selection {
    async fn change(&self, verb: &str) -> Result<(), Failure> {
        let remote = self.place.connect()?;
        let ids = self.distinct_ids();
        let body = if !ids.is_empty() {
            json!({ "ids": ids })
        } else if self.all {
            json!({ "all": true })
        } else {
            let fields = self.filter.fields(&remote).await?;
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
        };
        let answer = remote.post(&format!("/dead-letters/{verb}"), &checked(body)?).await?;
        println!("{verb}: {} letters matched, {} changed", answer["matched"], answer["changed"]);
        told_apart(ids.len(), &answer)
    }

    async fn retry_and_wait(&self) -> Result<(), Failure> {
        let remote = self.place.connect()?;
        let named = self.distinct_ids();
        let ids = if named.is_empty() { self.dead(&remote).await? } else { named.clone() };
        let (mut matched, mut changed, mut through, mut again) = (0, 0, 0, 0);
        for ids in ids.chunks(WAIT_LETTERS) {
            let answer = remote.post("/dead-letters/retry", &json!({ "ids": ids })).await?;
            matched += answer["matched"].as_u64().unwrap_or_default();
            changed += answer["changed"].as_u64().unwrap_or_default();
            let ids = ids.join(",");
            while count(&remote, &ids, "retrying").await? > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            through += count(&remote, &ids, "retried").await?;
            again += count(&remote, &ids, "dead").await?;
        }
        println!("retry: {changed} letters retried, {again} dead again");
        if again > 0 {
            return Err(Failure::Failed(anyhow!(
                "{again} letters are dead again: `granary dlq ls` shows why"
            )));
        }
        // One that somebody else has asked for is as good as one of ours.
        told_apart(named.len(), &json!({ "matched": matched, "changed": through }))
    }

    /// The ids that were named, each once.
    fn distinct_ids(&self) -> Vec<String> {
        let mut ids = self.ids.clone();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The ids of the letters that are dead and meant, so that they can be told from others that die meanwhile.
    async fn dead(&self, remote: &Remote) -> Result<Vec<String>, Failure> {
        let mut fields = self.filter.fields(remote).await?;
        if !self.all && fields.is_empty() {
            return Err(nothing_named());
        }
        fields.push(("state", "dead".to_owned()));
        fields.push(("limit", "1000".to_owned()));
        let mut ids: Vec<String> = Vec::new();
        loop {
            let before = ids.last().map(|id| format!("&before={id}")).unwrap_or_default();
            let page = remote.get(&format!("/dead-letters?{}{before}", query(&fields))).await?;
            let letters = page["deadLetters"].as_array().context("a page has letters")?;
            ids.extend(letters.iter().filter_map(|letter| letter["id"].as_str().map(str::to_owned)));
            if letters.len() < 1_000 {
                return Ok(ids);
            }
        }
    }
}

/// The body, unless it names no letters.
fn checked(body: Value) -> Result<Value, Failure> {
    if body.as_object().is_some_and(serde_json::Map::is_empty) { Err(nothing_named()) } else { Ok(body) }
}

/// Whoever names letters by id means each of them: one that is not there, or cannot be changed, is a failure.
fn told_apart(named: usize, answer: &Value) -> Result<(), Failure> {
    let number = |field: &str| answer[field].as_u64().unwrap_or_default();
    let (named, matched, changed) = (named as u64, number("matched"), number("changed"));
    if matched < named {
        let missing = named - matched;
        return Err(Failure::Failed(anyhow!(
            "{missing} of the {named} letters named are not in this project: `granary dlq ls --state all` lists what is"
        )));
    }
    if changed < named {
        let other = named - changed;
        return Err(Failure::Failed(anyhow!(
            "{other} of the {named} letters named are in no state for that: `granary dlq show ID` says in which"
        )));
    }
    Ok(())
}

fn nothing_named() -> Failure {
    Failure::Usage("no letters named: give ids, a filter such as --belt NAME, or --all".to_owned())
}

/// How many of these letters are in that state.
async fn count(remote: &Remote, ids: &str, state: &str) -> Result<u64, Failure> {
    let page = remote.get(&format!("/dead-letters?ids={ids}&state={state}&limit=1")).await?;
    Ok(page["totalCount"].as_u64().context("a page has a count")?)
}

fn query(fields: &[(&str, String)]) -> String {
    let pairs: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", segment(value))).collect();
    pairs.join("&")
}

fn table(page: &Value) -> String {
    let names = ["id", "written", "stream", "state", "attempts", "code", "message"];
    let rows: Vec<_> = page["deadLetters"].as_array().into_iter().flatten().map(row).collect();
    let (shown, total) = (rows.len() as u64, page["totalCount"].as_u64().unwrap_or_default());
    let mut text = sql::listing(&names, rows);
    if total > shown {
        text.push_str(&format!("{total} in all: --limit shows more of them\n"));
    }
    text
}

fn row(letter: &Value) -> Value {
    let message = letter["message"].as_str().and_then(|text| text.lines().next());
    let field = |name: &str| letter[name].clone();
    json!([
        field("id"),
        field("createdAt"),
        field("stream"),
        field("state"),
        field("attempts"),
        field("code"),
        message,
    ])
}
