//! A belt as it arrives: JSON, or a form with the definition and the program as files beside it.

use axum::{
    extract::{FromRequest, Multipart, Request, multipart::MultipartError},
    http::header,
};
use bytes::Bytes;
use serde_json::Value;

use crate::api::{
    ApiState,
    body::{BODY_BYTES_MAX, JsonBody},
    components::{COMPONENT_BYTES_MAX, recognise},
    error::Error,
};

/// A definition, and the component that came with it.
pub(super) struct Upload {
    /// The definition. The text of a part `extractorFn` is in its place already.
    pub(super) definition: Value,
    /// The bytes of a part `component`.
    pub(super) component: Option<Bytes>,
}

impl FromRequest<ApiState> for Upload {
    type Rejection = Error;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, Error> {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        if content_type.starts_with("application/wasm") {
            return Err(Error::parameter(
                "body",
                "must be the definition of a belt, as JSON or as multipart/form-data with the parts 'definition' and \
                 'component'; a component alone goes to PUT .../belts/{id}/component",
            ));
        }
        if !content_type.starts_with("multipart/form-data") {
            let JsonBody(definition) = JsonBody::from_request(request, state).await?;
            return Ok(Self { definition, component: None });
        }
        let form = Multipart::from_request(request, state)
            .await
            .map_err(|error| Error::parameter("body", format!("must be multipart/form-data: {error}")))?;
        read(form).await
    }
}

async fn read(mut form: Multipart) -> Result<Upload, Error> {
    let (mut definition, mut source, mut component) = (None, None, None);
    while let Some(mut part) = form.next_field().await.map_err(|e| broken(&e))? {
        let name = part.name().unwrap_or_default().to_owned();
        let (place, limit): (&mut Option<Bytes>, usize) = match name.as_str() {
            "definition" => (&mut definition, BODY_BYTES_MAX),
            "extractorFn" => (&mut source, BODY_BYTES_MAX),
            "component" => (&mut component, COMPONENT_BYTES_MAX),
            other => {
                return Err(Error::parameter(
                    other,
                    "is not a part of a belt: the parts are 'definition' (JSON), 'extractorFn' (Python source) and \
                     'component' (a WebAssembly component)",
                ));
            }
        };
        if place.is_some() {
            return Err(Error::parameter(name, "must not be given twice"));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = part.chunk().await.map_err(|e| broken(&e))? {
            if bytes.len() + chunk.len() > limit {
                return Err(Error::BodyTooLarge { limit });
            }
            bytes.extend_from_slice(&chunk);
        }
        *place = Some(bytes.into());
    }
    let Some(definition) = definition else {
        return Err(Error::parameter("definition", "must be a part of the form: the belt as JSON"));
    };
    let mut definition: Value =
        serde_json::from_slice(&definition).map_err(|error| Error::BadJson(error.to_string()))?;
    if let (Some(source), Some(fields)) = (source, definition.as_object_mut()) {
        let source = String::from_utf8(source.into())
            .map_err(|error| Error::parameter("extractorFn", format!("must be UTF-8: {error}")))?;
        fields.insert("extractorFn".to_owned(), source.into());
    }
    if let Some(component) = &component {
        recognise("component", component)?;
    }
    Ok(Upload { definition, component })
}

fn broken(error: &MultipartError) -> Error {
    Error::BodyLost(error.body_text())
}
