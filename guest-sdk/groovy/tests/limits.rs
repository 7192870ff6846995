//! No text and no script makes the interpreter panic, overflow the stack, or go on without end.

#![allow(clippy::unwrap_used)]

mod support;

use granary_groovy::{Failure, Limits, Script};
use support::{Dice, TestHost, cases};

/// What the sandbox gives to the native stack, roughly.
const STACK_BYTES: usize = 1 << 20;

/// Runs a test on a stack as small as that of the sandbox.
fn on_small_stack(test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(test).unwrap().join().unwrap();
}

fn failure(source: &str, limits: Limits) -> Failure {
    let (script, _) = Script::compile(source).unwrap_or_else(|errors| panic!("{}", errors[0]));
    let answer = script.run(b"{}", &[], &mut TestHost::default(), limits);
    answer.expect_err(source)
}

#[test]
fn exhaustion_cannot_be_caught() {
    on_small_stack(|| {
        for (source, class) in [
            ("try { while (true) { } } catch (Throwable t) { } finally { return 1 }", "TimeoutException"),
            ("try { for (;;) { } } catch (e) { }", "TimeoutException"),
            ("def f(n) { f(n + 1) }\ntry { f(1) } catch (Throwable t) { 'caught' }", "StackOverflowError"),
            ("def c\nc = { c() }\nc()", "StackOverflowError"),
            ("'a' * 1000000000", "OutOfMemoryError"),
            ("def s = 'a'\nwhile (true) { s += s }", "OutOfMemoryError"),
            ("def l = []\nwhile (true) { l << 1 }", "OutOfMemoryError"),
            ("(1..1000000000).toList()", "OutOfMemoryError"),
            ("(1..1000000000).each { }", "TimeoutException"),
            ("'x'.padLeft(2000000000)", "OutOfMemoryError"),
            ("new int[2000000000]", "OutOfMemoryError"),
            ("def l = []\nl << l\nl.toString()", "StackOverflowError"),
            ("def m = [:]\nm.m = m\ngroovy.json.JsonOutput.toJson(m)", "StackOverflowError"),
            ("def l = []\nl << l\nl == [l]", "StackOverflowError"),
            ("def l = []\n100000.times { l = [l] }\nl.flatten()", "StackOverflowError"),
            ("('a' * 30) ==~ /(a|aa)+$x/", "MissingPropertyException"),
            ("('a' * 40 + 'b') ==~ /(a+)+\\1c/", "StackOverflowError"),
            ("class A { A a = new A() }\nnew A()", "StackOverflowError"),
            ("class A { boolean equals() { true } }\nnew A() == new A()", "StackOverflowError"),
            ("def l = (1..12).toList()\nl.permutations()", "OutOfMemoryError"),
            ("2G ** 1000000000", "ArithmeticException"),
            ("def x = 2G\nwhile (true) { x = x * x }", "ArithmeticException"),
            ("1.0.setScale(2000000000)", "ArithmeticException"),
            ("String.format('%2000000000d', 1)", "IllegalArgumentException"),
            ("def s = '['*100000\nnew groovy.json.JsonSlurper().parseText(s)", "JsonException"),
        ] {
            let limits = Limits { steps: 20_000_000, bytes: 64 << 20, ..Limits::default() };
            let failure = failure(source, limits);
            assert!(failure.class.ends_with(class), "{source}: {failure}");
        }
    });
}

