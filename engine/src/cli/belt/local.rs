//! A belt that runs here, in the same sandbox as the engine's.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use granary_catalog::belt::Requirement;
use granary_catalog::{Belt, EventKind, SecretValues};
use granary_db::definitions::component;
use granary_sandbox::{BeltOutcome, Error, EventIn, Kind, Language, LogSink, Options, Runner, Sandbox};

use super::build::Program;
use super::folder::Folder;
use super::samples::Sample;
use super::{Failure, Sandboxed, secrets};
use crate::lines::Lines;
use crate::outbound::Outbound;
use crate::packages;
use crate::runtimes::{Places, Runtimes};
use crate::secrets::Mask;
use crate::supervisor::belt_spec;

/// What came of one event, and what it took.
pub(super) struct Ran {
    pub(super) outcome: BeltOutcome,
    pub(super) logs: Vec<String>,
    pub(super) took: Duration,
    /// Roughly one for each WebAssembly instruction.
    pub(super) fuel: u64,
    /// What the instance's memory holds.
    pub(super) memory_bytes: usize,
}

/// The archive that an engine made of a belt's `requirementsPy`.
pub(super) struct Installed {
    /// The text of which it was made.
    pub(super) requirements: String,
    pub(super) archive: Vec<u8>,
}

/// A loaded belt.
pub(super) struct Local {
    runner: Runner,
    lines: Arc<Lines>,
    warnings: Vec<String>,
    belt: Belt,
}

impl Local {
    /// Loads the program of a folder, with the packages of an engine where they are of the same requirements.
    pub(super) async fn load(
        folder: &Folder,
        program: &Program,
        installed: Option<&Installed>,
        sandboxed: &Sandboxed,
    ) -> Result<Self, Failure> {
        let (mut belt, outputs) = folder.belt()?;
        if let Program::Source(text) = program {
            text.clone_into(&mut belt.extractor_fn);
        }
        let component = match program {
            Program::Component(_, bytes) => Some(bytes.clone()),
            Program::Source(_) => None,
        };
        let secrets = secrets::of(&belt, folder, sandboxed)?;
        Self::of(belt, &outputs, component, installed, &secrets, sandboxed).await
    }

    /// Loads a belt; `component` is what it runs where that is no source text, and `installed` its packages where they are
    /// of the same requirements.
    pub(super) async fn of(
        belt: Belt,
        outputs: &[(String, EventKind)],
        component: Option<Vec<u8>>,
        installed: Option<&Installed>,
        secrets: &SecretValues,
        sandboxed: &Sandboxed,
    ) -> Result<Self, Failure> {
        let cache = cache_dir(sandboxed.cache_dir.as_deref())?;
        // As an engine does: the same text keeps the archive that there is.
        let packages = match installed {
            Some(installed) if installed.requirements == belt.requirements_py => installed.archive.clone(),
            _ => archive(&belt, &cache).await?,
        }
        .into();
        let sandbox = Sandbox::new(Options { count_fuel: true, ..Options::of(cache) })?;
        let places = Places {
            python: sandboxed.python_runtime.clone(),
            javascript: sandboxed.javascript_runtime.clone(),
            ..Places::default()
        };
        let runtimes = Runtimes::new(sandbox.clone(), places);
        // On the user's own machine only the belt's own grants decide.
        let outbound = Outbound::new(belt.outbound().into())?;
        let mask = Mask::of(secrets);
        let lines = Arc::new(Lines::new(mask.clone()));
        let log = Arc::clone(&lines) as Arc<dyn LogSink>;
        let spec = granary_sandbox::ScriptSpec {
            metrics: Arc::new(granary_sandbox::NoMetrics),
            packages,
            ..belt_spec(&belt, outputs, secrets, log, outbound.of(&belt))
        };
        let component = match (component, spec.language) {
            (Some(bytes), Language::Component) => sandbox.load_bytes(bytes).await?,
            (None, language @ (Language::Python | Language::JavaScript)) => {
                runtimes.of(Kind::Belt, language).await.map_err(|e| anyhow!(e))?
            }
            _ => return Err(Failure::Failed(anyhow!("the belt's type and its program do not go together"))),
        };
        let refused = |error: Error| match error {
            Error::Refused(refusal) => {
                anyhow!("the belt cannot run: {}", mask.hide(&refusal.to_string()))
            }
            other => anyhow!("{}", mask.hide(&other.to_string())),
        };
        let (runner, warnings) = Runner::checked(sandbox, component, spec).await.map_err(refused)?;
        // What the module said while it was loaded belongs to no event.
        lines.take();
        let warnings = warnings.iter().map(ToString::to_string).collect();
        Ok(Self { runner, lines, warnings, belt })
    }

    /// What is odd about the program.
    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Runs one event.
    pub(super) async fn run(&mut self, sample: &Sample) -> Result<Ran, Failure> {
        let mut headers = sample.headers.clone();
        let most = self.belt.retry().retries_max.map_or_else(|| "-1".to_owned(), |most| most.to_string());
        for (name, value) in [("grnry-retry-count", "0".to_owned()), ("grnry-retry-max-count", most)] {
            headers.retain(|(known, _)| known != name);
            headers.push((name.to_owned(), value));
        }
        let event = EventIn { headers: &headers, payload: &sample.payload };
        let (fuel, begun) = (self.runner.stats().fuel, Instant::now());
        let mut outcomes = self.runner.run_belt(&[event]).await?;
        let took = begun.elapsed();
        let mut outcome = outcomes.pop().ok_or_else(|| anyhow!("the sandbox answered nothing"))?;
        if let Err(failure) = &mut outcome {
            self.lines.mask().hide_in(&mut failure.message);
            self.lines.mask().hide_in(&mut failure.traceback);
        }
        let stats = self.runner.stats();
        Ok(Ran {
            outcome,
            logs: self.lines.take(),
            took,
            fuel: stats.fuel - fuel,
            memory_bytes: stats.memory_bytes,
        })
    }
}

/// The archive of a belt's packages. It is kept under what was asked for, so that only the first run installs anything.
async fn archive(belt: &Belt, cache: &Path) -> Result<Vec<u8>, Failure> {
    let requirements = belt.requirements();
    if requirements.is_empty() {
        return Ok(Vec::new());
    }
    let lines: Vec<&str> = requirements.iter().map(Requirement::as_str).collect();
    let folder = cache.join("packages");
    let path = folder.join(format!("{}.zip", component::hash(lines.join("\n").as_bytes())));
    if let Ok(known) = std::fs::read(&path) {
        return Ok(known);
    }
    println!("packages: installing {}", lines.join(", "));
    let archive = packages::install(&requirements).await.map_err(|error| anyhow!("{error}"))?;
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    // Under its name only when it is whole: another run may read it.
    let written = tempfile::NamedTempFile::new_in(&folder).context("a file for packages")?;
    std::fs::write(&written, &archive).with_context(|| path.display().to_string())?;
    written.persist(&path).with_context(|| path.display().to_string())?;
    Ok(archive)
}

/// Where compiled WebAssembly of commands is kept.
pub(in crate::cli) fn cache_dir(given: Option<&Path>) -> Result<std::path::PathBuf, Failure> {
    if let Some(given) = given {
        return Ok(given.to_owned());
    }
    let home = std::env::var_os("XDG_CACHE_HOME")
        .map(std::path::PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| std::path::Path::new(&home).join(".cache")));
    home.map(|home| home.join("granary")).ok_or_else(|| {
        Failure::Usage("there is no home directory for compiled WebAssembly: give --cache-dir".to_owned())
    })
}
