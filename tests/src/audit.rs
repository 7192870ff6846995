//! The audit of a run: what was written, version by version, held against what was acknowledged.
//!
//! Each event carries an id of the client's own, `<run>-<n>`. Triggers on the live segment's table and on the eventstore
//! record every version of every row, because an upsert hides a second effect: the table alone would look right.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::Instant;
use tokio_postgres::Client;

use crate::pipeline::Pipeline;
use crate::wait::{Look, await_condition};

/// How long everything may take to come out at the end.
const DRAIN_PATIENCE: Duration = Duration::from_secs(900);

/// How long nothing may come out before that is given up.
const STALL_PATIENCE: Duration = Duration::from_secs(120);

/// How long nothing may change before the counts are taken as final.
const QUIET: Duration = Duration::from_secs(2);

/// Records every version of every row of the live segment and of the eventstore from now on.
pub async fn install(database: &Client, pipeline: &Pipeline) -> Result<()> {
    let (segment, eventstore) = (pipeline.table(), pipeline.event_table());
    // `security definer`: whoever writes the tables needs no right on the record.
    let statements = format!(
        r#"
        create schema audit;
        create table audit.version (
            ordinal bigint generated always as identity,
            stored text not null, client_id text not null, operation text not null,
            written timestamptz not null default clock_timestamp()
        );
        create function audit.record() returns trigger language plpgsql security definer as $$
        declare
            version jsonb := to_jsonb(case tg_op when 'DELETE' then old else new end);
        begin
            insert into audit.version (stored, client_id, operation)
                values (tg_argv[0], coalesce(version->>'clientId', version->'message'->>'clientId'), tg_op);
            return null;
        end $$;
        grant usage on schema audit to public;
        create trigger audit_record after insert or update or delete on {segment}
            for each row execute function audit.record('row');
        create trigger audit_record after insert or update or delete on {eventstore}
            for each row execute function audit.record('event');
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
                 where stored = 'row'
             ) as gaps
             where written > (select min(written) from audit.version where stored = 'row') + interval '1 second'",
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
    /// Client ids of its versions, in the order in which they were written.
    pub row_versions: Vec<String>,
    /// Rows by client id, of the eventstore.
    pub events: HashMap<String, u64>,
    /// Client ids of its versions, in the order in which they were written.
    pub event_versions: Vec<String>,
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
        anyhow::ensure!(enough || since.elapsed() < STALL_PATIENCE, "nothing comes out any more: {what}");
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
    let counts = format!("select message->>'clientId', count(*) from {eventstore} group by 1");
    let counts = database.query(&counts, &[]).await?;
    let events = counts.iter().map(|row| Ok((row.get(0), u64::try_from(row.get::<_, i64>(1))?)));
    let versions = async |stored: &str| -> Result<Vec<String>> {
        let query = "select client_id from audit.version where stored = $1 order by ordinal";
        Ok(database.query(query, &[&stored]).await?.iter().map(|row| row.get(0)).collect())
    };
    Ok(Found {
        rows,
        row_versions: versions("row").await?,
        events: events.collect::<Result<_>>()?,
        event_versions: versions("event").await?,
    })
}

/// What was sent.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// Name of the run.
    pub run: &'a str,
    /// The numbers that were acknowledged.
    pub acknowledged: &'a [u64],
    /// The highest number.
    pub last: u64,
    /// What has to come in order.
    pub order: Order,
}

/// What has to come in the order of the numbers, per key. Keys are what numbers leave when divided by the number of
/// connections, each of which has waited for an acknowledgement before it sent its next number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Nothing: the events have no keys.
    None,
    /// The events of one key.
    Events {
        /// How many keys there are.
        keys: u64,
    },
    /// The events of one key and the rows of one key.
    EventsAndRows {
        /// How many keys there are.
        keys: u64,
    },
}

