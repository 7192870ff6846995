//! The SPU.

use std::sync::Arc;

use anyhow::{Result, bail};
use fluvio_controlplane_metadata::topic::CompressionAlgorithm;
use fluvio_protocol::api::Request;
use fluvio_protocol::link::ErrorCode;
use fluvio_protocol::link::versions::{ApiVersionKey, ApiVersionsResponse};
use fluvio_protocol::record::{Batch, RawRecords};
use fluvio_socket::FluvioSocket;
use fluvio_spu_schema::fetch::{
    DefaultFetchRequest, FetchResponse, FetchablePartitionResponse, FetchableTopicResponse, FileFetchRequest,
};
use fluvio_spu_schema::produce::{
    DefaultPartitionRequest, DefaultProduceRequest, PartitionProduceResponse, ProduceResponse,
    TopicProduceResponse,
};
use fluvio_spu_schema::server::fetch_offset::{
    FetchOffsetPartitionResponse, FetchOffsetTopicResponse, FetchOffsetsRequest, FetchOffsetsResponse,
};
use fluvio_spu_schema::server::stream_fetch::DefaultStreamFetchRequest;
use fluvio_spu_schema::server::update_offset::UpdateOffsetsRequest;
use fluvio_spu_schema::server::{SpuServerApiKey, SpuServerRequest};
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use super::cluster::Cluster;
use super::faults::ProduceFault;
use super::log::Slice;
use super::raw::RawRecordSet;
use super::session::Sessions;
use super::{Shared, answer};

/// Answers what comes over one connection, one request after another. Streams go on beside.
pub(super) async fn converse(
    shared: Arc<Shared>,
    socket: FluvioSocket,
    over: CancellationToken,
) -> Result<()> {
    let (sink, mut stream) = socket.split();
    let mut sink = sink.as_shared();
    let mut sessions = Sessions::default();
    let mut requests = stream.api_stream::<SpuServerRequest, SpuServerApiKey>();
    while let Some(request) = requests.next().await {
        if over.is_cancelled() {
            break;
        }
        match request? {
            SpuServerRequest::ApiVersionsRequest(message) => {
                let version = message.header.api_version();
                sink.send_response(&message.new_response(versions()), version).await?;
            }
            SpuServerRequest::ProduceRequest(message) => {
                let (header, request) = message.get_header_request();
                let answered = produce(&mut shared.cluster(), request);
                match answered {
                    Answer::Say(response) => answer(&mut sink, &header, response).await?,
                    Answer::SayNothing => {}
                    Answer::HangUp => return Ok(()),
                }
            }
            SpuServerRequest::FileFetchRequest(message) => {
                let (header, request) = message.get_header_request();
                let response = fetch(&shared.cluster(), &request);
                answer(&mut sink, &header, response).await?;
            }
            SpuServerRequest::FetchOffsetsRequest(message) => {
                let (header, request) = message.get_header_request();
                let response = offsets(&shared.cluster(), &request);
                answer(&mut sink, &header, response).await?;
            }
            SpuServerRequest::FileStreamFetchRequest(message) => {
                let (header, request) = message.get_header_request();
                sessions.begin(&shared, header, request, sink.clone()).await?;
            }
            SpuServerRequest::UpdateOffsetsRequest(message) => {
                let (header, request) = message.get_header_request();
                let response = sessions.acknowledge(&request);
                answer(&mut sink, &header, response).await?;
            }
            other => bail!("the stand-in does not know this request: {other}"),
        }
    }
    Ok(())
}

fn versions() -> ApiVersionsResponse {
    fn of<R: Request>(key: SpuServerApiKey, min_version: i16) -> ApiVersionKey {
        ApiVersionKey { api_key: key as i16, min_version, max_version: R::MAX_API_VERSION }
    }
    // An SPU says nothing here about the requests for the offsets of consumers.
    ApiVersionsResponse {
        api_keys: vec![
            of::<DefaultProduceRequest>(SpuServerApiKey::Produce, DefaultProduceRequest::MIN_API_VERSION),
            of::<DefaultFetchRequest>(SpuServerApiKey::Fetch, DefaultFetchRequest::MIN_API_VERSION),
            of::<FetchOffsetsRequest>(
                SpuServerApiKey::FetchOffsets,
                FetchOffsetsRequest::DEFAULT_API_VERSION,
            ),
            of::<DefaultStreamFetchRequest>(SpuServerApiKey::StreamFetch, 0),
            of::<UpdateOffsetsRequest>(SpuServerApiKey::UpdateOffsets, 0),
        ],
        ..Default::default()
    }
}

/// What follows a produce request.
enum Answer {
    Say(ProduceResponse),
    SayNothing,
    HangUp,
}

