//! A log without threads: its caller says when a group is committed and when files are looked after. For simulation, where a
//! seed decides that.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::answers::Teller;
use super::disk::Lock;
use super::shared::Shared;
use super::writer::Writer;
use super::{EmbeddedLog, Options, Parts, World, keeper, open};
use crate::log::Error;

/// What the threads of a log do otherwise. Appends wait until it is asked for.
pub struct Driver {
    shared: Arc<Shared>,
    writer: Writer,
    _lock: Box<dyn Lock>,
}

impl EmbeddedLog {
    /// Opens a log as [`EmbeddedLog::open_in`] does, and starts nothing.
    ///
    /// # Errors
    /// As [`EmbeddedLog::open`].
    pub fn open_driven(directory: &Path, options: Options, world: World) -> Result<(Self, Driver), Error> {
        let Parts { shared, active, lock } = open(directory, options.bounded(), world, true)?;
        let writer = Writer::new(shared.clone(), active, Teller::none());
        let driver = Driver { shared: shared.clone(), writer, _lock: lock };
        Ok((Self { shared, running: Arc::new(Mutex::new(None)) }, driver))
    }
}

impl Driver {
    /// Commits the appends that wait, up to a group. Whether there were any.
    pub fn commit(&mut self) -> bool {
        self.writer.step()
    }

    /// Makes the durable-end mark durable, as an idle log does.
    pub fn rest(&self) {
        self.writer.rest();
    }

    /// Makes, closes and drops files, as far as that was asked for.
    pub fn keep(&self) {
        keeper::work_off(&self.shared);
    }
}
