//! Tokens, roles, and the paths without a project.

use anyhow::{Context, Result};
use granary_tests::api::Api;
use granary_tests::node::{Node, Settings, binary};
use granary_tests::project::Project;
use granary_tests::walkthrough::{BELT_BODY, INPUT, INPUT_BODY, OUTPUT, OUTPUT_BODY, Walkthrough, json_of};
use serde_json::json;
use tokio::process::Command;

#[tokio::test]
async fn without_a_valid_token_every_control_plane_route_answers_401() -> Result<()> {
    let node = Node::start().await?;
    let api = node.api()?;
    let routes = api.get("/openapi.json").await?.ok()?;
    assert!(routes["openapi"].as_str().unwrap_or_default().starts_with("3.1"), "{}", routes["openapi"]);
    let paths = routes["paths"].as_object().context("an OpenAPI document has paths")?;
    assert!(paths.len() > 20, "{} paths", paths.len());
    let open = ["/health", "/ready", "/openapi.json"];
    let mut seen = 0;
    for (path, operations) in paths {
        if open.contains(&path.as_str()) || path.contains("snowplow") {
            continue;
        }
        let path = path.replace(['{', '}'], "");
        for method in operations.as_object().into_iter().flat_map(|o| o.keys()) {
            let Ok(method) = method.to_uppercase().parse::<reqwest::Method>() else { continue };
            if !["GET", "PUT", "POST", "DELETE", "PATCH"].contains(&method.as_str()) {
                continue;
            }
            for token in [None, Some("nonsense")] {
                let body = (method != reqwest::Method::GET).then(|| ("application/json", b"{}".to_vec()));
                let answer = api.with_token(token).send(method.clone(), &path, body).await?;
                answer.refused(401, "authentication_error", &["Authentication failed."])?;
            }
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen} operations");
    Ok(())
}

#[tokio::test]
async fn a_role_allows_what_the_specification_says_and_no_more() -> Result<()> {
    let node = Node::start().await?;
    let project = Walkthrough::event_types(&node.api()?).await?;
    let belt = project.create_belt(&json_of(BELT_BODY)).await?;
    let viewer = token(&project, "viewer").await?;
    let editor = token(&project, "editor").await?;
    let owner = token(&project, "data_owner").await?;

    let read = [
        project.path("/event-types"),
        project.belt_path(&belt),
        format!("{}/state", project.belt_path(&belt)),
    ];
    for api in [&viewer, &editor, &owner] {
        for path in &read {
            api.get(path).await?.ok()?;
        }
        api.sql(&project.name, "select 1").await?;
    }
    let state = format!("{}/state", project.belt_path(&belt));
    let denied = "Access forbidden due to missing roles.";
    viewer.action(&state, "STOP").await?.refused(403, "entity_not_accessible", &[denied])?;
    editor.action(&state, "STOP").await?.ok()?;
    let change = json!({"description": "changed"});
    editor.put(&project.path(""), &change).await?.refused(403, "entity_not_accessible", &[denied])?;
    owner.put(&project.path(""), &change).await?.ok()?;
    for api in [&viewer, &editor, &owner] {
        let body = json!({"displayName": "another one"});
        api.post("/projects", &body).await?.refused(403, "entity_not_accessible", &[denied])?;
        api.get("/tokens").await?.refused(403, "entity_not_accessible", &[])?;
    }
    // Only the belts' logs ask for more than a viewer among the reading routes.
    let logs = format!("{}/logs", project.belt_path(&belt));
    viewer.get(&logs).await?.refused(403, "entity_not_accessible", &[denied])?;
    editor.get(&logs).await?.ok()?;
    Ok(())
}

#[tokio::test]
async fn a_token_opens_its_own_project_only() -> Result<()> {
    let node = Node::start().await?;
    let api = node.api()?;
    let mine = Project::create(&api, "mine").await?;
    let other = Project::create(&api, "other").await?;
    let editor = token(&mine, "editor").await?;
    editor.get(&mine.path("")).await?.ok()?;
    editor.get(&other.path("")).await?.refused(403, "entity_not_accessible", &[])?;
    editor.get("/projects/there-is-none").await?.refused(403, "entity_not_accessible", &[])?;
    api.get("/projects/there-is-none").await?.refused(404, "entity_not_found", &["there-is-none"])?;
    let seen = editor.get("/projects").await?.ok()?;
    let names: Vec<_> = seen.as_array().into_iter().flatten().map(|p| p["name"].clone()).collect();
    assert_eq!(names, [json!("mine")]);
    // The database holds the same line.
    let table = format!(r#"select count(*) from "{}".anything"#, other.name);
    let refused = editor.post(&mine.path("/sql"), &json!({ "query": table })).await?;
    refused.refused(400, "sql_error", &[])?;
    Ok(())
}

#[tokio::test]
async fn a_revoked_token_and_an_expired_one_no_longer_work() -> Result<()> {
    let node = Node::start().await?;
    let api = node.api()?;
    let project = Project::create(&api, "mine").await?;
    let body = json!({"name": "short", "project": project.name, "roles": ["viewer"]});
    let made = api.post("/tokens", &body).await?.ok()?;
    let bearer = api.with_token(made["token"].as_str());
    bearer.get(&project.path("")).await?.ok()?;
    let listed = api.get("/tokens").await?.ok()?.to_string();
    assert!(!listed.contains(made["token"].as_str().unwrap_or("?")), "tokens are stored hashed: {listed}");
    let id = made["id"].as_str().context("a token has an id")?;
    let revoked = api.delete(&format!("/tokens/{id}")).await?;
    assert!((200..300).contains(&revoked.status), "{revoked:?}");
    bearer.get(&project.path("")).await?.refused(401, "authentication_error", &[])?;

    let past = json!({"name": "past", "project": project.name, "roles": ["viewer"], "expiresAt": "2020-01-01T00:00:00Z"});
    let answer = api.post("/tokens", &past).await?;
    if answer.status == 200 {
        let bearer = api.with_token(answer.json()["token"].as_str());
        bearer.get(&project.path("")).await?.refused(401, "authentication_error", &[])?;
    } else {
        answer.expect(400)?;
    }
    Ok(())
}

#[tokio::test]
async fn tokens_are_made_listed_and_revoked_on_the_command_line() -> Result<()> {
    let node = Node::start().await?;
    let project = Project::create(&node.api()?, "mine").await?;
    let data_dir = node.data_dir().display().to_string();
    let run = async |arguments: &[&str]| -> Result<String> {
        let output = Command::new(binary()?)
            .args(arguments)
            .args(["--data-dir", &data_dir])
            .env_remove("GRANARY_URL")
            .env_remove("GRANARY_TOKEN")
            .output()
            .await?;
        anyhow::ensure!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    };
    let made = run(&["token", "create", "--project", "mine", "--role", "viewer", "--name", "reader"]).await?;
    let api = node.api()?.with_token(Some(made.trim()));
    api.get(&project.path("")).await?.ok()?;
    let listed = run(&["token", "ls"]).await?;
    let line = listed.lines().find(|l| l.contains("reader")).context("the list names the token")?;
    run(&["token", "revoke", line.split_whitespace().next().unwrap_or_default()]).await?;
    api.get(&project.path("")).await?.refused(401, "authentication_error", &[])?;
    let printed = run(&["sql", "mine", "select 1 as one, 'text' as two"]).await?;
    assert!(printed.contains("one") && printed.contains("text") && printed.contains("(1 row)"), "{printed}");
    Ok(())
}

#[tokio::test]
async fn the_admin_token_is_readable_by_its_owner_only() -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let node = Node::start().await?;
    let mode = std::fs::metadata(node.data_dir().join("admin.token"))?.permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!node.output().contains(&node.admin_token()?), "the log names the place, not the token");
    Ok(())
}

