//! Several instances of one belt.

use std::collections::HashMap;
use std::sync::Arc;

use granary_sandbox::{Batch, Crew, EventIn, FailureKind, Update};
use serde_json::Value;

use crate::support::{belt_spec, headers, python, run, runner};

/// Answers which instance saw the event, and its place among those that the instance saw of its key.
const COUNTING: &str = "\
import os
from grnry_belt.models.direct_update import DirectUpdate

me = os.urandom(16).hex()
seen = {}

def execute(h, p):
    if p.get('spin'):
        while True:
            pass
    if p.get('bad'):
        raise ValueError('bad')
    seen[p['key']] = seen.get(p['key'], 0) + 1
    return [DirectUpdate('livesegment-dataoutp', {'id': '1', 'me': me, 'nth': seen[p['key']], 'n': p['n']})]
";

struct Events {
    headers: Vec<(String, String)>,
    all: Vec<(u64, Vec<u8>)>,
}

impl Events {
    fn new(all: Vec<(u64, String)>) -> Arc<Self> {
        let all = all.into_iter().map(|(key, payload)| (key, payload.into_bytes())).collect();
        Arc::new(Self { headers: headers("c-1"), all })
    }
}

impl Batch for Events {
    fn len(&self) -> usize {
        self.all.len()
    }

    fn event(&self, index: usize) -> EventIn<'_> {
        EventIn { headers: &self.headers, payload: &self.all[index].1 }
    }

    fn key(&self, index: usize) -> u64 {
        self.all[index].0
    }
}

async fn crew(count: usize) -> Crew {
    let (sandbox, runtime) = python().await;
    Crew::new(sandbox, runtime, belt_spec(COUNTING).0, count).await.unwrap()
}

fn numbered(count: u64, keys: u64) -> Arc<Events> {
    let payload = |n: u64| format!(r#"{{"key": {}, "n": {n}}}"#, n % keys);
    Events::new((0..count).map(|n| (n % keys, payload(n))).collect())
}

fn row(updates: &[Update]) -> Value {
    match updates {
        [Update::Direct { value, .. }] => serde_json::from_slice(value).unwrap(),
        other => panic!("expected one row, got {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_key_meet_one_instance_in_order_and_outcomes_keep_theirs() {
    let mut crew = crew(3).await;
    let mut instances: HashMap<u64, String> = HashMap::new();
    for round in 0..4 {
        let outcomes = crew.run_belt(&numbered(700, 7)).await.unwrap();
        assert_eq!(outcomes.len(), 700);
        for (n, outcome) in (0_u64..).zip(outcomes) {
            let row = row(&outcome.unwrap());
            assert_eq!(row["n"], n);
            assert_eq!(
                row["nth"],
                round * 100 + n / 7 + 1,
                "the events of a key come in order, to one instance"
            );
            let me = row["me"].as_str().unwrap().to_owned();
            assert_eq!(instances.entry(n % 7).or_insert_with(|| me.clone()), &me);
        }
    }
    let different: std::collections::HashSet<_> = instances.values().collect();
    assert_eq!(different.len(), 3, "all instances had a share");
    let stats = crew.stats();
    assert_eq!((stats.events, stats.instances), (2_800, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_fails_leaves_those_of_every_instance_alone() {
    let mut crew = crew(2).await;
    let all = (0..40).map(|n| (n, format!(r#"{{"key": {n}, "n": {n}, "bad": {}}}"#, n == 17))).collect();
    let outcomes = crew.run_belt(&Events::new(all)).await.unwrap();
    for (n, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok(updates) => assert_eq!(row(&updates)["n"], n),
            Err(failure) => assert_eq!((n, failure.kind), (17, FailureKind::Exception)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_given_up_half_way_does_not_end_the_crew() {
    let mut crew = crew(2).await;
    let mut spinning: Vec<_> = (0..2).map(|n| (n, r#"{"spin": true}"#.to_owned())).collect();
    spinning.push((0, r#"{"spin": true}"#.to_owned()));
    {
        let batch = Events::new(spinning);
        let given_up = crew.run_belt(&batch);
        // Long enough for the tasks to begin or not: both are fine.
        tokio::select! {
            biased;
            ended = given_up => panic!("the endless loop ended: {ended:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    let outcomes = crew.run_belt(&numbered(10, 10)).await.unwrap();
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert!(crew.run_belt(&numbered(0, 1)).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_share_of_the_processor_is_enforced_in_a_long_call_and_between_short_ones() {
    let source = "def execute(h, p):\n    for _ in range(p):\n        sum(range(1000))\n";
    let unlimited = {
        let mut runner = runner(belt_spec(source).0).await;
        run(&mut runner, &[b"20000"]).await;
        runner.stats()
    };
    assert!(unlimited.throttled.is_zero());
    for payloads in [vec![b"20000".as_slice()], vec![b"20".as_slice(); 1_000]] {
        let mut spec = belt_spec(source).0;
        spec.millicpu = Some(500);
        let mut runner = runner(spec).await;
        let loaded = runner.stats().throttled;
        let outcomes = run(&mut runner, &payloads).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        assert!(runner.stats().throttled > loaded, "{:?}", runner.stats());
    }
}
