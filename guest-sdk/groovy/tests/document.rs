//! `docs/groovy.md` says what the interpreter does.

use std::path::Path;

#[test]
fn the_page_is_that_of_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/groovy.md");
    let wanted = granary_groovy::document();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == wanted, "{} is out of date: run this test with UPDATE=1", path.display());
}
