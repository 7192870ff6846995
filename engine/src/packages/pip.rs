//! The machine's pip. Where it looks for packages is a matter of its own configuration.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;

use granary_catalog::belt::Requirement;
use tokio::process::Command;

use super::{Error, answer};

/// The Python of the runtime component.
const PYTHON_VERSION: &str = "3.14";

/// What pip wrote where it failed.
pub(super) type Answer = Result<(), String>;

/// Installs into a folder.
pub(super) async fn install(requirements: &[Requirement], target: &Path) -> Result<Answer, Error> {
    run(requirements, target, &["--no-compile"]).await
}

/// Asks whether one requirement can be fulfilled, and installs nothing. A failure tells every file that pip passed over.
pub(super) async fn look_up(requirement: &Requirement) -> Result<Answer, Error> {
    // pip takes a platform only together with a target.
    let nowhere = std::env::temp_dir();
    run(std::slice::from_ref(requirement), &nowhere, &["--dry-run", "-vv"]).await
}

async fn run(requirements: &[Requirement], target: &Path, more: &[&str]) -> Result<Answer, Error> {
    let mut command = Command::new("python3");
    command
        .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--retries", "2"])
        // Wheels that run everywhere: they need no build, so no code of theirs runs here.
        .args(["--only-binary=:all:", "--implementation", "py", "--abi", "none", "--platform", "any"])
        .args(["--python-version", PYTHON_VERSION])
        .args(more)
        .arg("--target")
        .arg(target)
        .arg("--")
        .args(requirements.iter().map(|requirement| OsString::from(requirement.as_str())))
        // Settings of the machine that exclude a target.
        .envs([("PIP_USER", "0"), ("PIP_REQUIRE_VIRTUALENV", "0"), ("PIP_NO_COLOR", "1")])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = command.output().await.map_err(|error| {
        Error::Unavailable(format!(
            "'requirementsPy' needs python3 with pip on the machine, and python3 could not be started: {error}. \
             Install both, or leave 'requirementsPy' empty."
        ))
    })?;
    if output.status.success() {
        return Ok(Ok(()));
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    answer::machine_trouble(&text).map_or(Ok(Err(text)), |trouble| Err(Error::Unavailable(trouble)))
}
