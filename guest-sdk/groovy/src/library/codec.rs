//! Bytes and their texts: Base64, hexadecimal, URLs, character sets, digests.

use std::fmt::Write;
use std::rc::Rc;

use crate::class::Builtin;
use crate::machine::Machine;
use crate::names::Method as M;
use crate::raise::{Run, raise};
use crate::value::Value;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64 of bytes.
pub(crate) fn base64_encoded(bytes: &[u8], url: bool, padded: bool) -> String {
    let alphabet = if url { URL_SAFE } else { STANDARD };
    let letter = |six: u32| char::from(alphabet.get((six & 63) as usize).copied().unwrap_or(b'A'));
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = (at(0) << 16) | (at(1) << 8) | at(2);
        for index in 0..4 {
            if index <= chunk.len() {
                text.push(letter(group >> (18 - 6 * index)));
            } else if padded {
                text.push('=');
            }
        }
    }
    text
}

/// The bytes of Base64, in either alphabet, with or without padding and line ends.
pub(crate) fn base64_decoded(text: &str) -> Run<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut group, mut bits) = (0u32, 0);
    for char in text.bytes() {
        let six = match char {
            b'A'..=b'Z' => char - b'A',
            b'a'..=b'z' => char - b'a' + 26,
            b'0'..=b'9' => char - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => break,
            b'\n' | b'\r' | b' ' | b'\t' => continue,
            _ => {
                return Err(raise(
                    Builtin::IllegalArgumentException,
                    format!("Illegal base64 character {char:x}: expected letters, digits, `+` and `/`"),
                ));
            }
        };
        group = (group << 6) | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((group >> bits) as u8);
        }
    }
    Ok(bytes)
}

/// Hexadecimal digits of bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The bytes of hexadecimal digits.
pub(crate) fn hex_decoded(text: &str) -> Run<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|char| char.to_digit(16)).collect();
    match digits.filter(|digits| digits.len() % 2 == 0) {
        Some(digits) => Ok(digits
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte * 16 + digit) as u8)
            .collect()),
        None => Err(raise(Builtin::NumberFormatException, "expected an even number of hexadecimal digits")),
    }
}

/// `8-4-4-4-12` digits.
pub(crate) fn uuid_of_hex(digits: &str) -> String {
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// Encoding for the query of a URL.
pub(crate) fn url_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push('+'),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

/// The text of an encoded part of a URL; `None` when a percent sign is not followed by two digits.
pub(crate) fn url_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
                let (high, low) = (digit()?, digit()?);
                (high * 16 + low) as u8
            }
            other => other,
        });
    }
    Some(granary_scriptable::lossy(&bytes).into_owned())
}

fn is_latin(charset: &str) -> bool {
    matches!(
        &*charset.to_uppercase().replace('_', "-"),
        "ISO-8859-1" | "LATIN1" | "ISO8859-1" | "WINDOWS-1252"
    )
}

fn unknown_charset<T>(charset: &str) -> Run<T> {
    Err(raise(
        Builtin::UnsupportedEncodingException,
        format!("the character set {charset} is not supported; UTF-8, ISO-8859-1, US-ASCII and UTF-16 are"),
    ))
}

/// The text of bytes in a character set.
pub(crate) fn decoded(bytes: &[u8], charset: &str) -> Run<String> {
    match &*charset.to_uppercase().replace('_', "-") {
        "UTF-8" | "UTF8" | "US-ASCII" | "ASCII" => Ok(granary_scriptable::lossy(bytes).into_owned()),
        _ if is_latin(charset) => Ok(bytes.iter().map(|byte| char::from(*byte)).collect()),
        "UTF-16" | "UTF-16BE" => {
            let units: Vec<u16> = bytes
                .chunks(2)
                .map(|pair| pair.iter().fold(0, |unit: u16, byte| (unit << 8) | u16::from(*byte)))
                .collect();
            Ok(String::from_utf16_lossy(&units).trim_start_matches('\u{feff}').to_owned())
        }
        _ => unknown_charset(charset),
    }
}

