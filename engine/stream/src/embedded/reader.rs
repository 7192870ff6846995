//! Reading: from the cache where the bytes are there, else from the files, where every checksum is verified.
//!
//! A damaged frame costs its own records: the walk goes on at the next whole one. Records that are missing then are an
//! error of whoever asks for them, until the loss is accepted; after that they are passed over.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::format::{FRAME_HEADER_BYTES, FRAME_MAGIC, FrameHeader};
use super::index::Entry;
use super::shared::Shared;
use super::topic::{Partition, Topic};
use crate::log::{Error, ReadLimit, Record};
use crate::record;

/// Index entries that are looked up at once.
const ENTRIES: usize = 64;
/// A read from disk goes on over what other partitions have in between, up to this many bytes.
const GAP_BYTES_MAX: u64 = 16 * 1024;
/// A read from disk is at most this long, unless one entry is longer.
const READ_BYTES_MAX: u64 = 1024 * 1024;

/// How a walk ended.
#[derive(Debug, PartialEq, Eq)]
enum Walked {
    /// At the end of the partition, or where the visitor had enough.
    Done,
    /// At bytes that are not in the cache, and the disk was not to be touched.
    NotCached,
}

/// Bytes of a file.
struct Chunk {
    file: u64,
    position: u64,
    bytes: Bytes,
    /// Whether this process wrote them itself, so that checksums tell nothing.
    cached: bool,
}

impl Chunk {
    fn at(&self, file: u64, position: u64) -> Option<Bytes> {
        let skip = usize::try_from(position.checked_sub(self.position)?).ok()?;
        (self.file == file && skip < self.bytes.len()).then(|| self.bytes.slice(skip..))
    }
}

struct Walk<'a> {
    shared: &'a Shared,
    partition: &'a Partition,
    /// Whether the disk may be read.
    disk: bool,
    /// How much to read from it at once.
    read_bytes: u64,
    /// Whether missing records are passed over, accepted or not.
    lenient: bool,
    chunk: Option<Chunk>,
    /// What was found damaged last.
    damage: Option<(u64, u64, &'static str)>,
}

/// Reads without touching the disk. `None` where the disk is needed before the first record.
pub(super) fn read_cached(
    shared: &Shared,
    topic: &Topic,
    partition: &Partition,
    from: u64,
    limit: ReadLimit,
) -> Result<Option<Vec<Record>>, Error> {
    check(topic, partition, from)?;
    let (records, walked) = collect(shared, partition, from, limit, false)?;
    Ok((walked == Walked::Done || !records.is_empty()).then_some(records))
}

/// Reads, from the disk where needed.
pub(super) fn read(
    shared: &Shared,
    topic: &Topic,
    partition: &Partition,
    from: u64,
    limit: ReadLimit,
) -> Result<Vec<Record>, Error> {
    check(topic, partition, from)?;
    let outcome = collect(shared, partition, from, limit, true);
    if outcome.is_err() {
        // The records may have been dropped meanwhile, with the file that was about to be read.
        check(topic, partition, from)?;
        if shared.topic(&topic.name).is_ok_and(|now| now.id != topic.id) {
            return Err(Error::NoTopic(topic.name.clone()));
        }
        shared.topic(&topic.name)?;
    }
    Ok(outcome?.0)
}

fn check(topic: &Topic, partition: &Partition, from: u64) -> Result<(), Error> {
    let start = partition.bounds().start;
    if from >= start {
        return Ok(());
    }
    Err(Error::Trimmed { topic: topic.name.clone(), partition: partition.number, asked: from, start })
}

