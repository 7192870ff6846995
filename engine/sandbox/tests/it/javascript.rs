//! Belts in JavaScript and TypeScript.

use std::sync::Arc;
use std::time::Duration;

use granary_sandbox::{
    BeltOutcome, Component, Error, EventIn, Failure, FailureKind, Language, Level, Runner, Sandbox,
    ScriptSpec, Update, session,
};
use serde_json::{Value, json};

use crate::support::{Lines, belt_spec, guest_path, python, run};

async fn javascript() -> (Sandbox, Arc<Component>) {
    let (sandbox, _) = python().await;
    let runtime = sandbox.load_runtime(guest_path("javascript.wasm")).await.unwrap();
    (sandbox, runtime)
}

fn spec(source: &str) -> (ScriptSpec, Arc<Lines>) {
    let (spec, lines) = belt_spec(source);
    (ScriptSpec { language: Language::JavaScript, ..spec }, lines)
}

async fn runner_of(spec: ScriptSpec) -> Runner {
    let (sandbox, runtime) = javascript().await;
    Runner::new(sandbox, runtime, spec).await.unwrap()
}

/// A belt of a function body that sees `h` and `p` and answers the value of a row; run on each of the payloads.
async fn outcomes(body: &str, payloads: &[&[u8]]) -> Vec<BeltOutcome> {
    let source = format!(
        "import * as granary from 'granary-belt';\nfunction work(h, p) {{\n{body}\n}}\n\
         export function execute(h, p) {{\n  \
         return [new granary.DirectUpdate('livesegment-dataoutp', {{ id: '1', v: work(h, p) }})];\n}}\n"
    );
    run(&mut runner_of(spec(&source).0).await, payloads).await
}

async fn answer(body: &str, payload: &[u8]) -> Result<Value, Failure> {
    outcomes(body, &[payload]).await.remove(0).map(|updates| match updates.as_slice() {
        [Update::Direct { value, .. }] => serde_json::from_slice::<Value>(value).unwrap()["v"].clone(),
        other => panic!("expected one row, got {other:?}"),
    })
}

async fn refusal(source: &str) -> granary_sandbox::Diagnostic {
    let (sandbox, runtime) = javascript().await;
    match sandbox.check(&runtime, &spec(source).0).await {
        Err(Error::Refused(refusal)) => refusal.diagnostics.into_iter().next().expect("a diagnostic"),
        other => panic!("{source} should be refused, got {other:?}"),
    }
}

#[tokio::test]
async fn the_guides_callback_makes_a_row_in_typescript() {
    let source = "import { DirectUpdate, type Headers } from 'granary-belt';\n\
                  interface Person { firstName: string; lastName: string }\n\
                  export const execute = (headers: Headers, payload: Person): DirectUpdate[] => {\n  \
                  const id: string = headers['grnry-correlation-id']!;\n  \
                  return [new DirectUpdate('livesegment-dataoutp', { id, firstName: payload.firstName as string })];\n};\n";
    let mut runner = runner_of(spec(source).0).await;
    let outcomes = run(&mut runner, &["{\"firstName\":\"Andr\u{e9}\",\"lastName\":\"P\"}".as_bytes()]).await;
    let value = "{\"id\":\"c-1\",\"firstName\":\"Andr\u{e9}\"}".as_bytes().to_vec();
    let row = Update::Direct { event_type: "livesegment-dataoutp".into(), id: "c-1".into(), value };
    assert_eq!(outcomes, [Ok(vec![row])]);
}

#[tokio::test]
async fn an_exception_has_its_type_its_line_and_leaves_its_neighbours_alone() {
    let body = "  const name = p.person.name;\n  return name;";
    let good: &[u8] = br#"{"person":{"name":"a"}}"#;
    let all = outcomes(body, &[good, b"{}", good]).await;
    assert!(all[0].is_ok() && all[2].is_ok(), "{all:?}");
    let failure = all[1].clone().unwrap_err();
    assert_eq!((failure.kind, failure.type_name.as_str()), (FailureKind::Exception, "TypeError"));
    assert!(failure.traceback.contains("at work (extractorFn:3:"), "{}", failure.traceback);
    assert!(failure.traceback.contains("const name = p.person.name;"), "{}", failure.traceback);
    assert!(failure.traceback.contains("at execute (extractorFn:7:"), "{}", failure.traceback);
}