/// The bytes of a text in a character set.
pub(crate) fn encoded(text: &str, charset: &str) -> Run<Vec<u8>> {
    match &*charset.to_uppercase().replace('_', "-") {
        "UTF-8" | "UTF8" => Ok(text.as_bytes().to_vec()),
        "US-ASCII" | "ASCII" => {
            Ok(text.chars().map(|char| if char.is_ascii() { char as u8 } else { b'?' }).collect())
        }
        _ if is_latin(charset) => Ok(text.chars().map(|char| u8::try_from(char).unwrap_or(b'?')).collect()),
        "UTF-16" | "UTF-16BE" => Ok(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        _ => unknown_charset(charset),
    }
}

/// A digest by its name.
pub(crate) fn digest(algorithm: &str, bytes: &[u8]) -> Run<Vec<u8>> {
    match &*algorithm.to_uppercase().replace('-', "") {
        "MD5" => Ok(md5(bytes).to_vec()),
        "SHA1" | "SHA" => Ok(sha1(bytes).to_vec()),
        "SHA256" => Ok(sha256(bytes).to_vec()),
        _ => Err(raise(
            Builtin::IllegalArgumentException,
            format!("the digest {algorithm} is not supported; MD5, SHA-1 and SHA-256 are"),
        )),
    }
}

/// A message filled up to whole blocks of 64 bytes, with its length in bits at the end.
fn filled(bytes: &[u8], big_endian: bool) -> Vec<u8> {
    let mut message = bytes.to_vec();
    let bits = (bytes.len() as u64).wrapping_mul(8);
    message.push(0x80);
    while message.len() % 64 != 56 {
        message.push(0);
    }
    message.extend(if big_endian { bits.to_be_bytes() } else { bits.to_le_bytes() });
    message
}

fn word(block: &[u8], index: usize, big_endian: bool) -> u32 {
    let mut bytes = [0; 4];
    for (to, from) in bytes.iter_mut().zip(block.iter().skip(index * 4)) {
        *to = *from;
    }
    if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
}

/// MD5, for ids that have been made with it elsewhere.
pub(crate) fn md5(bytes: &[u8]) -> [u8; 16] {
    const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let mut state: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in filled(bytes, false).chunks(64) {
        let [mut a, mut b, mut c, mut d] = state;
        for round in 0..64u32 {
            let (mixed, index) = match round / 16 {
                0 => ((b & c) | (!b & d), round),
                1 => ((d & b) | (!d & c), (5 * round + 1) % 16),
                2 => (b ^ c ^ d, (3 * round + 5) % 16),
                _ => (c ^ (b | !d), (7 * round) % 16),
            };
            let constant = (f64::from(round + 1).sin().abs() * 4_294_967_296.0) as u32;
            let sum =
                a.wrapping_add(mixed).wrapping_add(constant).wrapping_add(word(block, index as usize, false));
            let shift = SHIFTS
                .get((round / 16) as usize)
                .and_then(|row| row.get((round % 4) as usize))
                .copied()
                .unwrap_or(0);
            (a, d, c) = (d, c, b);
            b = b.wrapping_add(sum.rotate_left(shift));
        }
        for (part, more) in state.iter_mut().zip([a, b, c, d]) {
            *part = part.wrapping_add(more);
        }
    }
    let mut answer = [0; 16];
    for (to, from) in answer.iter_mut().zip(state.iter().flat_map(|part| part.to_le_bytes())) {
        *to = from;
    }
    answer
}

/// SHA-1, for ids that have been made with it elsewhere.
fn sha1(bytes: &[u8]) -> [u8; 20] {
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    for block in filled(bytes, true).chunks(64) {
        let mut words: Vec<u32> = (0..16).map(|index| word(block, index, true)).collect();
        for index in 16..80 {
            let at = |back: usize| words.get(index - back).copied().unwrap_or(0);
            let mixed = (at(3) ^ at(8) ^ at(14) ^ at(16)).rotate_left(1);
            words.push(mixed);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (round, word) in words.iter().enumerate() {
            let (mixed, constant) = match round / 20 {
                0 => ((b & c) | (!b & d), 0x5a82_7999),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6u32),
            };
            let sum = a
                .rotate_left(5)
                .wrapping_add(mixed)
                .wrapping_add(e)
                .wrapping_add(constant)
                .wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, sum);
        }
        for (part, more) in state.iter_mut().zip([a, b, c, d, e]) {
            *part = part.wrapping_add(more);
        }
    }
    let mut answer = [0; 20];
    for (to, from) in answer.iter_mut().zip(state.iter().flat_map(|part| part.to_be_bytes())) {
        *to = from;
    }
    answer
}

/// The first primes, whose roots are the constants of SHA-256.
fn primes() -> impl Iterator<Item = u32> {
    (2u32..).filter(|number| (2..*number).take_while(|low| low * low <= *number).all(|low| number % low != 0))
}

