//! The body of a request: JSON within the limit, whatever its content type says.

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{FromRequest, Request},
};
use serde_json::Value;

use super::{ApiState, error::Error};

/// Largest body of the control plane, in bytes.
pub const BODY_BYTES_MAX: usize = 8 << 20;

/// A JSON body. A missing one is `null`.
pub struct JsonBody(pub Value);

impl FromRequest<ApiState> for JsonBody {
    type Rejection = Error;

    async fn from_request(request: Request, _: &ApiState) -> Result<Self, Error> {
        let bytes = read(request.into_body(), BODY_BYTES_MAX).await?;
        if bytes.is_empty() {
            return Ok(JsonBody(Value::Null));
        }
        serde_json::from_slice(&bytes).map(JsonBody).map_err(|error| Error::BadJson(error.to_string()))
    }
}

/// Reads a whole body of at most `limit` bytes.
pub(super) async fn read(body: Body, limit: usize) -> Result<Bytes, Error> {
    to_bytes(body, limit).await.map_err(|error| {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(inner) = cause {
            if inner.is::<http_body_util::LengthLimitError>() {
                return Error::BodyTooLarge { limit };
            }
            cause = inner.source();
        }
        Error::BodyLost(error.to_string())
    })
}
