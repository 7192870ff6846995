//! Components that users compiled, one module per public world.

pub(crate) mod belt;
pub(crate) mod framed;
pub(crate) mod transform;

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
    Framed(framed::Framed),
    /// Of the world `transform`.
    Transform(bindings::transform::Transform),
}

/// Runs a batch. The inner error is the component's refusal of the whole batch, or a broken promise.
pub(crate) async fn run(
    store: &mut Store<State>,
    guest: &mut Guest,
    batch: &[EventIn<'_>],
) -> wasmtime::Result<Result<Vec<Result<Answer, Failure>>, String>> {
    Ok(match guest {
        Guest::Belt(component) => {
            let outcomes = belt::run(store, component, batch).await?;
            outcomes.map(|all| all.into_iter().map(|one| one.map(Answer::Updates)).collect())
        }
        Guest::Framed(component) => {
            let outcomes = component.run(store, batch).await?;
            outcomes.map(|all| all.into_iter().map(|one| one.map(Answer::Updates)).collect())
        }
        Guest::Transform(component) => {
            let outcomes = transform::run(store, component, batch).await?;
            outcomes.map(|all| all.into_iter().map(|one| one.map(Answer::Messages)).collect())
        }
    })
}

/// One outcome per event, or what is wrong with their number.
fn counted<T, U>(outcomes: Vec<T>, events: usize, read: impl Fn(T) -> U) -> Result<Vec<U>, String> {
    if outcomes.len() == events {
        Ok(outcomes.into_iter().map(read).collect())
    } else {
        Err(format!("the component answered {} outcomes for {events} events", outcomes.len()))
    }
}

/// The component answered something that cannot be used.
fn output(text: String) -> Failure {
    Failure::new(FailureKind::Output, "OutputError", text)
}
