//! Measures the guide's script: records per second on this machine, without the sandbox.

use std::time::Instant;

use granary_groovy::{Host, Level, Limits, Outcome, Script, SnowplowFields};

const GUIDE: &str = "import io.grnry.scdfapps.scriptable.snowplow.SnowplowSerDe
import io.grnry.scdfapps.scriptable.snowplow.SnowplowCollectorPayload
import groovy.json.JsonSlurper

SnowplowCollectorPayload snowplowEvent = SnowplowSerDe.deserialize(payload)
body = snowplowEvent.getBody()

JsonSlurper slurper = new JsonSlurper()
event = slurper.parseText(body)

if (event?.appId=='liveSegmenttest') {

 return body
}

return null";

const LOOP: &str = "def sum = 0
for (int i = 0; i < 1000; i++) {
  if (i % 3 == 0) { sum += i }
}
def doubled = (1..100).collect { it * 2 }.findAll { it > 50 }
return \"$sum ${doubled.size()}\"";

const RECORDS: u32 = 200_000;

struct Plain;

impl Host for Plain {
    fn log(&mut self, _: Level, _: &str, _: &str) {}

    fn now_ms(&mut self) -> i64 {
        0
    }

    fn random_uuid(&mut self) -> String {
        String::new()
    }

    fn snowplow_deserialize(&mut self, bytes: &[u8]) -> Result<SnowplowFields, String> {
        let body = String::from_utf8_lossy(bytes).as_ref().into();
        Ok(SnowplowFields { body: Some(body), ..SnowplowFields::default() })
    }
}

fn measure(name: &str, source: &str, records: u32) {
    let (script, _) = Script::compile(source).expect("the script compiles");
    let payload = br#"{"appId":"liveSegmenttest","firstName":"Andrew","lastName":"Peterson"}"#;
    let start = Instant::now();
    let mut messages = 0;
    for _ in 0..records {
        let outcome = script.run(payload, &[], &mut Plain, Limits::default());
        messages += u32::from(matches!(outcome, Ok(Outcome::Message(_))));
    }
    assert_eq!(messages, records, "every record passes");
    let seconds = start.elapsed().as_secs_f64();
    println!("{name}: {:.0} records/s", f64::from(records) / seconds);
}

fn main() {
    let only_guide = std::env::args().nth(1).is_some();
    measure("guide", GUIDE, RECORDS);
    if !only_guide {
        measure("loops", LOOP, RECORDS / 100);
    }
}
