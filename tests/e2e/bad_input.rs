//! What bad input gets.

use anyhow::{Result, bail};
use granary_tests::api::COLLECTOR_PATH;
use granary_tests::node::Node;
use granary_tests::project::Project;
use granary_tests::walkthrough::{
    BELT_BODY, HARVESTER_BODY, INPUT, INPUT_BODY, OUTPUT, OUTPUT_BODY, Walkthrough, belt_with, json_of,
};
use reqwest::Method;
use serde_json::{Value, json};

/// A body of a schema event type with this schema text.
fn with_schema(schema: &str) -> Value {
    json!({"displayName": "bad", "type": "live_segment", "schema": {"schema": schema}})
}

/// A `data_in` body with one field changed.
fn input_with(field: &str, value: &Value) -> Value {
    let mut body = json_of(INPUT_BODY);
    body["displayName"] = json!("bad");
    body[field] = value.clone();
    body
}

#[tokio::test]
async fn every_mistake_is_answered_with_its_place_and_creates_nothing() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::event_types(&node.api()?).await?;
    let without_name = json!({"type": "data_in", "eventIdExpression": "#randomUUID()"});
    // (path, body, what the message names)
    let table: Vec<(&str, String, Vec<&str>)> = vec![
        ("/event-types", "{\n  \"displayName\": }".to_owned(), vec!["line 2", "column"]),
        ("/event-types", "".to_owned(), vec![]),
        ("/event-types", "[]".to_owned(), vec![]),
        ("/event-types", "\"\u{0}\"".to_owned(), vec![]),
        ("/event-types", without_name.to_string(), vec!["displayName"]),
        ("/event-types", input_with("displayName", &json!("")).to_string(), vec!["displayName"]),
        ("/event-types", input_with("displayName", &json!("###")).to_string(), vec!["displayName"]),
        ("/event-types", input_with("displayName", &json!(7)).to_string(), vec!["displayName"]),
        ("/event-types", input_with("type", &json!("tabular")).to_string(), vec!["type", "tabular"]),
        ("/event-types", input_with("partitionCount", &json!(0)).to_string(), vec!["partitionCount"]),
        ("/event-types", input_with("partitionCount", &json!("many")).to_string(), vec!["partitionCount"]),
        ("/event-types", input_with("eventstoreTTL", &json!("a while")).to_string(), vec!["eventstoreTTL"]),
        (
            "/event-types",
            input_with("timestampExpression", &json!("#nowMilis()")).to_string(),
            vec!["timestampExpression", "#nowMilis", "nowMillis"],
        ),
        (
            "/event-types",
            input_with("eventIdExpression", &json!("payload.")).to_string(),
            vec!["eventIdExpression"],
        ),
        (
            "/event-types",
            input_with("eventIdExpression", &Value::Null).to_string(),
            vec!["eventIdExpression"],
        ),
        (
            "/event-types",
            with_schema("{\"type\": \"object\",\n \"properties\": }").to_string(),
            vec!["schema", "line 2"],
        ),
        ("/event-types", with_schema("[]").to_string(), vec!["schema"]),
        (
            "/event-types",
            with_schema(r#"{"type":"object","properties":{"name":{"type":"string"}}}"#).to_string(),
            vec!["schema", "no property 'id'"],
        ),
        (
            "/event-types",
            with_schema(
                r#"{"type":"object","properties":{"id":{"type":"string"},"x":{"$ref":"http://x.example/"}}}"#,
            )
            .to_string(),
            vec!["http://x.example/", "never fetched"],
        ),
        ("/event-types", json!({"displayName": "bad", "type": "live_segment"}).to_string(), vec!["schema"]),
        ("/harvesters/instances", json!({"displayName": "bad"}).to_string(), vec!["sourceType"]),
        ("/harvesters/instances", "{".to_owned(), vec!["line 1", "column"]),
        ("/belts", json!({"eventTypes": [INPUT]}).to_string(), vec!["name"]),
        ("/belts", belt_field("eventTypes", &json!(["nothing-of-this-name"])), vec!["nothing-of-this-name"]),
        (
            "/belts",
            belt_field("outputTypes", &json!([{"name": "nowhere", "version": "latest"}])),
            vec!["nowhere"],
        ),
        ("/belts", belt_field("extractorVersion", &json!("")), vec!["extractorVersion"]),
        ("/belts", belt_with("def execute(a):\n    return []\n").to_string(), vec!["execute"]),
        ("/belts", belt_with("def run(a, b):\n    return []\n").to_string(), vec!["execute"]),
        (
            "/belts",
            belt_with("import nothing_like_this\ndef execute(a, b): pass").to_string(),
            vec!["line 1", "nothing_like_this"],
        ),
        ("/belts", belt_with("def execute(a, b):\nreturn []").to_string(), vec!["line 2"]),
        (
            "/belts",
            belt_with("1/0\ndef execute(a, b): pass").to_string(),
            vec!["line 1", "ZeroDivisionError"],
        ),
        ("/belts", belt_with("while True: pass\ndef execute(a, b): pass").to_string(), vec!["5"]),
        ("/sql", json!({"query": "select * from nowhere"}).to_string(), vec!["nowhere"]),
        ("/sql", json!({"query": "select 1; select 2"}).to_string(), vec![]),
        ("/sql", json!({"query": "create table x (y int)"}).to_string(), vec![]),
        ("/sql", json!({"query": "delete from public.eventstore"}).to_string(), vec![]),
        ("/sql", json!({}).to_string(), vec!["query"]),
    ];
    let before = totals(&project).await?;
    let mut wrong = Vec::new();
    for (path, body, parts) in table {
        let answer = project.api.post_text(&project.path(path), body.clone()).await?;
        let error_type =
            if path == "/sql" && body.contains("query") { "sql_error" } else { "bad_parameter_value" };
        if let Err(error) = answer.refused(400, error_type, &parts) {
            wrong.push(format!("{body}\n   -> {error}"));
        }
    }
    if !wrong.is_empty() {
        bail!("{} answers are not as they should be:\n{}", wrong.len(), wrong.join("\n"));
    }
    assert_eq!(totals(&project).await?, before);
    // And the engine is as well as before.
    project.create_harvester(&json_of(HARVESTER_BODY)).await?;
    node.await_ready().await
}

