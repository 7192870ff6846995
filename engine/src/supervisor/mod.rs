//! The supervisor: drives what runs towards what is wanted.
//!
//! Each object (harvester, belt, persister) that is wanted has one task here. The task loads the definition, builds
//! the stage, takes its cursors over and runs it; what fails is built again with back-off, and only what needs a human
//! ends in `FAILED`. States change along one table:
//!
//! ```text
//!  STOPPED ──start──> DEPLOYING ──cursors stored──> RUNNING ──stop──> STOPPING ──batch finished──> STOPPED
//!                       │   ▲                          │
//!                       │   └── back-off, restart ─────┤ (trouble that may pass)
//!                       └─────────> FAILED <───────────┘ (needs a human; START tries again)
//! ```
//!
//! What is wanted is stored by the API before it calls; [`Supervisor::resume`] starts it again after a restart.

mod check;
mod launch;
mod runtime;
mod together;

pub(crate) use launch::{belt_spec, language, transform_spec};
pub(crate) use together::Together;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use granary_catalog::{Belt, Object, StartPosition, Status};
use granary_db::definitions;
use granary_sandbox::Component;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::api::runtime::StatusReport;
use crate::object_log::ObjectLogs;
use crate::outbound::Outbound;
use crate::runtimes::Runtimes;
use crate::secrets::Secrets;
use crate::stage::Error;
use crate::stage::totals::Totals;
use crate::stage::worker::{Relay, Shared, Trouble, Worker};

/// First wait before a stage is built again, doubled up to [`RESTART_MAX`].
const RESTART_FIRST: Duration = Duration::from_millis(200);
/// Longest wait before a stage is built again.
const RESTART_MAX: Duration = Duration::from_secs(30);

fn plain(status: Status) -> StatusReport {
    StatusReport { status, reason: None }
}

/// The log step that the stage itself writes to.
fn own_step(object: &Object) -> &'static str {
    match object {
        Object::Harvester(_) => "sourceType",
        Object::Belt(_) => "callback",
        Object::DataInPersister(_) | Object::LiveSegmentPersister(_) => "persister",
    }
}

struct Running {
    report: watch::Sender<StatusReport>,
    stop: CancellationToken,
    trouble: Trouble,
    /// The next version of the definition, on its way to the worker.
    relay: Relay,
    /// Ends the wait of the process that runs now, without ending the stage.
    process: Mutex<CancellationToken>,
    /// The stored definition has changed since this run was launched.
    outdated: Mutex<bool>,
}

struct Inner {
    shared: Shared,
    runtimes: Arc<Runtimes>,
    outbound: Outbound,
    secrets: Secrets,
    logs: ObjectLogs,
    objects: Mutex<HashMap<Object, Arc<Running>>>,
    totals: Mutex<HashMap<Object, Totals>>,
    tasks: TaskTracker,
    /// Turns of dry runs.
    trials: tokio::sync::Semaphore,
    /// Set where several processes share the stages.
    together: std::sync::OnceLock<Arc<Together>>,
}

/// Handle of the supervisor. Cheap to clone.
#[derive(Clone)]
pub struct Supervisor(Arc<Inner>);

impl Supervisor {
    /// A supervisor that runs nothing yet.
    #[must_use]
    pub fn new(shared: Shared, runtimes: Arc<Runtimes>, outbound: Outbound, secrets: Secrets) -> Self {
        Self(Arc::new(Inner {
            shared,
            runtimes,
            outbound,
            secrets,
            logs: ObjectLogs::default(),
            objects: Mutex::default(),
            totals: Mutex::default(),
            tasks: TaskTracker::new(),
            together: std::sync::OnceLock::new(),
            trials: tokio::sync::Semaphore::new(check::TRIALS),
        }))
    }

    /// From now on this is one of several processes. What is wanted is then done by [`Supervisor::work_together`].
    pub(crate) fn join(&self, together: Arc<Together>) {
        // A second call would mean the same.
        let _ = self.0.together.set(together);
    }

    fn together(&self) -> Option<&Arc<Together>> {
        self.0.together.get()
    }

