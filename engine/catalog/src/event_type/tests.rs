use super::*;

fn data_in() -> Value {
    json!({
        "displayName": "livesegment-datain", "description": "Live Segment DataIn Event Type", "type": "data_in",
        "eventIdExpression": "#randomUUID()", "timestampExpression": "#nowMillis()",
        "correlationIdExpression": "#randomUUID()", "eventstoreTTL": "P100Y"
    })
}

fn live_segment(properties: &str) -> Value {
    let schema = format!("{{\"type\": \"object\", \"properties\": {properties}}}");
    json!({"displayName": "livesegment-dataoutput", "type": "live_segment", "schema": {"schema": schema}})
}

fn create_named(name: Option<&str>, body: &Value) -> Result<(EventType, Vec<String>), Vec<crate::Problem>> {
    let mut report = Report::default();
    let read = EventTypeBody::read(body, &mut report);
    let event_type = EventType::create("p", name, read, |_| false, &mut report);
    match report.finish(event_type) {
        Ok((Some(event_type), warnings)) => Ok((event_type, warnings)),
        Ok((None, _)) => panic!("neither an event type nor a problem"),
        Err(problems) => Err(problems),
    }
}

fn create(body: &Value) -> Result<(EventType, Vec<String>), Vec<crate::Problem>> {
    create_named(None, body)
}

fn update(event_type: &EventType, body: &Value) -> Result<(EventType, Change), Vec<crate::Problem>> {
    let mut report = Report::default();
    let read = EventTypeBody::read(body, &mut report);
    let next = event_type.update(&read, &mut report);
    report.finish(next).map(|(next, _)| next)
}

fn names(problems: &[crate::Problem]) -> Vec<&str> {
    problems.iter().map(|problem| problem.name.as_str()).collect()
}

#[test]
fn the_guides_input_type_gets_its_names_and_defaults() {
    let (event_type, warnings) = create(&data_in()).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(event_type.topic_name().as_deref(), Some("grnry_data_in_livesegment-datain"));
    assert_eq!(event_type.table_name().as_deref(), Some("eventstore_livesegment-datain"));
    assert_eq!((event_type.version, event_type.partition_count), (1, Some(32)));
    assert_eq!(event_type.retention_ms, Some(345_600_000));
    assert_eq!(event_type.deletion_expression.as_deref(), Some(""));
    let stored = serde_json::to_string(&event_type).unwrap();
    assert_eq!(serde_json::from_str::<EventType>(&stored).unwrap(), event_type);
}

