//! Every kind of bad input in every language, by the guests of `tests/guests`: a failure of its event with a reason that a
//! person understands, and the belt goes on.

use std::path::Path;
use std::time::Duration;

use granary_sandbox::{BeltOutcome, EventIn, FailureKind, Language, Runner, ScriptSpec};

use crate::support::{belt_spec, guest_path, headers, python};

/// Declares the kinds of bad input once: each with the word that makes the guests do it.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $word:literal,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Bad { $($(#[$doc])* $kind,)* }

        impl Bad {
            const ALL: &[Self] = &[$(Self::$kind,)*];

            fn word(self) -> &'static str {
                match self { $(Self::$kind => $word,)* }
            }
        }
    };
}

kinds! {
    /// A function that calls itself for ever.
    Recursion = "recursion",
    /// The same in the way that is worst for the language.
    Stack = "stack",
    /// Memory up to the limit, bit by bit.
    Memory = "memory",
    /// A WebAssembly table up to the limit.
    Table = "table",
    Loop = "loop",
    Sleep = "sleep",
    /// Five million updates for one event.
    Updates = "updates",
    /// A log line of 100 MB.
    Line = "line",
    /// A payload that is not UTF-8.
    Utf8In = "utf8-in",
    /// A row that is not UTF-8.
    Utf8Out = "utf8-out",
    /// A payload of 100,000 levels.
    DeepIn = "deep-in",
    /// A row of 100,000 levels.
    DeepOut = "deep-out",
    /// An exception that nobody catches, or a panic.
    Panic = "panic",
    /// The program ends itself in a way that no handler sees.
    Trap = "trap",
}

