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
    assert!(unwrap.traceback.starts_with("  at first_of (src/lib.rs:"), "{}", unwrap.traceback);
    assert!(unwrap.traceback.contains("\n  at execute (src/lib.rs:"), "{}", unwrap.traceback);
    for foreign in ["core::", "std::", "granary::", "_::", "/"] {
        let without = unwrap.traceback.replace("src/lib.rs", "");
        assert!(!without.contains(foreign), "{foreign}: {}", unwrap.traceback);
    }
    let exit = failure(&mut runner, "exit").await;
    assert!(exit.message.contains("exit code"), "{exit}");
}

#[tokio::test]
async fn a_flood_of_log_lines_is_bounded_and_counted() {
    let (mut runner, lines) = hostile(Duration::from_secs(60)).await;
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
    for (what, why) in [("not-json", "not JSON"), ("no-id", "needs to contain an id")] {
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
}

/// The hostile guest with one text of its binary replaced by another of the same length.
fn patched(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = std::fs::read(guest_path("hostile-rust.wasm")).unwrap();
    let places: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
    assert!(!places.is_empty(), "{from} is not in the component");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

#[tokio::test]
async fn a_component_of_a_newer_contract_or_with_other_imports_is_refused_with_each_of_them() {
    let (sandbox, _) = support::python().await;
    let spec = ScriptSpec { language: Language::Component, ..support::belt_spec("").0 };
    let problems = async |bytes: Vec<u8>| {
        let component = sandbox.load_bytes(bytes).await.unwrap();
        match sandbox.check(&component, &spec).await {
            Err(Error::World { problems, .. }) => problems,
            other => panic!("it should not fit: {other:?}"),
        }
    };
    let newer = problems(patched("granary:belt/logging@1.2.0", "granary:belt/logging@1.3.0")).await;
    assert!(newer[0].contains("of contract version 1.3.0, this engine has granary:belt@1.2.0"), "{newer:?}");
    let beyond = problems(patched("wasi:cli/", "wasi:clo/")).await;
    assert!(beyond.len() > 1 && beyond.iter().all(|one| one.contains("'wasi:clo/")), "{beyond:?}");
    let empty = problems(b"\0asm\x0d\0\x01\0".to_vec()).await;
    assert!(
        empty[0].contains("the export 'execute' is missing") && empty[0].contains("is nothing"),
        "{empty:?}"
    );
}

#[tokio::test]
async fn a_component_of_the_first_contract_still_runs() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/contract-1.0.0/belt.wasm");
    let (mut spec, lines) = support::belt_spec("");
    spec.language = Language::Component;
    spec.config["beltId"] = "7".into();
    spec.config["env"] = serde_json::json!({"VARIABLE": "value"});
    let (sandbox, _) = support::python().await;
    let component = sandbox.load_file(path).await.unwrap();
    sandbox.check(&component, &spec).await.unwrap();
    let mut runner = Runner::new(sandbox, component, spec).await.unwrap();
    // Twice, so that its memory is seen to survive a batch.
    for _ in 0..2 {
        let outcomes = support::run(&mut runner, &[br#"{"id":"1"}"#, br#"{"id":2}"#, b"{}"]).await;
        let row = |id: &str, value: &str| Update::Direct {
            event_type: "livesegment-dataoutp".into(),
            id: id.into(),
            value: value.into(),
        };
        assert_eq!(outcomes[0], Ok(vec![row("1", r#"{"id":"1"}"#)]));
        assert_eq!(outcomes[1], Ok(vec![row("2", r#"{"id":2}"#)]));
        assert!(outcomes[2].as_ref().unwrap_err().message.contains("needs to contain an id"), "{outcomes:?}");
        let logged: Vec<String> = lines.taken().into_iter().map(|(_, _, message)| message).collect();
        assert_eq!(logged, ["7", "value"]);
    }
    assert_eq!(runner.stats().instances, 1);
}

#[tokio::test]
async fn bytes_that_are_no_component_do_not_compile() {
    let (sandbox, _) = support::python().await;
    let whole = std::fs::read(guest_path("hostile-rust.wasm")).unwrap();
    let half = whole[..whole.len() / 2].to_vec();
    for bytes in [b"\0asm\x01\0\0\0".to_vec(), b"def execute(h, p): pass".to_vec(), Vec::new(), half] {
        let loaded = sandbox.load_bytes(bytes).await;
        assert!(matches!(loaded, Err(Error::Compile(_))), "{loaded:?}");
    }
}
