//! What the official client does when it is used as its documentation shows.
//!
//! These tests do not test this crate. They show why it does not use the client that way, and that the stand-in behaves
//! as badly as a cluster.

use std::time::Duration;

use fluvio::consumer::ConsumerConfigExtBuilder;
use fluvio::metadata::topic::TopicSpec;
use fluvio::{DeliverySemantic, Fluvio, FluvioClusterConfig, Offset, RecordKey, TopicProducerConfigBuilder};
use fluvio_protocol::link::ErrorCode;
use futures::StreamExt;
use granary_fluvio::stand_in::StandIn;

const TOPIC: &str = "things";

/// Nothing here takes longer unless it hangs.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("it hangs")
}

async fn connect(stand_in: &StandIn) -> Fluvio {
    let config = FluvioClusterConfig::new(stand_in.address());
    soon(Fluvio::connect_with_config(&config)).await.expect("it connects")
}

/// A cluster that has the topic, and a client of it.
async fn cluster() -> (StandIn, Fluvio) {
    let stand_in = StandIn::start().await.expect("it starts");
    let fluvio = connect(&stand_in).await;
    let admin = soon(fluvio.admin()).await;
    let spec = TopicSpec::new_computed(1, 1, None);
    soon(admin.create(TOPIC.to_owned(), false, spec)).await.expect("the topic is made");
    (stand_in, fluvio)
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_cut_batches_are_lost_by_the_record_stream() {
    const RECORDS: usize = 2000;
    let (stand_in, fluvio) = cluster().await;
    stand_in.cut_batches(true);
    let config = TopicProducerConfigBuilder::default()
        .batch_size(64 * 1024)
        .linger(Duration::from_millis(50))
        .build()
        .expect("a good configuration");
    let producer = soon(fluvio.topic_producer_with_config(TOPIC, config)).await.expect("a producer");
    let mut sent = Vec::new();
    for number in 0..RECORDS {
        sent.push(soon(producer.send(RecordKey::NULL, format!("{number:0500}"))).await.expect("it is taken"));
    }
    soon(producer.flush()).await.expect("it is flushed");
    for output in sent {
        soon(output.wait()).await.expect("it is acknowledged");
    }
    assert_eq!(stand_in.values(TOPIC, 0).len(), RECORDS);

    let config = ConsumerConfigExtBuilder::default()
        .topic(TOPIC)
        .offset_start(Offset::beginning())
        .max_bytes(100_000)
        .disable_continuous(true)
        .build()
        .expect("a good configuration");
    let mut stream = soon(fluvio.consumer_with_config(config)).await.expect("a consumer");
    let mut offsets = Vec::new();
    while let Some(record) = soon(stream.next()).await {
        offsets.push(record.expect("no error is told").offset);
    }
    assert!(offsets.len() < RECORDS, "all {RECORDS} records have come");
    assert!(offsets.windows(2).any(|pair| pair[1] > pair[0] + 1), "the offsets have no gap: {offsets:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn evicted_offsets_are_skipped_by_the_default_retry() {
    let (stand_in, fluvio) = cluster().await;
    for number in 0..10 {
        stand_in.append_foreign(TOPIC, 0, None, format!("{number}").as_bytes());
    }
    stand_in.evict(TOPIC, 0, 4);

    let config = ConsumerConfigExtBuilder::default()
        .topic(TOPIC)
        .offset_start(Offset::absolute(0).expect("a good offset"))
        .build()
        .expect("a good configuration");
    let mut stream = soon(fluvio.consumer_with_config(config)).await.expect("a consumer");
    let record = soon(stream.next()).await.expect("the stream goes on").expect("no error is told");
    assert_eq!((record.offset, record.value()), (4, b"4".as_slice()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_send_may_have_been_stored() {
    let (stand_in, fluvio) = cluster().await;
    let producer = soon(fluvio.topic_producer(TOPIC)).await.expect("a producer");

    stand_in.store_and_refuse(1, ErrorCode::StorageError);
    let output = soon(producer.send("key", "once")).await.expect("it is taken");
    soon(output.wait()).await.expect_err("the send fails");
    let output = soon(producer.send("key", "once")).await.expect("it is taken");
    soon(output.wait()).await.expect("the send succeeds");

    assert_eq!(stand_in.values(TOPIC, 0), [b"once", b"once"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_without_an_answer_may_have_been_stored() {
    let (stand_in, fluvio) = cluster().await;
    let producer = soon(fluvio.topic_producer(TOPIC)).await.expect("a producer");

    stand_in.store_and_hang_up(1);
    let output = soon(producer.send("key", "once")).await.expect("it is taken");
    // The producer tries again on the connection that is gone. It takes a minute to say that this fails.
    let told = tokio::time::timeout(Duration::from_millis(500), output.wait()).await;
    assert!(!matches!(told, Ok(Ok(_))), "the send succeeds: {told:?}");
    let another = connect(&stand_in).await;
    let producer = soon(another.topic_producer(TOPIC)).await.expect("a producer");
    let output = soon(producer.send("key", "once")).await.expect("it is taken");
    soon(output.wait()).await.expect("the send succeeds");

    assert_eq!(stand_in.values(TOPIC, 0), [b"once", b"once"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_send_succeeds_at_most_once() {
    let (stand_in, fluvio) = cluster().await;
    let config = TopicProducerConfigBuilder::default()
        .delivery_semantic(DeliverySemantic::AtMostOnce)
        .build()
        .expect("a good configuration");
    let producer = soon(fluvio.topic_producer_with_config(TOPIC, config)).await.expect("a producer");

    stand_in.refuse_produce(1, ErrorCode::StorageError);
    let output = soon(producer.send("key", "never")).await.expect("it is taken");
    soon(output.wait()).await.expect("no error is told");

    assert_eq!(stand_in.end(TOPIC, 0), Some(0));
}
