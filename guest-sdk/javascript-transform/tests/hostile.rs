//! Scripts that mean no good, or are out of luck: each fails its record alone.

#![allow(clippy::unwrap_used)]

mod support;

use javascript_transform::{Failure, Limits};
use support::{Run, message};

/// Runs the script where the payload is `bad`, and sees that the next record is none the worse.
fn hostile(script: &str) -> Failure {
    let limits = Limits { steps: 2_000_000, bytes: 32 << 20 };
    let run =
        Run::within(&format!("if (payload == 'bad') {{ {script} }} else {{ 'good' }}"), limits).unwrap();
    let failure = run.run(b"bad").expect_err(script);
    for _ in 0..2 {
        assert_eq!(run.run(b"fine"), Ok(vec![message("good")]), "{script}");
    }
    let again = run.run(b"bad").expect_err(script);
    assert_eq!(again.class, failure.class, "{script}");
    failure
}

#[test]
fn loops_without_end() {
    for script in [
        "for (;;);",
        "while (true) {}",
        "for (;;) { try { for (;;); } catch (e) {} finally {} }",
        "function f() { return g() } function g() { return 1 } for (;;) f();",
        "(function* () { for (;;) yield 1 })().forEach(x => x)",
        "[...(function* () { for (;;) yield })()].length && 0; for (;;);",
        "/^(a+)+$/.test('a'.repeat(40) + 'b'); for (;;);",
        "Promise.resolve().then(function again() { return Promise.resolve().then(again) }); for (;;);",
        "Promise.resolve().then(function again() { for (;;); }); 1",
        "(function again() { Promise.resolve().then(again) })(); 1",
        "({ toJSON() { for (;;); } })",
        "({ get a() { for (;;); } })",
        "[1].map(() => { for (;;); })",
        "new Proxy({}, { ownKeys() { for (;;); } })",
        "throw { get message() { for (;;); }, toString() { for (;;); }, toJSON() { for (;;); } }; ",
        "var e = new Error(); Object.defineProperty(e, 'message', { get() { for (;;); } }); for (;;);",
    ] {
        let failure = hostile(script);
        let expected = if script.starts_with("throw") { "Error" } else { "StepLimitExceeded" };
        if script.contains("[...(function*") {
            // Whichever comes first.
            assert!(["StepLimitExceeded", "InternalError"].contains(&failure.class.as_str()), "{failure}");
        } else {
            assert_eq!(failure.class, expected, "{script}: {failure}");
        }
    }
}

#[test]
fn globals_that_run_code() {
    let script = "Object.defineProperty(globalThis, 'trap' + Math.random(), { set() { for (;;); }, get() { for (;;); } }); null.x";
    assert_eq!(hostile(script).class, "TypeError");
}

#[test]
fn calls_too_deep() {
    for script in [
        "(function f() { f() })()",
        "(function f() { return [1].map(f) })()",
        "(function f() { return `${{ toString: f }}` })()",
        "var o = {}; o.toJSON = function () { return JSON.stringify(o) }; JSON.stringify(o)",
        "var a = []; for (var i = 0; i < 100000; i++) a = [a]; a",
        "JSON.parse('['.repeat(100000))",
        "new Function('('.repeat(100000))",
        "new RegExp('('.repeat(100000))",
        "eval('[' .repeat(50000))",
        "var p = {}; for (var i = 0; i < 100000; i++) p = new Proxy(p, {}); p.x; null.x",
    ] {
        let class = hostile(script).class;
        assert!(
            ["RangeError", "SyntaxError", "InternalError", "TypeError"].contains(&class.as_str()),
            "{script}: {class}"
        );
    }
    let caught = Run::new(
        "var depth = 0; try { (function f() { depth++; f() })() } catch (e) { e.name + (depth > 100) }",
    );
    assert_eq!(caught.run(b""), Ok(vec![message("RangeErrortrue")]), "it can be caught");
}

