//! The processor time that a program may take (`millicpu`).

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

/// What a program that was idle may take at once, as a time at its full share: a short burst of work is not slowed down.
const BURST: Duration = Duration::from_millis(100);

/// An account of processor time: it fills at the program's share of one processor, and a program that has overdrawn it
/// rests until it is even.
///
/// What counts is the time inside the guest (and what the host does for it in between); a guest that waits takes none.
/// The guest is put to rest where it gives way to other tasks, every millisecond, so that an endless loop is held to
/// its share, too. Deadlines go on while it rests.
#[derive(Debug)]
pub(crate) struct Quota {
    /// Processors, such as 0.2.
    share: f64,
    /// Seconds of processor time that may be taken now; below 0, what is owed.
    balance: f64,
    /// When the balance was right.
    at: Instant,
    /// The time it has made its program rest.
    rested: Duration,
}

impl Quota {
    /// A share in thousandths of one processor.
    pub(crate) fn new(millicpu: u32) -> Self {
        let share = f64::from(millicpu.max(1)) / 1_000.0;
        let balance = BURST.as_secs_f64() * share;
        Self { share, balance, at: Instant::now(), rested: Duration::ZERO }
    }

    /// The time that programs were made to rest.
    pub(crate) fn rested(&self) -> Duration {
        self.rested
    }

    /// Runs `work` with rests.
    pub(crate) async fn run<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            self.rest().await;
            let turn = poll_fn(|context| {
                let begun = Instant::now();
                let polled = work.as_mut().poll(context);
                self.take(begun.elapsed(), Instant::now());
                match polled {
                    Poll::Ready(done) => Poll::Ready(Some(done)),
                    Poll::Pending if self.owed().is_some() => Poll::Ready(None),
                    Poll::Pending => Poll::Pending,
                }
            });
            if let Some(done) = turn.await {
                return done;
            }
        }
    }

    async fn rest(&mut self) {
        self.take(Duration::ZERO, Instant::now());
        if let Some(owed) = self.owed() {
            self.rested += owed;
            tokio::time::sleep(owed).await;
            self.take(Duration::ZERO, Instant::now());
        }
    }

    /// Books what came in until `now`, and what was spent.
    fn take(&mut self, spent: Duration, now: Instant) {
        let income = now.saturating_duration_since(self.at).as_secs_f64() * self.share;
        let most = BURST.as_secs_f64() * self.share;
        self.balance = (self.balance + income - spent.as_secs_f64()).min(most);
        self.at = now;
    }

    /// How long the program must rest now.
    fn owed(&self) -> Option<Duration> {
        (self.balance < 0.0).then(|| Duration::from_secs_f64(-self.balance / self.share))
    }
}

/// Runs `work` and tells the time that it was busy: what it waited for others does not count.
pub(crate) async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let (mut work, mut busy) = (pin!(work), Duration::ZERO);
    let done = poll_fn(|context| {
        let begun = Instant::now();
        let polled = work.as_mut().poll(context);
        busy += begun.elapsed();
        polled
    });
    let done = done.await;
    (done, busy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    fn ms(owed: Option<Duration>) -> Option<u128> {
        owed.map(|owed| (owed.as_micros() + 500) / 1_000)
    }

    #[test]
    fn what_is_taken_beyond_the_burst_is_rested_off_at_the_share() {
        let mut quota = Quota::new(200);
        let start = quota.at;
        // 20 ms of a fifth of a processor were saved up, and the 30 ms themselves bring in 6.
        quota.take(Duration::from_millis(30), after(start, 30));
        assert_eq!(ms(quota.owed()), Some(20));
        quota.take(Duration::ZERO, after(start, 40));
        assert_eq!(ms(quota.owed()), Some(10));
        quota.take(Duration::ZERO, after(start, 51));
        assert_eq!(quota.owed(), None);
    }

    #[test]
    fn an_idle_program_saves_up_no_more_than_a_burst() {
        let mut quota = Quota::new(500);
        let start = quota.at;
        quota.take(Duration::ZERO, after(start, 3_600_000));
        quota.take(Duration::from_millis(51), after(start, 3_600_000));
        assert_eq!(ms(quota.owed()), Some(2));
    }

    #[test]
    fn a_whole_processor_is_never_owed_by_one_thread() {
        let mut quota = Quota::new(1_000);
        let start = quota.at;
        for ms in 1..1_000 {
            quota.take(Duration::from_millis(1), after(start, ms));
        }
        assert_eq!(quota.owed(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_costs_nothing() {
        let mut quota = Quota::new(1);
        quota.run(tokio::time::sleep(Duration::from_secs(60))).await;
        assert!(quota.rested() < Duration::from_secs(1), "{:?}", quota.rested());
    }
}
