//! The log of one partition.

use std::io::Cursor;

use fluvio_protocol::link::ErrorCode;
use fluvio_protocol::record::{Batch, MemoryRecords, RawRecords};
use fluvio_protocol::{Decoder, Encoder};
use tokio::sync::watch;

/// The largest batch that an SPU takes with the settings it comes with.
const LARGEST_BATCH: usize = 32 * 1024 * 1024;

/// A batch as it lies in the file of an SPU.
#[derive(Debug)]
struct Stored {
    /// The offset of its first record.
    base: i64,
    /// The offset after its last record, as its header counts them.
    next: i64,
    bytes: Vec<u8>,
}

/// What a read found.
#[derive(Debug)]
pub(super) struct Slice {
    /// Batches one after another, from the one that holds the wanted offset on.
    pub(super) bytes: Vec<u8>,
    /// The first offset of the log.
    pub(super) start: i64,
    /// The offset after the last record of the log.
    pub(super) end: i64,
}

/// The log of one partition. It has one replica, so whatever is written is committed.
#[derive(Debug)]
pub(super) struct Log {
    batches: Vec<Stored>,
    end: watch::Sender<i64>,
    /// Whether a write has failed half way. An SPU takes no more writes then.
    broken: bool,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { batches: Vec::new(), end: watch::Sender::new(0), broken: false }
    }

    /// The first offset that can be read.
    pub(super) fn start(&self) -> i64 {
        self.batches.first().map_or_else(|| self.end(), |batch| batch.base)
    }

    /// The offset after the last record.
    pub(super) fn end(&self) -> i64 {
        *self.end.borrow()
    }

    /// Tells of each new end. Closes when the log is deleted.
    pub(super) fn follow(&self) -> watch::Receiver<i64> {
        self.end.subscribe()
    }

    /// How many bytes the log holds.
    pub(super) fn size(&self) -> usize {
        self.batches.iter().map(|batch| batch.bytes.len()).sum()
    }

    /// Writes the batches and says the offset of the first record.
    ///
    /// An empty batch among others is found only when its turn comes: what is before it stays, and the log is broken.
    pub(super) fn append(&mut self, batches: Vec<Batch<RawRecords>>) -> Result<i64, ErrorCode> {
        if batches.iter().any(|batch| batch.write_size(0) > LARGEST_BATCH) {
            return Err(ErrorCode::MessageTooLarge);
        }
        let first = self.end();
        for mut batch in batches {
            if self.broken {
                return Err(ErrorCode::PartitionShortCircuited);
            }
            if batch.records_len() == 0 {
                self.broken = true;
                return Err(ErrorCode::StorageError);
            }
            let base = self.end();
            batch.set_base_offset(base);
            let next = batch.computed_last_offset();
            let mut bytes = Vec::with_capacity(batch.write_size(0));
            batch.encode(&mut bytes, 0).map_err(|_| ErrorCode::StorageError)?;
            self.batches.push(Stored { base, next, bytes });
            self.end.send_replace(next);
        }
        Ok(first)
    }

    /// Removes the batches that lie before the offset as a whole.
    pub(super) fn evict(&mut self, before: i64) {
        let gone = self.batches.partition_point(|batch| batch.next <= before);
        self.batches.drain(..gone);
    }

    /// Reads about as many bytes as wanted, from the batch on that holds the offset.
    ///
    /// With `cut` the bytes end exactly where the limit is; else with a whole batch, and with one at least.
    pub(super) fn read(&self, offset: i64, max_bytes: usize, cut: bool) -> Result<Slice, ErrorCode> {
        let (start, end) = (self.start(), self.end());
        if offset > end {
            // An SPU has no code of its own for this.
            return Err(ErrorCode::Other(format!("start offset: {offset} is greater than leo: {end}")));
        }
        if offset < start {
            return Err(ErrorCode::OffsetEvicted { offset, next_available: start });
        }
        let first = self.batches.partition_point(|batch| batch.next <= offset);
        let mut bytes = Vec::new();
        for batch in &self.batches[first..] {
            let enough = bytes.len() + batch.bytes.len() > max_bytes;
            if enough && !cut && !bytes.is_empty() {
                break;
            }
            bytes.extend_from_slice(&batch.bytes);
            if enough {
                break;
            }
        }
        if cut {
            bytes.truncate(max_bytes);
        }
        Ok(Slice { bytes, start, end })
    }

    /// The values of all records that the log holds.
    pub(super) fn values(&self) -> Vec<Vec<u8>> {
        let mut values = Vec::new();
        for stored in &self.batches {
            let records = records(&stored.bytes);
            let counted = usize::try_from(stored.next - stored.base).unwrap_or_default();
            assert_eq!(records.len(), counted, "the header of the batch at {} counts wrong", stored.base);
            values.extend(records.into_iter().map(|record| record.into_value().to_vec()));
        }
        values
    }
}

