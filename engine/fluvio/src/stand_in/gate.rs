//! Who may be connected.

use std::os::fd::AsRawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use fluvio_socket::FluvioSocket;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::compat::{TokioAsyncReadCompatExt, TokioAsyncWriteCompatExt};
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
struct Open {
    paused: bool,
    /// Ends all conversations that are going on.
    conversations: CancellationToken,
}

/// Lets connections in and closes them.
#[derive(Debug)]
pub(super) struct Gate {
    open: Mutex<Open>,
    /// Ends everything.
    ended: CancellationToken,
}

impl Gate {
    pub(super) fn new() -> Self {
        let ended = CancellationToken::new();
        Self { open: Mutex::new(Open { paused: false, conversations: ended.child_token() }), ended }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What ends a new conversation; nothing where none may begin.
    fn admit(&self) -> Option<CancellationToken> {
        let open = self.open();
        (!open.paused).then(|| open.conversations.clone())
    }

    /// Ends all conversations.
    pub(super) fn close(&self) {
        let mut open = self.open();
        std::mem::replace(&mut open.conversations, self.ended.child_token()).cancel();
    }

    /// Ends all conversations and begins no more.
    pub(super) fn pause(&self) {
        // In this order, or one could begin in between and stay.
        self.open().paused = true;
        self.close();
    }

    /// Begins conversations again.
    pub(super) fn resume(&self) {
        self.open().paused = false;
    }

    /// Ends everything for good.
    pub(super) fn end(&self) {
        self.ended.cancel();
    }

    /// Takes connections in until the end. Each conversation is a task of its own. It is given what tells that it is over:
    /// it is dropped then, but may just be in the middle of something.
    pub(super) async fn serve<C>(
        &self,
        listener: TcpListener,
        converse: impl Fn(FluvioSocket, CancellationToken) -> C,
    ) where
        C: Future<Output = Result<()>> + Send + 'static,
    {
        loop {
            let accepted = tokio::select! {
                () = self.ended.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the stand-in could not take a connection in");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            };
            let Some(over) = self.admit() else { continue };
            let conversation = converse(socket(stream), over.clone());
            tokio::spawn(async move {
                tokio::select! {
                    // First, so that nothing is done any more for who was told to go.
                    biased;
                    () = over.cancelled() => {}
                    ended = conversation => {
                        if let Err(error) = ended {
                            tracing::debug!(%error, "a conversation with the stand-in broke off");
                        }
                    }
                }
            });
        }
    }
}

fn socket(stream: TcpStream) -> FluvioSocket {
    // An answer goes out at once. Where this fails, the test is only slower.
    let _ = stream.set_nodelay(true);
    let descriptor = stream.as_raw_fd();
    let (read, write) = stream.into_split();
    FluvioSocket::from_stream(Box::new(write.compat_write()), Box::new(read.compat()), descriptor)
}
