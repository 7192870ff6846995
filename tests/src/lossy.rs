//! A proxy that loses answers: what a client posts arrives, and the client does not hear of it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A proxy in this process; it ends with this value.
#[derive(Debug)]
pub struct Lossy {
    address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    target: Mutex<SocketAddr>,
    losing: AtomicBool,
    lost: AtomicUsize,
}

impl Lossy {
    /// Starts one that passes on everything.
    pub async fn before(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            target: Mutex::new(target),
            losing: AtomicBool::default(),
            lost: AtomicUsize::default(),
        });
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            // Ends the connections when it is ended itself.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                connections.spawn(async move {
                    // A client whose connection ends here sees that, and nothing else is to be said.
                    let _ = state.forward(client).await;
                });
            }
        });
        Ok(Self { address, state, accepting })
    }

    /// Its address as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Leads further connections to another address.
    pub fn lead_to(&self, target: SocketAddr) {
        *self.state.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// From now on, connections end when the answer to a POST comes, or no longer.
    pub fn lose_answers(&self, losing: bool) {
        self.state.losing.store(losing, Ordering::SeqCst);
    }

    /// How many answers of status 200 were lost.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.state.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl State {
    /// Passes on what both sides say, until one of them ends or an answer is lost.
    async fn forward(&self, mut client: TcpStream) -> std::io::Result<()> {
        let target = *self.target.lock().unwrap_or_else(PoisonError::into_inner);
        let mut server = TcpStream::connect(target).await?;
        let (mut asked, mut answered) = (vec![0; 64 << 10], vec![0; 64 << 10]);
        let mut posting = false;
        loop {
            tokio::select! {
                bytes = client.read(&mut asked) => {
                    let bytes = &asked[..bytes?];
                    if bytes.is_empty() {
                        return Ok(());
                    }
                    posting = is_posting(bytes).unwrap_or(posting);
                    server.write_all(bytes).await?;
                }
                bytes = server.read(&mut answered) => {
                    let bytes = &answered[..bytes?];
                    if posting && self.losing.load(Ordering::SeqCst) {
                        self.lost.fetch_add(usize::from(bytes.starts_with(b"HTTP/1.1 200 ")), Ordering::SeqCst);
                        return Ok(());
                    }
                    if bytes.is_empty() {
                        return Ok(());
                    }
                    client.write_all(bytes).await?;
                }
            }
        }
    }
}

/// Whether a request begins here that posts, or one that does not.
fn is_posting(bytes: &[u8]) -> Option<bool> {
    let methods = [(&b"POST "[..], true), (b"GET ", false), (b"OPTIONS ", false)];
    methods.into_iter().find(|(method, _)| bytes.starts_with(method)).map(|(_, posting)| posting)
}
