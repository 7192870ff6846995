//! A record of the collector, whose fields become texts of the engine when they are asked for: a script reads few.

use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;

use granary::snowplow::CollectorPayload;
use rquickjs::class::{JsClass, Readable, Trace, Tracer};
use rquickjs::function::Constructor;
use rquickjs::{Array, Ctx, IntoJs, JsLifetime, Value};

/// The fields' names, in the order of the JSON form.
pub(crate) const NAMES: [&str; 14] = [
    "schema",
    "ipAddress",
    "timestamp",
    "encoding",
    "collector",
    "userAgent",
    "refererUri",
    "path",
    "querystring",
    "body",
    "headers",
    "contentType",
    "hostname",
    "networkUserId",
];

/// One field of text.
enum Text {
    /// Where in the record it stands.
    There(Range<usize>),
    /// What became of bytes that are not UTF-8.
    Repaired(String),
}

/// The record; `library/snowplow.js` gives it its methods.
pub(crate) struct Collector {
    record: Rc<[u8]>,
    /// In the order of the names; nothing at the places of the timestamp and the headers.
    texts: [Option<Text>; NAMES.len()],
    timestamp: Option<i64>,
    headers: Option<Vec<Text>>,
}

impl Collector {
    /// Reads a record, or says what is wrong with it.
    pub(crate) fn read(record: &Rc<[u8]>) -> Result<Self, String> {
        let read = CollectorPayload::decode(record).map_err(|error| error.to_string())?;
        let place = |text: Cow<'_, str>| match text {
            // An empty text may stand anywhere.
            Cow::Borrowed("") => Text::There(0..0),
            Cow::Borrowed(text) => {
                let start = text.as_ptr() as usize - record.as_ptr() as usize;
                Text::There(start..start + text.len())
            }
            Cow::Owned(text) => Text::Repaired(text),
        };
        Ok(Self {
            record: Rc::clone(record),
            timestamp: read.timestamp,
            headers: read.headers.map(|all| all.into_iter().map(place).collect()),
            texts: [
                read.schema,
                read.ip_address,
                None,
                read.encoding,
                read.collector,
                read.user_agent,
                read.referer_uri,
                read.path,
                read.querystring,
                read.body,
                None,
                read.content_type,
                read.hostname,
                read.network_user_id,
            ]
            .map(|text| text.map(place)),
        })
    }

    fn text<'a>(&'a self, text: &'a Text) -> Cow<'a, str> {
        match text {
            Text::There(range) => {
                granary_scriptable::lossy(self.record.get(range.clone()).unwrap_or_default())
            }
            Text::Repaired(text) => Cow::Borrowed(text),
        }
    }

    /// The field of that number; null where the record has none.
    pub(crate) fn field<'js>(&self, ctx: &Ctx<'js>, number: usize) -> rquickjs::Result<Value<'js>> {
        match NAMES.get(number).copied() {
            // Milliseconds are far below what a number holds exactly.
            #[allow(clippy::cast_precision_loss, reason = "see above")]
            Some("timestamp") => Ok(match self.timestamp {
                Some(milliseconds) => Value::new_number(ctx.clone(), milliseconds as f64),
                None => Value::new_null(ctx.clone()),
            }),
            Some("headers") => match &self.headers {
                Some(headers) => {
                    let list = Array::new(ctx.clone())?;
                    for (index, header) in headers.iter().enumerate() {
                        list.set(index, self.text(header).as_ref())?;
                    }
                    Ok(list.into_value())
                }
                None => Ok(Value::new_null(ctx.clone())),
            },
            _ => match self.texts.get(number).and_then(Option::as_ref) {
                Some(text) => self.text(text).as_ref().into_js(ctx),
                None => Ok(Value::new_null(ctx.clone())),
            },
        }
    }
}

// SAFETY: the type holds nothing of the engine.
unsafe impl JsLifetime<'_> for Collector {
    type Changed<'to> = Self;
}

impl<'js> Trace<'js> for Collector {
    fn trace<'a>(&self, _: Tracer<'a, 'js>) {}
}

impl<'js> JsClass<'js> for Collector {
    const NAME: &'static str = "SnowplowCollectorPayload";
    type Mutable = Readable;

    fn constructor(_: &Ctx<'js>) -> rquickjs::Result<Option<Constructor<'js>>> {
        Ok(None)
    }
}
