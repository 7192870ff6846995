//! The only place that makes SQL out of names and texts that users chose.
//!
//! Everything else passes values as parameters. Identifiers and the texts inside utility statements (`CREATE ROLE ...
//! PASSWORD '...'`) can not be parameters; they come from here.

use crate::Error;

/// Longest identifier that Postgres keeps whole, in bytes.
pub const IDENTIFIER_BYTES_MAX: usize = 63;

/// Checks that Postgres takes the name as it is: it is not empty, has no NUL, and is not cut.
///
/// # Errors
/// [`Error::BadIdentifier`] where it is not so.
pub fn check(name: &str) -> Result<(), Error> {
    let why = if name.is_empty() {
        "it is empty"
    } else if name.contains('\0') {
        "it contains the character NUL"
    } else if name.len() > IDENTIFIER_BYTES_MAX {
        "it is longer than 63 bytes"
    } else {
        return Ok(());
    };
    Err(Error::BadIdentifier { name: name.to_owned(), why })
}

/// The name as a quoted identifier. A NUL, which no statement can carry, is left out; use [`check`] to refuse it.
#[must_use]
pub fn quote_ident(name: &str) -> String {
    enclose(name, '"')
}

/// A relation with its schema, both quoted.
#[must_use]
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quote_ident(schema), quote_ident(name))
}

/// The text as a literal, whatever `standard_conforming_strings` says.
#[must_use]
pub fn quote_literal(text: &str) -> String {
    if text.contains('\\') {
        format!("E{}", enclose(&text.replace('\\', "\\\\"), '\''))
    } else {
        enclose(text, '\'')
    }
}

fn enclose(text: &str, quote: char) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(quote);
    for c in text.chars().filter(|c| *c != '\0') {
        if c == quote {
            quoted.push(quote);
        }
        quoted.push(c);
    }
    quoted.push(quote);
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_inside_names_are_doubled() {
        assert_eq!(quote_ident("User-Visits-5"), r#""User-Visits-5""#);
        assert_eq!(quote_ident(r#"a"; DROP TABLE x; --"#), r#""a""; DROP TABLE x; --""#);
        assert_eq!(qualified("demo", "a.b"), r#""demo"."a.b""#);
        assert_eq!(quote_ident("a\0b"), r#""ab""#);
    }

    #[test]
    fn quotes_and_backslashes_inside_literals_stay_inside() {
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal(r"a\' OR 1=1"), r"E'a\\'' OR 1=1'");
    }

    #[test]
    fn names_that_postgres_would_change_are_refused() {
        assert!(check("ok").is_ok());
        assert!(check(&"x".repeat(63)).is_ok());
        for bad in ["", "a\0b", &"x".repeat(64), &"ä".repeat(32)] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}
