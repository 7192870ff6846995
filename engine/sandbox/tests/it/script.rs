//! Scripts that are refused, or accepted with warnings, when they are loaded.

use std::time::Duration;

use granary_sandbox::{Diagnostic, Error, Refusal, ScriptSpec, Severity};

use crate::support::{belt_spec, fixture, python};

async fn check(spec: &ScriptSpec) -> Result<Vec<Diagnostic>, Refusal> {
    let (sandbox, runtime) = python().await;
    sandbox.check(&runtime, spec).await.map_err(|error| match error {
        Error::Refused(refusal) => refusal,
        other => panic!("expected a refusal, got {other}"),
    })
}

#[tokio::test]
async fn a_syntax_error_is_shown_with_line_and_caret() {
    let refusal = check(&belt_spec(&fixture("guide_as_printed.py")).0).await.unwrap_err();
    let diagnostic = refusal.diagnostics.iter().find(|d| d.severity == Severity::Error).unwrap();
    assert_eq!(diagnostic.line, Some(22), "{diagnostic:?}");
    assert!(diagnostic.column.is_some(), "{diagnostic:?}");
    assert!(diagnostic.excerpt.contains("correlation_id= event_headers"), "{diagnostic:?}");
    assert!(diagnostic.excerpt.contains('^'), "{diagnostic:?}");
    assert!(refusal.reason.starts_with("line 22, column"), "{refusal}");
}

#[tokio::test]
async fn a_failing_import_is_shown_with_the_users_line() {
    let refusal =
        check(&belt_spec("import json\nimport nowhere\ndef execute(h, p): pass\n").0).await.unwrap_err();
    let diagnostic = &refusal.diagnostics[0];
    assert_eq!(diagnostic.line, Some(2), "{diagnostic:?}");
    assert!(diagnostic.message.contains("nowhere"), "{diagnostic:?}");
}

#[tokio::test]
async fn a_script_without_execute_is_refused() {
    let refusal = check(&belt_spec("def other(h, p): pass\n").0).await.unwrap_err();
    assert!(refusal.reason.contains("execute"), "{refusal}");
    let refusal = check(&belt_spec("def execute(h): pass\n").0).await.unwrap_err();
    assert!(refusal.reason.contains("execute"), "{refusal}");
}

#[tokio::test]
async fn an_undeclared_literal_target_warns() {
    let source = "from grnry_belt.models.direct_update import DirectUpdate\n\
                  def execute(h, p):\n    return [DirectUpdate('testlivesegment-0000', {'id': '1'})]\n";
    let warnings = check(&belt_spec(source).0).await.unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(warnings[0].severity, Severity::Warning);
    assert!(warnings[0].message.contains("testlivesegment-0000"), "{warnings:?}");
    assert_eq!(check(&belt_spec(&fixture("guide.py")).0).await.unwrap(), []);
}

#[tokio::test]
async fn a_module_that_never_finishes_is_refused() {
    let mut spec = belt_spec("while True: pass\n").0;
    spec.init_timeout = Duration::from_secs(1);
    let refusal = check(&spec).await.unwrap_err();
    assert!(refusal.reason.contains("longer than its limit of 1s"), "{refusal}");
}

#[tokio::test]
async fn a_module_that_takes_all_memory_is_refused() {
    let refusal =
        check(&belt_spec("kept = [bytearray(16 << 20) for _ in range(10000)]\n").0).await.unwrap_err();
    assert!(refusal.reason.contains("Memory") || refusal.reason.contains("memory"), "{refusal}");
    let mut spec = belt_spec("def execute(h, p): pass\n").0;
    spec.memory_bytes_max = 1 << 20;
    let refusal = check(&spec).await.unwrap_err();
    assert!(refusal.reason.contains("more memory than its limit of 1 MiB"), "{refusal}");
}
