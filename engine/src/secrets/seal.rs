//! Sealing one value: ChaCha20-Poly1305 with a random nonce. The place of the value is authenticated with it, so that a
//! sealed value that is moved to another key, secret or project does not open there.
//!
//! ```text
//! format (1) | nonce (12) | ciphertext | tag (16)
//! ```

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::Error;
use super::key::Key;

/// The format that is written.
const FORMAT: u8 = 1;

/// Where a value belongs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) project: &'a str,
    pub(super) secret: &'a str,
    pub(super) key: &'a str,
}

impl Place<'_> {
    /// None of the three can hold a slash, so no two places read the same.
    fn aad(self) -> Aad<String> {
        Aad::from(format!("{}/{}/{}", self.project, self.secret, self.key))
    }
}

fn cipher(key: &Key) -> LessSafeKey {
    let key = UnboundKey::new(&CHACHA20_POLY1305, &key.0).expect("the key has the length of the algorithm's");
    LessSafeKey::new(key)
}

/// Seals a value for its place.
pub(super) fn seal(key: &Key, place: Place<'_>, value: &str) -> Result<Vec<u8>, Error> {
    let mut nonce = [0; NONCE_LEN];
    // Random ones of 96 bits may be used for billions of values under one key.
    SystemRandom::new().fill(&mut nonce).map_err(|_| Error::NoRandomness)?;
    let mut text = value.as_bytes().to_vec();
    let tag = cipher(key)
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), place.aad(), &mut text)
        .expect("a value is far shorter than what the algorithm takes");
    Ok([&[FORMAT], &nonce[..], &text, tag.as_ref()].concat())
}

/// Opens what was sealed for that place with that key. `None` for anything else.
pub(super) fn open(key: &Key, place: Place<'_>, sealed: &[u8]) -> Option<String> {
    let (&FORMAT, sealed) = sealed.split_first()? else { return None };
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut text = sealed.to_vec();
    let text =
        cipher(key).open_in_place(Nonce::assume_unique_for_key(*nonce), place.aad(), &mut text).ok()?;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place { project: "p", secret: "mailer", key: "password" };

    fn key(byte: u8) -> Key {
        Key([byte; super::super::key::KEY_BYTES])
    }

    #[test]
    fn what_is_sealed_opens_at_its_place() {
        for value in ["", "hunter2", "grün\n", &"x".repeat(64 << 10)] {
            let sealed = seal(&key(1), PLACE, value).unwrap();
            assert_eq!(sealed.len(), 29 + value.len());
            assert!(value.is_empty() || !sealed.windows(value.len()).any(|part| part == value.as_bytes()));
            assert_eq!(open(&key(1), PLACE, &sealed).as_deref(), Some(value));
        }
    }

    #[test]
    fn the_same_value_never_looks_the_same() {
        assert_ne!(seal(&key(1), PLACE, "hunter2").unwrap(), seal(&key(1), PLACE, "hunter2").unwrap());
    }

    #[test]
    fn another_key_opens_nothing() {
        assert_eq!(open(&key(2), PLACE, &seal(&key(1), PLACE, "hunter2").unwrap()), None);
    }

    #[test]
    fn a_value_that_was_moved_does_not_open() {
        let sealed = seal(&key(1), PLACE, "hunter2").unwrap();
        for place in [
            Place { project: "q", ..PLACE },
            Place { secret: "other", ..PLACE },
            Place { key: "user", ..PLACE },
            Place { secret: "mailer/password", key: "", ..PLACE },
        ] {
            assert_eq!(open(&key(1), place, &sealed), None, "{place:?}");
        }
    }

    #[test]
    fn no_changed_or_cut_value_opens() {
        let sealed = seal(&key(1), PLACE, "hunter2").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(open(&key(1), PLACE, &changed), None, "byte {at}");
            assert_eq!(open(&key(1), PLACE, &sealed[..at]), None, "cut at {at}");
        }
    }
}
