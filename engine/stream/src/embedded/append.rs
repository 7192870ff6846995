//! The caller's side of an append: check, encode, queue, wait.

use std::cell::RefCell;

use tokio::sync::oneshot;

use super::queue::{Answer, Encoded, PerPiece, Piece, Pieces};
use super::shared::{Shared, Topics, topic};
use super::writer::FRAME_BODY_BYTES_MAX;
use crate::log::{Append, Error, OffsetRange};
use crate::record;

/// One append is one group and lies in one file, whose positions are 32 bits wide.
const APPEND_BYTES_MAX: usize = 1 << 30;

/// Appends up to this size are encoded in memory that is used again and copied into the group: cheaper than memory of
/// their own, which another thread would have to free.
const SMALL_BYTES_MAX: usize = 32 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Where the range of a batch is found.
struct Batch {
    topic: String,
    partition: u32,
    records: u64,
    /// The piece that holds its first record; for an empty batch the end of the partition.
    first: Result<usize, u64>,
}

pub(super) async fn append(shared: &Shared, batches: Vec<Append>) -> Result<Vec<OffsetRange>, Error> {
    let (reply, answer) = oneshot::channel();
    let (pieces, batches) = submit(shared, batches, reply)?;
    let bases = if pieces == 0 { PerPiece::new() } else { answer.await.map_err(|_| shared.failed())?? };
    let range = |Batch { topic, partition, records, first }| {
        let start = match first {
            Ok(piece) => bases[piece],
            Err(end) => end,
        };
        OffsetRange { topic, partition, start, end: start + records }
    };
    Ok(batches.into_iter().map(range).collect())
}

/// Checks, encodes and queues; the number of pieces.
fn submit(
    shared: &Shared,
    batches: Vec<Append>,
    reply: oneshot::Sender<Answer>,
) -> Result<(usize, SmallBatches), Error> {
    shared.usable()?;
    let size = size_checked(shared, &batches)?;
    let now_ms = shared.clock.now_ms();
    if batches.iter().flat_map(|batch| &batch.messages).any(|message| message.system.stage.is_none()) {
        shared.room_for_all(now_ms)?;
    }
    let topics = shared.topics.load();
    if size <= SMALL_BYTES_MAX {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            let (pieces, batches) = encode(&topics, batches, now_ms, scratch)?;
            Ok((queue(shared, Encoded::Small(scratch), pieces, reply)?, batches))
        })
    } else {
        let mut bytes = Vec::with_capacity(size);
        let (pieces, batches) = encode(&topics, batches, now_ms, &mut bytes)?;
        Ok((queue(shared, Encoded::Large(bytes), pieces, reply)?, batches))
    }
}

/// Queues what there is; the number of pieces.
fn queue(
    shared: &Shared,
    encoded: Encoded<'_>,
    pieces: Pieces<'_>,
    reply: oneshot::Sender<Answer>,
) -> Result<usize, Error> {
    let count = pieces.len();
    if count > 0 {
        shared.queue.push(encoded, pieces, reply).map_err(|error| {
            // The queue is closed when the log has failed, too.
            if shared.failure.get().is_some() { shared.failed() } else { error }
        })?;
    }
    Ok(count)
}

/// Appends the stored form of all messages to `bytes`.
fn encode<'a>(
    topics: &'a Topics,
    batches: Vec<Append>,
    now_ms: u64,
    bytes: &mut Vec<u8>,
) -> Result<(Pieces<'a>, SmallBatches), Error> {
    let mut pieces = Pieces::new();
    let mut kept = SmallBatches::with_capacity(batches.len());
    for Append { topic: name, partition, messages } in batches {
        let topic = topic(topics, &name)?;
        let place = topic.partition(partition)?;
        let first = if messages.is_empty() { Err(place.bounds().end) } else { Ok(pieces.len()) };
        let mut open: Option<Piece<_>> = None;
        for message in &messages {
            let time_ms = if message.time_ms == 0 { now_ms } else { message.time_ms };
            let begin = bytes.len();
            record::encode(message, time_ms, bytes);
            match &mut open {
                Some(piece) if bytes.len() - piece.begin <= FRAME_BODY_BYTES_MAX => {
                    piece.end = bytes.len();
                    piece.count += 1;
                    piece.time_max_ms = piece.time_max_ms.max(time_ms);
                }
                _ => {
                    pieces.extend(open.replace(Piece {
                        topic,
                        partition,
                        chunk: 0,
                        begin,
                        end: bytes.len(),
                        count: 1,
                        time_max_ms: time_ms,
                    }));
                }
            }
        }
        pieces.extend(open);
        kept.push(Batch { topic: name, partition, records: messages.len() as u64, first });
    }
    Ok((pieces, kept))
}

/// Most appends are of one batch.
type SmallBatches = PerPiece<Batch>;

/// An upper bound of the stored size of all batches.
fn size_checked(shared: &Shared, batches: &[Append]) -> Result<usize, Error> {
    let limit = shared.options.record_bytes_max;
    let mut total = 0_usize;
    for message in batches.iter().flat_map(|batch| &batch.messages) {
        let bytes = record::size_bound(message);
        if bytes > limit {
            return Err(Error::RecordTooLarge { bytes, limit });
        }
        total = total.saturating_add(bytes);
    }
    if total > APPEND_BYTES_MAX {
        return Err(Error::RecordTooLarge { bytes: total, limit: APPEND_BYTES_MAX });
    }
    Ok(total)
}
