//! Repeats: records that are in the log twice, because the answer to an append never came and it was sent again.
//!
//! Only a log on other machines knows them ([`granary_stream::StreamLog::may_repeat`]), and only for records that no stage
//! has made: of those that one has, the committed ranges name the copy that counts. Among the records of one producer in one
//! partition the sequence grows with the offset, except for repeats. So what a stage has to remember of a producer is its
//! highest sequence, and it keeps that with its cursor.

use granary_stream::Producer;

/// How many producers are remembered, those heard last. A repeat follows the first copy within seconds, so a producer that
/// is forgotten has long stopped repeating.
const PRODUCERS_MAX: usize = 64;

/// Bytes of one producer: id, sequence, offset.
const ENTRY_BYTES: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Heard {
    producer: u128,
    sequence: u64,
    /// Offset of its last record.
    offset: u64,
}

/// What was seen of each producer in one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Repeats(Vec<Heard>);

impl Repeats {
    /// Takes note of a record; answers whether it is there for the first time.
    pub(crate) fn is_first(&mut self, producer: &Producer, offset: u64) -> bool {
        if let Some(heard) = self.0.iter_mut().find(|heard| heard.producer == producer.id) {
            heard.offset = offset;
            let first = producer.sequence > heard.sequence;
            heard.sequence = heard.sequence.max(producer.sequence);
            return first;
        }
        if self.0.len() == PRODUCERS_MAX
            && let Some(oldest) = (0..self.0.len()).min_by_key(|at| self.0[*at].offset)
        {
            self.0.swap_remove(oldest);
        }
        self.0.push(Heard { producer: producer.id, sequence: producer.sequence, offset });
        true
    }

    /// As it is stored with the cursor; `None` where nothing was seen.
    pub(crate) fn write(&self) -> Option<Vec<u8>> {
        let entry = |heard: &Heard| {
            let Heard { producer, sequence, offset } = heard;
            [&producer.to_be_bytes()[..], &sequence.to_be_bytes(), &offset.to_be_bytes()].concat()
        };
        (!self.0.is_empty()).then(|| self.0.iter().flat_map(entry).collect())
    }

    /// Reads it back.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        if !bytes.len().is_multiple_of(ENTRY_BYTES) || bytes.len() / ENTRY_BYTES > PRODUCERS_MAX {
            return Err(format!("{} bytes are not what a cursor remembers of its producers", bytes.len()));
        }
        let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
        let entry = |entry: &[u8]| Heard {
            producer: u128::from(number(&entry[..8])) << 64 | u128::from(number(&entry[8..16])),
            sequence: number(&entry[16..24]),
            offset: number(&entry[24..]),
        };
        Ok(Self(bytes.chunks_exact(ENTRY_BYTES).map(entry).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: u128 = 7 << 90;

    fn producer(id: u128, sequence: u64) -> Producer {
        Producer { id, sequence }
    }

    #[test]
    fn a_batch_that_is_there_twice_counts_once() {
        let mut repeats = Repeats::default();
        let seen: Vec<bool> = [(A, 0), (A, 1), (1, 0), (A, 1), (A, 2), (A, 1), (A, 2), (1, 1), (A, 3)]
            .into_iter()
            .zip(0..)
            .map(|((id, sequence), offset)| repeats.is_first(&producer(id, sequence), offset))
            .collect();
        assert_eq!(seen, [true, true, true, false, true, false, false, true, true]);
        let stored = repeats.write().unwrap();
        assert_eq!(Repeats::read(&stored), Ok(repeats));
    }

    #[test]
    fn those_heard_last_are_remembered() {
        let mut repeats = Repeats::default();
        assert_eq!(repeats.write(), None);
        for id in 0..100 {
            assert!(repeats.is_first(&producer(id, 5), id as u64));
        }
        assert_eq!(repeats.write().unwrap().len(), PRODUCERS_MAX * ENTRY_BYTES);
        assert!(!repeats.is_first(&producer(99, 5), 100) && !repeats.is_first(&producer(40, 5), 101));
        assert!(Repeats::read(&[0; 33]).is_err() && Repeats::read(&[0; ENTRY_BYTES * 65]).is_err());
    }
}
