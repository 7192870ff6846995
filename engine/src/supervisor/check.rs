//! Programs are loaded once when they are stored, so that a mistake is an answer and not a stage that fails later.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use granary_catalog::harvester::Program;
use granary_catalog::{Belt, EventKind, Harvester, SecretValues, belt};
use granary_sandbox::{Component, Diagnostic, Error, Kind, LogSink, Runner, ScriptSpec};

use super::Inner;
use super::launch::{RingSink, belt_spec, transform_spec};
use crate::api::runtime::{CheckError, ComponentKind, ErrorKind, RuntimeError, ScriptProblem};
use crate::harvester::transform::Transform;
use crate::harvester::trial::{Bench, Trial, Tried};
use crate::lines::Lines;
use crate::object_log::Ring;
use crate::secrets::{self, Mask};

/// So many dry runs at a time.
pub(super) const TRIALS: usize = 2;
/// After so long, or when so much came out, the rest of a dry run's records are left out.
const TRIAL_BYTES_MAX: usize = 16 << 20;
const TRIAL_TIME_MAX: Duration = Duration::from_secs(30);

impl Inner {
    pub(super) async fn check_belt(
        &self,
        belt: &Belt,
        outputs: &[(String, EventKind)],
    ) -> Result<Vec<String>, CheckError> {
        // What the module prints while it is checked belongs to no object yet.
        let packages = self.packages(belt).await.map_err(failed)?;
        let secrets = self.secrets_of(belt).await?;
        let log = Arc::new(RingSink::new(Ring::default()));
        let spec = ScriptSpec { packages, ..belt_spec(belt, outputs, &secrets, log, self.outbound.of(belt)) };
        let component = match belt.program() {
            belt::Program::Dbt => return Ok(Vec::new()),
            belt::Program::Python(_) | belt::Program::JavaScript(_) => {
                self.runtimes.of(Kind::Belt, spec.language).await
            }
            belt::Program::Component(hash) => self.component(&belt.project, hash).await,
        };
        // What a module says while it is loaded may hold what it was given.
        let mask = Mask::of(&secrets);
        match self.check(component, spec).await {
            Ok(warnings) => Ok(warnings.iter().map(|warning| mask.hide(warning).into_owned()).collect()),
            Err(CheckError::Script(problems)) => {
                Err(CheckError::Script(problems.into_iter().map(|problem| hidden(&mask, problem)).collect()))
            }
            Err(CheckError::Runtime(error)) => {
                Err(CheckError::Runtime(RuntimeError::new(error.kind, mask.hide(&error.message))))
            }
        }
    }

    async fn secrets_of(&self, belt: &Belt) -> Result<SecretValues, CheckError> {
        let client = self.shared.db.client().await.map_err(|error| unopened(error.into()))?;
        self.secrets.of(&client, belt).await.map_err(unopened)
    }

    pub(super) async fn check_component(&self, kind: ComponentKind, bytes: Bytes) -> Result<(), CheckError> {
        let component = match self.runtimes.sandbox().load_bytes(bytes.into()).await {
            Ok(component) => component,
            Err(error @ Error::Compile(_)) => return Err(CheckError::Script(vec![plain(error.to_string())])),
            Err(error) => return Err(failed(error.to_string())),
        };
        let log: Arc<RingSink> = Arc::new(RingSink::new(Ring::default()));
        let kind = match kind {
            ComponentKind::Belt => Kind::Belt,
            ComponentKind::Transform => Kind::Transform,
        };
        let spec = ScriptSpec { kind, ..transform_spec(&Program::Component(""), log) };
        self.check(Ok(component), spec).await.map(drop)
    }

    pub(super) async fn check_transform(&self, harvester: &Harvester) -> Result<Vec<String>, CheckError> {
        let Harvester { project, transform, .. } = harvester;
        // What does not run yet is stored, and a component was checked when it was uploaded.
        if matches!(transform.program(), Program::Unsupported(_) | Program::Component(_)) {
            return Ok(Vec::new());
        }
        let log = Arc::new(RingSink::new(Ring::default()));
        match self.transform(project, transform, log).await.map_err(failed)? {
            Some((component, spec)) => self.check(Ok(component), spec).await,
            None => Ok(Vec::new()),
        }
    }

