//! Outcomes of belts.

use super::Writer;
use crate::belt::{BeltError, EventUpdate, ProfileUpdate, Update};

impl Writer {
    pub(crate) fn outcome(&mut self, outcome: &Result<Vec<Update>, BeltError>) {
        match outcome {
            Ok(updates) => {
                self.0.push(0);
                self.number(updates.len());
                updates.iter().for_each(|update| self.update(update));
            }
            Err(error) => self.failure(error.code(), error.message(), error.is_retryable()),
        }
    }

    fn update(&mut self, update: &Update) {
        match update {
            Update::Direct(row) => {
                self.0.push(0);
                self.counted(row.output.as_bytes());
                self.counted(&row.value);
            }
            Update::Event(EventUpdate { output, correlation_id, event_id, timestamp, headers, payload }) => {
                self.0.push(1);
                self.counted(output.as_bytes());
                self.counted(correlation_id.as_bytes());
                self.text(event_id.as_ref());
                self.option(timestamp.as_ref(), |to, time| to.0.extend_from_slice(&time.to_le_bytes()));
                self.option(headers.as_ref(), |to, headers| {
                    to.number(headers.len());
                    for (name, value) in headers {
                        to.counted(name.as_bytes());
                        to.counted(value.as_bytes());
                    }
                });
                self.counted(payload);
            }
            Update::Profile(grain) => {
                self.0.push(2);
                self.grain(grain);
            }
        }
    }

    fn grain(&mut self, grain: &ProfileUpdate) {
        self.counted(grain.id.as_bytes());
        self.number(grain.path.len());
        grain.path.iter().for_each(|element| self.counted(element.as_bytes()));
        self.counted(grain.operation.as_bytes());
        self.counted(&grain.value);
        self.option(grain.certainty.as_ref(), |to, share| to.0.extend_from_slice(&share.to_le_bytes()));
        self.option(grain.inserted.as_ref(), |to, time| to.0.extend_from_slice(&time.to_le_bytes()));
        let texts =
            [&grain.ttl, &grain.ttn, &grain.origin, &grain.reader, &grain.profile_type, &grain.schema];
        texts.into_iter().for_each(|text| self.text(text.as_ref()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_written_one_behind_the_other() {
        let mut to = Writer::new(2, 0);
        to.outcome(&Ok(vec![Update::row("o", &7).unwrap(), Update::event("o", "c", &1).unwrap()]));
        to.outcome(&Err(BeltError::retry("no", "")));
        let wanted: &[u8] = b"\x02\0\0\0\
            \0\x02\0\0\0\
            \0\x01\0\0\0o\x01\0\0\x007\
            \x01\x01\0\0\0o\x01\0\0\0c\0\0\0\x01\0\0\x001\
            \x01\x02\0\0\0no\0\0\0\0\x01";
        assert_eq!(to.finish(), wanted);
    }
}
