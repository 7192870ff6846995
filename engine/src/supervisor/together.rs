//! The supervisor of one of several processes: what is wanted is read from the database, again and again, and how everything
//! is doing is written there.
//!
//! A start, a restart or a change of version raises the *turn* of an object; each process then starts it anew. So the process
//! that took the request does what all others do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use granary_catalog::{Object, StartPosition, Status};
use granary_db::definitions;
use granary_db::nodes::{self, Node, Turn};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Supervisor, plain};
use crate::api::runtime::StatusReport;
use crate::node::roles::{Role, Roles};

/// Between two looks at what is wanted.
const LOOK: Duration = Duration::from_millis(500);
/// Between two looks for dead letters that another process was asked to retry.
const RETRY_LOOK: Duration = Duration::from_secs(2);
/// How long the other processes may take to stop an object.
const HALT_PATIENCE: Duration = Duration::from_secs(30);

/// What the processes know of each other's objects.
pub(crate) struct Together {
    node: Node,
    roles: Roles,
    /// Something was asked for: look at once.
    asked: Notify,
    others: Mutex<HashMap<String, Vec<StatusReport>>>,
}

impl Together {
    pub(crate) fn new(node: Node, roles: Roles) -> Self {
        Self { node, roles, asked: Notify::new(), others: Mutex::default() }
    }

    /// Whether this process runs such objects.
    fn runs(&self, object: &Object) -> bool {
        self.roles.has(match object {
            Object::Harvester(_) | Object::Belt(_) => Role::Worker,
            Object::DataInPersister(_) | Object::LiveSegmentPersister(_) => Role::Persister,
        })
    }

    /// What the object comes to over all processes: the worst of them.
    pub(super) fn report(&self, object: &Object, own: StatusReport) -> StatusReport {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let all = others
            .get(&object.stage_id())
            .into_iter()
            .flatten()
            .cloned()
            .chain(self.runs(object).then_some(own));
        let rank = |status: Status| match status {
            Status::Failed => 6,
            Status::Stopping => 5,
            Status::Deploying => 4,
            Status::RunningButOutdated => 3,
            Status::Running => 2,
            Status::Unknown => 1,
            Status::Stopped => 0,
        };
        all.max_by_key(|report| rank(report.status)).unwrap_or_else(|| plain(Status::Stopped))
    }
}

impl Supervisor {
    /// Asks all processes to start an object anew.
    pub(super) async fn ask(
        &self,
        together: &Together,
        object: &Object,
        from: Option<StartPosition>,
    ) -> Result<Status, granary_db::Error> {
        nodes::ask(&self.0.shared.db, &object.stage_id(), from.map(written).as_deref()).await?;
        together.asked.notify_one();
        Ok(Status::Deploying)
    }

    /// Stops an object here, and waits until the others have. Whoever calls has stored that it is not wanted.
    pub(super) async fn halt_everywhere(
        &self,
        together: &Together,
        object: &Object,
    ) -> Result<(), granary_db::Error> {
        self.halt_and_wait(object).await;
        let until = tokio::time::Instant::now() + HALT_PATIENCE;
        loop {
            let reports = nodes::reports_of_others(&self.0.shared.db, together.node.id).await?;
            let id = object.stage_id();
            let runs = reports.iter().any(|(of, status, _)| *of == id && status != Status::Stopped.as_str());
            if !runs || tokio::time::Instant::now() > until {
                return Ok(());
            }
            tokio::time::sleep(LOOK / 4).await;
        }
    }

    /// Does what is wanted, until stopped.
    pub(crate) async fn work_together(&self, together: Arc<Together>, stop: CancellationToken) {
        let mut launched: HashMap<Object, u64> = HashMap::new();
        let mut retried = tokio::time::Instant::now();
        loop {
            if let Err(error) = self.look(&together, &mut launched).await {
                warn!(%error, "what is wanted is not known now");
            }
            if retried.elapsed() > RETRY_LOOK {
                retried = tokio::time::Instant::now();
                let stages: Vec<String> = launched.keys().map(Object::stage_id).collect();
                self.wake_for_retry(&stages);
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = together.asked.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn look(&self, together: &Together, launched: &mut HashMap<Object, u64>) -> anyhow::Result<()> {
        let db = &self.0.shared.db;
        let client = db.client().await?;
        let wanted: Vec<Object> =
            definitions::wanted(&client).await?.into_iter().filter(|object| together.runs(object)).collect();
        drop(client);
        let turns = nodes::turns(db).await?;
        for object in launched.keys().filter(|object| !wanted.contains(object)).cloned().collect::<Vec<_>>() {
            self.halt_and_wait(&object).await;
            launched.remove(&object);
        }
        for object in wanted {
            let Turn { turn, from } =
                turns.get(&object.stage_id()).cloned().unwrap_or(Turn { turn: 0, from: None });
            match launched.insert(object.clone(), turn) {
                // One that a request has stopped here, and another one wants again, is started again.
                Some(before) if before == turn && self.own_report(&object).status != Status::Stopped => {
                    continue;
                }
                Some(_) => self.halt_and_wait(&object).await,
                None => {}
            }
            let from = from.and_then(|text| StartPosition::parse(&text).ok());
            self.launch_with(&object, from, Some(turn)).await;
            info!(%object, turn, "started for its share of the partitions");
        }
        let reports: Vec<_> = launched
            .keys()
            .map(|object| {
                let StatusReport { status, reason } = self.own_report(object);
                (object.stage_id(), status.as_str().to_owned(), reason)
            })
            .collect();
        nodes::report(db, together.node.id, &reports).await?;
        let mut others: HashMap<String, Vec<StatusReport>> = HashMap::new();
        for (object, status, reason) in nodes::reports_of_others(db, together.node.id).await? {
            let status = serde_json::from_value(status.into()).unwrap_or(Status::Unknown);
            others.entry(object).or_default().push(StatusReport { status, reason });
        }
        *together.others.lock().unwrap_or_else(PoisonError::into_inner) = others;
        Ok(())
    }
}

/// A start position as [`StartPosition::parse`] reads it.
fn written(from: StartPosition) -> String {
    match from {
        StartPosition::Earliest => "earliest".to_owned(),
        StartPosition::Latest => "latest".to_owned(),
        StartPosition::Offset(offset) => offset.to_string(),
        StartPosition::Time(ms) => {
            let nanos = i128::from(ms) * 1_000_000;
            let moment = time::OffsetDateTime::from_unix_timestamp_nanos(nanos)
                .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
            moment
                .format(&time::format_description::well_known::Rfc3339)
                .unwrap_or_else(|_| "earliest".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_position_is_read_back() {
        for from in [
            StartPosition::Earliest,
            StartPosition::Latest,
            StartPosition::Offset(17),
            StartPosition::Time(1_700_000_000_123),
        ] {
            assert_eq!(StartPosition::parse(&written(from)), Ok(from));
        }
    }
}
