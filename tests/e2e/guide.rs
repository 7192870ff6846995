//! `docs/guide.md`, executed.

use anyhow::{Context, Result, ensure};
use granary_tests::guide;
use granary_tests::node::{Node, Settings, binary, repository};
use granary_tests::postgres;
use granary_tests::walkthrough::{BELT_BODY, CALLBACK, EVENT, HARVESTER_BODY, INPUT_BODY, OUTPUT_BODY};

#[tokio::test]
async fn every_step_of_the_guide_works_as_printed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data_dir = Some(folder.path().join("granary-data"));
    let node = Node::start_with(Settings { data_dir, ..Settings::default() }).await?;
    let binary = binary()?;
    let mut shell =
        guide::Shell::start(folder.path(), binary.parent().context("a binary lies in a folder")?)?;
    let markdown = std::fs::read_to_string(repository().join("docs").join("guide.md"))?;
    let (run, checked) = guide::run(&markdown, &mut shell).await.context("docs/guide.md")?;
    ensure!(run >= 10 && checked >= 6, "only {run} blocks and {checked} answers: are the fences marked?");
    let data_dir = node.data_dir().to_path_buf();
    drop(node);
    postgres::remove(&data_dir);
    Ok(())
}

#[test]
fn the_guide_holds_the_bodies_of_the_walkthrough_as_they_are() -> Result<()> {
    let markdown = std::fs::read_to_string(repository().join("docs").join("guide.md"))?;
    for body in [INPUT_BODY, OUTPUT_BODY, HARVESTER_BODY, BELT_BODY, CALLBACK, EVENT] {
        ensure!(markdown.contains(body.trim_end()), "not in the guide as it is:\n{body}");
    }
    Ok(())
}
