//! `granary compile-runtimes`.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, anyhow, ensure};
use granary_sandbox::{Options, Sandbox};

use super::Failure;
use crate::runtimes::{self, Places, Runtimes};

/// Compile the script runtimes for this machine, so that no engine has to when its first script comes
///
/// Belongs to an installation, once the program and its share folder are in place; compiles nothing that is compiled
/// already. An engine that finds nothing compiled, or what was compiled for another program or processor, compiles for
/// itself and keeps that in its cache directory.
#[derive(clap::Args)]
pub(super) struct Compile {}

impl Compile {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let folder = runtimes::compiled_dir();
        // What a cache keeps and what is shipped are the same files.
        let sandbox = Sandbox::new(Options::of(folder.clone()))?;
        let runtimes = Runtimes::new(sandbox, Places::default());
        let mut kept = Vec::new();
        for (kind, language) in runtimes::ALL {
            // The set-up leaves out what a machine lacks the tools for.
            if let Err(missing) = runtimes::place(kind, language) {
                println!("left out: {missing}");
                continue;
            }
            let runtime = runtimes.of(kind, language).await.map_err(|e| anyhow!(e))?;
            kept.extend([runtime.entry().to_owned(), format!("{}.sha256", runtime.entry())]);
        }
        open_for_all(&folder, &kept).with_context(|| format!("could not finish {}", folder.display()))?;
        println!("the script runtimes are compiled in {}", folder.display());
        Ok(())
    }
}

/// Lets every user read the files that are kept and removes the other ones that caches write: those of an older program.
fn open_for_all(folder: &Path, kept: &[String]) -> anyhow::Result<()> {
    for name in kept {
        let path = folder.join(name);
        ensure!(path.is_file(), "{name} is missing: see what was logged above");
        // For nobody else to write: what others can write is not trusted.
        set_permissions(&path, Permissions::from_mode(0o644))?;
    }
    for found in std::fs::read_dir(folder)? {
        let name = found?.file_name();
        let name = name.to_string_lossy();
        if is_of_a_cache(&name) && !kept.iter().any(|kept| *kept == name) {
            std::fs::remove_file(folder.join(&*name))?;
        }
    }
    Ok(set_permissions(folder, Permissions::from_mode(0o755))?)
}

/// `<64 hexadecimal digits>-<16 of them>.<anything>`.
fn is_of_a_cache(name: &str) -> bool {
    let is_hex = |text: &str, digits| text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit());
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    stem.split_once('-').is_some_and(|(digest, engine)| is_hex(digest, 64) && is_hex(engine, 16))
}

#[cfg(test)]
mod tests {
    use super::is_of_a_cache;

    #[test]
    fn only_what_a_cache_writes_is_removed() {
        let stem = format!("{}-{}", "0a".repeat(32), "1b".repeat(8));
        for of_a_cache in [".cwasm", ".cwasm.sha256", ".lock", ".cwasm.12.tmp"] {
            assert!(is_of_a_cache(&format!("{stem}{of_a_cache}")), "{of_a_cache}");
        }
        for other in ["python.wasm", "0a-1b.cwasm", "README", "", &stem[1..]] {
            assert!(!is_of_a_cache(other), "{other}");
        }
    }
}
