//! Reads the fields of a JSON object one by one, notes each that is wrong, and names those that nobody asked for.

use serde_json::{Map, Value};

use crate::report::Report;

/// One object being read. A missing field and `null` are the same: `None`.
pub(crate) struct Fields<'a> {
    map: &'a Map<String, Value>,
    prefix: String,
    known: Vec<&'static str>,
    report: &'a mut Report,
}

/// What an answer says of everything that is stored, beside its own fields.
pub(crate) const STORED: [&str; 8] =
    ["version", "projectName", "createdAt", "createdBy", "modifiedAt", "modifiedBy", "_links", "warnings"];

/// The kind of a JSON value in words.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

impl<'a> Fields<'a> {
    /// Starts on the body itself. A body that is no object is a problem; reading goes on with an empty one.
    pub(crate) fn of_body(body: &'a Value, report: &'a mut Report) -> Self {
        static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        let map = match body.as_object() {
            Some(map) => map,
            None => {
                report.problem("body", format!("must be a JSON object but is {}", kind(body)));
                &EMPTY
            }
        };
        Self { map, prefix: String::new(), known: Vec::new(), report }
    }

    /// The path of a field, as problems name it.
    pub(crate) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Where problems go.
    pub(crate) fn report(&mut self) -> &mut Report {
        self.report
    }

