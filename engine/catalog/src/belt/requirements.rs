//! The packages that a Python belt needs: `requirementsPy`.
//!
//! A line is a name with, perhaps, extras, versions and a marker: `requests[socks] >= 2.24, < 3; python_version > "3"`.
//! Nothing else of pip's notation is taken: options and addresses would have the engine read files and fetch from
//! wherever a definition says.

use std::fmt;
use std::str::FromStr;

use super::{Belt, BeltType};
use crate::report::Report;

/// What every Python belt has already, in the engine's own versions.
const PROVIDED: [&str; 4] = ["grnry-belt", "grnry-transform", "isodate", "requests"];
const LINES_MAX: usize = 100;
const LINE_BYTES_MAX: usize = 500;

/// One package that a belt needs, in pip's notation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    name: String,
    text: String,
}

impl Requirement {
    /// The name as [`package_name`] writes it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole line, without comment.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Requirement {
    type Err = &'static str;

    /// Reads a line that has no comment; the error completes "the line ...".
    fn from_str(line: &str) -> Result<Self, &'static str> {
        let (wanted, marker) = line.split_once(';').unwrap_or((line, ""));
        let end = wanted.find(|c: char| !is_of_name(c)).unwrap_or(wanted.len());
        let (name, rest) = wanted.split_at(end);
        let edges = [name.chars().next(), name.chars().next_back()];
        if !edges.iter().all(|edge| edge.is_some_and(|c| c.is_ascii_alphanumeric())) {
            return Err("does not begin with the name of a package");
        }
        let rest = rest.trim_start();
        let versions = match rest.strip_prefix('[') {
            Some(extras) => extras.split_once(']').ok_or("opens '[' and does not close it")?.1.trim_start(),
            None => rest,
        };
        if !(versions.is_empty() || versions.starts_with(['=', '<', '>', '!', '~', '('])) {
            return Err("has something other than versions behind the name");
        }
        if [rest, marker].iter().any(|part| part.contains(['@', '/', '\\', '#'])) {
            return Err("has an address or a path in it");
        }
        Ok(Self { name: package_name(name), text: line.to_owned() })
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// A package's name in the form in which names are compared: `Foo.bar_baz` is `foo-bar-baz`.
#[must_use]
pub fn package_name(name: &str) -> String {
    let words = name.split(['-', '_', '.']).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

/// The lines that say something, without their comments.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let uncommented = text.lines().map(|line| match line.split_once(" #") {
        Some((line, _)) => line.trim(),
        None => line.trim(),
    });
    uncommented.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The packages that are to be installed for a belt.
pub(super) fn of(belt: &Belt) -> Vec<Requirement> {
    if belt.belt_type != BeltType::PythonCallback {
        return Vec::new();
    }
    let read = lines(&belt.requirements_py).filter_map(|line| Requirement::from_str(line).ok());
    read.filter(|requirement| !PROVIDED.contains(&requirement.name())).collect()
}

/// Checks the field of a new belt.
pub(super) fn check(belt: &Belt, report: &mut Report) {
    if belt.belt_type != BeltType::PythonCallback {
        if lines(&belt.requirements_py).next().is_some() {
            let kind = belt.belt_type.as_str();
            report.warn(format!("Field 'requirementsPy' has no effect for a {kind} belt."));
        }
        return;
    }
    let count = lines(&belt.requirements_py).count();
    if count > LINES_MAX {
        report.problem(
            "requirementsPy",
            format!("must name at most {LINES_MAX} packages but has {count} lines"),
        );
        return;
    }
    for line in lines(&belt.requirements_py) {
        if line.len() > LINE_BYTES_MAX {
            let bytes = line.len();
            report.problem(
                "requirementsPy",
                format!("must have lines of at most {LINE_BYTES_MAX} bytes but has one of {bytes}"),
            );
        } else if let Err(reason) = Requirement::from_str(line) {
            report.problem(
                "requirementsPy",
                format!(
                    "must have a package on every line, such as 'humanize' or 'humanize>=4,<5', but the line '{line}' \
                     {reason}"
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_every_form_of_a_line() {
        for (line, name) in [
            ("humanize", "humanize"),
            ("requests==2.24.0", "requests"),
            ("Foo.bar__baz >= 1, < 2", "foo-bar-baz"),
            ("a[x,y]~=1.0", "a"),
            ("a (>=1)", "a"),
            ("tzdata; sys_platform == 'win32'", "tzdata"),
        ] {
            assert_eq!(Requirement::from_str(line).unwrap().name(), name, "{line}");
        }
    }

    #[test]
    fn options_addresses_and_paths_are_no_packages() {
        for line in [
            "-r other.txt",
            "--index-url=http://a",
            "-e .",
            "./a",
            "/a/b.whl",
            "git+https://a/b",
            "http://a/b.whl",
            "a @ file:///b.whl",
            "a@b",
            "a.whl/b",
            "a[x",
            "a --hash=sha256:00",
            "a>=1 --no-binary :all:/",
            "a b",
            "..",
            "ä",
        ] {
            assert!(Requirement::from_str(line).is_err(), "{line}");
        }
    }

    #[test]
    fn comments_and_empty_lines_say_nothing() {
        let text = "# all\r\n\r\n  a==1  # why\r\nb\r\n";
        assert_eq!(lines(text).collect::<Vec<_>>(), ["a==1", "b"]);
    }
}
