use axum::http::StatusCode;
use serde_json::json;

use super::support::{Api, URL, belt, data_in, live_segment};
use crate::api::runtime::ErrorKind;

#[tokio::test]
async fn projects_are_made_shown_and_changed() {
    let api = Api::with_project().await;
    let shown = api.get("/projects/p").await.ok();
    assert_eq!(shown["dataAccess"]["schema"], "p");
    assert_eq!(shown["dataAccess"]["secretName"], "p-pg-credentials");
    let changed = api.put("/projects/p", json!({"displayName": "P two", "description": "d"})).await.ok();
    assert_eq!((&changed["name"], &changed["displayName"]), (&json!("p"), &json!("P two")));
    let names: Vec<_> =
        api.get("/projects").await.ok().as_array().unwrap().iter().map(|p| p["name"].clone()).collect();
    assert_eq!(names, ["global", "p"]);
    for label in ["pg stuff", "public", "granary", ""] {
        let answer = api.post("/projects", json!({"displayName": label})).await;
        assert_eq!(answer.invalid(), ["displayName"], "{label}");
    }
}

#[tokio::test]
async fn what_could_not_be_brought_about_is_taken_back() {
    let api = Api::with_project().await;
    *api.runtime.failing.lock().unwrap() = Some(("project", ErrorKind::Unavailable));
    api.post("/projects", json!({"displayName": "q"})).await.refused(503, "temporarily_unavailable");
    *api.runtime.failing.lock().unwrap() = Some(("created", ErrorKind::Failed));
    let message = api.post("/projects/p/event-types", data_in()).await.refused(500, "unexpected_error");
    assert_eq!(message, "created livesegment-datain failed");
    *api.runtime.failing.lock().unwrap() = None;
    api.post("/projects", json!({"displayName": "q"})).await.ok();
    api.post("/projects/p/event-types", data_in()).await.ok();
    *api.runtime.failing.lock().unwrap() = Some(("updated", ErrorKind::Failed));
    let path = "/projects/p/event-types/livesegment-datain";
    api.put(path, json!({"eventIdExpression": "payload.id"})).await.refused(500, "unexpected_error");
    let latest = api.get(&format!("{path}/latest")).await.ok();
    assert_eq!((&latest["version"], &latest["eventIdExpression"]), (&json!(1), &json!("#randomUUID()")));
}

#[tokio::test]
async fn versions_of_an_event_type_count_up_only_for_changes_that_matter() {
    let api = Api::with_guide().await;
    let path = "/projects/p/event-types/livesegment-datain";
    assert_eq!(api.put(path, data_in()).await.status, StatusCode::NOT_MODIFIED);
    let labelled = api.put(path, json!({"displayName": "renamed"})).await.ok();
    assert_eq!((&labelled["version"], &labelled["name"]), (&json!(1), &json!("livesegment-datain")));
    assert_eq!(api.runtime.take_calls(), Vec::<String>::new());
    let next = api.put(path, json!({"eventIdExpression": "payload.id"})).await.ok();
    assert_eq!((&next["version"], &next["displayName"]), (&json!(2), &json!("renamed")));
    assert_eq!(api.runtime.take_calls(), ["updated livesegment-datain 1 -> 2"]);
    let all = api.get(path).await.ok();
    let versions: Vec<_> =
        all["eventTypes"].as_array().unwrap().iter().map(|v| v["version"].clone()).collect();
    assert_eq!(versions, [json!(1), json!(2)]);
    let first = api.get(&format!("{path}/1")).await.ok();
    assert_eq!(
        (&first["eventIdExpression"], &first["displayName"]),
        (&json!("#randomUUID()"), &json!("renamed"))
    );
    let message = api.get(&format!("{path}/4")).await.refused(404, "entity_not_found");
    assert!(message.starts_with("Event Type 'livesegment-datain' with version '4' not found."), "{message}");
    let message = api.get(&format!("{path}/-1")).await.refused(400, "bad_parameter_value");
    assert_eq!(message, "Parameter 'version' must be a natural number or 'latest' but is '-1'.");
    assert_eq!(api.put(path, json!({"partitionCount": 3})).await.invalid(), ["partitionCount"]);
}