#[tokio::test]
async fn paths_without_a_project_mean_global() -> Result<()> {
    let node = Node::start().await?;
    let api = node.api()?;
    let made = api.post_text("/event-types", INPUT_BODY).await?.ok()?;
    assert_eq!(made["projectName"], "global");
    let seen = api.get(&format!("/projects/global/event-types/{INPUT}/latest")).await?.ok()?;
    assert_eq!(seen["name"], INPUT);
    let mut output = json_of(OUTPUT_BODY);
    output["displayName"] = json!("global-output");
    api.post("/event-types", &output).await?.ok()?;
    let persister = format!("/event-types/{INPUT}/eventstores/pg/persister");
    api.await_status(&format!("{persister}/state"), "RUNNING").await?;
    let mut belt = json_of(BELT_BODY);
    belt["outputTypes"][0]["name"] = json!("global-output");
    let made = api.post("/belts", &belt).await?.ok()?;
    let id = made["id"].as_str().context("a belt has an id")?;
    api.get(&format!("/projects/global/belts/{id}")).await?.ok()?;
    assert_eq!(api.get("/belts").await?.ok()?["totalCount"], 1);
    assert_eq!(api.get("/harvesters/instances").await?.ok()?["totalCount"], 0);

    // Without a project the event types of all projects are looked through, and less is told of each.
    let project = Project::create(&api, "elsewhere").await?;
    let name = project.create_event_type(&json!({
        "displayName": "elsewhere-in", "eventIdExpression": "#randomUUID()", "correlationIdExpression": "#randomUUID()"
    })).await?;
    let seen = api.get(&format!("/event-types/{name}/latest")).await?.ok()?;
    assert_eq!(seen["projectName"], "elsewhere");
    assert!(seen.get("correlationIdExpression").is_none(), "{seen}");
    assert_ne!(OUTPUT, name);
    Ok(())
}

#[tokio::test]
async fn metrics_need_a_token_unless_they_are_opened() -> Result<()> {
    let node = Node::start().await?;
    let api = node.api()?;
    api.with_token(None).get("/metrics").await?.expect(401)?;
    api.get("/metrics").await?.ok()?;
    drop(node);
    let arguments = vec!["--open-metrics".to_owned(), "true".to_owned()];
    let node = Node::start_with(Settings { arguments, ..Settings::default() }).await?;
    Api::new(node.url(), None)?.get("/metrics").await?.ok()?;
    Ok(())
}

/// A client whose token has one role in the project.
async fn token(project: &Project, role: &str) -> Result<Api> {
    let body = json!({"name": role, "project": project.name, "roles": [role]});
    let made = project.api.post("/tokens", &body).await?.ok()?;
    let token = made["token"].as_str().context("a token")?.to_owned();
    Ok(project.api.with_token(Some(&token)))
}
