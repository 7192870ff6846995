//! What `GET /` answers, where an operator wants it to answer anything.

use std::str::FromStr;

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use crate::reply;

/// The answer to `GET /`. Written as a status and a text, such as `200 collector`; of a 3xx the text is the address
/// to go on to. An address alone stands for 302.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootResponse {
    status: StatusCode,
    text: String,
}

impl FromStr for RootResponse {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "expected an address to go on to such as https://acme.com/, or a status and a text such as \
                 '200 collector', but it is '{text}'"
            )
        };
        let text = text.trim();
        let (status, rest) = match text.split_once(' ').unwrap_or((text, "")) {
            (status, rest) if status.len() == 3 => (status.parse().map_err(|_| expected())?, rest.trim()),
            _ if text.contains("://") => (StatusCode::FOUND, text),
            _ => return Err(expected()),
        };
        let may_carry_it = status.as_u16() >= 200 && (!status.is_redirection() || rest.contains("://"));
        if !may_carry_it || HeaderValue::from_str(rest).is_err() {
            return Err(expected());
        }
        Ok(Self { status, text: rest.to_owned() })
    }
}

impl RootResponse {
    pub(crate) fn reply(&self) -> Response {
        if !self.status.is_redirection() {
            return reply::text(self.status, self.text.clone());
        }
        let mut response = reply::text(self.status, "");
        if let Ok(location) = HeaderValue::from_str(&self.text) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_or_refused() {
        let moved: RootResponse = "https://acme.com/".parse().unwrap();
        assert_eq!(moved.reply().status(), StatusCode::FOUND);
        assert_eq!(moved.reply().headers()[header::LOCATION], "https://acme.com/");
        let told: RootResponse = "404 nothing here".parse().unwrap();
        assert_eq!(told.reply().status(), StatusCode::NOT_FOUND);
        assert_eq!("204".parse::<RootResponse>().unwrap().reply().status(), StatusCode::NO_CONTENT);
        for text in ["", "yes", "301", "302 nowhere", "100 x", "999x y", "200 a\nb"] {
            assert!(text.parse::<RootResponse>().is_err(), "{text}");
        }
    }
}
