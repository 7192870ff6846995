//! Dead letters and what one does about them: a belt that fails for some events is mended, and what it had refused is
//! processed again, each letter once.

use anyhow::{Context, Result, ensure};
use granary_tests::node::Node;
use granary_tests::program::Program;
use granary_tests::wait::{Look, PATIENCE, await_condition};
use granary_tests::walkthrough::{BELT_BODY, CALLBACK, EVENT, PROJECT, Walkthrough, belt_with, json_of};
use serde_json::{Value, json};

/// An event for which [`broken`] raises.
const REFUSED: &str = r#"{"appId":"liveSegmenttest","evil":true,"firstName":"E","lastName":"V"}"#;

/// The guide's belt, except that it raises for marked events.
fn broken() -> Value {
    let check = "    update = []\n    if event_payload.get('evil'):\n        raise ValueError('not yet')\n";
    belt_with(&CALLBACK.replace("    update = []\n", check))
}

async fn letter(walk: &Walkthrough, id: &str) -> Result<Value> {
    walk.project.api.get(&walk.project.path(&format!("/dead-letters/{id}"))).await?.ok()
}

/// Waits until a letter is in a state at an attempt; answers it.
async fn await_state(walk: &Walkthrough, id: &str, state: &str, attempts: u64) -> Result<Value> {
    await_condition(&format!("letter {id} to be {state}"), PATIENCE, async || {
        let seen = letter(walk, id).await?;
        let reached = seen["state"] == state && seen["attempts"] == attempts;
        Ok(Look::from_option(reached.then(|| seen.clone()), seen.to_string()))
    })
    .await
}

fn kinds(letter: &Value) -> Vec<&str> {
    letter["history"].as_array().into_iter().flatten().filter_map(|entry| entry["event"].as_str()).collect()
}

#[tokio::test]
async fn a_mended_belt_gets_what_it_had_refused_once() -> Result<()> {
    let node = Node::start().await?;
    let walk = Walkthrough::run_with(&node.api()?, &broken()).await?;
    let project = &walk.project;
    for _ in 0..3 {
        project.api.event(REFUSED).await?;
    }
    project.api.event(EVENT).await?;
    let stream = walk.belt_dead_letters();
    let letters = project.await_dead_letters(&stream, 3).await?;
    walk.await_rows(1).await?;
    let ids: Vec<&str> =
        letters.iter().map(|l| l.body["id"].as_str().context("an id")).collect::<Result<_>>()?;

    // Without a mended belt it fails again: the same letter, one attempt later, and nothing is emitted.
    let one = project.path(&format!("/dead-letters/{}/retry", ids[0]));
    project.api.post(&one, &json!({})).await?.ok()?;
    let again = await_state(&walk, ids[0], "dead", 2).await?;
    ensure!(kinds(&again).last() == Some(&"failed_again"), "{again}");

    // One is given up for good, the others wait for a belt that stands still and go through once it runs again.
    let discard = project.path(&format!("/dead-letters/{}/discard", ids[2]));
    project.api.post(&discard, &json!({})).await?.ok()?;
    project.halt(&project.belt_path(&walk.belt)).await?;
    let filter = json!({"stream": stream, "contains": "not yet"});
    let retry = project.path("/dead-letters/retry");
    let answer = project.api.post(&retry, &filter).await?.ok()?;
    assert_eq!((&answer["matched"], &answer["changed"]), (&json!(2), &json!(2)), "{answer}");
    assert_eq!(letter(&walk, ids[1]).await?["state"], "retrying");
    project.api.put(&project.belt_path(&walk.belt), &json_of(BELT_BODY)).await?.ok()?;
    project.run_belt(&walk.belt).await?;
    for (id, attempts) in [(ids[0], 3), (ids[1], 2)] {
        let through = await_state(&walk, id, "retried", attempts).await?;
        ensure!(kinds(&through).last() == Some(&"went_through"), "{through}");
    }
    walk.await_rows(3).await?;

    // Neither what went through nor what was given up can be asked for again.
    for id in [ids[0], ids[2]] {
        let path = project.path(&format!("/dead-letters/{id}/retry"));
        let answer = project.api.post(&path, &json!({})).await?;
        ensure!(answer.status == 409, "{}: {}", answer.request, answer.text);
    }
    let answer = project.api.post(&retry, &json!({"all": true})).await?.ok()?;
    assert_eq!(answer["changed"], 0, "{answer}");
    let refused = project.api.post(&retry, &json!({})).await?;
    ensure!(refused.status == 400, "{}", refused.text);
    project.api.event(EVENT).await?;
    walk.await_rows(4).await?;
    Ok(())
}

/// `granary dlq` in the guide's project.
struct Dlq {
    granary: Program,
}

impl Dlq {
    /// Runs a command that must end with that status; what it printed, errors included.
    async fn run(&self, arguments: &[&str], status: i32) -> Result<String> {
        let all = [&["dlq"][..], arguments, &["--project", PROJECT][..]].concat();
        self.granary.fails(&all, status).await
    }

