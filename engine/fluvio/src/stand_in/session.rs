//! Streams of records to a client.

use std::collections::HashMap;
use std::sync::Arc;

use fluvio_protocol::api::RequestHeader;
use fluvio_protocol::link::ErrorCode;
use fluvio_socket::{ExclusiveFlvSink, SocketError};
use fluvio_spu_schema::server::stream_fetch::{FileStreamFetchRequest, StreamFetchResponse};
use fluvio_spu_schema::server::update_offset::{
    OffsetUpdateStatus, UpdateOffsetsRequest, UpdateOffsetsResponse,
};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::broker::{fetched, read};
use super::log::{Log, Slice};
use super::raw::RawRecordSet;
use super::{Shared, answer};

/// What a client has acknowledged before it has acknowledged anything.
const NOTHING_YET: i64 = -1;

/// The streams of one connection. They end with it.
#[derive(Default)]
pub(super) struct Sessions {
    last: u32,
    acknowledgements: HashMap<u32, watch::Sender<i64>>,
    tasks: JoinSet<()>,
}

impl Sessions {
    /// Begins a stream, or says that there is no such partition.
    pub(super) async fn begin(
        &mut self,
        shared: &Arc<Shared>,
        header: RequestHeader,
        request: FileStreamFetchRequest,
        mut sink: ExclusiveFlvSink,
    ) -> Result<(), SocketError> {
        let ends = shared.cluster().log(&request.topic, request.partition).map(Log::follow);
        let Some(ends) = ends else {
            let partition = fetched(request.partition, Err(ErrorCode::NotLeaderForPartition));
            let response = StreamFetchResponse { topic: request.topic, stream_id: 0, partition };
            return answer(&mut sink, &header, response).await;
        };
        self.last += 1;
        let (acknowledge, acknowledged) = watch::channel(NOTHING_YET);
        self.acknowledgements.insert(self.last, acknowledge);
        let session = Session { shared: Arc::clone(shared), header, request, sink, id: self.last };
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(session.run(acknowledged, ends));
        Ok(())
    }

    /// Tells streams how far the client has come.
    pub(super) fn acknowledge(&self, request: &UpdateOffsetsRequest) -> UpdateOffsetsResponse {
        let mut response = UpdateOffsetsResponse::default();
        for update in &request.offsets {
            let error = match self.acknowledgements.get(&update.session_id) {
                Some(acknowledge) => {
                    // The same once more wakes nobody.
                    acknowledge
                        .send_if_modified(|known| std::mem::replace(known, update.offset) != update.offset);
                    ErrorCode::None
                }
                None => ErrorCode::FetchSessionNotFoud,
            };
            response.status.push(OffsetUpdateStatus { session_id: update.session_id, error });
        }
        response
    }
}

/// Why a stream stops.
enum Stop {
    /// For a reason that the client is told.
    Refused(ErrorCode),
    /// The connection is gone.
    Gone,
}

/// What has been sent.
struct Sent {
    /// The end of the log when it was read.
    end: i64,
    /// How far the client has come, as far as this is known.
    client: Option<i64>,
}

struct Session {
    shared: Arc<Shared>,
    header: RequestHeader,
    request: FileStreamFetchRequest,
    sink: ExclusiveFlvSink,
    id: u32,
}

impl Session {
    async fn run(mut self, acknowledged: watch::Receiver<i64>, ends: watch::Receiver<i64>) {
        if let Err(Stop::Refused(code)) = self.stream(acknowledged, ends).await {
            // The last thing that the client hears of the stream. The connection stays.
            let _ = self.say(Err(code)).await;
        }
    }

    /// Sends, waits until the client has acknowledged what it got, sends what follows.
    ///
    /// What follows is what the client says, not what was sent. So where it skips what was cut off, it never gets it.
    async fn stream(
        &mut self,
        mut acknowledged: watch::Receiver<i64>,
        mut ends: watch::Receiver<i64>,
    ) -> Result<(), Stop> {
        let mut sent = self.send(self.request.fetch_offset).await?;
        loop {
            tokio::select! {
                changed = acknowledged.changed() => {
                    changed.map_err(|_| Stop::Gone)?;
                    let client = *acknowledged.borrow_and_update();
                    if client < sent.end {
                        sent = self.send(client).await?;
                    } else {
                        sent.client = Some(client);
                    }
                }
                changed = ends.changed() => {
                    changed.map_err(|_| Stop::Refused(ErrorCode::TopicDeleted))?;
                    let end = *ends.borrow_and_update();
                    match sent.client {
                        Some(client) if client < end => sent = self.send(client).await?,
                        _ => sent.end = end,
                    }
                }
            }
        }
    }

    /// Sends what there is from an offset on.
    async fn send(&mut self, offset: i64) -> Result<Sent, Stop> {
        let FileStreamFetchRequest { topic, partition, max_bytes, .. } = &self.request;
        let slice = read(&self.shared.cluster(), topic, *partition, offset, *max_bytes);
        let slice = slice.map_err(Stop::Refused)?;
        if slice.bytes.is_empty() {
            return Ok(Sent { end: offset, client: Some(offset) });
        }
        let end = slice.end;
        self.say(Ok(slice)).await?;
        Ok(Sent { end, client: None })
    }

    async fn say(&mut self, read: Result<Slice, ErrorCode>) -> Result<(), Stop> {
        let response: StreamFetchResponse<RawRecordSet> = StreamFetchResponse {
            topic: self.request.topic.clone(),
            stream_id: self.id,
            partition: fetched(self.request.partition, read),
        };
        answer(&mut self.sink, &self.header, response).await.map_err(|_| Stop::Gone)
    }
}
