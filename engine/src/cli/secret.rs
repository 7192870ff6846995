//! `granary secret`: texts for belts, such as passwords.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::Failure;
use super::client::segment;
use super::remote::Place;
use super::sql;

#[derive(Args)]
pub(super) struct Secret {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a secret, or replace all values of one
    Set {
        /// Its name: lower-case letters, digits and hyphens
        name: String,
        /// Its values: key=text, key=@FILE for the content of a file, key=- for standard input (its last line end is left out)
        #[arg(required = true, value_name = "KEY=VALUE")]
        values: Vec<String>,
        #[command(flatten)]
        place: Place,
    },
    /// List the secrets, without their values
    Ls {
        #[command(flatten)]
        place: Place,
    },
    /// Delete a secret that no belt uses
    Rm {
        /// Its name
        name: String,
        #[command(flatten)]
        place: Place,
    },
}

impl Secret {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Set { name, values, place } => {
                let data = data(&values, std::io::stdin())?;
                let remote = place.connect()?;
                let path = remote.path(&format!("/secrets/{}", segment(&name)));
                let set = remote.client.call(Method::PUT, &path, Some(&json!({ "data": data }))).await?;
                println!("secret: '{name}' has version {} now, with {}", set["version"], keys(&set));
                let outdated = belts(&set, |belt| belt["status"] != "STOPPED");
                if !outdated.is_empty() {
                    println!("secret: it reaches these belts when they are restarted: {outdated}");
                }
                Ok(())
            }
            Command::Ls { place } => {
                let remote = place.connect()?;
                let mut rows: Vec<Value> = Vec::new();
                loop {
                    let page = remote.get(&format!("/secrets?pagesize=250&offset={}", rows.len())).await?;
                    let secrets = page["secrets"].as_array().context("a page has secrets")?;
                    rows.extend(secrets.iter().map(row));
                    if secrets.len() < 250 {
                        break;
                    }
                }
                let names = ["name", "version", "keys", "set", "used by"];
                let columns: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
                print!("{}", sql::table(&json!({ "columns": columns, "rows": rows })));
                Ok(())
            }
            Command::Rm { name, place } => {
                let remote = place.connect()?;
                let path = remote.path(&format!("/secrets/{}", segment(&name)));
                remote.client.call(Method::DELETE, &path, None).await?;
                Ok(())
            }
        }
    }
}

fn row(secret: &Value) -> Value {
    json!([secret["name"], secret["version"], keys(secret), secret["modifiedAt"], belts(secret, |_| true)])
}

fn keys(secret: &Value) -> String {
    let keys = secret["keys"].as_array().into_iter().flatten().filter_map(Value::as_str);
    keys.collect::<Vec<_>>().join(", ")
}

/// The belts that use a secret, by name.
fn belts(secret: &Value, wanted: impl Fn(&Value) -> bool) -> String {
    let belts = secret["belts"].as_array().into_iter().flatten().filter(|belt| wanted(belt));
    belts.filter_map(|belt| belt["name"].as_str()).collect::<Vec<_>>().join(", ")
}

/// Reads `key=text`, `key=@file` and `key=-`. Messages name the key and not what stands behind it.
fn data(values: &[String], mut stdin: impl std::io::Read) -> Result<Map<String, Value>, Failure> {
    let mut data = Map::new();
    let mut taken = false;
    for (index, given) in values.iter().enumerate() {
        let Some((key, value)) = given.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            let number = index + 1;
            return Err(Failure::Usage(format!(
                "value {number} has no key: give key=text, key=@FILE, or key=- for standard input"
            )));
        };
        let text = if let Some(path) = value.strip_prefix('@') {
            std::fs::read_to_string(path).with_context(|| format!("the value of '{key}', {path}"))?
        } else if value == "-" {
            if std::mem::replace(&mut taken, true) {
                return Err(Failure::Usage("only one value can come from standard input".to_owned()));
            }
            let mut text = String::new();
            stdin.read_to_string(&mut text).context("standard input cannot be read")?;
            // What `echo` and editors put at the end belongs to no password.
            let end = text
                .strip_suffix('\n')
                .map_or(text.len(), |text| text.strip_suffix('\r').unwrap_or(text).len());
            text.truncate(end);
            text
        } else {
            value.to_owned()
        };
        if data.insert(key.to_owned(), text.into()).is_some() {
            return Err(Failure::Usage(format!("the key '{key}' is given twice")));
        }
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str], stdin: &str) -> Result<Map<String, Value>, Failure> {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        data(&values, stdin.as_bytes())
    }

    #[test]
    fn values_come_from_arguments_files_and_standard_input() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "-----BEGIN\nabc\n").unwrap();
        let from_file = format!("key.pem=@{}", file.path().display());
        let data = read(&["a=b=c", "empty=", "password=-", &from_file], "hunter2\r\n").unwrap();
        assert_eq!(
            Value::Object(data),
            json!({"a": "b=c", "empty": "", "password": "hunter2", "key.pem": "-----BEGIN\nabc\n"})
        );
        assert_eq!(read(&["a=-"], "no end").unwrap()["a"], "no end");
        assert_eq!(read(&["a=-"], "two\n\n").unwrap()["a"], "two\n");
    }

    #[test]
    fn mistakes_do_not_quote_values() {
        for values in [&["hunter2"][..], &["=hunter2"], &["a=-", "b=-"], &["a=hunter2", "a=hunter2"]] {
            let Err(Failure::Usage(text)) = read(values, "hunter2") else { panic!("{values:?} was read") };
            assert!(!text.contains("hunter2"), "{text}");
        }
        assert!(matches!(read(&["a=@/nowhere/at/all"], ""), Err(Failure::Failed(_))));
    }
}
