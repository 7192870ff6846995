//! Regular expressions in the syntax of `java.util.regex`.
//!
//! Java's syntax is translated to that of the `fancy-regex` crate. Backtracking is bounded there, so an expression that
//! would need ages fails with a message instead.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use fancy_regex::{Regex, RegexBuilder};

use crate::class::Builtin;
use crate::debt;
use crate::machine::Machine;
use crate::raise::{Raise, Run, raise};

/// Steps back that one search may take, and what it counts as then. A search does not tell how many it took, so one that
/// takes more than the first bound is begun again under the next.
const BACKTRACKS: [(usize, u64); 3] = [(500, 8), (8_000, 4_000), (200_000, 100_000)];

/// Bytes that are looked through in one step.
const BYTES_PER_STEP: u64 = 16;

/// Bytes that are looked through in one step by an expression without steps back.
const FAST_BYTES_PER_STEP: u64 = 256;

/// What a compiled expression may take in bytes.
const SIZE_MAX: usize = 256 << 10;

/// Characters of an expression.
const SOURCE_MAX: usize = 16 * 1024;

/// Parentheses inside of each other.
const NESTING_MAX: usize = 50;

/// Java's flags, of which these are understood.
pub(crate) const CASE_INSENSITIVE: i32 = 2;
pub(crate) const COMMENTS: i32 = 4;
pub(crate) const MULTILINE: i32 = 8;
pub(crate) const LITERAL: i32 = 16;
pub(crate) const DOTALL: i32 = 32;
pub(crate) const UNICODE_CASE: i32 = 64;

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// As it was written.
    pub(crate) source: Rc<str>,
    pub(crate) flags: i32,
    translated: String,
    search: Tiers,
    /// The same for whole texts.
    whole: Tiers,
    /// Whether a search may look at far more than it finds.
    looks_far: bool,
}

/// An expression compiled for each of [`BACKTRACKS`], when first needed.
type Tiers = [OnceCell<Regex>; BACKTRACKS.len()];

/// Where the groups of a match lie, in bytes; the first is the whole match.
pub(crate) type Groups = Vec<Option<(usize, usize)>>;

impl Pattern {
    /// Compiles an expression.
    pub(crate) fn compile(source: &str, flags: i32) -> Run<Self> {
        let translated = translate(source, flags).map_err(|reason| syntax_error(source, &reason))?;
        let looks_far = looks_far(&translated);
        let (search, whole) = Default::default();
        let compiled = Self { source: source.into(), flags, translated, search, whole, looks_far };
        compiled.tier(false, 0)?;
        Ok(compiled)
    }

    /// The first match from a position on.
    pub(crate) fn find(&self, text: &str, from: usize) -> Run<Option<Groups>> {
        self.groups(false, text, from)
    }

    /// The match of the whole text.
    pub(crate) fn whole(&self, text: &str) -> Run<Option<Groups>> {
        self.groups(true, text, 0)
    }

    fn tier(&self, whole: bool, tier: usize) -> Run<Option<&Regex>> {
        let tiers = if whole { &self.whole } else { &self.search };
        let (Some(cell), Some((backtracks, _))) = (tiers.get(tier), BACKTRACKS.get(tier)) else {
            return Ok(None);
        };
        if let Some(regex) = cell.get() {
            return Ok(Some(regex));
        }
        let regex = if whole {
            build(&format!("\\A(?:{})\\z", self.translated), *backtracks)
        } else {
            build(&self.translated, *backtracks)
        };
        let regex = regex.map_err(|reason| syntax_error(&self.source, &reason))?;
        Ok(Some(cell.get_or_init(|| regex)))
    }

    fn groups(&self, whole: bool, text: &str, from: usize) -> Run<Option<Groups>> {
        let Some(rest) = text.len().checked_sub(from) else { return Ok(None) };
        for (tier, (_, steps)) in BACKTRACKS.iter().enumerate() {
            debt::steps(*steps);
            let Some(regex) = self.tier(whole, tier)? else { break };
            if let Ok(found) = regex.captures_from_pos(text, from) {
                let span = found.as_ref().and_then(|groups| groups.get(0)).map(|found| found.end() - from);
                debt::steps(span.unwrap_or(rest) as u64 / BYTES_PER_STEP);
                if self.looks_far {
                    debt::steps(rest as u64 / FAST_BYTES_PER_STEP);
                }
                return Ok(found.map(|groups| {
                    groups.iter().map(|group| group.map(|group| (group.start(), group.end()))).collect()
                }));
            }
        }
        Err(Raise::exhausted(
            "java.lang.StackOverflowError",
            "a regular expression took too many steps back; make it simpler, for example without nested repetitions",
        ))
    }

    /// The match at the beginning of the text.
    pub(crate) fn start(&self, text: &str) -> Run<Option<Groups>> {
        let found = self.find(text, 0)?;
        Ok(found.filter(|groups| matches!(groups.first(), Some(Some((0, _))))))
    }