impl Sent<'_> {
    /// The number in an id, where it was sent.
    fn number_of(&self, id: &str) -> Option<u64> {
        let digits = id.strip_prefix(self.run)?.strip_prefix('-')?;
        let number = digits.parse::<u64>().ok()?;
        (number <= self.last && number.to_string() == digits).then_some(number)
    }
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
    /// Ids with more than one row of the eventstore, or more than one version of one.
    pub repeated_events: Vec<String>,
    /// Acknowledged ids that were written behind a later one of their key.
    pub disordered: Vec<String>,
    /// Ids that were never sent.
    pub unsent: Vec<String>,
}

impl Findings {
    /// Holds what was found against what was sent.
    #[must_use]
    pub fn of(sent: &Sent<'_>, found: &Found) -> Self {
        let id = |n: &u64| format!("{}-{n}", sent.run);
        let rows_twice = found.rows.iter().filter(|(_, ids)| ids.len() > 1).map(|(id, _)| id.clone());
        let events_twice = found.events.iter().filter(|(_, n)| **n > 1).map(|(id, _)| id.clone());
        let versions = found.row_versions.iter().chain(&found.event_versions);
        let all: HashSet<&String> = found.rows.keys().chain(found.events.keys()).chain(versions).collect();
        let acknowledged = sent.acknowledged;
        Self {
            rows: found.rows.values().map(|ids| ids.len() as u64).sum(),
            versions: found.row_versions.len() as u64,
            missing: acknowledged.iter().map(id).filter(|id| !found.rows.contains_key(id)).collect(),
            missing_events: acknowledged.iter().map(id).filter(|id| !found.events.contains_key(id)).collect(),
            repeated: distinct(rows_twice.chain(again(&found.row_versions))),
            repeated_events: distinct(events_twice.chain(again(&found.event_versions))),
            disordered: match sent.order {
                Order::None => Vec::new(),
                Order::Events { keys } => behind(sent, keys, &found.event_versions),
                Order::EventsAndRows { keys } => {
                    let events = behind(sent, keys, &found.event_versions);
                    distinct(events.into_iter().chain(behind(sent, keys, &found.row_versions)))
                }
            },
            unsent: all.into_iter().filter(|id| sent.number_of(id).is_none()).cloned().collect(),
        }
    }

    /// Whether every acknowledged event was written exactly once, in order, and nothing else was.
    #[must_use]
    pub fn clean(&self) -> bool {
        let Self {
            rows: _,
            versions: _,
            missing,
            missing_events,
            repeated,
            repeated_events,
            disordered,
            unsent,
        } = self;
        [missing, missing_events, repeated, repeated_events, disordered, unsent]
            .iter()
            .all(|list| list.is_empty())
    }

    /// How many acknowledged events are missing, in the live segment or in the eventstore.
    #[must_use]
    pub fn missing_count(&self) -> u64 {
        self.missing.iter().chain(&self.missing_events).collect::<HashSet<_>>().len() as u64
    }

    /// How many events were written more than once, to the live segment or to the eventstore.
    #[must_use]
    pub fn repeated_count(&self) -> u64 {
        self.repeated.iter().chain(&self.repeated_events).collect::<HashSet<_>>().len() as u64
    }
}

fn distinct(ids: impl Iterator<Item = String>) -> Vec<String> {
    ids.collect::<HashSet<_>>().into_iter().collect()
}

/// The ids that are there a second time.
fn again(versions: &[String]) -> impl Iterator<Item = String> {
    let mut seen = HashSet::new();
    versions.iter().filter(move |id| !seen.insert(*id)).cloned()
}

