//! What a script reaches outside of itself: the engine's log, clock and chance, and the records of the collector.

use std::time::{SystemTime, UNIX_EPOCH};

use granary::snowplow::CollectorPayload;
use granary_groovy::{Field, Host, Level, SnowplowFields};

use crate::bindings::granary::script::host;

/// The world of a component.
pub(crate) struct World;

impl Host for World {
    fn log(&mut self, level: Level, logger: &str, text: &str) {
        let level = match level {
            Level::Debug => host::Level::Debug,
            Level::Info => host::Level::Info,
            Level::Warning => host::Level::Warning,
            Level::Error => host::Level::Error,
        };
        host::log(level, if logger.is_empty() { "stdout" } else { logger }, text);
    }

    fn now_ms(&mut self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn random_uuid(&mut self) -> String {
        uuid::Uuid::new_v4().to_string()
    }

    fn snowplow_deserialize(&mut self, bytes: &[u8]) -> Result<SnowplowFields, String> {
        let read = CollectorPayload::decode(bytes).map_err(|error| error.to_string())?;
        let text = |field: Option<std::borrow::Cow<'_, str>>| field.map(|text| Field::of(text, bytes));
        Ok(SnowplowFields {
            schema: text(read.schema),
            ip_address: text(read.ip_address),
            timestamp: read.timestamp,
            encoding: text(read.encoding),
            collector: text(read.collector),
            user_agent: text(read.user_agent),
            referer_uri: text(read.referer_uri),
            path: text(read.path),
            querystring: text(read.querystring),
            body: text(read.body),
            headers: read.headers.map(|all| all.into_iter().map(|header| Field::of(header, bytes)).collect()),
            content_type: text(read.content_type),
            hostname: text(read.hostname),
            network_user_id: text(read.network_user_id),
        })
    }
}
