//! Word that something has changed, for whoever waits for it.
//!
//! As a `watch` channel without a value, with one difference: who waits is woken in the order in which it began to wait, so
//! that a simulation repeats. (A `watch` channel chooses by chance.)

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

#[derive(Debug, Default)]
struct Inner {
    turn: AtomicU64,
    raised: Notify,
}

/// The side that tells. Clones tell the same.
#[derive(Debug, Clone, Default)]
pub struct Signal(Arc<Inner>);

impl Signal {
    /// Tells all who wait, and all who look later.
    pub fn raise(&self) {
        self.0.turn.fetch_add(1, Ordering::AcqRel);
        self.0.raised.notify_waiters();
    }

    /// Somebody who hears what is told from now on.
    #[must_use]
    pub fn watch(&self) -> Watcher {
        Watcher { inner: Arc::clone(&self.0), seen: self.0.turn.load(Ordering::Acquire) }
    }
}

/// The side that waits.
#[derive(Debug, Clone)]
pub struct Watcher {
    inner: Arc<Inner>,
    seen: u64,
}

impl Watcher {
    /// Whether something was told that was not heard yet.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.inner.turn.load(Ordering::Acquire) != self.seen
    }

    /// The same, and counts it as heard: what is told in between is heard by the next call.
    pub fn take_changed(&mut self) -> bool {
        let turn = self.inner.turn.load(Ordering::Acquire);
        std::mem::replace(&mut self.seen, turn) != turn
    }

    /// Counts everything that was told as heard.
    pub fn mark_seen(&mut self) {
        self.seen = self.inner.turn.load(Ordering::Acquire);
    }

    /// Waits until something was told that was not heard yet, and counts it as heard. Waits for ever where nobody is left
    /// to tell anything.
    pub async fn changed(&mut self) {
        loop {
            let mut raised = std::pin::pin!(self.inner.raised.notified());
            // Listens before it looks, so that nothing told in between is missed.
            raised.as_mut().enable();
            let turn = self.inner.turn.load(Ordering::Acquire);
            if turn != self.seen {
                self.seen = turn;
                return;
            }
            raised.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn what_was_told_is_heard_once() {
        let signal = Signal::default();
        let mut watcher = signal.watch();
        assert!(!watcher.has_changed());
        signal.raise();
        signal.raise();
        assert!(watcher.has_changed());
        watcher.changed().await;
        assert!(!watcher.has_changed());
        signal.clone().raise();
        watcher.mark_seen();
        assert!(!watcher.has_changed() && !signal.watch().has_changed());
    }

    #[tokio::test]
    async fn who_waits_is_woken_in_order() {
        let (signal, order) = (Signal::default(), Arc::new(Mutex::new(Vec::new())));
        let waiting: Vec<_> = (0..20)
            .map(|number| {
                let (mut watcher, order) = (signal.watch(), Arc::clone(&order));
                tokio::spawn(async move {
                    watcher.changed().await;
                    order.lock().unwrap().push(number);
                })
            })
            .collect();
        tokio::task::yield_now().await;
        signal.raise();
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
    }
}
