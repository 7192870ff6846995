//! One instance of a guest: a store, and calls into it.

use std::time::Duration;

use tokio::time::timeout;
use wasmtime::{Store, UpdateDeadline};

use crate::bindings::script::Script;
use crate::component::Component;
use crate::frame::{self, Belt, EventIn, Frame, Transform};
use crate::host::log::Logger;
use crate::host::{Pass, State};
use crate::marshal::Encoder;
use crate::outcome::{ANSWER_BYTES_MAX, BeltOutcome, CallError, Failure, TransformOutcome};
use crate::sandbox::{Error, Sandbox};
use crate::script::{Diagnostic, Kind, Language, Refusal, ScriptSpec};
use crate::{uploaded, world};

/// What an event takes in a frame, to begin with.
const EVENT_BYTES_TYPICAL: usize = 1 << 10;

/// A loaded script. After a [`CallError`] it is dead, and so it is when a call's future was dropped half way.
pub struct Instance {
    sandbox: Sandbox,
    store: Store<State>,
    guest: Guest,
    encoder: Encoder,
    call_timeout: Duration,
    memory_bytes_at_start: usize,
    alive: bool,
}

/// What runs in the store.
enum Guest {
    /// A script runtime with its script.
    Script { script: Script, frames: Frames },
    /// A component that the user compiled.
    Component(uploaded::Guest),
}

/// How a script runtime is asked, and how it answers.
#[derive(Clone, Copy)]
enum Frames {
    /// [`crate::marshal`], both ways.
    Marshal,
    /// JSON, both ways.
    Json,
    /// Parts behind their lengths; outcomes are messages.
    Messages,
}

impl Frames {
    fn of(kind: Kind, language: Language) -> Self {
        match (kind, language) {
            (_, Language::Groovy) | (Kind::Transform, Language::JavaScript) => Self::Messages,
            (Kind::Belt, Language::JavaScript) => Self::Json,
            (_, Language::Python | Language::Component) => Self::Marshal,
        }
    }
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance").field("alive", &self.alive).finish_non_exhaustive()
    }
}

impl Instance {
    /// Makes an instance and loads the program. Answers a script runtime's warnings, too.
    pub(crate) async fn new(
        sandbox: &Sandbox,
        component: &Component,
        spec: &ScriptSpec,
    ) -> Result<(Self, Vec<Diagnostic>), Error> {
        match spec.language {
            Language::Python | Language::JavaScript | Language::Groovy => {
                Self::script(sandbox, component, spec).await
            }
            Language::Component => Ok((Self::component(sandbox, component, spec).await?, Vec::new())),
        }
    }

    async fn script(
        sandbox: &Sandbox,
        runtime: &Component,
        spec: &ScriptSpec,
    ) -> Result<(Self, Vec<Diagnostic>), Error> {
        let pre = runtime.script(&sandbox.side(runtime).linker)?;
        let mut store = store(sandbox, runtime, spec);
        let config = spec.config.to_string();
        let loaded = call(sandbox, &mut store, spec.init_timeout, async |store| {
            let script = pre.instantiate_async(&mut *store).await?;
            let runtime = script.granary_script_runtime();
            let (kind, packages) = (spec.kind.as_str(), &spec.packages);
            let answer = runtime.call_init(&mut *store, kind, &spec.source, &config, packages).await?;
            Ok((script, answer))
        });
        let (script, answer) = loaded.await.map_err(Refusal::from)?;
        let diagnostics = |all: Vec<_>| all.into_iter().map(Diagnostic::from).collect::<Vec<_>>();
        let warnings = answer.map(diagnostics).map_err(|all| Refusal::of_diagnostics(diagnostics(all)))?;
        let guest = Guest::Script { script, frames: Frames::of(spec.kind, spec.language) };
        let instance = Self::of(sandbox, spec, store, guest);
        Ok((instance, warnings))
    }

    async fn component(sandbox: &Sandbox, component: &Component, spec: &ScriptSpec) -> Result<Self, Error> {
        let side = sandbox.side(component);
        let linker = &side.linker;
        let pre = match (spec.kind, world::is_framed(component, &side.engine, spec.kind)) {
            (Kind::Belt, true) => uploaded::Pre::FramedBelt(component.framed_belt(linker)?),
            (Kind::Belt, false) => uploaded::Pre::Belt(component.belt(linker)?),
            (Kind::Transform, true) => uploaded::Pre::FramedTransform(component.framed_transform(linker)?),
            (Kind::Transform, false) => uploaded::Pre::Transform(component.transform(linker)?),
        };
        let mut store = store(sandbox, component, spec);
        let made = call(sandbox, &mut store, spec.init_timeout, async |store| pre.instantiate(store).await);
        let guest = made.await.map_err(Refusal::from)?;
        Ok(Self::of(sandbox, spec, store, Guest::Component(guest)))
    }

