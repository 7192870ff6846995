//! Belts as compiled components, and versions that take over from one another.

use anyhow::{Context, Result};
use granary_tests::node::{Node, guest};
use granary_tests::takeover::{self, Settings};
use granary_tests::walkthrough::{BELT_BODY, EVENT, HARVESTER_BODY, INPUT, Walkthrough, json_of};
use reqwest::Method;
use serde_json::json;

/// A form of parts: name and content.
fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, content) in parts {
        let head = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b--\r\n");
    body
}

#[tokio::test]
async fn a_compiled_belt_makes_rows_fails_with_its_line_and_gives_way_to_python() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::harvester(&node.api()?).await?;
    let mut definition = json_of(BELT_BODY);
    for field in ["extractorFn", "beltType"] {
        definition.as_object_mut().context("an object")?.remove(field);
    }
    let text = definition.to_string();
    let component = guest("belt-rust.wasm")?;
    let body = form(&[("definition", text.as_bytes()), ("component", &component)]);
    let content = Some(("multipart/form-data; boundary=b", body));
    let belt = project.api.send(Method::POST, &project.path("/belts"), content).await?.ok()?;
    assert_eq!(belt["beltType"], "component");
    let walk = Walkthrough { project, belt: belt["id"].as_str().context("an id")?.to_owned() };
    walk.project.run_belt(&walk.belt).await?;
    walk.project.api.event(EVENT).await?;
    walk.await_rows(1).await?;

    walk.project.api.event(r#"{"appId": "liveSegmenttest", "lastName": "Peterson"}"#).await?;
    let letters = walk.project.await_dead_letters(&walk.belt_dead_letters(), 1).await?;
    assert!(letters[0].everything().contains("firstName"), "{letters:?}");

    // The same belt goes on in another language, and back.
    let path = walk.project.belt_path(&walk.belt);
    let mut python = json_of(BELT_BODY);
    python["beltType"] = json!("python-callback");
    let next = walk.project.api.put(&format!("{path}?apply=true"), &python).await?.ok()?;
    assert_eq!(next["version"], "2");
    walk.project.api.event(EVENT).await?;
    walk.await_rows(2).await?;
    let back = walk.project.api.post(&format!("{path}/rollback"), &json!({})).await?.ok()?;
    assert_eq!((&back["version"], &back["component"]), (&json!("3"), &belt["component"]));
    walk.project.api.event(EVENT).await?;
    walk.await_rows(3).await?;
    let state = walk.project.api.get(&format!("{path}/state")).await?.ok()?;
    assert_eq!(state["status"], "RUNNING");
    Ok(())
}

#[tokio::test]
async fn a_component_of_another_world_is_refused_with_what_is_missing() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::event_types(&node.api()?).await?;
    let belt = project.create_belt(&json_of(BELT_BODY)).await?;
    let transform = guest("transform-rust.wasm")?;
    let path = format!("{}/component", project.belt_path(&belt));
    let content = Some(("application/wasm", transform.clone()));
    let refused = project.api.send(Method::PUT, &path, content).await?;
    refused.refused(
        400,
        "bad_parameter_value",
        &["granary:belt", "the function of a transform of granary:transform"],
    )?;
    let content = Some(("application/wasm", transform[..transform.len() / 2].to_vec()));
    project.api.send(Method::PUT, &path, content).await?.refused(
        400,
        "bad_parameter_value",
        &["component"],
    )?;
    // The transform is one for a harvester, and the belt is none.
    let mut harvester = json_of(HARVESTER_BODY);
    harvester["eventType"]["name"] = json!(INPUT);
    let name = project.create_harvester(&harvester).await?;
    let path = format!("{}/component", project.harvester_path(&name));
    let content = Some(("application/wasm", guest("belt-rust.wasm")?));
    project.api.send(Method::PUT, &path, content).await?.refused(
        400,
        "bad_parameter_value",
        &["granary:transform"],
    )?;
    Ok(())
}

/// A component in which one text of the binary is replaced by another of the same length.
fn patched(component: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut bytes = component.to_vec();
    let places: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

#[tokio::test]
async fn uploads_that_are_no_belt_are_refused_with_what_they_are() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::event_types(&node.api()?).await?;
    let belt = project.create_belt(&json_of(BELT_BODY)).await?;
    let path = format!("{}/component", project.belt_path(&belt));
    let hostile = guest("hostile-rust.wasm")?;
    let (ours, newer) = ("granary:belt/logging@1.2.0", "granary:belt/logging@1.3.0");
    let misfits: [(&str, Vec<u8>, &[&str]); 8] = [
        ("a core module", b"\0asm\x01\0\0\0".to_vec(), &["a core module", "granary belt build"]),
        ("text", b"def execute(h, p): pass".to_vec(), &["is text"]),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), &["compressed with gzip", "send it unpacked"]),
        ("half a component", hostile[..hostile.len() / 2].to_vec(), &["not a WebAssembly component"]),
        ("an empty component", hostile[..8].to_vec(), &["the export 'execute' is missing"]),
        (
            "a newer contract",
            patched(&hostile, ours, newer),
            &["version 1.3.0", "this engine has granary:belt@1.2.0"],
        ),
        ("other imports", patched(&hostile, "wasi:cli/", "wasi:clo/"), &["'wasi:clo/", "not granted"]),
        ("a script runtime", guest("python.wasm")?, &["'granary:script/host@1.0.0'"]),
    ];
    for (what, bytes, words) in misfits {
        let answer = project.api.send(Method::PUT, &path, Some(("application/wasm", bytes))).await?;
        answer.refused(400, "bad_parameter_value", words).with_context(|| what.to_owned())?;
    }
    let stored = project.api.get(&project.belt_path(&belt)).await?.ok()?;
    assert_eq!(stored["version"], "1");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_takes_over_under_load_without_losing_or_repeating_a_row() -> Result<()> {
    let node = Node::start().await?;
    let settings = Settings { per_second: 2_000.0, events: 12_000, takeovers: 6 };
    let verdict = takeover::run(&node, settings).await?;
    verdict.check()?;
    assert_eq!(verdict.acknowledged, settings.events);
    assert!(verdict.versions_seen >= 4, "{} versions wrote rows", verdict.versions_seen);
    Ok(())
}
