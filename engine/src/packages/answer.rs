//! What pip's answers mean, in sentences for whoever wrote `requirementsPy`.

use granary_catalog::belt::{Requirement, package_name};

/// What pip says when it cannot talk to its index.
const OUT_OF_REACH: [&str; 5] = [
    "connection broken by",
    "connection error",
    "Server Error for url",
    "is not a trusted or secure host",
    "There was a problem confirming the ssl certificate",
];
/// The most of pip's words that are quoted, in characters.
const QUOTED_CHARS_MAX: usize = 500;

/// Why pip cannot be used on this machine, if that is why it failed.
pub(super) fn machine_trouble(text: &str) -> Option<String> {
    if text.contains("No module named pip") {
        return Some(
            "'requirementsPy' needs pip, which the python3 of the machine does not have: install it (Debian: apt-get \
             install python3-pip), or leave 'requirementsPy' empty."
                .to_owned(),
        );
    }
    OUT_OF_REACH.iter().any(|sign| text.contains(sign)).then(|| {
        format!(
            "The index of pip is out of reach, so the packages of 'requirementsPy' cannot be installed: check pip's \
             access to it on the engine's machine (pip config list). pip says: {}",
            quote(text)
        )
    })
}

/// Why one requirement cannot be fulfilled, as the end of "Parameter 'requirementsPy' ...".
pub(super) fn obstacle(requirement: &Requirement, text: &str) -> String {
    let missing = "No matching distribution found for ";
    let culprit = text.lines().rev().find_map(|line| line.strip_prefix("ERROR: ")?.strip_prefix(missing));
    let Some(culprit) = culprit else {
        return format!("names '{requirement}', which pip cannot install: {}", quote(text));
    };
    let end =
        culprit.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(culprit.len());
    let name = package_name(&culprit[..end]);
    let needed = if name == requirement.name() {
        format!("names '{requirement}', ")
    } else {
        format!("names '{requirement}', which needs '{culprit}', ")
    };
    let passed_over = |sign: &str| text.lines().any(|line| line.contains(sign) && is_about(line, &name));
    let why = if let Some(versions) = versions(text) {
        format!("but of the versions in pure Python none fits: there are {versions}")
    } else if passed_over("none of the wheel's tags") {
        "which is native code: it has no wheel in pure Python (py3-none-any), and a sandbox runs nothing else. Leave it \
         out, or take a package in pure Python for its task"
            .to_owned()
    } else if passed_over("No sources permitted for") {
        "of which there is only source code, and installing that would run it. Name a version that has a wheel in pure \
         Python (py3-none-any), or copy its modules into the belt's source"
            .to_owned()
    } else {
        "which the index of pip does not know. Check its spelling".to_owned()
    };
    needed + &why
}

/// Why requirements that are fine one by one cannot be fulfilled together.
pub(super) fn conflict(text: &str) -> String {
    format!("names packages that contradict each other; change the versions. pip says: {}", quote(text))
}

/// Whether a line about a file is about one of that package: the file's name begins with the package's.
fn is_about(line: &str, package: &str) -> bool {
    line.split_whitespace()
        .filter_map(|word| word.rsplit('/').next())
        .any(|file| file.rsplit_once('-').is_some() && package_name(file).starts_with(&format!("{package}-")))
}

/// The versions among which pip found none that fits.
fn versions(text: &str) -> Option<&str> {
    let line = text.lines().rev().find(|line| line.starts_with("ERROR: Could not find a version"))?;
    let (_, list) = line.split_once("(from versions: ")?;
    Some(list.trim_end_matches(')')).filter(|list| *list != "none")
}

/// pip's own words: the errors where it marks some, else its end.
fn quote(text: &str) -> String {
    let errors: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("ERROR: ")).collect();
    let said = if errors.is_empty() { text.trim().to_owned() } else { errors.join(" ") };
    let skipped = said.chars().count().saturating_sub(QUOTED_CHARS_MAX);
    said.chars().skip(skipped).collect()
}

#[cfg(test)]
mod tests {
    use granary_catalog::belt::Requirement;

    use super::*;

    fn requirement(line: &str) -> Requirement {
        line.parse().unwrap()
    }

    const NATIVE: &str = "  Skipping link: none of the wheel's tags (cp26-cp26m-manylinux1_x86_64) are compatible (run \
        pip debug --verbose to show compatible tags): http://index/a/numpy-1.0-cp26-cp26m-manylinux1_x86_64.whl (from \
        http://index/numpy/)\n  Skipping link: No sources permitted for numpy: http://index/b/numpy-1.0.tar.gz\n\
        ERROR: Could not find a version that satisfies the requirement numpy (from versions: none)\n\
        ERROR: No matching distribution found for numpy\n";

    #[test]
    fn native_packages_are_told_from_sources_and_from_unknown_ones() {
        let native = obstacle(&requirement("numpy"), NATIVE);
        assert!(native.starts_with("names 'numpy', which is native code"), "{native}");
        let sources = NATIVE.lines().skip(1).collect::<Vec<_>>().join("\n");
        assert!(obstacle(&requirement("numpy"), &sources).contains("only source code"));
        let unknown = NATIVE.replace("numpy", "nowhere").replace("/nowhere-1.0", "/other-1.0");
        assert!(obstacle(&requirement("nowhere"), &unknown).contains("does not know"), "{unknown}");
    }

    #[test]
    fn what_a_package_needs_is_named_with_it() {
        let reason = obstacle(&requirement("frames>=1"), NATIVE);
        assert!(
            reason.starts_with("names 'frames>=1', which needs 'numpy', which is native code"),
            "{reason}"
        );
    }

    #[test]
    fn versions_that_there_are_are_listed() {
        let text = "ERROR: Could not find a version that satisfies the requirement a==9 (from versions: 1.0, 1.1)\n\
                    ERROR: No matching distribution found for a==9\n";
        assert!(obstacle(&requirement("a==9"), text).ends_with("there are 1.0, 1.1"));
    }

    #[test]
    fn an_index_out_of_reach_is_no_fault_of_the_requirements() {
        let text = "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'\n\
                    ERROR: No matching distribution found for a\n";
        assert!(machine_trouble(text).is_some_and(|text| text.contains("out of reach")));
        assert!(
            machine_trouble("python3: No module named pip").is_some_and(|text| text.contains("python3-pip"))
        );
        assert_eq!(machine_trouble(NATIVE), None);
    }
}
