//! What a script reaches outside of itself. Everything goes through this trait.

use crate::field::Field;

/// Severity of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// `fine` and below.
    Debug,
    /// `info`, `print` and `println`.
    Info,
    /// `warning`.
    Warning,
    /// `severe`.
    Error,
}

/// One request as the collector recorded it.
#[derive(Debug, Clone, Default)]
pub struct SnowplowFields {
    /// The schema text of the record.
    pub schema: Option<Field>,
    /// Address of the client.
    pub ip_address: Option<Field>,
    /// Time of reception in milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// Encoding, `UTF-8`.
    pub encoding: Option<Field>,
    /// Name and version of the collector.
    pub collector: Option<Field>,
    /// The request's `User-Agent`.
    pub user_agent: Option<Field>,
    /// The request's `Referer`.
    pub referer_uri: Option<Field>,
    /// Path without query.
    pub path: Option<Field>,
    /// The query as it was sent, without the question mark.
    pub querystring: Option<Field>,
    /// Body of a POST.
    pub body: Option<Field>,
    /// Items `Name: value`.
    pub headers: Option<Vec<Field>>,
    /// Content type of a POST.
    pub content_type: Option<Field>,
    /// Host that was asked.
    pub hostname: Option<Field>,
    /// Id of the client's cookie.
    pub network_user_id: Option<Field>,
}

/// What a script may ask for.
pub trait Host {
    /// Writes to the log. `logger` is empty for `print` and `println`, whose text is written without a prefix.
    fn log(&mut self, level: Level, logger: &str, text: &str);

    /// Milliseconds since the Unix epoch.
    fn now_ms(&mut self) -> i64;

    /// A fresh random UUID in its text form.
    fn random_uuid(&mut self) -> String;

    /// Reads a record of the collector. What lies in its bytes is made with [`Field::of`].
    ///
    /// # Errors
    /// For bytes that are none; the text says what is wrong.
    fn snowplow_deserialize(&mut self, bytes: &[u8]) -> Result<SnowplowFields, String>;
}
