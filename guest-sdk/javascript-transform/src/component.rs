//! The component: the world `granary:script/script` around a script.

use std::cell::RefCell;
use std::rc::Rc;

use granary_scriptable::frame::{self, Writer};

use crate::{Diagnostic, Level, Limits, Log, Message, Script};

/// Generated from `wit/script.wit`.
#[allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    reason = "generated"
)]
mod bindings {
    wit_bindgen::generate!({ world: "script", path: "../../wit/script.wit" });
}

use bindings::exports::granary::script::runtime;
use bindings::granary::script::host;

thread_local! {
    /// The script of this instance. A component has one thread.
    static SCRIPT: RefCell<Option<Script>> = const { RefCell::new(None) };
}

struct Runtime;

impl runtime::Guest for Runtime {
    fn init(
        kind: String,
        source: String,
        _config: String,
        _packages: Vec<u8>,
    ) -> Result<Vec<runtime::Diagnostic>, Vec<runtime::Diagnostic>> {
        if kind != "transform" {
            let message = format!("this runtime of JavaScript expects a transform, not a {kind}");
            return Err(vec![diagnostic(Diagnostic::general(message))]);
        }
        let log: Rc<Log> = Rc::new(log);
        let script =
            Script::compile(&source, Limits::default(), log).map_err(|found| vec![diagnostic(found)])?;
        SCRIPT.set(Some(script));
        Ok(Vec::new())
    }

    fn execute(batch: Vec<u8>) -> Result<(), String> {
        let answer = SCRIPT.with_borrow(|script| {
            let script = script.as_ref().ok_or("no script is loaded: init comes first")?;
            frame::answer(&batch, |record, to| match script.run(record.payload, record.headers) {
                Ok(messages) => write(&messages, to),
                Err(failure) => to.failure(&failure.class, &failure.message, &failure.trace),
            })
        })?;
        host::answer_bytes(&answer);
        Ok(())
    }
}

bindings::export!(Runtime with_types_in bindings);

fn write(messages: &[Message], to: &mut Writer) {
    to.messages(messages.len());
    for message in messages {
        match message {
            Message::Text(text) => to.json(text),
            Message::Deletion { correlation_id, event_id } => {
                to.deletion(correlation_id, event_id.as_deref());
            }
        }
    }
}

fn log(level: Level, logger: &str, text: &str) {
    let level = match level {
        Level::Debug => host::Level::Debug,
        Level::Info => host::Level::Info,
        Level::Warning => host::Level::Warning,
        Level::Error => host::Level::Error,
    };
    host::log(level, if logger.is_empty() { "stdout" } else { logger }, text);
}

fn diagnostic(found: Diagnostic) -> runtime::Diagnostic {
    runtime::Diagnostic {
        severity: "error".to_owned(),
        message: found.message,
        line: found.line,
        column: found.column,
        excerpt: found.excerpt,
        traceback: String::new(),
    }
}
