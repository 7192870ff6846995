//! Whether the table of one version of a schema can follow the next.
//!
//! Records written for the old version have to fit the new table too (BACKWARD compatibility): they may still wait in
//! the stream when the schema changes.

use super::LiveSegmentSchema;
use super::column::{Column, Kind};
use super::types::Types;

/// A step from the table of one version to that of the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableChange {
    /// A new column; rows that are there get its default.
    AddColumn(Column),
    /// The column may be null from now on.
    DropNotNull(String),
    /// The `bigint` column becomes `double precision`.
    Widen(String),
    /// The column gets this default, or none.
    SetDefault {
        /// The column, as the new version has it.
        column: Column,
    },
}

pub(super) fn check(
    old: &LiveSegmentSchema,
    new: &LiveSegmentSchema,
) -> Result<Vec<TableChange>, Vec<String>> {
    let (mut changes, mut reasons) = (Vec::new(), Vec::new());
    for before in &old.columns {
        match new.columns.iter().find(|column| column.name == before.name) {
            Some(after) => {
                let newly_required =
                    !old.required.contains(&after.name) && new.required.contains(&after.name);
                compare(before, after, newly_required, &mut changes, &mut reasons);
            }
            // The column stays, for the rows that have it; new rows leave it empty.
            None => {
                if !before.nullable {
                    changes.push(TableChange::DropNotNull(before.name.clone()));
                }
                if before.default.is_some() {
                    let column = Column { default: None, nullable: true, ..before.clone() };
                    changes.push(TableChange::SetDefault { column });
                }
            }
        }
    }
    for added in &new.columns {
        if old.columns.iter().any(|column| column.name == added.name) {
            continue;
        }
        if added.default.is_none() && (!added.nullable || new.required.contains(&added.name)) {
            reasons.push(format!(
                "property '{}' is new, so records of the version before lack it: give it a default, or allow null and \
                 leave it out of \"required\"",
                added.name
            ));
        } else {
            changes.push(TableChange::AddColumn(added.clone()));
        }
    }
    if reasons.is_empty() { Ok(changes) } else { Err(reasons) }
}

fn compare(
    before: &Column,
    after: &Column,
    newly_required: bool,
    changes: &mut Vec<TableChange>,
    reasons: &mut Vec<String>,
) {
    let name = &after.name;
    let mut refused = Vec::new();
    if before.types.without_null() != after.types.without_null() {
        if name == "id" {
            refused.push(format!(
                "property 'id' was {} and would become {}: the primary key keeps its type",
                before.types, after.types
            ));
        } else if before.kind == Kind::Bigint && after.kind == Kind::Double {
            changes.push(TableChange::Widen(name.clone()));
        } else if !(before.kind == after.kind && (after.types | Types::NULL).contains(before.types)) {
            refused.push(format!(
                "property '{name}' was {} and would become {}: only integer may become number; use a new name",
                before.types, after.types
            ));
        }
    }
    match (before.nullable, after.nullable) {
        (false, true) => changes.push(TableChange::DropNotNull(name.clone())),
        (true, false) => refused.push(format!(
            "property '{name}' allowed null and would not any more, but there may be rows and records without a value"
        )),
        _ => {}
    }
    if newly_required && after.nullable && after.default.is_none() {
        refused.push(format!(
            "property '{name}' would become required, but records of the version before may lack it: give it a default"
        ));
    }
    if before.default.is_some() && after.default.is_none() && !after.nullable && name != "id" {
        refused.push(format!(
            "property '{name}' would lose its default, but records of the version before may lack it: keep the default, \
             or allow null"
        ));
    }
    if refused.is_empty() && before.default != after.default {
        changes.push(TableChange::SetDefault { column: after.clone() });
    }
    reasons.append(&mut refused);
}
