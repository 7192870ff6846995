//! Changes scripts so that many still compile: by whole tokens, calls of known methods, and lines of the snippets.

use std::path::Path;
use std::sync::OnceLock;

use crate::support::{Dice, cases_in};

/// The names of the library's methods.
const METHODS: &str = include_str!("../../src/names.inc.rs");

const VALUES: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "7",
    "100",
    "100000",
    "2147483647",
    "Integer.MIN_VALUE",
    "Long.MAX_VALUE",
    "Long.MIN_VALUE",
    "1L",
    "0.5",
    "-1.50",
    "1e9",
    "1e-300d",
    "1.5d",
    "Double.NaN",
    "Double.POSITIVE_INFINITY",
    "2G",
    "10G ** 50",
    "null",
    "true",
    "false",
    "''",
    "'a'",
    "'aä😀'",
    "'a,b;c'",
    "\"${1 + 1}\"",
    "'x' * 1000",
    "'%s %d'",
    "'yyyy-MM-dd'",
    "'UTF-8'",
    "~/a+/",
    "/(a)(b)?/",
    "'(a|b)*'",
    "[]",
    "[1, 2, 3]",
    "[3, 'b', null]",
    "[[1, 2], [3]]",
    "[:]",
    "[a: 1, b: [2]]",
    "[a: 1] as TreeMap",
    "[1, 1] as Set",
    "(1..5)",
    "('a'..'e')",
    "(5..<1)",
    "(1..100000)",
    "{ it }",
    "{ -> 1 }",
    "{ a, b -> a <=> b }",
    "{ a, b -> b }",
    "{ a, b, c -> c }",
    "{ it * 2 }",
    "{ true }",
    "{ throw new Exception('x') }",
    "{ [it, it] }",
    "payload",
    "headers",
    "it",
    "this",
    "x",
    "new Date(0)",
    "new StringBuilder('ab')",
    "String",
    "Math",
    "[1, 2] as int[]",
    "'abc'.bytes",
    "'abc' =~ /b/",
    "new Exception('e')",
    "new groovy.json.JsonSlurper()",
    "java.time.LocalDate.of(2024, 2, 29)",
    "java.time.Instant.ofEpochMilli(0)",
    "java.time.Duration.ofDays(3)",
    "new java.text.SimpleDateFormat('yyyy')",
    "UUID.randomUUID()",
    "'{\"a\": [1, {\"b\": null}]}'",
    "new com.fasterxml.jackson.databind.ObjectMapper()",
    "java.math.RoundingMode.UP",
    "('a' as char)",
    "(1 as byte)",
    "new groovy.json.JsonBuilder()",
    "[1, 2].iterator()",
    "{ it }.memoize()",
    "{ a, b -> a }.curry(1)",
    "'a'.&concat",
];

const PIECES: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "'",
    "\"",
    "${",
    "$x",
    "/",
    "\\",
    "\n",
    ";",
    ",",
    ".",
    "?.",
    "*.",
    ".&",
    "->",
    "=",
    "==",
    "===",
    "<=>",
    "=~",
    "==~",
    "-",
    "+",
    "++",
    "--",
    "*",
    "**",
    "%",
    "..",
    "..<",
    "<..",
    ":",
    "?",
    "?:",
    "?=",
    "+=",
    "**=",
    "<<",
    ">>",
    ">>>",
    "!",
    "~",
    "@",
    "&",
    "|",
    "^",
    "&&",
    "||",
    " in ",
    " !in ",
    " instanceof ",
    " as ",
    "*:",
    "(*",
    "?[",
    "'''",
    "\"\"\"",
    "$/",
    "/$",
    "//",
    "/*",
    "*/",
    "\u{0}",
    "ä",
    "😀",
    "\u{2028}",
    "\\u0041",
    "\\n",
    "def ",
    "return ",
    "new ",
    "class A { }\n",
    "enum E { X, Y }\n",
    "interface I { }\n",
    "trait T { }\n",
    "static ",
    "final ",
    "@Field ",
    "@groovy.transform.Canonical ",
    "import ",
    "throw ",
    "assert ",
    "break\n",
    "continue\n",
    "def (a, b) = ",
    "int ",
    "String ",
    "var ",
    "if (x) { ",
    "} else { ",
    "for (i in x) { ",
    "for (int i = 0; i < 3; i++) { ",
    "while (true) { ",
    "do { ",
    "} while (x)\n",
    "switch (x) { case 1: ",
    "case 2 -> ",
    "default: ",
    "try { ",
    "} catch (e) { ",
    "} finally { ",
    "def f(n) { f(n) }\n",
    "def f(a, b = 1, ... c) { ",
    "super",
    "this",
    "delegate",
    "owner",
    "it",
    "x = ",
    "x << ",
    "x += x\n",
    "100.times { ",
    ".each { ",
    "class A extends B { A a = new A() }\n",
    "def l = []\nl << l\n",
    "def m = [:]\nm.m = m\n",
    " * 100000",
    "x.y.z",
    "x?.y",
    "x[0]",
    "x[-1..0]",
    "x[1] = x",
];

/// What is put together from the snippets.
struct Stock {
    scripts: Vec<String>,
    lines: Vec<String>,
    methods: Vec<&'static str>,
}

