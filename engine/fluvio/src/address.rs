//! Where a cluster is, and how its topics are made: `fluvio://host:9003?profile=prod&replication=3`.

use std::str::FromStr;

use url::Url;

/// Port of an SC when the address names none.
const PORT_DEFAULT: u16 = 9003;

/// The address of a cluster, as `--stream` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `host:port` of the SC. `None` takes the one of the profile.
    pub endpoint: Option<String>,
    /// A profile of Fluvio's own configuration (`~/.fluvio/config`), which may bring certificates for TLS.
    pub profile: Option<String>,
    /// Copies of every topic, whatever is asked for it. `None` takes what is asked for, or else three, or as many as there
    /// are SPUs.
    pub replication: Option<u32>,
    /// Partitions of the streams that the collector writes.
    pub partitions: u32,
    /// What the names of all topics begin with. Two installations on one cluster need two prefixes.
    pub prefix: String,
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}; expected fluvio://host:9003, optionally with ?profile=, &replication=, &partitions= and &prefix="
)]
pub struct Mistake(String);

impl FromStr for Address {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let url = Url::parse(text).map_err(|error| Mistake(format!("'{text}' is no URL: {error}")))?;
        if url.scheme() != "fluvio" {
            return Err(Mistake(format!("'{}' is no kind of stream that there is", url.scheme())));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Mistake(
                "Fluvio knows no user in its address; it takes a certificate of a profile".to_owned(),
            ));
        }
        if !matches!(url.path(), "" | "/") {
            return Err(Mistake(format!("the path '{}' means nothing", url.path())));
        }
        let endpoint = url
            .host_str()
            .filter(|host| !host.is_empty())
            .map(|host| format!("{host}:{}", url.port().unwrap_or(PORT_DEFAULT)));
        let mut address =
            Self { endpoint, profile: None, replication: None, partitions: 1, prefix: "granary".to_owned() };
        for (name, value) in url.query_pairs() {
            let number = |most: u32| {
                value.parse::<u32>().ok().filter(|n| (1..=most).contains(n)).ok_or_else(|| {
                    Mistake(format!("{name} is '{value}' and has to be a number from 1 to {most}"))
                })
            };
            match &*name {
                "profile" => address.profile = Some(value.into_owned()),
                "replication" => address.replication = Some(number(100)?),
                "partitions" => address.partitions = number(1_000)?,
                "prefix" => address.prefix = prefix(&value)?,
                other => return Err(Mistake(format!("the parameter '{other}' is not known"))),
            }
        }
        if address.endpoint.is_none() && address.profile.is_none() {
            return Err(Mistake("neither a host nor a profile is named".to_owned()));
        }
        Ok(address)
    }
}

fn prefix(text: &str) -> Result<String, Mistake> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.is_empty()
        || text.len() > 40
        || !text.chars().all(fits)
        || text.starts_with('-')
        || text.ends_with('-')
    {
        return Err(Mistake(format!(
            "prefix is '{text}' and has to be of 1 to 40 letters a-z, digits and dashes, without a dash at its ends"
        )));
    }
    Ok(text.to_owned())
}

impl std::fmt::Display for Address {
    /// Who is meant, for messages: the endpoint, or the profile that names it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.endpoint, &self.profile) {
            (Some(endpoint), _) => write!(f, "{endpoint}"),
            (None, Some(profile)) => write!(f, "the cluster of profile '{profile}'"),
            (None, None) => write!(f, "no cluster"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read() {
        let address: Address =
            "fluvio://sc.example:9103?replication=3&partitions=8&prefix=green".parse().unwrap();
        assert_eq!(address.endpoint.as_deref(), Some("sc.example:9103"));
        assert_eq!((address.replication, address.partitions, &*address.prefix), (Some(3), 8, "green"));
        let address: Address = "fluvio://sc.example".parse().unwrap();
        assert_eq!((address.endpoint.as_deref(), address.partitions), (Some("sc.example:9003"), 1));
        let address: Address = "fluvio://?profile=prod".parse().unwrap();
        assert_eq!((address.endpoint.as_deref(), address.profile.as_deref()), (None, Some("prod")));
        assert_eq!(address.to_string(), "the cluster of profile 'prod'");
    }

    #[test]
    fn a_mistake_is_named() {
        for (text, expected) in [
            ("sc:9003", "'sc' is no kind of stream"),
            ("kafka://sc", "'kafka' is no kind of stream"),
            ("fluvio://", "neither a host nor a profile"),
            ("fluvio://sc?replicas=3", "'replicas' is not known"),
            ("fluvio://sc?replication=0", "replication is '0'"),
            ("fluvio://sc?prefix=Green_", "prefix is 'Green_'"),
            ("fluvio://sc/topic", "the path '/topic'"),
            ("fluvio://me:secret@sc", "no user"),
        ] {
            let mistake = text.parse::<Address>().unwrap_err().to_string();
            assert!(
                mistake.contains(expected) && mistake.contains("expected fluvio://"),
                "{text}: {mistake}"
            );
        }
    }
}
