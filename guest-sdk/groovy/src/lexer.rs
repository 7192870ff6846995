//! Splits a script into tokens.
//!
//! Inside of parentheses and brackets line ends mean nothing, so they are dropped here. The code in `${..}` is split
//! together with the text around it, so a text is read once.

use std::rc::Rc;

use num_bigint::BigInt;
use num_traits::Num;

use crate::decimal::Decimal;
use crate::diagnostic::{Position, Refusal};
use crate::token::{Part, SIGNS, Token, Word};
use crate::value::Value;

/// Texts with code inside of code inside of texts.
const TEMPLATE_DEPTH_MAX: u32 = 8;

/// Splits the whole script.
pub(crate) fn tokens(source: &str) -> Result<Vec<Token>, Refusal> {
    let chars: Vec<char> = source.chars().collect();
    let mut lexer = Lexer { chars: &chars, index: 0, at: Position { line: 1, column: 1 }, depth: 0 };
    if source.starts_with("#!") {
        while lexer.peek().is_some_and(|char| char != '\n') {
            lexer.bump();
        }
    }
    lexer.all(false)
}

struct Lexer<'a> {
    chars: &'a [char],
    index: usize,
    at: Position,
    depth: u32,
}

/// Which literal is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    Single,
    Double,
    TripleSingle,
    TripleDouble,
    Slash,
    DollarSlash,
}

impl Quote {
    fn end(self) -> &'static str {
        match self {
            Self::Single => "'",
            Self::Double => "\"",
            Self::TripleSingle => "'''",
            Self::TripleDouble => "\"\"\"",
            Self::Slash => "/",
            Self::DollarSlash => "/$",
        }
    }

    fn has_code(self) -> bool {
        !matches!(self, Self::Single | Self::TripleSingle)
    }

    fn has_lines(self) -> bool {
        !matches!(self, Self::Single | Self::Double)
    }
}

fn is_name_start(char: char) -> bool {
    char.is_alphabetic() || char == '_'
}

fn is_name_part(char: char) -> bool {
    is_name_start(char) || char.is_numeric()
}

