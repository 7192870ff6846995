//! Standard output and error of a guest, as lines of its log.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::log::{Level, Logger};

/// A line that grows beyond this is passed on in pieces.
const LINE_BYTES_MAX: usize = 8 << 10;
/// What a guest may write at once.
const WRITE_BYTES_MAX: usize = 64 << 10;

/// One of the two streams. All handles that the guest opens to it share the unfinished line.
#[derive(Clone)]
pub(super) struct Lines {
    log: Arc<Logger>,
    level: Level,
    name: &'static str,
    unfinished: Arc<Mutex<Vec<u8>>>,
}

impl Lines {
    pub(super) fn new(log: Arc<Logger>, level: Level, name: &'static str) -> Self {
        Self { log, level, name, unfinished: Arc::default() }
    }

    fn push(&self, bytes: &[u8]) {
        let mut line = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            let (text, ended) = match part.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (part, false),
            };
            line.extend_from_slice(text);
            if ended || line.len() > LINE_BYTES_MAX {
                self.log.line(self.level, self.name, &String::from_utf8_lossy(&line));
                line.clear();
            }
        }
    }
}

impl Drop for Lines {
    /// The last handle passes on what was written without a line end.
    fn drop(&mut self) {
        if let Some(line) = Arc::get_mut(&mut self.unfinished) {
            let line = line.get_mut().unwrap_or_else(PoisonError::into_inner);
            if !line.is_empty() {
                self.log.line(self.level, self.name, &String::from_utf8_lossy(line));
            }
        }
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

impl AsyncWrite for Lines {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
