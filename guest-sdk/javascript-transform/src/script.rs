//! A compiled script, and its run on one record.

use std::cell::RefCell;
use std::rc::Rc;

use rquickjs::{Class, Context, Ctx, Function, Persistent, Runtime, Value};

use crate::bytes::Bytes;
use crate::compile::{self, Diagnostic, Program, Source};
use crate::globals::Globals;
use crate::state::State;
use crate::{Failure, Limits, Log, Message, context, text};

/// What may be taken beside the script's memory to tell of a failure, and to tidy up.
const SPARE_BYTES: usize = 4 << 20;

/// What is kept between records, in the engine's memory. It goes before the engine does.
struct Kept {
    code: Persistent<Value<'static>>,
    answer: Persistent<Function<'static>>,
    describe: Persistent<Function<'static>>,
}

/// A compiled script.
pub struct Script {
    engine: RefCell<Engine>,
    text: String,
    limits: Limits,
    log: Rc<Log>,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Script").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Script {
    /// Compiles a script in any of the forms in which scripts arrive. Its lines go to `log`.
    ///
    /// # Errors
    /// What refuses the script, with its place in the text after line ends were restored.
    pub fn compile(source: &str, limits: Limits, log: Rc<Log>) -> Result<Self, Diagnostic> {
        let engine = RefCell::new(Engine::compile(source, limits, Rc::clone(&log))?);
        Ok(Self { engine, text: source.to_owned(), limits, log })
    }

    /// Runs the script on one record. It finds the payload and the headers as variables of these names.
    ///
    /// # Errors
    /// What the script threw, or the limit that it reached.
    pub fn run(&self, payload: &[u8], headers: Vec<(String, String)>) -> Result<Vec<Message>, Failure> {
        let outcome = self.engine.borrow().run(payload, headers);
        // What a record has promised and left behind would run in the next one, and no engine can be told to forget it.
        if self.engine.borrow().has_jobs() {
            let fresh = Engine::compile(&self.text, self.limits, Rc::clone(&self.log));
            *self.engine.borrow_mut() = fresh.map_err(|wrong| Failure {
                class: "Error".to_owned(),
                message: format!("the script could not be loaded again: {}", wrong.message),
                ..Failure::default()
            })?;
        }
        outcome
    }
}

/// A script in an engine of its own.
struct Engine {
    kept: Kept,
    source: Source,
    globals: RefCell<Globals>,
    state: Rc<State>,
    limits: Limits,
    context: Context,
    runtime: Runtime,
}

impl Engine {
    fn compile(source: &str, limits: Limits, log: Rc<Log>) -> Result<Self, Diagnostic> {
        let state = Rc::new(State::new(log));
        let broken = |error: rquickjs::Error| {
            Diagnostic::general(format!(
                "the JavaScript engine could not start: {error}; it is given {} bytes of memory",
                limits.bytes
            ))
        };
        let (runtime, context) = context::new(limits, &state).map_err(broken)?;
        let (kept, source, globals) = context.with(|ctx| {
            let tools = context::furnish(&ctx, &state).map_err(|error| {
                let thrown = ctx.catch();
                let thrown = thrown.as_exception().map(|thrown| format!(" ({thrown:?})"));
                Diagnostic::general(format!("{}{}", broken(error).message, thrown.unwrap_or_default()))
            })?;
            let Program { code, source } = compile::compile(&ctx, source)?;
            let kept = Kept {
                code: Persistent::save(&ctx, code),
                answer: Persistent::save(&ctx, tools.answer),
                describe: Persistent::save(&ctx, tools.describe),
            };
            Ok((kept, source, RefCell::new(Globals::new(&ctx))))
        })?;
        Ok(Self { kept, source, globals, state, limits, context, runtime })
    }

    /// Whether something waits to be run.
    fn has_jobs(&self) -> bool {
        self.runtime.is_job_pending()
    }

    fn run(&self, payload: &[u8], headers: Vec<(String, String)>) -> Result<Vec<Message>, Failure> {
        self.state.allow(self.limits.steps);
        *self.state.headers.borrow_mut() = headers;
        let outcome = self.context.with(|ctx| {
            let outcome = self.attempt(&ctx, payload);
            // The script may have left no room to say so, nor to make some.
            let full = outcome.is_err() && context::is_full(&ctx);
            context::limit_memory(&ctx, self.limits.bytes + SPARE_BYTES);
            let outcome = outcome.map_err(|_| self.failure(&ctx, full));
            // What the script defined may be code that runs here.
            self.state.allow(self.limits.steps);
            self.globals.borrow_mut().restore(&ctx);
            let _ = ctx.globals().set("payload", Value::new_undefined(ctx.clone()));
            ctx.catch();
            if full {
                ctx.run_gc();
            }
            context::limit_memory(&ctx, self.limits.bytes);
            outcome
        });
        let messages = self.state.messages.take();
        self.state.clear();
        outcome.map(|()| messages)
    }

    fn attempt(&self, ctx: &Ctx<'_>, payload: &[u8]) -> rquickjs::Result<()> {
        ctx.globals().set("payload", Class::instance(ctx.clone(), Bytes(payload.into()))?)?;
        let code = self.kept.code.clone().restore(ctx)?;
        let mut value = compile::run(ctx, &code)?;
        // What was promised is due before the record ends: there is nothing to wait for but the script itself.
        while !self.state.exhausted() && ctx.execute_pending_job() {}
        // One that is interrupted looks like one that is done.
        if self.state.exhausted() {
            return Err(rquickjs::Error::Exception);
        }
        if let Some(promise) = value.as_promise() {
            if let Some(settled) = promise.result::<Value<'_>>() {
                value = settled?;
            }
        }
        // Nothing to look into.
        if value.is_undefined() || value.is_null() {
            return Ok(());
        }
        if let Some(text) = value.as_string() {
            if self.state.deletions.borrow().is_empty() {
                let text = text::of(ctx, text)?;
                if !text.is_empty() {
                    self.state.messages.borrow_mut().push(Message::Text(text));
                    return Ok(());
                }
            }
        }
        self.kept.answer.clone().restore(ctx)?.call((value,))
    }

    fn failure(&self, ctx: &Ctx<'_>, full: bool) -> Failure {
        match self.kept.describe.clone().restore(ctx) {
            Ok(describe) => Failure::of(ctx, &self.state, &describe, &self.source, full),
            Err(error) => {
                Failure { class: "Error".to_owned(), message: error.to_string(), ..Failure::default() }
            }
        }
    }
}
