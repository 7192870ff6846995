//! Uploaded WebAssembly components: what their bytes are, and uploading one by itself.

use axum::{
    Json,
    extract::{FromRequest, Request, State},
    http::header,
};
use bytes::Bytes;
use granary_db::definitions::component;
use serde_json::{Value, json};
use tokio_postgres::Client;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiState, body,
    caller::{Editor, In},
    error::Error,
    runtime::ComponentKind,
    script,
};

/// Largest component, in bytes.
pub(super) const COMPONENT_BYTES_MAX: usize = 128 << 20;
/// How a component begins: the magic word of WebAssembly, then version 13 and layer 1.
const COMPONENT_HEAD: &[u8] = b"\0asm\x0d\0\x01\0";
/// How a core module begins, which is not a component yet.
const MODULE_HEAD: &[u8] = b"\0asm\x01\0\0\0";
/// How a component is made, for whoever sent something else.
const HOW: &str = "`granary belt build` makes one, and so does a Rust compiler for the target wasm32-wasip2";

/// The routes.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(upload)).routes(routes!(download))
}

/// The bytes of a component.
pub(super) struct ComponentBody(pub(super) Bytes);

impl FromRequest<ApiState> for ComponentBody {
    type Rejection = Error;

    async fn from_request(request: Request, _: &ApiState) -> Result<Self, Error> {
        let bytes = body::read(request.into_body(), COMPONENT_BYTES_MAX).await?;
        recognise("body", &bytes)?;
        Ok(Self(bytes))
    }
}

/// Refuses what is no component, and says what it is instead.
pub(super) fn recognise(field: &str, bytes: &[u8]) -> Result<(), Error> {
    if bytes.starts_with(COMPONENT_HEAD) {
        return Ok(());
    }
    let came = match bytes {
        [] => "empty",
        _ if bytes.starts_with(MODULE_HEAD) => "a core module",
        _ if COMPONENT_HEAD.starts_with(bytes) => "cut off after its first bytes",
        _ if bytes.starts_with(b"\0asm") => "WebAssembly of another version",
        [0x1f, 0x8b, ..] => "compressed with gzip: send it unpacked",
        [b'P', b'K', 3, 4, ..] => "a zip archive: send the .wasm file in it",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "compressed with zstd: send it unpacked",
        [0x7f, b'E', b'L', b'F', ..] => "a program for this machine (ELF)",
        _ if std::str::from_utf8(bytes).is_ok() => "text",
        _ => "something else",
    };
    Err(Error::parameter(field, format!("must be a WebAssembly component but is {came}; {HOW}")))
}

/// Checks a component against its world, compiles and keeps it. Its SHA-256.
pub(super) async fn accept(
    state: &ApiState,
    scope: &In<Editor>,
    kind: ComponentKind,
    field: &str,
    bytes: Bytes,
) -> Result<String, Error> {
    state
        .runtime
        .check_component(kind, bytes.clone())
        .await
        .map_err(|error| script::refusal(field, error))?;
    store(state, scope, &bytes).await
}

async fn store(state: &ApiState, scope: &In<Editor>, bytes: &[u8]) -> Result<String, Error> {
    let client = state.db.client().await?;
    Ok(component::store(&client, &scope.project, bytes, &scope.caller.person()).await?)
}

/// Refuses a definition whose component the project does not have; `field` is where it names it.
pub(super) async fn require(client: &Client, project: &str, field: &str, sha256: &str) -> Result<(), Error> {
    if component::exists(client, project, sha256).await? {
        return Ok(());
    }
    let reason = format!("names the component '{sha256}', which was not uploaded to this project");
    Err(Error::parameter(field, reason))
}

/// Uploads a component; its SHA-256 names it from then on.
#[utoipa::path(post, path = "/components", tag = "components", security(("bearer" = ["editor"])),
    request_body(content = Vec<u8>, content_type = "application/wasm"), responses((status = 200)))]
async fn upload(
    State(state): State<ApiState>,
    scope: In<Editor>,
    ComponentBody(bytes): ComponentBody,
) -> Result<Json<Value>, Error> {
    let sha256 = store(&state, &scope, &bytes).await?;
    Ok(Json(json!({"sha256": sha256, "bytes": bytes.len()})))
}

/// The bytes of a component that the project has.
#[utoipa::path(get, path = "/components/{sha256}", tag = "components", security(("bearer" = ["editor"])),
    params(("sha256" = String, Path, description = "64 hex digits")),
    responses((status = 200, content_type = "application/wasm")))]
async fn download(
    State(state): State<ApiState>,
    scope: In<Editor>,
) -> Result<([(header::HeaderName, &'static str); 1], Vec<u8>), Error> {
    let sha256 = scope.path("sha256");
    let client = state.db.client().await?;
    let bytes = component::load(&client, &scope.project, sha256).await?;
    let bytes = bytes.ok_or_else(|| Error::not_found("Component", sha256, None))?;
    Ok(([(header::CONTENT_TYPE, "application/wasm")], bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_is_named() {
        assert!(recognise("body", b"\0asm\x0d\0\x01\0rest").is_ok());
        for (bytes, what) in [
            (&b""[..], "empty"),
            (b"\0asm\x01\0\0\0", "core module"),
            (b"\0asm", "cut off"),
            (b"\0asm\x02\0\0\0", "another version"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"def execute(h, p):", "is text"),
            (b"\x7fELF\x02", "ELF"),
            (b"\xff\xfe", "something else"),
        ] {
            let Error::BadParameters(problems) = recognise("body", bytes).unwrap_err() else { panic!() };
            assert!(problems[0].reason.contains(what), "{}", problems[0].reason);
        }
    }
}