#[tokio::test]
async fn retries_and_values_that_are_no_errors() {
    let failure =
        answer("class Later extends granary.RetryException {}\nthrow new Later('soon');", b"{}").await;
    let failure = failure.unwrap_err();
    assert_eq!(
        (failure.retryable, failure.type_name.as_str(), failure.message.as_str()),
        (true, "Later", "soon")
    );
    let failure = answer("throw 'text';", b"{}").await.unwrap_err();
    assert!(
        !failure.retryable && failure.message.contains("text was thrown, which is no Error"),
        "{failure}"
    );
    assert!(answer("throw null;", b"{}").await.is_err());
    assert!(answer("throw { get name() { throw 1 }, get stack() { throw 2 } };", b"{}").await.is_err());
}

#[tokio::test]
async fn every_class_of_update_arrives() {
    let source = "import { GrnryEventUpdate, Update } from 'granary-belt';\n\
                  export default function execute(h, p) {\n  \
                  return [new GrnryEventUpdate('chained', 'c', 'e', 1700000000, { a: 1 }).setValue({ n: p.n }),\n    \
                  new Update('c', ['a', 'b']).setValue('x').setType('people')];\n}\n";
    let outcome = run(&mut runner_of(spec(source).0).await, &[b"{\"n\":1}"]).await.remove(0).unwrap();
    let Update::Event { event_type, event_id, timestamp, headers, payload, .. } = &outcome[0] else {
        panic!("{outcome:?}")
    };
    assert_eq!((event_type.as_str(), event_id.as_deref()), ("chained", Some("e")));
    assert_eq!(timestamp.as_deref(), Some("1700000000000"));
    assert_eq!(headers.as_deref(), Some(&[("a".to_owned(), "1".to_owned())][..]));
    assert_eq!(payload, b"{\"n\":1}");
    let Update::Profile(profile) = &outcome[1] else { panic!("{outcome:?}") };
    let profile: Value = serde_json::from_slice(profile).unwrap();
    assert_eq!(
        (&profile["_profile_type"], &profile["_value"]["_origin"]),
        (&json!("people"), &json!("/belts/1"))
    );
}

