//! What a client sees that speaks the protocol itself.

use std::sync::Arc;
use std::time::Duration;

use fluvio_controlplane_metadata::partition::PartitionSpec;
use fluvio_controlplane_metadata::topic::{CompressionAlgorithm, TopicResolution};
use fluvio_protocol::api::Request;
use fluvio_protocol::record::{BATCH_FILE_HEADER_SIZE, MemoryRecords};
use fluvio_sc_schema::objects::{
    CommonCreateRequest, CreateRequest, DeleteRequest, ListRequest, ListResponse, Metadata,
    ObjectApiCreateRequest, ObjectApiDeleteRequest, ObjectApiListRequest, ObjectApiWatchRequest,
    WatchRequest, WatchResponse,
};
use fluvio_sc_schema::{AdminSpec, Status, TryEncodableFrom};
use fluvio_socket::{
    AsyncResponse, ClientConfig, MultiplexerSocket, SerialFrame, SocketError, VersionedSerialSocket,
};
use fluvio_spu_schema::fetch::{DefaultFetchRequest, FetchPartition, FetchableTopic};
use fluvio_spu_schema::produce::{DefaultPartitionRequest, DefaultProduceRequest, DefaultTopicRequest};
use fluvio_spu_schema::server::fetch_offset::{FetchOffsetPartitionResponse, FetchOffsetsRequest};
use fluvio_spu_schema::server::stream_fetch::{DefaultStreamFetchRequest, DefaultStreamFetchResponse};
use fluvio_spu_schema::server::update_offset::{OffsetUpdate, UpdateOffsetsRequest};
use futures::StreamExt;
use tokio::time::timeout;

use super::*;

const TOPIC: &str = "things";

/// Long enough for whatever does happen.
async fn soon<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(10), future).await.expect("it hangs")
}

/// Whether nothing happens for a while.
async fn is_quiet<F: Future>(future: F) -> bool {
    timeout(Duration::from_millis(100), future).await.is_err()
}

async fn connect(address: String) -> Result<VersionedSerialSocket, SocketError> {
    let (socket, config, versions) = soon(ClientConfig::with_addr(address).connect()).await?.split();
    Ok(VersionedSerialSocket::new(MultiplexerSocket::shared(socket), config, versions))
}

/// A cluster, its SC and its SPU.
struct Talk {
    stand_in: StandIn,
    controller: VersionedSerialSocket,
    broker: VersionedSerialSocket,
}

impl Talk {
    async fn start() -> Self {
        Self::with(StandIn::start().await.expect("it starts")).await
    }

    /// With a topic of that many partitions.
    async fn start_with(partitions: u32) -> Self {
        let talk = Self::start().await;
        let made = talk.create(TOPIC, TopicSpec::new_computed(partitions, 1, None)).await;
        assert_eq!(made.error_code, ErrorCode::None);
        talk
    }

    async fn with(stand_in: StandIn) -> Self {
        let controller = connect(stand_in.address()).await.expect("the SC is there");
        let port = stand_in.shared.cluster().port();
        let broker = connect(format!("127.0.0.1:{port}")).await.expect("the SPU is there");
        Self { stand_in, controller, broker }
    }

