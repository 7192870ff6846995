//! Definite JSON paths: they lead to one value. The leading `$` may be left out.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

/// A parsed path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(String),
    /// Counted from the end where negative.
    Index(i64),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "'{name}'"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

impl Path {
    /// Reads `data[0].correlationId`, `$.x`, `['a.b'].c`, `[-1]`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| Err(format!("'{text}' is not a path to one value: {what}"));
        let mut rest = text.trim();
        if rest.is_empty() {
            return wrong("it is empty; '$' is the whole");
        }
        let rooted = rest == "$" || rest.starts_with("$.") || rest.starts_with("$[");
        rest = if rooted { &rest[1..] } else { rest };
        let mut steps = Vec::new();
        // A path without its root begins with a name or a bracket, every other name comes behind a dot.
        let mut bare_name = !rooted;
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix('[') {
                let Some((step, behind)) = bracket(inner) else {
                    return wrong(
                        "expected [number] or ['name'] (wildcards, slices and filters find many values)",
                    );
                };
                steps.push(step);
                rest = behind;
            } else {
                let name = if bare_name { rest } else { rest.strip_prefix('.').unwrap_or("") };
                let end = name.find(['.', '[']).unwrap_or(name.len());
                match &name[..end] {
                    "" => {
                        return wrong(
                            "a name is missing (names with dots are written ['a.b'], '..' is not known)",
                        );
                    }
                    "*" => return wrong("'*' finds many values"),
                    call if call.ends_with("()") => return wrong("functions in paths are not known"),
                    plain => steps.push(Step::Name(plain.to_owned())),
                }
                rest = &name[end..];
            }
            bare_name = false;
        }
        Ok(Self(steps))
    }

    /// The value at the path, or a text that tells which step has none.
    pub(crate) fn find<'j>(&self, root: &'j Json) -> Result<&'j Json, String> {
        self.0.iter().try_fold(root, |value, step| match (step, value) {
            (Step::Name(name), Json::Object(fields)) => fields.get(name).ok_or_else(|| missing(step)),
            (Step::Index(index), Json::Array(items)) => {
                position(*index, items.len()).map(|at| &items[at]).ok_or_else(|| missing(step))
            }
            _ => Err(mismatch(step, value)),
        })
    }

    /// As [`Path::find`], for a value that is not needed afterwards.
    pub(crate) fn take(&self, mut root: Json) -> Result<Json, String> {
        let target = self.0.iter().try_fold(&mut root, |value, step| match (step, value) {
            (Step::Name(name), Json::Object(fields)) => fields.get_mut(name).ok_or_else(|| missing(step)),
            (Step::Index(index), Json::Array(items)) => match position(*index, items.len()) {
                Some(at) => Ok(&mut items[at]),
                None => Err(missing(step)),
            },
            (step, value) => Err(mismatch(step, value)),
        });
        target.map(Json::take)
    }
}

impl Path {
    /// The value at the path in a JSON text. Builds that value only; the rest of the text is checked for its syntax
    /// and passed over, which takes a fraction of the time.
    pub(crate) fn find_in(&self, text: &str) -> Result<Result<Json, String>, serde_json::Error> {
        // Counting from the end needs all elements.
        if self.0.iter().any(|step| matches!(step, Step::Index(index) if *index < 0)) {
            return Ok(self.take(serde_json::from_str(text)?));
        }
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let found = Seek(&self.0).deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(found)
    }
}

/// Follows the remaining steps while the text is read.
struct Seek<'p>(&'p [Step]);

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = Result<Json, String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.0.is_empty() {
            Json::deserialize(deserializer).map(Ok)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl Seek<'_> {
    fn asked_of<E>(&self, what: &str) -> Result<Result<Json, String>, E> {
        Ok(Err(format!("{} was asked of {what}", self.0[0])))
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = Result<Json, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (step, rest) = (&self.0[0], &self.0[1..]);
        let mut found = Err(missing(step));
        while let Some(name) = map.next_key::<Cow<'_, str>>()? {
            match step {
                // Of fields with one name the last counts, as it does in a whole value.
                Step::Name(wanted) if *wanted == name => found = map.next_value_seed(Seek(rest))?,
                Step::Name(_) | Step::Index(_) => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if matches!(step, Step::Index(_)) { self.asked_of("an object") } else { Ok(found) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let (step, rest) = (&self.0[0], &self.0[1..]);
        let wanted = match step {
            Step::Index(index) => usize::try_from(*index).ok(),
            Step::Name(_) => None,
        };
        let mut found = None;
        for at in 0.. {
            if Some(at) == wanted {
                found = items.next_element_seed(Seek(rest))?;
                if found.is_none() {
                    break;
                }
            } else if items.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
        }
        if matches!(step, Step::Name(_)) {
            self.asked_of("an array")
        } else {
            Ok(found.unwrap_or_else(|| Err(missing(step))))
        }
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        self.asked_of("null")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        self.asked_of("a boolean")
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        self.asked_of("a text")
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        self.asked_of("a number")
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        self.asked_of("a number")
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        self.asked_of("a number")
    }
}

/// What stands in brackets, and the rest behind them.
fn bracket(inner: &str) -> Option<(Step, &str)> {
    let inner = inner.trim_start();
    let Some(quote @ ('\'' | '"')) = inner.chars().next() else {
        let (index, behind) = inner.split_once(']')?;
        return Some((Step::Index(index.trim().parse().ok()?), behind));
    };
    let mut name = String::new();
    let mut characters = inner.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => name.push(characters.next()?.1),
            c if c == quote => {
                let behind = inner[at + 1..].trim_start().strip_prefix(']')?;
                return Some((Step::Name(name), behind));
            }
            c => name.push(c),
        }
    }
    None
}

