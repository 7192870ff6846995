//! Which log the engine keeps its records in: its own, or a Fluvio cluster.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use granary_catalog::event_type::RETENTION_MS_DEFAULT;
use granary_stream::embedded::EmbeddedLog;
use granary_stream::{Error, StreamLog, TopicSpec, clock};
use tokio::runtime::Handle;
use tracing::warn;

use crate::config::Config;
use crate::stage::DAMAGE_ADVICE;

/// Where the embedded log lies in the data directory.
pub(crate) const LOG_FOLDER: &str = "log";

/// Files' worth of the log's disk that is left to the outputs of stages: so that what was acknowledged becomes rows although
/// the disk is full.
const STAGE_FILES: u64 = 3;
/// A log that may have fewer files has none to spare for that.
const FILES_FEW: u64 = 8;

/// Between two tries to make what is missing on a cluster that was reached.
const RETRY: Duration = Duration::from_secs(1);

/// The value of `--stream`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamChoice {
    /// The log in the data directory.
    Embedded,
    /// A Fluvio cluster.
    #[cfg(feature = "fluvio")]
    Fluvio(granary_fluvio::Address),
}

impl FromStr for StreamChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "embedded" {
            return Ok(Self::Embedded);
        }
        #[cfg(feature = "fluvio")]
        return text
            .parse()
            .map(Self::Fluvio)
            .map_err(|mistake: granary_fluvio::address::Mistake| mistake.to_string());
        #[cfg(not(feature = "fluvio"))]
        Err("this program was built without Fluvio (feature `fluvio`)".to_owned())
    }
}

/// The log of this engine, and what only one kind of log can do.
#[derive(Clone)]
pub(crate) struct Streams {
    /// The log.
    pub(crate) log: Arc<dyn StreamLog>,
    embedded: Option<Arc<EmbeddedLog>>,
    /// What an acknowledgement means, for `/ready`.
    pub(crate) acknowledged: String,
    /// Partitions of the streams that the collector writes.
    pub(crate) collector_partitions: u32,
    /// Whether several processes may work on the log.
    pub(crate) is_shared: bool,
}

impl Streams {
    /// Opens the log, to which the tasks of `serving` append most. A cluster need not be reachable yet.
    pub(crate) async fn open(config: &Config, serving: &Handle) -> anyhow::Result<Self> {
        match &config.stream {
            StreamChoice::Embedded => {
                let folder = config.data_dir.join(LOG_FOLDER);
                let log = Arc::new(open_embedded(config, &folder, serving).await?);
                Ok(Self {
                    log: Arc::clone(&log) as _,
                    embedded: Some(log),
                    acknowledged: "synced to the disk of this machine".to_owned(),
                    collector_partitions: 1,
                    is_shared: false,
                })
            }
            #[cfg(feature = "fluvio")]
            StreamChoice::Fluvio(address) => {
                let options = granary_fluvio::Options {
                    queue_bytes_max: config.log_queue_bytes_max,
                    ..Default::default()
                };
                let copies = match address.replication {
                    Some(1) => {
                        "the one copy of each stream is lost with its machine's power or disk".to_owned()
                    }
                    Some(n) => format!("{n} copies of each stream"),
                    None => "as many copies as each stream asks for".to_owned(),
                };
                Ok(Self {
                    log: Arc::new(granary_fluvio::FluvioLog::open(address.clone(), options)),
                    embedded: None,
                    acknowledged: format!(
                        "stored by every replica that is in sync, on the Fluvio cluster at {address}; {copies}; Fluvio does not \
                         sync its files, so what is acknowledged survives a crash, and a loss of power where another replica \
                         has power"
                    ),
                    collector_partitions: address.partitions,
                    is_shared: true,
                })
            }
        }
    }

    /// Makes the streams that the collector writes, as soon as the log is reached.
    ///
    /// # Errors
    /// What no waiting mends.
    pub(crate) async fn make_collector_topics(&self) -> anyhow::Result<()> {
        self.log.reached().await;
        let spec = TopicSpec {
            retention_ms: Some(RETENTION_MS_DEFAULT),
            ..TopicSpec::of(self.collector_partitions)
        };
        for topic in [granary_collector::TOPIC, granary_collector::BAD_TOPIC] {
            loop {
                match self.log.create_topic(topic, spec).await {
                    Ok(()) => break,
                    Err(error @ (Error::Unreachable { .. } | Error::Busy { .. })) => {
                        warn!(%error, topic, "the stream cannot be made yet");
                        tokio::time::sleep(RETRY).await;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Drops files of the embedded log that nobody needs any more: `least` tells the lowest offset that a stage still needs.
    /// A cluster drops records by itself. Answers how many files went.
    pub(crate) async fn enforce_retention(
        &self,
        least: &(dyn Fn(&str, u32) -> Option<u64> + Sync),
    ) -> Result<usize, Error> {
        match &self.embedded {
            Some(log) => log.enforce_retention(clock::now_ms(), least).await,
            None => Ok(0),
        }
    }
}

async fn open_embedded(config: &Config, folder: &Path, serving: &Handle) -> anyhow::Result<EmbeddedLog> {
    let defaults = granary_stream::embedded::Options::default();
    let few = config.log_disk_bytes_max.is_some_and(|max| max < FILES_FEW * defaults.file_bytes);
    let options = granary_stream::embedded::Options {
        queue_bytes_max: config.log_queue_bytes_max,
        disk_bytes_max: config.log_disk_bytes_max,
        disk_reserve_bytes: config.log_disk_bytes_reserve,
        stage_room_bytes: if few { 0 } else { STAGE_FILES * defaults.file_bytes },
        answering: Some(serving.clone()),
        ..defaults
    };
    let log = EmbeddedLog::open(folder, options).await?;
    if !log.damages().is_empty() {
        warn!("what is damaged is refused to its readers, everything else is served; {DAMAGE_ADVICE}");
    }
    Ok(log)
}
