//! One project of a running engine.

use anyhow::{Context as _, anyhow};
use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::Failure;
use super::client::{Client, Target, segment};

/// Which project of which engine.
#[derive(Args)]
pub(super) struct Place {
    /// Project
    #[arg(long, env = "GRANARY_PROJECT")]
    project: String,
    #[command(flatten)]
    target: Target,
}

impl Place {
    /// A connection to it.
    pub(super) fn connect(&self) -> Result<Remote, Failure> {
        Remote::of(&self.target, &self.project)
    }
}

/// One project of an engine.
pub(super) struct Remote {
    pub(super) client: Client,
    pub(super) project: String,
}

/// A belt as it is stored.
pub(super) struct Stored {
    pub(super) id: String,
    pub(super) body: Value,
}

impl Remote {
    /// The project of that name in that engine.
    pub(super) fn of(target: &Target, project: &str) -> Result<Self, Failure> {
        Ok(Self { client: target.connect()?, project: project.to_owned() })
    }

    /// A path inside the project; `rest` begins with a slash.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/projects/{}{rest}", segment(&self.project))
    }

    pub(super) async fn get(&self, rest: &str) -> Result<Value, Failure> {
        self.client.call(Method::GET, &self.path(rest), None).await
    }

    pub(super) async fn post(&self, rest: &str, body: &Value) -> Result<Value, Failure> {
        self.client.call(Method::POST, &self.path(rest), Some(body)).await
    }

    /// The belt of that label.
    pub(super) async fn find(&self, name: &str) -> Result<Option<Stored>, Failure> {
        let mut offset = 0;
        loop {
            let page =
                self.get(&format!("/belts?search={}&pagesize=250&offset={offset}", segment(name))).await?;
            let belts = page["items"].as_array().cloned().unwrap_or_default();
            if belts.is_empty() {
                return Ok(None);
            }
            offset += belts.len();
            if let Some(body) = belts.into_iter().find(|belt| belt["name"] == name) {
                let id = body["id"].as_str().context("a belt has an id")?.to_owned();
                return Ok(Some(Stored { id, body }));
            }
        }
    }

    /// The belt of that label; an error with `advice` where there is none.
    pub(super) async fn belt_named(&self, name: &str, advice: &str) -> Result<Stored, Failure> {
        self.find(name).await?.ok_or_else(|| {
            Failure::Failed(anyhow!("the project '{}' has no belt named '{name}': {advice}", self.project))
        })
    }
}
