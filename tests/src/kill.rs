//! The kill test: the engine is killed at random moments while events are posted, and every write is audited.
//!
//! Each event carries an id of the client's own. A trigger on the live segment's table records every version of every
//! row, because an upsert hides a second effect: the table alone would look right. After the last restart
//!
//! - every acknowledged id must be there,
//! - each id must have been written exactly once, under one row id,
//! - nothing may be there that was not sent. What was sent and not acknowledged may be there or not.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_postgres::Client;

use crate::event;
use crate::load::{self, Plan};
use crate::node::Node;
use crate::pipeline::{Pipeline, RowId};
use crate::postgres;
use crate::wait::{Look, await_condition};

/// How long everything may take to come out at the end.
const DRAIN_PATIENCE: Duration = Duration::from_secs(180);

/// How long nothing may change before the counts are taken as final.
const QUIET: Duration = Duration::from_secs(2);

/// Name of the run inside the client's ids.
const RUN: &str = "kill";

/// What is killed with the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Postgres {
    /// Never its Postgres.
    Spared,
    /// Its Postgres too, every second time.
    KilledEverySecondTime,
}

/// How the test runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How often the engine is killed.
    pub rounds: u64,
    /// Events posted in all.
    pub events: u64,
    /// Connections of the load generator.
    pub connections: usize,
    /// What becomes of Postgres.
    pub postgres: Postgres,
    /// Seed of the moments.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rounds: 20,
            events: 20_000,
            connections: 16,
            postgres: Postgres::KilledEverySecondTime,
            seed: 1,
        }
    }
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Kills of the engine.
    pub kills: u64,
    /// Kills of its Postgres.
    pub postgres_kills: u64,
    /// Events sent.
    pub sent: u64,
    /// Events acknowledged.
    pub acknowledged: u64,
    /// Rows of the live segment.
    pub rows: u64,
    /// Versions of rows that were written.
    pub versions: u64,
    /// Acknowledged ids that are not in the live segment.
    pub missing: Vec<String>,
    /// Acknowledged ids that are not in the eventstore.
    pub missing_events: Vec<String>,
    /// Ids with more than one row or more than one version of a row.
    pub repeated: Vec<String>,
    /// Ids with more than one row of the eventstore.
    pub repeated_events: Vec<String>,
    /// Ids that were never sent.
    pub unsent: Vec<String>,
    /// Dead letters, of which there must be none: no event is bad.
    pub dead_letters: u64,
    /// How long it took.
    pub elapsed: Duration,
}

impl Verdict {
    /// An error unless everything is as it must be.
    pub fn check(&self) -> Result<()> {
        let flaws =
            [&self.missing, &self.missing_events, &self.repeated, &self.repeated_events, &self.unsent];
        if self.dead_letters > 0 || flaws.iter().any(|list| !list.is_empty()) {
            bail!("{self}");
        }
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |ids: &[String]| match ids {
            [] => "none".to_owned(),
            ids => format!("{} ({} ...)", ids.len(), ids[..ids.len().min(5)].join(", ")),
        };
        writeln!(
            f,
            "killed:            granary {} times, its Postgres {} times",
            self.kills, self.postgres_kills
        )?;
        writeln!(f, "sent:              {}, acknowledged {}", self.sent, self.acknowledged)?;
        writeln!(f, "rows:              {}, versions written {}", self.rows, self.versions)?;
        writeln!(
            f,
            "lost:              {}; from the eventstore: {}",
            list(&self.missing),
            list(&self.missing_events)
        )?;
        writeln!(
            f,
            "written twice:     {}; in the eventstore: {}",
            list(&self.repeated),
            list(&self.repeated_events)
        )?;
        writeln!(f, "never sent:        {}", list(&self.unsent))?;
        writeln!(f, "dead letters:      {}", self.dead_letters)?;
        write!(f, "took:              {:.1} s", self.elapsed.as_secs_f64())
    }
}

