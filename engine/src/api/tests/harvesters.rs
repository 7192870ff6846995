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
    body["displayName"] = json!("groovy one");
    body["transform"] = json!({"language": "groovy", "script": "return null"});
    let made = api.post(INSTANCES, body).await.ok();
    assert!(made["warnings"].to_string().contains("groovy"), "{made:#}");
    let message = api
        .post(&format!("{INSTANCES}/groovy-one/state"), json!({"action": "START"}))
        .await
        .refused(400, "bad_parameter_value");
    for word in ["'START'", "'groovy'", "'python'", "'component'"] {
        assert!(message.contains(word), "{message}");
    }
    assert_eq!(
        api.post(&format!("{INSTANCES}/groovy-one/state"), json!({"action": "STOP"})).await.ok()["status"],
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
