//! What a script is, and what a runtime has to say about it before it runs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::bindings::script::exports::granary::script::runtime;
use crate::host::http::HttpClient;
use crate::host::log::LogSink;
use crate::host::metrics::MetricSink;

/// What a script is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Events to updates.
    Belt,
    /// Records to messages.
    Transform,
}

impl Kind {
    /// The name that runtimes know.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Belt => "belt",
            Self::Transform => "transform",
        }
    }
}

/// What a program is written in, as far as that decides how it is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// Source text, run by the Python runtime component.
    Python,
    /// Source text: a belt in JavaScript or TypeScript, or a transform in JavaScript. Each has a runtime component.
    JavaScript,
    /// Source text, run by the Groovy runtime component; only transforms are written in it.
    Groovy,
    /// A component that the user compiled: the program is the component itself.
    Component,
}

/// A program of a user and everything that its instances need.
#[derive(Clone)]
pub struct ScriptSpec {
    /// What the program is for.
    pub kind: Kind,
    /// What it is written in.
    pub language: Language,
    /// Its source text; empty for a component.
    pub source: String,
    /// `{"beltId","outputTypes":[{"name","kind"}],"fetchProfile","debug","env":{..}}` for a belt, `{}` for a transform
    /// (see `wit/script.wit`).
    pub config: serde_json::Value,
    /// What it can import beside what its runtime carries: for Python a zip archive. Empty where there is nothing.
    pub packages: Arc<[u8]>,
    /// Limit of the linear memories of one instance, in bytes.
    pub memory_bytes_max: usize,
    /// Share of one processor that one instance may take, in thousandths; `None` is no limit.
    pub millicpu: Option<u32>,
    /// Limit of one call: of a batch, and of each event when a failed batch is done again one by one.
    pub call_timeout: Duration,
    /// From which duration on a call is counted as long ([`crate::Stats::calls_long`]).
    pub long_call: Duration,
    /// Limit of loading the script.
    pub init_timeout: Duration,
    /// Takes what the program logs and prints.
    pub log: Arc<dyn LogSink>,
    /// Takes the figures that it reports.
    pub metrics: Arc<dyn MetricSink>,
    /// Sends its requests.
    pub http: Arc<dyn HttpClient>,
}

/// Without the configuration: the environment in it may hold secrets.
impl fmt::Debug for ScriptSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptSpec")
            .field("kind", &self.kind)
            .field("language", &self.language)
            .field("source_bytes", &self.source.len())
            .field("packages_bytes", &self.packages.len())
            .field("memory_bytes_max", &self.memory_bytes_max)
            .field("millicpu", &self.millicpu)
            .field("call_timeout", &self.call_timeout)
            .field("long_call", &self.long_call)
            .field("init_timeout", &self.init_timeout)
            .finish_non_exhaustive()
    }
}

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The script runs all the same.
    Warning,
    /// The script is refused.
    Error,
}

/// One thing that is wrong with a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// 1-based line of the source, where there is one.
    pub line: Option<u32>,
    /// 1-based column, where there is one.
    pub column: Option<u32>,
    /// The source line, followed by a line with a caret under the column; empty where there is none.
    pub excerpt: String,
    /// The traceback of a failure while the module ran; empty otherwise.
    pub traceback: String,
}

impl From<runtime::Diagnostic> for Diagnostic {
    fn from(guest: runtime::Diagnostic) -> Self {
        let some = |n: u32| (n > 0).then_some(n);
        Self {
            severity: if guest.severity == "warning" { Severity::Warning } else { Severity::Error },
            message: guest.message,
            line: some(guest.line),
            column: some(guest.column),
            excerpt: guest.excerpt,
            traceback: guest.traceback,
        }
    }
}

impl fmt::Display for Diagnostic {
    /// One text of several lines: where, what, excerpt, traceback.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}")?;
            if let Some(column) = self.column {
                write!(f, ", column {column}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)?;
        for part in [&self.excerpt, &self.traceback] {
            if !part.is_empty() {
                write!(f, "\n{}", part.trim_end_matches('\n'))?;
            }
        }
        Ok(())
    }
}

/// Why a script cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// All of it in one text.
    pub reason: String,
    /// What the runtime found wrong; empty where it did not come to that, as with a deadline.
    pub diagnostics: Vec<Diagnostic>,
}

impl Refusal {
    pub(crate) fn of_diagnostics(diagnostics: Vec<Diagnostic>) -> Self {
        let reason = match diagnostics.as_slice() {
            [] => "the script was refused without a reason".to_owned(),
            all => all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        };
        Self { reason, diagnostics }
    }
}