    fn of(sandbox: &Sandbox, spec: &ScriptSpec, store: Store<State>, guest: Guest) -> Self {
        Self {
            sandbox: sandbox.clone(),
            memory_bytes_at_start: store.data().limits.memory_bytes(),
            store,
            guest,
            encoder: Encoder::new(),
            call_timeout: spec.call_timeout,
            alive: true,
        }
    }

    /// Runs a belt on a batch: one outcome per event, in order.
    pub async fn run_belt(&mut self, batch: &[EventIn<'_>]) -> Result<Vec<BeltOutcome>, CallError> {
        self.run::<Belt>(batch, self.call_timeout).await
    }

    /// Runs a transform on a batch: one outcome per record, in order.
    pub async fn run_transform(&mut self, batch: &[EventIn<'_>]) -> Result<Vec<TransformOutcome>, CallError> {
        self.run::<Transform>(batch, self.call_timeout).await
    }

    /// Whether it can be called.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.alive
    }

    /// What its linear memories hold, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.store.data().limits.memory_bytes()
    }

    /// What its linear memories held when the script had been loaded, in bytes.
    #[must_use]
    pub fn memory_bytes_at_start(&self) -> usize {
        self.memory_bytes_at_start
    }

    /// Fuel that its calls took, roughly one for each WebAssembly instruction; 0 where the sandbox does not count.
    #[must_use]
    pub fn fuel(&self) -> u64 {
        // Fails where the engine counts none.
        self.store.get_fuel().map_or(0, |left| u64::MAX - left)
    }

    /// Log lines dropped because calls wrote too many.
    #[must_use]
    pub fn log_lines_dropped(&self) -> u64 {
        self.store.data().log.dropped_total()
    }

