//! `granary belt replay`.

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde_json::Value;

use super::build::program;
use super::folder::Folder;
use super::local::{Installed, Local};
use super::push::await_running;
use super::remote::{Remote, Stored};
use super::samples;
use super::test::short;
use super::verdict::of_outcome;
use super::{Failure, In, Sandboxed, secrets};
use crate::cli::client::{Target, segment};

/// Events of one request.
const PAGE: u32 = 500;
/// The most differences that are shown.
const SHOWN_MAX: u64 = 20;

#[derive(Args)]
pub(super) struct Replay {
    #[command(flatten)]
    place: In,
    /// Where to begin: earliest, an offset, or a time such as 2026-11-24T08:00:00Z
    #[arg(long)]
    from: String,
    /// Write nothing: run the belt of this folder here, beside the one in the engine, and show where they differ
    #[arg(long)]
    shadow: bool,
    /// With --shadow: at most this many events of each partition
    #[arg(long, default_value_t = 10_000, requires = "shadow")]
    limit: u64,
    /// Project in the engine, in place of that of belt.toml
    #[arg(long, env = "GRANARY_PROJECT")]
    project: Option<String>,
    #[command(flatten)]
    sandboxed: Sandboxed,
    #[command(flatten)]
    target: Target,
}

impl Replay {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let folder = Folder::open(&self.place.folder)?;
        let remote = Remote::connect(&self.target, self.project.as_deref(), &folder)?;
        let belt = remote.belt(&folder).await?;
        if self.shadow {
            self.shadow(&folder, &remote, &belt).await
        } else {
            self.again(&remote, &belt).await
        }
    }

    /// The engine's belt reads again from there.
    async fn again(&self, remote: &Remote, belt: &Stored) -> Result<(), Failure> {
        // A typo must not leave the belt stopped.
        granary_catalog::StartPosition::parse(&self.from)
            .map_err(|why| Failure::Usage(format!("--from {why}")))?;
        remote.act(&belt.id, "STOP", "").await?;
        loop {
            let (status, _) = remote.state(&belt.id).await?;
            if status == "STOPPED" || status == "FAILED" {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        remote.act(&belt.id, "START", &format!("?from={}", segment(&self.from))).await?;
        await_running(remote, &format!("/belts/{}", belt.id)).await?;
        println!(
            "replay: belt {} runs again from {} on; rows with the same id are replaced, events that it emits are \
             emitted again",
            belt.id, self.from
        );
        Ok(())
    }

    /// Two belts side by side, both here: that of the folder, and the one that the engine runs.
    async fn shadow(&self, folder: &Folder, remote: &Remote, stored: &Stored) -> Result<(), Failure> {
        let body = remote.get(&format!("/belts/{}", stored.id)).await?;
        let installed = installed(remote, &body).await?;
        let mut new = Local::load(folder, &program(folder)?, installed.as_ref(), &self.sandboxed).await?;
        let mut live = live(remote, &body, installed.as_ref(), folder, &self.sandboxed).await?;
        let (mut events, mut different) = (0_u64, 0_u64);
        for input in stored.body["eventTypes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let base = format!("/event-types/{}/events", segment(input));
            let bounds = remote.get(&format!("{base}?limit=1")).await?;
            for partition in bounds["partitions"].as_array().into_iter().flatten() {
                let end = partition["end"].as_u64().unwrap_or_default();
                let partition = &partition["partition"];
                let mut from = self.from.clone();
                let mut taken = 0;
                loop {
                    let limit = u64::from(PAGE).min(self.limit - taken);
                    if limit == 0 {
                        break;
                    }
                    let query = format!("{base}?partition={partition}&limit={limit}&from={}", segment(&from));
                    let page = remote.get(&query).await?;
                    let page = page["events"].as_array().cloned().unwrap_or_default();
                    let Some(last) = page.last() else { break };
                    let next = last["offset"].as_u64().unwrap_or_default() + 1;
                    for event in &page {
                        let sample = samples::of_stream(event)?;
                        let before = of_outcome(&live.run(&sample).await?.outcome);
                        let after = of_outcome(&new.run(&sample).await?.outcome);
                        events += 1;
                        if before != after {
                            different += 1;
                            if different <= SHOWN_MAX {
                                println!("{input} {}", sample.source);
                                println!("  - {}", short(&before.to_string()));
                                println!("  + {}", short(&after.to_string()));
                            }
                        }
                    }
                    taken += page.len() as u64;
                    // What arrives meanwhile is left out, or this would never end.
                    if next >= end {
                        break;
                    }
                    from = next.to_string();
                }
            }
        }
        if different > SHOWN_MAX {
            println!("... and {} more", different - SHOWN_MAX);
        }
        let version = stored.body["version"].as_str().unwrap_or_default();
        println!(
            "replay: {events} events, {different} come out otherwise than with version {version}; nothing was written"
        );
        Ok(())
    }
}

/// The packages that the engine's belt runs with. Installing them here could bring others: a new release, another index.
async fn installed(remote: &Remote, body: &Value) -> Result<Option<Installed>, Failure> {
    let Some(sha256) = body["packages"].as_str() else { return Ok(None) };
    let archive = remote.client.download(&remote.path(&format!("/packages/{sha256}"))).await?;
    let requirements = body["requirementsPy"].as_str().unwrap_or_default().to_owned();
    Ok(Some(Installed { requirements, archive }))
}

/// The belt that the engine has, loaded here.
async fn live(
    remote: &Remote,
    body: &Value,
    installed: Option<&Installed>,
    folder: &Folder,
    sandboxed: &Sandboxed,
) -> Result<Local, Failure> {
    let component = match body["component"].as_str() {
        Some(sha256) => Some(remote.client.download(&remote.path(&format!("/components/{sha256}"))).await?),
        None => None,
    };
    let kinds = remote.event_types().await?;
    let directory = granary_catalog::event_type::Directory(kinds);
    let mut report = granary_catalog::Report::default();
    let read = granary_catalog::belt::BeltBody::read(body, &mut report);
    let belt = granary_catalog::Belt::create(&remote.project, 1, 0, read, &directory, &mut report)
        .with_context(|| {
            format!("the belt {} of the engine cannot be read: {:?}", body["id"], report.problems)
        })?;
    let outputs = belt.outputs(&directory);
    if belt.program() == granary_catalog::belt::Program::Dbt {
        return Err(Failure::Failed(anyhow!(
            "a belt of type 'dbt-segment' has no program that runs on events"
        )));
    }
    let secrets = secrets::of(&belt, folder, sandboxed)?;
    Local::of(belt, &outputs, component, installed, &secrets, sandboxed).await
}
