//! How commands reach a running engine: `--url` and `--token`, or their variables, or the data directory.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

use super::Failure;

#[derive(Args, Clone)]
pub(super) struct Target {
    /// Address of the engine, such as http://127.0.0.1:8080
    #[arg(long, env = "GRANARY_URL")]
    url: Option<String>,
    /// Access token
    #[arg(long, env = "GRANARY_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Data directory of the engine: its address and admin token are read there when no URL is given
    #[arg(long, env = "GRANARY_DATA_DIR", default_value = "./granary-data")]
    data_dir: PathBuf,
}

/// A connection to the API.
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Target {
    pub(super) fn connect(&self) -> Result<Client, Failure> {
        let url = match &self.url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => read(&self.data_dir, "address", "--url", "GRANARY_URL")?,
        };
        let token = match &self.token {
            Some(token) => token.clone(),
            None => read(&self.data_dir, "admin.token", "--token", "GRANARY_TOKEN")?,
        };
        Ok(Client { http: reqwest::Client::builder().no_proxy().build()?, url, token })
    }
}

fn read(dir: &Path, file: &str, flag: &str, variable: &str) -> Result<String, Failure> {
    let path = dir.join(file);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(e) => Err(Failure::Usage(format!(
            "{} cannot be read ({e}): give {flag} (or {variable}), or --data-dir of an engine that runs here",
            path.display()
        ))),
    }
}

impl Client {
    pub(super) async fn call(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.answer(request).await
    }

    /// Sends WebAssembly.
    pub(super) async fn upload(
        &self,
        method: reqwest::Method,
        path: &str,
        component: Vec<u8>,
    ) -> Result<Value, Failure> {
        let request = self.request(method, path).header("content-type", "application/wasm");
        self.answer(request.body(component)).await
    }

    /// Fetches bytes.
    pub(super) async fn download(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let answer = self.sent(self.request(reqwest::Method::GET, path)).await?;
        let status = answer.status();
        let bytes = answer.bytes().await.context("the answer broke off")?;
        if status.is_success() {
            return Ok(bytes.into());
        }
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Err(Failure::Failed(anyhow::anyhow!(describe(status.as_u16(), &body))))
    }

    /// Posts an event to the collector, which wants no token.
    pub(super) async fn post_event(&self, path: &str, payload: Vec<u8>) -> Result<(), Failure> {
        let request = self.http.post(format!("{}{path}", self.url));
        let answer = self.sent(request.header("content-type", "application/json").body(payload)).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let text = answer.text().await.unwrap_or_default();
        Err(Failure::Failed(anyhow::anyhow!("the collector answered {status}: {text}")))
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token)
    }

    async fn sent(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, Failure> {
        Ok(request.send().await.with_context(|| format!("no answer from the engine at {}", self.url))?)
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Value, Failure> {
        let answer = self.sent(request).await?;
        let status = answer.status();
        let text = answer.text().await.context("the answer broke off")?;
        let value: Value = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text)
                .with_context(|| format!("the answer ({status}) is not JSON: {text}"))?
        };
        if status.is_success() {
            return Ok(value);
        }
        Err(Failure::Failed(anyhow::anyhow!(describe(status.as_u16(), &value))))
    }
}

/// The error body in a few lines, with what Postgres said where it said something.
fn describe(status: u16, body: &Value) -> String {
    let mut text =
        body["message"].as_str().map_or_else(|| format!("the engine answered {status}"), str::to_owned);
    if let Some(hint) = body["hint"].as_str() {
        text.push_str("\nhint: ");
        text.push_str(hint);
    }
    text
}

/// Makes a project name or id safe inside a path.
pub(super) fn segment(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(b).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
