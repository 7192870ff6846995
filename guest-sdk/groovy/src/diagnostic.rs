//! What is wrong with a script, and where.

use std::fmt;

/// A place in the script, both counted from 1; zeros where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Position {
    /// The line.
    pub(crate) line: u32,
    /// The column, in characters.
    pub(crate) column: u32,
}

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Refuses the script.
    Error,
    /// Does not.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing that is wrong with a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it refuses the script.
    pub severity: Severity,
    /// What is wrong and what to write instead, in one line.
    pub message: String,
    /// 1-based line.
    pub line: u32,
    /// 1-based column.
    pub column: u32,
    /// The line of the script, and below it a caret under the column.
    pub excerpt: String,
}

impl Diagnostic {
    pub(crate) fn new(severity: Severity, at: Position, message: String, source: &str) -> Self {
        let Position { line, column } = at;
        Self { severity, message, line, column, excerpt: granary_scriptable::excerpt(source, line, column) }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, message, line, column, excerpt } = self;
        write!(f, "{severity} in line {line}, column {column}: {message}")?;
        if excerpt.is_empty() { Ok(()) } else { write!(f, "\n{excerpt}") }
    }
}

/// A reason to refuse a script, before its source line is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) at: Position,
    pub(crate) message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpt_points_at_the_column() {
        let at = Position { line: 2, column: 3 };
        let diagnostic = Diagnostic::new(Severity::Error, at, "bad".to_owned(), "a\n\tbcd\ne");
        assert_eq!(diagnostic.excerpt, " bcd\n  ^");
        assert_eq!(diagnostic.to_string(), "error in line 2, column 3: bad\n bcd\n  ^");
    }
}
