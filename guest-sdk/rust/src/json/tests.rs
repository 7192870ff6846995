//! The reader against `serde_json`, which is right by definition.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{reader, writer};

/// Numbers that look random and are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

const TEXTS: [&str; 12] = [
    "",
    "a",
    "firstName",
    "seven b",
    "eight by",
    "nine byte",
    "Gr\u{fc}\u{df}e",
    "\"quoted\"",
    "back\\slash",
    "line\nend",
    "a text of more than sixteen bytes",
    "\u{1f600}",
];
const NUMBERS: [&str; 14] = [
    "0",
    "-0",
    "1",
    "-7",
    "42.5",
    "1e3",
    "-2E-2",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "-9223372036854775809",
    "0.1",
    "1.0",
    "1e-400",
];
const SPACES: [&str; 4] = ["", "", " ", "\n\t\r "];

fn value(chance: &mut Chance, depth: usize, to: &mut String) {
    to.push_str(SPACES[chance.below(4)]);
    match chance.below(if depth > 3 { 4 } else { 6 }) {
        0 => to.push_str(NUMBERS[chance.below(NUMBERS.len())]),
        1 => to.push_str(&serde_json::to_string(TEXTS[chance.below(TEXTS.len())]).unwrap()),
        2 => to.push_str(["true", "false", "null"][chance.below(3)]),
        3 => to.push_str(["\"\\u00e9\"", "\"\\ud83d\\ude00\"", "\"\\/\"", "\"\\ud800\""][chance.below(4)]),
        kind => {
            to.push(if kind == 4 { '[' } else { '{' });
            for n in 0..chance.below(4) {
                if n > 0 {
                    to.push(',');
                }
                if kind == 5 {
                    to.push_str(&format!(
                        "\"{}{n}\"{}:",
                        ["a", "id", "firstName"][chance.below(3)],
                        SPACES[chance.below(4)]
                    ));
                }
                value(chance, depth + 1, to);
            }
            to.push_str(SPACES[chance.below(4)]);
            to.push(if kind == 4 { ']' } else { '}' });
        }
    }
    to.push_str(SPACES[chance.below(4)]);
}

/// What the reader reads is what `serde_json` reads; whether it read anything.
fn same<'a, T: Deserialize<'a> + PartialEq + std::fmt::Debug>(text: &'a [u8]) -> bool {
    let wanted = serde_json::from_slice::<T>(text);
    match reader::read::<T>(text) {
        None => false,
        Some(read) => {
            let shown = String::from_utf8_lossy(text);
            assert_eq!(read, wanted.unwrap_or_else(|error| panic!("{shown}: {error}")), "{shown}");
            true
        }
    }
}

#[derive(Debug, PartialEq, Deserialize)]
struct Person<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(default)]
    a0: Value,
}

