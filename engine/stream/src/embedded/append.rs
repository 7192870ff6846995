//! The caller's side of an append: check, encode, queue, wait.

use tokio::sync::oneshot;

use super::queue::{Pending, Piece};
use super::record;
use super::shared::Shared;
use super::writer::FRAME_BODY_BYTES_MAX;
use crate::log::{Append, Error, OffsetRange};

/// One append is one group and lies in one file, whose positions are 32 bits wide.
const APPEND_BYTES_MAX: usize = 1 << 30;

/// Where the answer to a batch is found.
struct Answer {
    topic: String,
    partition: u32,
    records: u64,
    /// The piece that holds its first record; for an empty batch the end of the partition.
    first: Result<usize, u64>,
}

pub(super) async fn append(shared: &Shared, batches: Vec<Append>) -> Result<Vec<OffsetRange>, Error> {
    shared.usable()?;
    let Encoded { bytes, pieces, answers } = encode(shared, batches)?;
    if pieces.is_empty() {
        return Ok(ranges(answers, &[]));
    }
    let (reply, answer) = oneshot::channel();
    shared.queue.push(Pending { bytes, pieces, reply }).map_err(|error| {
        // The queue is closed when the log has failed, too.
        if shared.failure.get().is_some() { shared.failed() } else { error }
    })?;
    let bases = answer.await.map_err(|_| shared.failed())??;
    Ok(ranges(answers, &bases))
}

/// An append as the committer wants it.
struct Encoded {
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    answers: Vec<Answer>,
}

fn encode(shared: &Shared, batches: Vec<Append>) -> Result<Encoded, Error> {
    let now_ms = shared.clock.now_ms();
    let size = size_checked(shared, &batches)?;
    let mut bytes = Vec::with_capacity(size);
    let mut pieces: Vec<Piece> = Vec::with_capacity(batches.len());
    let mut answers = Vec::with_capacity(batches.len());
    for Append { topic: name, partition, messages } in batches {
        let topic = shared.topic(&name)?;
        let place = topic.partition(partition)?;
        let first = if messages.is_empty() { Err(place.bounds().end) } else { Ok(pieces.len()) };
        let mut open: Option<Piece> = None;
        for message in &messages {
            let time_ms = if message.time_ms == 0 { now_ms } else { message.time_ms };
            let begin = bytes.len();
            record::encode(message, time_ms, &mut bytes);
            match &mut open {
                Some(piece) if bytes.len() - piece.begin <= FRAME_BODY_BYTES_MAX => {
                    piece.end = bytes.len();
                    piece.count += 1;
                    piece.time_max_ms = piece.time_max_ms.max(time_ms);
                }
                _ => {
                    pieces.extend(open.replace(Piece {
                        topic: topic.clone(),
                        partition: place.clone(),
                        begin,
                        end: bytes.len(),
                        count: 1,
                        time_max_ms: time_ms,
                    }));
                }
            }
        }
        pieces.extend(open);
        answers.push(Answer { topic: name, partition, records: messages.len() as u64, first });
    }
    Ok(Encoded { bytes, pieces, answers })
}

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

fn ranges(answers: Vec<Answer>, bases: &[u64]) -> Vec<OffsetRange> {
    answers
        .into_iter()
        .map(|Answer { topic, partition, records, first }| {
            let start = match first {
                Ok(piece) => bases[piece],
                Err(end) => end,
            };
            OffsetRange { topic, partition, start, end: start + records }
        })
        .collect()
}
