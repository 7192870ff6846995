//! Replays what the fuzzer has found worth keeping.

use std::path::Path;

#[test]
fn the_corpus_of_the_fuzzer_passes() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/marshal_decode");
    let mut count = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        granary_sandbox::decode_hostile(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "the corpus is empty");
}
