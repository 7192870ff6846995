//! One schedule: an engine that lives, dies and lives again on one disk and one Postgres, until everything that was
//! acknowledged has gone through; and what the audit finds then.
//!
//! All tasks run in one thread on a clock that jumps to the next moment at which one of them wants to go on. What a step
//! takes, what fails, who is suspended and when the engine dies is drawn from the seed, so a seed repeats byte for byte.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use granary_engine::stage::Process;
use granary_engine::stage::book::Book;
use granary_engine::stage::decisions::Decisions;
use granary_engine::stage::members::{Members, View, Views};
use granary_engine::stage::worker::{Means, Relay, Trouble, Worker};
use granary_stream::embedded::sim::SimDisk;
use granary_stream::embedded::{Driver, EmbeddedLog};
use granary_stream::{Append, Error, Message, StreamLog, TopicSpec};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::audit::Audit;
use crate::bugs::{Bug, Hasty};
use crate::chance::Chance;
use crate::postgres::{Postgres, name};
use crate::stages::{IN, MIDDLE, OUT, Stage};

/// Engines that die before the last one, at most.
const DEATHS_MAX: u64 = 6;
/// Between two signs of life of one of several processes.
const BEAT: Duration = Duration::from_millis(100);
/// The last engine has to be done by then.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// What came of a schedule.
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) findings: Vec<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) acknowledged: u64,
    pub(crate) commits: u64,
    pub(crate) deaths: u64,
}

/// Runs the schedule of a seed, with a bug planted or without.
pub(crate) fn run(seed: u64, bug: Option<Bug>) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime of one thread").block_on(async {
        let mut schedule = Schedule::new(seed, bug);
        schedule.run().await;
        let Schedule { audit, postgres, deaths, .. } = schedule;
        Report {
            seed,
            findings: audit.findings(),
            trace: audit.trace(),
            acknowledged: audit.acknowledgements(),
            commits: postgres.commits(),
            deaths,
        }
    })
}

struct Schedule {
    seed: u64,
    chance: Chance,
    audit: Audit,
    disk: SimDisk,
    postgres: Postgres,
    bug: Option<Bug>,
    partitions: u32,
    /// Whether several processes share the stages, and the log is on a machine of its own.
    shared: bool,
    /// How many processes there were.
    started: u128,
    /// Whether bits of the disk flip between two lives. Somebody accepts then what is lost.
    rots: bool,
    next_event: Arc<Mutex<u64>>,
    deaths: u64,
}

/// How fast things happen: each bound is one that is drawn below.
struct Pace {
    /// Operations of the disk until the power goes.
    operations: u64,
    /// Events of one producer.
    events: u64,
    /// Milliseconds between two of them.
    event: u64,
    /// Milliseconds of a life.
    life: u64,
    /// Milliseconds between two things that happen to an engine.
    look: u64,
}

/// An engine that has everything to itself.
const ALONE: Pace = Pace { operations: 400, events: 12, event: 10, life: 600, look: 20 };
/// Several processes: leases have to run out within a life.
const SHARED: Pace = Pace { operations: 2_000, events: 80, event: 120, life: 6_000, look: 400 };

/// An engine that runs, or the machine of the log with the processes that share the stages.
struct Engine {
    log: Arc<EmbeddedLog>,
    means: Means,
    tasks: JoinSet<()>,
}

impl Schedule {
    fn new(seed: u64, bug: Option<Bug>) -> Self {
        let chance = Chance::of(seed);
        let breaks = [0.0, 0.02, 0.1, 0.3][usize::try_from(chance.number(0..4)).unwrap_or(0)];
        let partitions = 1 + u32::try_from(chance.number(0..3)).unwrap_or(0);
        let disk = SimDisk::default();
        disk.forget_syncs(bug == Some(Bug::DroppedSync));
        let audit = Audit::default();
        // The engine that has everything to itself is the one that fences all at its start.
        let shared = chance.happens(0.5) && bug != Some(Bug::UnfencedStart);
        let rots = bug.is_none() && chance.happens(0.2);
        Self {
            seed,
            shared,
            started: 0,
            rots,
            postgres: Postgres::new(chance.clone(), audit.clone(), breaks, bug),
            chance,
            audit,
            disk,
            bug,
            partitions,
            next_event: Arc::default(),
            deaths: 0,
        }
    }

