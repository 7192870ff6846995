//! Opening: what a directory holds becomes the state in memory, and the end of the log is made safe to go on from.
//!
//! ```text
//!            mark (durable for sure)
//!              v
//! [ .. frames .. ][ frames that may be acknowledged ][ torn ][ zeros ]
//!                 \___ written again and synced ____/\_ cut _/
//! ```
//!
//! A frame that does not pass its checksums is the torn end of an unacknowledged group, unless the mark or a later
//! group proves that it was durable; then the log is damaged and is not opened.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::disk::{Disk, File};
use super::file::{self, Closed, Content, Files, Sealing};
use super::format::{self, FILE_HEADER_BYTES, FileHeader, FrameHeader, Header, TRAILER_BYTES, Trailer};
use super::index::Entry;
use super::mark::{Mark, Place};
use super::scan::Scan;
use super::topic::{Partition, Topic};
use super::writer::Active;
use crate::log::Error;

/// A failed sync leaves the pages of the file clean although they may not be on the disk. So everything behind the
/// mark is written again in pieces of this size.
const REWRITE_BYTES: usize = 1024 * 1024;

/// What opening found.
pub(super) struct Recovered {
    /// The file to go on in; none in a new log.
    pub(super) active: Option<Active>,
    /// Files that were full and have no footer yet.
    pub(super) unsealed: Vec<Sealing>,
    /// Number of the next file to be made.
    pub(super) next_number: u64,
}

struct Recovery<'a> {
    disk: &'a dyn Disk,
    files: &'a Files,
    log: uuid::Uuid,
    mark: Place,
    /// Partitions by topic id and number.
    partitions: HashMap<(u32, u32), Restoring>,
    /// No topic has this id or a higher one yet.
    next_topic: u32,
}

/// A partition whose files are being read.
struct Restoring {
    partition: Arc<Partition>,
    /// The end that the topic table knows.
    stored_end: u64,
    /// One past the last record found so far.
    end: Option<u64>,
}

/// A log file with a valid header.
struct Found {
    number: u64,
    file: Arc<dyn File>,
    length: u64,
    header: FileHeader,
}

/// Restores the partitions of the topics from the files.
pub(super) fn recover(
    disk: &dyn Disk,
    directory: &std::path::Path,
    files: &Files,
    log: uuid::Uuid,
    mark: (&Mark, Place),
    topics: (&[Arc<Topic>], u32),
    file_bytes: u64,
) -> Result<Recovered, Error> {
    let (mark_file, mark) = mark;
    let mut recovery = Recovery::new(disk, files, log, mark, topics);
    let mut numbers: Vec<u64> = disk
        .list(directory)
        .map_err(|source| Error::Io { what: format!("could not list {}", directory.display()), source })?
        .iter()
        .filter_map(|name| file::number(name))
        .collect();
    numbers.sort_unstable();
    let found = recovery.headers(&numbers)?;
    let last_number = found.last().map_or(0, |last| last.number);
    if last_number < mark.file {
        return Err(files.corrupt(mark.file, mark.position, "this acknowledged end of the log is missing"));
    }
    let mut unsealed = Vec::new();
    let mut active = None;
    for (at, here) in found.iter().enumerate() {
        let next = found.get(at + 1);
        files.grow(here.length);
        match recovery.sealed(here)? {
            Some((end, contents)) => {
                recovery.check_end(here, end, next)?;
                if next.is_some() {
                    files.add_closed(here.number, Closed { bytes: here.length, contents });
                } else {
                    // Nothing fits behind the footer, so the next group begins a new file.
                    files.shrink(here.length - end);
                    active = Some(Active {
                        number: here.number,
                        file: here.file.clone(),
                        position: end,
                        capacity: end,
                        contents: by_partition(contents),
                    });
                }
            }
            None => {
                let (end, contents) = recovery.scan(here, next)?;
                if next.is_some() {
                    unsealed.push(Sealing { number: here.number, end, capacity: here.length, contents });
                } else {
                    let capacity = recovery.secure(here, end, file_bytes)?;
                    active = Some(Active {
                        number: here.number,
                        file: here.file.clone(),
                        position: end,
                        capacity,
                        contents: by_partition(contents),
                    });
                }
            }
        }
    }
    recovery.finish()?;
    if let Some(active) = &active {
        let place = Place { file: active.number, position: active.position };
        mark_file.write(place).and_then(|()| mark_file.sync()).map_err(|source| Error::Io {
            what: "could not write the durable-end mark".to_owned(),
            source,
        })?;
    }
    Ok(Recovered { active, unsealed, next_number: last_number + 1 })
}

fn by_partition(contents: Vec<Content>) -> HashMap<(u32, u32), Content> {
    contents
        .into_iter()
        .map(|content| ((content.partition.topic, content.partition.number), content))
        .collect()
}

