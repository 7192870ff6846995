//! What a guest finds around itself: one [`State`] per instance, one file per imported interface.

mod belt;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod metrics;
mod output;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiterAsync, Trap};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::limits::Limits;
use crate::meter;
use crate::script::{Language, ScriptSpec};
use belt::Identity;
use http::HttpClient;
use log::Logger;
use metrics::MetricSink;

/// The data of one store.
pub(crate) struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    pub(crate) log: Arc<Logger>,
    metrics: Arc<dyn MetricSink>,
    http: Arc<dyn HttpClient>,
    /// What a script runtime answered in the present call: bytes, or a text in UTF-8.
    pub(crate) answer: Option<Vec<u8>>,
    /// Of a belt, what its definition says.
    pub(crate) belt: Identity,
    /// Whether the user compiled what runs, so that its functions are his own.
    pub(crate) compiled: bool,
    /// Whether what runs asks by itself whether it may go on ([`crate::meter`]).
    pub(crate) metered: bool,
    pub(crate) limits: Limits,
    pub(crate) deadline: Deadline,
}

impl State {
    /// WASI with nothing granted: no environment, no arguments, no directories, no sockets, no standard input. Clocks
    /// and randomness are there. Output goes to the log. HTTP is a function of ours, see [`http`].
    pub(crate) fn new(log: Arc<Logger>, spec: &ScriptSpec, metered: bool) -> Self {
        let mut wasi = WasiCtx::builder();
        wasi.stdout(output::Lines::new(Arc::clone(&log), log::Level::Info, "stdout"))
            .stderr(output::Lines::new(Arc::clone(&log), log::Level::Warning, log::STDERR))
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        Self {
            wasi: wasi.build(),
            table: ResourceTable::new(),
            log,
            metrics: Arc::clone(&spec.metrics),
            http: Arc::clone(&spec.http),
            answer: None,
            belt: Identity::of(&spec.config),
            compiled: spec.language == Language::Component,
            metered,
            limits: Limits::new(spec.memory_bytes_max),
            deadline: Deadline::default(),
        }
    }
}

#[async_trait]
impl ResourceLimiterAsync for State {
    async fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.limits.memory_growing(current, desired, maximum))
    }

    async fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if !(self.metered && meter::is_question(current, desired, maximum)) {
            return Ok(self.limits.table_growing(current, desired, maximum));
        }
        match self.deadline.pass() {
            Pass::Go => {}
            Pass::GiveWay => tokio::task::yield_now().await,
            Pass::End => return Err(Trap::Interrupt.into()),
        }
        Ok(false)
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// How long a guest computes before other tasks of its thread have their turn.
const SLICE: Duration = Duration::from_millis(1);

/// When the present call must have ended.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    expired: bool,
    slice_ends: Option<Instant>,
}

/// What a guest that asks may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// It goes on.
    Go,
    /// It goes on after others.
    GiveWay,
    /// Its time is up.
    End,
}

impl Deadline {
    pub(crate) fn begin_call(&mut self, limit: Duration) {
        // A limit too far away to be represented is none.
        let now = Instant::now();
        self.at = now.checked_add(limit);
        self.slice_ends = now.checked_add(SLICE);
        self.expired = false;
    }

    /// Whether the guest may go on.
    pub(crate) fn pass(&mut self) -> Pass {
        if self.left().is_none() {
            return Pass::End;
        }
        let now = Instant::now();
        if self.slice_ends.is_some_and(|end| now < end) {
            return Pass::Go;
        }
        self.slice_ends = now.checked_add(SLICE);
        Pass::GiveWay
    }

    /// The time that is left, or `None` when it is up, which is remembered.
    pub(crate) fn left(&mut self) -> Option<Duration> {
        let Some(at) = self.at else { return Some(Duration::MAX) };
        let left = at.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
        self.expired |= left.is_none();
        left
    }

    /// Whether the present call was ended by its deadline.
    pub(crate) fn expired(&self) -> bool {
        self.expired
    }
}