fn stock() -> &'static Stock {
    static STOCK: OnceLock<Stock> = OnceLock::new();
    STOCK.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/snippets");
        let scripts: Vec<String> = cases_in(&folder).into_iter().map(|case| case.script).collect();
        let lines = scripts.iter().flat_map(|script| script.lines()).map(str::to_owned).collect();
        let names = METHODS.split_once('{').map_or("", |(_, names)| names);
        let methods = names.split_whitespace().filter(|name| name.len() > 1).collect();
        Stock { scripts, lines, methods }
    })
}

/// A changed text in the place of another; its length. Every third time the fuzzer changes bytes as it likes.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut dice = Dice(u64::from(seed) << 16 | 0x9e37);
    for _ in 0..4 {
        dice.below(2);
    }
    if dice.below(3) == 0 {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    let text = String::from_utf8_lossy(&data[..size]).into_owned();
    let mut tokens: Vec<String> = tokens(&text).into_iter().map(str::to_owned).collect();
    for _ in 0..1 + dice.below(4) {
        change(&mut tokens, &mut dice);
    }
    let mut changed = tokens.concat();
    let mut end = changed.len().min(max_size);
    while !changed.is_char_boundary(end) {
        end -= 1;
    }
    changed.truncate(end);
    data[..end].copy_from_slice(changed.as_bytes());
    end
}

/// Words, blanks, and signs one by one.
fn tokens(text: &str) -> Vec<&str> {
    let kind = |char: char| match char {
        _ if char.is_alphanumeric() || char == '_' => 1,
        ' ' => 2,
        _ => 0,
    };
    let (mut all, mut from) = (Vec::new(), 0);
    let mut before = None;
    for (at, char) in text.char_indices() {
        let this = kind(char);
        if at > from && (this == 0 || before != Some(this)) {
            all.push(&text[from..at]);
            from = at;
        }
        before = Some(this);
    }
    all.push(&text[from..]);
    all
}

fn one_of<'a>(all: &[&'a str], dice: &mut Dice) -> &'a str {
    all[dice.below(all.len())]
}

/// Arguments of a call.
fn arguments(tokens: &[String], dice: &mut Dice) -> String {
    let count = [0, 0, 1, 1, 1, 2, 3][dice.below(7)];
    let value = |dice: &mut Dice| {
        // Values of the script itself make aliases and circles.
        if dice.below(4) == 0 {
            let token = &tokens[dice.below(tokens.len())];
            if token.chars().all(char::is_alphanumeric) {
                return token.clone();
            }
        }
        one_of(VALUES, dice).to_owned()
    };
    let values: Vec<String> = (0..count).map(|_| value(dice)).collect();
    format!("({})", values.join(", "))
}

fn change(tokens: &mut Vec<String>, dice: &mut Dice) {
    let stock = stock();
    let at = dice.below(tokens.len());
    let insert = |tokens: &mut Vec<String>, text: String| tokens.insert(at, text);
    match dice.below(14) {
        0 => drop(tokens.remove(at)),
        1 => {
            let to = (at + 1 + dice.below(12)).min(tokens.len());
            tokens.drain(at..to);
        }
        2 => {
            let from = dice.below(tokens.len());
            let to = (from + 1 + dice.below(20)).min(tokens.len());
            let copied = tokens[from..to].to_vec();
            tokens.splice(at..at, copied);
        }
        3 => insert(tokens, one_of(PIECES, dice).to_owned()),
        // A call behind a word or a bracket.
        4..=6 => {
            let place = (at..tokens.len()).find(|index| {
                tokens[*index]
                    .ends_with(|char: char| char.is_alphanumeric() || matches!(char, ')' | ']' | '\'' | '}'))
            });
            let dot = one_of(&[".", ".", ".", "?.", "*."], dice);
            let call = format!("{dot}{}{}", one_of(&stock.methods, dice), arguments(tokens, dice));
            tokens.insert(place.map_or(at, |place| place + 1), call);
        }
        7 => {
            // Another method in the place of one.
            let place = (at..tokens.len()).find(|index| stock.methods.contains(&&*tokens[*index]));
            if let Some(place) = place {
                tokens[place] = one_of(&stock.methods, dice).to_owned();
            }
        }
        8 | 9 => {
            // Another value in the place of a word that is no keyword of two letters.
            let word = |token: &String| token.chars().all(|char| char.is_alphanumeric());
            let place = (at..tokens.len()).find(|index| word(&tokens[*index])).unwrap_or(at);
            tokens[place] = one_of(VALUES, dice).to_owned();
        }
        10 => {
            let line = &stock.lines[dice.below(stock.lines.len())];
            insert(tokens, format!("\n{line}\n"));
        }
        11 => {
            let script = &stock.scripts[dice.below(stock.scripts.len())];
            tokens.push(format!("\n{script}"));
        }
        12 => insert(tokens, format!("x = {}{}\n", one_of(VALUES, dice), [".", ""][dice.below(2)])),
        _ => {
            // A loop or a closure around the rest.
            let around = one_of(
                &[
                    "for (i in 1..50) {\n",
                    "50.times {\n",
                    "try {\n",
                    "def f(x) {\n",
                    "class A {\n",
                    "x = {\n",
                ],
                dice,
            );
            tokens.insert(at, around.to_owned());
            tokens.push(
                one_of(&["\n}", "\n}\nf(1)", "\n} catch (e) { e }", "\n}()", "\n}\nnew A()"], dice)
                    .to_owned(),
            );
        }
    }
    if tokens.is_empty() {
        tokens.push("x".to_owned());
    }
}
