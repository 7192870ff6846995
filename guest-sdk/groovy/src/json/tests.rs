//! What is read late is what the careful reader reads at once.

use std::fmt::Write;
use std::rc::Rc;

use super::{parse, survey, tree};
use crate::host::{Host, Level, SnowplowFields};
use crate::limits::Limits;
use crate::machine::{Caches, Machine};
use crate::raise::{Raise, Reason};
use crate::syntax::Program;
use crate::value::Value;

const DOCUMENTS: usize = 4_000;
const MUTATIONS: usize = 8;

struct Nobody;

impl Host for Nobody {
    fn log(&mut self, _: Level, _: &str, _: &str) {}

    fn now_ms(&mut self) -> i64 {
        0
    }

    fn random_uuid(&mut self) -> String {
        String::new()
    }

    fn snowplow_deserialize(&mut self, _: &[u8]) -> Result<SnowplowFields, String> {
        Err(String::new())
    }
}

/// A row of numbers that look random, the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

const SPACES: [&str; 8] = ["", "", "", "", "", " ", "\n\t", "\r  \n"];
const NAMES: [&str; 9] =
    ["a", "b", "appId", "a\\u0062", "", "ä", "a name of more than sixteen bytes", "\\\\", "c"];
const PIECES: [&str; 14] = [
    "a",
    "word ",
    "more than sixteen bytes, ",
    "ä",
    "😀",
    "\\n",
    "\\\"",
    "\\/",
    "\\\\",
    "\\u00e4",
    "\\ud83d\\ude00",
    "\\ud83d",
    "\\udc00x",
    "{}[]:,",
];
const NUMBERS: [&str; 24] = [
    "0",
    "-0",
    "7",
    "-1",
    "1280",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "123456789012345678",
    "999999999999999999",
    "1234567890123456789",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "123456789012345678901234567890",
    "0.0",
    "-0.50",
    "41.97",
    "1.500",
    "3.14159265358979323846264338327950288",
    "1e3",
    "1.5E-3",
    "-2e+2",
];
/// What mutations put in.
const FOREIGN: [&str; 30] = [
    "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "1", "-", "+", ".", "e", "E5", "true", "false", "null",
    "nul", " ", "\n", "\u{1}", "\u{7f}", "\u{b}", "\u{a0}", "ä", "\\u12", "\\x", "1e99999", "01",
];

fn document(chance: &mut Chance, depth: usize, to: &mut String) {
    to.push_str(chance.of(&SPACES));
    match chance.below(if depth == 0 { 7 } else { 12 }) {
        0 => to.push_str("true"),
        1 => to.push_str("false"),
        2 => to.push_str("null"),
        3 | 4 => to.push_str(chance.of(&NUMBERS)),
        5 | 6 => {
            to.push('"');
            (0..chance.below(6)).for_each(|_| to.push_str(chance.of(&PIECES)));
            to.push('"');
        }
        7..10 => {
            to.push('{');
            for index in 0..chance.below(7) {
                let (comma, before, after) =
                    (if index > 0 { "," } else { "" }, chance.of(&SPACES), chance.of(&SPACES));
                let _ = write!(to, "{comma}{before}\"{}\"{after}:", chance.of(&NAMES));
                document(chance, depth - 1, to);
            }
            to.push_str(chance.of(&SPACES));
            to.push('}');
        }
        _ => {
            to.push('[');
            for index in 0..chance.below(5) {
                to.push_str(if index > 0 { "," } else { "" });
                document(chance, depth - 1, to);
            }
            to.push_str(chance.of(&SPACES));
            to.push(']');
        }
    }
    to.push_str(chance.of(&SPACES));
}

fn mutated(chance: &mut Chance, document: &str) -> String {
    let mut place = || {
        let mut at = chance.below(document.len() + 1);
        while !document.is_char_boundary(at) {
            at += 1;
        }
        at
    };
    let (from, to) = (place(), place());
    // Most changes are small.
    let to = if chance.below(4) == 0 { from.max(to) } else { document.ceil_char(from + chance.below(2)) };
    let foreign = if chance.below(3) == 0 { "" } else { chance.of(&FOREIGN) };
    [&document[..from], foreign, &document[to..]].concat()
}

trait Boundary {
    fn ceil_char(&self, at: usize) -> usize;
}

impl Boundary for str {
    fn ceil_char(&self, at: usize) -> usize {
        (at..=self.len()).find(|at| self.is_char_boundary(*at)).unwrap_or(self.len())
    }
}

/// All of a value, with the types of its parts.
fn shown(value: &Value, to: &mut String) {
    let _ = match value {
        Value::Text(text) => write!(to, "{text:?}"),
        Value::Int(number) => write!(to, "{number}i"),
        Value::Long(number) => write!(to, "{number}l"),
        Value::Big(number) => write!(to, "{number}g"),
        Value::Decimal(number) => write!(to, "{}/{}", number.unscaled(), number.scale()),
        Value::Bool(value) => write!(to, "{value}"),
        Value::Null => write!(to, "null"),
        Value::List(list) => {
            to.push('[');
            for item in &*list.items.borrow() {
                shown(item, to);
                to.push(',');
            }
            write!(to, "]")
        }
        Value::Map(map) => {
            to.push('{');
            for (key, value) in &*map.entries.borrow() {
                shown(&key.0, to);
                to.push(':');
                shown(value, to);
                to.push(',');
            }
            write!(to, "}}")
        }
        other => panic!("no value of a document: {other:?}"),
    };
}