    async fn run(&mut self) {
        for _ in 0..self.chance.number(1..DEATHS_MAX + 1) {
            if let Some(engine) = self.start(false) {
                self.live(engine).await;
            }
            let is_killed = self.die();
            if self.rots && is_killed && self.chance.happens(0.7) {
                self.rot().await;
            }
            if !self.audit.findings().is_empty() {
                return;
            }
        }
        self.postgres = self.postgres.steady();
        self.disk.set_capacity(None);
        let Some(engine) = self.start(true) else { return self.audit.find("the last engine does not start") };
        self.finish(engine).await;
    }

    /// Starts an engine; `None` where the disk fails while it does.
    fn start(&self, last: bool) -> Option<Engine> {
        let world = self.disk.repeatable_world(self.seed);
        let options = SimDisk::options();
        if !last && self.chance.happens(0.5) {
            self.disk.cut_power_after(self.chance.number(0..self.pace().operations));
        }
        let (log, driver) = match EmbeddedLog::open_driven(Path::new("log"), options, world) {
            Ok(opened) => opened,
            Err(error) => {
                if last || !self.disk.is_off() {
                    self.audit.find(format!("the log does not open: {error}"));
                }
                return None;
            }
        };
        if !self.rots && !log.damages().is_empty() {
            self.audit.find(format!("the log is damaged: {:?}", log.damages()));
        }
        let log = Arc::new(log);
        let mut tasks = JoinSet::new();
        tasks.spawn(commit(driver, self.chance.clone()));
        let shown: Arc<dyn StreamLog> = match self.bug {
            Some(Bug::CommitBeforeAppend) => Arc::new(Hasty::of(log.clone())),
            _ => log.clone(),
        };
        let means = Means {
            log: shown,
            decisions: Arc::new(self.postgres.clone()),
            book: Book::default(),
            members: Members::alone(),
        };
        Some(Engine { log, means, tasks })
    }

    /// Makes the topics and takes over what counts, as an engine does when it has found its database.
    async fn prepare(&self, engine: &Engine) -> Result<(), Error> {
        let spec = TopicSpec::of(self.partitions);
        if self.bug != Some(Bug::UnfencedStart) && !self.shared {
            self.postgres.fence_all();
        }
        for topic in [IN, MIDDLE, OUT] {
            engine.log.create_topic(topic, spec).await?;
            for partition in 0..self.partitions {
                if self.shared {
                    continue;
                }
                let end = engine.log.bounds(topic, partition).await?.end;
                let ranges = self.postgres.ranges(topic, partition);
                engine.means.book.load(topic, partition, &ranges, end);
            }
        }
        self.audit.check_log(&*engine.log, self.partitions).await;
        Ok(())
    }

    /// Lets an engine run until it dies.
    async fn live(&mut self, mut engine: Engine) {
        if self.prepare(&engine).await.is_err() {
            return;
        }
        for _ in 0..self.chance.number(1..4) {
            let events = self.chance.number(1..self.pace().events);
            engine.tasks.spawn(self.producer(&engine, events));
        }
        let mut processes = self.processes(&engine);
        for stage in Stage::ALL.into_iter().filter(|_| !self.shared) {
            let worker = self.worker(&engine.means, stage, None);
            engine.tasks.spawn(worker);
            // A worker that is suspended, and another one that takes over meanwhile.
            if self.chance.happens(0.4) {
                let zombie = Suspension::of(self.chance.number(0..200), self.chance.number(1..200));
                let worker = self.worker(&engine.means, stage, Some(zombie));
                engine.tasks.spawn(worker);
                let after = Duration::from_millis(self.chance.number(0..250));
                let worker = self.worker(&engine.means, stage, None);
                engine.tasks.spawn(async move {
                    sleep(after).await;
                    worker.await;
                });
            }
        }
        engine.tasks.spawn(self.sweeper(&engine));
        let end = Instant::now() + Duration::from_millis(self.chance.number(5..self.pace().life));
        while Instant::now() < end && !self.disk.is_off() && engine.log.health().is_ok() {
            self.chance.pause(1..self.pace().look).await;
            match self.chance.number(0..40) {
                0 => self.disk.fail_syncs(true),
                1 => self.disk.set_capacity(Some(self.disk.used() + self.chance.number(0..10_000))),
                2 => self.disk.set_capacity(None),
                3 | 4 => {
                    let until = Instant::now() + Duration::from_millis(self.chance.number(0..300));
                    self.postgres.go_away(until);
                }
                5 | 6 if self.shared && processes.len() < 4 => processes.push(self.process(&engine)),
                7 | 8 if !processes.is_empty() => {
                    let at = usize::try_from(self.chance.number(0..processes.len() as u64)).unwrap_or(0);
                    let mut process = processes.swap_remove(at);
                    self.audit.note("a process is killed");
                    process.shutdown().await;
                }
                _ => {}
            }
        }
        end_all(processes).await;
        engine.tasks.shutdown().await;
    }

