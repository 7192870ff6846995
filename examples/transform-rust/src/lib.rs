//! The transform of the live-segment guide: keeps the bodies of one application, byte for byte, and skips all others.

use granary::snowplow::CollectorPayload;
use granary::transform::{Failure, Message, SourceRecord, Transform};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// Events of this application pass.
const APP_ID: &str = "liveSegmenttest";

/// What decides. The other fields are skipped without being kept.
#[derive(Deserialize)]
struct Body {
    #[serde(rename = "appId", default)]
    app_id: Value,
}

struct Guide;

impl Transform for Guide {
    fn transform(record: &SourceRecord) -> Result<Vec<Message>, Failure> {
        let payload = record.snowplow()?;
        let is_ours = is_ours(&payload)?;
        Ok(payload.body.filter(|_| is_ours).map(|body| Message::text(&body)).into_iter().collect())
    }
}

fn is_ours(payload: &CollectorPayload<'_>) -> Result<bool, Failure> {
    // A derived reader takes an array for the fields in their order, so only objects may reach it.
    let is_object = payload.body.as_deref().is_some_and(|body| body.trim_start().starts_with('{'));
    Ok(if is_object {
        payload.json::<Body>()?.app_id == APP_ID
    } else {
        payload.json::<IgnoredAny>()?;
        false
    })
}

granary::transform!(Guide);

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of the collector with this body.
    fn record(body: Option<&str>) -> SourceRecord {
        let mut payload = vec![10, 0, 200, 0, 0, 1, 0x71, 0, 0, 0, 0];
        if let Some(body) = body {
            payload.extend([11, 1, 84]);
            payload.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
            payload.extend(body.as_bytes());
        }
        payload.push(0);
        SourceRecord::of(payload, &[])
    }

    fn answer(body: &str) -> Vec<Message> {
        Guide::transform(&record(Some(body))).unwrap()
    }

    #[test]
    fn body_of_the_application_passes_byte_for_byte() {
        let body = "{ \"appId\": \"liveSegmenttest\",\n \"n\": 1.0 }";
        let [Message::Json(text)] = &answer(body)[..] else { panic!("expected one message") };
        assert_eq!(text, body.as_bytes());
    }

    #[test]
    fn other_bodies_are_skipped() {
        for body in ["{}", "{\"appId\":\"other\"}", "{\"appId\":1}", "[\"liveSegmenttest\"]", "7"] {
            assert!(answer(body).is_empty(), "{body}");
        }
    }

    #[test]
    fn requests_without_json_body_fail() {
        assert_eq!(Guide::transform(&record(None)).unwrap_err().code, "no-body");
        assert_eq!(Guide::transform(&record(Some("hello"))).unwrap_err().code, "bad-body");
        let failure = Guide::transform(&SourceRecord::of("{}", &[])).unwrap_err();
        assert_eq!(failure.code, "not-thrift");
    }
}
