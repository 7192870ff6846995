//! Bytes that are meant to be text.

use std::borrow::Cow;

/// The text of bytes; what is not UTF-8 in them becomes U+FFFD. Almost all are UTF-8, which the standard library finds out a
/// word at a time only where it is not asked for replacements.
#[must_use]
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_replaced() {
        assert!(matches!(lossy("\u{fc}".as_bytes()), Cow::Borrowed("\u{fc}")));
        assert_eq!(lossy(b"a\xffb"), "a\u{fffd}b");
    }
}
