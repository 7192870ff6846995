use super::*;
use crate::event_type::Entry;

fn directory() -> Directory {
    let entry = |name: &str, label: &str, kind, version| Entry {
        name: name.to_owned(),
        display_name: label.to_owned(),
        kind,
        version,
    };
    Directory(vec![
        entry("livesegment-datain", "livesegment-datain", EventKind::DataIn, 2),
        entry("livesegment-dataoutp", "livesegment-dataoutput", EventKind::LiveSegment, 1),
    ])
}

fn body() -> Value {
    json!({
        "displayName": "harvesterforlivesegment",
        "sourceType": {"name": "grnry-topic", "version": "latest"},
        "transform": {"app": "grnry-scriptable", "language": "python", "script": "result = payload"},
        "eventType": {"name": "livesegment-datain", "version": "1"}
    })
}

fn create(body: &Value) -> Result<(Harvester, Vec<String>), Vec<crate::Problem>> {
    let mut report = Report::default();
    let read = HarvesterBody::read(body, &mut report);
    let harvester = Harvester::create("p", None, read, false, &directory(), |_| false, &mut report);
    match report.finish(harvester) {
        Ok((Some(harvester), warnings)) => Ok((harvester, warnings)),
        Ok((None, _)) => panic!("neither a harvester nor a problem"),
        Err(problems) => Err(problems),
    }
}

fn update(harvester: &Harvester, body: &Value) -> Result<Harvester, Vec<crate::Problem>> {
    let mut report = Report::default();
    let read = HarvesterBody::read(body, &mut report);
    let next = harvester.update(read, false, &directory(), &mut report);
    report.finish(next).map(|(next, _)| next)
}

fn names(problems: &[crate::Problem]) -> Vec<&str> {
    problems.iter().map(|problem| problem.name.as_str()).collect()
}

#[test]
fn the_guides_harvester_gets_its_names_and_defaults() {
    let (harvester, warnings) = create(&body()).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(harvester.name, "harvesterforlivesegm");
    assert_eq!(harvester.stream_name(), "g-h-harvesterforlivesegm");
    assert_eq!(harvester.dlq_topic(), "grnry_harvester_dlq_harvesterforlivesegm");
    assert_eq!(harvester.input_topic(), "snowplow");
    assert!(!harvester.starts_at_earliest());
    assert_eq!(harvester.transform.program(), Program::Python("result = payload".to_owned()));
    assert_eq!(harvester.start_obstacle(), None);
}

#[test]
fn definitions_survive_storage() {
    let (harvester, _) = create(&body()).unwrap();
    let stored = serde_json::to_string(&harvester).unwrap();
    assert_eq!(serde_json::from_str::<Harvester>(&stored).unwrap(), harvester);
}

#[test]
fn all_missing_fields_are_named_at_once() {
    let problems = create(&json!({})).unwrap_err();
    assert_eq!(
        names(&problems),
        ["displayName", "sourceType.name", "sourceType.version", "eventType.name", "eventType.version"]
    );
    assert_eq!(problems[4].reason, "must not be null");
}

#[test]
fn references_are_checked() {
    for (pointer, value, field) in [
        ("/eventType/name", json!("livesegment-dataoutp"), "eventType.name"),
        ("/eventType/name", json!("other"), "eventType.name"),
        ("/eventType/version", json!(3), "eventType.version"),
        ("/eventType/version", json!("0"), "eventType.version"),
        ("/sourceType/name", json!("grnry-jdbc"), "sourceType"),
        ("/sourceType/version", json!("9"), "sourceType"),
        ("/transform/language", json!("cobol"), "transform.language"),
        ("/transform/app", json!("another"), "transform.app"),
        ("/transform/script", json!(" "), "transform.script"),
    ] {
        let mut body = body();
        *body.pointer_mut(pointer).unwrap() = value;
        assert_eq!(names(&create(&body).unwrap_err()), [field], "{pointer}");
    }
}

#[test]
fn a_label_stands_for_its_event_type_with_a_warning() {
    let mut directory = directory();
    directory.0[0].display_name = "Orders".to_owned();
    let mut body = body();
    body["eventType"]["name"] = json!("Orders");
    let mut report = Report::default();
    let read = HarvesterBody::read(&body, &mut report);
    let harvester = Harvester::create("p", None, read, false, &directory, |_| false, &mut report).unwrap();
    assert_eq!(harvester.event_type.name, "livesegment-datain");
    assert!(report.warnings[0].contains("'Orders'"));
}

