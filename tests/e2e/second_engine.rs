//! Two engines never share a data directory or a database.

use anyhow::Result;
use granary_tests::node::{Node, Settings};
use granary_tests::postgres::Server;
use granary_tests::rival;
use granary_tests::walkthrough::Walkthrough;

#[tokio::test]
async fn a_second_engine_on_the_same_data_directory_is_refused() -> Result<()> {
    let node = Node::start().await?;
    rival::on_data_dir(node.data_dir()).await?;
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
    let text = rival::refusal_of(settings).await?;
    assert!(text.contains("log"), "it says that the database belongs to another log: {text}");
    first.restart().await
}

#[tokio::test]
async fn a_second_engine_with_its_own_log_on_a_database_in_use_is_refused() -> Result<()> {
    let server = Server::start().await?;
    let settings = Settings { database_url: Some(server.url()), ..Settings::default() };
    let first = Node::start_with(settings.clone()).await?;
    let text = rival::refusal_of(settings).await?;
    assert!(!text.is_empty());
    first.await_ready().await
}