/// The place of an index that may count from the end.
pub(crate) fn position(index: i64, length: usize) -> Option<usize> {
    let at = if index < 0 { i64::try_from(length).ok()?.checked_add(index)? } else { index };
    usize::try_from(at).ok().filter(|at| *at < length)
}

fn missing(step: &Step) -> String {
    format!("{step} is missing")
}

fn mismatch(step: &Step, value: &Json) -> String {
    format!("{step} was asked of {}", kind(value))
}

/// The type of a value, with its article.
pub(crate) fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_to_their_value() {
        let root =
            json!({"a": [{"b": 1}, {"b": null}], "x.y": {"it's": 2}, "e-f": 3, "$id": 4, "": 5, "p q": 6});
        for (path, expected) in [
            ("a[0].b", json!(1)),
            ("$.a[0].b", json!(1)),
            ("$['a'][0]['b']", json!(1)),
            ("a[-1].b", json!(null)),
            ("['a'][ 1 ].b", json!(null)),
            ("$[\"x.y\"]['it\\'s']", json!(2)),
            ("e-f", json!(3)),
            ("$id", json!(4)),
            ("['']", json!(5)),
            ("p q", json!(6)),
            ("$", root.clone()),
        ] {
            let parsed = Path::parse(path).unwrap();
            assert_eq!(parsed.find(&root), Ok(&expected), "{path}");
            assert_eq!(parsed.take(root.clone()), Ok(expected), "{path}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let root = json!({"a": [1], "n": null});
        for (path, expected) in [
            ("a[1]", "[1] is missing"),
            ("a[-2]", "[-2] is missing"),
            ("b.c", "'b' is missing"),
            ("n.c", "'c' was asked of null"),
            ("a.c", "'c' was asked of an array"),
        ] {
            let parsed = Path::parse(path).unwrap();
            assert_eq!(parsed.find(&root), Err(expected.to_owned()));
            assert_eq!(parsed.take(root.clone()), Err(expected.to_owned()));
        }
    }

    #[test]
    fn paths_to_many_values_are_refused() {
        for path in [
            "",
            " ",
            "a..b",
            "$..b",
            "a.*",
            "a[*]",
            "a[0:2]",
            "a[0,1]",
            "a[?(@.b)]",
            "a[",
            "a['b",
            "a['b'",
            ".a",
            "a.",
            "a[0]b",
            "a.length()",
        ] {
            assert!(Path::parse(path).is_err(), "{path}");
        }
    }

    #[test]
    fn seeking_in_a_text_finds_what_the_whole_value_has() {
        let text = r#" {"a": [1, {"b": "\u00e4"}, [2, [3]]], "d": 1, "d": {"e": 12345678901234567890.10}, "n": null, "t": "x", "y": true} "#;
        let whole: Json = serde_json::from_str(text).unwrap();
        for path in [
            "$",
            "a",
            "a[0]",
            "a[1].b",
            "a[2][1][0]",
            "a[-1][0]",
            "a[9]",
            "a[0].b",
            "a.b",
            "[0]",
            "d.e",
            "d",
            "n",
            "n.x",
            "t.x",
            "t[0]",
            "y.x",
            "zz",
            "zz.x",
            "d.e.x",
            "a[2][1][0].x",
        ] {
            let parsed = Path::parse(path).unwrap();
            let found = parsed.find_in(text).unwrap();
            assert_eq!(found.clone().ok(), parsed.find(&whole).ok().cloned(), "{path}");
        }
        for broken in ["", "{", "{\"a\": 1} x", "{\"a\": 1, \"b\": [}", "{\"b\": nul}"] {
            for path in ["$", "a", "b", "[0]"] {
                assert!(Path::parse(path).unwrap().find_in(broken).is_err(), "{broken} {path}");
            }
        }
    }

    proptest! {
        #[test]
        fn seeking_agrees_with_the_whole_value(json in tree(), path in path_text()) {
            let text = json.to_string();
            let parsed = Path::parse(&path).unwrap();
            prop_assert_eq!(parsed.find_in(&text).unwrap().ok(), parsed.find(&json).ok().cloned());
            prop_assert_eq!(parsed.take(json.clone()).ok(), parsed.find(&json).ok().cloned());
        }
    }

    fn tree() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            "[a-c]{0,2}".prop_map(Json::from)
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                proptest::collection::vec(("[a-c]", inner), 0..4)
                    .prop_map(|fields| Json::Object(fields.into_iter().collect())),
            ]
        })
    }

    fn path_text() -> impl Strategy<Value = String> {
        let step = prop_oneof!["\\.[a-c]", "\\[[0-3]\\]", "\\[-[1-3]\\]", "\\['[a-c]'\\]"];
        proptest::collection::vec(step, 0..5).prop_map(|steps| format!("${}", steps.concat()))
    }
}
