//! The scripts of the guide and of the documentation, in plain and in escaped form.

#![allow(clippy::unwrap_used)]

mod support;

use granary_groovy::{Failure, Level, Limits, Outcome, Script};
use support::TestHost;

const DEFAULT: &str = "return new String(payload , 'UTF-8');";

const GUIDE: &str = "import io.grnry.scdfapps.scriptable.snowplow.SnowplowPayloadExtractor
import io.grnry.scdfapps.scriptable.snowplow.SnowplowCollectorPayload
import io.grnry.scdfapps.scriptable.snowplow.SnowplowSerDe
import groovy.json.JsonSlurper

SnowplowCollectorPayload snowplowEvent = SnowplowSerDe.deserialize(payload)
body = snowplowEvent.getBody()

JsonSlurper slurper = new JsonSlurper()
event = slurper.parseText(body)

if (event?.appId=='liveSegmenttest') {

 return body
}

return null";

const FILTER: &str = r#"import io.grnry.scdfapps.scriptable.snowplow.*
import groovy.json.JsonSlurper
import com.fasterxml.jackson.databind.ObjectMapper

def event = SnowplowSerDe.deserialize(payload)
def normal = SnowplowPayloadExtractor.getActualSnowplowPayload(event)
def parsed = new JsonSlurper().parseText(normal)
def criteria = parsed.body.data[0].filterCriteria
if (criteria.equalsIgnoreCase('customer-sessions') || parsed.queryParameters?.filterCriteria?.getAt(0) == 'customer-sessions') {
    return normal
}
return null"#;

const CSV: &str = "import groovy.json.JsonOutput

class Vertrag {
    String kd_nr
    String v_nr
    String text
}

def parts = (new String(payload)).split(',')
Vertrag c = new Vertrag()
c.kd_nr = parts[0]
c.v_nr = parts[1]
c.text = parts[2]
return JsonOutput.toJson(c)";

const TUTORIAL: &str = r#"import io.grnry.scdfapps.scriptable.snowplow.SnowplowSerDe
import groovy.json.JsonSlurper

def snowplowEvent = SnowplowSerDe.deserialize(payload)
filter(snowplowEvent.getBody(), "appId", "equals", "shop")

def filter(a, b, c, d){
    if (a == null) {
        return null
    }
    if (hasJsonStructure(a)) {
        def json = new JsonSlurper().parseText(a)
        if (json."$b".equals(d) &&
            c == "equals") {
            return a
        }
    }
    return null
}

def hasJsonStructure(String body){
    cleaned_body = body.trim()
    return cleaned_body.startsWith("{") && cleaned_body.endsWith("}")
}"#;

const ONE_LINER: &str = "import groovy.json.JsonSlurper

try{
    def data = new JsonSlurper().parseText(new String(payload))
    return 'value: ' + (String) data.\"$path\"
}
catch (Exception e){
    e.printStackTrace()
    return null
}";

const DELETION: &str = "import io.grnry.scdfapps.scriptable.DeletionEvent
import groovy.json.JsonSlurper

def data = new JsonSlurper().parseText(new String(payload, 'UTF-8'))
result = null
if (data.correlationId && data.eventId) {
    result = new DeletionEvent(data.correlationId, data.eventId)
} else if (data.correlationId) {
    result = new DeletionEvent(data.correlationId)
}
return result";

const LIST: &str = "import io.grnry.scdfapps.scriptable.DeletionEvent
import groovy.json.JsonSlurper
import java.util.logging.Logger

Logger logger = Logger.getLogger('list')
def data = new JsonSlurper().parseText(new String(payload))
def messages = []
if (data.correlationId && data.eventId) {
    messages.add(new DeletionEvent(data.correlationId, data.eventId))
    logger.info('deleted ' + data.eventId)
}
else {
    logger.warning('nothing to delete')
}
messages.add(data)
return messages";

/// A script as the guide sends it: one line, with pairs for line ends and quotes.
fn escaped(script: &str) -> String {
    script.replace('"', "\\\"").replace('\n', "\\n")
}

fn run_one(script: &str, payload: &str) -> (Result<Outcome, Failure>, TestHost) {
    let (script, warnings) =
        Script::compile(script).unwrap_or_else(|errors| panic!("{}\n{script}", errors[0]));
    assert_eq!(warnings, []);
    let mut host = TestHost::default();
    let outcome = script.run(payload.as_bytes(), &[], &mut host, Limits::default());
    (outcome, host)
}

