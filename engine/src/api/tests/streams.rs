//! What the log holds.

use granary_catalog::Role;
use granary_db::cursors;
use granary_stream::{Append, Incarnation, Message, System, TopicSpec};
use serde_json::{Value, json};

use super::support::Api;

async fn with_streams() -> Api {
    let api = Api::with_project().await;
    api.log.create_topic("in", TopicSpec::of(1)).await.unwrap();
    api.log.create_topic("out", TopicSpec { retention_ms: Some(5_000), ..TopicSpec::of(2) }).await.unwrap();
    let of_stage = || {
        let stage = Some(Incarnation { stage: "belt:7".to_owned(), version: 3, epoch: 9 });
        let system = System { stage, ..System::default() };
        Message { key: Some("k".into()), time_ms: 1_000, system, ..Message::of("1") }
    };
    let append = |topic: &str, messages| Append { topic: topic.to_owned(), partition: 0, messages };
    api.log.append(vec![append("in", vec![Message::of("0")])]).await.unwrap();
    api.log.append(vec![append("out", vec![of_stage(), of_stage(), of_stage()])]).await.unwrap();
    api.book.commit("out", &[(0, 1, 2)]);
    api
}

#[tokio::test]
async fn streams_are_listed_with_the_log() {
    let api = with_streams().await;
    let answer = api.get("/streams").await.ok();
    assert_eq!(
        answer["streams"],
        json!([
            {"name": "in", "partitions": 1, "retentionMs": null, "records": 1},
            {"name": "out", "partitions": 2, "retentionMs": 5_000, "records": 3},
        ])
    );
    assert_eq!(answer["log"]["id"], json!(api.log.id()));
    assert_eq!((&answer["log"]["damagedPlaces"], &answer["log"]["lostRecords"]), (&json!(0), &json!(0)));
    let viewer = api.token("p", Role::DataOwner).await;
    let other = api.send(axum::http::Method::GET, "/streams", Some(&viewer), axum::body::Body::empty()).await;
    other.refused(403, "entity_not_accessible");
}

#[tokio::test]
async fn a_stream_is_described_with_its_readers() {
    let api = with_streams().await;
    let wanted = [("out".to_owned(), 0, 1), ("out".to_owned(), 1, 0)];
    cursors::acquire(api.database.db(), "persister:x", api.log.id(), &wanted).await.unwrap();
    let answer = api.get("/streams/out").await.ok();
    let partition = |partition, end| json!({"partition": partition, "start": 0, "end": end});
    assert_eq!(answer["partitions"], json!([partition(0, 3), partition(1, 0)]));
    assert_eq!(answer["readers"][0]["stage"], "persister:x");
    assert_eq!(answer["readers"][0]["lag"], 2);
    assert_eq!(answer["readers"][0]["partitions"][0], json!({"partition": 0, "next": 1, "lag": 2}));
    let missing = api.get("/streams/oud").await;
    missing.refused(404, "entity_not_found");
}

#[tokio::test]
async fn records_tell_whether_they_count_and_where_they_come_from() {
    let api = with_streams().await;
    let answer = api.get("/streams/out/records").await.ok();
    let committed: Vec<&Value> =
        answer["records"].as_array().unwrap().iter().map(|r| &r["committed"]).collect();
    assert_eq!(committed, [&json!(false), &json!(true), &json!(false)]);
    let record = &answer["records"][0];
    assert_eq!(record["stage"], json!({"name": "belt:7", "version": 3, "epoch": 9}));
    assert_eq!((&record["key"], &record["keyEncoding"]), (&json!("k"), &json!("text")));
    let collected = api.get("/streams/in/records?from=earliest").await.ok();
    assert_eq!(collected["records"][0]["committed"], true, "no stage wrote it");
    assert_eq!(api.get("/streams/out/records?partition=2").await.invalid(), ["partition"]);
    api.get("/streams/nothing/records").await.refused(404, "entity_not_found");
}
