//! A second engine that must not become ready beside the first.

use std::path::Path;

use anyhow::{Result, bail, ensure};

use crate::api::Api;
use crate::node::{Node, Settings};
use crate::wait::{Look, PATIENCE, await_condition};

/// Starts an engine on a data directory that is in use, and answers how it explains that it ends.
pub async fn on_data_dir(data_dir: &Path) -> Result<String> {
    let mut command = Node::command(&Settings::default(), data_dir)?;
    let output = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output()).await??;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(1), "it should end with status 1, not {}: {text}", output.status);
    let folder = data_dir.display().to_string();
    ensure!(text.contains(&folder) && text.contains("another"), "it should say what is in use: {text}");
    Ok(text)
}

/// Starts a node that must not become ready: it ends with an explanation, or it stays and `/ready` explains. Answers the
/// explanation.
pub async fn refusal_of(settings: Settings) -> Result<String> {
    let mut node = match Node::launch(settings).await {
        Ok(node) => node,
        Err(error) => return Ok(format!("{error:#}")),
    };
    let api = Api::new(node.url(), None)?;
    await_condition("the refusal", PATIENCE, async || {
        if let Some(status) = node.ended()? {
            ensure!(!status.success(), "it should not end with {status}");
            return Ok(Look::Done(node.output()));
        }
        let Ok(answer) = api.get("/ready").await else { return Ok(Look::NotYet("no answer".to_owned())) };
        if answer.status == 200 {
            bail!("it is ready beside the first one: {}", answer.text);
        }
        let reason =
            answer.json()["dependencies"]["database"]["reason"].as_str().unwrap_or_default().to_owned();
        Ok(Look::from_option(reason.contains("log").then_some(reason), answer.text))
    })
    .await
}
