//! The small decoder for other clients, `examples/fluvio/granary_record.py`, on what this engine writes.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;
use granary_fluvio::envelope;
use granary_stream::Message;
use granary_stream::contract_tests::full_message;

const READ: &str = r"
import json, sys
import granary_record
for line in sys.stdin:
    key, value = line.split()
    key = None if key == '-' else bytes.fromhex(key[1:])
    try:
        message = granary_record.decode(key, bytes.fromhex(value))
    except ValueError as error:
        print(json.dumps({'error': type(error).__name__}))
        continue
    message['key'] = None if message['key'] is None else message['key'].hex()
    message['payload'] = message['payload'].hex()
    print(json.dumps(message))
";

/// What the decoder makes of records, each a key and a value.
fn decode(records: &[(Option<Bytes>, Vec<u8>)]) -> Vec<serde_json::Value> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/fluvio");
    let mut python = Command::new("python3")
        .args(["-c", READ])
        .env("PYTHONPATH", examples)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is there");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut input = python.stdin.take().unwrap();
    for (key, value) in records {
        let key = key.as_ref().map_or_else(|| "-".to_owned(), |key| format!("k{}", hex(key)));
        writeln!(input, "{key} {}", hex(value)).unwrap();
    }
    drop(input);
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_python_decoder_reads_every_field_and_refuses_what_it_must() {
    let full = full_message();
    let bare = Message { time_ms: 5, ..Message::of("hello") };
    let sealed = |message: &Message| (message.key.clone(), envelope::seal(message, message.time_ms));
    let mut damaged = sealed(&full);
    *damaged.1.last_mut().unwrap() ^= 1;
    let mut newer = sealed(&bare);
    newer.1[3] = 2;
    let read = decode(&[sealed(&full), sealed(&bare), damaged, newer, (None, b"{}".to_vec())]);
    assert_eq!(
        read[0],
        serde_json::json!({
            "key": "00ff07", "time_ms": 1_700_000_000_123_u64,
            "headers": [["grnry-event-id", "1-2-3"], ["empty", ""], ["grnry-event-id", "twice"], ["ünï", "\u{1F33E}\n"]],
            "source": {"topic": "snowplow", "partition": 3, "offset": u64::MAX, "index": 9},
            "stage": {"stage": "harvester:orders", "version": 4, "epoch": 1_u64 << 40},
            "producer": serde_json::from_str::<serde_json::Value>(&format!("{{\"id\": {}, \"sequence\": 77}}", u128::MAX - 5)).unwrap(),
            "schema_version": u32::MAX,
            "trace_id": serde_json::from_str::<serde_json::Value>(&(1_u128 << 100).to_string()).unwrap(),
            "payload": full.payload.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        })
    );
    assert_eq!(
        read[1],
        serde_json::json!({"key": null, "time_ms": 5, "headers": [], "payload": "68656c6c6f"})
    );
    let errors: Vec<&str> = read[2..].iter().map(|answer| answer["error"].as_str().unwrap()).collect();
    assert_eq!(errors, ["Damaged", "Newer", "NotGranary"]);
}
