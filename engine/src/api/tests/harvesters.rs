use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use granary_catalog::{Object, Status};
use serde_json::json;

use super::support::{Api, harvester};
use crate::api::runtime::{CheckError, ErrorKind, ScriptProblem};

const INSTANCES: &str = "/projects/p/harvesters/instances";

#[tokio::test]
async fn languages_that_do_not_run_are_stored_and_refused_at_start() {
    let api = Api::with_guide().await;
    let mut body = harvester();
    body["displayName"] = json!("ruby one");
    body["transform"] = json!({"language": "ruby", "script": "nil"});
    let made = api.post(INSTANCES, body).await.ok();
    assert!(made["warnings"].to_string().contains("ruby"), "{made:#}");
    let message = api
        .post(&format!("{INSTANCES}/ruby-one/state"), json!({"action": "START"}))
        .await
        .refused(400, "bad_parameter_value");
    for word in ["'START'", "'ruby'", "'groovy'", "'javascript'", "'python'", "'component'"] {
        assert!(message.contains(word), "{message}");
    }
    assert_eq!(
        api.post(&format!("{INSTANCES}/ruby-one/state"), json!({"action": "STOP"})).await.ok()["status"],
        "STOPPED"
    );
}

#[tokio::test]
async fn an_update_merges_and_tells_whether_it_changed_anything() {
    let api = Api::with_guide().await;
    let path = format!("{INSTANCES}/harvesterforlivesegm");
    assert_eq!(api.put(&path, harvester()).await.status, StatusCode::NOT_MODIFIED);
    let changed = api
        .put(&format!("{path}?expand=state"), json!({"transform": {"script": "result = None"}}))
        .await
        .ok();
    assert_eq!(
        (&changed["transform"]["language"], &changed["state"]["status"]),
        (&json!("python"), &json!("STOPPED"))
    );
    assert!(changed["modifiedAt"].as_str() >= changed["createdAt"].as_str());
    assert_eq!(api.runtime.take_calls().last().unwrap(), "changed harvester:harvesterforlivesegm");
    api.put(&path, json!({"eventType": {"name": "livesegment-dataoutp"}}))
        .await
        .refused(400, "bad_parameter_value");
}

#[tokio::test]
async fn a_transform_that_does_not_load_is_refused_with_its_place() {
    let api = Api::with_guide().await;
    *api.runtime.check.lock().unwrap() = Err(CheckError::Script(vec![ScriptProblem {
        message: "invalid syntax".to_owned(),
        line: Some(1),
        column: Some(10),
        excerpt: Some("result = = 1".to_owned()),
        traceback: None,
    }]));
    let mut body = harvester();
    body["displayName"] = json!("second");
    let answer = api.post(INSTANCES, body).await;
    assert_eq!(answer.invalid(), ["transform.script"]);
    let message = answer.refused(400, "bad_parameter_value");
    assert!(message.ends_with("invalid syntax (line 1, column 10)\nresult = = 1\n         ^"), "{message}");
}

#[tokio::test]
async fn starts_take_a_position_and_repeat_without_harm() {
    let api = Api::with_guide().await;
    let state = format!("{INSTANCES}/harvesterforlivesegm/state");
    let start = json!({"action": "START"});
    assert_eq!(api.post(&format!("{state}?from=earliest"), start.clone()).await.ok()["status"], "DEPLOYING");
    assert_eq!(api.runtime.take_calls(), ["start harvester:harvesterforlivesegm from Earliest"]);
    assert_eq!(api.post(&state, start.clone()).await.ok()["status"], "RUNNING");
    assert_eq!(api.post(&format!("{state}?from=latest"), start.clone()).await.invalid(), ["from"]);
    assert_eq!(api.post(&format!("{state}?from=never"), start).await.invalid(), ["from"]);
    assert_eq!(api.post(&state, json!({})).await.invalid(), ["action"]);
    api.runtime.set(Object::Harvester("harvesterforlivesegm".to_owned()), Status::Failed);
    let report = api.get(&state).await.ok();
    assert_eq!((&report["status"], &report["reason"]), (&json!("FAILED"), &json!("it broke")));
}

