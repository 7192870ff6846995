//! How the text of a script arrives, and what it was meant to be.

/// Undoes the escaping of scripts that were escaped once too often (specification, scriptable transform, section 2).
///
/// Line ends become `\n`; byte-order marks and zero-width spaces go. Only a text without any real line end that
/// contains the two characters backslash and `n` is un-escaped, and there a pair within a quoted literal stays.
/// A correctly escaped script comes back as it is, line ends apart.
pub fn unescape(script: &str) -> String {
    let script: String = script
        .replace("\r\n", "\n")
        .replace('\r', "\n")
        .chars()
        .filter(|c| !matches!(c, '\u{feff}' | '\u{200b}'))
        .collect();
    let script =
        if !script.contains('\n') && script.contains("\\n") { unescape_line(&script) } else { script };
    let bare = script.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match bare {
        // A script can begin and end with a string literal of its own: then quotes stand within as well.
        Some(inner) if !inner.contains('"') || inner.contains('\n') => inner.to_owned(),
        _ => script,
    }
}

fn unescape_line(line: &str) -> String {
    let mut result = String::with_capacity(line.len());
    let mut quote: Option<char> = None;
    let mut in_comment = false;
    let mut chars = line.chars().peekable();
    // A text wrapped in quotes as a whole does not make everything a literal.
    let wrapped = line.len() > 1 && line.starts_with('"') && line.ends_with('"');
    if wrapped {
        result.push('"');
        chars.next();
    }
    while let Some(c) = chars.next() {
        match (c, chars.peek().copied()) {
            ('\\', Some('"')) => {
                chars.next();
                toggle(&mut quote, '"', in_comment);
                result.push('"');
            }
            ('\\', Some(kind @ ('n' | 'r' | 't'))) if quote.is_none() => {
                chars.next();
                result.push(match kind {
                    'n' => '\n',
                    'r' => '\r',
                    _ => '\t',
                });
                if kind == 'n' {
                    in_comment = false;
                }
            }
            ('\\', Some(next)) => {
                chars.next();
                result.push('\\');
                result.push(next);
            }
            ('\'' | '"', _) => {
                toggle(&mut quote, c, in_comment);
                result.push(c);
            }
            ('#', _) if quote.is_none() => {
                in_comment = true;
                result.push(c);
            }
            ('/', Some('/')) if quote.is_none() => {
                in_comment = true;
                result.push(c);
            }
            _ => result.push(c),
        }
    }
    result.replace("\r\n", "\n").replace('\r', "\n")
}

/// Opens or closes a literal; apostrophes in comments do neither.
fn toggle(quote: &mut Option<char>, c: char, in_comment: bool) {
    match *quote {
        Some(open) if open == c => *quote = None,
        Some(_) => {}
        None if in_comment => {}
        None => *quote = Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_with_real_line_ends_stay() {
        for script in ["a = '\\n'\nb", "print(\"x\\\"y\")\n", "return payload", "", "x = 1 # it's\ny = '\\n'"]
        {
            assert_eq!(unescape(script), script);
        }
        assert_eq!(unescape("a\r\nb\rc"), "a\nb\nc");
    }

    #[test]
    fn scripts_escaped_twice_are_undone() {
        for (given, meant) in [
            ("import a\\nb = 1\\n\\nreturn b", "import a\nb = 1\n\nreturn b"),
            ("if x:\\n\\treturn \\\"y\\\"", "if x:\n\treturn \"y\""),
            ("a\\r\\nb", "a\nb"),
            ("x = 'a\\nb'\\ny", "x = 'a\\nb'\ny"),
            ("x = \"a\\nb\"\\ny", "x = \"a\\nb\"\ny"),
            ("# it's\\ny = 1", "# it's\ny = 1"),
            ("// it's\\ny = 1", "// it's\ny = 1"),
            ("x = '\\\\n'\\ny", "x = '\\\\n'\ny"),
        ] {
            assert_eq!(unescape(given), meant, "{given}");
        }
    }

    #[test]
    fn wrapping_quotes_and_invisible_characters_go() {
        assert_eq!(unescape("\"return payload\""), "return payload");
        assert_eq!(unescape("\"a\\nb\""), "a\nb");
        assert_eq!(unescape("\u{feff}a\u{200b}b"), "ab");
        assert_eq!(unescape("\"a\" + \"b\""), "\"a\" + \"b\"");
    }
}
