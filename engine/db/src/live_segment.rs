//! The tables of live segments: made from the columns of a schema, written by upsert.
//!
//! The table `"<project>"."grnry_live_segment_<name>"` belongs to the engine, which alone changes its form; the project's
//! owner role may change its rows, its reader may read them. The table must not belong to a role that users can act as:
//! a trigger on it would run with the rights of the engine. Beside it stands the view `"<project>"."grnry_live_sgmt_<name>"`
//! with the same columns.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::ops::Range;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use granary_catalog::schema::{Cell, Column, Kind, Row, TableChange};
use tokio_postgres::Transaction;
use tokio_postgres::types::{ToSql, Type};

use crate::grants::Grantees;
use crate::ident::{qualified, quote_ident, quote_literal};
use crate::refused::{self, Batch};
use crate::{Db, Error, Written};

/// Name of the table of an event type, as the guide calls it.
#[must_use]
pub fn table_name(event_type: &str) -> String {
    format!("grnry_live_segment_{event_type}")
}

/// Name of the view beside it, as the reference calls it.
#[must_use]
pub fn view_name(event_type: &str) -> String {
    format!("grnry_live_sgmt_{event_type}")
}

/// Makes table and view of an event type, with the rights of the project's roles. A table that is there is brought to
/// the columns of the schema, for the case that a crash came between storing a version and [`alter`].
///
/// # Errors
///
/// [`Error::UnknownProject`], [`Error::ColumnTaken`], or when the database refuses it or is not there.
pub async fn create(db: &Db, project: &str, event_type: &str, columns: &[Column]) -> Result<(), Error> {
    let mut client = db.client().await?;
    let tx = client.transaction().await?;
    let grantees = Grantees::of(&tx, project).await?;
    let table = qualified(project, &table_name(event_type));
    let existing = existing_columns(&tx, &table).await?;
    if existing.is_empty() {
        let columns: String = columns.iter().map(|column| definition(column) + ", ").collect();
        let rights = grantees.sql(&table, &["INSERT", "UPDATE", "DELETE"]);
        let view = view_sql(&grantees, project, event_type);
        tx.batch_execute(&format!("CREATE TABLE {table} ({columns}PRIMARY KEY (\"id\"));\n{rights}{view}"))
            .await?;
    } else {
        apply(&tx, project, event_type, &drift(&existing, columns), &existing).await?;
    }
    Ok(tx.commit().await?)
}

/// Changes the table as a new version of its schema asks.
///
/// # Errors
///
/// [`Error::UnknownProject`], [`Error::ColumnTaken`], or when the database refuses it or is not there. A column whose type
/// is to change may be used by a view of the project; the database then names it.
pub async fn alter(db: &Db, project: &str, event_type: &str, changes: &[TableChange]) -> Result<(), Error> {
    let mut client = db.client().await?;
    let tx = client.transaction().await?;
    let existing = existing_columns(&tx, &qualified(project, &table_name(event_type))).await?;
    apply(&tx, project, event_type, changes, &existing).await?;
    Ok(tx.commit().await?)
}

/// Removes table and view with all rows. `Ok` where there are none.
///
/// # Errors
///
/// When the database is not there, or something of the project still depends on them.
pub async fn remove(db: &Db, project: &str, event_type: &str) -> Result<(), Error> {
    let view = qualified(project, &view_name(event_type));
    let table = qualified(project, &table_name(event_type));
    let mut client = db.client().await?;
    let tx = client.transaction().await?;
    tx.batch_execute(&format!("DROP VIEW IF EXISTS {view};\nDROP TABLE IF EXISTS {table}")).await?;
    Ok(tx.commit().await?)
}

/// A column as it is in the database.
struct Existing {
    kind: String,
    not_null: bool,
}

async fn existing_columns(tx: &Transaction<'_>, table: &str) -> Result<HashMap<String, Existing>, Error> {
    let sql = "
        SELECT attname::text, format_type(atttypid, atttypmod), attnotnull
          FROM pg_attribute
         WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    let rows = tx.query(sql, &[&table]).await?;
    Ok(rows.iter().map(|row| (row.get(0), Existing { kind: row.get(1), not_null: row.get(2) })).collect())
}

/// What the table lacks of the columns of its schema.
fn drift(existing: &HashMap<String, Existing>, columns: &[Column]) -> Vec<TableChange> {
    let mut changes = Vec::new();
    for column in columns {
        let Some(found) = existing.get(&column.name) else {
            changes.push(TableChange::AddColumn(column.clone()));
            continue;
        };
        if column.kind == Kind::Double && found.kind == Kind::Bigint.sql() {
            changes.push(TableChange::Widen(column.name.clone()));
        }
        if column.nullable && found.not_null {
            changes.push(TableChange::DropNotNull(column.name.clone()));
        }
    }
    for (name, found) in existing {
        if found.not_null && !columns.iter().any(|column| column.name == *name) {
            changes.push(TableChange::DropNotNull(name.clone()));
        }
    }
    changes
}