/// The first 32 bits behind the point of a root: the largest number whose power stays below the prime.
fn root_bits(prime: u32, power: u32) -> u32 {
    let (mut low, mut high) = (0u128, 1u128 << 36);
    let wanted = u128::from(prime) << (32 * power);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if middle.pow(power) <= wanted { low = middle } else { high = middle }
    }
    low as u32
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let constants: Vec<u32> = primes().take(64).map(|prime| root_bits(prime, 3)).collect();
    let mut state: Vec<u32> = primes().take(8).map(|prime| root_bits(prime, 2)).collect();
    for block in filled(bytes, true).chunks(64) {
        let mut words: Vec<u32> = (0..16).map(|index| word(block, index, true)).collect();
        for index in 16..64 {
            let at = |back: usize| words.get(index - back).copied().unwrap_or(0);
            let low = at(15).rotate_right(7) ^ at(15).rotate_right(18) ^ (at(15) >> 3);
            let high = at(2).rotate_right(17) ^ at(2).rotate_right(19) ^ (at(2) >> 10);
            let next = at(16).wrapping_add(low).wrapping_add(at(7)).wrapping_add(high);
            words.push(next);
        }
        let mut v: Vec<u32> = state.clone();
        for (word, constant) in words.iter().zip(&constants) {
            let [a, b, c, d, e, f, g, h] = v[..] else { break };
            let high = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let choice = (e & f) ^ (!e & g);
            let first = h.wrapping_add(high).wrapping_add(choice).wrapping_add(*constant).wrapping_add(*word);
            let low = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let majority = (a & b) ^ (a & c) ^ (b & c);
            let second = low.wrapping_add(majority);
            v = vec![first.wrapping_add(second), a, b, c, d.wrapping_add(first), e, f, g];
        }
        for (part, more) in state.iter_mut().zip(v) {
            *part = part.wrapping_add(more);
        }
    }
    let mut answer = [0; 32];
    for (to, from) in answer.iter_mut().zip(state.iter().flat_map(|part| part.to_be_bytes())) {
        *to = from;
    }
    answer
}

/// `bytes.name(..)`
pub(crate) fn call_bytes(
    machine: &mut Machine<'_>,
    bytes: &Rc<[u8]>,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    machine.step(bytes.len() as u64 / 64)?;
    Ok(Some(match (method, arguments) {
        (M::size | M::length, []) => Value::count(bytes.len()),
        (M::isEmpty, []) => Value::Bool(bytes.is_empty()),
        (M::encodeBase64, [] | [_]) => machine.new_text(base64_encoded(bytes, false, true))?,
        (M::encodeBase64Url, []) => machine.new_text(base64_encoded(bytes, true, false))?,
        (M::encodeBase64Url, [Value::Bool(padded)]) => {
            machine.new_text(base64_encoded(bytes, true, *padded))?
        }
        (M::encodeHex, []) => machine.new_text(hex(bytes))?,
        (M::md5, []) => machine.new_text(hex(&md5(bytes)))?,
        (M::sha256, []) => machine.new_text(hex(&sha256(bytes)))?,
        (M::digest, [algorithm]) => {
            let algorithm = machine.text(algorithm)?;
            machine.new_text(hex(&digest(&algorithm, bytes)?))?
        }
        // Where a source reads lines the payload is text, so scripts for it call these.
        (M::getText, [] | [_]) => machine.new_text(granary_scriptable::lossy(bytes))?,
        (M::getAt, [index]) => machine.get_at(&Value::Bytes(Rc::clone(bytes)), index)?,
        (M::equals, [Value::Bytes(other)]) => Value::Bool(bytes == other),
        (M::clone, []) => Value::Bytes(Rc::clone(bytes)),
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64() {
        for (plain, encoded) in
            [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("abcd", "YWJjZA==")]
        {
            assert_eq!(base64_encoded(plain.as_bytes(), false, true), encoded);
            assert_eq!(base64_decoded(encoded).unwrap(), plain.as_bytes());
        }
        assert_eq!(base64_encoded(&[255, 254], true, false), "__4");
        assert!(base64_decoded("!").is_err());
    }

    #[test]
    fn digests() {
        assert_eq!(hex(&md5(b"")), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(
            hex(&md5(b"The quick brown fox jumps over the lazy dog")),
            "9e107d9d372bb6826bd81d3542a419d6"
        );
        assert_eq!(hex(&sha1(b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(hex(&sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn urls_and_hex() {
        assert_eq!(url_encoded("a b&ä"), "a+b%26%C3%A4");
        assert_eq!(url_decoded("a+b%26%C3%A4").unwrap(), "a b&ä");
        assert!(url_decoded("%4").is_none());
        assert_eq!(hex_decoded("00ff").unwrap(), [0, 255]);
        assert!(hex_decoded("0").is_err());
        assert_eq!(decoded(&[0xe4], "ISO-8859-1").unwrap(), "ä");
        assert!(decoded(&[], "EBCDIC").is_err());
    }
}
