//! Sets of offsets.

use std::collections::BTreeMap;

/// Disjoint, merged intervals of offsets.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Intervals(BTreeMap<u64, u64>);

impl Intervals {
    /// Adds `start..end`, merging with what it touches.
    pub fn add(&mut self, mut start: u64, mut end: u64) {
        if start >= end {
            return;
        }
        if let Some((&s, &e)) = self.0.range(..=start).next_back()
            && e >= start
        {
            start = s;
            end = end.max(e);
        }
        let inside: Vec<u64> = self.0.range(start..=end).map(|(s, _)| *s).collect();
        for s in inside {
            if let Some(e) = self.0.remove(&s) {
                end = end.max(e);
            }
        }
        self.0.insert(start, end);
    }

    /// The end of the interval that holds `offset`.
    #[must_use]
    pub fn end_of(&self, offset: u64) -> Option<u64> {
        self.0.range(..=offset).next_back().filter(|(_, e)| **e > offset).map(|(_, e)| *e)
    }

    /// The start of the first interval after `offset`.
    #[must_use]
    pub fn next_start(&self, offset: u64) -> Option<u64> {
        self.0.range(offset..).next().map(|(s, _)| *s)
    }

    /// What of `start..end` is in none of them.
    #[must_use]
    pub fn missing(&self, start: u64, end: u64) -> Self {
        let (mut missing, mut at) = (Self::default(), start);
        for (s, e) in self.since(start) {
            missing.add(at, s.min(end));
            at = at.max(e);
        }
        missing.add(at, end);
        missing
    }

    /// All of them in order, without what lies before an offset.
    pub fn since(&self, start: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().filter(move |(_, e)| **e > start).map(move |(s, e)| ((*s).max(start), *e))
    }

    /// How many offsets they hold from an offset on.
    #[must_use]
    pub fn count(&self, start: u64) -> u64 {
        self.since(start).map(|(s, e)| e - s).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Intervals {
        fn of<const N: usize>(intervals: [(u64, u64); N]) -> Self {
            Self(BTreeMap::from(intervals))
        }
    }

    #[test]
    fn intervals_merge_what_touches() {
        let mut i = Intervals::default();
        i.add(5, 8);
        i.add(0, 3);
        assert_eq!(i.end_of(3), None);
        i.add(3, 5);
        assert_eq!(i, Intervals::of([(0, 8)]));
        i.add(2, 4);
        i.add(20, 20);
        assert_eq!(i, Intervals::of([(0, 8)]));
    }

    #[test]
    fn ranges_merge_and_tell_what_is_missing() {
        let mut ranges = Intervals::default();
        for (start, end) in [(10, 12), (3, 5), (5, 7), (20, 20), (11, 15)] {
            ranges.add(start, end);
        }
        assert_eq!(ranges, Intervals::of([(3, 7), (10, 15)]));
        assert_eq!(
            [2, 3, 6, 7, 14, 15].map(|at| ranges.end_of(at)),
            [None, Some(7), Some(7), None, Some(15), None]
        );
        assert_eq!(ranges.missing(0, 20), Intervals::of([(0, 3), (7, 10), (15, 20)]));
        assert_eq!(ranges.missing(5, 9), Intervals::of([(7, 9)]));
        assert_eq!(ranges.missing(4, 6), Intervals::default());
        assert_eq!(ranges.since(6).collect::<Vec<_>>(), [(6, 7), (10, 15)]);
        assert_eq!(ranges.count(6), 6);
        ranges.add(0, 100);
        assert_eq!(ranges, Intervals::of([(0, 100)]));
    }
}
