//! Answers of belts that consist of rows alone, as most do, read in one go.

use super::plain_row;
use super::scan::Scan;
use crate::outcome::Update;

/// What a list of outcomes holds for one event.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome<'a> {
    /// Updates, all of them rows.
    Rows(Vec<Update>),
    /// Anything else: its JSON, which nests no deeper than rows do.
    Other(&'a str),
}

/// Reads a list of outcomes, at most so many. `None` says nothing.
pub(crate) fn outcomes(answer: &[u8], most: usize) -> Option<Vec<Outcome<'_>>> {
    let mut scan = Scan::new(answer);
    let mut outcomes = Vec::with_capacity(most);
    scan.expect(b'[')?;
    while next(&mut scan, outcomes.is_empty())? {
        if outcomes.len() == most {
            return None;
        }
        let start = scan.at;
        outcomes.push(match rows(&mut scan) {
            Some(rows) => Outcome::Rows(rows),
            None => {
                scan.at = start;
                scan.skip(1)?;
                Outcome::Other(std::str::from_utf8(&answer[start..scan.at]).ok()?)
            }
        });
    }
    // Until here nobody looked whether values and ids are UTF-8.
    scan.end().then_some(outcomes)
}

/// `[["d", "<event type>", {...}], ...]`
fn rows(scan: &mut Scan<'_>) -> Option<Vec<Update>> {
    let mut rows = Vec::new();
    scan.expect(b'[')?;
    while next(scan, rows.is_empty())? {
        scan.expect(b'[')?;
        scan.expect(b'"')?;
        if scan.text()?.raw != b"d" {
            return None;
        }
        scan.expect(b',')?;
        scan.expect(b'"')?;
        let name = scan.text()?;
        if name.escaped {
            return None;
        }
        let event_type = std::str::from_utf8(name.raw).ok()?.to_owned();
        scan.expect(b',')?;
        scan.peek()?;
        let start = scan.at;
        let id = plain_row(scan)?;
        let value = scan.bytes[start..scan.at].to_vec();
        scan.expect(b']')?;
        rows.push(Update::Direct { event_type, id, value });
    }
    Some(rows)
}

/// Whether a list has another item, which is next then; passes over what is before it, or over the end of the list.
fn next(scan: &mut Scan<'_>, first: bool) -> Option<bool> {
    match scan.peek()? {
        b']' => {
            scan.at += 1;
            return Some(false);
        }
        b',' if !first => scan.at += 1,
        _ if first => return Some(true),
        _ => return None,
    }
    // A comma promises an item.
    (scan.peek()? != b']').then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(event_type: &str, id: &str, value: &str) -> Update {
        Update::Direct { event_type: event_type.into(), id: id.into(), value: value.into() }
    }

    #[test]
    fn rows_are_read_and_what_is_none_is_handed_over() {
        let answer = "[[[\"d\",\"é\",{\"id\":\"ü\", \"v\":[1,{}]} ],[\"d\",\"b\",{\"id\":\"x\"}]] , [],
            {\"e\":[1]},[[\"d\",\"a\",{\"id\":7}]],[[\"u\",{}]], [[\"d\",\"\\n\",{\"id\":\"x\"}]]]";
        let other = Outcome::Other;
        assert_eq!(
            outcomes(answer.as_bytes(), 6).unwrap(),
            [
                Outcome::Rows(vec![
                    row("é", "ü", "{\"id\":\"ü\", \"v\":[1,{}]}"),
                    row("b", "x", "{\"id\":\"x\"}")
                ]),
                Outcome::Rows(vec![]),
                other("{\"e\":[1]}"),
                other("[[\"d\",\"a\",{\"id\":7}]]"),
                other("[[\"u\",{}]]"),
                other("[[\"d\",\"\\n\",{\"id\":\"x\"}]]"),
            ]
        );
        assert_eq!(outcomes(b" [ ] ", 0), Some(vec![]));
        assert_eq!(outcomes(answer.as_bytes(), 5), None);
    }

    #[test]
    fn what_is_not_json_is_left_alone() {
        let answers = [
            "",
            "[",
            "[,]",
            "[[],]",
            "[[]",
            "[[] []]",
            "[[]]x",
            "[[[\"d\",\"a\",{\"id\":\"x\"}],]]",
            "[[[\"d\",\"a\",{\"id\":\"x\"}]}]",
        ];
        for bad in answers {
            assert_eq!(outcomes(bad.as_bytes(), 9), None, "{bad}");
        }
        assert_eq!(outcomes(b"[[[\"d\",\"a\",{\"id\":\"\xff\"}]]]", 1), None);
        assert_eq!(outcomes(b"[[[\"d\",\"a\",{\"id\":\"x\",\"v\":\"\xff\"}]]]", 1), None);
    }

    #[test]
    fn it_reads_what_serde_reads() {
        let pieces = [
            "[",
            "]",
            "{",
            "}",
            "\"id\"",
            ":",
            ",",
            "\"d\"",
            "[\"d\",\"t\",",
            "{\"id\":\"x\"}",
            "1",
            " ",
            "\"é\"",
            "[[",
        ];
        let mut state = 7_u32;
        let mut read = 0;
        for _ in 0..300_000 {
            let mut text = "[[[\"d\",\"t\",{\"id\":\"x\"}]".to_owned();
            for _ in 0..state >> 8 & 7 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text.push_str(pieces[(state >> 16) as usize % pieces.len()]);
            }
            text.push_str(["", "]", "]]"][(state >> 5) as usize % 3]);
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let Some(found) = outcomes(text.as_bytes(), 9) else { continue };
            let wanted: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
            assert_eq!(found.len(), wanted.len(), "{text}");
            for (found, wanted) in found.iter().zip(wanted) {
                let found = match found {
                    Outcome::Other(text) => serde_json::from_str(text).unwrap(),
                    Outcome::Rows(rows) => serde_json::Value::Array(rows.iter().map(as_json).collect()),
                };
                assert_eq!(found, wanted, "{text}");
            }
            read += 1;
        }
        assert!(read > 1_000, "{read}");
    }

    fn as_json(row: &Update) -> serde_json::Value {
        let Update::Direct { event_type, value, .. } = row else { panic!("{row:?}") };
        let value: serde_json::Value = serde_json::from_slice(value).unwrap();
        serde_json::json!(["d", event_type, value])
    }
}
