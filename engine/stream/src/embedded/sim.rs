//! A simulated world: a disk in memory that fails, fills up and loses power on demand, and a clock and chance that repeat.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::clock::Clock;
use super::disk::{Disk, File, Lock};
use super::entropy::Entropy;
use super::format::FORMAT_PLACE;
use super::{Options, World, file, mark};

const SECTOR: usize = 512;

#[derive(Debug, Default, Clone)]
struct Inode {
    /// What a process sees.
    now: Vec<u8>,
    /// What is on the disk for sure.
    durable: Vec<u8>,
    /// Sectors that the next sync writes. A failed sync forgets them, as operating systems do.
    dirty: BTreeSet<usize>,
}

impl Inode {
    fn of(bytes: Vec<u8>) -> Self {
        Self { durable: bytes.clone(), now: bytes, dirty: BTreeSet::new() }
    }

    fn write(&mut self, bytes: &[u8], from: usize) {
        if self.now.len() < from + bytes.len() {
            self.now.resize(from + bytes.len(), 0);
        }
        self.now[from..from + bytes.len()].copy_from_slice(bytes);
        self.dirty.extend(from / SECTOR..(from + bytes.len()).div_ceil(SECTOR));
    }

    fn sync(&mut self) {
        self.durable.resize(self.now.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            let end = ((sector + 1) * SECTOR).min(self.now.len());
            if sector * SECTOR < end {
                self.durable[sector * SECTOR..end].copy_from_slice(&self.now[sector * SECTOR..end]);
            }
        }
    }
}

#[derive(Debug, Default)]
struct State {
    /// In order, so that a power cut with the same seed does the same.
    inodes: BTreeMap<u64, Inode>,
    names: HashMap<PathBuf, u64>,
    durable_names: HashMap<PathBuf, u64>,
    locks: HashSet<PathBuf>,
    next_inode: u64,
    /// Handles of an earlier power-on are dead.
    power_on: u64,
    /// Operations until the power goes.
    operations_left: Option<u64>,
    fail_sync: bool,
    forget_sync: bool,
    torn_write: Option<usize>,
    capacity: Option<u64>,
    writes: u64,
    syncs: u64,
}

impl State {
    fn step(&mut self, power_on: u64) -> io::Result<()> {
        if self.power_on != power_on || self.operations_left == Some(0) {
            return Err(io::Error::other("the power is off"));
        }
        if let Some(left) = &mut self.operations_left {
            *left -= 1;
        }
        Ok(())
    }

    fn used(&self) -> u64 {
        self.names.values().map(|inode| self.inodes[inode].now.len() as u64).sum()
    }

    fn inode(&mut self, inode: u64) -> &mut Inode {
        self.inodes.get_mut(&inode).expect("an inode lives as long as the disk")
    }
}

/// The disk. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: u64,
    power_on: u64,
}

#[derive(Debug)]
struct SimLock(SimDisk, PathBuf, u64);

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if state.power_on == self.2 {
            state.locks.remove(&self.1);
        }
    }
}

impl SimDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A world with this disk.
    #[must_use]
    pub fn world(&self) -> World {
        World { disk: Arc::new(self.clone()), ..World::default() }
    }

    /// A world with this disk in which nothing comes from outside: runs with the same seed are the same.
    #[must_use]
    pub fn repeatable_world(&self, seed: u64) -> World {
        World { disk: Arc::new(self.clone()), clock: Arc::new(Still), entropy: Arc::new(Seeded(seed)) }
    }

    /// Options for a disk of which nothing is reserved.
    pub fn options() -> Options {
        Options { file_bytes: 4096, cache_bytes_max: 4096, disk_reserve_bytes: 0, ..Options::default() }
    }

    /// A copy that goes its own way.
    pub fn fork(&self) -> Self {
        let state = self.state();
        Self(Arc::new(Mutex::new(State {
            inodes: state.inodes.clone(),
            names: state.names.clone(),
            durable_names: state.durable_names.clone(),
            next_inode: state.next_inode,
            ..State::default()
        })))
    }

    /// Lets everything fail after so many more operations.
    pub fn cut_power_after(&self, operations: u64) {
        self.state().operations_left = Some(operations);
    }

    /// What the next start finds after the power went: every sector that was not synced is the old or the new one.
    pub fn power_up(&self, seed: u64) {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut state = self.state();
        state.power_on += 1;
        state.operations_left = None;
        state.locks.clear();
        state.names = state.durable_names.clone();
        for inode in state.inodes.values_mut() {
            let mut after = inode.durable.clone();
            if rng.random() {
                after.resize(inode.now.len(), 0);
            }
            // Most often the tail is lost as a whole, sometimes sector by sector.
            let keep = [0.0, 0.5, 1.0][rng.random_range(0..3)];
            for (at, sector) in after.chunks_mut(SECTOR).enumerate() {
                let now = inode.now.get(at * SECTOR..).unwrap_or_default();
                let length = sector.len().min(now.len());
                if inode.dirty.contains(&at) && rng.random_bool(keep) {
                    sector[..length].copy_from_slice(&now[..length]);
                }
            }
            *inode = Inode::of(after);
        }
    }

    /// What the next start finds after the process was killed.
    pub fn restart(&self) {
        let mut state = self.state();
        state.power_on += 1;
        state.operations_left = None;
        state.locks.clear();
    }

    /// Lets syncs fail.
    pub fn fail_syncs(&self, fail: bool) {
        self.state().fail_sync = fail;
    }

    /// Lets syncs do nothing and say that all is well: a bug to be found.
    pub fn forget_syncs(&self, forget: bool) {
        self.state().forget_sync = forget;
    }

    /// Whether the power has gone.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.state().operations_left == Some(0)
    }

    /// Bytes of all files.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// Lets the next write stop after so many bytes with an error.
    pub fn tear_next_write(&self, bytes: usize) {
        self.state().torn_write = Some(bytes);
    }

    /// Bounds the disk.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// The contents of a file.
    pub fn get(&self, path: &Path) -> Vec<u8> {
        let state = self.state();
        state.inodes[&state.names[path]].now.clone()
    }

    /// Replaces the contents of a file.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.state();
        let inode = state.names[path];
        *state.inode(inode) = Inode::of(bytes.to_vec());
    }

    /// Flips one of the bits that are written in the files of the log and in the durable-end mark, as a disk that rots does: the
    /// file and the byte. `None` where nothing is written. The version in a file's header stays, since a log of a newer version
    /// is refused as a whole.
    pub fn flip(&self, seed: u64) -> Option<(String, usize)> {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut names = self.names();
        names.retain(|name| file::number(name).is_some() || name == mark::NAME);
        let state = &mut *self.state();
        let mut written = Vec::new();
        for name in &names {
            let (_, inode) = state.names.iter().find(|(path, _)| path.ends_with(name))?;
            let bytes = &state.inodes[inode].now;
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            let is_spared = |at: &usize| name != mark::NAME && FORMAT_PLACE.contains(at);
            written.extend((0..used).filter(|at| !is_spared(at)).map(|at| (name, *inode, at)));
        }
        if written.is_empty() {
            return None;
        }
        let (name, inode, at) = written[rng.random_range(0..written.len())];
        let inode = state.inode(inode);
        let bit = 1 << rng.random_range(0..8);
        for bytes in [&mut inode.now, &mut inode.durable] {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= bit;
            }
        }
        Some((name.clone(), at))
    }

    /// Removes a file durably.
    pub fn delete(&self, path: &Path) {
        let mut state = self.state();
        state.names.remove(path);
        state.durable_names.remove(path);
    }

    /// The names of the files.
    pub fn names(&self) -> Vec<String> {
        let state = self.state();
        let names = state.names.keys().filter_map(|path| path.file_name()?.to_str());
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort();
        names
    }

    /// Writes and syncs so far.
    pub fn counts(&self) -> (u64, u64) {
        let state = self.state();
        (state.writes, state.syncs)
    }
}

