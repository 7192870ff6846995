//! Outcomes of transforms.

use super::Writer;
use crate::transform::{Deletion, Message, Outcome};

impl Writer {
    pub(crate) fn transformed(&mut self, outcome: &Outcome) {
        match outcome {
            Ok(messages) => {
                self.0.push(0);
                self.number(messages.len());
                messages.iter().for_each(|message| self.message(message));
            }
            Err(failure) => self.failure(&failure.code, &failure.message, failure.retryable),
        }
    }

    fn message(&mut self, message: &Message) {
        match message {
            Message::Json(text) => {
                self.0.push(0);
                self.counted(text);
            }
            Message::Deletion(Deletion { correlation_id, event_id }) => {
                self.0.push(1);
                self.counted(correlation_id.as_bytes());
                self.text(event_id.as_ref());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::Failure;

    #[test]
    fn outcomes_are_written_one_behind_the_other() {
        let deletion = |event_id: Option<&str>| {
            let event_id = event_id.map(str::to_owned);
            Message::Deletion(Deletion { correlation_id: "c".to_owned(), event_id })
        };
        let mut to = Writer::new(3, 0);
        to.transformed(&Ok(vec![]));
        to.transformed(&Ok(vec![Message::text("7"), deletion(None), deletion(Some("e"))]));
        to.transformed(&Err(Failure { retryable: true, ..Failure::new("no", "") }));
        let wanted: &[u8] = b"\x03\0\0\0\
            \0\0\0\0\0\
            \0\x03\0\0\0\0\x01\0\0\x007\x01\x01\0\0\0c\0\x01\x01\0\0\0c\x01\x01\0\0\0e\
            \x01\x02\0\0\0no\0\0\0\0\x01";
        assert_eq!(to.finish(), wanted);
    }
}
