//! What runs between the source and the metadata extractor.

use granary_sandbox::{EventIn, Failure, FailureKind, Runner, TransformOutcome, Transformed};

use crate::belt::broken;
use crate::belt::meter::Meter;
use crate::stage::Error;

/// A loaded transform.
pub enum Transform {
    /// No script: the payload, which must be JSON text, goes through as it is.
    PassThrough,
    /// A script of a language runtime, or an uploaded component; metered where it belongs to a running harvester.
    Guest(Box<Runner>, Option<Meter>),
}

impl Transform {
    /// One outcome per record, in order.
    ///
    /// # Errors
    /// When the script cannot be loaded again after its instance was given up.
    pub async fn run(&mut self, records: &[EventIn<'_>]) -> Result<Vec<TransformOutcome>, Error> {
        match self {
            Self::PassThrough => Ok(records.iter().map(|record| pass_through(record.payload)).collect()),
            Self::Guest(runner, meter) => {
                let outcomes = runner.run_transform(records).await.map_err(broken)?;
                if let Some(meter) = meter {
                    meter.show(&runner.stats(), 1);
                }
                Ok(outcomes)
            }
        }
    }
}

fn pass_through(payload: &[u8]) -> TransformOutcome {
    let json = serde_json::from_slice::<&serde_json::value::RawValue>(payload);
    let text =
        json.map_err(|e| e.to_string()).and_then(|_| str::from_utf8(payload).map_err(|e| e.to_string()));
    match text {
        Ok(text) => Transformed::of_text(text),
        Err(why) => Err(Failure {
            kind: FailureKind::Output,
            type_name: "NotJson".to_owned(),
            message: format!(
                "the payload is not JSON ({why}), and the harvester has no transform that would make JSON of it"
            ),
            traceback: String::new(),
            retryable: false,
        }),
    }
}

#[cfg(test)]
mod tests {
    use granary_sandbox::TransformMessage;

    use super::*;

    #[test]
    fn bytes_go_through_unchanged_and_only_json_does() {
        let text = br#" {"a": 1.10, "b":"\u00e9"} "#;
        let made = pass_through(text).expect("JSON goes through");
        assert_eq!(made, Transformed::Messages(vec![TransformMessage::Text(text.to_vec())]));
        let elements = [&b"{\"a\": 1}"[..], b"2.0"].map(|element| TransformMessage::Text(element.to_vec()));
        assert_eq!(pass_through(b"[{\"a\": 1}, 2.0]"), Ok(Transformed::Messages(elements.to_vec())));
        assert_eq!(pass_through(b"[]"), Ok(Transformed::Skip));
        for bad in [&b"hello"[..], b"", b"\xff", b"{}{}"] {
            assert!(pass_through(bad).is_err());
        }
    }
}
