//! Components of belts, their versions, and the way back.

use axum::{body::Body, http::Method};
use granary_catalog::{Object, Person, Status};
use granary_db::definitions::package;
use serde_json::{Value, json};

use super::support::{Answer, Api, belt};
use crate::api::runtime::{CheckError, ScriptProblem};

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0one";

async fn made(api: &Api) -> (i64, String) {
    let id = api.post("/projects/p/belts", belt()).await.ok()["id"].as_str().unwrap().to_owned();
    (id.parse().unwrap(), format!("/projects/p/belts/{id}"))
}

async fn put_component(api: &Api, path: &str, bytes: &[u8]) -> Answer {
    let path = format!("{path}/component");
    api.send(Method::PUT, &path, Some(&api.admin), Body::from(bytes.to_vec())).await
}

/// A form of parts: name and content.
async fn form(api: &Api, path: &str, parts: &[(&str, &[u8])]) -> Answer {
    let mut body = Vec::new();
    for (name, content) in parts {
        let head = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b--\r\n");
    api.send_as(Method::POST, path, "multipart/form-data; boundary=b", body.into()).await
}

#[tokio::test]
async fn an_uploaded_component_is_the_next_version_and_takes_over() {
    let api = Api::with_guide().await;
    let (id, path) = made(&api).await;
    api.runtime.take_calls();
    let next = put_component(&api, &path, COMPONENT).await.ok();
    assert_eq!(
        (&next["version"], &next["beltType"], &next["extractorFn"]),
        (&json!("2"), &json!("component"), &json!(""))
    );
    assert_eq!(next["component"], next["programSha256"]);
    let calls = api.runtime.take_calls();
    let wanted = [
        format!("check component Belt {}", COMPONENT.len()),
        format!("changed belt:{id}"),
        format!("replace belt:{id}"),
    ];
    assert!(wanted.iter().all(|call| calls.contains(call)), "{calls:?}");
    let waiting = format!("{path}/component?apply=false");
    api.send(Method::PUT, &waiting, Some(&api.admin), Body::from(b"\0asm\x0d\0\x01\0two".to_vec()))
        .await
        .ok();
    assert!(!api.runtime.take_calls().contains(&format!("replace belt:{id}")));
}

#[tokio::test]
async fn a_component_can_be_fetched_again_byte_for_byte() {
    let api = Api::with_guide().await;
    let (_, path) = made(&api).await;
    let sha256 = put_component(&api, &path, COMPONENT).await.ok()["component"].as_str().unwrap().to_owned();
    assert_eq!(api.bytes(&format!("/projects/p/components/{sha256}")).await, COMPONENT);
    api.get("/projects/p/components/none").await.refused(404, "entity_not_found");
}

#[tokio::test]
async fn packages_can_be_fetched_byte_for_byte_within_their_project() {
    let api = Api::with_guide().await;
    let client = api.database.db().client().await.unwrap();
    let person = Person::named("somebody".to_owned());
    let sha256 = package::store(&client, "p", b"an archive", &person).await.unwrap();
    assert_eq!(api.bytes(&format!("/projects/p/packages/{sha256}")).await, b"an archive");
    api.get("/projects/p/packages/none").await.refused(404, "entity_not_found");
    api.get(&format!("/projects/global/packages/{sha256}")).await.refused(404, "entity_not_found");
}

#[tokio::test]
async fn a_component_that_does_not_fit_is_refused_and_not_kept() {
    let api = Api::with_guide().await;
    let (_, path) = made(&api).await;
    let problem = |text: &str| ScriptProblem { message: text.to_owned(), ..ScriptProblem::default() };
    *api.runtime.check.lock().unwrap() =
        Err(CheckError::Script(vec![problem("the import 'a:b/c' is not known"), problem("no 'execute'")]));
    let answer = put_component(&api, &path, COMPONENT).await;
    assert_eq!(answer.invalid(), ["component", "component"]);
    let client = api.database.db().client().await.unwrap();
    let hash = granary_db::definitions::component::hash(COMPONENT);
    assert!(!granary_db::definitions::component::exists(&client, "p", &hash).await.unwrap());
    assert_eq!(api.get(&path).await.ok()["version"], "1");
    let text =
        put_component(&api, &path, b"def execute(h, p): pass").await.refused(400, "bad_parameter_value");
    assert!(text.contains("is text") && text.contains("granary belt build"), "{text}");
}

#[tokio::test]
async fn a_component_larger_than_the_limit_is_refused_with_the_limit() {
    let api = Api::with_guide().await;
    let (_, path) = made(&api).await;
    let mut body = COMPONENT.to_vec();
    body.resize((128 << 20) + 1, 0);
    let text = put_component(&api, &path, &body).await.refused(413, "body_too_large");
    assert!(text.contains("128 MiB"), "{text}");
    assert_eq!(api.get(&path).await.ok()["version"], "1");
}

#[tokio::test]
async fn versions_are_listed_and_gone_back_to() {
    let api = Api::with_guide().await;
    let (id, path) = made(&api).await;
    let mut body = belt();
    body["description"] = json!("second");
    api.put(&path, body).await.ok();
    put_component(&api, &path, COMPONENT).await.ok();
    let listed = api.get(&format!("{path}/versions")).await.ok();
    let numbers: Vec<&Value> =
        listed["items"].as_array().unwrap().iter().map(|item| &item["version"]).collect();
    assert_eq!(numbers, ["3", "2", "1"]);
    assert_eq!(
        (&listed["items"][0]["current"], &listed["items"][1]["current"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(listed["items"][1]["programSha256"], listed["items"][2]["programSha256"]);
    api.runtime.set(Object::Belt(id), Status::Running);
    let back = api.post(&format!("{path}/rollback"), json!({})).await.ok();
    assert_eq!(
        (&back["version"], &back["description"], &back["beltType"]),
        (&json!("4"), &json!("second"), &json!("python-callback"))
    );
    assert_eq!(api.runtime.take_calls().last().unwrap(), &format!("replace belt:{id}"));
    let first = api.post(&format!("{path}/rollback"), json!({"version": 1})).await.ok();
    assert_eq!((&first["version"], &first["description"]), (&json!("5"), &json!("")));
    for bad in
        [json!({"version": 5}), json!({"version": 99}), json!({"version": "x"}), json!({"version": []})]
    {
        assert_eq!(api.post(&format!("{path}/rollback"), bad).await.invalid(), ["version"]);
    }
}

#[tokio::test]
async fn a_belt_may_arrive_as_a_form() {
    let api = Api::with_guide().await;
    let mut definition = belt();
    definition["extractorFn"].take();
    let text = definition.to_string();
    let source = "def execute(h, p):\n    return []\n";
    let made = form(
        &api,
        "/projects/p/belts",
        &[("definition", text.as_bytes()), ("extractorFn", source.as_bytes())],
    )
    .await
    .ok();
    assert_eq!(made["extractorFn"], source);
    definition["name"] = json!("compiled");
    definition.as_object_mut().unwrap().remove("extractorFn");
    definition.as_object_mut().unwrap().remove("beltType");
    let text = definition.to_string();
    let made = form(&api, "/projects/p/belts", &[("component", COMPONENT), ("definition", text.as_bytes())])
        .await
        .ok();
    assert_eq!(made["beltType"], "component");
    let refused = form(&api, "/projects/p/belts", &[("component", COMPONENT)]).await;
    assert_eq!(refused.invalid(), ["definition"]);
    let refused = form(&api, "/projects/p/belts", &[("wasm", COMPONENT)]).await;
    assert_eq!(refused.invalid(), ["wasm"]);
    let refused = api.send_as(Method::POST, "/projects/p/belts", "application/wasm", COMPONENT.into()).await;
    assert!(refused.refused(400, "bad_parameter_value").contains("/component"));
}

#[tokio::test]
async fn a_component_has_to_be_uploaded_before_it_is_named() {
    let api = Api::with_guide().await;
    let mut body = belt();
    body.as_object_mut().unwrap().remove("extractorFn");
    body.as_object_mut().unwrap().remove("beltType");
    body["component"] = json!("0".repeat(64));
    assert_eq!(api.post("/projects/p/belts", body.clone()).await.invalid(), ["component"]);
    body["component"] = json!("abc");
    assert_eq!(api.post("/projects/p/belts", body.clone()).await.invalid(), ["component"]);
    body["component"] = Value::Null;
    body["beltType"] = json!("component");
    assert_eq!(api.post("/projects/p/belts", body).await.invalid(), ["component"]);
}
