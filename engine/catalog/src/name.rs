//! Technical names: derived from labels, checked when given, resolved when they collide.
//!
//! Rules of the specification's page on naming, sections 1 to 3. Everything downstream (paths, topics, tables) uses
//! the technical name; the label can change, the name can not.

use crate::report::Report;

/// Longest technical name of a project, event type, harvester.
pub const NAME_CHARS_MAX: usize = 20;
/// Longest label.
pub const LABEL_CHARS_MAX: usize = 256;
/// What remains of a name in front of a collision counter: 15 + 1 + 4 = 20.
const STEM_CHARS: usize = 15;
/// Counters have four digits.
const COUNTER_MAX: u32 = 9_999;

/// Schemas that projects can not be named like. Names beginning with `pg` are refused besides.
const RESERVED_PROJECTS: &[&str] = &["public", "granary", "information_schema"];
/// Roles of the platform begin like this, so no project does.
const PLATFORM_ROLE_PREFIX: &str = "granary_";

/// Why a name was refused. The text completes "Parameter 'x' ...".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing given.
    #[error("must not be empty")]
    Empty,
    /// Nothing is left after cleaning.
    #[error(
        "must contain at least one letter, digit or hyphen but is '{0}', which leaves nothing to make a name of"
    )]
    NothingLeft(String),
    /// A given name is too long.
    #[error("must have at most {NAME_CHARS_MAX} characters but has {0}")]
    TooLong(usize),
    /// A label is too long.
    #[error("length must be between 1 and {LABEL_CHARS_MAX} characters but is {0} characters")]
    LabelTooLong(usize),
    /// A given name has characters that names do not have.
    #[error("must consist of letters a-z, A-Z, digits and hyphens but is '{0}'")]
    BadCharacters(String),
    /// The project's name is taken by the database or the platform.
    #[error(
        "yields the name '{0}', which is reserved: names must not begin with 'pg' or 'granary_', nor be public, granary or information_schema"
    )]
    Reserved(String),
    /// Every counter is taken.
    #[error("yields the name '{0}', and all its numbered variants are taken")]
    Exhausted(String),
}

/// The label without what names can not hold, white space turned into hyphens. Not yet cut.
pub fn clean(label: &str) -> String {
    let kept: String =
        label.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-' || c.is_whitespace()).collect();
    kept.split_whitespace().collect::<Vec<_>>().join("-")
}

fn cut(name: &str, chars: usize) -> String {
    name.chars().take(chars).collect()
}

fn free_name(cleaned: &str, separator: char, taken: impl Fn(&str) -> bool) -> Result<String, Error> {
    let name = cut(cleaned, NAME_CHARS_MAX);
    if !taken(&name) {
        return Ok(name);
    }
    let stem = cut(cleaned, STEM_CHARS);
    (0..=COUNTER_MAX)
        .map(|counter| format!("{stem}{separator}{counter:04}"))
        .find(|candidate| !taken(candidate))
        .ok_or(Error::Exhausted(name))
}

/// The technical name of an event type or harvester for a label. `taken` compares without case.
pub fn derive(label: &str, taken: impl Fn(&str) -> bool) -> Result<String, Error> {
    let cleaned = clean(label);
    if cleaned.is_empty() {
        return Err(Error::NothingLeft(label.to_owned()));
    }
    free_name(&cleaned, '-', taken)
}

/// The technical name of a new event type or harvester: the one that the path gives, else that of its label. What is wrong
/// with either goes to the report, and the name is empty then.
pub(crate) fn choose(
    given: Option<&str>,
    label: &str,
    taken: impl Fn(&str) -> bool,
    report: &mut Report,
) -> String {
    let label_is_good = report.check_label(label);
    let name = match given {
        Some(name) => check(name).map(|()| name.to_owned()).map_err(|error| ("name", error)),
        None if label_is_good => derive(label, taken).map_err(|error| ("displayName", error)),
        None => Ok(String::new()),
    };
    name.map_err(|(field, error)| report.problem(field, error.to_string())).unwrap_or_default()
}

