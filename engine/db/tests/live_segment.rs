//! Tables of live segments on a real server.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod support;

use granary_catalog::schema::{LiveSegmentSchema, Row};
use granary_db::live_segment::{self, TableRef};
use granary_db::{Db, Error, Written};
use serde_json::{Map, Value, json};
use support::{Project, project};

fn schema(mut properties: Value) -> LiveSegmentSchema {
    let map = properties.as_object_mut().unwrap();
    if !map.contains_key("id") {
        map.insert("id".to_owned(), json!({"type": "string"}));
    }
    LiveSegmentSchema::parse(&json!({"type": "object", "properties": properties}).to_string()).unwrap()
}

fn rows(schema: &LiveSegmentSchema, records: &[Value]) -> Vec<Row> {
    records.iter().map(|record| schema.row(record.as_object().unwrap()).unwrap()).collect()
}

async fn upsert(db: &Db, table: &TableRef, rows: &[Row]) -> Result<Written, Error> {
    let mut client = db.client().await.unwrap();
    let tx = client.transaction().await.unwrap();
    let written = live_segment::upsert(&tx, table, rows).await?;
    tx.commit().await.unwrap();
    Ok(written)
}

/// A table of that schema in a fresh project, and what to write to it.
async fn table(name: &str, schema: &LiveSegmentSchema) -> (Project, TableRef) {
    let project = project("shop").await;
    live_segment::create(&project.db, "shop", name, schema.columns()).await.unwrap();
    (project, TableRef::new("shop", name, schema.columns()))
}

