//! Looks through JSON text, eight bytes at a time, and passes over what nobody asked for.

/// Values nest at most this deep, as `serde_json` has it.
pub(super) const DEPTH_MAX: u32 = 127;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// A place in a text. Each step answers `None` where the text is not JSON, or is more than this reader knows.
pub(super) struct Scan<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    /// All bytes of texts, one upon the other: whether any is beyond ASCII.
    seen: u64,
}

/// A text between its quotes.
pub(super) struct Text<'a> {
    pub(super) raw: &'a [u8],
    /// Whether it holds escapes.
    pub(super) escaped: bool,
}

impl<'a> Scan<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, seen: 0 }
    }

    /// The next byte that is no white space.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Passes over that byte, which must be the next one that is no white space.
    #[inline]
    pub(super) fn expect(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    /// Whether nothing is left but white space, and all of the text is UTF-8.
    pub(super) fn end(&mut self) -> bool {
        self.peek().is_none() && (self.seen & HIGHS == 0 || std::str::from_utf8(self.bytes).is_ok())
    }

    /// The text behind a quote that was passed over.
    #[inline]
    pub(super) fn text(&mut self) -> Option<Text<'a>> {
        let (start, mut escaped) = (self.at, false);
        loop {
            self.plain();
            match *self.bytes.get(self.at)? {
                b'"' => {
                    let raw = &self.bytes[start..self.at];
                    self.at += 1;
                    return Some(Text { raw, escaped });
                }
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                byte if byte < 0x20 => return None,
                byte => {
                    self.seen |= u64::from(byte);
                    self.at += 1;
                }
            }
        }
    }

    /// Goes on to the next quote, backslash or control character, or to less than eight bytes before the end.
    #[inline]
    fn plain(&mut self) {
        while let Some(chunk) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()) {
            let word = u64::from_le_bytes(*chunk);
            self.seen |= word;
            let zero = |word: u64| word.wrapping_sub(ONES) & !word;
            let quote = zero(word ^ (ONES * b'"' as u64));
            let backslash = zero(word ^ (ONES * b'\\' as u64));
            let control = word.wrapping_sub(ONES * 0x20) & !word;
            // The lowest mark is right; those above it may be carries.
            let marks = (quote | backslash | control) & HIGHS;
            if marks != 0 {
                self.at += (marks.trailing_zeros() / 8) as usize;
                return;
            }
            self.at += 8;
        }
    }

    fn escape(&mut self) -> Option<()> {
        let kind = *self.bytes.get(self.at + 1)?;
        self.at += 2;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let digits = self.bytes.get(self.at..self.at + 4)?;
                self.at += 4;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())
            }
            _ => None,
        }
    }

    /// The digits of a number, and whether it has a fraction or an exponent.
    #[inline]
    pub(super) fn number(&mut self) -> Option<(&'a str, bool)> {
        let start = self.at;
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        match self.bytes.get(self.at)? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits()?,
            _ => return None,
        }
        let whole = self.at;
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        let digits = std::str::from_utf8(&self.bytes[start..self.at]).ok()?;
        Some((digits, self.at > whole))
    }

    #[inline]
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    #[inline]
    pub(super) fn word(&mut self, word: &[u8]) -> Option<()> {
        self.bytes.get(self.at..)?.starts_with(word).then(|| self.at += word.len())
    }

    /// Passes over a value. `depth` is how many values it lies in.
    pub(super) fn skip(&mut self, depth: u32) -> Option<()> {
        // One bit for each value that is open, the innermost lowest: whether it is an object.
        let (mut objects, mut open) = (0_u128, 0_u32);
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    self.text()?;
                }
                bracket @ (b'{' | b'[') => {
                    self.at += 1;
                    let is_object = bracket == b'{';
                    if self.peek()? != if is_object { b'}' } else { b']' } {
                        open += 1;
                        if depth + open > DEPTH_MAX {
                            return None;
                        }
                        objects = objects << 1 | u128::from(is_object);
                        if is_object {
                            self.key()?;
                        }
                        continue;
                    }
                    self.at += 1;
                }
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => {
                    self.number()?;
                }
            }
            // Behind a value: what is open goes on or is closed.
            loop {
                if open == 0 {
                    return Some(());
                }
                let in_object = objects & 1 == 1;
                match self.peek()? {
                    b',' => {
                        self.at += 1;
                        if in_object {
                            self.key()?;
                        }
                        break;
                    }
                    b'}' if in_object => {}
                    b']' if !in_object => {}
                    _ => return None,
                }
                self.at += 1;
                objects >>= 1;
                open -= 1;
            }
        }
    }

    fn key(&mut self) -> Option<()> {
        self.expect(b'"')?;
        self.text()?;
        self.expect(b':')
    }
}
