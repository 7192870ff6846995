//! A fresh database with a project in it.

#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use granary_db::test_util::TestDatabase;
use granary_db::{Db, roles};

/// A project called `shop` in a database of its own.
pub struct Project {
    pub db: Db,
    pub owner: String,
    pub reader: String,
    _database: TestDatabase,
}

pub async fn project(name: &str) -> Project {
    let database = TestDatabase::create().await.expect("the test server starts");
    let db = database.db().clone();
    let access = roles::create_project_schema(&db, name).await.unwrap();
    Project { db, owner: access.owner_role, reader: access.reader_role, _database: database }
}

/// Another project in the same database.
pub async fn add_project(db: &Db, name: &str) {
    roles::create_project_schema(db, name).await.unwrap();
}

/// Whether readers of the project have that right on one of its relations.
pub async fn may(project: &Project, right: &str, relation: &str) -> bool {
    let sql = "SELECT has_table_privilege($1::text, 'shop.' || $2::text, $3::text)";
    let client = project.db.client().await.unwrap();
    client.query_one(sql, &[&project.reader, &relation, &right]).await.unwrap().get(0)
}
