//! Where something stands in a schema text. The JSON parser keeps no positions, so they are looked up in the text when
//! there is something to complain about.

use super::SchemaError;

/// An error at the member that `path` leads to. Where the path ends early, at the deepest part that is there.
pub(super) fn error(text: &str, path: &[&str], message: impl Into<String>) -> SchemaError {
    let (line, column) = line_and_column(text, find(text, path));
    SchemaError { message: message.into(), line, column }
}

/// What the JSON parser says, in characters instead of bytes.
pub(super) fn of_json_error(text: &str, error: &serde_json::Error) -> SchemaError {
    let full = error.to_string();
    let reason = full.split(" at line ").next().unwrap_or(&full);
    let (line, bytes) = (error.line().max(1), error.column());
    let line_text = text.split('\n').nth(line - 1).unwrap_or_default();
    // The parser counts the bytes that it has consumed, so the culprit is the last one of them.
    let before = line_text.as_bytes().get(..bytes.saturating_sub(1)).unwrap_or(line_text.as_bytes());
    let column = String::from_utf8_lossy(before).chars().count() + 1;
    SchemaError { message: format!("the schema is not valid JSON: {reason}"), line, column }
}

/// The name of a member that the object at `path` has more than once.
pub(super) fn repeated_member(text: &str, path: &[&str]) -> Option<String> {
    let mut names = std::collections::HashSet::new();
    members(text.as_bytes(), value_at(text, path)?).into_iter().find_map(|member| {
        let name = name_of(text, &member);
        (!names.insert(name.clone())).then_some(name)
    })
}

/// One member of an object or element of an array.
struct Member {
    /// Where its name (or, in an array, its value) starts.
    start: usize,
    /// Where its value starts.
    value: usize,
}

fn find(text: &str, path: &[&str]) -> usize {
    let mut here = skip_space(text.as_bytes(), 0);
    let mut value = here;
    for segment in path {
        let is_array = text.as_bytes().get(value) == Some(&b'[');
        let mut found = members(text.as_bytes(), value).into_iter().enumerate().filter(|(index, member)| {
            if is_array { index.to_string() == **segment } else { name_of(text, member) == **segment }
        });
        // Of repeated members the parser takes the last, so that one is meant.
        let Some((_, member)) = found.next_back() else { break };
        here = member.start;
        value = member.value;
    }
    here
}

fn value_at(text: &str, path: &[&str]) -> Option<usize> {
    let mut value = skip_space(text.as_bytes(), 0);
    for segment in path {
        value = members(text.as_bytes(), value).into_iter().rfind(|m| name_of(text, m) == **segment)?.value;
    }
    Some(value)
}

fn name_of(text: &str, member: &Member) -> String {
    let end = skip_string(text.as_bytes(), member.start);
    text.get(member.start..end).and_then(|quoted| serde_json::from_str(quoted).ok()).unwrap_or_default()
}

/// The members of the object or array that starts at `at`, of a text that is valid JSON.
fn members(bytes: &[u8], at: usize) -> Vec<Member> {
    let mut members = Vec::new();
    let is_object = match bytes.get(at) {
        Some(b'{') => true,
        Some(b'[') => false,
        _ => return members,
    };
    let mut here = skip_space(bytes, at + 1);
    while here < bytes.len() && !matches!(bytes[here], b'}' | b']') {
        let start = here;
        if is_object {
            here = skip_space(bytes, skip_string(bytes, here));
            // The colon.
            here = skip_space(bytes, here + 1);
        }
        members.push(Member { start, value: here });
        here = skip_space(bytes, skip_value(bytes, here));
        if bytes.get(here) == Some(&b',') {
            here = skip_space(bytes, here + 1);
        }
    }
    members
}

fn skip_space(bytes: &[u8], from: usize) -> usize {
    bytes
        .iter()
        .skip(from)
        .position(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
        .map_or(bytes.len(), |n| from + n)
}

/// One past the string that starts at `from`; `from` where there is none.
fn skip_string(bytes: &[u8], from: usize) -> usize {
    if bytes.get(from) != Some(&b'"') {
        return from;
    }
    let mut here = from + 1;
    while here < bytes.len() {
        match bytes[here] {
            b'"' => return here + 1,
            b'\\' => here += 2,
            _ => here += 1,
        }
    }
    bytes.len()
}

/// One past the value that starts at `from`; always further than `from`.
fn skip_value(bytes: &[u8], from: usize) -> usize {
    let mut here = from;
    let mut depth = 0_usize;
    while here < bytes.len() {
        match bytes[here] {
            b'"' => {
                here = skip_string(bytes, here);
                if depth == 0 {
                    return here;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return if depth == 0 { here.max(from + 1) } else { here + 1 },
            b'}' | b']' => depth -= 1,
            b',' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return here.max(from + 1),
            _ => {}
        }
        here += 1;
    }
    bytes.len()
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |n| n + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{\r\n  \"type\": \"object\",\n  \"properties\": {\"é\\\"}\": {\"a\": [1, {\"b\": \"x,]\"}]},\n   \"z\" : 1}}";

    #[test]
    fn finds_members_by_path() {
        for (path, expected) in [
            (&[][..], (1, 1)),
            (&["type"][..], (2, 3)),
            (&["properties"][..], (3, 3)),
            (&["properties", "é\"}"][..], (3, 18)),
            (&["properties", "é\"}", "a"][..], (3, 27)),
            (&["properties", "é\"}", "a", "1", "b"][..], (3, 37)),
            (&["properties", "z"][..], (4, 4)),
            (&["properties", "not there", "x"][..], (3, 3)),
        ] {
            let error = error(TEXT, path, "");
            assert_eq!((error.line, error.column), expected, "{path:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics_on_any_text(text in ".*", name in ".*") {
            let _ = error(&text, &[&name, "0", "b"], "");
            let _ = repeated_member(&text, &[&name]);
            let _ = repeated_member(&text, &[]);
        }

        #[test]
        fn never_panics_on_json_like_text(text in r#"[\[\]{}":,a\\ 0-9]{0,40}"#) {
            let _ = error(&text, &["a", "0", "b"], "");
            let _ = repeated_member(&text, &["a"]);
            let _ = repeated_member(&text, &[]);
        }
    }
}
