//! When rows become visible, seen from outside.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::Instant;
use tokio_postgres::Client;

use crate::latency::Latencies;
use crate::project::Project;

/// The moments at which events were acknowledged, by number. Cheap to clone; every clone is the same record.
#[derive(Debug, Clone, Default)]
pub struct Acknowledged(Arc<Mutex<HashMap<u64, Instant>>>);

impl Acknowledged {
    /// Event n was acknowledged just now.
    pub fn now(&self, n: u64) {
        self.with(|all| all.insert(n, Instant::now()));
    }

    /// How many were.
    #[must_use]
    pub fn len(&self) -> usize {
        self.with(|all| all.len())
    }

    /// Whether none was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When event n was.
    #[must_use]
    pub fn at(&self, n: u64) -> Option<Instant> {
        self.with(|all| all.get(&n).copied())
    }

    fn with<R>(&self, f: impl FnOnce(&mut HashMap<u64, Instant>) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The rows seen so far, each with the moment at which a query first showed it.
#[derive(Debug, Default)]
pub struct Visible {
    seen: HashMap<u64, Instant>,
    last_new: Option<Instant>,
}

impl Visible {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// When the last of them was seen for the first time.
    #[must_use]
    pub fn last_new(&self) -> Option<Instant> {
        self.last_new
    }

    fn add(&mut self, n: u64, now: Instant) {
        self.seen.entry(n).or_insert_with(|| {
            self.last_new = Some(now);
            now
        });
    }

    /// From acknowledgement to visible row. A row that was seen before its acknowledgement reached the client counts
    /// as zero.
    #[must_use]
    pub fn latencies(&self, acknowledged: &Acknowledged) -> Latencies {
        let mut latencies = Latencies::default();
        for (n, seen) in &self.seen {
            if let Some(at) = acknowledged.at(*n) {
                latencies.record(seen.saturating_duration_since(at));
            }
        }
        latencies
    }
}

/// Follows a table that only grows, through the SQL endpoint, by asking for the rows behind the last page seen. Pages
/// before that may still get rows of transactions that ended later, so every few looks all of it is read.
#[derive(Debug)]
pub struct Follower {
    relation: String,
    column: String,
    page: u64,
    looks: u64,
}

impl Follower {
    /// Follows the text column of a table; `number` tells the number of an event from that text.
    #[must_use]
    pub fn new(relation: String, column: &str) -> Self {
        Self { relation, column: column.to_owned(), page: 0, looks: 0 }
    }

    /// Takes one look.
    pub async fn look(
        &mut self,
        project: &Project,
        number: impl Fn(&str) -> Option<u64>,
        visible: &mut Visible,
    ) -> Result<()> {
        self.looks += 1;
        let everything = self.looks.is_multiple_of(20);
        let from = if everything { 0 } else { self.page.saturating_sub(2) };
        let query = format!(
            r#"select ctid::text, "{}" from {} where ctid >= '({from},0)'"#,
            self.column, self.relation
        );
        let table = project.sql(&query).await?;
        let now = Instant::now();
        for row in &table.rows {
            let [ctid, text] = row.as_slice() else { bail!("two columns expected") };
            let page = ctid.as_str().and_then(|t| t.trim_matches(['(', ')']).split(',').next()?.parse().ok());
            self.page = self.page.max(page.unwrap_or(0));
            if let Some(n) = text.as_str().and_then(&number) {
                visible.add(n, now);
            }
        }
        Ok(())
    }
}

/// Looks the pending events up by their row id until all `total` are visible or the time is up. Straight at the
/// database, so that looking takes nothing of the engine's time; an index look-up, so that it takes little of the
/// database's.
pub async fn watch_by_id(
    database: &Client,
    table: &str,
    run: &str,
    acknowledged: &Acknowledged,
    total: u64,
    limit: Duration,
) -> Result<Visible> {
    let statement = database.prepare(&format!(r#"select "id" from {table} where "id" = any($1)"#)).await?;
    let until = Instant::now() + limit;
    let mut visible = Visible::default();
    // All below were seen; looked for are those from here up to the number of the youngest acknowledged event.
    let mut low = 0;
    while low < total {
        if Instant::now() > until {
            bail!("{} of {total} rows were visible after {limit:?}", visible.len());
        }
        let mut pending = Vec::new();
        let mut n = low;
        while n < total && pending.len() < 500 && n < low + 2_000 {
            if !visible.seen.contains_key(&n) && acknowledged.at(n).is_some() {
                pending.push(format!("{run}-{n}"));
            }
            n += 1;
        }
        if !pending.is_empty() {
            let rows = database.query(&statement, &[&pending]).await?;
            let now = Instant::now();
            for row in rows {
                let id: &str = row.get(0);
                if let Some(n) = id.rsplit('-').next().and_then(|n| n.parse().ok()) {
                    visible.add(n, now);
                }
            }
        }
        while visible.seen.contains_key(&low) {
            low += 1;
        }
        // The pause is part of every latency measured, so it is short against the bar.
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    Ok(visible)
}
