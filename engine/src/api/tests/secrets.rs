use axum::{body::Body, http::Method, http::StatusCode};
use granary_catalog::{Object, Role, Status};
use serde_json::{Value, json};

use super::support::{Answer, Api, URL, belt};

const PATH: &str = "/projects/p/secrets/mailer";

async fn put(api: &Api, data: Value) -> Answer {
    api.put(PATH, json!({ "data": data })).await
}

/// The guide's belt with a variable from the secret `mailer`.
fn using(name: &str, key: &str, optional: bool) -> Value {
    let reference = json!({"name": "mailer", "key": key, "optional": optional});
    let env = json!({"extraEnv": [{"name": "V", "valueFrom": {"secretKeyRef": reference}}]});
    let mut body = belt();
    body["name"] = json!(name);
    body["extraEnv"] = json!(env.to_string());
    body
}

#[tokio::test]
async fn a_secret_is_set_replaced_listed_and_deleted_and_never_shows_its_values() {
    let api = Api::with_project().await;
    let mut seen = Vec::new();
    let made = put(&api, json!({"user": "ada-1815", "password": "hunter2"})).await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(
        (&made.body["name"], &made.body["version"], &made.body["keys"], &made.body["belts"]),
        (&json!("mailer"), &json!(1), &json!(["password", "user"]), &json!([]))
    );
    assert_eq!(made.body["_links"]["self"]["href"], format!("{URL}{PATH}"));
    assert!(made.body["modifiedAt"].is_string() && made.body["modifiedBy"]["name"] == "tester");
    seen.push(made.body);
    let replaced = put(&api, json!({"password": "hunter2"})).await;
    assert_eq!((replaced.status, &replaced.body["version"]), (StatusCode::OK, &json!(2)));
    seen.push(replaced.body);
    for path in [PATH, "/projects/p/secrets", "/projects/p/secrets?search=MAIL"] {
        seen.push(api.get(path).await.ok());
    }
    assert_eq!(seen[4]["totalCount"], 1);
    assert_eq!(seen[4]["secrets"][0], seen[2]);
    let text = json!(seen).to_string();
    assert!(!text.contains("hunter2") && !text.contains("ada-1815"), "{text}");
    assert_eq!(api.delete(PATH).await.status, StatusCode::NO_CONTENT);
    let message = api.get(PATH).await.refused(404, "entity_not_found");
    assert_eq!(message, "Secret 'mailer' not found.");
    api.delete(PATH).await.refused(404, "entity_not_found");
}

#[tokio::test]
async fn lists_are_paged_by_name_within_the_project() {
    let api = Api::with_project().await;
    api.post("/projects", json!({"displayName": "q"})).await.ok();
    api.put("/projects/q/secrets/elsewhere", json!({"data": {"k": "v"}})).await.ok();
    for name in ["c", "a", "b"] {
        api.put(&format!("/projects/p/secrets/{name}"), json!({"data": {"k": "v"}})).await.ok();
    }
    let listed = api.get("/projects/p/secrets?pagesize=2").await.ok();
    let names: Vec<&Value> = listed["secrets"].as_array().unwrap().iter().map(|s| &s["name"]).collect();
    assert_eq!((names, &listed["totalCount"]), (vec![&json!("a"), &json!("b")], &json!(3)));
    let next = listed["_links"]["next"]["href"].as_str().unwrap().strip_prefix(URL).unwrap();
    assert_eq!(api.get(next).await.ok()["secrets"][0]["name"], "c");
    let message = api.get("/projects/p/secrets/elsewhere").await.refused(404, "entity_not_found");
    assert_eq!(message, "Secret 'elsewhere' not found.");
    let message = api.get("/projects/p/secrets/A").await.refused(404, "entity_not_found");
    assert_eq!(message, "Secret 'A' not found. Did you mean 'a'?");
}

