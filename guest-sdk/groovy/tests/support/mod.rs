//! What the tests share: a host that remembers, and the cases of the data files.

#![allow(dead_code, unreachable_pub)]

use std::path::Path;

use granary_groovy::{Host, Level, SnowplowFields};

/// A host whose time stands still.
#[derive(Default)]
pub struct TestHost {
    /// Lines of the log.
    pub lines: Vec<(Level, String, String)>,
    uuids: u32,
}

impl Host for TestHost {
    fn log(&mut self, level: Level, logger: &str, text: &str) {
        self.lines.push((level, logger.to_owned(), text.to_owned()));
    }

    fn now_ms(&mut self) -> i64 {
        1_700_000_000_123
    }

    fn random_uuid(&mut self) -> String {
        self.uuids += 1;
        format!("00000000-0000-4000-8000-{:012}", self.uuids)
    }

    /// Not the wire format: lines `name=value`.
    fn snowplow_deserialize(&mut self, bytes: &[u8]) -> Result<SnowplowFields, String> {
        let text = String::from_utf8_lossy(bytes);
        let Some(text) = text.strip_prefix("thrift\n") else {
            return Err("not a collector payload: unknown type at byte 0".to_owned());
        };
        let mut fields = SnowplowFields {
            schema: Some("iglu:com.snowplowanalytics.snowplow/CollectorPayload/thrift/1-0-0".into()),
            timestamp: Some(1_700_000_000_000),
            ..SnowplowFields::default()
        };
        for line in text.split('\n') {
            match line.split_once('=') {
                Some(("body", value)) => fields.body = Some(value.into()),
                Some(("querystring", value)) => fields.querystring = Some(value.into()),
                Some(("path", value)) => fields.path = Some(value.into()),
                _ => {}
            }
        }
        Ok(fields)
    }
}

/// One case of a data file.
pub struct Case {
    /// File and title.
    pub title: String,
    /// The script.
    pub script: String,
    /// What follows the arrow.
    pub expected: String,
}

/// All cases of the data files.
pub fn cases() -> Vec<Case> {
    cases_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snippets"))
}

/// All cases of the data files in a folder.
pub fn cases_in(folder: &Path) -> Vec<Case> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let mut block: Vec<&str> = Vec::new();
        for line in text.lines().chain(["---"]) {
            if line != "---" {
                block.push(line);
                continue;
            }
            while block.last().is_some_and(|line| line.trim().is_empty()) {
                block.pop();
            }
            let start = block.iter().position(|line| !line.trim().is_empty()).unwrap_or(block.len());
            if let [title, script @ .., expected] = &block[start..] {
                cases.push(Case {
                    title: format!("{name}: {}", title.trim_start_matches('#').trim()),
                    script: script.join("\n"),
                    expected: expected
                        .strip_prefix("=>")
                        .unwrap_or_else(|| panic!("{title}: no `=>`"))
                        .trim()
                        .to_owned(),
                });
            }
            block.clear();
        }
    }
    cases
}

/// A generator of numbers that are the same in every run.
pub struct Dice(pub u64);

impl Dice {
    /// A number below the bound.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound.max(1) as u64).unwrap()
    }
}
