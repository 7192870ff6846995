//! Who may do what with the relations that the engine makes in a project's schema.

use tokio_postgres::Transaction;

use crate::Error;
use crate::ident::quote_ident;

/// The roles of a project, quoted.
pub(crate) struct Grantees {
    owner: String,
    reader: String,
}

impl Grantees {
    /// The roles of that project.
    pub(crate) async fn of(tx: &Transaction<'_>, project: &str) -> Result<Self, Error> {
        let sql = "SELECT owner_role, reader_role FROM granary.project_access WHERE project = $1";
        let row = tx.query_opt(sql, &[&project]).await?;
        let row = row.ok_or_else(|| Error::UnknownProject(project.to_owned()))?;
        Ok(Self { owner: quote_ident(row.get(0)), reader: quote_ident(row.get(1)) })
    }

    /// Grants reading to both, and `more` (such as `INSERT, UPDATE`) to the owner.
    pub(crate) fn sql(&self, relation: &str, more: &[&str]) -> String {
        let Self { owner, reader } = self;
        let mut sql = format!("GRANT SELECT ON {relation} TO {owner}, {reader};\n");
        if !more.is_empty() {
            sql.push_str(&format!("GRANT {} ON {relation} TO {owner};\n", more.join(", ")));
        }
        sql
    }
}
