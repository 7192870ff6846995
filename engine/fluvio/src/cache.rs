//! The records that were fetched or stored last: several stages read the same ones at about the same time, and most read
//! what this process has just stored. Nobody asks the cluster again for what lies here.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use granary_stream::Record;

/// A partition of a topic on the cluster.
pub(crate) type Place = (Arc<str>, u32);

/// Consecutive records that came together.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) records: Vec<Record>,
    pub(crate) bytes: usize,
    /// What comes behind them, where that cannot be read.
    pub(crate) behind: Option<String>,
}

impl Chunk {
    pub(crate) fn start(&self) -> u64 {
        self.records.first().map_or(0, |record| record.offset)
    }

    pub(crate) fn end(&self) -> u64 {
        self.records.last().map_or(0, |record| record.offset + 1)
    }
}

#[derive(Debug, Default)]
struct State {
    /// By first offset. Where two overlap, the one that begins later counts from there on.
    chunks: HashMap<Place, BTreeMap<u64, Arc<Chunk>>>,
    /// In the order of their coming; some are gone already.
    order: VecDeque<(Place, Arc<Chunk>)>,
    bytes: usize,
    /// Partitions that somebody here has read.
    read: HashSet<Place>,
}

impl State {
    fn remove(&mut self, place: &Place, start: u64) {
        let Some(chunks) = self.chunks.get_mut(place) else { return };
        if let Some(chunk) = chunks.remove(&start) {
            self.bytes -= chunk.bytes;
        }
        if chunks.is_empty() {
            self.chunks.remove(place);
        }
    }

    fn holds(&self, place: &Place, chunk: &Arc<Chunk>) -> bool {
        let there = self.chunks.get(place).and_then(|chunks| chunks.get(&chunk.start()));
        there.is_some_and(|there| Arc::ptr_eq(there, chunk))
    }

    fn put(&mut self, place: Place, chunk: Arc<Chunk>, bytes_max: usize) {
        self.remove(&place, chunk.start());
        self.bytes += chunk.bytes;
        self.chunks.entry(place.clone()).or_default().insert(chunk.start(), Arc::clone(&chunk));
        self.order.push_back((place, chunk));
        while let Some((place, oldest)) = self.order.front() {
            let there = self.holds(place, oldest);
            if there && self.bytes <= bytes_max {
                break;
            }
            let Some((place, oldest)) = self.order.pop_front() else { break };
            if there {
                self.remove(&place, oldest.start());
            }
        }
    }
}

/// The cache, bounded by bytes.
#[derive(Debug)]
pub(crate) struct Cache {
    state: Mutex<State>,
    bytes_max: usize,
}

impl Cache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { state: Mutex::default(), bytes_max }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The chunk with the record at an offset. The partition counts as read from now on.
    pub(crate) fn find(&self, place: &Place, offset: u64) -> Option<Arc<Chunk>> {
        let mut state = self.state();
        if !state.read.contains(place) {
            state.read.insert(place.clone());
        }
        let (_, chunk) = state.chunks.get(place)?.range(..=offset).next_back()?;
        (offset < chunk.end()).then(|| Arc::clone(chunk))
    }

    /// Whether somebody here reads the partition.
    pub(crate) fn is_read(&self, place: &Place) -> bool {
        self.state().read.contains(place)
    }

    /// Keeps what was fetched.
    pub(crate) fn fetched(&self, place: Place, chunk: Arc<Chunk>) {
        self.state().put(place, chunk, self.bytes_max);
    }

    /// Keeps what was stored. It ends the partition: what was known from its offset on is lost, where there was anything.
    pub(crate) fn stored(&self, place: Place, chunk: Chunk) {
        let mut state = self.state();
        let from = chunk.start();
        let known = state.chunks.get(&place);
        let lost: Vec<u64> =
            known.into_iter().flat_map(|chunks| chunks.range(from..).map(|(start, _)| *start)).collect();
        for start in lost {
            state.remove(&place, start);
        }
        state.put(place, Arc::new(chunk), self.bytes_max);
    }

    /// Forgets a topic that is gone.
    pub(crate) fn forget(&self, physical: &str) {
        let mut state = self.state();
        let gone: Vec<Place> =
            state.chunks.keys().filter(|(topic, _)| **topic == *physical).cloned().collect();
        for place in gone {
            let chunks = state.chunks.remove(&place).unwrap_or_default();
            state.bytes -= chunks.values().map(|chunk| chunk.bytes).sum::<usize>();
        }
        state.order.retain(|((topic, _), _)| **topic != *physical);
        state.read.retain(|(topic, _)| **topic != *physical);
    }
}

#[cfg(test)]
mod tests {
    use granary_stream::Message;

    use super::*;

    fn place() -> Place {
        ("t".into(), 0)
    }

    fn chunk(offsets: std::ops::Range<u64>, text: &'static str) -> Chunk {
        let bytes = text.len() * offsets.clone().count();
        let records = offsets.map(|offset| Record { offset, message: Message::of(text) }).collect();
        Chunk { records, bytes, behind: None }
    }

    fn text_at(cache: &Cache, offset: u64) -> Option<String> {
        let found = cache.find(&place(), offset)?;
        let record = found.records.iter().find(|record| record.offset == offset)?;
        Some(String::from_utf8_lossy(&record.message.payload).into_owned())
    }

    #[test]
    fn the_oldest_go_first() {
        let cache = Cache::new(20);
        cache.fetched(place(), Arc::new(chunk(0..10, "a")));
        cache.stored(place(), chunk(10..20, "b"));
        assert_eq!((text_at(&cache, 0), text_at(&cache, 19)), (Some("a".to_owned()), Some("b".to_owned())));
        cache.stored(place(), chunk(20..21, "c"));
        assert_eq!((text_at(&cache, 0), text_at(&cache, 10)), (None, Some("b".to_owned())));
        assert_eq!((text_at(&cache, 20), text_at(&cache, 21)), (Some("c".to_owned()), None));
        cache.forget("t");
        assert_eq!(text_at(&cache, 20), None);
        let state = cache.state();
        assert_eq!((state.bytes, state.order.len()), (0, 0));
    }

    /// A cluster that has lost what it had acknowledged gives the same offsets again.
    #[test]
    fn what_is_stored_takes_the_place_of_what_was_lost() {
        let cache = Cache::new(1_000);
        cache.stored(place(), chunk(0..6, "a"));
        cache.stored(place(), chunk(6..9, "a"));
        cache.stored(place(), chunk(4..5, "b"));
        let texts: Vec<_> = (3..9).map(|offset| text_at(&cache, offset)).collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(texts, [some("a"), some("b"), None, None, None, None]);
    }

    #[test]
    fn a_chunk_that_is_fetched_again_is_there_once() {
        let cache = Cache::new(25);
        for _ in 0..100 {
            cache.fetched(place(), Arc::new(chunk(0..10, "a")));
        }
        cache.fetched(place(), Arc::new(chunk(5..15, "b")));
        assert_eq!((text_at(&cache, 4), text_at(&cache, 5)), (Some("a".to_owned()), Some("b".to_owned())));
        let state = cache.state();
        assert_eq!((state.bytes, state.order.len()), (20, 2));
    }

    #[test]
    fn what_nobody_reads_is_not_wanted() {
        let cache = Cache::new(10);
        assert!(!cache.is_read(&place()));
        assert!(cache.find(&place(), 0).is_none() && cache.is_read(&place()));
    }
}
