//! Transforms in Python.

use granary_sandbox::{EventIn, FailureKind, Language, Runner, ScriptSpec, TransformMessage, Transformed};

use crate::support::{self, transform};

fn text(text: &str) -> TransformMessage {
    TransformMessage::Text(text.as_bytes().to_vec())
}

#[tokio::test]
async fn the_variable_result_is_the_result() {
    let source =
        "event = json.loads(payload)\nresult = None if event is None else json.dumps(event, indent=1)\n";
    let outcomes = transform(source, &[br#"{"a":1}"#, b"null", b"[1,2]"]).await;
    assert_eq!(outcomes[0], Ok(Transformed::Messages(vec![text("{\n \"a\": 1\n}")])));
    assert_eq!(outcomes[1], Ok(Transformed::Skip));
    assert_eq!(outcomes[2], Ok(Transformed::Messages(vec![text("1"), text("2")])));
}

#[tokio::test]
async fn the_function_transform_may_answer_any_kind() {
    let source = "def transform(payload, headers):\n    \
                      return [DeletionEvent('c', 'e'), {'n': payload.decode()}, '[1, {\"b\": 2.50}]']\n";
    let outcomes = transform(source, &[b"x"]).await;
    let messages = vec![
        TransformMessage::Deletion { correlation_id: "c".into(), event_id: Some("e".into()) },
        TransformMessage::Object(br#"{"n":"x"}"#.to_vec()),
        text("1"),
        text(r#"{"b": 2.50}"#),
    ];
    assert_eq!(outcomes, [Ok(Transformed::Messages(messages))]);
}

#[tokio::test]
async fn a_record_that_raises_fails_alone() {
    let source = "result = json.loads(payload)\n";
    let outcomes = transform(source, &[b"{}", b"hello", b"{}"]).await;
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok(), "{outcomes:?}");
    let failure = outcomes[1].clone().unwrap_err();
    assert_eq!((failure.kind, failure.type_name.as_str()), (FailureKind::Exception, "JSONDecodeError"));
}

#[tokio::test]
async fn text_that_is_not_json_fails_its_record() {
    let outcomes = transform("result = payload\n", &[b"hello", b"{ }"]).await;
    let failure = outcomes[0].clone().unwrap_err();
    assert!(failure.message.contains("must return JSON"), "{failure}");
    assert_eq!(outcomes[1], Ok(Transformed::Messages(vec![text("{ }")])));
}

#[tokio::test]
async fn a_component_of_the_first_contract_still_runs() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/guests/transform-0.1.0/transform.wasm");
    let (sandbox, _) = support::python().await;
    let component = sandbox.load_file(path).await.unwrap();
    let spec = ScriptSpec { language: Language::Component, ..support::transform_spec("") };
    sandbox.check(&component, &spec).await.unwrap();
    let mut runner = Runner::new(sandbox, component, spec).await.unwrap();
    // Twice, so that its memory is seen to survive a batch.
    for _ in 0..2 {
        let records = [&b"{ }"[..], b"", b"no JSON"].map(|payload| EventIn { headers: &[], payload });
        let outcomes = runner.run_transform(&records).await.unwrap();
        let deletion = TransformMessage::Deletion { correlation_id: "c".into(), event_id: Some("e".into()) };
        assert_eq!(outcomes[0], Ok(Transformed::Messages(vec![text("{ }"), deletion])));
        let failure = outcomes[1].clone().unwrap_err();
        let told = (failure.type_name.as_str(), failure.message.as_str(), failure.retryable);
        assert_eq!(told, ("empty", "expected a payload", true));
        assert_eq!(outcomes[2].clone().unwrap_err().kind, FailureKind::Output);
    }
    assert_eq!(runner.stats().instances, 1);
}

#[tokio::test]
async fn an_uploaded_component_transforms_and_its_failures_stay_with_their_records() {
    let component = support::guest_path("transform-rust.wasm");
    let (sandbox, _) = support::python().await;
    let component = sandbox.load_file(component).await.unwrap();
    let spec = ScriptSpec { language: Language::Component, ..support::transform_spec("") };
    let mut runner = Runner::new(sandbox, component, spec).await.unwrap();
    let payloads: [&[u8]; 2] = [b"no thrift", b"\0"];
    let records = payloads.map(|payload| EventIn { headers: &[], payload });
    let outcomes = runner.run_transform(&records).await.unwrap();
    assert_eq!(outcomes.len(), 2);
    for outcome in outcomes {
        assert_eq!(outcome.unwrap_err().kind, FailureKind::Exception);
    }
    assert_eq!(runner.stats().instances, 1);
}
