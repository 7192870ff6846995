//! Trying a harvester before it runs: over HTTP on sample payloads and on what a stream holds, and at a terminal.

use anyhow::{Context, Result, ensure};
use granary_tests::node::Node;
use granary_tests::program::Program;
use granary_tests::wait::{Look, PATIENCE, await_condition};
use granary_tests::walkthrough::{
    EVENT, HARVESTER, HARVESTER_BODY, INPUT, PROJECT, TRANSFORM_GROOVY, Walkthrough, json_of,
};
use serde_json::{Value, json};

fn outcomes(answer: &Value) -> Vec<&str> {
    answer["records"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|record| record["outcome"].as_str())
        .collect()
}

#[tokio::test]
async fn each_kind_of_result_is_told_and_nothing_is_written() -> Result<()> {
    let node = Node::start().await?;
    // It is not started, so that nothing but the dry run sees what is posted.
    let project = Walkthrough::event_types(&node.api()?).await?;
    project.create_harvester(&json_of(HARVESTER_BODY)).await?;
    let path = project.path("/harvesters/dry-run");
    let script = "import io.grnry.scdfapps.scriptable.DeletionEvent\n\
                  def text = new String(payload)\n\
                  println \"saw $text\"\n\
                  switch (text) {\n\
                  case 'skip': return null\n\
                  case 'list': return [[id: 'a'], new DeletionEvent('c', 'e')]\n\
                  case 'gone': return new DeletionEvent('c')\n\
                  case 'bad': throw new IllegalStateException('no')\n\
                  }\n\
                  [id: text]\n";
    let payloads = ["skip", "one", "list", "gone", "bad"].map(|payload| json!({"payload": payload}));
    let body = json!({
        "transform": {"language": "groovy", "script": script},
        "eventType": {"name": INPUT},
        "expressions": {"correlationIdExpression": "#safeJsonPath(payload, 'id')"},
        "records": payloads,
    });
    let answer = project.api.post(&path, &body).await?.ok()?;
    assert_eq!(outcomes(&answer), ["skip", "message", "list", "deletion", "error"], "{answer:#}");
    let records = &answer["records"];
    let headers = &records[1]["messages"][0]["headers"];
    assert_eq!(headers["grnry-correlation-id"], "one");
    assert_eq!(headers["grnry-event-type"], INPUT);
    ensure!(headers["grnry-event-id"].as_str().is_some_and(|id| id.len() == 36), "{headers}");
    assert_eq!(records[2]["messages"][1]["headers"]["grnry-event-id"], "e");
    assert_eq!(records[3]["messages"][0]["deletion"], true);
    let error = &records[4]["error"];
    assert_eq!(
        (&error["type"], &error["message"]),
        (&json!("java.lang.IllegalStateException"), &json!("no"))
    );
    assert_eq!(error["line"], 8, "{error}");
    ensure!(records[0]["logs"].to_string().contains("saw skip"), "{answer:#}");

    // What does not compile is refused as when a harvester is made, with its place.
    let body =
        json!({"transform": {"language": "groovy", "script": "def a = 1\nif (a"}, "records": payloads});
    project.api.post(&path, &body).await?.refused(400, "bad_parameter_value", &["line 2", "if (a"])?;

    // The guide's harvester as it is stored, on what a tracker posts and on what was posted.
    let posted = json!({"harvester": HARVESTER, "records": [{"body": json_of(EVENT)}, {"body": "hello"}]});
    let answer = project.api.post(&path, &posted).await?.ok()?;
    assert_eq!(outcomes(&answer), ["message", "error"], "{answer:#}");
    assert_eq!(answer["records"][0]["messages"][0]["payload"], json_of(EVENT));
    for body in [EVENT, r#"{"appId": "another"}"#] {
        project.api.event(body).await?;
    }
    let answer =
        project.api.post(&path, &json!({"harvester": HARVESTER, "stream": {"last": 5}})).await?.ok()?;
    let mut seen = outcomes(&answer);
    seen.sort_unstable();
    assert_eq!(seen, ["message", "skip"], "{answer:#}");
    assert_eq!(answer["records"][0]["source"]["stream"], "snowplow");

    assert_eq!(project.rows_in(&project.eventstore(INPUT)).await?, 0);
    assert_eq!(project.dead_letter_count().await?, 0);
    Ok(())
}

