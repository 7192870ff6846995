//! Where random UUIDs come from.

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// A source of UUIDs.
pub trait Chance {
    /// The next one.
    fn uuid(&mut self) -> Uuid;
}

/// UUIDs that look random but follow from the place of the message in the log: when a record is processed again
/// after a crash, its events get the same ids again.
#[derive(Debug, Clone)]
pub struct DerivedChance<'a> {
    log: Uuid,
    stage: &'a str,
    topic: &'a str,
    partition: u32,
    offset: u64,
    index: u32,
    calls: u32,
}

impl<'a> DerivedChance<'a> {
    /// The UUIDs of the output number `index` (from 0) that the stage makes of one record. Every part counts: two
    /// outputs of one record need two indexes, or they would get the same ids.
    #[must_use]
    pub fn new(log: Uuid, stage: &'a str, topic: &'a str, partition: u32, offset: u64, index: u32) -> Self {
        Self { log, stage, topic, partition, offset, index, calls: 0 }
    }
}

impl Chance for DerivedChance<'_> {
    fn uuid(&mut self) -> Uuid {
        let mut hash = Sha256::new();
        hash.update(self.log.as_bytes());
        // Texts come with their length, so that no two places share their bytes.
        for text in [self.stage, self.topic] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        hash.update(self.partition.to_be_bytes());
        hash.update(self.offset.to_be_bytes());
        hash.update(self.index.to_be_bytes());
        hash.update(self.calls.to_be_bytes());
        self.calls = self.calls.wrapping_add(1);
        let digest: [u8; 32] = hash.finalize().into();
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        Builder::from_random_bytes(half).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_the_same_each_time_and_differ_by_every_part() {
        let log = Uuid::from_u128(7);
        let places = [
            (log, "a", "t", 0, 0, 0),
            (Uuid::from_u128(8), "a", "t", 0, 0, 0),
            (log, "b", "t", 0, 0, 0),
            (log, "a", "u", 0, 0, 0),
            (log, "at", "", 0, 0, 0),
            (log, "a", "t", 1, 0, 0),
            (log, "a", "t", 0, 1, 0),
            (log, "a", "t", 0, 0, 1),
        ];
        let draw = || -> Vec<Uuid> {
            let chances = places.map(|(l, s, t, p, o, i)| DerivedChance::new(l, s, t, p, o, i));
            chances.into_iter().flat_map(|mut chance| [chance.uuid(), chance.uuid()]).collect()
        };
        assert_eq!(draw(), draw());
        assert_eq!(draw().iter().collect::<HashSet<_>>().len(), 2 * places.len());
        assert!(
            draw().iter().all(|id| id.get_version_num() == 4 && id.get_variant() == uuid::Variant::RFC4122)
        );
    }

    /// The derivation is part of the exactly-once promise across upgrades, so it never changes.
    #[test]
    fn derivation_is_pinned() {
        let id = DerivedChance::new(Uuid::nil(), "harvester:h", "snowplow", 0, 1, 0).uuid();
        assert_eq!(id.to_string(), "34acd8ce-237f-4ea1-aeb9-9bd7bf78de3c");
    }
}
