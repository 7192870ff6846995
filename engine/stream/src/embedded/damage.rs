//! What is damaged in a log, and what is lost by it.

use std::fmt;
use std::path::PathBuf;

use super::format::FrameHeader;
use super::survey::Stretch;

/// A place in a file of the log that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where in the file, in bytes.
    pub position: u64,
    /// How many bytes; 0 where that means nothing, as with a file that is missing.
    pub bytes: u64,
    /// What was found there, and what it means.
    pub found: String,
}

impl Damage {
    pub(super) fn of_stretch(path: PathBuf, stretch: &Stretch) -> Self {
        let Stretch { position, bytes, header } = stretch;
        let found = match header {
            Some(FrameHeader { topic, partition, base, .. }) => {
                let last = header.as_ref().map_or(*base, FrameHeader::end).saturating_sub(1);
                format!(
                    "a damaged frame: records {base} to {last} of topic id {topic}, partition {partition}"
                )
            }
            None => "no frame can be recognised, and there was one".to_owned(),
        };
        Self { path, position: *position, bytes: *bytes, found }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, position, bytes, found } = self;
        write!(f, "{} at byte {position}", path.display())?;
        if *bytes > 0 {
            write!(f, ", {bytes} bytes")?;
        }
        write!(f, ": {found}")
    }
}

/// Offsets that were acknowledged, or may have been, and that no file holds in a readable form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Topic name.
    pub topic: String,
    /// Partition.
    pub partition: u32,
    /// First offset.
    pub start: u64,
    /// One past the last offset.
    pub end: u64,
    /// Whether readers may go on behind them: somebody has accepted the loss.
    pub accepted: bool,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, partition, start, end, accepted } = self;
        let last = end.saturating_sub(1);
        write!(f, "topic '{topic}' partition {partition}: records {start} to {last}")?;
        if *accepted { f.write_str(" (accepted)") } else { Ok(()) }
    }
}