#[tokio::test]
async fn a_start_that_is_refused_is_not_wanted_any_more() {
    let api = Api::with_guide().await;
    let state = format!("{INSTANCES}/harvesterforlivesegm/state");
    let wanted = async || {
        let client = api.database.db().client().await.unwrap();
        let wanted = granary_db::definitions::wanted(&client).await.unwrap();
        wanted.contains(&Object::Harvester("harvesterforlivesegm".to_owned()))
    };
    *api.runtime.failing.lock().unwrap() = Some(("start", ErrorKind::Failed));
    api.post(&state, json!({"action": "START"})).await.refused(500, "unexpected_error");
    assert!(wanted().await);
    *api.runtime.failing.lock().unwrap() = Some(("start", ErrorKind::Refused));
    api.post(&state, json!({"action": "START"})).await.refused(400, "bad_parameter_value");
    assert!(!wanted().await);
}

#[tokio::test]
async fn logs_are_read_by_step() {
    let api = Api::with_guide().await;
    let path = format!("{INSTANCES}/harvesterforlivesegm/logs");
    let logs = api.get(&format!("{path}/transform")).await.ok();
    assert_eq!(logs["logs"][0], "harvester:harvesterforlivesegm transform 500");
    let message = api.get(&format!("{path}/transform?lines=750")).await.refused(400, "bad_parameter_value");
    assert_eq!(message, "Parameter 'lines' must be in between 1 and 500 but is '750'.");
    assert_eq!(api.get(&format!("{path}/nope")).await.invalid(), ["step"]);
}

#[tokio::test]
async fn uploaded_components_become_transforms() {
    let api = Api::with_guide().await;
    let component = b"\0asm\x0d\0\x01\0rest".to_vec();
    let admin = Some(api.admin.as_str());
    let made =
        api.send(Method::POST, "/projects/p/components", admin, Body::from(component.clone())).await.ok();
    let hash = made["sha256"].as_str().unwrap().to_owned();
    let mut body = harvester();
    body["displayName"] = json!("with component");
    body["transform"] = json!({"language": "component", "component": hash});
    assert_eq!(api.post(INSTANCES, body.clone()).await.ok()["transform"]["component"], hash);
    body["displayName"] = json!("with another");
    body["transform"]["component"] = json!("0".repeat(64));
    assert_eq!(api.post(INSTANCES, body).await.invalid(), ["transform.component"]);
    let path = format!("{INSTANCES}/harvesterforlivesegm/component");
    let changed = api.send(Method::PUT, &path, admin, Body::from(component.clone())).await.ok();
    assert_eq!(
        (&changed["transform"]["language"], &changed["transform"]["component"]),
        (&json!("component"), &json!(hash))
    );
    let same = api.send(Method::PUT, &path, admin, Body::from(component)).await;
    assert_eq!(same.status, StatusCode::NOT_MODIFIED);
    let client = api.database.db().client().await.unwrap();
    let bytes = granary_db::definitions::component::load(&client, "p", &hash).await.unwrap();
    assert_eq!(bytes.as_deref(), Some(&b"\0asm\x0d\0\x01\0rest"[..]));
    for (bytes, word) in [(&b"\0asm\x01\0\0\0"[..], "core module"), (&b"hello"[..], "is text")] {
        let answer = api.send(Method::POST, "/projects/p/components", admin, Body::from(bytes)).await;
        assert!(answer.refused(400, "bad_parameter_value").contains(word));
    }
}

#[tokio::test]
async fn harvesters_are_listed_with_their_state() {
    let api = Api::with_guide().await;
    let listed = api.get(&format!("{INSTANCES}?expand=state&search=live")).await.ok();
    assert_eq!(
        (&listed["totalCount"], &listed["harvesters"][0]["state"]["status"]),
        (&json!(1), &json!("STOPPED"))
    );
    assert_eq!(api.get(&format!("{INSTANCES}?search=zzz")).await.ok()["totalCount"], 0);
}