#[test]
fn the_guides_output_type_has_a_stream_and_a_table() {
    let (event_type, _) = create(&live_segment(r#"{"id": {"type": "string"}}"#)).unwrap();
    assert_eq!(event_type.name, "livesegment-dataoutp");
    let kinds: Vec<_> =
        event_type.locations().as_array().unwrap().iter().map(|l| l["type"].clone()).collect();
    assert_eq!(kinds, ["stream", "database"]);
    assert_eq!(event_type.table_name().as_deref(), Some("grnry_live_segment_livesegment-dataoutp"));
}

#[test]
fn an_integer_id_is_accepted_with_a_warning() {
    let (_, warnings) = create(&live_segment(r#"{"id": {"type": "integer"}}"#)).unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[test]
fn all_missing_fields_are_named_at_once() {
    assert_eq!(
        names(&create(&json!({})).unwrap_err()),
        ["displayName", "correlationIdExpression", "eventIdExpression"]
    );
    assert_eq!(names(&create(&json!({"displayName": "x", "type": "live_segment"})).unwrap_err()), ["schema"]);
    assert_eq!(
        names(&create(&json!({"displayName": "x", "type": "profile", "schema": {}})).unwrap_err()),
        ["schema.schema"]
    );
}

#[test]
fn bad_values_are_refused_by_field() {
    for (field, value) in [
        ("displayName", json!("###")),
        ("type", json!("stream")),
        ("correlationIdExpression", json!("#noSuchFunction()")),
        ("eventIdExpression", json!("payload.")),
        ("timestampExpression", json!("'open")),
        ("deletionExpression", json!("(((")),
        ("eventstoreTTL", json!("100 years")),
        ("partitionCount", json!(0)),
        ("partitionCount", json!(1_000_000)),
        ("retentionMs", json!(-1)),
        ("description", json!("nul\u{0}")),
    ] {
        let mut body = data_in();
        body[field] = value;
        assert_eq!(names(&create(&body).unwrap_err()), [field]);
    }
    for properties in ["{}", "{\"id\": ", "[]"] {
        assert_eq!(names(&create(&live_segment(properties)).unwrap_err()), ["schema"], "{properties}");
    }
}

#[test]
fn an_unknown_function_is_quoted() {
    let mut body = data_in();
    body["correlationIdExpression"] = json!("'a' + #randomUID()");
    let problems = create(&body).unwrap_err();
    assert!(problems[0].reason.contains("randomUID"), "{problems:?}");
    assert!(problems[0].reason.contains("'a' + #randomUID()"), "{problems:?}");
}

#[test]
fn given_names_are_checked_and_kept() {
    assert_eq!(create_named(Some("My-Type"), &data_in()).unwrap().0.name, "My-Type");
    for name in ["a_b", "xxxxxxxxxxxxxxxxxxxxx"] {
        assert_eq!(names(&create_named(Some(name), &data_in()).unwrap_err()), ["name"]);
    }
}

#[test]
fn fields_of_other_kinds_are_named_in_warnings() {
    let body = json!({"displayName": "x", "type": "segment", "eventIdExpression": "#randomUUID()", "partitionCount": 3, "colour": "red"});
    let (event_type, warnings) = create(&body).unwrap();
    assert_eq!(
        (event_type.partition_count, event_type.topic_name(), warnings.len()),
        (None, None, 3),
        "{warnings:?}"
    );
}

#[test]
fn an_update_tells_nothing_label_and_version_apart() {
    let (event_type, _) = create(&data_in()).unwrap();
    assert_eq!(update(&event_type, &data_in()).unwrap().1, Change::Nothing);
    assert_eq!(update(&event_type, &json!({})).unwrap().1, Change::Nothing);
    let (next, change) = update(&event_type, &json!({"description": ""})).unwrap();
    assert_eq!((next.version, change), (1, Change::Label));
    let (next, change) = update(&event_type, &json!({"eventIdExpression": "payload.id"})).unwrap();
    assert_eq!((next.version, change), (2, Change::Version));
    let (next, _) = update(&event_type, &json!({"deletionExpression": ""})).unwrap();
    assert_eq!(next, event_type);
}

#[test]
fn immutable_fields_may_only_repeat_their_value() {
    let (event_type, _) = create(&data_in()).unwrap();
    let same = json!({"name": "livesegment-datain", "type": "data_in", "partitionCount": 32, "replication": 3, "retentionMs": 345600000});
    assert_eq!(update(&event_type, &same).unwrap().1, Change::Nothing);
    for (field, value) in [
        ("name", json!("other")),
        ("type", json!("ttl")),
        ("partitionCount", json!(16)),
        ("replication", json!(1)),
        ("retentionMs", json!(1)),
        ("eventIdExpression", json!(" ")),
        ("displayName", json!("")),
    ] {
        assert_eq!(names(&update(&event_type, &json!({field: value})).unwrap_err()), [field]);
    }
}

#[test]
fn a_new_schema_must_be_compatible() {
    let (event_type, _) = create(&live_segment(r#"{"id": {"type": "string"}}"#)).unwrap();
    let wider = live_segment(r#"{"id": {"type": "string"}, "n": {"type": ["integer", "null"]}}"#);
    assert_eq!(update(&event_type, &wider).unwrap().1, Change::Version);
    let harder = live_segment(r#"{"id": {"type": "string"}, "n": {"type": "integer"}}"#);
    assert_eq!(names(&update(&event_type, &harder).unwrap_err()), ["schema"]);
    let other_id = live_segment(r#"{"id": {"type": "integer"}}"#);
    assert!(update(&event_type, &other_id).is_err());
}

#[test]
fn versions_are_numbers_from_1_or_latest() {
    assert_eq!(VersionChoice::parse("latest"), Ok(VersionChoice::Latest));
    assert_eq!(VersionChoice::parse("3"), Ok(VersionChoice::Number(3)));
    for text in ["0", "-1", "x", "", "1.0", "99999999999"] {
        assert_eq!(
            VersionChoice::parse(text),
            Err(format!("must be a natural number or 'latest' but is '{text}'"))
        );
    }
}

#[test]
fn an_export_makes_the_same_type_again() {
    let mut body = data_in();
    body["partitionCount"] = json!(4);
    let (event_type, _) = create(&body).unwrap();
    let export = event_type.export();
    let keys: Vec<_> = export.keys().map(String::as_str).collect();
    let kept =
        ["displayName", "description", "correlationIdExpression", "eventIdExpression", "partitionCount"];
    assert_eq!(keys, kept);
    assert_eq!(create(&Value::Object(export)).unwrap().0, event_type);
}
