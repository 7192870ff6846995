//! The settings of the collector.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use granary_collector::{Cookie, CookieName, Domain, Limits, Options};

use super::Take;

/// Settings that say more about the cookie, and nothing without it.
const OF_THE_COOKIE: [&str; 3] =
    ["collector-cookie-domains", "collector-cookie-fallback-domain", "collector-script-cookie"];

/// A port of the collector's own.
#[derive(Debug, Clone)]
pub struct Port {
    /// Its address.
    pub listen: SocketAddr,
    /// Files of certificate and key.
    pub tls: Option<(PathBuf, PathBuf)>,
}

pub(super) fn options(take: &mut Take<'_>) -> Options {
    let defaults = Options::default();
    Options {
        vendors: take.list("collector-vendors"),
        paths: take.list_explained("collector-paths"),
        trusted_proxies: take
            .list_parse("trusted-proxies", "an address such as 10.0.0.1 or a network such as 10.0.0.0/8"),
        cookie: cookie(take),
        do_not_track: take.optional_explained("collector-do-not-track"),
        redirect_domains: take.list_explained("collector-redirect-domains"),
        crossdomain: take.list_explained("collector-crossdomain"),
        root: take.optional_explained("collector-root-response"),
        micro_events_max: take.parse("collector-micro", "a number of events").unwrap_or_default(),
        access_log_every: take.parse("collector-access-log", "a whole number").unwrap_or_default(),
        body_bytes_max: body_bytes_max(take, defaults.in_flight_bytes_max),
        body_timeout: seconds(take, "collector-body-timeout"),
        ..defaults
    }
}

pub(super) fn port(take: &mut Take<'_>) -> Option<Port> {
    let certificate = take.optional("collector-tls-certificate").map(PathBuf::from);
    let key = take.optional("collector-tls-key").map(PathBuf::from);
    let listen = take.optional_parse("collector-listen", "an address and a port such as 0.0.0.0:8081");
    for (name, given, other) in [
        ("collector-tls-certificate", certificate.is_some(), "collector-tls-key"),
        ("collector-tls-key", key.is_some(), "collector-tls-certificate"),
    ] {
        if given && take.optional(other).is_none() {
            take.refuse(name, &format!("expected {other} beside it, but that is not set"));
        }
        if given && take.optional("collector-listen").is_none() {
            take.refuse(name, "expected a port to encrypt, but collector-listen is not set");
        }
    }
    Some(Port { listen: listen?, tls: certificate.zip(key) })
}

/// Of every port, whatever it serves.
pub(super) fn limits(take: &mut Take<'_>) -> Limits {
    Limits {
        connections_max: take
            .parse::<std::num::NonZeroUsize>("connections", "a number of connections, at least 1")
            .map_or(1, std::num::NonZeroUsize::get),
        idle_timeout: seconds(take, "idle-timeout"),
        ..Limits::default()
    }
}

fn cookie(take: &mut Take<'_>) -> Option<Cookie> {
    let name: Option<CookieName> = take.optional_explained("collector-cookie");
    let domains: Vec<Domain> = take.list_explained("collector-cookie-domains");
    let fallback_domain = take.optional_explained("collector-cookie-fallback-domain");
    let script_name = take.optional_explained("collector-script-cookie");
    let days: u32 = take.parse("collector-cookie-days", "a whole number of days").unwrap_or_default();
    if take.optional("collector-cookie").is_none() {
        for more in OF_THE_COOKIE {
            if take.optional(more).is_some() {
                take.refuse(more, "expected a cookie that it is about, but collector-cookie is not set");
            }
        }
    }
    let lifetime = Duration::from_secs(u64::from(days) * 24 * 60 * 60);
    Some(Cookie { name: name?, domains, fallback_domain, lifetime, script_name })
}

fn body_bytes_max(take: &mut Take<'_>, together: usize) -> usize {
    let bytes = take.bytes("collector-body-max").and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(1);
    if bytes == 0 || bytes > together {
        take.refuse(
            "collector-body-max",
            "expected a size from 1 to 256MiB, which all bodies together may take",
        );
    }
    bytes
}

fn seconds(take: &mut Take<'_>, name: &'static str) -> Duration {
    let seconds = take.parse::<std::num::NonZeroU32>(name, "a whole number of seconds, at least 1");
    Duration::from_secs(seconds.map_or(1, |seconds| u64::from(seconds.get())))
}

