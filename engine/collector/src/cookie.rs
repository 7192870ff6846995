//! Cookies: reading those of a request, and the one by which a client is known again.

use std::str::FromStr;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};
use regex::bytes::Regex;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::Domain;

/// A value longer than this is not handed back to the client: browsers drop a cookie of more than 4,096 bytes.
const VALUE_BYTES_MAX: usize = 3_000;
/// Date of an HTTP header, always in UTC.
const DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// The cookie that carries `networkUserId` from one request of a client to its next. Always `Secure`, `HttpOnly`,
/// `SameSite=None` and `Path=/`: without these no browser sends it across sites.
#[derive(Debug, Clone)]
pub struct Cookie {
    /// Its name; Snowplow's is `sp`.
    pub name: CookieName,
    /// Domains to set it for. The first that covers a host of `Origin` is taken.
    pub domains: Vec<Domain>,
    /// The domain when none of them does. Without it the cookie belongs to the host that was asked.
    pub fallback_domain: Option<Domain>,
    /// How long it lives.
    pub lifetime: Duration,
    /// A second cookie of this name with the same value, which scripts of the page may read.
    pub script_name: Option<CookieName>,
}

/// The name of a cookie: a token of HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieName(String);

/// The cookie by which a client asks not to be tracked: its requests are answered as usual, and nothing is stored.
/// Written `name=pattern`; the pattern is a regular expression that has to match all of the value. The name alone
/// stands for any value.
#[derive(Debug, Clone)]
pub struct DoNotTrack {
    name: CookieName,
    value: Regex,
}

impl Cookie {
    /// Snowplow's cookie `sp` of 365 days, for the host that was asked.
    #[must_use]
    pub fn sp() -> Self {
        Self {
            name: CookieName("sp".to_owned()),
            domains: Vec::new(),
            fallback_domain: None,
            lifetime: Duration::from_secs(365 * 24 * 60 * 60),
            script_name: None,
        }
    }

    /// What makes the client send `id` from now on. Nothing when a cookie cannot hold it.
    pub(crate) fn set(&self, id: &str, origin: Option<&HeaderValue>, now_ms: i64) -> Vec<HeaderValue> {
        // Everything else could end the value and begin an attribute.
        let plain = |byte: u8| matches!(byte, b'!' | b'#'..=b'+' | b'-'..=b':' | b'<'..=b'[' | b']'..=b'~');
        if id.len() > VALUE_BYTES_MAX || !id.bytes().all(plain) {
            return Vec::new();
        }
        let lifetime_ms = i64::try_from(self.lifetime.as_millis()).unwrap_or(i64::MAX);
        self.lines(id, origin, now_ms.saturating_add(lifetime_ms))
    }

    /// What makes the client forget the cookie.
    pub(crate) fn expire(&self, origin: Option<&HeaderValue>) -> Vec<HeaderValue> {
        self.lines("", origin, 0)
    }

    fn lines(&self, value: &str, origin: Option<&HeaderValue>, expires_ms: i64) -> Vec<HeaderValue> {
        let expires = date(expires_ms);
        let domain = match self.domain(origin) {
            Some(domain) => format!("; Domain={}", domain.as_str()),
            None => String::new(),
        };
        let line = |name: &CookieName, only: &str| {
            format!("{}={value}; Expires={expires}{domain}; Path=/; Secure{only}; SameSite=None", name.0)
        };
        let second = self.script_name.as_ref().map(|name| line(name, ""));
        let lines = [Some(line(&self.name, "; HttpOnly")), second].into_iter().flatten();
        lines.filter_map(|line| HeaderValue::from_str(&line).ok()).collect()
    }

    fn domain(&self, origin: Option<&HeaderValue>) -> Option<&Domain> {
        let hosts: Vec<&str> = origin.and_then(|origin| origin.to_str().ok()).map(hosts).unwrap_or_default();
        let known = self.domains.iter().find(|domain| hosts.iter().any(|host| domain.covers(host)));
        known.or(self.fallback_domain.as_ref())
    }
}

impl CookieName {
    /// The name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CookieName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if !text.is_empty() && text.len() <= 128 && text.bytes().all(token) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("expected the name of a cookie such as sp, but it is '{text}'"))
        }
    }
}

impl FromStr for DoNotTrack {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, pattern) = text.split_once('=').unwrap_or((text, "(?s-u:.*)"));
        let value = Regex::new(&format!("^(?:{pattern})$")).map_err(|error| {
            format!("expected name=pattern with a regular expression, but '{pattern}' is none: {error}")
        })?;
        Ok(Self { name: name.trim().parse()?, value })
    }
}

impl DoNotTrack {
    /// Whether the client asks for it.
    pub(crate) fn asked(&self, headers: &HeaderMap) -> bool {
        pairs(headers).any(|(name, value)| name == self.name.0.as_bytes() && self.value.is_match(value))
    }
}

/// Names and values of all cookies of a request. What has no equals sign is no cookie.
pub(crate) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = headers.get_all(header::COOKIE).into_iter();
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';')).filter_map(|cookie| {
        let equals = cookie.iter().position(|byte| *byte == b'=')?;
        Some((cookie[..equals].trim_ascii(), cookie[equals + 1..].trim_ascii()))
    })
}

