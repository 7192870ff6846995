//! Looking a log over, byte by byte, and letting its readers go past what is lost.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::damage::{Damage, Loss};
use super::disk::{Disk, File};
use super::format::{FILE_HEADER_BYTES, FileHeader, Header, Seed, TRAILER_BYTES, Trailer};
use super::mark::{self, Place};
use super::scan::Scan;
use super::survey::{Part, Survey};
use super::table::Table;
use super::{EmbeddedLog, Options, World, blocking, file, manifest, retention};
use crate::intervals::Intervals;
use crate::log::Error;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Log files.
    pub files: u64,
    /// Bytes that they hold of frames, indexes and headers.
    pub bytes: u64,
    /// Whole records, of topics that still exist.
    pub records: u64,
    /// What is not as it was written.
    pub damages: Vec<Damage>,
    /// What of the topics is lost by that.
    pub losses: Vec<Loss>,
    /// Whether the damage may have taken last records of partitions, which nothing tells of. Opening the log sets the ends of
    /// such partitions behind all that they can have had; then these offsets are losses.
    pub hidden: bool,
}

impl Report {
    /// Whether every record can be read that was acknowledged and is still needed, or its loss was accepted.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.hidden && self.losses.iter().all(|loss| loss.accepted)
    }
}

/// What the files hold of each partition, by topic id and number.
type Held = HashMap<(u32, u32), Intervals>;

impl EmbeddedLog {
    /// Reads every byte of the log in a directory and checks it. Changes nothing.
    ///
    /// # Errors
    /// `Io` where there is no log, an engine uses it, or a disk does not read; `Corrupt` where its manifest or its table of
    /// topics is damaged.
    pub async fn verify(directory: &Path, world: World) -> Result<Report, Error> {
        let directory = directory.to_owned();
        blocking("verify the log", move || Ok(verify(&*world.disk, &directory)?.0)).await?
    }

    /// The same, and then lets readers go past what is lost: as the engine at its start, it opens the log and cuts what was
    /// never acknowledged, and it stores which records are lost. What is damaged stays where it is. The report tells the
    /// losses, which are accepted now.
    ///
    /// # Errors
    /// As [`EmbeddedLog::verify`] and [`EmbeddedLog::open`].
    pub async fn repair(directory: &Path, options: Options, world: World) -> Result<Report, Error> {
        let (from, disk) = (directory.to_owned(), world.disk.clone());
        let looked = blocking("verify the log", move || verify(&*disk, &from)).await?;
        let (mut report, held) = looked?;
        let log = Self::open_in(directory, options, world).await?;
        let shared = log.shared.clone();
        report.hidden = false;
        report.losses = blocking("store what is lost", move || {
            let mut losses = Vec::new();
            for topic in shared.all_topics() {
                for partition in topic.partitions() {
                    let bounds = partition.bounds();
                    let none = Intervals::default();
                    let held = held.get(&(topic.id, partition.number)).unwrap_or(&none);
                    for (start, end) in held.missing(bounds.start, bounds.end).since(bounds.start) {
                        partition.accept_loss(start, end);
                        let (topic, partition) = (topic.name.clone(), partition.number);
                        losses.push(Loss { topic, partition, start, end, accepted: true });
                    }
                }
            }
            retention::save_bounds(&shared)?;
            Ok::<_, Error>(losses)
        })
        .await??;
        crate::log::StreamLog::close(&log).await;
        Ok(report)
    }
}

struct Verify<'a> {
    disk: &'a dyn Disk,
    directory: &'a Path,
    log: uuid::Uuid,
    mark: Option<Place>,
    report: Report,
    held: Held,
    /// Where the last frame of each partition lies: file and position.
    last: HashMap<(u32, u32), (u64, u64)>,
    /// The last place where records of no known partition were.
    unknown: Option<(u64, u64)>,
}

