//! The secrets of a belt that runs here: those of the engine never leave it, so a file of the folder stands in for them.
//!
//! ```toml
//! [mailer]                 # the name of the secret
//! password = "hunter2"     # its values, by key
//! ```

use std::collections::BTreeMap;
use std::io;

use anyhow::{Context as _, anyhow};
use granary_catalog::{Belt, SecretValues, belt::SecretRef};

use super::folder::Folder;
use super::{Failure, Sandboxed};

/// Name of the file; kept out of version control by what `belt new` makes.
pub(super) const FILE: &str = "secrets.toml";

type File = BTreeMap<String, BTreeMap<String, String>>;

/// What the variables of a belt take from the file.
pub(super) fn of(belt: &Belt, folder: &Folder, sandboxed: &Sandboxed) -> Result<SecretValues, Failure> {
    let wanted = belt.secret_refs();
    let mut values = SecretValues::default();
    if wanted.is_empty() {
        return Ok(values);
    }
    let path = sandboxed.secrets.clone().unwrap_or_else(|| folder.root.join(FILE));
    let file: File = match std::fs::read_to_string(&path) {
        // Its own errors quote the line, with the value in it.
        Ok(text) => toml::from_str(&text).map_err(|_| {
            anyhow!(
                "{} must hold a table of texts for each secret: [name], then key = \"text\"",
                path.display()
            )
        })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound && sandboxed.secrets.is_none() => File::new(),
        Err(error) => Err(error).with_context(|| path.display().to_string())?,
    };
    for SecretRef { variable, secret, key, optional } in wanted {
        match file.get(&secret).and_then(|keys| keys.get(&key)) {
            Some(value) => values.insert(&secret, &key, value.clone()),
            None if optional => {}
            None => {
                return Err(Failure::Failed(anyhow!(
                    "the variable '{variable}' takes the value '{key}' of the secret '{secret}', and a belt that runs \
                     here takes it from {}: write it there as\n[{secret}]\n\"{key}\" = \"...\"",
                    path.display()
                )));
            }
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn folder(root: &Path) -> Folder {
        let manifest = "[program]\nlanguage = \"python\"\nsource = \"belt.py\"\n\
            [belt]\nname = \"b\"\neventTypes = [\"in\"]\n\
            [belt.extraEnv]\nPLAIN = 1\nPASSWORD = { secret = \"mailer\", key = \"password\" }\n\
            TOKEN = { secret = \"crm\", key = \"token\", optional = true }\n\
            [eventTypes.in]\ntype = \"data_in\"\n";
        std::fs::write(root.join("belt.toml"), manifest).unwrap();
        Folder::open(root).unwrap()
    }

    fn sandboxed() -> Sandboxed {
        Sandboxed { cache_dir: None, secrets: None, python_runtime: None, javascript_runtime: None }
    }

    fn text(failure: Failure) -> String {
        let Failure::Failed(error) = failure else { panic!("{failure:?}") };
        format!("{error:#}")
    }

    #[test]
    fn values_are_read_from_the_file_of_the_folder() {
        let root = tempfile::tempdir().unwrap();
        let folder = folder(root.path());
        let (belt, _) = folder.belt().unwrap();
        let told = text(of(&belt, &folder, &sandboxed()).unwrap_err());
        assert!(told.contains("secrets.toml") && told.contains("[mailer]\n\"password\""), "{told}");
        std::fs::write(root.path().join(FILE), "[mailer]\npassword = \"hunter2\"\n").unwrap();
        let values = of(&belt, &folder, &sandboxed()).unwrap();
        let seen = BTreeMap::from_iter(belt.env_with(&values));
        let expected = [("PLAIN", "1"), ("PASSWORD", "hunter2")];
        assert_eq!(seen, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        // What is pushed names the secret only.
        let pushed = serde_json::Value::Object(folder.definition()).to_string();
        assert!(pushed.contains("secretKeyRef") && !pushed.contains("hunter2"), "{pushed}");
    }

    #[test]
    fn a_file_that_is_named_has_to_be_there_and_is_not_quoted() {
        let root = tempfile::tempdir().unwrap();
        let folder = folder(root.path());
        let (belt, _) = folder.belt().unwrap();
        let named = Sandboxed { secrets: Some(root.path().join("other.toml")), ..sandboxed() };
        assert!(text(of(&belt, &folder, &named).unwrap_err()).contains("other.toml"));
        std::fs::write(root.path().join("other.toml"), "[mailer]\npassword = hunter2\n").unwrap();
        let told = text(of(&belt, &folder, &named).unwrap_err());
        assert!(told.contains("key = \"text\"") && !told.contains("hunter2"), "{told}");
    }
}
