//! The audit of a run: what was written, version by version, held against what was acknowledged.
//!
//! Each event carries an id of the client's own, `<run>-<n>`. A trigger on the live segment's table records every
//! version of every row, because an upsert hides a second effect: the table alone would look right.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::Instant;
use tokio_postgres::Client;

use crate::pipeline::Pipeline;
use crate::wait::{Look, await_condition};

/// How long everything may take to come out at the end.
const DRAIN_PATIENCE: Duration = Duration::from_secs(180);

/// How long nothing may change before the counts are taken as final.
const QUIET: Duration = Duration::from_secs(2);

/// Records every version of every row of the live segment from now on.
pub async fn install(database: &Client, pipeline: &Pipeline) -> Result<()> {
    let table = pipeline.table();
    // `security definer`: whoever writes the table needs no right on the record.
    let statements = format!(
        r#"
        create schema audit;
        create table audit.version (
            client_id text not null, id text not null, operation text not null,
            written timestamptz not null default clock_timestamp()
        );
        create function audit.record() returns trigger language plpgsql security definer as $$
        begin
            if tg_op = 'DELETE' then
                insert into audit.version values (old."clientId", old."id", tg_op);
                return old;
            end if;
            insert into audit.version values (new."clientId", new."id", tg_op);
            return new;
        end $$;
        grant usage on schema audit to public;
        create trigger audit_record after insert or update or delete on {table}
            for each row execute function audit.record();
        "#
    );
    database.batch_execute(&statements).await.context("could not install the audit")
}

/// The longest time between two rows that were written one after the other, in milliseconds. The first second counts
/// for nothing: there the load begins.
pub async fn longest_gap_ms(database: &Client) -> Result<f64> {
    let row = database
        .query_one(
            "select coalesce(max(extract(epoch from gap)::float8 * 1000), 0)::float8 from (
                 select written, written - lag(written) over (order by written) as gap from audit.version
             ) as gaps
             where written > (select min(written) from audit.version) + interval '1 second'",
            &[],
        )
        .await?;
    Ok(row.get(0))
}

/// What the database holds at the end.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Row ids by client id, of the live segment.
    pub rows: HashMap<String, Vec<String>>,
    /// Versions written by client id.
    pub versions: HashMap<String, u64>,
    /// Rows by client id, of the eventstore.
    pub events: HashMap<String, u64>,
}

/// Waits until at least `expected` rows are there and nothing has changed for a while, then takes everything.
pub async fn await_quiet(database: &Client, pipeline: &Pipeline, expected: u64) -> Result<Found> {
    let table = pipeline.table();
    let eventstore = pipeline.project.eventstore(&pipeline.input);
    let counts = format!(
        "select (select count(*) from {table}), (select count(*) from audit.version), (select count(*) from {eventstore})"
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
        versions: counted("select client_id, count(*) from audit.version group by 1").await?,
        events: counted(&format!("select message->>'clientId', count(*) from {eventstore} group by 1"))
            .await?,
    })
}

/// What is wrong with what was written, and how much there is of it.
#[derive(Debug, Clone, Default)]
pub struct Findings {
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
}

impl Findings {
    /// Holds what was found against what was sent: the numbers up to `last` of the run.
    #[must_use]
    pub fn of(run: &str, acknowledged: &[u64], last: u64, found: &Found) -> Self {
        let id = |n: &u64| format!("{run}-{n}");
        let rows_twice = found.rows.iter().filter(|(_, ids)| ids.len() > 1).map(|(id, _)| id.clone());
        let versions_twice = found.versions.iter().filter(|(_, n)| **n > 1).map(|(id, _)| id.clone());
        let was_sent = |id: &str| {
            id.strip_prefix(run)
                .and_then(|rest| rest.strip_prefix('-')?.parse::<u64>().ok())
                .is_some_and(|n| n <= last && id == format!("{run}-{n}"))
        };
        let all: HashSet<&String> =
            found.rows.keys().chain(found.versions.keys()).chain(found.events.keys()).collect();
        Self {
            rows: found.rows.values().map(|ids| ids.len() as u64).sum(),
            versions: found.versions.values().sum(),
            missing: acknowledged.iter().map(id).filter(|id| !found.rows.contains_key(id)).collect(),
            missing_events: acknowledged.iter().map(id).filter(|id| !found.events.contains_key(id)).collect(),
            repeated: rows_twice.chain(versions_twice).collect::<HashSet<_>>().into_iter().collect(),
            repeated_events: found.events.iter().filter(|(_, n)| **n > 1).map(|(id, _)| id.clone()).collect(),
            unsent: all.into_iter().filter(|id| !was_sent(id)).cloned().collect(),
        }
    }

    /// Whether every acknowledged event was written exactly once and nothing else was.
    #[must_use]
    pub fn clean(&self) -> bool {
        [&self.missing, &self.missing_events, &self.repeated, &self.repeated_events, &self.unsent]
            .iter()
            .all(|list| list.is_empty())
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |ids: &[String]| match ids {
            [] => "none".to_owned(),
            ids => format!("{} ({} ...)", ids.len(), ids[..ids.len().min(5)].join(", ")),
        };
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
        write!(f, "never sent:        {}", list(&self.unsent))
    }
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
        let all = [("kill-0", 1), ("kill-1", 1), ("kill-2", 1)];
        let found = found(&[("kill-0", &["a"]), ("kill-1", &["b"]), ("kill-2", &["c"])], &all, &all);
        assert!(Findings::of("kill", &[0, 2], 2, &found).clean());
    }

    #[test]
    fn a_row_written_twice_is_found_although_the_table_holds_it_once() {
        let twice = found(&[("kill-0", &["a"])], &[("kill-0", 2)], &[("kill-0", 1)]);
        let findings = Findings::of("kill", &[0], 0, &twice);
        assert_eq!(findings.repeated, ["kill-0"]);
        assert!(!findings.clean());
    }

    #[test]
    fn lost_doubled_and_foreign_rows_are_named() {
        let found = found(
            &[("kill-1", &["a", "b"]), ("kill-7", &["c"]), ("kill-01", &["d"])],
            &[("kill-1", 1)],
            &[("kill-0", 2), ("kill-1", 1)],
        );
        let mut findings = Findings::of("kill", &[0, 1], 2, &found);
        findings.unsent.sort();
        assert_eq!(findings.missing, ["kill-0"]);
        assert_eq!(findings.repeated, ["kill-1"]);
        assert_eq!(findings.repeated_events, ["kill-0"]);
        assert_eq!(findings.unsent, ["kill-01", "kill-7"]);
    }
}
