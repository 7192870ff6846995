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
    marks_of(halves(block))
}

#[inline(always)]
fn halves(block: &[u8; BYTES]) -> [u64; 2] {
    let block = u128::from_le_bytes(*block);
    [block as u64, (block >> 64) as u64]
}

/// Of the first bytes of a block, how many are digits.
#[inline(always)]
pub(super) fn digits(block: &[u8; BYTES]) -> usize {
    let [low, high] = halves(block);
    #[cfg(target_feature = "simd128")]
    let others: u32 = {
        use core::arch::wasm32::{u8x16_bitmask, u8x16_gt, u8x16_splat, u8x16_sub, u64x2};
        u8x16_bitmask(u8x16_gt(u8x16_sub(u64x2(low, high), u8x16_splat(b'0')), u8x16_splat(9))).into()
    };
    #[cfg(not(target_feature = "simd128"))]
    let others = super::swar::others_than_digits([low, high]);
    (others | (1 << BYTES)).trailing_zeros() as usize
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
pub(super) use super::swar::marks as marks_of;

#[cfg(test)]
mod tests {
    use super::super::swar;
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
        for rest in [b'a', b'"', b'0', b'9', 0, 0x1f, 0x20, 0x7f, 0x80, 0xff] {
            for at in 0..BYTES {
                for byte in 0..=255 {
                    let mut block = [rest; BYTES];
                    block[at] = byte;
                    assert_eq!(swar::marks(halves(&block)), wanted(&block), "{block:?}");
                    assert_eq!(marks(&block), wanted(&block), "{block:?}");
                    let run = block.iter().take_while(|byte| byte.is_ascii_digit()).count();
                    let others = swar::others_than_digits(halves(&block)) | (1 << BYTES);
                    assert_eq!((digits(&block), others.trailing_zeros() as usize), (run, run), "{block:?}");
                }
            }
        }
    }
}
