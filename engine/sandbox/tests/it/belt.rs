//! Belts that work, and belts that raise.

use granary_sandbox::{FailureKind, Level, Update};
use serde_json::{Value, json};

use crate::support::{answer_to, belt_spec, fixture, run, runner};

const ANDREW: &[u8] = br#"{"firstName":"Andrew","lastName":"Peterson"}"#;

#[tokio::test]
async fn the_guides_callback_makes_a_row() {
    let mut runner = runner(belt_spec(&fixture("guide.py")).0).await;
    let outcomes = run(&mut runner, &[ANDREW, br#"{"firstName":"","lastName":1}"#]).await;
    let row = |first, last| {
        let value = format!(r#"{{"id":"c-1","firstName":"{first}","lastName":"{last}"}}"#).into_bytes();
        Ok(vec![Update::Direct { event_type: "livesegment-dataoutp".into(), id: "c-1".into(), value }])
    };
    assert_eq!(outcomes, [row("Andrew", "Peterson"), row("", "1")]);
}

#[tokio::test]
async fn a_missing_field_is_a_key_error_with_the_users_line() {
    let mut runner = runner(belt_spec(&fixture("guide.py")).0).await;
    let outcomes = run(&mut runner, &[ANDREW, br#"{"lastName":"Peterson"}"#, ANDREW]).await;
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok(), "the others of the batch are unharmed: {outcomes:?}");
    let failure = outcomes[1].clone().unwrap_err();
    assert_eq!((failure.kind, failure.type_name.as_str()), (FailureKind::Exception, "KeyError"));
    assert_eq!(failure.message, "'firstName'");
    assert!(failure.traceback.contains("line 13, in execute"), "{}", failure.traceback);
    assert!(failure.traceback.contains("event_payload['firstName']"), "{}", failure.traceback);
    assert!(!failure.retryable);
    assert_eq!(runner.stats().instances, 1, "an exception costs no instance");
}

#[tokio::test]
async fn an_undeclared_output_names_the_declared_ones() {
    let source = "from grnry_belt.models.direct_update import DirectUpdate\n\
                  def execute(h, p):\n    return [DirectUpdate('elsewhere', {'id': '1'})]\n";
    let failure = run(&mut runner(belt_spec(source).0).await, &[b"{}"]).await.remove(0).unwrap_err();
    assert!(failure.message.contains("elsewhere"), "{failure}");
    assert!(failure.message.contains("livesegment-dataoutp"), "{failure}");
}

#[tokio::test]
async fn a_retry_exception_asks_for_a_retry() {
    let source = "from grnry_belt.exceptions.exception import RetryException\n\
                  def execute(h, p):\n    raise RetryException('later')\n";
    let failure = run(&mut runner(belt_spec(source).0).await, &[b"{}"]).await.remove(0).unwrap_err();
    assert!(failure.retryable);
    assert_eq!(failure.message, "later");
}

#[tokio::test]
async fn chained_events_and_profile_updates_are_read() {
    let source = "from grnry_belt.models.grnry_event_update import GrnryEventUpdate\n\
                  from grnry_belt.models.update import Update\n\
                  def execute(h, p):\n    \
                      e = GrnryEventUpdate('chained', 'c', event_id='e')\n    \
                      e.set_value({'n': p['n']})\n    \
                      u = Update('c', ['a', 'b']).set_value('x').set_type('people')\n    \
                      return [e, u]\n";
    let outcomes = run(&mut runner(belt_spec(source).0).await, &[br#"{"n":1}"#]).await;
    let updates = outcomes[0].clone().unwrap();
    let Update::Event { event_type, correlation_id, event_id, payload, .. } = &updates[0] else {
        panic!("expected an event, got {updates:?}")
    };
    assert_eq!((event_type.as_str(), correlation_id.as_str()), ("chained", "c"));
    assert_eq!((event_id.as_deref(), payload.as_slice()), (Some("e"), br#"{"n":1}"#.as_slice()));
    let Update::Profile(profile) = &updates[1] else { panic!("expected a profile update, got {updates:?}") };
    let profile: Value = serde_json::from_slice(profile).unwrap();
    assert_eq!((&profile["_id"], &profile["_path"]), (&json!("c"), &json!(["a", "b"])));
}

#[tokio::test]
async fn none_and_an_empty_list_emit_nothing() {
    let source = "def execute(h, p):\n    return None if p else []\n";
    assert_eq!(run(&mut runner(belt_spec(source).0).await, &[b"0", b"1"]).await, [Ok(vec![]), Ok(vec![])]);
}

#[tokio::test]
async fn json_values_reach_the_belt_and_come_back_as_they_were() {
    let payload = r#"{"int":123456789012345678901234567890123456789,"negative":-9007199254740993,
        "zero":-0,"float":0.1,"small":5e-324,"unicode":"grüße 😀 \u0000 \" \\","ключ":[true,false,null],
        "again":{"ключ":1,"int":2,"":""},"empty":[[],{}],"ints":[0,-1,2147483647,2147483648,-2147483648,-2147483649,
        1073741824,32768,32767,999999999999999999,1000000000000000000]}"#;
    let answer = answer_to("return p", payload.as_bytes()).await.unwrap();
    let mut expected: Value = serde_json::from_str(payload).unwrap();
    expected["zero"] = json!(0);
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn the_belt_sees_what_json_loads_would_make_of_the_payload() {
    let body = "import json\n\
                texts = ['123456789012345678901234567890', '-5', '1e400', '[1.5, \"\\\\ud83d\"]', '{\"a\":1,\"a\":2}',\n\
                    '\"\\\\u00e9\\\\n\"', '\"' + 'x' * 300 + '\"', '\"' + 'ü' * 300 + '\"', '0.1', '-0.0']\n\
                return [repr(a) == repr(json.loads(b)) and type(a) is type(json.loads(b)) for a, b in zip(p, texts)]";
    let payload = format!(
        r#"[123456789012345678901234567890, -5, 1e400, [1.5, "\ud83d"], {{"a":1,"a":2}}, "\u00e9\n",
            "{}", "{}", 0.1, -0.0]"#,
        "x".repeat(300),
        "ü".repeat(300)
    );
    assert_eq!(answer_to(body, payload.as_bytes()).await.unwrap(), json!(vec![true; 10]));
}

#[tokio::test]
async fn a_payload_that_is_not_json_arrives_as_bytes() {
    let body = "return [type(p).__name__, p.hex()]";
    assert_eq!(answer_to(body, b"hello").await.unwrap(), json!(["bytes", "68656c6c6f"]));
    assert_eq!(answer_to(body, b"{\"a\":\xff}").await.unwrap(), json!(["bytes", "7b2261223aff7d"]));
    assert_eq!(answer_to(body, b"").await.unwrap(), json!(["bytes", ""]));
}

#[tokio::test]
async fn values_that_json_cannot_hold_fail_their_event() {
    for (expression, told) in
        [("float('nan')", "NaN"), ("{1: 2}", "key"), ("b'x'", "bytes"), ("{1, 2}", "set")]
    {
        let failure = answer_to(&format!("return [{{'deep': {expression}}}]"), b"{}").await.unwrap_err();
        assert!(failure.to_string().contains(told), "{expression}: {failure}");
        assert!(failure.message.contains("deep"), "the place is named: {failure}");
    }
    let failure = answer_to("import datetime\nreturn datetime.datetime.now()", b"{}").await.unwrap_err();
    assert!(failure.message.contains("datetime"), "{failure}");
}

#[tokio::test]
async fn deeply_nested_answers_fail_their_event() {
    let body = "v = []\nfor _ in range(p): v = [v]\nreturn v";
    assert!(answer_to(body, b"100").await.is_ok());
    for depth in [b"1000".as_slice(), b"100000"] {
        let failure = answer_to(body, depth).await.unwrap_err();
        assert!(!failure.message.is_empty(), "{failure:?}");
    }
}

#[tokio::test]
async fn prints_and_logs_reach_the_sink() {
    let source = "import logging, sys\n\
                  def execute(h, p):\n    \
                      print('printed', p)\n    \
                      print('to stderr', file=sys.stderr)\n    \
                      logging.getLogger('mine').warning('warned %s', p)\n    \
                      logging.debug('not shown')\n";
    let (spec, lines) = belt_spec(source);
    run(&mut runner(spec).await, &[b"1"]).await;
    let lines = lines.taken();
    let line = |level, text: &str| lines.iter().any(|(l, _, m)| *l == level && m.contains(text));
    assert!(line(Level::Info, "printed 1"), "{lines:?}");
    assert!(lines.iter().any(|(_, _, m)| m.contains("to stderr")), "{lines:?}");
    assert!(
        lines.iter().any(|(l, n, m)| *l == Level::Warning && n == "mine" && m.contains("warned 1")),
        "{lines:?}"
    );
    assert!(!lines.iter().any(|(_, _, m)| m.contains("not shown")), "{lines:?}");
}

#[tokio::test]
async fn a_flood_of_log_lines_is_bounded_and_counted() {
    let (spec, lines) = belt_spec("def execute(h, p):\n    for i in range(10000): print('x' * p)\n");
    let mut runner = runner(spec).await;
    run(&mut runner, &[b"1"]).await;
    let taken = lines.taken();
    assert_eq!(taken.len(), 4097);
    assert!(taken[4096].2.contains("5904 lines were dropped"), "{:?}", taken[4096]);
    assert_eq!(runner.stats().log_lines_dropped, 5904);
    run(&mut runner, &[b"100000"]).await;
    let taken = lines.taken();
    assert!(taken.iter().all(|(_, _, m)| m.len() < 9000), "long lines are cut");
    assert!(taken.iter().map(|(_, _, m)| m.len()).sum::<usize>() < 2 << 20);
}