/// The value of the first cookie of that name, when it is text and not empty.
pub(crate) fn value<'a>(headers: &'a HeaderMap, name: &CookieName) -> Option<&'a str> {
    let mut found = pairs(headers).filter(|(this, _)| *this == name.0.as_bytes());
    found.next().and_then(|(_, value)| std::str::from_utf8(value).ok()).filter(|value| !value.is_empty())
}

/// Hosts of an `Origin`, which may list several.
fn hosts(origin: &str) -> Vec<&str> {
    origin.split_ascii_whitespace().filter_map(host_of).collect()
}

fn host_of(origin: &str) -> Option<&str> {
    let (_, rest) = origin.split_once("://")?;
    let authority = rest.split('/').next()?;
    authority.split(':').next()
}

fn date(time_ms: i64) -> String {
    let time = time::OffsetDateTime::from_unix_timestamp(time_ms.div_euclid(1_000));
    let time = time.unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    time.format(DATE).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (header::COOKIE, HeaderValue::from_static(line))).collect()
    }

    fn domain_of(cookie: &Cookie, origin: &'static str) -> String {
        let line = cookie.set("x", Some(&HeaderValue::from_static(origin)), 0).remove(0);
        let line = line.to_str().unwrap().to_owned();
        line.split("; ").find_map(|part| part.strip_prefix("Domain=")).unwrap_or("none").to_owned()
    }

    #[test]
    fn cookie_has_the_attributes_that_browsers_ask_for_across_sites() {
        let set = Cookie::sp().set("id-1", None, 1_700_000_000_000);
        assert_eq!(
            set,
            ["sp=id-1; Expires=Wed, 13 Nov 2024 22:13:20 GMT; Path=/; Secure; HttpOnly; SameSite=None"]
        );
        let expired = Cookie::sp().expire(None);
        assert_eq!(
            expired,
            ["sp=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/; Secure; HttpOnly; SameSite=None"]
        );
    }

    #[test]
    fn scripts_may_read_the_second_cookie_only() {
        let cookie = Cookie { script_name: Some("sp_js".parse().unwrap()), ..Cookie::sp() };
        let lines = cookie.set("id", None, 0);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].to_str().unwrap().contains("HttpOnly"));
        let second = lines[1].to_str().unwrap();
        assert!(second.starts_with("sp_js=id; ") && !second.contains("HttpOnly"), "{second}");
    }

    #[test]
    fn domain_is_the_first_that_covers_the_origin_else_the_fallback() {
        let domains = vec!["acme.com".parse().unwrap(), "acme.org".parse().unwrap()];
        let cookie = Cookie { domains, ..Cookie::sp() };
        assert_eq!(domain_of(&cookie, "https://shop.acme.com"), "acme.com");
        assert_eq!(domain_of(&cookie, "https://acme.org:8443"), "acme.org");
        assert_eq!(domain_of(&cookie, "https://x.example https://a.acme.org"), "acme.org");
        assert_eq!(domain_of(&cookie, "https://notacme.com"), "none");
        assert_eq!(domain_of(&cookie, "null"), "none");
        let cookie = Cookie { fallback_domain: Some("fall.example".parse().unwrap()), ..cookie };
        assert_eq!(domain_of(&cookie, "https://notacme.com"), "fall.example");
        assert_eq!(domain_of(&cookie, "https://acme.com"), "acme.com");
    }

    #[test]
    fn value_that_would_end_the_cookie_is_not_handed_back() {
        for id in ["a;Domain=evil.com", "a b", "a\"b", "a,b", "a\\b", "\u{fc}", "a\r\nSet-Cookie: x=y"] {
            assert!(Cookie::sp().set(id, None, 0).is_empty(), "{id}");
        }
        assert!(Cookie::sp().set(&"x".repeat(4_000), None, 0).is_empty());
    }

    #[test]
    fn first_cookie_of_a_name_counts() {
        let name: CookieName = "sp".parse().unwrap();
        assert_eq!(value(&headers(&["a=b; sp=one;sp=two", "sp=three"]), &name), Some("one"));
        assert_eq!(value(&headers(&["xsp=1; sp", "sp=a=b"]), &name), Some("a=b"));
        assert_eq!(value(&headers(&["sp="]), &name), None);
    }

    #[test]
    fn all_of_the_value_has_to_match_the_pattern() {
        let asked = |setting: &str, line| setting.parse::<DoNotTrack>().unwrap().asked(&headers(&[line]));
        assert!(asked("dnt=yes|1", "a=b; dnt=1") && asked("dnt=yes|1", "dnt=yes") && asked("dnt", "dnt=x"));
        assert!(!asked("dnt=yes|1", "dnt=10") && !asked("dnt=yes|1", "xdnt=1") && !asked("dnt", "other=1"));
        assert!("dnt=(".parse::<DoNotTrack>().unwrap_err().contains("regular expression"));
        assert!("d t=1".parse::<DoNotTrack>().unwrap_err().contains("name of a cookie"));
    }
}
