//! How the log lies on its disk: format version 1.
//!
//! # Directory
//!
//! | file | holds |
//! |---|---|
//! | `lock` | nothing; locked while an engine uses the directory |
//! | `manifest.json` | format version, log id, which release made it; written once |
//! | `topics.json` | the topics, their ids, specifications and bounds; replaced as a whole, see `table` |
//! | `durable` | the durable-end mark, see `mark` |
//! | `<20 digits>.log` | the log files, numbered from 1; records of all topics in the order of their commit |
//!
//! # Log file
//!
//! ```text
//! [ header 64 ][ frame ][ frame ] ... [ frame ][ zeros up to the preallocated length ]      being written
//! [ header 64 ][ frame ][ frame ] ... [ frame ][ footer ][ trailer 24 ]                     closed
//! ```
//!
//! Fixed numbers are little-endian. All checksums are CRC32C that continue from the *seed* of the file, which is the
//! CRC32C of the log id (16 bytes) and the number of the file (u64): bytes of another file or another log never pass.
//!
//! | header | | frame header | | trailer | |
//! |---|---|---|---|---|---|
//! | 0 | magic `GRNRYLOG` | 0 | u32 magic `GFRM` | 0 | u64 position of the footer |
//! | 8 | u32 format version | 4 | u32 checksum of 8..48 | 8 | u32 length of the footer |
//! | 12 | u32 checksum of 16..64 | 8 | u32 checksum of the body | 12 | u32 checksum of the footer |
//! | 16 | log id | 12 | u32 length of the body | 16 | u32 checksum of 0..16 |
//! | 32 | u64 number of the file | 16 | u32 topic id | 20 | u32 magic `GEND` |
//! | 40 | u64 end of the frames of the file before | 20 | u32 partition | | |
//! | 48 | u64 made at, ms | 24 | u64 offset of the first record | | |
//! | 56 | u64 zero | 32 | u32 number of records | | |
//! | | | 36 | u32 start of the group in this file | | |
//! | | | 40 | u64 greatest append time in the frame, ms | | |
//!
//! A *frame* is a run of consecutive records of one partition; its body is those records (see `record`) one after
//! another. A *group* is what one write and one sync made durable: one or more frames, in the first group of a file
//! also the file header (its start is then 0). A group lies in one file, and it is written only after the group
//! before it is durable. A valid frame whose group starts behind a position therefore proves that everything up to
//! that position was durable once.
//!
//! The footer is the index of a closed file: u32 magic `GFTR`, u32 number of sections, and per partition a section:
//! u32 topic id, u32 partition, u64 first offset, u64 end offset, u64 greatest append time, u32 number of entries,
//! then the entries: u64 first offset, u64 greatest append time of the partition so far, u32 position, u32 length.
//! See `index` for what an entry covers.

use uuid::Uuid;

use super::index::Entry;

/// The format that this release writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;
/// Where the format version lies in the header of a log file.
pub(super) const FORMAT_PLACE: std::ops::Range<usize> = 8..12;

/// Bytes of the header of a file.
pub(super) const FILE_HEADER_BYTES: usize = 64;
/// Bytes of the header of a frame.
pub(super) const FRAME_HEADER_BYTES: usize = 48;
/// Bytes of the trailer of a closed file.
pub(super) const TRAILER_BYTES: usize = 24;

/// First bytes of a frame.
pub(super) const FRAME_MAGIC: [u8; 4] = *b"GFRM";
const FILE_MAGIC: [u8; 8] = *b"GRNRYLOG";
const FOOTER_MAGIC: [u8; 4] = *b"GFTR";
const TRAILER_MAGIC: [u8; 4] = *b"GEND";

/// What all checksums of a file begin with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seed(u32);

impl Seed {
    /// The seed of a file.
    pub(super) fn of(log: Uuid, number: u64) -> Self {
        Self(crc32c::crc32c_append(crc32c::crc32c(log.as_bytes()), &number.to_le_bytes()))
    }

    /// The checksum of some bytes of that file.
    pub(super) fn checksum(self, bytes: &[u8]) -> u32 {
        crc32c::crc32c_append(self.0, bytes)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// The header of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileHeader {
    /// Number of the file.
    pub(super) number: u64,
    /// Where the frames of the file before end; 0 for the first file.
    pub(super) previous_end: u64,
    /// When it was made.
    pub(super) made_ms: u64,
}

/// What the first bytes of a file turn out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// A header of this format.
    Valid(FileHeader),
    /// Zeros: the file was made ready and not used yet.
    Unused,
    /// A header of a format that this release does not know.
    Newer(u32),
    /// Something else.
    Damaged,
}

