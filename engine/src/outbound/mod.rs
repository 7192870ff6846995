//! Outbound HTTP of belts: whom they may talk to, and the client that does it.
//!
//! Three things decide, and all of them have to agree: the belt's `outboundHosts`, the operator's `--outbound-hosts`,
//! and the address that the host turns out to have ([`connector`]).

mod address;
mod connector;

use std::error::Error as _;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use granary_catalog::{Belt, HostPattern};
use granary_sandbox::{HttpClient, HttpError, HttpRequest, HttpResponse, RESPONSE_BYTES_MAX};
use http::header::{HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use url::Url;

use connector::{Client, Private};

/// What is about the connection and not for guests to say: with these a request could be made to look like two.
const RESERVED: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Sends requests of belts. One for the whole engine; cheap to clone.
#[derive(Clone)]
pub struct Outbound {
    client: Client,
    allowed: Arc<[HostPattern]>,
}

impl Outbound {
    /// `allowed` is what the operator lets belts talk to.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(allowed: Arc<[HostPattern]>) -> io::Result<Self> {
        Ok(Self { client: connector::client(Arc::clone(&allowed))?, allowed })
    }

    /// What sends the requests of a belt.
    #[must_use]
    pub fn of(&self, belt: &Belt) -> Arc<dyn HttpClient> {
        Arc::new(BeltClient { outbound: self.clone(), grants: belt.outbound() })
    }
}

/// The client of one belt.
struct BeltClient {
    outbound: Outbound,
    grants: Vec<HostPattern>,
}

impl BeltClient {
    fn check_granted(&self, url: &Url) -> Result<(), HttpError> {
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(HttpError::InvalidRequest(format!("the URL '{url}' names no host")));
        };
        let place = if matches!(port, 80 | 443) { host.to_owned() } else { format!("{host}:{port}") };
        let within = |patterns: &[HostPattern]| patterns.iter().any(|pattern| pattern.matches(host, port));
        if !within(&self.grants) {
            return Err(HttpError::NotGranted(format!(
                "the belt may not send requests to '{place}': add \"{place}\" to its 'outboundHosts'"
            )));
        }
        if !within(&self.outbound.allowed) {
            return Err(HttpError::NotGranted(format!(
                "this engine does not let belts send requests to '{place}': its operator can allow it with \
                 --outbound-hosts"
            )));
        }
        Ok(())
    }
}

#[async_trait]
impl HttpClient for BeltClient {
    fn is_open(&self) -> bool {
        !self.grants.is_empty()
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let url = Url::parse(&request.url).map_err(|error| {
            HttpError::InvalidRequest(format!("'{}' is no absolute URL: {error}", request.url))
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            let scheme = url.scheme();
            return Err(HttpError::InvalidRequest(format!(
                "the URL has the scheme '{scheme}', expected http or https"
            )));
        }
        self.check_granted(&url)?;
        let request = head(&url, request)?;
        let response = self.outbound.client.request(request).await.map_err(|error| failed(&url, &error))?;
        read(&url, response).await
    }
}

/// The request as it goes out.
fn head(url: &Url, request: HttpRequest) -> Result<Request<Full<Bytes>>, HttpError> {
    let invalid = |text: String| HttpError::InvalidRequest(text);
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid(
            "the URL holds a user or a password: send them in the header 'authorization'".to_owned(),
        ));
    }
    let method = match Method::from_bytes(request.method.as_bytes()) {
        Ok(Method::CONNECT) | Err(_) => {
            return Err(invalid(format!("'{}' is not a method that can be sent", request.method)));
        }
        Ok(method) => method,
    };
    // Without its fragment, which is not for the server.
    let uri = &url[..url::Position::AfterQuery];
    let mut built = Request::builder().method(method).uri(uri);
    let mut has_agent = false;
    for (name, value) in request.headers {
        let known = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| invalid(format!("'{name}' is not a name of a header")))?;
        if RESERVED.contains(&known.as_str()) {
            return Err(invalid(format!("the header '{known}' is set by the engine: leave it out")));
        }
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| invalid(format!("the value of the header '{known}' holds a control character")))?;
        has_agent |= known == USER_AGENT;
        built = built.header(known, value);
    }
    if !has_agent {
        built = built.header(USER_AGENT, "granary");
    }
    built.body(Full::new(Bytes::from(request.body))).map_err(|error| invalid(error.to_string()))
}

/// The response, read to its end or to where it becomes too large.
async fn read(url: &Url, response: Response<Incoming>) -> Result<HttpResponse, HttpError> {
    let (head, body) = response.into_parts();
    let host = url.host_str().unwrap_or_default();
    let body = Limited::new(body, RESPONSE_BYTES_MAX).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            HttpError::TooLarge(format!(
                "the body of the response of '{host}' has more than {RESPONSE_BYTES_MAX} bytes: ask for it in parts"
            ))
        } else {
            HttpError::Failed(format!("the response of '{host}' broke off: {error}"))
        }
    })?;
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(HttpResponse {
        status: head.status.as_u16(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: body.to_bytes().into(),
    })
}

/// Why nothing came back: the last cause says it, those before only where it happened.
fn failed(url: &Url, error: &hyper_util::client::legacy::Error) -> HttpError {
    let host = url.host_str().unwrap_or_default();
    let mut last = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(private) = cause.downcast_ref::<Private>() {
            return HttpError::NotGranted(private.to_string());
        }
        last = cause.to_string();
        source = cause.source();
    }
    let what = if error.is_connect() { "cannot connect to" } else { "no response from" };
    HttpError::Failed(format!("{what} '{host}': {last}"))
}

#[cfg(test)]
mod tests;
