//! State calls, the same for all that runs: what is wanted is stored first, then the runtime is asked.

use granary_catalog::{Action, Object, StartPosition, Status, Wanted};
use granary_db::definitions;
use serde_json::{Map, Value, json};

use super::{
    ApiState,
    error::Error,
    runtime::{ErrorKind, StatusReport},
};

/// Reads `{"action": ...}`. `allowed` are the actions in the order that the message lists them.
pub(super) fn action(body: &Value, allowed: &[&str]) -> Result<Action, Error> {
    let given = body.get("action");
    let text = given.and_then(Value::as_str).unwrap_or_default();
    if let Some(action) = Action::parse(text).filter(|_| allowed.contains(&text)) {
        return Ok(action);
    }
    let came = match given {
        None | Some(Value::Null) => "null".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let allowed = allowed.join(", ");
    Err(Error::parameter(
        "action",
        format!("was assigned an invalid value, provided value: '{came}'; it can be one of {allowed}"),
    ))
}

/// Does what a state call asks for. The state that the object is in then.
pub(super) async fn act(
    state: &ApiState,
    object: &Object,
    action: Action,
    from: Option<StartPosition>,
) -> Result<Status, Error> {
    let now = state.runtime.status(object).status;
    if from.is_some() && (action != Action::Start || now.is_up()) {
        let reason =
            format!("can only be given with START of something stopped; the status is '{}'", now.as_str());
        return Err(Error::parameter("from", reason));
    }
    let client = state.db.client().await?;
    definitions::set_wanted(&client, object, action.wanted()).await?;
    // Starting can take a while and needs connections of its own.
    drop(client);
    let outcome = match action {
        Action::Start => state.runtime.start(object, from).await,
        Action::Stop => state.runtime.stop(object).await,
        Action::Restart => state.runtime.restart(object).await,
    };
    match outcome {
        Ok(status) => Ok(status),
        Err(error) => {
            // What was refused for good shall not be tried again at the next start of the engine.
            if error.kind == ErrorKind::Refused {
                let client = state.db.client().await?;
                definitions::set_wanted(&client, object, Wanted::Stopped).await?;
            }
            Err(error.into())
        }
    }
}

/// The answer to a state call or a question for the state.
pub(super) fn answer(status: Status, reason: Option<&str>, href: Option<&str>) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("status".to_owned(), json!(status));
    if let Some(reason) = reason {
        body.insert("reason".to_owned(), json!(reason));
    }
    if let Some(href) = href {
        super::answer::add_self(&mut body, href);
    }
    body
}

/// The answer to a question for the state.
pub(super) fn report(report: &StatusReport, href: Option<&str>) -> Map<String, Value> {
    answer(report.status, report.reason.as_deref(), href)
}