impl FileHeader {
    /// The stored form.
    pub(super) fn encode(&self, log: Uuid) -> [u8; FILE_HEADER_BYTES] {
        let mut bytes = [0; FILE_HEADER_BYTES];
        bytes[..8].copy_from_slice(&FILE_MAGIC);
        bytes[FORMAT_PLACE].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[16..32].copy_from_slice(log.as_bytes());
        bytes[32..40].copy_from_slice(&self.number.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.previous_end.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.made_ms.to_le_bytes());
        let checksum = Seed::of(log, self.number).checksum(&bytes[16..]);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the first bytes of the file of that number back.
    pub(super) fn decode(bytes: &[u8], log: Uuid, number: u64) -> Header {
        if bytes.iter().all(|byte| *byte == 0) {
            return Header::Unused;
        }
        let parse = || {
            if bytes.get(..8)? != FILE_MAGIC {
                return None;
            }
            let version = u32_at(bytes, FORMAT_PLACE.start)?;
            if version > FORMAT {
                return Some(Header::Newer(version));
            }
            let valid = version == FORMAT
                && u32_at(bytes, 12)? == Seed::of(log, number).checksum(bytes.get(16..FILE_HEADER_BYTES)?)
                && u64_at(bytes, 32)? == number;
            let header = FileHeader { number, previous_end: u64_at(bytes, 40)?, made_ms: u64_at(bytes, 48)? };
            valid.then_some(Header::Valid(header))
        };
        parse().unwrap_or(Header::Damaged)
    }
}

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// Checksum of the body.
    pub(super) body_checksum: u32,
    /// Length of the body.
    pub(super) body_bytes: u32,
    /// Topic id.
    pub(super) topic: u32,
    /// Partition.
    pub(super) partition: u32,
    /// Offset of the first record.
    pub(super) base: u64,
    /// Number of records.
    pub(super) count: u32,
    /// Where the group of this frame starts in the file.
    pub(super) group_start: u32,
    /// Greatest append time of a record in it.
    pub(super) time_max_ms: u64,
}

impl FrameHeader {
    /// One past the last offset.
    pub(super) fn end(&self) -> u64 {
        self.base.saturating_add(u64::from(self.count))
    }

    /// Length of header and body.
    pub(super) fn frame_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.body_bytes as usize
    }

    /// The stored form.
    pub(super) fn encode(&self, seed: Seed) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes[..4].copy_from_slice(&FRAME_MAGIC);
        bytes[8..12].copy_from_slice(&self.body_checksum.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.body_bytes.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.topic.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.partition.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.base.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.count.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.group_start.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.time_max_ms.to_le_bytes());
        let checksum = seed.checksum(&bytes[8..]);
        bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads a header back; `None` where there is none or its checksum is wrong.
    pub(super) fn decode(bytes: &[u8], seed: Seed) -> Option<Self> {
        let header = Self::decode_unchecked(bytes)?;
        let checksum = seed.checksum(bytes.get(8..FRAME_HEADER_BYTES)?);
        (u32_at(bytes, 4)? == checksum).then_some(header)
    }

    /// The same without the checksum, for bytes that this process wrote itself.
    pub(super) fn decode_unchecked(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < FRAME_HEADER_BYTES || bytes[..4] != FRAME_MAGIC {
            return None;
        }
        Some(Self {
            body_checksum: u32_at(bytes, 8)?,
            body_bytes: u32_at(bytes, 12)?,
            topic: u32_at(bytes, 16)?,
            partition: u32_at(bytes, 20)?,
            base: u64_at(bytes, 24)?,
            count: u32_at(bytes, 32)?,
            group_start: u32_at(bytes, 36)?,
            time_max_ms: u64_at(bytes, 40)?,
        })
    }
}

/// What a closed file holds of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    /// Topic id.
    pub(super) topic: u32,
    /// Partition.
    pub(super) partition: u32,
    /// First offset.
    pub(super) base: u64,
    /// One past the last offset.
    pub(super) end: u64,
    /// Greatest append time of its records in this file.
    pub(super) time_max_ms: u64,
    /// Its index.
    pub(super) entries: Vec<Entry>,
}

/// Footer and trailer of a closed file whose frames end at that position.
pub(super) fn encode_footer(sections: &[Section], position: u64, seed: Seed) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&FOOTER_MAGIC);
    bytes.extend_from_slice(&count(sections.len()).to_le_bytes());
    for section in sections {
        bytes.extend_from_slice(&section.topic.to_le_bytes());
        bytes.extend_from_slice(&section.partition.to_le_bytes());
        bytes.extend_from_slice(&section.base.to_le_bytes());
        bytes.extend_from_slice(&section.end.to_le_bytes());
        bytes.extend_from_slice(&section.time_max_ms.to_le_bytes());
        bytes.extend_from_slice(&count(section.entries.len()).to_le_bytes());
        for entry in &section.entries {
            bytes.extend_from_slice(&entry.base.to_le_bytes());
            bytes.extend_from_slice(&entry.time_max_ms.to_le_bytes());
            bytes.extend_from_slice(&entry.position.to_le_bytes());
            bytes.extend_from_slice(&entry.bytes.to_le_bytes());
        }
    }
    let mut trailer = [0; TRAILER_BYTES];
    trailer[..8].copy_from_slice(&position.to_le_bytes());
    trailer[8..12].copy_from_slice(&count(bytes.len()).to_le_bytes());
    trailer[12..16].copy_from_slice(&seed.checksum(&bytes).to_le_bytes());
    let checksum = seed.checksum(&trailer[..16]);
    trailer[16..20].copy_from_slice(&checksum.to_le_bytes());
    trailer[20..].copy_from_slice(&TRAILER_MAGIC);
    bytes.extend_from_slice(&trailer);
    bytes
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("a file holds fewer than 2^32 bytes, so fewer entries")
}