async fn apply(
    tx: &Transaction<'_>,
    project: &str,
    event_type: &str,
    changes: &[TableChange],
    existing: &HashMap<String, Existing>,
) -> Result<(), Error> {
    let grantees = Grantees::of(tx, project).await?;
    let table = qualified(project, &table_name(event_type));
    let mut sql = String::new();
    if changes.iter().any(|change| matches!(change, TableChange::Widen(_))) {
        // A column that a view shows cannot change its type.
        _ = writeln!(sql, "DROP VIEW IF EXISTS {};", qualified(project, &view_name(event_type)));
    }
    for change in changes {
        match change {
            TableChange::AddColumn(column) => match existing.get(&column.name) {
                None => _ = writeln!(sql, "ALTER TABLE {table} ADD COLUMN {};", definition(column)),
                Some(found) if found.kind == column.kind.sql() => sql.push_str(&revive(&table, column)),
                Some(found) => {
                    let (column, wanted, existing) =
                        (column.name.clone(), column.kind.sql(), found.kind.clone());
                    return Err(Error::ColumnTaken { column, existing, wanted });
                }
            },
            TableChange::DropNotNull(name) => {
                _ = writeln!(sql, "ALTER TABLE {table} ALTER COLUMN {} DROP NOT NULL;", quote_ident(name));
            }
            TableChange::Widen(name) => {
                _ = writeln!(
                    sql,
                    "ALTER TABLE {table} ALTER COLUMN {} TYPE double precision;",
                    quote_ident(name)
                );
            }
            TableChange::SetDefault { column } => sql.push_str(&set_default(&table, column)),
        }
    }
    sql.push_str(&view_sql(&grantees, project, event_type));
    Ok(tx.batch_execute(&sql).await?)
}

fn definition(column: &Column) -> String {
    let mut sql = format!("{} {}", quote_ident(&column.name), column.kind.sql());
    if !column.nullable {
        sql.push_str(" NOT NULL");
    }
    if let Some(cell) = column.default_cell() {
        _ = write!(sql, " DEFAULT {}", literal(&cell));
    }
    sql
}

fn literal(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Text(text) => quote_literal(text),
        Cell::Bigint(integer) => format!("'{integer}'::bigint"),
        Cell::Double(double) => format!("'{double:e}'::double precision"),
        Cell::Boolean(boolean) => boolean.to_string(),
        Cell::Jsonb(text) => format!("{}::jsonb", quote_literal(text)),
    }
}

fn set_default(table: &str, column: &Column) -> String {
    let name = quote_ident(&column.name);
    match column.default_cell() {
        Some(cell) => format!("ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT {};\n", literal(&cell)),
        None => format!("ALTER TABLE {table} ALTER COLUMN {name} DROP DEFAULT;\n"),
    }
}

/// For a property that comes back: its column is still there, nullable since it was removed.
fn revive(table: &str, column: &Column) -> String {
    let mut sql = set_default(table, column);
    let name = quote_ident(&column.name);
    if let Some(cell) = column.default_cell() {
        _ = writeln!(sql, "UPDATE {table} SET {name} = {} WHERE {name} IS NULL;", literal(&cell));
    }
    if !column.nullable {
        _ = writeln!(sql, "ALTER TABLE {table} ALTER COLUMN {name} SET NOT NULL;");
    }
    sql
}

fn view_sql(grantees: &Grantees, project: &str, event_type: &str) -> String {
    let view = qualified(project, &view_name(event_type));
    let table = qualified(project, &table_name(event_type));
    format!("CREATE OR REPLACE VIEW {view} AS SELECT * FROM {table};\n{}", grantees.sql(&view, &[]))
}

/// A table that rows are written to, with its statement made once.
#[derive(Debug, Clone)]
pub struct TableRef {
    sql: String,
    kinds: Vec<Kind>,
    /// Place of `id` among the columns.
    id: usize,
}

