//! `granary belt new`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::Failure;
use super::folder::{Language, MANIFEST};

/// With `-in` behind it, a name still fits the 20 characters of technical names.
const NAME_CHARS_MAX: usize = 17;

#[derive(Args)]
pub(super) struct New {
    /// Name of the belt, of the folder that is made for it, and of the project that it goes to
    name: String,
    /// What it is written in
    #[arg(long, value_enum, default_value = "python")]
    lang: Language,
    /// Project that it goes to, in place of one of its own
    #[arg(long, env = "GRANARY_PROJECT")]
    project: Option<String>,
    /// For Rust: folder of the crate granary-sdk, where it is not found beside this program
    #[arg(long, env = "GRANARY_SDK")]
    sdk: Option<PathBuf>,
}

/// A file of the folder: where it goes, and its text with `@NAME@` in it.
type File = (&'static str, &'static str);

const COMMON: &[File] = &[
    ("samples/signup.json", include_str!("templates/signup.json")),
    ("expected.json", include_str!("templates/expected.json")),
    ("schema.json", include_str!("templates/schema.json")),
    (".gitignore", "/secrets.toml\n/target\n"),
];
const PYTHON: &[File] = &[
    ("belt.toml", include_str!("templates/python/belt.toml")),
    ("belt.py", include_str!("templates/python/belt.py")),
];
const JAVASCRIPT: &[File] = &[
    ("belt.toml", include_str!("templates/javascript/belt.toml")),
    ("belt.ts", include_str!("templates/javascript/belt.ts")),
];
const RUST: &[File] = &[
    ("belt.toml", include_str!("templates/rust/belt.toml")),
    ("Cargo.toml", include_str!("templates/rust/Cargo.toml.in")),
    ("src/lib.rs", include_str!("templates/rust/lib.rs.in")),
];

impl New {
    pub(super) fn run(self) -> Result<(), Failure> {
        check(&self.name)?;
        let folder = Path::new(&self.name);
        if folder.join(MANIFEST).exists() || folder.read_dir().is_ok_and(|mut files| files.next().is_some()) {
            return Err(Failure::Usage(format!(
                "the folder '{}' is there already and not empty: choose another name, or remove it",
                self.name
            )));
        }
        let sdk = if self.lang == Language::Rust { self.sdk()?.display().to_string() } else { String::new() };
        let project = self.project.clone().unwrap_or_else(|| self.name.replace('-', "_"));
        let files = match self.lang {
            Language::Python => PYTHON,
            Language::Javascript => JAVASCRIPT,
            Language::Rust => RUST,
        };
        for (place, text) in COMMON.iter().chain(files) {
            let path = folder.join(place);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
            }
            let text =
                text.replace("@NAME@", &self.name).replace("@PROJECT@", &project).replace("@SDK@", &sdk);
            std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        }
        println!(
            "new: made the folder {0} with belt.toml, the belt, a sample event and its expected outcome",
            self.name
        );
        println!("next: granary belt test {0}", self.name);
        println!("      granary belt push {0}    to the engine of --url or --data-dir", self.name);
        println!("      granary belt send {0}    posts the sample and shows the row", self.name);
        Ok(())
    }

    /// The crate that belts in Rust are written with: installed beside the program, or in the checkout that it was
    /// built in.
    fn sdk(&self) -> Result<PathBuf, Failure> {
        if let Some(given) = &self.sdk {
            return Ok(std::path::absolute(given)?);
        }
        let program = std::env::current_exe().unwrap_or_default();
        let beside = program.parent().map(|folder| folder.join("../share/granary/sdk/rust"));
        let checkouts = program.ancestors().map(|folder| folder.join("guest-sdk/rust"));
        let found = beside.into_iter().chain(checkouts).find(|path| path.join("Cargo.toml").is_file());
        let found = found.and_then(|path| path.canonicalize().ok());
        found.ok_or_else(|| {
            Failure::Failed(anyhow!(
                "the crate granary-sdk is not beside this program: give its folder with --sdk"
            ))
        })
    }
}

fn check(name: &str) -> Result<(), Failure> {
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    let fits = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if begins && fits && name.len() <= NAME_CHARS_MAX {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "a belt's name begins with a letter, has lower-case letters, digits and hyphens, and at most \
         {NAME_CHARS_MAX} characters, but is '{name}'"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_what_is_made_of_them() {
        for good in ["a", "people", "p-2", "seventeen-letters"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "People", "2p", "a_b", "eighteen-letters-x", "../x", "ä"] {
            assert!(matches!(check(bad), Err(Failure::Usage(_))), "{bad}");
        }
    }
}
