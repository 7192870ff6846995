//! Whose address is recorded: the peer's, or the one that trusted proxies pass on.

use std::net::IpAddr;
use std::str::FromStr;

use http::HeaderMap;
use http::header;

/// A network such as `10.0.0.0/8`, `fd00::/8` or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{text}' is not a network: expected an address with an optional prefix length, such as 10.0.0.0/8 or ::1"
)]
pub struct NetworkError {
    text: String,
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let error = || NetworkError { text: text.to_owned() };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| error())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.trim().parse().ok().filter(|prefix| *prefix <= bits).ok_or_else(error)?,
            None => bits,
        };
        Ok(Self { address, prefix })
    }
}

impl Network {
    /// Whether the address lies in the network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let differing = ours.to_bits() ^ theirs.to_bits();
                differing.leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let differing = ours.to_bits() ^ theirs.to_bits();
                differing.leading_zeros() >= u32::from(self.prefix)
            }
            _ => false,
        }
    }
}

/// The client's address. Proxies append to `X-Forwarded-For`, or else to `Forwarded`, so it is read from its end: the
/// first address that is not a trusted proxy is the client, and what stands before it is hearsay. Where both are
/// there the first one counts.
pub(crate) fn client(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[Network]) -> Option<IpAddr> {
    let peer = peer?.to_canonical();
    let believed = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if trusted.is_empty() || !believed(peer) {
        return Some(peer);
    }
    let mut client = peer;
    let mut lines = headers.get_all("x-forwarded-for").into_iter().collect::<Vec<_>>();
    let standard = lines.is_empty();
    if standard {
        lines.extend(headers.get_all(header::FORWARDED));
    }
    // What is no text ends the search like any other hop that is no address.
    let hops = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    let hops = hops.map(|hop| std::str::from_utf8(hop).unwrap_or_default());
    let hops = hops.map(|hop| if standard { forwarded_for(hop) } else { hop });
    for hop in hops {
        let Some(address) = parse_hop(hop.trim()) else { break };
        client = address;
        if !believed(address) {
            break;
        }
    }
    Some(client)
}

/// The address in an element of `Forwarded`: `for="[2001:db8::1]:80";proto=https`.
fn forwarded_for(element: &str) -> &str {
    let value = element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value.trim())
    });
    value.unwrap_or("").trim_matches('"')
}

/// An address with or without port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = match hop.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None if hop.matches(':').count() == 1 => hop.split(':').next()?,
        None => hop,
    };
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn recorded(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_str(line).unwrap());
        }
        let trusted: Vec<Network> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        client(Some(peer.parse().unwrap()), &headers, &trusted).unwrap().to_string()
    }

    #[test]
    fn only_trusted_peers_may_name_the_client() {
        assert_eq!(recorded("192.0.2.9", &["1.2.3.4"], &[]), "192.0.2.9");
        assert_eq!(recorded("192.0.2.9", &["1.2.3.4"], &["10.0.0.0/8"]), "192.0.2.9");
        assert_eq!(recorded("10.1.1.1", &["1.2.3.4"], &["10.0.0.0/8"]), "1.2.3.4");
        assert_eq!(recorded("10.1.1.1", &[], &["10.0.0.0/8"]), "10.1.1.1");
    }

    #[test]
    fn the_last_address_that_is_no_proxy_counts() {
        assert_eq!(recorded("10.1.1.1", &["6.6.6.6, 1.2.3.4, 10.2.2.2"], &["10.0.0.0/8"]), "1.2.3.4");
        assert_eq!(recorded("10.1.1.1", &["6.6.6.6", "1.2.3.4:55, 10.2.2.2"], &["10.0.0.0/8"]), "1.2.3.4");
        assert_eq!(recorded("::1", &["[2001:db8::1]:443"], &["::1"]), "2001:db8::1");
        assert_eq!(recorded("::ffff:10.1.1.1", &["::ffff:1.2.3.4"], &["10.0.0.0/8"]), "1.2.3.4");
        assert_eq!(recorded("10.1.1.1", &["<script>, 10.2.2.2"], &["10.0.0.0/8"]), "10.2.2.2");
    }

    #[test]
    fn the_standard_header_counts_where_the_usual_one_is_absent() {
        let recorded = |line: &'static str, usual: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.append(header::FORWARDED, HeaderValue::from_static(line));
            if let Some(usual) = usual {
                headers.append("x-forwarded-for", HeaderValue::from_static(usual));
            }
            let trusted = ["10.0.0.0/8".parse().unwrap()];
            client(Some("10.1.1.1".parse().unwrap()), &headers, &trusted).unwrap().to_string()
        };
        assert_eq!(recorded("for=1.2.3.4;proto=https, for=10.9.9.9", None), "1.2.3.4");
        assert_eq!(recorded("proto=http;For=\"[2001:db8::1]:47\"", None), "2001:db8::1");
        assert_eq!(recorded("for=_hidden", None), "10.1.1.1");
        assert_eq!(recorded("by=1.2.3.4", None), "10.1.1.1");
        assert_eq!(recorded("for=1.2.3.4", Some("5.6.7.8")), "5.6.7.8");
    }

    #[test]
    fn networks_are_read_or_refused() {
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains("9.9.9.9".parse().unwrap()));
        assert!(!"10.0.0.0/9".parse::<Network>().unwrap().contains("10.128.0.0".parse().unwrap()));
        assert!("::/0".parse::<Network>().unwrap().contains("::5".parse().unwrap()));
        for text in ["", "10.0.0.0/33", "::1/129", "ten", "10.0.0.0/x", "1.2.3.4/-1"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