/// The acknowledged ids whose first version comes behind that of a later number of their key. What was not acknowledged
/// may come at any time: its sender did not wait for it.
fn behind(sent: &Sent<'_>, keys: u64, versions: &[String]) -> Vec<String> {
    let acknowledged: HashSet<u64> = sent.acknowledged.iter().copied().collect();
    let (mut seen, mut highest) = (HashSet::new(), HashMap::new());
    let mut behind = Vec::new();
    for id in versions {
        let Some(number) = sent.number_of(id).filter(|n| acknowledged.contains(n) && seen.insert(*n)) else {
            continue;
        };
        let highest = highest.entry(number % keys).or_insert(number);
        if number < *highest {
            behind.push(id.clone());
        }
        *highest = number.max(*highest);
    }
    behind
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
        writeln!(f, "out of order:      {}", list(&self.disordered))?;
        write!(f, "never sent:        {}", list(&self.unsent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rows: &[(&str, &[&str])], versions: &[&str], events: &[(&str, u64)]) -> Found {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let rows = rows.iter().map(|(id, ids)| ((*id).to_owned(), texts(ids)));
        Found {
            rows: rows.collect(),
            row_versions: texts(versions),
            events: events.iter().map(|(id, n)| ((*id).to_owned(), *n)).collect(),
            event_versions: Vec::new(),
        }
    }

    fn sent(acknowledged: &[u64], last: u64) -> Sent<'_> {
        Sent { run: "kill", acknowledged, last, order: Order::None }
    }

    #[test]
    fn a_clean_run_passes_and_unacknowledged_events_may_be_there() {
        let rows: [(&str, &[&str]); 3] = [("kill-0", &["a"]), ("kill-1", &["b"]), ("kill-2", &["c"])];
        let found =
            found(&rows, &["kill-1", "kill-0", "kill-2"], &[("kill-0", 1), ("kill-1", 1), ("kill-2", 1)]);
        assert!(Findings::of(&sent(&[0, 2], 2), &found).clean());
    }

    #[test]
    fn a_row_written_twice_is_found_although_the_table_holds_it_once() {
        let mut twice = found(&[("kill-0", &["a"])], &["kill-0", "kill-0"], &[("kill-0", 1)]);
        let findings = Findings::of(&sent(&[0], 0), &twice);
        assert_eq!((findings.repeated.clone(), findings.repeated_count()), (vec!["kill-0".to_owned()], 1));
        assert!(!findings.clean());
        twice.event_versions = std::mem::take(&mut twice.row_versions);
        assert_eq!(Findings::of(&sent(&[0], 0), &twice).repeated_events, ["kill-0"]);
    }

    #[test]
    fn lost_doubled_and_foreign_rows_are_named() {
        let found = found(
            &[("kill-1", &["a", "b"]), ("kill-7", &["c"]), ("kill-01", &["d"])],
            &["kill-1"],
            &[("kill-0", 2), ("kill-1", 1)],
        );
        let mut findings = Findings::of(&sent(&[0, 1], 2), &found);
        findings.unsent.sort();
        assert_eq!(findings.missing, ["kill-0"]);
        assert_eq!(findings.repeated, ["kill-1"]);
        assert_eq!(findings.repeated_events, ["kill-0"]);
        assert_eq!((findings.missing_count(), findings.repeated_count()), (1, 2));
        assert_eq!(findings.unsent, ["kill-01", "kill-7"]);
    }

    #[test]
    fn an_acknowledged_event_behind_a_later_one_of_its_key_is_out_of_order() {
        // Two keys: the even numbers and the odd ones. 2 was not acknowledged.
        let versions =
            ["kill-1", "kill-0", "kill-4", "kill-2", "kill-3", "kill-6", "kill-8", "kill-6", "kill-5"];
        let mut found = found(&[], &versions, &[]);
        let in_order = |order, found: &Found| {
            Findings::of(&Sent { order, ..sent(&[0, 1, 3, 4, 5, 6, 8], 8) }, found).disordered
        };
        // 6 comes again behind 8, which is told elsewhere.
        assert!(in_order(Order::EventsAndRows { keys: 2 }, &found).is_empty());
        found.row_versions.push("kill-7".to_owned());
        found.row_versions.swap(0, 4);
        assert_eq!(in_order(Order::EventsAndRows { keys: 2 }, &found), ["kill-1"]);
        assert!(in_order(Order::Events { keys: 2 }, &found).is_empty());
        std::mem::swap(&mut found.row_versions, &mut found.event_versions);
        assert_eq!(in_order(Order::Events { keys: 2 }, &found), ["kill-1"]);
        assert!(in_order(Order::None, &found).is_empty());
    }
}
