//! `granary belt push`.

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::build::{Program, program};
use super::folder::{Folder, Language};
use super::remote::Remote;
use super::samples;
use super::test::{Show, Suite};
use super::{Failure, In, Sandboxed};
use crate::cli::client::{Target, segment};

/// How long a part of the pipeline may take to come up.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Args, Clone)]
pub(super) struct Push {
    #[command(flatten)]
    place: In,
    /// Upload without testing
    #[arg(long)]
    no_test: bool,
    /// Store the new version without running it: a running belt keeps its version until it is restarted
    #[arg(long)]
    no_apply: bool,
    /// Project in the engine, in place of that of belt.toml
    #[arg(long, env = "GRANARY_PROJECT")]
    project: Option<String>,
    #[command(flatten)]
    sandboxed: Sandboxed,
    #[command(flatten)]
    target: Target,
}

impl Push {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let folder = Folder::open(&self.place.folder)?;
        let remote = Remote::connect(&self.target, self.project.as_deref(), &folder)?;
        let program = program(&folder)?;
        if !self.no_test {
            let samples = samples::of_folder(&folder)?;
            if !samples.is_empty() {
                Suite::run(&folder, &program, &samples, &self.sandboxed, Show::Problems).await?.verdict()?;
            }
        }
        self.upload(&folder, &remote, &program).await?;
        println!();
        println!(
            "next: granary belt send {0} posts the samples and shows the rows",
            self.place.folder.display()
        );
        println!("      granary belt logs {0} --follow", self.place.folder.display());
        Ok(())
    }

    /// For `dev`.
    pub(super) fn quick(&self) -> Self {
        Self { no_test: true, ..self.clone() }
    }

    pub(super) fn folder(&self) -> &std::path::Path {
        &self.place.folder
    }

    pub(super) fn sandboxed(&self) -> &Sandboxed {
        &self.sandboxed
    }

    pub(super) fn remote(&self, folder: &Folder) -> Result<Remote, Failure> {
        Remote::connect(&self.target, self.project.as_deref(), folder)
    }

    /// Makes what is missing, uploads, and waits until the new version runs.
    pub(super) async fn upload(
        &self,
        folder: &Folder,
        remote: &Remote,
        program: &Program,
    ) -> Result<(), Failure> {
        ensure_project(remote).await?;
        ensure_event_types(folder, remote).await?;
        ensure_harvester(folder, remote).await?;
        let mut definition = folder.definition();
        match program {
            Program::Source(text) => {
                let kind = match folder.manifest.program.language {
                    Language::Javascript => "javascript-callback",
                    _ => "python-callback",
                };
                definition.insert("beltType".to_owned(), kind.into());
                definition.insert("extractorFn".to_owned(), text.clone().into());
            }
            Program::Component(_, bytes) => {
                let path = remote.path("/components");
                let answer = remote.client.upload(Method::POST, &path, bytes.clone()).await?;
                definition.insert("beltType".to_owned(), "component".into());
                definition.insert("component".to_owned(), answer["sha256"].clone());
            }
        }
        let name = folder.name()?;
        let definition = Value::Object(definition);
        let stored = remote.find(name).await?;
        let (id, body) = match stored {
            None => {
                let path = remote.path("/belts");
                let body = remote.client.call(Method::POST, &path, Some(&definition)).await?;
                (body["id"].as_str().context("a belt has an id")?.to_owned(), body)
            }
            Some(stored) => {
                let apply = !self.no_apply;
                let path = remote.path(&format!("/belts/{}?apply={apply}", stored.id));
                (stored.id, remote.client.call(Method::PUT, &path, Some(&definition)).await?)
            }
        };
        for warning in body["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            println!("push: warning: {warning}");
        }
        let version = body["version"].as_str().unwrap_or_default();
        if self.no_apply {
            println!("push: belt '{name}' (id {id}) has version {version} now; it is not applied");
            return Ok(());
        }
        remote.act(&id, "START", "").await?;
        await_running(remote, &format!("/belts/{id}")).await?;
        println!("push: belt '{name}' (id {id}) runs version {version}");
        Ok(())
    }
}