/// The rows of a relation as JSON objects, ordered by their id.
async fn select(db: &Db, relation: &str) -> Vec<Value> {
    let sql = format!("SELECT to_jsonb(t) FROM \"shop\".{relation} AS t ORDER BY t.id");
    db.client().await.unwrap().query(&sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn rows_of_every_type_arrive_as_they_are() {
    let schema = schema(json!({
        "text": {"type": "string"}, "int": {"type": "integer"}, "num": {"type": "number"},
        "bool": {"type": "boolean"}, "obj": {"type": "object"}, "maybe": {"type": ["string", "null"]},
        "any": {}
    }));
    let (project, table) = table("User-Visits-5", &schema).await;
    let record = |id: &str, text: &str| {
        json!({"id": id, "text": text, "int": 9_007_199_254_740_993_i64, "num": 0.1, "bool": true,
               "obj": {"b": [1, null, "ü"], "a": {}}, "maybe": null, "any": [1]})
    };
    let records = [record("1", "ü \u{1F600} '\"\\ {,} NULL\r\n\t"), record("2", ""), record("3", "NULL")];
    let written = upsert(&project.db, &table, &rows(&schema, &records)).await.unwrap();
    assert_eq!(written, Written { rows: 3, refused: vec![] });
    assert_eq!(select(&project.db, "\"grnry_live_segment_User-Visits-5\"").await, records);
    // The view of the reference's name shows the same.
    assert_eq!(select(&project.db, "\"grnry_live_sgmt_User-Visits-5\"").await, records);

    let sql = "SELECT \"int\"::text, \"num\"::text, \"obj\"::text FROM shop.\"grnry_live_segment_User-Visits-5\" LIMIT 1";
    let row = project.db.client().await.unwrap().query_one(sql, &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "9007199254740993");
    assert_eq!(row.get::<_, &str>(1), "0.1");
}

#[tokio::test]
async fn a_known_id_gets_all_columns_of_its_last_row() {
    let schema = schema(json!({"a": {"type": ["string", "null"]}, "b": {"type": "integer", "default": 7}}));
    let (project, table) = table("visits", &schema).await;
    let first = rows(&schema, &[json!({"id": "1", "a": "x", "b": 1}), json!({"id": "2", "a": "y", "b": 2})]);
    upsert(&project.db, &table, &first).await.unwrap();
    let second = [
        json!({"id": "3", "a": "old"}),
        json!({"id": "1"}),
        json!({"id": "3", "a": "older"}),
        json!({"id": "3", "a": "new", "b": 3}),
    ];
    let written = upsert(&project.db, &table, &rows(&schema, &second)).await.unwrap();
    assert_eq!(written.rows, 2);
    assert_eq!(
        select(&project.db, "grnry_live_segment_visits").await,
        [
            json!({"id": "1", "a": null, "b": 7}),
            json!({"id": "2", "a": "y", "b": 2}),
            json!({"id": "3", "a": "new", "b": 3}),
        ]
    );
}

#[tokio::test]
async fn integer_ids_and_tables_of_an_id_alone_work() {
    let schema = schema(json!({"id": {"type": "integer"}}));
    let (project, table) = table("ids", &schema).await;
    let records = rows(&schema, &[json!({"id": 1}), json!({"id": -5}), json!({"id": 1})]);
    assert_eq!(upsert(&project.db, &table, &records).await.unwrap().rows, 2);
    assert_eq!(upsert(&project.db, &table, &records).await.unwrap().rows, 0);
    assert_eq!(select(&project.db, "grnry_live_segment_ids").await, [json!({"id": -5}), json!({"id": 1})]);
}

#[tokio::test]
async fn an_empty_batch_does_nothing() {
    let schema = schema(json!({}));
    let (project, table) = table("empty", &schema).await;
    assert_eq!(upsert(&project.db, &table, &[]).await.unwrap(), Written::default());
}

#[tokio::test]
async fn rows_that_the_database_refuses_are_told_and_the_rest_is_written() {
    let schema = schema(json!({"n": {"type": "integer"}}));
    let (project, table) = table("checked", &schema).await;
    let client = project.db.client().await.unwrap();
    client
        .batch_execute("ALTER TABLE shop.grnry_live_segment_checked ADD CONSTRAINT small CHECK (n < 100)")
        .await
        .unwrap();
    let bad = [0, 13, 14, 99];
    let records: Vec<Value> = (0..100)
        .map(|n| json!({"id": format!("{n:02}"), "n": if bad.contains(&n) { 100 } else { n }}))
        // The good row of that id came first and stays, although the refused one came later.
        .chain([json!({"id": "50", "n": 100})])
        .collect();
    let written = upsert(&project.db, &table, &rows(&schema, &records)).await.unwrap();
    let indexes: Vec<usize> = written.refused.iter().map(|refused| refused.index).collect();
    assert_eq!(indexes, [0, 13, 14, 99, 100]);
    assert_eq!(written.rows, 96);
    assert_eq!(written.refused[0].sqlstate, "23514");
    assert!(written.refused[0].message.contains("\"small\""), "{}", written.refused[0].message);
    let stored = select(&project.db, "grnry_live_segment_checked").await;
    assert_eq!(stored.len(), 96);
    assert!(stored.contains(&json!({"id": "50", "n": 50})));
}

#[tokio::test]
async fn ids_beyond_the_limit_of_an_index_are_refused_alone() {
    let schema = schema(json!({}));
    let (project, table) = table("long", &schema).await;
    // Incompressible, so that it really does not fit the index.
    let long: String = (0..20_000_u32)
        .filter_map(|n| char::from_u32(0x4e00 + n.wrapping_mul(2_654_435_761) % 20_000))
        .collect();
    let records = rows(&schema, &[json!({"id": "1"}), json!({"id": long}), json!({"id": "2"})]);
    let written = upsert(&project.db, &table, &records).await.unwrap();
    assert_eq!(written.rows, 2);
    assert_eq!(
        written.refused.iter().map(|r| (r.index, r.sqlstate.as_str())).collect::<Vec<_>>(),
        [(1, "54000")]
    );
}

#[tokio::test]
async fn numbers_that_jsonb_cannot_hold_are_refused_alone() {
    let schema = schema(json!({"any": {}}));
    let (project, table) = table("numbers", &schema).await;
    let huge: Value = serde_json::from_str("{\"id\": \"1\", \"any\": 1e400000}").unwrap();
    let written = upsert(&project.db, &table, &rows(&schema, &[huge, json!({"id": "2"})])).await.unwrap();
    assert_eq!((written.rows, written.refused.len()), (1, 1));
}

#[tokio::test]
async fn what_is_no_fault_of_a_row_is_an_error() {
    let schema = schema(json!({}));
    let project = project("shop").await;
    let table = TableRef::new("shop", "never-made", schema.columns());
    let error = upsert(&project.db, &table, &rows(&schema, &[json!({"id": "1"})])).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("42P01"));
    assert!(!error.is_unavailable());
}

#[tokio::test]
async fn hostile_property_names_are_columns_like_any_other() {
    let longest = "ä".repeat(31);
    let names = [
        "a\"b",
        "x\"); DROP TABLE granary.project_access; --",
        "it's",
        "ÄÖ ü",
        "select",
        "A",
        "a",
        "a.b",
        "$1",
        "\\",
        "\n",
        "c1",
        "EXCLUDED",
        &longest,
    ];
    let properties: Map<String, Value> = names
        .iter()
        .map(|name| {
            ((*name).to_owned(), json!({"type": "string", "default": format!("default of {name}; '\\'")}))
        })
        .collect();
    let schema = schema(Value::Object(properties));
    let (project, table) = table("hostile", &schema).await;
    let mut record = json!({"id": "1"});
    for name in &names[1..] {
        record[*name] = json!(format!("value of {name}"));
    }
    for _ in 0..2 {
        upsert(&project.db, &table, &rows(&schema, &[record.clone()])).await.unwrap();
    }
    record[names[0]] = json!("default of a\"b; '\\'");
    assert_eq!(select(&project.db, "grnry_live_segment_hostile").await, [record]);
    // The defaults of the columns are the same texts.
    let client = project.db.client().await.unwrap();
    client.execute("INSERT INTO shop.grnry_live_segment_hostile (id) VALUES ('2')", &[]).await.unwrap();
    let rows = select(&project.db, "grnry_live_sgmt_hostile").await;
    assert!(rows.iter().any(|row| row["it's"] == json!("default of it's; '\\'")), "{rows:?}");
}

#[tokio::test]
async fn column_defaults_are_those_of_the_schema() {
    let schema = schema(json!({
        "t": {"type": "string", "default": ""}, "i": {"type": "integer", "default": -9_223_372_036_854_775_808_i64},
        "d": {"type": "number", "default": -1.5e-300}, "b": {"type": "boolean", "default": false},
        "j": {"type": "array", "default": [{"a": "it's"}]}, "n": {"type": ["string", "null"], "default": null}
    }));
    let (project, _) = table("defaults", &schema).await;
    let client = project.db.client().await.unwrap();
    client.execute("INSERT INTO shop.grnry_live_segment_defaults (id) VALUES ('1')", &[]).await.unwrap();
    let sql = "SELECT t, i, d, b, j::text, n FROM shop.grnry_live_segment_defaults";
    let row = client.query_one(sql, &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "");
    assert_eq!(row.get::<_, i64>(1), i64::MIN);
    assert_eq!(row.get::<_, f64>(2), -1.5e-300);
    assert!(!row.get::<_, bool>(3));
    assert_eq!(row.get::<_, &str>(4), r#"[{"a": "it's"}]"#);
    assert_eq!(row.get::<_, Option<&str>>(5), None);
}

#[tokio::test]
async fn a_table_of_the_most_columns_takes_its_widest_row() {
    let properties: Map<String, Value> = (1..granary_catalog::schema::COLUMNS_MAX)
        .map(|n| (format!("a property with a rather long name {n}"), json!({"type": "string"})))
        .collect();
    let mut record: Map<String, Value> =
        properties.keys().enumerate().map(|(n, name)| (name.clone(), json!(format!("{n:0>3000}")))).collect();
    record.insert("id".to_owned(), json!("1"));
    let schema = schema(Value::Object(properties));
    let (project, table) = table("wide", &schema).await;
    let written = upsert(&project.db, &table, &rows(&schema, &[Value::Object(record)])).await.unwrap();
    assert_eq!(written, Written { rows: 1, refused: vec![] });
}

#[tokio::test]
async fn making_and_removing_a_table_twice_is_no_error() {
    let schema = schema(json!({"a": {"type": "string"}}));
    let (project, table) = table("twice", &schema).await;
    upsert(&project.db, &table, &rows(&schema, &[json!({"id": "1", "a": "x"})])).await.unwrap();
    live_segment::create(&project.db, "shop", "twice", schema.columns()).await.unwrap();
    assert_eq!(select(&project.db, "grnry_live_segment_twice").await.len(), 1);
    for _ in 0..2 {
        live_segment::remove(&project.db, "shop", "twice").await.unwrap();
    }
    let left = "SELECT count(*) FROM pg_class WHERE relname LIKE 'grnry\\_live%twice'";
    assert_eq!(project.db.client().await.unwrap().query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_project_without_schema_is_refused() {
    let project = project("shop").await;
    let columns = schema(json!({}));
    let error = live_segment::create(&project.db, "nowhere", "x", columns.columns()).await.unwrap_err();
    assert!(matches!(error, Error::UnknownProject(_)), "{error}");
}

#[tokio::test]
async fn the_table_follows_the_schema() {
    let v1 = schema(
        json!({"gone": {"type": "string", "default": "g"}, "n": {"type": "integer"}, "s": {"type": "string"}}),
    );
    let (project, table) = table("evolving", &v1).await;
    upsert(&project.db, &table, &rows(&v1, &[json!({"id": "1", "n": 5, "s": "x"})])).await.unwrap();

    let v2 = schema(json!({
        "n": {"type": "number"}, "s": {"type": ["string", "null"]}, "added": {"type": "string", "default": "d"},
        "maybe": {"type": ["boolean", "null"]}
    }));
    let changes = v2.check_evolution(&v1).unwrap();
    live_segment::alter(&project.db, "shop", "evolving", &changes).await.unwrap();
    let table = TableRef::new("shop", "evolving", v2.columns());
    upsert(&project.db, &table, &rows(&v2, &[json!({"id": "2", "n": 0.5, "s": null})])).await.unwrap();
    let expected = [
        json!({"id": "1", "gone": "g", "n": 5, "s": "x", "added": "d", "maybe": null}),
        json!({"id": "2", "gone": null, "n": 0.5, "s": null, "added": "d", "maybe": null}),
    ];
    assert_eq!(select(&project.db, "grnry_live_segment_evolving").await, expected);
    assert_eq!(select(&project.db, "grnry_live_sgmt_evolving").await, expected);
    assert!(support::may(&project, "SELECT", "grnry_live_sgmt_evolving").await);

    // The property comes back: empty fields take its default.
    let v3 = schema(json!({
        "n": {"type": "number"}, "s": {"type": ["string", "null"]}, "added": {"type": "string", "default": "d"},
        "maybe": {"type": ["boolean", "null"]}, "gone": {"type": "string", "default": "back"}
    }));
    let changes = v3.check_evolution(&v2).unwrap();
    live_segment::alter(&project.db, "shop", "evolving", &changes).await.unwrap();
    let rows = select(&project.db, "grnry_live_segment_evolving").await;
    assert_eq!((&rows[0]["gone"], &rows[1]["gone"]), (&json!("g"), &json!("back")));

    // Or it comes back as something else, which the column cannot be.
    let v4 = schema(json!({"gone": {"type": ["integer", "null"]}}));
    let changes = v4.check_evolution(&schema(json!({}))).unwrap();
    let error = live_segment::alter(&project.db, "shop", "evolving", &changes).await.unwrap_err();
    assert!(error.to_string().contains("'gone' cannot become a column of type bigint"), "{error}");
}

#[tokio::test]
async fn a_table_that_missed_a_change_is_caught_up() {
    let v1 = schema(json!({"n": {"type": "integer"}, "s": {"type": "string"}}));
    let (project, _) = table("crashed", &v1).await;
    let v2 = schema(json!({"n": {"type": "number"}, "more": {"type": ["object", "null"]}}));
    live_segment::create(&project.db, "shop", "crashed", v2.columns()).await.unwrap();
    let table = TableRef::new("shop", "crashed", v2.columns());
    let record = json!({"id": "1", "n": 0.5, "more": {"a": 1}});
    assert_eq!(upsert(&project.db, &table, &rows(&v2, &[record])).await.unwrap().rows, 1);
    let expected = json!({"id": "1", "n": 0.5, "s": null, "more": {"a": 1}});
    assert_eq!(select(&project.db, "grnry_live_sgmt_crashed").await, [expected]);
}

#[tokio::test]
async fn readers_read_and_owners_also_write() {
    let (project, _) = table("rights", &schema(json!({}))).await;
    for relation in ["grnry_live_segment_rights", "grnry_live_sgmt_rights"] {
        assert!(support::may(&project, "SELECT", relation).await, "{relation}");
        for more in ["INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER"] {
            assert!(!support::may(&project, more, relation).await, "{more} {relation}");
        }
    }
    let client = project.db.client().await.unwrap();
    let sql = "SELECT p FROM unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,TRIGGER}'::text[]) AS p
                WHERE has_table_privilege($1::text, 'shop.grnry_live_segment_rights', p)";
    let rights = client.query(sql, &[&project.owner]).await.unwrap();
    // No trigger: it would run with the rights of the engine.
    let rights: Vec<&str> = rights.iter().map(|row| row.get(0)).collect();
    assert_eq!(rights, ["SELECT", "INSERT", "UPDATE", "DELETE"]);
}
