//! The bytes of a group as they go to the disk: whole blocks, so that a write can go past the page cache.
//!
//! ```text
//! |        block         |        block         |        block         |
//! [ kept from before ][            the group            ][    zeros    ]
//! ```
//!
//! What the last block of the file holds already is written once more, the same bytes as before, as a page cache does too.

use std::io;

use super::disk::{BLOCK_BYTES, File};

/// Memory beyond this is given back after a group that needed it.
const ROOM_BYTES_MAX: usize = 1 << 20;

/// A buffer that begins at a multiple of the block size in memory. Positions are those in the group.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    room: Vec<u8>,
    /// Where the first block begins in `room`.
    start: usize,
    /// Bytes that were kept from before.
    head: usize,
    /// Bytes of the group.
    group: usize,
}

impl Blocks {
    /// Whether nothing is known of the file yet.
    pub(super) fn is_new(&self) -> bool {
        self.room.is_empty()
    }

    /// Forgets all and keeps what the last block before that position of the file holds.
    pub(super) fn resume(&mut self, file: &dyn File, position: u64) -> io::Result<()> {
        *self = Self::default();
        self.reserve(BLOCK_BYTES);
        self.head = offset_in_block(position);
        let head = &mut self.room[self.start..self.start + self.head];
        let read = file.read_at(head, position - head.len() as u64)?;
        if read < head.len() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Makes room for that many bytes more.
    pub(super) fn reserve(&mut self, more: usize) {
        let used = self.head + self.group;
        let wanted = (used + more).next_multiple_of(BLOCK_BYTES) + BLOCK_BYTES;
        if self.room.len() >= self.start + wanted {
            return;
        }
        let mut room = vec![0; wanted.next_power_of_two() + BLOCK_BYTES];
        let start = room.as_ptr().align_offset(BLOCK_BYTES);
        room[start..start + used].copy_from_slice(&self.room[self.start..self.start + used]);
        (self.room, self.start) = (room, start);
    }

    /// Adds bytes to the group.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        let at = self.start + self.head + self.group;
        self.room[at..at + bytes.len()].copy_from_slice(bytes);
        self.group += bytes.len();
    }

    /// The group.
    pub(super) fn group(&self) -> &[u8] {
        let at = self.start + self.head;
        &self.room[at..at + self.group]
    }

    /// The group, for changes in place.
    pub(super) fn group_mut(&mut self) -> &mut [u8] {
        let at = self.start + self.head;
        &mut self.room[at..at + self.group]
    }

    /// What to write so that the group lies at that position, and where: whole blocks, except at the end of a file that
    /// has `left` bytes from that position on.
    pub(super) fn whole(&mut self, position: u64, left: u64) -> (&[u8], u64) {
        let used = self.head + self.group;
        let end = self.start + used.next_multiple_of(BLOCK_BYTES);
        self.room[self.start + used..end].fill(0);
        let left = usize::try_from(left).map_or(end, |left| self.start + self.head + left);
        (&self.room[self.start..end.min(left)], position - self.head as u64)
    }

    /// Goes on behind the group.
    pub(super) fn next(&mut self) {
        let used = self.head + self.group;
        (self.head, self.group) = (used % BLOCK_BYTES, 0);
        let kept = self.start + used - self.head;
        self.room.copy_within(kept..kept + self.head, self.start);
        if self.room.len() > ROOM_BYTES_MAX {
            let head = self.room[self.start..self.start + self.head].to_vec();
            *self = Self::default();
            self.extend(&head);
            (self.head, self.group) = (head.len(), 0);
        }
    }
}

fn offset_in_block(position: u64) -> usize {
    usize::try_from(position % BLOCK_BYTES as u64).expect("less than a block")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(blocks: &mut Blocks, position: u64, disk: &mut [u8]) {
        let left = disk.len() as u64 - position;
        let (bytes, at) = blocks.whole(position, left);
        assert_eq!(bytes.as_ptr().align_offset(BLOCK_BYTES), 0);
        assert_eq!(at % BLOCK_BYTES as u64, 0);
        let at = usize::try_from(at).unwrap();
        disk[at..at + bytes.len()].copy_from_slice(bytes);
        blocks.next();
    }

    #[test]
    fn groups_of_any_size_lie_one_behind_the_other() {
        let (mut blocks, mut disk, mut expected) = (Blocks::default(), vec![0xff; 4 << 20], Vec::new());
        let sizes = [1, 4095, 1, 4096, 10, 5000, 3 << 20, 7, 90_000, 4096 - 17];
        for (size, fill) in sizes.into_iter().zip(1..) {
            let position = expected.len() as u64;
            // In pieces, so that it grows while it is being filled.
            for piece in vec![fill; size].chunks(3000) {
                blocks.extend(piece);
            }
            blocks.group_mut()[size - 1] = 0xee;
            assert_eq!(blocks.group().len(), size);
            expected.extend_from_slice(blocks.group());
            written(&mut blocks, position, &mut disk);
            assert_eq!(disk[..expected.len()], expected);
        }
        let end = expected.len();
        assert!(disk[end..end.next_multiple_of(BLOCK_BYTES)].iter().all(|byte| *byte == 0));
        assert!(disk[end.next_multiple_of(BLOCK_BYTES)..].iter().all(|byte| *byte == 0xff));
    }

    #[test]
    fn the_last_write_ends_with_the_file() {
        let mut blocks = Blocks::default();
        let mut disk = vec![0; 100];
        blocks.extend(&[1; 60]);
        written(&mut blocks, 0, &mut disk);
        blocks.extend(&[2; 40]);
        written(&mut blocks, 60, &mut disk);
        assert_eq!(disk, [vec![1; 60], vec![2; 40]].concat());
    }
}
