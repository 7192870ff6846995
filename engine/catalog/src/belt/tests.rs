use serde_json::json;

use super::*;
use crate::{Secret, event_type::Entry};

fn directory() -> Directory {
    let entry = |name: &str, label: &str, kind| Entry {
        name: name.to_owned(),
        display_name: label.to_owned(),
        kind,
        version: 1,
    };
    Directory(vec![
        entry("livesegment-datain", "livesegment-datain", EventKind::DataIn),
        entry("livesegment-dataoutp", "livesegment-dataoutput", EventKind::LiveSegment),
        entry("seg", "seg", EventKind::Segment),
    ])
}

fn body() -> Value {
    json!({
        "name": "liveSegement-belt",
        "beltType": "python-callback",
        "eventTypes": ["livesegment-datain"],
        "outputTypes": [{"name": "livesegment-dataoutp", "version": "latest"}],
        "extractorFn": "def execute(h, p):\n    return []\n"
    })
}

fn create(body: &Value) -> Result<(Belt, Vec<String>), Vec<crate::Problem>> {
    let mut report = Report::default();
    let read = BeltBody::read(body, &mut report);
    let belt = Belt::create("p", 7, 1_600_000_000_000, read, &directory(), &mut report);
    match report.finish(belt) {
        Ok((Some(belt), warnings)) => Ok((belt, warnings)),
        Ok((None, _)) => panic!("neither a belt nor a problem"),
        Err(problems) => Err(problems),
    }
}

fn with(field: &str, value: Value) -> Value {
    let mut body = body();
    body[field] = value;
    body
}

fn names(problems: &[crate::Problem]) -> Vec<&str> {
    problems.iter().map(|problem| problem.name.as_str()).collect()
}

