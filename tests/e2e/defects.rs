//! The guide's defects: what happens when it is taken literally.

use anyhow::Result;
use granary_tests::api::Api;
use granary_tests::node::Node;
use granary_tests::project::Project;
use granary_tests::wait::{Look, PATIENCE, await_condition};
use granary_tests::walkthrough::{
    BELT_BODY, BELT_BODY_AS_PRINTED, BELT_BODY_ESCAPED, CALLBACK, EVENT, HARVESTER, HARVESTER_BODY,
    HARVESTER_BODY_PYTHON, INPUT, INPUT_BODY, OUTPUT, OUTPUT_BODY, OUTPUT_BODY_AS_PRINTED, Walkthrough,
    belt_with, json_of,
};
use serde_json::{Value, json};

#[tokio::test]
async fn w1_the_printed_belt_is_refused_with_the_place_where_the_json_ends() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::event_types(&node.api()?).await?;
    let answer = project.api.post_text(&project.path("/belts"), BELT_BODY_AS_PRINTED).await?;
    // The placeholder stands in line 14.
    answer.refused(400, "bad_parameter_value", &["line 14", "column"])?;
    Ok(())
}

#[tokio::test]
async fn w2_the_escaped_callback_is_refused_with_line_22_and_a_caret() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::event_types(&node.api()?).await?;
    let answer = project.api.post_text(&project.path("/belts"), BELT_BODY_ESCAPED).await?;
    let body = answer.refused(400, "bad_parameter_value", &["line 22"])?;
    let text = body.to_string();
    assert!(text.contains('^'), "a caret under the place: {text}");
    assert!(text.contains("event_headers['grnry-correlation-id']"), "the line itself: {text}");
    let belts = project.api.get(&project.path("/belts")).await?.ok()?;
    assert_eq!(belts["totalCount"], 0, "nothing was created");
    Ok(())
}

#[tokio::test]
async fn w3_an_undeclared_target_is_warned_of_at_creation_and_named_in_the_dead_letter() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::harvester(&node.api()?).await?;
    let callback = CALLBACK.replace("'livesegment-dataoutp'", "'testlivesegment-0000'");
    let answer = project.api.post(&project.path("/belts"), &belt_with(&callback)).await?.ok()?;
    let warnings = answer["warnings"].to_string();
    assert!(warnings.contains("testlivesegment-0000") && warnings.contains(OUTPUT), "{answer}");
    let id = answer["id"].as_str().unwrap_or_default().to_owned();
    project.run_belt(&id).await?;
    project.api.event(EVENT).await?;
    let letters = project.await_dead_letters(&format!("grnry_belt_dlq_{id}"), 1).await?;
    let reason = letters[0].reason();
    assert!(reason.contains("testlivesegment-0000") && reason.contains(OUTPUT), "{:?}", letters[0]);
    Ok(())
}

#[tokio::test]
async fn w4_the_escaped_callback_repaired_does_the_same_as_the_displayed_one() -> Result<()> {
    let node = Node::start().await?;
    let escaped = json_of(BELT_BODY_ESCAPED)["extractorFn"].as_str().unwrap_or_default().to_owned();
    let repaired = escaped
        .replace("['grnry-correlation-id']    print", "['grnry-correlation-id']\r\n    print")
        .replace("'testlivesegment-0000'", "'livesegment-dataoutp'");
    let walk = Walkthrough::run_with(&node.api()?, &belt_with(&repaired)).await?;
    let mut displayed = json_of(BELT_BODY);
    displayed["name"] = json!("the displayed one");
    let displayed = walk.project.create_belt(&displayed).await?;
    walk.project.run_belt(&displayed).await?;
    walk.project.api.event(EVENT).await?;
    // Both write the same id, so one row, and nothing dies.
    walk.project.await_rows(&walk.project.eventstore(INPUT), 1).await?;
    walk.await_rows(1).await?;
    assert!(walk.project.dead_letters(&walk.belt_dead_letters()).await?.is_empty());
    let logs = await_logs(&walk.project, &walk.belt, "directUpdate").await?;
    assert!(logs.contains("event_payload"), "print reaches the belt's logs: {logs}");
    Ok(())
}