    /// How many groups there are.
    pub(crate) fn group_count(&self) -> usize {
        self.search.first().and_then(OnceCell::get).map_or(1, Regex::captures_len).saturating_sub(1)
    }

    /// The number of a named group.
    pub(crate) fn group_named(&self, name: &str) -> Option<usize> {
        self.search.first().and_then(OnceCell::get)?.capture_names().position(|known| known == Some(name))
    }
}

/// Whether an expression can look through much of a text and match little of it: with a repetition without a bound that
/// an alternative, an option or a look around may give up.
fn looks_far(translated: &str) -> bool {
    let repeats = translated.contains(['*', '+']) || translated.contains(",}");
    let gives_up = ["|", ")?", ")*", ")+", "){", "(?=", "(?!", "(?<=", "(?<!"];
    repeats && gives_up.iter().any(|sign| translated.contains(sign))
}

fn build(source: &str, backtracks: usize) -> Result<Regex, String> {
    RegexBuilder::new(source)
        .backtrack_limit(backtracks)
        .delegate_size_limit(SIZE_MAX)
        .delegate_dfa_size_limit(SIZE_MAX)
        .build()
        .map_err(|error| error.to_string())
}

fn syntax_error(source: &str, reason: &str) -> Box<Raise> {
    let reason = reason.lines().last().unwrap_or(reason).trim_start_matches("error: ");
    let shown: String = source.chars().take(80).collect();
    raise(
        Builtin::PatternSyntaxException,
        format!(
            "the regular expression /{shown}/ is not understood: {reason}; expected the syntax of java.util.regex"
        ),
    )
}

/// Java's syntax in that of the engine.
fn translate(source: &str, flags: i32) -> Result<String, String> {
    if source.len() > SOURCE_MAX {
        return Err(format!("it is longer than {SOURCE_MAX} bytes"));
    }
    let mut letters = String::new();
    for (flag, letter) in [(CASE_INSENSITIVE, 'i'), (COMMENTS, 'x'), (MULTILINE, 'm'), (DOTALL, 's')] {
        if flags & flag != 0 {
            letters.push(letter);
        }
    }
    let mut to = if letters.is_empty() { String::new() } else { format!("(?{letters})") };
    if flags & LITERAL != 0 {
        escape_into(source, &mut to);
        return Ok(to);
    }
    let chars: Vec<char> = source.chars().collect();
    let (mut index, mut in_class, mut open) = (0, 0usize, 0usize);
    while let Some(&char) = chars.get(index) {
        index += 1;
        match char {
            '\\' => index = escape(&chars, index, in_class > 0, &mut to)?,
            '[' => {
                in_class += 1;
                to.push('[');
                if chars.get(index) == Some(&'^') {
                    to.push('^');
                    index += 1;
                }
                // A bracket that comes first is a character.
                if chars.get(index) == Some(&']') {
                    to.push_str("\\]");
                    index += 1;
                }
            }
            ']' if in_class > 0 => {
                in_class -= 1;
                to.push(']');
            }
            // Set operations of the engine that Java does not have.
            '-' | '~' if in_class > 0 && chars.get(index) == Some(&char) => {
                to.push('\\');
                to.push(char);
            }
            '(' if in_class == 0 => {
                open += 1;
                if open > NESTING_MAX {
                    return Err(format!("more than {NESTING_MAX} parentheses inside of each other"));
                }
                to.push('(');
            }
            ')' if in_class == 0 => {
                open = open.saturating_sub(1);
                to.push(')');
            }
            // Java's `$` also matches before a line end at the end of the text.
            '$' if in_class == 0 && flags & MULTILINE == 0 && !source.contains("(?") => {
                to.push_str("(?=\\n?\\z)");
            }
            _ => to.push(char),
        }
    }
    Ok(to)
}

fn escape_into(text: &str, to: &mut String) {
    for char in text.chars() {
        if !char.is_alphanumeric() && char.is_ascii_punctuation() {
            to.push('\\');
        }
        to.push(char);
    }
}

