//! The keeper: a thread beside the committer that does what must not hold up a commit: making the next file ready,
//! writing footers, dropping files.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tracing::warn;

use super::disk::File;
use super::file::{Closed, Sealing};
use super::shared::Shared;

/// A file that is ready for its first group.
#[derive(Debug)]
pub(super) struct Ready {
    /// Its number.
    pub(super) number: u64,
    /// An open handle.
    pub(super) file: Arc<dyn File>,
    /// Its length.
    pub(super) capacity: u64,
}

#[derive(Debug, Default)]
enum Next {
    #[default]
    None,
    Wanted(u64),
    Ready(Ready),
    Refused(String),
}

#[derive(Debug, Default)]
struct Work {
    next: Next,
    // Bounded by itself: a file is sealed only after another one was made ready here.
    seals: VecDeque<Sealing>,
    sweep: bool,
    stop: bool,
    /// Number of the next file to be made.
    number: u64,
    /// A task was taken and is not done.
    #[cfg(test)]
    busy: bool,
}

/// What the committer and others ask of the keeper.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    work: Mutex<Work>,
    changed: Condvar,
}

impl Keeper {
    /// A keeper whose first file gets that number.
    pub(super) fn new(number: u64) -> Self {
        Self { work: Mutex::new(Work { number, ..Work::default() }), changed: Condvar::new() }
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for the next file ahead of time.
    pub(super) fn ask(&self, capacity: u64) {
        let mut work = self.work();
        if matches!(work.next, Next::None) {
            work.next = Next::Wanted(capacity);
            self.changed.notify_all();
        }
    }

    /// Takes the next file, at least that long, or says why there is none.
    pub(super) fn obtain(&self, shared: &Shared, capacity: u64) -> Result<Ready, String> {
        let mut work = self.work();
        if !matches!(work.next, Next::Ready(_)) {
            // An earlier refusal may be out of date.
            work.next = Next::Wanted(capacity);
            self.changed.notify_all();
        }
        if shared.driven {
            drop(work);
            work_off(shared);
            work = self.work();
        }
        while !work.stop {
            match std::mem::take(&mut work.next) {
                Next::Ready(ready) => return Ok(ready),
                Next::Refused(reason) => {
                    work.next = Next::Refused(reason.clone());
                    return Err(reason);
                }
                waiting => work.next = waiting,
            }
            work = self.changed.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        Err("the log is closed".to_owned())
    }

    /// Puts a file back that was not used after all.
    pub(super) fn give_back(&self, ready: Ready) {
        self.work().next = Next::Ready(ready);
    }

    /// Hands over a file for its footer.
    pub(super) fn seal(&self, sealing: Sealing) {
        self.work().seals.push_back(sealing);
        self.changed.notify_all();
    }

    /// Asks to drop the files that nobody needs.
    pub(super) fn sweep(&self) {
        self.work().sweep = true;
        self.changed.notify_all();
    }

    /// Waits until everything that was asked for so far is done.
    #[cfg(test)]
    pub(super) fn settle(&self) {
        let mut work = self.work();
        while work.busy || work.sweep || !work.seals.is_empty() || matches!(work.next, Next::Wanted(_)) {
            work = self.changed.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets the thread end when it has done what it was asked.
    pub(super) fn stop(&self) {
        self.work().stop = true;
        self.changed.notify_all();
    }
}

/// Nobody waits for a thread that has ended, whatever ended it.
struct StopAtEnd<'a>(&'a Keeper);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

enum Task {
    Prepare(u64),
    Seal(Sealing),
    Sweep,
    Stop,
}

impl Work {
    /// What to do next, if anything.
    fn task(&mut self) -> Option<Task> {
        // The committer may be waiting for a file, nobody waits for the others.
        if let Next::Wanted(capacity) = self.next
            && !self.stop
        {
            return Some(Task::Prepare(capacity));
        }
        if let Some(sealing) = self.seals.pop_front() {
            return Some(Task::Seal(sealing));
        }
        if std::mem::take(&mut self.sweep) {
            return Some(Task::Sweep);
        }
        self.stop.then_some(Task::Stop)
    }
}

fn next_task(keeper: &Keeper) -> Task {
    let mut work = keeper.work();
    #[cfg(test)]
    {
        work.busy = false;
        keeper.changed.notify_all();
    }
    let task = loop {
        if let Some(task) = work.task() {
            break task;
        }
        work = keeper.changed.wait(work).unwrap_or_else(PoisonError::into_inner);
    };
    #[cfg(test)]
    {
        work.busy = !matches!(task, Task::Stop);
    }
    task
}

/// The life of the thread.
pub(super) fn run(shared: &Shared) {
    let keeper = &shared.keeper;
    let _guard = StopAtEnd(keeper);
    while carry_out(shared, next_task(keeper)) {}
    if let Next::Ready(ready) = std::mem::take(&mut keeper.work().next) {
        shared.files.discard(ready.number, ready.capacity);
    }
}

/// Does all that was asked for so far, in the thread of the caller.
pub(super) fn work_off(shared: &Shared) {
    loop {
        let Some(task) = shared.keeper.work().task() else { return };
        if !carry_out(shared, task) {
            return;
        }
    }
}

/// Does one thing. Whether more may come.
fn carry_out(shared: &Shared, task: Task) -> bool {
    let keeper = &shared.keeper;
    match task {
        Task::Prepare(capacity) => {
            let number = keeper.work().number;
            let next = match shared.files.prepare(number, capacity) {
                Ok(file) => Next::Ready(Ready { number, file, capacity }),
                Err(reason) => {
                    warn!(reason, "no next log file");
                    Next::Refused(reason)
                }
            };
            let mut work = keeper.work();
            work.number += u64::from(matches!(next, Next::Ready(_)));
            work.next = next;
            keeper.changed.notify_all();
        }
        Task::Seal(sealing) => seal(shared, sealing),
        Task::Sweep => {
            if let Err(error) = super::retention::sweep(shared) {
                warn!(%error, "could not drop log files");
            }
        }
        Task::Stop => return false,
    }
    true
}

fn seal(shared: &Shared, sealing: Sealing) {
    let files = &shared.files;
    if let Err(error) = files.seal(&sealing) {
        warn!(file = sealing.number, %error, "could not close a log file; it will be scanned at the next start");
    }
    let length = files
        .handle(sealing.number)
        .and_then(|file| file.length().map_err(|error| files.error(sealing.number, "measure", error)));
    let bytes = length.unwrap_or(sealing.capacity);
    files.grow(bytes);
    files.shrink(sealing.capacity);
    files.add_closed(sealing.number, Closed { bytes, contents: sealing.contents });
    // What it holds may have been released while it was being written.
    shared.keeper.sweep();
}
