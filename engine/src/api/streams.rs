//! `/streams`, for administrators: what the log holds.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use granary_catalog::name::nearest;
use granary_db::cursors;
use granary_stream::TopicSpec;
use serde_json::{Value, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiState,
    answer::self_link,
    caller::{Admin, did_you_mean},
    error::Error,
    query::{Params, encode},
    records::{Wanted, of_log},
};

/// The routes.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(describe)).routes(routes!(records))
}

/// Lists the streams with their sizes. `records` counts what is there, of stage-written streams with what no commit made count.
#[utoipa::path(get, path = "/streams", tag = "streams", security(("bearer" = ["admin"])), responses((status = 200)))]
async fn list(State(state): State<ApiState>, _admin: Admin) -> Result<Json<Value>, Error> {
    let topics: BTreeMap<_, _> = state.log.topics().into_iter().collect();
    let mut streams = Vec::new();
    for (name, spec) in &topics {
        let mut records = 0;
        for partition in 0..spec.partitions {
            let bounds = state.log.bounds(name, partition).await.map_err(of_log)?;
            records += bounds.end - bounds.start;
        }
        streams.push(json!({"name": name, "partitions": spec.partitions,
            "retentionMs": spec.retention_ms, "records": records}));
    }
    let stats = state.log.stats();
    Ok(Json(json!({
        "streams": streams, "totalCount": streams.len(),
        "log": {"id": state.log.id(), "usedBytes": stats.disk_used_bytes, "freeBytes": (stats.disk_free_bytes < u64::MAX).then_some(stats.disk_free_bytes),
            "damagedPlaces": stats.damaged_places, "lostRecords": stats.lost_records},
        "_links": self_link(&format!("{}/streams", state.public_url)),
    })))
}

/// One stream: its partitions, and where the stages that read it stand.
#[utoipa::path(get, path = "/streams/{name}", tag = "streams", security(("bearer" = ["admin"])),
    params(("name" = String, Path, description = "Name of the stream")), responses((status = 200)))]
async fn describe(State(state): State<ApiState>, admin: Admin) -> Result<Json<Value>, Error> {
    let name = admin.path("name");
    let spec = spec(&state, name)?;
    let mut partitions = Vec::new();
    let mut ends = Vec::new();
    for partition in 0..spec.partitions {
        let bounds = state.log.bounds(name, partition).await.map_err(of_log)?;
        partitions.push(json!({"partition": partition, "start": bounds.start, "end": bounds.end}));
        ends.push(bounds.end);
    }
    let mut readers: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (stage, partition, next) in cursors::of_topic(&state.db, name, state.log.id()).await? {
        let end = ends.get(partition as usize).copied().unwrap_or(next);
        let place = json!({"partition": partition, "next": next, "lag": end.saturating_sub(next)});
        readers.entry(stage).or_default().push(place);
    }
    let readers: Vec<Value> = readers
        .into_iter()
        .map(|(stage, places)| {
            let lag: u64 = places.iter().filter_map(|place| place["lag"].as_u64()).sum();
            json!({"stage": stage, "lag": lag, "partitions": places})
        })
        .collect();
    Ok(Json(json!({
        "name": name, "storedAs": state.log.stored_as(name), "retentionMs": spec.retention_ms,
        "partitions": partitions, "readers": readers,
        "_links": self_link(&format!("{}/streams/{}", state.public_url, encode(name))),
    })))
}

/// Records as they are stored: the newest ones, or those from a place on. `committed` tells whether readers get them. An
/// answer may hold fewer than were asked for; go on in a partition at the offset behind the last one.
#[utoipa::path(get, path = "/streams/{name}/records", tag = "streams", security(("bearer" = ["admin"])),
    params(("name" = String, Path, description = "Name of the stream"),
        ("from" = Option<String>, Query, description = "earliest, a time or an offset; the newest ones when missing"),
        ("partition" = Option<u32>, Query, description = "Only this partition"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; default 20")),
    responses((status = 200)))]
async fn records(State(state): State<ApiState>, admin: Admin, query: Params) -> Result<Json<Value>, Error> {
    let name = admin.path("name");
    let partitions = spec(&state, name)?.partitions;
    let page = Wanted::of(&query, partitions)?.read(&state, name).await?;
    let records: Vec<Value> = page.records.iter().map(|found| found.render_whole()).collect();
    Ok(Json(json!({"records": records, "partitions": page.bounds})))
}

/// How a stream is made, or 404 with the name that was probably meant.
pub(super) fn spec(state: &ApiState, name: &str) -> Result<TopicSpec, Error> {
    let topics = state.log.topics();
    topics.get(name).copied().ok_or_else(|| {
        let hint = nearest(name, topics.keys().map(String::as_str)).map(did_you_mean);
        Error::not_found("Stream", name, hint)
    })
}
