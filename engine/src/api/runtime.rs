//! What the API asks of whatever runs the stages. The supervisor implements it; tests record the calls.

use async_trait::async_trait;
use bytes::Bytes;
use granary_catalog::{Belt, EventKind, EventType, Harvester, Object, Project, StartPosition, Status};

use crate::harvester::trial::{Trial, Tried};
use crate::stage::totals::Totals;

/// A state, and why it is what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusReport {
    /// The state.
    pub status: Status,
    /// What is wrong, for `FAILED` and for a stage that is being restarted.
    pub reason: Option<String>,
}

/// One thing that is wrong with a script.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScriptProblem {
    /// What is wrong.
    pub message: String,
    /// Line in the user's source, from 1.
    pub line: Option<u32>,
    /// Column, from 1.
    pub column: Option<u32>,
    /// The line itself, without its line end.
    pub excerpt: Option<String>,
    /// The trace of an exception, the user's frames only.
    pub traceback: Option<String>,
}

/// What kind of answer a failure deserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request asks for what this object or engine can not do: 400.
    Refused,
    /// Something that the engine needs is away and will be back: 503.
    Unavailable,
    /// It did not work: 500, with the reason.
    Failed,
}

/// A call to the runtime failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RuntimeError {
    /// What kind of answer it deserves.
    pub kind: ErrorKind,
    /// What happened and what to do, for the user.
    pub message: String,
}

impl RuntimeError {
    /// A failure with its text.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// Why a script was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckError {
    /// The script is wrong; at least one problem.
    Script(Vec<ScriptProblem>),
    /// It could not be checked.
    Runtime(RuntimeError),
}

/// What an uploaded component is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComponentKind {
    /// `granary:belt/belt` or `granary:belt/framed-belt`.
    Belt,
    /// `granary:transform/transform` or `granary:transform/framed-transform`.
    Transform,
}

/// The engine behind the API.
///
/// All calls are idempotent. What is wanted is stored before `start`, `stop` and `restart` are called, and definitions
/// before the calls that name them, so a runtime may read them from the database. After a crash between storing and
/// calling, a runtime that brings up what is stored at its start does everything that was left out.
#[async_trait]
pub trait Runtime: Send + Sync + 'static {
    /// Starts an object, or does nothing when it is up; the state that it is in then. `from` moves its cursors first.
    async fn start(&self, object: &Object, from: Option<StartPosition>) -> Result<Status, RuntimeError>;

    /// Stops an object after the batch at hand, or does nothing when it is down; the state that it is in then.
    async fn stop(&self, object: &Object) -> Result<Status, RuntimeError>;

    /// Stops, then starts with the stored definition; the state that it is in then.
    async fn restart(&self, object: &Object) -> Result<Status, RuntimeError>;

    /// Has the stored definition take over between two batches where the object is up, and starts it where it failed;
    /// the state that it is in then. When the stored definition cannot be built, the old one goes on.
    async fn replace(&self, object: &Object) -> Result<Status, RuntimeError>;

    /// Stops an object for good and waits for it; its cursors and ranges go. The definition is still there during the
    /// call.
    async fn remove(&self, object: &Object) -> Result<(), RuntimeError>;

    /// The state of an object.
    fn status(&self, object: &Object) -> StatusReport;

    /// What an object has done in this process since it was started.
    fn totals(&self, object: &Object) -> Totals;

    /// The last lines that a step of an object logged, oldest first, each with its time in front. Steps:
    /// `sourceType`, `transform`, `metadataExtractor` of harvesters, `callback` of belts, `persister` of persisters.
    fn logs(&self, object: &Object, step: &str, lines: usize) -> Vec<String>;

    /// Dead letters of these stages were stored as to be retried: those that run do so after the batch at hand, the
    /// others once they run.
    fn retry_asked(&self, stages: &[String]);

    /// The stored definition differs from what may be running: a running object is `RUNNING_BUT_OUTDATED` now.
    fn definition_changed(&self, object: &Object);

    /// Loads the program of a belt with the declared outputs (name and kind); its warnings.
    async fn check_belt(
        &self,
        belt: &Belt,
        outputs: &[(String, EventKind)],
    ) -> Result<Vec<String>, CheckError>;

    /// Compiles a component and holds it against the public world of that kind.
    async fn check_component(&self, kind: ComponentKind, bytes: Bytes) -> Result<(), CheckError>;

    /// Loads the transform of a harvester if its language runs; its warnings.
    async fn check_transform(&self, harvester: &Harvester) -> Result<Vec<String>, CheckError>;

    /// Tries the transform of a harvester and its event type's expressions on samples, and writes nothing: the warnings,
    /// and what came of each sample, in order. Fewer than there were samples when it takes too long.
    async fn try_harvester(&self, trial: Trial) -> Result<(Vec<String>, Vec<Tried>), CheckError>;

    /// A project was stored: makes its schema and roles.
    async fn project_created(&self, project: &Project) -> Result<(), RuntimeError>;

    /// An event type was stored: makes its stream, partition, view or table.
    async fn event_type_created(&self, event_type: &EventType) -> Result<(), RuntimeError>;

    /// A new version was stored: `old` was the newest before.
    async fn event_type_updated(&self, old: &EventType, new: &EventType) -> Result<(), RuntimeError>;

    /// All versions of an event type are about to be deleted: its stream and relations go. Its persister was removed
    /// before.
    async fn event_type_deleted(&self, event_type: &EventType) -> Result<(), RuntimeError>;
}
