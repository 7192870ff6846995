//! Requests that nobody sends by mistake. Each has one definite answer, and none costs the others anything.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use granary_collector::{BAD_TOPIC, Options, TOPIC};
use tokio::io::AsyncWriteExt;

use crate::support::{PATIENCE, codes, rest, start};

/// The most memory of the process, whatever it is sent: a body of the largest size, its rows and its frames, several
/// times over.
const MEMORY_MIB_MAX: u64 = 600;

struct Case {
    kind: &'static str,
    name: &'static str,
    request: Vec<u8>,
    /// Codes of the answers, in order.
    answers: &'static [u16],
    /// Records on `snowplow`.
    stored: usize,
}

fn case(
    kind: &'static str,
    name: &'static str,
    request: impl Into<Vec<u8>>,
    answers: &'static [u16],
    stored: usize,
) -> Case {
    Case { kind, name, request: request.into(), answers, stored }
}

fn post(headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let head = format!("POST /com.acme/v1 HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// With exactly these headers after the host.
fn bare(headers: &str, body: &str) -> String {
    format!("POST /com.acme/v1 HTTP/1.1\r\nHost: h\r\n{headers}\r\n{body}")
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")
}

fn bytes(pieces: &[&[u8]]) -> Vec<u8> {
    pieces.concat()
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn compressed() -> Vec<Case> {
    const KIND: &str = "broken gzip";
    let whole = gzip(br#"{"a":1}"#);
    let mut damaged = whole.clone();
    let crc = damaged.len() - 8;
    damaged[crc] ^= 1;
    let header = "Content-Encoding: gzip\r\n";
    vec![
        case(KIND, "plain text", post(header, "{}"), &[400], 0),
        case(KIND, "cut", post(header, &whole[..whole.len() - 5]), &[400], 0),
        case(KIND, "wrong sum", post(header, &damaged), &[400], 0),
        case(KIND, "rubbish behind", post(header, [&whole[..], b"rubbish"].concat()), &[400], 0),
        case(KIND, "bomb", post(header, gzip(&vec![0; 200_000_000])), &[200], 0),
        case(
            KIND,
            "bomb in a bomb",
            post("Content-Encoding: gzip, gzip\r\n", gzip(&gzip(&vec![0; 9_999_999]))),
            &[400],
            0,
        ),
        case(KIND, "none at all", post(header, ""), &[200], 1),
    ]
}

fn lengths() -> Vec<Case> {
    const KIND: &str = "wrong content length";
    vec![
        case(KIND, "no number", bare("Content-Length: abc\r\n", "{}"), &[400], 0),
        case(KIND, "negative", bare("Content-Length: -1\r\n", "{}"), &[400], 0),
        case(KIND, "signed", bare("Content-Length: +2\r\n", "{}"), &[400], 0),
        case(
            KIND,
            "too large a number",
            bare("Content-Length: 99999999999999999999999\r\n", "{}"),
            &[400],
            0,
        ),
        case(KIND, "too long", bare("Content-Length: 100\r\n", "{}"), &[400], 0),
        case(KIND, "too short", bare("Content-Length: 2\r\n", "{}garbage behind\r\n\r\n"), &[200, 400], 1),
        case(KIND, "list", bare("Content-Length: 2, 3\r\n", "{}"), &[400], 0),
    ]
}

fn no_text() -> Vec<Case> {
    const KIND: &str = "invalid UTF-8";
    vec![
        case(KIND, "in the body", post("", b"\xff\xfe{\x80}"), &[200], 1),
        case(KIND, "in a header", bytes(&[b"GET /i HTTP/1.1\r\nHost: h\r\nUser-Agent: \xff\xfe\r\n\r\n"]), &[200], 1),
        case(KIND, "in a cookie", bytes(&[b"GET /i HTTP/1.1\r\nHost: h\r\nCookie: sp=\xc3\x28\r\n\r\n"]), &[200], 1),
        case(KIND, "in the origin", bytes(&[b"GET /i HTTP/1.1\r\nHost: h\r\nOrigin: \xff://\xff\r\n\r\n"]), &[200], 1),
        case(KIND, "in the query", bytes(&[b"GET /i?\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n"]), &[400], 0),
        case(KIND, "in the path", bytes(&[b"GET /com.\xff\xfe/v1 HTTP/1.1\r\nHost: h\r\n\r\n"]), &[400], 0),
        case(KIND, "in the encoding", bytes(&[b"POST /com.acme/v1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent-Encoding: \xff\r\n\r\n{}"]), &[400], 0),
    ]
}

fn nul() -> Vec<Case> {
    const KIND: &str = "NUL bytes";
    vec![
        case(KIND, "in the body", post("", b"{\"a\0\":\0}"), &[200], 1),
        case(KIND, "in a header", bytes(&[b"GET /i HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n"]), &[400], 0),
        case(KIND, "in a name", bytes(&[b"GET /i HTTP/1.1\r\nHost: h\r\nX\0: a\r\n\r\n"]), &[400], 0),
        case(KIND, "in the path", bytes(&[b"GET /i\0 HTTP/1.1\r\nHost: h\r\n\r\n"]), &[400], 0),
        case(KIND, "written in the query", get("/i?a=%00&%00=b"), &[200], 1),
        case(KIND, "nothing else", vec![0; 1_000], &[400], 0),
    ]
}

fn header_bombs() -> Vec<Case> {
    const KIND: &str = "header bombs";
    let many = |count: usize, bytes: usize| {
        let value = "y".repeat(bytes);
        let lines: String = (0..count).map(|n| format!("X-{n}: {value}\r\n")).collect();
        format!("GET /i HTTP/1.1\r\nHost: h\r\n{lines}\r\n")
    };
    vec![
        case(KIND, "more than a hundred", many(150, 1), &[400], 0),
        case(KIND, "one of 100 kB", many(1, 100_000), &[400], 0),
        case(KIND, "half of them too much", many(90, 500), &[400], 0),
        case(KIND, "10 MB", many(90, 110_000), &[400], 0),
        case(
            KIND,
            "a name of 70 kB",
            format!("GET /i HTTP/1.1\r\n{}: x\r\n\r\n", "n".repeat(70_000)),
            &[400],
            0,
        ),
        case(
            KIND,
            "a thousand cookies in one",
            format!("GET /i HTTP/1.1\r\nHost: h\r\nCookie: {}\r\n\r\n", "a=b;".repeat(5_000)),
            &[200],
            1,
        ),
        case(KIND, "a head without an end", "GET /i HTTP/1.1\r\nHost: h\r\nX: y\r\n", &[], 0),
    ]
}

fn duplicates() -> Vec<Case> {
    const KIND: &str = "duplicate headers";
    vec![
        case(KIND, "hosts", "GET /i HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", &[400], 0),
        case(
            KIND,
            "lengths that differ",
            bare("Content-Length: 2\r\nContent-Length: 3\r\n", "{}"),
            &[400],
            0,
        ),
        case(KIND, "lengths that agree", bare("Content-Length: 2\r\nContent-Length: 2\r\n", "{}"), &[200], 1),
        case(KIND, "types", post("Content-Type: a/b\r\nContent-Type: c/d\r\n", "{}"), &[200], 1),
        case(
            KIND,
            "encodings",
            post("Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n", "{}"),
            &[400],
            0,
        ),
        case(
            KIND,
            "cookies",
            "GET /i HTTP/1.1\r\nHost: h\r\nCookie: sp=a\r\nCookie: sp=b\r\n\r\n",
            &[200],
            1,
        ),
        case(KIND, "origins", "GET /i HTTP/1.1\r\nHost: h\r\nOrigin: a\r\nOrigin: b\r\n\r\n", &[200], 1),
    ]
}

fn smuggling() -> Vec<Case> {
    const KIND: &str = "request smuggling";
    let hidden = "GET /com.smuggled/v1 HTTP/1.1\r\nHost: h\r\n\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    let length = format!("Content-Length: {}\r\n", hidden.len() + 5);
    vec![
        case(
            KIND,
            "length, then chunks",
            bare(&format!("{length}{chunked}"), &format!("0\r\n\r\n{hidden}")),
            &[200],
            1,
        ),
        case(
            KIND,
            "chunks, then length",
            bare(&format!("{chunked}{length}"), &format!("0\r\n\r\n{hidden}")),
            &[200],
            1,
        ),
        case(KIND, "chunks of another kind", bare("Transfer-Encoding: xchunked\r\n", hidden), &[400], 0),
        case(
            KIND,
            "chunks are not last",
            bare("Transfer-Encoding: chunked, identity\r\n", hidden),
            &[400],
            0,
        ),
        case(
            KIND,
            "a space before the colon",
            bare("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
            &[400],
            0,
        ),
        case(KIND, "a folded line", bare("X: y\r\n Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), &[400], 0),
        case(
            KIND,
            "chunks before there were chunks",
            format!("POST /com.acme/v1 HTTP/1.0\r\n{chunked}\r\n0\r\n\r\n"),
            &[400],
            0,
        ),
        case(
            KIND,
            "a size that overflows",
            bare(chunked, "ffffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
            &[400],
            0,
        ),
        case(KIND, "a size that is none", bare(chunked, "0x2\r\n{}\r\n0\r\n\r\n"), &[400], 0),
        case(KIND, "chunks without an end", bare(chunked, "2\r\n{}\r\n"), &[400], 0),
        case(KIND, "another protocol", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[], 0),
        case(
            KIND,
            "encryption",
            bytes(&[b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &[7; 500]]),
            &[400],
            0,
        ),
    ]
}

fn traversal() -> Vec<Case> {
    const KIND: &str = "path traversal";
    vec![
        case(KIND, "up", get("/com.acme/../../etc/passwd"), &[404], 0),
        case(KIND, "up at once", get("/../com.acme"), &[404], 0),
        case(KIND, "up at the end", get("/com.acme/.."), &[404], 0),
        case(KIND, "through the prefix", get("/api/../com.acme/v1"), &[404], 0),
        case(KIND, "written otherwise", get("/..%2f..%2fetc/passwd"), &[404], 0),
        case(KIND, "twice the slash", get("//com.acme/v1"), &[404], 0),
        case(KIND, "no slash", "GET com.acme/v1 HTTP/1.1\r\nHost: h\r\n\r\n", &[400], 0),
    ]
}

fn percent() -> Vec<Case> {
    const KIND: &str = "bad percent-encoding";
    vec![
        case(KIND, "nothing behind", get("/i?a=%"), &[200], 1),
        case(KIND, "no digits", get("/i?a=%zz&%=b"), &[200], 1),
        case(KIND, "no text", get("/i?a=%ff%fe&nuid=%80"), &[200], 1),
        case(KIND, "in the path", get("/com.%zz/%"), &[200], 1),
    ]
}

fn giant_queries() -> Vec<Case> {
    const KIND: &str = "giant query strings";
    vec![
        case(KIND, "just above the limit", get(&format!("/i?{}", "q".repeat(20_480))), &[400], 0),
        case(KIND, "50 kB", get(&format!("/i?{}", "q".repeat(50_000))), &[400], 0),
        case(KIND, "100 kB", get(&format!("/i?{}", "q".repeat(100_000))), &[400], 0),
        case(KIND, "10 MB", get(&format!("/i?{}", "q".repeat(10_000_000))), &[400], 0),
        case(KIND, "ten thousand parameters", get(&format!("/i?{}nuid=x", "&".repeat(10_000))), &[200], 1),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_requests_get_definite_answers() {
    let cases: Vec<Case> = [
        compressed(),
        lengths(),
        no_text(),
        nul(),
        header_bombs(),
        duplicates(),
        smuggling(),
        traversal(),
        percent(),
        giant_queries(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let running =
        start(Options { redirect_domains: vec!["acme.com".parse().unwrap()], ..Options::default() }).await;
    let (mut wrong, mut stored) = (Vec::new(), 0);
    for case in &cases {
        let answers = running.exchange(&case.request).await;
        let now = running.messages(TOPIC).await.len();
        let found = (codes(&answers), now - stored);
        stored = now;
        if found != (case.answers.to_vec(), case.stored) {
            wrong.push(format!(
                "{}, {}: expected {:?} and {} records, got {found:?}: {answers:.300}",
                case.kind, case.name, case.answers, case.stored
            ));
        }
        let well = running.exchange(post("", "{}").as_slice()).await;
        assert_eq!(codes(&well), [200], "after {}, {}", case.kind, case.name);
        stored += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let payloads = running.payloads().await;
    let path = |payload: &granary_collector::CollectorPayload| payload.path.clone().unwrap();
    assert!(payloads.iter().all(|payload| path(payload) != "/com.smuggled/v1"));
    running.end().await;
    assert_memory();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn giant_bodies_are_answered_and_do_not_fill_the_memory() {
    let running =
        start(Options { body_timeout: std::time::Duration::from_secs(2), ..Options::default() }).await;
    let head = "POST /com.acme/v1 HTTP/1.1\r\nHost: h\r\n";

    // Declared honestly: nothing of it is waited for.
    let mut client = running.connect().await;
    client.write_all(format!("{head}Content-Length: 1073741824\r\n\r\n{{").as_bytes()).await.unwrap();
    assert_eq!(codes(&rest(&mut client).await), [200]);

    // In chunks as fast as they go: taken up to a limit.
    let (mut reading, mut writing) = running.connect().await.into_split();
    let chunk = [b"100000\r\n", &vec![b'x'; 0x10_0000][..], b"\r\n"].concat();
    let sender = tokio::spawn(async move {
        writing.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await?;
        for _ in 0..1_024 {
            writing.write_all(&chunk).await?;
        }
        std::io::Result::Ok(())
    });
    assert_eq!(codes(&rest(&mut reading).await), [200]);
    drop(reading);
    let sent = tokio::time::timeout(PATIENCE, sender).await.expect("the sender is let go").unwrap();
    assert!(sent.is_err(), "a gigabyte was taken");

    // Drop by drop: until the time is over.
    let (mut reading, mut writing) = running.connect().await.into_split();
    let sender = tokio::spawn(async move {
        writing.write_all(format!("{head}Content-Length: 30000000\r\n\r\n").as_bytes()).await?;
        let mut beat = tokio::time::interval(std::time::Duration::from_millis(20));
        while writing.write_all(b"x").await.is_ok() {
            beat.tick().await;
        }
        std::io::Result::Ok(())
    });
    assert_eq!(codes(&rest(&mut reading).await), [408]);
    sender.abort();

    assert!(running.messages(TOPIC).await.is_empty());
    assert!(!running.messages(BAD_TOPIC).await.is_empty());
    running.end().await;
    assert_memory();
}

/// The peak of the process so far.
fn assert_memory() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak / 1024 < MEMORY_MIB_MAX, "the process took {} MiB", peak / 1024);
}