/// Runs a script in both forms, which answer the same.
fn run(script: &str, payload: &str) -> Result<Outcome, Failure> {
    let plain = run_one(script, payload).0;
    let windows = run_one(&script.replace('\n', "\r\n"), payload).0;
    assert_eq!(plain, windows);
    if script.contains('\n') {
        assert_eq!(plain, run_one(&escaped(script), payload).0);
        assert_eq!(plain, run_one(&format!("\"{}\"", escaped(script)), payload).0);
    }
    plain
}

fn message(text: &str) -> Result<Outcome, Failure> {
    Ok(Outcome::Message(text.to_owned()))
}

fn post(body: &str) -> String {
    format!("thrift\nbody={body}")
}

#[test]
fn default_script() {
    assert_eq!(run(DEFAULT, r#"{"a":1}"#), message(r#"{"a":1}"#));
}

#[test]
fn guide_script() {
    let body = r#"{"appId":"liveSegmenttest","firstName":"Andrew","lastName":"Peterson"}"#;
    assert_eq!(run(GUIDE, &post(body)), message(body));
    for other in [r#"{"appId":"other"}"#, "{}", r#"[{"appId":"liveSegmenttest"}]"#, "[]"] {
        assert_eq!(run(GUIDE, &post(other)), Ok(Outcome::Skip), "{other}");
    }
    let get = run(GUIDE, "thrift\nquerystring=a=b").unwrap_err();
    assert_eq!(get.class, "java.lang.IllegalArgumentException");
    assert_eq!((get.line, get.column), (10, 17));
    assert!(get.trace.contains("at script(script:10:17)"), "{}", get.trace);
    assert_eq!(run(GUIDE, &post("hello")).unwrap_err().class, "groovy.json.JsonException");
    assert_eq!(run(GUIDE, "{}").unwrap_err().class, "org.apache.thrift.TException");
}

#[test]
fn filter_script() {
    let outcome = run(FILTER, &post(r#"{"data":[{"filterCriteria":"Customer-Sessions"}]}"#));
    let Ok(Outcome::Message(text)) = outcome else { panic!("{outcome:?}") };
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["body"]["data"][0]["filterCriteria"], "Customer-Sessions");
    assert_eq!(json.as_object().unwrap().len(), 30);
    assert_eq!(json["setBody"], true);
    assert_eq!(json["setQuerystring"], false);
    let second = run(FILTER, &post(r#"{"data":[{}, {"filterCriteria":"customer-sessions"}]}"#)).unwrap_err();
    assert_eq!(second.class, "java.lang.NullPointerException");
    assert_eq!(second.message, "Cannot invoke method equalsIgnoreCase() on null object");
    assert_eq!(run(FILTER, &post(r#"{"data":[{"filterCriteria":"x"}]}"#)), Ok(Outcome::Skip));
    let query = "thrift\nquerystring=filterCriteria=customer-sessions&x=%C3%A4\nbody={\"data\":[{\"filterCriteria\":\"x\"}]}";
    let Ok(Outcome::Message(text)) = run(FILTER, query) else { panic!() };
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["queryParameters"]["x"][0], "ä");
}

#[test]
fn csv_script() {
    let Ok(Outcome::Message(text)) = run(CSV, "1,2,abc") else { panic!() };
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json, serde_json::json!({"kd_nr": "1", "v_nr": "2", "text": "abc"}));
}

#[test]
fn tutorial_script() {
    let body = r#" {"appId": "shop"} "#;
    assert_eq!(run(TUTORIAL, &post(body)), message(body));
    for other in ["plain", "thrift", r#"{"appId": "x"}"#] {
        assert_eq!(run(TUTORIAL, &post(other)), Ok(Outcome::Skip));
    }
    assert_eq!(run(TUTORIAL, "thrift\nquerystring=a"), Ok(Outcome::Skip));
}

#[test]
fn one_liner_script() {
    assert_eq!(run(ONE_LINER, r#"{"a":1}"#), Ok(Outcome::Skip));
    assert_eq!(run(ONE_LINER, "nothing"), Ok(Outcome::Skip));
    let (_, host) = run_one(ONE_LINER, r#"{"a":1}"#);
    let (level, logger, text) = &host.lines[0];
    assert_eq!((*level, &**logger), (Level::Error, ""));
    assert!(text.starts_with("groovy.lang.MissingPropertyException: No such property: path"), "{text}");
    assert!(text.contains("at script(Script1.groovy:5)"), "{text}");
}

#[test]
fn deletion_script() {
    let deletion = |event_id: Option<&str>| {
        let event_id = event_id.map(str::to_owned);
        Ok(Outcome::Deletion { correlation_id: "c".to_owned(), event_id })
    };
    assert_eq!(run(DELETION, r#"{"correlationId":"c","eventId":"e"}"#), deletion(Some("e")));
    assert_eq!(run(DELETION, r#"{"correlationId":"c"}"#), deletion(None));
    assert_eq!(run(DELETION, "{}"), Ok(Outcome::Skip));
}

#[test]
fn list_script() {
    let record = r#"{"correlationId":"c","eventId":"e"}"#;
    let deletion = Outcome::Deletion { correlation_id: "c".to_owned(), event_id: Some("e".to_owned()) };
    let event = Outcome::Message(record.to_owned());
    assert_eq!(run(LIST, record), Ok(Outcome::Many(vec![deletion, event])));
    let (_, host) = run_one(LIST, record);
    assert_eq!(host.lines, [(Level::Info, "list".to_owned(), "deleted e".to_owned())]);
}

#[test]
fn results() {
    let many = |texts: &[&str]| {
        Ok(Outcome::Many(texts.iter().map(|text| Outcome::Message((*text).to_owned())).collect()))
    };
    assert_eq!(run("return null", ""), Ok(Outcome::Skip));
    assert_eq!(run("[]", ""), Ok(Outcome::Skip));
    assert_eq!(run("[null]", ""), Ok(Outcome::Skip));
    assert_eq!(run("['a', [b: 1.50], null, [1, 2]]", ""), many(&["a", r#"{"b":1.50}"#, "[1,2]"]));
    // The engine splits it, so that each item keeps its bytes.
    assert_eq!(run("return '[{\"a\": 1}, 2]'", ""), message(r#"[{"a": 1}, 2]"#));
    assert_eq!(run("return '[not JSON'", ""), message("[not JSON"));
    assert_eq!(run("[a: 'ä', b: new Date(0)]", ""), message(r#"{"a":"ä","b":"1970-01-01T00:00:00+0000"}"#));
    assert_eq!(run("payload", "abc"), message("abc"));
    assert_eq!(run("42", ""), message("42"));
    assert_eq!(run("''", "").unwrap_err().class, "java.lang.IllegalStateException");
    assert_eq!(run("return { 1 }", "").unwrap_err().class, "java.lang.IllegalStateException");
    assert_eq!(run("\"payload: \" + payload", "ab"), message("payload: [97, 98]"));
    let (script, _) = Script::compile("headers.a + headers['b']").unwrap();
    let headers = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())];
    assert_eq!(script.run(b"", &headers, &mut TestHost::default(), Limits::default()), message("12"));
}

#[test]
fn globals_do_not_survive_a_record() {
    let (script, _) =
        Script::compile("if (binding.hasVariable('n')) { return 'left' }\nn = [1]\nn << n.size()\n'new'")
            .unwrap();
    for _ in 0..2 {
        let outcome = script.run(b"", &[], &mut TestHost::default(), Limits::default());
        assert_eq!(outcome, message("new"));
    }
}

#[test]
fn failures_carry_lines() {
    let source = "def outer() {\n  inner(null)\n}\ndef inner(x) {\n  x.size()\n}\nouter()";
    let failure = run(source, "").unwrap_err();
    assert_eq!(
        failure.trace,
        "java.lang.NullPointerException: Cannot invoke method size() on null object\n\tat inner(script:5:5)\n\tat \
         outer(script:2:3)\n\tat script(script:7:1)"
    );
}

#[test]
fn refusals_name_place_construct_and_remedy() {
    for (source, line, column, part) in [
        ("def f = new File('x')", 1, 13, "reaches no files"),
        ("x = 1\nnew Thread({ }).start()", 2, 5, "runs alone"),
        ("import a.b.Unknown\nUnknown.go()", 2, 1, "`Unknown` is not available"),
        ("def x = new JsonSluper()", 1, 13, "did you mean `JsonSlurper`"),
        ("synchronized(this) { }", 1, 1, "`synchronized` is not supported"),
        ("if (x { }", 1, 4, ""),
        ("@Grab('x')\nimport a.B", 1, 1, "`@Grab` is not supported"),
        ("def x = 1\ndef x = 2", 2, 5, "declared twice"),
        ("try (x = 1) { }", 1, 5, "`try` with resources"),
        ("x = y +", 1, 8, "expected an expression"),
    ] {
        let errors = Script::compile(source).unwrap_err();
        let error = &errors[0];
        assert_eq!((error.line, error.column), (line, column), "{source}: {}", error.message);
        assert!(error.message.contains(part), "{source}: {}", error.message);
        assert!(error.excerpt.contains('^'), "{source}");
    }
    let (_, warnings) = Script::compile("'a'.toUperCase()").unwrap();
    assert!(warnings[0].message.contains("did you mean `toUpperCase`"), "{}", warnings[0].message);
}