#[test]
fn a_belt_may_be_javascript() {
    let body = |extra: serde_json::Value| {
        let mut body =
            serde_json::json!({"name": "a", "beltType": "javascript-callback", "eventTypes": ["in"]});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let directory = Directory(vec![Entry {
        name: "in".into(),
        display_name: "in".into(),
        kind: EventKind::DataIn,
        version: 1,
    }]);
    let make = |body: serde_json::Value| {
        let mut report = Report::default();
        let body = BeltBody::read(&body, &mut report);
        Belt::create("p", 1, 0, body, &directory, &mut report).ok_or(report.problems)
    };
    let made = make(body(serde_json::json!({}))).unwrap();
    assert_eq!(made.program(), Program::JavaScript(DEFAULT_EXTRACTOR_JAVASCRIPT));
    assert_eq!(made.to_json()["beltType"], "javascript-callback");
    let problems = make(body(serde_json::json!({"component": "0"}))).unwrap_err();
    assert_eq!(problems[0].name, "component");
}

#[test]
fn the_guides_belt_gets_its_names_and_defaults() {
    let (belt, warnings) = create(&body()).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    let answer = belt.to_json();
    for (field, value) in [
        ("id", json!("7")),
        ("version", json!("1")),
        ("dlqTopic", json!("grnry_belt_dlq_7")),
        ("kubernetesName", json!("grnry-belt-7")),
        ("kafkaConsumerGroupName", json!("grnry-belt-7-1600000000000")),
        ("fetchProfile", json!("FALSE")),
        ("memory", json!(512)),
        ("millicpu", json!(200)),
        ("replicas", json!(1)),
        ("profileType", json!("_d")),
        ("serviceAccountName", json!("default")),
        ("extraEnv", json!(null)),
    ] {
        assert_eq!(answer[field], value, "{field}");
    }
    assert_eq!(belt.memory_bytes(), 512 << 20);
    assert_eq!(belt.callback_timeout(), Duration::from_secs(10));
    assert_eq!(belt.retry().retries_max, Some(10));
}

#[test]
fn definitions_survive_storage() {
    let (belt, _) = create(&with("partitionOffsets", json!({"t": [1, 2]}))).unwrap();
    let stored = serde_json::to_string(&belt).unwrap();
    assert_eq!(serde_json::from_str::<Belt>(&stored).unwrap(), belt);
}

#[test]
fn an_export_holds_the_id_and_what_is_not_default() {
    let (belt, _) = create(&with("debug", json!(true))).unwrap();
    let export = belt.export();
    let keys: Vec<_> = export.keys().map(String::as_str).collect();
    assert_eq!(keys, ["id", "name", "eventTypes", "outputTypes", "debug", "extractorFn"]);
    let again = create(&Value::Object(export)).unwrap().0;
    assert_eq!(again, belt);
}

#[test]
fn every_bad_field_is_named_at_once() {
    let problems = create(&json!({
        "eventTypes": ["nope"], "outputTypes": [{"name": "seg"}, {"version": 1}], "extractorVersion": "",
        "replicas": 0, "memory": "lots", "fetchProfile": "MAYBE", "extraEnv": "{", "partitionOffsets": {"t": ["x"]}
    }))
    .unwrap_err();
    let mut named = names(&problems);
    named.sort_unstable();
    assert_eq!(
        named,
        [
            "eventTypes[0]",
            "extraEnv",
            "extractorVersion",
            "fetchProfile",
            "memory",
            "name",
            "outputTypes[0].name",
            "outputTypes[1].name",
            "partitionOffsets.t",
            "replicas",
        ]
    );
}

#[test]
fn references_to_event_types_are_checked() {
    for (body, field) in [
        (with("eventTypes", json!([])), "eventTypes"),
        (with("eventTypes", json!(["livesegment-dataoutp"])), "eventTypes[0]"),
        (
            with("outputTypes", json!([{"name": "livesegment-dataoutp", "version": 2}])),
            "outputTypes[0].version",
        ),
        (with("kafkaDestinationTopic", json!("t")), "kafkaDestinationTopic"),
        (with("name", json!("x".repeat(256))), "name"),
        (with("name", json!(" ")), "name"),
    ] {
        assert_eq!(names(&create(&body).unwrap_err()), [field]);
    }
    let problems = create(&with("outputTypes", json!([{"name": "livesegment-dataout"}]))).unwrap_err();
    assert!(problems[0].reason.contains("did you mean 'livesegment-dataoutp'?"), "{problems:?}");
}

#[test]
fn a_label_stands_for_its_event_type_with_a_warning() {
    let (belt, warnings) = create(&with("outputTypes", json!([{"name": "livesegment-dataoutput"}]))).unwrap();
    assert_eq!(belt.output_types[0].name, "livesegment-dataoutp");
    assert!(warnings[0].contains("'livesegment-dataoutput'"), "{warnings:?}");
}

#[test]
fn the_environment_is_parsed_and_its_settings_checked() {
    let env = r#"{"extraEnv": [{"name": "FOO", "value": "bar"}, {"name": "CALLBACK_TIMEOUT_SEC", "value": "2.5"},
        {"name": "RETRY_MAX_RETRIES", "value": -1}, {"name": "S"}]}"#;
    let (belt, warnings) = create(&with("extraEnv", json!(env))).unwrap();
    assert_eq!(belt.env().len(), 3);
    assert_eq!(belt.env()[0], ("FOO".to_owned(), "bar".to_owned()));
    assert_eq!(belt.callback_timeout(), Duration::from_millis(2_500));
    assert_eq!(belt.retry().retries_max, None);
    assert!(warnings[0].contains(": S."), "{warnings:?}");
    for (env, field) in [
        (json!("{"), "extraEnv"),
        (json!("3"), "extraEnv"),
        (json!("[{\"value\": 1}]"), "extraEnv"),
        (json!("[{\"name\": \"A=B\", \"value\": \"1\"}]"), "extraEnv"),
        (json!([{"name": "CALLBACK_TIMEOUT_SEC", "value": "0"}]), "extraEnv.CALLBACK_TIMEOUT_SEC"),
        (json!([{"name": "CALLBACK_TIMEOUT_SEC", "value": "NaN"}]), "extraEnv.CALLBACK_TIMEOUT_SEC"),
        (json!([{"name": "RETRY_MAX_RETRIES", "value": "-2"}]), "extraEnv.RETRY_MAX_RETRIES"),
        (json!([{"name": "RETRY_BACK_OFF_MULTIPLIER", "value": "0"}]), "extraEnv.RETRY_BACK_OFF_MULTIPLIER"),
    ] {
        assert_eq!(names(&create(&with("extraEnv", env)).unwrap_err()), [field]);
    }
}

fn from_secret(variable: &str, reference: Value) -> Value {
    with("extraEnv", json!([{"name": variable, "valueFrom": {"secretKeyRef": reference}}]))
}

#[test]
fn variables_take_their_values_from_secrets() {
    let env = json!([
        {"name": "A", "value": "plain"},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "mailer", "key": "password"}}},
        {"name": "C", "value": null, "valueFrom": {"secretKeyRef": {"name": "mailer", "key": "gone", "optional": true}}},
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "mailer", "key": "user"}}},
    ]);
    let (belt, warnings) = create(&with("extraEnv", env)).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(belt.env(), [("A".to_owned(), "plain".to_owned())]);
    let refs: Vec<_> = belt.secret_refs().into_iter().map(|r| (r.variable, r.key, r.optional)).collect();
    let expected = [("B", "password", false), ("C", "gone", true), ("A", "user", false)];
    assert_eq!(
        refs,
        expected.map(|(variable, key, optional)| (variable.to_owned(), key.to_owned(), optional))
    );
    let mut values = SecretValues::default();
    values.insert("mailer", "password", "hunter2".to_owned());
    values.insert("mailer", "user", "ada".to_owned());
    let seen = [("A", "plain"), ("B", "hunter2"), ("A", "ada")];
    assert_eq!(belt.env_with(&values), seen.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert!(!serde_json::to_string(&belt.to_json()).unwrap().contains("hunter2"));
}

