//! JSON text that a guest wrote: passed on byte for byte, so it is only looked at.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::marshal::DEPTH_MAX;
use scan::Scan;

pub(crate) mod rows;

// What the SDK reads payloads with is as good for rows.
#[path = "../../../guest-sdk/rust/src/json/block.rs"]
mod block;
#[path = "../../../guest-sdk/rust/src/json/scan.rs"]
#[allow(dead_code, reason = "rows need less of it than payloads")]
mod scan;
#[path = "../../../guest-sdk/rust/src/json/swar.rs"]
mod swar;

/// Whether bytes are JSON that may be passed on. The error completes "a value that ...".
pub(crate) fn check(text: &[u8]) -> Result<(), String> {
    if is_plain(text) {
        return Ok(());
    }
    let text = shallow(text)?;
    serde_json::from_str::<&RawValue>(text).map_err(not_json)?;
    Ok(())
}

/// Whether bytes are JSON, and nest no deeper than they may. `false` says nothing.
pub(crate) fn is_plain(text: &[u8]) -> bool {
    let mut scan = Scan::new(text);
    scan.skip(0).is_some() && scan.end()
}

/// Whether bytes are a JSON object that may be passed on.
pub(crate) fn check_object(text: &[u8]) -> Result<(), String> {
    check(text)?;
    if is_object(text) { Ok(()) } else { Err("is not an object".to_owned()) }
}

/// The routing key of a row: the text of its `id`, which is a text or an integer.
pub(crate) fn row_id(text: &[u8]) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Row<'a> {
        #[serde(borrow)]
        id: Option<&'a RawValue>,
    }
    if let Some(id) = plain_row_id(text) {
        return Ok(id);
    }
    let text = shallow(text)?;
    if !is_object(text.as_bytes()) {
        check(text.as_bytes())?;
        return Err("is not an object".to_owned());
    }
    // Reads the whole text. Two ids are refused: readers of JSON differ about which one counts.
    let row: Row<'_> = serde_json::from_str(text).map_err(not_json)?;
    let Some(id) = row.id else { return Err("needs to contain an id property".to_owned()) };
    let id = id.get();
    if id.starts_with('"') {
        return match serde_json::from_str::<String>(id) {
            Ok(text) if !text.is_empty() => Ok(text),
            Ok(_) => Err("has an empty id".to_owned()),
            Err(error) => Err(format!("has an id that is not text: {error}")),
        };
    }
    let is_integer = id.strip_prefix('-').unwrap_or(id).bytes().all(|b| b.is_ascii_digit());
    if is_integer {
        Ok(id.to_owned())
    } else {
        Err(format!("has an id that is neither text nor integer: {}", short(id)))
    }
}

/// The id of a row that is right and has a text for it without escapes, as almost all have. `None` says nothing.
fn plain_row_id(text: &[u8]) -> Option<String> {
    let mut scan = Scan::new(text);
    let id = plain_row(&mut scan)?;
    scan.end().then_some(id)
}

/// The same for a row in a text, which is passed over. Whether all of the text is UTF-8 is left to look at.
fn plain_row(scan: &mut Scan<'_>) -> Option<String> {
    let (mut id, mut first) = (None, true);
    scan.expect(b'{')?;
    while let Some(name) = scan.name(first)? {
        first = false;
        scan.expect(b':')?;
        if name.escaped {
            return None;
        }
        if name.raw == b"id" {
            scan.expect(b'"')?;
            let text = scan.text()?;
            if id.replace(text.raw).is_some() || text.escaped || text.raw.is_empty() {
                return None;
            }
        } else {
            scan.skip(1)?;
        }
    }
    scan.expect(b'}')?;
    id.and_then(|id| String::from_utf8(id.to_vec()).ok())
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
fn not_json(error: serde_json::Error) -> String {
    format!("is not JSON: {error}")
}

fn shallow(text: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(text).map_err(|error| format!("is not UTF-8: {error}"))?;
    if nests_deeper_than(DEPTH_MAX, text) {
        return Err(format!("is nested deeper than {DEPTH_MAX} levels"));
    }
    Ok(text)
}

fn is_object(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(b"{")
}

/// Whether brackets outside of strings nest deeper than `limit`.
pub(crate) fn nests_deeper_than(limit: usize, text: &str) -> bool {
    // Most texts have too few brackets for it, and those are counted many at a time.
    let opening = |byte: &u8| matches!(byte, b'[' | b'{');
    if text.as_bytes().iter().filter(|byte| opening(byte)).count() <= limit {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(40)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_to_an_id_is_right_or_none() {
        assert_eq!(plain_row_id(br#" { "a" : [{"id":1}, "x"], "id" : "x" } "#).as_deref(), Some("x"));
        assert_eq!(plain_row_id("{\"id\":\"\u{e9}\"}".as_bytes()).as_deref(), Some("\u{e9}"));
        let deep = |depth| format!("{{\"id\":\"x\",\"v\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        for depth in 100..140 {
            let text = deep(depth);
            assert!(
                plain_row_id(text.as_bytes()).is_none() || !nests_deeper_than(DEPTH_MAX, &text),
                "{depth}"
            );
        }
        let pieces =
            ["{", "}", "\"id\"", ":", ",", "\"x\"", "\"\\u0069d\"", "1", "\"\"", "[", "]", " ", "\"\u{e9}\""];
        let mut state = 7_u32;
        for _ in 0..200_000 {
            let mut text = "{\"id\":\"x\"".to_owned();
            for _ in 0..state >> 8 & 7 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text.push_str(pieces[(state >> 16) as usize % pieces.len()]);
            }
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if let Some(id) = plain_row_id(text.as_bytes()) {
                let row: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_eq!(row["id"].as_str(), Some(id.as_str()), "{text}");
            }
        }
    }

    #[test]
    fn row_ids_are_texts_or_integers() {
        assert_eq!(row_id(br#"{"a":{"id":1},"id":"x\u00e9"}"#), Ok("x\u{e9}".to_owned()));
        assert_eq!(row_id(br#" {"id":-7} "#), Ok("-7".to_owned()));
        assert_eq!(row_id(br#"{"id":"\""}"#), Ok("\"".to_owned()));
        assert_eq!(row_id(br#"{"id" : "a b" }"#), Ok("a b".to_owned()));
        for (bad, why) in [
            ("{}", "needs to contain an id"),
            (r#"{"id":null}"#, "needs to contain an id"),
            (r#"{"id":1.5}"#, "neither text nor integer"),
            (r#"{"id":""}"#, "empty id"),
            (r#"{"id":1,"id":2}"#, "duplicate field"),
            ("[1]", "not an object"),
            ("{", "not JSON"),
        ] {
            let error = row_id(bad.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
        let deep = format!("{{\"id\":1,\"v\":{}1{}}}", "[".repeat(200), "]".repeat(200));
        assert!(row_id(deep.as_bytes()).unwrap_err().contains("nested deeper"));
    }
}
