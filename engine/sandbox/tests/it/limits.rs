//! What a belt may not do, and what becomes of it and of its neighbours.

use std::time::Duration;

use granary_sandbox::{CallError, EventIn, FailureKind, Runner, ScriptSpec};

use crate::support::{answer_to, belt_spec, headers, python, run, runner, runtime_path, sandbox_with};

/// Behaves well unless told otherwise.
const MOODY: &str = "\
import sys
kept = []
def down(n):
    return down(n + 1) + 1
def execute(h, p):
    if p == 'spin':
        while True: pass
    if p == 'sleep':
        import time
        time.sleep(100000)
    if p == 'grab':
        while True: kept.append(bytearray(16 << 20))
    if p == 'recurse':
        sys.setrecursionlimit(10 ** 9)
        down(0)
    if p == 'exit':
        import os
        os._exit(3)
    return []
";

#[tokio::test]
async fn an_endless_loop_ends_with_its_deadline_and_the_others_are_unharmed() {
    for mood in ["\"spin\"", "\"sleep\""] {
        let mut spec = belt_spec(MOODY).0;
        spec.call_timeout = Duration::from_secs(2);
        let mut runner = runner(spec).await;
        let outcomes = run(&mut runner, &[b"1", b"2", mood.as_bytes(), b"3"]).await;
        let failure = outcomes[2].clone().unwrap_err();
        assert_eq!((failure.kind, failure.type_name.as_str()), (FailureKind::Deadline, "DeadlineExceeded"));
        assert!(failure.message.contains("2s"), "{failure}");
        assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 3, "{outcomes:?}");
        let stats = runner.stats();
        assert_eq!(
            (stats.instances, stats.instances_failed),
            (3, 2),
            "one for the batch, one for the culprit"
        );
        assert_eq!(run(&mut runner, &[b"1"]).await, [Ok(vec![])], "the belt goes on");
    }
}

#[tokio::test]
async fn who_wastes_time_is_held_back_and_who_fails_at_once_is_not() {
    let runner_with = async |probation_millicpu| {
        let spec = ScriptSpec { call_timeout: Duration::from_secs(1), ..belt_spec(MOODY).0 };
        let sandbox = sandbox_with(probation_millicpu);
        let runtime = sandbox.load_runtime(runtime_path()).await.unwrap();
        Runner::new(sandbox, runtime, spec).await.unwrap()
    };
    let mut held = runner_with(Some(500)).await;
    assert!(run(&mut held, &[b"\"exit\""]).await[0].is_err());
    assert!(run(&mut held, &[b"\"exit\""]).await[0].is_err());
    assert!(held.stats().throttled.is_zero(), "{:?}", held.stats());
    for _ in 0..2 {
        let failure = run(&mut held, &[b"\"spin\""]).await[0].clone().unwrap_err();
        assert!(failure.message.contains("1s"), "the limit is the belt's own: {failure}");
    }
    assert!(!held.stats().throttled.is_zero(), "{:?}", held.stats());
    assert_eq!(run(&mut held, &[b"1"]).await, [Ok(vec![])], "the belt goes on");

    let mut free = runner_with(None).await;
    for _ in 0..2 {
        assert!(run(&mut free, &[b"\"spin\""]).await[0].is_err());
    }
    assert!(free.stats().throttled.is_zero(), "{:?}", free.stats());
}

#[tokio::test]
async fn long_calls_are_counted() {
    let mut spec = belt_spec(MOODY).0;
    spec.call_timeout = Duration::from_secs(2);
    spec.long_call = spec.call_timeout;
    let mut runner = runner(spec).await;
    run(&mut runner, &[b"1"]).await;
    assert_eq!(runner.stats().calls_long, 0);
    assert!(run(&mut runner, &[b"\"sleep\""]).await[0].is_err());
    assert_eq!(runner.stats().calls_long, 1);
}

#[tokio::test]
async fn a_belt_in_an_endless_loop_does_not_hold_up_its_neighbour() {
    let mut spinning = belt_spec(MOODY).0;
    spinning.call_timeout = Duration::from_secs(100_000);
    let (sandbox, runtime) = python().await;
    let mut bad = sandbox.instantiate(&runtime, &spinning).await.unwrap();
    let mut good = sandbox.instantiate(&runtime, &belt_spec(MOODY).0).await.unwrap();
    // One thread runs both: the good one gets its turns between the bad one's slices.
    let headers = headers("c");
    let event = |payload| EventIn { headers: &headers, payload };
    let spin = [event(b"\"spin\"")];
    let fine = [event(b"1")];
    tokio::select! {
        // The bad one begins: else the good one might be done before it has.
        biased;
        ended = bad.run_belt(&spin) => panic!("the endless loop ended: {ended:?}"),
        outcomes = async {
            for _ in 0..20 {
                assert_eq!(good.run_belt(&fine).await, Ok(vec![Ok(vec![])]));
            }
        } => outcomes,
    }
    assert!(!bad.is_alive());
    assert_eq!(bad.run_belt(&fine).await, Err(CallError::Dead), "its call was dropped half way");
}

