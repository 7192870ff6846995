//! The packages of a Python belt: from the lines of `requirementsPy` to one archive of pure Python.
//!
//! ```text
//! requirements ──pip──> folder ──> archive (zip, named by its SHA-256) ──> memory of the belt's instances
//! ```
//!
//! It happens once, when a version of a belt is made; from then on the version names its archive. Nothing of a package
//! runs here: pip takes wheels only, and of these only such as run on every platform. That is also what makes them run
//! in the sandbox, which has no native code.

mod answer;
mod archive;
mod pip;

use std::time::Duration;

use granary_catalog::belt::Requirement;
use tokio::sync::Semaphore;

/// The longest that installing may take, all questions to pip together.
const TIME_MAX: Duration = Duration::from_secs(120);

/// One installation at a time: pip takes a core and memory from the engine beside it.
static TURN: Semaphore = Semaphore::const_new(1);

/// Why there is no archive.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The requirements cannot be fulfilled. Each text completes "Parameter 'requirementsPy' ...".
    #[error("requirementsPy {}", .0.join("; it "))]
    Refused(Vec<String>),
    /// Something that is needed is away; a sentence that says what.
    #[error("{0}")]
    Unavailable(String),
}

/// Installs packages with what they need, and packs them into an archive.
///
/// # Errors
/// When a package is unknown or native, when they contradict each other, or when pip does not work here.
pub async fn install(requirements: &[Requirement]) -> Result<Vec<u8>, Error> {
    let in_time = tokio::time::timeout(TIME_MAX, async {
        let _turn = TURN.acquire().await.map_err(|error| Error::Unavailable(error.to_string()))?;
        resolve(requirements).await
    });
    in_time.await.unwrap_or_else(|_| {
        Err(Error::Unavailable(format!(
            "The packages of 'requirementsPy' were not installed within {} seconds. The index of pip may be slow or \
             out of reach: `python3 -m pip install` on the engine's machine shows it. Exact versions (name==version) \
             spare pip the search.",
            TIME_MAX.as_secs()
        )))
    })
}

async fn resolve(requirements: &[Requirement]) -> Result<Vec<u8>, Error> {
    let folder = tempfile::tempdir()
        .map_err(|error| Error::Unavailable(format!("No folder for packages can be made: {error}.")))?;
    let answer = pip::install(requirements, folder.path()).await?;
    if let Err(text) = answer {
        return Err(explain(requirements, &text).await?);
    }
    let packed = tokio::task::spawn_blocking(move || archive::pack(folder.path())).await;
    packed.map_err(|error| Error::Unavailable(format!("The packages could not be packed: {error}.")))?
}

/// pip stops at the first requirement that it cannot fulfil: asks it about each by itself, so that all are named at once.
async fn explain(requirements: &[Requirement], all: &str) -> Result<Error, Error> {
    let mut reasons = Vec::new();
    for requirement in requirements {
        if let Err(text) = pip::look_up(requirement).await? {
            reasons.push(answer::obstacle(requirement, &text));
        }
    }
    if reasons.is_empty() {
        reasons.push(answer::conflict(all));
    }
    Ok(Error::Refused(reasons))
}
