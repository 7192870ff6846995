//! Compiled belts: the hostile guest of `tests/guests`, and components that do not fit.

use std::sync::Arc;
use std::time::Duration;

use granary_sandbox::{
    BeltOutcome, Error, EventIn, Failure, FailureKind, Kind, Language, Runner, Sandbox, ScriptSpec, Update,
};

use crate::support::{self, Lines, guest_path, headers};

async fn hostile(limit: Duration) -> (Runner, Arc<Lines>) {
    let (spec, lines) = support::belt_spec("");
    let spec = ScriptSpec { language: Language::Component, call_timeout: limit, ..spec };
    let (sandbox, _) = support::python().await;
    let component = sandbox.load_file(guest_path("hostile-rust.wasm")).await.unwrap();
    sandbox.check(&component, &spec).await.unwrap();
    (Runner::new(sandbox, component, spec).await.unwrap(), lines)
}

/// Gives the belt one order between two ordinary events: they must not suffer.
async fn order(runner: &mut Runner, what: &str) -> BeltOutcome {
    let order = format!("{{\"do\":\"{what}\"}}");
    let (headers, ok) = (headers("c-1"), r#"{"do":"ok"}"#);
    let events = [ok, &order, ok].map(|p| EventIn { headers: &headers, payload: p.as_bytes() });
    let mut outcomes = runner.run_belt(&events).await.unwrap();
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok(), "{what}: the neighbours suffered: {outcomes:?}");
    outcomes.remove(1)
}

async fn failure(runner: &mut Runner, what: &str) -> Failure {
    order(runner, what).await.expect_err(what)
}

#[tokio::test]
async fn rows_come_back_byte_for_byte() {
    let (mut runner, _) = hostile(Duration::from_secs(60)).await;
    let updates = order(&mut runner, "ok").await.unwrap();
    let expected = Update::Direct {
        event_type: "livesegment-dataoutp".into(),
        id: "1".into(),
        value: br#"{"id":"1"}"#.to_vec(),
    };
    assert_eq!(updates, [expected]);
    assert_eq!(runner.stats().instances, 1);
}

#[tokio::test]
async fn errors_of_the_belt_keep_code_message_and_retry() {
    let (mut runner, _) = hostile(Duration::from_secs(60)).await;
    let error = failure(&mut runner, "error").await;
    assert_eq!(
        (error.kind, error.type_name.as_str(), error.message.as_str(), error.retryable),
        (FailureKind::Exception, "no-customer", "expected a customer, found none", false)
    );
    assert!(failure(&mut runner, "retry").await.retryable);
    assert_eq!(runner.stats().instances, 1, "an error is no reason for a new instance");
}

#[tokio::test]
async fn a_panic_says_what_and_where() {
    let (mut runner, _) = hostile(Duration::from_secs(60)).await;
    let panic = failure(&mut runner, "panic").await;
    assert_eq!(panic.kind, FailureKind::Trap);
    assert!(panic.message.contains("asked to panic") && panic.message.contains("src/lib.rs:"), "{panic}");
    let unwrap = failure(&mut runner, "unwrap").await;
    assert!(unwrap.traceback.contains("first_of"), "{}", unwrap.traceback);
    assert!(unwrap.traceback.contains("src/lib.rs:"), "{}", unwrap.traceback);
    let exit = failure(&mut runner, "exit").await;
    assert!(exit.message.contains("exit code"), "{exit}");
}

#[tokio::test]
async fn time_memory_and_stack_are_limited() {
    let (mut runner, _) = hostile(Duration::from_secs(2)).await;
    for what in ["loop", "sleep"] {
        assert_eq!(failure(&mut runner, what).await.kind, FailureKind::Deadline, "{what}");
    }
    let (mut runner, _) = hostile(Duration::from_secs(60)).await;
    assert_eq!(failure(&mut runner, "grow").await.kind, FailureKind::Memory);
    let recursion = failure(&mut runner, "recurse").await;
    assert!(recursion.message.contains("recursion"), "{recursion}");
}

#[tokio::test]
async fn too_much_is_refused_or_cut() {
    let (mut runner, lines) = hostile(Duration::from_secs(60)).await;
    let updates = failure(&mut runner, "updates").await;
    assert!(matches!(updates.kind, FailureKind::Trap | FailureKind::Memory), "{updates}");
    assert!(!updates.message.is_empty());
    let _ = order(&mut runner, "line").await;
    assert!(lines.taken().iter().all(|(_, _, line)| line.len() < 10_000));
    let _ = order(&mut runner, "lines").await;
    assert!(lines.taken().len() < 10_000);
    assert!(runner.stats().log_lines_dropped > 900_000);
}

#[tokio::test]
async fn files_and_network_are_not_granted() {
    let (mut runner, _) = hostile(Duration::from_secs(60)).await;
    for what in ["file", "write", "socket"] {
        let refused = failure(&mut runner, what).await;
        assert_eq!(refused.kind, FailureKind::Exception, "{what}: {refused}");
        assert!(!refused.message.is_empty(), "{what}");
    }
    let updates = order(&mut runner, "environment").await.unwrap();
    assert!(matches!(&updates[..], [Update::Direct { id, .. }] if id == "0"), "{updates:?}");
}

#[tokio::test]
async fn rows_that_cannot_be_used_fail_their_event_with_the_reason() {
    let (mut runner, _) = hostile(Duration::from_secs(60)).await;
    for (what, why) in [
        ("utf8", "not UTF-8"),
        ("deep", "nested deeper"),
        ("not-json", "not JSON"),
        ("no-id", "needs to contain an id"),
    ] {
        let refused = failure(&mut runner, what).await;
        assert_eq!(refused.kind, FailureKind::Output, "{what}");
        assert!(refused.message.contains(why), "{what}: {refused}");
    }
}

async fn checked(sandbox: &Sandbox, file: &str, kind: Kind) -> Result<(), Error> {
    let spec = ScriptSpec { kind, language: Language::Component, ..support::belt_spec("").0 };
    let component = sandbox.load_file(guest_path(file)).await.unwrap();
    sandbox.check(&component, &spec).await.map(drop)
}

#[tokio::test]
async fn components_of_another_world_are_refused_by_name() {
    let (sandbox, _) = support::python().await;
    checked(&sandbox, "belt-rust.wasm", Kind::Belt).await.unwrap();
    checked(&sandbox, "transform-rust.wasm", Kind::Transform).await.unwrap();
    for (file, kind, word) in [
        ("transform-rust.wasm", Kind::Belt, "granary:transform"),
        ("belt-rust.wasm", Kind::Transform, "granary:belt"),
        ("python.wasm", Kind::Belt, "granary:script/host"),
    ] {
        let error = checked(&sandbox, file, kind).await.unwrap_err();
        assert!(matches!(error, Error::World { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
    let module = sandbox.load_bytes(b"\0asm\x01\0\0\0".to_vec()).await;
    assert!(matches!(module, Err(Error::Compile(_))));
}
