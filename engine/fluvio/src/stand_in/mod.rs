//! An SC and an SPU in this process, for tests.
//!
//! They speak the protocol of Fluvio 0.50.1 and keep everything in memory. What they show is how a client uses the
//! protocol and what it does when something goes wrong; not whether data outlives a broker, and nothing about
//! replication: a topic may have several replicas, but there is one SPU that is real, and what it has is committed.
//!
//! ```text
//!             ┌ controller ─ directory ┐
//! gate ───────┤                        ├─ cluster ─ log
//!             └ broker ──── session    ┘     └ faults
//! ```
//!
//! Broker offsets of consumers, smart modules, mirrors, and partitions that a client spreads itself are left out: a
//! request for one of them ends the connection or is refused.

mod broker;
mod cluster;
mod controller;
mod directory;
mod faults;
mod gate;
mod log;
mod raw;
mod session;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fluvio_controlplane_metadata::topic::TopicSpec;
use fluvio_protocol::Encoder;
use fluvio_protocol::api::{RequestHeader, ResponseMessage};
use fluvio_protocol::link::ErrorCode;
use fluvio_protocol::record::{Batch, RawRecords, Record, RecordData};
use fluvio_socket::{ExclusiveFlvSink, SocketError};
use granary_stream::clock;
use tokio::net::TcpListener;

use cluster::Cluster;
use faults::ProduceFault;
use gate::Gate;
use log::Log;

/// What all tasks share.
#[derive(Debug)]
struct Shared {
    cluster: Mutex<Cluster>,
    gate: Gate,
}

impl Shared {
    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers the request that has the header.
async fn answer<P>(
    sink: &mut ExclusiveFlvSink,
    header: &RequestHeader,
    response: P,
) -> Result<(), SocketError>
where
    ResponseMessage<P>: Encoder + Debug,
{
    sink.send_response(&ResponseMessage::from_header(header, response), header.api_version()).await
}

/// A cluster that exists in this process only. It ends when it is dropped.
#[derive(Debug)]
pub struct StandIn {
    shared: Arc<Shared>,
    address: String,
}

impl StandIn {
    /// Starts a cluster of one SPU on free ports of 127.0.0.1.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start() -> std::io::Result<Self> {
        Self::start_with_spus(1).await
    }

    /// Starts a cluster of as many SPUs, of which all but the first exist on paper only: topics may have that many
    /// replicas.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start_with_spus(spus: u32) -> std::io::Result<Self> {
        let controller = TcpListener::bind(("127.0.0.1", 0)).await?;
        let broker = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = controller.local_addr()?.to_string();
        let cluster = Mutex::new(Cluster::new(spus, broker.local_addr()?.port()));
        let shared = Arc::new(Shared { cluster, gate: Gate::new() });
        let for_controller = Arc::clone(&shared);
        tokio::spawn(async move {
            let converse = |socket, over| controller::converse(Arc::clone(&for_controller), socket, over);
            for_controller.gate.serve(controller, converse).await;
        });
        let for_broker = Arc::clone(&shared);
        tokio::spawn(async move {
            let converse = |socket, over| broker::converse(Arc::clone(&for_broker), socket, over);
            for_broker.gate.serve(broker, converse).await;
        });
        Ok(Self { shared, address })
    }

    /// `host:port` of the SC.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.clone()
    }

    /// Whether answers to fetches are cut inside a batch when the limit of the client is reached, as an SPU does.
    /// Off at first: answers end with a whole batch then.
    pub fn cut_batches(&self, on: bool) {
        self.shared.cluster().faults.cut_batches = on;
    }

    /// The next produce requests store nothing and are answered with this code.
    ///
    /// Faults of produce requests are taken in the order in which they were asked for, one for each request.
    pub fn refuse_produce(&self, times: usize, code: ErrorCode) {
        self.shared.cluster().faults.plan(times, &ProduceFault::Refuse(code));
    }

    /// The next produce requests are stored, and the connection is closed in place of an answer.
    pub fn store_and_hang_up(&self, times: usize) {
        self.shared.cluster().faults.plan(times, &ProduceFault::StoreAndHangUp);
    }

    /// The next produce requests are stored and are answered with this code all the same.
    pub fn store_and_refuse(&self, times: usize, code: ErrorCode) {
        self.shared.cluster().faults.plan(times, &ProduceFault::StoreAndRefuse(code));
    }

    /// While on, produce requests are read, but neither stored nor answered. The other faults wait meanwhile.
    pub fn swallow_produce(&self, on: bool) {
        self.shared.cluster().faults.swallow_produce = on;
    }

    /// Closes all connections. New ones are taken in.
    pub fn close_sockets(&self) {
        self.shared.gate.close();
    }

    /// An outage: closes all connections and every new one at once, until [`StandIn::resume`].
    pub fn pause(&self) {
        self.shared.gate.pause();
    }

    /// Ends the outage.
    pub fn resume(&self) {
        self.shared.gate.resume();
    }

    /// Drops what retention would: the batches that lie before the offset as a whole. The log begins with the batch
    /// that holds the offset then, which may be before it.
    ///
    /// # Panics
    /// Where there is no such partition.
    pub fn evict(&self, topic: &str, partition: u32, before: i64) {
        self.with_log(topic, partition, |log| log.evict(before));
    }

    /// Writes a batch of one record, as another client would.
    ///
    /// # Panics
    /// Where there is no such partition, or where it takes no record.
    pub fn append_foreign(&self, topic: &str, partition: u32, key: Option<&[u8]>, value: &[u8]) {
        let mut record = Record::new(value);
        record.key = key.map(RecordData::from);
        let mut batch: Batch = Batch::default();
        batch.add_record(record);
        batch.header.first_timestamp = i64::try_from(clock::now_ms()).unwrap_or(i64::MAX);
        batch.header.max_time_stamp = batch.header.first_timestamp;
        let batch = Batch::<RawRecords>::try_from(batch).expect("it is not to be packed");
        self.with_log(topic, partition, |log| log.append(vec![batch])).expect("the partition takes records");
    }

    fn with_log<T>(&self, topic: &str, partition: u32, f: impl FnOnce(&mut Log) -> T) -> T {
        let mut cluster = self.shared.cluster();
        match cluster.log_mut(topic, partition) {
            Some(log) => f(log),
            None => panic!("the cluster has no partition {partition} of '{topic}'"),
        }
    }

    /// The names of all topics that clients have made, sorted.
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        let cluster = self.shared.cluster();
        let made = cluster.topics().iter().filter(|(_, topic)| !topic.spec.is_system());
        made.map(|(name, _)| name.clone()).collect()
    }

    /// What a client wanted a topic to be.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<TopicSpec> {
        self.shared.cluster().topic(name).map(|topic| topic.spec.clone())
    }

    /// The offset after the last record of a partition, counting records that no client was told are stored.
    #[must_use]
    pub fn end(&self, topic: &str, partition: u32) -> Option<i64> {
        self.shared.cluster().log(topic, partition).map(Log::end)
    }

    /// The values that a partition holds, in their order; nothing where there is no such partition.
    ///
    /// # Panics
    /// Where a batch is packed, or where its header counts other records than it has.
    #[must_use]
    pub fn values(&self, topic: &str, partition: u32) -> Vec<Vec<u8>> {
        self.shared.cluster().log(topic, partition).map(Log::values).unwrap_or_default()
    }

    /// How many produce requests have come in so far.
    #[must_use]
    pub fn produce_requests(&self) -> u64 {
        self.shared.cluster().faults.produce_requests()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.shared.gate.end();
    }
}