#[tokio::test]
async fn a_raw_message_may_be_bytes() {
    let source = "import { GenericUpdate } from 'granary-belt';\n\
                  export function execute(h, p) { return new GenericUpdate('k', p, { h: 'x' }); }\n";
    let (mut spec, _) = spec(source);
    spec.config["outputTypes"] = json!([]);
    let outcome = run(&mut runner_of(spec).await, &[b"\xff\xfe", b"\"text\"", b"{\"a\":1}"]).await;
    let values: Vec<_> = outcome
        .iter()
        .map(|outcome| match outcome.as_deref() {
            Ok([Update::Generic { value, .. }]) => value.as_slice(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(values, [&b"\xff\xfe"[..], b"text", b"{\"a\":1}"]);
}

#[tokio::test]
async fn wrong_updates_say_what_is_wrong_and_where_they_were_made() {
    for (made, type_name, text) in [
        (
            "new DirectUpdate('livesegment-dataout', { id: '1' })",
            "UndeclaredOutput",
            "did you mean 'livesegment-dataoutp'?",
        ),
        ("new DirectUpdate('chained', { id: '1' })", "WrongOutputKind", "is of kind data_in"),
        ("new DirectUpdate('livesegment-dataoutp', { name: 1 })", "MissingId", "keys: name"),
        ("new DirectUpdate('livesegment-dataoutp', { id: 1.5 })", "MissingId", "of type number"),
        ("new DirectUpdate('livesegment-dataoutp', [1])", "InvalidUpdate", "a list"),
        ("new GrnryEventUpdate('chained', 'c')", "InvalidUpdate", "setValue(...) was not called"),
        ("new GrnryEventUpdate('chained', '').setValue({})", "InvalidUpdate", "an empty text"),
    ] {
        let source = format!(
            "import {{ DirectUpdate, GrnryEventUpdate }} from 'granary-belt';\nfunction make() {{\n  return {made};\n}}\n\
             export function execute(h, p) {{ return [make()]; }}\n"
        );
        let failure = run(&mut runner_of(spec(&source).0).await, &[b"{}"]).await.remove(0).unwrap_err();
        assert_eq!(failure.type_name, type_name, "{failure}");
        assert!(failure.message.contains(text), "{failure}");
        if type_name != "MissingId" || made.contains("name") {
            assert!(failure.traceback.contains("at make (extractorFn:3:"), "{made}: {}", failure.traceback);
        }
    }
}

#[tokio::test]
async fn an_output_without_a_name_fails_its_event_alone_even_as_the_first() {
    let source = "import { DirectUpdate } from 'granary-belt';\n\
                  export function execute(h, p) { return [new DirectUpdate(p.to, { id: 'x' })]; }\n";
    let good: &[u8] = br#"{"to":"livesegment-dataoutp"}"#;
    let all =
        run(&mut runner_of(spec(source).0).await, &[br#"{"to":null}"#, b"{}", good, br#"{"to":null}"#, good])
            .await;
    for at in [0, 1, 3] {
        let failure = all[at].as_ref().unwrap_err();
        assert_eq!(failure.type_name, "UndeclaredOutput", "{failure}");
        assert!(failure.traceback.contains("extractorFn:2:"), "{}", failure.traceback);
    }
    assert!(all[2].is_ok() && all[4].is_ok(), "{all:?}");
}

#[tokio::test]
async fn what_json_does_not_have_fails_with_its_place() {
    for (body, text) in [
        ("return { a: [1, NaN] };", "v.a[1] is not JSON: it is NaN"),
        ("return [undefined];", "v[0] is not JSON: it is of type undefined"),
        ("return { f: [() => 1] };", "v.f[0] is not JSON: it is of type function"),
        ("return { m: new Map([[1, 2]]) };", "v.m is not JSON: it is a Map"),
        ("return 10n;", "BigInt"),
        ("const a = {}; a.a = a; return a;", "v.a is not JSON: it contains itself"),
        ("let a = 1; for (let i = 0; i < 200; i++) a = [a]; return a;", "nested deeper"),
    ] {
        let failure = answer(body, b"{}").await.unwrap_err();
        assert!(failure.message.contains(text), "{body}: {failure}");
    }
    let kept = answer("return { a: null, b: {}, c: undefined, d: new Date(0), e: [null, {}] };", b"{}").await;
    assert_eq!(kept.unwrap(), json!({"a": null, "b": {}, "d": "1970-01-01T00:00:00.000Z", "e": [null, {}]}));
}

#[tokio::test]
async fn sources_are_refused_with_their_line() {
    for (source, line, text) in [
        ("export function execute(h, p) {\n  return [;\n}\n", 2, "SyntaxError"),
        ("let a = 1;\nlet a = 2;\nexport function execute(h, p) {}\n", 2, "redeclaration"),
        ("import fs from 'fs';\nexport function execute() { fs(); }\n", 1, "'fs' cannot be imported"),
        ("const a = 1;\nnothing();\nexport function execute() {}\n", 2, "nothing is not defined"),
        ("export const other = 1;\n", 0, "exports no function named execute"),
        ("export const execute = 1;\n", 1, "must be a function"),
        ("export async function execute(h, p) {}\n", 1, "async"),
        ("export function* execute(h, p) {}\n", 1, "generator"),
        ("export function execute(a, b, c) {}\n", 1, "requires 3 arguments, but gets 2"),
    ] {
        let diagnostic = refusal(source).await;
        assert!(diagnostic.message.contains(text), "{source}: {diagnostic}");
        assert_eq!(diagnostic.line, (line > 0).then_some(line), "{source}: {diagnostic}");
    }
}

#[tokio::test]
async fn what_a_belt_cannot_do_is_said() {
    for (body, text) in [
        ("fetch('http://example.org'); return 1;", "use fetchSync of 'granary-belt': 'fetch'"),
        ("setTimeout(() => 1, 10); return 1;", "a belt has no timers"),
        ("new Worker('x'); return 1;", "cannot start threads"),
        ("return require('fs');", "'fs' cannot be imported"),
    ] {
        let failure = answer(body, b"{}").await.unwrap_err();
        assert!(failure.message.contains(text), "{body}: {failure}");
    }
}

#[tokio::test]
async fn logs_go_to_the_belts_log_by_level() {
    let source = "console.log('loaded');\nexport function execute(h, p) {\n  \
                  console.warn('careful', { a: 1 }, [2]); console.debug('hidden'); console.error(new TypeError('t'));\n  \
                  console.log('\\ud800'); return []; }\n";
    let (spec, lines) = spec(source);
    let mut runner = runner_of(spec).await;
    run(&mut runner, &[b"{}"]).await.remove(0).unwrap();
    let line = |level, text: &str| (level, "console".to_owned(), text.to_owned());
    let wanted = [
        line(Level::Info, "loaded"),
        line(Level::Warning, "careful {\"a\":1} [2]"),
        line(Level::Error, "TypeError: t"),
        line(Level::Info, "\u{fffd}"),
    ];
    assert_eq!(lines.taken(), wanted);
}

#[tokio::test]
async fn chance_and_time_are_real_and_differ_between_instances() {
    let mut seen = std::collections::HashSet::new();
    for _ in 0..3 {
        let drawn = answer("return [Math.random(), crypto.randomUUID(), Date.now()];", b"{}").await.unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        assert!(now.abs_diff(u128::from(drawn[2].as_u64().unwrap())) < 600_000, "{drawn}");
        assert!(seen.insert(drawn[0].to_string()) && seen.insert(drawn[1].to_string()), "{drawn}");
    }
}

#[tokio::test]
async fn the_environment_is_that_of_the_definition() {
    let source = "import { env, DirectUpdate } from 'granary-belt';\nexport function execute(h, p) {\n  \
                  return new DirectUpdate('livesegment-dataoutp', { id: env.NAME, other: process.env.NAME }); }\n";
    let (mut spec, _) = spec(source);
    spec.config["env"] = json!({"NAME": "x"});
    let outcome = run(&mut runner_of(spec).await, &[b"{}"]).await.remove(0).unwrap();
    let Update::Direct { value, .. } = &outcome[0] else { panic!("{outcome:?}") };
    assert_eq!(value, br#"{"id":"x","other":"x"}"#);
}

#[tokio::test]
async fn hostile_belts_lose_their_event_and_nothing_else() {
    let bad = json!({"bad": true}).to_string();
    for (body, kind) in [
        ("while (true) {}", FailureKind::Deadline),
        ("const all = []; while (true) all.push(new Array(100000).fill('x'));", FailureKind::Memory),
        ("return 'x'.repeat(2 ** 29) + 'y'.repeat(2 ** 29);", FailureKind::Memory),
        ("const f = () => f() + 1; return f();", FailureKind::Exception),
        ("return JSON.parse('['.repeat(1000000));", FailureKind::Exception),
        ("JSON.stringify = null;", FailureKind::Exception),
        ("console.log('x'.repeat(100 << 20)); throw new Error('logged');", FailureKind::Exception),
    ] {
        let guarded = format!("  if (p.bad) {{ {body} }}\n  return 1;");
        let source = format!(
            "import {{ DirectUpdate }} from 'granary-belt';\nfunction work(p) {{\n{guarded}\n}}\n\
             export function execute(h, p) {{ return [new DirectUpdate('livesegment-dataoutp', {{ id: '1', v: work(p) }})]; }}\n"
        );
        let (mut spec, _) = spec(&source);
        if kind == FailureKind::Deadline {
            spec.call_timeout = Duration::from_millis(300);
        }
        let mut runner = runner_of(spec).await;
        let outcomes = run(&mut runner, &[b"{}", bad.as_bytes(), b"{}"]).await;
        assert!(outcomes[0].is_ok() && outcomes[2].is_ok(), "{body}: {outcomes:?}");
        let failure = outcomes[1].clone().unwrap_err();
        assert!(failure.kind == kind, "{body}: {kind} expected, got {} {failure}", failure.kind);
        let again = run(&mut runner, &[b"{}"]).await;
        assert!(again[0].is_ok(), "{body}: the belt goes on: {again:?}");
    }
}

#[tokio::test]
async fn payloads_that_are_not_json_are_bytes_and_deep_ones_are_refused() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    let all =
        outcomes("return p instanceof Uint8Array ? [...p] : p;", &[b"\xff\x00", deep.as_bytes(), b"[1e400]"])
            .await;
    let Ok([Update::Direct { value, .. }]) = all[0].as_deref() else { panic!("{all:?}") };
    assert_eq!(value, br#"{"id":"1","v":[255,0]}"#);
    assert_eq!(all[1].as_ref().unwrap_err().kind, FailureKind::Input);
    assert!(all[2].as_ref().unwrap_err().message.contains("Infinity"), "{all:?}");
}

#[tokio::test]
async fn a_session_comes_as_two_lists() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let events = [[pair("grnry-event-id", "1")], [pair("grnry-event-id", "2")]];
    let texts = ["{\"a\": 1}", "no json"];
    let events: Vec<_> = events
        .iter()
        .zip(texts)
        .map(|(headers, text)| EventIn { headers, payload: text.as_bytes() })
        .collect();
    let (count, payload) = session::write(&events).unwrap();
    let headers = [pair("grnry-retry-count", "3"), (session::COUNT.to_owned(), count)];
    let source = "import { DirectUpdate, type ExecuteSession } from 'granary-belt';\n\
                  export const execute: ExecuteSession = (headers, payload) => \
                  [new DirectUpdate('livesegment-dataoutp', { id: '1', headers, payload })];\n";
    let mut runner = runner_of(spec(source).0).await;
    let messages = [&payload[..], &payload[1..]].map(|payload| EventIn { headers: &headers, payload });
    let outcomes = runner.run_belt(&messages).await.unwrap();
    let Update::Direct { value, .. } = &outcomes[0].as_ref().unwrap()[0] else { panic!("{outcomes:?}") };
    let wanted = json!({
        "id": "1",
        "headers": [
            {"grnry-event-id": "1", "grnry-retry-count": "3"},
            {"grnry-event-id": "2", "grnry-retry-count": "3"},
        ],
        "payload": texts,
    });
    assert_eq!(serde_json::from_slice::<Value>(value).unwrap(), wanted);
    let failure = outcomes[1].as_ref().unwrap_err();
    assert_eq!((failure.kind, failure.type_name.as_str()), (FailureKind::Input, "SessionError"));
}

#[tokio::test]
async fn each_event_has_its_own_headers_whatever_the_one_before_did_to_them() {
    let source = "import { DirectUpdate } from 'granary-belt';\n\
                  export function execute(h, p) {\n  \
                  const v = JSON.stringify(h);\n  \
                  for (const name of Object.keys(h)) { h[name] = 'spoiled'; delete h[name]; }\n  \
                  h.more = 'yes';\n  \
                  if (p.fails) throw new Error('no');\n  \
                  return [new DirectUpdate('livesegment-dataoutp', { id: 'x', v })];\n}\n";
    let lists: [&[(&str, &str)]; 9] = [
        &[("a", "1"), ("b", "x")],
        &[("a", "1"), ("b", "\"\u{e9}\n")],
        &[("a", "2"), ("b", "x")],
        &[("a", "2"), ("b", "x")],
        &[("b", "x"), ("a", "2")],
        &[("__proto__", "2"), ("a", "2")],
        &[("__proto__", "3"), ("a", "2")],
        &[],
        &[("toString", "2"), ("length", "x"), ("constructor", "")],
    ];
    let lists: Vec<Vec<(String, String)>> = lists
        .iter()
        .chain(&lists)
        .map(|pairs| pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect())
        .collect();
    let payloads: [&[u8]; 3] = [b"{}", b"{\"fails\":true}", b"{}"];
    let events: Vec<EventIn<'_>> = lists
        .iter()
        .flat_map(|headers| payloads.iter().map(move |payload| EventIn { headers, payload }))
        .collect();
    let outcomes = runner_of(spec(source).0).await.run_belt(&events).await.unwrap();
    for (at, (event, outcome)) in events.iter().zip(&outcomes).enumerate() {
        if at % payloads.len() == 1 {
            assert_eq!(outcome.as_ref().unwrap_err().message, "no");
            continue;
        }
        let [Update::Direct { value, .. }] = outcome.as_ref().unwrap().as_slice() else {
            panic!("{outcome:?}")
        };
        let seen = serde_json::from_slice::<Value>(value).unwrap()["v"].as_str().unwrap().to_owned();
        let wanted: Vec<String> =
            event.headers.iter().map(|(name, value)| format!("{}:{}", json!(name), json!(value))).collect();
        assert_eq!(seen, format!("{{{}}}", wanted.join(",")), "event {at}");
    }
}

#[tokio::test]
async fn a_large_batch_keeps_its_order() {
    let mut runner = runner_of(
        spec(
            "import { DirectUpdate } from 'granary-belt';\n\
              export function execute(h, p) { if (p % 7 === 0) throw new Error(String(p)); \
              return p % 3 ? [new DirectUpdate('livesegment-dataoutp', { id: p })] : null; }\n",
        )
        .0,
    )
    .await;
    let payloads: Vec<Vec<u8>> = (0..1_000).map(|n: u32| n.to_string().into_bytes()).collect();
    let events: Vec<_> = payloads.iter().map(|payload| EventIn { headers: &[], payload }).collect();
    for (n, outcome) in runner.run_belt(&events).await.unwrap().into_iter().enumerate() {
        match outcome {
            Err(failure) => assert_eq!((n % 7, failure.message), (0, n.to_string())),
            Ok(updates) if n % 3 == 0 => assert!(updates.is_empty()),
            Ok(updates) => {
                let Update::Direct { id, .. } = &updates[0] else { panic!("{updates:?}") };
                assert_eq!(id, &n.to_string());
            }
        }
    }
    assert_eq!(runner.stats().instances, 1);
}