#[tokio::test]
async fn memory_beyond_the_limit_fails_its_event_alone() {
    let mut runner = runner(belt_spec(MOODY).0).await;
    let outcomes = run(&mut runner, &[b"1", b"\"grab\"", b"2", b"3"]).await;
    let failure = outcomes[1].clone().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Memory, "{failure}");
    assert!(failure.message.contains("256 MiB"), "{failure}");
    assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 3, "{outcomes:?}");
    let stats = runner.stats();
    assert!(stats.memory_bytes < 128 << 20, "what was grabbed is free again: {stats:?}");
}

#[tokio::test]
async fn a_single_huge_allocation_is_a_memory_failure() {
    for size in ["10 << 30", "1 << 30"] {
        let failure = answer_to(&format!("return len(bytearray({size}))"), b"{}").await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Memory, "{failure}");
        assert!(failure.message.contains("256 MiB"), "{failure}");
    }
}

#[tokio::test]
async fn an_instance_whose_memory_has_grown_is_replaced() {
    let source = "kept = []\n\
                  def execute(h, p):\n    kept.append(bytearray(b'x') * (32 << 20))\n";
    let mut runner = runner(belt_spec(source).0).await;
    for _ in 0..20 {
        assert_eq!(run(&mut runner, &[b"1"]).await, [Ok(vec![])]);
    }
    let stats = runner.stats();
    assert_eq!(stats.instances_failed, 0, "{stats:?}");
    assert!(stats.instances_recycled >= 2, "{stats:?}");
}

#[tokio::test]
async fn answers_leave_nothing_behind_in_the_instance() {
    let source = "from grnry_belt.models.direct_update import DirectUpdate\n\
                  def execute(h, p):\n    return [DirectUpdate('livesegment-dataoutp', {'id': '1', 'v': 'x' * 10_000})]\n";
    let mut runner = runner(belt_spec(source).0).await;
    let payloads = [b"1".as_slice(); 100];
    run(&mut runner, &payloads).await;
    let before = runner.stats().memory_bytes;
    // A hundred times the answer of one call: 100 MB.
    for _ in 0..100 {
        run(&mut runner, &payloads).await;
    }
    let stats = runner.stats();
    assert_eq!((stats.instances, stats.instances_recycled), (1, 0), "{stats:?}");
    assert!(stats.memory_bytes < before + (4 << 20), "{before} bytes before, now {stats:?}");
}

#[tokio::test]
async fn recursion_without_end_fails_its_event_alone() {
    let mut runner = runner(belt_spec(MOODY).0).await;
    let outcomes = run(&mut runner, &[b"1", b"\"recurse\"", b"2"]).await;
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok(), "{outcomes:?}");
    let failure = outcomes[1].clone().unwrap_err();
    assert!(!matches!(failure.kind, FailureKind::Deadline | FailureKind::Output), "{failure:?}");
}

#[tokio::test]
async fn a_belt_that_ends_its_process_fails_its_event_alone() {
    let mut runner = runner(belt_spec(MOODY).0).await;
    let outcomes = run(&mut runner, &[b"1", b"\"exit\"", b"2"]).await;
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok(), "{outcomes:?}");
    let failure = outcomes[1].clone().unwrap_err();
    assert!(!failure.message.is_empty(), "{failure:?}");
}

#[tokio::test]
async fn deeply_nested_payloads_fail_as_errors() {
    let mut runner = runner(belt_spec(MOODY).0).await;
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let outcomes = run(&mut runner, &[b"1", deep.as_bytes(), b"2"]).await;
    let failure = outcomes[1].clone().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Input);
    assert!(failure.message.contains("nested too deeply"), "{failure}");
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    assert_eq!(runner.stats().instances, 1);

    let parse =
        "import json\ntry:\n    json.loads('[' * 100000)\nexcept RecursionError as e:\n    return 'refused'";
    assert_eq!(answer_to(parse, b"{}").await.unwrap(), "refused");
}

#[tokio::test]
async fn files_and_sockets_are_errors_of_the_event() {
    for body in [
        "return open('/etc/passwd').read()",
        "open('/tmp/x', 'w')",
        "import os\nreturn os.listdir('/')",
        "import socket\nreturn socket.create_connection(('127.0.0.1', 80))",
        "import urllib.request\nreturn urllib.request.urlopen('http://127.0.0.1/')",
        "import subprocess\nsubprocess.run(['ls'])",
        "import threading\nthreading.Thread(target=print).start()",
        "import os\nreturn os.environ['PATH']",
    ] {
        let failure = answer_to(body, b"{}").await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Exception, "{body}: {failure}");
        assert!(!failure.message.is_empty(), "{body}: {failure:?}");
    }
}

#[tokio::test]
async fn large_batches_are_split_and_stay_in_order() {
    let source = "from grnry_belt.models.direct_update import DirectUpdate\n\
                  def execute(h, p):\n    return DirectUpdate('livesegment-dataoutp', {'id': str(p)})\n";
    let mut runner = runner(belt_spec(source).0).await;
    let payloads: Vec<_> = (0..1000).map(|n| n.to_string().into_bytes()).collect();
    let outcomes = run(&mut runner, &payloads.iter().map(Vec::as_slice).collect::<Vec<_>>()).await;
    assert_eq!(outcomes.len(), 1000);
    for (n, outcome) in outcomes.iter().enumerate() {
        let [granary_sandbox::Update::Direct { id, .. }] = outcome.as_ref().unwrap().as_slice() else {
            panic!("expected one row, got {outcome:?}")
        };
        assert_eq!(*id, n.to_string());
    }
    assert!(runner.stats().calls >= 4);
}