/// A clock that stands still.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now_ms(&self) -> u64 {
        1_750_000_000_000
    }
}

/// Chance that is always the same.
#[derive(Debug)]
struct Seeded(u64);

impl Entropy for Seeded {
    fn random(&self) -> u128 {
        SmallRng::seed_from_u64(self.0).random()
    }
}

/// A length as memory counts it.
fn in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a simulated disk lies in memory")
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.step(self.power_on)?;
        let bytes = &state.inode(self.inode).now;
        let from = in_memory(position).min(bytes.len());
        let count = buffer.len().min(bytes.len() - from);
        buffer[..count].copy_from_slice(&bytes[from..from + count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let outcome = state.step(self.power_on);
        // The power goes in the middle of a write.
        let torn = state.torn_write.take().or_else(|| outcome.is_err().then_some(bytes.len() / 2));
        if outcome.is_err() && state.power_on != self.power_on {
            return outcome;
        }
        state.writes += 1;
        let count = torn.unwrap_or(bytes.len()).min(bytes.len());
        state.inode(self.inode).write(&bytes[..count], in_memory(position));
        if torn.is_some() { Err(io::Error::other("the write was torn")) } else { Ok(()) }
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.step(self.power_on)?;
        let used = state.used();
        let capacity = state.capacity;
        let bytes = &mut state.inode(self.inode).now;
        let more = length.saturating_sub(bytes.len() as u64);
        if capacity.is_some_and(|capacity| used + more > capacity) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let length = in_memory(length);
        if bytes.len() < length {
            bytes.resize(length, 0);
        }
        Ok(())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.step(self.power_on)?;
        let length = in_memory(length);
        let inode = state.inode(self.inode);
        inode.now.resize(length, 0);
        // What is cut stays cut when it is extended again.
        inode.dirty.insert(length / SECTOR);
        inode.durable.truncate(length);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.step(self.power_on)?;
        Ok(state.inode(self.inode).now.len() as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync_all()
    }

    fn sync_all(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.step(self.power_on)?;
        if state.fail_sync {
            state.inode(self.inode).dirty.clear();
            return Err(io::Error::other("the disk does not sync"));
        }
        state.syncs += 1;
        if !state.forget_sync {
            state.inode(self.inode).sync();
        }
        Ok(())
    }
}

impl Disk for SimDisk {
    fn create_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        let power_on = state.power_on;
        state.step(power_on)?;
        state.next_inode += 1;
        let inode = state.next_inode;
        state.inodes.insert(inode, Inode::default());
        state.names.insert(path.to_owned(), inode);
        Ok(Arc::new(SimFile { disk: self.clone(), inode, power_on }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        let power_on = state.power_on;
        state.step(power_on)?;
        let inode = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimFile { disk: self.clone(), inode, power_on }))
    }

    fn list(&self, _: &Path) -> io::Result<Vec<String>> {
        Ok(self.names())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let power_on = state.power_on;
        state.step(power_on)?;
        let inode = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let power_on = state.power_on;
        state.step(power_on)?;
        state.names.remove(path).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        let mut state = self.state();
        let power_on = state.power_on;
        state.step(power_on)?;
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        let state = self.state();
        Ok(state.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(state.used())))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let mut state = self.state();
        if !state.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock(self.clone(), path.to_owned(), state.power_on)))
    }
}
