//! What fuzzers call: whatever text comes, it is compiled and run within its bounds. The tests replay what they found.

#![allow(dead_code, unreachable_pub)]

use granary_groovy::{Host, Level, Limits, Script, SnowplowFields};

/// What a script may use when it is given room.
pub const ROOM: Limits = Limits { steps: 200_000, bytes: 1 << 20, depth: 1_000 };

/// What the sandbox gives to the native stack, roughly.
pub const STACK_BYTES: usize = 1 << 20;

/// Does something within bounds on time and memory, which are those of the caller.
pub trait Meter {
    /// Measures the work. `bytes` is what it may hold at a time.
    fn measured<T>(&mut self, bytes: u64, work: impl FnOnce() -> T) -> T;
}

/// Measures nothing.
pub struct Unmeasured;

impl Meter for Unmeasured {
    fn measured<T>(&mut self, _bytes: u64, work: impl FnOnce() -> T) -> T {
        work()
    }
}

/// Compiles a text, and writes what is wrong with it.
pub fn parser(bytes: &[u8], meter: &mut impl Meter) {
    let source = String::from_utf8_lossy(bytes);
    meter.measured(source.len() as u64, || match Script::compile(&source) {
        Ok((_, warnings)) => drop(warnings.iter().map(ToString::to_string).collect::<Vec<_>>()),
        Err(errors) => {
            let message = errors.first().map(ToString::to_string);
            assert!(message.is_some_and(|message| !message.is_empty()), "refused without a word");
        }
    });
}

/// Runs a script, with room and with hardly any. A payload may follow it after a zero byte.
pub fn evaluator(bytes: &[u8], meter: &mut impl Meter) {
    let (source, payload) = match bytes.iter().position(|byte| *byte == 0) {
        Some(zero) => (&bytes[..zero], &bytes[zero + 1..]),
        None => (bytes, &br#"{"a":[1,{"b":null}],"n":1.50,"t":"text"}"#[..]),
    };
    let source = String::from_utf8_lossy(source);
    let Ok((script, _)) = Script::compile(&source) else { return };
    let _ = meter.measured(ROOM.bytes, || script.evaluate(payload, &mut Nowhere, ROOM));
    // Limits that are reached anywhere: which ones follows from the text, so that a finding can be repeated.
    let mixed = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |mixed, byte| {
        (mixed ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let scarce = Limits {
        steps: 16 << (mixed >> 8 & 7) | mixed >> 16 & 15,
        bytes: 64 << (mixed >> 24 & 7) | mixed >> 32 & 63,
        depth: 4 + u32::from((mixed >> 40) as u8) / 4,
    };
    let headers = [("kind".to_owned(), "test".to_owned())];
    let _ = meter.measured(scarce.bytes, || script.run(payload, &headers, &mut Nowhere, scarce));
}

/// A host whose time stands still and whose log goes nowhere.
struct Nowhere;

impl Host for Nowhere {
    fn log(&mut self, _level: Level, _logger: &str, _text: &str) {}

    fn now_ms(&mut self) -> i64 {
        1_700_000_000_123
    }

    fn random_uuid(&mut self) -> String {
        "00000000-0000-4000-8000-000000000001".to_owned()
    }

    /// Texts that begin with `thrift` are records.
    fn snowplow_deserialize(&mut self, bytes: &[u8]) -> Result<SnowplowFields, String> {
        let text = String::from_utf8_lossy(bytes);
        let Some(text) = text.strip_prefix("thrift") else { return Err("no record".to_owned()) };
        Ok(SnowplowFields {
            timestamp: Some(1_700_000_000_000),
            querystring: Some(text.into()),
            body: Some(text.trim().into()),
            headers: Some(vec![text.into()]),
            ..SnowplowFields::default()
        })
    }
}
