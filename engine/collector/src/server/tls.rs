//! Encryption with a certificate from files, which are read again when they have changed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How often the files are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// A certificate and its key, from PEM files.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    look_again: Duration,
    current: Mutex<Current>,
}

struct Current {
    acceptor: TlsAcceptor,
    changed: [Option<SystemTime>; 2],
    looked: Instant,
}

/// Why there is no encryption.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("could not read {path}: {error}: make it readable for the user of this process")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file of the certificate holds none.
    #[error("expected one or more certificates in PEM in {path}, the server's own first: {reason}")]
    NoCertificate {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file of the key holds none.
    #[error("expected an unencrypted private key in PEM in {path}: {reason}")]
    NoKey {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// They do not go together, or are of a kind that is not supported.
    #[error("the certificate in {certificate} and the key in {key} cannot be used together: {reason}")]
    Unusable {
        /// File of the certificate.
        certificate: PathBuf,
        /// File of the key.
        key: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Tls {
    /// Reads both files.
    ///
    /// # Errors
    /// When they are no certificate and key that belong together.
    pub fn open(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, TlsError> {
        let (certificate, key) = (certificate.into(), key.into());
        let changed = [changed(&certificate), changed(&key)];
        let acceptor = acceptor(&certificate, &key)?;
        let current = Mutex::new(Current { acceptor, changed, looked: Instant::now() });
        Ok(Self { certificate, key, look_again: LOOK_AGAIN, current })
    }

    /// The same with another time between two looks at the files.
    #[must_use]
    pub fn look_again_after(self, time: Duration) -> Self {
        Self { look_again: time, ..self }
    }

    pub(super) async fn accept(&self, socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        // Not inside the call: the lock must not be held while the client is waited for.
        let acceptor = self.acceptor();
        acceptor.accept(socket).await
    }

    /// That of the files as they are. New ones that are wrong are told and not used.
    fn acceptor(&self) -> TlsAcceptor {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.looked.elapsed() >= self.look_again {
            current.looked = Instant::now();
            let now = [changed(&self.certificate), changed(&self.key)];
            if now != current.changed {
                match acceptor(&self.certificate, &self.key) {
                    Ok(acceptor) => {
                        current.acceptor = acceptor;
                        current.changed = now;
                    }
                    Err(error) => {
                        tracing::error!(stage = "collector", %error, "the former certificate stays in use");
                    }
                }
            }
        }
        current.acceptor.clone()
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|data| data.modified()).ok()
}

fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| TlsError::Unreadable { path: path.to_owned(), error })
    };
    let no_certificate = |reason: String| TlsError::NoCertificate { path: certificate.to_owned(), reason };
    let pem = read(certificate)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|e| no_certificate(e.to_string()))?;
    if chain.is_empty() {
        return Err(no_certificate("there is none".to_owned()));
    }
    let pem = read(key)?;
    let private = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|error| TlsError::NoKey { path: key.to_owned(), reason: error.to_string() })?;
    let unusable = |error: rustls::Error| TlsError::Unusable {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        reason: error.to_string(),
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
