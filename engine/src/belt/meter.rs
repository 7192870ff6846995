//! What the sandbox of one belt or transform has used, for `/metrics`.

use granary_sandbox::Stats;
use metrics::{Unit, describe_gauge, gauge};

/// Registers the help texts.
pub fn describe() {
    describe_gauge!("granary_sandbox_instances_count", Unit::Count, "Instances that run a script now");
    describe_gauge!("granary_sandbox_memory_bytes", Unit::Bytes, "Linear memory of the instances");
    describe_gauge!(
        "granary_sandbox_restarts_count",
        Unit::Count,
        "Instances that were given up and made anew since the start"
    );
    describe_gauge!("granary_sandbox_calls_count", Unit::Count, "Calls into instances since the start");
    describe_gauge!(
        "granary_sandbox_log_lines_dropped_count",
        Unit::Count,
        "Log lines beyond the limit of a call"
    );
}

/// The labels of one object.
pub struct Meter {
    labels: [(&'static str, String); 3],
}

impl Meter {
    /// `stage` is `belt` or `harvester`.
    #[must_use]
    pub fn new(stage: &'static str, project: &str, object: &str) -> Self {
        Self {
            labels: [
                ("stage", stage.to_owned()),
                ("project", project.to_owned()),
                ("object", object.to_owned()),
            ],
        }
    }

    /// Sets the gauges.
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    pub fn show(&self, stats: &Stats) {
        gauge!("granary_sandbox_instances_count", &self.labels).set(1.0);
        gauge!("granary_sandbox_memory_bytes", &self.labels).set(stats.memory_bytes as f64);
        gauge!("granary_sandbox_restarts_count", &self.labels).set(stats.instances.saturating_sub(1) as f64);
        gauge!("granary_sandbox_calls_count", &self.labels).set(stats.calls as f64);
        gauge!("granary_sandbox_log_lines_dropped_count", &self.labels).set(stats.log_lines_dropped as f64);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        gauge!("granary_sandbox_instances_count", &self.labels).set(0.0);
        gauge!("granary_sandbox_memory_bytes", &self.labels).set(0.0);
    }
}
