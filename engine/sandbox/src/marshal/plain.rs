//! The parts of strings that stand in JSON as they are.

/// The number of bytes before the first that JSON escapes in strings: quotes, backslashes, and control characters; and
/// whether they are all ASCII.
pub(super) fn run(bytes: &[u8]) -> (usize, bool) {
    let (mut all, mut at) = (0u64, 0);
    for chunk in bytes.chunks_exact(8) {
        let word = u64::from_le_bytes(chunk.try_into().expect("a chunk is as long as was asked for"));
        let special = special(word);
        if special != 0 {
            let before = special.trailing_zeros() / 8;
            all |= word & ((1u64 << (before * 8)) - 1);
            return (at + before as usize, all & HIGH == 0);
        }
        all |= word;
        at += 8;
    }
    for byte in &bytes[at..] {
        if matches!(byte, b'"' | b'\\' | 0..0x20) {
            break;
        }
        all |= u64::from(*byte);
        at += 1;
    }
    (at, all & HIGH == 0)
}

/// In each byte 1.
const ONES: u64 = 0x0101_0101_0101_0101;
/// In each byte the highest bit.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The highest bit is set in the first byte that is escaped, and in none before it. What it says of later ones is not
/// reliable, since subtractions borrow.
fn special(word: u64) -> u64 {
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let below = word.wrapping_sub(ONES * 0x20) & !word;
    (below | zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\')))) & HIGH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::run;

    fn slowly(bytes: &[u8]) -> (usize, bool) {
        let count = bytes.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20)).unwrap_or(bytes.len());
        (count, bytes[..count].is_ascii())
    }

    #[test]
    fn each_byte_at_each_place() {
        for byte in 0..=255 {
            for place in 0..20 {
                let mut bytes = [b'x'; 20];
                bytes[place] = byte;
                assert_eq!(run(&bytes), slowly(&bytes), "{byte} at {place}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(run(&bytes), slowly(&bytes));
        }

        #[test]
        fn text(text in "[ -~\u{80}-\u{200}\n]{0,60}") {
            prop_assert_eq!(run(text.as_bytes()), slowly(text.as_bytes()));
        }
    }
}
