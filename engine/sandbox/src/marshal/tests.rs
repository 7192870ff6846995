use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A plain reader of what the encoder writes, references included: the model that CPython's reader stands for.
struct Model<'a> {
    data: &'a [u8],
    references: Vec<Value>,
}

impl Model<'_> {
    fn read_all(data: &[u8]) -> Value {
        let mut model = Model { data, references: Vec::new() };
        let value = model.read().expect("a value");
        assert_eq!(model.data, b"", "nothing may follow the value");
        value
    }

    fn take(&mut self, count: usize) -> &[u8] {
        let (taken, rest) = self.data.split_at(count);
        self.data = rest;
        taken
    }

    fn i32(&mut self) -> i32 {
        i32::from_le_bytes(self.take(4).try_into().unwrap())
    }

    /// `None` for the end of a dict.
    fn read(&mut self) -> Option<Value> {
        let byte = self.take(1)[0];
        let value = match byte & !code::FLAG_REF {
            code::NULL => return None,
            code::NONE => Value::Null,
            code::TRUE => json!(true),
            code::FALSE => json!(false),
            code::INT => json!(self.i32()),
            code::FLOAT => json!(f64::from_le_bytes(self.take(8).try_into().unwrap())),
            code::LONG => {
                let count = self.i32();
                let mut out = Vec::new();
                let digits = self.take(count.unsigned_abs() as usize * 2);
                assert_ne!(&digits[digits.len() - 2..], &[0, 0], "CPython refuses leading zeros");
                integer::write_decimal(digits, &mut out);
                let sign = if count < 0 { "-" } else { "" };
                serde_json::from_str(&format!("{sign}{}", String::from_utf8(out).unwrap())).unwrap()
            }
            code::SHORT_ASCII | code::SHORT_ASCII_INTERNED => {
                let count = usize::from(self.take(1)[0]);
                let text = self.take(count);
                assert!(text.is_ascii());
                json!(std::str::from_utf8(text).unwrap())
            }
            code::ASCII | code::UNICODE | code::INTERNED => {
                let count = self.i32() as usize;
                json!(std::str::from_utf8(self.take(count)).unwrap())
            }
            code::LIST => (0..self.i32()).map(|_| self.read().unwrap()).collect(),
            code::DICT => {
                let mut object = serde_json::Map::new();
                while let Some(key) = self.read() {
                    object.insert(key.as_str().unwrap().to_owned(), self.read().unwrap());
                }
                Value::Object(object)
            }
            code::REF => {
                let number = self.i32() as usize;
                return Some(self.references[number].clone());
            }
            other => panic!("unexpected code {other:#x}"),
        };
        if byte & code::FLAG_REF != 0 {
            self.references.push(value.clone());
        }
        Some(value)
    }
}

fn encoded(text: &str) -> Result<Vec<u8>, JsonError> {
    let mut encoder = Encoder::new();
    encoder.json(text.as_bytes())?;
    Ok(encoder.bytes().to_vec())
}

fn decoded(data: &[u8]) -> Result<String, Fault> {
    let mut out = Vec::new();
    let mut decoder = Decoder::new(data, 1 << 20);
    decoder.json(&mut out)?;
    decoder.end()?;
    Ok(String::from_utf8(out).expect("the decoder writes UTF-8"))
}

fn value_error(data: &[u8]) -> String {
    match decoded(data) {
        Err(Fault::Value(error)) => error.to_string(),
        other => panic!("expected a value error, got {other:?}"),
    }
}

fn from_hex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

