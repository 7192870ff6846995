//! Looks at the bytes of numbers, eight in each, where there are no instructions for blocks.

use super::block::Marks;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x80 * ONES;

/// What [`super::block::marks_of`] is.
#[inline]
pub(super) fn marks(halves: [u64; 2]) -> Marks {
    let quotes = both(halves.map(|word| equal(word, b'"')));
    let others = both(halves.map(|word| equal(word, b'\\') | below(word, b' ')));
    Marks { special: quotes | others, quotes, beyond: both(halves.map(|word| word & HIGHS)) }
}

/// Which bytes are no digits, a bit for each.
#[inline]
pub(super) fn others_than_digits(halves: [u64; 2]) -> u32 {
    // By the bits in which digits differ they are below ten.
    both(halves.map(|word| !below(word ^ (ONES * u64::from(b'0')), 10) & HIGHS))
}

/// The high bit of each byte that is below a limit, which is 0x80 at most; nothing is carried from byte to byte.
fn below(word: u64, limit: u8) -> u64 {
    !(((word | HIGHS) - ONES * u64::from(limit)) | word) & HIGHS
}

fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (ONES * u64::from(byte)), 1)
}

/// The high bits of two numbers, side by side.
fn both(halves: [u64; 2]) -> u32 {
    let [low, high] = halves.map(|highs| ((highs >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32);
    low | high << 8
}