/// Each of these took many times what its limits allow, or ended the process.
#[test]
fn work_inside_of_one_operation_counts() {
    on_small_stack(|| {
        let limits = Limits { steps: 5_000_000, bytes: 64 << 20, ..Limits::default() };
        for (source, class) in [
            // Numbers of many digits.
            ("((2G ** 30000) + 1).isProbablePrime(9)", "TimeoutException"),
            ("def x = (2G ** 30000) + 1\n100000.times { x / 3 }", "TimeoutException"),
            ("def x = (2G ** 30000) + 1\n100000.times { x.gcd(3G ** 30000) }", "TimeoutException"),
            ("def x = 1.0 / 3\nx = x.setScale(10000)\n100000.times { 1e9999 <=> x }", "TimeoutException"),
            ("def l = [], x = 2G ** 30000\n100000.times { l << x + it }", "OutOfMemoryError"),
            ("def l = []\nwhile (true) { l << 2G ** 30000 }", ""),
            // Texts.
            ("def s = 'a' * 1000000\ns.tokenize(s)", "TimeoutException"),
            ("('a' * 100000).replace(['': 'b' * 100000])", "OutOfMemoryError"),
            ("('%100000%' * 10000).formatted()", "OutOfMemoryError"),
            ("'b'.tr('\\u0001-\\ud000' * 1000, 'a')", "OutOfMemoryError"),
            ("def s = 'a' * 1000000, t = 'a' * 1000000\nwhile (s == t) { }", "TimeoutException"),
            ("def m = [:], s = 'a' * 1000000\nwhile (true) { m[s] = 1 }", "TimeoutException"),
            (
                "java.util.logging.Logger.getLogger('a').info('{0}' * 10000, 'x' * 1000000)",
                "OutOfMemoryError",
            ),
            // Regular expressions.
            ("('a' * 100000).findAll(/a[^z]*z|a/)", "TimeoutException"),
            ("('a' * 100000).findAll(/(?=.*z)b|a/)", "TimeoutException"),
            ("('a' * 1000000).findAll(/()()()()()()()()/)", "OutOfMemoryError"),
            (
                "def l = []\nfor (i in 1..1000000) { l << java.util.regex.Pattern.compile('a' + i) }",
                "TimeoutException",
            ),
            // Lists and maps.
            ("def l = []\nwhile (true) { l.add(0, 1) }", "TimeoutException"),
            ("def l = (1..1000000).toList()\nwhile (l) { l.remove(0) }", "TimeoutException"),
            ("def m = [:] as TreeMap\n1000000.times { m[-it] = 1 }", "TimeoutException"),
            ("(1..20000).collect { [1, 1, 1, 1, it] } as Set", "TimeoutException"),
            (
                "def a = [1], b = [1]\n16.times { a = [a, a, a, a, a, a]; b = [b, b, b, b, b, b] }\n\
                 ([a] as Set).contains(b)",
                "TimeoutException",
            ),
            // Objects that were not counted.
            ("def l = []\nwhile (true) { l << new Exception() }", "OutOfMemoryError"),
            (
                "def l = [], f = { throw new Exception() }\nwhile (true) { try { f() } catch (e) { l << e } }",
                "",
            ),
            ("def l = [], d = new Date()\nwhile (true) { l << (d + 1) }", ""),
        ] {
            let begun = std::time::Instant::now();
            let failure = failure(source, limits);
            assert!(failure.class.ends_with(class), "{source}: {failure}");
            // Far less than what they took, and far more than a busy machine needs.
            assert!(begun.elapsed().as_secs() < 20, "{source} took {:?}", begun.elapsed());
        }
    });
}

#[test]
fn nothing_ends_the_process() {
    on_small_stack(|| {
        for source in [
            "def b = null\n100000.times { b = new groovy.json.JsonBuilder(b) }",
            "def a = [:], b = [:]\n20000.times { a = [(a): 1]; b = [(b): 1] }\n[(a): 1] == [(b): 1]",
            "new Date(0).format('y' * 70000)",
            "new java.text.DecimalFormat('0' * 70000).format(1)",
            "('ä' =~ /x/).find(1)",
            "java.time.Duration.ofSeconds(Long.MAX_VALUE).plusNanos(999999999).toMillis()",
            "java.time.Duration.parse('PT' + '9' * 400 + 'H' + '9' * 400 + 'M')",
            "java.time.LocalDate.of(2024, 1, 1).withDayOfYear(Long.MIN_VALUE)",
            "java.time.LocalDate.parse('999999999999999999 1', java.time.format.DateTimeFormatter.ofPattern('yyyyyyyyyyyyyyyyyy D'))",
            "new Date(0) + Long.MIN_VALUE",
            "Calendar.getInstance().set(2024, Long.MAX_VALUE, 1)",
        ] {
            let (script, _) = Script::compile(source).unwrap_or_else(|errors| panic!("{}", errors[0]));
            let _ = script.evaluate(b"{}", &mut TestHost::default(), Limits::default());
        }
    });
}

#[test]
fn long_sources_are_compiled_or_refused_in_little_time() {
    for (begin, repeated, end) in [
        ("", "def a#\n", ""),
        ("def f(", "a#, ", "b) { }"),
        ("", "class A# { }\n", ""),
        ("", "x.foo#()\n", ""),
        ("", "def a# = 1\nx = { a# }\n", ""),
        ("class A {\n", "def a#() { }\n", "}"),
        ("", "f#()\n", ""),
        ("if (x) { }", " else if (x) { }", ""),
    ] {
        let mut source = begin.to_owned();
        for index in 0.. {
            let piece = repeated.replace('#', &index.to_string());
            if source.len() + piece.len() + end.len() > 1 << 20 {
                break;
            }
            source.push_str(&piece);
        }
        source.push_str(end);
        let begun = std::time::Instant::now();
        let _ = Script::compile(&source);
        assert!(begun.elapsed().as_secs() < 20, "{repeated} took {:?}", begun.elapsed());
    }
}

#[test]
fn many_paths_to_one_interface_are_no_work() {
    let mut source = "interface I0 { }\ninterface J0 { }\n".to_owned();
    for index in 1..30 {
        source.push_str(&format!("interface I{index} extends I{0}, J{0} {{ }}\n", index - 1));
        source.push_str(&format!("interface J{index} extends I{0}, J{0} {{ }}\n", index - 1));
    }
    source.push_str("class A implements I29, J29 { }\nclass B extends A { }\nnew B() instanceof I0");
    let (script, _) = Script::compile(&source).unwrap_or_else(|errors| panic!("{}", errors[0]));
    let answer = script.evaluate(b"{}", &mut TestHost::default(), Limits::default());
    assert_eq!(answer.unwrap(), "true");
}

