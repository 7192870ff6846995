//! What a guest finds around itself: one [`State`] per instance, one file per imported interface.

mod belt;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod metrics;
mod output;

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::limits::Limits;
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
    /// What a script runtime answered in the present call.
    pub(crate) answer: Option<String>,
    /// Of a belt, what its definition says.
    pub(crate) belt: Identity,
    /// Whether the user compiled what runs, so that its functions are his own.
    pub(crate) compiled: bool,
    pub(crate) limits: Limits,
    pub(crate) deadline: Deadline,
}

impl State {
    /// WASI with nothing granted: no environment, no arguments, no directories, no sockets, no standard input. Clocks
    /// and randomness are there. Output goes to the log. HTTP is a function of ours, see [`http`].
    pub(crate) fn new(log: Arc<Logger>, spec: &ScriptSpec) -> Self {
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
            limits: Limits::new(spec.memory_bytes_max),
            deadline: Deadline::default(),
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// When the present call must have ended.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    expired: bool,
}

impl Deadline {
    pub(crate) fn begin_call(&mut self, limit: Duration) {
        // A limit too far away to be represented is none.
        self.at = Instant::now().checked_add(limit);
        self.expired = false;
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
