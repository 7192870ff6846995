//! The collector on a port of its own: `--collector-listen`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use granary_collector::{Collector, Limits, Tls};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::config::collector as settings;

/// The port, open and not yet served.
pub(super) struct Port {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
}

impl Port {
    /// Opens it, and reads the certificate where there is one.
    pub(super) async fn open(settings: &settings::Port) -> anyhow::Result<Self> {
        let tls = match &settings.tls {
            Some((certificate, key)) => {
                Some(Tls::open(certificate, key).context("could not set up TLS of the collector")?)
            }
            None => None,
        };
        let listener = TcpListener::bind(settings.listen)
            .await
            .with_context(|| format!("could not listen on {} for the collector", settings.listen))?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, tls })
    }

    /// Prints the address, after that of the API, and leaves it in the data directory.
    pub(super) fn announce(&self, data_dir: &Path) -> anyhow::Result<()> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", self.address);
        let path = data_dir.join("collector-address");
        std::fs::write(&path, format!("{url}\n"))
            .with_context(|| format!("could not write {}", path.display()))?;
        let mut out = std::io::stdout();
        writeln!(out, "collecting on {url}")?;
        out.flush()?;
        Ok(())
    }

    /// Serves until stopped, then finishes the requests under way.
    pub(super) async fn serve(self, collector: Collector, limits: Limits, stop: CancellationToken) {
        let Self { listener, tls, .. } = self;
        if let Err(error) = granary_collector::serve(listener, collector, tls, limits, stop).await {
            error!(%error, "the collector's own port cannot be served");
        }
    }
}
