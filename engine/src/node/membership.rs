//! One of several processes: renews its lease, hears who else is alive, and what the others commit.

use std::time::Duration;

use granary_db::nodes::{self, Alive, Node};
use granary_db::ranges;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::roles::Role;
use crate::stage::members::{View, Views};
use crate::stage::worker::Shared;

/// Between two signs of life; a lease lasts five of them.
const BEAT: Duration = Duration::from_secs(1);
/// Between two looks at what others have committed, while they do.
const BUSY: Duration = Duration::from_millis(25);
/// Between two looks while they do not.
const IDLE: Duration = Duration::from_millis(100);
/// How long after the last news that is.
const QUIET: Duration = Duration::from_secs(1);

/// The view of a list of those that are alive.
pub(super) fn view(me: &Node, alive: &[Alive]) -> View {
    let with = |role: Role| {
        let has = |node: &&Alive| node.roles.iter().any(|name| name == role.as_str());
        alive.iter().filter(has).map(|node| node.id).collect()
    };
    View { me: me.id, workers: with(Role::Worker), persisters: with(Role::Persister) }
}

/// Renews the lease until stopped, and tells who is alive. While the database is away the last view stays.
pub(super) async fn beat(node: Node, shared: Shared, views: Views, stop: CancellationToken) {
    loop {
        match nodes::beat(&shared.db, &node).await {
            Ok(alive) => {
                let now = view(&node, &alive);
                let (workers, persisters) = (now.workers.len(), now.persisters.len());
                if views.tell(now) {
                    info!(workers, persisters, "processes come or go");
                }
            }
            Err(error) => warn!(%error, "this process could not renew its lease"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(BEAT) => {}
        }
    }
}

/// Keeps the book true to what other processes commit, until stopped.
pub(super) async fn learn(shared: Shared, stop: CancellationToken) {
    let Shared { log, db, book, .. } = shared;
    let mut last_news = Instant::now();
    let mut known = std::collections::HashMap::new();
    loop {
        let topics = book.topics();
        let wait = match ranges::of_topics(&db, log.id(), &topics).await {
            Ok(now) => {
                for ((topic, partition), ranges) in &now {
                    if known.get(&(topic.clone(), *partition)) != Some(ranges) {
                        book.learn(topic, *partition, ranges);
                        last_news = Instant::now();
                    }
                }
                known = now;
                if last_news.elapsed() < QUIET { BUSY } else { IDLE }
            }
            Err(error) => {
                warn!(%error, "what other processes have committed is not known now");
                BEAT
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}
