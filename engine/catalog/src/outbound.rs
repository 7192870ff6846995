//! The hosts that belts send requests to: `api.example.com`, `api.example.com:8443`, `*.example.com`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The ports that a pattern without one means: those that URLs of the two schemes leave out.
const PORTS: [u16; 2] = [80, 443];

/// A host or a group of hosts, as belts are granted them and as the operator allows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    name: Name,
    /// `None` is 80 and 443; of `*` it is every port.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    /// `*`.
    Any,
    /// One host, in the form that URLs have it: lower case, IPv6 in brackets.
    Exact(String),
    /// `*.domain`: every host below the domain, not the domain itself.
    Below(String),
}

impl HostPattern {
    /// Whether requests to that host, as URLs have it, and port are meant.
    #[must_use]
    pub fn matches(&self, host: &str, port: u16) -> bool {
        let is_port = match self.port {
            Some(own) => own == port,
            None => self.name == Name::Any || PORTS.contains(&port),
        };
        is_port && self.name.matches(host.trim_end_matches('.'))
    }

    /// Whether it is that very host, and not a group that the host is part of.
    #[must_use]
    pub fn names(&self, host: &str, port: u16) -> bool {
        matches!(self.name, Name::Exact(_)) && self.matches(host, port)
    }

    /// Whether everything that the other means is meant, too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let is_port = match (self.port, other.port) {
            (None, _) if self.name == Name::Any => true,
            (None, port) => port.is_none_or(|port| PORTS.contains(&port)),
            (own, port) => own == port,
        };
        is_port
            && match (&self.name, &other.name) {
                (Name::Any, _) => true,
                (own, Name::Exact(host)) => own.matches(host),
                (Name::Below(own), Name::Below(domain)) => own == domain || self.name.matches(domain),
                (Name::Exact(_), Name::Below(_)) | (_, Name::Any) => false,
            }
    }

    /// Whether it is `*`.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.name == Name::Any
    }
}

impl Name {
    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(own) => own.eq_ignore_ascii_case(host),
            Self::Below(domain) => host
                .len()
                .checked_sub(domain.len() + 1)
                .and_then(|at| host.split_at_checked(at))
                .and_then(|(_, rest)| rest.strip_prefix('.'))
                .is_some_and(|rest| rest.eq_ignore_ascii_case(domain)),
        }
    }
}

impl FromStr for HostPattern {
    /// Completes "Parameter 'outboundHosts[0]' ...".
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!(
                "must be a host such as api.example.com, api.example.com:8443 or *.example.com but is '{text}'{why}"
            )
        };
        if text == "*" {
            return Ok(Self { name: Name::Any, port: None });
        }
        if text.contains("://") || text.contains('/') {
            return Err(wrong(": leave out scheme and path"));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                let port = port.parse::<u16>().ok().filter(|port| *port > 0);
                (
                    host,
                    Some(port.ok_or_else(|| {
                        wrong(": a port is a number from 1 to 65535, and an IPv6 address stands in brackets")
                    })?),
                )
            }
            _ => (text, None),
        };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let name = if let Some(domain) = host.strip_prefix("*.") {
            is_domain(domain).then(|| Name::Below(domain.to_owned()))
        } else if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            address.parse::<Ipv6Addr>().ok().map(|address| Name::Exact(format!("[{address}]")))
        } else {
            (is_domain(&host) || host.parse::<Ipv4Addr>().is_ok()).then(|| Name::Exact(host.clone()))
        };
        match name {
            Some(name) => Ok(Self { name, port }),
            None if !host.is_ascii() => Err(wrong(": write the name in its ASCII form, xn--...")),
            None => Err(wrong("")),
        }
    }
}

/// Whether it is a name and not a number: URLs read `127.1` and `0x7f000001` as addresses.
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with(|c: char| c.is_ascii_digit());
    text.len() <= 253 && text.split('.').all(is_label) && !is_number
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Name::Any => f.write_str("*")?,
            Name::Exact(host) => f.write_str(host)?,
            Name::Below(domain) => write!(f, "*.{domain}")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn a_pattern_means_its_hosts_and_ports_and_no_others() {
        for (text, host, port, expected) in [
            ("api.example.com", "api.example.com", 443, true),
            ("api.example.com", "API.example.com.", 80, true),
            ("api.example.com", "api.example.com", 8080, false),
            ("api.example.com", "evil-api.example.com", 443, false),
            ("api.example.com:8080", "api.example.com", 8080, true),
            ("api.example.com:8080", "api.example.com", 443, false),
            ("*.example.com", "a.b.example.com", 443, true),
            ("*.example.com", "example.com", 443, false),
            ("*.example.com", "evilexample.com", 443, false),
            ("*.example.com", "example.com.evil.net", 443, false),
            ("[0:0::1]:9000", "[::1]", 9000, true),
            ("*", "anything", 1234, true),
        ] {
            assert_eq!(pattern(text).matches(host, port), expected, "{text} {host}:{port}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            "https://a.b",
            "a.b/c",
            "a b",
            "*.",
            "*",
            "a.*",
            "a:0",
            "a:99999",
            "::1",
            "[::1",
            "127.1",
            "0x7f000001",
            "bücher.de",
            "a..b",
            "user@a.b",
        ] {
            let is_refused = text.parse::<HostPattern>().is_err() || text == "*";
            assert!(is_refused, "{text}");
        }
    }

    #[test]
    fn a_setting_covers_what_is_part_of_it() {
        for (setting, grant, expected) in [
            ("*", "*.example.com:99", true),
            ("*.example.com", "api.example.com", true),
            ("*.example.com", "*.eu.example.com", true),
            ("*.example.com", "*.com", false),
            ("*.example.com", "api.example.com:99", false),
            ("api.example.com:99", "api.example.com:99", true),
            ("api.example.com:99", "api.example.com", false),
            ("api.example.com", "*.example.com", false),
        ] {
            assert_eq!(pattern(setting).covers(&pattern(grant)), expected, "{setting} {grant}");
        }
    }
}