    /// The end of an engine: killed, or with the power; whether it was killed.
    fn die(&mut self) -> bool {
        self.deaths += 1;
        self.disk.fail_syncs(false);
        self.disk.set_capacity(None);
        if self.disk.is_off() || self.chance.happens(0.5) {
            self.audit.note("the power goes");
            self.disk.power_up(self.chance.number(0..u64::MAX));
            false
        } else {
            self.audit.note("the engine is killed");
            self.disk.restart();
            true
        }
    }

    /// A bit flips, and what is lost by that is accepted. Not where the power went at the same time: the last group may bear no
    /// witness then, and a flipped bit in it cannot be told from a write that never ended.
    async fn rot(&self) {
        if !self.disk.names().iter().any(|name| name == "manifest.json") {
            return;
        }
        let Some((file, at)) = self.disk.flip(self.chance.number(0..u64::MAX)) else { return };
        self.audit.note(format!("a bit flips in byte {at} of {file}"));
        let world = self.disk.repeatable_world(self.seed);
        match EmbeddedLog::repair(Path::new("log"), SimDisk::options(), world).await {
            Ok(report) => report.losses.into_iter().for_each(|loss| self.audit.lost(loss)),
            Err(error) => self.audit.find(format!("the log is not repaired: {error}")),
        }
    }

    /// Lets the last engine run until nothing is left to do.
    async fn finish(&mut self, mut engine: Engine) {
        if let Err(error) = self.prepare(&engine).await {
            return self.audit.find(format!("the last engine cannot make its topics: {error}"));
        }
        let processes = self.processes(&engine);
        for stage in Stage::ALL.into_iter().filter(|_| !self.shared) {
            let worker = self.worker(&engine.means, stage, None);
            engine.tasks.spawn(worker);
        }
        let end = Instant::now() + PATIENCE;
        while !self.is_done(&engine).await {
            if Instant::now() > end {
                return self.audit.find("the stages do not come to the end of what there is");
            }
            sleep(Duration::from_millis(50)).await;
        }
        self.audit.check_all(&*engine.log, &self.postgres, self.partitions).await;
        end_all(processes).await;
        engine.tasks.shutdown().await;
    }

    async fn is_done(&self, engine: &Engine) -> bool {
        let partitions = || 0..self.partitions;
        let mut read_up = true;
        for partition in partitions() {
            let end = engine.log.bounds(IN, partition).await.map_or(u64::MAX, |bounds| bounds.end);
            read_up &= self
                .postgres
                .cursor(Stage::FanOut.id(), IN, partition)
                .is_some_and(|next| self.audit.is_nothing_left(IN, partition, next, end));
        }
        read_up
            && partitions().all(|partition| {
                // What does not count is passed without a commit, and so is what is lost.
                self.postgres.cursor(Stage::Copy.id(), MIDDLE, partition).is_some_and(|next| {
                    let mut ranges = self.postgres.ranges(MIDDLE, partition).into_iter();
                    ranges.all(|(start, end)| {
                        self.audit.is_nothing_left(MIDDLE, partition, start.max(next), end)
                    })
                })
            })
    }

    /// Appends events one after the other, as a request after the other does.
    fn producer(&self, engine: &Engine, events: u64) -> impl Future<Output = ()> + Send + use<> {
        let (chance, audit, log) = (self.chance.clone(), self.audit.clone(), engine.log.clone());
        let (next_event, partitions) = (self.next_event.clone(), self.partitions);
        let pace = self.pace().event;
        async move {
            for _ in 0..events {
                let event = {
                    let mut next = next_event.lock().unwrap_or_else(PoisonError::into_inner);
                    *next += 1;
                    *next
                };
                let partition = u32::try_from(chance.number(0..u64::from(partitions))).unwrap_or(0);
                let filler = "x".repeat(usize::try_from(chance.number(0..900)).unwrap_or(0));
                let message = Message::of(format!("{event}{filler}"));
                let append = Append { topic: IN.to_owned(), partition, messages: vec![message] };
                match log.append(vec![append]).await {
                    Ok(ranges) => audit.acknowledged(partition, ranges[0].start, event),
                    Err(Error::Busy { .. }) => audit.note(format!("event {event} was refused")),
                    Err(_) => return,
                }
                chance.pause(0..pace).await;
            }
        }
    }

    fn pace(&self) -> Pace {
        if self.shared { SHARED } else { ALONE }
    }