    /// The same, and what it printed has to hold `part`.
    async fn says(&self, arguments: &[&str], status: i32, part: &str) -> Result<()> {
        let printed = self.run(arguments, status).await?;
        ensure!(printed.contains(part), "granary dlq {arguments:?} should say {part:?}:\n{printed}");
        Ok(())
    }
}

#[tokio::test]
async fn the_command_line_lists_shows_retries_and_gives_up() -> Result<()> {
    let node = Node::start().await?;
    let walk = Walkthrough::run_with(&node.api()?, &broken()).await?;
    let project = &walk.project;
    for _ in 0..3 {
        project.api.event(REFUSED).await?;
    }
    let letters = project.await_dead_letters(&walk.belt_dead_letters(), 3).await?;
    let ids: Vec<&str> =
        letters.iter().map(|l| l.body["id"].as_str().context("an id")).collect::<Result<_>>()?;
    let belt = json_of(BELT_BODY)["name"].as_str().context("a label")?.to_owned();
    let home = tempfile::tempdir()?;
    let dlq = Dlq { granary: Program::beside(&node, home.path()) };

    let listed = dlq.run(&["ls", "--belt", &belt], 0).await?;
    ensure!(ids.iter().all(|id| listed.contains(id)) && listed.contains("(3 rows)"), "{listed}");
    ensure!(listed.contains("not yet") && listed.contains(&walk.belt_dead_letters()), "{listed}");
    dlq.says(&["ls", "--limit", "1"], 0, "3 in all").await?;
    dlq.says(&["ls", "--contains", "something else"], 0, "(0 rows)").await?;
    let shown = json_of(&dlq.run(&["show", ids[0]], 0).await?);
    assert_eq!((&shown["id"], &shown["state"]), (&json!(ids[0]), &json!("dead")), "{shown}");
    ensure!(shown["stacktrace"].as_str().is_some_and(|text| text.contains("in execute")), "{shown}");

    // Nothing is mended yet.
    dlq.says(&["retry", ids[0], "--wait"], 1, "1 letters are dead again").await?;
    dlq.says(&["retry", ids[0]], 0, "retry: 1 letters matched, 1 changed").await?;
    await_state(&walk, ids[0], "dead", 3).await?;
    dlq.says(&["discard", ids[2]], 0, "discard: 1 letters matched, 1 changed").await?;
    dlq.says(&["discard", ids[2]], 1, "1 of the 1 letters named are in no state for that").await?;
    dlq.says(&["retry", ids[2], "--wait"], 1, "in no state for that").await?;

    project.halt(&project.belt_path(&walk.belt)).await?;
    project.api.put(&project.belt_path(&walk.belt), &json_of(BELT_BODY)).await?.ok()?;
    project.run_belt(&walk.belt).await?;
    dlq.says(&["retry", "--belt", &belt, "--wait"], 0, "retry: 2 letters retried, 0 dead again").await?;
    walk.await_rows(2).await?;
    dlq.says(&["ls"], 0, "(0 rows)").await?;
    dlq.says(&["ls", "--state", "retried"], 0, "(2 rows)").await?;
    dlq.says(&["ls", "--state", "all"], 0, "(3 rows)").await?;
    dlq.says(&["retry", "--all"], 0, "retry: 0 letters matched, 0 changed").await?;
    Ok(())
}

#[tokio::test]
async fn the_command_line_says_what_it_does_not_know() -> Result<()> {
    let node = Node::start().await?;
    Walkthrough::project(&node.api()?).await?;
    let home = tempfile::tempdir()?;
    let dlq = Dlq { granary: Program::beside(&node, home.path()) };
    for (arguments, part) in [
        (&["ls", "--belt", "nobody"][..], "has no belt named 'nobody'"),
        (&["ls", "--state", "deed"], "some of dead, retrying, retried, discarded"),
        (&["ls", "--since", "yesterday"], "'yesterday'"),
        (&["show", "999999"], "999999"),
        (&["show", "first"], "must be a natural number but is 'first'"),
        (&["retry", "999999"], "1 of the 1 letters named are not in this project"),
        (&["retry", "999999", "999999", "--wait"], "1 of the 1 letters named are not in this project"),
        (&["discard", "first"], "must be natural numbers but one is 'first'"),
        (&["discard", "--belt", "nobody"], "has no belt named 'nobody'"),
    ] {
        dlq.says(arguments, 1, part).await?;
    }
    for (arguments, part) in [
        (&["retry"][..], "no letters named: give ids, a filter such as --belt NAME, or --all"),
        (&["retry", "--wait"], "no letters named"),
        (&["discard"], "no letters named"),
        (&["discard", "1", "--all"], "cannot be used with"),
        (&["retry", "--all", "--code", "exception"], "cannot be used with"),
        (&["ls", "--belt", "a", "--stream", "b"], "cannot be used with"),
        (&["list"], "unrecognized subcommand"),
    ] {
        dlq.says(arguments, 2, part).await?;
    }
    let printed = dlq.granary.fails(&["dlq", "ls", "--project", "nowhere"], 1).await?;
    ensure!(printed.contains("nowhere"), "{printed}");
    let printed = dlq.granary.fails(&["dlq", "ls"], 2).await?;
    ensure!(printed.contains("--project"), "{printed}");
    Ok(())
}
