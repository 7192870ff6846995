//! The begin of a round: records that count, over all partitions, up to the limits of a batch.

use std::sync::Arc;
use std::time::Duration;

use granary_stream::{ReadLimit, Watcher, clock};
use tokio::time::Instant;
use tracing::warn;

use super::{Error, Relay, Worker};
use crate::stage::Delivered;
use crate::stage::book::Step;

/// Most payload bytes of one batch: bounds the memory of a stage to a few times this.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// How long an idle stage waits after the first sign of work, so that a trickle is committed in batches.
const LINGER: Duration = Duration::from_millis(2);
/// How often it is looked how much lies before a stage that works: that may mean asking other machines.
const LAG_EVERY: Duration = Duration::from_secs(1);

impl Worker {
    /// Waits for records that count and reads a batch of them; `None` where another version is to go on first.
    pub(super) async fn fetch(&mut self, relay: &Relay) -> Result<Option<Vec<Delivered>>, Error> {
        let mut signals = Vec::new();
        for source in &self.spec.sources {
            signals.push(if source.ranged {
                self.means.book.watch(&source.topic)
            } else {
                self.means.log.watch(&source.topic)?
            });
        }
        loop {
            if self.stop.is_cancelled() {
                return Err(Error::Stopped);
            }
            for signal in &mut signals {
                signal.mark_seen();
            }
            // First, since one partition may stand at a gap while the others have records at every look.
            self.settle().await?;
            let batch = self.read().await?;
            if !batch.is_empty() {
                self.show_lag(&batch).await;
                return Ok(Some(batch));
            }
            self.trouble.set(None);
            let look_again = self.next_look();
            if look_again.is_none() {
                self.labels.lag(0, Duration::ZERO);
            }
            // In this order, so that a simulation repeats.
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(Error::Stopped),
                () = relay.filled() => return Ok(None),
                () = self.means.members.changed() => return Ok(None),
                () = until(self.take_again) => return Ok(None),
                () = any_changed(&mut signals) => {}
                () = until(look_again) => continue,
            }
            tokio::time::sleep(LINGER).await;
        }
    }

    /// Reads what counts now, over all partitions.
    pub(super) async fn read(&mut self) -> Result<Vec<Delivered>, Error> {
        let mut batch = Vec::new();
        let mut bytes_left = BATCH_BYTES_MAX;
        let (count, may_repeat) = (self.cursors.len(), self.means.log.may_repeat());
        let mut behind = false;
        self.first = (self.first + 1) % count.max(1);
        for i in 0..count {
            let at = (self.first + i) % count;
            loop {
                let cursor = &mut self.cursors[at];
                let end = if cursor.ranged {
                    match self.means.book.step(&cursor.topic, cursor.partition, cursor.next) {
                        Step::Deliver(end) => end,
                        Step::Skip(to) => {
                            cursor.next = to;
                            continue;
                        }
                        Step::Wait => break,
                    }
                } else {
                    u64::MAX
                };
                if cursor.next >= end {
                    break;
                }
                let limit = ReadLimit {
                    records: usize::try_from(end - cursor.next)
                        .unwrap_or(usize::MAX)
                        .min(self.records_max - batch.len()),
                    bytes: bytes_left,
                };
                let read = self.means.log.read(&cursor.topic, cursor.partition, cursor.next, limit).await;
                let records = match read {
                    // What lies before the damage is done first.
                    Err(granary_stream::Error::Corrupt { .. }) if !batch.is_empty() => return Ok(batch),
                    read => read?,
                };
                // Of a log on other machines this only says that nothing can be read there now: what counts is there.
                if records.is_empty() && (!cursor.ranged || may_repeat) {
                    behind |= cursor.ranged;
                    break;
                }
                let first = records.first().map_or(end, |r| r.offset.min(end));
                if first > cursor.next {
                    warn!(stage = %self.spec.id, topic = %cursor.topic, partition = cursor.partition,
                        from = cursor.next, to = first, "records are lost, and the stage goes on behind them");
                    cursor.next = first;
                }
                let Some(last) = records.iter().rev().find(|r| r.offset < end) else { continue };
                cursor.next = last.offset + 1;
                let (topic, partition) = (Arc::clone(&cursor.topic), cursor.partition);
                for record in records.into_iter().filter(|r| r.offset < end) {
                    if may_repeat
                        && !cursor.ranged
                        && let Some(producer) = &record.message.system.producer
                        && !cursor.seen.is_first(producer, record.offset)
                    {
                        self.labels.repeated();
                        continue;
                    }
                    bytes_left = bytes_left.saturating_sub(record.message.payload.len());
                    batch.push(Delivered { topic: Arc::clone(&topic), partition, record });
                }
                if batch.len() >= self.records_max || bytes_left == 0 {
                    return Ok(batch);
                }
            }
        }
        self.behind = behind;
        Ok(batch)
    }

    /// Tells how much lies before the stage.
    async fn show_lag(&mut self, batch: &[Delivered]) {
        if self.lag_shown.is_some_and(|at| at.elapsed() < LAG_EVERY) {
            return;
        }
        self.lag_shown = Some(Instant::now());
        let mut behind = 0;
        for cursor in &self.cursors {
            if let Ok(bounds) = self.means.log.bounds(&cursor.topic, cursor.partition).await {
                behind += bounds.end.saturating_sub(cursor.committed);
            }
        }
        let oldest = batch.iter().map(|d| d.record.message.time_ms).min().unwrap_or_default();
        self.labels.lag(behind, Duration::from_millis(clock::now_ms().saturating_sub(oldest)));
    }
}

/// Returns at that moment; never where there is none.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn any_changed(signals: &mut [Watcher]) {
    if signals.is_empty() {
        return std::future::pending().await;
    }
    futures::future::select_all(signals.iter_mut().map(|signal| Box::pin(signal.changed()))).await;
}
