//! Projects: the tenants. A project owns its objects and one database schema of its name.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{fields::Fields, name, report::Report};

/// The project that is always there, and that paths without a project mean.
pub const GLOBAL: &str = "global";

/// A project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// Technical name; also the name of its schema.
    pub name: String,
    /// Label.
    pub display_name: String,
    /// Free text.
    pub description: String,
}

/// What `POST` and `PUT` take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectBody {
    /// Label; required at creation.
    pub display_name: Option<String>,
    /// Free text.
    pub description: Option<String>,
}

impl ProjectBody {
    /// Reads a body; problems and unknown fields go to the report.
    pub fn read(body: &Value, report: &mut Report) -> Self {
        report.check_storable(body);
        let mut fields = Fields::of_body(body, report);
        fields.ignore(&["name", "_links", "links", "dataAccess", "sqlpad", "warnings"]);
        let read = Self { display_name: fields.text("displayName"), description: fields.text("description") };
        fields.finish();
        read
    }
}

impl Project {
    /// A new project. `taken` tells whether a name is in use, without case.
    pub fn create(body: ProjectBody, taken: impl Fn(&str) -> bool, report: &mut Report) -> Option<Self> {
        let label = body.display_name.unwrap_or_default();
        if !report.check_label(&label) {
            return None;
        }
        match name::derive_project(&label, taken) {
            Ok(name) => {
                Some(Self { name, display_name: label, description: body.description.unwrap_or_default() })
            }
            Err(error) => {
                report.problem("displayName", error.to_string());
                None
            }
        }
    }

    /// Applies a body: missing leaves as it is, an empty description empties it.
    pub fn update(&mut self, body: ProjectBody, report: &mut Report) {
        if let Some(label) = body.display_name
            && report.check_label(&label)
        {
            self.display_name = label;
        }
        if let Some(description) = body.description {
            self.description = description;
        }
    }

    /// Name of the credentials as the original calls its secret.
    pub fn secret_name(&self) -> String {
        format!("{}-pg-credentials", self.name.replace('_', "-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn create(body: Value) -> Result<(Option<Project>, Vec<String>), Vec<crate::Problem>> {
        let mut report = Report::default();
        let read = ProjectBody::read(&body, &mut report);
        let project = Project::create(read, |_| false, &mut report);
        report.finish(project)
    }

    #[test]
    fn the_guides_project_ignores_a_given_name() {
        let (project, warnings) = create(json!({
            "name": "projecttotestlivesegment", "displayName": "projecttotestlivesegment", "description": "d"
        }))
        .unwrap();
        let project = project.unwrap();
        assert_eq!((project.name.as_str(), warnings.len()), ("projecttotestliveseg", 0));
        assert_eq!(project.secret_name(), "projecttotestliveseg-pg-credentials");
    }

    #[test]
    fn a_missing_or_reserved_label_is_refused() {
        for body in [
            json!({}),
            json!({"displayName": ""}),
            json!({"displayName": "pg stuff"}),
            json!({"displayName": 3}),
        ] {
            let problems = create(body.clone()).unwrap_err();
            assert_eq!(problems[0].name, "displayName", "{body}");
        }
    }

    #[test]
    fn update_changes_what_is_given() {
        let mut project = create(json!({"displayName": "A", "description": "d"})).unwrap().0.unwrap();
        let mut report = Report::default();
        let body = ProjectBody::read(&json!({"description": ""}), &mut report);
        project.update(body, &mut report);
        assert_eq!((project.display_name.as_str(), project.description.as_str()), ("A", ""));
    }
}