impl TableRef {
    /// The table of an event type whose schema has these columns.
    #[must_use]
    pub fn new(project: &str, event_type: &str, columns: &[Column]) -> Self {
        let table = qualified(project, &table_name(event_type));
        let names: Vec<String> = columns.iter().map(|column| quote_ident(&column.name)).collect();
        let kinds: Vec<Kind> = columns.iter().map(|column| column.kind).collect();
        let id = columns.iter().position(|column| column.name == "id").unwrap_or_default();
        let numbered = |part: &dyn Fn(usize, Kind) -> String| {
            kinds.iter().enumerate().map(|(i, kind)| part(i + 1, *kind)).collect::<Vec<_>>().join(", ")
        };
        let values =
            numbered(&|n, kind| if kind == Kind::Jsonb { format!("c{n}::jsonb") } else { format!("c{n}") });
        let arrays = numbered(&|n, _| format!("${n}"));
        let aliases = numbered(&|n, _| format!("c{n}"));
        let updates: Vec<String> = names
            .iter()
            .filter(|name| *name != "\"id\"")
            .map(|name| format!("{name} = EXCLUDED.{name}"))
            .collect();
        let conflict = match &updates[..] {
            [] => "NOTHING".to_owned(),
            updates => format!("UPDATE SET {}", updates.join(", ")),
        };
        let sql = format!(
            "INSERT INTO {table} ({})\nSELECT {values} FROM unnest({arrays}) AS r({aliases})\nON CONFLICT (\"id\") DO {conflict}",
            names.join(", ")
        );
        Self { sql, kinds, id }
    }
}

/// Writes the rows: new ids are inserted, known ones get all columns of their row. Of several rows with one id the last
/// one counts. A row that the database refuses does not keep the others from being written.
///
/// Every row has the columns that the table reference was made with.
///
/// # Errors
///
/// When the database is not there, or refuses the table itself; the transaction is then of no further use.
pub async fn upsert(tx: &Transaction<'_>, table: &TableRef, rows: &[Row]) -> Result<Written, Error> {
    Ok(refused::write(tx, &Upsert { table, rows }).await?)
}

struct Upsert<'a> {
    table: &'a TableRef,
    rows: &'a [Row],
}

impl Batch for Upsert<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn write<'a>(
        &'a self,
        tx: &'a Transaction<'_>,
        rows: Range<usize>,
    ) -> BoxFuture<'a, Result<u64, tokio_postgres::Error>> {
        async move {
            let rows = last_of_each_id(&self.rows[rows], self.table.id);
            let arrays: Vec<(Box<dyn ToSql + Sync + Send + '_>, Type)> =
                self.table.kinds.iter().enumerate().map(|(n, kind)| array(&rows, n, *kind)).collect();
            let parameters: Vec<(&(dyn ToSql + Sync), Type)> =
                arrays.iter().map(|(array, of)| (&**array as &(dyn ToSql + Sync), of.clone())).collect();
            tx.execute_typed(&self.table.sql, &parameters).await
        }
        .boxed()
    }
}

/// The rows without those whose id comes again later: one statement must not touch a row twice.
fn last_of_each_id(rows: &[Row], id: usize) -> Vec<&Row> {
    #[derive(PartialEq, Eq, Hash)]
    enum Id<'a> {
        Text(&'a str),
        Integer(i64),
    }
    let mut seen = HashSet::with_capacity(rows.len());
    let mut kept: Vec<&Row> = rows
        .iter()
        .rev()
        .filter(|row| match row.cells.get(id) {
            Some(Cell::Text(text)) => seen.insert(Id::Text(text)),
            Some(Cell::Bigint(integer)) => seen.insert(Id::Integer(*integer)),
            _ => true,
        })
        .collect();
    kept.reverse();
    kept
}

/// One column of all rows as an array. A cell of another kind than its column becomes null; there is none, since rows
/// are made by the schema that the columns come from.
fn array<'a>(rows: &[&'a Row], n: usize, kind: Kind) -> (Box<dyn ToSql + Sync + Send + 'a>, Type) {
    let cells = rows.iter().map(|row| row.cells.get(n));
    macro_rules! collect {
        ($of:ty, $pattern:pat => $value:expr) => {
            Box::new(
                cells
                    .map(|cell| match cell {
                        Some($pattern) => Some($value),
                        _ => None,
                    })
                    .collect::<Vec<Option<$of>>>(),
            )
        };
    }
    match kind {
        Kind::Text => (collect!(&'a str, Cell::Text(text) => text.as_str()), Type::TEXT_ARRAY),
        Kind::Jsonb => (collect!(&'a str, Cell::Jsonb(text) => text.as_str()), Type::TEXT_ARRAY),
        Kind::Bigint => (collect!(i64, Cell::Bigint(integer) => *integer), Type::INT8_ARRAY),
        Kind::Double => (collect!(f64, Cell::Double(double) => *double), Type::FLOAT8_ARRAY),
        Kind::Boolean => (collect!(bool, Cell::Boolean(boolean) => *boolean), Type::BOOL_ARRAY),
    }
}
