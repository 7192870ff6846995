//! The one thing that travels: a message, and the typed fields that the engine keeps beside the user's headers.

use bytes::Bytes;

/// The user-visible headers of a message: ordered pairs of name and text. Names are compared case-sensitively.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// No headers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of the first header of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Replaces the value of the header of that name, or appends it where there is none.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        match self.0.iter_mut().find(|(n, _)| n == name) {
            Some((_, v)) => *v = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Removes every header of that name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(n, _)| n != name);
    }

    /// The pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }
}

/// The position of the record that a stage made this message from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Topic of the record that was read.
    pub topic: String,
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: u64,
    /// Which of the outputs of that record this is, from 0.
    pub index: u32,
}

/// Which run of which definition made this message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incarnation {
    /// The stage, such as `harvester:orders` or `belt:17`.
    pub stage: String,
    /// The version of its definition.
    pub version: u64,
    /// The fencing epoch under which it ran.
    pub epoch: u64,
}

/// Who appended the message from outside, and its place in that producer's sequence. Lets the first stage drop
/// repeats on a log whose appends may be stored twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Producer {
    /// Identity of the producing process, new at each start.
    pub id: u128,
    /// Position in its sequence, from 0.
    pub sequence: u64,
}

/// Typed fields of the record format, version 1, that users do not see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct System {
    /// Where the message came from, when a stage made it.
    pub source: Option<Source>,
    /// Which stage made it.
    pub stage: Option<Incarnation>,
    /// Which producer appended it, when it came from outside.
    pub producer: Option<Producer>,
    /// Version of the schema that the payload was written with; 0 where there is none.
    pub schema_version: u32,
    /// Trace that the message belongs to; 0 where there is none.
    pub trace_id: u128,
}

/// One message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Chooses the partition; order holds among messages of one key.
    pub key: Option<Bytes>,
    /// The bytes as they were posted or made, never rewritten.
    pub payload: Bytes,
    /// The user's headers.
    pub headers: Headers,
    /// Append time in milliseconds since the Unix epoch. The log sets it when it is 0.
    pub time_ms: u64,
    /// The engine's own fields.
    pub system: System,
}

impl Message {
    /// A message of a payload alone.
    #[must_use]
    pub fn of(payload: impl Into<Bytes>) -> Self {
        Self { payload: payload.into(), ..Self::default() }
    }

    /// The partition of `count` that this message belongs to: by its key, or 0 where it has none. The choice is part
    /// of the storage format (FNV-1a over the key), so it never changes between releases.
    #[must_use]
    pub fn partition(&self, count: u32) -> u32 {
        let Some(key) = &self.key else { return 0 };
        if count <= 1 {
            return 0;
        }
        let hash = key
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
        // The low bits of FNV-1a are its weakest: fold the high half in before taking the remainder.
        u32::try_from((hash ^ (hash >> 32)) % u64::from(count)).expect("a remainder by a u32 fits a u32")
    }
}
