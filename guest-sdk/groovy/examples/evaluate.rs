//! Runs the script on the standard input with a payload and prints what becomes of it:
//! `cargo run --example evaluate -- '{"a":1}' < script.groovy`

use std::io::Read;

use granary_groovy::{Host, Level, Limits, Script, SnowplowFields};

struct Terminal;

impl Host for Terminal {
    fn log(&mut self, level: Level, logger: &str, text: &str) {
        eprintln!("{level:?} {logger}: {text}");
    }

    fn now_ms(&mut self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn random_uuid(&mut self) -> String {
        "00000000-0000-4000-8000-000000000001".to_owned()
    }

    fn snowplow_deserialize(&mut self, bytes: &[u8]) -> Result<SnowplowFields, String> {
        // The payload stands for the body of a request.
        let body = String::from_utf8_lossy(bytes).as_ref().into();
        Ok(SnowplowFields { body: Some(body), ..SnowplowFields::default() })
    }
}

fn main() -> std::io::Result<()> {
    let mut source = String::new();
    std::io::stdin().read_to_string(&mut source)?;
    let payload = std::env::args().nth(1).unwrap_or_default();
    match Script::compile(&source) {
        Ok((script, warnings)) => {
            warnings.iter().for_each(|warning| eprintln!("{warning}"));
            match script.run(payload.as_bytes(), &[], &mut Terminal, Limits::default()) {
                Ok(outcome) => println!("{outcome:?}"),
                Err(failure) => println!("{}", failure.trace),
            }
        }
        Err(errors) => errors.iter().for_each(|error| println!("{error}")),
    }
    Ok(())
}
