//! `granary:script/host`: the log of the object that a script belongs to. Its requests are in [`super::http`].

use std::sync::{Arc, Mutex, PoisonError};

use super::State;
use super::metrics::Figure;
use crate::bindings::script::granary::script::host;
use crate::bindings::transform::granary::transform::host as transform_host;
use crate::outcome::cut;

/// The most bytes of one line; the rest is cut off.
const LINE_BYTES_MAX: usize = 8 << 10;
/// The most lines and bytes that one call (a batch) may write; the rest is counted and dropped.
const LINES_PER_CALL_MAX: u32 = 4096;
const BYTES_PER_CALL_MAX: usize = 1 << 20;
/// What is kept of standard error for the failure of the call.
const LAST_WORDS_BYTES_MAX: usize = 2 << 10;

/// The logger name of standard error.
pub(super) const STDERR: &str = "stderr";

/// Severity of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// For whoever develops the script.
    Debug,
    /// Normal.
    Info,
    /// Something to look at.
    Warning,
    /// Something went wrong.
    Error,
}

impl Level {
    /// The lower-case name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Where the lines of a script go. Called in the middle of a guest's call: it must not block, and must bound what it
/// keeps. A line has at most 8 KiB; one call of a script yields at most 4096 lines and 1 MiB, then one line that tells
/// how many were dropped.
pub trait LogSink: Send + Sync {
    /// Takes one line without line end. `logger` is the name of the script's logger, or `stdout`, `stderr`.
    fn line(&self, level: Level, logger: &str, message: &str);
}

/// Stands between a guest and its sink and bounds what passes.
pub(crate) struct Logger {
    sink: Arc<dyn LogSink>,
    budget: Mutex<Budget>,
}

#[derive(Default)]
struct Budget {
    lines: u32,
    bytes: usize,
    dropped: u64,
    dropped_total: u64,
    /// The last lines on standard error: what a program says before it ends itself.
    last_words: String,
}

impl Budget {
    fn say(&mut self, line: &str) {
        let mut line = line.to_owned();
        cut(&mut line, LAST_WORDS_BYTES_MAX);
        self.last_words.push_str(&line);
        self.last_words.push('\n');
        let over = self.last_words.len().saturating_sub(LAST_WORDS_BYTES_MAX + 4);
        if over > 0 {
            let from = self.last_words.ceil_char_boundary(over);
            self.last_words.drain(..from);
        }
    }
}

impl Logger {
    pub(crate) fn new(sink: Arc<dyn LogSink>) -> Self {
        Self { sink, budget: Mutex::default() }
    }

    /// Passes a line on, or counts it. A message of several lines stays one entry.
    pub(crate) fn line(&self, level: Level, logger: &str, message: &str) {
        {
            let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
            if logger == STDERR {
                budget.say(message);
            }
            if budget.lines >= LINES_PER_CALL_MAX || budget.bytes >= BYTES_PER_CALL_MAX {
                budget.dropped += 1;
                return;
            }
            budget.lines += 1;
            budget.bytes += message.len().min(LINE_BYTES_MAX) + logger.len();
        }
        let name = &logger[..logger.floor_char_boundary(200)];
        if message.len() <= LINE_BYTES_MAX {
            return self.sink.line(level, name, message);
        }
        let mut short = message[..message.floor_char_boundary(LINE_BYTES_MAX + 4)].to_owned();
        cut(&mut short, LINE_BYTES_MAX);
        self.sink.line(level, name, &short);
    }

    /// Begins a call: what was said in earlier ones is not about it.
    pub(crate) fn begin_call(&self) {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner).last_words.clear();
    }

    /// The last lines that the present call has written to standard error.
    pub(crate) fn last_words(&self) -> String {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner).last_words.trim().to_owned()
    }

    /// Ends a call: tells what was dropped and opens the budget again.
    pub(crate) fn end_call(&self) {
        let dropped = {
            let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
            let dropped = budget.dropped;
            let last_words = std::mem::take(&mut budget.last_words);
            let dropped_total = budget.dropped_total + dropped;
            *budget = Budget { dropped_total, last_words, ..Budget::default() };
            dropped
        };
        if dropped > 0 {
            let text = format!(
                "{dropped} lines were dropped: one call may write {LINES_PER_CALL_MAX} lines and {BYTES_PER_CALL_MAX} bytes"
            );
            self.sink.line(Level::Warning, "granary", &text);
        }
    }

    /// Lines dropped in all calls that have ended.
    pub(crate) fn dropped_total(&self) -> u64 {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner).dropped_total
    }
}

impl host::Host for State {
    fn log(&mut self, level: host::Level, logger: String, message: String) {
        let level = match level {
            host::Level::Debug => Level::Debug,
            host::Level::Info => Level::Info,
            host::Level::Warning => Level::Warning,
            host::Level::Error => Level::Error,
        };
        self.log.line(level, &logger, &message);
    }

    async fn send(&mut self, request: host::Request) -> Result<host::Response, host::HttpError> {
        let timeout_ms = request.timeout_ms;
        Ok(self.send_http(request.into(), timeout_ms).await?.into())
    }

    fn answer_bytes(&mut self, frame: Vec<u8>) {
        self.answer = Some(frame);
    }

    fn answer_text(&mut self, frame: String) {
        self.answer = Some(frame.into_bytes());
    }

    fn figure(&mut self, kind: host::FigureKind, name: String, value: f64, labels: Vec<(String, String)>) {
        let figure = match kind {
            // The runtimes let whole numbers through only; a cast bounds what a broken one sends.
            host::FigureKind::Counter => Figure::Counter(value as u64),
            host::FigureKind::Gauge => Figure::Gauge(value),
            host::FigureKind::Histogram => Figure::Histogram(value),
        };
        self.metrics.figure(&name, figure, &labels);
    }
}

impl transform_host::Host for State {
    fn log(&mut self, level: transform_host::Level, message: String) {
        let level = match level {
            transform_host::Level::Debug => Level::Debug,
            transform_host::Level::Info => Level::Info,
            transform_host::Level::Warning => Level::Warning,
            transform_host::Level::Error => Level::Error,
        };
        self.log.line(level, "component", &message);
    }
}
