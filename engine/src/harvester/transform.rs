//! What runs between the source and the metadata extractor.

use granary_sandbox::{
    EventIn, Failure, FailureKind, Runner, TransformMessage, TransformOutcome, Transformed,
};

use crate::belt::broken;
use crate::belt::meter::Meter;
use crate::stage::{Delivered, Error};

/// A loaded transform.
pub enum Transform {
    /// No script: the payload, which must be JSON text, goes through as it is.
    PassThrough,
    /// A script of a language runtime, or an uploaded component.
    Guest(Box<Runner>, Meter),
}

impl Transform {
    /// One outcome per record, in order.
    ///
    /// # Errors
    /// When the script cannot be loaded again after its instance was given up.
    pub async fn run(&mut self, batch: &[Delivered]) -> Result<Vec<TransformOutcome>, Error> {
        match self {
            Self::PassThrough => Ok(batch.iter().map(|d| pass_through(&d.record.message.payload)).collect()),
            Self::Guest(runner, meter) => {
                let records: Vec<EventIn<'_>> = batch
                    .iter()
                    .map(|d| EventIn {
                        headers: &d.record.message.headers.0,
                        payload: &d.record.message.payload,
                    })
                    .collect();
                let outcomes = runner.run_transform(&records).await.map_err(broken)?;
                meter.show(&runner.stats(), 1);
                Ok(outcomes)
            }
        }
    }
}

fn pass_through(payload: &[u8]) -> TransformOutcome {
    match serde_json::from_slice::<&serde_json::value::RawValue>(payload) {
        Ok(_) => Ok(Transformed::Messages(vec![TransformMessage::Text(payload.to_vec())])),
        Err(e) => Err(Failure {
            kind: FailureKind::Output,
            type_name: "NotJson".to_owned(),
            message: format!(
                "the payload is not JSON ({e}), and the harvester has no transform that would make JSON of it"
            ),
            traceback: String::new(),
            retryable: false,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_go_through_unchanged_and_only_json_does() {
        let text = br#" {"a": 1.10, "b":"\u00e9"} "#;
        let made = pass_through(text).expect("JSON goes through");
        assert_eq!(made, Transformed::Messages(vec![TransformMessage::Text(text.to_vec())]));
        for bad in [&b"hello"[..], b"", b"\xff", b"{}{}"] {
            assert!(pass_through(bad).is_err());
        }
    }
}
