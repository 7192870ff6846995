//! Threads for belts whose events take long: the system gives others the processor first.
//!
//! A belt that computes for a second per event would otherwise share the threads, on equal terms, with all that moves the
//! events of its neighbours. Where the processor is free, it is as fast here as there.

use std::io;
use std::time::Duration;

use rustix::process::setpriority_process;
use tokio::runtime::{Builder, Handle, Runtime};

/// A belt whose events take this long lately goes here. It is so much more than a switch of threads costs that nobody
/// sees the difference.
pub(crate) const SLOW: Duration = Duration::from_millis(5);

/// How nice its threads are: a third of the weight of an ordinary one. Much less, and a slow belt on a busy machine would
/// not come to its end within its deadline.
const NICENESS: i32 = 5;

/// Name of the threads.
const NAME: &str = "sandbox-slow";

/// The threads. They end with this value; what runs on them is dropped where it gives way.
#[derive(Debug)]
pub(crate) struct Lane(Option<Runtime>);

impl Lane {
    pub(crate) fn start() -> io::Result<Self> {
        let nice = || {
            // 0 is the calling thread. A system that does not allow it has lost nothing but the order of precedence.
            if let Err(error) = setpriority_process(None, NICENESS) {
                tracing::debug!(%error, "slow belts run at the ordinary priority");
            }
        };
        let runtime =
            Builder::new_multi_thread().enable_all().thread_name(NAME).on_thread_start(nice).build()?;
        Ok(Self(Some(runtime)))
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.0.as_ref().expect("there until it is dropped").handle()
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // It may be dropped by a task, which must not wait.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn its_threads_are_nice_and_others_are_not() {
        let lane = Lane::start().unwrap();
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let before = priority();
        assert_eq!(lane.handle().spawn(async move { priority() }).await.unwrap(), NICENESS.max(before));
        assert_eq!(priority(), before);
    }
}
