//! The log of a script.

/// Severity of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// `console.debug`, `fine` and below.
    Debug,
    /// `console.log`, `console.info`, `print`, `info`.
    Info,
    /// `console.warn`, `warning`.
    Warning,
    /// `console.error`, `severe`.
    Error,
}

impl Level {
    /// The level that the library's number stands for.
    pub(crate) fn of(number: i32) -> Self {
        match number {
            0 => Self::Debug,
            2 => Self::Warning,
            3 => Self::Error,
            _ => Self::Info,
        }
    }
}

/// Where lines go. The logger's name is empty for `print`, whose text is written without a prefix.
pub type Log = dyn Fn(Level, &str, &str);
