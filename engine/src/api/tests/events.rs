//! Looking into the streams of event types.

use granary_stream::{Append, Message, TopicSpec};
use serde_json::{Value, json};

use super::support::Api;

const PATH: &str = "/projects/p/event-types/livesegment-datain/events";
const TOPIC: &str = "grnry_data_in_livesegment-datain";

async fn with_events() -> Api {
    let api = Api::with_guide().await;
    api.log.create_topic(TOPIC, TopicSpec::of(2)).await.unwrap();
    for n in 0..10_u64 {
        let payload = if n == 9 { vec![0xff] } else { n.to_string().into_bytes() };
        let mut message = Message { time_ms: 1_000 * (n + 1), ..Message::of(payload) };
        message.headers.set("n", n.to_string());
        let partition = u32::try_from(n % 2).unwrap();
        api.log
            .append(vec![Append { topic: TOPIC.to_owned(), partition, messages: vec![message] }])
            .await
            .unwrap();
    }
    api
}

async fn payloads(api: &Api, query: &str) -> Vec<String> {
    let answer = api.get(&format!("{PATH}{query}")).await.ok();
    let events = answer["events"].as_array().unwrap();
    events.iter().map(|event| event["payload"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_newest_events_come_oldest_first_from_all_partitions() {
    let api = with_events().await;
    assert_eq!(payloads(&api, "?limit=3").await, ["7", "8", "/w=="]);
    let answer = api.get(&format!("{PATH}?limit=1")).await.ok();
    let event = &answer["events"][0];
    assert_eq!(
        (&event["payloadEncoding"], &event["headers"], &event["partition"], &event["offset"]),
        (&json!("base64"), &json!([["n", "9"]]), &json!(1), &json!(4))
    );
    assert_eq!(event["time"], "1970-01-01T00:00:10.000Z");
    assert_eq!(answer["partitions"][0], json!({"partition": 0, "start": 0, "end": 5}));
    assert_eq!(payloads(&api, "").await.len(), 10);
}

#[tokio::test]
async fn events_are_read_from_a_place_on() {
    let api = with_events().await;
    assert_eq!(payloads(&api, "?from=earliest&limit=3").await, ["0", "1", "2"]);
    assert_eq!(payloads(&api, "?from=3&partition=0").await, ["6", "8"]);
    assert_eq!(payloads(&api, "?from=1970-01-01T00:00:08Z").await, ["7", "8", "/w=="]);
    assert!(payloads(&api, "?from=latest").await.is_empty());
    assert!(payloads(&api, "?from=99").await.is_empty());
    // What was trimmed is not asked for again.
    api.log.trim(TOPIC, 0, 3).await.unwrap();
    assert_eq!(payloads(&api, "?from=earliest&partition=0").await, ["6", "8"]);
}

#[tokio::test]
async fn bad_places_are_named() {
    let api = with_events().await;
    for (query, name) in
        [("?limit=0", "limit"), ("?limit=1001", "limit"), ("?partition=2", "partition"), ("?from=x", "from")]
    {
        assert_eq!(api.get(&format!("{PATH}{query}")).await.invalid(), [name], "{query}");
    }
    api.get("/projects/p/event-types/nothing/events").await.refused(404, "entity_not_found");
    let untouched: Value = api.get("/projects/p/event-types/livesegment-dataoutp/events").await.ok();
    assert_eq!(untouched["events"], json!([]));
}
