//! Connections to the hosts of requests. A name is resolved once, its addresses are checked, and one of those that were
//! checked is connected to: a name that resolves to something else a moment later gains nothing.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use granary_catalog::HostPattern;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpStream, lookup_host};
use tower::Service;

use super::address;

/// The most connections to one host that wait for the next request.
const IDLE_PER_HOST_MAX: usize = 8;

/// HTTP/1.1, with the certificates of the system. It knows no proxies and follows no redirects.
pub(super) type Client = legacy::Client<HttpsConnector<Connector>, Full<Bytes>>;

/// A client that connects to public addresses, and to those hosts that `allowed` names one by one.
pub(super) fn client(allowed: Arc<[HostPattern]>) -> io::Result<Client> {
    let builder = || {
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)
    };
    let trusting = match builder()?.with_native_roots() {
        Ok(trusting) => trusting,
        Err(error) => {
            tracing::warn!(%error, "no certificates of the system: https requests of belts will fail");
            builder()?.with_root_certificates(RootCertStore::empty())
        }
    };
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(trusting.with_no_client_auth())
        .https_or_http()
        .enable_http1()
        .wrap_connector(Connector { allowed });
    Ok(legacy::Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
        .build(connector))
}

/// A host has only addresses that belts must not reach.
#[derive(Debug, thiserror::Error)]
#[error(
    "'{host}' is at a loopback, private or otherwise local address, which belts may not reach unless the operator of \
     the engine names that very host: --outbound-hosts {place},*"
)]
pub(super) struct Private {
    host: String,
    /// Host and port as the operator would name them.
    place: String,
}

/// Opens connections.
#[derive(Clone)]
pub(super) struct Connector {
    allowed: Arc<[HostPattern]>,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    // Boxed as it is: within an `io::Error` a cause of ours would not be found again.
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let allowed = Arc::clone(&self.allowed);
        Box::pin(async move {
            let host = uri.host().unwrap_or_default();
            let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
            let port = uri.port_u16().unwrap_or(default);
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            let found: Vec<SocketAddr> = lookup_host((bare, port)).await?.collect();
            let is_named = allowed.iter().any(|pattern| pattern.names(host, port));
            let usable: Vec<SocketAddr> =
                found.iter().copied().filter(|at| is_named || address::is_public(at.ip())).collect();
            if usable.is_empty() && !found.is_empty() {
                let place = format!("{host}:{port}");
                return Err(Private { host: host.to_owned(), place }.into());
            }
            let stream = TcpStream::connect(usable.as_slice()).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(stream))
        })
    }
}