#[tokio::test]
async fn a_dry_run_tries_what_it_is_given_in_place_of_what_is_stored() {
    let api = Api::with_guide().await;
    let path = "/projects/p/harvesters/dry-run";
    let taken = || std::mem::take(&mut *api.runtime.trials.lock().unwrap()).remove(0);

    let records =
        json!([{"payload": "a"}, {"payload": {"b": 1}}, {"payload": "//8=", "payloadEncoding": "base64"}]);
    let answer = api.post(path, json!({"harvester": "harvesterforlivesegm", "records": records})).await.ok();
    assert_eq!(
        answer["warnings"],
        json!(["The dry run took too long or made too much: the last 3 of 3 records were left out."])
    );
    let trial = taken();
    assert_eq!(
        (trial.harvester.as_str(), trial.transform.language.as_str()),
        ("harvesterforlivesegm", "python")
    );
    let payloads: Vec<&[u8]> = trial.samples.iter().map(|sample| &*sample.payload).collect();
    assert_eq!(payloads, [&b"a"[..], b"{\"b\":1}", b"\xff\xff"]);
    assert_eq!(trial.metadata.unwrap().event_type, "livesegment-datain");

    let transform = json!({"language": "groovy", "script": "null"});
    let expressions = json!({"eventIdExpression": "'fixed'"});
    api.post(path, json!({"transform": transform, "expressions": expressions, "records": [{"body": "{}"}]}))
        .await
        .ok();
    let trial = taken();
    assert_eq!((trial.transform.script.as_str(), trial.harvester.as_str()), ("null", "dry-run"));
    let metadata = trial.metadata.unwrap();
    assert_eq!(metadata.event_id.as_deref(), Some("'fixed'"));
    assert_eq!(metadata.correlation_id.as_deref(), Some("#randomUUID()"));
    let record = granary_collector::CollectorPayload::decode(&trial.samples[0].payload).unwrap();
    assert_eq!(record.body.as_deref(), Some(&b"{}"[..]));

    api.post(path, json!({"records": []})).await.ok();
    assert!(taken().metadata.is_none(), "without expressions, no headers are made");
}

#[tokio::test]
async fn a_dry_run_names_what_is_wrong_with_its_body() {
    let api = Api::with_guide().await;
    let path = "/projects/p/harvesters/dry-run";
    for (body, fields) in [
        (json!({"records": [{}]}), &["records[0]"][..]),
        (json!({"records": [{"payload": "a", "body": "b"}]}), &["records[0]"]),
        (json!({"records": [{"payload": "%", "payloadEncoding": "base64"}]}), &["records[0].payload"]),
        (json!({"records": [{"payload": "a", "payloadEncoding": "hex"}]}), &["records[0].payloadEncoding"]),
        (json!({"records": [{"payload": "a", "headers": {"n": 1}}]}), &["records[0].headers.n"]),
        (json!({"records": [], "stream": {}}), &["records"]),
        (json!({"stream": {"last": 0}}), &["stream.last"]),
        (json!({"transform": {"language": "cobol"}, "records": []}), &["transform.language"]),
        (json!({"transform": {"language": "ruby", "script": "nil"}, "records": []}), &["transform.language"]),
        (json!({"eventType": {"name": "nope"}, "records": []}), &["eventType.name"]),
        (
            json!({"expressions": {"eventIdExpression": "#no("}, "records": []}),
            &["expressions.eventIdExpression"],
        ),
    ] {
        assert_eq!(api.post(path, body.clone()).await.invalid(), fields, "{body}");
    }
    api.post(path, json!({"harvester": "harvesterforlivesegment"})).await.refused(404, "entity_not_found");
    let message =
        api.post(path, json!({"stream": {"name": "snowplough"}})).await.refused(404, "entity_not_found");
    assert!(message.contains("snowplough"), "{message}");
    *api.runtime.check.lock().unwrap() = Err(CheckError::Script(vec![ScriptProblem::default()]));
    assert_eq!(api.post(path, json!({"records": []})).await.invalid(), ["transform.script"]);
}