/// JSON documents whose integers reach far beyond 64 bits.
fn documents() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i32>().prop_map(|n| json!(n)),
        any::<i64>().prop_map(|n| json!(n)),
        "-?[1-9][0-9]{0,80}".prop_map(|n| serde_json::from_str(&n).unwrap()),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| json!(n)),
    ];
    let text = prop_oneof![any::<String>(), "[a-z]{0,8}", "[a-z]{250,260}", "[\\u{0}-\\u{1f}\"\\\\]{0,5}"];
    let key = prop_oneof![4 => "[a-d]", 1 => any::<String>(), 1 => "[a-z]{190,300}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..8)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_survives_the_way_to_marshal(document in documents()) {
        let data = encoded(&document.to_string()).unwrap();
        prop_assert_eq!(Model::read_all(&data), document);
    }

    #[test]
    fn json_survives_the_way_to_marshal_and_back(document in documents()) {
        let mut encoder = Encoder::without_references();
        encoder.json(document.to_string().as_bytes()).unwrap();
        let text = decoded(encoder.bytes()).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), document);
    }

    #[test]
    fn a_text_is_taken_for_json_exactly_when_serde_takes_it(text in "[\\[\\]{}\":,0-9eE+.tfn\\\\ -]{0,12}") {
        // serde_json refuses lone surrogates, which need a `u` that the alphabet above lacks.
        let theirs = serde_json::from_str::<Value>(&text);
        let ours = encoded(&text);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?} {:?}", ours, theirs);
    }

    #[test]
    fn arbitrary_bytes_never_panic_the_encoder(text in any::<Vec<u8>>()) {
        let _ = Encoder::new().json(&text);
    }

    #[test]
    fn arbitrary_bytes_never_panic_the_decoder(data in any::<Vec<u8>>()) {
        crate::decode_hostile(&data);
    }

    #[test]
    fn damaged_data_never_panics_the_decoder(
        document in documents(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut encoder = Encoder::without_references();
        encoder.json(document.to_string().as_bytes()).unwrap();
        let mut data = encoder.bytes().to_vec();
        for (at, byte) in damage {
            let at = at.index(data.len());
            data[at] = byte;
        }
        crate::decode_hostile(&data);
        data.truncate(cut.index(data.len()));
        crate::decode_hostile(&data);
    }

    #[test]
    fn long_integers_are_exact(decimal in "[1-9][0-9]{0,400}", negative in any::<bool>()) {
        let text = format!("{}{decimal}", if negative { "-" } else { "" });
        prop_assert_eq!(decoded(&encoded(&text).unwrap()).unwrap(), text);
    }

    #[test]
    fn a_failed_document_leaves_no_trace(
        before in documents(),
        broken in documents(),
        after in documents(),
    ) {
        let mut encoder = Encoder::new();
        encoder.list(2);
        encoder.json(before.to_string().as_bytes()).unwrap();
        // The failure comes after all keys of the document were written.
        let broken = format!("[{broken}, oops]");
        prop_assert!(encoder.json(broken.as_bytes()).is_err());
        encoder.json(after.to_string().as_bytes()).unwrap();
        prop_assert_eq!(Model::read_all(encoder.bytes()), json!([before, after]));
    }
}

/// `marshal.dumps(value, 2)` of CPython 3.11.
#[test]
fn data_written_by_cpython_is_read() {
    let data = from_hex(include_str!("cpython.hex").trim());
    let expected = json!([
        {"a": 1, "b": [null, true, false, -1, 1_099_511_627_776_i64,
            serde_json::from_str::<Value>("-1180591620717411303424").unwrap(), 1.5], "é": "ü😀"},
        ["x"],
        "long".repeat(80),
    ]);
    assert_eq!(serde_json::from_str::<Value>(&decoded(&data).unwrap()).unwrap(), expected);
}

