//! The Groovy runtime: the world `granary:script/script` around the interpreter of `guest-sdk/groovy`.

mod world;

use std::cell::RefCell;

use granary_groovy::{Diagnostic, Limits, Outcome, Script, Severity};
use granary_scriptable::frame::{self, Writer};

use world::World;

/// Generated from `wit/script.wit`.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({ world: "script", path: "../../wit/script.wit" });
}

use bindings::exports::granary::script::runtime;

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
            return Err(vec![refusal(format!("Groovy runs as a transform, not as a {kind}"))]);
        }
        let all = |diagnostics: Vec<Diagnostic>| diagnostics.into_iter().map(diagnostic).collect::<Vec<_>>();
        let (script, warnings) = Script::compile(&source).map_err(all)?;
        SCRIPT.set(Some(script));
        Ok(all(warnings))
    }

    fn execute(batch: Vec<u8>) -> Result<(), String> {
        let answer = SCRIPT.with_borrow(|script| {
            let script = script.as_ref().ok_or("no script is loaded")?;
            frame::answer(&batch, |record, to| {
                match script.run(record.payload, &record.headers, &mut World, Limits::default()) {
                    Ok(outcome) => {
                        to.messages(messages_of(&outcome));
                        write(&outcome, to);
                    }
                    Err(failure) => to.failure(&failure.class, &failure.message, &failure.trace),
                }
            })
        })?;
        bindings::granary::script::host::answer_bytes(&answer);
        Ok(())
    }
}

bindings::export!(Runtime with_types_in bindings);

/// How many messages an outcome is.
fn messages_of(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Skip => 0,
        Outcome::Message(_) | Outcome::Deletion { .. } => 1,
        Outcome::Many(all) => all.iter().map(messages_of).sum(),
    }
}

fn write(outcome: &Outcome, to: &mut Writer) {
    match outcome {
        Outcome::Skip => {}
        Outcome::Message(text) => to.json(text),
        Outcome::Deletion { correlation_id, event_id } => to.deletion(correlation_id, event_id.as_deref()),
        Outcome::Many(all) => all.iter().for_each(|one| write(one, to)),
    }
}

fn diagnostic(found: Diagnostic) -> runtime::Diagnostic {
    let severity = match found.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    runtime::Diagnostic {
        severity: severity.to_owned(),
        message: found.message,
        line: found.line,
        column: found.column,
        excerpt: found.excerpt,
        traceback: String::new(),
    }
}

fn refusal(message: String) -> runtime::Diagnostic {
    let (line, column) = (0, 0);
    runtime::Diagnostic {
        severity: "error".to_owned(),
        message,
        line,
        column,
        excerpt: String::new(),
        traceback: String::new(),
    }
}
