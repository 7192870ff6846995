//! What a list or a map holds.

use std::cell::{Ref, RefCell, RefMut};

use super::overlay::{Inside, Overlay};

/// What a list or a map holds: the items or entries, or the text that they are read from when somebody looks.
#[derive(Debug)]
pub(crate) struct Content<T> {
    read: RefCell<T>,
    // In a box, because most lists and maps are none out of a document.
    overlay: RefCell<Option<Box<Overlay>>>,
}

impl<T: Inside> Content<T> {
    /// What is there already.
    pub(crate) fn new(read: T) -> Self {
        Self { read: RefCell::new(read), overlay: RefCell::new(None) }
    }

    /// What is text as yet.
    pub(crate) fn unread(overlay: Overlay) -> Self {
        Self { read: RefCell::new(T::default()), overlay: RefCell::new(Some(Box::new(overlay))) }
    }

    /// As that of a cell.
    #[inline]
    pub(crate) fn borrow(&self) -> Ref<'_, T> {
        self.read_overlay();
        self.read.borrow()
    }

    /// As that of a cell.
    #[inline]
    pub(crate) fn borrow_mut(&self) -> RefMut<'_, T> {
        self.read_overlay();
        self.read.borrow_mut()
    }

    /// As that of a cell.
    pub(crate) fn take(&self) -> T {
        self.read_overlay();
        self.read.take()
    }

    /// What was read, for the end of it: text goes unread.
    pub(crate) fn last(&mut self) -> T {
        std::mem::take(self.read.get_mut())
    }

    /// What `look` finds in the text; `None` where there is none any more.
    #[inline]
    pub(crate) fn looked<A>(&self, look: impl FnOnce(&Overlay) -> Option<A>) -> Option<A> {
        self.overlay.borrow().as_deref().and_then(look)
    }

    #[inline]
    fn read_overlay(&self) {
        if self.overlay.borrow().is_some() {
            self.read_now();
        }
    }

    #[inline(never)]
    fn read_now(&self) {
        if let Some(overlay) = self.overlay.take() {
            *self.read.borrow_mut() = T::inside(&overlay);
        }
    }
}