    /// Waits until the client knows that its connections are closed. To ask something on them shows less: what the client writes
    /// in the very moment of the end is answered with an error after a minute only.
    async fn is_gone(&self) {
        let known = async {
            while !self.controller.is_stale() || !self.broker.is_stale() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        soon(known).await;
    }

    async fn admin<R: Request + TryEncodableFrom<I> + Send + Sync, I>(&self, request: I) -> R::Response {
        let version = self.controller.lookup_version::<R>().expect("the SC knows the request");
        let request = R::try_encode_from(request, version).expect("the request can be written");
        soon(self.controller.send_receive(request)).await.expect("the SC answers")
    }

    async fn create(&self, name: &str, spec: TopicSpec) -> Status {
        let common = CommonCreateRequest { name: name.to_owned(), ..Default::default() };
        self.admin::<ObjectApiCreateRequest, _>(CreateRequest::new(common, spec)).await
    }

    async fn delete(&self, name: &str) -> Status {
        let request: DeleteRequest<TopicSpec> = DeleteRequest::new(name.to_owned());
        self.admin::<ObjectApiDeleteRequest, _>(request).await
    }

    async fn list<S: directory::Listed>(&self) -> Vec<Metadata<S>> {
        let request: ListRequest<S> = ListRequest::new(Vec::new(), false);
        let response = self.admin::<ObjectApiListRequest, _>(request).await;
        let listed: Option<ListResponse<S>> = response.downcast().expect("it can be read");
        listed.expect("the right kind").inner()
    }

    async fn watch<S: AdminSpec>(&self) -> AsyncResponse<ObjectApiWatchRequest> {
        let version = self.controller.lookup_version::<ObjectApiWatchRequest>();
        let request: WatchRequest<S> = WatchRequest::default();
        let request = ObjectApiWatchRequest::try_encode_from(request, version.expect("the SC knows watches"));
        let request = self.controller.new_request(request.expect("it can be written"), version);
        soon(self.controller.new_socket().create_stream(request, 10)).await.expect("a watch")
    }

    /// Sends batches to partitions and tells offset and code of each.
    async fn produce(
        &self,
        batches: Vec<(u32, Vec<Batch<RawRecords>>)>,
    ) -> Result<Vec<(i64, ErrorCode)>, SocketError> {
        let partitions = batches.into_iter().map(|(partition_index, batches)| {
            let mut partition = DefaultPartitionRequest { partition_index, ..Default::default() };
            partition.records.batches = batches;
            partition
        });
        let topic = DefaultTopicRequest {
            name: TOPIC.to_owned(),
            partitions: partitions.collect(),
            ..Default::default()
        };
        let request = DefaultProduceRequest {
            timeout: Duration::from_secs(1),
            topics: vec![topic],
            ..Default::default()
        };
        let response = soon(self.broker.send_receive(request)).await?;
        let partitions = response.responses.into_iter().flat_map(|topic| topic.partitions);
        Ok(partitions.map(|partition| (partition.base_offset, partition.error_code)).collect())
    }

    async fn produce_one(&self, value: &str) -> Result<ErrorCode, SocketError> {
        let mut answers = self.produce(vec![(0, vec![batch(&[value])])]).await?;
        Ok(answers.remove(0).1)
    }

    async fn offsets(&self, partition: u32) -> FetchOffsetPartitionResponse {
        let request = FetchOffsetsRequest::new(TOPIC.to_owned(), partition);
        let response = soon(self.broker.send_receive(request)).await.expect("the SPU answers");
        response.find_partition(&(TOPIC.to_owned(), partition).into()).expect("the partition is there")
    }

    async fn stream(
        &self,
        partition: u32,
        offset: i64,
        max_bytes: i32,
    ) -> AsyncResponse<DefaultStreamFetchRequest> {
        let mut request = DefaultStreamFetchRequest::default();
        request.topic = TOPIC.to_owned();
        request.partition = partition;
        request.fetch_offset = offset;
        request.max_bytes = max_bytes;
        let version = self.broker.lookup_version::<DefaultStreamFetchRequest>();
        let request = self.broker.new_request(request, version);
        soon(self.broker.new_socket().create_stream(request, 10)).await.expect("a stream")
    }

    async fn acknowledge(&self, session_id: u32, offset: i64) -> ErrorCode {
        let request = UpdateOffsetsRequest::new(vec![OffsetUpdate { offset, session_id }]);
        let mut response = soon(self.broker.send_receive(request)).await.expect("the SPU answers");
        response.status.remove(0).error
    }
}

fn batch(values: &[&str]) -> Batch<RawRecords> {
    let records: MemoryRecords = values.iter().map(|value| Record::new(*value)).collect();
    Batch::from(records).try_into().expect("no compression")
}

async fn next(stream: &mut AsyncResponse<DefaultStreamFetchRequest>) -> DefaultStreamFetchResponse {
    soon(StreamExt::next(stream)).await.expect("the stream goes on").expect("a good answer")
}

/// First offset and number of whole records of each batch.
fn shape(response: &DefaultStreamFetchResponse) -> Vec<(i64, usize)> {
    let batches = &response.partition.records.batches;
    let shape =
        batches.iter().map(|batch| (batch.base_offset, batch.memory_records().map_or(0, |r| r.len())));
    shape.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_brings_batches_for_several_partitions() {
    let talk = Talk::start_with(2).await;
    let request = vec![
        (1, vec![batch(&["a", "b"]), batch(&["c"])]),
        (0, vec![batch(&["d"])]),
        (1, vec![batch(&["e"])]),
        (2, vec![batch(&["f"])]),
        (0, vec![]),
    ];
    let answers = talk.produce(request).await.expect("it is answered");
    let none = ErrorCode::None;
    let expected = [
        (0, none.clone()),
        (0, none.clone()),
        (3, none.clone()),
        (0, ErrorCode::NotLeaderForPartition),
        (0, none),
    ];
    assert_eq!(answers, expected);
    assert_eq!(talk.stand_in.values(TOPIC, 1), [b"a", b"b", b"c", b"e"]);
    assert_eq!(talk.stand_in.values(TOPIC, 0), [b"d"]);
    assert_eq!((talk.stand_in.end(TOPIC, 1), talk.stand_in.end(TOPIC, 2)), (Some(4), None));
    assert_eq!(talk.stand_in.produce_requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_says_how_its_batches_are_packed() {
    let talk = Talk::start().await;
    let mut spec = TopicSpec::new_computed(1, 1, None);
    spec.set_compression_type(CompressionAlgorithm::Lz4);
    assert_eq!(talk.create(TOPIC, spec.clone()).await.error_code, ErrorCode::None);
    assert_eq!(talk.produce_one("a").await.expect("it is answered"), ErrorCode::CompressionError);
    assert_eq!(talk.stand_in.topic(TOPIC), Some(spec));
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_come_in_the_order_in_which_they_were_planned() {
    let talk = Talk::start_with(1).await;
    talk.stand_in.refuse_produce(1, ErrorCode::StorageError);
    talk.stand_in.store_and_refuse(1, ErrorCode::SpuError);
    talk.stand_in.store_and_hang_up(1);
    assert_eq!(talk.produce_one("a").await.expect("it is answered"), ErrorCode::StorageError);
    assert_eq!(talk.produce_one("b").await.expect("it is answered"), ErrorCode::SpuError);
    talk.stand_in.swallow_produce(true);
    assert!(is_quiet(talk.produce_one("c")).await);
    talk.stand_in.swallow_produce(false);
    talk.produce_one("d").await.expect_err("nobody answers");
    assert!(talk.broker.is_stale());
    assert_eq!(talk.stand_in.values(TOPIC, 0), [b"b", b"d"]);
    assert_eq!(talk.stand_in.produce_requests(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_tell_where_a_log_begins_and_ends() {
    let talk = Talk::start_with(1).await;
    for value in ["a", "b", "c"] {
        talk.stand_in.append_foreign(TOPIC, 0, Some(b"key"), value.as_bytes());
    }
    talk.stand_in.evict(TOPIC, 0, 1);
    let offsets = talk.offsets(0).await;
    assert_eq!((offsets.start_offset, offsets.last_stable_offset), (1, 3));
    assert_eq!(talk.offsets(1).await.error_code, ErrorCode::PartitionNotLeader);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_waits_until_the_client_has_acknowledged() {
    let talk = Talk::start_with(1).await;
    let mut stream = talk.stream(0, 0, 1 << 20).await;
    assert!(is_quiet(StreamExt::next(&mut stream)).await);
    talk.produce(vec![(0, vec![batch(&["a", "b"])])]).await.expect("it is answered");
    let first = next(&mut stream).await;
    assert_eq!(shape(&first), [(0, 2)]);
    assert_eq!((first.partition.high_watermark, first.partition.log_start_offset), (2, 0));
    talk.produce_one("c").await.expect("it is answered");
    assert!(is_quiet(StreamExt::next(&mut stream)).await);
    assert_eq!(talk.acknowledge(first.stream_id, 1).await, ErrorCode::None);
    let second = next(&mut stream).await;
    assert_eq!(shape(&second), [(0, 2), (2, 1)], "it begins with the batch that holds the offset");
    assert_eq!(talk.acknowledge(first.stream_id, 3).await, ErrorCode::None);
    assert!(is_quiet(StreamExt::next(&mut stream)).await);
    talk.produce_one("d").await.expect("it is answered");
    assert_eq!(shape(&next(&mut stream).await), [(3, 1)]);
    assert_eq!(talk.acknowledge(99, 4).await, ErrorCode::FetchSessionNotFoud);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_cut_where_the_limit_is() {
    let talk = Talk::start_with(1).await;
    let (large, small) = (batch(&["a", "b", "c", "d"]), batch(&["e"]));
    let size = fluvio_protocol::Encoder::write_size(&large, 0);
    let limit = |bytes: usize| i32::try_from(bytes).expect("it is small");
    talk.produce(vec![(0, vec![large, small])]).await.expect("it is answered");

    let mut whole = talk.stream(0, 0, 1).await;
    assert_eq!(shape(&next(&mut whole).await), [(0, 4)]);

    talk.stand_in.cut_batches(true);
    let mut in_a_record = talk.stream(0, 0, limit(size - 1)).await;
    let cut = next(&mut in_a_record).await;
    assert_eq!(shape(&cut), [(0, 3)]);
    assert_eq!(cut.partition.records.batches[0].records_len(), 4, "the header counts what is not there");
    let mut in_the_next_header = talk.stream(0, 0, limit(size + BATCH_FILE_HEADER_SIZE - 1)).await;
    assert_eq!(shape(&next(&mut in_the_next_header).await), [(0, 4)]);
    let mut in_the_first_header = talk.stream(0, 0, 10).await;
    assert_eq!(shape(&next(&mut in_the_first_header).await), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_says_why_it_ends() {
    let talk = Talk::start_with(1).await;
    for value in ["a", "b", "c"] {
        talk.stand_in.append_foreign(TOPIC, 0, None, value.as_bytes());
    }
    talk.stand_in.evict(TOPIC, 0, 2);
    let mut evicted = talk.stream(0, 1, 1 << 20).await;
    let expected = ErrorCode::OffsetEvicted { offset: 1, next_available: 2 };
    assert_eq!(next(&mut evicted).await.partition.error_code, expected);

    let mut beyond = talk.stream(0, 4, 1 << 20).await;
    let expected = ErrorCode::Other("start offset: 4 is greater than leo: 3".to_owned());
    assert_eq!(next(&mut beyond).await.partition.error_code, expected);

    let mut nowhere = talk.stream(1, 0, 1 << 20).await;
    let response = next(&mut nowhere).await;
    assert_eq!((response.stream_id, response.partition.error_code), (0, ErrorCode::NotLeaderForPartition));

    let mut deleted = talk.stream(0, 3, 1 << 20).await;
    assert!(is_quiet(StreamExt::next(&mut deleted)).await);
    assert_eq!(talk.delete(TOPIC).await.error_code, ErrorCode::None);
    assert_eq!(next(&mut deleted).await.partition.error_code, ErrorCode::TopicDeleted);
    assert!(!talk.broker.is_stale(), "the connection stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_fetch_answers_at_once() {
    let talk = Talk::start_with(1).await;
    talk.produce(vec![(0, vec![batch(&["a", "b"])])]).await.expect("it is answered");
    for (offset, count) in [(0, 1), (1, 1), (2, 0)] {
        let partition = FetchPartition { fetch_offset: offset, ..Default::default() };
        let topic = FetchableTopic { name: TOPIC.to_owned(), fetch_partitions: vec![partition] };
        let request = DefaultFetchRequest {
            max_wait: 5_000,
            min_bytes: 1,
            max_bytes: 1 << 20,
            topics: vec![topic],
            ..Default::default()
        };
        let response = soon(talk.broker.send_receive(request)).await.expect("the SPU answers");
        let partition = response.find_partition(TOPIC, 0).expect("the partition is there");
        assert_eq!((partition.high_watermark, partition.error_code), (2, ErrorCode::None));
        assert_eq!(partition.records.batches.len(), count);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_checked() {
    let talk = Talk::start_with(1).await;
    let spec = || TopicSpec::new_computed(1, 1, None);
    for name in ["Things", "some things", "-things", "things-", "th_ings", "thïngs", &"t".repeat(64)] {
        assert_eq!(talk.create(name, spec()).await.error_code, ErrorCode::TopicInvalidName, "{name}");
    }
    assert_eq!(talk.create(TOPIC, spec()).await.error_code, ErrorCode::TopicAlreadyExists);
    let no_partition = TopicSpec::new_computed(0, 1, None);
    assert_eq!(talk.create("other", no_partition).await.error_code, ErrorCode::TopicError);
    assert_eq!(talk.delete("other").await.error_code, ErrorCode::TopicNotFound);
    assert!(matches!(
        talk.delete("consumer-offset").await.error_code,
        ErrorCode::SystemSpecDeletionAttempt { .. }
    ));
    assert_eq!(talk.stand_in.topics(), [TOPIC]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_with_more_replicas_than_spus_waits_for_its_partitions() {
    let talk = Talk::with(StandIn::start_with_spus(2).await.expect("it starts")).await;
    let made = talk.create("two", TopicSpec::new_computed(1, 2, None)).await;
    assert_eq!(made.error_code, ErrorCode::None);
    assert!(is_quiet(talk.create("three", TopicSpec::new_computed(1, 3, None))).await);
    // A connection is served in order: who waits for a topic on this one gets nothing else from it.
    assert!(is_quiet(talk.list::<TopicSpec>()).await);

    let talk = Talk::with(talk.stand_in).await;
    let topics = talk.list::<TopicSpec>().await;
    let states: Vec<_> = topics.into_iter().map(|topic| (topic.name, topic.status.resolution)).collect();
    let waits = TopicResolution::InsufficientResources;
    assert_eq!(states, [("three".to_owned(), waits), ("two".to_owned(), TopicResolution::Provisioned)]);
    let partitions = talk.list::<PartitionSpec>().await;
    let spread: Vec<_> = partitions.into_iter().map(|found| (found.name, found.spec.replicas)).collect();
    assert_eq!(spread, [("two-0".to_owned(), vec![5001, 5002])]);
    let again = talk.create("three", TopicSpec::new_computed(1, 1, None)).await;
    assert_eq!(again.error_code, ErrorCode::TopicAlreadyExists);
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_tell_what_changes() {
    async fn names(watch: &mut AsyncResponse<ObjectApiWatchRequest>) -> (Vec<String>, Vec<String>) {
        let response = soon(StreamExt::next(watch)).await.expect("the watch goes on").expect("a good answer");
        let response: Option<WatchResponse<TopicSpec>> = response.downcast().expect("it can be read");
        let update = response.expect("the right kind").inner();
        let changed =
            update.changes.into_iter().map(|change| format!("{:?} {}", change.header, change.content.name));
        (update.all.into_iter().map(|topic| topic.name).collect(), changed.collect())
    }
    let talk = Talk::start().await;
    let mut watch = talk.watch::<TopicSpec>().await;
    assert_eq!(names(&mut watch).await, (vec!["consumer-offset".to_owned()], vec![]));
    talk.create(TOPIC, TopicSpec::new_computed(1, 1, None)).await;
    assert_eq!(names(&mut watch).await, (vec![], vec![format!("UPDATE {TOPIC}")]));
    talk.delete(TOPIC).await;
    assert_eq!(names(&mut watch).await, (vec![], vec![format!("DELETE {TOPIC}")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_closed_and_refused() {
    let talk = Talk::start_with(1).await;
    talk.stand_in.close_sockets();
    talk.is_gone().await;

    let talk = Talk::with(talk.stand_in).await;
    assert_eq!(talk.produce_one("b").await.expect("it is answered"), ErrorCode::None);
    talk.stand_in.pause();
    talk.is_gone().await;
    assert!(connect(talk.stand_in.address()).await.is_err());

    talk.stand_in.resume();
    let talk = Talk::with(talk.stand_in).await;
    assert_eq!(talk.produce_one("c").await.expect("it is answered"), ErrorCode::None);
    assert_eq!(talk.stand_in.values(TOPIC, 0), [b"b", b"c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_tasks_end_with_the_cluster() {
    let Talk { stand_in, controller, broker } = Talk::start_with(1).await;
    let shared = Arc::downgrade(&stand_in.shared);
    let address = controller.config().addr().to_owned();
    drop(stand_in);
    let ended = async {
        while shared.strong_count() > 0 || !controller.is_stale() || !broker.is_stale() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(ended).await;
    assert!(connect(address).await.is_err());
}
