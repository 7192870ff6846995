//! The environment of a belt and the settings that travel in it.

use std::time::Duration;

use serde_json::Value;

use super::{Belt, SecretRef};
use crate::{fields::kind, report::Report, secret::SecretValues};

const CALLBACK_TIMEOUT: Duration = Duration::from_secs(10);
/// What counts as long when nothing is set, as a share of the timeout: 180 s of the original's 300 s.
const LONG_RUNNING_SHARE: f64 = 0.6;
/// From which duration on a call counts as long.
const LONG_RUNNING: &str = "CALLBACK_LONGRUNNING_SEC";
/// A day; more is a slip, and sums of deadlines stay small.
const SECONDS_MAX: f64 = 86_400.0;
const NAMES_MAX: usize = 1_000;
/// Variables that are settings of the engine. They take effect before any secret is looked into, and show in answers.
const SETTINGS: [&str; 6] = [
    "CALLBACK_TIMEOUT_SEC",
    LONG_RUNNING,
    "RETRY_BACK_OFF_INITIAL_INTERVAL_SEC",
    "RETRY_BACK_OFF_INTERVAL_MAX_SEC",
    "RETRY_BACK_OFF_MULTIPLIER",
    "RETRY_MAX_RETRIES",
];

/// What follows a `RetryException`: wait `min(max, initial * multiplier^n)`, try again, at most `retries_max` times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// First wait (`RETRY_BACK_OFF_INITIAL_INTERVAL_SEC`; 1 s).
    pub initial: Duration,
    /// Longest wait (`RETRY_BACK_OFF_INTERVAL_MAX_SEC`; 60 s).
    pub max: Duration,
    /// Growth of the wait (`RETRY_BACK_OFF_MULTIPLIER`; 2).
    pub multiplier: f64,
    /// Retries before the message becomes a dead letter (`RETRY_MAX_RETRIES`; 10). `None` (-1) is without end.
    pub retries_max: Option<u32>,
}

impl RetryPolicy {
    /// The wait before retry number `retry`, from 0.
    pub fn wait(&self, retry: u32) -> Duration {
        let factor = self.multiplier.powi(retry.min(1_000) as i32);
        let seconds = (self.initial.as_secs_f64() * factor).min(self.max.as_secs_f64());
        Duration::try_from_secs_f64(seconds).unwrap_or(self.max)
    }
}

/// A variable as it was given.
struct Variable {
    name: String,
    source: Source,
}

/// Where the value of a variable comes from.
enum Source {
    /// It stands there.
    Plain(String),
    /// A secret has it.
    Secret(SecretRef),
    /// Nowhere: the variable is not set.
    Nothing,
    /// Nowhere, by mistake. Only a definition from before secrets can hold that.
    Mistake(String),
}

/// Reads `extraEnv`: JSON text of an array of `{name, value}` and `{name, valueFrom}`, or of an object that holds it
/// under `extraEnv` or `extraEnvs`. The names and values of those whose value stands there. The error completes
/// "Parameter 'extraEnv' ...".
pub(super) fn read(text: &str) -> Result<Vec<(String, String)>, String> {
    let plain = |Variable { name, source }| match source {
        Source::Plain(value) => Some((name, value)),
        Source::Secret(_) | Source::Nothing | Source::Mistake(_) => None,
    };
    Ok(variables(text)?.into_iter().filter_map(plain).collect())
}

/// The variables whose value is in a secret; none where the text cannot be read.
pub(super) fn secret_refs(text: &str) -> Vec<SecretRef> {
    let secret = |variable: Variable| match variable.source {
        Source::Secret(reference) => Some(reference),
        Source::Plain(_) | Source::Nothing | Source::Mistake(_) => None,
    };
    variables(text).unwrap_or_default().into_iter().filter_map(secret).collect()
}

/// All variables that have a value, in the order given, those of secrets among them.
pub(super) fn with_secrets(text: &str, secrets: &SecretValues) -> Vec<(String, String)> {
    let value = |Variable { name, source }| match source {
        Source::Plain(value) => Some((name, value)),
        Source::Secret(SecretRef { secret, key, .. }) => Some((name, secrets.get(&secret, &key)?.to_owned())),
        Source::Nothing | Source::Mistake(_) => None,
    };
    variables(text).unwrap_or_default().into_iter().filter_map(value).collect()
}

fn list(text: &str) -> Result<Vec<Value>, String> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let value: Value = serde_json::from_str(text).map_err(|error| {
        format!(
            "must be JSON text such as {{\"extraEnv\": [{{\"name\": \"A\", \"value\": \"b\"}}]}}: {error}"
        )
    })?;
    let list = match value {
        Value::Object(mut map) => {
            let given = map.shift_remove("extraEnv").or_else(|| map.shift_remove("extraEnvs"));
            given.unwrap_or(Value::Null)
        }
        other => other,
    };
    let Value::Array(list) = list else {
        return Err("must hold an array of {name, value} under the key 'extraEnv'".to_owned());
    };
    if list.len() > NAMES_MAX {
        return Err(format!("must hold at most {NAMES_MAX} variables but holds {}", list.len()));
    }
    Ok(list)
}

fn variables(text: &str) -> Result<Vec<Variable>, String> {
    list(text)?.iter().enumerate().map(|(index, item)| variable(index, item)).collect()
}