impl<'a> Recovery<'a> {
    fn new(
        disk: &'a dyn Disk,
        files: &'a Files,
        log: uuid::Uuid,
        mark: Place,
        (topics, next_topic): (&[Arc<Topic>], u32),
    ) -> Self {
        let partitions = topics.iter().flat_map(|topic| topic.partitions()).map(|partition| {
            let restoring =
                Restoring { partition: partition.clone(), stored_end: partition.bounds().end, end: None };
            ((partition.topic, partition.number), restoring)
        });
        Self { disk, files, log, mark, partitions: partitions.collect(), next_topic }
    }

    /// Opens the files and reads their headers. Files at the end that were never used are removed.
    fn headers(&self, numbers: &[u64]) -> Result<Vec<Found>, Error> {
        let mut found: Vec<Found> = Vec::new();
        for (at, number) in numbers.iter().copied().enumerate() {
            let file = self.files.handle(number)?;
            let io = |error| self.files.error(number, "read", error);
            let length = file.length().map_err(io)?;
            let mut bytes = [0; FILE_HEADER_BYTES];
            let read = file.read_at(&mut bytes, 0).map_err(io)?;
            match FileHeader::decode(&bytes[..read], self.log, number) {
                Header::Valid(header) => found.push(Found { number, file, length, header }),
                Header::Newer(version) => {
                    let why = format!(
                        "it has format {version} and this release reads up to format {}; use a newer release",
                        format::FORMAT
                    );
                    return Err(self.files.error(
                        number,
                        "open",
                        io::Error::new(io::ErrorKind::Unsupported, why),
                    ));
                }
                Header::Unused | Header::Damaged if at + 1 == numbers.len() => {
                    self.discard(number, &file, length)?;
                }
                Header::Unused | Header::Damaged => {
                    return Err(self.files.corrupt(number, 0, "the header of the file is damaged"));
                }
            }
        }
        Ok(found)
    }

    /// Removes a last file without a valid header, unless it is known to have held acknowledged records.
    fn discard(&self, number: u64, file: &Arc<dyn File>, length: u64) -> Result<(), Error> {
        let mut scan = Scan::new(&**file, self.files.seed(number), length);
        let proof = scan.proof_after(0).map_err(|error| self.files.error(number, "read", error))?;
        if self.mark.file >= number || proof {
            return Err(self.files.corrupt(number, 0, "the header of the file is damaged"));
        }
        self.files.close();
        let path = self.files.path(number);
        self.disk.remove(&path).map_err(|error| self.files.error(number, "remove", error))?;
        self.files.sync_directory()
    }

    /// Reads a closed file by its footer: where its frames end and what it holds. `None` where there is no footer.
    fn sealed(&mut self, here: &Found) -> Result<Option<(u64, Vec<Content>)>, Error> {
        let io = |error| self.files.error(here.number, "read", error);
        let seed = self.files.seed(here.number);
        let Some(trailer_at) = here.length.checked_sub(TRAILER_BYTES as u64) else { return Ok(None) };
        let mut bytes = [0; TRAILER_BYTES];
        here.file.read_at(&mut bytes, trailer_at).map_err(io)?;
        let Some(trailer) = Trailer::decode(&bytes, seed) else { return Ok(None) };
        if trailer.position.checked_add(u64::from(trailer.bytes)) != Some(trailer_at) {
            return Ok(None);
        }
        let mut footer = vec![0; trailer.bytes as usize];
        here.file.read_at(&mut footer, trailer.position).map_err(io)?;
        // A damaged footer is no loss: the frames tell the same.
        let Some(sections) = trailer.sections(&footer, seed, here.number) else { return Ok(None) };
        let mut contents = Vec::new();
        for section in sections {
            let Some(restoring) = self.admit(here.number, section.topic, section.partition, section.base)?
            else {
                continue;
            };
            restoring.end = Some(section.end);
            restoring.partition.restore(&section.entries, section.end);
            contents.push(Content {
                partition: restoring.partition.clone(),
                base: section.base,
                end: section.end,
                time_max_ms: section.time_max_ms,
            });
        }
        Ok(Some((trailer.position, contents)))
    }

    /// Reads an open file frame by frame.
    fn scan(&mut self, here: &Found, next: Option<&Found>) -> Result<(u64, Vec<Content>), Error> {
        let io = |error| self.files.error(here.number, "read", error);
        let mut scan = Scan::new(&*here.file, self.files.seed(here.number), here.length);
        let mut contents: HashMap<(u32, u32), Content> = HashMap::new();
        let mut position = FILE_HEADER_BYTES as u64;
        while let Some(header) = scan.frame(position).map_err(io)? {
            if let Some(restoring) = self.admit(here.number, header.topic, header.partition, header.base)? {
                restoring.end = Some(header.end());
                let entry = entry(here.number, position, &header);
                restoring.partition.publish(std::iter::once(entry), header.end());
                let partition = restoring.partition.clone();
                let fresh = Content { partition, base: header.base, end: 0, time_max_ms: 0 };
                let content = contents.entry((header.topic, header.partition)).or_insert(fresh);
                content.end = header.end();
                content.time_max_ms = content.time_max_ms.max(header.time_max_ms);
            }
            position += header.frame_bytes() as u64;
        }
        self.check_end(here, position, next)?;
        let followed = next.is_some_and(|next| next.number == here.number + 1);
        if !followed && scan.proof_after(position).map_err(io)? {
            let found = "a frame is damaged, and a later one proves that it was acknowledged";
            return Err(self.files.corrupt(here.number, position, found));
        }
        Ok((position, contents.into_values().collect()))
    }

