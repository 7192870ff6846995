//! A belt that does what its events ask for, so that tests can see what becomes of it: `{"do": "panic"}`.

use std::hint::black_box;
use std::io::Read as _;
use std::time::Duration;

use granary::belt::{DirectUpdate, Update};
use granary::{BeltError, Event, log};

/// The output that the belt declares.
const OUTPUT: &str = "livesegment-dataoutp";

#[derive(serde::Deserialize)]
struct Order<'a> {
    #[serde(rename = "do")]
    what: &'a str,
    /// Read with everything in it, so that its depth tells.
    #[serde(default)]
    v: serde_json::Value,
}

#[granary::belt]
fn execute(event: &Event) -> Result<Vec<Update>, BeltError> {
    let order: Order<'_> = event.json()?;
    black_box(&order.v);
    let value: Vec<u8> = match order.what {
        "ok" => b"{\"id\":\"1\"}".to_vec(),
        "error" => return Err(BeltError::new("no-customer", "expected a customer, found none")),
        "retry" => return Err(BeltError::retry("busy", "not yet")),

        // What ends an instance.
        "panic" => panic!("asked to panic"),
        "unwrap" => first_of(&[]).to_le_bytes().to_vec(),
        "exit" => std::process::exit(3),
        "loop" => loop {
            black_box(0);
        },
        "sleep" => {
            std::thread::sleep(Duration::from_secs(3600));
            Vec::new()
        }
        "recursion" => recurse(1).to_le_bytes().to_vec(),
        "stack" => calls(u64::MAX).to_le_bytes().to_vec(),
        "trap" => core::arch::wasm32::unreachable(),
        "memory" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(black_box(vec![1u8; 1 << 20]));
            }
        }

        // What is too much.
        "updates" => return Ok(vec![row(b"{\"id\":\"1\"}".to_vec()); 5_000_000]),
        "line" => {
            log::info("x".repeat(100 << 20));
            Vec::new()
        }
        "lines" => {
            for n in 0..1_000_000 {
                log::info(n.to_string());
            }
            Vec::new()
        }

        // What is not granted.
        "file" => return Err(std::fs::File::open("/etc/passwd").expect_err("a file was opened").into()),
        "write" => return Err(std::fs::write("/tmp/x", "x").expect_err("a file was written").into()),
        "socket" => {
            let mut answer = String::new();
            std::net::TcpStream::connect("127.0.0.1:80")?.read_to_string(&mut answer)?;
            answer.into_bytes()
        }
        "environment" => format!("{{\"id\":\"{}\"}}", std::env::vars().count() + std::env::args().count()).into(),

        // What cannot be used.
        "utf8-out" => b"{\"id\":\"\xff\"}".to_vec(),
        "deep-out" => format!("{{\"id\":\"1\",\"v\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000)).into(),
        "not-json" => b"{".to_vec(),
        "no-id" => b"{}".to_vec(),
        "undeclared" => {
            return Ok(vec![Update::Direct(DirectUpdate { output: "elsewhere".into(), value: b"{\"id\":1}".into() })]);
        }
        other => return Err(BeltError::new("unknown", other)),
    };
    Ok(vec![row(value)])
}

fn row(value: Vec<u8>) -> Update {
    Update::Direct(DirectUpdate { output: OUTPUT.to_owned(), value })
}

#[inline(never)]
fn first_of(numbers: &[u32]) -> u32 {
    *black_box(numbers).first().unwrap()
}

/// Recursion that keeps nothing in memory, so that it exhausts the stack of calls and not that of data.
#[inline(never)]
fn calls(depth: u64) -> u64 {
    if depth == 0 { 1 } else { calls(depth - 1).wrapping_mul(31) ^ depth }
}

#[expect(unconditional_recursion, reason = "asked for")]
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    black_box(recurse(black_box(depth + 1)) + depth)
}
