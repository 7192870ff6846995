//! HTTP requests to the hosts that the belt's `outboundHosts` grants.
//!
//! ```no_run
//! use granary::http::{self, Request};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let quote = http::get("https://api.example.com/quote")?.text();
//! let answer = Request::post("https://api.example.com/orders").json(&quote)?.timeout_ms(2_000).send()?;
//! assert!(answer.is_success());
//! # Ok(())
//! # }
//! ```
//!
//! An event may be done again, so what a request changes elsewhere should bear being sent twice. Redirects are not
//! followed. Outside of the engine, in the tests of a belt, every request fails.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(target_family = "wasm")]
use crate::belt::bindings::granary::belt::http;

/// Sends a GET request.
///
/// # Errors
/// When there is no response; a status of 400 or more is one.
pub fn get(url: &str) -> Result<Response, Error> {
    Request::get(url).send()
}

/// Sends a POST request.
///
/// # Errors
/// When there is no response; a status of 400 or more is one.
pub fn post(url: &str, body: impl Into<Vec<u8>>) -> Result<Response, Error> {
    Request::post(url).body(body).send()
}

/// A request that is being put together.
#[derive(Debug, Clone)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    timeout_ms: Option<u32>,
}

impl Request {
    /// A request of any method.
    pub fn new(method: &str, url: &str) -> Self {
        Self {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: None,
        }
    }

    /// A GET request.
    pub fn get(url: &str) -> Self {
        Self::new("GET", url)
    }

    /// A POST request.
    pub fn post(url: &str) -> Self {
        Self::new("POST", url)
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets a JSON body and its content type.
    ///
    /// # Errors
    /// When the value has no JSON form, such as a map with keys that are no texts.
    pub fn json(self, value: &impl Serialize) -> Result<Self, serde_json::Error> {
        let body = serde_json::to_vec(value)?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// The most milliseconds until the whole response is there.
    pub fn timeout_ms(mut self, ms: u32) -> Self {
        self.timeout_ms = Some(ms);
        self
    }

    /// Sends it and waits for the whole response.
    ///
    /// # Errors
    /// When there is no response; a status of 400 or more is one.
    pub fn send(self) -> Result<Response, Error> {
        #[cfg(target_family = "wasm")]
        {
            let Self { method, url, headers, body, timeout_ms } = self;
            let answer = http::send(&http::Request { method, url, headers, body, timeout_ms })?;
            Ok(Response { status: answer.status, headers: answer.headers, body: answer.body })
        }
        #[cfg(not(target_family = "wasm"))]
        {
            let Self { method, url, headers: _, body: _, timeout_ms: _ } = self;
            Err(Error::Failed(format!("{method} {url}: requests are sent inside the engine only")))
        }
    }
}

/// A whole response.
#[derive(Debug, Clone)]
pub struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Response {
    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the status is 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not JSON of that shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The belt may not talk to that host.
    NotGranted(String),
    /// It is no request.
    InvalidRequest(String),
    /// The host has no address, does not answer, is not trusted, or breaks off.
    Failed(String),
    /// The response was not there in time.
    TimedOut(String),
    /// One of the bodies is larger than allowed.
    TooLarge(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGranted(text)
            | Self::InvalidRequest(text)
            | Self::Failed(text)
            | Self::TimedOut(text)
            | Self::TooLarge(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(target_family = "wasm")]
impl From<http::Error> for Error {
    fn from(error: http::Error) -> Self {
        match error {
            http::Error::NotGranted(text) => Self::NotGranted(text),
            http::Error::InvalidRequest(text) => Self::InvalidRequest(text),
            http::Error::Failed(text) => Self::Failed(text),
            http::Error::TimedOut(text) => Self::TimedOut(text),
            http::Error::TooLarge(text) => Self::TooLarge(text),
        }
    }
}