/// An escape behind its backslash; the index of what follows.
fn escape(chars: &[char], index: usize, in_class: bool, to: &mut String) -> Result<usize, String> {
    let Some(&char) = chars.get(index) else { return Err("it ends with a backslash".to_owned()) };
    let next = index + 1;
    let class = match char {
        'd' => "0-9",
        'w' => "a-zA-Z0-9_",
        's' => " \\t\\n\\x0B\\x0C\\r",
        'h' => " \\t\\xA0\\u{2000}-\\u{200a}\\u{3000}",
        'v' => "\\n\\x0B\\x0C\\r\\x{85}\\u{2028}\\u{2029}",
        _ => "",
    };
    let negated = match char {
        'D' => "0-9",
        'W' => "a-zA-Z0-9_",
        'S' => " \\t\\n\\x0B\\x0C\\r",
        'H' => " \\t\\xA0\\u{2000}-\\u{200a}\\u{3000}",
        'V' => "\\n\\x0B\\x0C\\r\\x{85}\\u{2028}\\u{2029}",
        _ => "",
    };
    if !class.is_empty() {
        if in_class {
            to.push_str(class);
        } else {
            to.push_str(&format!("[{class}]"));
        }
        return Ok(next);
    }
    if !negated.is_empty() {
        to.push_str(&format!("[^{negated}]"));
        return Ok(next);
    }
    match char {
        'Q' => {
            let rest: String = chars.iter().skip(next).collect();
            let literal = rest.split("\\E").next().unwrap_or_default();
            escape_into(literal, to);
            let length = literal.chars().count();
            let closed = rest.contains("\\E");
            return Ok(next + length + if closed { 2 } else { 0 });
        }
        'E' => {}
        'Z' => to.push_str("(?=\\n?\\z)"),
        'R' => to.push_str("(?:\\r\\n|[\\n\\x0B\\x0C\\r\\u{85}\\u{2028}\\u{2029}])"),
        'e' => to.push_str("\\x1B"),
        'G' => return Err("`\\G` is not supported".to_owned()),
        'X' => return Err("`\\X` is not supported".to_owned()),
        'u' => {
            let digits: String = chars.iter().skip(next).take(4).collect();
            if digits.len() != 4 || !digits.chars().all(|digit| digit.is_ascii_hexdigit()) {
                return Err("`\\u` needs four hexadecimal digits".to_owned());
            }
            to.push_str(&format!("\\u{{{digits}}}"));
            return Ok(next + 4);
        }
        '0' => {
            let digits: String =
                chars.iter().skip(next).take(3).take_while(|digit| digit.is_digit(8)).collect();
            let code =
                u32::from_str_radix(&digits, 8).map_err(|_| "`\\0` needs an octal number".to_owned())?;
            to.push_str(&format!("\\x{{{code:x}}}"));
            return Ok(next + digits.len());
        }
        'p' | 'P' => return property(chars, next, char == 'P', in_class, to),
        '<' | '>' => to.push(char),
        _ => {
            to.push('\\');
            to.push(char);
        }
    }
    Ok(next)
}

/// `\p{..}`
fn property(
    chars: &[char],
    index: usize,
    negated: bool,
    in_class: bool,
    to: &mut String,
) -> Result<usize, String> {
    let (name, next) = if chars.get(index) == Some(&'{') {
        let name: String = chars.iter().skip(index + 1).take_while(|char| **char != '}').collect();
        let next = index + 2 + name.chars().count();
        (name, next)
    } else {
        (chars.get(index).map(char::to_string).unwrap_or_default(), index + 1)
    };
    let ascii = match &*name {
        "Lower" | "javaLowerCase" => "a-z",
        "Upper" | "javaUpperCase" => "A-Z",
        "ASCII" => "\\x00-\\x7F",
        "Alpha" => "a-zA-Z",
        "Digit" => "0-9",
        "Alnum" => "a-zA-Z0-9",
        "Punct" => "!-/:-@\\[-`{-~",
        "Graph" => "!-~",
        "Print" => " -~",
        "Blank" => " \\t",
        "Cntrl" => "\\x00-\\x1F\\x7F",
        "XDigit" => "0-9a-fA-F",
        "Space" => " \\t\\n\\x0B\\x0C\\r",
        _ => "",
    };
    match (ascii.is_empty(), negated, in_class) {
        (false, false, true) => to.push_str(ascii),
        (false, false, false) => to.push_str(&format!("[{ascii}]")),
        (false, true, _) => to.push_str(&format!("[^{ascii}]")),
        (true, ..) => {
            let name = name.strip_prefix("Is").or_else(|| name.strip_prefix("In")).unwrap_or(&name);
            to.push_str(&format!("\\{}{{{name}}}", if negated { 'P' } else { 'p' }));
        }
    }
    Ok(next)
}

/// A search through a text.
#[derive(Debug)]
pub(crate) struct Matcher {
    pub(crate) pattern: Rc<Pattern>,
    pub(crate) text: Rc<str>,
    pub(crate) state: RefCell<Search>,
}

/// How far a search is.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// Where the next search begins.
    pub(crate) next: usize,
    /// The groups of the last match.
    pub(crate) groups: Option<Groups>,
    /// What was copied by `appendReplacement`.
    pub(crate) appended: usize,
}

