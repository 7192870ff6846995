//! What an operator sees: health, readiness, metrics, help, configuration.

use anyhow::Result;
use granary_tests::node::{Node, Settings, binary};
use granary_tests::wait::{Look, PATIENCE, await_condition};
use granary_tests::walkthrough::{EVENT, INPUT, OUTPUT, Walkthrough};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

#[tokio::test]
async fn readiness_names_every_dependency() -> Result<()> {
    let node = Node::start().await?;
    let api = node.api()?.with_token(None);
    api.get("/health").await?.ok()?;
    let ready = api.get("/ready").await?.ok()?;
    assert_eq!(ready["ready"], true);
    for dependency in ["log", "database"] {
        assert_eq!(ready["dependencies"][dependency]["ready"], true, "{ready}");
    }
    assert_eq!(std::fs::read_to_string(node.data_dir().join("address"))?.trim(), node.url());
    Ok(())
}

#[tokio::test]
async fn metrics_count_what_every_stage_did() -> Result<()> {
    let node = Node::start().await?;
    let walk = Walkthrough::run(&node.api()?).await?;
    for _ in 0..5 {
        walk.project.api.event(EVENT).await?;
    }
    walk.project.api.event("hello").await?;
    walk.await_rows(5).await?;
    walk.project.await_rows(&walk.project.eventstore(INPUT), 5).await?;
    walk.project.await_dead_letters(&Walkthrough::harvester_dead_letters(), 1).await?;
    let metrics = walk.project.api.get("/metrics").await?;
    metrics.ok()?;
    let lines: Vec<&str> = metrics.text.lines().filter(|l| !l.starts_with('#')).collect();
    for stage in [INPUT, OUTPUT, "harvesterforlivesegm", &walk.belt] {
        assert!(
            lines.iter().any(|l| l.contains(&format!("{stage}\""))),
            "nothing of {stage}:\n{}",
            metrics.text
        );
    }
    for part in ["collector", "log_", "lag"] {
        assert!(lines.iter().any(|l| l.contains(part)), "nothing of {part}:\n{}", metrics.text);
    }
    assert!(metrics.text.lines().all(|l| l.is_empty() || l.starts_with('#') || l.starts_with("granary_")));
    Ok(())
}

#[tokio::test]
async fn connections_beyond_the_limit_are_told_so_on_the_shared_port() -> Result<()> {
    let arguments = vec!["--connections".to_owned(), "2".to_owned()];
    let node = Node::start_with(Settings { arguments, ..Settings::default() }).await?;
    let ask = async || {
        let mut client = TcpStream::connect(node.address()).await?;
        client.write_all(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n").await?;
        let mut head = [0; 12];
        client.read_exact(&mut head).await?;
        anyhow::Ok((String::from_utf8_lossy(&head).into_owned(), client))
    };
    let mut held = Vec::new();
    // The connection that asked whether the node is ready may still be there.
    await_condition("two places", PATIENCE, async || {
        let (head, client) = ask().await?;
        if head.ends_with("200") {
            held.push(client);
        }
        Ok(if held.len() == 2 { Look::Done(()) } else { Look::NotYet(head) })
    })
    .await?;
    assert_eq!(ask().await?.0, "HTTP/1.1 503");
    drop(held);
    await_condition("a free place", PATIENCE, async || {
        let (head, _client) = ask().await?;
        Ok(if head.ends_with("200") { Look::Done(()) } else { Look::NotYet(head) })
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn logs_are_json_lines_on_request() -> Result<()> {
    let arguments = vec!["--log-format".to_owned(), "json".to_owned()];
    let node = Node::start_with(Settings { arguments, ..Settings::default() }).await?;
    Walkthrough::run(&node.api()?).await?;
    let output = node.output();
    assert!(!output.is_empty());
    for line in output.lines() {
        let value: serde_json::Value = serde_json::from_str(line)?;
        assert!(value["time"].is_string() && value["level"].is_string(), "{line}");
    }
    Ok(())
}

/// As where standard error is a file on a disk that is full: each write fails.
#[tokio::test]
async fn logs_that_cannot_be_written_do_not_end_the_engine() -> Result<()> {
    let node = Node::start_with(Settings { stderr: Some("/dev/full".into()), ..Settings::default() }).await?;
    let walk = Walkthrough::run(&node.api()?).await?;
    walk.project.api.event(EVENT).await?;
    walk.await_rows(1).await
}

#[tokio::test]
async fn mistakes_of_the_configuration_are_reported_at_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let output = Command::new(binary()?)
        .args(["up", "--listen", "everywhere", "--log-format", "rhyme"])
        .env("GRANARY_POSTGRES_PORT", "many")
        .current_dir(folder.path())
        .output()
        .await?;
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    for part in ["everywhere", "rhyme", "GRANARY_POSTGRES_PORT", "many"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(std::fs::read_dir(folder.path())?.next().is_none(), "nothing was written");
    Ok(())
}

#[tokio::test]
async fn help_documents_every_setting_and_the_default_file_loads() -> Result<()> {
    let help = Command::new(binary()?).args(["up", "--help"]).output().await?;
    let help = String::from_utf8(help.stdout)?;
    let file = Command::new(binary()?).arg("config").output().await?;
    let file = String::from_utf8(file.stdout)?;
    for name in ["data-dir", "listen", "database-url", "log-format"] {
        assert!(help.contains(&format!("--{name}")), "{help}");
        assert!(file.contains(&format!("--{name}")), "{file}");
    }
    Ok(())
}
