//! The HTTP client of the tests: JSON in, JSON out, and errors that show the whole answer.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::{Value, json};

use crate::wait::{Look, PATIENCE, await_condition};

/// The collector's path that the guide posts to.
pub const COLLECTOR_PATH: &str = "/api/com.snowplowanalytics.snowplow/tp2";

/// A client of one node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Method and path, for messages.
    pub request: String,
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body as text.
    pub text: String,
}

impl Answer {
    /// The body as JSON; null where it is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The JSON body of an answer with this status; anything else is an error that shows the answer.
    pub fn expect(&self, status: u16) -> Result<Value> {
        if self.status != status {
            bail!("{}: expected status {status}, got {}: {}", self.request, self.status, self.text);
        }
        Ok(self.json())
    }

    /// The JSON body of a 200.
    pub fn ok(&self) -> Result<Value> {
        self.expect(200)
    }

    /// Checks an error answer: its status, its `type`, and that its message names all of `parts`.
    pub fn refused(&self, status: u16, error_type: &str, parts: &[&str]) -> Result<Value> {
        let body = self.expect(status)?;
        if body["type"] != error_type {
            bail!("{}: expected type {error_type}: {}", self.request, self.text);
        }
        let message = body["message"].as_str().unwrap_or_default();
        for part in parts {
            if !message.contains(part) {
                bail!("{}: the message should name {part:?}: {}", self.request, self.text);
            }
        }
        Ok(body)
    }
}

/// The answer to a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows, each with a value per column.
    pub rows: Vec<Vec<Value>>,
    /// Whether there are more rows.
    pub truncated: bool,
}

impl Api {
    /// A client of the node at `base` (such as `http://127.0.0.1:8080`).
    pub fn new(base: impl Into<String>, token: Option<String>) -> Result<Self> {
        // No answer of the engine takes long; a request that hangs is a failure that must show.
        let http = reqwest::Client::builder().timeout(Duration::from_secs(60)).build()?;
        Ok(Self { http, base: base.into(), token })
    }

    /// Where it speaks to.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The same with another token.
    #[must_use]
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    /// Sends a request. The body is sent as it is, with the content type given.
    pub async fn send(&self, method: Method, path: &str, body: Option<(&str, Vec<u8>)>) -> Result<Answer> {
        let request = format!("{method} {path}");
        let mut builder = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            builder = builder.bearer_auth(token);
        }
        if let Some((content_type, body)) = body {
            builder = builder.header(CONTENT_TYPE, content_type).body(body);
        }
        let response = builder.send().await.with_context(|| request.clone())?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await.with_context(|| request.clone())?;
        Ok(Answer { request, status, headers, text })
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, None).await
    }

    /// POST of JSON text, as it is.
    pub async fn post_text(&self, path: &str, body: impl Into<Vec<u8>>) -> Result<Answer> {
        self.send(Method::POST, path, Some(("application/json", body.into()))).await
    }

    /// POST of a JSON value.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.post_text(path, body.to_string()).await
    }

    /// PUT of a JSON value.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(Method::PUT, path, Some(("application/json", body.to_string().into_bytes()))).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Result<Answer> {
        self.send(Method::DELETE, path, None).await
    }

    /// Posts one event to the collector, without a token, and checks that it was taken.
    pub async fn event(&self, body: impl Into<Vec<u8>>) -> Result<()> {
        let answer = self.with_token(None).post_text(COLLECTOR_PATH, body).await?;
        answer.ok()?;
        if answer.text != "ok" {
            bail!("the collector answers 'ok', not {:?}", answer.text);
        }
        Ok(())
    }

    /// START or STOP of the object whose state lives at `path`.
    pub async fn action(&self, path: &str, action: &str) -> Result<Answer> {
        self.post(path, &json!({ "action": action })).await
    }

    /// Waits until the state at `path` is `status`. `FAILED` ends the waiting unless it is what is waited for.
    pub async fn await_status(&self, path: &str, status: &str) -> Result<Value> {
        await_condition(&format!("{path} to be {status}"), PATIENCE, async || {
            let body = self.get(path).await?.ok()?;
            match body["status"].as_str() {
                Some(seen) if seen == status => Ok(Look::Done(body)),
                Some("FAILED") => bail!("{path} is FAILED: {body}"),
                _ => Ok(Look::NotYet(body.to_string())),
            }
        })
        .await
    }

    /// Runs one query and answers its rows.
    pub async fn sql(&self, project: &str, query: &str) -> Result<Table> {
        let body = json!({ "query": query, "maxRows": 100_000 });
        let answer =
            self.post(&format!("/projects/{project}/sql"), &body).await?.ok().context(query.to_owned())?;
        let names = answer["columns"].as_array().context("an answer without columns")?;
        let rows = answer["rows"].as_array().context("an answer without rows")?;
        Ok(Table {
            columns: names.iter().map(|c| c["name"].as_str().unwrap_or_default().to_owned()).collect(),
            rows: rows.iter().map(|r| r.as_array().cloned().unwrap_or_default()).collect(),
            truncated: answer["truncated"] == true,
        })
    }

    /// The single number that a query such as `select count(*)` answers.
    pub async fn count(&self, project: &str, query: &str) -> Result<u64> {
        let table = self.sql(project, query).await?;
        table
            .rows
            .first()
            .and_then(|r| r.first())
            .and_then(Value::as_u64)
            .context("a query that answers one number")
    }
}
