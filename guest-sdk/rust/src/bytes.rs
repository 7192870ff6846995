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

#[cfg(test)]
mod tests {
    use super::*;

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