#[tokio::test]
async fn several_mistakes_of_one_body_come_in_one_answer() -> Result<()> {
    let node = Node::start().await?;
    let project = Project::create(&node.api()?, "one").await?;
    let body = json!({"displayName": "", "partitionCount": -1, "eventIdExpression": "#no()"});
    let answer = project.api.post(&project.path("/event-types"), &body).await?;
    let error = answer.refused(400, "bad_parameter_value", &[])?;
    let names: Vec<_> =
        error["invalidParams"].as_array().into_iter().flatten().map(|p| p["name"].to_string()).collect();
    for name in ["displayName", "partitionCount", "eventIdExpression", "correlationIdExpression"] {
        assert!(names.iter().any(|n| n.contains(name)), "{name}: {error}");
    }
    assert_eq!(error["details"], "uri=/projects/one/event-types");
    assert!(error["timestamp"].is_number());
    Ok(())
}

#[tokio::test]
async fn unknown_fields_are_taken_and_named_in_warnings() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::project(&node.api()?).await?;
    let answer = project
        .api
        .post(&project.path("/event-types"), &input_with("colour", &json!("green")))
        .await?
        .ok()?;
    assert!(answer["warnings"].to_string().contains("colour"), "{answer}");
    let plain = project.api.post_text(&project.path("/event-types"), OUTPUT_BODY).await?.ok()?;
    assert!(plain["warnings"].as_array().is_none_or(Vec::is_empty), "{plain}");
    let body = input_with("displayName", &json!("belt-input"));
    let input = project.create_event_type(&body).await?;
    let mut belt = json_of(BELT_BODY);
    belt["eventTypes"] = json!([input]);
    belt["serviceAccountName"] = json!("someone");
    let answer = project.api.post(&project.path("/belts"), &belt).await?.ok()?;
    assert_eq!(answer["serviceAccountName"], "someone");
    assert!(answer["warnings"].to_string().contains("serviceAccountName"), "{answer}");
    Ok(())
}

#[tokio::test]
async fn a_body_over_the_limit_is_answered_413_with_the_limit() -> Result<()> {
    let node = Node::start().await?;
    let project = Project::create(&node.api()?, "one").await?;
    let body = json!({"displayName": "big", "description": "x".repeat(9 << 20)});
    let answer = project.api.post(&project.path("/event-types"), &body).await?;
    assert_eq!(answer.status, 413, "{}", answer.text);
    assert!(answer.text.contains("8 MiB") || answer.text.contains("8388608"), "{}", answer.text);
    Ok(())
}

