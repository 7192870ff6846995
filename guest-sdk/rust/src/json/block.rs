//! Sixteen bytes of a text at once: by the instructions that WebAssembly has for it where a component is compiled for them
//! (`-C target-feature=+simd128`, as `granary belt build` does), or by those of numbers.

/// The bytes of a block.
pub(super) const BYTES: usize = 16;

/// What the bytes of a block are. Each has a bit, the first byte the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    /// What cannot stand in a text by itself: quotes, backslashes and control characters.
    pub(super) special: u32,
    /// Of these, the quotes.
    pub(super) quotes: u32,
    /// What is beyond ASCII.
    pub(super) beyond: u32,
}

/// Looks at a block.
#[inline(always)]
pub(super) fn marks(block: &[u8; BYTES]) -> Marks {
    let block = u128::from_le_bytes(*block);
    marks_of([block as u64, (block >> 64) as u64])
}

/// Looks at the bytes of two numbers, the lowest first.
#[cfg(target_feature = "simd128")]
#[inline(always)]
pub(super) fn marks_of([low, high]: [u64; 2]) -> Marks {
    use core::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_lt, u8x16_splat, u64x2, v128_or};

    let block = u64x2(low, high);
    let quotes = u8x16_eq(block, u8x16_splat(b'"'));
    let backslashes = u8x16_eq(block, u8x16_splat(b'\\'));
    let controls = u8x16_lt(block, u8x16_splat(b' '));
    let special = v128_or(v128_or(quotes, backslashes), controls);
    Marks {
        special: u8x16_bitmask(special).into(),
        quotes: u8x16_bitmask(quotes).into(),
        beyond: u8x16_bitmask(block).into(),
    }
}

/// Looks at the bytes of two numbers, the lowest first.
#[cfg(not(target_feature = "simd128"))]
pub(super) use portable as marks_of;

#[cfg(any(test, not(target_feature = "simd128")))]
#[inline]
pub(super) fn portable(halves: [u64; 2]) -> Marks {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x80 * ONES;

    // The high bit of each byte that is below a limit, which is 0x80 at most; nothing is carried from byte to byte.
    let below = |word: u64, limit: u8| !((word | HIGHS) - ONES * u64::from(limit) | word) & HIGHS;
    let equal = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    // High bits side by side.
    let gather = |highs: u64| ((highs >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32;
    let both = |[low, high]: [u64; 2]| gather(low) | gather(high) << 8;
    let quotes = both(halves.map(|word| equal(word, b'"')));
    let others = both(halves.map(|word| equal(word, b'\\') | below(word, b' ')));
    Marks { special: quotes | others, quotes, beyond: both(halves.map(|word| word & HIGHS)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the marks are by definition.
    fn wanted(block: &[u8; BYTES]) -> Marks {
        let bits = |is: fn(u8) -> bool| (0..BYTES).map(|at| u32::from(is(block[at])) << at).sum();
        Marks {
            special: bits(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)),
            quotes: bits(|byte| byte == b'"'),
            beyond: bits(|byte| byte >= 0x80),
        }
    }

    #[test]
    fn every_byte_is_marked_at_every_place() {
        for rest in [b'a', b'"', 0, 0x1f, 0x20, 0x7f, 0x80, 0xff] {
            for at in 0..BYTES {
                for byte in 0..=255 {
                    let mut block = [rest; BYTES];
                    block[at] = byte;
                    let number = u128::from_le_bytes(block);
                    let halves = [number as u64, (number >> 64) as u64];
                    assert_eq!(portable(halves), wanted(&block), "{block:?}");
                    assert_eq!(marks(&block), wanted(&block), "{block:?}");
                }
            }
        }
    }
}
