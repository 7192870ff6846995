//! The workload of the speed figures: events of about 300 bytes with six headers, and a belt that does typed work on
//! them. The bench gives the same to a native CPython.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::frame::EventIn;
use crate::runner::Runner;
use crate::sandbox::Error;

/// The belt: looks fields up, computes, routes to one output named `orders`.
pub const CALLBACK: &str = "\
from grnry_belt.models.direct_update import DirectUpdate

def execute(event_headers, event_payload, profile=None):
    correlation_id = event_headers['grnry-correlation-id']
    value = {
        'id': event_payload['order_id'],
        'correlation': correlation_id,
        'customer': event_payload['customer']['id'],
        'total_eur': round(event_payload['total'] * 0.92, 2),
    }
    return [DirectUpdate('orders', value)]
";

/// Headers and payload of one event.
#[derive(Debug, Clone)]
pub struct Event {
    /// The six headers that every event has.
    pub headers: Vec<(String, String)>,
    /// JSON.
    pub payload: Vec<u8>,
}

/// The configuration that [`CALLBACK`] needs.
#[must_use]
pub fn config() -> serde_json::Value {
    json!({
        "beltId": "1", "fetchProfile": "FALSE", "debug": false, "env": {},
        "outputTypes": [{"name": "orders", "kind": "live_segment"}],
    })
}

/// Makes events, the same ones each time.
#[must_use]
pub fn events(count: usize) -> Vec<Event> {
    (0..count).map(event).collect()
}

fn event(n: usize) -> Event {
    let headers = [
        ("grnry-event-type", "orders-in".to_owned()),
        ("grnry-event-type-version", "1".to_owned()),
        ("grnry-event-id", format!("00000000-0000-4000-8000-{n:012}")),
        ("grnry-correlation-id", format!("10000000-0000-4000-8000-{n:012}")),
        ("grnry-harvester-name", "orders".to_owned()),
        ("grnry-event-timestamp", format!("{}", 1_700_000_000_000 + n)),
    ];
    let payload = json!({
        "order_id": format!("order-{n:08}"),
        "customer": {"id": 1000 + n % 997, "name": "Andrew Peterson", "country": "DE", "vip": n.is_multiple_of(7)},
        "items": [
            {"sku": format!("sku-{:05}", n % 313), "quantity": 1 + n % 5, "price": 19.99},
            {"sku": format!("sku-{:05}", n % 717), "quantity": 2, "price": 5.25},
        ],
        "total": 30.49 + (n % 100) as f64,
        "currency": "USD",
        "note": null,
    });
    Event {
        headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        payload: payload.to_string().into_bytes(),
    }
}

/// Runs all events through a belt in batches and answers how long that took: from stored bytes to update bytes.
/// Panics when an event fails, since the figure would mean nothing.
pub async fn belt(runner: &mut Runner, events: &[Event], batch: usize) -> Result<Duration, Error> {
    let events: Vec<_> =
        events.iter().map(|e| EventIn { headers: &e.headers, payload: &e.payload }).collect();
    let started = Instant::now();
    for batch in events.chunks(batch.max(1)) {
        let outcomes = runner.run_belt(batch).await?;
        assert!(outcomes.iter().all(Result::is_ok), "an event of the speed test failed: {outcomes:?}");
    }
    Ok(started.elapsed())
}
