//! After an outage: a tracker sends all that it has kept, and the log does not take all that it is offered.

use std::collections::BTreeSet;

use granary_collector::{BAD_TOPIC, Options, TOPIC};
use serde_json::{Value, json};

use crate::support::{ask, codes, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_buffer_of_a_tracker_in_one_request_is_stored_event_by_event() {
    const EVENTS: usize = 10_000;
    let pad = "x".repeat(2_000);
    let events: Vec<Value> =
        (0..EVENTS).map(|n| json!({"e": "pv", "eid": n.to_string(), "page": pad})).collect();
    let schema = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4";
    let body = json!({"schema": schema, "data": events}).to_string();
    assert!(body.len() > 20_000_000);
    let running = start(Options::default()).await;
    let request = format!(
        "POST /com.snowplowanalytics.snowplow/tp2 HTTP/1.1\r\nHost: h\r\nContent-Type: application/json; \
         charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut client = running.connect().await;
    assert_eq!(codes(&ask(&mut client, &request).await), [200]);
    let payloads = running.payloads().await;
    assert!(running.messages(TOPIC).await.iter().all(|message| message.payload.len() <= 1_000_000));
    let (mut seen, mut count) = (BTreeSet::new(), 0);
    for payload in payloads {
        let body: Value = serde_json::from_slice(&payload.body.unwrap()).unwrap();
        assert_eq!(body["schema"], json!(schema));
        for event in body["data"].as_array().unwrap() {
            seen.insert(event["eid"].as_str().unwrap().parse::<usize>().unwrap());
            count += 1;
        }
    }
    assert_eq!((seen.len(), count), (EVENTS, EVENTS));
    assert!(running.messages(BAD_TOPIC).await.is_empty());
    drop(client);
    running.end().await;
}