#[tokio::test]
async fn w5_an_integer_id_is_warned_of_and_a_text_for_it_does_not_block_the_rest() -> Result<()> {
    let node = Node::start().await?;
    let api = node.api()?;
    let project = with_integer_ids(&api).await?;
    // The guide's callback writes a UUID, or a number where the event has one.
    let callback =
        CALLBACK.replace("str(correlation_id)", "event_payload.get('number', str(correlation_id))");
    let id = project.create_belt(&belt_with(&callback)).await?;
    project.run_belt(&id).await?;
    project.api.event(EVENT).await?;
    project
        .api
        .event(r#"{"appId":"liveSegmenttest","number":7,"firstName":"Andrew","lastName":"Peterson"}"#)
        .await?;
    let letters = project.await_dead_letters(&format!("grnry_live_segment_{OUTPUT}_dlq"), 1).await?;
    let reason = letters[0].reason();
    assert!(
        reason.contains("id") && reason.contains("integer") && reason.contains("string"),
        "{:?}",
        letters[0]
    );
    project.await_rows(&project.live_segment(OUTPUT), 1).await?;
    let state = format!("{}/state", project.live_segment_persister_path(OUTPUT));
    project.api.await_status(&state, "RUNNING").await?;
    Ok(())
}

#[tokio::test]
async fn w6_integer_ids_are_stored_as_integers() -> Result<()> {
    let node = Node::start().await?;
    let project = with_integer_ids(&node.api()?).await?;
    let id =
        project.create_belt(&belt_with(&CALLBACK.replace("str(correlation_id)", "9007199254740993"))).await?;
    project.run_belt(&id).await?;
    project.api.event(EVENT).await?;
    project.await_rows(&project.live_segment(OUTPUT), 1).await?;
    let table = project.sql(&format!(r#"select "id" from {}"#, project.live_segment(OUTPUT))).await?;
    assert_eq!(table.rows, [[json!(9_007_199_254_740_993_i64)]], "beyond the integers of a double");
    Ok(())
}

#[tokio::test]
async fn w7_a_label_where_a_technical_name_belongs_is_taken_or_answered_with_the_name() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::event_types(&node.api()?).await?;
    // In the belt's declarations an exact label will do, and the answer shows the technical name.
    let mut belt = json_of(BELT_BODY);
    belt["outputTypes"][0]["name"] = json!("livesegment-dataoutput");
    let answer = project.api.post(&project.path("/belts"), &belt).await?.ok()?;
    assert_eq!(answer["outputTypes"][0]["name"], OUTPUT);
    // A name that is neither is refused with the near one.
    belt["name"] = json!("another");
    belt["outputTypes"][0]["name"] = json!("livesegment-dataout");
    let answer = project.api.post(&project.path("/belts"), &belt).await?;
    answer.refused(400, "bad_parameter_value", &["livesegment-dataout'", OUTPUT])?;
    // Paths take the technical name only.
    let answer = project.api.get(&project.event_type_path("livesegment-dataoutput")).await?;
    answer.refused(404, "entity_not_found", &["livesegment-dataoutput", OUTPUT])?;
    // In the code the label is an undeclared target, and the warning names the declared one.
    let mut belt = belt_with(&CALLBACK.replace(OUTPUT, "livesegment-dataoutput"));
    belt["name"] = json!("a third one");
    let answer = project.api.post(&project.path("/belts"), &belt).await?.ok()?;
    assert!(answer["warnings"].to_string().contains(&format!("'{OUTPUT}'")), "{answer}");
    Ok(())
}

#[tokio::test]
async fn w8_a_state_call_with_the_label_suggests_the_technical_name() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::harvester(&node.api()?).await?;
    let path = format!("{}/state", project.harvester_path("harvesterforlivesegment"));
    let answer = project.api.action(&path, "START").await?;
    answer.refused(404, "entity_not_found", &["Harvester 'harvesterforlivesegment' not found", HARVESTER])?;
    Ok(())
}

#[tokio::test]
async fn w10_a_script_with_escaped_line_ends_runs() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::event_types(&node.api()?).await?;
    // The guide's own, in Groovy, runs in every other test.
    let mut harvester = json_of(HARVESTER_BODY_PYTHON);
    let script = harvester["transform"]["script"].as_str().unwrap_or_default().replace('\n', "\\n");
    harvester["transform"]["script"] = json!(script);
    let name = project.create_harvester(&harvester).await?;
    project.run_harvester(&name).await?;
    project.api.event(EVENT).await?;
    project.await_rows(&project.eventstore(INPUT), 1).await
}

