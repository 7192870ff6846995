//! What the tests share: records of the collector, and runs that remember the log.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::cell::RefCell;
use std::rc::Rc;

use javascript_transform::{Diagnostic, Failure, Level, Limits, Message, Script};

/// A line of the log.
pub type Line = (Level, String, String);

/// A script with its log.
pub struct Run {
    pub script: Script,
    pub lines: Rc<RefCell<Vec<Line>>>,
}

impl Run {
    pub fn new(source: &str) -> Self {
        Self::within(source, Limits::default()).unwrap_or_else(|refusal| panic!("{refusal}\n{source}"))
    }

    pub fn within(source: &str, limits: Limits) -> Result<Self, Diagnostic> {
        let lines = Rc::new(RefCell::new(Vec::new()));
        let to = Rc::clone(&lines);
        let log = move |level, logger: &str, text: &str| {
            to.borrow_mut().push((level, logger.to_owned(), text.to_owned()));
        };
        Ok(Self { script: Script::compile(source, limits, Rc::new(log))?, lines })
    }

    pub fn run(&self, payload: &[u8]) -> Result<Vec<Message>, Failure> {
        self.script.run(payload, Vec::new())
    }
}

/// A script as the guide sends it: one line, with pairs for line ends and quotes.
pub fn escaped(script: &str) -> String {
    script.replace('"', "\\\"").replace('\n', "\\n")
}

/// Runs a script in all forms in which it may arrive, twice each, which answer the same.
pub fn run(script: &str, payload: &[u8]) -> Result<Vec<Message>, Failure> {
    let plain = Run::new(script).run(payload);
    let mut forms = vec![script.replace('\n', "\r\n"), format!("\u{feff}{script}\u{200b}")];
    if script.contains('\n') {
        forms.extend([escaped(script), format!("\"{}\"", escaped(script))]);
    }
    for form in forms {
        let form = Run::new(&form);
        for _ in 0..2 {
            assert_eq!(form.run(payload), plain, "{script}");
        }
    }
    plain
}

/// The one text that a script answers, or what happened instead.
pub fn text(script: &str, payload: &[u8]) -> String {
    match run(script, payload) {
        Ok(messages) => match messages.as_slice() {
            [] => "(skipped)".to_owned(),
            [Message::Text(text)] => text.clone(),
            other => format!("{other:?}"),
        },
        Err(failure) => failure.to_string(),
    }
}

/// The failure of a script.
pub fn failure(script: &str, payload: &[u8]) -> Failure {
    run(script, payload).expect_err(script)
}

pub fn message(text: &str) -> Message {
    Message::Text(text.to_owned())
}

pub fn deletion(correlation_id: &str, event_id: Option<&str>) -> Message {
    Message::Deletion { correlation_id: correlation_id.to_owned(), event_id: event_id.map(str::to_owned) }
}

pub fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A record of the collector in Thrift's binary form.
#[derive(Default)]
pub struct Record(Vec<u8>);

impl Record {
    fn head(&mut self, kind: u8, id: i16) {
        self.0.push(kind);
        self.0.extend(id.to_be_bytes());
    }

    fn counted(&mut self, bytes: &[u8]) {
        self.0.extend(i32::try_from(bytes.len()).unwrap().to_be_bytes());
        self.0.extend(bytes);
    }

    pub fn bytes(mut self, id: i16, bytes: &[u8]) -> Self {
        self.head(11, id);
        self.counted(bytes);
        self
    }

    pub fn text(self, id: i16, text: &str) -> Self {
        self.bytes(id, text.as_bytes())
    }

    pub fn timestamp(mut self, milliseconds: i64) -> Self {
        self.head(10, 200);
        self.0.extend(milliseconds.to_be_bytes());
        self
    }

    pub fn headers(mut self, headers: &[&str]) -> Self {
        self.head(15, 350);
        self.0.push(11);
        self.0.extend(i32::try_from(headers.len()).unwrap().to_be_bytes());
        headers.iter().for_each(|header| self.counted(header.as_bytes()));
        self
    }

    pub fn end(mut self) -> Vec<u8> {
        self.0.push(0);
        self.0
    }
}

/// A request with a body.
pub fn post(body: &str) -> Vec<u8> {
    Record::default()
        .text(31337, "iglu:com.snowplowanalytics.snowplow/CollectorPayload/thrift/1-0-0")
        .text(100, "127.0.0.1")
        .timestamp(1_700_000_000_123)
        .text(210, "UTF-8")
        .text(220, "ssc-2.2.1")
        .text(300, "Mozilla/5.0")
        .text(320, "/com.snowplowanalytics.snowplow/tp2")
        .text(340, body)
        .headers(&["Host: localhost", "Accept: */*"])
        .text(360, "application/json")
        .text(400, "localhost")
        .text(410, "6fd1")
        .end()
}

/// A request with a query and without a body.
pub fn get(query: &str) -> Vec<u8> {
    Record::default().timestamp(1).text(320, "/i").text(330, query).end()
}