#[test]
fn a_language_that_does_not_run_is_kept_and_refused_at_start() {
    let mut body = body();
    body["transform"]["language"] = json!("ruby");
    let (harvester, _) = create(&body).unwrap();
    let obstacle = harvester.start_obstacle().unwrap();
    for named in ["'ruby'", "'groovy'", "'javascript'", "'python'", "'component'"] {
        assert!(obstacle.contains(named), "{obstacle}");
    }
}

#[test]
fn the_default_script_runs_as_identity() {
    let mut body = body();
    body.as_object_mut().unwrap().remove("transform");
    let (harvester, _) = create(&body).unwrap();
    assert_eq!(
        (harvester.transform.language.as_str(), harvester.transform.script.as_str()),
        ("groovy", DEFAULT_SCRIPT)
    );
    assert_eq!(harvester.transform.program(), Program::Identity);
}

#[test]
fn components_are_named_by_hash() {
    let mut body = body();
    body["transform"] = json!({"language": "component"});
    assert_eq!(names(&create(&body).unwrap_err()), ["transform.component"]);
    body["transform"] = json!({"language": "component", "component": "xyz"});
    assert_eq!(names(&create(&body).unwrap_err()), ["transform.component"]);
    let hash = "ab".repeat(32);
    body["transform"] = json!({"component": hash});
    let (harvester, _) = create(&body).unwrap();
    assert_eq!(harvester.transform.program(), Program::Component(&hash));
}

#[test]
fn an_update_without_change_is_equal_and_others_count_up() {
    let (harvester, _) = create(&body()).unwrap();
    assert_eq!(update(&harvester, &json!({"displayName": "harvesterforlivesegment"})).unwrap(), harvester);
    assert_eq!(update(&harvester, &body()).unwrap(), harvester);
    let next = update(&harvester, &json!({"description": "d", "name": "ignored"})).unwrap();
    assert_eq!((next.version, next.description.as_str()), (2, "d"));
    let next = update(&harvester, &json!({"transform": {"script": "result = None"}})).unwrap();
    assert_eq!(next.transform.language, "python");
}

#[test]
fn what_can_not_change_is_refused() {
    let (harvester, _) = create(&body()).unwrap();
    for (body, field) in [
        (json!({"eventType": {"name": "livesegment-dataoutp"}}), "eventType.name"),
        (json!({"sourceType": {"name": "grnry-http"}}), "sourceType.name"),
        (json!({"metadataExtractor": {"app": "x"}}), "metadataExtractor.app"),
        (json!({"displayName": ""}), "displayName"),
    ] {
        let problems = update(&harvester, &body).unwrap_err();
        assert!(names(&problems).contains(&field), "{body}: {problems:?}");
    }
}

#[test]
fn sessionizing_fields_need_it_enabled() {
    let mut body = body();
    body["sessionizing"] = json!({"enabled": false, "inactivityGapSec": 5});
    assert_eq!(names(&create(&body).unwrap_err()), ["sessionizing.inactivityGapSec"]);
    body["sessionizing"] = json!({"enabled": true, "sessionIdExpression": "payload.x"});
    let (harvester, _) = create(&body).unwrap();
    assert_eq!(harvester.sessionizing.settings["inactivityGapSec"], 1800);
    assert_eq!(harvester.sessionizing.settings["sessionizingAttributeExpression"], "payload.x");
    assert!(harvester.start_obstacle().unwrap().contains("sessionizing"));
}

#[test]
fn the_source_is_configured_by_either_key() {
    for key in ["grnry-topic.inputTopic", "consumer.input-topic"] {
        let mut body = body();
        body["sourceType"]["configuration"] =
            json!({key: "snowplow-temp", "grnry-topic.startOffset": "earliest"});
        let (harvester, _) = create(&body).unwrap();
        assert_eq!(harvester.input_topic(), "snowplow-temp");
        assert!(harvester.starts_at_earliest());
    }
    let mut body = body();
    body["sourceType"]["configuration"] = json!({"grnry-topic.startOffset": "middle"});
    assert_eq!(names(&create(&body).unwrap_err()), ["sourceType.configuration.grnry-topic.startOffset"]);
}

#[test]
fn an_export_makes_the_same_harvester_again() {
    let (harvester, _) = create(&body()).unwrap();
    let export = harvester.export();
    let keys: Vec<_> = export.keys().map(String::as_str).collect();
    assert_eq!(keys, ["name", "displayName", "sourceType", "eventType", "transform"]);
    assert_eq!(export["transform"], json!({"language": "python", "script": "result = payload"}));
    assert_eq!(create(&Value::Object(export)).unwrap().0, harvester);
}
