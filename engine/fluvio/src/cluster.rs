//! The connections to a cluster: one to its SC, and two to each SPU that leads something.
//!
//! An SPU answers the requests of one connection one after the other, and an append waits there for the replicas. So
//! appends go over a connection of their own. Nothing here waits without a deadline, and a connection that failed once, or
//! did not answer in time, is never used again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use fluvio::metadata::partition::PartitionSpec;
use fluvio::metadata::spu::SpuSpec;
use fluvio::metadata::topic::{
    CleanupPolicy, CompressionAlgorithm, SegmentBasedPolicy, TopicSpec as PhysicalSpec,
};
use fluvio::{Fluvio, FluvioClusterConfig};
use fluvio_future::net::DomainConnector;
use fluvio_protocol::api::Request;
use fluvio_protocol::link::ErrorCode;
use fluvio_sc_schema::ApiError;
use fluvio_socket::{ClientConfig, MultiplexerSocket, VersionedSerialSocket};
use fluvio_spu_schema::server::fetch_offset::{FetchOffsetPartition, FetchOffsetTopic, FetchOffsetsRequest};
use granary_stream::{Bounds, Error, TopicSpec};
use tokio::time::{Instant, timeout};
use tracing::{debug, info, warn};

use crate::address::Address;
use crate::connector::Connector;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the SC may take for an answer.
const ADMIN: Duration = Duration::from_secs(10);
/// How long an SPU may take to say where its partitions begin and end.
const LOOK: Duration = Duration::from_secs(5);
/// How long the partitions of a new topic may take to be there.
const CREATION: Duration = Duration::from_secs(20);
/// Between two looks at the layout of the cluster.
const REFRESH: Duration = Duration::from_millis(100);
/// The least retention that Fluvio takes, in seconds.
const RETENTION_SECONDS_MIN: u32 = 10;
/// Copies of a topic where nobody says how many, on a cluster of so many SPUs or more.
const REPLICATION_DEFAULT: u32 = 3;

pub(crate) type SpuId = i32;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    Append,
    Read,
}

struct Control {
    fluvio: Fluvio,
    connector: DomainConnector,
    use_spu_local_address: bool,
}

#[derive(Debug, Clone)]
struct Spu {
    name: String,
    address: String,
}

#[derive(Default)]
struct Layout {
    leaders: HashMap<String, HashMap<u32, SpuId>>,
    spus: HashMap<SpuId, Spu>,
}

/// A request to an SPU that failed.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: Error,
    /// Whether it may have had its effect: it was sent, and no answer came.
    pub(crate) sent: bool,
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

/// A cluster.
pub(crate) struct Cluster {
    address: Address,
    control: tokio::sync::Mutex<Option<Arc<Control>>>,
    /// When the layout was looked at.
    refreshed: tokio::sync::Mutex<Option<Instant>>,
    layout: RwLock<Layout>,
    links: tokio::sync::Mutex<HashMap<(SpuId, Purpose), Arc<VersionedSerialSocket>>>,
    /// Who does not answer, and why: an SPU, or `None` for the SC.
    troubles: Mutex<HashMap<Option<SpuId>, String>>,
}