/// The technical name of a project for a label: lower case, underscores, usable as a schema name.
pub fn derive_project(label: &str, taken: impl Fn(&str) -> bool) -> Result<String, Error> {
    let cleaned = clean(label).to_ascii_lowercase().replace('-', "_");
    if cleaned.is_empty() {
        return Err(Error::NothingLeft(label.to_owned()));
    }
    let name = cut(&cleaned, NAME_CHARS_MAX);
    if is_reserved_project(&name) {
        return Err(Error::Reserved(name));
    }
    free_name(&cleaned, '_', taken)
}

/// Whether a schema or role of that name belongs to the database or to the platform.
pub fn is_reserved_project(name: &str) -> bool {
    name.starts_with("pg") || name.starts_with(PLATFORM_ROLE_PREFIX) || RESERVED_PROJECTS.contains(&name)
}

/// Checks a technical name that was given in a path.
pub fn check(name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::Empty);
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(Error::BadCharacters(name.to_owned()));
    }
    match name.len() {
        length if length > NAME_CHARS_MAX => Err(Error::TooLong(length)),
        _ => Ok(()),
    }
}

/// Checks a label.
pub fn check_label(label: &str) -> Result<(), Error> {
    if label.trim().is_empty() {
        return Err(Error::Empty);
    }
    match label.chars().count() {
        count if count > LABEL_CHARS_MAX => Err(Error::LabelTooLong(count)),
        _ => Ok(()),
    }
}