/// Whether an operand has just ended, so that a slash divides.
fn ends_operand(word: &Word) -> bool {
    match word {
        Word::Name(name) => {
            !matches!(&**name, "return" | "in" | "case" | "assert" | "throw" | "else" | "do" | "instanceof")
        }
        Word::Number(_) | Word::Text(_) | Word::Template(_) => true,
        Word::Sign(sign) => matches!(*sign, ")" | "]" | "}" | "++" | "--"),
        Word::Newline | Word::End => false,
    }
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.index).copied()
    }

    fn peek_at(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.index + ahead).copied()
    }

    fn sees(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(ahead, char)| self.peek_at(ahead) == Some(char))
    }

    fn bump(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.index += 1;
        if char == '\n' {
            self.at = Position { line: self.at.line + 1, column: 1 };
        } else {
            self.at.column += 1;
        }
        Some(char)
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.bump();
        }
    }

    fn refuse<T>(&self, at: Position, message: impl Into<String>) -> Result<T, Refusal> {
        Err(Refusal { at, message: message.into() })
    }

    /// Tokens up to the end, or up to the brace that closes a template's code.
    fn all(&mut self, in_template: bool) -> Result<Vec<Token>, Refusal> {
        let mut tokens: Vec<Token> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        loop {
            let before = self.index;
            self.skip_blank()?;
            let (at, from, spaced) = (self.at, self.index, self.index > before);
            let Some(char) = self.peek() else {
                if in_template {
                    return self
                        .refuse(at, "expected `}` after the code in `${..}`, found the end of the script");
                }
                break;
            };
            let in_brackets = open.last().is_some_and(|index| {
                tokens.get(*index).is_some_and(|token| !matches!(token.word, Word::Sign("{")))
            });
            let word = if char == '\n' {
                self.bump();
                let repeated = matches!(tokens.last(), Some(Token { word: Word::Newline, .. }) | None);
                if in_brackets || repeated {
                    continue;
                }
                Word::Newline
            } else if in_template && open.is_empty() && char == '}' {
                break;
            } else {
                self.word(char, tokens.last())?
            };
            let index = tokens.len();
            if let Word::Sign(sign) = &word {
                match *sign {
                    "(" | "[" | "{" | "?[" => open.push(index),
                    ")" | "]" | "}" => {
                        let Some(partner) = open.pop().and_then(|open| tokens.get_mut(open)) else {
                            return self
                                .refuse(at, format!("`{sign}` closes nothing; remove it or open it before"));
                        };
                        let expected = match partner.word {
                            Word::Sign("(") => ")",
                            Word::Sign("{") => "}",
                            _ => "]",
                        };
                        if expected != *sign {
                            let Position { line, column } = partner.at;
                            return self.refuse(
                                at,
                                format!(
                                    "expected `{expected}` for the bracket opened in line {line}, column {column}, \
                                     found `{sign}`"
                                ),
                            );
                        }
                        partner.partner = index;
                    }
                    _ => {}
                }
            }
            tokens.push(Token { word, at, partner: 0, spaced, span: (from, self.index) });
        }
        if let Some(token) = open.pop().and_then(|index| tokens.get(index)) {
            let Word::Sign(sign) = token.word else {
                return self.refuse(token.at, "a bracket is never closed");
            };
            return self.refuse(token.at, format!("`{sign}` is never closed"));
        }
        let span = (self.index, self.index);
        tokens.push(Token { word: Word::End, at: self.at, partner: 0, spaced: true, span });
        Ok(tokens)
    }

    /// Skips spaces and comments.
    fn skip_blank(&mut self) -> Result<(), Refusal> {
        while let Some(char) = self.peek() {
            if char == '\\' && self.peek_at(1) == Some('\n') {
                self.skip(2);
            } else if char != '\n' && char.is_whitespace() {
                self.bump();
            } else if self.sees("//") {
                while self.peek().is_some_and(|char| char != '\n') {
                    self.bump();
                }
            } else if self.sees("/*") {
                let at = self.at;
                self.skip(2);
                while !self.sees("*/") {
                    if self.bump().is_none() {
                        return self.refuse(at, "the comment is never closed; add `*/`");
                    }
                }
                self.skip(2);
            } else {
                break;
            }
        }
        Ok(())
    }

    fn word(&mut self, char: char, last: Option<&Token>) -> Result<Word, Refusal> {
        let operand_before = last.is_some_and(|token| ends_operand(&token.word));
        if self.sees("'''") {
            return self.literal(Quote::TripleSingle);
        }
        if self.sees("\"\"\"") {
            return self.literal(Quote::TripleDouble);
        }
        match char {
            '\'' => return self.literal(Quote::Single),
            '"' => return self.literal(Quote::Double),
            '/' if !operand_before && self.peek_at(1) != Some('=') => return self.literal(Quote::Slash),
            '$' if self.peek_at(1) == Some('/') && !operand_before => {
                return self.literal(Quote::DollarSlash);
            }
            '$' if self.peek_at(1).is_some_and(is_name_start) => return Ok(self.name()),
            _ => {}
        }
        if is_name_start(char) {
            return Ok(self.name());
        }
        let after_dot = matches!(last, Some(Token { word: Word::Sign("." | "?." | "*."), .. }));
        if char.is_ascii_digit()
            || (char == '.' && !operand_before && self.peek_at(1).is_some_and(|next| next.is_ascii_digit()))
        {
            return self.number(after_dot);
        }
        let Some(sign) = SIGNS.iter().copied().find(|sign| self.sees(sign)) else {
            return self.refuse(self.at, format!("unexpected character `{}`", char.escape_default()));
        };
        // `a ?.5 : 1` and `x ?[1] : y` are rarer than `a?.b` and `a?[b]`: the spaces tell.
        let split = match sign {
            "?[" => self.index > 0 && self.chars.get(self.index - 1).is_some_and(|char| char.is_whitespace()),
            "?." => self.peek_at(2).is_some_and(|char| char.is_ascii_digit()),
            // `[*:map]` is a spread, `a ? b*:c` nothing.
            _ => false,
        };
        let sign = if split { "?" } else { sign };
        self.skip(sign.len());
        Ok(Word::Sign(sign))
    }

    fn name(&mut self) -> Word {
        let mut name = String::new();
        while let Some(char) = self.peek().filter(|char| is_name_part(*char) || *char == '$') {
            name.push(char);
            self.bump();
        }
        Word::Name(name.into())
    }

    fn number(&mut self, whole_only: bool) -> Result<Word, Refusal> {
        let at = self.at;
        let radix = match (self.peek(), self.peek_at(1)) {
            (Some('0'), Some('x' | 'X')) => 16,
            (Some('0'), Some('b' | 'B')) => 2,
            (Some('0'), Some('0'..='7' | '_')) => 8,
            _ => 10,
        };
        let mut digits = String::new();
        let mut fractional = false;
        if radix != 10 {
            self.skip(if radix == 8 { 1 } else { 2 });
            while let Some(char) = self.peek().filter(|char| char.is_digit(radix) || *char == '_') {
                digits.push(char);
                self.bump();
            }
        } else {
            while let Some(char) = self.peek() {
                let next = self.peek_at(1);
                match char {
                    '0'..='9' | '_' => digits.push(char),
                    '.' if !fractional && !whole_only && next.is_some_and(|next| next.is_ascii_digit()) => {
                        fractional = true;
                        digits.push(char);
                    }
                    'e' | 'E'
                        if !digits.contains('e')
                            && (next.is_some_and(|next| next.is_ascii_digit())
                                || (matches!(next, Some('+' | '-'))
                                    && self.peek_at(2).is_some_and(|next| next.is_ascii_digit()))) =>
                    {
                        fractional = true;
                        digits.push('e');
                        if matches!(next, Some('+' | '-')) {
                            digits.extend(next);
                            self.bump();
                        }
                    }
                    _ => break,
                }
                self.bump();
            }
        }
        digits.retain(|char| char != '_');
        let suffix = self.peek().filter(|char| {
            matches!(char, 'l' | 'L' | 'g' | 'G' | 'i' | 'I' | 'd' | 'D' | 'f' | 'F') && radix != 16
                || (radix == 16 && matches!(char, 'l' | 'L' | 'g' | 'G' | 'i' | 'I'))
        });
        if suffix.is_some() {
            self.bump();
        }
        if self.peek().is_some_and(is_name_part) {
            return self.refuse(
                at,
                "a number is followed by a letter; expected a number such as `12`, `1.5`, `0xff`, `12L`, `1.5d` or `7G`",
            );
        }
        let value = number_value(&digits, radix, fractional, suffix.map(|char| char.to_ascii_lowercase()));
        let Some(value) = value else {
            return self
                .refuse(at, format!("the number `{digits}` is too large for its type; add `L` or `G`"));
        };
        Ok(Word::Number(value))
    }

    /// A text in any of the quotes.
    fn literal(&mut self, quote: Quote) -> Result<Word, Refusal> {
        let start = self.at;
        let open = match quote {
            Quote::DollarSlash => 2,
            other => other.end().len(),
        };
        self.skip(open);
        let (mut text, mut parts) = (String::new(), Vec::new());
        loop {
            let ends_dollar_early = quote == Quote::DollarSlash && (self.sees("$/") || self.sees("$$"));
            if !ends_dollar_early && self.sees(quote.end()) {
                self.skip(quote.end().len());
                break;
            }
            let at = self.at;
            let Some(char) = self.bump() else {
                return self.refuse(start, format!("the text is never closed; add `{}`", quote.end()));
            };
            match char {
                '\n' if !quote.has_lines() => {
                    let end = quote.end();
                    let triple = end.repeat(3);
                    return self.refuse(
                        start,
                        format!(
                            "the text is not closed in its line; add `{end}`, or write {triple}..{triple} for a text \
                             of several lines"
                        ),
                    );
                }
                '\\' if quote == Quote::Slash => match self.peek() {
                    Some('/') => {
                        self.bump();
                        text.push('/');
                    }
                    _ => text.push('\\'),
                },
                '\\' if quote == Quote::DollarSlash => text.push('\\'),
                '\\' => self.escape(at, &mut text)?,
                '$' if quote == Quote::DollarSlash && matches!(self.peek(), Some('$' | '/')) => {
                    text.extend(self.bump());
                }
                '$' if quote.has_code() => match self.peek() {
                    Some('{') => {
                        self.bump();
                        self.depth += 1;
                        if self.depth > TEMPLATE_DEPTH_MAX {
                            return self.refuse(
                                at,
                                format!(
                                    "texts with `${{..}}` lie inside of each other more than {TEMPLATE_DEPTH_MAX} \
                                     times; use variables"
                                ),
                            );
                        }
                        let tokens = self.all(true)?;
                        self.depth -= 1;
                        self.bump();
                        take_text(&mut text, &mut parts);
                        parts.push(Part::Code(tokens));
                    }
                    Some(next) if is_name_start(next) => {
                        take_text(&mut text, &mut parts);
                        let path = self.path();
                        parts.push(Part::Path(path, at));
                    }
                    _ => text.push('$'),
                },
                _ => text.push(char),
            }
        }
        if parts.is_empty() {
            return Ok(Word::Text(text.into()));
        }
        take_text(&mut text, &mut parts);
        Ok(Word::Template(parts))
    }

    /// `a.b.c` behind a dollar sign.
    fn path(&mut self) -> Vec<Rc<str>> {
        let mut path = Vec::new();
        loop {
            let mut name = String::new();
            while let Some(char) = self.peek().filter(|char| is_name_part(*char)) {
                name.push(char);
                self.bump();
            }
            path.push(name.into());
            if self.peek() != Some('.') || !self.peek_at(1).is_some_and(is_name_start) {
                return path;
            }
            self.bump();
        }
    }

    fn escape(&mut self, at: Position, text: &mut String) -> Result<(), Refusal> {
        let Some(char) = self.bump() else {
            return self.refuse(at, "the text ends after a backslash");
        };
        text.push(match char {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            's' => ' ',
            '\\' | '\'' | '"' | '$' => char,
            '\n' => return Ok(()),
            'u' => {
                while self.peek() == Some('u') {
                    self.bump();
                }
                let first = self.hex4(at)?;
                let code = if (0xd800..0xdc00).contains(&first) && self.sees("\\u") {
                    self.skip(2);
                    let second = self.hex4(at)?;
                    0x10000 + ((first - 0xd800) << 10) + (second & 0x3ff)
                } else {
                    first
                };
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            '0'..='7' => {
                let mut code = u32::from(char) - u32::from('0');
                for _ in 0..2 {
                    let Some(digit) = self.peek().and_then(|next| next.to_digit(8)) else { break };
                    if code * 8 + digit > 255 {
                        break;
                    }
                    code = code * 8 + digit;
                    self.bump();
                }
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => {
                return self.refuse(
                    at,
                    format!(
                        "`\\{}` means nothing in a text; write `\\\\` for a backslash, or a regular expression \
                         between slashes as in /\\d+/",
                        char.escape_default()
                    ),
                );
            }
        });
        Ok(())
    }

    fn hex4(&mut self, at: Position) -> Result<u32, Refusal> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|char| char.to_digit(16)) else {
                return self.refuse(at, "expected four hexadecimal digits after `\\u`, as in `\\u00e4`");
            };
            code = code * 16 + digit;
            self.bump();
        }
        Ok(code)
    }
}

