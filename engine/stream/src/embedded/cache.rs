//! The newest groups as they were written, kept in memory so that readers near the end never touch the disk.

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};

use bytes::Bytes;

/// What keeping a group costs beside its bytes.
const GROUP_OVERHEAD_BYTES: usize = 128;

#[derive(Debug)]
struct Group {
    file: u64,
    position: u64,
    bytes: Bytes,
}

#[derive(Debug, Default)]
struct Groups {
    groups: VecDeque<Group>,
    bytes: usize,
}

/// Bounded; the oldest groups leave first. A reader that still holds a slice of a group keeps that group alive.
#[derive(Debug)]
pub(super) struct Cache {
    bytes_max: usize,
    groups: RwLock<Groups>,
}

impl Cache {
    /// An empty cache of at most that many bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, groups: RwLock::default() }
    }

    /// Adds the newest group, which lies behind all others.
    pub(super) fn push(&self, file: u64, position: u64, bytes: Bytes) {
        let mut inner = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        inner.bytes += bytes.len() + GROUP_OVERHEAD_BYTES;
        inner.groups.push_back(Group { file, position, bytes });
        while inner.bytes > self.bytes_max
            && let Some(oldest) = inner.groups.pop_front()
        {
            inner.bytes -= oldest.bytes.len() + GROUP_OVERHEAD_BYTES;
        }
    }

    /// The bytes from a place to the end of its group.
    pub(super) fn get(&self, file: u64, position: u64) -> Option<Bytes> {
        let inner = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        let after = inner.groups.partition_point(|group| (group.file, group.position) <= (file, position));
        let group = inner.groups.get(after.checked_sub(1)?)?;
        let skip = usize::try_from(position - group.position).ok()?;
        (group.file == file && skip < group.bytes.len()).then(|| group.bytes.slice(skip..))
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        *self.groups.write().unwrap_or_else(PoisonError::into_inner) = Groups::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_it_holds_and_forgets_the_oldest() {
        let cache = Cache::new(2 * (GROUP_OVERHEAD_BYTES + 4));
        cache.push(1, 0, Bytes::from_static(b"abcd"));
        cache.push(1, 4, Bytes::from_static(b"efgh"));
        assert_eq!(cache.get(1, 2).as_deref(), Some(b"cd".as_slice()));
        assert_eq!(cache.get(1, 4).as_deref(), Some(b"efgh".as_slice()));
        assert_eq!(cache.get(1, 8), None);
        cache.push(2, 0, Bytes::from_static(b"ijkl"));
        assert_eq!(cache.get(1, 2), None);
        assert_eq!(cache.get(1, 7).as_deref(), Some(b"h".as_slice()));
        assert_eq!(cache.get(2, 0).as_deref(), Some(b"ijkl".as_slice()));
    }
}