fn verify(disk: &dyn Disk, directory: &Path) -> Result<(Report, Held), Error> {
    let failed =
        |what: &str, source| Error::Io { what: format!("could not {what} {}", directory.display()), source };
    let Some(manifest) = manifest::read(disk, directory)? else {
        let why = format!("{} is missing", manifest::NAME);
        return Err(failed("find a log in", io::Error::new(io::ErrorKind::NotFound, why)));
    };
    let _lock = manifest::lock(disk, directory)?;
    let names = disk.list(directory).map_err(|error| failed("list", error))?;
    let table = Table::read(disk, directory)?;
    let slots =
        mark::read(disk, directory, manifest.log_id).map_err(|error| failed("read the mark in", error))?;
    let mut verify = Verify {
        disk,
        directory,
        log: manifest.log_id,
        mark: slots.place,
        report: Report::default(),
        held: Held::new(),
        last: HashMap::new(),
        unknown: None,
    };
    for position in slots.damaged {
        let found = match slots.place {
            Some(_) => "one slot of the durable-end mark; the other one is whole, nothing is lost",
            None => "both slots are damaged: what lies at the end of the log counts as acknowledged",
        };
        verify.damaged(mark::NAME, position, mark::SLOT_BYTES as u64, found);
    }
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| file::number(name)).collect();
    numbers.sort_unstable();
    verify.files(&numbers)?;
    Ok(verify.finish(&table))
}