/// Looks fields up in all objects, before something else reads them.
fn look_up(chance: &mut Chance, late: &Value, early: &Value) {
    match (late, early) {
        (Value::Map(late), Value::Map(early)) => {
            for _ in 0..chance.below(6) {
                let name = chance.of(&["a", "b", "appId", "ab", "", "ä", "\\", "c", "none"]);
                let show = |value: Option<Value>| {
                    let mut text = String::new();
                    shown(&value?, &mut text);
                    Some(text)
                };
                assert_eq!(show(late.get_text(name)), show(early.get_text(name)), "{name}");
            }
            let (late, early) = (late.entries.borrow(), early.entries.borrow());
            late.values().zip(early.values()).for_each(|(late, early)| look_up(chance, late, early));
        }
        (Value::List(late), Value::List(early)) => {
            let (late, early) = (late.items.borrow(), early.items.borrow());
            late.iter().zip(&*early).for_each(|(late, early)| look_up(chance, late, early));
        }
        _ => {}
    }
}

fn told(raised: &Raise) -> String {
    match &raised.reason {
        Reason::Thrown(object) => {
            let message = object.throwable.as_ref().map(|throwable| throwable.message.borrow().clone());
            format!("{}: {message:?}", object.class.full_name())
        }
        Reason::Exhausted(class, message) => format!("{class}: {message}"),
    }
}

fn with_machine<T>(limits: Limits, work: impl FnOnce(&mut Machine<'_>) -> T) -> T {
    thread_local! {
        static PROGRAM: Rc<Program> = Rc::new(crate::compile("null").unwrap_or_else(|_| panic!("it compiles")).0);
    }
    let (caches, mut host) = (Caches::default(), Nobody);
    work(&mut Machine::new(&PROGRAM.with(Rc::clone), &caches, &mut host, limits))
}

/// Reads a document late and at once; whether it is right.
fn compare(chance: &mut Chance, text: &str, limits: Limits) -> bool {
    let text: Rc<str> = text.into();
    let (late, late_left) = with_machine(limits, |machine| (parse(machine, &text), machine.left()));
    let (early, early_left) = with_machine(limits, |machine| {
        let read =
            machine.allocate(text.len() * super::BYTES_PER_BYTE).and_then(|()| tree::read(machine, &text));
        // What keys cost is noted when they are read.
        crate::debt::take();
        (read, machine.left())
    });
    match (late, early) {
        (Ok(late), Ok(early)) => {
            assert_eq!(late_left.1, early_left.1, "{text}");
            assert!(late_left.0 >= early_left.0 && late_left.0 - early_left.0 < 1_000, "{text}");
            look_up(chance, &late, &early);
            let (mut one, mut other) = (String::new(), String::new());
            shown(&late, &mut one);
            shown(&early, &mut other);
            assert_eq!(one, other, "{text}");
            true
        }
        (Err(late), Err(early)) => {
            assert_eq!(told(&late), told(&early), "{text}");
            false
        }
        // What is read late has not compared keys as yet.
        (Ok(_), Err(early)) if told(&early).contains("TimeoutException") => {
            let steps = limits.steps + 100;
            let read = with_machine(Limits { steps, ..limits }, |machine| tree::read(machine, &text));
            assert!(read.is_ok(), "{text}");
            true
        }
        (late, early) => panic!("late {late:?}, at once {early:?}: {text}"),
    }
}

#[test]
fn documents_and_what_is_nearly_one_are_read_as_by_the_careful_reader() {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let (mut right, mut wrong, mut plain) = (0, 0, 0);
    for _ in 0..DOCUMENTS {
        let mut text = String::new();
        document(&mut chance, 4, &mut text);
        assert!(compare(&mut chance, &text, Limits::default()), "{text}");
        plain += usize::from(survey::survey(&text).is_some());
        for _ in 0..MUTATIONS {
            text = mutated(&mut chance, &text);
            if compare(&mut chance, &text, Limits::default()) {
                right += 1;
            } else {
                wrong += 1;
            }
        }
    }
    assert!(plain > DOCUMENTS / 2 && right > DOCUMENTS / 2 && wrong > DOCUMENTS, "{plain}, {right}, {wrong}");
}

#[test]
fn limits_are_reached_where_the_careful_reader_reaches_them() {
    let mut chance = Chance(0x2545_f491_4f6c_dd1d);
    let (mut right, mut wrong) = (0, 0);
    for _ in 0..DOCUMENTS {
        let mut text = String::new();
        document(&mut chance, 4, &mut text);
        let (bytes, steps) = (chance.below(4_000) as u64, chance.below(100) as u64);
        if compare(&mut chance, &text, Limits { bytes, steps, ..Limits::default() }) {
            right += 1;
        } else {
            wrong += 1;
        }
    }
    assert!(right > DOCUMENTS / 8 && wrong > DOCUMENTS / 8, "{right}, {wrong}");
}

#[test]
fn depths_and_long_numbers_are_those_of_the_careful_reader() {
    let mut chance = Chance(1);
    for depth in [1, 63, 64, 65, 127, 128, 129, 255, 256, 257, 100_000] {
        for (open, inside, close) in
            [("[", "1", "]"), ("{\"a\":", "[]", "}"), ("[{\"a\":", "2.5", "}]"), ("[", "", "]")]
        {
            let text = [open.repeat(depth), inside.to_owned(), close.repeat(depth)].concat();
            compare(&mut chance, &text, Limits::default());
        }
    }
    for length in [18, 19, 20, 999, 1_000, 1_001, 9_999, 10_001, 19_998, 19_999, 20_000, 20_001] {
        for text in
            ["9".repeat(length), format!("0.{}", "1".repeat(length)), format!("-{}.5", "3".repeat(length))]
        {
            compare(&mut chance, &text, Limits::default());
            compare(&mut chance, &format!("{{\"a\":[{text}]}}"), Limits::default());
        }
    }
}
