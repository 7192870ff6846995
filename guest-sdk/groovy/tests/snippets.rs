//! The cases of `tests/snippets`: scripts with the values that the documentation of the language gives.

#![allow(clippy::unwrap_used)]

mod support;

use granary_groovy::{Limits, Script};
use support::{Case, TestHost, cases};

/// Cases outside of the subset, which are refused when the script is compiled.
const REFUSED: &[&str] = &["classes: anonymous inner class"];

/// What a case answers, in the form of the data files.
fn answer(case: &Case) -> String {
    let script = match Script::compile(&case.script) {
        Ok((script, _)) => script,
        Err(diagnostics) => return format!("refused: {}", diagnostics[0]),
    };
    match script.evaluate(b"{}", &mut TestHost::default(), Limits::default()) {
        Ok(json) => json,
        Err(failure) => {
            let class = failure.class.rsplit('.').next().unwrap_or_default().to_owned();
            if case.expected.starts_with("throws ") {
                format!("throws {class}")
            } else {
                format!("throws {failure}")
            }
        }
    }
}

fn is_same(expected: &str, answer: &str) -> bool {
    if expected.starts_with("throws ") {
        return expected == answer;
    }
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    match (parse(expected), parse(answer)) {
        (Some(expected), Some(answer)) => expected == answer,
        _ => false,
    }
}

#[test]
fn snippets_answer_what_the_documentation_says() {
    let cases = cases();
    let mut wrong = Vec::new();
    for case in &cases {
        let answer = answer(case);
        if REFUSED.iter().any(|title| case.title.starts_with(title)) {
            assert!(answer.starts_with("refused: "), "{} is not refused any more", case.title);
            continue;
        }
        if !is_same(&case.expected, &answer) {
            wrong.push(format!(
                "{}\n{}\n  expected {}\n  answered {answer}",
                case.title, case.script, case.expected
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases are wrong:\n\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n\n")
    );
    assert!(cases.len() >= 250, "only {} cases", cases.len());
}