#[tokio::test]
async fn w12_the_input_persister_runs_without_a_state_call() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::project(&node.api()?).await?;
    project.create_event_type(&json_of(INPUT_BODY)).await?;
    project.create_event_type(&json_of(OUTPUT_BODY)).await?;
    let state = format!("{}/state", project.data_in_persister_path(INPUT));
    project.api.await_status(&state, "RUNNING").await?;
    project.create_harvester(&json_of(HARVESTER_BODY)).await?;
    project.run_harvester(HARVESTER).await?;
    project.api.event(EVENT).await?;
    project.await_rows(&project.eventstore(INPUT), 1).await
}

#[tokio::test]
async fn w13_the_table_answers_to_both_names_before_and_after_the_first_event() -> Result<()> {
    let node = Node::start().await?;
    let walk = Walkthrough::run(&node.api()?).await?;
    let view = walk.table().replace("grnry_live_segment_", "grnry_live_sgmt_");
    assert_eq!((walk.project.rows_in(&walk.table()).await?, walk.project.rows_in(&view).await?), (0, 0));
    walk.project.api.event(EVENT).await?;
    walk.await_rows(1).await?;
    assert_eq!(walk.project.rows_in(&view).await?, 1);
    Ok(())
}

#[tokio::test]
async fn w19_an_undeclared_target_is_an_error_in_the_log_and_a_dead_letter() -> Result<()> {
    let node = Node::start().await?;
    // Not a literal, so that nothing can warn of it before.
    let callback = CALLBACK.replace("'livesegment-dataoutp'", "'nowhere' + '-0000'");
    let walk = Walkthrough::run_with(&node.api()?, &belt_with(&callback)).await?;
    walk.project.api.event(EVENT).await?;
    let letters = walk.project.await_dead_letters(&walk.belt_dead_letters(), 1).await?;
    assert!(letters[0].reason().contains("nowhere-0000"), "{:?}", letters[0]);
    assert!(letters[0].stacktrace().contains("line "), "{:?}", letters[0]);
    assert_eq!(json_of(letters[0].payload()), json_of(EVENT));
    await_logs(&walk.project, &walk.belt, "nowhere-0000").await?;
    assert_eq!(walk.project.rows_in(&walk.table()).await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_transform_in_another_language_is_stored_and_its_start_names_those_that_run() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::event_types(&node.api()?).await?;
    let mut body = json_of(HARVESTER_BODY);
    body["transform"]["language"] = json!("ruby");
    let answer = project.api.post(&project.path("/harvesters/instances"), &body).await?.ok()?;
    assert_eq!(answer["transform"]["language"], "ruby");
    let path = project.harvester_path(HARVESTER);
    let answer = project.api.action(&format!("{path}/state"), "START").await?;
    answer.refused(400, "bad_parameter_value", &["ruby", "groovy", "python"])?;
    let stored = project.api.get(&path).await?.ok()?;
    assert_eq!(stored["transform"]["script"], json_of(HARVESTER_BODY)["transform"]["script"]);
    Ok(())
}

/// The guide's objects up to the harvester, with the schema as printed.
async fn with_integer_ids(api: &Api) -> Result<Project> {
    let project = Walkthrough::project(api).await?;
    project.create_event_type(&json_of(INPUT_BODY)).await?;
    let answer = project.api.post_text(&project.path("/event-types"), OUTPUT_BODY_AS_PRINTED).await?.ok()?;
    assert!(answer["warnings"].to_string().contains("id"), "a warning about the id: {answer}");
    let state = format!("{}/state", project.live_segment_persister_path(OUTPUT));
    project.api.await_status(&state, "RUNNING").await?;
    project.create_harvester(&json_of(HARVESTER_BODY)).await?;
    project.run_harvester(HARVESTER).await?;
    Ok(project)
}

/// Waits until the logs of a belt hold a text, and answers all of them as one text.
async fn await_logs(project: &Project, belt: &str, text: &str) -> Result<String> {
    let path = format!("{}/logs", project.belt_path(belt));
    await_condition(&format!("{text:?} in the logs"), PATIENCE, async || {
        let body = project.api.get(&path).await?.ok()?;
        let lines: Vec<&str> = body["logs"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(_, l)| l.as_array())
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let logs = lines.join("\n");
        Ok(Look::from_option(logs.contains(text).then(|| logs.clone()), body.to_string()))
    })
    .await
}
