//! Dead letters and what one does about them: a belt that fails for some events is mended, and what it had refused is
//! processed again, each letter once.

use anyhow::{Context, Result, ensure};
use granary_tests::node::Node;
use granary_tests::wait::{Look, PATIENCE, await_condition};
use granary_tests::walkthrough::{BELT_BODY, CALLBACK, EVENT, Walkthrough, belt_with, json_of};
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
