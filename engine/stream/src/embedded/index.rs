//! Where the records of a partition are: a sparse map from offsets to stretches of files.
//!
//! An entry covers the frames of its partition that begin within [`GRAIN_BYTES`] after the first of them; frames of
//! other partitions may lie between. So an entry costs 32 bytes of memory per 64 KiB of log and partition at most,
//! however small the records are, and finding a record means reading little more than 64 KiB.

/// How far from the first frame of an entry another one may begin and still be covered by it.
const GRAIN_BYTES: u32 = 64 * 1024;

/// A stretch of a file that begins with a frame of the partition and ends with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Number of the file.
    pub(super) file: u64,
    /// Offset of the first record.
    pub(super) base: u64,
    /// Greatest append time of all records of the partition up to the end of this entry.
    pub(super) time_max_ms: u64,
    /// Where in the file the stretch begins.
    pub(super) position: u32,
    /// Length of the stretch.
    pub(super) bytes: u32,
}

impl Entry {
    /// One past the last byte.
    pub(super) fn stop(&self) -> u64 {
        u64::from(self.position) + u64::from(self.bytes)
    }
}

/// The entries of one partition in offset order.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: Vec<Entry>,
}

impl Index {
    /// Adds a frame behind all others: its stretch as an entry of its own that may be merged into the last one.
    pub(super) fn push(&mut self, frame: Entry) {
        if let Some(last) = self.entries.last_mut() {
            let time_max_ms = last.time_max_ms.max(frame.time_max_ms);
            if last.file == frame.file && frame.position - last.position < GRAIN_BYTES {
                last.bytes = frame.position + frame.bytes - last.position;
                last.time_max_ms = time_max_ms;
                return;
            }
            self.entries.push(Entry { time_max_ms, ..frame });
        } else {
            self.entries.push(frame);
        }
    }

    /// Adds the entries of a closed file behind all others.
    pub(super) fn extend(&mut self, entries: &[Entry]) {
        self.entries.reserve(entries.len());
        let before = self.entries.last().map_or(0, |last| last.time_max_ms);
        // The greatest time so far may come from a file that has since been dropped: it never decreases, which is
        // all that the search needs.
        self.entries.extend(entries.iter().map(|e| Entry { time_max_ms: e.time_max_ms.max(before), ..*e }));
    }

    /// Up to `count` entries, beginning with the one that holds the offset, or the first one after it.
    pub(super) fn at_offset(&self, offset: u64, count: usize) -> Vec<Entry> {
        let after = self.entries.partition_point(|entry| entry.base <= offset);
        self.entries.iter().skip(after.saturating_sub(1)).take(count).copied().collect()
    }

    /// The first offset that the search for a time has to look at; `None` where all records are older.
    pub(super) fn at_time(&self, time_ms: u64) -> Option<u64> {
        let at = self.entries.partition_point(|entry| entry.time_max_ms < time_ms);
        self.entries.get(at).map(|entry| entry.base)
    }

    /// The entries of one file.
    pub(super) fn of_file(&self, file: u64) -> Vec<Entry> {
        let from = self.entries.partition_point(|entry| entry.file < file);
        self.entries[from..].iter().take_while(|entry| entry.file == file).copied().collect()
    }

    /// Forgets a file.
    pub(super) fn drop_file(&mut self, file: u64) {
        self.entries.retain(|entry| entry.file != file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(file: u64, base: u64, position: u32, time_max_ms: u64) -> Entry {
        Entry { file, base, time_max_ms, position, bytes: 100 }
    }

    #[test]
    fn near_frames_share_an_entry_and_far_ones_do_not() {
        let mut index = Index::default();
        index.push(frame(1, 0, 64, 5));
        index.push(frame(1, 1, 64 + GRAIN_BYTES - 1, 3));
        index.push(frame(1, 2, 64 + GRAIN_BYTES + 99, 4));
        index.push(frame(2, 3, 64 + GRAIN_BYTES + 100, 9));
        let entries = index.at_offset(0, 10);
        assert_eq!(entries.iter().map(|e| (e.file, e.base)).collect::<Vec<_>>(), [(1, 0), (1, 2), (2, 3)]);
        assert_eq!(entries[0].bytes, GRAIN_BYTES - 1 + 100);
        assert_eq!(entries.iter().map(|e| e.time_max_ms).collect::<Vec<_>>(), [5, 5, 9]);
    }

    #[test]
    fn the_search_begins_at_the_entry_that_holds_the_offset_or_time() {
        let mut index = Index::default();
        index.push(frame(1, 10, 64, 5));
        index.push(frame(2, 20, 64, 7));
        index.push(frame(3, 30, 64, 6));
        let first = |offset| index.at_offset(offset, 1)[0].base;
        assert_eq!([0, 10, 19, 20, 99].map(first), [10, 10, 10, 20, 30]);
        assert_eq!(
            [0, 5, 6, 7, 8].map(|time| index.at_time(time)),
            [Some(10), Some(10), Some(20), Some(20), None]
        );
        index.drop_file(2);
        assert_eq!(index.at_offset(25, 1)[0].base, 10);
        assert_eq!(index.of_file(3).len(), 1);
        assert!(index.of_file(2).is_empty());
    }
}