impl Verify<'_> {
    fn damaged(&mut self, name: &str, position: u64, bytes: u64, found: impl Into<String>) {
        let path = self.directory.join(name);
        self.report.damages.push(Damage { path, position, bytes, found: found.into() });
    }

    fn files(&mut self, numbers: &[u64]) -> Result<(), Error> {
        // From the back: each file tells where the frames of the one before it end.
        let mut next: Option<(u64, Option<FileHeader>)> = None;
        for number in numbers.iter().rev() {
            let path = self.directory.join(file::name(*number));
            let failed = |source| Error::Io { what: format!("could not read {}", path.display()), source };
            let file = self.disk.open(&path).map_err(failed)?;
            let header = self.file(*number, &file, next).map_err(failed)?;
            if let Some(header) = header {
                next = Some((*number, header));
            }
        }
        if let Some(mark) = self.mark
            && mark.file > numbers.last().copied().unwrap_or(0)
        {
            let found = format!(
                "the file is missing, and its records up to byte {} were acknowledged",
                mark.position
            );
            self.damaged(&file::name(mark.file), 0, 0, found);
            self.unknown = Some((mark.file, mark.position));
        }
        Ok(())
    }

    /// Checks one file. Its header, `None` inside where it is damaged; `None` for a file that was never used.
    fn file(
        &mut self,
        number: u64,
        file: &Arc<dyn File>,
        next: Option<(u64, Option<FileHeader>)>,
    ) -> io::Result<Option<Option<FileHeader>>> {
        let (name, seed, length) = (file::name(number), Seed::of(self.log, number), file.length()?);
        let mut first = [0; FILE_HEADER_BYTES];
        let read = file.read_at(&mut first, 0)?;
        let header = match FileHeader::decode(&first[..read], self.log, number) {
            Header::Valid(header) => Some(header),
            Header::Newer(version) => {
                let why =
                    format!("it has format {version}, which this release does not know; use a newer release");
                return Err(io::Error::new(io::ErrorKind::Unsupported, why));
            }
            Header::Unused | Header::Damaged => {
                let used = self.mark.is_none_or(|mark| mark.file >= number) || next.is_some();
                if !used || Scan::new(&**file, seed, length).used()? == 0 {
                    return Ok(None);
                }
                self.damaged(
                    &name,
                    0,
                    FILE_HEADER_BYTES as u64,
                    "the header of the file; its records are whole",
                );
                None
            }
        };
        self.report.files += 1;
        let follower = next.filter(|(next, _)| *next == number + 1);
        let mut known = follower.and_then(|(_, header)| header).map_or(0, |header| header.previous_end);
        if let Some(mark) = self.mark.filter(|mark| mark.file == number) {
            known = known.max(mark.position);
        }
        let footer = self.footer(&name, file, seed, (number, length))?;
        if let Some((end, _)) = footer {
            known = known.max(end);
        } else if self.mark.is_none() && next.is_none() {
            known = Scan::new(&**file, seed, length).used()?;
        }
        // Behind the frames of a closed file is its footer, which is no frame.
        let scan = Scan::new(&**file, seed, footer.map_or(length, |(end, _)| end));
        let mut survey =
            Survey::new(scan, FILE_HEADER_BYTES as u64, known, follower.is_some() || footer.is_some());
        while let Some(part) = survey.next()? {
            match part {
                Part::Frame(position, header) => {
                    let partition = (header.topic, header.partition);
                    self.held.entry(partition).or_default().add(header.base, header.end());
                    let last = self.last.entry(partition).or_default();
                    *last = (*last).max((number, position));
                }
                Part::Damage(stretch) => {
                    if stretch.header.is_none() {
                        self.unknown = self.unknown.max(Some((number, stretch.position)));
                    }
                    let damage = Damage::of_stretch(self.directory.join(&name), &stretch);
                    self.report.damages.push(damage);
                }
            }
        }
        if survey.position() < known {
            let (at, bytes) = (survey.position(), known - survey.position());
            self.damaged(&name, at, bytes, "the frames of the file end here, and more were acknowledged");
            self.unknown = self.unknown.max(Some((number, at)));
        }
        self.report.bytes += survey.position() + footer.map_or(0, |(_, bytes)| bytes);
        Ok(Some(header))
    }

    /// Where the frames of a closed file end, and the length of what follows; `None` where the file is not closed.
    fn footer(
        &mut self,
        name: &str,
        file: &Arc<dyn File>,
        seed: Seed,
        (number, length): (u64, u64),
    ) -> io::Result<Option<(u64, u64)>> {
        let Some(trailer_at) = length.checked_sub(TRAILER_BYTES as u64) else { return Ok(None) };
        let mut bytes = [0; TRAILER_BYTES];
        file.read_at(&mut bytes, trailer_at)?;
        let trailer = Trailer::decode(&bytes, seed)
            .filter(|trailer| trailer.position.checked_add(u64::from(trailer.bytes)) == Some(trailer_at));
        let Some(trailer) = trailer else {
            // A file that is still open ends with zeros.
            if bytes.iter().any(|byte| *byte != 0) && Trailer::resembles(&bytes) {
                let found = "the index of a closed file; the engine makes it again, nothing is lost";
                self.damaged(name, trailer_at, TRAILER_BYTES as u64, found);
            }
            return Ok(None);
        };
        let mut footer = vec![0; trailer.bytes as usize];
        file.read_at(&mut footer, trailer.position)?;
        if trailer.sections(&footer, seed, number).is_none() {
            let found = "the index of a closed file; the engine makes it again, nothing is lost";
            self.damaged(name, trailer.position, u64::from(trailer.bytes), found);
        }
        Ok(Some((trailer.position, length - trailer.position)))
    }

    /// Compares what the files hold with what the topics should have.
    fn finish(mut self, table: &Table) -> (Report, Held) {
        self.report.damages.sort_by(|a, b| (&a.path, a.position).cmp(&(&b.path, b.position)));
        for row in &table.topics {
            for ((start, end), partition) in row.bounds.iter().zip(0_u32..) {
                let none = Intervals::default();
                let held = self.held.get(&(row.id, partition)).unwrap_or(&none);
                let last = held.since(0).last().map_or(0, |(_, end)| end);
                self.report.records += held.count(*start);
                let last_frame = self.last.get(&(row.id, partition)).copied().unwrap_or_default();
                self.report.hidden |= self.unknown > Some(last_frame) && *end <= last;
                let accepted = row.accepted(partition);
                let missing = held.missing(*start, last.max(*end));
                for (start, end) in missing.since(*start) {
                    let open = accepted.missing(start, end);
                    let mut add = |start, end, accepted| {
                        let topic = row.name.clone();
                        self.report.losses.push(Loss { topic, partition, start, end, accepted });
                    };
                    open.since(start).for_each(|(start, end)| add(start, end, false));
                    open.missing(start, end).since(start).for_each(|(start, end)| add(start, end, true));
                }
            }
        }
        (self.report, self.held)
    }
}
