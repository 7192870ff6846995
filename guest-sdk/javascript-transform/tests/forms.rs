//! The forms in which scripts of the original are written: the helper classes by their packages, results by their last
//! expression, Java's methods on texts.

#![allow(clippy::unwrap_used)]

mod support;

use support::{Record, Run, deletion, failure, get, json, message, post, run, text};

/// The guide's transform in JavaScript.
const GUIDE: &str = "var SnowplowSerDe = Packages.io.grnry.scdfapps.scriptable.snowplow.SnowplowSerDe;
var SnowplowCollectorPayload = Packages.io.grnry.scdfapps.scriptable.snowplow.SnowplowCollectorPayload;

snowplowEvent = SnowplowSerDe.deserialize(payload);
var body = snowplowEvent.getBody();
event = JSON.parse(body);
result = null; // nothing goes on

if (event && event.appId == 'liveSegmenttest') {
    result = body;
}
result;";

const FILTER: &str = r#"var serde = Packages.io.grnry.scdfapps.scriptable.snowplow.SnowplowSerDe;
var extractor = Packages.io.grnry.scdfapps.scriptable.snowplow.SnowplowPayloadExtractor;

var normal = extractor.getActualSnowplowPayload(serde.deserialize(payload));
var event = JSON.parse(normal);
var result = null;

if (event.body &&
    event.body.data &&
    event.body.data[0].filterCriteria.equalsIgnoreCase("customer-sessions")) {
  result = normal;
} else if (event.queryParameters && event.queryParameters.filterCriteria[0] == "customer-sessions") {
  result = normal;
}
result;"#;

const NORMALIZE: &str = "var serde = Packages.io.grnry.scdfapps.scriptable.snowplow.SnowplowSerDe;
var extractor = Packages.io.grnry.scdfapps.scriptable.snowplow.SnowplowPayloadExtractor;
var event = JSON.parse(extractor.normalizeJson(serde.toJSON(serde.deserialize(payload))));
serde.toJSON(event.body.data.ue_pr);";

const DELETION: &str = "var DeletionEvent = Packages.io.grnry.scdfapps.scriptable.DeletionEvent;
var data = JSON.parse(payload);
var result = null;
if (data.correlationId && data.eventId) {
  result = new DeletionEvent(data.correlationId, data.eventId);
} else if (data.correlationId) {
  result = new DeletionEvent(data.correlationId);
}
result;";

/// The class by its global name, the list as JSON.
const LIST: &str = "var serde = Packages.io.grnry.scdfapps.scriptable.snowplow.SnowplowSerDe;
var data = JSON.parse(payload);
var result = [];
if (data.correlationId) {
  result.push(new DeletionEvent(data.correlationId, data.eventId).toJSON());
}
result.push(data);
result.push(serde.toJSON(data));
JSON.stringify(result);";

#[test]
fn guide_script() {
    let body = r#"{"appId":"liveSegmenttest","firstName":"Andrew","lastName":"Peterson"}"#;
    assert_eq!(run(GUIDE, &post(body)), Ok(vec![message(body)]));
    for other in [r#"{"appId":"other"}"#, "{}", r#"[{"appId":"liveSegmenttest"}]"#, "[]", "null"] {
        assert_eq!(run(GUIDE, &post(other)), Ok(vec![]), "{other}");
    }
    assert_eq!(run(GUIDE, &get("a=b")), Ok(vec![]), "JSON.parse(null) is null");
    let broken = failure(GUIDE, &post("hello"));
    assert_eq!((broken.class.as_str(), broken.line), ("SyntaxError", 6));
    assert!(broken.trace.contains("\n    at script (script:6:"), "{}", broken.trace);
    let malformed = failure(GUIDE, b"{}");
    assert_eq!((malformed.class.as_str(), malformed.line), ("TException", 4));
    assert!(malformed.message.starts_with("not a collector payload:"), "{malformed}");
}