impl Cluster {
    pub(crate) fn new(address: Address) -> Self {
        Self {
            address,
            control: tokio::sync::Mutex::default(),
            refreshed: tokio::sync::Mutex::default(),
            layout: RwLock::default(),
            links: tokio::sync::Mutex::default(),
            troubles: Mutex::default(),
        }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    fn troubles(&self) -> MutexGuard<'_, HashMap<Option<SpuId>, String>> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why records cannot be written or read now, where an SPU that leads some does not answer.
    pub(crate) fn spu_trouble(&self) -> Option<String> {
        let troubles = self.troubles();
        let mut known: Vec<&String> =
            troubles.iter().filter(|(who, _)| who.is_some()).map(|(_, why)| why).collect();
        known.sort();
        known.first().map(|why| (*why).clone())
    }

    /// The last trouble there was with anybody.
    pub(crate) fn any_trouble(&self) -> Option<String> {
        let sc = self.troubles().get(&None).cloned();
        sc.or_else(|| self.spu_trouble())
    }

    fn failed(&self, who: Option<SpuId>, why: impl std::fmt::Display) -> Error {
        let name = match who {
            None => format!("the Fluvio cluster at {}", self.address),
            Some(spu) => {
                let layout = self.layout.read().unwrap_or_else(PoisonError::into_inner);
                let address = layout.spus.get(&spu).map_or("an unknown address", |spu| spu.address.as_str());
                format!("Fluvio's SPU {spu} at {address}")
            }
        };
        let reason = format!("{name}: {why}");
        if self.troubles().insert(who, reason.clone()).is_none() {
            warn!("{reason}");
        }
        Error::Unreachable { reason }
    }

    fn answered(&self, who: Option<SpuId>) {
        if self.troubles().remove(&who).is_some() {
            info!(cluster = %self.address, spu = who, "answers again");
        }
    }

    async fn connect(&self) -> anyhow::Result<Control> {
        let mut config = match &self.address.profile {
            None => FluvioClusterConfig::new(self.address.endpoint.clone().unwrap_or_default()),
            Some(profile) => FluvioClusterConfig::load_with_profile(profile)?
                .ok_or_else(|| anyhow::anyhow!("Fluvio's configuration has no profile '{profile}'"))?,
        };
        if let Some(endpoint) = &self.address.endpoint {
            config.endpoint.clone_from(endpoint);
        }
        config.client_id = Some("granary".to_owned());
        let connector: DomainConnector = Box::new(Connector::new(&config.tls)?);
        let fluvio = Fluvio::connect_with_connector(connector.clone(), &config).await?;
        Ok(Control { fluvio, connector, use_spu_local_address: config.use_spu_local_address })
    }

    async fn control(&self) -> Result<Arc<Control>, Error> {
        let mut control = self.control.lock().await;
        if let Some(control) = &*control {
            return Ok(Arc::clone(control));
        }
        let made = match timeout(CONNECT, self.connect()).await {
            Ok(Ok(made)) => Arc::new(made),
            Ok(Err(error)) => return Err(self.failed(None, format!("{error:#}"))),
            Err(_) => return Err(self.failed(None, format!("no connection within {CONNECT:?}"))),
        };
        *control = Some(Arc::clone(&made));
        Ok(made)
    }

    /// Asks the SC. A refusal is an answer; whatever else fails costs the connection.
    async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(fluvio::FluvioAdmin) -> anyhow::Result<T>,
    ) -> Result<Result<T, ErrorCode>, Error> {
        let control = self.control().await?;
        let why = match timeout(ADMIN, async { question(control.fluvio.admin().await).await }).await {
            Ok(Ok(answer)) => {
                self.answered(None);
                return Ok(Ok(answer));
            }
            Ok(Err(error)) => match refusal(&error) {
                Some(code) => {
                    self.answered(None);
                    return Ok(Err(code));
                }
                None => format!("{error:#}"),
            },
            Err(_) => format!("no answer within {ADMIN:?}"),
        };
        let mut current = self.control.lock().await;
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &control)) {
            *current = None;
        }
        drop(current);
        Err(self.failed(None, why))
    }

    /// Looks who leads what now, unless somebody has just looked.
    pub(crate) async fn refresh(&self) -> Result<(), Error> {
        let mut refreshed = self.refreshed.lock().await;
        if let Some(before) = *refreshed
            && before.elapsed() < REFRESH
        {
            tokio::time::sleep_until(before + REFRESH).await;
        }
        let answer = self
            .ask(async |admin| Ok((admin.all::<SpuSpec>().await?, admin.all::<PartitionSpec>().await?)))
            .await?
            .map_err(|code| self.failed(None, code))?;
        let (spus, partitions) = answer;
        let mut layout = Layout::default();
        for spu in spus {
            let online = spu.status.is_online();
            debug!(spu = spu.spec.id, online, "registered");
            let address = match &spu.spec.public_endpoint_local {
                Some(local) if self.uses_local_addresses().await => format!("{}:{}", local.host, local.port),
                _ => spu.spec.public_endpoint.addr(),
            };
            if online {
                layout.spus.insert(spu.spec.id, Spu { name: spu.name, address });
            }
        }
        for partition in partitions {
            let Some((topic, number)) = partition.name.rsplit_once('-') else { continue };
            let Ok(number) = number.parse() else { continue };
            layout.leaders.entry(topic.to_owned()).or_default().insert(number, partition.spec.leader);
        }
        self.troubles().retain(|who, _| {
            who.is_none_or(|spu| {
                layout.leaders.values().any(|topic| topic.values().any(|leader| *leader == spu))
            })
        });
        *self.layout.write().unwrap_or_else(PoisonError::into_inner) = layout;
        *refreshed = Some(Instant::now());
        Ok(())
    }

    async fn uses_local_addresses(&self) -> bool {
        self.control.lock().await.as_ref().is_some_and(|control| control.use_spu_local_address)
    }

    /// Who leads a partition, as far as is known.
    pub(crate) fn leader(&self, physical: &str, partition: u32) -> Option<SpuId> {
        let layout = self.layout.read().unwrap_or_else(PoisonError::into_inner);
        layout.leaders.get(physical)?.get(&partition).copied()
    }

    /// Who leads a partition; looks where that is not known.
    pub(crate) async fn find_leader(&self, physical: &str, partition: u32) -> Result<SpuId, Error> {
        if let Some(leader) = self.leader(physical, partition) {
            return Ok(leader);
        }
        self.refresh().await?;
        self.leader(physical, partition).ok_or_else(|| Error::Unreachable {
            reason: format!(
                "the Fluvio cluster at {} has no leader for '{physical}' partition {partition}",
                self.address
            ),
        })
    }

    /// Forgets who leads a partition, since it does not any more.
    pub(crate) fn forget_leader(&self, physical: &str, partition: u32) {
        let mut layout = self.layout.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(topic) = layout.leaders.get_mut(physical) {
            topic.remove(&partition);
        }
    }

    fn forget_leader_everywhere(&self, spu: SpuId) {
        let mut layout = self.layout.write().unwrap_or_else(PoisonError::into_inner);
        for topic in layout.leaders.values_mut() {
            topic.retain(|_, leader| *leader != spu);
        }
    }

    async fn link(&self, spu: SpuId, purpose: Purpose) -> Result<Arc<VersionedSerialSocket>, String> {
        let mut links = self.links.lock().await;
        if let Some(link) = links.get(&(spu, purpose)).filter(|link| !link.is_stale()) {
            return Ok(Arc::clone(link));
        }
        let found = self.layout.read().unwrap_or_else(PoisonError::into_inner).spus.get(&spu).cloned();
        let Some(Spu { name, address }) = found else { return Err("it is not online".to_owned()) };
        let Some(control) = self.control.lock().await.clone() else {
            return Err("the SC, which knows its address, does not answer".to_owned());
        };
        // The name under which a certificate is looked for.
        let domain = format!("{name}.{}", control.connector.domain());
        let mut config =
            ClientConfig::new(address, control.connector.new_domain(domain), control.use_spu_local_address);
        config.set_client_id("granary");
        let connected = match timeout(CONNECT, config.connect()).await {
            Ok(connected) => connected.map_err(|error| error.to_string())?,
            Err(_) => return Err(format!("no connection within {CONNECT:?}")),
        };
        let (socket, config, versions) = connected.split();
        let link = Arc::new(VersionedSerialSocket::new(MultiplexerSocket::shared(socket), config, versions));
        links.insert((spu, purpose), Arc::clone(&link));
        Ok(link)
    }

    /// Asks an SPU.
    ///
    /// # Errors
    /// [`Error::Unreachable`], and whether the request may have had its effect.
    pub(crate) async fn call<R>(
        &self,
        spu: SpuId,
        purpose: Purpose,
        request: R,
        patience: Duration,
    ) -> Result<R::Response, Failed>
    where
        R: Request + Send + Sync,
    {
        let mut sent = false;
        let why = match self.link(spu, purpose).await {
            Err(why) => why,
            Ok(link) => {
                sent = true;
                let why = match timeout(patience, link.send_receive(request)).await {
                    Ok(Ok(response)) => {
                        self.answered(Some(spu));
                        return Ok(response);
                    }
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => format!("no answer within {patience:?}"),
                };
                let mut links = self.links.lock().await;
                if links.get(&(spu, purpose)).is_some_and(|current| Arc::ptr_eq(current, &link)) {
                    links.remove(&(spu, purpose));
                }
                why
            }
        };
        self.forget_leader_everywhere(spu);
        Err(Failed { error: self.failed(Some(spu), why), sent })
    }

    /// The first offset and the one behind the last committed record, of partitions that an SPU leads. Partitions that it
    /// does not lead are missing in the answer, and their leader is forgotten.
    pub(crate) async fn offsets(
        &self,
        spu: SpuId,
        partitions: &[(Arc<str>, u32)],
    ) -> Result<HashMap<(Arc<str>, u32), Bounds>, Error> {
        let mut topics: Vec<FetchOffsetTopic> = Vec::new();
        for (physical, partition) in partitions {
            let partition = FetchOffsetPartition { partition_index: *partition };
            match topics.last_mut().filter(|topic| topic.name == **physical) {
                Some(topic) => topic.partitions.push(partition),
                None => {
                    topics.push(FetchOffsetTopic { name: physical.to_string(), partitions: vec![partition] });
                }
            }
        }
        let request = FetchOffsetsRequest { topics, ..FetchOffsetsRequest::default() };
        let response = self.call(spu, Purpose::Read, request, LOOK).await?;
        let mut found = HashMap::new();
        for topic in response.topics {
            let name: Arc<str> = topic.name.into();
            for partition in topic.partitions {
                let number = partition.partition_index;
                let bounds =
                    (u64::try_from(partition.start_offset), u64::try_from(partition.last_stable_offset));
                match (partition.error_code, bounds) {
                    (ErrorCode::None, (Ok(start), Ok(end))) => {
                        found.insert((Arc::clone(&name), number), Bounds { start, end });
                    }
                    (code, _) => {
                        debug!(topic = &*name, partition = number, %code, "no offsets");
                        self.forget_leader(&name, number);
                    }
                }
            }
        }
        Ok(found)
    }

    /// The same of one partition.
    pub(crate) async fn bounds(&self, physical: &Arc<str>, partition: u32) -> Result<Bounds, Error> {
        let place = (Arc::clone(physical), partition);
        let leader = self.find_leader(physical, partition).await?;
        let told = self.offsets(leader, std::slice::from_ref(&place)).await?;
        told.get(&place).copied().ok_or_else(|| Error::Unreachable {
            reason: format!("SPU {leader} does not lead '{physical}' partition {partition} any more"),
        })
    }

    /// Whether the cluster can keep a topic as it is asked for.
    pub(crate) async fn check(&self, spec: TopicSpec) -> Result<(), Error> {
        self.refresh().await?;
        self.replication(spec).map(drop)
    }

    /// Whether a topic is known to have one copy. After a restart an SPU does not know how far such a topic was committed, and
    /// tells an end that lies before what it has acknowledged, until the next record is written. So there everything counts
    /// that it has.
    pub(crate) fn keeps_one_copy(&self, spec: TopicSpec) -> bool {
        self.address.replication.or(spec.replication) == Some(1)
    }

    /// How many copies a topic gets.
    fn replication(&self, spec: TopicSpec) -> Result<u32, Error> {
        let spus = self.layout.read().unwrap_or_else(PoisonError::into_inner).spus.len();
        let spus = u32::try_from(spus).unwrap_or(u32::MAX);
        match self.address.replication.or(spec.replication) {
            None => Ok(REPLICATION_DEFAULT.min(spus.max(1))),
            Some(asked) if asked <= spus => Ok(asked),
            // The SC would take it, and wait for more SPUs for ever.
            Some(asked) => Err(Error::Io {
                what: format!("could not make a topic on the Fluvio cluster at {}", self.address),
                source: std::io::Error::new(
                    std::io::ErrorKind::InvalidInput,
                    format!(
                        "{asked} copies need {asked} SPUs, and {spus} are online; start more, ask for fewer, or set \
                         ?replication={} in the address of the stream, which then holds for all topics",
                        spus.max(1)
                    ),
                ),
            }),
        }
    }

    /// Makes a topic on the cluster where it is missing, and waits until all of its partitions answer.
    pub(crate) async fn ensure(&self, physical: &Arc<str>, spec: TopicSpec) -> Result<(), Error> {
        if self.has(physical, spec.partitions) {
            return Ok(());
        }
        self.refresh().await?;
        let replication = self.replication(spec)?;
        let mut wanted = PhysicalSpec::new_computed(spec.partitions, replication, None);
        // Without a limit of its own the cluster would drop records after a week.
        let seconds =
            spec.retention_ms.map_or(u32::MAX, |ms| u32::try_from(ms.div_ceil(1000)).unwrap_or(u32::MAX));
        let time_in_seconds = seconds.max(RETENTION_SECONDS_MIN);
        wanted.set_cleanup_policy(CleanupPolicy::Segment(SegmentBasedPolicy { time_in_seconds }));
        // Batches of ours are not compressed, and this keeps others from writing what could not be read.
        wanted.set_compression_type(CompressionAlgorithm::None);
        info!(topic = &**physical, partitions = spec.partitions, replication, "is made on the cluster");
        self.create(physical, spec.partitions, wanted).await
    }

    /// Has the SC make a topic, and waits until its partitions answer.
    ///
    /// The SC answers when it has heard that all partitions are online, and may never hear that when it has just removed another
    /// topic. So its answer is waited for on a connection of its own, and the partitions are asked meanwhile.
    async fn create(&self, physical: &Arc<str>, partitions: u32, wanted: PhysicalSpec) -> Result<(), Error> {
        let mut creating = Box::pin(async {
            let control = self.connect().await?;
            control.fluvio.admin().await.create(physical.to_string(), false, wanted).await
        });
        let (until, mut answered) = (Instant::now() + CREATION, false);
        loop {
            tokio::select! {
                answer = &mut creating, if !answered => {
                    answered = true;
                    match answer.as_ref().map_err(refusal) {
                        Ok(()) | Err(Some(ErrorCode::TopicAlreadyExists)) => {}
                        Err(Some(code)) => return Err(Error::Io {
                            what: format!("could not make the topic '{physical}' on {}", self.address),
                            source: std::io::Error::other(code.to_string()),
                        }),
                        // It may have been made all the same.
                        Err(None) => debug!(topic = &**physical, ?answer, "the SC did not answer"),
                    }
                }
                () = tokio::time::sleep(REFRESH) => {}
            }
            self.refresh().await?;
            if self.is_set_up(physical, partitions).await? {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(Error::Unreachable {
                    reason: format!(
                        "the Fluvio cluster at {} has not set up the topic '{physical}' within {CREATION:?}",
                        self.address
                    ),
                });
            }
        }
    }

    fn has(&self, physical: &str, partitions: u32) -> bool {
        (0..partitions).all(|partition| self.leader(physical, partition).is_some())
    }

    /// Whether every partition of a topic is where the SC says.
    async fn is_set_up(&self, physical: &Arc<str>, partitions: u32) -> Result<bool, Error> {
        let mut by_leader: HashMap<SpuId, Vec<(Arc<str>, u32)>> = HashMap::new();
        for partition in 0..partitions {
            let Some(leader) = self.leader(physical, partition) else { return Ok(false) };
            by_leader.entry(leader).or_default().push((Arc::clone(physical), partition));
        }
        for (spu, wanted) in by_leader {
            if self.offsets(spu, &wanted).await?.len() < wanted.len() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes a topic from the cluster; it may be gone already.
    pub(crate) async fn remove(&self, physical: &str) -> Result<(), Error> {
        let name = physical.to_owned();
        match self.ask(async |admin| admin.delete::<PhysicalSpec>(name).await).await? {
            Ok(()) | Err(ErrorCode::TopicNotFound) => Ok(()),
            Err(code) => Err(Error::Io {
                what: format!("could not remove the topic '{physical}' from {}", self.address),
                source: std::io::Error::other(code.to_string()),
            }),
        }
    }
}

/// The code with which the SC refused, where it did.
fn refusal(error: &anyhow::Error) -> Option<ErrorCode> {
    match error.downcast_ref::<ApiError>() {
        Some(ApiError::Code(code, _)) => Some(code.clone()),
        Some(ApiError::NoResourceFound(_)) => Some(ErrorCode::TopicNotFound),
        None => None,
    }
}
