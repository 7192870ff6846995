//! Runs a guide: the fenced blocks of a Markdown file, in order, in one shell.
//!
//! | block | what becomes of it |
//! |---|---|
//! | ```` ```sh ```` | run; a status other than 0 fails the guide |
//! | ```` ```sh start ```` | not run: it starts the engine, which is the business of the caller |
//! | ```` ```json answer ```` | what the block before printed must contain this; the text `"..."` stands for any value |
//! | ```` ```text answer ```` | what the block before printed must be this, line by line; `...` stands for any text |
//! | others | for the reader only |

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// The longest that one block may take.
const BLOCK_PATIENCE: Duration = Duration::from_secs(120);

/// Ends the output of a block. Long enough not to be printed by accident.
const MARK: &str = "--granary-guide-block-ended-with-status";

/// What one does with a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Run it.
    Run,
    /// Starts the engine.
    Start,
    /// JSON that the output before must contain.
    JsonAnswer,
    /// Text that the output before must be.
    TextAnswer,
    /// For the reader.
    Other,
}

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// 1-based line of its fence.
    pub line: usize,
    /// What it is.
    pub kind: Kind,
    /// Its text, with a line end at the end.
    pub text: String,
}

/// The fenced blocks of a Markdown text.
pub fn blocks(markdown: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in markdown.lines().enumerate() {
        let fence = line.strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(info)) => {
                let kind = match info.trim() {
                    "sh" => Kind::Run,
                    "sh start" => Kind::Start,
                    "json answer" => Kind::JsonAnswer,
                    "text answer" => Kind::TextAnswer,
                    _ => Kind::Other,
                };
                open = Some(Block { line: index + 1, kind, text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    if let Some(block) = open {
        bail!("the block of line {} is not closed", block.line);
    }
    Ok(blocks)
}

/// A shell that keeps its variables from block to block.
#[derive(Debug)]
pub struct Shell {
    _child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    stderr: PathBuf,
}

impl Shell {
    /// Starts one in a folder, with the folder of the binary under test first on its path.
    pub fn start(folder: &Path, binaries: &Path) -> Result<Self> {
        let mut path = binaries.as_os_str().to_owned();
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        let stderr = folder.join("guide.stderr");
        let mut child = Command::new("bash")
            .args(["--noprofile", "--norc"])
            .current_dir(folder)
            .env("PATH", path)
            .env_remove("GRANARY_URL")
            .env_remove("GRANARY_TOKEN")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&stderr)?)
            .kill_on_drop(true)
            .spawn()
            .context("could not start bash")?;
        let stdin = child.stdin.take().context("a piped standard input")?;
        let stdout = BufReader::new(child.stdout.take().context("a piped standard output")?);
        Ok(Self { _child: child, stdin, stdout, stderr })
    }

    /// Runs a block and answers what it printed.
    pub async fn run(&mut self, text: &str) -> Result<String> {
        self.stdin.write_all(text.as_bytes()).await?;
        // Before the mark a line end, for output that has none.
        self.stdin.write_all(format!("printf '\\n{MARK} %d\\n' $?\n").as_bytes()).await?;
        self.stdin.flush().await?;
        let (printed, status) = tokio::time::timeout(BLOCK_PATIENCE, self.read_to_mark())
            .await
            .with_context(|| format!("not done after {BLOCK_PATIENCE:?}; errors:\n{}", self.errors()))??;
        ensure!(status == "0", "ended with status {status}; printed:\n{printed}\nerrors:\n{}", self.errors());
        Ok(printed)
    }

    async fn read_to_mark(&mut self) -> Result<(String, String)> {
        let mut printed = String::new();
        loop {
            let mut line = String::new();
            if self.stdout.read_line(&mut line).await? == 0 {
                bail!("the shell ended; printed:\n{printed}\nerrors:\n{}", self.errors());
            }
            if let Some(status) = line.strip_prefix(MARK) {
                return Ok((printed.trim_end_matches('\n').to_owned(), status.trim().to_owned()));
            }
            printed.push_str(&line);
        }
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap_or_default()
    }
}

/// Runs all blocks of a guide and answers how many were run and how many answers were checked.
pub async fn run(markdown: &str, shell: &mut Shell) -> Result<(usize, usize)> {
    let mut printed = None;
    let (mut run, mut checked) = (0, 0);
    for block in blocks(markdown)? {
        let place = || format!("the block of line {}", block.line);
        match block.kind {
            Kind::Run => {
                printed = Some(shell.run(&block.text).await.with_context(place)?);
                run += 1;
            }
            Kind::JsonAnswer => {
                let printed = printed.as_deref().with_context(place)?;
                let wanted: Value = serde_json::from_str(&block.text).with_context(place)?;
                let seen =
                    serde_json::from_str(printed).with_context(|| format!("{}: {printed}", place()))?;
                contains("answer", &seen, &wanted)
                    .with_context(|| format!("{}, which got {seen}", place()))?;
                checked += 1;
            }
            Kind::TextAnswer => {
                let printed = printed.as_deref().with_context(place)?;
                ensure!(text_matches(printed, &block.text), "{}: got\n{printed}", place());
                checked += 1;
            }
            Kind::Start | Kind::Other => {}
        }
    }
    Ok((run, checked))
}

/// Checks that everything in `wanted` is in `seen`: objects may hold more, lists may not.
fn contains(place: &str, seen: &Value, wanted: &Value) -> Result<()> {
    match (seen, wanted) {
        (_, Value::String(any)) if any == "..." => Ok(()),
        (Value::Object(seen), Value::Object(wanted)) => wanted.iter().try_for_each(|(key, wanted)| {
            let place = format!("{place}.{key}");
            contains(&place, seen.get(key).with_context(|| format!("{place} is missing"))?, wanted)
        }),
        (Value::Array(seen), Value::Array(wanted)) => {
            ensure!(
                seen.len() == wanted.len(),
                "{place} has {} items, expected {}",
                seen.len(),
                wanted.len()
            );
            seen.iter()
                .zip(wanted)
                .enumerate()
                .try_for_each(|(i, (s, w))| contains(&format!("{place}[{i}]"), s, w))
        }
        _ => {
            ensure!(seen == wanted, "{place} is {seen}, expected {wanted}");
            Ok(())
        }
    }
}

fn text_matches(seen: &str, wanted: &str) -> bool {
    let seen: Vec<_> = seen.trim_end().lines().collect();
    let wanted: Vec<_> = wanted.trim_end().lines().collect();
    seen.len() == wanted.len()
        && seen.iter().zip(&wanted).all(|(s, w)| line_matches(s.trim_end(), w.trim_end()))
}

fn line_matches(seen: &str, wanted: &str) -> bool {
    let Some((head, tail)) = wanted.split_once("...") else { return seen == wanted };
    let Some(mut rest) = seen.strip_prefix(head) else { return false };
    let mut pieces: Vec<_> = tail.split("...").collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_their_kind_and_line() {
        let found =
            blocks("# T\n```sh\na\nb\n```\ntext\n```json answer\n{}\n```\n```python\nx\n```\n").unwrap();
        let kinds: Vec<_> = found.iter().map(|b| (b.line, b.kind, b.text.as_str())).collect();
        assert_eq!(
            kinds,
            [(2, Kind::Run, "a\nb\n"), (7, Kind::JsonAnswer, "{}\n"), (10, Kind::Other, "x\n")]
        );
        assert!(blocks("```sh\n").is_err());
    }

    #[test]
    fn an_answer_may_hold_more_than_the_guide_shows_but_nothing_else() {
        let seen = serde_json::json!({"a": [1, {"b": "x"}], "c": 2});
        contains("", &seen, &serde_json::json!({"a": [1, {"b": "..."}]})).unwrap();
        let error = contains("answer", &seen, &serde_json::json!({"a": [1, {"b": "y"}]})).unwrap_err();
        assert_eq!(error.to_string(), r#"answer.a[1].b is "x", expected "y""#);
        assert!(contains("", &seen, &serde_json::json!({"d": 1})).is_err());
        assert!(contains("", &seen, &serde_json::json!({"a": [1]})).is_err());
    }

    #[test]
    fn dots_in_a_text_answer_stand_for_any_text() {
        assert!(text_matches(" id | n\n 7f | 1\n", " id | n\n ... | 1\n"));
        assert!(text_matches("a1b2c", "a...b...c"));
        assert!(!text_matches("a1b2", "a...b...c"));
        assert!(!text_matches("a\nb", "a"));
    }

    #[tokio::test]
    async fn the_shell_keeps_variables_and_reports_failures() {
        let folder = tempfile::tempdir().unwrap();
        let mut shell = Shell::start(folder.path(), folder.path()).unwrap();
        let guide =
            "```sh\nN=3\n```\n```sh\necho \"{\\\"n\\\": $N}\"\n```\n```json answer\n{\"n\": 3}\n```\n";
        assert_eq!(run(guide, &mut shell).await.unwrap(), (2, 1));
        let error = run("```sh\necho lost >&2; false\n```\n", &mut shell).await.unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("line 1") && text.contains("status 1") && text.contains("lost"), "{text}");
    }
}
