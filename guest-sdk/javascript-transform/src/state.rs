//! What the functions of the library share with the run that is under way.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use rquickjs::{Persistent, Value};

use crate::limits::STEPS_PER_POLL;
use crate::{Log, Message};

/// The state of the present record.
pub(crate) struct State {
    pub(crate) log: Rc<Log>,
    /// The record's headers, until they become an object.
    pub(crate) headers: RefCell<Vec<(String, String)>>,
    /// `headers` as the script sees it, once it has looked.
    pub(crate) headers_value: RefCell<Option<Persistent<Value<'static>>>>,
    /// The messages so far.
    pub(crate) messages: RefCell<Vec<Message>>,
    /// Texts that `DeletionEvent.toJSON` made, and their deletions: such a text in a result means the deletion.
    pub(crate) deletions: RefCell<Vec<(String, Message)>>,
    /// How often the engine may still ask to go on.
    polls_left: Cell<u64>,
}

impl State {
    pub(crate) fn new(log: Rc<Log>) -> Self {
        Self {
            log,
            headers: RefCell::default(),
            headers_value: RefCell::default(),
            messages: RefCell::default(),
            deletions: RefCell::default(),
            polls_left: Cell::new(u64::MAX),
        }
    }

    /// Gives what runs next a number of steps.
    pub(crate) fn allow(&self, steps: u64) {
        self.polls_left.set((steps / STEPS_PER_POLL).max(1));
    }

    /// Whether the steps are used up.
    pub(crate) fn exhausted(&self) -> bool {
        self.polls_left.get() == 0
    }

    /// The engine asks; whether it is to stop.
    pub(crate) fn poll(&self) -> bool {
        let left = self.polls_left.get().saturating_sub(1);
        self.polls_left.set(left);
        left == 0
    }

    /// Forgets the record.
    pub(crate) fn clear(&self) {
        self.headers.take();
        self.headers_value.take();
        self.messages.take();
        self.deletions.take();
    }
}