    pub(super) async fn try_harvester(&self, trial: Trial) -> Result<(Vec<String>, Vec<Tried>), CheckError> {
        let lines = Arc::new(Lines::default());
        let log = Arc::clone(&lines) as Arc<dyn LogSink>;
        let program = self.transform(&trial.project, &trial.transform, log).await.map_err(failed)?;
        // So that tries do not take the processors from what runs.
        let _turn = self.trials.acquire().await;
        let (transform, warnings) = match program {
            None => (Transform::PassThrough, Vec::new()),
            Some((component, spec)) => {
                let loaded = Runner::checked(self.runtimes.sandbox().clone(), component, spec).await;
                let (runner, warnings) = loaded.map_err(refused)?;
                (Transform::Guest(Box::new(runner), None), warnings.iter().map(described).collect())
            }
        };
        let name = (self.shared.log.id(), trial.harvester.as_str());
        let mut bench = Bench::new(transform, lines, name, trial.metadata.as_ref()).map_err(failed)?;
        let (begun, mut bytes, mut tried) = (Instant::now(), 0, Vec::with_capacity(trial.samples.len()));
        for sample in &trial.samples {
            if begun.elapsed() > TRIAL_TIME_MAX || bytes > TRIAL_BYTES_MAX {
                break;
            }
            let one = bench.run(sample).await.map_err(|error| failed(error.to_string()))?;
            bytes += one.bytes();
            tried.push(one);
        }
        Ok((warnings, tried))
    }

    async fn check(
        &self,
        component: Result<Arc<Component>, String>,
        spec: ScriptSpec,
    ) -> Result<Vec<String>, CheckError> {
        let component = component.map_err(failed)?;
        let warnings = self.runtimes.sandbox().check(&component, &spec).await.map_err(refused)?;
        Ok(warnings.iter().map(described).collect())
    }
}

fn refused(error: Error) -> CheckError {
    match error {
        Error::Refused(refusal) if refusal.diagnostics.is_empty() => {
            CheckError::Script(vec![plain(refusal.reason)])
        }
        Error::Refused(refusal) => CheckError::Script(refusal.diagnostics.into_iter().map(problem).collect()),
        Error::World { problems, .. } => CheckError::Script(problems.into_iter().map(plain).collect()),
        other => failed(other.to_string()),
    }
}

fn failed(why: String) -> CheckError {
    CheckError::Runtime(RuntimeError::new(ErrorKind::Failed, why))
}

fn unopened(error: secrets::Error) -> CheckError {
    let kind = match &error {
        secrets::Error::Database(error) if error.is_unavailable() => ErrorKind::Unavailable,
        _ => ErrorKind::Failed,
    };
    CheckError::Runtime(RuntimeError::new(kind, error.to_string()))
}

fn hidden(mask: &Mask, mut problem: ScriptProblem) -> ScriptProblem {
    mask.hide_in(&mut problem.message);
    if let Some(traceback) = &mut problem.traceback {
        mask.hide_in(traceback);
    }
    problem
}

fn plain(message: String) -> ScriptProblem {
    ScriptProblem { message, ..ScriptProblem::default() }
}

fn described(warning: &Diagnostic) -> String {
    warning.line.map_or_else(|| warning.message.clone(), |line| format!("line {line}: {}", warning.message))
}

fn problem(diagnostic: Diagnostic) -> ScriptProblem {
    let text = |t: String| (!t.is_empty()).then_some(t);
    ScriptProblem {
        message: diagnostic.message,
        line: diagnostic.line,
        column: diagnostic.column,
        excerpt: text(diagnostic.excerpt),
        traceback: text(diagnostic.traceback),
    }
}
