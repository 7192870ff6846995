//! Several instances of one program that share its work (`replicas`).

use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::component::Component;
use crate::frame::EventIn;
use crate::outcome::BeltOutcome;
use crate::runner::{Runner, Stats};
use crate::sandbox::{Error, Sandbox};
use crate::script::ScriptSpec;

/// Events that can be handed to several runners at once.
pub trait Batch: Send + Sync + 'static {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of them.
    fn event(&self, index: usize) -> EventIn<'_>;

    /// Chooses the runner: events with one key go to one runner, in their order.
    fn key(&self, index: usize) -> u64;
}

/// Runs one belt in as many instances as its `replicas`.
///
/// The events of a batch are spread over the runners by key: all events of a key meet the same instance, one after the
/// other, as they would meet the same process where each process owns partitions. A batch ends when all its events have.
#[derive(Debug)]
pub struct Crew {
    sandbox: Sandbox,
    component: Arc<Component>,
    spec: ScriptSpec,
    /// A runner is away while it works; it does not come back where its batch was given up half way.
    runners: Vec<Option<Runner>>,
}

impl Crew {
    /// Loads the program `count` times, at least once. `component` is the runtime of its language, or the program itself.
    ///
    /// # Errors
    /// The program does not load.
    pub async fn new(
        sandbox: Sandbox,
        component: Arc<Component>,
        spec: ScriptSpec,
        count: usize,
    ) -> Result<Self, Error> {
        let mut crew = Self { sandbox, component, spec, runners: Vec::new() };
        for index in 0..count.max(1) {
            crew.runners.push(None);
            crew.runner(index).await?;
        }
        Ok(crew)
    }

    /// Runs a belt on a batch: one outcome per event, in order.
    ///
    /// # Errors
    /// The program cannot be loaded again after an instance had to be given up.
    pub async fn run_belt<B: Batch>(&mut self, batch: &Arc<B>) -> Result<Vec<BeltOutcome>, Error> {
        let mut shares = self.shares(&**batch);
        let Some((own, own_share)) = shares.pop() else { return Ok(Vec::new()) };
        if shares.is_empty() {
            let events: Vec<_> = (0..batch.len()).map(|at| batch.event(at)).collect();
            return self.runner(own).await?.run_belt(&events).await;
        }
        let mut working = JoinSet::new();
        for (index, share) in shares {
            let runner = self.away(index).await?;
            working.spawn(work(index, runner, share, Arc::clone(batch)));
        }
        // One share is done right here: nobody has to be woken for it.
        let runner = self.away(own).await?;
        let mut done = Some(work(own, runner, own_share, Arc::clone(batch)).await);
        let mut all: Vec<Option<BeltOutcome>> = Vec::new();
        all.resize_with(batch.len(), || None);
        let mut failed = None;
        while let Some(Work { index, runner, share, outcomes }) = done {
            self.runners[index] = Some(runner);
            match outcomes {
                Ok(outcomes) => {
                    for (at, outcome) in share.into_iter().zip(outcomes) {
                        all[at] = Some(outcome);
                    }
                }
                Err(error) => failed = Some(error),
            }
            let joined = working.join_next().await;
            done = joined.map(|joined| joined.unwrap_or_else(|e| resume_unwind(e.into_panic())));
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(all.into_iter().flatten().collect()),
        }
    }

    /// Runs a belt on one event of a batch once more, where its key belongs.
    ///
    /// # Errors
    /// The program cannot be loaded again after an instance had to be given up.
    pub async fn run_again(&mut self, key: u64, event: EventIn<'_>) -> Result<Option<BeltOutcome>, Error> {
        let index = self.index(key);
        Ok(self.runner(index).await?.run_belt(&[event]).await?.pop())
    }

    /// What all have done so far, and how large they are together.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.runners.iter().flatten().map(Runner::stats).sum()
    }

    /// How many instances share the work.
    #[must_use]
    pub fn count(&self) -> usize {
        self.runners.len()
    }

    /// Which events each runner gets; runners without any are left out.
    fn shares(&self, batch: &impl Batch) -> Vec<(usize, Vec<usize>)> {
        if self.runners.len() == 1 {
            return vec![(0, Vec::new())];
        }
        let mut shares = vec![Vec::new(); self.runners.len()];
        for at in 0..batch.len() {
            shares[self.index(batch.key(at))].push(at);
        }
        shares.into_iter().enumerate().filter(|(_, share)| !share.is_empty()).collect()
    }

    fn index(&self, key: u64) -> usize {
        usize::try_from(key % self.runners.len() as u64).expect("less than a usize")
    }

    async fn runner(&mut self, index: usize) -> Result<&mut Runner, Error> {
        let Self { sandbox, component, spec, runners } = self;
        if runners[index].is_none() {
            let made = Runner::new(sandbox.clone(), Arc::clone(component), spec.clone()).await?;
            runners[index] = Some(made);
        }
        Ok(runners[index].as_mut().expect("a runner was just put there"))
    }

    /// A runner, to be put back when its work is done.
    async fn away(&mut self, index: usize) -> Result<Runner, Error> {
        self.runner(index).await?;
        Ok(self.runners[index].take().expect("it was made sure of a moment ago"))
    }
}

/// What one runner made of its share of a batch.
struct Work {
    index: usize,
    runner: Runner,
    share: Vec<usize>,
    outcomes: Result<Vec<BeltOutcome>, Error>,
}

async fn work<B: Batch>(index: usize, mut runner: Runner, share: Vec<usize>, batch: Arc<B>) -> Work {
    let events: Vec<_> = share.iter().map(|at| batch.event(*at)).collect();
    let outcomes = runner.run_belt(&events).await;
    drop(events);
    Work { index, runner, share, outcomes }
}