/// Runs the test. `tell` gets a line for every step.
pub async fn run(settings: &Settings, tell: &(dyn Fn(String) + Sync)) -> Result<Verdict> {
    let begun = Instant::now();
    let mut rng = StdRng::seed_from_u64(settings.seed);
    let mut node = Node::start().await?;
    let mut pipeline = Pipeline::run(&node.api()?, RowId::Correlation).await?;
    audit(&postgres::superuser(node.data_dir()).await?, &pipeline).await?;

    let (target, receiver) = watch::channel(Some(node.address()));
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let on_ack = Arc::clone(&acknowledged);
    let plan = Plan::events(settings.events, settings.connections);
    let body = |n| event::numbered(RUN, n);
    let load = tokio::spawn(load::run(receiver, plan, body, move |n| {
        on_ack.lock().unwrap_or_else(PoisonError::into_inner).push(n);
    }));

    let mut verdict = Verdict::default();
    for round in 0..settings.rounds {
        let from = round * settings.events / settings.rounds;
        let to = (round + 1) * settings.events / settings.rounds;
        let moment = rng.random_range(from..to.max(from + 1));
        let count = || acknowledged.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
        // Not `await_condition`: its pause is longer than the moments here are.
        while count() < moment && !load.is_finished() {
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        // In half of the rounds the later stages get some time, so that the kill finds them at work too.
        if rng.random_bool(0.5) {
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..300))).await;
        }
        let with_postgres = settings.postgres == Postgres::KilledEverySecondTime && round % 2 == 1;
        let postgres_first = rng.random_bool(0.5);
        let posted = count();
        target.send_replace(None);
        if with_postgres && postgres_first {
            node.kill_postgres()?;
        }
        node.kill().await?;
        if with_postgres && !postgres_first {
            node.kill_postgres()?;
        }
        verdict.kills += 1;
        verdict.postgres_kills += u64::from(with_postgres);
        let down = Instant::now();
        node.restart().await?;
        target.send_replace(Some(node.address()));
        tell(format!(
            "round {:>2}: killed{} after {posted} acknowledged events, back in {:.1} s",
            round + 1,
            if with_postgres { " with its Postgres" } else { "" },
            down.elapsed().as_secs_f64()
        ));
    }
    let report = load.await??;
    if report.refused > 0 {
        bail!("the collector refused {} events, the first with {:?}", report.refused, report.first_refusal);
    }
    verdict.sent = report.sent;
    verdict.acknowledged = report.acknowledged;
    tell(format!(
        "posted {} events, {} acknowledged, {} with a broken connection; waiting until all have come out",
        report.sent, report.acknowledged, report.broken
    ));

    pipeline.project.api = node.api()?;
    // One event more, after all others, so that an end of the stream can be seen.
    let last = settings.events;
    pipeline.project.api.event(event::numbered(RUN, last).to_vec()).await?;
    let mut acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap_or_else(PoisonError::into_inner));
    acknowledged.push(last);
    verdict.sent += 1;
    verdict.acknowledged += 1;
    let database = postgres::superuser(node.data_dir()).await?;
    let found = await_quiet(&database, &pipeline, acknowledged.len() as u64).await?;
    judge(&mut verdict, &acknowledged, last, &found);
    verdict.dead_letters = pipeline.project.dead_letter_count().await?;
    verdict.elapsed = begun.elapsed();
    Ok(verdict)
}

/// Records every version of every row of the live segment from now on.
async fn audit(database: &Client, pipeline: &Pipeline) -> Result<()> {
    let table = pipeline.table();
    // `security definer`: whoever writes the table needs no right on the record.
    let statements = format!(
        r#"
        create schema kill_test;
        create table kill_test.version (client_id text not null, id text not null, operation text not null);
        create function kill_test.record() returns trigger language plpgsql security definer as $$
        begin
            if tg_op = 'DELETE' then
                insert into kill_test.version values (old."clientId", old."id", tg_op);
                return old;
            end if;
            insert into kill_test.version values (new."clientId", new."id", tg_op);
            return new;
        end $$;
        grant usage on schema kill_test to public;
        create trigger kill_test_record after insert or update or delete on {table}
            for each row execute function kill_test.record();
        "#
    );
    database.batch_execute(&statements).await.context("could not install the audit")
}

/// What the database holds at the end.
struct Found {
    /// Row ids by client id, of the live segment.
    rows: HashMap<String, Vec<String>>,
    /// Versions written by client id.
    versions: HashMap<String, u64>,
    /// Rows by client id, of the eventstore.
    events: HashMap<String, u64>,
}

