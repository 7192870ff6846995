//! Transforms in JavaScript. What scripts find is tested beside their runtime; here is what the sandbox makes of it.

use std::sync::Arc;
use std::time::Duration;

use granary_sandbox::{
    Component, Error, EventIn, FailureKind, Language, Runner, Sandbox, ScriptSpec, TransformMessage,
    TransformOutcome, Transformed,
};

use crate::support::{guest_path, headers, python, transform_spec};

async fn javascript() -> (Sandbox, Arc<Component>) {
    let (sandbox, _) = python().await;
    let runtime = sandbox.load_runtime(guest_path("javascript-transform.wasm")).await.unwrap();
    (sandbox, runtime)
}

fn spec(source: &str) -> ScriptSpec {
    ScriptSpec { language: Language::JavaScript, ..transform_spec(source) }
}

async fn outcomes(spec: ScriptSpec, payloads: &[&[u8]]) -> Vec<TransformOutcome> {
    let (sandbox, runtime) = javascript().await;
    let mut runner = Runner::new(sandbox, runtime, spec).await.unwrap();
    let headers = headers("c-1");
    let records: Vec<_> = payloads.iter().map(|payload| EventIn { headers: &headers, payload }).collect();
    runner.run_transform(&records).await.unwrap()
}

fn texts(all: &[&str]) -> TransformOutcome {
    let text = |text: &&str| TransformMessage::Text(text.as_bytes().to_vec());
    Ok(Transformed::Messages(all.iter().map(text).collect()))
}

#[tokio::test]
async fn the_last_expression_is_the_result() {
    let source = "var DeletionEvent = Packages.io.grnry.scdfapps.scriptable.DeletionEvent;\n\
                  var event = JSON.parse('' + payload);\n\
                  var result = null;\n\
                  if (event.kind && event.kind.equalsIgnoreCase('LIST'))\n  \
                  result = [new DeletionEvent('c', 'e'), { n: 1 }];\n\
                  else if (event.kind) result = JSON.stringify([event, 2]);\n\
                  result;\n";
    let outcomes = outcomes(spec(source), &[b"{}", br#"{"kind":"list"}"#, br#"{"kind":"x"}"#, b"no"]).await;
    assert_eq!(outcomes[0], Ok(Transformed::Skip));
    let deletion = TransformMessage::Deletion { correlation_id: "c".into(), event_id: Some("e".into()) };
    let list = vec![deletion, TransformMessage::Text(br#"{"n":1}"#.to_vec())];
    assert_eq!(outcomes[1], Ok(Transformed::Messages(list)));
    assert_eq!(outcomes[2], texts(&[r#"{"kind":"x"}"#, "2"]));
    let failure = outcomes[3].as_ref().unwrap_err();
    assert_eq!(
        (failure.kind, failure.type_name.as_str()),
        (FailureKind::Exception, "SyntaxError"),
        "{failure}"
    );
    assert!(failure.traceback.contains("script:2"), "{}", failure.traceback);
}

#[tokio::test]
async fn hostile_scripts_fail_their_records_and_no_others() {
    let source = "function deep(n) { return deep(n + 1) + 1; }\n\
                  var text = '' + payload;\n\
                  if (text == 'deep') deep(0);\n\
                  if (text == 'nested') JSON.stringify(JSON.parse('['.repeat(100000) + ']'.repeat(100000)));\n\
                  if (text == 'wide') { var all = []; while (true) all.push('x'.repeat(100000) + all.length); }\n\
                  if (text == 'promise') Promise.resolve().then(function again() { return Promise.resolve().then(again); });\n\
                  '0';\n";
    let payloads: [&[u8]; 8] = [b"deep", b"x", b"nested", b"x", b"wide", b"x", b"promise", b"x"];
    let outcomes = outcomes(spec(source), &payloads).await;
    for (payload, outcome) in payloads.iter().zip(&outcomes) {
        // What a script promises and does not wait for is no part of its result; it ends with the record.
        let good = matches!(*payload, b"x" | b"promise");
        assert_eq!(outcome.is_ok(), good, "{}: {outcome:?}", String::from_utf8_lossy(payload));
    }
}

#[tokio::test]
async fn the_deadline_ends_what_no_limit_of_the_interpreter_does() {
    let source = "if ('' + payload == 'long') { while (true) { } }\n'0'\n";
    let spec = ScriptSpec { call_timeout: Duration::from_millis(300), ..spec(source) };
    let outcomes = outcomes(spec, &[b"x", b"long", b"x"]).await;
    assert_eq!((&outcomes[0], &outcomes[2]), (&texts(&["0"]), &texts(&["0"])));
    assert!(outcomes[1].is_err(), "{outcomes:?}");
}

#[tokio::test]
async fn what_is_no_javascript_is_refused_with_its_place() {
    let (sandbox, runtime) = javascript().await;
    let checked = sandbox.check(&runtime, &spec("var a = 1;\nif (a {\n")).await;
    let Err(Error::Refused(refusal)) = checked else { panic!("{checked:?}") };
    assert_eq!(refusal.diagnostics[0].line, Some(2), "{refusal:?}");
    assert!(refusal.diagnostics[0].excerpt.contains("if (a {"), "{refusal:?}");
}
