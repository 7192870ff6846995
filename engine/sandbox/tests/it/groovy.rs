//! Transforms in Groovy. What the language does is tested beside its interpreter; here is what the sandbox makes of it.

use std::sync::Arc;
use std::time::Duration;

use granary_sandbox::{
    Component, Diagnostic, Error, EventIn, FailureKind, Language, Level, LogSink, Runner, Sandbox,
    ScriptSpec, TransformMessage, TransformOutcome, Transformed,
};

use crate::support::{Lines, guest_path, headers, python, transform_spec};

/// The guide's, as its fourth step shows it.
const GUIDE: &str = include_str!("../../../../tests/fixtures/walkthrough/step4-transform.groovy");

async fn groovy() -> (Sandbox, Arc<Component>) {
    let (sandbox, _) = python().await;
    let runtime = sandbox.load_runtime(guest_path("groovy.wasm")).await.unwrap();
    (sandbox, runtime)
}

fn spec(source: &str) -> ScriptSpec {
    ScriptSpec { language: Language::Groovy, ..transform_spec(source) }
}

async fn runner_of(spec: ScriptSpec) -> Runner {
    let (sandbox, runtime) = groovy().await;
    Runner::new(sandbox, runtime, spec).await.unwrap()
}

async fn outcomes_of(runner: &mut Runner, payloads: &[&[u8]]) -> Vec<TransformOutcome> {
    let headers = headers("c-1");
    let records: Vec<_> = payloads.iter().map(|payload| EventIn { headers: &headers, payload }).collect();
    runner.run_transform(&records).await.unwrap()
}

async fn outcomes(source: &str, payloads: &[&[u8]]) -> Vec<TransformOutcome> {
    outcomes_of(&mut runner_of(spec(source)).await, payloads).await
}

fn texts(all: &[&str]) -> TransformOutcome {
    let text = |text: &&str| TransformMessage::Text(text.as_bytes().to_vec());
    Ok(Transformed::Messages(all.iter().map(text).collect()))
}

async fn refusal(source: &str) -> Diagnostic {
    let (sandbox, runtime) = groovy().await;
    match sandbox.check(&runtime, &spec(source)).await {
        Err(Error::Refused(refusal)) => refusal.diagnostics.into_iter().next().expect("a diagnostic"),
        other => panic!("{source} should be refused, got {other:?}"),
    }
}

/// A record of the collector in Thrift's binary protocol, with a body (field 340) or without.
fn record(body: Option<&str>) -> Vec<u8> {
    let text = |id: u16, text: &str| {
        let length = u32::try_from(text.len()).unwrap().to_be_bytes();
        [&[11], &id.to_be_bytes()[..], &length, text.as_bytes()].concat()
    };
    let mut record = text(31_337, "iglu:com.snowplowanalytics.snowplow/CollectorPayload/thrift/1-0-0");
    record.extend(text(100, "127.0.0.1"));
    record.extend([&[10], &200_u16.to_be_bytes()[..], &1_u64.to_be_bytes()].concat());
    record.extend(text(210, "UTF-8"));
    record.extend(text(220, "granary"));
    record.extend(body.map(|body| text(340, body)).unwrap_or_default());
    record.push(0);
    record
}