async fn ensure_project(remote: &Remote) -> Result<(), Failure> {
    let known = remote.client.call(Method::GET, "/projects?pagesize=250", None).await?;
    let known = known["projects"].as_array().cloned().unwrap_or_default();
    if known.iter().any(|project| project["name"] == remote.project.as_str()) {
        return Ok(());
    }
    // One that the caller may not list may be there all the same.
    if remote.get("").await.is_ok() {
        return Ok(());
    }
    let body = json!({ "name": remote.project, "displayName": remote.project });
    let made = remote.client.call(Method::POST, "/projects", Some(&body)).await?;
    if made["name"] != remote.project.as_str() {
        return Err(Failure::Failed(anyhow!(
            "the project was made under the name {}: write it into belt.toml, or give --project",
            made["name"]
        )));
    }
    println!("push: made the project '{}'", remote.project);
    Ok(())
}

async fn ensure_event_types(folder: &Folder, remote: &Remote) -> Result<(), Failure> {
    let known = remote.event_types().await?;
    for name in folder.manifest.event_types.keys() {
        if known.iter().any(|entry| &entry.name == name) {
            continue;
        }
        let Some(mut body) = folder.event_type(name)? else { continue };
        if body["type"] == "data_in" {
            let fields = body.as_object_mut().context("an event type is an object")?;
            for (field, value) in [
                ("correlationIdExpression", "#randomUUID()"),
                ("eventIdExpression", "#randomUUID()"),
                ("timestampExpression", "#nowMillis()"),
            ] {
                fields.entry(field).or_insert_with(|| value.into());
            }
        }
        let made = remote
            .client
            .call(Method::POST, &remote.path(&format!("/event-types/{}", segment(name))), Some(&body))
            .await?;
        println!("push: made the event type '{name}' ({})", made["type"].as_str().unwrap_or_default());
        let persister = match made["type"].as_str() {
            Some("data_in") => "pg",
            Some("live_segment") => "live-segment",
            _ => continue,
        };
        await_running(remote, &format!("/event-types/{}/eventstores/{persister}/persister", segment(name)))
            .await?;
    }
    Ok(())
}

/// The transform takes the bodies whose `appId` is the given one, whichever tracker sent them.
fn transform(app_id: &str) -> String {
    let quoted = Value::from(app_id).to_string();
    format!(
        "import json\n\n\ndef transform(payload, headers):\n    body = SnowplowSerDe.deserialize(payload).getBody()\n    \
         event = json.loads(body)\n    if isinstance(event, dict) and event.get('appId') == {quoted}:\n        \
         return body\n    return None\n"
    )
}

async fn ensure_harvester(folder: &Folder, remote: &Remote) -> Result<(), Failure> {
    let Some(harvester) = &folder.manifest.harvester else { return Ok(()) };
    let input = folder.input()?;
    let name: String = input.to_owned();
    let path = format!("/harvesters/instances/{}", segment(&name));
    if remote.get(&path).await.is_ok() {
        return Ok(());
    }
    let body = json!({
        "displayName": name,
        "sourceType": { "name": "grnry-topic", "version": "latest" },
        "transform": {
            "app": "grnry-scriptable", "version": "latest", "language": "python",
            "script": transform(&harvester.app_id),
        },
        "eventType": { "name": input, "version": "latest" },
    });
    remote.post(&path, &body).await?;
    remote.post(&format!("{path}/state"), &json!({ "action": "START" })).await?;
    await_running(remote, &path).await?;
    println!(
        "push: made the harvester '{name}': it takes the events with \"appId\": \"{}\"",
        harvester.app_id
    );
    Ok(())
}

/// Waits until the object at `path` runs.
pub(super) async fn await_running(remote: &Remote, path: &str) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        let state = remote.get(&format!("{path}/state")).await?;
        let reason = state["deploymentEvents"][0]["message"].as_str().or_else(|| state["reason"].as_str());
        match state["status"].as_str().unwrap_or_default() {
            "RUNNING" => return Ok(()),
            "FAILED" => {
                return Err(Failure::Failed(anyhow!(
                    "{path} failed: {}",
                    reason.unwrap_or("no reason given")
                )));
            }
            status if begun.elapsed() > PATIENCE => {
                let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                return Err(Failure::Failed(anyhow!(
                    "{path} is {status} and not RUNNING after {} s{reason}",
                    PATIENCE.as_secs()
                )));
            }
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
}
