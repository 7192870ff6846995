//! The topic table, `topics.json`: which topics there are, under which ids the frames name them, and their bounds.
//!
//! The file is one JSON document, a newline, and a line `crc32c <8 hex digits>` over the document. It is replaced as
//! a whole: when a topic is made or removed, before files are dropped, and when the log is closed. Its bounds may
//! therefore be older than the log; the end matters where all files with records of a partition have been dropped.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::disk::{self, Disk};
use super::format::FORMAT;
use crate::intervals::Intervals;
use crate::log::{Error, TopicSpec};

const NAME: &str = "topics.json";

/// One topic as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    /// Id in frames; never given twice.
    pub(super) id: u32,
    /// Name.
    pub(super) name: String,
    /// Retention of the specification.
    pub(super) retention_ms: Option<u64>,
    /// Start and end of each partition.
    pub(super) bounds: Vec<(u64, u64)>,
    /// Ranges of offsets that are lost and were accepted as such: partition, start, end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) lost: Vec<(u32, u64, u64)>,
}

impl Row {
    /// The specification that the topic was made with.
    pub(super) fn spec(&self) -> TopicSpec {
        let partitions = u32::try_from(self.bounds.len()).unwrap_or(u32::MAX);
        TopicSpec { retention_ms: self.retention_ms, ..TopicSpec::of(partitions) }
    }

    /// The losses of a partition that were accepted.
    pub(super) fn accepted(&self, partition: u32) -> Intervals {
        let mut accepted = Intervals::default();
        for (_, start, end) in self.lost.iter().filter(|(of, ..)| *of == partition) {
            accepted.add(*start, *end);
        }
        accepted
    }
}

/// The whole table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Table {
    /// Version of this document.
    pub(super) format: u32,
    /// The id that the next topic gets.
    pub(super) next_id: u32,
    /// The topics, by id.
    pub(super) topics: Vec<Row>,
}

impl Default for Table {
    fn default() -> Self {
        Self { format: FORMAT, next_id: 1, topics: Vec::new() }
    }
}

impl Table {
    /// Replaces the stored table.
    pub(super) fn write(&self, disk: &dyn Disk, directory: &Path) -> Result<(), Error> {
        let mut bytes = serde_json::to_vec(self).expect("plain fields serialise");
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(format!("\ncrc32c {checksum:08x}\n").as_bytes());
        disk::replace(disk, directory, NAME, &bytes).map_err(|source| Error::Io {
            what: format!("could not write {}", directory.join(NAME).display()),
            source,
        })
    }

    /// Reads the stored table.
    pub(super) fn read(disk: &dyn Disk, directory: &Path) -> Result<Self, Error> {
        let path = directory.join(NAME);
        let damaged = |why: &str| Error::Corrupt { what: format!("{}: {why}", path.display()) };
        let bytes = disk::read_whole(disk, &path)
            .map_err(|source| Error::Io { what: format!("could not read {}", path.display()), source })?
            .ok_or_else(|| damaged("the table of topics is missing"))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged("it is not text"))?;
        let (document, last) = text
            .strip_suffix('\n')
            .and_then(|text| text.rsplit_once("\ncrc32c "))
            .ok_or_else(|| damaged("its checksum is missing"))?;
        if u32::from_str_radix(last, 16).ok() != Some(crc32c::crc32c(document.as_bytes())) {
            return Err(damaged("its checksum is wrong"));
        }
        serde_json::from_str(document).map_err(|error| damaged(&error.to_string()))
    }
}
