//! What a script answers, and what stays of one record for the next.

#![allow(clippy::unwrap_used)]

mod support;

use support::{Run, failure, message, run, text};

#[test]
fn results_by_their_kind() {
    for (script, result) in [
        ("null", "(skipped)"),
        ("undefined", "(skipped)"),
        ("", "(skipped)"),
        ("// nothing", "(skipped)"),
        ("var a = 1;", "(skipped)"),
        ("[]", "(skipped)"),
        ("[null, undefined]", "(skipped)"),
        ("'text'", "text"),
        ("new String('text')", "text"),
        ("({a: 1, b: [true, null]})", r#"{"a":1,"b":[true,null]}"#),
        ("JSON.parse('{\"z\":1,\"a\":2}')", r#"{"z":1,"a":2}"#),
        ("true", "true"),
        ("7", "7"),
        ("7.5e30", "7.5e+30"),
        ("123456789012345678901n", "123456789012345678901"),
        ("new Date(0)", "\"1970-01-01T00:00:00.000Z\""),
        ("new Map([['a', 1]])", r#"{"a":1}"#),
        ("new Set([1])", "[1]"),
        ("class Point { constructor() { this.x = 1; } }\nnew Point()", r#"{"x":1}"#),
        ("JSON.stringify([1, 2])", "[1,2]"),
        ("'\\ud800'", "\u{fffd}"),
        ("({a: '\\ud800'})", r#"{"a":"\ud800"}"#),
        ("(async () => { const a = await 1; return 'later ' + a; })()", "later 1"),
        ("Promise.resolve(null)", "(skipped)"),
    ] {
        assert_eq!(text(script, b"p"), result, "{script}");
    }
    let many = run("['a', {b: 1}]", b"").unwrap();
    assert_eq!(many, [message("a"), message(r#"{"b":1}"#)]);
}

#[test]
fn results_that_are_none() {
    for (script, class, part) in [
        ("''", "TypeError", "an empty text, which is no payload: null skips the record"),
        ("payload", "TypeError", "an empty text"),
        ("['']", "TypeError", "an empty text"),
        ("NaN", "TypeError", "NaN, which JSON cannot write"),
        ("(function work() {})", "TypeError", "the function work, which it should call"),
        ("Symbol()", "TypeError", "a symbol"),
        ("new Error('x')", "TypeError", "an exception, which it should throw"),
        ("new Promise(() => {})", "TypeError", "a promise that is never kept"),
        ("Promise.reject(new RangeError('no'))", "RangeError", "no"),
        ("({a: 1n})", "TypeError", ""),
        ("({toJSON() {}})", "TypeError", "an object that has no JSON"),
    ] {
        let failure = failure(script, b"");
        assert_eq!(failure.class, class, "{script}: {failure}");
        assert!(failure.message.contains(part), "{script}: {failure}");
    }
}

#[test]
fn the_last_value_is_the_result() {
    for (script, result) in [
        ("1; 2; 3", "3"),
        ("if (payload == 'p') { 'yes' } else { 'no' }", "yes"),
        ("'first'; if (false) { 'second' }", "(skipped)"),
        ("var r; for (var i = 0; i < 3; i++) { i }", "2"),
        ("try { undefinedName } catch (e) { 'caught ' + e.name }", "caught ReferenceError"),
        ("switch (payload + '') { case 'p': 'case'; break; default: 'default' }", "case"),
        ("result = 'x';\nresult;\n// end", "x"),
        ("'x';\nfunction later() { return 1 }", "x"),
        ("later();\nfunction later() { return 'hoisted' }", "hoisted"),
        ("a = 1, 'comma'", "comma"),
        ("const {x, ...rest} = {x: 1, y: 2}; `${x}${JSON.stringify(rest)}`", "1{\"y\":2}"),
        ("let f = (a, b = 2) => a ** b; f(3)?.toString() ?? 'none'", "9"),
        ("class A { #v = 1; static of() { return new A().#v } }\nA.of()", "1"),
        ("function* g() { yield 1; yield* [2] }\n[...g()].join('+')", "1+2"),
        ("[3, 1, 2].toSorted().at(-1)", "3"),
        ("'use strict';\n(function () { return typeof this })()", "undefined"),
        ("(function () { return typeof this })()", "object"),
        ("var f; function f() { return 'both' }\nf()", "both"),
        ("this === globalThis", "true"),
        ("/a\"b/.test('a\"b') + `\n`.length", "2"),
    ] {
        assert_eq!(text(script, b"p"), result, "{script}");
    }
}

#[test]
fn a_return_at_the_top_is_accepted() {
    for (script, result) in [
        ("return new String(payload)", "p"),
        ("if (payload == 'p') { return 'early' }\nreturn null", "early"),
        ("if (payload == 'p') return;\n'ignored'", "(skipped)"),
        ("const a = 1; return {a}", r#"{"a":1}"#),
        ("return this === globalThis // the end", "true"),
    ] {
        assert_eq!(text(script, b"p"), result, "{script}");
    }
    let failure = failure("return null.a", b"");
    assert_eq!((failure.line, failure.class.as_str()), (1, "TypeError"));
    assert_eq!(failure.column, 13, "{failure}");
}

#[test]
fn places_are_those_of_the_script() {
    let thrown = failure("throw new Error('x')", b"");
    assert_eq!((thrown.line, thrown.column), (1, 10));
    let thrown = failure("var a = 1;\n\n  function inner() {\n    return a.b.c;\n  }\ninner();", b"");
    assert_eq!((thrown.line, thrown.column), (4, 16));
    let lines: Vec<_> = thrown.trace.lines().skip(1).collect();
    assert_eq!(lines, ["    at inner (script:4:16)", "    at script (script:6:1)"]);
    // The library's own functions are not the user's.
    let within = failure("\nSnowplowPayloadExtractor.normalizeJson('x')", b"");
    assert_eq!(within.trace.lines().count(), 2, "{}", within.trace);
    assert_eq!((within.class.as_str(), within.line), ("SyntaxError", 2));
}

#[test]
fn what_is_thrown() {
    for (script, class, text) in [
        ("throw new TypeError('t')", "TypeError", "t"),
        ("class Mine extends Error {}\nthrow new Mine('m')", "Mine", "m"),
        ("var e = new Error('m'); e.name = 'Named'; throw e", "Named", "m"),
        ("throw 'a text'", "Error", "a text"),
        ("throw null", "Error", "null"),
        ("throw undefined", "Error", "undefined"),
        ("throw {code: 7}", "Error", r#"{"code":7}"#),
        ("throw 7n", "Error", "7"),
        ("throw Symbol('s')", "Error", "Symbol(s)"),
        ("undefinedName", "ReferenceError", "undefinedName is not defined"),
        ("null.a", "TypeError", "cannot read property 'a' of null"),
    ] {
        let failure = failure(script, b"");
        assert_eq!((failure.class.as_str(), failure.message.as_str()), (class, text), "{script}");
        assert!(failure.trace.starts_with(&format!("{class}: {text}")), "{}", failure.trace);
    }
}

#[test]
fn records_share_no_globals() {
    for script in [
        "undeclared = typeof undeclared == 'undefined' ? 1 : undeclared + 1; String(undeclared)",
        "var declared = declared ? declared + 1 : 1; String(declared)",
        "globalThis.own = (globalThis.own ?? 0) + 1; String(own)",
        "this['a b'] = (this['a b'] || 0) + 1; String(this['a b'])",
        "let scoped = 1; const fixed = 2; class C {}\nString(scoped)",
        "var r = typeof late; function late() {}\nlate = 1; r == 'function' ? '1' : 'kept'",
        "if (typeof inner == 'undefined') { function inner() {} '1' } else { 'kept' }",
        "return typeof hidden == 'undefined' ? (hidden = '1') : 'kept'",
        "globalThis[Symbol.for('s')] = (globalThis[Symbol.for('s')] ?? 0) + 1; String(globalThis[Symbol.for('s')])",
        "payload = payload == 'p' ? '1' : 'kept'; payload",
        "headers.count = (headers.count ?? 0) + 1; String(headers.count)",
        "Object.defineProperty(globalThis, 'stiff', {get: () => '1', configurable: true}); stiff",
    ] {
        let run = Run::new(script);
        for round in 0..3 {
            assert_eq!(run.run(b"p"), Ok(vec![message("1")]), "round {round}: {script}");
        }
    }
    // Also when it failed, and when jobs were left behind.
    let run = Run::new(
        "kept = typeof kept; Promise.resolve().then(() => { later = 1 }); if (payload == 'f') throw kept; kept + typeof later",
    );
    assert_eq!(run.run(b"f").unwrap_err().message, "undefined");
    assert_eq!(run.run(b"p"), Ok(vec![message("undefinedundefined")]));
}

#[test]
fn the_language_cannot_be_taken_away() {
    let run = Run::new(
        "JSON.parse = null; Object.keys = null; Math.max = 1; typeof JSON.parse + typeof Object.keys + typeof Math.max",
    );
    for _ in 0..2 {
        assert_eq!(run.run(b""), Ok(vec![message("functionfunctionfunction")]));
    }
}

#[test]
fn nothing_is_reachable() {
    for name in [
        "fetch",
        "XMLHttpRequest",
        "require",
        "process",
        "std",
        "os",
        "load",
        "Deno",
        "WebAssembly",
        "setTimeout",
        "native",
    ] {
        assert_eq!(text(&format!("typeof {name}"), b""), "undefined", "{name}");
    }
    assert!(failure("(async () => (await import('os')).exec)().then(null)", b"").class.ends_with("Error"));
}

#[test]
fn refusals_have_their_place() {
    let refused =
        |script: &str| Run::within(script, Default::default()).err().unwrap_or_else(|| panic!("{script}"));
    for (script, line, column, part) in [
        ("var a = 1;\nvar b = ;", 2, 9, "unexpected token"),
        ("a b", 1, 3, "expecting ';'"),
        ("let x = 1;\nx +", 2, 4, "unexpected token"),
        ("foo(1,\n  2", 2, 4, "end of input"),
        ("if (a) {\n  b\n", 3, 1, "unexpected token"),
        ("let a;\nlet a;", 2, 5, "redefinition"),
        ("'open", 1, 1, "unexpected end of string"),
        ("import x from 'y'", 1, 8, "no modules"),
        ("var ä = 'ö' ö;", 1, 13, "expecting ';'"),
    ] {
        let diagnostic = refused(script);
        assert_eq!((diagnostic.line, diagnostic.column), (line, column), "{script:?}: {diagnostic}");
        assert!(diagnostic.message.contains(part), "{script:?}: {diagnostic}");
        assert!(
            diagnostic.excerpt.ends_with(&format!("\n{}^", " ".repeat(column as usize - 1))),
            "{diagnostic}"
        );
    }
    // In one line, as it was meant.
    let diagnostic = refused(r#""var a = 1;\nvar b = ;""#);
    assert_eq!((diagnostic.line, diagnostic.column), (2, 9));
    assert_eq!(diagnostic.excerpt, "var b = ;\n        ^");
    assert!(refused("a\0b").message.contains("NUL"));
    assert!(refused(&"x;".repeat(600_000)).message.contains("1048576 bytes"));
    assert_eq!(refused(&format!("{}(", "x;\n".repeat(50_000))).line, 50_001);
}

#[test]
fn quotes_in_regular_expressions_keep_no_lines_together() {
    let script = "var quote = /['\"]/;\nvar found = quote.test(payload);\nfound ? 'yes' : 'no'";
    assert_eq!(text(script, b"it's"), "yes");
    assert_eq!(text(script, b"its"), "no");
}

#[test]
fn texts_at_both_ends_stay() {
    assert_eq!(Run::new("\"a\" + payload + \"b\"").run(b"-"), Ok(vec![message("a-b")]));
    assert_eq!(Run::new("\"payload\"").run(b"-"), Ok(vec![message("-")]), "quotes around all go");
}
