//! Replays what the fuzzers have found worth keeping, as it is and damaged.

use std::path::Path;

use granary_collector::hostile;

/// Damaged copies of each corpus, spread over its files: every run tries the same ones.
const COPIES: u64 = 8_000;

/// A fuzz target: its corpus and what it does with bytes.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 5] = [
    ("splitter", hostile::splitter),
    ("query", hostile::query),
    ("cookies", hostile::cookies),
    ("compressed", hostile::compressed),
    ("record", hostile::record),
];

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        paths.map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())).collect();
    files.sort();
    assert!(files.len() >= 5, "the corpus of {target} has {} files", files.len());
    files
}

#[test]
fn corpora_of_the_fuzzers_pass() {
    for (name, target) in TARGETS {
        for (path, input) in corpus(name) {
            assert!(std::panic::catch_unwind(|| target(&input)).is_ok(), "{path}");
        }
    }
}

#[test]
fn damaged_copies_pass_too() {
    for (name, target) in TARGETS {
        let files = corpus(name);
        let copies = COPIES.div_ceil(files.len() as u64);
        for (at, (path, input)) in files.iter().enumerate() {
            for copy in 0..copies {
                let mut chance = Chance(copy << 32 | at as u64);
                let other = &files[chance.below(files.len())].1;
                let damaged = damaged(input, other, &mut chance);
                let passes = std::panic::catch_unwind(|| target(&damaged)).is_ok();
                assert!(passes, "copy {copy} of {path}: {:?}", String::from_utf8_lossy(&damaged));
            }
        }
    }
}

/// Bytes replaced, cut out, doubled, and followed by a part of another file.
fn damaged(input: &[u8], other: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=chance.below(4) {
        let (a, b) = (chance.below(bytes.len() + 1), chance.below(bytes.len() + 1));
        let (start, end) = (a.min(b), a.max(b));
        match chance.below(5) {
            0 if start < bytes.len() => bytes[start] = chance.below(256) as u8,
            1 if start < bytes.len() => bytes[start] = b"\"{}[],:;=&%\\\0 "[chance.below(14)],
            2 => drop(bytes.drain(start..end.min(start + 40))),
            3 => bytes.extend_from_within(start..end),
            _ => bytes.extend_from_slice(&other[chance.below(other.len() + 1)..]),
        }
    }
    bytes
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % bound as u64) as usize
    }
}
