//! The path of somebody new: an empty directory, a running engine, and four commands.

use anyhow::{Result, ensure};
use tokio::time::Instant;

use crate::figure::{Bar, Figure};
use crate::node::Node;
use crate::program::Program;

/// A language as `granary belt new --lang` knows it, and the name of its figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    /// Python.
    Python,
    /// TypeScript.
    TypeScript,
    /// Rust.
    Rust,
}

impl Lang {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Python, Self::TypeScript, Self::Rust];

    fn flag(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::TypeScript => "js",
            Self::Rust => "rust",
        }
    }

    /// The figure of so many seconds. Only Python has a bar: what Rust takes is its compiler's.
    #[must_use]
    pub fn figure(self, seconds: f64) -> Figure {
        let (name, bar) = match self {
            Self::Python => ("newcomer_python_s", Some(Bar::AtMost(60.0))),
            Self::TypeScript => ("newcomer_typescript_s", None),
            Self::Rust => ("newcomer_rust_s", None),
        };
        Figure { name, value: seconds, unit: "s", bar }
    }
}

/// `new`, `test`, `push`, `send`: from nothing to a row on an engine that has just started. Answers the seconds that the
/// four took; what they print is looked at.
pub async fn path(node: &Node, lang: Lang) -> Result<f64> {
    let home = tempfile::tempdir()?;
    let granary = Program::beside(node, home.path());
    let begun = Instant::now();
    granary.ok(&["belt", "new", "people", "--lang", lang.flag()]).await?;
    let printed = granary.ok(&["belt", "test", "people"]).await?;
    ensure!(printed.contains("1 events, 1 as expected, 0 not"), "{printed}");
    let printed = granary.ok(&["belt", "push", "people"]).await?;
    ensure!(printed.contains("runs version 1"), "{printed}");
    let printed = granary.ok(&["belt", "send", "people"]).await?;
    let took = begun.elapsed().as_secs_f64();
    ensure!(printed.contains("ada@example.org | Ada Lovelace"), "{printed}");
    let printed = granary.ok(&["belt", "logs", "people"]).await?;
    ensure!(printed.contains("Ada Lovelace signed up"), "{printed}");
    let project = node.api()?.get("/projects/people/belts").await?.ok()?;
    ensure!(project["totalCount"] == 1, "{project}");
    Ok(took)
}
