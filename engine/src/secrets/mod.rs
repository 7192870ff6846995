//! Secrets of belts: sealed on their way into the database, opened when a belt starts.
//!
//! ```text
//!   PUT .../secrets/{name} ── seal ──> granary.secret ── open ──> environment of the belt's program
//!                               ▲                         ▲
//!                               └── <data-dir>/secret.key ┘
//! ```
//!
//! Promised: the database and its dumps hold no value, and neither do answers, statuses, metrics and the engine's logs.
//! Not promised: anything against whoever can read the data directory, or against the code of a belt that uses a secret.

pub mod key;

mod mask;
mod seal;

use std::collections::{BTreeMap, btree_map::Entry};
use std::io;
use std::path::Path;
use std::sync::Arc;

use granary_catalog::{Belt, SecretValues};
use granary_db::definitions::secret::{self, Sealed};
use tokio_postgres::Client;
use tracing::{debug, warn};

pub use mask::Mask;

use key::{FILE, Key};
use seal::Place;

/// Why values cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key file is not there.
    #[error(
        "the key that opens secrets is missing: put {FILE} back into the data directory, or set the secrets anew \
         (PUT, or `granary secret set`), which makes another key"
    )]
    Missing,
    /// The key file cannot be read.
    #[error(
        "the key that opens secrets cannot be read ({0}): let the engine read {FILE} in its data directory"
    )]
    Unreadable(#[source] io::Error),
    /// The key file holds something else.
    #[error(
        "{FILE} in the data directory does not hold a key, which is 64 hex digits: put the right file back, or remove \
         it and set the secrets anew"
    )]
    NoKey,
    /// The key file cannot be made.
    #[error("{FILE}, the key that seals secrets, could not be written to the data directory: {0}")]
    Unwritable(#[source] io::Error),
    /// The secret was sealed with another key.
    #[error(
        "the secret '{secret}' was sealed with the key {sealed_with}, but {FILE} in the data directory is the key \
         {ours}: put the right file back, or set the secret anew (PUT, or `granary secret set {secret}`)"
    )]
    OtherKey {
        /// Name of the secret.
        secret: String,
        /// Stands for the key that sealed it.
        sealed_with: String,
        /// Stands for the key of this engine.
        ours: String,
    },
    /// The stored value is not what was stored.
    #[error(
        "the stored value '{key}' of the secret '{secret}' was changed or moved in the database and does not open: set \
         the secret anew (PUT, or `granary secret set {secret}`)"
    )]
    Changed {
        /// Name of the secret.
        secret: String,
        /// Key of the value.
        key: String,
    },
    /// A belt needs what is not there any more.
    #[error(
        "the variable '{variable}' needs the value '{key}' of the secret '{secret}', which is not there: set it"
    )]
    Absent {
        /// The variable of the belt.
        variable: String,
        /// Name of the secret.
        secret: String,
        /// Key of the value.
        key: String,
    },
    /// The system gave no random numbers.
    #[error("the system gives no random numbers, without which nothing can be sealed")]
    NoRandomness,
    /// The database did not answer as it should.
    #[error(transparent)]
    Database(#[from] granary_db::Error),
}

impl From<Error> for crate::stage::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Database(error) => error.into(),
            other => Self::Final(other.to_string()),
        }
    }
}

/// Seals and opens with the key of one data directory. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Secrets {
    data_dir: Arc<Path>,
}

impl Secrets {
    /// With the key of that data directory, which is made at the first start. Trouble with it is told in the log and
    /// again to whoever needs the key; it keeps no engine from starting.
    #[must_use]
    pub fn open(data_dir: &Path) -> Self {
        match Key::read_or_make(data_dir) {
            Ok(_) if key::is_open_to_others(data_dir) => {
                warn!(
                    "{FILE} in the data directory can be read by others than its owner: chmod 600 mends it"
                );
            }
            Ok(_) => {}
            Err(error) => warn!(%error, "belts that use secrets will not start"),
        }
        Self { data_dir: data_dir.into() }
    }