    /// Starts the processes that share the stages, where there are any.
    fn processes(&mut self, engine: &Engine) -> Vec<JoinSet<()>> {
        let count = if self.shared { self.chance.number(1..4) } else { 0 };
        (0..count).map(|_| self.process(engine)).collect()
    }

    /// Starts one of several processes that share the stages, which may be suspended for a while as a whole.
    fn process(&mut self, engine: &Engine) -> JoinSet<()> {
        self.started += 1;
        let me = Uuid::from_u128(self.started);
        self.audit.note(format!("{} starts", name(me)));
        let suspension = self
            .chance
            .happens(0.4)
            .then(|| Suspension::of(self.chance.number(0..4_000), self.chance.number(1..900)));
        let view = move |alive: Vec<Uuid>| View { me, workers: alive.clone(), persisters: alive };
        let views = Views::new(view(vec![]));
        let means = Means { book: Book::default(), members: views.members(), ..engine.means.clone() };
        let mut tasks = JoinSet::new();
        for stage in Stage::ALL {
            tasks.spawn(self.worker(&means, stage, suspension));
        }
        let postgres = self.postgres.clone();
        let beat = async move {
            loop {
                if let Ok(alive) = postgres.beat(me).await {
                    views.tell(view(alive));
                }
                sleep(BEAT).await;
            }
        };
        tasks.spawn(Suspended { suspension, inner: Box::pin(beat) });
        let (postgres, book, chance, partitions) =
            (self.postgres.clone(), means.book.clone(), self.chance.clone(), self.partitions);
        let learn = async move {
            loop {
                for partition in 0..partitions {
                    if let Ok(ranges) = Decisions::ranges(&postgres, Uuid::nil(), MIDDLE, partition).await {
                        book.learn(MIDDLE, partition, &ranges);
                    }
                }
                chance.pause(1..60).await;
            }
        };
        tasks.spawn(Suspended { suspension, inner: Box::pin(learn) });
        tasks
    }

    /// Runs a stage, suspended for a while where that is asked for.
    fn worker(
        &self,
        means: &Means,
        stage: Stage,
        suspension: Option<Suspension>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let spec = stage.spec(self.partitions);
        let process: Box<dyn Process> = stage.process(self.partitions, &self.chance, &self.audit);
        let means = means.clone();
        let running = async move {
            let (stop, trouble) = (CancellationToken::new(), Trouble::default());
            if let Ok(mut worker) = Worker::acquire(spec, means, stop, trouble).await {
                // It ends where the log has failed, and so does the engine.
                let _ = worker.run(process, &Relay::default()).await;
            }
        };
        Suspended { suspension, inner: Box::pin(running) }
    }

    /// Drops what every stage has read, as the engine does every minute.
    fn sweeper(&self, engine: &Engine) -> impl Future<Output = ()> + Send + use<> {
        let (chance, postgres, log) = (self.chance.clone(), self.postgres.clone(), engine.log.clone());
        let partitions = self.partitions;
        async move {
            loop {
                chance.pause(20..400).await;
                for stage in Stage::ALL {
                    for partition in 0..partitions {
                        if let Some(next) = postgres.cursor(stage.id(), stage.source(), partition) {
                            let _ = log.trim(stage.source(), partition, next).await;
                        }
                    }
                }
            }
        }
    }
}

/// Kills what is left of several processes.
async fn end_all(processes: Vec<JoinSet<()>>) {
    for mut process in processes {
        process.shutdown().await;
    }
}

/// What the threads of the log do otherwise.
async fn commit(mut driver: Driver, chance: Chance) {
    loop {
        chance.pause(1..8).await;
        let busy = driver.commit();
        if chance.happens(0.3) {
            driver.keep();
        }
        if !busy && chance.happens(0.1) {
            driver.rest();
        }
    }
}

/// From when on, and for how long, a task gets no turn.
#[derive(Clone, Copy)]
struct Suspension {
    from: Instant,
    until: Instant,
}

impl Suspension {
    fn of(after_ms: u64, for_ms: u64) -> Self {
        let from = Instant::now() + Duration::from_millis(after_ms);
        Self { from, until: from + Duration::from_millis(for_ms) }
    }
}

/// A task that gets no turn for a while, wherever it stands: as a process that is stopped and goes on later.
struct Suspended {
    suspension: Option<Suspension>,
    inner: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Future for Suspended {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        if let Some(Suspension { from, until }) = self.suspension
            && now >= from
            && now < until
        {
            let waker = context.waker().clone();
            tokio::spawn(async move {
                tokio::time::sleep_until(until).await;
                waker.wake();
            });
            return Poll::Pending;
        }
        self.inner.as_mut().poll(context)
    }
}