fn records(bytes: &[u8]) -> MemoryRecords {
    let batch = Batch::<RawRecords>::decode_from(&mut Cursor::new(bytes), 0).expect("it was encoded here");
    // Where the crate is built without compression, it would take packed records for plain ones.
    assert!(batch.get_header().attributes & 0x07 == 0, "the records of a packed batch cannot be looked at");
    batch.memory_records().expect("plain records need no unpacking")
}

#[cfg(test)]
mod tests {
    use fluvio_protocol::record::{BATCH_FILE_HEADER_SIZE, Record};

    use super::*;

    fn batch(values: &[&str]) -> Batch<RawRecords> {
        let records: MemoryRecords = values.iter().map(|value| Record::new(*value)).collect();
        Batch::from(records).try_into().expect("no compression")
    }

    /// A log of three batches with two records each.
    fn log() -> Log {
        let mut log = Log::new();
        let batches = vec![batch(&["a", "b"]), batch(&["c", "d"])];
        assert_eq!(log.append(batches), Ok(0));
        assert_eq!(log.append(vec![batch(&["e", "f"])]), Ok(4));
        log
    }

    #[test]
    fn batches_get_their_offsets() {
        let log = log();
        assert_eq!((log.start(), log.end()), (0, 6));
        assert_eq!(log.values(), ["a", "b", "c", "d", "e", "f"].map(|value| value.as_bytes().to_vec()));
        let bases: Vec<i64> = log.batches.iter().map(|batch| batch.base).collect();
        assert_eq!(bases, [0, 2, 4]);
        let mut encoded = Cursor::new(&log.batches[1].bytes);
        let decoded = Batch::<RawRecords>::decode_from(&mut encoded, 0).expect("a batch");
        assert_eq!(decoded.get_base_offset(), 2);
    }

    #[test]
    fn a_read_begins_with_the_batch_that_holds_the_offset() {
        let log = log();
        let read = log.read(3, usize::MAX, false).expect("it is there");
        assert_eq!(read.bytes, [log.batches[1].bytes.clone(), log.batches[2].bytes.clone()].concat());
        assert_eq!((read.start, read.end), (0, 6));
        assert!(log.read(6, usize::MAX, false).expect("the end can be read").bytes.is_empty());
        assert!(matches!(log.read(7, usize::MAX, false), Err(ErrorCode::Other(_))));
    }

    #[test]
    fn a_read_ends_with_a_whole_batch_unless_it_is_cut() {
        let log = log();
        let one = log.batches[0].bytes.len();
        let length = |max_bytes, cut| log.read(0, max_bytes, cut).expect("it is there").bytes.len();
        assert_eq!(length(1, false), one);
        assert_eq!(length(2 * one - 1, false), one);
        assert_eq!(length(2 * one, false), 2 * one);
        assert_eq!(length(BATCH_FILE_HEADER_SIZE, true), BATCH_FILE_HEADER_SIZE);
        assert_eq!(length(2 * one - 1, true), 2 * one - 1);
        assert_eq!(length(usize::MAX, true), 3 * one);
    }

    #[test]
    fn whole_batches_are_evicted() {
        let mut log = log();
        log.evict(3);
        assert_eq!(log.start(), 2);
        let evicted = ErrorCode::OffsetEvicted { offset: 1, next_available: 2 };
        assert_eq!(log.read(1, usize::MAX, false).err(), Some(evicted));
        log.evict(100);
        assert_eq!((log.start(), log.end()), (6, 6));
        assert_eq!(log.append(vec![batch(&["g"])]), Ok(6));
        assert_eq!((log.start(), log.end()), (6, 7));
    }

    #[test]
    fn an_empty_batch_among_others_breaks_the_log() {
        let mut log = log();
        let batches = vec![batch(&["g"]), Batch::default(), batch(&["h"])];
        assert_eq!(log.append(batches), Err(ErrorCode::StorageError));
        assert_eq!(log.end(), 7);
        assert_eq!(log.append(vec![batch(&["h"])]), Err(ErrorCode::PartitionShortCircuited));
    }
}
