//! A node under load whose every write is audited: what the kill test and the fault harness have in common.
//!
//! ```text
//! begin ──> faults, as the test has it ──> end: the load stops, all comes out, the audit
//! ```

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::audit::{self, Findings, Order, Sent};
use crate::load::{self, Control, Plan, Report};
use crate::node::Node;
use crate::pipeline::{Pipeline, RowId};
use crate::wait::{Look, PATIENCE, await_condition};
use crate::{event, postgres};

/// How long no event may be acknowledged after a fault before that is an error.
const REVIVAL_PATIENCE: Duration = Duration::from_secs(120);

/// How long the last requests may take to be answered.
const ANSWER_PATIENCE: Duration = Duration::from_secs(300);

/// How a trial is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of the run inside the client's ids.
    pub run: &'static str,
    /// Partitions of the live segment; with one, its rows have to come in order too.
    pub partitions: u32,
    /// Bytes that are added to every event.
    pub padding: usize,
    /// What is posted. Each connection has a key of its own.
    pub plan: Plan,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Events sent.
    pub sent: u64,
    /// Events acknowledged.
    pub acknowledged: u64,
    /// What was written.
    pub findings: Findings,
    /// Dead letters, of which there must be none: no event is bad.
    pub dead_letters: u64,
}

impl Outcome {
    /// Whether everything is as it must be.
    #[must_use]
    pub fn clean(&self) -> bool {
        self.dead_letters == 0 && self.findings.clean()
    }
}

/// A node under load.
pub struct Trial {
    /// The node.
    pub node: Node,
    settings: Settings,
    pipeline: Pipeline,
    target: watch::Sender<Option<std::net::SocketAddr>>,
    /// The numbers that were acknowledged; closed when the load has ended.
    acknowledged: watch::Receiver<Vec<u64>>,
    control: Control,
    load: JoinHandle<Result<Report>>,
}

impl Trial {
    /// Makes the pipeline and begins to post.
    pub async fn begin(node: Node, settings: Settings) -> Result<Self> {
        let row_id = RowId::Event { partitions: settings.partitions };
        let pipeline = Pipeline::run(&node.api()?, row_id).await?;
        audit::install(&postgres::superuser(node.data_dir()).await?, &pipeline).await?;
        let (target, receiver) = watch::channel(Some(node.address()));
        let (acknowledge, acknowledged) = watch::channel(Vec::new());
        let plan = settings.plan.clone().keyed();
        let control = plan.control.clone();
        let event = numbered(&settings);
        let on_ack = move |n| acknowledge.send_modify(|numbers: &mut Vec<u64>| numbers.push(n));
        let load = tokio::spawn(load::run(receiver, plan, event, on_ack));
        Ok(Self { node, settings, pipeline, target, acknowledged, control, load })
    }

    /// How many events were acknowledged so far.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.borrow().len() as u64
    }

    /// How many requests were answered 503 so far.
    #[must_use]
    pub fn busy(&self) -> u64 {
        self.control.busy()
    }

    /// Waits until so many events are acknowledged, or all there are.
    pub async fn await_acknowledged(&self, events: u64) {
        // An error says that the load has ended.
        let _ = self.acknowledged.clone().wait_for(|numbers| numbers.len() as u64 >= events).await;
    }

    /// Waits until further events are acknowledged: the engine goes on.
    pub async fn await_more(&mut self) -> Result<()> {
        let wanted = self.acknowledged() + 2 * self.settings.plan.connections as u64;
        await_condition("events to be acknowledged again", REVIVAL_PATIENCE, async || {
            self.check_alive()?;
            let now = self.acknowledged();
            Ok(Look::from_option((now >= wanted).then_some(()), format!("{now} of {wanted}")))
        })
        .await
    }

    /// An error where the engine has ended by itself.
    pub fn check_alive(&mut self) -> Result<()> {
        if let Some(status) = self.node.ended()? {
            let output = self.node.output();
            let last = output.trim_end().lines().last().unwrap_or_default();
            bail!("the engine has ended by itself with {status}: {last}");
        }
        Ok(())
    }

    /// Holds the load back: nobody will listen for a while.
    pub fn hold(&self) {
        self.target.send_replace(None);
    }

    /// Lets the load go on, to where the node listens now.
    pub fn release(&self) {
        self.target.send_replace(Some(self.node.address()));
    }

    /// Ends the load, or waits for its end where it has one, waits until everything has come out and audits it. `faults` is
    /// what came of the faults: an error ends the trial. Where anything is wrong, the data is kept and `tell` says where.
    pub async fn end(self, faults: Result<()>, tell: &(dyn Fn(String) + Sync)) -> Result<Outcome> {
        let Self { node, settings, mut pipeline, target, acknowledged, control, load } = self;
        if settings.plan.requests.is_none() || faults.is_err() {
            control.stop();
        }
        let outcome = async {
            faults?;
            let report = tokio::time::timeout(ANSWER_PATIENCE, load).await;
            let report = report.with_context(|| format!("requests are not answered within {ANSWER_PATIENCE:?}"))???;
            if report.refused > 0 {
                bail!("the collector refused {} events, the first with {:?}", report.refused, report.first_refusal);
            }
            tell(format!(
                "posted {} events, {} acknowledged, {} with a broken connection; waiting until all have come out",
                report.sent, report.acknowledged, report.broken
            ));
            node.await_ready().await?;
            pipeline.project.api = node.api()?;
            let numbers = acknowledged.borrow().clone();
            audit(&settings, &node, &pipeline, report, numbers).await
        }
        .await;
        drop(target);
        if !outcome.as_ref().is_ok_and(Outcome::clean) {
            tell(format!("the data is kept in {}", keep(node).await?.display()));
        }
        outcome
    }
}

/// The events of a trial.
fn numbered(settings: &Settings) -> impl Fn(u64) -> Bytes + Send + Sync + 'static {
    let Settings { run, padding, .. } = *settings;
    let keys = settings.plan.connections as u64;
    move |n| event::keyed(run, n, keys, padding)
}

async fn audit(
    settings: &Settings,
    node: &Node,
    pipeline: &Pipeline,
    report: Report,
    mut acknowledged: Vec<u64>,
) -> Result<Outcome> {
    // One event more, after all others, so that an end of the stream can be seen. Each try has a number of its own: one
    // that was refused may be stored all the same.
    let mut next = report.end;
    let event = numbered(settings);
    let last = await_condition("the last event to be acknowledged", PATIENCE, async || {
        let number = next;
        next += 1;
        Ok(match pipeline.project.api.event(event(number).to_vec()).await {
            Ok(()) => Look::Done(number),
            Err(error) => Look::NotYet(format!("{error:#}")),
        })
    })
    .await?;
    acknowledged.push(last);
    let keys = settings.plan.connections as u64;
    let order = if settings.partitions == 1 { Order::EventsAndRows { keys } } else { Order::Events { keys } };
    let database = postgres::superuser(node.data_dir()).await?;
    let found = audit::await_quiet(&database, pipeline, acknowledged.len() as u64).await?;
    let sent = Sent { run: settings.run, acknowledged: &acknowledged, last, order };
    Ok(Outcome {
        sent: report.sent + 1 + last - report.end,
        acknowledged: acknowledged.len() as u64,
        findings: Findings::of(&sent, &found),
        dead_letters: pipeline.project.dead_letter_count().await?,
    })
}

/// Ends the node and leaves its files.
async fn keep(mut node: Node) -> Result<PathBuf> {
    node.kill().await.context("could not end the engine")?;
    postgres::quit(node.data_dir());
    Ok(node.keep())
}
