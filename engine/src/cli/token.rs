//! `granary token`.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::Failure;
use super::client::{Target, segment};

#[derive(Args)]
pub(super) struct Token {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make a token and print it; it is shown only once
    Create {
        /// What the token is for
        #[arg(long, default_value = "")]
        name: String,
        /// Project that it gives access to
        #[arg(long, required_unless_present = "admin")]
        project: Option<String>,
        /// Role in the project: viewer, editor or data_owner; may be repeated
        #[arg(long = "role", requires = "project")]
        roles: Vec<String>,
        /// Everything, in all projects, including making projects and tokens
        #[arg(long, conflicts_with_all = ["project", "roles"])]
        admin: bool,
        /// Moment at which it ends, such as 2030-01-31T00:00:00Z
        #[arg(long)]
        expires: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// List the tokens
    Ls {
        #[command(flatten)]
        target: Target,
    },
    /// End a token
    Revoke {
        /// Its id, as `token ls` prints it
        id: String,
        #[command(flatten)]
        target: Target,
    },
}

impl Token {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Create { name, project, roles, admin, expires, target } => {
                let body = json!({"name": name, "project": project, "roles": roles, "admin": admin, "expiresAt": expires});
                let made = target.connect()?.call(Method::POST, "/tokens", Some(&body)).await?;
                println!("{}", text(&made["token"]));
                Ok(())
            }
            Action::Ls { target } => {
                let listed = target.connect()?.call(Method::GET, "/tokens", None).await?;
                println!(
                    "{:<38} {:<20} {:<20} {:<28} {:<26} REVOKED",
                    "ID", "NAME", "PROJECT", "ROLES", "EXPIRES"
                );
                for token in listed["tokens"].as_array().into_iter().flatten() {
                    let roles = if token["admin"] == true {
                        "admin".to_owned()
                    } else {
                        token["roles"]
                            .as_array()
                            .into_iter()
                            .flatten()
                            .map(text)
                            .collect::<Vec<_>>()
                            .join(",")
                    };
                    println!(
                        "{:<38} {:<20} {:<20} {roles:<28} {:<26} {}",
                        text(&token["id"]),
                        text(&token["name"]),
                        text(&token["project"]),
                        text(&token["expiresAt"]),
                        text(&token["revokedAt"]),
                    );
                }
                Ok(())
            }
            Action::Revoke { id, target } => {
                target.connect()?.call(Method::DELETE, &format!("/tokens/{}", segment(&id)), None).await?;
                Ok(())
            }
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}
