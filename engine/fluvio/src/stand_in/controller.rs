//! The SC.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use fluvio_controlplane_metadata::partition::PartitionSpec;
use fluvio_controlplane_metadata::spu::SpuSpec;
use fluvio_controlplane_metadata::store::KeyFilter;
use fluvio_controlplane_metadata::topic::TopicSpec;
use fluvio_protocol::api::{Request, RequestHeader};
use fluvio_protocol::link::ErrorCode;
use fluvio_protocol::link::versions::{ApiVersionKey, ApiVersionsResponse, PlatformVersion};
use fluvio_sc_schema::objects::{
    CreateRequest, DeleteRequest, ListRequest, ListResponse, Metadata, MetadataUpdate,
    ObjectApiCreateRequest, ObjectApiDeleteRequest, ObjectApiListRequest, ObjectApiListResponse,
    ObjectApiWatchRequest, ObjectApiWatchResponse, WatchRequest, WatchResponse,
};
use fluvio_sc_schema::{AdminPublicApiKey, AdminPublicDecodedRequest, Status, TryEncodableFrom};
use fluvio_socket::{ExclusiveFlvSink, FluvioSocket};
use futures::StreamExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::directory::{Listed, difference};
use super::{Shared, answer};

/// What an SC of this age says.
const PLATFORM: semver::Version = semver::Version::new(0, 18, 1);

/// How long an SC waits for the partitions of a new topic. The official client waits for 60 s.
const PROVISION_WAIT: Duration = Duration::from_secs(90);

/// Answers what comes over one connection, one request after another.
pub(super) async fn converse(
    shared: Arc<Shared>,
    socket: FluvioSocket,
    over: CancellationToken,
) -> Result<()> {
    let (sink, mut stream) = socket.split();
    let mut sink = sink.as_shared();
    // Dropped with the connection, which ends the watches.
    let mut watches = JoinSet::new();
    let mut requests = stream.api_stream::<AdminPublicDecodedRequest, AdminPublicApiKey>();
    while let Some(request) = requests.next().await {
        if over.is_cancelled() {
            break;
        }
        match request? {
            AdminPublicDecodedRequest::ApiVersionsRequest(message) => {
                let version = message.header.api_version();
                sink.send_response(&message.new_response(versions()), version).await?;
            }
            AdminPublicDecodedRequest::CreateRequest(message) => {
                let (header, request) = message.get_header_request();
                let status = create(&shared, &request).await?;
                answer(&mut sink, &header, status).await?;
            }
            AdminPublicDecodedRequest::DeleteRequest(message) => {
                let (header, request) = message.get_header_request();
                let status = delete(&shared, &request)?;
                answer(&mut sink, &header, status).await?;
            }
            AdminPublicDecodedRequest::ListRequest(message) => {
                let (header, request) = message.get_header_request();
                let listed = list(&shared, &request, header.api_version())?;
                answer(&mut sink, &header, listed).await?;
            }
            AdminPublicDecodedRequest::WatchRequest(message) => {
                let (header, request) = message.get_header_request();
                let shared = Arc::clone(&shared);
                let sink = sink.clone();
                if asks_to_watch::<TopicSpec>(&request)? {
                    watches.spawn(watch::<TopicSpec>(shared, header, sink));
                } else if asks_to_watch::<PartitionSpec>(&request)? {
                    watches.spawn(watch::<PartitionSpec>(shared, header, sink));
                } else if asks_to_watch::<SpuSpec>(&request)? {
                    watches.spawn(watch::<SpuSpec>(shared, header, sink));
                } else {
                    bail!("the stand-in has nothing of this kind to watch: {request:?}");
                }
            }
            other => bail!("the stand-in does not know this request: {other:?}"),
        }
    }
    Ok(())
}

fn versions() -> ApiVersionsResponse {
    fn of<R: Request>(key: AdminPublicApiKey) -> ApiVersionKey {
        let (min_version, max_version) = (R::MIN_API_VERSION, R::MAX_API_VERSION);
        ApiVersionKey { api_key: key as i16, min_version, max_version }
    }
    ApiVersionsResponse {
        error_code: ErrorCode::None,
        api_keys: vec![
            of::<ObjectApiCreateRequest>(AdminPublicApiKey::Create),
            of::<ObjectApiDeleteRequest>(AdminPublicApiKey::Delete),
            of::<ObjectApiListRequest>(AdminPublicApiKey::List),
            of::<ObjectApiWatchRequest>(AdminPublicApiKey::Watch),
        ],
        platform_version: PlatformVersion::from(PLATFORM),
    }
}

