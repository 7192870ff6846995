//! Names of functions and methods, and what they take.

use std::ops::RangeInclusive;

/// A function, called as `#name(...)`; the `#` may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    JsonPath,
    SafeJsonPath,
    RandomUuid,
    NowMillis,
    NowIsoDateTimeUtc,
    NowIsoDateUtc,
    DateTimeIsoFormatterUtc,
}

const FUNCTIONS: [(&str, Function); 7] = [
    ("jsonPath", Function::JsonPath),
    ("safeJsonPath", Function::SafeJsonPath),
    ("randomUUID", Function::RandomUuid),
    ("nowMillis", Function::NowMillis),
    ("nowISODateTimeUTC", Function::NowIsoDateTimeUtc),
    ("nowISODateUTC", Function::NowIsoDateUtc),
    ("dateTimeISOFormatterUTC", Function::DateTimeIsoFormatterUtc),
];

impl Function {
    pub(crate) fn of(name: &str) -> Option<Self> {
        FUNCTIONS.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
    }

    pub(crate) fn names() -> impl Iterator<Item = &'static str> + Clone {
        FUNCTIONS.iter().map(|(name, _)| *name)
    }

    /// Names of the parameters.
    pub(crate) fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::JsonPath | Self::SafeJsonPath => &["json", "path"],
            Self::DateTimeIsoFormatterUtc => &["isoText", "pattern"],
            Self::RandomUuid | Self::NowMillis | Self::NowIsoDateTimeUtc | Self::NowIsoDateUtc => &[],
        }
    }

    /// The parameters as an error names them.
    pub(crate) fn wanted(self) -> String {
        match self.parameters() {
            [] => "no arguments".to_owned(),
            parameters => format!("{} arguments ({})", parameters.len(), parameters.join(", ")),
        }
    }
}

/// A method of a text (or, where that makes sense, of an array or object).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    StartsWith,
    EndsWith,
    Contains,
    Equals,
    EqualsIgnoreCase,
    Substring,
    IndexOf,
    ToLowerCase,
    ToUpperCase,
    Trim,
    ToString,
    Length,
    Size,
    IsEmpty,
}

const METHODS: [(&str, Method, RangeInclusive<usize>); 14] = [
    ("startsWith", Method::StartsWith, 1..=1),
    ("endsWith", Method::EndsWith, 1..=1),
    ("contains", Method::Contains, 1..=1),
    ("equals", Method::Equals, 1..=1),
    ("equalsIgnoreCase", Method::EqualsIgnoreCase, 1..=1),
    ("substring", Method::Substring, 1..=2),
    ("indexOf", Method::IndexOf, 1..=1),
    ("toLowerCase", Method::ToLowerCase, 0..=0),
    ("toUpperCase", Method::ToUpperCase, 0..=0),
    ("trim", Method::Trim, 0..=0),
    ("toString", Method::ToString, 0..=0),
    ("length", Method::Length, 0..=0),
    ("size", Method::Size, 0..=0),
    ("isEmpty", Method::IsEmpty, 0..=0),
];

impl Method {
    pub(crate) fn of(name: &str) -> Option<Self> {
        METHODS.iter().find(|(known, ..)| *known == name).map(|(_, method, _)| *method)
    }

    pub(crate) fn names() -> impl Iterator<Item = &'static str> + Clone {
        METHODS.iter().map(|(name, ..)| *name)
    }

    pub(crate) fn name(self) -> &'static str {
        METHODS[self as usize].0
    }

    /// How many arguments it takes.
    pub(crate) fn takes(self) -> RangeInclusive<usize> {
        METHODS[self as usize].2.clone()
    }

    /// The number of arguments as an error names it.
    pub(crate) fn wanted(self) -> &'static str {
        match self.takes().into_inner() {
            (0, _) => "no arguments",
            (1, 1) => "one argument",
            _ => "one or two arguments",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_of_methods_is_in_the_order_of_the_enum() {
        for (index, (name, method, _)) in METHODS.iter().enumerate() {
            assert_eq!((*method as usize, method.name()), (index, *name));
        }
    }
}
