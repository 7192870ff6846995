//! Replays what the fuzzers have found worth keeping.

use std::path::Path;

use granary_collector::hostile;

#[test]
fn corpora_of_the_fuzzers_pass() {
    let targets: [(&str, fn(&[u8])); 5] = [
        ("splitter", hostile::splitter),
        ("query", hostile::query),
        ("cookies", hostile::cookies),
        ("compressed", hostile::compressed),
        ("record", hostile::record),
    ];
    for (name, target) in targets {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
        let mut count = 0;
        for entry in std::fs::read_dir(corpus).unwrap() {
            let path = entry.unwrap().path();
            let input = std::fs::read(&path).unwrap();
            assert!(std::panic::catch_unwind(|| target(&input)).is_ok(), "{}", path.display());
            count += 1;
        }
        assert!(count >= 5, "the corpus of {name} has {count} files");
    }
}
