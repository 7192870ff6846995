//! `granary belt versions` and `granary belt rollback`.

use clap::Args;
use serde_json::{Value, json};

use super::folder::Folder;
use super::push::await_running;
use super::remote::Remote;
use super::{Failure, In};
use crate::cli::client::Target;
use crate::cli::sql;

#[derive(Args)]
pub(super) struct Versions {
    #[command(flatten)]
    place: In,
    /// Project in the engine, in place of that of belt.toml
    #[arg(long, env = "GRANARY_PROJECT")]
    project: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
pub(super) struct Rollback {
    #[command(flatten)]
    place: In,
    /// The version to go back to; the one before the present one when missing
    #[arg(long)]
    to: Option<u64>,
    /// Project in the engine, in place of that of belt.toml
    #[arg(long, env = "GRANARY_PROJECT")]
    project: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl Versions {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let folder = Folder::open(&self.place.folder)?;
        let remote = Remote::connect(&self.target, self.project.as_deref(), &folder)?;
        let id = remote.belt(&folder).await?.id;
        let listed = remote.get(&format!("/belts/{id}/versions")).await?;
        let rows: Vec<Value> = listed["items"].as_array().into_iter().flatten().map(row).collect();
        let names = ["version", "", "made", "by", "type", "program"];
        let columns: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
        print!("{}", sql::table(&json!({ "columns": columns, "rows": rows })));
        Ok(())
    }
}

fn row(version: &Value) -> Value {
    let by = version["createdBy"]["name"].as_str().unwrap_or_default();
    let program = version["programSha256"].as_str().unwrap_or_default();
    let current = if version["current"] == true { "current" } else { "" };
    json!([
        version["version"],
        current,
        version["createdAt"],
        by,
        version["beltType"],
        program.get(..12).unwrap_or(program),
    ])
}

impl Rollback {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let folder = Folder::open(&self.place.folder)?;
        let remote = Remote::connect(&self.target, self.project.as_deref(), &folder)?;
        let id = remote.belt(&folder).await?.id;
        let body = self.to.map_or_else(|| json!({}), |version| json!({ "version": version }));
        let made = remote.post(&format!("/belts/{id}/rollback"), &body).await?;
        let version = made["version"].as_str().unwrap_or_default();
        let (status, _) = remote.state(&id).await?;
        if status != "STOPPED" {
            await_running(&remote, &format!("/belts/{id}")).await?;
        }
        println!(
            "rollback: version {version} is what the earlier one was; the belt's folder here is not changed"
        );
        Ok(())
    }
}