#[tokio::test]
async fn every_bad_field_is_named_and_no_value_is_quoted() {
    let api = Api::with_project().await;
    let path = "/projects/p/secrets/Not_A_Label";
    let answer = api.put(path, json!({"data": {"a b": "hunter2", "c": 5}, "dta": "hunter2"})).await;
    assert_eq!(answer.invalid(), ["name", "data.a b", "data.c"]);
    assert!(!answer.body.to_string().contains("hunter2"), "{}", answer.body);
    for body in
        [json!({"data": "hunter2"}), json!("hunter2"), json!({"data": {"a": ["hunter2"]}}), Value::Null]
    {
        let answer = api.put(PATH, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(!answer.body.to_string().contains("hunter2"), "{}", answer.body);
    }
    let broken = Body::from("{\"data\": {\"a\": \"hunter2\" \"hunter2\"}}");
    let answer = api.send(Method::PUT, PATH, Some(&api.admin), broken).await;
    assert!(!answer.body.to_string().contains("hunter2"), "{}", answer.body);
    answer.refused(400, "bad_parameter_value");
    let warned = api.put(PATH, json!({"data": {"a": "b"}, "dta": "hunter2"})).await.ok();
    assert_eq!(warned["warnings"], json!(["Unknown field 'dta' is ignored. Did you mean 'data'?"]));
}

#[tokio::test]
async fn a_project_has_a_bounded_number_of_secrets() {
    let api = Api::with_project().await;
    let client = api.database.db().client().await.unwrap();
    let sql = "INSERT INTO granary.secret (project, name, version, keys, sealed, sealed_with, created_by, modified_by) \
               SELECT 'p', 's' || n, 1, '{}', '{}', '', '{\"name\": \"\", \"email\": \"\"}', '{\"name\": \"\", \"email\": \"\"}' \
               FROM generate_series(1, 249) n";
    client.batch_execute(sql).await.unwrap();
    put(&api, json!({"k": "v"})).await.ok();
    let answer = api.put("/projects/p/secrets/one-more", json!({"data": {"k": "v"}})).await;
    assert_eq!(answer.invalid(), ["name"]);
    put(&api, json!({"k": "w"})).await.ok();
}

#[tokio::test]
async fn viewers_see_names_and_only_editors_change() {
    let api = Api::with_project().await;
    put(&api, json!({"password": "hunter2"})).await.ok();
    let (viewer, editor) = (api.token("p", Role::Viewer).await, api.token("p", Role::Editor).await);
    let call = async |method: Method, token: &str| {
        api.send(method, PATH, Some(token), Body::from("{\"data\": {\"password\": \"swordfish\"}}")).await
    };
    assert_eq!(call(Method::GET, &viewer).await.ok()["keys"], json!(["password"]));
    call(Method::PUT, &viewer).await.refused(403, "entity_not_accessible");
    call(Method::DELETE, &viewer).await.refused(403, "entity_not_accessible");
    assert_eq!(call(Method::PUT, &editor).await.ok()["version"], 2);
    assert_eq!(call(Method::DELETE, &editor).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn belts_name_secrets_that_are_there() {
    let api = Api::with_guide().await;
    let answer = api.post("/projects/p/belts", using("b", "password", false)).await;
    assert_eq!(answer.invalid(), ["extraEnv.V"]);
    let message = answer.refused(400, "bad_parameter_value");
    assert!(message.contains("names the secret 'mailer', which does not exist in this project"), "{message}");
    put(&api, json!({"user": "ada"})).await.ok();
    let answer = api.post("/projects/p/belts", using("b", "password", false)).await;
    let message = answer.refused(400, "bad_parameter_value");
    assert!(message.contains("(it has 'user')"), "{message}");
    let made = api.post("/projects/p/belts", using("b", "password", true)).await.ok();
    assert!(made["warnings"][0].as_str().unwrap().contains("is not set"), "{made}");
    put(&api, json!({"user": "ada", "password": "hunter2"})).await.ok();
    let path = format!("/projects/p/belts/{}", made["id"].as_str().unwrap());
    let changed = api.put(&path, using("b", "password", false)).await.ok();
    assert_eq!(changed["warnings"], Value::Null);
    for path in [path.clone(), format!("{path}?export=true"), format!("{path}/versions")] {
        let text = api.get(&path).await.ok().to_string();
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn what_belts_use_is_not_deleted_and_a_change_outdates_them() {
    let api = Api::with_guide().await;
    put(&api, json!({"user": "ada", "password": "hunter2"})).await.ok();
    let id = |made: &Value| made["id"].as_str().unwrap().to_owned();
    let first = id(&api.post("/projects/p/belts", using("first", "password", false)).await.ok());
    let second = id(&api.post("/projects/p/belts", using("second", "user", true)).await.ok());
    api.post("/projects/p/belts", belt()).await.ok();
    api.runtime.set(Object::Belt(first.parse().unwrap()), Status::Running);
    let shown = api.get(PATH).await.ok();
    assert_eq!(
        shown["belts"][0],
        json!({"id": first, "name": "first", "status": "RUNNING",
            "_links": {"self": {"href": format!("{URL}/projects/p/belts/{first}")}}})
    );
    assert_eq!(shown["belts"].as_array().unwrap().len(), 2);

    let message = api.delete(PATH).await.refused(409, "entity_in_use");
    let belts = format!("belt 'first' (ID '{first}'), belt 'second' (ID '{second}')");
    assert_eq!(message, format!("Secret 'mailer' is still in use by: {belts}."));
    // A value that a belt cannot do without has to stay; an optional one may go.
    let message = put(&api, json!({"user": "ada"})).await.refused(409, "entity_in_use");
    assert!(message.contains(&format!("belt 'first' (ID '{first}') needs 'password'")), "{message}");
    assert_eq!(api.get(PATH).await.ok()["version"], 1);
    api.runtime.take_calls();
    put(&api, json!({"password": "hunter3"})).await.ok();
    assert_eq!(api.runtime.take_calls(), [format!("changed belt:{first}"), format!("changed belt:{second}")]);

    for id in [first, second] {
        api.delete(&format!("/projects/p/belts/{id}")).await.ok();
    }
    assert_eq!(api.delete(PATH).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn an_escaped_reference_counts_as_well() {
    let api = Api::with_guide().await;
    put(&api, json!({"password": "hunter2"})).await.ok();
    let mut body = using("b", "password", false);
    let env = body["extraEnv"].as_str().unwrap().replace("secretKeyRef", "secretKey\\u0052ef");
    body["extraEnv"] = json!(env);
    api.post("/projects/p/belts", body).await.ok();
    api.delete(PATH).await.refused(409, "entity_in_use");
}

#[tokio::test]
async fn a_key_file_that_is_none_is_told_and_left_alone() {
    let api = Api::with_project().await;
    let file = api.secrets.path().join(crate::secrets::key::FILE);
    std::fs::write(&file, "broken").unwrap();
    let message = put(&api, json!({"password": "hunter2"})).await.refused(500, "unexpected_error");
    assert!(message.contains("secret.key") && message.contains("64 hex digits"), "{message}");
    assert_eq!(std::fs::read(&file).unwrap(), b"broken");
    std::fs::remove_file(&file).unwrap();
    put(&api, json!({"password": "hunter2"})).await.ok();
}
