//! The packages of a belt: installed when a version is made, and kept with it.

use axum::{extract::State, http::header};
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

/// The packages of a belt as they were installed, a zip archive whose root is a folder of `sys.path`; the `packages` of a
/// belt names it.
#[utoipa::path(get, path = "/packages/{sha256}", tag = "components", security(("bearer" = ["editor"])),
    params(("sha256" = String, Path, description = "64 hex digits")),
    responses((status = 200, content_type = "application/zip")))]
pub(super) async fn download(
    State(state): State<ApiState>,
    scope: In<Editor>,
) -> Result<([(header::HeaderName, &'static str); 1], Vec<u8>), Error> {
    let sha256 = scope.path("sha256");
    let client = state.db.client().await?;
    let bytes = package::load(&client, &scope.project, sha256).await?;
    let bytes = bytes.ok_or_else(|| Error::not_found("Packages", sha256, None))?;
    Ok(([(header::CONTENT_TYPE, "application/zip")], bytes))
}

fn refusal(obstacle: Obstacle) -> Error {
    match obstacle {
        Obstacle::Refused(reasons) => Error::BadParameters(
            reasons.into_iter().map(|reason| Problem { name: "requirementsPy".to_owned(), reason }).collect(),
        ),
        Obstacle::Unavailable(message) => RuntimeError::new(ErrorKind::Unavailable, message).into(),
    }
}
