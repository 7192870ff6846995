//! The cluster as the SC tells of it.

use std::collections::BTreeMap;
use std::fmt::Debug;

use fluvio_controlplane_metadata::message::Message;
use fluvio_controlplane_metadata::partition::{
    PartitionResolution, PartitionSpec, PartitionStatus, ReplicaStatus,
};
use fluvio_controlplane_metadata::spu::{SpuSpec, SpuStatus, SpuStatusResolution};
use fluvio_controlplane_metadata::topic::{TopicResolution, TopicSpec, TopicStatus};
use fluvio_protocol::record::ReplicaKey;
use fluvio_protocol::{Decoder, Encoder};
use fluvio_sc_schema::AdminSpec;
use fluvio_sc_schema::objects::Metadata;

use super::cluster::{Cluster, LEADER};

/// A port that nothing listens on. The SPUs that exist on paper only have it: no client needs them, since they lead
/// nothing.
const NOWHERE: u16 = 1;

/// A kind of object that clients list and watch.
pub(super) trait Listed:
    AdminSpec<Status: Encoder + Decoder + PartialEq + Clone + Debug + Send + Sync>
    + PartialEq
    + Send
    + Sync
    + 'static
{
    /// All objects of the kind.
    fn list(cluster: &Cluster) -> Vec<Metadata<Self>>;

    /// Whether the object belongs to the cluster itself.
    fn is_system(&self) -> bool {
        false
    }
}

impl Listed for SpuSpec {
    fn list(cluster: &Cluster) -> Vec<Metadata<Self>> {
        let online = SpuStatus { resolution: SpuStatusResolution::Online };
        let spu = |id| {
            let port = if id == LEADER { cluster.port() } else { NOWHERE };
            let spec = SpuSpec::new_public_addr(id, port, "127.0.0.1".to_owned()).set_custom();
            Metadata { name: format!("custom-spu-{id}"), spec, status: online.clone() }
        };
        cluster.spus().into_iter().map(spu).collect()
    }
}

impl Listed for TopicSpec {
    fn list(cluster: &Cluster) -> Vec<Metadata<Self>> {
        let mut listed = Vec::new();
        for (name, topic) in cluster.topics() {
            let status = if topic.partitions.is_empty() {
                TopicStatus::new(TopicResolution::InsufficientResources, Vec::new(), "")
            } else {
                let map = vec![topic.replicas(); topic.partitions.len()];
                TopicStatus::new(TopicResolution::Provisioned, map, "")
            };
            listed.push(Metadata { name: name.clone(), spec: topic.spec.clone(), status });
        }
        listed
    }

    fn is_system(&self) -> bool {
        TopicSpec::is_system(self)
    }
}

impl Listed for PartitionSpec {
    fn list(cluster: &Cluster) -> Vec<Metadata<Self>> {
        let mut listed = Vec::new();
        for (name, topic) in cluster.topics() {
            let replicas = topic.replicas();
            for (partition, log) in (0_u32..).zip(&topic.partitions) {
                let at = |spu: i32| ReplicaStatus::new(spu, log.end(), log.end());
                let followers = replicas.iter().copied().filter(|spu| *spu != LEADER).map(at).collect();
                let size = i64::try_from(log.size()).unwrap_or(PartitionStatus::SIZE_ERROR);
                let online = PartitionResolution::Online;
                listed.push(Metadata {
                    name: ReplicaKey::new(name, partition).to_string(),
                    spec: PartitionSpec::from_replicas(replicas.clone(), &topic.spec, None),
                    status: PartitionStatus::new2(at(LEADER), followers, size, online, log.start()),
                });
            }
        }
        listed
    }

    fn is_system(&self) -> bool {
        self.system
    }
}

/// What has to be told to who knows the one to make it the other.
pub(super) fn difference<S: Listed>(
    known: &BTreeMap<String, Metadata<S>>,
    now: &BTreeMap<String, Metadata<S>>,
) -> Vec<Message<Metadata<S>>> {
    let same = |a: &Metadata<S>, b: &Metadata<S>| a.spec == b.spec && a.status == b.status;
    let changed = now.iter().filter(|(name, new)| known.get(*name).is_none_or(|old| !same(old, new)));
    let gone = known.iter().filter(|(name, _)| !now.contains_key(*name));
    let updates = changed.map(|(_, new)| Message::update(new.clone()));
    updates.chain(gone.map(|(_, old)| Message::delete(old.clone()))).collect()
}
