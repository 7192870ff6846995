//! The end of a connection: what its client still sends is taken for a while.
//!
//! A socket that is closed with bytes unread resets the connection, and the reset overtakes the answer: a client that is still
//! writing its megabytes would never read that they were too many.

use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep};

/// A client that has sent nothing for this long, after the answer and the end of our half, has had its time to read it.
const SILENCE: Duration = Duration::from_secs(1);
/// However busily it sends.
const TIME: Duration = Duration::from_secs(10);
/// And however fast.
const BYTES: usize = 64 << 20;

/// Reads and forgets, until the client closes its half or is given up.
pub(super) struct Lingering {
    until: Instant,
    silence: Pin<Box<Sleep>>,
    left: usize,
}

impl Lingering {
    pub(super) fn new() -> Self {
        Self { until: Instant::now() + TIME, silence: Box::pin(tokio::time::sleep(SILENCE)), left: BYTES }
    }

    pub(super) fn poll<T: AsyncRead + Unpin>(
        &mut self,
        socket: &mut T,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut room = [MaybeUninit::uninit(); 8 << 10];
        loop {
            let mut buffer = ReadBuf::uninit(&mut room);
            let Poll::Ready(read) = Pin::new(&mut *socket).poll_read(context, &mut buffer) else {
                return self.silence.as_mut().poll(context);
            };
            let taken = buffer.filled().len();
            let now = Instant::now();
            if read.is_err() || taken == 0 || taken > self.left || now >= self.until {
                return Poll::Ready(());
            }
            self.left -= taken;
            self.silence.as_mut().reset(self.until.min(now + SILENCE));
        }
    }
}
