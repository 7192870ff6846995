//! What documents say about the code.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, ensure};
use granary_tests::node::repository;

/// The names between backquotes behind `Tests:`, up to the end of the paragraph.
fn tests_named(markdown: &str) -> BTreeSet<String> {
    let paragraphs = markdown.split("\n\n").filter_map(|paragraph| paragraph.split_once("\nTests:"));
    let quoted = paragraphs.flat_map(|(_, tests)| tests.split('`').skip(1).step_by(2).map(str::to_owned));
    quoted.filter(|name| name.contains('_')).collect()
}

/// The functions of all Rust sources below a folder.
fn functions(folder: &Path, found: &mut BTreeSet<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            functions(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            for part in std::fs::read_to_string(&path)?.split("fn ").skip(1) {
                let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
                found.insert(part[..end].to_owned());
            }
        }
    }
    Ok(())
}

#[test]
fn every_test_that_the_argument_rests_on_exists() -> Result<()> {
    let root = repository();
    let named = tests_named(&std::fs::read_to_string(root.join("docs/exactly-once.md"))?);
    ensure!(named.len() > 30, "{named:?}");
    let mut there = BTreeSet::new();
    for folder in ["engine", "tests"] {
        functions(&root.join(folder), &mut there)?;
    }
    let missing: Vec<_> = named.difference(&there).collect();
    ensure!(missing.is_empty(), "no test has these names: {missing:?}");
    Ok(())
}