    /// Seals the values of a secret.
    ///
    /// # Errors
    /// When the key cannot be read, or made where there is none.
    pub async fn seal(
        &self,
        project: &str,
        secret: &str,
        data: BTreeMap<String, String>,
    ) -> Result<Sealed, Error> {
        let data_dir = Arc::clone(&self.data_dir);
        let key = blocking(move || Key::read_or_make(&data_dir)).await?;
        let sealed = |(name, value): (String, String)| {
            let sealed = seal::seal(&key, Place { project, secret, key: &name }, &value)?;
            Ok((name, sealed))
        };
        Ok(Sealed {
            sealed_with: key.id(),
            values: data.into_iter().map(sealed).collect::<Result<_, Error>>()?,
        })
    }

    /// What a belt takes from the secrets of its project.
    ///
    /// # Errors
    /// When a value is not there that it does not do without, or cannot be opened.
    pub async fn of(&self, client: &Client, belt: &Belt) -> Result<SecretValues, Error> {
        let mut values = SecretValues::default();
        let wanted = belt.secret_refs();
        if wanted.is_empty() {
            return Ok(values);
        }
        let mut stored: BTreeMap<&str, Option<Sealed>> = BTreeMap::new();
        let mut found = Vec::with_capacity(wanted.len());
        for reference in &wanted {
            let name = reference.secret.as_str();
            let secret = match stored.entry(name) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => place.insert(secret::sealed(client, &belt.project, name).await?),
            };
            let value = secret.as_ref().and_then(|secret| {
                let (_, value) = secret.values.iter().find(|(key, _)| *key == reference.key)?;
                Some((secret.sealed_with.clone(), value.clone()))
            });
            match value {
                Some((sealed_with, value)) => {
                    let place = Place { project: &belt.project, secret: name, key: &reference.key };
                    found.push((place, sealed_with, value));
                }
                None if reference.optional => {}
                None => {
                    return Err(Error::Absent {
                        variable: reference.variable.clone(),
                        secret: name.to_owned(),
                        key: reference.key.clone(),
                    });
                }
            }
        }
        // A belt that does without all of them does without the key, too.
        if !found.is_empty() {
            let key = self.key().await?;
            for (place, sealed_with, value) in found {
                values.insert(place.secret, place.key, open(&key, place, sealed_with, &value)?);
            }
        }
        Ok(values)
    }

    /// Tells in the log of secrets that the key of this data directory does not open.
    pub async fn warn_of_others(&self, client: &Client) {
        // Without a key there was a warning already.
        let Ok(key) = self.key().await else { return };
        match secret::count_sealed_otherwise(client, &key.id()).await {
            Ok(0) => {}
            Ok(others) => warn!(
                secrets = others,
                "secrets were sealed with another key than {FILE} in the data directory; belts that use them will not \
                 start: put the right file back, or set the secrets anew"
            ),
            // A belt that cannot have its secrets says so itself.
            Err(error) => debug!(%error, "could not look at the secrets"),
        }
    }

    async fn key(&self) -> Result<Key, Error> {
        let data_dir = Arc::clone(&self.data_dir);
        blocking(move || Key::read(&data_dir)).await?.ok_or(Error::Missing)
    }
}

fn open(key: &Key, place: Place<'_>, sealed_with: String, value: &[u8]) -> Result<String, Error> {
    let ours = key.id();
    if sealed_with != ours {
        return Err(Error::OtherKey { secret: place.secret.to_owned(), sealed_with, ours });
    }
    seal::open(key, place, value)
        .ok_or_else(|| Error::Changed { secret: place.secret.to_owned(), key: place.key.to_owned() })
}

/// Reads or writes files without keeping other tasks of this thread waiting.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Error::Unreadable(error.into())))
}

#[cfg(test)]
mod tests;