#[test]
fn a_reference_to_a_secret_has_the_form_of_kubernetes() {
    for (body, word) in [
        (with("extraEnv", json!([{"name": "S", "valueFrom": "mailer"}])), "a text"),
        (with("extraEnv", json!([{"name": "S", "valueFrom": {}}])), "secretKeyRef is null"),
        (
            with("extraEnv", json!([{"name": "S", "valueFrom": {"configMapKeyRef": {"name": "a"}}}])),
            "configMapKeyRef",
        ),
        (
            with("extraEnv", json!([{"name": "S", "value": "v", "valueFrom": {"secretKeyRef": {}}}])),
            "not both",
        ),
        (from_secret("S", json!({})), "secretKeyRef.name"),
        (from_secret("S", json!({"name": "mailer"})), "secretKeyRef.key"),
        (from_secret("S", json!({"name": "mailer", "key": 3})), "secretKeyRef.key"),
        (from_secret("S", json!({"name": "mailer", "key": "k", "optional": "yes"})), "optional"),
    ] {
        let problems = create(&body).unwrap_err();
        assert_eq!(names(&problems), ["extraEnv.S"], "{problems:?}");
        assert!(problems[0].reason.contains(word), "{problems:?}");
    }
    let (_, warnings) =
        create(&from_secret("S", json!({"name": "mailer", "key": "k", "optinal": true}))).unwrap();
    assert!(warnings[0].contains("extraEnv.S.valueFrom.secretKeyRef.optinal"), "{warnings:?}");
}

#[test]
fn settings_of_the_engine_come_from_no_secret() {
    for setting in ["CALLBACK_TIMEOUT_SEC", "RETRY_MAX_RETRIES"] {
        let problems = create(&from_secret(setting, json!({"name": "mailer", "key": "k"}))).unwrap_err();
        assert_eq!(names(&problems), [format!("extraEnv.{setting}")]);
    }
}

#[test]
fn references_to_secrets_are_checked_against_what_there_is() {
    let secret = |name: &str, keys: &[&str]| Secret {
        project: "p".to_owned(),
        name: name.to_owned(),
        version: 1,
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
    };
    let known = [secret("crm", &["url"]), secret("mailer", &["password", "user"])];
    let check = |reference: Value, known: &[Secret]| {
        let (belt, _) = create(&from_secret("S", reference)).unwrap();
        let mut report = Report::default();
        belt.check_secrets(known, &mut report);
        report
    };
    assert_eq!(check(json!({"name": "mailer", "key": "user"}), &known), Report::default());
    for (reference, known, reason) in [
        (json!({"name": "mailr", "key": "user"}), &known[..], "(did you mean 'mailer'?)"),
        (json!({"name": "x-files", "key": "user"}), &known[..], "(there are 'crm', 'mailer')"),
        (json!({"name": "x-files", "key": "user"}), &known[..0], "granary secret set"),
        (json!({"name": "mailer", "key": "usr"}), &known[..], "(did you mean 'user'?)"),
        (json!({"name": "mailer", "key": "certificate"}), &known[..], "(it has 'password', 'user')"),
    ] {
        let report = check(reference, known);
        assert_eq!(names(&report.problems), ["extraEnv.S"]);
        assert!(report.problems[0].reason.ends_with(reason) || reason == "granary secret set", "{report:?}");
        assert!(report.problems[0].reason.contains(reason), "{report:?}");
    }
    let report = check(json!({"name": "mailer", "key": "token", "optional": true}), &known);
    assert!(report.is_clean() && report.warnings[0].contains("it is not set"), "{report:?}");
}

#[test]
fn what_counts_as_long_is_below_the_timeout_or_warned_about() {
    let env = |long: &str| {
        let timeout = json!({"name": "CALLBACK_TIMEOUT_SEC", "value": "20"});
        create(&with("extraEnv", json!([timeout, {"name": "CALLBACK_LONGRUNNING_SEC", "value": long}])))
            .unwrap()
    };
    let (belt, warnings) = env("5");
    assert_eq!((belt.callback_long_running(), warnings), (Duration::from_secs(5), vec![]));
    let (_, warnings) = env("20");
    assert!(warnings[0].contains("CALLBACK_LONGRUNNING_SEC (20s) should be below"), "{warnings:?}");
    let (belt, warnings) = create(&body()).unwrap();
    assert_eq!((belt.callback_long_running(), warnings), (Duration::from_secs(6), vec![]));
}

