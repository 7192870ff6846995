//! Waiting for a condition instead of sleeping.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::Instant;

/// How long tests wait for things that normally take far less: long enough for a machine that is busy with others.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks. Short against what is waited for, long against the cost of a look.
const PAUSE: Duration = Duration::from_millis(20);

/// What a look showed.
#[derive(Debug)]
pub enum Look<T> {
    /// It is so.
    Done(T),
    /// Not yet; the text says what was seen instead and becomes the error when the time is up.
    NotYet(String),
}

impl<T> Look<T> {
    /// `Done` with the value, or `NotYet` with what was seen.
    pub fn from_option(value: Option<T>, seen: impl Into<String>) -> Self {
        match value {
            Some(value) => Self::Done(value),
            None => Self::NotYet(seen.into()),
        }
    }
}

/// Looks until `look` says [`Look::Done`]. An error of `look` ends the waiting at once.
pub async fn await_condition<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<Look<T>>,
) -> Result<T> {
    let until = Instant::now() + limit;
    loop {
        let seen = match look().await? {
            Look::Done(value) => return Ok(value),
            Look::NotYet(seen) => seen,
        };
        if Instant::now() >= until {
            bail!("waited {limit:?} for {what}; last seen: {seen}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_error_names_what_was_seen_last() {
        let mut looks = 0;
        let error = await_condition::<()>("a fourth leaf", Duration::from_secs(1), async || {
            looks += 1;
            Ok(Look::NotYet("three leaves".to_owned()))
        })
        .await
        .unwrap_err();
        assert_eq!(error.to_string(), "waited 1s for a fourth leaf; last seen: three leaves");
        assert!(looks > 2);
    }
}
