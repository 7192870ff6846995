//! The durable-end mark: up to where the log was durable, kept outside the log files.
//!
//! Without it a flipped bit in the last acknowledged group would look like the torn end of a group that was never
//! acknowledged, and would be cut off silently. The mark is written after each sync and before its appends are
//! acknowledged, so it outlives the process at once; it is synced when the log is idle, closed, or about to drop a
//! file, so after a power cut it may be older than the log, never newer.
//!
//! The file has two slots, 512 bytes apart. One of them is durable at any time and is left alone until the other one
//! has been synced, so neither a torn write nor a power cut takes both. The slot with the greater turn counts:
//!
//! ```text
//! 0  magic GMRK   4  u32 checksum of 8..32   8  u64 turn   16  u64 file number   24  u64 position
//! ```

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::disk::{self, Disk, File};
use super::format::Seed;

/// Name of the file.
pub(super) const NAME: &str = "durable";

const MAGIC: [u8; 4] = *b"GMRK";
/// Bytes of a slot.
pub(super) const SLOT_BYTES: usize = 32;
const SLOT_DISTANCE: u64 = 512;

/// A place in the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Number of the file.
    pub(super) file: u64,
    /// Position in it.
    pub(super) position: u64,
}

/// What the slots hold.
#[derive(Debug)]
pub(super) struct Slots {
    /// The mark; `None` where neither slot is whole.
    pub(super) place: Option<Place>,
    /// Where slots are damaged.
    pub(super) damaged: Vec<u64>,
}

/// Reads the mark and changes nothing.
pub(super) fn read(disk: &dyn Disk, directory: &Path, log: Uuid) -> io::Result<Slots> {
    let bytes = disk::read_whole(disk, &directory.join(NAME))?.ok_or(io::ErrorKind::NotFound)?;
    let (mut newest, mut damaged) = (None, Vec::new());
    for position in [0, SLOT_DISTANCE] {
        let mut slot = [0; SLOT_BYTES];
        let from = usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
        let there = &bytes[from..(from + SLOT_BYTES).min(bytes.len())];
        slot[..there.len()].copy_from_slice(there);
        match decode(&slot, Seed::of(log, 0)) {
            Some(found) => newest = newest.max(Some(found)),
            // One that was never written.
            None if slot == [0; SLOT_BYTES] => {}
            None => damaged.push(position),
        }
    }
    Ok(Slots { place: newest.map(|(_, place)| place), damaged })
}

/// The file with the mark.
#[derive(Debug)]
pub(super) struct Mark {
    file: Arc<dyn File>,
    seed: Seed,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    turn: u64,
    /// The slot that is durable, 0 or 1.
    durable: u64,
    dirty: bool,
}

impl Mark {
    /// Makes the mark of a new log.
    pub(super) fn create(disk: &dyn Disk, directory: &Path, log: Uuid) -> io::Result<()> {
        let file = disk.create(&directory.join(NAME))?;
        let mark = Self { file, seed: Seed::of(log, 0), state: Mutex::default() };
        mark.write(Place::default())?;
        mark.file.set_length(SLOT_DISTANCE + SLOT_BYTES as u64)?;
        mark.file.sync_all()
    }

    /// Opens the mark; no place where neither slot is readable.
    pub(super) fn open(disk: &dyn Disk, directory: &Path, log: Uuid) -> io::Result<(Self, Option<Place>)> {
        let file = disk.open(&directory.join(NAME))?;
        let seed = Seed::of(log, 0);
        let mut newest: Option<(u64, u64, Place)> = None;
        for slot in 0..2 {
            let mut bytes = [0; SLOT_BYTES];
            file.read_at(&mut bytes, slot * SLOT_DISTANCE)?;
            if let Some((turn, place)) = decode(&bytes, seed)
                && newest.is_none_or(|(best, ..)| best < turn)
            {
                newest = Some((turn, slot, place));
            }
        }
        let Some((turn, durable, place)) = newest else {
            return Ok((Self { file, seed, state: Mutex::default() }, None));
        };
        // What was read may not be on the disk yet. The same bytes again cannot tear.
        file.write_at(&encode(turn, place, seed), durable * SLOT_DISTANCE)?;
        file.sync_data()?;
        let state = Mutex::new(State { turn, durable, dirty: false });
        Ok((Self { file, seed, state }, Some(place)))
    }

    /// Moves the mark.
    pub(super) fn write(&self, place: Place) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = state.turn + 1;
        self.file.write_at(&encode(turn, place, self.seed), (1 - state.durable) * SLOT_DISTANCE)?;
        (state.turn, state.dirty) = (turn, true);
        Ok(())
    }

    /// Makes it durable; nothing happens where it already is.
    pub(super) fn sync(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.dirty {
            self.file.sync_data()?;
            (state.durable, state.dirty) = (1 - state.durable, false);
        }
        Ok(())
    }
}

fn encode(turn: u64, place: Place, seed: Seed) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[8..16].copy_from_slice(&turn.to_le_bytes());
    bytes[16..24].copy_from_slice(&place.file.to_le_bytes());
    bytes[24..].copy_from_slice(&place.position.to_le_bytes());
    let checksum = seed.checksum(&bytes[8..]);
    bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; SLOT_BYTES], seed: Seed) -> Option<(u64, Place)> {
    let number = |at: usize| bytes[at..at + 8].try_into().map(u64::from_le_bytes).ok();
    let checksum = u32::from_le_bytes(bytes[4..8].try_into().ok()?);
    if bytes[..4] != MAGIC || checksum != seed.checksum(&bytes[8..]) {
        return None;
    }
    Some((number(8)?, Place { file: number(16)?, position: number(24)? }))
}