fn take_text(text: &mut String, parts: &mut Vec<Part>) {
    if !text.is_empty() {
        parts.push(Part::Text(std::mem::take(text).into()));
    }
}

fn number_value(digits: &str, radix: u32, fractional: bool, suffix: Option<char>) -> Option<Value> {
    if fractional || matches!(suffix, Some('d' | 'f')) {
        return match suffix {
            Some('d') => digits.parse().ok().map(Value::Double),
            Some('f') => digits.parse().ok().map(Value::Float),
            None | Some('g') => Decimal::parse(digits).map(Value::decimal),
            Some(_) => None,
        };
    }
    let digits = if digits.is_empty() { "0" } else { digits };
    if digits.len() > 4096 {
        return None;
    }
    let number = BigInt::from_str_radix(digits, radix).ok()?;
    let bits = number.bits();
    // Hexadecimal and the like may fill all bits of their type.
    let (int_bits, long_bits) = if radix == 10 { (31, 63) } else { (32, 64) };
    let low = || number.iter_u64_digits().next().unwrap_or(0);
    match suffix {
        Some('g') => Some(Value::Big(Rc::new(number))),
        Some('l') => {
            (bits <= long_bits || number == BigInt::from(1u64 << 63)).then(|| Value::Long(low() as i64))
        }
        Some('i') => {
            (bits <= int_bits || number == BigInt::from(1u64 << 31)).then(|| Value::Int(low() as i32))
        }
        _ if bits <= int_bits => Some(Value::Int(low() as i32)),
        _ if bits <= long_bits => Some(Value::Long(low() as i64)),
        _ => Some(Value::Big(Rc::new(number))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        let shown = |token: &Token| match &token.word {
            Word::Name(name) => name.to_string(),
            Word::Number(value) => format!("{value:?}"),
            Word::Text(text) => format!("{text:?}"),
            Word::Template(parts) => format!("template of {}", parts.len()),
            Word::Sign(sign) => (*sign).to_owned(),
            Word::Newline => "newline".to_owned(),
            Word::End => "end".to_owned(),
        };
        tokens(source).unwrap().iter().map(shown).collect()
    }

    #[test]
    fn line_ends_count_outside_of_brackets() {
        assert_eq!(words("a\n\nb"), ["a", "newline", "b", "end"]);
        assert_eq!(words("f(a,\nb)"), ["f", "(", "a", ",", "b", ")", "end"]);
        assert_eq!(words("[{a\nb}]"), ["[", "{", "a", "newline", "b", "}", "]", "end"]);
    }

    #[test]
    fn numbers() {
        assert_eq!(words("1_000 0xff 12L 1.5d"), ["Int(1000)", "Int(255)", "Long(12)", "Double(1.5)", "end"]);
        assert_eq!(words("1..2"), ["Int(1)", "..", "Int(2)", "end"]);
        assert!(tokens("12abc").is_err());
        assert_eq!(words("0b101 017"), ["Int(5)", "Int(15)", "end"]);
    }

    #[test]
    fn texts() {
        assert_eq!(words(r"'a\n\u00e4'"), [r#""a\nä""#, "end"]);
        assert_eq!(words(r#""a $b.c ${d} e""#), ["template of 5", "end"]);
        assert_eq!(words(r"x = /a\/b\d/"), ["x", "=", r#""a/b\\d""#, "end"]);
        assert_eq!(words("a / b / c"), ["a", "/", "b", "/", "c", "end"]);
        assert_eq!(words("$/a $$x/$"), [r#""a $x""#, "end"]);
        assert_eq!(words("'''a\nb'''"), [r#""a\nb""#, "end"]);
    }

    #[test]
    fn refusals_name_their_place() {
        for (source, line, column) in [
            ("a\n 'b", 2, 2),
            ("(a", 1, 1),
            ("a)", 1, 2),
            ("'\\d'", 1, 2),
            ("/* a", 1, 1),
            ("\"${a\"", 1, 5),
            ("# x", 1, 1),
        ] {
            let refusal = tokens(source).unwrap_err();
            assert_eq!(refusal.at, Position { line, column }, "{source}: {}", refusal.message);
        }
    }
}
