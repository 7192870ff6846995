//! A batch of events on its way through the instances of a belt.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use granary_sandbox::{Batch, EventIn};
use granary_stream::Headers;

use crate::stage::Delivered;

/// Delivered records and the headers that the callback sees of them.
pub(super) struct Events {
    delivered: Vec<Delivered>,
    headers: Vec<Headers>,
}

impl Events {
    /// One entry of `headers` for each record.
    pub(super) fn new(delivered: Vec<Delivered>, headers: Vec<Headers>) -> Self {
        Self { delivered, headers }
    }

    /// The records, without a copy where nobody else holds the batch any more.
    pub(super) fn into_delivered(batch: Arc<Self>) -> Vec<Delivered> {
        Arc::try_unwrap(batch).map_or_else(|shared| shared.delivered.clone(), |batch| batch.delivered)
    }
}

impl Batch for Events {
    fn len(&self) -> usize {
        self.delivered.len()
    }

    fn event(&self, index: usize) -> EventIn<'_> {
        let payload = &self.delivered[index].record.message.payload;
        EventIn { headers: &self.headers[index].0, payload }
    }

    /// By the key of the message, and not as partitions are chosen: a batch of one partition is spread, too. What has
    /// no key is in no order with anything else.
    fn key(&self, index: usize) -> u64 {
        let record = &self.delivered[index].record;
        match &record.message.key {
            Some(key) => BuildHasherDefault::<DefaultHasher>::default().hash_one(key),
            None => record.offset,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use granary_stream::{Message, Record};

    use super::*;

    fn delivered(key: &str) -> Delivered {
        let message = Message { key: Some(key.to_owned().into()), ..Message::of("{}") };
        Delivered { topic: "t".into(), partition: 0, record: Record { offset: 0, message } }
    }

    #[test]
    fn one_partition_is_spread_over_two_instances_and_a_key_stays_with_one() {
        let keys: Vec<_> = (0..400)
            .map(|n| format!("c-{n}"))
            .filter(|key| delivered(key).record.message.partition(8) == 3)
            .collect();
        assert!(keys.len() > 20);
        let batch = Events::new(
            keys.iter().map(|key| delivered(key)).collect(),
            vec![Headers::default(); keys.len()],
        );
        let again = Events::new(
            keys.iter().map(|key| delivered(key)).collect(),
            vec![Headers::default(); keys.len()],
        );
        let mut counts = HashMap::new();
        for at in 0..batch.len() {
            assert_eq!(batch.key(at), again.key(at));
            *counts.entry(batch.key(at) % 2).or_insert(0_usize) += 1;
        }
        assert!(counts.len() == 2 && counts.values().all(|count| count * 4 > keys.len()), "{counts:?}");
    }
}