    fn take(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn wrong(&mut self, name: &str, expected: &str, value: &Value) {
        let path = self.path(name);
        let came = match value {
            Value::String(text) if text.len() <= 60 => format!("'{text}'"),
            Value::Number(number) => format!("'{number}'"),
            Value::Bool(flag) => format!("'{flag}'"),
            other => kind(other).to_owned(),
        };
        self.report.problem(path, format!("must be {expected} but is {came}"));
    }

    /// Whether the field is there at all, `null` included.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// A text.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text.clone()),
            other => {
                self.wrong(name, "a text", other);
                None
            }
        }
    }

    /// A boolean, also as text.
    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        match self.take(name)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            other => {
                self.wrong(name, "true or false", other);
                None
            }
        }
    }

    /// An integer within bounds, also as text.
    pub(crate) fn integer(&mut self, name: &'static str, min: u64, max: u64) -> Option<u64> {
        let value = self.take(name)?;
        let number = match value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        if let Some(number) = number.filter(|number| (min..=max).contains(number)) {
            return Some(number);
        }
        self.wrong(name, &format!("an integer from {min} to {max}"), value);
        None
    }

    /// A number printed as text by some clients: kept as the text it was. Used where the original takes both.
    pub(crate) fn scalar(&mut self, name: &'static str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            other => {
                self.wrong(name, "a number or a text", other);
                None
            }
        }
    }

    /// Any JSON value, kept as it is.
    pub(crate) fn any(&mut self, name: &'static str) -> Option<Value> {
        self.take(name).cloned()
    }

    /// An object, kept as it is.
    pub(crate) fn map(&mut self, name: &'static str) -> Option<Map<String, Value>> {
        match self.take(name)? {
            Value::Object(map) => Some(map.clone()),
            other => {
                self.wrong(name, "an object", other);
                None
            }
        }
    }

    /// An array of texts.
    pub(crate) fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        let value = self.take(name)?;
        let Value::Array(items) = value else {
            self.wrong(name, "an array of texts", value);
            return None;
        };
        let mut texts = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match item {
                Value::String(text) => texts.push(text.clone()),
                other => self.wrong(&format!("{name}[{index}]"), "a text", other),
            }
        }
        Some(texts)
    }

    /// One of a closed set of texts.
    pub(crate) fn one_of<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let value = self.take(name)?;
        let found = value.as_str().and_then(|text| choices.iter().find(|(choice, _)| *choice == text));
        if let Some((_, choice)) = found {
            return Some(*choice);
        }
        let names: Vec<_> = choices.iter().map(|(choice, _)| *choice).collect();
        self.wrong(name, &format!("one of {}", names.join(", ")), value);
        None
    }

    /// An object whose fields are read by `read`.
    pub(crate) fn object<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'_>) -> T,
    ) -> Option<T> {
        match self.take(name)? {
            Value::Object(map) => Some(self.nested(map, &format!("{name}."), read)),
            other => {
                self.wrong(name, "an object", other);
                None
            }
        }
    }

    /// An array of objects whose fields are read by `read`.
    pub(crate) fn objects<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut Fields<'_>) -> T,
    ) -> Option<Vec<T>> {
        let value = self.take(name)?;
        let Value::Array(items) = value else {
            self.wrong(name, "an array of objects", value);
            return None;
        };
        let mut objects = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match item {
                Value::Object(map) => objects.push(self.nested(map, &format!("{name}[{index}]."), &mut read)),
                other => self.wrong(&format!("{name}[{index}]"), "an object", other),
            }
        }
        Some(objects)
    }

    fn nested<T>(
        &mut self,
        map: &Map<String, Value>,
        prefix: &str,
        read: impl FnOnce(&mut Fields<'_>) -> T,
    ) -> T {
        let mut fields = Fields {
            map,
            prefix: format!("{}{prefix}", self.prefix),
            known: Vec::new(),
            report: &mut *self.report,
        };
        let value = read(&mut fields);
        fields.finish();
        value
    }

    /// Fields that answers carry and bodies may echo: read past without a word.
    pub(crate) fn ignore(&mut self, names: &[&'static str]) {
        self.known.extend_from_slice(names);
    }

    /// Fields that are stored and echoed but have no effect here: named in a warning when they say something.
    pub(crate) fn without_effect(&mut self, names: &[&'static str], stored: &mut Map<String, Value>) {
        for name in names {
            if let Some(value) = self.take(name) {
                stored.insert((*name).to_owned(), value.clone());
                if !is_blank(value) {
                    let path = self.path(name);
                    self.report.warn(format!("Field '{path}' is stored but has no effect in this engine."));
                }
            }
        }
    }

    /// Warns of every field that was not asked for, with the nearest known name.
    pub(crate) fn finish(self) {
        for key in self.map.keys() {
            if self.known.iter().any(|known| known == key) {
                continue;
            }
            let path = self.path(key);
            let hint = match crate::name::nearest(key, self.known.iter().copied()) {
                Some(near) => format!(" Did you mean '{near}'?"),
                None => String::new(),
            };
            self.report.warn(format!("Unknown field '{path}' is ignored.{hint}"));
        }
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_bad_field_is_noted_with_its_path() {
        let body = json!({"a": 1, "b": {"c": "x", "d": 7}, "e": [{"f": true}, 3], "g": "12", "h": 99});
        let mut report = Report::default();
        let mut fields = Fields::of_body(&body, &mut report);
        fields.text("a");
        fields.object("b", |inner| {
            inner.integer("c", 1, 9);
            inner.text("d");
        });
        fields.objects("e", |inner| inner.text("f"));
        assert_eq!(fields.integer("g", 1, 20), Some(12));
        fields.integer("h", 1, 20);
        fields.finish();
        let named: Vec<_> = report.problems.iter().map(|problem| problem.name.as_str()).collect();
        assert_eq!(named, ["a", "b.c", "b.d", "e[0].f", "e[1]", "h"]);
        assert_eq!(report.problems[5].reason, "must be an integer from 1 to 20 but is '99'");
    }

    #[test]
    fn unknown_fields_warn_with_the_nearest_name() {
        let body = json!({"displayNam": "x", "zzz": 1});
        let mut report = Report::default();
        let mut fields = Fields::of_body(&body, &mut report);
        fields.text("displayName");
        fields.finish();
        assert_eq!(
            report.warnings,
            [
                "Unknown field 'displayNam' is ignored. Did you mean 'displayName'?",
                "Unknown field 'zzz' is ignored."
            ]
        );
    }

    #[test]
    fn a_body_that_is_no_object_is_one_problem() {
        let mut report = Report::default();
        Fields::of_body(&json!([1]), &mut report).finish();
        assert_eq!(report.problems[0].reason, "must be a JSON object but is an array");
    }
}
