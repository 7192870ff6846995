//! Components that users compiled, one module per public world.

pub(crate) mod belt;
mod framed;
pub(crate) mod framed_belt;
pub(crate) mod framed_transform;
pub(crate) mod transform;

use framed_belt::FramedBelt;
use framed_transform::FramedTransform;
use wasmtime::Store;

use crate::bindings;
use crate::frame::EventIn;
use crate::host::State;
use crate::outcome::{Failure, FailureKind, Transformed, Update};

/// What an uploaded component made of one event.
pub(crate) enum Answer {
    /// A transform's messages.
    Messages(Transformed),
    /// A belt's updates.
    Updates(Vec<Update>),
}

/// An instance of an uploaded component.
pub(crate) enum Guest {
    /// Of the world `belt`.
    Belt(bindings::belt::Belt),
    /// Of the world `framed-belt`.
    FramedBelt(FramedBelt),
    /// Of the world `transform`.
    Transform(bindings::transform::Transform),
    /// Of the world `framed-transform`.
    FramedTransform(FramedTransform),
}

/// A component whose imports are resolved, as one of its world.
pub(crate) enum Pre<'a> {
    /// Of the world `belt`.
    Belt(&'a bindings::belt::BeltPre<State>),
    /// Of the world `framed-belt`.
    FramedBelt(&'a bindings::framed_belt::FramedBeltPre<State>),
    /// Of the world `transform`.
    Transform(&'a bindings::transform::TransformPre<State>),
    /// Of the world `framed-transform`.
    FramedTransform(&'a bindings::framed_transform::FramedTransformPre<State>),
}

impl Pre<'_> {
    /// A fresh instance of it.
    pub(crate) async fn instantiate(self, store: &mut Store<State>) -> wasmtime::Result<Guest> {
        Ok(match self {
            Self::Belt(pre) => Guest::Belt(pre.instantiate_async(store).await?),
            Self::FramedBelt(pre) => Guest::FramedBelt(FramedBelt::new(pre.instantiate_async(store).await?)),
            Self::Transform(pre) => Guest::Transform(pre.instantiate_async(store).await?),
            Self::FramedTransform(pre) => {
                Guest::FramedTransform(FramedTransform::new(pre.instantiate_async(store).await?))
            }
        })
    }
}

/// Runs a batch. The inner error is the component's refusal of the whole batch, or a broken promise.
pub(crate) async fn run(
    store: &mut Store<State>,
    guest: &mut Guest,
    batch: &[EventIn<'_>],
) -> wasmtime::Result<Result<Vec<Result<Answer, Failure>>, String>> {
    Ok(match guest {
        Guest::Belt(component) => each(belt::run(store, component, batch).await?, Answer::Updates),
        Guest::FramedBelt(component) => each(component.run(store, batch).await?, Answer::Updates),
        Guest::Transform(component) => each(transform::run(store, component, batch).await?, Answer::Messages),
        Guest::FramedTransform(component) => each(component.run(store, batch).await?, Answer::Messages),
    })
}

/// What a batch came to, whichever kind it is of.
fn each<T>(
    outcomes: Result<Vec<Result<T, Failure>>, String>,
    answer: impl Fn(T) -> Answer + Copy,
) -> Result<Vec<Result<Answer, Failure>>, String> {
    outcomes.map(|all| all.into_iter().map(|one| one.map(answer)).collect())
}

/// One outcome per event, or what is wrong with their number.
fn counted<T, U>(outcomes: Vec<T>, events: usize, read: impl Fn(T) -> U) -> Result<Vec<U>, String> {
    if outcomes.len() == events {
        Ok(outcomes.into_iter().map(read).collect())
    } else {
        Err(format!("the component answered {} outcomes for {events} events", outcomes.len()))
    }
}

/// What the component says of an event that failed.
fn failed(code: &str, message: String, retryable: bool) -> Failure {
    Failure { retryable, ..Failure::new(FailureKind::Exception, code, message) }.bounded()
}

/// The component answered something that cannot be used.
fn output(text: String) -> Failure {
    Failure::new(FailureKind::Output, "OutputError", text)
}
