//! `granary belt build`, and the program of a folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde_json::Value;

use super::folder::{Folder, Language};
use super::local::Local;
use super::{Failure, In, Sandboxed};

const TARGET: &str = "wasm32-wasip2";

#[derive(Args)]
pub(super) struct Build {
    #[command(flatten)]
    place: In,
    #[command(flatten)]
    sandboxed: Sandboxed,
}

/// What a belt runs.
pub(super) enum Program {
    /// Source text.
    Source(String),
    /// A component, and where it lies.
    Component(PathBuf, Vec<u8>),
}

impl Build {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let folder = Folder::open(&self.place.folder)?;
        let program = program(&folder)?;
        // Loading it shows what an upload would be refused for.
        let local = Local::load(&folder, &program, None, &self.sandboxed).await?;
        for warning in local.warnings() {
            println!("build: warning: {warning}");
        }
        match &program {
            Program::Source(text) => {
                println!("build: {} is fine, {} bytes", folder.source_path().display(), text.len());
            }
            Program::Component(path, bytes) => {
                println!("build: {} is a component of granary:belt, {} bytes", path.display(), bytes.len());
            }
        }
        Ok(())
    }
}

/// Reads or compiles the program of a folder.
pub(super) fn program(folder: &Folder) -> Result<Program, Failure> {
    match folder.manifest.program.language {
        Language::Python | Language::Javascript => Ok(Program::Source(folder.source()?)),
        Language::Rust => {
            let path = compile(&folder.source_path())?;
            let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
            Ok(Program::Component(path, bytes))
        }
    }
}

/// Compiles a crate and answers where the component is.
fn compile(folder: &Path) -> Result<PathBuf, Failure> {
    let manifest = folder.join("Cargo.toml");
    if !manifest.is_file() {
        return Err(Failure::Failed(anyhow!(
            "{} is not there: [program] source names the folder of a crate",
            manifest.display()
        )));
    }
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(&manifest)
        // A dead letter shows function, file and line of a panic or trap: they have to be in the component.
        .args([
            "--config",
            "profile.release.debug='line-tables-only'",
            "--config",
            "profile.release.strip='none'",
        ])
        // The SDK reads JSON by these instructions, which every engine has. Flags in `RUSTFLAGS` take the place of these.
        .args(["--config", &format!("target.{TARGET}.rustflags=['-Ctarget-feature=+simd128']")])
        .stderr(Stdio::inherit());
    if std::env::var_os("RUSTC").is_none()
        && let Some(rustc) = private_compiler()
    {
        cargo.env("RUSTC", rustc);
    }
    let output = cargo.output().context("cargo could not be started: install Rust (https://rustup.rs)")?;
    if !output.status.success() {
        let hint = if has_target() {
            String::new()
        } else {
            format!("; the compiler has no target {TARGET}: `rustup target add {TARGET}` adds it")
        };
        return Err(Failure::Failed(anyhow!("the crate {} could not be compiled{hint}", folder.display())));
    }
    let artifact = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|name| name.as_str().map(PathBuf::from))
        .rfind(|name| name.extension().is_some_and(|extension| extension == "wasm"));
    artifact.ok_or_else(|| {
        Failure::Failed(anyhow!(
            "{} makes no component: it needs [lib] crate-type = [\"cdylib\"]",
            manifest.display()
        ))
    })
}

/// The compiler that the set-up of a checkout has unpacked, where rustup's does not know the target.
fn private_compiler() -> Option<PathBuf> {
    if has_target() {
        return None;
    }
    let program = std::env::current_exe().ok()?;
    program.ancestors().map(|folder| folder.join(".granary/toolchain/bin/rustc")).find(|path| path.is_file())
}

fn has_target() -> bool {
    let output = Command::new("rustc").args(["--print", "sysroot"]).stderr(Stdio::null()).output();
    let Ok(output) = output else { return false };
    Path::new(String::from_utf8_lossy(&output.stdout).trim())
        .join("lib/rustlib")
        .join(TARGET)
        .join("lib")
        .is_dir()
}
