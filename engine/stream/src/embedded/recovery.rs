//! Opening: what a directory holds becomes the state in memory, and the end of the log is made safe to go on from.
//!
//! ```text
//!            mark (durable for sure)
//!              v
//! [ .. frames .. ][ frames that may be acknowledged ][ torn ][ zeros ]
//!                 \___ written again and synced ____/\_ cut _/
//! ```
//!
//! What was acknowledged and is damaged is refused to its readers and to nobody else: the log opens, says what it found,
//! and serves the rest (see `survey`). Where it cannot be told which records were lost, every partition that may have had
//! some of them goes on behind as many offsets as they can have taken, so that none is ever given twice.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::damage::Damage;
use super::disk::{Disk, File};
use super::file::{self, Closed, Content, Files, Sealing};
use super::format::{self, FILE_HEADER_BYTES, FileHeader, FrameHeader, Header, TRAILER_BYTES, Trailer};
use super::index::Entry;
use super::mark::{self, Mark, Place};
use super::options::FILE_BYTES;
use super::scan::Scan;
use super::survey::{Part, Stretch, Survey};
use super::topic::{Partition, Topic};
use super::writer::Active;
use crate::log::Error;
use crate::record::RECORD_BYTES_MIN;

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
    /// What is not as it was written.
    pub(super) damages: Vec<Damage>,
    /// Partitions go on behind offsets that may have been lost, which has to be stored.
    pub(super) skipped: bool,
}

struct Recovery<'a> {
    disk: &'a dyn Disk,
    files: &'a Files,
    log: uuid::Uuid,
    /// `None` where it is damaged: then nothing says what the last group was.
    mark: Option<Place>,
    /// Partitions by topic id and number.
    partitions: HashMap<(u32, u32), Restoring>,
    /// No topic has this id or a higher one yet.
    next_topic: u32,
    damages: Vec<Damage>,
    /// How many records of no known partition may have been lost so far.
    doubt: u64,
}

/// A partition whose files are being read.
struct Restoring {
    partition: Arc<Partition>,
    /// The end that the topic table knows.
    stored_end: u64,
    /// One past the last record found so far, lost ones included.
    end: Option<u64>,
    /// The doubt there was when that record was found.
    doubt: u64,
}

impl Restoring {
    /// Records up to there are found, or known to be lost.
    fn reach(&mut self, end: u64, doubt: u64) {
        (self.end, self.doubt) = (Some(self.end.unwrap_or(0).max(end)), doubt);
    }
}

/// A log file.
struct Found {
    number: u64,
    file: Arc<dyn File>,
    length: u64,
    /// `None` where it is damaged.
    header: Option<FileHeader>,
}

