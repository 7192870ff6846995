//! `rust_belt_cost_vs_native`: the guide's belt as a component against the same function in this process.

use std::borrow::Cow;
use std::time::Duration;

use anyhow::{Context, Result};
use granary_tests::figure::{Bar, Figure, median};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::Size;
use crate::sandboxed::{Belt, Program, Stored, events};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Person<'a> {
    #[serde(borrow)]
    first_name: Cow<'a, str>,
    #[serde(borrow)]
    last_name: Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    id: &'a str,
    first_name: &'a str,
    last_name: &'a str,
}

pub(crate) async fn measure(size: Size) -> Result<Vec<Figure>> {
    let mut belt = Belt::start(Program::Component("belt-rust.wasm")).await?;
    let events = events();
    belt.run(size.run / 4).await?;
    let (mut native, mut sandboxed) = (Vec::new(), Vec::new());
    for _ in 0..size.runs {
        native.push(native_run(&events, size.run)?);
        sandboxed.push(belt.run(size.run).await?);
    }
    let (native, sandboxed) = (median(&native), median(&sandboxed));
    Ok(vec![
        Figure { name: "rust_native_events_per_s", value: native, unit: "events/s", bar: None },
        Figure { name: "rust_belt_events_per_s", value: sandboxed, unit: "events/s", bar: None },
        Figure {
            name: "rust_belt_cost_vs_native",
            value: native / sandboxed,
            unit: "ratio",
            bar: Some(Bar::AtMost(1.8)),
        },
    ])
}

/// The belt of `examples/belt-rust`, as a plain function.
fn execute((headers, payload): &Stored) -> Result<Vec<u8>> {
    let person: Person<'_> = serde_json::from_slice(payload)?;
    let id = headers.iter().find(|(name, _)| name == "grnry-correlation-id").context("a correlation id")?;
    let row = Row { id: &id.1, first_name: &person.first_name, last_name: &person.last_name };
    Ok(serde_json::to_vec(&row)?)
}

fn native_run(events: &[Stored], run: Duration) -> Result<f64> {
    let (begun, mut done) = (Instant::now(), 0);
    while begun.elapsed() < run {
        for event in events {
            std::hint::black_box(execute(std::hint::black_box(event))?);
        }
        done += events.len();
    }
    Ok(done as f64 / begun.elapsed().as_secs_f64())
}