#[test]
fn filter_script() {
    let whole = json(&text(FILTER, &post(r#"{"data":[{"filterCriteria":"Customer-Sessions"}]}"#)));
    assert_eq!(whole["body"]["data"][0]["filterCriteria"], "Customer-Sessions");
    assert_eq!(whole.as_object().unwrap().len(), 30);
    let second = failure(FILTER, &post(r#"{"data":[{}, {"filterCriteria":"customer-sessions"}]}"#));
    assert_eq!((second.class.as_str(), second.line), ("TypeError", 10));
    assert_eq!(text(FILTER, &post(r#"{"data":[{"filterCriteria":"x"}]}"#)), "(skipped)");
    let query = json(&text(FILTER, &get("filterCriteria=customer-sessions&x=%C3%A4+b&x=2&flag&%zz=1&=")));
    assert_eq!(
        query["queryParameters"],
        json(r#"{"filterCriteria":["customer-sessions"],"x":["ä b","2"],"flag":[""],"%zz":["1"],"":[""]}"#)
    );
    assert_eq!(query["setQuerystring"], true);
    assert!(query["body"].is_null());
}

#[test]
fn embedded_json_is_opened() {
    let body = r#"{"data":{"ue_pr":"{\"schema\":\"iglu:x\",\"data\":{\"data\":\"[1,{\\\"a\\\":null}]\",\"odd\":\"{no\"}}","n":"17"}}"#;
    let opened = json(&text(NORMALIZE, &post(body)));
    assert_eq!(opened, json(r#"{"schema":"iglu:x","data":{"data":[1,{"a":null}],"odd":"{no"}}"#));
    let normal = |body: &str| {
        json(&text("SnowplowPayloadExtractor.normalizeJson(SnowplowSerDe.deserialize(payload))", &post(body)))
    };
    assert_eq!(normal("hello")["body"], "hello", "what is no JSON stays a text");
    assert_eq!(normal(r#"{"n":"17","__proto__":"{}"}"#)["body"], json(r#"{"n":"17","__proto__":{}}"#));
    assert_eq!(normal("[1]")["body"], json("[1]"));
    let deep = (0..60)
        .fold("{}".to_owned(), |inner, _| serde_json::json!({ "a": inner }).to_string().replace("\\", ""));
    assert_eq!(normal(&deep)["body"], deep, "broken by the missing escapes, so a text");
    let nested = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(
        run(
            "SnowplowPayloadExtractor.getActualSnowplowPayload(SnowplowSerDe.deserialize(payload))",
            &post(&nested)
        )
        .is_ok()
    );
}

#[test]
fn normalized_json_is_an_object_and_a_text() {
    let script = "var node = SnowplowPayloadExtractor.normalizeJson(SnowplowSerDe.toJSON(SnowplowSerDe.deserialize(payload)));
[typeof node, node.get('path'), node.has('nothing'), node.get('nothing'), JSON.parse(node).body.a, (node + '').startsWith('{')].join()";
    assert_eq!(text(script, &post(r#"{"a":1}"#)), "object,/com.snowplowanalytics.snowplow/tp2,false,,1,true");
    assert_eq!(
        text("SnowplowPayloadExtractor.getActualSnowplowPayload('{\"body\":\"{}\"}')", b""),
        r#"{"body":{}}"#
    );
    let given = failure("SnowplowPayloadExtractor.normalizeJson(null)", b"");
    assert_eq!(
        given.message,
        "expected the JSON of a record, as SnowplowSerDe.toJSON(..) answers it, found null"
    );
    assert_eq!(failure("SnowplowPayloadExtractor.normalizeJson('x')", b"").class, "SyntaxError");
    let unchanged = "var own = {body: '{}'}; SnowplowPayloadExtractor.normalizeJson(own); own.body";
    assert_eq!(text(unchanged, b""), "{}");
}

#[test]
fn fields_by_getter_and_property() {
    let values = [
        ("schema", "iglu:com.snowplowanalytics.snowplow/CollectorPayload/thrift/1-0-0"),
        ("ipAddress", "127.0.0.1"),
        ("timestamp", "1700000000123"),
        ("encoding", "UTF-8"),
        ("collector", "ssc-2.2.1"),
        ("userAgent", "Mozilla/5.0"),
        ("refererUri", "null"),
        ("path", "/com.snowplowanalytics.snowplow/tp2"),
        ("querystring", "null"),
        ("body", "{}"),
        ("headers", "Host: localhost,Accept: */*"),
        ("contentType", "application/json"),
        ("hostname", "localhost"),
        ("networkUserId", "6fd1"),
    ];
    let flat = json(&text("SnowplowSerDe.toJSON(SnowplowSerDe.deserialize(payload))", &post("{}")));
    for (name, value) in values {
        let capital = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
        let there = value != "null";
        let script = format!(
            "var e = SnowplowSerDe.deserialize(payload); '' + e.{name} + '|' + e.get{capital}() + '|' + e.isSet{capital}()"
        );
        assert_eq!(text(&script, &post("{}")), format!("{value}|{value}|{there}"));
        assert_eq!(flat[format!("set{capital}")], there);
        assert_eq!(flat[name].is_null(), !there);
    }
    assert_eq!(flat["timestamp"], 1_700_000_000_123_i64);
    assert_eq!(flat["body"], "{}");
    assert_eq!(flat["headersSize"], 2);
    assert_eq!(flat["headersIterator"], flat["headers"]);
    assert_eq!(flat.as_object().unwrap().len(), 30);
    assert_eq!(json(&text("SnowplowSerDe.deserialize(payload)", &post("{}"))), flat, "as a result");
}

#[test]
fn fields_can_be_set_and_lists_are_javas() {
    let script = "var e = SnowplowSerDe.deserialize(payload); e.body = '1'; e.setPath('/p'); var h = e.getHeaders();
var it = e.getHeadersIterator(), all = []; while (it.hasNext()) all.push(it.next());
[e.getBody(), e.path, h.size(), h.get(0), h.contains('x'), h.isEmpty(), h.map(x => x.length).join('+'), all.length,
 e.getHeadersSize(), JSON.parse(serde(e)).body].join(); function serde(x) { return SnowplowSerDe.toJSON(x) }";
    // The last statement with a value is the array: a declaration has none.
    assert_eq!(text(script, &post("{}")), "1,/p,2,Host: localhost,false,false,15+11,2,2,1");
    assert_eq!(failure("SnowplowSerDe.deserialize(payload).headers.get(9)", &post("")).class, "RangeError");
    assert_eq!(
        text("String(SnowplowSerDe.deserialize(payload).getTimestamp())", &Record::default().end()),
        "null"
    );
    let repaired = Record::default().bytes(340, b"a\xffb").headers(&[]).end();
    assert_eq!(
        text("var e = SnowplowSerDe.deserialize(payload); e.body + e.headers.length", &repaired),
        "a\u{fffd}b0"
    );
    assert!(
        failure("new SnowplowCollectorPayload()", b"").message.contains("SnowplowSerDe.deserialize(payload)")
    );
    assert_eq!(
        text("SnowplowSerDe.deserialize(payload) instanceof SnowplowCollectorPayload", &post("")),
        "true"
    );
}

#[test]
fn serialisation_takes_anything() {
    for (value, written) in [
        ("{a: [1, 'x', null]}", r#"{"a":[1,"x",null]}"#),
        ("'t'", r#""t""#),
        ("null", "null"),
        ("undefined", "null"),
        ("1.5", "1.5"),
    ] {
        assert_eq!(text(&format!("SnowplowSerDe.toJSON({value})"), b""), written, "{value}");
    }
    let message = failure("SnowplowSerDe.deserialize({})", b"").message;
    assert_eq!(
        message,
        "SnowplowSerDe.deserialize() expects the bytes of a record, as in deserialize(payload), found an object"
    );
}

#[test]
fn deletion_script() {
    assert_eq!(run(DELETION, br#"{"correlationId":"c","eventId":"e"}"#), Ok(vec![deletion("c", Some("e"))]));
    assert_eq!(run(DELETION, br#"{"correlationId":"c"}"#), Ok(vec![deletion("c", None)]));
    assert_eq!(run(DELETION, b"{}"), Ok(vec![]));
    assert_eq!(
        text("'x ' + new DeletionEvent('c', 'e').toJSON()", b""),
        r#"x {"correlationId":"c","eventId":"e"}"#
    );
    assert_eq!(text("'x ' + new DeletionEvent('c').toJSON()", b""), r#"x {"correlationId":"c"}"#);
    assert_eq!(
        run("new DeletionEvent('c', 'e').toJSON()", b""),
        Ok(vec![deletion("c", Some("e"))]),
        "its text means it"
    );
    assert_eq!(run("new DeletionEvent(1, 2)", b""), Ok(vec![deletion("1", Some("2"))]));
    let missing = failure("new DeletionEvent(JSON.parse('{}').id)", b"").message;
    assert_eq!(
        missing,
        "a DeletionEvent needs a correlation id, found undefined; check it before the event is made"
    );
    let beans = "var d = new DeletionEvent('c'); d.setEventId('e'); [d.getCorrelationId(), d.getEventId(), d.eventId].join()";
    assert_eq!(text(beans, b""), "c,e,e");
}

#[test]
fn list_script() {
    let payload = br#"{"correlationId":"c","eventId":"e","n":1}"#;
    let event = std::str::from_utf8(payload).unwrap();
    assert_eq!(run(LIST, payload), Ok(vec![deletion("c", Some("e")), message(event), message(event)]));
    // Without a deletion the text stays one: the host splits it.
    assert_eq!(text(LIST, b"{}"), r#"[{},"{}"]"#);
    let objects = "JSON.stringify([new DeletionEvent('c'), {a: 1}, 'text', 7])";
    assert_eq!(
        run(objects, b""),
        Ok(vec![deletion("c", None), message(r#"{"a":1}"#), message("\"text\""), message("7")])
    );
    let values = "[new DeletionEvent('c'), {a: 1}, '{\"b\":2}', null, undefined, 7, payload, [8]]";
    let expected = [r#"{"a":1}"#, r#"{"b":2}"#, "7", "{}", "[8]"].map(message);
    assert_eq!(run(values, b"{}").unwrap(), [vec![deletion("c", None)], expected.to_vec()].concat());
    // Such a text of another record means nothing.
    let once =
        Run::new("payload == '1' ? new DeletionEvent('c').toJSON() && null : '{\"correlationId\":\"c\"}'");
    assert_eq!(once.run(b"1"), Ok(vec![]));
    assert_eq!(once.run(b"2"), Ok(vec![message(r#"{"correlationId":"c"}"#)]));
}

#[test]
fn payload_is_a_text_where_one_is_wanted() {
    assert_eq!(text("payload", b"{\"a\":1}"), "{\"a\":1}");
    assert_eq!(text("payload + ''", b"a"), "a");
    assert_eq!(text("'payload: ' + payload", "ä".as_bytes()), "payload: ä");
    assert_eq!(text("`${payload}`", b"a\xff"), "a\u{fffd}");
    assert_eq!(text("JSON.parse(payload).a + 1", b"{\"a\":1}"), "2");
    assert_eq!(text("JSON.stringify({payload: payload})", b"a"), r#"{"payload":"a"}"#);
    assert_eq!(text("new String(payload).length + payload.length", "ä".as_bytes()), "3");
    assert_eq!(text("payload == 'a'", b"a"), "true");
    assert_eq!(text("typeof payload", b"a"), "object");
    assert_eq!(
        text("payload.split(',')[1] + payload.indexOf('b') + payload.equalsIgnoreCase('A,B')", b"a,b"),
        "b2true"
    );
    assert_eq!(text("new java.lang.String(payload, 'UTF-8')", b"{}"), "{}");
    assert_eq!(text("Packages.java.lang.String(payload).trim()", b" x "), "x");
    let charset = failure("new java.lang.String(payload, 'UTF-16')", b"").message;
    assert_eq!(charset, "java.lang.String: expected the charset UTF-8, found UTF-16");
    assert_eq!(text("SnowplowSerDe.deserialize(payload.getBytes()).body", &post("b")), "b");
    assert_eq!(text("payload", "line \u{1f600} \0 end".as_bytes()), "line \u{1f600} \0 end");
}

#[test]
fn headers_are_a_map_and_an_object() {
    let headers = || {
        vec![
            ("grnry-event-type".to_owned(), "web".to_owned()),
            ("get".to_owned(), "own".to_owned()),
            ("__proto__".to_owned(), "p".to_owned()),
        ]
    };
    let answer = |script: &str| {
        let run = Run::new(script);
        let first = run.script.run(b"", headers());
        assert_eq!(run.script.run(b"", headers()), first);
        first.unwrap()
    };
    assert_eq!(
        answer("headers['grnry-event-type'] + headers.size() + headers.containsKey('x')"),
        [message("web3false")]
    );
    assert_eq!(answer("headers"), [message(r#"{"grnry-event-type":"web","get":"own","__proto__":"p"}"#)]);
    assert_eq!(answer("Object.keys(headers).length + headers.keySet()[0]"), [message("3grnry-event-type")]);
    assert_eq!(answer("headers.more = 1; headers = {a: headers.more}; headers"), [message(r#"{"a":1}"#)]);
    assert_eq!(answer("var headers = headers['grnry-event-type']; headers"), [message("web")]);
    let plain = Run::new("'' + headers.get('a') + headers.get('b') + headers.getOrDefault('b', 2) + headers");
    assert_eq!(
        plain.script.run(b"", vec![("a".to_owned(), "1".to_owned())]),
        Ok(vec![message(r#"1null2{"a":"1"}"#)])
    );
    assert_eq!(plain.script.run(b"", vec![]), Ok(vec![message("nullnull2{}")]));
}

#[test]
fn packages_by_other_ways() {
    assert_eq!(
        text("Java.type('io.grnry.scdfapps.scriptable.DeletionEvent') === DeletionEvent", b""),
        "true"
    );
    assert_eq!(
        text(
            "importClass(Packages.io.grnry.scdfapps.scriptable.DeletionEvent); importPackage(java.util); 1",
            b""
        ),
        "1"
    );
    assert_eq!(text("Java.from(Java.to([1, 2])).length + Java.to([3]).get(0)", b""), "5");
    let unknown = failure("var x = 1;\nnew Packages.java.io.File('/etc/passwd')", b"");
    assert_eq!(unknown.message, "Packages.java.io is not known to a transform; Packages.java has lang, util");
    assert_eq!((unknown.class.as_str(), unknown.line), ("ReferenceError", 2));
    assert_eq!(text("typeof Packages + String(Packages.java)", b""), "object[object Object]");
}

#[test]
fn texts_have_javas_methods() {
    for (expression, value) in [
        ("'Ab'.equalsIgnoreCase('aB')", "true"),
        ("'a'.equalsIgnoreCase(null)", "false"),
        ("'a'.equals('a')", "true"),
        ("'a'.equals(1)", "false"),
        ("'a'.equals(new String('a'))", "true"),
        ("JSON.parse('{\"a\":\"x\"}').a.equals('x')", "true"),
        ("'abc'.contains('b')", "true"),
        ("''.isEmpty()", "true"),
        ("' '.isBlank()", "true"),
        ("' a '.strip() + '|'", "a|"),
        ("' a '.trim() + '|'", "a|"),
        ("'abc'.startsWith('ab')", "true"),
        ("'abc'.endsWith('bc')", "true"),
        ("'a1b2'.matches('[a-z0-9]+')", "true"),
        ("'a1b2'.matches('[a-z]')", "false"),
        ("'a1b2'.replaceFirst('[0-9]', '#')", "a#b2"),
        ("'a.b.c'.replaceAll('.', '-')", "a-b-c"),
        ("'a1b2'.replaceAll(/[0-9]/g, '')", "ab"),
        ("'b'.compareTo('a')", "1"),
        ("'B'.compareToIgnoreCase('a')", "1"),
        ("'hello'.hashCode()", "99162322"),
        ("'ab'.toCharArray().length", "2"),
        ("'abc'.subSequence(1, 2)", "b"),
        ("'ä'.getBytes().length", "2"),
        ("'a,b'.split(',').length", "2"),
        ("(5).equals(5)", "true"),
        ("(5.7).intValue()", "5"),
        ("true.equals(true)", "true"),
        ("Object.keys('ab').join()", "0,1"),
        ("var seen = []; for (var name in 'a') seen.push(name); seen.join()", "0"),
    ] {
        assert_eq!(text(expression, b""), value, "{expression}");
    }
}

#[test]
fn the_log() {
    use javascript_transform::Level::{Debug, Error, Info, Warning};
    let run = Run::new(
        "console.log('a', 1, {b: [2]}, null, undefined, payload); console.info('i'); console.warn('w'); console.error(new TypeError('e'));
console.debug('d'); print('p', 'q'); println('l'); java.lang.System.out.println('o');
var logger = Packages.java.util.logging.Logger.getLogger('mine'); logger.info('x'); logger.warning('y'); logger.severe('z'); logger.fine('f');
var round = {}; round.me = round; console.log(round, x => x); null",
    );
    assert_eq!(run.run(b"pay"), Ok(vec![]));
    let console = "console";
    let expected = [
        (Info, console, "a 1 {\"b\":[2]} null undefined pay"),
        (Info, console, "i"),
        (Warning, console, "w"),
        (Error, console, "TypeError: e"),
        (Debug, console, "d"),
        (Info, "", "p q"),
        (Info, "", "l"),
        (Info, "", "o"),
        (Info, "mine", "x"),
        (Warning, "mine", "y"),
        (Error, "mine", "z"),
        (Debug, "mine", "f"),
        (Info, console, "[object Object] x => x"),
    ];
    let lines = run.lines.borrow();
    let lines: Vec<_> =
        lines.iter().map(|(level, logger, text)| (*level, logger.as_str(), text.as_str())).collect();
    assert_eq!(lines, expected);
}