/// Makes a topic. Where its partitions cannot be made, the topic stays all the same, and the answer comes late.
async fn create(shared: &Shared, request: &ObjectApiCreateRequest) -> Result<Status> {
    let Some(request): Option<CreateRequest<TopicSpec>> = request.downcast()? else {
        bail!("the stand-in makes topics only: {request:?}");
    };
    let (common, spec) = request.parts();
    let (name, wanted) = (common.name, spec.partitions());
    let provisioned = {
        let mut cluster = shared.cluster();
        let status = cluster.check(&name, &spec);
        if status.is_error() || common.dry_run {
            return Ok(status);
        }
        cluster.provision(&name, spec)
    };
    if provisioned {
        return Ok(Status::new_ok(name));
    }
    tokio::time::sleep(PROVISION_WAIT).await;
    let reason = format!("only 0 out of {wanted} provisioned");
    Ok(Status::new(name, ErrorCode::TopicNotProvisioned, Some(reason)))
}

fn delete(shared: &Shared, request: &ObjectApiDeleteRequest) -> Result<Status> {
    let Some(request): Option<DeleteRequest<TopicSpec>> = request.downcast()? else {
        bail!("the stand-in deletes topics only: {request:?}");
    };
    let force = request.is_force();
    Ok(shared.cluster().delete(request.key(), force))
}

fn list(shared: &Shared, request: &ObjectApiListRequest, version: i16) -> Result<ObjectApiListResponse> {
    fn of<S: Listed>(shared: &Shared, request: &ListRequest<S>) -> ListResponse<S> {
        let wanted = |object: &Metadata<S>| {
            object.spec.is_system() == request.system && request.name_filters.filter(&object.name)
        };
        ListResponse::new(S::list(&shared.cluster()).into_iter().filter(wanted).collect())
    }
    if let Some(topics) = request.downcast()? {
        ObjectApiListResponse::try_encode_from(of::<TopicSpec>(shared, &topics), version)
    } else if let Some(partitions) = request.downcast()? {
        ObjectApiListResponse::try_encode_from(of::<PartitionSpec>(shared, &partitions), version)
    } else if let Some(spus) = request.downcast()? {
        ObjectApiListResponse::try_encode_from(of::<SpuSpec>(shared, &spus), version)
    } else {
        bail!("the stand-in has nothing of this kind to list: {request:?}");
    }
}

fn asks_to_watch<S: Listed>(request: &ObjectApiWatchRequest) -> Result<bool> {
    let request: Option<WatchRequest<S>> = request.downcast()?;
    Ok(request.is_some())
}

/// Tells of all objects of a kind, then of each change, until the connection is gone.
async fn watch<S: Listed>(shared: Arc<Shared>, header: RequestHeader, mut sink: ExclusiveFlvSink) {
    let mut changes = shared.cluster().changes();
    let mut known: Option<BTreeMap<String, Metadata<S>>> = None;
    loop {
        let epoch = *changes.borrow_and_update();
        let all = S::list(&shared.cluster());
        let now: BTreeMap<_, _> = all.iter().map(|object| (object.name.clone(), object.clone())).collect();
        let update = match &known {
            None => Some(MetadataUpdate::with_all(epoch, all)),
            Some(known) => {
                let changed = difference(known, &now);
                (!changed.is_empty()).then(|| MetadataUpdate::with_changes(epoch, changed))
            }
        };
        known = Some(now);
        if let Some(update) = update {
            let response = WatchResponse::new(update);
            let told = match ObjectApiWatchResponse::try_encode_from(response, header.api_version()) {
                Ok(response) => answer(&mut sink, &header, response).await.map_err(Into::into),
                Err(error) => Err(error),
            };
            if let Err(error) = told {
                tracing::debug!(%error, "a watch of the stand-in broke off");
                return;
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}
