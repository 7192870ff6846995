//! Names of hosts that an operator allows.

use std::str::FromStr;

/// A domain such as `acme.com`. It covers itself and every host below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain(String);

/// Which hosts are meant: `acme.com` is that host alone, `*.acme.com` every host below it, `*` every host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainPattern {
    text: String,
}

impl FromStr for Domain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A dot in front is how cookies used to be written.
        let name = text.trim().trim_start_matches('.').to_ascii_lowercase();
        if is_name(&name) {
            Ok(Self(name))
        } else {
            Err(format!("expected a domain such as acme.com, but it is '{text}'"))
        }
    }
}

impl Domain {
    /// Its name in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the host is the domain or lies below it; `notacme.com` does not lie below `acme.com`.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        let Some(start) = host.len().checked_sub(self.0.len()) else { return false };
        let (before, end) = host.as_bytes().split_at(start);
        end.eq_ignore_ascii_case(self.0.as_bytes()) && before.last().is_none_or(|border| *border == b'.')
    }
}

impl FromStr for DomainPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pattern = text.trim().to_ascii_lowercase();
        if pattern == "*" || is_name(pattern.strip_prefix("*.").unwrap_or(&pattern)) {
            Ok(Self { text: pattern })
        } else {
            Err(format!("expected a domain such as acme.com, *.acme.com or *, but it is '{text}'"))
        }
    }
}

impl DomainPattern {
    /// As it was written, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the host is meant.
    #[must_use]
    pub fn allows(&self, host: &str) -> bool {
        match self.text.strip_prefix('*') {
            None => host.eq_ignore_ascii_case(&self.text),
            Some("") => true,
            Some(below) => {
                let start = host.len().checked_sub(below.len()).filter(|start| *start > 0);
                start.is_some_and(|start| host.as_bytes()[start..].eq_ignore_ascii_case(below.as_bytes()))
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_covers_itself_and_what_is_below_at_a_label_border() {
        let domain: Domain = ".Acme.com".parse().unwrap();
        for host in ["acme.com", "shop.acme.com", "A.B.ACME.COM"] {
            assert!(domain.covers(host), "{host}");
        }
        for host in ["notacme.com", "acme.com.evil.com", "com", "", "acme.co", "\u{fc}acme.com"] {
            assert!(!domain.covers(host), "{host}");
        }
    }

    #[test]
    fn pattern_allows_what_it_says() {
        let allows = |pattern: &str, host| pattern.parse::<DomainPattern>().unwrap().allows(host);
        assert!(allows("acme.com", "ACME.com") && allows("*.acme.com", "a.acme.com") && allows("*", "x"));
        assert!(!allows("acme.com", "a.acme.com") && !allows("*.acme.com", "acme.com"));
        assert!(!allows("*.acme.com", ".acme.com") && !allows("*.acme.com", "notacme.com"));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "acme..com", "acme.com/x", "a b", "acme.com;x", "https://acme.com", "*"] {
            assert!(text.parse::<Domain>().is_err(), "{text}");
        }
        for text in ["", "**", "*acme.com", "a.*.com", "*."] {
            assert!(text.parse::<DomainPattern>().is_err(), "{text}");
        }
    }
}
