//! What the sandbox of one belt or transform has used, for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

use granary_sandbox::Stats;
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

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
    describe_gauge!(
        "granary_sandbox_throttled_seconds",
        Unit::Seconds,
        "Time that instances had to rest because of millicpu, since the start"
    );
    describe_counter!(
        "granary_belt_long_calls_total",
        Unit::Count,
        "Calls into belts that took CALLBACK_LONGRUNNING_SEC or longer"
    );
}

/// The labels of one object.
pub struct Meter {
    labels: [(&'static str, String); 3],
    /// The long calls that are in the counter already.
    long_calls: AtomicU64,
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
            long_calls: AtomicU64::new(0),
        }
    }

    /// Sets the gauges, and counts on. `instances` share the work.
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    pub fn show(&self, stats: &Stats, instances: usize) {
        gauge!("granary_sandbox_instances_count", &self.labels).set(instances as f64);
        gauge!("granary_sandbox_memory_bytes", &self.labels).set(stats.memory_bytes as f64);
        gauge!("granary_sandbox_restarts_count", &self.labels)
            .set(stats.instances.saturating_sub(instances as u64) as f64);
        gauge!("granary_sandbox_calls_count", &self.labels).set(stats.calls as f64);
        gauge!("granary_sandbox_log_lines_dropped_count", &self.labels).set(stats.log_lines_dropped as f64);
        gauge!("granary_sandbox_throttled_seconds", &self.labels).set(stats.throttled.as_secs_f64());
        // Stats begin anew with each start of the object, counters do not.
        let before = self.long_calls.swap(stats.calls_long, Ordering::Relaxed);
        if let more @ 1.. = stats.calls_long.saturating_sub(before) {
            let [_, project, belt] = &self.labels;
            counter!("granary_belt_long_calls_total", "project" => project.1.clone(), "belt" => belt.1.clone())
                .increment(more);
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        gauge!("granary_sandbox_instances_count", &self.labels).set(0.0);
        gauge!("granary_sandbox_memory_bytes", &self.labels).set(0.0);
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn long_calls_are_counted_once_and_over_restarts() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let stats = |calls_long| Stats { calls_long, ..Stats::default() };
            let meter = Meter::new("belt", "p", "7");
            for calls_long in [0, 2, 2, 3] {
                meter.show(&stats(calls_long), 1);
            }
            Meter::new("belt", "p", "7").show(&stats(1), 1);
        });
        let shown = recorder.handle().render();
        let wanted = "granary_belt_long_calls_total{project=\"p\",belt=\"7\"} 4";
        assert!(shown.contains(wanted), "{shown}");
    }
}