/// Restores the partitions of the topics from the files.
pub(super) fn recover(
    disk: &dyn Disk,
    directory: &std::path::Path,
    files: &Files,
    log: uuid::Uuid,
    mark: (&Mark, Option<Place>),
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
    let mut unsealed = Vec::new();
    let mut active = None;
    for (at, here) in found.iter().enumerate() {
        let next = found.get(at + 1);
        files.grow(here.length);
        match recovery.sealed(here)? {
            Some((end, contents)) => {
                recovery.check_end(here, end, next);
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
    recovery.check_mark(last_number);
    let skipped = recovery.finish();
    if let Some(active) = &active {
        let place = Place { file: active.number, position: active.position };
        mark_file.write(place).and_then(|()| mark_file.sync()).map_err(|source| Error::Io {
            what: "could not write the durable-end mark".to_owned(),
            source,
        })?;
    }
    let next_number = last_number.max(mark.map_or(0, |mark| mark.file)) + 1;
    Ok(Recovered { active, unsealed, next_number, damages: recovery.damages, skipped })
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
        mark: Option<Place>,
        (topics, next_topic): (&[Arc<Topic>], u32),
    ) -> Self {
        let partitions = topics.iter().flat_map(|topic| topic.partitions()).map(|partition| {
            let stored_end = partition.bounds().end;
            let restoring = Restoring { partition: partition.clone(), stored_end, end: None, doubt: 0 };
            ((partition.topic, partition.number), restoring)
        });
        let partitions = partitions.collect();
        Self { disk, files, log, mark, partitions, next_topic, damages: Vec::new(), doubt: 0 }
    }

    fn damaged(&mut self, number: u64, position: u64, bytes: u64, found: impl Into<String>) {
        let path = self.files.path(number);
        self.damages.push(Damage { path, position, bytes, found: found.into() });
    }

    /// So many bytes of records are lost, nobody knows of which partition.
    fn lose(&mut self, bytes: u64) {
        self.doubt = self.doubt.saturating_add(bytes / RECORD_BYTES_MIN + 1);
    }

    /// Notes where the end of the log that the mark tells of is not there, or where there is no mark. To be called when all
    /// files have been read.
    fn check_mark(&mut self, last: u64) {
        match self.mark {
            None => {
                let found = "both slots are damaged: what lies at the end of the log counts as acknowledged";
                let path = self.files.directory().join(mark::NAME);
                self.damages.push(Damage { path, position: 0, bytes: 0, found: found.to_owned() });
            }
            Some(mark) if last < mark.file => {
                let found = format!(
                    "the file is missing, and its records up to byte {} were acknowledged",
                    mark.position
                );
                self.damaged(mark.file, 0, 0, found);
                let between = (mark.file - last - 1).saturating_mul(*FILE_BYTES.end());
                self.lose(between.saturating_add(mark.position));
            }
            Some(_) => {}
        }
    }

    /// Opens the files and reads their headers. Files at the end that were never used are removed.
    fn headers(&mut self, numbers: &[u64]) -> Result<Vec<Found>, Error> {
        let mut found: Vec<Found> = Vec::new();
        for (at, number) in numbers.iter().copied().enumerate() {
            let file = self.files.handle(number)?;
            let io = |error| self.files.error(number, "read", error);
            let length = file.length().map_err(io)?;
            let mut bytes = [0; FILE_HEADER_BYTES];
            let read = file.read_at(&mut bytes, 0).map_err(io)?;
            match FileHeader::decode(&bytes[..read], self.log, number) {
                Header::Valid(header) => found.push(Found { number, file, length, header: Some(header) }),
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
                Header::Unused | Header::Damaged
                    if at + 1 == numbers.len() && self.is_unused(number, &file, length)? =>
                {
                    self.discard(number)?;
                }
                Header::Unused | Header::Damaged => {
                    let bytes = FILE_HEADER_BYTES as u64;
                    self.damaged(number, 0, bytes, "the header of the file; its records are whole");
                    found.push(Found { number, file, length, header: None });
                }
            }
        }
        Ok(found)
    }

    /// Whether a last file without a valid header has never held acknowledged records.
    fn is_unused(&self, number: u64, file: &Arc<dyn File>, length: u64) -> Result<bool, Error> {
        let mut scan = Scan::new(&**file, self.files.seed(number), length);
        let io = |error| self.files.error(number, "read", error);
        Ok(match self.mark {
            Some(mark) => mark.file < number && !scan.proof_after(0).map_err(io)?,
            None => scan.find(0, |_| true).map_err(io)?.is_none(),
        })
    }

    /// Removes a file.
    fn discard(&self, number: u64) -> Result<(), Error> {
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
            let place = (here.number, trailer.position);
            let admitted =
                self.admit(place, (section.topic, section.partition), section.base, section.end)?;
            let Some(partition) = admitted else { continue };
            partition.restore(&section.entries, section.end);
            contents.push(Content {
                partition,
                base: section.base,
                end: section.end,
                time_max_ms: section.time_max_ms,
            });
        }
        Ok(Some((trailer.position, contents)))
    }

    /// Reads an open file frame by frame.
    fn scan(&mut self, here: &Found, next: Option<&Found>) -> Result<(u64, Vec<Content>), Error> {
        let files = self.files;
        let io = |error| files.error(here.number, "read", error);
        let mut scan = Scan::new(&*here.file, files.seed(here.number), here.length);
        let known = match self.known_end(here, next) {
            Some(known) => known,
            None => scan.used().map_err(io)?,
        };
        let followed = next.is_some_and(|next| next.number == here.number + 1);
        let mut survey = Survey::new(scan, FILE_HEADER_BYTES as u64, known, followed);
        let mut contents: HashMap<(u32, u32), Content> = HashMap::new();
        while let Some(part) = survey.next().map_err(io)? {
            let (position, header) = match part {
                Part::Frame(position, header) => (position, header),
                Part::Damage(stretch) => {
                    self.lost(here.number, &stretch);
                    continue;
                }
            };
            let place = (here.number, position);
            let admitted = self.admit(place, (header.topic, header.partition), header.base, header.end())?;
            let Some(partition) = admitted else { continue };
            partition.publish(std::iter::once(entry(here.number, position, &header)), header.end());
            let fresh = Content { partition, base: header.base, end: 0, time_max_ms: 0 };
            let content = contents.entry((header.topic, header.partition)).or_insert(fresh);
            content.end = header.end();
            content.time_max_ms = content.time_max_ms.max(header.time_max_ms);
        }
        let end = survey.position();
        self.check_end(here, end, next);
        // In order, so that the same log has the same bytes.
        let mut contents: Vec<_> = contents.into_values().collect();
        contents.sort_by_key(|content| (content.partition.topic, content.partition.number));
        Ok((end, contents))
    }

    /// Notes damaged records.
    fn lost(&mut self, number: u64, stretch: &Stretch) {
        self.damages.push(Damage::of_stretch(self.files.path(number), stretch));
        match &stretch.header {
            Some(header) => {
                if let Some(restoring) = self.partitions.get_mut(&(header.topic, header.partition)) {
                    restoring.reach(header.end(), self.doubt);
                }
            }
            None => self.lose(stretch.bytes),
        }
    }

    /// Up to where everything in a file was acknowledged; `None` where nothing says that.
    fn known_end(&self, here: &Found, next: Option<&Found>) -> Option<u64> {
        if let Some(next) = next.filter(|next| next.number == here.number + 1) {
            return Some(next.header.map_or(0, |header| header.previous_end));
        }
        let mark = self.mark?;
        Some(if mark.file == here.number { mark.position } else { 0 })
    }

    /// Notes where the frames of a file do not end where they must.
    fn check_end(&mut self, here: &Found, end: u64, next: Option<&Found>) {
        let expected = self.known_end(here, next).unwrap_or(0);
        if end < expected {
            let found =
                format!("the frames of the file end here, and those up to byte {expected} were acknowledged");
            self.damaged(here.number, end, expected - end, found);
            self.lose(expected - end);
        }
    }

    /// Takes records of a partition that were found next. `None` where their topic was removed, or where they are there
    /// already.
    fn admit(
        &mut self,
        (file, position): (u64, u64),
        (topic, partition): (u32, u32),
        base: u64,
        end: u64,
    ) -> Result<Option<Arc<Partition>>, Error> {
        if topic >= self.next_topic {
            let found =
                format!("topic id {topic} is not in the table of topics, which is older than the log");
            return Err(self.files.corrupt(file, position, &found));
        }
        let doubt = self.doubt;
        let Some(restoring) = self.partitions.get_mut(&(topic, partition)) else { return Ok(None) };
        // Records before the start may be gone, also in the middle; behind it every one has to be there.
        let start = restoring.partition.bounds().start;
        let expected = restoring.end.unwrap_or(start);
        let again = restoring.end.is_some_and(|end| base < end);
        let gap = base > expected && base > start;
        let admitted = (!again).then(|| restoring.partition.clone());
        if !again {
            restoring.reach(end, doubt);
        }
        if again || gap {
            let found = format!(
                "records of topic id {topic} partition {partition} go on at offset {base} and not at {expected}"
            );
            self.damaged(file, position, 0, found);
        }
        Ok(admitted)
    }

    /// Settles the ends of the partitions. Whether some go on behind offsets that may have been lost.
    fn finish(&mut self) -> bool {
        let mut skipped = false;
        for restoring in self.partitions.values() {
            let bounds = restoring.partition.bounds();
            let found = restoring.end.unwrap_or(0);
            let end = found.max(restoring.stored_end);
            if found < restoring.stored_end && bounds.start < restoring.stored_end {
                let Partition { topic, number, .. } = *restoring.partition;
                let (first, last) = (found.max(bounds.start), restoring.stored_end - 1);
                let found = format!(
                    "records {first} to {last} of topic id {topic} partition {number} are in no file"
                );
                let path = self.files.directory().to_owned();
                self.damages.push(Damage { path, position: 0, bytes: 0, found });
            }
            // The same each time that the damage is met.
            let end = end.max(found.saturating_add(self.doubt - restoring.doubt));
            skipped |= end > restoring.stored_end && end > found;
            restoring.partition.publish(std::iter::empty(), end);
        }
        skipped
    }

    /// Cuts the file at its last whole frame, writes what may not be on the disk again, makes both durable and
    /// reserves the room again. The new capacity.
    fn secure(&self, here: &Found, end: u64, file_bytes: u64) -> Result<u64, Error> {
        let io = |error| self.files.error(here.number, "repair the end of", error);
        here.file.set_length(end).map_err(io)?;
        let mut position = self.mark.filter(|mark| mark.file == here.number).map_or(0, |mark| mark.position);
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
