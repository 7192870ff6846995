//! Scripts are loaded once when they are stored, so that a mistake is an answer and not a stage that fails later.

use std::sync::Arc;

use granary_catalog::harvester::Program;
use granary_catalog::{Belt, EventKind, Harvester};
use granary_sandbox::{Diagnostic, Error, ScriptSpec};

use super::Inner;
use super::launch::{RingSink, belt_spec, transform_spec};
use crate::api::runtime::{CheckError, ErrorKind, RuntimeError, ScriptProblem};
use crate::object_log::Ring;

impl Inner {
    pub(super) async fn check_belt(
        &self,
        belt: &Belt,
        outputs: &[(String, EventKind)],
    ) -> Result<Vec<String>, CheckError> {
        if belt.start_obstacle().is_some() {
            return Ok(Vec::new());
        }
        // What the module prints while it is checked belongs to no object yet.
        self.check(belt_spec(belt, outputs, Arc::new(RingSink(Ring::default())))).await
    }

    pub(super) async fn check_transform(&self, harvester: &Harvester) -> Result<Vec<String>, CheckError> {
        match harvester.transform.program() {
            Program::Python(source) => {
                self.check(transform_spec(source, Arc::new(RingSink(Ring::default())))).await
            }
            Program::Identity | Program::Component(_) | Program::Unsupported(_) => Ok(Vec::new()),
        }
    }

    async fn check(&self, spec: ScriptSpec) -> Result<Vec<String>, CheckError> {
        let runtime = self
            .python()
            .await
            .map_err(|why| CheckError::Runtime(RuntimeError::new(ErrorKind::Failed, why)))?;
        match self.sandbox.check(&runtime, &spec).await {
            Ok(warnings) => Ok(warnings.iter().map(described).collect()),
            Err(Error::Refused(refusal)) if refusal.diagnostics.is_empty() => {
                Err(CheckError::Script(vec![ScriptProblem {
                    message: refusal.reason,
                    ..ScriptProblem::default()
                }]))
            }
            Err(Error::Refused(refusal)) => {
                Err(CheckError::Script(refusal.diagnostics.into_iter().map(problem).collect()))
            }
            Err(other) => Err(CheckError::Runtime(RuntimeError::new(ErrorKind::Failed, other.to_string()))),
        }
    }
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