/// Where the search after a match goes on; an empty match must not be found again.
pub(crate) fn after(text: &str, (start, end): (usize, usize)) -> usize {
    if end > start {
        return end;
    }
    end + text.get(end..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
}

impl Matcher {
    /// A search from the beginning.
    pub(crate) fn new(pattern: Rc<Pattern>, text: Rc<str>) -> Self {
        Self { pattern, text, state: RefCell::default() }
    }

    /// Moves to the next match.
    pub(crate) fn find(&self) -> Run<bool> {
        let from = self.state.borrow().next;
        let groups = self.pattern.find(&self.text, from)?;
        let mut state = self.state.borrow_mut();
        state.next = match groups.as_ref().and_then(|groups| groups.first().copied().flatten()) {
            Some(span) => after(&self.text, span),
            None => self.text.len() + 1,
        };
        state.groups = groups;
        Ok(state.groups.is_some())
    }

    /// All matches, from the beginning.
    pub(crate) fn all(&self, machine: &mut Machine<'_>) -> Run<Vec<Groups>> {
        all(machine, &self.pattern, &self.text)
    }
}

/// All matches in a text.
pub(crate) fn all(machine: &mut Machine<'_>, pattern: &Pattern, text: &str) -> Run<Vec<Groups>> {
    let (mut found, mut from) = (Vec::new(), 0);
    while let Some(groups) = pattern.find(text, from)? {
        machine.allocate_items(groups.len() + 2)?;
        let Some(span) = groups.first().copied().flatten() else { break };
        from = after(text, span);
        found.push(groups);
    }
    Ok(found)
}

/// Writes a replacement with its `$1` and `${name}`.
pub(crate) fn expand(
    pattern: &Pattern,
    text: &str,
    groups: &Groups,
    replacement: &str,
    to: &mut String,
) -> Run<()> {
    let group = |index: usize| {
        let Some(span) = groups.get(index) else {
            return Err(raise(Builtin::IndexOutOfBoundsException, format!("No group {index}")));
        };
        Ok(span.and_then(|(start, end)| text.get(start..end)).unwrap_or_default())
    };
    let mut chars = replacement.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\\' => to.extend(chars.next()),
            '$' => match chars.peek().copied() {
                Some('{') => {
                    chars.next();
                    let name: String = chars.by_ref().take_while(|char| *char != '}').collect();
                    let Some(index) = pattern.group_named(&name) else {
                        return Err(raise(
                            Builtin::IllegalArgumentException,
                            format!("No group with name {{{name}}}"),
                        ));
                    };
                    to.push_str(group(index)?);
                }
                Some(first) if first.is_ascii_digit() => {
                    chars.next();
                    let mut index = first as usize - '0' as usize;
                    while let Some(digit) = chars.peek().and_then(|char| char.to_digit(10)) {
                        let longer = index * 10 + digit as usize;
                        if longer >= groups.len() {
                            break;
                        }
                        index = longer;
                        chars.next();
                    }
                    to.push_str(group(index)?);
                }
                _ => {
                    return Err(raise(
                        Builtin::IllegalArgumentException,
                        "Illegal group reference: expected a digit or `{name}` after `$` in the replacement; write `\\$` for a dollar sign",
                    ));
                }
            },
            _ => to.push(char),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(pattern: &str, text: &str) -> bool {
        Pattern::compile(pattern, 0).unwrap().whole(text).unwrap().is_some()
    }

    #[test]
    fn java_syntax() {
        assert!(whole(r"\d{3}-\w+", "123-abc"));
        assert!(whole(r"[\w.]+@[\w-]+\.com", "a.b@c-d.com"));
        assert!(whole(r"\p{Alpha}+\p{Punct}", "abc!"));
        assert!(whole(r"\Qa.b\E+", "a.bb"));
        assert!(whole(r"(?i)abc", "ABC"));
        assert!(whole(r"(a)\1", "aa"));
        assert!(whole(r"(?<!x)a(?!b)", "a"));
        assert!(whole(r"[^\s,]+", "ab"));
        assert!(whole(r"a\/b\-c", "a/b-c"));
        assert!(!whole(r"\d", "٣"));
    }

    #[test]
    fn errors_are_exceptions() {
        assert!(Pattern::compile("(", 0).is_err());
        assert!(Pattern::compile("a\\", 0).is_err());
        assert!(Pattern::compile(&"(".repeat(100), 0).is_err());
        assert!(Pattern::compile("(a{1000}){1000}", 0).is_err());
    }

    #[test]
    fn replacements() {
        let pattern = Pattern::compile(r"(?<key>\w)=(\w)", 0).unwrap();
        let groups = pattern.find("a=b", 0).unwrap().unwrap();
        let mut to = String::new();
        expand(&pattern, "a=b", &groups, r"$2=${key}\$", &mut to).unwrap();
        assert_eq!(to, "b=a$");
        assert!(expand(&pattern, "a=b", &groups, "$x", &mut to).is_err());
        assert!(expand(&pattern, "a=b", &groups, "$9", &mut to).is_err());
    }
}
