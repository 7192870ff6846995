//! Who sends: the id by which a client is known again, unless it asks for the opposite.

use http::HeaderName;
use http::request::Parts;
use uuid::Uuid;

use crate::{Options, cookie};

/// The header by which a client asks for nothing that identifies it.
const ANONYMOUS: HeaderName = HeaderName::from_static("sp-anonymous");

/// What is known of the sender of a request.
pub(crate) struct Visitor {
    pub(crate) id: NetworkUserId,
    /// It asks for nothing that identifies it.
    pub(crate) anonymous: bool,
}

/// A UUID, or whatever the client sent.
pub(crate) enum NetworkUserId {
    Uuid(Uuid),
    Text(String),
}

impl Visitor {
    /// The id is parameter `nuid`, else the value of the cookie, else `fresh`; of anonymous ones the nil UUID.
    pub(crate) fn of(parts: &Parts, options: &Options, fresh: impl FnOnce() -> Uuid) -> Self {
        if parts.headers.contains_key(ANONYMOUS) {
            return Self { id: NetworkUserId::Uuid(Uuid::nil()), anonymous: true };
        }
        let query = parts.uri.query().filter(|query| query.contains("nuid="));
        let named = query.and_then(|query| parameter(query, "nuid"));
        let known = || {
            let name = &options.cookie.as_ref()?.name;
            cookie::value(&parts.headers, name).map(ToOwned::to_owned)
        };
        let id = named.or_else(known).map_or_else(|| NetworkUserId::Uuid(fresh()), NetworkUserId::Text);
        Self { id, anonymous: false }
    }
}

impl NetworkUserId {
    /// Its text; a UUID is written into `scratch`.
    pub(crate) fn text<'a>(&'a self, scratch: &'a mut [u8; 36]) -> &'a str {
        match self {
            Self::Uuid(id) => id.hyphenated().encode_lower(scratch),
            Self::Text(text) => text,
        }
    }
}

/// The first value of a parameter of a query, decoded, when it is not empty.
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    let (_, value) = form_urlencoded::parse(query.as_bytes()).find(|(this, _)| this == name)?;
    (!value.is_empty()).then(|| value.into_owned())
}