impl Take<'_> {
    fn optional_explained<T: FromStr<Err = String>>(&mut self, name: &str) -> Option<T> {
        if self.get(name).0.is_empty() { None } else { self.explained(name) }
    }

    fn list_explained<T: FromStr<Err = String>>(&mut self, name: &str) -> Vec<T> {
        let place = self.get(name).1.to_owned();
        let mut parsed = Vec::new();
        for item in self.list(name) {
            match item.parse() {
                Ok(value) => parsed.push(value),
                Err(mistake) => self.mistakes.push(format!("{place}: {mistake}")),
            }
        }
        parsed
    }

    /// For what is wrong with a value beside others.
    fn refuse(&mut self, name: &str, mistake: &str) {
        let mistake = format!("{}: {mistake}", self.get(name).1);
        self.mistakes.push(mistake);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Mistakes};

    fn load(flags: &[(&'static str, &str)]) -> Result<Config, Mistakes> {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let flags: Vec<_> = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Config::load(&flags, |_| None, Some(file.path()))
    }

    #[test]
    fn defaults_are_those_of_the_collector() {
        let config = load(&[]).expect("a good configuration");
        let ours = granary_collector::Options::default();
        assert_eq!(format!("{:?}", config.collector), format!("{ours:?}"));
        assert!(config.collector_port.is_none());
    }

    #[test]
    fn all_that_is_set_arrives() {
        let config = load(&[
            ("collector-listen", "[::]:8081"),
            ("collector-tls-certificate", "tls.pem"),
            ("collector-tls-key", "tls.key"),
            ("connections", "7"),
            ("idle-timeout", "60"),
            ("collector-vendors", "acme"),
            ("collector-paths", "/acme/x=/com.acme/v1, /acme/i=/i"),
            ("collector-cookie", "sp"),
            ("collector-cookie-days", "30"),
            ("collector-cookie-domains", "acme.com,acme.org"),
            ("collector-cookie-fallback-domain", "acme.net"),
            ("collector-script-cookie", "sp_js"),
            ("collector-do-not-track", "dnt=1|yes"),
            ("collector-redirect-domains", "acme.com,*.acme.com"),
            ("collector-crossdomain", "*"),
            ("collector-root-response", "https://acme.com/"),
            ("collector-micro", "500"),
            ("collector-access-log", "100"),
            ("collector-body-max", "8MiB"),
            ("collector-body-timeout", "5"),
        ])
        .expect("a good configuration");
        let options = config.collector;
        assert_eq!((options.vendors.len(), options.paths.len()), (1, 2));
        let cookie = options.cookie.expect("a cookie");
        assert_eq!((cookie.name.as_str(), cookie.domains.len()), ("sp", 2));
        assert_eq!(cookie.lifetime.as_secs(), 30 * 24 * 60 * 60);
        assert!(cookie.fallback_domain.is_some() && cookie.script_name.is_some());
        assert!(options.do_not_track.is_some() && options.root.is_some());
        assert_eq!((options.redirect_domains.len(), options.crossdomain.len()), (2, 1));
        assert_eq!((options.micro_events_max, options.access_log_every), (500, 100));
        assert_eq!((options.body_bytes_max, options.body_timeout.as_secs()), (8 << 20, 5));
        let port = config.collector_port.expect("a port");
        assert!(port.listen.is_ipv6() && port.tls.is_some());
        assert_eq!((config.limits.connections_max, config.limits.idle_timeout.as_secs()), (7, 60));
    }

    #[test]
    fn mistakes_say_what_was_expected() {
        for (name, value, expected) in [
            ("collector-paths", "/acme", "two paths"),
            ("collector-cookie", "a b", "name of a cookie"),
            ("collector-cookie-domains", "acme.com", "collector-cookie is not set"),
            ("collector-do-not-track", "dnt=(", "regular expression"),
            ("collector-redirect-domains", "https://acme.com", "a domain such as"),
            ("collector-root-response", "yes", "an address to go on to"),
            ("collector-tls-key", "tls.key", "collector-listen is not set"),
            ("collector-body-max", "1GiB", "256MiB"),
            ("collector-body-timeout", "0", "at least 1"),
            ("connections", "0", "at least 1"),
            ("collector-micro", "many", "a number of events"),
        ] {
            let Err(Mistakes(mistakes)) = load(&[(name, value)]) else { panic!("{name} took {value}") };
            let all = mistakes.join("\n");
            assert!(all.contains(&format!("--{name}")) && all.contains(expected), "{name}: {all}");
        }
    }
}
