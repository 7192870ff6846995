//! The frames of the batch: `FRAME.md` describes them.

/// What an answer has beside the payload of each record, about.
const OUTCOME_BYTES: usize = 64;

/// The answer to a batch: `run` is given the records in their order, and writes what becomes of each.
///
/// # Errors
/// Where the batch ends too early.
pub fn answer(batch: &[u8], mut run: impl FnMut(Record<'_>, &mut Writer)) -> Result<Vec<u8>, String> {
    let ended = || "the frame ends too early".to_owned();
    let mut reader = Reader { rest: batch };
    let count = reader.number().ok_or_else(ended)?;
    let mut to = Writer(Vec::with_capacity(batch.len() + count.min(batch.len()) * OUTCOME_BYTES));
    to.number(count);
    for _ in 0..count {
        run(reader.record().ok_or_else(ended)?, &mut to);
    }
    Ok(to.0)
}

/// A record of the batch, read where it lies.
#[derive(Debug)]
pub struct Record<'a> {
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The payload as it was stored.
    pub payload: &'a [u8],
}

/// Reads a frame.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The next number; `None` where the frame ends too early.
    fn number(&mut self) -> Option<usize> {
        let (number, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        usize::try_from(u32::from_le_bytes(*number)).ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// The next record; `None` where the frame ends too early.
    fn record(&mut self) -> Option<Record<'a>> {
        let count = self.number()?;
        // No header is shorter than its two numbers.
        let mut headers = Vec::with_capacity(count.min(self.rest.len() / 8));
        for _ in 0..count {
            headers.push((self.text()?.to_owned(), self.text()?.to_owned()));
        }
        Some(Record { headers, payload: self.bytes()? })
    }
}

/// Writes an answer.
#[derive(Debug)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Begins the outcome of a record that became so many messages.
    pub fn messages(&mut self, count: usize) {
        self.0.push(0);
        self.number(count);
    }

    /// The outcome of a record that failed.
    pub fn failure(&mut self, class: &str, message: &str, trace: &str) {
        self.0.push(1);
        [class, message, trace].into_iter().for_each(|text| self.text(text));
    }

    /// A message that is JSON text.
    pub fn json(&mut self, text: &str) {
        self.0.push(0);
        self.text(text);
    }

    /// A message that deletes.
    pub fn deletion(&mut self, correlation_id: &str, event_id: Option<&str>) {
        self.0.push(if event_id.is_some() { 2 } else { 1 });
        self.text(correlation_id);
        if let Some(event_id) = event_id {
            self.text(event_id);
        }
    }

    fn number(&mut self, number: usize) {
        // The memory of a component is smaller than what 32 bits count.
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(bytes: &[u8], to: &mut Vec<u8>) {
        to.extend_from_slice(&u32::try_from(bytes.len()).expect("a short text").to_le_bytes());
        to.extend_from_slice(bytes);
    }

    /// A batch of two records, without headers but for one of the first.
    fn batch() -> Vec<u8> {
        let mut frame = b"\x02\0\0\0\x01\0\0\0".to_vec();
        [b"name".as_slice(), b"value", b"\xff{}"].iter().for_each(|part| counted(part, &mut frame));
        frame.extend_from_slice(b"\0\0\0\0");
        counted(b"", &mut frame);
        frame
    }

    #[test]
    fn records_are_read_and_a_short_frame_is_told() {
        let (batch, mut read) = (batch(), Vec::new());
        answer(&batch, |record, _| read.push((record.headers, record.payload.to_vec()))).expect("a batch");
        let header = ("name".to_owned(), "value".to_owned());
        assert_eq!(read, [(vec![header], b"\xff{}".to_vec()), (Vec::new(), Vec::new())]);
        for end in 0..batch.len() {
            assert_eq!(
                answer(&batch[..end], |_, _| {}).expect_err("it is short"),
                "the frame ends too early"
            );
        }
    }

    #[test]
    fn outcomes_are_written_as_described() {
        let answer = answer(&batch(), |record, to| match record.payload {
            [] => to.failure("E", "m", ""),
            _ => {
                to.messages(2);
                to.json("1");
                to.deletion("c", Some("e"));
            }
        });
        let expected = b"\x02\0\0\0\0\x02\0\0\0\0\x01\0\0\01\x02\x01\0\0\0c\x01\0\0\0e\x01\x01\0\0\0E\x01\0\0\0m\0\0\0\0";
        assert_eq!(answer.expect("a batch"), expected);
    }
}
