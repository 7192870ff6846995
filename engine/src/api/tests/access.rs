use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use granary_catalog::Role;
use serde_json::{Value, json};

use super::support::Api;

/// Every method and path of the document, parameters filled in, with the role that it names.
fn operations(document: &Value, project: &str) -> Vec<(Method, String, Option<String>)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let path = path.replace("{project}", project).replace("{id}", "1").replace("{version}", "1");
            let path = path.replace("{name}", "x").replace("{step}", "transform");
            let path = path.replace("{sha256}", &"0".repeat(64));
            assert!(!path.contains('{'), "{path}");
            let security =
                operation["security"][0]["bearer"].as_array().expect("every route names its token");
            operations.push((method, path, security.first().and_then(Value::as_str).map(str::to_owned)));
        }
    }
    operations
}

#[tokio::test]
async fn no_route_is_without_a_check() {
    let api = Api::with_project().await;
    api.post("/projects", json!({"displayName": "q"})).await.ok();
    let document = api.send(Method::GET, "/openapi.json", None, Body::empty()).await.ok();
    let all = operations(&document, "p");
    assert!(all.len() > 40, "{}", all.len());
    let stranger = api.token("q", Role::DataOwner).await;
    let viewer = api.token("p", Role::Viewer).await;
    for (method, path, role) in &all {
        let call =
            async |token: Option<&str>| api.send(method.clone(), path, token, Body::from("{}")).await.status;
        assert_eq!(call(None).await, StatusCode::UNAUTHORIZED, "{method} {path} without a token");
        assert_eq!(
            call(Some("granary_wrong")).await,
            StatusCode::UNAUTHORIZED,
            "{method} {path} with a wrong one"
        );
        let Some(role) = role else { continue };
        assert_eq!(call(Some(&stranger)).await, StatusCode::FORBIDDEN, "{method} {path} for a stranger");
        if role != "viewer" {
            assert_eq!(call(Some(&viewer)).await, StatusCode::FORBIDDEN, "{method} {path} for a viewer");
        } else if path.starts_with("/projects/p") {
            assert_ne!(call(Some(&viewer)).await, StatusCode::FORBIDDEN, "{method} {path} for a viewer");
        }
    }
    for (method, path, role) in operations(&document, "missing") {
        if !path.starts_with("/projects/missing") {
            continue;
        }
        let call =
            async |token: &str| api.send(method.clone(), &path, Some(token), Body::from("{}")).await.status;
        assert_eq!(
            call(&api.admin).await,
            StatusCode::NOT_FOUND,
            "{method} {path} ({role:?}) for an administrator"
        );
        assert_eq!(call(&stranger).await, StatusCode::FORBIDDEN, "{method} {path} for a stranger");
    }
}

#[tokio::test]
async fn the_document_is_openapi_3_1_with_unique_operations_and_known_schemas() {
    let api = Api::new().await;
    let document = api.send(Method::GET, "/openapi.json", None, Body::empty()).await.ok();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut ids: Vec<_> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap().to_owned())
        .collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
    let text = document.to_string();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for part in text.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name} is referred to but not described");
    }
}

#[tokio::test]
async fn tokens_are_made_listed_and_revoked_and_their_secrets_shown_once() {
    let api = Api::with_project().await;
    let made = api
        .post("/tokens", json!({"name": "ci", "project": "p", "roles": ["viewer", "editor"], "expiresAt": "2999-01-01T00:00:00Z"}))
        .await
        .ok();
    let secret = made["token"].as_str().unwrap().to_owned();
    assert_eq!(
        (&made["roles"], &made["expiresAt"]),
        (&json!(["editor"]), &json!("2999-01-01T00:00:00.000Z"))
    );
    let listed = api.get("/tokens").await.ok();
    assert!(!listed.to_string().contains(&secret));
    assert_eq!(listed["tokens"].as_array().unwrap().len(), 2);
    let seen = api.send(Method::GET, "/projects", Some(&secret), Body::empty()).await.ok();
    let names: Vec<_> = seen.as_array().unwrap().iter().map(|project| project["name"].clone()).collect();
    assert_eq!(names, ["p"]);
    api.delete(&format!("/tokens/{}", made["id"].as_str().unwrap())).await.ok();
    let answer = api.send(Method::GET, "/projects", Some(&secret), Body::empty()).await;
    assert_eq!(answer.refused(401, "authentication_error"), "Authentication failed.");
    for (body, field) in [
        (json!({"project": "nope", "role": "viewer"}), "project"),
        (json!({"project": "p", "role": "king"}), "role"),
        (json!({"admin": true, "expiresAt": "2001-01-01T00:00:00Z"}), "expiresAt"),
        (json!({}), "project"),
    ] {
        assert!(api.post("/tokens", body.clone()).await.invalid().contains(&field), "{body}");
    }
}

#[tokio::test]
async fn an_expired_token_is_no_token() {
    let api = Api::new().await;
    let client = api.database.db().client().await.unwrap();
    let access = granary_catalog::Access::admin();
    let (_, secret) =
        granary_db::definitions::token::create(&client, "old", &access, Some(1_000)).await.unwrap();
    api.send(Method::GET, "/projects", Some(&secret), Body::empty())
        .await
        .refused(401, "authentication_error");
}

#[tokio::test]
async fn objects_of_one_project_do_not_exist_in_another() {
    let api = Api::with_guide().await;
    api.post("/projects", json!({"displayName": "q"})).await.ok();
    let id =
        api.post("/projects/p/belts", super::support::belt()).await.ok()["id"].as_str().unwrap().to_owned();
    for path in [
        "/projects/q/event-types/livesegment-datain".to_owned(),
        "/projects/q/event-types/livesegment-datain/latest".to_owned(),
        "/projects/q/event-types/livesegment-datain/eventstores/pg/persister/state".to_owned(),
        "/projects/q/harvesters/instances/harvesterforlivesegm".to_owned(),
        format!("/projects/q/belts/{id}"),
        format!("/projects/q/belts/{id}/state"),
    ] {
        api.get(&path).await.refused(404, "entity_not_found");
    }
    let answer = api.post("/projects/q/belts", super::support::belt()).await;
    assert_eq!(answer.invalid(), ["eventTypes[0]", "outputTypes[0].name"]);
}
