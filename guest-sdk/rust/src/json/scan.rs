//! Looks through JSON text, a block of bytes at a time, and passes over what nobody asked for.

use super::block::{self, BYTES};

/// Values nest at most this deep, as `serde_json` has it.
pub(super) const DEPTH_MAX: u32 = 127;

/// A place in a text. Each step answers `None` where the text is not JSON, or is more than this reader knows.
pub(super) struct Scan<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    /// Not 0 where a byte was seen that is beyond ASCII.
    beyond: u32,
}

/// A text between its quotes.
pub(super) struct Text<'a> {
    pub(super) raw: &'a [u8],
    /// Whether it holds escapes.
    pub(super) escaped: bool,
}

impl<'a> Scan<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, beyond: 0 }
    }

    /// The next byte that is no white space.
    #[inline(always)]
    pub(super) fn peek(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        if byte > b' ' { Some(byte) } else { self.peek_behind_space() }
    }

    #[inline(never)]
    fn peek_behind_space(&mut self) -> Option<u8> {
        let space = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\t' | b'\r');
        self.at += self.bytes[self.at..].iter().take_while(|byte| space(byte)).count();
        self.bytes.get(self.at).copied()
    }

    /// Passes over that byte, which must be the next one that is no white space.
    #[inline(always)]
    pub(super) fn expect(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    /// Whether nothing is left but white space, and all of the text is UTF-8.
    pub(super) fn end(&mut self) -> bool {
        self.peek().is_none() && (self.beyond == 0 || std::str::from_utf8(self.bytes).is_ok())
    }

    /// The text behind a quote that was passed over.
    ///
    /// Most texts end within a block. That is told apart from the others because it needs no loop: at each the engine looks
    /// whether the time is up, for which everything at hand has to be put away.
    #[inline(always)]
    pub(super) fn text(&mut self) -> Option<Text<'a>> {
        if let Some(block) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<BYTES>) {
            let marks = block::marks(block);
            let plain = marks.special.trailing_zeros();
            if marks.quotes.wrapping_shr(plain) & 1 == 1 {
                self.beyond |= marks.beyond;
                self.at += plain as usize + 1;
                return Some(Text { raw: &block[..plain as usize], escaped: false });
            }
        }
        self.text_of_blocks()
    }

    #[inline(never)]
    fn text_of_blocks(&mut self) -> Option<Text<'a>> {
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
                _ => return None,
            }
        }
    }

    /// The name of an object's next entry, the comma before it passed over; `Some(None)` where the bracket comes.
    #[inline]
    pub(super) fn name(&mut self, first: bool) -> Option<Option<Text<'a>>> {
        match self.peek()? {
            b'}' => return Some(None),
            b',' if !first => self.at += 1,
            _ if first => {}
            _ => return None,
        }
        self.expect(b'"')?;
        self.text().map(Some)
    }

    /// Goes on to the next quote, backslash or control character, or to the end.
    #[inline]
    fn plain(&mut self) {
        while let Some(block) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()) {
            let marks = block::marks(block);
            // Perhaps of bytes behind the text: then the whole is looked at, too.
            self.beyond |= marks.beyond;
            if marks.special != 0 {
                self.at += marks.special.trailing_zeros() as usize;
                return;
            }
            self.at += BYTES;
        }
        self.plain_end();
    }

    /// The same where less than a block is left.
    #[inline(never)]
    fn plain_end(&mut self) {
        let length = self.bytes.len();
        if let Some(last) = self.bytes.last_chunk::<BYTES>() {
            let marks = block::marks(last);
            self.beyond |= marks.beyond;
            let special = marks.special >> (BYTES - (length - self.at));
            self.at = length.min(self.at + special.trailing_zeros() as usize);
            return;
        }
        for byte in &self.bytes[self.at..] {
            if matches!(byte, b'"' | b'\\' | 0..0x20) {
                return;
            }
            self.beyond |= u32::from(byte & 0x80);
            self.at += 1;
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
        let is_float = self.pass_number()?;
        let digits = std::str::from_utf8(&self.bytes[start..self.at]).ok()?;
        Some((digits, is_float))
    }

    /// Passes over a number: whether it has a fraction or an exponent.
    #[inline(always)]
    fn pass_number(&mut self) -> Option<bool> {
        // Most are integers that end within a block, see [`Scan::text`].
        if let Some(block) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<BYTES>) {
            let digits = block::digits(block);
            if digits > 0
                && (digits == 1 || block[0] != b'0')
                && block.get(digits).is_some_and(|behind| !matches!(behind, b'.' | b'e' | b'E'))
            {
                self.at += digits;
                return Some(false);
            }
        }
        self.pass_any_number()
    }

    #[inline(never)]
    fn pass_any_number(&mut self) -> Option<bool> {
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
        Some(self.at > whole)
    }

    #[inline]
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    /// Passes over a word. Its length is known, so that it is compared as a number is.
    #[inline]
    pub(super) fn word<const N: usize>(&mut self, word: &[u8; N]) -> Option<()> {
        (self.bytes.get(self.at..)?.first_chunk() == Some(word)).then(|| self.at += N)
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
                    self.pass_number()?;
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