/// Where the footer of a closed file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trailer {
    /// Position of the footer, which is the end of the frames.
    pub(super) position: u64,
    /// Length of the footer.
    pub(super) bytes: u32,
    checksum: u32,
}

impl Trailer {
    /// Reads the last bytes of a file; `None` where the file was not closed.
    pub(super) fn decode(bytes: &[u8], seed: Seed) -> Option<Self> {
        let valid = bytes.len() == TRAILER_BYTES
            && bytes[20..] == TRAILER_MAGIC
            && u32_at(bytes, 16)? == seed.checksum(&bytes[..16]);
        if !valid {
            return None;
        }
        Some(Self { position: u64_at(bytes, 0)?, bytes: u32_at(bytes, 8)?, checksum: u32_at(bytes, 12)? })
    }

    /// Whether bytes that are no trailer look like a damaged one. The last bytes of a full file may be those of a frame.
    pub(super) fn resembles(bytes: &[u8; TRAILER_BYTES]) -> bool {
        let equal = bytes[20..].iter().zip(TRAILER_MAGIC).filter(|(a, b)| **a == *b).count();
        equal >= TRAILER_MAGIC.len() - 1
    }

    /// Reads the footer of file `number`; `None` where it is damaged.
    pub(super) fn sections(&self, footer: &[u8], seed: Seed, number: u64) -> Option<Vec<Section>> {
        if footer.get(..4)? != FOOTER_MAGIC || seed.checksum(footer) != self.checksum {
            return None;
        }
        let mut cursor = 8;
        let mut sections = Vec::new();
        for _ in 0..u32_at(footer, 4)? {
            let at = cursor;
            let entries = u32_at(footer, at + 32)?;
            cursor = at + 36;
            let mut section = Section {
                topic: u32_at(footer, at)?,
                partition: u32_at(footer, at + 4)?,
                base: u64_at(footer, at + 8)?,
                end: u64_at(footer, at + 16)?,
                time_max_ms: u64_at(footer, at + 24)?,
                entries: Vec::new(),
            };
            for _ in 0..entries {
                section.entries.push(Entry {
                    file: number,
                    base: u64_at(footer, cursor)?,
                    time_max_ms: u64_at(footer, cursor + 8)?,
                    position: u32_at(footer, cursor + 16)?,
                    bytes: u32_at(footer, cursor + 20)?,
                });
                cursor += 24;
            }
            sections.push(section);
        }
        Some(sections)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: Uuid = Uuid::from_u128(7);

    #[test]
    fn headers_come_back_and_those_of_other_files_do_not_pass() {
        let header = FileHeader { number: 3, previous_end: 900, made_ms: 5 };
        let bytes = header.encode(LOG);
        assert_eq!(FileHeader::decode(&bytes, LOG, 3), Header::Valid(header));
        assert_eq!(FileHeader::decode(&bytes, LOG, 4), Header::Damaged);
        assert_eq!(FileHeader::decode(&bytes, Uuid::from_u128(8), 3), Header::Damaged);
        assert_eq!(FileHeader::decode(&[0; 64], LOG, 3), Header::Unused);
        let mut newer = bytes;
        newer[8] = 2;
        assert_eq!(FileHeader::decode(&newer, LOG, 3), Header::Newer(2));
    }

    #[test]
    fn every_flipped_bit_of_a_frame_header_is_found() {
        let seed = Seed::of(LOG, 1);
        let header = FrameHeader {
            body_checksum: 1,
            body_bytes: 2,
            topic: 3,
            partition: 4,
            base: 5,
            count: 6,
            group_start: 7,
            time_max_ms: 8,
        };
        let bytes = header.encode(seed);
        assert_eq!(FrameHeader::decode(&bytes, seed), Some(header));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FrameHeader::decode(&damaged, seed), None, "bit {bit}");
        }
    }

    #[test]
    fn a_footer_comes_back() {
        let seed = Seed::of(LOG, 9);
        let entry = |base| Entry { file: 9, base, time_max_ms: 3, position: 64, bytes: 10 };
        let section = Section {
            topic: 1,
            partition: 2,
            base: 3,
            end: 44,
            time_max_ms: 5,
            entries: vec![entry(3), entry(20)],
        };
        let sections = vec![section.clone(), Section { partition: 3, ..section }];
        let bytes = encode_footer(&sections, 1000, seed);
        let (footer, trailer) = bytes.split_at(bytes.len() - TRAILER_BYTES);
        let trailer = Trailer::decode(trailer, seed).unwrap();
        assert_eq!((trailer.position, trailer.bytes as usize), (1000, footer.len()));
        assert_eq!(trailer.sections(footer, seed, 9), Some(sections));
        let mut damaged = footer.to_vec();
        damaged[12] ^= 1;
        assert_eq!(trailer.sections(&damaged, seed, 9), None);
    }
}
