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

/// Disjoint, merged ranges of offsets in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Adds `start..end`.
    pub(super) fn add(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        let from = self.0.partition_point(|(_, e)| *e < start);
        let to = self.0.partition_point(|(s, _)| *s <= end);
        let merged = self.0[from..to].iter().fold((start, end), |(s, e), (a, b)| (s.min(*a), e.max(*b)));
        self.0.splice(from..to, [merged]);
    }

    /// The end of the range that holds the offset.
    pub(super) fn end_of(&self, offset: u64) -> Option<u64> {
        let at = self.0.partition_point(|(_, end)| *end <= offset);
        self.0.get(at).filter(|(start, _)| *start <= offset).map(|(_, end)| *end)
    }

    /// What of `start..end` is in none of the ranges.
    pub(super) fn missing(&self, start: u64, end: u64) -> Self {
        let (mut missing, mut at) = (Self::default(), start);
        for (s, e) in self.0.iter().filter(|(_, e)| *e > start) {
            missing.add(at, (*s).min(end));
            at = at.max(*e);
        }
        missing.add(at, end);
        missing
    }

    /// The ranges, without what lies before an offset.
    pub(super) fn from(&self, start: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().filter(move |(_, e)| *e > start).map(move |(s, e)| ((*s).max(start), *e))
    }

    /// How many offsets there are from an offset on.
    pub(super) fn count(&self, start: u64) -> u64 {
        self.from(start).map(|(s, e)| e - s).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_merge_and_tell_what_is_missing() {
        let mut ranges = Ranges::default();
        for (start, end) in [(10, 12), (3, 5), (5, 7), (20, 20), (11, 15)] {
            ranges.add(start, end);
        }
        assert_eq!(ranges, Ranges(vec![(3, 7), (10, 15)]));
        assert_eq!(
            [2, 3, 6, 7, 14, 15].map(|at| ranges.end_of(at)),
            [None, Some(7), Some(7), None, Some(15), None]
        );
        assert_eq!(ranges.missing(0, 20), Ranges(vec![(0, 3), (7, 10), (15, 20)]));
        assert_eq!(ranges.missing(5, 9), Ranges(vec![(7, 9)]));
        assert_eq!(ranges.missing(4, 6), Ranges::default());
        assert_eq!(ranges.from(6).collect::<Vec<_>>(), [(6, 7), (10, 15)]);
        assert_eq!(ranges.count(6), 6);
        ranges.add(0, 100);
        assert_eq!(ranges, Ranges(vec![(0, 100)]));
    }
}