/// What becomes of an event.
#[derive(Debug)]
enum Fate {
    /// It fails: the kind, and words of its type, message and traceback.
    Fails(FailureKind, &'static [&'static str]),
    /// It does no harm; says why.
    Passes(&'static str),
    /// The language has no way to do it; says why.
    CannotBeWritten(&'static str),
}

use Bad::*;
use Fate::*;

// A match without a wildcard for each language: a new kind does not compile before each says what becomes of it.

fn in_rust(bad: Bad) -> Fate {
    match bad {
        Recursion => Fails(FailureKind::Trap, &["endless recursion", "at recurse (src/lib.rs:"]),
        Stack => Fails(FailureKind::StackOverflow, &["recursed too deeply", "at hostile_belt::calls"]),
        Memory => {
            Fails(FailureKind::Memory, &["more memory than its limit of 256 MiB", "at execute (src/lib.rs"])
        }
        Table => {
            CannotBeWritten("no compiler emits table.grow; tests/guests/hostile-table is written by hand")
        }
        Loop => Fails(FailureKind::Deadline, &["longer than its limit of 2s", "at execute (src/lib.rs"]),
        Sleep => Fails(FailureKind::Deadline, &["longer than its limit of 2s"]),
        Updates => {
            Fails(FailureKind::Memory, &["more memory than its limit of 256 MiB", "at execute (src/lib.rs:"])
        }
        Line => Fails(
            FailureKind::Output,
            &["more than 64 MiB at once", "one log line", "at execute (src/lib.rs:"],
        ),
        Utf8In => Fails(FailureKind::Exception, &["bad-json", "invalid unicode"]),
        Utf8Out => Fails(FailureKind::Output, &["not UTF-8"]),
        DeepIn => Fails(FailureKind::Exception, &["bad-json", "recursion limit"]),
        DeepOut => Fails(FailureKind::Output, &["nested deeper than"]),
        Panic => {
            Fails(FailureKind::Trap, &["panicked at src/lib.rs:", "asked to panic", "at execute (src/lib.rs"])
        }
        Trap => Fails(FailureKind::Trap, &["unreachable", "at execute (src/lib.rs:"]),
    }
}

fn in_python(bad: Bad) -> Fate {
    match bad {
        Recursion => Fails(FailureKind::Exception, &["RecursionError", "in down"]),
        Stack => Fails(FailureKind::StackOverflow, &["recursed too deeply"]),
        Memory => Fails(FailureKind::Memory, &["256 MiB", "in execute"]),
        Table => CannotBeWritten("Python code cannot reach the tables of its interpreter"),
        Loop | Sleep => Fails(FailureKind::Deadline, &["longer than its limit of 2s"]),
        Updates => Fails(FailureKind::Memory, &["256 MiB"]),
        Line => Fails(FailureKind::Memory, &["256 MiB", "in execute"]),
        Utf8In => Fails(FailureKind::Exception, &["TypeError", "in execute"]),
        Utf8Out => Fails(FailureKind::Output, &["surrogate"]),
        DeepIn => Fails(FailureKind::Input, &["nested too deeply"]),
        DeepOut => Fails(FailureKind::Exception, &["nested"]),
        Panic => Fails(FailureKind::Exception, &["ValueError: asked to fail", "line 43, in execute"]),
        Trap => Fails(FailureKind::Trap, &["the instance ended"]),
    }
}

fn in_javascript(bad: Bad) -> Fate {
    match bad {
        Recursion => Fails(FailureKind::Exception, &["too much recursion", "at down (extractorFn:"]),
        // Its innermost calls are the interpreter's own, so there is no line.
        Stack => Fails(FailureKind::Exception, &["too much recursion"]),
        Memory => Fails(FailureKind::Memory, &["256 MiB"]),
        Table => Fails(FailureKind::Exception, &["WebAssembly is not defined", "at execute (extractorFn:"]),
        Loop => Fails(FailureKind::Deadline, &["longer than its limit of 2s"]),
        Sleep => Fails(FailureKind::Exception, &["a belt has no timers", "at execute (extractorFn:"]),
        Updates => Fails(FailureKind::Memory, &["256 MiB"]),
        Line => Passes("the runtime hands the line over in pieces, and what is too much is dropped"),
        Utf8In => Fails(FailureKind::Exception, &["unknown: undefined"]),
        Utf8Out => Passes("JSON.stringify escapes half a surrogate pair, so what comes out is UTF-8"),
        DeepIn => Fails(FailureKind::Input, &["nested deeper than"]),
        DeepOut => Fails(FailureKind::Exception, &["nested deeper than"]),
        Panic => {
            Fails(FailureKind::Exception, &["TypeError: asked to fail", "at execute (extractorFn:41:13)"])
        }
        Trap => {
            CannotBeWritten("there is no process.exit and no abort, and the interpreter catches what it does")
        }
    }
}

/// Source text of a guest.
fn source(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests").join(path);
    std::fs::read_to_string(path).unwrap()
}

/// A runner of the guest in that language.
async fn runner(language: Language, limit: Duration) -> Runner {
    let (file, text) = match language {
        Language::Component => ("hostile-rust.wasm", String::new()),
        Language::Python => ("python.wasm", source("hostile-python/belt.py")),
        Language::JavaScript => ("javascript.wasm", source("hostile-javascript/belt.js")),
        Language::Groovy => panic!("belts are not written in Groovy"),
    };
    let (sandbox, _) = python().await;
    let component = match language {
        Language::Component => sandbox.load_file(guest_path(file)).await,
        _ => sandbox.load_runtime(guest_path(file)).await,
    };
    let component = component.unwrap();
    let spec = ScriptSpec { language, call_timeout: limit, ..belt_spec(&text).0 };
    Runner::new(sandbox, component, spec).await.unwrap()
}

fn payload(bad: Bad) -> Vec<u8> {
    match bad {
        Utf8In => b"{\"do\":\"ok\",\"v\":\"\xff\"}".to_vec(),
        DeepIn => format!("{{\"do\":\"ok\",\"v\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000)).into(),
        other => format!("{{\"do\":\"{}\"}}", other.word()).into(),
    }
}

async fn give<const N: usize>(runner: &mut Runner, payloads: [&[u8]; N]) -> Vec<BeltOutcome> {
    let headers = headers("c-1");
    runner.run_belt(&payloads.map(|payload| EventIn { headers: &headers, payload })).await.unwrap()
}

async fn goes_on(language: Language, fates: impl Fn(Bad) -> Fate) {
    let ok: &[u8] = b"{\"do\":\"ok\"}";
    let mut surprises = Vec::new();
    for &bad in Bad::ALL {
        let fate = fates(bad);
        if let CannotBeWritten(why) = fate {
            println!("{bad:?} cannot be written: {why}");
            continue;
        }
        let limit = if matches!(bad, Loop | Sleep) { 2 } else { 300 };
        let mut runner = runner(language, Duration::from_secs(limit)).await;
        let outcomes = give(&mut runner, [ok, &payload(bad), ok]).await;
        let next = give(&mut runner, [ok]).await;
        if !(outcomes[0].is_ok() && outcomes[2].is_ok() && next[0].is_ok()) {
            surprises.push(format!("{bad:?}: its neighbours suffered: {outcomes:?} {next:?}"));
        }
        match (&outcomes[1], &fate) {
            (Ok(_), Passes(why)) => println!("{bad:?} does no harm: {why}"),
            (Err(failure), Fails(kind, words)) => {
                let told = format!("{failure}\n{}", failure.traceback);
                if failure.kind != *kind || !words.iter().all(|word| told.contains(word)) {
                    surprises.push(format!("{bad:?}: expected {fate:?}, got {}, {told}", failure.kind));
                }
            }
            (outcome, _) => surprises.push(format!("{bad:?}: expected {fate:?}, got {outcome:?}")),
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n\n"));
}

#[tokio::test]
async fn in_rust_every_kind_fails_its_event_alone() {
    goes_on(Language::Component, in_rust).await;
}

#[tokio::test]
async fn in_python_every_kind_fails_its_event_alone() {
    goes_on(Language::Python, in_python).await;
}

#[tokio::test]
async fn in_javascript_every_kind_fails_its_event_alone() {
    goes_on(Language::JavaScript, in_javascript).await;
}

#[tokio::test]
async fn a_table_that_grows_to_its_limit_fails_its_event_alone() {
    let (sandbox, _) = python().await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/hostile-table/table.wasm");
    let component = sandbox.load_file(path).await.unwrap();
    let spec = ScriptSpec { language: Language::Component, ..belt_spec("").0 };
    sandbox.check(&component, &spec).await.unwrap();
    let mut runner = Runner::new(sandbox, component, spec).await.unwrap();
    let ok: &[u8] = b"{\"do\":\"ok\"}";
    let outcomes = give(&mut runner, [ok, &payload(Table), ok]).await;
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok(), "{outcomes:?}");
    let failure = outcomes[1].clone().unwrap_err();
    assert_eq!((failure.kind, failure.type_name.as_str()), (FailureKind::Memory, "TableLimitExceeded"));
    assert!(failure.message.contains("tables of more than 1048576 elements"), "{failure}");
    assert!(give(&mut runner, [ok]).await[0].is_ok(), "the belt goes on");
}
