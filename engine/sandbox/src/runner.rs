//! Keeps a script running: makes instances, isolates the event that is to blame for a failed batch, and replaces
//! instances that grew too large.

use std::iter::Sum;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::component::Component;
use crate::frame::{Belt, EventIn, Frame, Transform};
use crate::instance::Instance;
use crate::outcome::{BeltOutcome, CallError, Failure, FailureKind, TransformOutcome};
use crate::quota::{Quota, timed};
use crate::sandbox::{Error, Sandbox};
use crate::script::{Diagnostic, ScriptSpec};

/// The most events of one call.
const EVENTS_PER_CALL_MAX: usize = 256;
/// The most payload bytes of one call (a single event may be larger): the guest holds a batch several times over.
const BYTES_PER_CALL_MAX: usize = 4 << 20;
/// Calls are sized to take at most these shares of the deadline, and of what counts as long, going by what events took
/// lately: a call that is long then has an event that is.
const DEADLINE_SHARE: u32 = 4;
const LONG_SHARE: u32 = 2;

/// How long a program is held back after it wasted time ([`crate::Options::probation_millicpu`]).
const PROBATION: Duration = Duration::from_secs(10);
/// To waste time is to be busy for so long in a call that the sandbox has to end, or in which memory runs out.
const WASTE: Duration = Duration::from_millis(100);

/// What a runner has done so far, and how large it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Instances made, the first one included.
    pub instances: u64,
    /// Instances given up because of a call error.
    pub instances_failed: u64,
    /// Instances given up because their memory had grown.
    pub instances_recycled: u64,
    /// Calls into the guest.
    pub calls: u64,
    /// Of these, the ones that took long ([`ScriptSpec::long_call`]), those that their deadline ended included.
    pub calls_long: u64,
    /// Events given to the guest, repetitions included.
    pub events: u64,
    /// What the linear memories of the present instance hold, in bytes; 0 without one.
    pub memory_bytes: usize,
    /// Fuel that calls took ([`crate::Options::count_fuel`]).
    pub fuel: u64,
    /// Log lines dropped because calls wrote too many.
    pub log_lines_dropped: u64,
    /// The time it had to rest because of [`ScriptSpec::millicpu`], or because it wasted time.
    pub throttled: Duration,
}

/// Of several runners: what they did together.
impl Sum for Stats {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |a, b| Self {
            instances: a.instances + b.instances,
            instances_failed: a.instances_failed + b.instances_failed,
            instances_recycled: a.instances_recycled + b.instances_recycled,
            calls: a.calls + b.calls,
            calls_long: a.calls_long + b.calls_long,
            events: a.events + b.events,
            memory_bytes: a.memory_bytes + b.memory_bytes,
            fuel: a.fuel + b.fuel,
            log_lines_dropped: a.log_lines_dropped + b.log_lines_dropped,
            throttled: a.throttled + b.throttled,
        })
    }
}

/// Runs one script, one batch at a time.
///
/// No script can make it fail, except by not loading: a batch whose call fails is done again one event at a time in fresh
/// instances, so that only the culprit gets the error. Scripts must therefore not rely on being called once per event
/// for anything but their answer.
#[derive(Debug)]
pub struct Runner {
    sandbox: Sandbox,
    component: Arc<Component>,
    spec: ScriptSpec,
    instance: Option<Instance>,
    quota: Option<Quota>,
    probation: Option<Probation>,
    stats: Stats,
    /// What an event took lately.
    pace: Duration,
}

/// The state of a program that wasted time.
#[derive(Debug)]
struct Probation {
    quota: Quota,
    /// Deadlines are so many times as far away, because the program is made to rest in between.
    stretch: u32,
    until: Instant,
}

impl Runner {
    /// Loads the program into a first instance. `component` is the runtime of its language, or the program itself.
    pub async fn new(sandbox: Sandbox, component: Arc<Component>, spec: ScriptSpec) -> Result<Self, Error> {
        Self::load(sandbox, component, spec).await.map(|(runner, _)| runner)
    }

    /// Likewise for a program that was not checked before: what is wrong with it, or odd, is told as by [`Sandbox::check`].
    pub async fn checked(
        sandbox: Sandbox,
        component: Arc<Component>,
        spec: ScriptSpec,
    ) -> Result<(Self, Vec<Diagnostic>), Error> {
        sandbox.check_world(&component, &spec)?;
        Self::load(sandbox, component, spec).await
    }

