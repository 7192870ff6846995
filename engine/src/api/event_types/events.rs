//! The events of a stream, as belts see them: to try a belt on, and to look what arrived.

use axum::{Json, extract::State};
use granary_catalog::VersionChoice;
use granary_db::definitions::event_type;
use serde_json::{Value, json};

use super::not_found;
use crate::api::{
    ApiState,
    caller::{In, Viewer},
    error::Error,
    query::Params,
    records::Wanted,
};

/// Events of the stream, oldest first: the newest ones, or those from a place on. An answer may hold fewer than were
/// asked for; go on in a partition at the offset behind the last one.
#[utoipa::path(get, path = "/event-types/{name}/events", tag = "event types", security(("bearer" = ["viewer"])),
    params(("name" = String, Path, description = "Technical name"),
        ("from" = Option<String>, Query, description = "earliest, a time or an offset; the newest ones when missing"),
        ("partition" = Option<u32>, Query, description = "Only this partition"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; default 20")),
    responses((status = 200)))]
pub(in crate::api) async fn list(
    State(state): State<ApiState>,
    scope: In<Viewer>,
    query: Params,
) -> Result<Json<Value>, Error> {
    let name = scope.path("name");
    let client = state.db.client().await?;
    let stored = event_type::get(&client, name, VersionChoice::Latest).await?;
    let Some(stored) = stored.filter(|stored| stored.definition.project == scope.project) else {
        return Err(not_found(&client, &scope.project, name).await);
    };
    drop(client);
    let kind = stored.definition.kind;
    let Some(topic) = stored.definition.topic_name() else {
        let reason = format!("is of type '{}', which has no stream of events", kind.as_str());
        return Err(Error::parameter("name", reason));
    };
    // A stream that nobody has needed yet is not there, and has no events.
    let partitions = state.log.topics().get(&topic).map_or(0, |spec| spec.partitions);
    let found = Wanted::of(&query, partitions)?.read(&state, &topic).await?;
    // What no commit has made count is nobody's event.
    let events: Vec<Value> =
        found.records.iter().filter(|found| found.counts).map(|found| found.render()).collect();
    Ok(Json(json!({"events": events, "topic": topic, "partitions": found.bounds})))
}
