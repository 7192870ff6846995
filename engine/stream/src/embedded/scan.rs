//! Reading a log file from front to back without an index.

use std::io;

use super::disk::File;
use super::format::{FRAME_HEADER_BYTES, FRAME_MAGIC, FrameHeader, Seed};

const CHUNK_BYTES: usize = 4 * 1024 * 1024;
/// Zeros are skipped in pieces of this size, since most of an open file is zeros.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// A buffered view of a file.
pub(super) struct Scan<'a> {
    file: &'a dyn File,
    seed: Seed,
    length: u64,
    buffer: Vec<u8>,
    begin: u64,
}

impl<'a> Scan<'a> {
    /// A view of a file of that length.
    pub(super) fn new(file: &'a dyn File, seed: Seed, length: u64) -> Self {
        Self { file, seed, length, buffer: Vec::new(), begin: 0 }
    }

    /// The bytes at a position, fewer where the file ends.
    fn bytes(&mut self, position: u64, count: usize) -> io::Result<&[u8]> {
        let inside = position.checked_sub(self.begin).and_then(|skip| usize::try_from(skip).ok());
        let covered = inside.is_some_and(|skip| skip.saturating_add(count) <= self.buffer.len());
        if !covered {
            let left = usize::try_from(self.length.saturating_sub(position)).unwrap_or(usize::MAX);
            self.buffer.resize(count.max(CHUNK_BYTES).min(left), 0);
            let read = self.file.read_at(&mut self.buffer, position)?;
            self.buffer.truncate(read);
            self.begin = position;
        }
        let skip = usize::try_from(position - self.begin).unwrap_or(usize::MAX);
        let from = skip.min(self.buffer.len());
        Ok(&self.buffer[from..skip.saturating_add(count).min(self.buffer.len())])
    }

    /// The whole and undamaged frame at a position.
    pub(super) fn frame(&mut self, position: u64) -> io::Result<Option<FrameHeader>> {
        let seed = self.seed;
        let Some(header) = FrameHeader::decode(self.bytes(position, FRAME_HEADER_BYTES)?, seed) else {
            return Ok(None);
        };
        let whole = header.frame_bytes();
        if position.saturating_add(whole as u64) > self.length {
            return Ok(None);
        }
        let bytes = self.bytes(position, whole)?;
        let valid =
            bytes.len() == whole && seed.checksum(&bytes[FRAME_HEADER_BYTES..]) == header.body_checksum;
        Ok(valid.then_some(header))
    }

    /// The header at a position, where it is undamaged; the body may not be.
    pub(super) fn header(&mut self, position: u64) -> io::Result<Option<FrameHeader>> {
        let seed = self.seed;
        Ok(FrameHeader::decode(self.bytes(position, FRAME_HEADER_BYTES)?, seed))
    }

    /// Whether a frame behind a damaged place belongs to a group that starts behind it too: the place was durable
    /// then, since a group is only written when the one before it is.
    pub(super) fn proof_after(&mut self, damaged: u64) -> io::Result<bool> {
        Ok(self.find(damaged, |frame| u64::from(frame.group_start) > damaged)?.is_some())
    }

    /// The first whole frame of a kind at a position or behind it, wherever it begins.
    pub(super) fn find(
        &mut self,
        from: u64,
        wanted: impl Fn(&FrameHeader) -> bool,
    ) -> io::Result<Option<(u64, FrameHeader)>> {
        let mut position = from;
        while position < self.length {
            let piece = self.bytes(position, ZEROS.len())?;
            if piece.len() < FRAME_HEADER_BYTES {
                return Ok(None);
            }
            if *piece == ZEROS[..piece.len()] {
                position += piece.len() as u64;
                continue;
            }
            let magic = piece.windows(FRAME_MAGIC.len()).position(|window| window == FRAME_MAGIC);
            let Some(at) = magic else {
                // The last bytes may be the beginning of a magic.
                position += (piece.len() - FRAME_MAGIC.len() + 1) as u64;
                continue;
            };
            position += at as u64;
            if let Some(frame) = self.frame(position)?
                && wanted(&frame)
            {
                return Ok(Some((position, frame)));
            }
            position += 1;
        }
        Ok(None)
    }

    /// One past the last byte that is not zero.
    pub(super) fn used(&mut self) -> io::Result<u64> {
        let (mut position, mut used) = (0, 0);
        while position < self.length {
            let piece = self.bytes(position, ZEROS.len())?;
            if piece.is_empty() {
                break;
            }
            if let Some(last) = piece.iter().rposition(|byte| *byte != 0) {
                used = position + last as u64 + 1;
            }
            position += piece.len() as u64;
        }
        Ok(used)
    }
}
