//! What `/ready` says: each thing that the engine depends on, with the reason when it is not there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

/// The dependencies and their state. Cheap to clone.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<States>>);

#[derive(Default)]
struct States {
    reasons: BTreeMap<&'static str, Option<String>>,
    /// What an acknowledgement of the log means.
    acknowledged: Option<String>,
}

impl Readiness {
    /// The dependency is there.
    pub fn up(&self, dependency: &'static str) {
        self.set(dependency, None);
    }

    /// It is not, for this reason.
    pub fn down(&self, dependency: &'static str, reason: impl Into<String>) {
        self.set(dependency, Some(reason.into()));
    }

    fn set(&self, dependency: &'static str, reason: Option<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).reasons.insert(dependency, reason);
    }

    /// Says with the log what an acknowledgement of it means.
    pub fn explain_log(&self, acknowledged: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).acknowledged = Some(acknowledged.to_owned());
    }

    /// Whether all are there, and the body of the answer: `{"ready": bool, "dependencies": {"log": {"ready": true,
    /// "acknowledged": "..."}, "database": {"ready": false, "reason": "..."}}}`.
    #[must_use]
    pub fn report(&self) -> (bool, Value) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = all.reasons.values().all(Option::is_none);
        let dependencies: serde_json::Map<String, Value> = all
            .reasons
            .iter()
            .map(|(name, reason)| {
                let mut state = match reason {
                    None => json!({"ready": true}),
                    Some(reason) => json!({"ready": false, "reason": reason}),
                };
                if let Some(acknowledged) = all.acknowledged.as_ref().filter(|_| *name == "log") {
                    state["acknowledged"] = json!(acknowledged);
                }
                ((*name).to_owned(), state)
            })
            .collect();
        (ready, json!({"ready": ready, "dependencies": dependencies}))
    }
}