#[test]
fn recursion_of_a_useful_depth_works() {
    on_small_stack(|| {
        let (script, _) =
            Script::compile("def f(n) { n <= 1 ? 1G : n * f(n - 1) }\nf(100).toString().size()").unwrap();
        let answer = script.evaluate(b"", &mut TestHost::default(), Limits::default());
        assert_eq!(answer.unwrap(), "158");
    });
}

#[test]
fn deep_sources_are_refused() {
    on_small_stack(|| {
        for (open, middle, close) in [
            ("(", "1", ")"),
            ("[", "", "]"),
            ("[a:", "1", "]"),
            ("{", "1", "}"),
            ("{ -> ", "1", "}"),
            ("if (x) {", "1", "}"),
            ("f(", "1", ")"),
            ("!", "x", ""),
            ("-", "x", ""),
            ("x = ", "1", ""),
            ("x ? 1 : ", "1", ""),
            ("x.y {", "1", "}"),
            ("\"${", "1", "}\""),
            ("new A(", "", ")"),
            ("(String) ", "x", ""),
            ("1 + ", "1", ""),
            ("1 ** ", "1", ""),
            ("a.b ", "", ""),
            ("while (x) ", "y()", ""),
            ("switch (x) { case 1: ", "1", "}"),
            ("try { ", "1", " } finally { }"),
            ("class A { ", "", " }"),
            ("(x) -> ", "1", ""),
            ("a[", "1", "]"),
            ("++", "x", ""),
        ] {
            let source = format!("{}{middle}{}", open.repeat(20_000), close.repeat(20_000));
            assert!(Script::compile(&source).is_err(), "{open}");
        }
        for source in [format!("x = 1{}", " + 1".repeat(50_000)), format!("x{}", ".y".repeat(50_000))] {
            assert!(Script::compile(&source).is_err());
        }
        // A chain of choices is no nesting.
        let chain = format!("x = 5\nif (x == 1) {{ 1 }}{}", " else if (x == 2) { 2 }".repeat(2_000));
        assert!(Script::compile(&chain).is_ok());
        let long = format!("x = 'a'{}", " + 'b'".repeat(200));
        assert!(Script::compile(&long).is_ok());
    });
}

#[test]
fn sources_at_the_bounds_run() {
    on_small_stack(|| {
        for (open, middle, close) in [
            ("(", "1", ")"),
            ("[", "1", "]"),
            ("!", "1", ""),
            ("{ -> ", "1", "}()"),
            ("1 + ", "1", ""),
            ("if (true) { ", "1", " }"),
        ] {
            let most = (1..1000).rev().find_map(|depth| {
                let source = format!("{}{middle}{}", open.repeat(depth), close.repeat(depth));
                Script::compile(&source).ok()
            });
            let (script, _) = most.unwrap();
            let _ = script.run(b"", &[], &mut TestHost::default(), Limits::default());
        }
    });
}

/// Changes a few characters of a text.
fn mutated(text: &str, dice: &mut Dice) -> String {
    const PIECES: &[&str] = &[
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "'",
        "\"",
        "$",
        "${",
        "/",
        "\\",
        "\n",
        ";",
        ",",
        ".",
        "?.",
        "*.",
        "->",
        "=",
        "==",
        "-",
        "..",
        ":",
        "?",
        "0",
        "9999999999",
        "1e9",
        "null",
        "it",
        "def ",
        "return ",
        "in ",
        "as ",
        "new ",
        "class ",
        "'''",
        "\u{0}",
        "ä",
        "😀",
        "<<",
        "%",
        "!",
        "~",
        "@",
        "x",
        "[:]",
        "()",
        "-1",
        ".class",
        " * 100000",
        "while(true)",
    ];
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..1 + dice.below(4) {
        let at = dice.below(chars.len() + 1);
        match dice.below(4) {
            0 if at < chars.len() => {
                chars.remove(at);
            }
            1 => {
                let to = (at + dice.below(20)).min(chars.len());
                chars.drain(at..to);
            }
            2 => {
                let from = dice.below(chars.len() + 1);
                let to = (from + dice.below(30)).min(chars.len());
                let copied = chars[from..to].to_vec();
                chars.splice(at..at, copied);
            }
            _ => {
                chars.splice(at..at, PIECES[dice.below(PIECES.len())].chars());
            }
        }
    }
    chars.into_iter().collect()
}

#[test]
fn mutated_sources_neither_panic_nor_overflow() {
    on_small_stack(|| {
        let cases = cases();
        let mut dice = Dice(0x2545_f491_4f6c_dd1d);
        let limits = Limits { steps: 200_000, bytes: 8 << 20, ..Limits::default() };
        for round in 0..8_000 {
            let source = mutated(&cases[dice.below(cases.len())].script, &mut dice);
            let Ok((script, _)) = Script::compile(&source) else { continue };
            let payload = if round % 2 == 0 { "{\"a\":[1,{\"b\":null}]}" } else { "thrift\nbody={}" };
            let _ = script.run(payload.as_bytes(), &[], &mut TestHost::default(), limits);
        }
    });
}
