//! Names, units and help texts of the stage metrics, in one place.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use super::Delivered;

/// Registers the help texts. Called once, after the recorder is installed.
pub fn describe() {
    crate::belt::meter::describe();
    crate::belt::figures::describe();
    describe_counter!(
        "granary_stage_records_in_total",
        Unit::Count,
        "Records that the stage has read and committed"
    );
    describe_counter!("granary_stage_bytes_in_total", Unit::Bytes, "Payload bytes of those records");
    describe_counter!(
        "granary_stage_records_out_total",
        Unit::Count,
        "Messages that the stage has appended and committed"
    );
    describe_counter!("granary_stage_bytes_out_total", Unit::Bytes, "Payload bytes of those messages");
    describe_counter!(
        "granary_stage_skipped_total",
        Unit::Count,
        "Records that the stage left out on purpose"
    );
    describe_counter!(
        "granary_stage_split_total",
        Unit::Count,
        "Records that a transform made several events of"
    );
    describe_counter!(
        "granary_stage_deletions_total",
        Unit::Count,
        "Deletion notices that a harvester wrote"
    );
    describe_counter!("granary_stage_failures_total", Unit::Count, "Dead letters, by code");
    describe_counter!(
        "granary_stage_letters_retried_total",
        Unit::Count,
        "Dead letters that were processed again, by outcome: through or dead"
    );
    describe_counter!("granary_stage_retries_total", Unit::Count, "Batches that were done again, by cause");
    describe_counter!(
        "granary_stage_repeats_total",
        Unit::Count,
        "Records that were in the log before, dropped by the first stage"
    );
    describe_counter!(
        "granary_fluvio_resends_total",
        Unit::Count,
        "Batches sent to the cluster again, since they were not acknowledged"
    );
    describe_counter!(
        "granary_fluvio_lost_records_total",
        Unit::Count,
        "Acknowledged records that the cluster has lost"
    );
    describe_gauge!(
        "granary_stage_lag_records",
        Unit::Count,
        "Records between the cursor and the end of the source"
    );
    describe_gauge!(
        "granary_stage_lag_seconds",
        Unit::Seconds,
        "Age of the record at the cursor; 0 when there is none"
    );
    describe_histogram!("granary_stage_batch_records", Unit::Count, "Records per batch");
    describe_histogram!("granary_stage_process_seconds", Unit::Seconds, "Time to process a batch");
    describe_histogram!("granary_stage_commit_seconds", Unit::Seconds, "Time to append and commit a batch");
}

/// The labels of one stage.
#[derive(Clone)]
pub struct Labels {
    stage: &'static str,
    project: String,
    object: String,
}

impl Labels {
    /// `stage` is the kind (`harvester`, `belt`, `persister`), `object` its name or id.
    #[must_use]
    pub fn new(stage: &'static str, project: &str, object: &str) -> Self {
        Self { stage, project: project.to_owned(), object: object.to_owned() }
    }

    fn all(&self) -> [(&'static str, String); 3] {
        [("stage", self.stage.to_owned()), ("project", self.project.clone()), ("object", self.object.clone())]
    }

    /// One committed batch.
    pub fn committed(&self, batch: &Batch) {
        let labels = self.all();
        counter!("granary_stage_records_in_total", &labels).increment(batch.records_in);
        counter!("granary_stage_bytes_in_total", &labels).increment(batch.bytes_in);
        counter!("granary_stage_records_out_total", &labels).increment(batch.records_out);
        counter!("granary_stage_bytes_out_total", &labels).increment(batch.bytes_out);
        counter!("granary_stage_skipped_total", &labels).increment(batch.skipped);
        counter!("granary_stage_split_total", &labels).increment(batch.split);
        counter!("granary_stage_deletions_total", &labels).increment(batch.deletions);
        #[expect(clippy::cast_precision_loss, reason = "a batch has far fewer records than 2^52")]
        histogram!("granary_stage_batch_records", &labels).record(batch.records_in as f64);
        histogram!("granary_stage_process_seconds", &labels).record(batch.process);
        histogram!("granary_stage_commit_seconds", &labels).record(batch.commit);
    }

    /// One dead letter.
    pub fn failed(&self, code: &'static str) {
        let [a, b, c] = self.all();
        counter!("granary_stage_failures_total", &[a, b, c, ("code", code.to_owned())]).increment(1);
    }

    /// Dead letters that were processed again, and how many of them failed again.
    pub fn letters(&self, retried: usize, dead: usize) {
        for (outcome, count) in [("through", retried.saturating_sub(dead)), ("dead", dead)] {
            let [a, b, c] = self.all();
            let labels = [a, b, c, ("outcome", outcome.to_owned())];
            counter!("granary_stage_letters_retried_total", &labels).increment(count as u64);
        }
    }

    /// A batch that will be done again.
    pub fn retried(&self, cause: &'static str) {
        let [a, b, c] = self.all();
        counter!("granary_stage_retries_total", &[a, b, c, ("cause", cause.to_owned())]).increment(1);
    }

    /// A record that was in the log before, since an append of it was answered too late.
    pub fn repeated(&self) {
        counter!("granary_stage_repeats_total", &self.all()).increment(1);
    }

    /// How far the stage is behind.
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    pub fn lag(&self, records: u64, age: Duration) {
        let labels = self.all();
        gauge!("granary_stage_lag_records", &labels).set(records as f64);
        gauge!("granary_stage_lag_seconds", &labels).set(age.as_secs_f64());
    }
}

/// Figures of one committed batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// Records read.
    pub records_in: u64,
    /// Their payload bytes.
    pub bytes_in: u64,
    /// Messages appended.
    pub records_out: u64,
    /// Their payload bytes.
    pub bytes_out: u64,
    /// Records left out on purpose.
    pub skipped: u64,
    /// Records that became several messages.
    pub split: u64,
    /// Messages that delete.
    pub deletions: u64,
    /// Time to process.
    pub process: Duration,
    /// Time to append and commit.
    pub commit: Duration,
}

impl Batch {
    /// The figures of a batch that is about to be processed.
    #[must_use]
    pub fn of(batch: &[Delivered]) -> Self {
        Self {
            records_in: batch.len() as u64,
            bytes_in: batch.iter().map(|d| d.record.message.payload.len() as u64).sum(),
            ..Self::default()
        }
    }
}