    async fn load(
        sandbox: Sandbox,
        component: Arc<Component>,
        spec: ScriptSpec,
    ) -> Result<(Self, Vec<Diagnostic>), Error> {
        let (stats, pace) = (Stats::default(), Duration::ZERO);
        let quota = spec.millicpu.map(Quota::new);
        let probation = None;
        let mut runner = Self { sandbox, component, spec, instance: None, quota, probation, stats, pace };
        let warnings = runner.ready().await?;
        Ok((runner, warnings))
    }

    /// Runs a belt on events: one outcome per event, in order. Fails only when the script cannot be loaded again after
    /// its instance had to be given up.
    pub async fn run_belt(&mut self, events: &[EventIn<'_>]) -> Result<Vec<BeltOutcome>, Error> {
        self.run::<Belt>(events).await
    }

    /// Runs a transform on records: like [`Runner::run_belt`].
    pub async fn run_transform(&mut self, records: &[EventIn<'_>]) -> Result<Vec<TransformOutcome>, Error> {
        self.run::<Transform>(records).await
    }

    /// What it has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats;
        if let Some(instance) = &self.instance {
            stats.memory_bytes = instance.memory_bytes();
            stats.log_lines_dropped += instance.log_lines_dropped();
            stats.fuel += instance.fuel();
        }
        stats.throttled += self.quota.as_ref().map_or(Duration::ZERO, Quota::rested);
        stats.throttled +=
            self.probation.as_ref().map_or(Duration::ZERO, |probation| probation.quota.rested());
        stats
    }

    async fn run<F: Frame>(
        &mut self,
        events: &[EventIn<'_>],
    ) -> Result<Vec<Result<F::Good, Failure>>, Error> {
        let mut outcomes = Vec::with_capacity(events.len());
        let mut rest = events;
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(self.chunk(rest));
            self.run_chunk::<F>(chunk, &mut outcomes).await?;
            rest = after;
        }
        Ok(outcomes)
    }

    /// How many of the events go into the next call.
    fn chunk(&self, events: &[EventIn<'_>]) -> usize {
        // What waits for others has no use for batches: each event gets the whole deadline, and none has its requests
        // sent again because of a neighbour.
        if self.spec.http.is_open() {
            return 1;
        }
        let mut bytes = 0usize;
        let small = events.iter().take_while(|event| {
            bytes = bytes.saturating_add(event.payload.len());
            bytes <= BYTES_PER_CALL_MAX
        });
        let in_time = match self.pace.as_nanos() {
            0 => EVENTS_PER_CALL_MAX,
            pace => {
                let share = (self.spec.call_timeout / DEADLINE_SHARE).min(self.spec.long_call / LONG_SHARE);
                usize::try_from(share.as_nanos() / pace).unwrap_or(usize::MAX)
            }
        };
        small.count().min(in_time).clamp(1, EVENTS_PER_CALL_MAX)
    }

    async fn run_chunk<F: Frame>(
        &mut self,
        chunk: &[EventIn<'_>],
        outcomes: &mut Vec<Result<F::Good, Failure>>,
    ) -> Result<(), Error> {
        match self.call::<F>(chunk).await? {
            // An event that was refused memory may suffer from what its neighbours hold.
            Ok(all) if chunk.len() > 1 && all.iter().any(out_of_memory) => {
                for (event, outcome) in chunk.iter().zip(all) {
                    if out_of_memory(&outcome) {
                        self.give_up();
                        outcomes.push(self.call_one::<F>(event).await?);
                    } else {
                        outcomes.push(outcome);
                    }
                }
            }
            Ok(all) => outcomes.extend(all),
            Err(error) if chunk.len() == 1 => outcomes.push(Err(error.into_failure())),
            Err(_) => {
                // Without the error: the program's last words are in it, and are for the belt's own log.
                tracing::debug!(events = chunk.len(), "a call failed, its events are done one by one");
                for event in chunk {
                    outcomes.push(self.call_one::<F>(event).await?);
                }
            }
        }
        Ok(())
    }

    async fn call_one<F: Frame>(&mut self, event: &EventIn<'_>) -> Result<Result<F::Good, Failure>, Error> {
        let answer = self.call::<F>(std::slice::from_ref(event)).await?;
        let outcome = answer.map(|mut all| all.pop());
        Ok(match outcome {
            Ok(Some(outcome)) => outcome,
            // One event, one outcome: the frame's decoder has counted them.
            Ok(None) => Err(CallError::Frame { text: "no outcome".to_owned() }.into_failure()),
            Err(error) => Err(error.into_failure()),
        })
    }

    /// One call, in an instance that is fit for it.
    async fn call<F: Frame>(
        &mut self,
        events: &[EventIn<'_>],
    ) -> Result<Result<Vec<Result<F::Good, Failure>>, CallError>, Error> {
        self.end_probation();
        self.ready().await?;
        let limit = self.spec.call_timeout * self.probation.as_ref().map_or(1, |probation| probation.stretch);
        let Self { instance, quota, probation, .. } = self;
        let instance = instance.as_mut().expect("it was made sure of a moment ago");
        let started = Instant::now();
        let call = timed(instance.run::<F>(events, limit));
        let (mut result, busy) =
            match probation.as_mut().map(|probation| &mut probation.quota).or(quota.as_mut()) {
                Some(quota) => quota.run(call).await,
                None => call.await,
            };
        let took = started.elapsed();
        self.stats.calls_long += u64::from(took >= self.spec.long_call);
        let took = took / u32::try_from(events.len()).unwrap_or(u32::MAX).max(1);
        // Follows a slowdown at once and a recovery by halves.
        self.pace = took.max(self.pace / 2);
        self.stats.calls += 1;
        self.stats.events += events.len() as u64;
        if let Err(CallError::Deadline { limit, .. }) = &mut result {
            // The author knows of this one; what probation adds is rest.
            *limit = self.spec.call_timeout;
        }
        let wasted = result.as_ref().map_or(true, |all| all.iter().any(out_of_memory));
        if wasted && busy >= WASTE {
            self.begin_probation();
        }
        match &result {
            Err(_) => {
                self.stats.instances_failed += 1;
                self.give_up();
            }
            Ok(all) if all.iter().any(out_of_memory) || self.has_grown() => {
                self.stats.instances_recycled += 1;
                self.give_up();
            }
            Ok(_) => {}
        }
        Ok(result.map(|all| all.into_iter().map(|outcome| self.explain(outcome)).collect()))
    }

    /// From now on, or further on, the program gets little of the processors. One whose own share is smaller keeps that.
    fn begin_probation(&mut self) {
        let Some(share) = self.sandbox.probation_millicpu().map(|share| share.clamp(1, 1_000)) else {
            return;
        };
        if self.spec.millicpu.is_some_and(|own| own <= share) {
            return;
        }
        let until = Instant::now() + PROBATION;
        match &mut self.probation {
            Some(probation) => probation.until = until,
            None => {
                let (quota, stretch) = (Quota::new(share), 1_000_u32.div_ceil(share));
                self.probation = Some(Probation { quota, stretch, until });
            }
        }
    }

    fn end_probation(&mut self) {
        if let Some(over) = self.probation.take_if(|probation| probation.until <= Instant::now()) {
            self.stats.throttled += over.quota.rested();
        }
    }

    /// Makes an instance where there is none that can be called. The warnings of its program.
    async fn ready(&mut self) -> Result<Vec<Diagnostic>, Error> {
        if self.instance.as_ref().is_some_and(Instance::is_alive) {
            return Ok(Vec::new());
        }
        self.give_up();
        let made = Instance::new(&self.sandbox, &self.component, &self.spec);
        let probation = self.probation.as_mut().map(|probation| &mut probation.quota);
        let made = match probation.or(self.quota.as_mut()) {
            Some(quota) => quota.run(made).await,
            None => made.await,
        };
        let (instance, warnings) = made?;
        self.instance = Some(instance);
        self.stats.instances += 1;
        Ok(warnings)
    }

    fn give_up(&mut self) {
        if let Some(instance) = self.instance.take() {
            self.stats.log_lines_dropped += instance.log_lines_dropped();
            self.stats.fuel += instance.fuel();
        }
    }

    /// Whether three quarters of what the limit leaves to the script are taken: memory that has grown never shrinks.
    fn has_grown(&self) -> bool {
        self.instance.as_ref().is_some_and(|instance| {
            let start = instance.memory_bytes_at_start();
            instance.memory_bytes() > start + self.spec.memory_bytes_max.saturating_sub(start) / 4 * 3
        })
    }

    /// Adds to a guest's "out of memory" how much there was.
    fn explain<T>(&self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        outcome.map_err(|mut failure| {
            if failure.kind == FailureKind::Memory {
                let mib = self.spec.memory_bytes_max >> 20;
                let told =
                    if failure.message.is_empty() { "out of memory" } else { failure.message.as_str() };
                failure.message = format!("{told} (the memory limit is {mib} MiB)");
            }
            failure
        })
    }
}

fn out_of_memory<T>(outcome: &Result<T, Failure>) -> bool {
    matches!(outcome, Err(Failure { kind: FailureKind::Memory, .. }))
}
