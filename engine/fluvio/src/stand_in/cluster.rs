//! What the SC and the SPU know together.

use std::collections::BTreeMap;

use fluvio_controlplane_metadata::topic::{ReplicaSpec, TopicSpec};
use fluvio_protocol::link::ErrorCode;
use fluvio_sc_schema::Status;
use fluvio_sc_schema::shared::validate_resource_name;
use tokio::sync::watch;

use super::faults::Faults;
use super::log::Log;

/// The SPU that answers, and that leads all partitions.
pub(super) const LEADER: i32 = 5001;

/// Where a cluster keeps the offsets of its consumers. It is there from the start on: the official client waits for a
/// whole minute where a cluster has no topic at all.
const SYSTEM_TOPIC: &str = "consumer-offset";

/// A topic. It has no partitions where they could not be spread over enough SPUs.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) spec: TopicSpec,
    pub(super) partitions: Vec<Log>,
}

impl Topic {
    /// The SPUs that keep each partition, the leader first.
    pub(super) fn replicas(&self) -> Vec<i32> {
        first_spus(self.spec.replication_factor().unwrap_or(1))
    }
}

fn first_spus(count: u32) -> Vec<i32> {
    (LEADER..).take(count as usize).collect()
}

/// Topics, logs, and what is to go wrong.
#[derive(Debug)]
pub(super) struct Cluster {
    topics: BTreeMap<String, Topic>,
    spus: u32,
    port: u16,
    epoch: watch::Sender<i64>,
    pub(super) faults: Faults,
}

impl Cluster {
    /// A cluster of that many SPUs, of which the leader listens on the port.
    pub(super) fn new(spus: u32, port: u16) -> Self {
        let mut cluster = Self {
            topics: BTreeMap::new(),
            spus,
            port,
            epoch: watch::Sender::new(1),
            faults: Faults::default(),
        };
        let mut spec = TopicSpec::new_computed(1, 1, None);
        spec.set_system(true);
        cluster.provision(SYSTEM_TOPIC, spec);
        cluster
    }

    /// The port of the leader.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// All SPUs, the leader first.
    pub(super) fn spus(&self) -> Vec<i32> {
        first_spus(self.spus)
    }

    /// Tells of each change of the topics.
    pub(super) fn changes(&self) -> watch::Receiver<i64> {
        self.epoch.subscribe()
    }

    pub(super) fn topics(&self) -> &BTreeMap<String, Topic> {
        &self.topics
    }

    pub(super) fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(name)
    }

    pub(super) fn log(&self, topic: &str, partition: u32) -> Option<&Log> {
        self.topics.get(topic)?.partitions.get(partition as usize)
    }

    pub(super) fn log_mut(&mut self, topic: &str, partition: u32) -> Option<&mut Log> {
        self.topics.get_mut(topic)?.partitions.get_mut(partition as usize)
    }

    /// Says whether a topic could be made.
    pub(super) fn check(&self, name: &str, spec: &TopicSpec) -> Status {
        let refused = |code, reason| Status::new(name.to_owned(), code, Some(reason));
        if let Err(error) = validate_resource_name(name) {
            return refused(ErrorCode::TopicInvalidName, format!("Invalid topic name: '{name}'. {error}"));
        }
        if self.topics.contains_key(name) {
            return refused(ErrorCode::TopicAlreadyExists, format!("Topic '{name}' already exists"));
        }
        if let Some(error) = spec.validate_config() {
            return refused(ErrorCode::TopicInvalidConfiguration, error);
        }
        let ReplicaSpec::Computed(wanted) = spec.replicas() else {
            let reason = "the stand-in spreads partitions itself".to_owned();
            return refused(ErrorCode::TopicInvalidReplicaType, reason);
        };
        let counts = ReplicaSpec::valid_partition(&wanted.partitions)
            .and_then(|()| ReplicaSpec::valid_replication_factor(&wanted.replication_factor));
        match counts {
            Ok(()) => Status::new_ok(name.to_owned()),
            Err(error) => refused(ErrorCode::TopicError, error.to_string()),
        }
    }

    /// Makes a topic that was checked and says whether it has its partitions.
    pub(super) fn provision(&mut self, name: &str, spec: TopicSpec) -> bool {
        let enough = spec.replication_factor().is_some_and(|factor| factor <= self.spus);
        let count = if enough { spec.partitions() } else { 0 };
        let partitions = (0..count).map(|_| Log::new()).collect();
        self.topics.insert(name.to_owned(), Topic { spec, partitions });
        self.epoch.send_modify(|epoch| *epoch += 1);
        enough
    }

    /// Deletes a topic with all that it holds.
    pub(super) fn delete(&mut self, name: String, force: bool) -> Status {
        match self.topics.get(&name) {
            None => Status::new(name, ErrorCode::TopicNotFound, Some("not found".to_owned())),
            Some(topic) if topic.spec.is_system() && !force => {
                let code =
                    ErrorCode::SystemSpecDeletionAttempt { kind: "topic".to_owned(), name: name.clone() };
                Status::new(name, code, None)
            }
            Some(_) => {
                self.topics.remove(&name);
                self.epoch.send_modify(|epoch| *epoch += 1);
                Status::new_ok(name)
            }
        }
    }
}
