//! The interfaces of `granary:belt`: what a compiled belt may ask of the engine.

use serde_json::Value;

use super::State;
use super::log::Level;
use super::metrics::Figure;
use crate::bindings::belt::granary::belt::{configuration, eventstore, logging, metrics, profiles};

/// What the definition of a belt says to the belt.
#[derive(Default)]
pub(crate) struct Identity {
    pub(crate) id: String,
    debug: bool,
    env: Vec<(String, String)>,
}

impl Identity {
    /// Reads the configuration of a program (see `ScriptSpec::config`).
    pub(crate) fn of(config: &Value) -> Self {
        let env = config["env"].as_object().into_iter().flatten();
        Self {
            id: config["beltId"].as_str().unwrap_or_default().to_owned(),
            debug: config["debug"].as_bool().unwrap_or_default(),
            env: env.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect(),
        }
    }
}

impl logging::Host for State {
    fn log(&mut self, level: logging::Level, message: String) {
        let level = match level {
            logging::Level::Debug if !self.belt.debug => return,
            logging::Level::Debug => Level::Debug,
            logging::Level::Info => Level::Info,
            logging::Level::Warning => Level::Warning,
            logging::Level::Error => Level::Error,
        };
        self.log.line(level, "belt", &message);
    }
}

impl configuration::Host for State {
    fn belt_id(&mut self) -> String {
        self.belt.id.clone()
    }

    fn get(&mut self, name: String) -> Option<String> {
        let found = self.belt.env.iter().rev().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone())
    }

    fn all(&mut self) -> Vec<(String, String)> {
        self.belt.env.clone()
    }
}

impl metrics::Host for State {
    fn increment(&mut self, name: String, by: u64, labels: Vec<(String, String)>) {
        self.metrics.figure(&name, Figure::Counter(by), &labels);
    }

    fn gauge(&mut self, name: String, value: f64, labels: Vec<(String, String)>) {
        self.metrics.figure(&name, Figure::Gauge(value), &labels);
    }

    fn observe(&mut self, name: String, value: f64, labels: Vec<(String, String)>) {
        self.metrics.figure(&name, Figure::Histogram(value), &labels);
    }
}

impl profiles::Host for State {
    fn get(&mut self, _: String, _: Option<String>, _: bool) -> Result<Option<Vec<u8>>, profiles::Error> {
        Err(profiles::Error::NotAvailable)
    }
}

impl eventstore::Host for State {
    fn get(&mut self, _: String, _: String) -> Result<Option<Vec<u8>>, eventstore::Error> {
        Err(eventstore::Error::NotAvailable)
    }
}
