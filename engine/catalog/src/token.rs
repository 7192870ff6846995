//! Tokens and what their bearers may do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{fields::Fields, report::Report};

/// A role within a project. A higher one includes the lower ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads objects, states, tables.
    Viewer,
    /// Creates, changes, deletes, starts, stops.
    Editor,
    /// Changes the project itself.
    DataOwner,
}

impl Role {
    /// As the API prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Editor => "editor",
            Role::DataOwner => "data_owner",
        }
    }

    /// Reads a role.
    pub fn parse(text: &str) -> Option<Self> {
        [Role::Viewer, Role::Editor, Role::DataOwner].into_iter().find(|role| role.as_str() == text)
    }
}

/// What the bearer of a token may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Access {
    /// Everything, everywhere; may create projects and tokens.
    pub admin: bool,
    /// The highest role in each project.
    #[schema(value_type = Object)]
    pub projects: BTreeMap<String, Role>,
}

impl Access {
    /// Everything.
    pub fn admin() -> Self {
        Self { admin: true, projects: BTreeMap::new() }
    }

    /// One role in one project.
    pub fn of(project: impl Into<String>, role: Role) -> Self {
        Self { admin: false, projects: BTreeMap::from([(project.into(), role)]) }
    }

    /// Whether the role, or one that includes it, is held in the project.
    pub fn allows(&self, project: &str, role: Role) -> bool {
        self.admin || self.projects.get(project).is_some_and(|held| *held >= role)
    }
}

/// A token as listed: everything but its secret, of which only a hash is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Identifies it in lists and for revoking.
    pub id: String,
    /// Who or what it is for; shown as `createdBy` of what it creates.
    pub name: String,
    /// What it allows.
    pub access: Access,
    /// Milliseconds since the epoch.
    pub created_at: i64,
    /// Milliseconds since the epoch; `None` never expires.
    pub expires_at: Option<i64>,
}

/// What `POST /tokens` takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenBody {
    /// Who or what it is for.
    pub name: Option<String>,
    /// Whether it may do everything.
    pub admin: Option<bool>,
    /// The project; with `role`.
    pub project: Option<String>,
    /// `viewer`, `editor` or `data_owner` in that project.
    pub role: Option<Role>,
    /// The same as a list; the highest one counts, since it includes the others.
    pub roles: Option<Vec<Role>>,
    /// Moment at which it ends, RFC 3339; never when missing.
    pub expires_at: Option<String>,
}

impl TokenBody {
    /// Reads a body; problems and unknown fields go to the report.
    pub fn read(body: &Value, report: &mut Report) -> Self {
        report.check_storable(body);
        let mut fields = Fields::of_body(body, report);
        let roles = [("viewer", Role::Viewer), ("editor", Role::Editor), ("data_owner", Role::DataOwner)];
        let named = fields.texts("roles");
        let read_roles = named.map(|named| {
            let mut read = Vec::with_capacity(named.len());
            for text in named {
                match Role::parse(&text) {
                    Some(role) => read.push(role),
                    None => fields.report().problem(
                        "roles",
                        format!("must hold only viewer, editor, data_owner but holds '{text}'"),
                    ),
                }
            }
            read
        });
        let read = Self {
            name: fields.text("name"),
            admin: fields.flag("admin"),
            project: fields.text("project"),
            role: fields.one_of("role", &roles),
            roles: read_roles,
            expires_at: fields.text("expiresAt"),
        };
        fields.finish();
        read
    }

    /// When the token ends, in milliseconds since the epoch; a problem unless it is later than `now_ms`.
    pub fn expiry(&self, now_ms: i64, report: &mut Report) -> Option<i64> {
        let text = self.expires_at.as_ref()?;
        let moment = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).ok();
        let millis = moment.and_then(|at| i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok());
        match millis.filter(|millis| *millis > now_ms) {
            Some(millis) => Some(millis),
            None => {
                let reason =
                    format!("must be a moment in the future such as 2030-01-31T00:00:00Z but is '{text}'");
                report.problem("expiresAt", reason);
                None
            }
        }
    }

    /// What the token shall allow; either `admin` or `project` with `role`.
    pub fn access(&self, report: &mut Report) -> Option<Access> {
        let role = self.roles.iter().flatten().copied().chain(self.role).max();
        match (self.admin.unwrap_or(false), &self.project, role) {
            (true, None, None) => Some(Access::admin()),
            (true, _, _) => {
                report.problem("admin", "must not be combined with 'project' or 'role'");
                None
            }
            (false, Some(project), Some(role)) => Some(Access::of(project.clone(), role)),
            (false, None, _) => {
                report.problem("project", "must not be null unless 'admin' is true");
                None
            }
            (false, Some(_), None) => {
                report.problem("role", "must be one of viewer, editor, data_owner but is null");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn roles_include_the_lower_ones_of_their_project_only() {
        let editor = Access::of("p", Role::Editor);
        assert!(editor.allows("p", Role::Viewer) && editor.allows("p", Role::Editor));
        assert!(!editor.allows("p", Role::DataOwner) && !editor.allows("q", Role::Viewer));
        assert!(Access::admin().allows("anything", Role::DataOwner));
        assert!(!Access::default().allows("p", Role::Viewer));
    }

    #[test]
    fn tokens_end_in_the_future_or_never() {
        for (body, expiry, good) in [
            (json!({}), None, true),
            (json!({"expiresAt": "1970-01-01T00:00:02Z"}), Some(2_000), true),
            (json!({"expiresAt": "1970-01-01T00:00:01Z"}), None, false),
            (json!({"expiresAt": "tomorrow"}), None, false),
        ] {
            let mut report = Report::default();
            let read = TokenBody::read(&body, &mut report).expiry(1_000, &mut report);
            assert_eq!((read, report.is_clean()), (expiry, good), "{body}");
        }
    }

    #[test]
    fn a_token_is_for_an_admin_or_for_a_role_in_a_project() {
        for (body, good) in [
            (json!({"admin": true}), true),
            (json!({"project": "p", "role": "viewer"}), true),
            (json!({"project": "p", "roles": ["viewer", "editor"]}), true),
            (json!({"project": "p", "roles": ["viewer", "king"]}), false),
            (json!({"project": "p", "roles": []}), false),
            (json!({"admin": true, "project": null, "roles": []}), true),
            (json!({"admin": true, "project": "p"}), false),
            (json!({"project": "p"}), false),
            (json!({"role": "viewer"}), false),
            (json!({"project": "p", "role": "king"}), false),
            (json!({}), false),
        ] {
            let mut report = Report::default();
            let access = TokenBody::read(&body, &mut report).access(&mut report);
            assert_eq!(access.is_some() && report.is_clean(), good, "{body}");
        }
    }
}
