//! Configuration: embedded defaults, then `granary.toml`, then `GRANARY_*`, then flags. All mistakes are reported at
//! once.

pub mod collector;
pub mod setting;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use granary_catalog::HostPattern;

use crate::node::roles::Roles;
use crate::runtimes::Places;
use crate::streams::StreamChoice;
use setting::SETTINGS;

/// Format of the engine's own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The checked configuration of `granary up`. Fields are documented in [`setting::SETTINGS`].
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each field is a row of the settings table")]
pub struct Config {
    pub data_dir: PathBuf,
    pub listen: SocketAddr,
    pub public_url: Option<String>,
    pub database: Option<tokio_postgres::Config>,
    pub postgres_bin: Option<PathBuf>,
    pub postgres_port: u16,
    pub cache_dir: PathBuf,
    pub runtimes: Places,
    pub stream: StreamChoice,
    pub roles: Roles,
    pub log_disk_bytes_max: Option<u64>,
    pub log_disk_bytes_reserve: u64,
    pub log_queue_bytes_max: usize,
    pub collector: granary_collector::Options,
    pub collector_port: Option<collector::Port>,
    pub limits: granary_collector::Limits,
    pub outbound_hosts: Arc<[HostPattern]>,
    pub open_metrics: bool,
    pub log_format: LogFormat,
    pub log_level: String,
    pub shutdown_timeout: Duration,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has {} mistake(s):\n  - {}", .0.len(), .0.join("\n  - "))]
pub struct Mistakes(pub Vec<String>);

/// Values by setting name, each with the place that it came from.
type Values = HashMap<&'static str, (String, String)>;

impl Config {
    /// Puts the layers together. `flags` are pairs of setting name and value; `file` is the configuration file that the
    /// user named, if any.
    ///
    /// # Errors
    /// All mistakes of all layers, each with its place, what was expected and what came.
    pub fn load(
        flags: &[(&'static str, String)],
        environment: impl Fn(&str) -> Option<String>,
        file: Option<&Path>,
    ) -> Result<Self, Mistakes> {
        let mut mistakes = Vec::new();
        let mut values: Values =
            SETTINGS.iter().map(|s| (s.name, (s.default.to_owned(), "the default".to_owned()))).collect();
        read_file(file, &mut values, &mut mistakes);
        for setting in SETTINGS {
            if let Some(value) = environment(&setting.variable()) {
                values.insert(setting.name, (value, setting.variable()));
            }
        }
        for (name, value) in flags {
            values.insert(name, (value.clone(), format!("--{name}")));
        }
        let mut take = Take { values: &values, mistakes: &mut mistakes };
        let data_dir = PathBuf::from(take.text("data-dir"));
        let config = Self {
            listen: take
                .parse("listen", "an address and a port such as 127.0.0.1:8080")
                .unwrap_or_else(unspecified),
            public_url: take.optional("public-url").map(|u| u.trim_end_matches('/').to_owned()),
            database: take
                .optional_parse("database-url", "a URL such as postgres://user:password@host:5432/database"),
            postgres_bin: take.optional("postgres-bin").map(PathBuf::from),
            postgres_port: take.parse("postgres-port", "a port from 0 to 65535").unwrap_or_default(),
            cache_dir: take.optional("cache-dir").map_or_else(|| data_dir.join("cache"), PathBuf::from),
            runtimes: Places {
                python: take.optional("python-runtime").map(PathBuf::from),
                javascript: take.optional("javascript-runtime").map(PathBuf::from),
                javascript_transform: take.optional("javascript-transform-runtime").map(PathBuf::from),
                groovy: take.optional("groovy-runtime").map(PathBuf::from),
            },
            stream: take.explained("stream").unwrap_or(StreamChoice::Embedded),
            roles: take.explained("roles").unwrap_or_default(),
            log_disk_bytes_max: take.bytes("log-disk-max").filter(|b| *b > 0),
            log_disk_bytes_reserve: take.bytes("log-disk-reserve").unwrap_or_default(),
            log_queue_bytes_max: take
                .bytes("log-queue-max")
                .and_then(|b| usize::try_from(b).ok())
                .unwrap_or_default(),
            collector: collector::options(&mut take),
            collector_port: collector::port(&mut take),
            limits: collector::limits(&mut take),
            outbound_hosts: take
                .list_parse(
                    "outbound-hosts",
                    "hosts such as api.example.com, api.example.com:8443, *.example.com or *",
                )
                .into(),
            open_metrics: take.parse("open-metrics", "true or false").unwrap_or_default(),
            log_format: take.parse("log-format", "text or json").unwrap_or(LogFormat::Text),
            log_level: take.filter("log-level"),
            shutdown_timeout: Duration::from_secs(
                take.parse("shutdown-timeout", "a whole number of seconds").unwrap_or(30),
            ),
            data_dir,
        };
        if config.stream == StreamChoice::Embedded && !config.roles.is_all() {
            mistakes.push(format!(
                "{}: the embedded log belongs to one process, which has to run everything; several need --stream fluvio://",
                values["roles"].1
            ));
        }
        if mistakes.is_empty() { Ok(config) } else { Err(Mistakes(mistakes)) }
    }

    /// The commented file with every default, as `granary config` prints it.
    #[must_use]
    pub fn default_file() -> String {
        let mut out = String::from(
            "# granary.toml: every setting with its default. Flags win over GRANARY_* variables, those over this file.\n",
        );
        for setting in SETTINGS {
            let _ = write!(
                out,
                "\n# {}.\n# ({}, or the flag --{})\n",
                setting.help,
                setting.variable(),
                setting.name
            );
            let _ = writeln!(out, "#{} = \"{}\"", setting.key(), setting.default);
        }
        out
    }
}

fn unspecified() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn read_file(named: Option<&Path>, values: &mut Values, mistakes: &mut Vec<String>) {
    let path = named.unwrap_or_else(|| Path::new("granary.toml"));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if named.is_none() && e.kind() == std::io::ErrorKind::NotFound => return,
        Err(e) => {
            mistakes.push(format!("{}: the file cannot be read: {e}", path.display()));
            return;
        }
    };
    let table = match toml::Table::from_str(&text) {
        Ok(table) => table,
        Err(e) => {
            mistakes.push(format!("{}: {}", path.display(), e.to_string().trim_end()));
            return;
        }
    };
    for (key, value) in table {
        let place = format!("'{key}' in {}", path.display());
        let Some(setting) = SETTINGS.iter().find(|s| s.key() == key) else {
            let known: Vec<String> = SETTINGS.iter().map(setting::Setting::key).collect();
            mistakes.push(format!("{place}: there is no such setting; there are {}", known.join(", ")));
            continue;
        };
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(n) => n.to_string(),
            toml::Value::Boolean(b) => b.to_string(),
            toml::Value::Array(items) if items.iter().all(toml::Value::is_str) => {
                items.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>().join(",")
            }
            other => {
                mistakes.push(format!(
                    "{place}: expected {}, but it is a {}",
                    setting.value,
                    other.type_str()
                ));
                continue;
            }
        };
        values.insert(setting.name, (text, place));
    }
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(s: &str) -> Result<Self, ()> {
        match s {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

/// Takes typed values out of the table and collects what is wrong.
struct Take<'a> {
    values: &'a Values,
    mistakes: &'a mut Vec<String>,
}

impl Take<'_> {
    fn get(&self, name: &str) -> (&str, &str) {
        self.values.get(name).map_or(("", ""), |(v, place)| (v.as_str(), place.as_str()))
    }

    fn text(&mut self, name: &str) -> String {
        let (value, place) = self.get(name);
        let (value, place) = (value.to_owned(), place.to_owned());
        if value.is_empty() {
            self.mistakes.push(format!("{place}: '{name}' must not be empty"));
        }
        value
    }

    fn optional(&self, name: &str) -> Option<String> {
        let (value, _) = self.get(name);
        (!value.is_empty()).then(|| value.to_owned())
    }

    fn parse<T: FromStr>(&mut self, name: &str, expected: &str) -> Option<T> {
        let (value, place) = self.get(name);
        match value.parse() {
            Ok(parsed) => Some(parsed),
            Err(_) => {
                let mistake = format!("{place}: expected {expected}, but it is '{value}'");
                self.mistakes.push(mistake);
                None
            }
        }
    }

    /// For a value whose own mistake says what was expected.
    fn explained<T: FromStr<Err = String>>(&mut self, name: &str) -> Option<T> {
        let (value, place) = self.get(name);
        match value.parse() {
            Ok(parsed) => Some(parsed),
            Err(mistake) => {
                let mistake = format!("{place}: {mistake}");
                self.mistakes.push(mistake);
                None
            }
        }
    }

    fn optional_parse<T: FromStr>(&mut self, name: &str, expected: &str) -> Option<T> {
        if self.get(name).0.is_empty() { None } else { self.parse(name, expected) }
    }

    fn bytes(&mut self, name: &str) -> Option<u64> {
        let (value, place) = self.get(name);
        let parsed = parse_bytes(value);
        if parsed.is_none() {
            let mistake = format!("{place}: expected a size such as 500MiB or 20GiB, but it is '{value}'");
            self.mistakes.push(mistake);
        }
        parsed
    }

    fn list(&self, name: &str) -> Vec<String> {
        self.get(name).0.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()
    }

    fn list_parse<T: FromStr>(&mut self, name: &str, expected: &str) -> Vec<T> {
        let place = self.get(name).1.to_owned();
        let mut parsed = Vec::new();
        for item in self.list(name) {
            match item.parse() {
                Ok(value) => parsed.push(value),
                Err(_) => {
                    self.mistakes.push(format!("{place}: expected {expected}, but an item is '{item}'"));
                }
            }
        }
        parsed
    }

    fn filter(&mut self, name: &str) -> String {
        let (value, place) = self.get(name);
        if let Err(e) = tracing_subscriber::EnvFilter::try_new(value) {
            let mistake = format!("{place}: expected a level such as info, but it is '{value}' ({e})");
            self.mistakes.push(mistake);
        }
        self.get(name).0.to_owned()
    }
}

/// `500`, `64KiB`, `20 GiB`, `1GB`.
fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit: u64 = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "tib" | "t" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return None,
    };
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, env: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Result<Config, Mistakes> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("granary.toml");
        std::fs::write(&path, file).expect("the file is written");
        let env: HashMap<String, String> =
            env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let flags: Vec<_> = flags.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
        Config::load(&flags, |name| env.get(name).cloned(), Some(&path))
    }

    #[test]
    fn flags_win_over_environment_over_file_over_defaults() {
        let config = load(
            "listen = \"127.0.0.1:1\"\nopen_metrics = true\nlog_disk_reserve = \"1GiB\"\npostgres_port = 7",
            &[("GRANARY_LISTEN", "127.0.0.1:2"), ("GRANARY_POSTGRES_PORT", "8")],
            &[("listen", "127.0.0.1:3")],
        )
        .expect("a good configuration");
        assert_eq!(config.listen.port(), 3);
        assert_eq!(config.postgres_port, 8);
        assert!(config.open_metrics);
        assert_eq!(config.log_disk_bytes_reserve, 1 << 30);
        assert_eq!(config.cache_dir, Path::new("./granary-data/cache"));
    }

    #[test]
    fn all_mistakes_are_reported_at_once_with_their_places() {
        let Err(Mistakes(mistakes)) = load(
            "listne = \"x\"\nlog_disk_max = \"many\"",
            &[("GRANARY_POSTGRES_PORT", "70000")],
            &[("log-format", "xml"), ("trusted-proxies", "10.0.0.1, nowhere"), ("stream", "kafka://x")],
        ) else {
            panic!("a bad configuration was accepted")
        };
        let all = mistakes.join("\n");
        for part in [
            "'listne' in ",
            "'log_disk_max' in ",
            "GRANARY_POSTGRES_PORT",
            "--log-format",
            "'nowhere'",
            "--stream: 'kafka'",
        ] {
            assert!(all.contains(part), "{part} is missing in:\n{all}");
        }
        assert_eq!(mistakes.len(), 6);
    }

    #[test]
    fn roles_need_a_stream_that_several_processes_share() {
        let Err(Mistakes(mistakes)) = load("", &[], &[("roles", "api,worker")]) else {
            panic!("a bad configuration was accepted")
        };
        assert!(mistakes[0].starts_with("--roles: the embedded log belongs to one process"), "{mistakes:?}");
        #[cfg(feature = "fluvio")]
        load("", &[], &[("roles", "worker"), ("stream", "fluvio://sc.example")])
            .expect("a good configuration");
    }

    #[test]
    fn the_default_file_is_valid_when_uncommented_and_names_every_setting() {
        let text = Config::default_file();
        let mut values = String::new();
        for line in text.lines().filter(|l| l.starts_with('#') && l.contains(" = \"")) {
            values.push_str(&line[1..]);
            values.push('\n');
        }
        assert_eq!(values.lines().count(), SETTINGS.len());
        load(&values, &[], &[]).expect("the defaults are a good configuration");
    }
}
