//! The frames of the batch: `FRAME.md` describes them.

/// A record of the batch, read where it lies.
#[derive(Debug)]
pub struct Record<'a> {
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The payload as it was stored.
    pub payload: &'a [u8],
}

/// Reads a frame.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of a frame.
    #[must_use]
    pub fn new(frame: &'a [u8]) -> Self {
        Self { rest: frame }
    }

    /// The next number; `None` where the frame ends too early.
    pub fn number(&mut self) -> Option<usize> {
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
    pub fn record(&mut self) -> Option<Record<'a>> {
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
    /// An answer of so many outcomes and about so many bytes.
    #[must_use]
    pub fn new(outcomes: usize, bytes: usize) -> Self {
        let mut to = Self(Vec::with_capacity(bytes));
        to.number(outcomes);
        to
    }

    /// The frame.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

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

    #[test]
    fn records_are_read_and_a_short_frame_is_told() {
        let mut frame = 1_u32.to_le_bytes().to_vec();
        frame.extend_from_slice(&1_u32.to_le_bytes());
        [b"name".as_slice(), b"value", b"\xff{}"].iter().for_each(|part| counted(part, &mut frame));
        let mut reader = Reader::new(&frame);
        assert_eq!(reader.number(), Some(1));
        let record = reader.record().expect("a record");
        assert_eq!(record.headers, [("name".to_owned(), "value".to_owned())]);
        assert_eq!(record.payload, b"\xff{}");
        for end in 0..frame.len() {
            let mut reader = Reader::new(&frame[..end]);
            assert!(reader.number().is_none() || reader.record().is_none());
        }
    }

    #[test]
    fn outcomes_are_written_as_described() {
        let mut to = Writer::new(2, 0);
        to.messages(2);
        to.json("1");
        to.deletion("c", Some("e"));
        to.failure("E", "m", "");
        let expected = b"\x02\0\0\0\0\x02\0\0\0\0\x01\0\0\01\x02\x01\0\0\0c\x01\0\0\0e\x01\x01\0\0\0E\x01\0\0\0m\0\0\0\0";
        assert_eq!(to.finish(), expected);
    }
}
