//! What a belt may ask of the engine. Outside of it, in the tests of a belt, each has a stand-in.

/// The belt's logs; in tests, standard error.
pub mod log {
    #[cfg(target_family = "wasm")]
    use crate::belt::bindings::granary::belt::logging::{Level, log};

    #[cfg(not(target_family = "wasm"))]
    #[derive(Debug)]
    enum Level {
        Debug,
        Info,
        Warning,
        Error,
    }

    #[cfg(not(target_family = "wasm"))]
    fn log(level: Level, message: &str) {
        eprintln!("{level:?}: {message}");
    }

    /// A line that is shown only where the belt's `debug` is set.
    pub fn debug(message: impl AsRef<str>) {
        log(Level::Debug, message.as_ref());
    }

    /// A normal line.
    pub fn info(message: impl AsRef<str>) {
        log(Level::Info, message.as_ref());
    }

    /// A line that is worth a look.
    pub fn warning(message: impl AsRef<str>) {
        log(Level::Warning, message.as_ref());
    }

    /// A line that says that something failed.
    pub fn error(message: impl AsRef<str>) {
        log(Level::Error, message.as_ref());
    }
}

/// What the belt's definition says; in tests, the environment of the process.
pub mod config {
    #[cfg(target_family = "wasm")]
    use crate::belt::bindings::granary::belt::configuration;

    /// The value of a variable of `extraEnv`.
    #[must_use]
    pub fn get(name: &str) -> Option<String> {
        #[cfg(target_family = "wasm")]
        return configuration::get(name);
        #[cfg(not(target_family = "wasm"))]
        std::env::var(name).ok()
    }

    /// All variables.
    #[must_use]
    pub fn all() -> Vec<(String, String)> {
        #[cfg(target_family = "wasm")]
        return configuration::all();
        #[cfg(not(target_family = "wasm"))]
        std::env::vars().collect()
    }

    /// The id of the belt; in tests `0`.
    #[must_use]
    pub fn belt_id() -> String {
        #[cfg(target_family = "wasm")]
        return configuration::belt_id();
        #[cfg(not(target_family = "wasm"))]
        "0".to_owned()
    }
}

/// Figures of the belt's own, shown as `granary_belt_user_<name>` in the engine's `/metrics`; in tests, nothing.
pub mod metrics {
    #[cfg(target_family = "wasm")]
    use crate::belt::bindings::granary::belt::metrics;

    #[cfg(target_family = "wasm")]
    fn owned(labels: &[(&str, &str)]) -> Vec<(String, String)> {
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// Adds to a counter.
    pub fn increment(name: &str, by: u64, labels: &[(&str, &str)]) {
        #[cfg(target_family = "wasm")]
        metrics::increment(name, by, &owned(labels));
        #[cfg(not(target_family = "wasm"))]
        let _ = (name, by, labels);
    }

    /// Sets a gauge.
    pub fn gauge(name: &str, value: f64, labels: &[(&str, &str)]) {
        #[cfg(target_family = "wasm")]
        metrics::gauge(name, value, &owned(labels));
        #[cfg(not(target_family = "wasm"))]
        let _ = (name, value, labels);
    }

    /// Adds a value to a histogram.
    pub fn observe(name: &str, value: f64, labels: &[(&str, &str)]) {
        #[cfg(target_family = "wasm")]
        metrics::observe(name, value, &owned(labels));
        #[cfg(not(target_family = "wasm"))]
        let _ = (name, value, labels);
    }
}
