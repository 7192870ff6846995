//! Lists the files of `migrations/` for the migrator, in the order of their numbers.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=build.rs");
    let folder =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?).join("migrations");
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let Some(name) = path.file_stem().and_then(|n| n.to_str()).map(ToOwned::to_owned) else { continue };
        if path.extension().is_none_or(|e| e != "sql") {
            continue;
        }
        let number =
            name.strip_prefix('V').and_then(|n| n.split_once("__")).and_then(|(n, _)| n.parse::<u32>().ok());
        let Some(number) = number else {
            return Err(io::Error::other(format!(
                "migrations/{name}.sql is not named V<number>__<what>.sql"
            )));
        };
        files.push((number, name, path));
    }
    files.sort();
    let mut code = String::from("&[\n");
    for (at, (number, name, path)) in files.iter().enumerate() {
        if at > 0 && files[at - 1].0 == *number {
            return Err(io::Error::other(format!("two migrations have the number {number}")));
        }
        writeln!(code, "    Migration {{ version: {number}, name: {name:?}, sql: include_str!({path:?}) }},")
            .map_err(io::Error::other)?;
    }
    code.push_str("]\n");
    fs::write(
        PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?).join("migrations.rs"),
        code,
    )
}