fn collect(
    shared: &Shared,
    partition: &Partition,
    from: u64,
    limit: ReadLimit,
    disk: bool,
) -> Result<(Vec<Record>, Walked), Error> {
    let mut records = Vec::new();
    let mut bytes = 0;
    let full = |records: &Vec<Record>, bytes: usize| {
        !records.is_empty() && (records.len() >= limit.records || bytes >= limit.bytes)
    };
    let read_bytes = (limit.bytes as u64).saturating_mul(2).clamp(64 * 1024, READ_BYTES_MAX);
    let mut walk = Walk::new(shared, partition, disk, read_bytes);
    let walked = walk.records(from, &mut |offset, record| {
        let message = record::decode(&record)?;
        bytes += message.payload.len();
        records.push(Record { offset, message });
        Some(if full(&records, bytes) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    match walked {
        // What lies before the damage is whole; the next read begins at it and fails.
        Err(Error::Corrupt { .. }) if !records.is_empty() => Ok((records, Walked::Done)),
        walked => Ok((records, walked?)),
    }
}

/// The first offset whose append time is at or after the time, or the end.
pub(super) fn offset_at(shared: &Shared, partition: &Arc<Partition>, time_ms: u64) -> Result<u64, Error> {
    let bounds = partition.bounds();
    let Some(from) = partition.lookup(|index| index.at_time(time_ms)) else { return Ok(bounds.end) };
    let mut found = bounds.end;
    let mut walk = Walk { lenient: true, ..Walk::new(shared, partition, true, READ_BYTES_MAX) };
    walk.records(from.max(bounds.start), &mut |offset, record| {
        if record::time_ms(&record)? < time_ms || offset >= bounds.end {
            return Some(ControlFlow::Continue(()));
        }
        found = offset;
        Some(ControlFlow::Break(()))
    })?;
    Ok(found)
}

/// Sees one record, by offset and stored form; `None` where it cannot make sense of it.
type Visit<'v> = dyn FnMut(u64, Bytes) -> Option<ControlFlow<()>> + 'v;

impl<'a> Walk<'a> {
    fn new(shared: &'a Shared, partition: &'a Partition, disk: bool, read_bytes: u64) -> Self {
        Self { shared, partition, disk, read_bytes, lenient: false, chunk: None, damage: None }
    }

    /// Shows the durable records from an offset on, in order.
    fn records(&mut self, mut from: u64, visit: &mut Visit<'_>) -> Result<Walked, Error> {
        let end = self.partition.bounds().end;
        while from < end {
            let entries = self.partition.lookup(|index| index.at_offset(from, ENTRIES));
            let before = from;
            for at in 0..entries.len() {
                match self.entry(&entries[at..], &mut from, visit)? {
                    Some(ControlFlow::Continue(())) => {}
                    Some(ControlFlow::Break(())) => return Ok(Walked::Done),
                    None => return Ok(Walked::NotCached),
                }
            }
            if from == before {
                // Nothing readable lies behind.
                let place = entries.last().map_or((0, 0), |last| (last.file, last.stop()));
                self.pass(&mut from, end, place)?;
            }
        }
        Ok(Walked::Done)
    }

    /// Shows the records of the first of the entries. `None` where it is not cached and the disk is not to be read.
    fn entry(
        &mut self,
        entries: &[Entry],
        from: &mut u64,
        visit: &mut Visit<'_>,
    ) -> Result<Option<ControlFlow<()>>, Error> {
        let entry = entries[0];
        let mut position = u64::from(entry.position);
        // A frame that was cut may reach into the one behind it: the search for that begins inside.
        let mut last = position;
        while position < entry.stop() {
            let Some((bytes, cached)) = self.bytes(entries, position)? else { return Ok(None) };
            let Some(header) = self.header(&bytes, cached, entry.file) else {
                self.damage = Some((entry.file, position, "the header of a frame is damaged"));
                position = self.next_frame(entries, last)?.unwrap_or_else(|| entry.stop());
                last = position;
                continue;
            };
            last = position;
            let ours = header.topic == self.partition.topic && header.partition == self.partition.number;
            if ours && header.end() > *from {
                match self.body(&bytes, &header, cached, entry.file) {
                    Some(body) => {
                        let place = (entry.file, position);
                        if self.body_records(&header, body, from, visit, place)?.is_break() {
                            return Ok(Some(ControlFlow::Break(())));
                        }
                    }
                    None => self.damage = Some((entry.file, position, "the checksum of a frame is wrong")),
                }
            }
            position += header.frame_bytes() as u64;
        }
        Ok(Some(ControlFlow::Continue(())))
    }

    fn body_records(
        &mut self,
        header: &FrameHeader,
        mut body: Bytes,
        from: &mut u64,
        visit: &mut Visit<'_>,
        (file, position): (u64, u64),
    ) -> Result<ControlFlow<()>, Error> {
        let files = &self.shared.files;
        let damaged = || files.corrupt(file, position, "the records of a frame cannot be read");
        self.pass(from, header.base, (file, position))?;
        for offset in header.base..header.end() {
            let length = record::length(&body).ok_or_else(damaged)?;
            let record = body.split_to(length);
            if offset < *from {
                continue;
            }
            *from = offset + 1;
            if visit(offset, record).ok_or_else(damaged)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Goes past records that are not there, up to an offset, where their loss was accepted. `place` is where that was
    /// noticed.
    fn pass(&self, from: &mut u64, to: u64, place: (u64, u64)) -> Result<(), Error> {
        while *from < to {
            let lost = self.partition.losses(|lost| lost.end_of(*from));
            *from = match lost {
                Some(end) => end.min(to),
                None if self.lenient => to,
                None => {
                    let (file, position, found) = self.damage.unwrap_or((
                        place.0,
                        place.1,
                        "there are none of the partition before this",
                    ));
                    let Partition { topic, number, .. } = *self.partition;
                    let found = format!(
                        "{found}: records {from} to {} of topic id {topic} partition {number} cannot be read",
                        to - 1
                    );
                    return Err(self.shared.files.corrupt(file, position, &found));
                }
            };
        }
        Ok(())
    }

    fn header(&self, bytes: &Bytes, cached: bool, file: u64) -> Option<FrameHeader> {
        if cached {
            FrameHeader::decode_unchecked(bytes)
        } else {
            FrameHeader::decode(bytes, self.shared.files.seed(file))
        }
    }

    fn body(&self, bytes: &Bytes, header: &FrameHeader, cached: bool, file: u64) -> Option<Bytes> {
        let whole = header.frame_bytes();
        let valid = whole <= bytes.len()
            && (cached
                || self.shared.files.seed(file).checksum(&bytes[FRAME_HEADER_BYTES..whole])
                    == header.body_checksum);
        valid.then(|| bytes.slice(FRAME_HEADER_BYTES..whole))
    }

    /// Where the next whole frame of the first entry begins behind the one at a position.
    fn next_frame(&mut self, entries: &[Entry], position: u64) -> Result<Option<u64>, Error> {
        let file = entries[0].file;
        let bytes = self.load(entries, position)?;
        let mut at = 1;
        while let Some(rest) = bytes.get(at..) {
            let Some(magic) = rest.windows(FRAME_MAGIC.len()).position(|window| window == FRAME_MAGIC) else {
                break;
            };
            at += magic;
            let frame = bytes.slice(at..);
            if let Some(header) = self.header(&frame, false, file)
                && self.body(&frame, &header, false, file).is_some()
            {
                return Ok(Some(position + at as u64));
            }
            at += 1;
        }
        Ok(None)
    }

    /// The bytes of the first entry's file from a position on, at least one frame, and whether they are cached.
    fn bytes(&mut self, entries: &[Entry], position: u64) -> Result<Option<(Bytes, bool)>, Error> {
        let file = entries[0].file;
        if let Some(chunk) = &self.chunk
            && let Some(bytes) = chunk.at(file, position)
        {
            return Ok(Some((bytes, chunk.cached)));
        }
        let (bytes, cached) = match self.shared.cache.get(file, position) {
            Some(bytes) => (bytes, true),
            None if self.disk => (self.load(entries, position)?, false),
            None => return Ok(None),
        };
        self.chunk = Some(Chunk { file, position, bytes: bytes.clone(), cached });
        Ok(Some((bytes, cached)))
    }

    /// Reads the rest of the first entry from disk, with entries that follow closely.
    fn load(&self, entries: &[Entry], position: u64) -> Result<Bytes, Error> {
        let files = &self.shared.files;
        let file = entries[0].file;
        let mut stop = entries[0].stop();
        for next in &entries[1..] {
            let near = next.file == file && u64::from(next.position) <= stop + GAP_BYTES_MAX;
            if !near || next.stop() - position > self.read_bytes {
                break;
            }
            stop = next.stop();
        }
        let length = usize::try_from(stop - position).expect("entries are shorter than 4 GiB");
        let mut bytes = BytesMut::zeroed(length);
        let read = files
            .handle(file)?
            .read_at(&mut bytes, position)
            .map_err(|error| files.error(file, "read", error))?;
        bytes.truncate(read);
        Ok(bytes.freeze())
    }
}
