use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use serde_json::json;

use super::support::{Api, belt, data_in};

#[tokio::test]
async fn refusals_say_what_where_and_when() {
    let api = Api::new().await;
    let answer = api.get("/projects/global/belts?pagesize=-1&offset=x").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.body["details"], "uri=/projects/global/belts");
    assert!(answer.body["timestamp"].is_u64() && answer.body["traceId"].is_string());
    assert_eq!(answer.invalid(), ["pagesize", "offset"]);
    let message = answer.refused(400, "bad_parameter_value");
    assert!(message.starts_with("Parameter 'pagesize' must be a natural number but is '-1'."), "{message}");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused_in_the_same_form() {
    let api = Api::new().await;
    for path in ["/", "/nope", "/projects/global/nope", "/projects/global/belts/1/2/3"] {
        let answer = api.send(Method::GET, path, None, Body::empty()).await;
        assert_eq!(answer.body["details"], format!("uri={path}"));
        answer.refused(404, "entity_not_found");
    }
    api.delete("/projects").await.refused(405, "method_not_allowed");
    api.send(Method::PATCH, "/projects/global/belts", None, Body::empty())
        .await
        .refused(405, "method_not_allowed");
}

#[tokio::test]
async fn invalid_json_is_located() {
    let api = Api::new().await;
    let admin = Some(api.admin.as_str());
    let body = "{\n  \"name\": \"x\",\n  ( ... redacted unimportant belt configuration ..)\n}";
    let answer = api.send(Method::POST, "/projects/global/belts", admin, Body::from(body)).await;
    let message = answer.refused(400, "bad_parameter_value");
    assert!(message.contains("line 3 column 3"), "{message}");
    let answer = api.send(Method::POST, "/projects/global/belts", admin, Body::empty()).await;
    assert_eq!(answer.invalid()[0], "body");
    let answer =
        api.send(Method::POST, "/projects/global/belts", admin, Body::from("[".repeat(100_000))).await;
    answer.refused(400, "bad_parameter_value");
    let answer = api.send(Method::POST, "/projects/global/belts", admin, Body::from(&b"\"\xff\""[..])).await;
    answer.refused(400, "bad_parameter_value");
}

#[tokio::test]
async fn bodies_over_the_limit_are_told_the_limit() {
    let api = Api::new().await;
    let admin = Some(api.admin.as_str());
    let large = Body::from(vec![b' '; (8 << 20) + 1]);
    let message = api.send(Method::POST, "/projects", admin, large).await.refused(413, "body_too_large");
    assert!(message.contains("8388608 bytes"), "{message}");
}

#[tokio::test]
async fn hostile_names_and_values_are_answers_not_failures() {
    let api = Api::with_project().await;
    for path in [
        "/projects/p%00q",
        "/projects/p/event-types/%00",
        "/projects/p/event-types/a%27b/latest",
        "/projects/p/harvesters/instances/%22%3B--",
        "/projects/p/belts/99999999999999999999",
        "/projects/p/belts/0",
        "/projects/p/belts?search=%00",
        "/projects/p/event-types?offset=9223372036854775807",
        "/projects/p/event-types/x/4294967296",
        "/projects/p/event-types/%FF",
        "/tokens/%00",
    ] {
        let answer = api.get(path).await;
        assert!(answer.status.is_client_error(), "{path}: {} {:#}", answer.status, answer.body);
    }
    for (field, value) in [
        ("displayName", json!("a\u{0}b")),
        ("displayName", json!("🦀".repeat(300))),
        ("description", json!(["x"])),
        ("partitionCount", json!(1e300)),
    ] {
        let mut body = data_in();
        body[field] = value;
        let answer = api.post("/projects/p/event-types", body).await;
        assert_eq!(answer.invalid(), [field]);
    }
}

#[tokio::test]
async fn unknown_fields_are_ignored_and_named() {
    let api = Api::with_guide().await;
    let mut body = belt();
    body["debgu"] = json!(true);
    body["image"] = json!("somewhere/else");
    let made = api.post("/projects/p/belts", body).await.ok();
    let warnings = made["warnings"].to_string();
    assert!(warnings.contains("'debgu' is ignored. Did you mean 'debug'?"), "{warnings}");
    assert!(warnings.contains("'image' is stored"), "{warnings}");
    assert_eq!(made["image"], "somewhere/else");
}

#[tokio::test]
async fn duplicates_are_refused_without_regard_to_case() {
    let api = Api::with_guide().await;
    let mut body = data_in();
    body["displayName"] = json!("LiveSegment-DataIn");
    let message =
        api.post("/projects/p/event-types", body.clone()).await.refused(409, "entity_already_exists");
    assert_eq!(message, "Event Type with displayName 'LiveSegment-DataIn' already exists.");
    body["displayName"] = json!("another");
    let message = api
        .post("/projects/p/event-types/LIVEsegment-datain", body.clone())
        .await
        .refused(409, "entity_already_exists");
    assert_eq!(message, "Event Type 'LIVEsegment-datain' already exists.");
    let harvester = super::support::harvester();
    api.post("/projects/p/harvesters/instances", harvester.clone())
        .await
        .refused(409, "entity_already_exists");
    let first = api.post("/projects/p/belts", belt()).await.ok();
    api.post("/projects/p/belts", belt()).await.refused(409, "entity_already_exists");
    let mut other = belt();
    other["name"] = json!("other");
    let path = format!("/projects/p/belts/{}", first["id"].as_str().unwrap());
    api.post(&path, other).await.refused(409, "entity_already_exists");
    api.post("/projects", json!({"displayName": "P"})).await.refused(409, "entity_already_exists");
}

#[tokio::test]
async fn labels_that_clean_to_the_same_name_get_a_counter() {
    let api = Api::with_guide().await;
    let mut body = data_in();
    body["displayName"] = json!("livesegment_-datain");
    assert_eq!(api.post("/projects/p/event-types", body).await.ok()["name"], "livesegment-dat-0000");
}
