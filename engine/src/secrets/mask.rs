//! Takes values of secrets out of what a belt logs and fails with: an error of a library quotes the URL that it was
//! given, key and all.
//!
//! It is a net against accidents. Code that may use a secret can send it wherever it may send anything.

use std::borrow::Cow;
use std::sync::Arc;

use granary_catalog::SecretValues;

use crate::stage::{Error, Refusal};

/// What stands where a value stood.
const MASKED: &str = "***";
/// Shorter values are left: they are parts of ordinary words and numbers, and masking would tell where they occur.
const PART_BYTES_MIN: usize = 4;

/// Texts that are not to be shown. Cheap to clone; the default one hides nothing.
#[derive(Clone, Default)]
pub struct Mask(Arc<[String]>);

impl Mask {
    /// Hides these values. Values of several lines are hidden line by line, as logs show them.
    #[must_use]
    pub fn of(values: &SecretValues) -> Self {
        let lines = values.iter().flat_map(str::lines).map(str::trim);
        let mut parts: Vec<String> =
            lines.filter(|line| line.len() >= PART_BYTES_MIN).map(str::to_owned).collect();
        // A longer one first: it may contain a shorter one, and would be seen in part.
        parts.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        parts.dedup();
        Self(parts.into())
    }

    /// The text without the values.
    #[must_use]
    pub fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut shown = Cow::Borrowed(text);
        for part in self.0.iter() {
            if shown.contains(part.as_str()) {
                shown = Cow::Owned(shown.replace(part.as_str(), MASKED));
            }
        }
        shown
    }

    /// Takes the values out of a text.
    pub fn hide_in(&self, text: &mut String) {
        if let Cow::Owned(shown) = self.hide(text) {
            *text = shown;
        }
    }

    /// Takes the values out of what a stage ends with.
    #[must_use]
    pub fn hide_in_error(&self, error: Error) -> Error {
        match error {
            Error::Stopped => Error::Stopped,
            Error::Unavailable(text) => Error::Unavailable(self.hide(&text).into_owned()),
            Error::Final(text) => Error::Final(self.hide(&text).into_owned()),
        }
    }

    /// Takes the values out of why a record cannot be processed.
    #[must_use]
    pub fn hide_in_refusal(&self, mut refusal: Refusal) -> Refusal {
        for text in [&mut refusal.exception_type, &mut refusal.message, &mut refusal.stacktrace] {
            self.hide_in(text);
        }
        refusal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(values: &[&str]) -> Mask {
        let mut all = SecretValues::default();
        for (index, value) in values.iter().enumerate() {
            all.insert("s", &index.to_string(), (*value).to_owned());
        }
        Mask::of(&all)
    }

    #[test]
    fn values_do_not_show_in_texts() {
        let mask = mask(&["hunter", "hunter2", "line one\n  line two\n", "abc", ""]);
        for (text, shown) in [
            ("GET /?key=hunter2 failed, hunter!", "GET /?key=*** failed, ***!"),
            ("'line one\\n  line two\\n'", "'***\\n  ***\\n'"),
            ("abc", "abc"),
            ("", ""),
        ] {
            assert_eq!(mask.hide(text), shown);
        }
        let mut text = "hunter2".to_owned();
        mask.hide_in(&mut text);
        assert_eq!(text, MASKED);
    }

    #[test]
    fn without_secrets_texts_are_not_touched() {
        assert!(matches!(Mask::default().hide("hunter2"), Cow::Borrowed("hunter2")));
    }
}
