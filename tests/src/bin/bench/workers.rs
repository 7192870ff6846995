//! `two_workers_vs_one`: the guide's Python belt in two instances against the same in one, on the same batches. Beside it
//! what the machine makes of two processes of native Python that share nothing: no two instances can do better.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use granary_sandbox::{Batch, Crew, EventIn};
use granary_tests::figure::{Bar, Figure, median};
use granary_tests::node::cache_dir;
use granary_tests::walkthrough::CALLBACK;
use tokio::time::Instant;

use crate::Size;
use crate::python::Native;
use crate::sandboxed::{Program, Stored, events, load};

/// Records of a batch, as stages take them from the log.
const RECORDS: usize = 1_000;

struct Records(Vec<Stored>);

impl Batch for Records {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn event(&self, index: usize) -> EventIn<'_> {
        let (headers, payload) = &self.0[index];
        EventIn { headers, payload }
    }

    fn key(&self, index: usize) -> u64 {
        index as u64
    }
}

pub(crate) async fn measure(size: Size) -> Result<Vec<Figure>> {
    let program = Program::Python(CALLBACK);
    let (sandbox, component) = load(program, cache_dir()).await?;
    let crew = async |count| Crew::new(sandbox.clone(), Arc::clone(&component), program.spec(), count).await;
    let (mut one, mut two) = (crew(1).await?, crew(2).await?);
    let batches: Vec<_> = events().chunks(RECORDS).map(|chunk| Arc::new(Records(chunk.to_vec()))).collect();
    // Not counted: first calls.
    for crew in [&mut one, &mut two] {
        run(crew, &batches, size.run / 4).await?;
    }
    let native = Native::new()?;
    let (mut ratios, mut native_ratios) = (Vec::new(), Vec::new());
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for _ in 0..size.runs {
        let pair = (run(&mut one, &batches, size.run).await?, run(&mut two, &batches, size.run).await?);
        ratios.push(pair.1 / pair.0);
        let (_, single) = native.run(size.run).await?;
        let ((_, first), (_, second)) = tokio::try_join!(native.run(size.run), native.run(size.run))?;
        native_ratios.push((first + second) / single);
        alone.push(pair.0);
        together.push(pair.1);
    }
    let figure = |name, value, unit, bar| Figure { name, value, unit, bar };
    Ok(vec![
        figure("one_worker_events_per_s", median(&alone), "events/s", None),
        figure("two_workers_events_per_s", median(&together), "events/s", None),
        figure("two_native_processes_vs_one", median(&native_ratios), "ratio", None),
        figure("two_workers_vs_one", median(&ratios), "ratio", Some(Bar::AtLeast(1.8))),
    ])
}

/// Events per second.
async fn run(crew: &mut Crew, batches: &[Arc<Records>], run: Duration) -> Result<f64> {
    let (begun, mut done) = (Instant::now(), 0);
    while begun.elapsed() < run {
        for batch in batches {
            let outcomes = crew.run_belt(batch).await?;
            ensure!(outcomes.iter().all(Result::is_ok), "an event failed: {outcomes:?}");
            done += outcomes.len();
        }
    }
    Ok(done as f64 / begun.elapsed().as_secs_f64())
}
