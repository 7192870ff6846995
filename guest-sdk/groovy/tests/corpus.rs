//! Replays what the fuzzers have found worth keeping.

#![allow(clippy::unwrap_used)]

#[path = "support/hostile.rs"]
mod hostile;

use std::path::Path;

use hostile::{STACK_BYTES, Unmeasured};

/// Does that with each file of a corpus, on a stack as small as that of the sandbox.
fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 50, "the corpus of {target} has {} files", paths.len());
    for path in paths {
        let input = std::fs::read(&path).unwrap();
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || run(&input));
        assert!(thread.unwrap().join().is_ok(), "{}", path.display());
    }
}

#[test]
fn the_corpus_of_the_parser_passes() {
    replay("parser", |input| hostile::parser(input, &mut Unmeasured));
}

#[test]
fn the_corpus_of_the_evaluator_passes() {
    replay("evaluator", |input| hostile::evaluator(input, &mut Unmeasured));
}
