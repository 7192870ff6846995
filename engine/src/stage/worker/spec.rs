//! What a worker needs to know about its stage.

use std::collections::HashMap;
use std::sync::Arc;

use crate::stage::totals::Totals;

/// Where a stage that has never run begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// After the last record there is.
    Latest,
    /// At the first record there is.
    Earliest,
    /// At the first record appended at or after this time, milliseconds since the epoch.
    Time(u64),
    /// At this offset of every partition.
    Offset(u64),
    /// At given offsets by topic and partition; partitions that are not named begin at the latest.
    Offsets(HashMap<String, Vec<u64>>),
}

/// A topic that a stage reads, all partitions of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Topic name.
    pub topic: Arc<str>,
    /// Its number of partitions.
    pub partitions: u32,
    /// Whether a stage writes it, so that only committed ranges count. On other topics every record does.
    pub ranged: bool,
}

/// What the worker of a stage needs to know about it.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Identity of its cursors, such as `belt:17`.
    pub id: String,
    /// Kind, for labels: `harvester`, `belt` or `persister`.
    pub kind: &'static str,
    /// Project that owns it.
    pub project: String,
    /// Name or id, for labels.
    pub object: String,
    /// Version of the definition that runs.
    pub version: u64,
    /// What it reads.
    pub sources: Vec<Source>,
    /// Where it begins when it has never run.
    pub start: Start,
    /// Stream name under which its dead letters are shown.
    pub dead_letter_stream: String,
    /// Where several processes share the stages: the turn that puts every partition once where `start` says.
    pub turn: Option<u64>,
    /// Where it counts what it does.
    pub totals: Totals,
}