/// Trackers send again after a 413, for ever.
#[tokio::test]
async fn an_event_over_the_limit_is_answered_200_and_its_beginning_kept_apart() -> Result<()> {
    let node = Node::start().await?;
    let api = node.api()?;
    let event = format!(r#"{{"appId":"{}"}}"#, "x".repeat(33 << 20));
    api.post_text(COLLECTOR_PATH, event).await?.expect(200)?;
    // 32 MiB in records of less than a megabyte.
    let bad = api.get("/streams/snowplow_bad").await?.ok()?;
    assert!(bad["partitions"][0]["end"].as_u64() >= Some(32), "{bad}");
    Ok(())
}

#[tokio::test]
async fn the_collector_takes_any_body_and_no_mistyped_api_path() -> Result<()> {
    let node = Node::start().await?;
    let walk = Walkthrough::run(&node.api()?).await?;
    let api = walk.project.api.with_token(None);
    let bodies: [&[u8]; 5] = [b"", b"\xff\xfe\x00", b"{", b"[{}]", "\u{1f33e}".as_bytes()];
    for body in bodies {
        let answer = api.send(Method::POST, COLLECTOR_PATH, Some(("text/plain", body.to_vec()))).await?;
        answer.ok()?;
    }
    // Each is one record; the array holds nothing of the application, so it is skipped, and the others are not JSON.
    walk.project.await_dead_letters(&Walkthrough::harvester_dead_letters(), 4).await?;
    for path in ["/project/x/belts", "/api/projects", "/nothing", "/com.example"] {
        let answer = walk.project.api.post_text(path, "{}").await?;
        answer.expect(404)?;
    }
    Ok(())
}

#[tokio::test]
async fn names_and_ids_that_are_not_there_answer_404_and_doubles_409() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::harvester(&node.api()?).await?;
    let api = &project.api;
    let belt = project.create_belt(&json_of(BELT_BODY)).await?;
    let get = async |path: String| api.get(&path).await;
    get(project.belt_path("425")).await?.refused(
        404,
        "entity_not_found",
        &["Belt with ID '425' not found."],
    )?;
    get(project.belt_path("abcd")).await?.refused(
        400,
        "bad_parameter_value",
        &["must be a natural number but is 'abcd'"],
    )?;
    get(project.event_type_path("nope")).await?.refused(
        404,
        "entity_not_found",
        &["Event Type 'nope' not found"],
    )?;
    get(format!("{}/4", project.event_type_path(INPUT))).await?.refused(
        404,
        "entity_not_found",
        &["Event Type 'livesegment-datain' with version '4' not found"],
    )?;
    get(format!("{}/-1", project.event_type_path(INPUT))).await?.refused(
        400,
        "bad_parameter_value",
        &["'-1'"],
    )?;
    get(project.harvester_path("h")).await?.refused(404, "entity_not_found", &["Harvester 'h' not found"])?;
    get(project.path("/belts?pagesize=-1")).await?.refused(
        400,
        "bad_parameter_value",
        &["pagesize", "'-1'"],
    )?;
    get(project.path("/nothing")).await?.expect(404)?;
    let persister = format!("{}/state", project.data_in_persister_path(OUTPUT));
    get(persister).await?.expect(404)?;

    let doubles =
        [("/event-types", INPUT_BODY), ("/harvesters/instances", HARVESTER_BODY), ("/belts", BELT_BODY)];
    for (path, body) in doubles {
        api.post_text(&project.path(path), body).await?.refused(
            409,
            "entity_already_exists",
            &["already exists"],
        )?;
    }
    let in_use = api.delete(&project.event_type_path(INPUT)).await?;
    in_use.refused(412, "entity_in_use", &[])?;
    let state = format!("{}/state", project.belt_path(&belt));
    api.action(&state, "DANCE").await?.refused(400, "bad_parameter_value", &["DANCE"])?;
    let unchanged = api.put(&project.event_type_path(INPUT), &json_of(INPUT_BODY)).await?;
    unchanged.expect(304)?;
    assert!(unchanged.text.is_empty());
    Ok(())
}

fn belt_field(field: &str, value: &Value) -> String {
    let mut body = json_of(BELT_BODY);
    body[field] = value.clone();
    body.to_string()
}

/// How many event types, harvesters and belts there are.
async fn totals(project: &Project) -> Result<[usize; 3]> {
    let count = async |path: &str, key: &str| -> Result<usize> {
        let body = project.api.get(&project.path(path)).await?.ok()?;
        Ok(body[key].as_array().map_or(0, Vec::len))
    };
    Ok([
        count("/event-types", "eventTypes").await?,
        count("/harvesters/instances", "harvesters").await?,
        count("/belts", "items").await?,
    ])
}
