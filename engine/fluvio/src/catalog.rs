//! Which topics there are: a small log of decisions, kept on the cluster itself.
//!
//! Fluvio's names are of `[a-z0-9-]`, a name that was deleted had better not be used again, and two engines may make the
//! same topic at the same moment. So the topic `<prefix>-catalog` (one partition, kept for ever) holds one entry a decision,
//! and its order decides: of two creations of a name the first one counts. A topic's name on the cluster is made of its
//! readable name and the offset of its creation, so that no name is ever used twice.
//!
//! | entry | means |
//! |---|---|
//! | `{"v":1,"do":"log","id":"<uuid>"}` | the identity of the log; only the first one counts |
//! | `{"v":1,"do":"create","name":"snowplow","spec":{...}}` | a topic, unless there is one of that name |
//! | `{"v":1,"do":"delete","name":"snowplow","serial":3}` | that topic is gone; `serial` is the offset of its creation |
//! | `{"v":1,"do":"trim","name":"snowplow","serial":3,"partition":0,"before":17}` | records before that offset are not served |

use std::collections::HashMap;
use std::sync::Arc;

use granary_stream::TopicSpec;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Longest readable part of a name on the cluster: the rest of 63 characters is for prefix and serial.
const READABLE_MAX: usize = 40;

/// The version of the entries that this engine writes and reads.
const VERSION: u8 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub(crate) enum Decision {
    Log { id: Uuid },
    Create { name: String, spec: TopicSpec },
    Delete { name: String, serial: u64 },
    Trim { name: String, serial: u64, partition: u32, before: u64 },
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    v: u8,
    #[serde(flatten)]
    decision: Decision,
}

/// One entry as it is stored.
pub(crate) fn write(decision: Decision) -> Vec<u8> {
    serde_json::to_vec(&Entry { v: VERSION, decision })
        .expect("an entry holds nothing that JSON does not know")
}

/// Reads an entry.
///
/// # Errors
/// Says what it is instead.
pub(crate) fn read(bytes: &[u8]) -> Result<Decision, String> {
    #[derive(Deserialize)]
    struct Version {
        v: u8,
    }
    match serde_json::from_slice::<Version>(bytes) {
        Ok(Version { v }) if v > VERSION => {
            return Err(format!("was written by a newer engine (version {v}, and this one knows {VERSION})"));
        }
        Ok(_) => {}
        Err(error) => return Err(format!("is no entry of ours: {error}")),
    }
    serde_json::from_slice::<Entry>(bytes)
        .map(|entry| entry.decision)
        .map_err(|error| format!("cannot be read: {error}"))
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) name: Arc<str>,
    /// Its name on the cluster.
    pub(crate) physical: Arc<str>,
    pub(crate) spec: TopicSpec,
    /// The offset of its creation.
    pub(crate) serial: u64,
    /// By partition, the offset before which nothing is served.
    pub(crate) trimmed: Vec<u64>,
}

/// What the entries come to.
#[derive(Debug, Clone)]
pub(crate) struct Catalog {
    prefix: String,
    pub(crate) id: Option<Uuid>,
    pub(crate) topics: HashMap<String, Arc<Topic>>,
    /// The entry that comes next.
    pub(crate) next: u64,
}

impl Catalog {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), id: None, topics: HashMap::new(), next: 0 }
    }

    /// The name of its topic on the cluster.
    pub(crate) fn topic(&self) -> String {
        format!("{}-catalog", self.prefix)
    }

    /// Takes the entry at an offset into account.
    pub(crate) fn apply(&mut self, offset: u64, decision: Decision) {
        self.next = offset + 1;
        match decision {
            Decision::Log { id } => {
                self.id.get_or_insert(id);
            }
            Decision::Create { name, spec } => {
                let physical = physical(&self.prefix, &name, offset).into();
                let trimmed = vec![0; spec.partitions as usize];
                self.topics.entry(name).or_insert_with_key(|name| {
                    Arc::new(Topic { name: name.as_str().into(), physical, spec, serial: offset, trimmed })
                });
            }
            Decision::Delete { name, serial } => {
                if self.topics.get(&name).is_some_and(|topic| topic.serial == serial) {
                    self.topics.remove(&name);
                }
            }
            Decision::Trim { name, serial, partition, before } => {
                if let Some(topic) = self.topics.get_mut(&name).filter(|topic| topic.serial == serial)
                    && let Some(trimmed) = Arc::make_mut(topic).trimmed.get_mut(partition as usize)
                {
                    *trimmed = before.max(*trimmed);
                }
            }
        }
    }
}

/// The name of a topic on the cluster: readable, of the letters that Fluvio takes, and never used again.
fn physical(prefix: &str, name: &str, serial: u64) -> String {
    let mut readable: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(READABLE_MAX)
        .collect();
    // No dash twice, and none at the ends.
    while let Some(at) = readable.find("--") {
        readable.remove(at);
    }
    let readable = readable.trim_matches('-');
    if readable.is_empty() { format!("{prefix}-{serial}") } else { format!("{prefix}-{readable}-{serial}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: TopicSpec = TopicSpec { partitions: 2, retention_ms: Some(5), replication: None };

    #[test]
    fn names_on_the_cluster_are_readable_and_never_used_again() {
        for (name, expected) in [
            ("grnry_data_in_orders", "granary-grnry-data-in-orders-7"),
            ("Größe__X-", "granary-gr-e-x-7"),
            ("___", "granary-7"),
        ] {
            assert_eq!(physical("granary", name, 7), expected);
        }
        assert!(physical("granary", &"x".repeat(300), 7).len() < 63);
    }

    #[test]
    fn the_first_creation_of_a_name_counts() {
        let mut catalog = Catalog::new("granary");
        let create =
            |partitions| Decision::Create { name: "a".to_owned(), spec: TopicSpec { partitions, ..SPEC } };
        let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for (offset, decision) in [
            Decision::Log { id: first },
            Decision::Log { id: second },
            create(2),
            create(3),
            Decision::Trim { name: "a".to_owned(), serial: 2, partition: 1, before: 9 },
            Decision::Trim { name: "a".to_owned(), serial: 2, partition: 1, before: 4 },
            Decision::Trim { name: "a".to_owned(), serial: 3, partition: 0, before: 4 },
            Decision::Delete { name: "a".to_owned(), serial: 3 },
        ]
        .into_iter()
        .enumerate()
        {
            catalog.apply(offset as u64, decision);
        }
        assert_eq!(catalog.id, Some(first));
        let topic = &catalog.topics["a"];
        assert_eq!((topic.spec, &*topic.physical, &*topic.trimmed), (SPEC, "granary-a-2", &[0, 9][..]));
        catalog.apply(8, Decision::Delete { name: "a".to_owned(), serial: 2 });
        assert!(catalog.topics.is_empty());
        catalog.apply(9, create(3));
        assert_eq!(&*catalog.topics["a"].physical, "granary-a-9");
        assert_eq!(catalog.next, 10);
    }

    #[test]
    fn entries_are_read_back_and_those_of_a_newer_engine_refused() {
        let entry = Decision::Create { name: "a".to_owned(), spec: SPEC };
        assert_eq!(read(&write(entry.clone())), Ok(entry));
        assert_eq!(
            read(br#"{"v":2,"do":"rename"}"#).unwrap_err(),
            "was written by a newer engine (version 2, and this one knows 1)"
        );
        assert!(read(b"hello").unwrap_err().starts_with("is no entry of ours"));
        assert!(read(br#"{"v":1,"do":"rename"}"#).unwrap_err().starts_with("cannot be read"));
    }
}