#[tokio::test]
async fn the_guides_script_runs_as_it_is_printed() {
    let body = r#"{"appId":"liveSegmenttest","firstName":"Andrew"}"#;
    let records = [
        record(Some(body)),
        record(Some(r#"{"appId":"other"}"#)),
        record(Some(r#"[{"appId":"liveSegmenttest"}]"#)),
        record(None),
        record(Some("no json")),
        b"no record".to_vec(),
    ];
    let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    // As it is, and as the guide's request body has it: each line end two characters.
    for source in [GUIDE.to_owned(), GUIDE.replace('\n', "\\n")] {
        let outcomes = outcomes(&source, &records).await;
        assert_eq!(outcomes[..3], [texts(&[body]), Ok(Transformed::Skip), Ok(Transformed::Skip)]);
        for failed in &outcomes[3..] {
            assert_eq!(failed.as_ref().unwrap_err().kind, FailureKind::Exception, "{outcomes:?}");
        }
    }
}

#[tokio::test]
async fn results_become_messages_by_their_kind() {
    let source = "import io.grnry.scdfapps.scriptable.DeletionEvent\n\
                  def text = new String(payload)\n\
                  switch (text) {\n\
                  case 'null': return null\n\
                  case 'empty': return []\n\
                  case 'map': return [b: 1, a: 2.50]\n\
                  case 'list': return [new DeletionEvent('c', 'e'), new DeletionEvent('c'), '{\"x\": 1}', [n: 1]]\n\
                  case 'headers': return [h: headers['grnry-event-id']]\n\
                  }\n\
                  text\n";
    let payloads: [&[u8]; 7] =
        [b"null", b"empty", b"map", b"list", b"headers", b"[{\"a\": 1.0}, null, 2]", b"words"];
    let outcomes = outcomes(source, &payloads).await;
    let (skip, deletion) = (Ok(Transformed::Skip), |event_id: Option<&str>| TransformMessage::Deletion {
        correlation_id: "c".into(),
        event_id: event_id.map(str::to_owned),
    });
    let text = |text: &str| TransformMessage::Text(text.as_bytes().to_vec());
    let list = vec![deletion(Some("e")), deletion(None), text(r#"{"x": 1}"#), text(r#"{"n":1}"#)];
    assert_eq!(outcomes[..2], [skip.clone(), skip]);
    assert_eq!(outcomes[2], texts(&[r#"{"b":1,"a":2.50}"#]));
    assert_eq!(outcomes[3], Ok(Transformed::Messages(list)));
    assert_eq!(outcomes[4], texts(&[r#"{"h":"c-1"}"#]));
    assert_eq!(outcomes[5], texts(&[r#"{"a": 1.0}"#, "2"]));
    assert!(outcomes[6].as_ref().unwrap_err().message.contains("must return JSON"), "{outcomes:?}");
}

#[tokio::test]
async fn a_record_that_throws_fails_alone_and_names_the_line() {
    let source = "def check(text) {\n  if (text == 'bad') throw new IllegalStateException('no ' + text)\n  '1'\n}\n\
                  check(new String(payload))\n";
    let mut runner = runner_of(spec(source)).await;
    let outcomes = outcomes_of(&mut runner, &[b"a", b"bad", b"b"]).await;
    assert_eq!((&outcomes[0], &outcomes[2]), (&texts(&["1"]), &texts(&["1"])));
    let failure = outcomes[1].as_ref().unwrap_err();
    assert_eq!(failure.type_name, "java.lang.IllegalStateException");
    assert_eq!(failure.message, "no bad");
    assert!(failure.traceback.contains("2") && failure.traceback.contains("5"), "{}", failure.traceback);
    assert_eq!(runner.stats().instances, 1, "an exception costs no instance");
}

#[tokio::test]
async fn what_is_outside_of_the_language_is_refused_with_its_place() {
    let diagnostic = refusal("def a = 1\nnew Thread({ a }).start()\n").await;
    assert_eq!((diagnostic.line, diagnostic.column), (Some(2), Some(5)), "{diagnostic:?}");
    assert!(diagnostic.message.contains("Thread"), "{diagnostic:?}");
    let diagnostic = refusal("if (true {\n}\n").await;
    assert_eq!(diagnostic.line, Some(1), "{diagnostic:?}");
    assert!(diagnostic.excerpt.contains("if (true {"), "{diagnostic:?}");
}

#[tokio::test]
async fn hostile_scripts_fail_their_records_and_no_others() {
    let source = "def deep(n) { deep(n + 1) }\n\
                  switch (new String(payload)) {\n\
                  case 'deep': deep(0); break\n\
                  case 'wide': def all = []; while (true) { all << new String(payload) * 100000 }; break\n\
                  case 'long': while (true) { }\n\
                  case 'pattern': return ('a' * 40 + 'b') ==~ /(a+)+c/ ? '1' : '2'\n\
                  }\n\
                  '0'\n";
    let mut runner = runner_of(spec(source)).await;
    let outcomes = outcomes_of(&mut runner, &[b"deep", b"x", b"wide", b"x", b"long", b"x", b"pattern"]).await;
    let kind = |at: usize| outcomes[at].as_ref().map_err(|failure| failure.kind);
    assert_eq!(kind(0), Err(FailureKind::StackOverflow), "{outcomes:?}");
    for bounded in [2, 4] {
        assert!(outcomes[bounded].is_err(), "{outcomes:?}");
    }
    for good in [1, 3, 5] {
        assert_eq!(outcomes[good], texts(&["0"]));
    }
}

#[tokio::test]
async fn the_deadline_ends_what_no_limit_of_the_interpreter_does() {
    let source = "if (new String(payload) == 'long') { while (true) { } }\n'0'\n";
    let limit = Duration::from_millis(300);
    let mut runner = runner_of(ScriptSpec { call_timeout: limit, ..spec(source) }).await;
    let outcomes = outcomes_of(&mut runner, &[b"x", b"long", b"x"]).await;
    assert_eq!(outcomes[1].as_ref().unwrap_err().kind, FailureKind::Deadline, "{outcomes:?}");
    assert_eq!((&outcomes[0], &outcomes[2]), (&texts(&["0"]), &texts(&["0"])));
}

#[tokio::test]
async fn what_a_script_prints_and_logs_is_kept() {
    let lines = Arc::new(Lines::default());
    let log: Arc<dyn LogSink> = lines.clone();
    let source = "import java.util.logging.Logger\n\
                  println 'printed'\n\
                  Logger.getLogger('mine').warning('logged')\n\
                  null\n";
    let mut runner = runner_of(ScriptSpec { log, ..spec(source) }).await;
    assert_eq!(outcomes_of(&mut runner, &[b"x"]).await, [Ok(Transformed::Skip)]);
    let line = |level, logger: &str, text: &str| (level, logger.to_owned(), text.to_owned());
    let wanted = [line(Level::Info, "stdout", "printed"), line(Level::Warning, "mine", "logged")];
    assert_eq!(lines.taken(), wanted);
}

#[tokio::test]
async fn variables_of_one_record_are_not_there_for_the_next() {
    let source = "def known = binding.hasVariable('seen')\nseen = true\nknown ? '1' : '0'\n";
    assert_eq!(outcomes(source, &[b"x", b"x"]).await, [texts(&["0"]), texts(&["0"])]);
}
