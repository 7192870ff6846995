//! `granary:belt/http` and the same function for script runtimes: requests that a guest has sent.
//!
//! The sandbox bounds size and time; whom a guest may talk to is for the [`HttpClient`] of its program to decide.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;

use super::State;
use crate::bindings::belt::granary::belt::http;
use crate::bindings::script::granary::script::host;

/// The most bytes of the body of a request.
const REQUEST_BYTES_MAX: usize = 8 << 20;
/// The most bytes of the body of a response. A client stops reading there.
pub const RESPONSE_BYTES_MAX: usize = 8 << 20;
/// The most bytes of the URL and the headers of a request together.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// What a guest wants to have sent. Everything in it is what the guest gave, unchecked but for its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// An absolute URL.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body, perhaps empty.
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body, at most [`RESPONSE_BYTES_MAX`].
    pub body: Vec<u8>,
}

/// Why there is no response. The texts are for the guest's author: what was expected, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpError {
    /// The program may not talk to that host.
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

/// Sends the requests of a program, to the hosts that the program may talk to.
#[async_trait]
pub trait HttpClient: Send + Sync {
    /// Whether there is any host that it may talk to. A [`crate::Runner`] gives such a program one event at a time.
    fn is_open(&self) -> bool;

    /// Sends one and reads the whole response. The future is dropped when the guest's time is up.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError>;
}

/// Sends nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoHttp;

#[async_trait]
impl HttpClient for NoHttp {
    fn is_open(&self) -> bool {
        false
    }

    async fn send(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
        Err(HttpError::NotGranted(
            "requests are sent for belts only, to the hosts of 'outboundHosts'".to_owned(),
        ))
    }
}

impl State {
    /// Sends a request within its own time limit and the deadline of the call.
    pub(super) async fn send_http(
        &mut self,
        request: HttpRequest,
        timeout_ms: Option<u32>,
    ) -> Result<HttpResponse, HttpError> {
        let head = request.headers.iter().map(|(name, value)| name.len() + value.len());
        let head = head.sum::<usize>() + request.url.len() + request.method.len();
        if head > HEAD_BYTES_MAX {
            return Err(HttpError::TooLarge(format!(
                "URL and headers of the request have {head} bytes, at most {HEAD_BYTES_MAX} are sent"
            )));
        }
        if request.body.len() > REQUEST_BYTES_MAX {
            let bytes = request.body.len();
            return Err(HttpError::TooLarge(format!(
                "the body of the request has {bytes} bytes, at most {REQUEST_BYTES_MAX} are sent: send it in parts"
            )));
        }
        let left = self.deadline.left().unwrap_or_default();
        let limit = timeout_ms.map_or(left, |ms| left.min(Duration::from_millis(ms.into())));
        let Ok(result) = timeout(limit, self.http.send(request)).await else {
            return Err(HttpError::TimedOut(format!("no complete response within {} ms", limit.as_millis())));
        };
        result
    }
}

/// Both contracts have the same records, as types of their own.
macro_rules! conversions {
    ($contract:ident, $error:ident) => {
        impl From<$contract::Request> for HttpRequest {
            fn from(request: $contract::Request) -> Self {
                let $contract::Request { method, url, headers, body, timeout_ms: _ } = request;
                Self { method, url, headers, body }
            }
        }

        impl From<HttpResponse> for $contract::Response {
            fn from(HttpResponse { status, headers, body }: HttpResponse) -> Self {
                Self { status, headers, body }
            }
        }

        impl From<HttpError> for $contract::$error {
            fn from(error: HttpError) -> Self {
                match error {
                    HttpError::NotGranted(text) => Self::NotGranted(text),
                    HttpError::InvalidRequest(text) => Self::InvalidRequest(text),
                    HttpError::Failed(text) => Self::Failed(text),
                    HttpError::TimedOut(text) => Self::TimedOut(text),
                    HttpError::TooLarge(text) => Self::TooLarge(text),
                }
            }
        }
    };
}

conversions!(http, Error);
conversions!(host, HttpError);

impl http::Host for State {
    async fn send(&mut self, request: http::Request) -> Result<http::Response, http::Error> {
        let timeout_ms = request.timeout_ms;
        Ok(self.send_http(request.into(), timeout_ms).await?.into())
    }
}