/// The known name most like the one asked for, if one is like it at all: equal without case, the cut of it, or a few
/// slips of the keyboard away.
pub fn nearest<'a>(asked: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let asked_low: String = asked.to_lowercase().chars().take(LABEL_CHARS_MAX).collect();
    let slips_max = (asked_low.chars().count() / 4).clamp(1, 4);
    known
        .into_iter()
        .filter_map(|candidate| {
            let low = candidate.to_lowercase();
            if low == asked_low {
                return Some((0, candidate));
            }
            let is_cut = low.len() >= 6 && (asked_low.starts_with(&low) || low.starts_with(&asked_low));
            let slips = if is_cut && asked_low.len() >= 6 { 1 } else { distance(&asked_low, &low) };
            (slips <= slips_max).then_some((slips, candidate))
        })
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// Slips between two texts: characters added, left out, replaced, or two neighbours swapped.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().take(LABEL_CHARS_MAX).collect();
    let right: Vec<char> = right.chars().take(LABEL_CHARS_MAX).collect();
    let mut rows = vec![(0..=right.len()).collect::<Vec<usize>>()];
    for i in 0..left.len() {
        let mut row = vec![i + 1];
        for j in 0..right.len() {
            let replaced = rows[i][j] + usize::from(left[i] != right[j]);
            let mut slips = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && left[i] == right[j - 1] && left[i - 1] == right[j] {
                slips = slips.min(rows[i - 1][j - 1] + 1);
            }
            row.push(slips);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FREE: fn(&str) -> bool = |_| false;

    #[test]
    fn labels_become_the_names_of_the_specification() {
        for (label, name) in [
            ("livesegment-datain", "livesegment-datain"),
            ("livesegment-dataoutput", "livesegment-dataoutp"),
            ("harvesterforlivesegment", "harvesterforlivesegm"),
            ("dbt-belt-inputET-projectfortest", "dbt-belt-inputET-pro"),
            ("dbt-belt-outputET-projectfortest", "dbt-belt-outputET-pr"),
            ("Snowplow Customer Sessions", "Snowplow-Customer-Se"),
            ("my_event  type (new)", "myevent-type-new"),
            ("hvs--jdbc--abs", "hvs--jdbc--abs"),
            ("  User Visits 5 ", "User-Visits-5"),
            ("Bär: a/b.c", "Br-abc"),
            ("tab\tand\nline", "tab-and-line"),
            ("exactly-nineteen-ch x", "exactly-nineteen-ch-"),
        ] {
            assert_eq!(derive(label, FREE).as_deref(), Ok(name), "{label}");
        }
    }

    #[test]
    fn projects_are_lower_case_with_underscores() {
        for (label, name) in [
            ("projecttotestlivesegment", "projecttotestliveseg"),
            ("Demo Granary Project", "demo_granary_project"),
            ("Sales-EMEA 2", "sales_emea_2"),
        ] {
            assert_eq!(derive_project(label, FREE).as_deref(), Ok(name), "{label}");
        }
    }

    #[test]
    fn reserved_project_names_are_refused() {
        for label in
            ["pg", "PG stuff", "pgdata", "Public", "granary", "information schema x", "Granary Reader"]
        {
            let answer = derive_project(label, FREE);
            if label == "information schema x" {
                // `information_schema_x` is another name.
                assert!(answer.is_ok());
            } else {
                assert!(matches!(answer, Err(Error::Reserved(_))), "{label}: {answer:?}");
            }
        }
        assert!(matches!(derive_project("information schema", FREE), Err(Error::Reserved(_))));
    }

    #[test]
    fn labels_of_which_nothing_is_left_are_refused() {
        for label in ["###", "äöü", "   ", "___"] {
            assert_eq!(derive(label, FREE), Err(Error::NothingLeft(label.to_owned())));
            assert_eq!(derive_project(label, FREE), Err(Error::NothingLeft(label.to_owned())));
        }
    }

    #[test]
    fn collisions_get_the_first_free_counter() {
        let taken = ["testlivesegment-output", "testlivesegment-outp", "testlivesegment-0000"];
        let is_taken = |name: &str| taken.contains(&name);
        assert_eq!(derive("testlivesegment-output!", is_taken).as_deref(), Ok("testlivesegment-0001"));
        assert_eq!(
            derive("testlivesegment-outputs", |name| name == "testlivesegment-outp").as_deref(),
            Ok("testlivesegment-0000")
        );
        assert_eq!(derive_project("Demo", |name| name == "demo").as_deref(), Ok("demo_0000"));
        assert_eq!(derive("abc", |_| true), Err(Error::Exhausted("abc".to_owned())));
    }

    #[test]
    fn given_names_are_checked() {
        assert_eq!(check("User-Visits-5"), Ok(()));
        assert_eq!(check(&"x".repeat(20)), Ok(()));
        assert_eq!(check(&"x".repeat(21)), Err(Error::TooLong(21)));
        assert_eq!(check(""), Err(Error::Empty));
        for name in ["a_b", "a b", "ä", "a/b", "a.b"] {
            assert_eq!(check(name), Err(Error::BadCharacters(name.to_owned())));
        }
    }

    #[test]
    fn labels_have_1_to_256_characters() {
        assert_eq!(check_label("x"), Ok(()));
        assert_eq!(check_label(&"ä".repeat(256)), Ok(()));
        assert_eq!(check_label(&"x".repeat(257)), Err(Error::LabelTooLong(257)));
        assert_eq!(check_label(" "), Err(Error::Empty));
    }

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let known = ["livesegment-dataoutp", "livesegment-datain", "orders"];
        assert_eq!(nearest("livesegment-dataoutput", known), Some("livesegment-dataoutp"));
        assert_eq!(nearest("Orders", known), Some("orders"));
        assert_eq!(nearest("oders", known), Some("orders"));
        assert_eq!(nearest("oredrs", known), Some("orders"));
        assert_eq!(nearest("customers", known), None);
        assert_eq!(nearest("", known), None);
    }

    proptest! {
        #[test]
        fn derived_names_always_pass_the_check(label in ".*") {
            if let Ok(name) = derive(&label, FREE) {
                prop_assert_eq!(check(&name), Ok(()));
            }
            if let Ok(name) = derive_project(&label, |name| name.len() % 2 == 0) {
                prop_assert!(name.len() <= NAME_CHARS_MAX);
                prop_assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
            }
        }
    }
}
