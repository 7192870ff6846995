//! The environment of a belt and the settings that travel in it.

use std::time::Duration;

use serde_json::Value;

use super::Belt;
use crate::report::Report;

const CALLBACK_TIMEOUT: Duration = Duration::from_secs(10);
/// What counts as long when nothing is set, as a share of the timeout: 180 s of the original's 300 s.
const LONG_RUNNING_SHARE: f64 = 0.6;
/// From which duration on a call counts as long.
const LONG_RUNNING: &str = "CALLBACK_LONGRUNNING_SEC";
/// A day; more is a slip, and sums of deadlines stay small.
const SECONDS_MAX: f64 = 86_400.0;
const NAMES_MAX: usize = 1_000;

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

/// Reads `extraEnv`: JSON text of an array of `{name, value}`, or of an object that holds it under `extraEnv` or
/// `extraEnvs`. The error completes "Parameter 'extraEnv' ...".
pub(super) fn read(text: &str) -> Result<Vec<(String, String)>, String> {
    Ok(entries(text)?.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect())
}

fn entries(text: &str) -> Result<Vec<(String, Option<String>)>, String> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let value: Value = serde_json::from_str(text).map_err(|error| {
        format!(
            "must be JSON text such as {{\"extraEnv\": [{{\"name\": \"A\", \"value\": \"b\"}}]}}: {error}"
        )
    })?;
    let list = match &value {
        Value::Object(map) => map.get("extraEnv").or_else(|| map.get("extraEnvs")).unwrap_or(&Value::Null),
        other => other,
    };
    let Value::Array(list) = list else {
        return Err("must hold an array of {name, value} under the key 'extraEnv'".to_owned());
    };
    if list.len() > NAMES_MAX {
        return Err(format!("must hold at most {NAMES_MAX} variables but holds {}", list.len()));
    }
    list.iter().enumerate().map(|(index, item)| entry(index, item)).collect()
}

fn entry(index: usize, item: &Value) -> Result<(String, Option<String>), String> {
    let name = item.get("name").and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(format!("must give every variable a name without '=', but number {index} is {item}"));
    }
    let value = match item.get("value") {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(Value::Bool(flag)) => Some(flag.to_string()),
        // `valueFrom` names a secret of the original's cluster.
        None | Some(Value::Null) => None,
        Some(other) => {
            return Err(format!("must give the variable '{name}' a text as value but it is {other}"));
        }
    };
    if value.as_ref().is_some_and(|value| value.contains('\0')) {
        return Err(format!("contains the character U+0000 in the variable '{name}'"));
    }
    Ok((name.to_owned(), value))
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
    let entries = match entries(belt.extra_env.as_deref().unwrap_or_default()) {
        Ok(entries) => entries,
        Err(reason) => return report.problem("extraEnv", reason),
    };
    let unset: Vec<_> =
        entries.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name.as_str()).collect();
    if !unset.is_empty() {
        report.warn(format!(
            "Field 'extraEnv': these variables have no 'value' and are not set ('valueFrom' has no effect here): {}.",
            unset.join(", ")
        ));
    }
    let env = belt.env();
    let positive = [
        "CALLBACK_TIMEOUT_SEC",
        LONG_RUNNING,
        "RETRY_BACK_OFF_INITIAL_INTERVAL_SEC",
        "RETRY_BACK_OFF_INTERVAL_MAX_SEC",
    ];
    for name in positive {
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