    fn objects<R>(&self, f: impl FnOnce(&mut HashMap<Object, Arc<Running>>) -> R) -> R {
        f(&mut self.0.objects.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the object is doing, over all processes.
    #[must_use]
    pub fn report(&self, object: &Object) -> StatusReport {
        let own = self.own_report(object);
        match self.together() {
            Some(together) => together.report(object, own),
            None => own,
        }
    }

    /// What the object is doing here.
    fn own_report(&self, object: &Object) -> StatusReport {
        let Some(running) = self.objects(|o| o.get(object).cloned()) else { return plain(Status::Stopped) };
        let mut report = running.report.borrow().clone();
        if report.status == Status::Running
            && *running.outdated.lock().unwrap_or_else(PoisonError::into_inner)
        {
            report.status = Status::RunningButOutdated;
        }
        if report.reason.is_none() {
            report.reason = running.trouble.get();
        }
        report
    }

    /// Starts the object, unless it runs or is being started; answers the state it is in then. An explicit `from`
    /// moves its cursors before it reads.
    pub async fn launch(&self, object: &Object, from: Option<StartPosition>) -> StatusReport {
        self.launch_with(object, from, None).await
    }

    /// The same for one of several processes: `from` holds for each partition once a turn, whoever takes it.
    async fn launch_with(
        &self,
        object: &Object,
        from: Option<StartPosition>,
        turn: Option<u64>,
    ) -> StatusReport {
        loop {
            let old = self.objects(|o| o.get(object).cloned());
            let Some(old) = old else { break };
            let report = self.own_report(object);
            match report.status {
                Status::Stopping => wait_until(&old, |s| s == Status::Stopped).await,
                Status::Failed | Status::Stopped => {
                    old.stop.cancel();
                    self.objects(|o| {
                        if o.get(object).is_some_and(|now| Arc::ptr_eq(now, &old)) {
                            o.remove(object);
                        }
                    });
                }
                _ => return report,
            }
        }
        let running = Arc::new(Running {
            report: watch::Sender::new(plain(Status::Deploying)),
            stop: CancellationToken::new(),
            trouble: Trouble::default(),
            relay: Relay::default(),
            process: Mutex::default(),
            outdated: Mutex::new(false),
        });
        let ours = self.objects(|o| match o.entry(object.clone()) {
            std::collections::hash_map::Entry::Occupied(_) => false,
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(Arc::clone(&running));
                true
            }
        });
        if ours {
            let (supervisor, object) = (self.clone(), object.clone());
            self.0.tasks.spawn(async move { supervisor.drive(object, from, turn, running).await });
        }
        plain(Status::Deploying)
    }

    /// Stops the object after the batch at hand; answers the state it is in then.
    pub fn halt(&self, object: &Object) -> StatusReport {
        let Some(running) = self.objects(|o| o.get(object).cloned()) else { return plain(Status::Stopped) };
        running.stop.cancel();
        running.report.send_if_modified(|r| match r.status {
            Status::Failed => {
                *r = plain(Status::Stopped);
                true
            }
            Status::Stopped => false,
            _ => {
                *r = plain(Status::Stopping);
                true
            }
        });
        running.report.borrow().clone()
    }

    /// Stops the object and waits until it has.
    pub async fn halt_and_wait(&self, object: &Object) {
        self.halt(object);
        let Some(running) = self.objects(|o| o.get(object).cloned()) else { return };
        wait_until(&running, |s| s == Status::Stopped).await;
        self.objects(|o| {
            if o.get(object).is_some_and(|now| Arc::ptr_eq(now, &running)) {
                o.remove(object);
            }
        });
    }

    /// The stored definition has changed: a run that is under way is outdated from now on.
    pub fn outdate(&self, object: &Object) {
        if let Some(running) = self.objects(|o| o.get(object).cloned()) {
            *running.outdated.lock().unwrap_or_else(PoisonError::into_inner) = true;
        }
    }

    /// Has the stages look for dead letters that are to be retried. One that stands still looks when it starts.
    pub fn wake_for_retry(&self, stages: &[String]) {
        self.objects(|objects| {
            for (_, running) in objects.iter().filter(|(object, _)| stages.contains(&object.stage_id())) {
                running.relay.ask_retry();
            }
        });
    }

    /// Has the stored definition take over from the one that runs, between two batches; starts what failed anew.
    /// Does nothing with what is stopped.
    ///
    /// # Errors
    /// When the stored definition cannot be built; the old one goes on then.
    pub async fn replace(&self, object: &Object) -> Result<StatusReport, Error> {
        let Some(running) = self.objects(|o| o.get(object).cloned()) else {
            return Ok(plain(Status::Stopped));
        };
        match self.own_report(object).status {
            Status::Running | Status::RunningButOutdated => {}
            Status::Failed | Status::Deploying => {
                self.halt_and_wait(object).await;
                return Ok(self.launch(object, None).await);
            }
            _ => return Ok(self.report(object)),
        }
        let token = running.stop.child_token();
        *running.outdated.lock().unwrap_or_else(PoisonError::into_inner) = false;
        let built = launch::build(&self.0, object, None, &token).await;
        let (spec, process) = built.inspect_err(|_| self.outdate(object))?;
        running.relay.put(spec, process);
        let old =
            std::mem::replace(&mut *running.process.lock().unwrap_or_else(PoisonError::into_inner), token);
        old.cancel();
        Ok(self.report(object))
    }

    /// The logs of all objects.
    #[must_use]
    pub fn logs(&self) -> &ObjectLogs {
        &self.0.logs
    }

    /// Stops everything in path order: harvesters, belts, persisters; each finishes its batch.
    pub async fn drain(&self) {
        let order = |object: &Object| match object {
            Object::Harvester(_) => 0,
            Object::Belt(_) => 1,
            Object::DataInPersister(_) | Object::LiveSegmentPersister(_) => 2,
        };
        for rank in 0..3 {
            let all: Vec<Object> = self.objects(|o| o.keys().filter(|k| order(k) == rank).cloned().collect());
            futures::future::join_all(all.iter().map(|object| self.halt_and_wait(object))).await;
        }
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// The life of one object until it is stopped or needs a human.
    async fn drive(
        &self,
        object: Object,
        mut from: Option<StartPosition>,
        turn: Option<u64>,
        running: Arc<Running>,
    ) {
        let ring = self.0.logs.ring(&object.stage_id(), own_step(&object));
        let mut wait = RESTART_FIRST;
        let end = loop {
            let run = std::panic::AssertUnwindSafe(self.run_once(&object, &mut from, turn, &running))
                .catch_unwind()
                .await;
            let why = match run {
                Ok(Ok(()) | Err(Error::Stopped)) => break plain(Status::Stopped),
                Ok(Err(Error::Final(why))) => {
                    break StatusReport { status: Status::Failed, reason: Some(why) };
                }
                Ok(Err(Error::Unavailable(why))) => why,
                Err(_) => "the stage panicked: this is a defect of the engine, please report it".to_owned(),
            };
            warn!(object = %object, error = %why, "stage is built again");
            ring.push(&format!("WARN the stage stopped and is built again: {why}"));
            running.report.send_if_modified(|r| {
                let stopping = r.status == Status::Stopping;
                if !stopping {
                    *r = StatusReport { status: Status::Deploying, reason: Some(why) };
                }
                !stopping
            });
            tokio::select! {
                () = running.stop.cancelled() => break plain(Status::Stopped),
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(RESTART_MAX);
        };
        match &end.reason {
            Some(why) => {
                error!(object = %object, error = %why, "stage failed; it needs a human");
                ring.push(&format!("ERROR the stage failed: {why}"));
            }
            None => info!(object = %object, "stopped"),
        }
        let end = if running.stop.is_cancelled() { plain(Status::Stopped) } else { end };
        running.report.send_replace(end);
    }

    async fn run_once(
        &self,
        object: &Object,
        from: &mut Option<StartPosition>,
        turn: Option<u64>,
        running: &Arc<Running>,
    ) -> Result<(), Error> {
        let stop = running.stop.clone();
        let token = stop.child_token();
        // What is built now is at least as new as what may lie there.
        running.relay.clear();
        *running.process.lock().unwrap_or_else(PoisonError::into_inner) = token.clone();
        let built = tokio::select! {
            built = launch::build(&self.0, object, *from, &token) => built?,
            () = stop.cancelled() => return Err(Error::Stopped),
        };
        let (mut spec, process) = built;
        spec.turn = turn.filter(|_| from.is_some());
        if from.is_some() && turn.is_none() {
            launch::move_cursors(&self.0.shared, &spec).await?;
        }
        let mut worker =
            Worker::acquire(spec, (&self.0.shared).into(), stop, running.trouble.clone()).await?;
        // The start position is stored now; a later restart of this stage goes on from its cursors.
        if turn.is_none() {
            *from = None;
        }
        running.report.send_if_modified(|r| {
            let starting = r.status == Status::Deploying;
            if starting {
                *r = plain(Status::Running);
            }
            starting
        });
        worker.run(process, &running.relay).await
    }
}

impl Inner {
    /// What an object has done in this process.
    fn totals(&self, object: &Object) -> Totals {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner).entry(object.clone()).or_default().clone()
    }

    /// An uploaded component of a project, compiled.
    async fn component(&self, project: &str, hash: &str) -> Result<Arc<Component>, String> {
        let client = self.shared.db.client().await.map_err(|e| e.to_string())?;
        let bytes = definitions::component::load(&client, project, hash)
            .await
            .map_err(|e| e.to_string())?
            .ok_or_else(|| format!("the component {hash} is not there any more"))?;
        drop(client);
        self.runtimes
            .sandbox()
            .load_bytes(bytes)
            .await
            .map_err(|e| format!("the component {hash} cannot be loaded: {e}"))
    }

    /// The archive of a belt's packages; empty where it has none.
    async fn packages(&self, belt: &Belt) -> Result<Arc<[u8]>, String> {
        let Some(hash) = &belt.packages else { return Ok(Arc::default()) };
        let client = self.shared.db.client().await.map_err(|e| e.to_string())?;
        let bytes =
            definitions::package::load(&client, &belt.project, hash).await.map_err(|e| e.to_string())?;
        bytes.map(Arc::from).ok_or_else(|| format!("the packages {hash} are not there any more"))
    }
}

async fn wait_until(running: &Running, reached: impl Fn(Status) -> bool) {
    let mut reports = running.report.subscribe();
    // The sender lives as long as `running`, so this cannot fail.
    let _ = reports.wait_for(|r| reached(r.status)).await;
}
