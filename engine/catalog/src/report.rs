//! What is wrong with a body, all of it at once, and what is merely odd about it.

use serde_json::Value;

use crate::name;

/// One bad field or parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: a parameter's name or a field's path (`eventType.version`).
    pub name: String,
    /// What was expected and what came, so that "Parameter '<name>' <reason>." is a sentence.
    pub reason: String,
}

/// Problems refuse a body; warnings travel back with the answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Every bad field. Empty means accepted.
    pub problems: Vec<Problem>,
    /// What was accepted but has no effect, or is likely to surprise.
    pub warnings: Vec<String>,
}

impl Report {
    /// Notes a bad field.
    pub fn problem(&mut self, name: impl Into<String>, reason: impl Into<String>) {
        self.problems.push(Problem { name: name.into(), reason: reason.into() });
    }

    /// Notes something odd.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    /// Whether a label can be; notes it where it can not.
    pub(crate) fn check_label(&mut self, label: &str) -> bool {
        name::check_label(label).map_err(|error| self.problem("displayName", error.to_string())).is_ok()
    }

    /// Notes an expression of the metadata language that does not parse.
    pub(crate) fn check_expression(&mut self, name: impl Into<String>, text: &str) {
        if let Err(error) = granary_expression::parse(text) {
            self.problem(name, format!("is not a valid expression: {error}; it is '{text}'"));
        }
    }

    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// The value together with its warnings when nothing is wrong, else the problems.
    pub fn finish<T>(self, value: T) -> Result<(T, Vec<String>), Vec<Problem>> {
        if self.problems.is_empty() { Ok((value, self.warnings)) } else { Err(self.problems) }
    }

    /// Refuses what a definition can never hold: text with NUL (Postgres stores none), numbers beyond a double,
    /// nesting deeper than 64. Fields are named by path.
    pub fn check_storable(&mut self, body: &Value) {
        self.walk(body, &mut String::new(), 0);
    }

    fn walk(&mut self, value: &Value, path: &mut String, depth: usize) {
        const DEPTH_MAX: usize = 64;
        if depth > DEPTH_MAX {
            self.problem(path.as_str(), format!("is nested deeper than {DEPTH_MAX} levels"));
            return;
        }
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => {
                if !number.as_f64().is_some_and(f64::is_finite) {
                    self.problem(path.as_str(), "is a number out of range");
                }
            }
            Value::String(text) => {
                if text.contains('\0') {
                    self.problem(path.as_str(), "contains the character U+0000, which can not be stored");
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let length = path.len();
                    path.push_str(&format!("[{index}]"));
                    self.walk(item, path, depth + 1);
                    path.truncate(length);
                }
            }
            Value::Object(map) => {
                for (key, item) in map {
                    let length = path.len();
                    if length > 0 {
                        path.push('.');
                    }
                    path.push_str(key);
                    if key.contains('\0') {
                        self.problem(path.replace('\0', "\\u0000"), "has a name with the character U+0000");
                    }
                    self.walk(item, path, depth + 1);
                    path.truncate(length);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_unstorable_places_are_named() {
        let mut report = Report::default();
        report.check_storable(&json!({"a": {"b": ["x", "nul\u{0}"]}, "c": "\u{0}", "d": 1}));
        let names: Vec<_> = report.problems.iter().map(|problem| problem.name.as_str()).collect();
        assert_eq!(names, ["a.b[1]", "c"]);
    }

    #[test]
    fn numbers_beyond_a_double_and_deep_nesting_are_refused() {
        let mut report = Report::default();
        report.check_storable(&serde_json::from_str("{\"big\": 1e999}").unwrap());
        assert_eq!(report.problems[0].name, "big");
        let mut deep = json!(1);
        for _ in 0..70 {
            deep = json!([deep]);
        }
        let mut report = Report::default();
        report.check_storable(&deep);
        assert_eq!(report.problems.len(), 1);
    }
}
