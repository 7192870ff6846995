//! The path of somebody new: an empty directory, a running engine, and `granary belt`.

use anyhow::{Result, ensure};
use granary_tests::newcomer::{Lang, path};
use granary_tests::node::Node;
use granary_tests::program::Program;

/// Prints how long it took, which the runner of the tests shows; it is a figure of `make bench-belts`, too.
async fn path_of(lang: Lang) -> Result<()> {
    let node = Node::start().await?;
    println!("{}", lang.figure(path(&node, lang).await?));
    Ok(())
}

#[tokio::test]
async fn in_python() -> Result<()> {
    path_of(Lang::Python).await
}

#[tokio::test]
async fn in_typescript() -> Result<()> {
    path_of(Lang::TypeScript).await
}

#[tokio::test]
async fn in_rust() -> Result<()> {
    path_of(Lang::Rust).await
}

#[tokio::test]
async fn a_change_is_tested_compared_pushed_rolled_back_and_replayed() -> Result<()> {
    let node = Node::start().await?;
    let home = tempfile::tempdir()?;
    let granary = Program::beside(&node, home.path());
    granary.ok(&["belt", "new", "people"]).await?;
    granary.ok(&["belt", "push", "people"]).await?;
    granary.ok(&["belt", "send", "people"]).await?;
    granary.edit("people/belt.py", "{firstName} {lastName}", "{lastName}, {firstName}")?;

    let refused = granary.fails(&["belt", "push", "people"], 1).await?;
    ensure!(refused.contains("expected \"Ada Lovelace\", got \"Lovelace, Ada\""), "{refused}");
    let shadow = granary.ok(&["belt", "replay", "people", "--from", "earliest", "--shadow"]).await?;
    ensure!(shadow.contains("1 events, 1 come out otherwise than with version 1"), "{shadow}");
    let printed = granary.ok(&["sql", "people", "select name from grnry_live_segment_people"]).await?;
    ensure!(printed.contains("Ada Lovelace"), "a shadow writes nothing: {printed}");

    granary.ok(&["belt", "test", "people", "--accept"]).await?;
    granary.ok(&["belt", "push", "people"]).await?;
    granary.ok(&["belt", "replay", "people", "--from", "earliest"]).await?;
    let sent = granary.ok(&["belt", "send", "people"]).await?;
    ensure!(sent.contains("Lovelace, Ada"), "{sent}");
    granary.ok(&["belt", "rollback", "people"]).await?;
    let sent = granary.ok(&["belt", "send", "people"]).await?;
    ensure!(sent.contains("Ada Lovelace"), "{sent}");
    let versions = granary.ok(&["belt", "versions", "people"]).await?;
    ensure!(versions.contains("(3 rows)") && versions.contains(" 3       | current"), "{versions}");
    let last = granary.fails(&["belt", "test", "people", "--last", "2"], 0).await?;
    ensure!(last.contains("2 events of 'people-in', 0 failed"), "{last}");
    Ok(())
}

#[tokio::test]
async fn mistakes_are_told_with_their_place() -> Result<()> {
    let node = Node::start().await?;
    let home = tempfile::tempdir()?;
    let granary = Program::beside(&node, home.path());
    let refused = granary.fails(&["belt", "push", "nowhere"], 2).await?;
    ensure!(refused.contains("granary belt new NAME"), "{refused}");
    let refused = granary.fails(&["belt", "new", "Not A Name"], 2).await?;
    ensure!(refused.contains("lower-case letters"), "{refused}");
    granary.ok(&["belt", "new", "people"]).await?;
    let refused = granary.fails(&["belt", "new", "people"], 2).await?;
    ensure!(refused.contains("not empty"), "{refused}");
    let refused = granary.fails(&["belt", "logs", "people"], 1).await?;
    ensure!(refused.contains("people"), "{refused}");

    let (manifest, source) = ("people/belt.toml", "people/belt.py");
    granary.edit(source, "DirectUpdate('people'", "DirectUpdate('poeple'")?;
    let refused = granary.fails(&["belt", "test", "people"], 1).await?;
    ensure!(refused.contains("poeple") && refused.contains("line 18"), "{refused}");
    granary.edit(source, "def execute(", "def execute(:")?;
    let refused = granary.fails(&["belt", "build", "people"], 1).await?;
    ensure!(refused.contains("line 10"), "{refused}");
    granary.edit(manifest, "eventTypes = ", "eventTypse = ")?;
    let refused = granary.fails(&["belt", "test", "people"], 1).await?;
    ensure!(refused.contains("belt.toml") && refused.contains("eventTypes"), "{refused}");
    granary.edit(manifest, "[belt]", "[bet]")?;
    let refused = granary.fails(&["belt", "test", "people"], 2).await?;
    ensure!(refused.contains("bet"), "{refused}");
    Ok(())
}