#[derive(Debug, PartialEq, Deserialize)]
enum Kind {
    Unit,
    New(u8),
    Tuple(u8, String),
    Struct { a: u8 },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Either {
    Number(i32),
    Text(String),
    List(Vec<Either>),
}

#[test]
fn what_is_read_is_what_serde_json_reads() {
    let (mut chance, mut good) = (Chance(7), 0);
    for _ in 0..20_000 {
        let mut text = String::new();
        value(&mut chance, 0, &mut text);
        let whole = serde_json::from_str::<Value>(&text).is_ok();
        let read = same::<Value>(text.as_bytes());
        assert!(read || !whole || has_odd_number(&text), "{text}");
        assert_eq!(
            same::<serde::de::IgnoredAny>(text.as_bytes()).then_some(()).is_some(),
            reader_skips(&text),
            "{text}"
        );
        good += usize::from(whole);
        same::<Person<'_>>(text.as_bytes());
        same::<BTreeMap<String, Value>>(text.as_bytes());
        same::<Vec<Option<f64>>>(text.as_bytes());
        // Of every text, some that are wrong in one place.
        let mut bytes = text.into_bytes();
        let at = chance.below(bytes.len());
        match chance.below(3) {
            0 => drop(bytes.remove(at)),
            1 => bytes.insert(at, b"{}[],:\"\\01e-.n\x00\xff "[chance.below(17)]),
            _ => bytes[at] = b"{}[],:\"\\01e-.n\x00\xff "[chance.below(17)],
        }
        same::<Value>(&bytes);
        same::<Person<'_>>(&bytes);
    }
    assert!(good > 10_000, "{good}");
}

/// Whether a text holds a number that is left to `serde_json`.
fn has_odd_number(text: &str) -> bool {
    NUMBERS
        .iter()
        .filter(|number| number.contains(['e', 'E']) || number.len() > 19)
        .any(|number| text.contains(number))
}

/// `IgnoredAny` has no equality worth the name: of it, only whether there is a value is compared.
fn reader_skips(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

#[test]
fn all_shapes_of_types_are_read() {
    assert!(same::<(u8, bool, String)>(b" [1, true, \"x\"] "));
    assert!(same::<Kind>(b"\"Unit\""));
    assert!(same::<Kind>(b"{\"New\": 7}"));
    assert!(same::<Kind>(b"{\"Tuple\": [1, \"b\"]}"));
    assert!(same::<Kind>(b"{\"Struct\": {\"a\": 1}}"));
    assert!(same::<Vec<Either>>(b"[1, \"a\", [2, \"b\"]]"));
    assert!(same::<Person<'_>>(b"{\"id\": \"\\u0061\", \"other\": [1, {\"x\": null}], \"a0\": {}}"));
    assert!(same::<Person<'_>>(b"{\"id\": null}"));
    assert!(same::<std::collections::HashMap<&str, &str>>(b"{\"a\": \"b\"}"));
    let raw: &RawValue = reader::read(b" { \"a\" : 1.0 } ").unwrap();
    assert_eq!(raw.get(), "{ \"a\" : 1.0 }");
}

#[test]
fn what_is_no_json_is_left_to_serde_json() {
    for bad in [
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{,}",
        "[,1]",
        "01",
        "1.",
        ".5",
        "1e",
        "+1",
        "tru",
        "nulll",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"a\nb\"",
        "{\"a\" 1}",
        "{a:1}",
        "[1 2]",
        "1 2",
        "[1}",
        "{\"a\":1]",
        "\"open",
        "-",
        "1e999",
    ] {
        assert!(serde_json::from_str::<Value>(bad).is_err(), "{bad}");
        assert!(reader::read::<Value>(bad.as_bytes()).is_none(), "{bad}");
        let inside = format!("{{\"other\": {bad}, \"id\": \"x\"}}");
        if serde_json::from_str::<&RawValue>(&inside).is_err() {
            assert!(reader::read::<Person<'_>>(inside.as_bytes()).is_none(), "{inside}");
        }
    }
    assert!(reader::read::<Person<'_>>(b"{\"other\": \"\xff\", \"id\": \"x\"}").is_none(), "not UTF-8");
    for depth in [127, 128, 129, 1_000] {
        let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(
            reader::read::<Value>(text.as_bytes()).is_some(),
            serde_json::from_str::<Value>(&text).is_ok(),
            "{depth}"
        );
    }
}

#[test]
fn a_payload_of_a_tracker_is_read() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Names<'a> {
        #[serde(borrow)]
        first_name: Cow<'a, str>,
        #[serde(borrow)]
        last_name: Cow<'a, str>,
    }
    let text = br#"{"appId":"liveSegmenttest","clientId":"bench-1","firstName":"Andrew","lastName":"Peterson","page":"https://shop.example/books/the-left-hand-of-darkness?ref=start","referrer":"https://search.example/?q=left+hand","language":"en-GB","viewport":[1280,720],"basket":{"items":3,"total":41.97,"currency":"EUR"},"loggedIn":true}"#;
    assert!(same::<Names<'_>>(text));
}

#[test]
fn a_type_that_takes_errors_for_values_gets_the_value() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Lenient {
        #[serde(deserialize_with = "or_zero")]
        a: f64,
    }
    fn or_zero<'de, D: serde::Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        Ok(f64::deserialize(from).unwrap_or_default())
    }
    for text in ["{\"a\": 1e3}", "{\"a\": 52.52000659999999991}"] {
        assert!(!same::<Lenient>(text.as_bytes()), "{text} is left to serde_json");
    }
    assert!(same::<Lenient>(b"{\"a\": 1.5}"));
}

/// What may stand in a text, and what may not, at whatever place of a block.
const PIECES: [&[u8]; 17] = [
    b"",
    b"a",
    b"\\\"",
    b"\\\\",
    b"\\\\\\\"",
    b"\\u00e9",
    b"\\ud83d\\ude00",
    b"\\ud83d",
    b"\\u00",
    b"\\x",
    b"\n",
    b"\x1f",
    b"\x7f",
    "\u{e9}".as_bytes(),
    "\u{1f600}".as_bytes(),
    b"\xc3",
    b"\xff",
];

#[test]
fn texts_are_the_same_across_the_borders_of_blocks() {
    for before in 0..34 {
        for piece in PIECES {
            for behind in 0..34 {
                let text = [&b"x".repeat(before), piece, &b"y".repeat(behind)].concat();
                let quoted = [b"\"", &text[..], b"\""].concat();
                same::<Cow<'_, str>>(&quoted);
                // As a value that nobody asked for, one that somebody did, and a name.
                same::<Person<'_>>(&[b"{\"other\":", &quoted[..], b",\"id\":", &quoted, b"}"].concat());
                same::<BTreeMap<Cow<'_, str>, &str>>(&[b"{", &quoted[..], b":\"\"}"].concat());
                // Cut anywhere behind the piece.
                let end = quoted.len() - behind.min(3);
                assert!(reader::read::<Cow<'_, str>>(&quoted[..end - 1]).is_none());
                assert!(
                    reader::read::<&RawValue>(&[b"[[{\"other\":", &quoted[..end - 1]].concat()).is_none()
                );
            }
        }
    }
}

#[test]
fn plain_texts_of_all_lengths_are_read() {
    for length in 0..200 {
        let text = format!("{{\"other\":\"{0}\",\"{0}\":0,\"id\":\"{0}\"}}", "x".repeat(length));
        assert!(same::<Person<'_>>(text.as_bytes()), "{length}");
    }
}

#[test]
fn depth_of_what_nobody_asked_for_is_bounded_as_well() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
        for depth in 60..130 {
            for outside in ["", "1"] {
                let inside = format!("{}{outside}{}", open.repeat(depth), close.repeat(depth));
                let text = format!("{{\"other\":{inside},\"id\":\"x\"}}");
                let read = same::<Person<'_>>(text.as_bytes());
                // What is deeper may be left to `serde_json`, which passes over anything.
                if depth * open.matches(['[', '{']).count() < 126 {
                    assert_eq!(read, serde_json::from_str::<Person<'_>>(&text).is_ok(), "{text}");
                }
            }
        }
    }
}

#[test]
fn what_is_written_is_what_serde_json_writes() {
    let (mut chance, mut good) = (Chance(11), 0);
    for _ in 0..20_000 {
        let mut text = String::new();
        value(&mut chance, 0, &mut text);
        if let Ok(value) = serde_json::from_str::<Value>(&text) {
            written(&value);
            good += 1;
        }
        if let Ok(raw) = serde_json::from_str::<&RawValue>(&text) {
            written(&(raw, [raw]));
        }
    }
    assert!(good > 10_000, "{good}");
}

fn written(value: &(impl serde::Serialize + ?Sized)) {
    let wanted = serde_json::to_vec(value).map_err(|error| error.to_string());
    let ours = writer::write(&value).map_err(|error| error.to_string());
    assert_eq!(ours, wanted);
}

#[test]
fn texts_are_written_the_same_at_all_places() {
    for before in 0..34 {
        for piece in PIECES.iter().filter_map(|piece| std::str::from_utf8(piece).ok()) {
            for behind in 0..34 {
                written(&format!("{}{piece}{}", "x".repeat(before), "y".repeat(behind)));
            }
        }
    }
    for long in [255, 256, 257, 10_000] {
        written(&"x".repeat(long));
        written(&format!("{}\"", "x".repeat(long)));
    }
    for byte in 0..=0x7f_u8 {
        written(&char::from(byte).to_string());
        written(&char::from(byte));
    }
}

#[test]
fn all_shapes_of_values_are_written() {
    use std::collections::HashMap;

    #[derive(serde::Serialize)]
    struct Unit;
    #[derive(serde::Serialize)]
    struct New(u8);
    #[derive(serde::Serialize)]
    struct Pair(u8, &'static str);
    #[derive(serde::Serialize)]
    struct Empty {}
    #[derive(serde::Serialize)]
    struct Fields {
        a: Option<u8>,
        #[serde(skip_serializing_if = "Option::is_none")]
        b: Option<u8>,
        #[serde(rename = "\"quoted\"")]
        c: (),
        #[serde(flatten)]
        more: BTreeMap<u8, Value>,
    }
    #[derive(serde::Serialize)]
    struct Plain {
        a: Unit,
        b: New,
        c: Pair,
        d: Empty,
        e: [Shape; 8],
    }
    #[derive(serde::Serialize)]
    enum Shape {
        Unit,
        New(u8),
        Tuple(u8, u8),
        None(),
        Struct {
            a: u8,
            b: Option<bool>,
        },
        Nothing {},
        #[serde(rename = "\\")]
        Odd,
        Inner(Box<Shape>),
    }

    let shapes = || {
        let inner = Shape::Inner(Box::new(Shape::Struct { a: 2, b: None }));
        let own = Shape::Struct { a: 1, b: Some(true) };
        [
            Shape::Unit,
            Shape::New(1),
            Shape::Tuple(1, 2),
            Shape::None(),
            own,
            Shape::Nothing {},
            Shape::Odd,
            inner,
        ]
    };
    let more = BTreeMap::from([(1, Value::Null), (2, serde_json::json!({"x": [1.5, -0.0, 1e300]}))]);
    written(&Fields { a: None, b: None, c: (), more: more.clone() });
    written(&Fields { a: Some(1), b: Some(2), c: (), more });
    written(&Plain { a: Unit, b: New(1), c: Pair(1, "x"), d: Empty {}, e: shapes() });
    written(&shapes());
    written(&(true, -1_i8, -2_i16, -3_i32, i64::MIN, i128::MIN, 1_u16, 2_u32, u64::MAX, u128::MAX));
    written(&(1.5_f32, f64::NAN, f64::INFINITY, 'x', '"', '\u{1f600}', Some(Some(()))));
    written(&BTreeMap::<u8, u8>::new());
    written(&BTreeMap::from([("a", 1), ("b\n", 2)]));
    written(&BTreeMap::from([(true, 1), (false, 2)]));
    written(&BTreeMap::from([('x', 1), ('"', 2)]));
    written(&BTreeMap::from([(-1_i64, HashMap::from([(Some("a"), 2)]))]));
    // What cannot be a name.
    written(&BTreeMap::from([((), 1)]));
    written(&BTreeMap::from([(vec![1], 1)]));
    written(&BTreeMap::from([(None::<u8>, 1)]));
}
