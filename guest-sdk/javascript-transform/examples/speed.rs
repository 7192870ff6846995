//! Measures a script like the guide's, and one that computes: records per second on this machine, without the sandbox.

use std::rc::Rc;
use std::time::Instant;

use javascript_transform::{Limits, Script};

const GUIDE: &str = "var SnowplowSerDe = Packages.io.grnry.scdfapps.scriptable.snowplow.SnowplowSerDe;
var snowplowEvent = SnowplowSerDe.deserialize(payload);
var body = snowplowEvent.getBody();
var event = JSON.parse(body);
var result = null;
if (event && event.appId == 'liveSegmenttest') {
    result = body;
}
result;";

const LOOP: &str = "var sum = 0;
for (var i = 0; i < 1000; i++) {
  if (i % 3 == 0) sum += i;
}
var doubled = Array.from({length: 100}, (_, i) => i * 2).filter(it => it > 50);
`${sum} ${doubled.length}`;";

const BODY: &str = r#"{"appId":"liveSegmenttest","firstName":"Andrew","lastName":"Peterson"}"#;
const RECORDS: u32 = 100_000;

/// A record of the collector with a body and nothing else.
fn record() -> Vec<u8> {
    let length = u32::try_from(BODY.len()).expect("a short body");
    [&[11, 1, 84], length.to_be_bytes().as_slice(), BODY.as_bytes(), &[0]].concat()
}

fn measure(name: &str, source: &str, records: u32) {
    let start = Instant::now();
    let script = Script::compile(source, Limits::default(), Rc::new(|_, _: &str, _: &str| {}))
        .expect("the script compiles");
    println!("{name}: ready after {:?}", start.elapsed());
    let payload = record();
    let start = Instant::now();
    let messages =
        (0..records).filter(|_| script.run(&payload, Vec::new()).is_ok_and(|all| all.len() == 1)).count();
    assert_eq!(messages, records as usize, "every record passes");
    println!("{name}: {:.0} records/s", f64::from(records) / start.elapsed().as_secs_f64());
}

fn main() {
    measure("guide", GUIDE, RECORDS);
    measure("loops", LOOP, RECORDS / 50);
}
