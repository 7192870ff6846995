//! Variables whose value is in a secret: `valueFrom` entries of `extraEnv`, in the form of Kubernetes.

use serde_json::{Map, Value};

use super::{Belt, environment};
use crate::{Report, Secret, fields::kind, name::nearest};

/// A variable and where its value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRef {
    /// Name of the variable.
    pub variable: String,
    /// Name of the secret.
    pub secret: String,
    /// Key of the value in it.
    pub key: String,
    /// Whether the belt runs without: the variable is not set then.
    pub optional: bool,
}

impl SecretRef {
    /// Reads the `valueFrom` of a variable. The error completes "Parameter 'extraEnv.X' ...".
    pub(super) fn read(variable: &str, given: &Value) -> Result<Self, String> {
        let sources = object("valueFrom", given)?;
        if let Some(other) = sources.keys().find(|source| *source != "secretKeyRef") {
            return Err(format!(
                "must take its value from a secretKeyRef, which is the only source here, but valueFrom holds '{other}'"
            ));
        }
        let given = sources.get("secretKeyRef").unwrap_or(&Value::Null);
        let reference = object("valueFrom.secretKeyRef", given)?;
        let optional = match reference.get("optional") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(flag)) => *flag,
            Some(other) => {
                return Err(format!(
                    "must have true or false as valueFrom.secretKeyRef.optional but it is {}",
                    kind(other)
                ));
            }
        };
        Ok(Self {
            variable: variable.to_owned(),
            secret: text(reference, "name", "the secret")?,
            key: text(reference, "key", "a value in it")?,
            optional,
        })
    }

    /// The fields of a `secretKeyRef` that nobody knows.
    pub(super) fn unknown(given: &Value) -> Vec<&str> {
        let fields = given["secretKeyRef"].as_object().into_iter().flat_map(Map::keys);
        fields.map(String::as_str).filter(|field| !["name", "key", "optional"].contains(field)).collect()
    }
}

fn object<'a>(field: &str, given: &'a Value) -> Result<&'a Map<String, Value>, String> {
    given.as_object().ok_or_else(|| {
        format!(
            "must have {{\"secretKeyRef\": {{\"name\": \"a-secret\", \"key\": \"a-key\"}}}} as valueFrom, but {field} \
             is {}",
            kind(given)
        )
    })
}

fn text(reference: &Map<String, Value>, field: &str, what: &str) -> Result<String, String> {
    let given = reference.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    given.map(str::to_owned).ok_or_else(|| format!("must name {what} in valueFrom.secretKeyRef.{field}"))
}

/// The variables of an `extraEnv` text whose values are in secrets.
#[must_use]
pub fn secret_refs(extra_env: &str) -> Vec<SecretRef> {
    environment::secret_refs(extra_env)
}

impl Belt {
    /// Its variables whose values are in secrets.
    #[must_use]
    pub fn secret_refs(&self) -> Vec<SecretRef> {
        secret_refs(self.extra_env.as_deref().unwrap_or_default())
    }

    /// Checks that the secrets of its project hold what its variables take from them.
    pub fn check_secrets(&self, known: &[Secret], report: &mut Report) {
        for wanted in self.secret_refs() {
            let SecretRef { variable, secret, key, optional } = &wanted;
            let missing = match known.iter().find(|known| known.name == *secret) {
                Some(found) if found.keys.contains(key) => continue,
                Some(found) => format!(
                    "names the key '{key}', which the secret '{secret}' does not have{}",
                    others(key, "it has", &found.keys)
                ),
                None => {
                    let names: Vec<String> = known.iter().map(|known| known.name.clone()).collect();
                    format!(
                        "names the secret '{secret}', which does not exist in this project{}",
                        others(secret, "there are", &names)
                    )
                }
            };
            if *optional {
                report.warn(format!("Field 'extraEnv': the variable '{variable}' {missing}; it is not set."));
            } else {
                report.problem(format!("extraEnv.{variable}"), missing);
            }
        }
    }
}

/// What there is in place of what was asked for: the nearest name, or the first few.
fn others(asked: &str, there: &str, known: &[String]) -> String {
    const SHOWN_MAX: usize = 10;
    if let Some(near) = nearest(asked, known.iter().map(String::as_str)) {
        return format!(" (did you mean '{near}'?)");
    }
    if known.is_empty() {
        return " (there is none: PUT .../secrets/{name} or `granary secret set` makes one)".to_owned();
    }
    let shown: Vec<String> = known.iter().take(SHOWN_MAX).map(|name| format!("'{name}'")).collect();
    let more = if known.len() > SHOWN_MAX { ", ..." } else { "" };
    format!(" ({there} {}{more})", shown.join(", "))
}
