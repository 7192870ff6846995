//! Connections that answer at once, with TLS where the profile says so.
//!
//! The client's own connections leave Nagle's algorithm on and acknowledge late: a small request then waits up to 40 ms for
//! an acknowledgement that the other side holds back. These send at once and acknowledge at once. Their TLS is the one of
//! the rest of the engine, with its cryptography.

use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use anyhow::Context as _;
use async_trait::async_trait;
use fluvio::config::{TlsCerts, TlsConfig, TlsPolicy};
use fluvio_future::net::{
    BoxReadConnection, BoxWriteConnection, ConnectionFd, DomainConnector, TcpDomainConnector,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::compat::{TokioAsyncReadCompatExt as _, TokioAsyncWriteCompatExt as _};

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Connector {
    tls: Option<Arc<ClientConfig>>,
    domain: String,
}

impl Connector {
    /// Connections as a profile wants them.
    ///
    /// # Errors
    /// Names the file or the text that cannot be used.
    pub(crate) fn new(policy: &TlsPolicy) -> anyhow::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .context("the TLS of this engine")?;
        let (config, domain) = match policy {
            TlsPolicy::Disabled => return Ok(Self { tls: None, domain: "localhost".to_owned() }),
            TlsPolicy::Anonymous => {
                let anybody = Arc::new(Anybody(provider));
                let config =
                    builder.dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth();
                (config, "localhost".to_owned())
            }
            TlsPolicy::Verified(tls) => {
                let TlsCerts { domain, key, cert, ca_cert } = certificates(tls)?;
                let mut roots = RootCertStore::empty();
                for certificate in CertificateDer::pem_slice_iter(ca_cert.as_bytes()) {
                    roots
                        .add(certificate.context("ca_cert of the profile")?)
                        .context("ca_cert of the profile")?;
                }
                let chain: Vec<_> = CertificateDer::pem_slice_iter(cert.as_bytes())
                    .collect::<Result<_, _>>()
                    .context("cert of the profile")?;
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).context("key of the profile")?;
                let config = builder
                    .with_root_certificates(roots)
                    .with_client_auth_cert(chain, key)
                    .context("cert and key of the profile")?;
                (config, domain)
            }
        };
        Ok(Self { tls: Some(Arc::new(config)), domain })
    }
}

/// The texts of a profile's certificates, wherever they are.
fn certificates(tls: &TlsConfig) -> anyhow::Result<TlsCerts> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))
    };
    Ok(match tls {
        TlsConfig::Inline(certs) => certs.clone(),
        TlsConfig::Files(paths) => TlsCerts {
            domain: paths.domain.clone(),
            key: read(&paths.key)?,
            cert: read(&paths.cert)?,
            ca_cert: read(&paths.ca_cert)?,
        },
    })
}

#[async_trait]
impl TcpDomainConnector for Connector {
    async fn connect(
        &self,
        address: &str,
    ) -> io::Result<(BoxWriteConnection, BoxReadConnection, ConnectionFd)> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let fd = stream.as_raw_fd();
        let stream = Prompt(stream);
        match &self.tls {
            None => {
                let (read, write) = tokio::io::split(stream);
                Ok((Box::new(write.compat_write()), Box::new(read.compat()), fd))
            }
            Some(config) => {
                let name = ServerName::try_from(self.domain.clone())
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
                let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
                let (read, write) = tokio::io::split(stream);
                Ok((Box::new(write.compat_write()), Box::new(read.compat()), fd))
            }
        }
    }

    fn new_domain(&self, domain: String) -> DomainConnector {
        Box::new(Self { domain, ..self.clone() })
    }

    fn domain(&self) -> &str {
        &self.domain
    }

    fn clone_box(&self) -> DomainConnector {
        Box::new(self.clone())
    }
}

/// A stream that acknowledges what it has read.
struct Prompt(TcpStream);

impl AsyncRead for Prompt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(context, into);
        if read.is_ready() {
            // The system forgets this with every read. Where it does not know it, nothing but speed is lost.
            let _ = rustix::net::sockopt::set_tcp_quickack(&self.0, true);
        }
        read
    }
}

impl AsyncWrite for Prompt {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// Takes any certificate, as the policy `anonymous` of a profile asks: the connection is encrypted, and nobody knows with
/// whom.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
