//! Integers of any size between decimal text and marshal's 15-bit digits.

/// 10^9, the largest power of ten whose products with a 30-bit digit stay within 64 bits comfortably.
const BILLION: u64 = 1_000_000_000;

/// Converts decimal digits (ASCII, no sign, not empty) into 15-bit digits, least significant first, without leading
/// zeros. Quadratic in the number of digits, which the caller bounds.
pub(super) fn digits_from_decimal(decimal: &[u8]) -> Vec<u16> {
    // Limbs of 30 bits: two marshal digits each, and `limb * 10^9 + carry` fits 64 bits.
    let mut limbs: Vec<u32> = Vec::with_capacity(decimal.len() / 9 + 1);
    let head = decimal.len() % 9;
    let (first, rest) = decimal.split_at(head);
    let chunks = std::iter::once(first).filter(|c| !c.is_empty()).chain(rest.chunks(9));
    for chunk in chunks {
        let mut carry = chunk.iter().fold(0u64, |n, d| n * 10 + u64::from(d - b'0'));
        let scale = 10u64.pow(chunk.len() as u32);
        for limb in &mut limbs {
            let value = u64::from(*limb) * scale + carry;
            *limb = (value & 0x3fff_ffff) as u32;
            carry = value >> 30;
        }
        if carry > 0 {
            limbs.push(carry as u32);
        }
    }
    let mut digits: Vec<u16> =
        limbs.iter().flat_map(|limb| [(limb & 0x7fff) as u16, (limb >> 15) as u16]).collect();
    while digits.last() == Some(&0) {
        digits.pop();
    }
    digits
}

/// Appends the decimal text of 15-bit digits (little-endian pairs of bytes, least significant first). The caller
/// bounds their number and has checked that each is below 2^15.
pub(super) fn write_decimal(digits: &[u8], out: &mut Vec<u8>) {
    let digit = |i: usize| u64::from(u16::from_le_bytes([digits[2 * i], digits[2 * i + 1]]));
    let count = digits.len() / 2;
    let mut limbs: Vec<u32> = Vec::with_capacity(count / 2 + 1);
    let mut at = count;
    while at > 0 {
        // The most significant digit comes alone when their number is odd.
        let (value, bits) = if at % 2 == 1 {
            at -= 1;
            (digit(at), 15)
        } else {
            at -= 2;
            (digit(at + 1) << 15 | digit(at), 30)
        };
        let mut carry = value;
        for limb in &mut limbs {
            let value = (u64::from(*limb) << bits) + carry;
            *limb = (value % BILLION) as u32;
            carry = value / BILLION;
        }
        while carry > 0 {
            limbs.push((carry % BILLION) as u32);
            carry /= BILLION;
        }
    }
    let Some((last, rest)) = limbs.split_last() else {
        out.push(b'0');
        return;
    };
    out.extend_from_slice(last.to_string().as_bytes());
    for limb in rest.iter().rev() {
        out.extend_from_slice(format!("{limb:09}").as_bytes());
    }
}