#[test]
fn memory_without_end() {
    for script in [
        "var a = []; for (;;) a.push('x'.repeat(10000) + a.length)",
        "var t = 'x'; for (;;) t += t",
        "var t = ['x']; for (;;) t = t.concat(t)",
        "new Uint8Array(1e9)",
        "'x'.repeat(1e9)",
        "'x'.padEnd(2 ** 29)",
        "JSON.stringify('x'.repeat(2e7))",
        "var m = new Map(); for (var i = 0; ; i++) m.set(i, {i})",
        "new Array(1e8).fill({}).map(() => ({}))",
    ] {
        let class = hostile(script).class;
        assert!(
            ["InternalError", "RangeError", "StepLimitExceeded"].contains(&class.as_str()),
            "{script}: {class}"
        );
    }
    let caught = Run::within(
        "try { new Uint8Array(1e9); 'no' } catch (e) { 'caught' }",
        Limits { steps: 1_000_000, bytes: 32 << 20 },
    );
    assert_eq!(caught.unwrap().run(b""), Ok(vec![message("caught")]));
}

#[test]
fn garbage_is_collected() {
    let limits = Limits { steps: 50_000_000, bytes: 16 << 20 };
    let run = Run::within(
        "var round = { text: 'x'.repeat(100000) }; round.me = round; kept = round; 'fine'",
        limits,
    )
    .unwrap();
    for _ in 0..1_000 {
        assert_eq!(run.run(&[b'x'; 10_000]), Ok(vec![message("fine")]));
    }
}

#[test]
fn results_that_cannot_be_read() {
    for (script, class) in [
        ("({ get a() { throw new RangeError('getter') } })", "RangeError"),
        ("var o = {}; o.o = o; o", "TypeError"),
        ("var a = []; a.push([a]); a", "TypeError"),
        ("new Proxy({}, { getPrototypeOf() { throw new SyntaxError('trap') } })", "SyntaxError"),
        ("new Proxy({}, { ownKeys() { throw new SyntaxError('trap') } })", "SyntaxError"),
        ("new Proxy([], { get() { throw new SyntaxError('trap') } })", "SyntaxError"),
        ("var p = Proxy.revocable([], {}); p.revoke(); p.proxy", "TypeError"),
        ("({ toJSON() { throw 'json' } })", "Error"),
        ("Object.create(DeletionEvent.prototype)", "TypeError"),
        (
            "var d = new DeletionEvent('c'); Object.defineProperty(d, 'correlationId', { get() { throw new URIError('id') } }); d",
            "URIError",
        ),
        ("var d = new DeletionEvent({ toString() { return {} } }); d", "TypeError"),
        ("throw { get message() { throw 1 }, toJSON() { throw 2 }, toString() { throw 3 } }", "Error"),
        (
            "var e = new Error('x'); Object.defineProperty(e, 'name', { get() { throw e } }); Object.defineProperty(e, 'constructor', { get() { throw e } }); throw e",
            "Error",
        ),
        ("throw new Proxy({}, { get() { throw 1 }, getPrototypeOf() { throw 2 } })", "Error"),
        ("throw Object.create(null)", "Error"),
        ("var e = new Error('x'); e.stack = { toString() { throw 1 } }; throw e", "Error"),
    ] {
        assert_eq!(hostile(script).class, class, "{script}");
    }
}

#[test]
fn long_messages_are_cut() {
    let failure = hostile("throw new Error('ä'.repeat(100000))");
    assert!(failure.message.len() < 5_000 && failure.message.ends_with("..."));
    assert!(failure.trace.len() < 20_000);
}

#[test]
fn proxies_and_accessors_are_plain_results_where_they_can_be_read() {
    let run = Run::new("new Proxy({a: 1}, {})");
    assert_eq!(run.run(b""), Ok(vec![message(r#"{"a":1}"#)]));
    let run = Run::new("new Proxy([1, {b: 2}], {})");
    assert_eq!(run.run(b""), Ok(vec![message("1"), message(r#"{"b":2}"#)]));
}