#[tokio::test]
async fn a_new_version_outdates_what_follows_the_latest() {
    let api = Api::with_guide().await;
    let id = api.post("/projects/p/belts", belt()).await.ok()["id"].as_str().unwrap().to_owned();
    api.put(
        "/projects/p/harvesters/instances/harvesterforlivesegm",
        json!({"eventType": {"version": "latest"}}),
    )
    .await
    .ok();
    api.runtime.take_calls();
    api.put("/projects/p/event-types/livesegment-datain", json!({"eventstoreTTL": "P1Y"})).await.ok();
    let mut schema = live_segment();
    schema["schema"]["schema"] =
        json!(schema["schema"]["schema"].as_str().unwrap().replace(
            "\"lastName\": {\"type\": \"string\"}",
            "\"lastName\": {\"type\": [\"string\", \"null\"]}"
        ));
    api.put("/projects/p/event-types/livesegment-dataoutp", schema).await.ok();
    assert_eq!(
        api.runtime.take_calls(),
        [
            "updated livesegment-datain 1 -> 2".to_owned(),
            "changed harvester:harvesterforlivesegm".to_owned(),
            "updated livesegment-dataoutp 1 -> 2".to_owned(),
            format!("changed belt:{id}"),
        ]
    );
}

#[tokio::test]
async fn an_event_type_in_use_is_not_deleted() {
    let api = Api::with_guide().await;
    let id = api.post("/projects/p/belts", belt()).await.ok()["id"].as_str().unwrap().to_owned();
    let path = "/projects/p/event-types/livesegment-datain";
    let message = api.delete(path).await.refused(412, "entity_in_use");
    assert!(message.contains(&format!("{URL}/projects/p/belts/{id}")), "{message}");
    assert!(message.contains("/harvesters/instances/harvesterforlivesegm"), "{message}");
    assert_eq!(api.delete(&format!("/projects/p/belts/{id}")).await.ok(), json!({"content": true}));
    let harvester = api.delete("/projects/p/harvesters/instances/harvesterforlivesegm").await;
    assert_eq!(harvester.status, StatusCode::NO_CONTENT);
    api.runtime.take_calls();
    assert_eq!(api.delete(path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(
        api.runtime.take_calls(),
        ["remove persister:pg:livesegment-datain", "deleted livesegment-datain"]
    );
    api.get(path).await.refused(404, "entity_not_found");
    api.delete(path).await.refused(404, "entity_not_found");
}

#[tokio::test]
async fn lists_are_paged_searched_and_linked() {
    let api = Api::with_project().await;
    for number in 0..5 {
        let mut body = data_in();
        body["displayName"] = json!(format!("Type {number}"));
        api.post("/projects/p/event-types", body).await.ok();
    }
    let first = api.get("/projects/p/event-types?pagesize=2&search=type").await.ok();
    assert_eq!((first["eventTypes"].as_array().unwrap().len(), &first["totalCount"]), (2, &json!(5)));
    let next = first["_links"]["next"]["href"].as_str().unwrap().strip_prefix(URL).unwrap().to_owned();
    assert_eq!(next, "/projects/p/event-types?pagesize=2&search=type&offset=2");
    let second = api.get(&next).await.ok();
    assert_eq!(second["eventTypes"][0]["name"], "Type-2");
    let last = api.get("/projects/p/event-types?pagesize=2&offset=4").await.ok();
    assert!(last["_links"].get("next").is_none());
    assert_eq!(api.get("/projects/p/event-types?search=3").await.ok()["totalCount"], 1);
    assert_eq!(api.get("/projects/p/event-types?pagesize=2&offset=3").await.invalid(), ["offset"]);
    assert_eq!(api.get("/projects/p/event-types?pagesize=251").await.invalid(), ["pagesize"]);
    let expanded = api.get("/projects/p/event-types?pagesize=1&expand=outputs,persisters").await.ok();
    let persister = &expanded["eventTypes"][0]["outputs"]["persisters"][0];
    assert_eq!(
        (&persister["eventStoreType"], &persister["state"]["status"]),
        (&json!("pg"), &json!("RUNNING"))
    );
}

#[tokio::test]
async fn paths_without_a_project_mean_global_except_for_reading_event_types() {
    let api = Api::with_guide().await;
    let mut body = data_in();
    body["displayName"] = json!("of-global");
    assert_eq!(api.post("/event-types", body).await.ok()["projectName"], "global");
    let all = api.get("/event-types").await.ok();
    let names: Vec<_> = all["eventTypes"].as_array().unwrap().iter().map(|e| e["name"].clone()).collect();
    assert_eq!(names, ["livesegment-datain", "livesegment-dataoutp", "of-global"]);
    assert!(all["eventTypes"][0].get("eventIdExpression").is_none());
    assert_eq!(api.get("/event-types/livesegment-datain/latest").await.ok()["projectName"], "p");
    let state = "/event-types/of-global/eventstores/pg/persister/state";
    assert_eq!(api.get(state).await.ok()["status"], "RUNNING");
    assert_eq!(api.get("/harvesters/instances").await.ok()["totalCount"], 0);
    assert_eq!(api.get("/belts").await.ok()["totalCount"], 0);
    let viewer = api.token("p", granary_catalog::Role::Viewer).await;
    let seen = api
        .send(axum::http::Method::GET, "/event-types", Some(&viewer), axum::body::Body::empty())
        .await
        .ok();
    assert_eq!(seen["totalCount"], 2);
}

#[tokio::test]
async fn exports_can_be_posted_again() {
    let api = Api::with_guide().await;
    let export = api.get("/projects/p/event-types/livesegment-datain/latest?export=TRUE").await.ok();
    assert!(export.get("name").is_none() && export.get("createdAt").is_none());
    api.post("/projects", json!({"displayName": "q"})).await.ok();
    let again = api.post("/projects/q/event-types", export).await.ok();
    assert_eq!(again["name"], "livesegment-dat-0000");
    let export = api.get("/projects/p/harvesters/instances/harvesterforlivesegm?export=true").await.ok();
    assert_eq!(export["name"], "harvesterforlivesegm");
}

#[tokio::test]
async fn persisters_are_configured_started_and_stopped() {
    let api = Api::with_guide().await;
    let live = "/projects/p/event-types/livesegment-dataoutp/eventstores/live-segment/persister";
    let shown = api.get(live).await.ok();
    assert_eq!(shown["config"]["errorsTolerance"], "all");
    let changed = api.put(live, json!({"config": {"batchSize": "10", "errorsTolerance": "none"}})).await.ok();
    assert_eq!((&changed["config"]["batchSize"], &changed["config"]["tasksMax"]), (&json!(10), &json!(3)));
    assert_eq!(api.runtime.take_calls(), ["changed persister:live-segment:livesegment-dataoutp"]);
    let answer = api.post(&format!("{live}/state"), json!({"action": "RESTART"})).await;
    assert_eq!((answer.status, answer.body), (StatusCode::OK, json!(null)));
    let answer = api.post(&format!("{live}/state"), json!({"action": "JUMP"})).await;
    assert_eq!(answer.invalid(), ["action"]);
    assert!(answer.refused(400, "bad_parameter_value").contains("provided value: 'JUMP'"));
    let pg = "/projects/p/event-types/livesegment-datain/eventstores/pg/persister";
    let shown = api.get(&format!("{pg}?expand=state")).await.ok();
    assert_eq!(shown["streamName"], "g-p-pg-livesegment-datain");
    assert_eq!(shown["state"]["status"], "RUNNING");
    assert_eq!(api.put(pg, json!({})).await.invalid(), ["appConfig", "deployerConfig"]);
    let body = json!({"appConfig": {"eventstore.batchSize": "7"}, "deployerConfig": {}});
    let changed = api.put(&format!("{pg}?imported=true"), body).await.ok();
    assert_eq!(changed["appConfig"]["eventstore.batchTimeout"], "1000");
    assert_eq!(api.post(&format!("{pg}/state"), json!({"action": "STOP"})).await.ok()["status"], "STOPPED");
    assert_eq!(
        api.get(&format!("{pg}/logs?lines=3")).await.ok()["logs"][0],
        "persister:pg:livesegment-datain persister 3"
    );
    let wrong = "/projects/p/event-types/livesegment-datain/eventstores/live-segment/persister";
    assert!(
        api.get(wrong)
            .await
            .refused(404, "entity_not_found")
            .starts_with("Persister 'livesegment-datain' not found.")
    );
}

#[tokio::test]
async fn kinds_without_a_persister_are_definitions_only() {
    let api = Api::with_project().await;
    for kind in ["ttl", "ttn", "profile", "segment", "custom"] {
        let made = api
            .post("/projects/p/event-types", json!({"displayName": format!("a {kind}"), "type": kind}))
            .await
            .ok();
        assert_eq!(made["type"], kind);
        let path = format!("/projects/p/event-types/a-{kind}/eventstores/pg/persister/state");
        api.get(&path).await.refused(404, "entity_not_found");
    }
}

#[tokio::test]
async fn source_types_are_listed_by_name_and_version() {
    let api = Api::new().await;
    let listed = api.get("/harvesters/source-types").await.ok();
    assert_eq!(
        (&listed["sourceTypes"][0]["name"], &listed["totalCount"]),
        (&json!("grnry-topic"), &json!(1))
    );
    let one = api.get("/harvesters/source-types/grnry-topic/latest").await.ok();
    assert_eq!(one["sourceTypes"][0]["appConfig"]["grnry-topic.startOffset"], "latest");
    let message = api.get("/harvesters/source-types/grnry-topik").await.refused(404, "entity_not_found");
    assert!(message.contains("'grnry-topic'"), "{message}");
    api.get("/harvesters/source-types/grnry-topic/9").await.refused(404, "entity_not_found");
}

#[tokio::test]
async fn sql_reads_the_projects_schema_and_reports_errors_with_their_place() {
    let api = Api::with_project().await;
    let body = json!({"query": "select $1::int8 + 1 as n, 'x' as t", "parameters": [41], "maxRows": 5});
    let answer = api.post("/projects/p/sql", body).await.ok();
    assert_eq!(answer["columns"], json!([{"name": "n", "type": "int8"}, {"name": "t", "type": "text"}]));
    assert_eq!(
        (answer["rows"].to_string(), &answer["truncated"]),
        ("[[42,\"x\"]]".to_owned(), &json!(false))
    );
    let answer = api.post("/projects/p/sql", json!({"query": "select nope"})).await;
    assert_eq!((&answer.body["sqlstate"], &answer.body["position"]), (&json!("42703"), &json!(8)));
    answer.refused(400, "sql_error");
    for body in [json!({}), json!({"query": 1}), json!({"query": "select 1", "maxRows": 0}), json!(null)] {
        api.post("/projects/p/sql", body).await.refused(400, "bad_parameter_value");
    }
    let login = api.post("/projects/p/sql/login", json!(null)).await.ok();
    assert!(login["user"].is_string() && login["password"].is_string() && login["port"].is_string());
}

#[tokio::test]
async fn dead_letters_are_listed_under_their_stream_newest_first() {
    let api = Api::with_project().await;
    let empty = api.get("/projects/p/dead-letters?stream=grnry_belt_dlq_1").await.ok();
    assert_eq!((&empty["deadLetters"], &empty["totalCount"]), (&json!([]), &json!(0)));
    let letter = |payload: &'static [u8]| granary_db::dead_letters::DeadLetter {
        project: "p".to_owned(),
        stream: "grnry_belt_dlq_1".to_owned(),
        stage: "belt:1".to_owned(),
        code: "exception".to_owned(),
        message: "KeyError: 'x'".to_owned(),
        topic: "t".to_owned(),
        payload: bytes::Bytes::from_static(payload),
        headers: vec![("a".to_owned(), "b".to_owned())],
        ..granary_db::dead_letters::DeadLetter::default()
    };
    let db = api.database.db();
    let log_id = uuid::Uuid::new_v4();
    let acquired =
        granary_db::cursors::acquire(db, "belt:1", log_id, &[("t".to_owned(), 0, 0)]).await.unwrap();
    let commit = granary_db::commit::Commit {
        stage: "belt:1".to_owned(),
        epoch: acquired.epoch,
        log_id,
        moves: vec![granary_db::commit::CursorMove {
            topic: "t".to_owned(),
            partition: 0,
            from: 0,
            to: 3,
            seen: None,
        }],
        holds: Vec::new(),
        ranges: Vec::new(),
        dead: vec![letter(b"{\"n\":1}"), letter(b"\xff\x00"), letter(b"last")],
    };
    let mut client = db.client().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    granary_db::commit::commit(&transaction, &commit).await.unwrap();
    transaction.commit().await.unwrap();
    let listed = api.get("/projects/p/dead-letters?stream=grnry_belt_dlq_1&limit=2").await.ok();
    let items = listed["deadLetters"].as_array().unwrap();
    assert_eq!((&items[0]["payload"], &items[0]["payloadEncoding"]), (&json!("last"), &json!("text")));
    assert_eq!((&items[1]["payload"], &items[1]["payloadEncoding"]), (&json!("/wA="), &json!("base64")));
    assert_eq!(items[0]["headers"][0], json!(["a", "b"]));
    assert_eq!(items[0]["headers"][1], json!(["grnry-exception-message", "KeyError: 'x'"]));
    let next = listed["_links"]["next"]["href"].as_str().unwrap().strip_prefix(URL).unwrap().to_owned();
    let rest = api.get(&next).await.ok();
    assert_eq!(rest["deadLetters"][0]["payload"], "{\"n\":1}");
    assert_eq!(api.get("/projects/p/dead-letters?limit=0").await.invalid(), ["limit"]);
    assert_eq!(api.get("/projects/global/dead-letters").await.ok()["totalCount"], 0);
}
