//! Belts: event to updates.
//!
//! A batch goes through the user's code in the sandbox, each update is routed to the stream that it names, and what
//! fails becomes a dead letter with the user's traceback. One event's failure leaves the others of its batch alone.
//!
//! To add a class of update: teach the runtime to put it on the wire (`guest-sdk`), the sandbox to read it, and
//! [`routing`] where it goes.

mod events;
pub mod figures;
pub mod meter;
pub mod routing;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use granary_catalog::belt::RetryPolicy;
use granary_sandbox::{Batch, BeltOutcome, Crew, EventIn, Failure, Update};
use granary_stream::{Headers, Source};
use tokio_util::sync::CancellationToken;

use crate::object_log::Ring;
use crate::secrets::Mask;
use crate::stage::{Delivered, Error, Outcome, Process, Refusal};
use events::Events;
use meter::Meter;
use routing::Routes;

/// How long a belt that is to stop may go on with its batch. What is not done by then is done after the next start:
/// nothing of it has happened.
const STOP_PATIENCE: Duration = Duration::from_secs(1);

/// A running belt.
pub struct Belt {
    crew: Crew,
    routes: Routes,
    retry: RetryPolicy,
    log: Ring,
    mask: Mask,
    stop: CancellationToken,
    meter: Meter,
}

impl Belt {
    /// A belt of a loaded script, the outputs it may write to, and what it does on a `RetryException`. Failures are
    /// also written to `log`. What the mask hides was given to the script and is not to be seen in what it fails with.
    #[must_use]
    pub fn new(
        crew: Crew,
        routes: Routes,
        retry: RetryPolicy,
        log: Ring,
        mask: Mask,
        stop: CancellationToken,
        meter: Meter,
    ) -> Self {
        Self { crew, routes, retry, log, mask, stop, meter }
    }

    /// Runs one event again and again as long as it asks for it. The other messages of its partition wait.
    async fn again(
        &mut self,
        delivered: &Delivered,
        key: u64,
        first: Failure,
    ) -> Result<Result<Vec<Update>, Failure>, Error> {
        let mut failure = first;
        let mut retry = 0;
        while self.retry.retries_max.is_none_or(|most| retry < most) {
            tokio::select! {
                () = self.stop.cancelled() => return Err(Error::Stopped),
                () = tokio::time::sleep(self.retry.wait(retry)) => {}
            }
            retry += 1;
            let headers = self.headers(delivered, retry);
            let event = EventIn { headers: &headers.0, payload: &delivered.record.message.payload };
            let answer = self.crew.run_again(key, event).await;
            match answer.map_err(|error| self.mask.hide_in_error(broken(error)))? {
                Some(Err(again)) if again.retryable => failure = again,
                Some(done) => return Ok(done),
                None => return Err(Error::Final("the sandbox answered no outcome for an event".to_owned())),
            }
        }
        failure.message = format!("{} (given up after {} attempts)", failure.message, retry + 1);
        Ok(Err(failure))
    }

    async fn run(&mut self, events: &Arc<Events>) -> Result<Vec<BeltOutcome>, Error> {
        let out_of_patience = async {
            self.stop.cancelled().await;
            tokio::time::sleep(STOP_PATIENCE).await;
        };
        tokio::select! {
            biased;
            results = self.crew.run_belt(events) => {
                results.map_err(|error| self.mask.hide_in_error(broken(error)))
            }
            () = out_of_patience => Err(Error::Stopped),
        }
    }

    /// The headers that the callback sees: those of the message, and its retry count.
    fn headers(&self, delivered: &Delivered, retry: u32) -> Headers {
        let mut headers = delivered.record.message.headers.clone();
        headers.set("grnry-retry-count", retry.to_string());
        let most = self.retry.retries_max.map_or_else(|| "-1".to_owned(), |most| most.to_string());
        headers.set("grnry-retry-max-count", most);
        headers
    }
}

#[async_trait]
impl Process for Belt {
    async fn process(&mut self, batch: Vec<Delivered>) -> Result<Outcome, Error> {
        let headers = batch.iter().map(|d| self.headers(d, 0)).collect();
        let events = Arc::new(Events::new(batch, headers));
        let results = self.run(&events).await?;
        self.meter.show(&self.crew.stats(), self.crew.count());
        let keys: Vec<_> = (0..events.len()).map(|at| events.key(at)).collect();
        let batch = Events::into_delivered(events);
        if results.len() != batch.len() {
            return Err(Error::Final(
                "the sandbox answered another number of outcomes than there were events".to_owned(),
            ));
        }
        let mut outcome = Outcome::default();
        for ((delivered, key), mut result) in batch.into_iter().zip(keys).zip(results) {
            if let Err(failure) = &result
                && failure.retryable
            {
                let failure = failure.clone();
                result = self.again(&delivered, key, failure).await?;
            }
            match result.map_err(Refusal::from).and_then(|updates| self.routes.route(&delivered, updates)) {
                Ok(outputs) if outputs.is_empty() => outcome.skipped += 1,
                Ok(mut outputs) => {
                    for (index, output) in outputs.iter_mut().enumerate() {
                        output.message.system.trace_id = delivered.record.message.system.trace_id;
                        output.message.system.source = Some(Source {
                            topic: delivered.topic.to_string(),
                            partition: delivered.partition,
                            offset: delivered.record.offset,
                            index: u32::try_from(index).unwrap_or(u32::MAX),
                        });
                    }
                    outcome.outputs.append(&mut outputs);
                }
                Err(refusal) => {
                    let refusal = self.mask.hide_in_refusal(refusal);
                    refusal.log(&self.log, &delivered);
                    outcome.dead.push(refusal.of(delivered));
                }
            }
        }
        Ok(outcome)
    }
}

/// The script cannot be loaded again after its instance was given up: the stage is built anew, with back-off.
#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
pub(crate) fn broken(error: granary_sandbox::Error) -> Error {
    Error::Unavailable(error.to_string())
}