#[tokio::test]
async fn at_a_terminal_a_script_runs_with_and_without_an_engine() -> Result<()> {
    let node = Node::start().await?;
    // It is not started, so that nothing but the dry run sees what is posted.
    let project = Walkthrough::event_types(&node.api()?).await?;
    project.create_harvester(&json_of(HARVESTER_BODY)).await?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("guide.groovy"), TRANSFORM_GROOVY)?;
    std::fs::write(folder.path().join("event.json"), EVENT)?;
    std::fs::write(folder.path().join("ids.json"), r##"{"eventIdExpression": "'e-1'"}"##)?;
    let program = Program::beside(&node, folder.path());
    let test = ["harvester", "test", "--script", "guide.groovy"];

    let text = program.ok(&[&test[..], &["--payload-file", "event.json", "--posted"]].concat()).await?;
    ensure!(text.contains("payloads/0@0: message") && text.contains("\"Andrew\""), "{text}");
    let text = program
        .ok(&[&test[..], &["--payload-file", "event.json", "--posted", "--expressions", "ids.json"]].concat())
        .await?;
    ensure!(text.contains("grnry-event-id: e-1"), "{text}");
    let text = program.fails(&[&test[..], &["--payload", "hello", "--posted"]].concat(), 1).await?;
    ensure!(text.contains("payloads/0@0: error") && text.contains("script:10"), "{text}");
    let text = program.fails(&test, 2).await?;
    ensure!(text.contains("--payload"), "{text}");
    std::fs::write(folder.path().join("bad.groovy"), "def a = 1\nif (a")?;
    let text = program.fails(&["harvester", "test", "--script", "bad.groovy", "--payload", "x"], 1).await?;
    ensure!(text.contains("line 2"), "{text}");

    project.api.event(EVENT).await?;
    let in_engine =
        ["harvester", "test", "--project", PROJECT, "--harvester", HARVESTER, "--last", "3", "--json"];
    let answer: Value = serde_json::from_str(&program.ok(&in_engine).await?).context("JSON")?;
    assert_eq!(outcomes(&answer), ["message"], "{answer:#}");
    let text = program.fails(&["harvester", "test", "--last", "3"], 2).await?;
    ensure!(text.contains("--project"), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_harvester_counts_what_became_of_its_records() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::event_types(&node.api()?).await?;
    let script = "import io.grnry.scdfapps.scriptable.DeletionEvent\n\
                  import io.grnry.scdfapps.scriptable.snowplow.SnowplowSerDe\n\
                  switch (SnowplowSerDe.deserialize(payload).getBody()) {\n\
                  case '1': return null\n\
                  case '2': return [[a: 1], new DeletionEvent('c', 'e')]\n\
                  case '3': throw new IllegalStateException('no')\n\
                  }\n\
                  [a: 2]\n";
    let mut body = json_of(HARVESTER_BODY);
    body["transform"]["script"] = json!(script);
    let name = project.create_harvester(&body).await?;
    project.run_harvester(&name).await?;
    for body in ["1", "1", "2", "3", "4"] {
        project.api.event(body).await?;
    }
    let path = format!("{}/state", project.harvester_path(&name));
    let wanted = json!({"read": 5, "written": 3, "skipped": 2, "split": 1, "deletions": 1, "failed": 1});
    await_condition("five records to be counted", PATIENCE, async || {
        let state = project.api.get(&path).await?.ok()?;
        Ok(Look::from_option((state["records"] == wanted).then_some(()), state.to_string()))
    })
    .await
}