#[test]
fn waits_grow_to_their_bound() {
    let (belt, _) = create(&body()).unwrap();
    let waits: Vec<u64> =
        [0, 1, 2, 5, 6, 7, 4_000_000_000].map(|retry| belt.retry().wait(retry).as_secs()).into();
    assert_eq!(waits, [1, 2, 4, 32, 60, 60, 60]);
}

#[test]
fn limits_are_read_from_numbers_and_texts() {
    for (value, mib) in [(json!(256), 256), (json!("256"), 256), (json!("256Mi"), 256), (json!("1Gi"), 1024)]
    {
        assert_eq!(create(&with("memory", value)).unwrap().0.memory, mib);
    }
    let (belt, warnings) = create(&with("memory", json!(8192))).unwrap();
    assert_eq!((belt.memory_bytes(), warnings.len()), (4096 << 20, 1));
    for value in [json!(1), json!("-1"), json!("99999999999Gi"), json!(1.5), json!([])] {
        assert_eq!(names(&create(&with("memory", value)).unwrap_err()), ["memory"]);
    }
    assert_eq!(create(&with("millicpu", json!("500m"))).unwrap().0.millicpu, Some(500));
}

#[test]
fn fields_without_effect_are_kept_and_named() {
    let mut body = with("image", json!("x/y"));
    body["serviceAccountName"] = json!("sa");
    body["requirementsPy"] = json!("numpy==2.0.0\r\nisodate==0.6.0");
    body["fetchProfile"] = json!("PREFETH");
    body["author"] = json!("someone");
    let (belt, warnings) = create(&body).unwrap();
    assert_eq!(belt.to_json()["image"], "x/y");
    assert_eq!(belt.fetch_profile, FetchProfile::Prefetch);
    let text = warnings.join("\n");
    for word in ["'image'", "'serviceAccountName'", "'fetchProfile'"] {
        assert!(text.contains(word), "{word} not in {text}");
    }
    assert!(!text.contains("requirementsPy") && !text.contains("author"));
}

#[test]
fn packages_that_every_belt_has_are_not_required() {
    let (belt, _) =
        create(&with("requirementsPy", json!("humanize==4.9.0\r\nisodate==0.6.0\ngrnry_belt"))).unwrap();
    assert_eq!(belt.requirements().iter().map(Requirement::as_str).collect::<Vec<_>>(), ["humanize==4.9.0"]);
    let mut body = with("requirementsPy", json!("humanize"));
    body["beltType"] = json!("javascript-callback");
    let (belt, warnings) = create(&body).unwrap();
    assert!(belt.requirements().is_empty());
    assert!(warnings[0].contains("requirementsPy"), "{warnings:?}");
}

#[test]
fn every_line_that_names_no_package_is_a_problem() {
    let problems = create(&with("requirementsPy", json!("humanize\n-r more.txt\n./here\n"))).unwrap_err();
    assert_eq!(names(&problems), ["requirementsPy", "requirementsPy"]);
    assert!(problems[0].reason.contains("'-r more.txt'"), "{problems:?}");
}

#[test]
fn the_archive_of_the_packages_is_stored_and_shown_but_not_exported() {
    let (mut belt, _) = create(&with("requirementsPy", json!("humanize"))).unwrap();
    belt.packages = Some("ab".to_owned());
    let stored = serde_json::to_string(&belt).unwrap();
    assert_eq!(serde_json::from_str::<Belt>(&stored).unwrap(), belt);
    assert_eq!(belt.to_json()["packages"], "ab");
    let export = belt.export();
    assert!(!export.contains_key("packages") && export["requirementsPy"] == "humanize");
}

#[test]
fn an_update_returns_missing_fields_to_their_defaults() {
    let (belt, _) = create(&with("debug", json!(true))).unwrap();
    let mut report = Report::default();
    let read = BeltBody::read(&body(), &mut report);
    let next = belt.update(read, &directory(), &mut report).unwrap();
    assert_eq!((next.debug, next.version, next.id, next.created_at_ms), (false, 2, 7, belt.created_at_ms));
}

#[test]
fn dbt_belts_are_stored_and_do_not_start() {
    let body = json!({"name": "d", "beltType": "dbt-segment", "eventTypes": ["livesegment-dataoutp"],
        "outputTypes": [{"name": "seg", "version": 1}], "segmentDefinition": "select 2"});
    let (belt, _) = create(&body).unwrap();
    assert_eq!(belt.to_json()["segmentDefinition"], "select 2");
    assert!(belt.start_obstacle().is_some());
}

#[test]
fn ids_are_natural_numbers() {
    assert_eq!(parse_id("9223372036854775807"), Ok(i64::MAX));
    for text in ["0", "-1", "abcd", "", "+1", "9223372036854775808", "1.0"] {
        assert_eq!(parse_id(text), Err(format!("must be a natural number but is '{text}'")));
    }
}
