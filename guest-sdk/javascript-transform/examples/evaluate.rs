//! Runs a script from the standard input on each argument as a payload, and shows what becomes of it:
//! `cargo run --example evaluate '{"a":1}' < script.js`

use std::io::Read;
use std::rc::Rc;

use javascript_transform::{Limits, Script};

fn main() {
    let mut source = String::new();
    std::io::stdin().read_to_string(&mut source).expect("a script on the standard input");
    let log = |level, logger: &str, text: &str| println!("{level:?} {logger}: {text}");
    let script = match Script::compile(&source, Limits::default(), Rc::new(log)) {
        Ok(script) => script,
        Err(refusal) => return println!("{refusal}"),
    };
    for payload in std::env::args().skip(1) {
        match script.run(payload.as_bytes(), Vec::new()) {
            Ok(messages) => println!("{messages:?}"),
            Err(failure) => println!("{}", failure.trace),
        }
    }
}
