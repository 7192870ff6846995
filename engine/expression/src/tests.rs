//! The worked examples, the constructs, and hostile input.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::*;

const NOW_MS: i64 = 1_561_864_200_000;

fn payload_a() -> Json {
    json!({"body": r#"{"data":[{"correlationId":"c1","value":"5678"}]}"#})
}

fn payload_b() -> Json {
    json!({"cid": "200909095"})
}

fn payload_c() -> Json {
    json!({"meta": {
        "customer": "K7", "contractDate": "2020-01-31", "payloadId": "ID-1", "alternativePayloadId": "x9"
    }})
}

fn headers() -> HashMap<String, String> {
    let pairs = [("timestamp", "1584708855528"), ("grnry-correlation-id", "c-1"), ("empty", "")];
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// The value as JSON, or the text of the error.
fn run(text: &str, payload: &Json) -> Result<Json, String> {
    let expression = parse(text).map_err(|error| format!("parse: {error}"))?;
    let headers = headers();
    let mut chance = DerivedChance::new(Uuid::nil(), "harvester:h", "snowplow", 0, 1, 0);
    let mut context = Context::new(payload, &headers, NOW_MS, &mut chance);
    expression.evaluate(&mut context).map(Value::into_json).map_err(|error| error.to_string())
}

#[track_caller]
fn check(payload: &Json, table: &[(&str, Json)]) {
    for (text, expected) in table {
        assert_eq!(run(text, payload).as_ref(), Ok(expected), "{text}");
    }
}

#[track_caller]
fn check_errors(payload: &Json, table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(run(text, payload), Err((*expected).to_owned()), "{text}");
    }
}

#[test]
fn worked_examples_of_the_documentation() {
    let nested =
        "#safeJsonPath(#safeJsonPath(payload, 'body'), 'data[0].correlationId')?:'NO_CORRELATION_ID'";
    check(
        &payload_a(),
        &[
            (nested, json!("c1")),
            ("#jsonPath(payload, 'body').data[0].value", json!("5678")),
            (
                "#safeJsonPath(#safeJsonPath(payload, 'body'), 'data[0].timestamp')?:#nowMillis()",
                json!(NOW_MS),
            ),
        ],
    );
    let late = "#safeJsonPath(#safeJsonPath(payload,'body.data.ue_pr'),'data.data.environment.cid')?:'NO_CORRELATION_ID'";
    check(
        &payload_b(),
        &[
            (nested, json!("NO_CORRELATION_ID")),
            ("#safeJsonPath(payload,'cid')?:'NO_CORRELATION_ID'", json!("200909095")),
            (late, json!("NO_CORRELATION_ID")),
        ],
    );
    assert!(run("#jsonPath(#jsonPath(payload, 'body'), 'data[0].correlationId')", &payload_b()).is_err());
    check(
        &payload_c(),
        &[
            ("payload.meta.customer + '-' + payload.meta.contractDate", json!("K7-2020-01-31")),
            (
                "payload.meta.payloadId.startsWith('ID-') ? payload.meta.payloadId : payload.meta.alternativePayloadId",
                json!("ID-1"),
            ),
        ],
    );
    assert!(run("payload.nothing.x", &payload_c()).is_err());
}

#[test]
fn constructs_of_the_documentation() {
    check(&json!({"some_key": {"some_other_key": 123}}), &[("payload.some_key.some_other_key", json!(123))]);
    check(&json!({"some_key": [{"some_other_key": 1}]}), &[("payload.some_key[0].some_other_key", json!(1))]);
    check(
        &payload_c(),
        &[
            ("headers.timestamp", json!("1584708855528")),
            ("headers['grnry-correlation-id']", json!("c-1")),
            ("'correlation-id-from-properties'", json!("correlation-id-from-properties")),
            ("'it''s'", json!("it's")),
            ("payload.meta.missing?:'NOTSET'", json!("NOTSET")),
            ("headers.empty ?: 'NOTSET'", json!("NOTSET")),
            ("payload.meta.payloadId?:'NOTSET'", json!("ID-1")),
            ("payload.meta.missing?:payload.meta.alternativePayloadId", json!("x9")),
            ("payload.a?:payload.b?:'c'", json!("c")),
            ("'name-' + #nowISODateUTC()", json!("name-2019-06-30")),
            ("'n' + 1", json!("n1")),
            ("#jsonPath(payload , 'meta' ) .customer", json!("K7")),
        ],
    );
}

#[test]
fn functions_with_and_without_sign() {
    check(
        &payload_b(),
        &[
            ("nowMillis()", json!(NOW_MS)),
            ("#nowMillis()", json!(NOW_MS)),
            ("#nowISODateTimeUTC()", json!("2019-06-30T03:10:00.000Z")),
            ("nowISODateTimeUTC()", json!("2019-06-30T03:10:00.000Z")),
            ("#nowISODateUTC()", json!("2019-06-30")),
            ("#dateTimeISOFormatterUTC('2019-01-01','yyyy')", json!("2019")),
            ("dateTimeISOFormatterUTC(nowISODateTimeUTC(), 'yyyy-MM')", json!("2019-06")),
            ("#dateTimeISOFormatterUTC('2019-01-01', 'yy' + 'yy')", json!("2019")),
            ("safeJsonPath(payload, 'c' + 'id')", json!("200909095")),
            ("#safeJsonPath(payload, '$.cid')", json!("200909095")),
            ("#safeJsonPath(payload, \"['cid']\")", json!("200909095")),
            ("#safeJsonPath('not json', 'a')", json!(null)),
            ("#safeJsonPath(null, 'a')", json!(null)),
            ("#safeJsonPath(5, 'a')", json!(null)),
            ("#jsonPath('[1,{\"a\":null}]', '[1].a')", json!(null)),
        ],
    );
    let id = run("#randomUUID()", &payload_b()).unwrap();
    assert_eq!(id.as_str().unwrap().parse::<Uuid>().unwrap().get_version_num(), 4);
    check(&payload_b(), &[("#randomUUID() == #randomUUID()", json!(false))]);
    check_errors(
        &payload_b(),
        &[
            ("#jsonPath(payload, 'x.y')", "no value at path 'x.y': 'x' is missing (line 1, column 1)"),
            (
                "#jsonPath(payload.x, 'y')",
                "no value at path 'y': the first argument is null (line 1, column 1)",
            ),
            (
                "#jsonPath('{', 'y')",
                "the first argument is a text that is no JSON: EOF while parsing an object at line 1 column 1 (line 1, column 1)",
            ),
            ("#safeJsonPath(payload, 5)", "expected a path as a text, got the number 5 (line 1, column 24)"),
            (
                "#dateTimeISOFormatterUTC(payload.cid, 'yyyy')",
                "'200909095' is not an ISO date: expected something like 2019-06-30 or 2019-06-30T03:10:00.000Z (line 1, column 1)",
            ),
        ],
    );
}

#[test]
fn operators() {
    check(
        &json!({"n": 3, "big": 1, "t": "abc", "yes": true, "list": [1, 2.0, "x"], "null": null, "not": 1}),
        &[
            ("1 + 2", json!(3)),
            ("7 - 2 - 1", json!(4)),
            ("2 + 3 * 4 % 5", json!(4)),
            ("7 / 2", json!(3)),
            ("7 / 2.0", json!(3.5)),
            ("-payload.n", json!(-3)),
            ("10 - -3L", json!(13)),
            ("payload.n == 3.0", json!(true)),
            ("payload.n != 3", json!(false)),
            ("'3' == 3", json!(false)),
            ("payload.none == null", json!(true)),
            ("payload.list == payload.list", json!(true)),
            ("'a' < 'b' and 'b' >= 'b'", json!(true)),
            ("2 < 10 && 10 > 2 && 2 <= 2", json!(true)),
            ("9223372036854775808 < 9223372036854775809", json!(true)),
            ("-100000000000000000000000000000000000000000000 < -9", json!(true)),
            ("1.5 > 1", json!(true)),
            ("payload.n eq 3 AND payload.n lt 4 or false", json!(true)),
            ("not payload.yes", json!(false)),
            ("!payload.yes == false", json!(true)),
            ("true or payload.x.y", json!(true)),
            ("false and payload.x.y", json!(false)),
            ("payload.x?.y", json!(null)),
            ("payload.x?.y?.z ?: 'd'", json!("d")),
            ("payload?.t?.length()", json!(3)),
            ("payload.x?.startsWith('a')", json!(null)),
            ("payload.x?.[0]", json!(null)),
            ("payload.list?.[0]", json!(1)),
            ("payload['list'][2]", json!("x")),
            ("payload.list[payload.n - 2]", json!(2.0)),
        ],
    );
    check(
        &json!({"yes": true, "not": 1, "or": {"and": 2}}),
        &[
            ("payload.yes ? 'a' : payload.x.y", json!("a")),
            ("false ? 1 : true ? 2 : 3", json!(2)),
            ("payload.none ?: false ? 'a' : 'b'", json!("b")),
            ("(payload.none ?: 'x') + 'y'", json!("xy")),
            ("payload.none ?: 'x' + 'y'", json!("xy")),
            ("payload.not + payload.or.and", json!(3)),
            ("'a' + true + null + 1.50 + payload.or", json!("atruenull1.50{\"and\":2}")),
            ("TRUE && !False", json!(true)),
        ],
    );
}

#[test]
fn numbers_keep_all_their_digits() {
    let payload: Json = serde_json::from_str(r#"{"id": 123456789012345678901234567890, "f": 1.10}"#).unwrap();
    check(
        &payload,
        &[
            ("'' + payload.id", json!("123456789012345678901234567890")),
            ("'' + payload.f", json!("1.10")),
            ("payload.id == 123456789012345678901234567890", json!(true)),
            ("payload.id == 123456789012345678901234567891", json!(false)),
            ("'' + (payload.id + 1)", json!("123456789012345678901234567891")),
        ],
    );
}

#[test]
fn methods() {
    check(
        &json!({"t": "Ab\u{e9}-c", "list": ["a", 1], "o": {"k": 1}}),
        &[
            ("payload.t.startsWith('Ab')", json!(true)),
            ("payload.t.endsWith('c')", json!(true)),
            ("payload.t.contains('x')", json!(false)),
            ("payload.t.equals('Ab\u{e9}-c')", json!(true)),
            ("payload.t.equalsIgnoreCase('aB\u{c9}-C')", json!(true)),
            ("payload.t.substring(2)", json!("\u{e9}-c")),
            ("payload.t.substring(0, 3)", json!("Ab\u{e9}")),
            ("payload.t.substring(5)", json!("")),
            ("payload.t.indexOf('-')", json!(3)),
            ("payload.t.indexOf('z')", json!(-1)),
            ("payload.t.toLowerCase()", json!("ab\u{e9}-c")),
            ("payload.t.toUpperCase()", json!("AB\u{c9}-C")),
            ("' x '.trim()", json!("x")),
            ("5.toString() + 1", json!("51")),
            ("payload.t.length()", json!(5)),
            ("''.isEmpty()", json!(true)),
            ("payload.list.size() + payload.list.length() + payload.o.size()", json!(5)),
            (
                "payload.list.contains('a') and payload.list.contains(1.0) and !payload.list.contains('1')",
                json!(true),
            ),
            ("payload.o.isEmpty()", json!(false)),
            ("payload.list.equals(payload.list)", json!(true)),
        ],
    );
    check_errors(
        &json!({"t": "abc"}),
        &[
            (
                "payload.t.substring(4)",
                "'substring' was asked for character 4 of a text of 3 (line 1, column 11)",
            ),
            (
                "payload.t.substring(2, 1)",
                "'substring' cannot end at 1 before its beginning at 2 (line 1, column 11)",
            ),
            (
                "payload.t.substring(-1)",
                "'substring' was asked for character -1 of a text of 3 (line 1, column 11)",
            ),
            ("payload.t.startsWith(1)", "'startsWith' needs a text, got the number 1 (line 1, column 11)"),
            ("payload.size.trim()", "null has no method 'trim': '?.' gives null instead (line 1, column 14)"),
            ("payload.trim()", "an object has no method 'trim' (line 1, column 9)"),
        ],
    );
}

#[test]
fn payload_that_is_a_text_is_opened() {
    let text = Json::String(r#"{"a": {"b": ["x"]}}"#.to_owned());
    check(
        &text,
        &[
            ("#jsonPath(payload, 'a.b[0]')", json!("x")),
            ("payload.a.b[0]", json!("x")),
            ("payload['a'].b", json!(["x"])),
        ],
    );
    check(&json!([{"a": 1}]), &[("payload[0].a", json!(1)), ("#jsonPath(payload, '[0].a')", json!(1))]);
}

#[test]
fn failures_say_what_came_and_where() {
    check_errors(
        &json!({"t": "abc", "list": [1], "n": 1}),
        &[
            (
                "payload.nothing.x",
                "null has no field 'x': something before it is missing; '?.' gives null instead (line 1, column 17)",
            ),
            ("payload.t.x", "a text that is no JSON object has no field 'x' (line 1, column 11)"),
            (
                "payload.list.x",
                "an array has no field 'x'; its elements are reached as in [0] (line 1, column 14)",
            ),
            ("payload.n.x", "the number 1 has no field 'x' (line 1, column 11)"),
            ("payload.list[1]", "element [1] is beyond an array of 1 (line 1, column 13)"),
            ("payload.list[-1]", "element [-1] is beyond an array of 1 (line 1, column 13)"),
            (
                "payload.list['x']",
                "an array has no field 'x'; its elements are reached as in [0] (line 1, column 13)",
            ),
            ("payload.n ? 1 : 2", "a condition needs true or false, got the number 1 (line 1, column 9)"),
            ("payload.n +\n payload.list", "'+' does not fit the number 1 and an array (line 1, column 11)"),
            ("1 +\n (payload.n < 'a')", "'<' does not fit the number 1 and the text 'a' (line 2, column 13)"),
            ("1 / 0", "1 / 0 cannot be computed (line 1, column 3)"),
            ("1 / 0.0", "1 / 0.0 cannot be computed (line 1, column 3)"),
            ("-payload.t", "'-' needs a number, got the text 'abc' (line 1, column 1)"),
            ("headers[1]", "the name of a header is a text, got the number 1 (line 1, column 9)"),
        ],
    );
}

#[test]
fn mistakes_are_named_with_their_place() {
    let value = "expected a value (payload, headers['name'], a text in quotes, a number or a #function)";
    for (text, expected) in [
        ("", "the expression is empty (line 1, column 1)".to_owned()),
        (" \n ", "the expression is empty (line 1, column 1)".to_owned()),
        ("#jsonpath(payload, 'a')", "unknown function '#jsonpath': did you mean '#jsonPath'? (line 1, column 1)".to_owned()),
        ("saveJsonPath(payload, 'a')", "unknown function 'saveJsonPath': did you mean 'safeJsonPath'? (line 1, column 1)".to_owned()),
        (
            "'a' +\n #uuid()",
            "unknown function '#uuid', known are: #jsonPath, #safeJsonPath, #randomUUID, #nowMillis, #nowISODateTimeUTC, \
             #nowISODateUTC, #dateTimeISOFormatterUTC (line 2, column 2)"
                .to_owned(),
        ),
        ("#jsonPath(payload)", "'#jsonPath' takes 2 arguments (json, path), got 1 (line 1, column 1)".to_owned()),
        ("#nowMillis(1)", "'#nowMillis' takes no arguments, got 1 (line 1, column 1)".to_owned()),
        ("#nowMillis", "there is no variable '#nowMillis': a function needs its brackets, as in '#nowMillis()' (line 1, column 1)".to_owned()),
        ("payload.a.startWith('x')", "unknown method 'startWith': did you mean 'startsWith'? (line 1, column 11)".to_owned()),
        ("payload.a.trim(1)", "'trim' takes no arguments, got 1 (line 1, column 11)".to_owned()),
        ("payloda.x", "unknown name 'payloda': did you mean 'payload'? (line 1, column 1)".to_owned()),
        (
            "customer",
            "unknown name 'customer': an expression knows 'payload' and 'headers', as in payload.customer; texts stand in \
             quotes (line 1, column 1)"
                .to_owned(),
        ),
        (
            "payload.my-key",
            "unknown name 'key': a name with '-' is written in brackets, as in payload['my-name'] (line 1, column 12)".to_owned(),
        ),
        ("headers", "'headers' is not a value: name one of them, as in headers['grnry-correlation-id'] (line 1, column 1)".to_owned()),
        ("T(java.lang.Runtime)", "Java types ('T(...)') are out of reach of an expression (line 1, column 1)".to_owned()),
        ("new String('x')", "an expression cannot make objects ('new') (line 1, column 1)".to_owned()),
        ("@bean.x", "beans ('@') are out of reach of an expression (line 1, column 1)".to_owned()),
        ("payload.a = 1", "nothing can be assigned; to compare, write '==' (line 1, column 11)".to_owned()),
        (
            "metadata.correlationIdExpression=#nowMillis()",
            "leave out the name of the property: the expression is what stands behind '=' (line 1, column 33)".to_owned(),
        ),
        ("'open", "the text that begins here has no closing ' (line 1, column 1)".to_owned()),
        ("payload.", "expected a name behind '.'; odd names are written ['so-on'] (line 1, column 9)".to_owned()),
        ("payload[0", "expected ']' to close '[', got the end of the expression (line 1, column 10)".to_owned()),
        ("(1", "expected ')' to close '(', got the end of the expression (line 1, column 3)".to_owned()),
        ("1 +", format!("{value}, got the end of the expression (line 1, column 4)")),
        ("1 2", "expected an operator or the end of the expression, got the number 2 (line 1, column 3)".to_owned()),
        ("true ? 1", "expected ':' between the branches of '?', got the end of the expression (line 1, column 9)".to_owned()),
        ("\u{e4} + \u{2019}x\u{2019}", "unexpected character '\u{2019}': texts stand in straight quotes, 'like this' (line 1, column 5)".to_owned()),
        ("{1}", "unexpected character '{': lists and maps cannot be written in an expression (line 1, column 1)".to_owned()),
        ("007", "'007' is not a number: leave out the zeros at its beginning (line 1, column 1)".to_owned()),
        ("1a", "a name cannot begin with a digit (line 1, column 1)".to_owned()),
        (
            "#jsonPath(payload, 'a[*]')",
            "'a[*]' is not a path to one value: expected [number] or ['name'] (wildcards, slices and filters find many values) \
             (line 1, column 20)"
                .to_owned(),
        ),
        (
            "#dateTimeISOFormatterUTC('2019-01-01', 'YYYY')",
            "date pattern 'YYYY': 'Y' counts weeks, whose beginning depends on the country; for the year of a date write 'y' \
             (line 1, column 40)"
                .to_owned(),
        ),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn offset_counts_bytes_and_column_counts_characters() {
    let error = parse("'\u{e4}\u{e4}' +\n'\u{e4}' + foo").unwrap_err();
    assert_eq!((error.offset, error.line, error.column), (16, 2, 7));
}

#[test]
fn conversions_follow_the_table() {
    let text = |json: Json| Value::owned(json).to_text().map(std::borrow::Cow::into_owned);
    assert_eq!(text(json!("a")), Ok("a".to_owned()));
    assert_eq!(text(json!(12)), Ok("12".to_owned()));
    assert_eq!(text(json!(true)), Ok("true".to_owned()));
    for json in [json!(null), json!([]), json!({})] {
        assert!(text(json).is_err());
    }
    let epoch = |json: Json| Value::owned(json).to_epoch_ms();
    assert_eq!(epoch(json!(1_584_708_855_528_i64)), Ok(1_584_708_855_528));
    assert_eq!(epoch(json!(" 1584708855528 ")), Ok(1_584_708_855_528));
    assert_eq!(epoch(json!("1.584708855528E12")), Ok(1_584_708_855_528));
    assert_eq!(epoch(json!(1.5)), Ok(1));
    assert_eq!(epoch(json!(-1)), Ok(-1));
    for json in [
        json!(null),
        json!("now"),
        json!(""),
        json!("inf"),
        json!("NaN"),
        json!(true),
        json!([1]),
        json!("2019-01-01"),
    ] {
        assert!(matches!(epoch(json), Err(Conversion::Type { .. })));
    }
    for json in
        [json!(i64::MAX), json!("1e300"), json!("99999999999999999999999"), json!(-62_135_596_800_001_i64)]
    {
        assert!(matches!(epoch(json), Err(Conversion::TimeOutOfRange(_))));
    }
    let flag = |json: Json| Value::owned(json).to_bool();
    assert_eq!(
        [flag(json!(true)), flag(json!("TRUE")), flag(json!("false")), flag(json!(null))],
        [Ok(true), Ok(true), Ok(false), Ok(false)]
    );
    for json in [json!(1), json!("yes"), json!(""), json!([])] {
        assert!(flag(json).is_err());
    }
    assert_eq!(
        epoch(json!("x".repeat(100))).unwrap_err().to_string(),
        format!(
            "the expression gave the text '{}...' where a time in epoch milliseconds is needed",
            "x".repeat(40)
        )
    );
}

#[test]
fn payload_need_is_known() {
    assert!(!parse("#randomUUID() + headers['x']").unwrap().reads_payload());
    assert!(parse("true ? 'a' : #safeJsonPath(payload, 'x')").unwrap().reads_payload());
}

#[test]
fn hostile_depth_and_length_are_refused() {
    for text in [
        "(".repeat(5_000),
        "!".repeat(5_000),
        "-".repeat(5_000) + "1",
        "1".to_owned() + &"+1".repeat(2_000),
        "payload".to_owned() + &".a".repeat(2_000),
        "payload".to_owned() + &"[0]".repeat(2_000),
        "payload[".repeat(900),
        "#jsonPath(".repeat(700),
        "true?1:".repeat(1_000),
        "1".to_owned() + &"?:1".repeat(2_000),
        "a".repeat(10_000),
    ] {
        assert!(parse(&text).is_err(), "{}", &text[..20]);
    }
}

#[test]
fn work_of_one_evaluation_is_bounded() {
    let payload = json!({"t": "x".repeat(1_000_000), "o": format!("[\"{}\"]", "y".repeat(1_000_000))});
    for text in [vec!["payload.t"; 100].join("+"), vec!["payload.o[0].length()"; 100].join("+")] {
        assert!(run(&text, &payload).unwrap_err().contains("handles more than"), "{}", &text[..20]);
    }
}

fn token() -> impl Strategy<Value = String> {
    let words = [
        "payload",
        "headers",
        "#jsonPath(",
        "#safeJsonPath(",
        "#randomUUID()",
        "#nowMillis()",
        "nowISODateUTC()",
        "#dateTimeISOFormatterUTC(",
        "'a'",
        "'data[0].x'",
        "'yyyy'",
        "'2019-01-01'",
        "'{\"a\":[1]}'",
        "0",
        "1.5",
        "-1",
        "1e308",
        "true",
        "false",
        "null",
        "and",
        "or",
        "not",
        ".a",
        ".b",
        "?.a",
        ".length()",
        ".substring(",
        ".startsWith(",
        ".trim()",
        ".equals(",
        ".contains(",
        "[0]",
        "['a']",
        "[",
        "]",
        "(",
        ")",
        ",",
        "?",
        ":",
        "?:",
        "+",
        "-",
        "*",
        "/",
        "%",
        "==",
        "!=",
        "<",
        ">=",
        "!",
        "&&",
        "||",
        "#",
        "@",
        "=",
        "T(",
        "new",
        "\u{e4}",
    ];
    proptest::sample::select(words.to_vec()).prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_texts_never_panic(text in "\\PC{0,60}") {
        let _ = run(&text, &payload_a());
    }

    #[test]
    fn random_tokens_never_panic(tokens in proptest::collection::vec(token(), 0..24), spaced in any::<bool>()) {
        let text = tokens.join(if spaced { " " } else { "" });
        for payload in [payload_a(), json!({"a": {"b": [1, "x"]}, "b": "2"}), json!("{\"a\": 1}"), json!([1])] {
            let _ = run(&text, &payload);
        }
    }

    #[test]
    fn random_paths_patterns_and_dates_never_panic(text in "[\\PC'\\[\\].$0-9yMdHTZ:+-]{0,24}") {
        let quoted = text.replace('\'', "''");
        let _ = run(&format!("#safeJsonPath(payload, '{quoted}')"), &payload_a());
        let _ = run(&format!("#dateTimeISOFormatterUTC('2019-06-30', '{quoted}')"), &payload_a());
        let _ = run(&format!("#dateTimeISOFormatterUTC('{quoted}', 'yyyy')"), &payload_a());
    }

    #[test]
    fn errors_point_into_the_text(tokens in proptest::collection::vec(token(), 0..12)) {
        let text = tokens.join(" ");
        if let Err(error) = parse(&text) {
            prop_assert!(error.offset <= text.len() && error.line >= 1 && error.column >= 1);
        }
    }

    #[test]
    fn texts_come_back_from_their_literal(text in "\\PC{0,40}") {
        let literal = format!("'{}'", text.replace('\'', "''"));
        prop_assert_eq!(run(&literal, &json!(null)), Ok(Json::String(text)));
    }
}