    /// Whether the frames of a file end where they must.
    fn check_end(&self, here: &Found, end: u64, next: Option<&Found>) -> Result<(), Error> {
        let here_follows = |next: &&Found| next.number == here.number + 1;
        let expected = next.filter(here_follows).map(|next| next.header.previous_end);
        if expected.is_some_and(|expected| expected != end) {
            let found = format!("a frame is damaged; the next file says that the frames end at {expected:?}");
            return Err(self.files.corrupt(here.number, end, &found));
        }
        if self.mark.file == here.number && end < self.mark.position {
            let found =
                format!("a frame is damaged; everything before byte {} was acknowledged", self.mark.position);
            return Err(self.files.corrupt(here.number, end, &found));
        }
        Ok(())
    }

    /// Checks that records found next continue their partition. `None` where their topic was removed.
    fn admit(
        &mut self,
        file: u64,
        topic: u32,
        partition: u32,
        base: u64,
    ) -> Result<Option<&mut Restoring>, Error> {
        if topic >= self.next_topic {
            let found =
                format!("topic id {topic} is not in the table of topics, which is older than the log");
            return Err(self.files.corrupt(file, 0, &found));
        }
        let Some(restoring) = self.partitions.get_mut(&(topic, partition)) else { return Ok(None) };
        // Records before the start may be gone, also in the middle; behind it every one has to be there.
        let start = restoring.partition.bounds().start;
        let (overlap, gap) = match restoring.end {
            None => (false, base > start),
            Some(end) => (base < end, base > end && base > start),
        };
        if overlap || gap {
            let found = format!(
                "records of topic id {topic} partition {partition} go on at offset {base} and not at {}",
                restoring.end.unwrap_or(start)
            );
            return Err(self.files.corrupt(file, 0, &found));
        }
        Ok(Some(restoring))
    }

    /// Cuts the file at its last whole frame, writes what may not be on the disk again, makes both durable and
    /// reserves the room again. The new capacity.
    fn secure(&self, here: &Found, end: u64, file_bytes: u64) -> Result<u64, Error> {
        let io = |error| self.files.error(here.number, "repair the end of", error);
        here.file.set_length(end).map_err(io)?;
        let mut position = if self.mark.file == here.number { self.mark.position } else { 0 };
        while position < end {
            let length = (end - position).min(REWRITE_BYTES as u64);
            let mut bytes = vec![0; usize::try_from(length).expect("at most a mebibyte")];
            let read = here.file.read_at(&mut bytes, position).map_err(io)?;
            here.file.write_at(&bytes[..read], position).map_err(io)?;
            position += length;
        }
        here.file.sync_all().map_err(io)?;
        let wanted = here.length.max(file_bytes);
        let more = wanted.saturating_sub(here.length);
        let reserved = self.files.room(more).is_ok() && here.file.allocate(wanted).is_ok();
        // Without room the file is full; the log opens and answers `Busy` until there is some.
        let capacity = if reserved { wanted } else { end };
        here.file.sync_all().map_err(io)?;
        self.files.grow(capacity);
        self.files.shrink(here.length);
        Ok(capacity)
    }

    /// Checks that no partition has lost its last records, and settles its end.
    fn finish(&self) -> Result<(), Error> {
        for restoring in self.partitions.values() {
            let bounds = restoring.partition.bounds();
            let end = restoring.end.unwrap_or(0);
            if end < restoring.stored_end && bounds.start < restoring.stored_end {
                return Err(Error::Corrupt {
                    what: format!(
                        "records {} to {} of topic id {} partition {} are in no file",
                        end.max(bounds.start),
                        restoring.stored_end,
                        restoring.partition.topic,
                        restoring.partition.number
                    ),
                });
            }
            restoring.partition.publish(std::iter::empty(), end.max(restoring.stored_end));
        }
        Ok(())
    }
}

fn entry(file: u64, position: u64, header: &FrameHeader) -> Entry {
    Entry {
        file,
        base: header.base,
        time_max_ms: header.time_max_ms,
        position: u32::try_from(position).expect("files stay below 4 GiB"),
        bytes: u32::try_from(header.frame_bytes()).expect("frames stay below 4 GiB"),
    }
}
