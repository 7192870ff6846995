//! `/harvesters/source-types`: what harvesters can read from. Built in, so there is nothing to create.

use axum::{Json, extract::State};
use granary_catalog::{SourceType, name, source_type};
use serde_json::{Map, Value, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiState,
    answer::{add_self, object, self_link},
    caller::{Anyone, did_you_mean},
    error::Error,
    query::{Offset, Params, encode},
};

/// The routes.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(versions)).routes(routes!(version))
}

fn href(state: &ApiState, name: &str) -> String {
    format!("{}/harvesters/source-types/{}", state.public_url, encode(name))
}

fn render(state: &ApiState, source: &SourceType) -> Map<String, Value> {
    let mut body = object(source);
    add_self(&mut body, &format!("{}/{}", href(state, &source.name), encode(&source.version)));
    body
}

/// A role in some project is needed to read them.
fn require_any_role(anyone: &Anyone) -> Result<(), Error> {
    let access = &anyone.caller.token.access;
    if access.admin || !access.projects.is_empty() { Ok(()) } else { Err(Error::Forbidden) }
}

fn not_found(name: &str) -> Error {
    let known = source_type::all();
    let near = name::nearest(name, known.iter().map(|source| source.name.as_str())).map(did_you_mean);
    Error::not_found("Source Type", name, near)
}

/// Lists the source types.
#[utoipa::path(get, path = "/harvesters/source-types", tag = "source types", security(("bearer" = [])),
    params(("search" = Option<String>, Query, description = "Part of the name"),
        ("pagesize" = Option<u32>, Query, description = "1 to 250; default 20"),
        ("offset" = Option<u32>, Query, description = "A whole multiple of the page size")),
    responses((status = 200)))]
async fn list(State(state): State<ApiState>, anyone: Anyone, query: Params) -> Result<Json<Value>, Error> {
    require_any_role(&anyone)?;
    let page = query.page(Offset::Pages)?;
    let mut names: Vec<String> = source_type::all().into_iter().map(|source| source.name).collect();
    names.dedup();
    names.retain(|name| name.contains(query.search()));
    let part = names.iter().skip(page.offset as usize).take(page.size as usize);
    let bodies: Vec<_> =
        part.map(|name| json!({"name": name, "_links": self_link(&href(&state, name))})).collect();
    let links = query.links(&state.public_url, page, names.len() as i64);
    Ok(Json(json!({"sourceTypes": bodies, "totalCount": names.len(), "_links": links})))
}

/// All versions of a source type.
#[utoipa::path(get, path = "/harvesters/source-types/{name}", tag = "source types", security(("bearer" = [])),
    params(("name" = String, Path, description = "Name")), responses((status = 200, body = Vec<SourceType>)))]
async fn versions(State(state): State<ApiState>, anyone: Anyone) -> Result<Json<Value>, Error> {
    require_any_role(&anyone)?;
    let name = anyone.path("name");
    let found: Vec<_> = source_type::all().into_iter().filter(|source| source.name == name).collect();
    if found.is_empty() {
        return Err(not_found(name));
    }
    let bodies: Vec<_> = found.iter().map(|source| Value::Object(render(&state, source))).collect();
    Ok(Json(
        json!({"sourceTypes": bodies, "totalCount": found.len(), "_links": self_link(&href(&state, name))}),
    ))
}

/// One version of a source type.
#[utoipa::path(get, path = "/harvesters/source-types/{name}/{version}", tag = "source types",
    security(("bearer" = [])),
    params(("name" = String, Path, description = "Name"), ("version" = String, Path, description = "Version"),
        ("export" = Option<bool>, Query, description = "Without links")),
    responses((status = 200, body = Vec<SourceType>)))]
async fn version(State(state): State<ApiState>, anyone: Anyone, query: Params) -> Result<Json<Value>, Error> {
    require_any_role(&anyone)?;
    let (name, version) = (anyone.path("name"), anyone.path("version"));
    let Some(source) = source_type::find(name, version) else {
        let exists = source_type::all().iter().any(|source| source.name == name);
        return Err(if exists {
            Error::NotFound {
                entity: "Source Type",
                id: format!("'{name}' with version '{version}'"),
                hint: None,
            }
        } else {
            not_found(name)
        });
    };
    if query.flag("export") {
        return Ok(Json(Value::Object(object(&source))));
    }
    let link = self_link(&format!("{}{}", state.public_url, query.path()));
    Ok(Json(
        json!({"sourceTypes": [Value::Object(render(&state, &source))], "totalCount": 1, "_links": link}),
    ))
}
