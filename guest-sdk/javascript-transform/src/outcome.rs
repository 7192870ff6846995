//! What becomes of a record.

/// One message. A script answers any number of them for a record; none skips it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Whose payload is the text. A text that is a JSON array is one message here; the host splits it.
    Text(String),
    /// That deletes.
    Deletion {
        /// Whose events are deleted.
        correlation_id: String,
        /// Which one of them; all where there is none.
        event_id: Option<String>,
    },
}
