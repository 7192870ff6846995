//! `requirementsPy`: packages that are installed when a belt is made and go with its versions.

use anyhow::{Context, Result, ensure};
use granary_tests::node::Node;
use granary_tests::program::Program;
use granary_tests::walkthrough::{BELT_BODY, EVENT, Walkthrough, json_of};
use serde_json::json;

/// A callback that writes a name as the package `inflection` does.
const SOURCE: &str = "\
import inflection
from dateutil import parser
from grnry_belt.models.direct_update import DirectUpdate

def execute(event_headers, event_payload):
    name = inflection.camelize('ada_lovelace') + str(parser.parse('2026-11-24').year)
    return [DirectUpdate('livesegment-dataoutp', {
        'id': event_headers['grnry-correlation-id'], 'firstName': name, 'lastName': 'x', 'fullName': 'x'})]
";

#[tokio::test]
async fn pure_packages_run_stay_with_their_version_and_survive_a_restart() -> Result<()> {
    let mut node = Node::start().await?;
    let project = Walkthrough::harvester(&node.api()?).await?;
    let mut body = json_of(BELT_BODY);
    body["extractorFn"] = json!(SOURCE);
    body["requirementsPy"] = json!("inflection==0.5.1\r\npython-dateutil\nisodate==0.6.0\n");
    let made = project.api.post(&project.path("/belts"), &body).await?.ok()?;
    let packages = made["packages"].as_str().context("packages")?.to_owned();
    ensure!(packages.len() == 64, "{made}");
    let walk = Walkthrough { project, belt: made["id"].as_str().context("an id")?.to_owned() };
    walk.project.run_belt(&walk.belt).await?;
    walk.project.api.event(EVENT).await?;
    walk.await_rows(1).await?;

    // The same requirements keep their archive; without them, the import fails where it stands.
    let path = walk.project.belt_path(&walk.belt);
    let next = walk.project.api.put(&path, &body).await?.ok()?;
    assert_eq!((&next["version"], &next["packages"]), (&json!("2"), &json!(packages)));
    let mut bare = body.clone();
    bare["requirementsPy"] = json!("");
    walk.project.api.put(&path, &bare).await?.refused(
        400,
        "bad_parameter_value",
        &["extractorFn", "inflection", "line 1"],
    )?;
    bare["extractorFn"] = json!("def execute(h, p):\n    return []\n");
    let next = walk.project.api.put(&path, &bare).await?.ok()?;
    ensure!(next["packages"].is_null(), "{next}");
    let back = walk.project.api.post(&format!("{path}/rollback"), &json!({"version": 1})).await?.ok()?;
    assert_eq!(back["packages"], json!(packages));

    node.stop().await?;
    node.restart().await?;
    let mut walk = walk;
    walk.project.api = node.api()?;
    walk.project.api.await_status(&format!("{path}/state"), "RUNNING").await?;
    walk.project.api.event(EVENT).await?;
    walk.await_rows(2).await
}

#[tokio::test]
async fn native_and_unknown_packages_are_all_named() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::harvester(&node.api()?).await?;
    let mut body = json_of(BELT_BODY);
    body["requirementsPy"] = json!("numpy\ninflection==99\ngranary-has-no-such-package\n");
    let refused = project.api.post(&project.path("/belts"), &body).await?;
    let refused =
        refused.refused(400, "bad_parameter_value", &["requirementsPy", "'numpy', which is native code"])?;
    let problems = refused["invalidParams"].as_array().context("problems")?;
    ensure!(problems.len() == 3, "{refused}");
    ensure!(problems[1]["reason"].as_str().is_some_and(|text| text.contains("there are")), "{refused}");
    ensure!(problems[2]["reason"].as_str().is_some_and(|text| text.contains("does not know")), "{refused}");
    Ok(())
}

#[tokio::test]
async fn a_belt_is_tested_with_its_packages() -> Result<()> {
    let node = Node::start().await?;
    let home = tempfile::tempdir()?;
    let granary = Program::beside(&node, home.path());
    granary.ok(&["belt", "new", "people"]).await?;
    let edit = |file: &str, from: &str, to: &str| granary.edit(&format!("people/{file}"), from, to);
    edit("belt.toml", "[belt]\n", "[belt]\nrequirementsPy = \"inflection\"\n")?;
    edit("belt.py", "import logging\n", "import inflection\nimport logging\n")?;
    let name = "'{firstName} {lastName}'.format(**event_payload)";
    edit("belt.py", name, &format!("inflection.titleize({name})"))?;
    let printed = granary.ok(&["belt", "test", "people"]).await?;
    ensure!(printed.contains("1 events, 1 as expected, 0 not"), "{printed}");
    granary.ok(&["belt", "push", "people"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_shadow_runs_the_packages_of_the_engine() -> Result<()> {
    let node = Node::start().await?;
    let home = tempfile::tempdir()?;
    let granary = Program::beside(&node, home.path());
    granary.ok(&["belt", "new", "people"]).await?;
    let edit = |file: &str, from: &str, to: &str| granary.edit(&format!("people/{file}"), from, to);
    // A line that no other test writes: this machine has not installed it.
    let requirement = "requirementsPy = \"inflection>=0.5,<1\"\n";
    edit("belt.toml", "[belt]\n", &format!("[belt]\n{requirement}"))?;
    edit("belt.py", "import logging\n", "import inflection\nimport logging\n")?;
    let name = "'{firstName} {lastName}'.format(**event_payload)";
    edit("belt.py", name, &format!("inflection.titleize({name})"))?;
    granary.ok(&["belt", "push", "people", "--no-test"]).await?;
    granary.ok(&["belt", "send", "people"]).await?;
    let shadow = ["belt", "replay", "people", "--from", "earliest", "--shadow"];
    let printed = granary.ok(&shadow).await?;
    ensure!(printed.contains("1 events, 0 come out otherwise"), "{printed}");
    ensure!(!printed.contains("packages: installing"), "{printed}");

    // A belt without packages beside one that has some.
    edit("belt.toml", requirement, "")?;
    edit("belt.py", "import inflection\n", "")?;
    edit("belt.py", &format!("inflection.titleize({name})"), &format!("{name}.upper()"))?;
    let printed = granary.ok(&shadow).await?;
    ensure!(printed.contains("1 events, 1 come out otherwise"), "{printed}");
    ensure!(!printed.contains("packages: installing"), "{printed}");
    Ok(())
}