/// Waits until at least `expected` rows are there and nothing has changed for a while, then takes everything.
async fn await_quiet(database: &Client, pipeline: &Pipeline, expected: u64) -> Result<Found> {
    let table = pipeline.table();
    let eventstore = pipeline.project.eventstore(&pipeline.input);
    let counts = format!(
        "select (select count(*) from {table}), (select count(*) from kill_test.version), (select count(*) from {eventstore})"
    );
    let mut seen: Option<([i64; 3], Instant)> = None;
    let waited = await_condition("all events to come out", DRAIN_PATIENCE, async || {
        let row = database.query_one(&counts, &[]).await?;
        let now = [row.get::<_, i64>(0), row.get(1), row.get(2)];
        let since = match seen {
            Some((before, since)) if before == now => since,
            _ => seen.insert((now, Instant::now())).1,
        };
        let enough = u64::try_from(now[0]).is_ok_and(|rows| rows >= expected) && now[0] == now[2];
        let what = format!("{} rows, {} versions, {} events of {expected}", now[0], now[1], now[2]);
        Ok(Look::from_option((enough && since.elapsed() >= QUIET).then_some(()), what))
    })
    .await;
    // When they do not all come, the verdict still names what is missing.
    if let Err(error) = waited {
        eprintln!("{error}");
    }
    let mut rows: HashMap<String, Vec<String>> = HashMap::new();
    for row in database.query(&format!(r#"select "clientId", "id" from {table}"#), &[]).await? {
        rows.entry(row.get(0)).or_default().push(row.get(1));
    }
    let counted = async |query: &str| -> Result<HashMap<String, u64>> {
        let rows = database.query(query, &[]).await?;
        rows.iter().map(|row| Ok((row.get(0), u64::try_from(row.get::<_, i64>(1))?))).collect()
    };
    Ok(Found {
        rows,
        versions: counted("select client_id, count(*) from kill_test.version group by 1").await?,
        events: counted(&format!("select message->>'clientId', count(*) from {eventstore} group by 1"))
            .await?,
    })
}

/// Holds what was found against what was sent: the numbers up to `last`.
fn judge(verdict: &mut Verdict, acknowledged: &[u64], last: u64, found: &Found) {
    let id = |n: &u64| format!("{RUN}-{n}");
    verdict.rows = found.rows.values().map(|ids| ids.len() as u64).sum();
    verdict.versions = found.versions.values().sum();
    verdict.missing = acknowledged.iter().map(id).filter(|id| !found.rows.contains_key(id)).collect();
    verdict.missing_events =
        acknowledged.iter().map(id).filter(|id| !found.events.contains_key(id)).collect();
    let rows_twice = found.rows.iter().filter(|(_, ids)| ids.len() > 1).map(|(id, _)| id.clone());
    let versions_twice = found.versions.iter().filter(|(_, n)| **n > 1).map(|(id, _)| id.clone());
    verdict.repeated = rows_twice.chain(versions_twice).collect::<HashSet<_>>().into_iter().collect();
    verdict.repeated_events =
        found.events.iter().filter(|(_, n)| **n > 1).map(|(id, _)| id.clone()).collect();
    let was_sent = |id: &str| {
        id.strip_prefix(RUN)
            .and_then(|rest| rest.strip_prefix('-')?.parse::<u64>().ok())
            .is_some_and(|n| n <= last && id == format!("{RUN}-{n}"))
    };
    let all: HashSet<&String> =
        found.rows.keys().chain(found.versions.keys()).chain(found.events.keys()).collect();
    verdict.unsent = all.into_iter().filter(|id| !was_sent(id)).cloned().collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rows: &[(&str, &[&str])], versions: &[(&str, u64)], events: &[(&str, u64)]) -> Found {
        let owned = |list: &[(&str, u64)]| list.iter().map(|(id, n)| ((*id).to_owned(), *n)).collect();
        Found {
            rows: rows
                .iter()
                .map(|(id, ids)| ((*id).to_owned(), ids.iter().map(|id| (*id).to_owned()).collect()))
                .collect(),
            versions: owned(versions),
            events: owned(events),
        }
    }

    #[test]
    fn a_clean_run_passes_and_unacknowledged_events_may_be_there() {
        let mut verdict = Verdict::default();
        let all = [("kill-0", 1), ("kill-1", 1), ("kill-2", 1)];
        let found = found(&[("kill-0", &["a"]), ("kill-1", &["b"]), ("kill-2", &["c"])], &all, &all);
        judge(&mut verdict, &[0, 2], 2, &found);
        verdict.check().unwrap();
    }

    #[test]
    fn a_row_written_twice_is_found_although_the_table_holds_it_once() {
        let mut verdict = Verdict::default();
        judge(&mut verdict, &[0], 0, &found(&[("kill-0", &["a"])], &[("kill-0", 2)], &[("kill-0", 1)]));
        assert_eq!(verdict.repeated, ["kill-0"]);
        assert!(verdict.check().is_err());
    }

    #[test]
    fn lost_doubled_and_foreign_rows_are_named() {
        let mut verdict = Verdict::default();
        let found = found(
            &[("kill-1", &["a", "b"]), ("kill-7", &["c"]), ("kill-01", &["d"])],
            &[("kill-1", 1)],
            &[("kill-0", 2), ("kill-1", 1)],
        );
        judge(&mut verdict, &[0, 1], 2, &found);
        verdict.unsent.sort();
        assert_eq!(verdict.missing, ["kill-0"]);
        assert_eq!(verdict.repeated, ["kill-1"]);
        assert_eq!(verdict.repeated_events, ["kill-0"]);
        assert_eq!(verdict.unsent, ["kill-01", "kill-7"]);
    }
}
