use granary_catalog::{Object, Status};
use serde_json::{Value, json};

use super::support::{Api, URL, belt, data_in};
use crate::api::runtime::{CheckError, ErrorKind, RuntimeError, ScriptProblem};

async fn made(api: &Api) -> (i64, String) {
    let id = api.post("/projects/p/belts", belt()).await.ok()["id"].as_str().unwrap().to_owned();
    (id.parse().unwrap(), format!("/projects/p/belts/{id}"))
}

#[tokio::test]
async fn a_callback_that_does_not_load_is_refused_with_line_column_and_caret() {
    let api = Api::with_guide().await;
    *api.runtime.check.lock().unwrap() = Err(CheckError::Script(vec![ScriptProblem {
        message: "invalid syntax".to_owned(),
        line: Some(22),
        column: Some(7),
        excerpt: Some("x = 1 print(x)".to_owned()),
        traceback: None,
    }]));
    let answer = api.post("/projects/p/belts", belt()).await;
    assert_eq!(answer.invalid(), ["extractorFn"]);
    assert_eq!(
        answer.refused(400, "bad_parameter_value"),
        "Parameter 'extractorFn' is not valid: invalid syntax (line 22, column 7)\nx = 1 print(x)\n      ^"
    );
    assert_eq!(api.get("/projects/p/belts").await.ok()["totalCount"], 0);
    *api.runtime.check.lock().unwrap() =
        Err(CheckError::Runtime(RuntimeError::new(ErrorKind::Failed, "no runtime")));
    assert_eq!(api.post("/projects/p/belts", belt()).await.refused(500, "unexpected_error"), "no runtime");
}

#[tokio::test]
async fn warnings_of_the_check_travel_with_the_answer() {
    let api = Api::with_guide().await;
    *api.runtime.check.lock().unwrap() = Ok(vec!["'testlivesegment-0000' is not declared".to_owned()]);
    let made = api.post("/projects/p/belts", belt()).await.ok();
    assert_eq!(made["warnings"], json!(["'testlivesegment-0000' is not declared"]));
}

