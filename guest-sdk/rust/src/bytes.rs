//! Short runs of bytes, of which an event has many: for most of them, a call of the C library takes longer than the work.

/// Longer runs are left to the C library, or to the engine.
const SHORT: usize = 256;

/// Appends bytes: the short ones in pieces, each of a length that the compiler knows.
pub(crate) fn put(to: &mut Vec<u8>, bytes: &[u8]) {
    match bytes.len() {
        0..4 => bytes.iter().for_each(|byte| to.push(*byte)),
        4..8 => put_ends::<4>(to, bytes),
        8..16 => put_ends::<8>(to, bytes),
        16..=32 => put_ends::<16>(to, bytes),
        33..=SHORT => put_pieces(to, bytes),
        _ => to.extend_from_slice(bytes),
    }
}

/// Appends what is between `N` and twice as many bytes: its two ends, which meet or overlap.
#[inline]
fn put_ends<const N: usize>(to: &mut Vec<u8>, bytes: &[u8]) {
    let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) else { return };
    to.extend_from_slice(first);
    to.truncate(to.len() + bytes.len() - 2 * N);
    to.extend_from_slice(last);
}

fn put_pieces(to: &mut Vec<u8>, mut bytes: &[u8]) {
    while let Some((piece, rest)) = bytes.split_first_chunk::<16>().filter(|(_, rest)| rest.len() >= 16) {
        to.extend_from_slice(piece);
        bytes = rest;
    }
    put_ends::<16>(to, bytes);
}

/// Whether two runs are the same.
#[inline]
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && same_pieces(one, other)
}

fn same_pieces(mut one: &[u8], mut other: &[u8]) -> bool {
    while let (Some((a, one_rest)), Some((b, other_rest))) =
        (one.split_first_chunk::<8>(), other.split_first_chunk::<8>())
    {
        if u64::from_le_bytes(*a) != u64::from_le_bytes(*b) {
            return false;
        }
        (one, other) = (one_rest, other_rest);
    }
    one.iter().eq(other)
}

/// The bytes of a block.
const BLOCK: usize = 64;

/// The text of bytes that are ASCII, all of them. A block of bytes is looked at together, since at each turn of a loop the
/// engine looks whether the time is up.
pub(crate) fn ascii(bytes: &[u8]) -> Option<&str> {
    let word = |word: &[u8]| word.try_into().map_or(0, u64::from_le_bytes);
    let mut blocks = bytes.chunks_exact(BLOCK);
    for block in blocks.by_ref() {
        let all = block.chunks_exact(8).fold(0, |all, eight| all | word(eight));
        if all & BEYOND != 0 {
            return None;
        }
    }
    let mut words = blocks.remainder().chunks_exact(8);
    let all = words.by_ref().fold(0, |all, eight| all | word(eight));
    let last = words.remainder().iter().fold(0, |all, byte| all | byte);
    if all & BEYOND != 0 || last & 0x80 != 0 {
        return None;
    }
    // SAFETY: none of the bytes is beyond ASCII, all of which is UTF-8.
    Some(unsafe { std::str::from_utf8_unchecked(bytes) })
}

/// The bits of eight bytes that none of ASCII has.
const BEYOND: u64 = 0x8080_8080_8080_8080;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_told_from_other_bytes_at_all_places() {
        let text: Vec<u8> = (0..=0x7f).cycle().take(200).collect();
        for length in 0..text.len() {
            let mut bytes = text[..length].to_vec();
            assert_eq!(ascii(&bytes).map(str::as_bytes), Some(&text[..length]));
            for at in 0..length {
                bytes[at] |= 0x80;
                assert_eq!(ascii(&bytes), None, "{length} {at}");
                bytes[at] &= 0x7f;
            }
        }
    }

    #[test]
    fn runs_of_all_lengths_are_put_and_compared() {
        let bytes: Vec<u8> = (0..=255).cycle().take(600).collect();
        for length in 0..bytes.len() {
            let mut to = b"before".to_vec();
            put(&mut to, &bytes[..length]);
            assert_eq!(to, [b"before", &bytes[..length]].concat());
            let run = &to[6..];
            assert!(same(run, &bytes[..length]) && !same(run, &bytes[..length + 1]));
            for wrong in 0..length.min(40) {
                let mut other = run.to_vec();
                other[wrong] ^= 1;
                assert!(!same(run, &other), "{length} {wrong}");
            }
        }
    }
}
