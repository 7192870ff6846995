//! `granary.token`. Secrets are shown once, when they are made; only their hash is kept.

use granary_catalog::{Access, Token};
use rand::RngExt as _;
use sha2::{Digest as _, Sha256};
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::{from_json, to_json};
use crate::Error;

/// How secrets begin, so that a leaked one is recognised for what it is.
pub const SECRET_PREFIX: &str = "granary_";
/// 40 characters of 62: more than 230 bits.
const SECRET_CHARS: usize = 40;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const COLUMNS: &str = "id, name, access, floor(extract(epoch FROM created_at) * 1000)::bigint, \
                       floor(extract(epoch FROM expires_at) * 1000)::bigint";

fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

/// A fresh secret.
#[must_use]
pub fn new_secret() -> String {
    let mut random = rand::rng();
    let text: String =
        (0..SECRET_CHARS).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect();
    format!("{SECRET_PREFIX}{text}")
}

fn read(row: &Row) -> Result<Token, Error> {
    Ok(Token {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        access: from_json::<Access>("granary.token.access", row.try_get(2)?)?,
        created_at: row.try_get(3)?,
        expires_at: row.try_get(4)?,
    })
}

/// Makes a token; the answer holds its secret, which can not be had again. `expires_at`: milliseconds since the
/// epoch; `None` never expires.
///
/// # Errors
/// Those of the database.
pub async fn create(
    client: &Client,
    name: &str,
    access: &Access,
    expires_at: Option<i64>,
) -> Result<(Token, String), Error> {
    let secret = new_secret();
    let token = insert(client, name, access, expires_at, &secret).await?;
    Ok((token, secret))
}

async fn insert(
    client: &Client,
    name: &str,
    access: &Access,
    expires_at: Option<i64>,
    secret: &str,
) -> Result<Token, Error> {
    let (id, access) = (Uuid::new_v4().to_string(), to_json("granary.token.access", access)?);
    let expiry = expires_at.map(|at| at as f64 / 1000.0);
    let sql = format!(
        "INSERT INTO granary.token (id, name, hash, access, expires_at) \
         VALUES ($1, $2, $3, $4, to_timestamp($5)) RETURNING {COLUMNS}"
    );
    read(&client.query_one(&sql, &[&id, &name, &hash(secret), &access, &expiry]).await?)
}

/// Makes sure that the secret is an administrator's token: for a secret that is kept elsewhere, as the one that the
/// first start writes to a file.
///
/// # Errors
/// Those of the database.
pub async fn ensure_admin(client: &Client, name: &str, secret: &str) -> Result<(), Error> {
    if find(client, secret).await?.is_none() {
        insert(client, name, &Access::admin(), None, secret).await?;
    }
    Ok(())
}

/// The token with that secret, unless it has expired.
///
/// # Errors
/// Those of the database.
pub async fn find(client: &Client, secret: &str) -> Result<Option<Token>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM granary.token WHERE hash = $1 AND (expires_at IS NULL OR expires_at > now())"
    );
    client.query_opt(&sql, &[&hash(secret)]).await?.as_ref().map(read).transpose()
}

/// All tokens, expired ones too, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list(client: &Client) -> Result<Vec<Token>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM granary.token ORDER BY created_at, id");
    client.query(&sql, &[]).await?.iter().map(read).collect()
}

/// Revokes a token by its id. `false` when there is none.
///
/// # Errors
/// Those of the database.
pub async fn revoke(client: &Client, id: &str) -> Result<bool, Error> {
    Ok(client.execute("DELETE FROM granary.token WHERE id = $1", &[&id]).await? > 0)
}
