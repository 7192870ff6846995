//! Un-escaping of scripts that arrive as one line, with `\n` written out as two characters.
//!
//! Forms in which scripts are known to arrive, after the JSON around them was read: with real line ends, which is left
//! alone; as one line in which backslash-`n` stands for a line end and often backslash-`"` for a quote; and either of
//! them inside a pair of quotes too many.

/// A script as it is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unescaped {
    /// The text.
    pub text: String,
    /// The text with the quotes around it, where such were removed.
    pub quoted: Option<String>,
}

/// Applies the rules in their order. A text with real line ends keeps everything but carriage returns, byte-order marks
/// and zero-width spaces.
#[must_use]
pub fn unescape(source: &str) -> Unescaped {
    let text: String = source
        .replace("\r\n", "\n")
        .chars()
        .filter(|char| !matches!(char, '\u{feff}' | '\u{200b}'))
        .map(|char| if char == '\r' { '\n' } else { char })
        .collect();
    if text.contains('\n') {
        return Unescaped { text, quoted: None };
    }
    let text = if text.contains("\\n") { expand(&text) } else { text };
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => Unescaped { text: inner.to_owned(), quoted: Some(text) },
        None => Unescaped { text, quoted: None },
    }
}

/// Where in the script a character lies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Code,
    /// In a literal that this character ends; whether its quotes were written with a backslash.
    Literal(char, bool),
    LineComment,
    BlockComment,
}

/// Replaces the pairs. Inside of literals they stay, where a line end would be an error.
fn expand(text: &str) -> String {
    // A pair of quotes around everything is no literal.
    let wrapped = text.len() > 1 && text.starts_with('"') && text.ends_with('"');
    let mut expanded = String::with_capacity(text.len());
    let mut place = Place::Code;
    let mut rest = text;
    if wrapped {
        expanded.push('"');
        rest = &text[1..];
    }
    while let Some(char) = rest.chars().next() {
        let (mut width, next) = (char.len_utf8(), rest[char.len_utf8()..].chars().next());
        match (place, char, next) {
            (Place::Code | Place::LineComment, '\\', Some('n')) => {
                expanded.push('\n');
                place = Place::Code;
                width += 1;
            }
            (Place::BlockComment, '\\', Some('n')) => {
                expanded.push('\n');
                width += 1;
            }
            (Place::Code | Place::LineComment | Place::BlockComment, '\\', Some(pair @ ('r' | 't'))) => {
                // A carriage return and a newline are one line end.
                expanded.push(if pair == 't' { '\t' } else { '\r' });
                width += 1;
            }
            (Place::Literal('"', false), '\\', Some(pair)) => {
                expanded.push(char);
                expanded.push(pair);
                width += pair.len_utf8();
            }
            (_, '\\', Some('"')) => {
                expanded.push('"');
                width += 1;
                place = match place {
                    Place::Code => Place::Literal('"', true),
                    Place::Literal('"', true) => Place::Code,
                    other => other,
                };
            }
            (Place::Literal(..), '\\', Some(pair)) => {
                expanded.push(char);
                expanded.push(pair);
                width += pair.len_utf8();
            }
            _ => {
                expanded.push(char);
                place = match (place, char, next) {
                    // JavaScript's templates; Groovy has no such character outside of literals.
                    (Place::Code, '"' | '\'' | '`', _) => Place::Literal(char, false),
                    (Place::Code, '/', Some('/')) => Place::LineComment,
                    (Place::Code, '/', Some('*')) => Place::BlockComment,
                    (Place::BlockComment, '*', Some('/')) => Place::Code,
                    (Place::Literal(quote, false), _, _) if char == quote => Place::Code,
                    (other, _, _) => other,
                };
            }
        }
        rest = &rest[width..];
    }
    expanded.replace("\r\n", "\n").replace('\r', "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str) -> String {
        unescape(source).text
    }

    #[test]
    fn real_line_ends_keep_the_text_as_it_is() {
        for source in ["a\n\"b\\n\"", "\"a\"\n+ \"b\"", "x = 'a\\nb'\nreturn x\n"] {
            assert_eq!(text(source), source);
        }
        assert_eq!(text("a\r\nb\rc"), "a\nb\nc");
        assert_eq!(text("\u{feff}a\u{200b}\n\u{200b}b"), "a\nb");
    }

    #[test]
    fn one_line_gets_its_line_ends() {
        assert_eq!(text(r"a\nb\r\nc\td"), "a\nb\nc\td");
        assert_eq!(text(r#"x = \"a\"\nreturn x"#), "x = \"a\"\nreturn x");
        assert_eq!(text(r"return 1"), "return 1");
    }

    #[test]
    fn literals_keep_their_pairs() {
        assert_eq!(text(r"x = 'a\nb'\nreturn x"), "x = 'a\\nb'\nreturn x");
        assert_eq!(text(r#"x = "a\nb"\nreturn x"#), "x = \"a\\nb\"\nreturn x");
        assert_eq!(text(r#"x = \"a\nb\"\nreturn x"#), "x = \"a\\nb\"\nreturn x");
        assert_eq!(text(r#"x = "a\"b"\nreturn x"#), "x = \"a\\\"b\"\nreturn x");
        assert_eq!(text(r"x = `it's ${a}\n`\nx"), "x = `it's ${a}\\n`\nx");
        assert_eq!(text(r"// don't\nx = 1"), "// don't\nx = 1");
        assert_eq!(text(r"/* it's\n */ x\n"), "/* it's\n */ x\n");
    }

    #[test]
    fn quotes_around_all_go() {
        let unescaped = unescape(r#""x = 1\nreturn x""#);
        assert_eq!(unescaped.text, "x = 1\nreturn x");
        assert_eq!(unescaped.quoted.unwrap(), "\"x = 1\nreturn x\"");
    }
}
