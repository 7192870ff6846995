//! `ingest_vs_bare_axum`: durable POSTs per second at 64 connections, as a share of what an axum handler does that only
//! reads the same body. Load generator, server and disk share the machine in both cases.

use std::net::SocketAddr;

use anyhow::Result;
use granary_tests::figure::{Bar, Figure, median};
use granary_tests::load::Plan;

use crate::Size;
use crate::bare::Bare;
use crate::collector::{CONNECTIONS, post};

pub(crate) async fn measure(size: Size, bar: f64) -> Result<Vec<Figure>> {
    let bare = Bare::start().await?;
    let node = crate::node().await?;
    // Not counted: connections, caches and the first file of the log.
    let warm_up = Size { run: size.run / 4, ..size };
    run(bare.address, warm_up).await?;
    run(node.address(), warm_up).await?;
    let (mut baseline, mut subject) = (Vec::new(), Vec::new());
    for _ in 0..size.runs {
        baseline.push(run(bare.address, size).await?);
        subject.push(run(node.address(), size).await?);
    }
    let (baseline, subject) = (median(&baseline), median(&subject));
    Ok(vec![
        Figure { name: "bare_axum_posts_per_s", value: baseline, unit: "requests/s", bar: None },
        Figure { name: "ingest_posts_per_s", value: subject, unit: "requests/s", bar: None },
        Figure {
            name: "ingest_vs_bare_axum",
            value: subject / baseline,
            unit: "ratio",
            bar: Some(Bar::AtLeast(bar)),
        },
    ])
}

async fn run(address: SocketAddr, size: Size) -> Result<f64> {
    Ok(post(address, Plan::lasting(size.run, CONNECTIONS)).await?.per_second())
}
