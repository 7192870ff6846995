//! `fluvio_path_vs_embedded`: events per second of the whole path with its streams on a real Fluvio cluster of this machine, as a
//! share of the same with the embedded log. Both have their own Postgres; the cluster's servers are on the same processors.
//!
//! The cluster is the one that `GRANARY_TEST_FLUVIO` names, or one of its own where `fluvio-run` is on the PATH; without either
//! there is no figure.

use anyhow::Result;
use granary_tests::figure::{Bar, Figure, median};
use granary_tests::fluvio::{self, Cluster};
use granary_tests::node::{Node, Settings};

use crate::end_to_end::Bench;
use crate::{Size, scratch};

/// A real cluster, ended when dropped where it is our own.
pub(crate) struct Place {
    address: String,
    _own: Option<Cluster>,
}

impl Place {
    /// The one that is named, or one of its own.
    pub(crate) async fn find() -> Result<Option<Self>> {
        if let Ok(address) = std::env::var("GRANARY_TEST_FLUVIO") {
            return Ok(Some(Self { address, _own: None }));
        }
        let Some(program) = fluvio::program() else { return Ok(None) };
        let own = Cluster::start(&program).await?;
        Ok(Some(Self { address: own.address(), _own: Some(own) }))
    }

    /// What `--stream` takes; topics bear a prefix of this process's own.
    pub(crate) fn stream(&self) -> String {
        format!("fluvio://{}?replication=1&prefix=bench{:x}", self.address, std::process::id())
    }
}

pub(crate) async fn measure(size: Size) -> Result<Vec<Figure>> {
    let Some(place) = Place::find().await? else {
        println!(
            "skipped fluvio_path_vs_embedded: no Fluvio cluster (set GRANARY_TEST_FLUVIO, or put fluvio-run on PATH)"
        );
        return Ok(Vec::new());
    };
    let on_cluster = Settings {
        scratch: Some(scratch()?),
        arguments: vec!["--stream".to_owned(), place.stream()],
        ..Settings::default()
    };
    let embedded = Bench::start(crate::node().await?).await?;
    let fluvio = Bench::start(Node::start_with(on_cluster).await?).await?;
    for bench in [&embedded, &fluvio] {
        bench.throughput("warm", size.events / 10).await?;
    }
    let (mut baseline, mut subject) = (Vec::new(), Vec::new());
    for run in 0..size.runs {
        baseline.push(embedded.throughput(&format!("e{run}"), size.events).await?);
        subject.push(fluvio.throughput(&format!("f{run}"), size.events).await?);
    }
    let (baseline, subject) = (median(&baseline), median(&subject));
    Ok(vec![
        Figure { name: "embedded_path_events_per_s", value: baseline, unit: "events/s", bar: None },
        Figure { name: "fluvio_path_events_per_s", value: subject, unit: "events/s", bar: None },
        Figure {
            name: "fluvio_path_vs_embedded",
            value: subject / baseline,
            unit: "ratio",
            bar: Some(Bar::AtLeast(0.7)),
        },
    ])
}
