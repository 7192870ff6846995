//! Two engines never share a data directory or a database.

use anyhow::Result;
use granary_tests::node::{Node, Settings};
use granary_tests::postgres::Server;
use granary_tests::wait::{Look, PATIENCE, await_condition};
use granary_tests::walkthrough::Walkthrough;

#[tokio::test]
async fn a_second_engine_on_the_same_data_directory_is_refused() -> Result<()> {
    let node = Node::start().await?;
    let mut command = Node::command(&Settings::default(), node.data_dir())?;
    let output = tokio::time::timeout(PATIENCE, command.output()).await??;
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let folder = node.data_dir().display().to_string();
    assert!(text.contains(&folder) && text.contains("another"), "it says what is in use: {text}");
    // The first one goes on.
    Walkthrough::run(&node.api()?).await?;
    Ok(())
}

#[tokio::test]
async fn a_foreign_log_on_the_same_database_is_refused_with_an_explanation() -> Result<()> {
    let server = Server::start().await?;
    let settings = Settings { database_url: Some(server.url()), ..Settings::default() };
    let mut first = Node::start_with(settings.clone()).await?;
    first.stop().await?;
    let text = refusal_of(settings).await?;
    assert!(text.contains("log"), "it says that the database belongs to another log: {text}");
    first.restart().await
}

#[tokio::test]
async fn a_second_engine_with_its_own_log_on_a_database_in_use_is_refused() -> Result<()> {
    let server = Server::start().await?;
    let settings = Settings { database_url: Some(server.url()), ..Settings::default() };
    let first = Node::start_with(settings.clone()).await?;
    let text = refusal_of(settings).await?;
    assert!(!text.is_empty());
    first.await_ready().await
}

/// Starts a node that must not become ready: it ends with an explanation, or it stays and `/ready` explains.
async fn refusal_of(settings: Settings) -> Result<String> {
    let mut node = match Node::launch(settings).await {
        Ok(node) => node,
        Err(error) => return Ok(format!("{error:#}")),
    };
    let api = granary_tests::api::Api::new(node.url(), None)?;
    await_condition("the refusal", PATIENCE, async || {
        if let Some(status) = node.ended()? {
            assert!(!status.success());
            return Ok(Look::Done(node.output()));
        }
        let Ok(answer) = api.get("/ready").await else { return Ok(Look::NotYet("no answer".to_owned())) };
        assert_ne!(answer.status, 200, "{}", answer.text);
        let reason =
            answer.json()["dependencies"]["database"]["reason"].as_str().unwrap_or_default().to_owned();
        Ok(Look::from_option(reason.contains("log").then_some(reason), answer.text))
    })
    .await
}