    /// Runs a batch, which may take longer or shorter than what the program's specification says.
    pub(crate) async fn run<F: Frame>(
        &mut self,
        batch: &[EventIn<'_>],
        limit: Duration,
    ) -> Result<Vec<Result<F::Good, Failure>>, CallError> {
        // Dead until proven alive: the future may be dropped while the guest runs.
        if !std::mem::take(&mut self.alive) {
            return Err(CallError::Dead);
        }
        let Self { sandbox, store, guest, encoder, .. } = self;
        let text = |text: String| CallError::Frame { text };
        let outcomes = match guest {
            Guest::Script { script, frames: Frames::Json } => {
                let mut question = Vec::with_capacity(batch.len() * EVENT_BYTES_TYPICAL);
                let unsent = frame::json::encode(batch, &mut question);
                let answer = ask(sandbox, store, limit, script, &question).await?;
                // The engine of JavaScript is out of memory sooner than its instance.
                let memory = store.data().limits.memory_bytes_max();
                let answer = answer.map_err(|wrong| match wrong.contains("out of memory") {
                    true => CallError::Memory { limit: memory, stack: String::new() },
                    false => text(wrong),
                })?;
                let outcomes = frame::json::decode(&answer, unsent).map_err(text)?;
                of_kind(outcomes, F::of_updates)
                    .ok_or_else(|| text("a runtime of belts runs a transform".to_owned()))?
            }
            Guest::Script { script, frames: Frames::Messages } => {
                let mut question = Vec::new();
                frame::counted::encode(batch, &mut question).map_err(text)?;
                let answer = ask(sandbox, store, limit, script, &question).await?.map_err(text)?;
                let outcomes = frame::messages::decode(&answer, batch.len()).map_err(text)?;
                let good = |messages| F::of_component(uploaded::Answer::Messages(messages));
                of_kind(outcomes, good)
                    .ok_or_else(|| text("a runtime of transforms runs a belt".to_owned()))?
            }
            Guest::Script { script, frames: Frames::Marshal } => {
                let unsent = frame::encode::<F>(batch, encoder);
                let answer = ask(sandbox, store, limit, script, encoder.bytes()).await?;
                let answer = answer.and_then(|answer| bytes(&answer)).map_err(text)?;
                frame::decode::<F>(&answer, unsent).map_err(|e| text(e.to_string()))?
            }
            Guest::Component(component) => {
                let answer =
                    call(sandbox, store, limit, async |store| uploaded::run(store, component, batch).await);
                let outcomes = answer.await?.map_err(text)?;
                of_kind(outcomes, F::of_component)
                    .ok_or_else(|| text("a component of another world runs".to_owned()))?
            }
        };
        self.alive = true;
        Ok(outcomes)
    }
}

/// Asks a script runtime for the outcomes of a batch. The inner error is what it, or the host, did not understand.
async fn ask(
    sandbox: &Sandbox,
    store: &mut Store<State>,
    limit: Duration,
    script: &Script,
    question: &[u8],
) -> Result<Result<Vec<u8>, String>, CallError> {
    let done = call(sandbox, store, limit, async |store| {
        script.granary_script_runtime().call_execute(store, question).await
    });
    let done = done.await?;
    let answer = store.data_mut().answer.take();
    Ok(done.and_then(|()| answer.ok_or_else(|| "it ended without an answer".to_owned())))
}

/// Outcomes as those of the kind of program that runs; `None` where they are those of another.
fn of_kind<T, U>(
    outcomes: Vec<Result<T, Failure>>,
    good: impl Fn(T) -> Option<U>,
) -> Option<Vec<Result<U, Failure>>> {
    let of_kind = |outcome| match outcome {
        Ok(outcome) => good(outcome).map(Ok),
        Err(failure) => Some(Err(failure)),
    };
    outcomes.into_iter().map(of_kind).collect()
}

/// The bytes that a text in UTF-8 stands for whose characters are one byte each.
fn bytes(text: &[u8]) -> Result<Vec<u8>, String> {
    const RUN: usize = 32;
    let (mut bytes, mut at) = (Vec::with_capacity(text.len()), 0);
    while let Some(first) = text.get(at) {
        match text.get(at..at + RUN) {
            Some(run) if run.is_ascii() => {
                bytes.extend_from_slice(run);
                at += RUN;
            }
            _ if first.is_ascii() => {
                bytes.push(*first);
                at += 1;
            }
            // Two bytes stand for one from 0x80 on: 0xC2 or 0xC3, and another.
            _ => match (first, text.get(at + 1)) {
                (0xC2 | 0xC3, Some(second)) => {
                    bytes.push(first << 6 | second & 0x3F);
                    at += 2;
                }
                _ => return Err("it holds a character that is no byte of a frame".to_owned()),
            },
        }
    }
    Ok(bytes)
}

fn store(sandbox: &Sandbox, component: &Component, spec: &ScriptSpec) -> Store<State> {
    let log = std::sync::Arc::new(Logger::new(std::sync::Arc::clone(&spec.log)));
    let mut store =
        Store::new(&sandbox.side(component).engine, State::new(log, spec, component.is_metered()));
    store.limiter_async(|state| state);
    store.set_hostcall_fuel(ANSWER_BYTES_MAX);
    if sandbox.counts_fuel() {
        store.set_fuel(u64::MAX).expect("the engine counts fuel");
    }
    store.epoch_deadline_callback(|mut store| {
        Ok(match store.data_mut().deadline.pass() {
            Pass::Go => UpdateDeadline::Continue(1),
            Pass::GiveWay => UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())),
            Pass::End => UpdateDeadline::Interrupt,
        })
    });
    store
}

/// Runs `work` in the store with a deadline. The epoch ends a guest that computes, or a metered one ends itself; the timer
/// ends one that waits.
async fn call<T>(
    sandbox: &Sandbox,
    store: &mut Store<State>,
    limit: Duration,
    work: impl AsyncFnOnce(&mut Store<State>) -> wasmtime::Result<T>,
) -> Result<T, CallError> {
    let state = store.data_mut();
    state.deadline.begin_call(limit);
    state.limits.begin_call();
    state.log.begin_call();
    let epochs = !state.metered;
    store.set_epoch_deadline(1);
    let ticking = epochs.then(|| sandbox.ticker().run());
    let result = timeout(limit, work(&mut *store)).await;
    drop(ticking);
    store.data().log.end_call();
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(CallError::of(&error, store.data(), limit)),
        Err(_) => Err(CallError::Deadline { limit, stack: String::new() }),
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn each_byte_comes_back_from_its_character() {
        let all: Vec<u8> = (0..=255).chain([b'a'; 40]).chain([0x80, 0xFF, 0, b'z']).collect();
        for start in 0..all.len() {
            let text: String = all[start..].iter().map(|byte| char::from(*byte)).collect();
            assert_eq!(bytes(text.as_bytes()).as_deref(), Ok(&all[start..]));
        }
    }

    #[test]
    fn other_characters_are_no_bytes() {
        for text in ["\u{100}", "abc\u{20ac}", "\u{1f600}"] {
            assert!(bytes(text.as_bytes()).is_err(), "{text}");
        }
    }
}