#[test]
fn repeated_keys_are_written_once() {
    let data = encoded(r#"[{"id":1},{"id":2},{"id":3}]"#).unwrap();
    assert_eq!(data.windows(2).filter(|w| w == b"id").count(), 1);
    assert_eq!(Model::read_all(&data), json!([{"id": 1}, {"id": 2}, {"id": 3}]));
}

#[test]
fn more_keys_than_the_cache_has_room_for_stay_right() {
    let object: BTreeMap<_, _> = (0..5000).map(|n| (format!("key{n}"), n)).collect();
    let document = json!([object, object]);
    assert_eq!(Model::read_all(&encoded(&document.to_string()).unwrap()), document);
}

#[test]
fn the_last_of_duplicate_keys_holds() {
    assert_eq!(Model::read_all(&encoded(r#"{"a":1,"a":2}"#).unwrap()), json!({"a": 2}));
}

#[test]
fn nesting_up_to_the_limit_passes_and_one_more_does_not() {
    let nested = |levels| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let data = encoded(&nested(DEPTH_MAX)).unwrap();
    assert_eq!(decoded(&data).unwrap(), nested(DEPTH_MAX));
    assert_eq!(encoded(&nested(DEPTH_MAX + 1)), Err(JsonError::TooDeep));
    assert_eq!(encoded(&"[".repeat(1 << 20)), Err(JsonError::TooDeep));
    let objects = r#"{"a":"#.repeat(200);
    assert_eq!(encoded(&objects), Err(JsonError::TooDeep));

    let mut deeper = b"[\x01\0\0\0".to_vec();
    deeper.extend_from_slice(&data);
    assert!(value_error(&deeper).contains("nested too deeply: at most 128 levels"));
}

#[test]
fn integers_beyond_the_digit_limit_are_refused_in_both_directions() {
    let longest = "9".repeat(INTEGER_DIGITS_MAX);
    assert_eq!(decoded(&encoded(&longest).unwrap()).unwrap(), longest);
    assert_eq!(encoded(&format!("{longest}9")), Err(JsonError::IntegerTooLong));
    let mut huge = b"l".to_vec();
    huge.extend_from_slice(&954_i32.to_le_bytes());
    huge.extend_from_slice(&[0xff, 0x7f].repeat(954));
    assert!(value_error(&huge).contains("integer of more than 4300 digits"));
}

#[test]
fn surrogates_pass_as_in_cpython() {
    assert_eq!(decoded(&encoded(r#""\ud83d\ude00""#).unwrap()).unwrap(), "\"😀\"");
    // A lone one reaches Python as it would through json.loads, but cannot come back as JSON.
    let lone = encoded(r#""\ud83d!""#).unwrap();
    assert_eq!(lone, b"u\x04\0\0\0\xed\xa0\xbd!");
    assert!(value_error(&lone).contains("lone surrogate"));
}

#[test]
fn what_json_cannot_hold_is_named_with_its_place() {
    let nan = f64::NAN.to_le_bytes();
    let data = [b"{z\x05items[\x02\0\0\0N{z\x01xg".as_slice(), &nan, b"00"].concat();
    assert_eq!(value_error(&data), r#"value["items"][1]["x"] is NaN, which JSON cannot hold"#);
    let infinite = [b"g".as_slice(), &f64::NEG_INFINITY.to_le_bytes()].concat();
    assert_eq!(value_error(&infinite), "value is an infinity, which JSON cannot hold");
    assert!(value_error(b"{i\x01\0\0\0N0").contains("key that is not text"));
    assert!(value_error(b"[\x01\0\0\0s\x01\0\0\0x").starts_with("value[0] is not JSON: bytes"));
    assert!(value_error(b"<\x01\0\0\0N").contains("a set"));
}

#[test]
fn the_decoder_stands_behind_a_value_that_was_wrong() {
    let data = [b"[\x01\0\0\0g".as_slice(), &f64::NAN.to_le_bytes(), b"T"].concat();
    let mut decoder = Decoder::new(&data, 1 << 20);
    let mut out = b"kept".to_vec();
    assert!(matches!(decoder.json(&mut out), Err(Fault::Value(_))));
    assert_eq!(out, b"kept");
    assert!(decoder.bool().unwrap());
    decoder.end().unwrap();
}

#[test]
fn values_above_the_size_limit_are_refused() {
    // Every NUL of the text takes six bytes of JSON.
    let mut data = b"[\x02\0\0\0".to_vec();
    for _ in 0..2 {
        data.extend_from_slice(b"u\x64\0\0\0");
        data.extend_from_slice(&[0; 100]);
    }
    let mut out = Vec::new();
    assert!(Decoder::new(&data, 1300).json(&mut out).is_ok());
    out.clear();
    let error = Decoder::new(&data, 1200).json(&mut out).unwrap_err().to_string();
    assert!(error.contains("larger than 1200 bytes"), "{error}");
}

#[test]
fn lengths_that_lie_are_frame_errors() {
    for data in [
        b"".as_slice(),
        b"[\xff\xff\xff\x7f",
        b"[\xff\xff\xff\xff",
        b"u\xff\xff\xff\x7fabc",
        b"s\x05\0\0\0abc",
        b"l\xff\xff\xff\x7f",
        b"l\0\0\0\x80",
        b")\xff",
        b"i\0",
        b"{z\x01a",
        b"{z\x01aN",
        b"r\0\0\0\0",
        b"c",
    ] {
        assert!(matches!(decoded(data), Err(Fault::Frame(_))), "{data:?}");
    }
    // Nested far beyond what a host stack could hold.
    assert!(matches!(decoded(&b"[\x01\0\0\0".repeat(1 << 20)), Err(Fault::Frame(_))));
}

/// The keys of a frame that are marked as interned.
fn interned(encoder: &mut Encoder, document: &str) -> usize {
    encoder.clear();
    encoder.json(document.as_bytes()).unwrap();
    encoder.bytes().iter().filter(|byte| **byte == code::SHORT_ASCII_INTERNED | code::FLAG_REF).count()
}

#[test]
fn keys_are_interned_when_they_come_again_and_ids_as_keys_never() {
    let mut encoder = Encoder::new();
    assert_eq!(interned(&mut encoder, r#"{"id":1}"#), 0);
    assert_eq!(interned(&mut encoder, r#"{"id":1}"#), 1);
    assert_eq!(interned(&mut encoder, r#"{"id":1}"#), 1, "and stay so");
    for n in 0..10_000 {
        assert_eq!(interned(&mut encoder, &format!(r#"{{"{n:08}":1}}"#)), 0);
    }
}

#[test]
fn keys_that_a_sender_repeats_take_one_place_for_each_slot() {
    let mut encoder = Encoder::new();
    let mut all = 0;
    for n in 0..20_000 {
        let document = format!(r#"{{"{n:08}":1}}"#);
        let first = interned(&mut encoder, &document);
        all += first.max(interned(&mut encoder, &document));
    }
    assert!((1..=1024).contains(&all), "{all}");
}