fn variable(index: usize, item: &Value) -> Result<Variable, String> {
    let name = item.get("name").and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(format!("must give every variable a name without '=', but number {index} is {item}"));
    }
    let value = match item.get("value") {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(Value::Bool(flag)) => Some(flag.to_string()),
        None | Some(Value::Null) => None,
        Some(other) => {
            return Err(format!("must give the variable '{name}' a text as value but it is {}", kind(other)));
        }
    };
    if value.as_ref().is_some_and(|value| value.contains('\0')) {
        return Err(format!("contains the character U+0000 in the variable '{name}'"));
    }
    let from = item.get("valueFrom").filter(|from| !from.is_null());
    let source = match (value, from) {
        (Some(_), Some(_)) => Source::Mistake("must have a value or a valueFrom, not both".to_owned()),
        (Some(value), None) => Source::Plain(value),
        (None, Some(from)) => SecretRef::read(name, from).map_or_else(Source::Mistake, Source::Secret),
        (None, None) => Source::Nothing,
    };
    Ok(Variable { name: name.to_owned(), source })
}

fn setting<'a>(env: &'a [(String, String)], name: &str) -> Option<&'a str> {
    env.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.trim())
}

fn seconds(env: &[(String, String)], name: &str) -> Option<Duration> {
    let number = setting(env, name)?.parse::<f64>().ok()?;
    let is_good = number > 0.0 && number <= SECONDS_MAX;
    is_good.then(|| Duration::try_from_secs_f64(number).ok()).flatten()
}

pub(super) fn callback_timeout(env: &[(String, String)]) -> Duration {
    seconds(env, "CALLBACK_TIMEOUT_SEC").unwrap_or(CALLBACK_TIMEOUT)
}

pub(super) fn long_running(env: &[(String, String)]) -> Duration {
    seconds(env, LONG_RUNNING).unwrap_or_else(|| callback_timeout(env).mul_f64(LONG_RUNNING_SHARE))
}

pub(super) fn retry(env: &[(String, String)]) -> RetryPolicy {
    let multiplier = setting(env, "RETRY_BACK_OFF_MULTIPLIER").and_then(|text| text.parse::<f64>().ok());
    let retries = setting(env, "RETRY_MAX_RETRIES").and_then(|text| text.parse::<i64>().ok());
    RetryPolicy {
        initial: seconds(env, "RETRY_BACK_OFF_INITIAL_INTERVAL_SEC").unwrap_or(Duration::from_secs(1)),
        max: seconds(env, "RETRY_BACK_OFF_INTERVAL_MAX_SEC").unwrap_or(Duration::from_secs(60)),
        multiplier: multiplier.filter(|number| (1.0..=1_000.0).contains(number)).unwrap_or(2.0),
        retries_max: match retries {
            Some(-1) => None,
            Some(count) => Some(u32::try_from(count).unwrap_or(10)),
            None => Some(10),
        },
    }
}

/// Checks the environment of a new belt, and the settings in it that mean something here.
pub(super) fn check(belt: &Belt, report: &mut Report) {
    let text = belt.extra_env.as_deref().unwrap_or_default();
    let variables = match variables(text) {
        Ok(variables) => variables,
        Err(reason) => return report.problem("extraEnv", reason),
    };
    let mut unset = Vec::new();
    for Variable { name, source } in &variables {
        match source {
            Source::Plain(_) => {}
            Source::Secret(_) if SETTINGS.contains(&name.as_str()) => report.problem(
                format!("extraEnv.{name}"),
                "must have a plain value: it is a setting of the engine, which takes none from secrets",
            ),
            Source::Secret(_) => {}
            Source::Nothing => unset.push(name.as_str()),
            Source::Mistake(reason) => report.problem(format!("extraEnv.{name}"), reason),
        }
    }
    if !unset.is_empty() {
        let unset = unset.join(", ");
        report.warn(format!("Field 'extraEnv': these variables have no 'value' and are not set: {unset}."));
    }
    for item in list(text).unwrap_or_default() {
        for field in SecretRef::unknown(&item["valueFrom"]) {
            let name = item["name"].as_str().unwrap_or_default();
            let path = format!("extraEnv.{name}.valueFrom.secretKeyRef.{field}");
            report.warn(format!("Unknown field '{path}' is ignored."));
        }
    }
    let env = belt.env();
    for name in &SETTINGS[..4] {
        if let Some(text) = setting(&env, name)
            && seconds(&env, name).is_none()
        {
            report.problem(
                format!("extraEnv.{name}"),
                format!("must be a number of seconds above 0 and at most {SECONDS_MAX} but is '{text}'"),
            );
        }
    }
    let (long, timeout) = (long_running(&env), callback_timeout(&env));
    if long >= timeout {
        report.warn(format!(
            "Field 'extraEnv': {LONG_RUNNING} ({long:?}) should be below CALLBACK_TIMEOUT_SEC ({timeout:?}); a call is \
             ended by then, so only calls that were ended count as long."
        ));
    }
    if let Some(text) = setting(&env, "RETRY_BACK_OFF_MULTIPLIER")
        && !text.parse::<f64>().is_ok_and(|number| (1.0..=1_000.0).contains(&number))
    {
        report.problem(
            "extraEnv.RETRY_BACK_OFF_MULTIPLIER",
            format!("must be a number from 1 to 1000 but is '{text}'"),
        );
    }
    if let Some(text) = setting(&env, "RETRY_MAX_RETRIES")
        && !text.parse::<i64>().is_ok_and(|count| (-1..=i64::from(u32::MAX)).contains(&count))
    {
        report.problem(
            "extraEnv.RETRY_MAX_RETRIES",
            format!("must be -1 (without end), 0 (off) or a number of retries but is '{text}'"),
        );
    }
}