/// Stores what a produce request brings. What is stored is committed at once, so no isolation has to wait.
fn produce(cluster: &mut Cluster, request: DefaultProduceRequest) -> Answer {
    let fault = cluster.faults.next_produce();
    let (stores, refusal) = match &fault {
        Some(ProduceFault::Swallow) => return Answer::SayNothing,
        Some(ProduceFault::Refuse(code)) => (false, Some(code)),
        Some(ProduceFault::StoreAndRefuse(code)) => (true, Some(code)),
        Some(ProduceFault::StoreAndHangUp) | None => (true, None),
    };
    let mut response = ProduceResponse::default();
    for topic in request.topics {
        let mut answered = TopicProduceResponse { name: topic.name, ..Default::default() };
        // One partition may come several times: the official client sends each batch as a partition of its own.
        for partition in topic.partitions {
            let partition_index = partition.partition_index;
            let stored = if stores { store(cluster, &answered.name, partition) } else { Ok(0) };
            let (base_offset, error_code) = match (refusal, stored) {
                (Some(code), _) => (0, code.clone()),
                (None, Ok(base_offset)) => (base_offset, ErrorCode::None),
                (None, Err(code)) => (0, code),
            };
            answered.partitions.push(PartitionProduceResponse {
                partition_index,
                error_code,
                base_offset,
                ..Default::default()
            });
        }
        response.responses.push(answered);
    }
    if matches!(fault, Some(ProduceFault::StoreAndHangUp)) { Answer::HangUp } else { Answer::Say(response) }
}

fn store(cluster: &mut Cluster, topic: &str, request: DefaultPartitionRequest) -> Result<i64, ErrorCode> {
    let packing = cluster.topic(topic).map(|topic| topic.spec.get_compression_type().clone());
    let log = cluster.log_mut(topic, request.partition_index);
    let (Some(log), Some(packing)) = (log, packing) else {
        return Err(ErrorCode::NotLeaderForPartition);
    };
    let records = request.records;
    if records.total_records() == 0 {
        // As if everything had been filtered out: no error, and an offset that means nothing.
        return Ok(0);
    }
    if !records.batches.iter().all(|batch| is_packed_as(batch, &packing)) {
        return Err(ErrorCode::CompressionError);
    }
    log.append(records.batches)
}

/// Whether a batch is packed as the topic wants it.
fn is_packed_as(batch: &Batch<RawRecords>, wanted: &CompressionAlgorithm) -> bool {
    let packing = batch.get_header().attributes & 0x07;
    match wanted {
        CompressionAlgorithm::Any => packing <= 4,
        CompressionAlgorithm::None => packing == 0,
        CompressionAlgorithm::Gzip => packing == 1,
        CompressionAlgorithm::Snappy => packing == 2,
        CompressionAlgorithm::Lz4 => packing == 3,
        CompressionAlgorithm::Zstd => packing == 4,
    }
}

/// Reads what a fetch may get. A limit below zero is none, as an SPU takes it.
pub(super) fn read(
    cluster: &Cluster,
    topic: &str,
    partition: u32,
    offset: i64,
    max_bytes: i32,
) -> Result<Slice, ErrorCode> {
    let log = cluster.log(topic, partition).ok_or(ErrorCode::NotLeaderForPartition)?;
    log.read(offset, usize::try_from(max_bytes).unwrap_or(usize::MAX), cluster.faults.cut_batches)
}

/// A part of an answer to a fetch.
pub(super) fn fetched(
    partition_index: u32,
    read: Result<Slice, ErrorCode>,
) -> FetchablePartitionResponse<RawRecordSet> {
    match read {
        Ok(slice) => FetchablePartitionResponse {
            partition_index,
            high_watermark: slice.end,
            log_start_offset: slice.start,
            records: RawRecordSet(slice.bytes),
            ..Default::default()
        },
        Err(error_code) => FetchablePartitionResponse { partition_index, error_code, ..Default::default() },
    }
}

/// Answers a single fetch with what there is. It waits for nothing, whatever the request says.
fn fetch(cluster: &Cluster, request: &FileFetchRequest) -> FetchResponse<RawRecordSet> {
    let mut response = FetchResponse::default();
    for topic in &request.topics {
        let mut answered = FetchableTopicResponse { name: topic.name.clone(), ..Default::default() };
        for partition in &topic.fetch_partitions {
            let (index, offset) = (partition.partition_index, partition.fetch_offset);
            let found = read(cluster, &topic.name, index, offset, request.max_bytes);
            answered.partitions.push(fetched(index, found));
        }
        response.topics.push(answered);
    }
    response
}

fn offsets(cluster: &Cluster, request: &FetchOffsetsRequest) -> FetchOffsetsResponse {
    let mut response = FetchOffsetsResponse::default();
    for topic in &request.topics {
        let mut answered = FetchOffsetTopicResponse { name: topic.name.clone(), ..Default::default() };
        for partition in &topic.partitions {
            let partition_index = partition.partition_index;
            answered.partitions.push(match cluster.log(&topic.name, partition_index) {
                Some(log) => FetchOffsetPartitionResponse {
                    error_code: ErrorCode::None,
                    partition_index,
                    start_offset: log.start(),
                    last_stable_offset: log.end(),
                },
                // Not the code that produce and fetch have for the same.
                None => FetchOffsetPartitionResponse {
                    error_code: ErrorCode::PartitionNotLeader,
                    partition_index,
                    ..Default::default()
                },
            });
        }
        response.topics.push(answered);
    }
    response
}
