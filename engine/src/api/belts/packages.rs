//! The packages of a belt: installed when a version is made, and kept with it.

use granary_catalog::{Belt, Problem};
use granary_db::definitions::package;

use crate::{
    api::{
        ApiState,
        caller::{Editor, In},
        error::Error,
        runtime::{ErrorKind, RuntimeError},
    },
    packages::{self, Error as Obstacle},
};

/// The archive for the requirements of a belt, by hash: that of an earlier version with the same requirements, so that
/// going back brings back what ran, or a new one. No connection may be held meanwhile: installing takes seconds.
pub(super) async fn provide(
    state: &ApiState,
    scope: &In<Editor>,
    belt: &Belt,
) -> Result<Option<String>, Error> {
    let requirements = belt.requirements();
    if requirements.is_empty() {
        return Ok(None);
    }
    let client = state.db.client().await?;
    let known = package::of_version(&client, belt.id, &belt.requirements_py).await?;
    drop(client);
    if known.is_some() {
        return Ok(known);
    }
    let archive = packages::install(&requirements).await.map_err(refusal)?;
    let client = state.db.client().await?;
    Ok(Some(package::store(&client, &scope.project, &archive, &scope.caller.person()).await?))
}

fn refusal(obstacle: Obstacle) -> Error {
    match obstacle {
        Obstacle::Refused(reasons) => Error::BadParameters(
            reasons.into_iter().map(|reason| Problem { name: "requirementsPy".to_owned(), reason }).collect(),
        ),
        Obstacle::Unavailable(message) => RuntimeError::new(ErrorKind::Unavailable, message).into(),
    }
}
