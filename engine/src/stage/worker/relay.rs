//! What a running stage is told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Spec;
use crate::stage::Process;

/// Hands a running stage what it looks at between two batches: another definition, which takes over, and word that
/// dead letters are to be retried.
#[derive(Default)]
pub struct Relay {
    next: Mutex<Option<(Spec, Box<dyn Process>)>>,
    retry: AtomicBool,
    filled: tokio::sync::Notify,
}

impl Relay {
    /// Puts a definition in place; one that still waits there never runs.
    pub fn put(&self, spec: Spec, process: Box<dyn Process>) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some((spec, process));
        self.filled.notify_one();
    }

    /// Takes away what waits there.
    pub fn clear(&self) {
        drop(self.take());
    }

    pub(super) fn take(&self) -> Option<(Spec, Box<dyn Process>)> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether a definition waits to take over.
    pub fn is_waiting(&self) -> bool {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Has the stage look for dead letters that are to be retried.
    pub fn ask_retry(&self) {
        self.retry.store(true, Ordering::Release);
        self.filled.notify_one();
    }

    /// Whether it was asked to look for dead letters; not any more afterwards.
    pub(super) fn takes_retry(&self) -> bool {
        self.retry.swap(false, Ordering::AcqRel)
    }

    pub(super) async fn filled(&self) {
        while !self.is_waiting() && !self.retry.load(Ordering::Acquire) {
            self.filled.notified().await;
        }
    }
}
