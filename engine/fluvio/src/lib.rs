//! The stream contract on a [Fluvio](https://www.fluvio.io) cluster.
//!
//! ```text
//! append ──> writer: one batch a partition, few requests an SPU ──> SPU ──> its replicas ──> Ok(ranges)
//! read   <── reader: every offset compared with the one due    <── SPU
//! watch  <── tail: where partitions end, asked all at once      <── SPU
//! topics <── catalog: a topic of decisions                      <── SPU
//! ```
//!
//! **What an acknowledgement means here:** the record is on every replica that is in sync. Fluvio does not sync its files, so
//! it survives the death of processes, and the loss of power where another replica has power. Copies of one
//! (`replication=1`) do not survive that.
//!
//! The official client connects, brings certificates and profiles, and administers. Appends and reads use its protocol crates
//! directly, because the client's own producer and consumer lose records when used as their documentation shows (each of
//! these has a test in `tests/`):
//!
//! | the client's own | here |
//! |---|---|
//! | a fetch that is cut inside a batch passes the whole batch | what came whole is taken, the next fetch begins behind it |
//! | records larger than the fetch vanish | the fetch grows until something comes |
//! | evicted offsets are skipped | `Trimmed`, with the first offset still there |
//! | a failed send may be stored, and errors stick | sent again until acknowledged; repeats are told by their sequence |
//! | the producer waits for a broker for ever, and spins when its queue is full | every wait has a deadline, queues are bounded |
//! | a client may never recover from a broker's death | a connection that failed once is never used again |
//! | one stream over several partitions wedges after a restart | each read is a request of its own |
//! | a topic with more copies than SPUs is waited for, for ever | it is refused, with both numbers |
//! | small requests wait 40 ms for late acknowledgements | connections send and acknowledge at once |
//! | an SPU that is started again tells an end before what it has acknowledged, where there is one copy | there everything counts that it has; an empty answer is never taken for lost records |
//! | the SC may never answer a creation after a removal | the partitions are asked meanwhile |
//! | no headers | the whole message lies in an [`envelope`] |
//! | names of `[a-z0-9-]`, that had better not be used again | a catalog of names, each used once |
//! | consumers commit what was yielded last | cursors lie in Postgres, Fluvio's are not used |

mod cache;
mod catalog;
mod cluster;
mod connector;
mod reader;
mod tail;
mod writer;

pub mod address;
pub mod envelope;
pub mod log;
#[cfg(feature = "test-util")]
pub mod stand_in;

pub use address::Address;
pub use log::{FluvioLog, Options};