#[tokio::test]
async fn ids_are_assigned_or_given_and_never_twice() {
    let api = Api::with_guide().await;
    let mut body = belt();
    body["name"] = json!("given");
    assert_eq!(api.post("/projects/p/belts/2", body).await.ok()["id"], "2");
    let mut ids = Vec::new();
    for number in 0..3 {
        let mut body = belt();
        body["name"] = json!(format!("b{number}"));
        ids.push(api.post("/projects/p/belts", body).await.ok()["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids, ["1", "3", "4"]);
    let message = api.get("/projects/p/belts/abcd").await.refused(400, "bad_parameter_value");
    assert_eq!(message, "Parameter 'beltId' must be a natural number but is 'abcd'.");
    assert_eq!(
        api.get("/projects/p/belts/425").await.refused(404, "entity_not_found"),
        "Belt with ID '425' not found."
    );
}

#[tokio::test]
async fn a_put_replaces_the_whole_belt() {
    let api = Api::with_guide().await;
    let (id, path) = made(&api).await;
    let mut body = belt();
    body["description"] = json!("d");
    body["debug"] = json!(true);
    api.put(&path, body).await.ok();
    let next = api.put(&path, belt()).await.ok();
    assert_eq!(
        (&next["version"], &next["description"], &next["debug"]),
        (&json!("3"), &json!(""), &json!(false))
    );
    assert_eq!(api.runtime.take_calls().last().unwrap(), &format!("changed belt:{id}"));
    let export = api.get(&format!("{path}?export=true")).await.ok();
    let keys: Vec<&str> = export.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["id", "name", "eventTypes", "outputTypes", "extractorFn"]);
}

#[tokio::test]
async fn states_follow_the_specification() {
    let api = Api::with_guide().await;
    let (id, path) = made(&api).await;
    let state = format!("{path}/state");
    let act = async |action: &str| api.post(&state, json!({"action": action})).await;
    api.runtime.set(Object::Belt(id), Status::Deploying);
    assert_eq!(
        act("START").await.refused(400, "bad_parameter_value"),
        "Parameter 'state' cannot be 'START' while Belt status is 'DEPLOYING'."
    );
    api.runtime.set(Object::Belt(id), Status::Running);
    assert_eq!(act("START").await.ok()["status"], "RUNNING");
    assert_eq!(act("STOP").await.ok()["status"], "STOPPED");
    assert_eq!(act("STOP").await.ok()["status"], "STOPPED");
    assert_eq!(act("RESTART").await.ok()["status"], "DEPLOYING");
    act("TRIGGER").await.refused(400, "bad_parameter_value");
    assert_eq!(act("start").await.invalid(), ["action"]);
    api.runtime.set(Object::Belt(id), Status::Failed);
    let report = api.get(&state).await.ok();
    assert_eq!(report["deploymentEvents"][0]["message"], "it broke");
}

#[tokio::test]
async fn logs_are_kept_by_instance_and_for_editors() {
    let api = Api::with_guide().await;
    let (id, path) = made(&api).await;
    let logs = api.get(&format!("{path}/logs?lines=9")).await.ok();
    assert_eq!(logs["logs"][format!("grnry-belt-{id}")][0], format!("belt:{id} callback 9"));
    assert_eq!(logs["totalCount"], 1);
}

#[tokio::test]
async fn lists_start_anywhere_and_link_on() {
    let api = Api::with_guide().await;
    for number in 0..4 {
        let mut body = belt();
        body["name"] = json!(format!("belt {number}"));
        api.post("/projects/p/belts", body).await.ok();
    }
    let listed = api.get("/projects/p/belts?pagesize=2&offset=1&search=belt%20").await.ok();
    let names: Vec<Value> =
        listed["items"].as_array().unwrap().iter().map(|item| item["name"].clone()).collect();
    assert_eq!(names, ["belt 1", "belt 2"]);
    let next = format!("{URL}/projects/p/belts?pagesize=2&search=belt%20&offset=3");
    assert_eq!(listed["_links"]["next"]["href"], next);
}

#[tokio::test]
async fn every_bad_field_is_named_in_one_answer() {
    let api = Api::with_guide().await;
    let body = json!({"eventTypes": ["nope"], "extractorVersion": "", "memory": "x", "replicas": 0});
    let answer = api.post("/projects/p/belts", body).await;
    let mut invalid = answer.invalid();
    invalid.sort_unstable();
    assert_eq!(invalid, ["eventTypes[0]", "extractorVersion", "memory", "name", "replicas"]);
    assert!(answer.body["message"].as_str().unwrap().ends_with("And 4 more, see invalidParams."));
}

/// The guide with two more `data_in` types, `b` and `c`, beside `livesegment-datain`; their technical names.
async fn with_three_inputs() -> (Api, [String; 3]) {
    let api = Api::with_guide().await;
    let mut names = ["livesegment-datain".to_owned(), String::new(), String::new()];
    for (name, label) in names[1..].iter_mut().zip(["b", "c"]) {
        let mut body = data_in();
        body["displayName"] = json!(label);
        *name = api.post("/projects/p/event-types", body).await.ok()["name"].as_str().unwrap().to_owned();
    }
    (api, names)
}

fn chained(name: &str, reads: &str, writes: &[&str]) -> Value {
    let mut body = belt();
    body["name"] = json!(name);
    body["eventTypes"] = json!([reads]);
    body["outputTypes"] = writes.iter().map(|name| json!({"name": name, "version": "latest"})).collect();
    body
}

#[tokio::test]
async fn chains_that_come_back_are_refused_with_their_way() {
    let (api, [a, b, c]) = with_three_inputs().await;
    let belts = "/projects/p/belts";
    let itself = api.post(belts, chained("one", &a, &[&b, &a])).await;
    assert_eq!(itself.invalid(), ["outputTypes"]);
    let told = itself.refused(400, "bad_parameter_value");
    let way = format!("closes a cycle: belt 'one' -> event type '{a}' -> belt 'one'; events would go round");
    assert!(told.contains(&way), "{told}");

    api.post(belts, chained("one", &a, &[&b])).await.ok();
    api.post(belts, chained("two", &b, &[&c, "livesegment-dataoutp"])).await.ok();
    let told = api.post(belts, chained("three", &c, &[&a])).await.refused(400, "bad_parameter_value");
    let way = format!(
        "belt 'three' -> event type '{a}' -> belt 'one' -> event type '{b}' -> belt 'two' -> event type '{c}' -> belt 'three'"
    );
    assert!(told.contains(&way), "{told}");

    // The same by a change, by its former version, and by a raw topic.
    let path = |made: &Value| format!("{belts}/{}", made["id"].as_str().unwrap());
    let third = path(&api.post(belts, chained("three", &c, &["livesegment-dataoutp"])).await.ok());
    assert_eq!(api.put(&third, chained("three", &c, &[&a])).await.invalid(), ["outputTypes"]);
    let mut raw = chained("three", &c, &[]);
    raw["kafkaDestinationTopic"] = json!(format!("grnry_data_in_{b}"));
    assert_eq!(api.put(&third, raw).await.invalid(), ["kafkaDestinationTopic"]);
    api.put(&third, chained("three", &b, &[&c])).await.ok();
    assert_eq!(api.get(&third).await.ok()["version"], "2");
}

#[tokio::test]
async fn a_rollback_into_a_cycle_is_refused() {
    let (api, [a, b, _]) = with_three_inputs().await;
    let belts = "/projects/p/belts";
    let first = api.post(belts, chained("one", &a, &[&b])).await.ok();
    let first = format!("{belts}/{}", first["id"].as_str().unwrap());
    api.put(&first, chained("one", &a, &["livesegment-dataoutp"])).await.ok();
    api.post(belts, chained("two", &b, &[&a])).await.ok();
    let told = api.post(&format!("{first}/rollback"), json!({})).await.refused(400, "bad_parameter_value");
    assert!(told.contains("belt 'one' -> event type") && told.contains("belt 'two' -> event type"), "{told}");
}
