//! Whole batches through prepare and effect, on a real server.

use std::time::Duration;

use granary_catalog::persister::ErrorsTolerance;
use granary_catalog::schema::LiveSegmentSchema;
use granary_db::test_util::TestDatabase;
use granary_db::{Db, eventstore, live_segment, roles};
use granary_stream::{Headers, Message, Record};

use super::*;
use crate::stage::Error;

const SCHEMA: &str = r#"{"type": "object", "required": ["id"], "properties": {
    "id": {"type": "string"}, "n": {"type": "integer", "default": 0}}}"#;

async fn shop() -> TestDatabase {
    let database = TestDatabase::create().await.expect("the test server starts");
    let db = database.db();
    roles::create_project_schema(db, "shop").await.unwrap();
    eventstore::create(db, "shop", "visits").await.unwrap();
    let schema = LiveSegmentSchema::parse(SCHEMA).unwrap();
    live_segment::create(db, "shop", "users", schema.columns()).await.unwrap();
    database
}

fn users(tolerance: ErrorsTolerance) -> LiveSegmentPersister {
    LiveSegmentPersister::new("shop", "users", LiveSegmentSchema::parse(SCHEMA).unwrap(), tolerance)
}

fn delivered(offset: u64, headers: &[(&str, &str)], payload: &str) -> Delivered {
    let pairs = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let message = Message {
        headers: Headers(pairs),
        time_ms: 1_700_000_000_000,
        ..Message::of(payload.as_bytes().to_vec())
    };
    Delivered { topic: "stream".into(), partition: 0, record: Record { offset, message } }
}

fn visit(offset: u64, correlation_id: &str, event_id: &str, payload: &str) -> Delivered {
    let headers = [
        ("grnry-correlation-id", correlation_id),
        ("grnry-event-id", event_id),
        ("grnry-event-type", "visits"),
        ("grnry-event-type-version", "1"),
        ("grnry-harvester-name", "h"),
        ("grnry-event-timestamp", "1600000000000"),
    ];
    delivered(offset, &headers, payload)
}

/// Offsets and codes of the dead letters of a batch that is processed and committed.
async fn run(db: &Db, process: &mut dyn Process, batch: Vec<Delivered>) -> Vec<(u64, &'static str)> {
    let outcome = process.process(batch).await.unwrap();
    let mut dead = outcome.dead;
    if let Some(effect) = outcome.effect {
        let mut client = db.client().await.unwrap();
        let tx = client.transaction().await.unwrap();
        dead.extend(effect.apply(&tx).await.unwrap());
        tx.commit().await.unwrap();
    }
    dead.iter().map(|dead| (dead.delivered.record.offset, dead.code)).collect()
}

async fn texts(db: &Db, sql: &str) -> Vec<String> {
    db.client().await.unwrap().query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn bad_records_of_a_live_segment_never_keep_the_rest_back() {
    let database = shop().await;
    let db = database.db();
    db.client()
        .await
        .unwrap()
        .batch_execute("ALTER TABLE shop.grnry_live_segment_users ADD CHECK (n < 100)")
        .await
        .unwrap();
    let batch = [
        r#"{"id": "a", "n": 1, "extra": true}"#,
        r#"not json"#,
        r#"{"n": 1}"#,
        r#"{"id": "b", "n": "5"}"#,
        r#"{"id": "c", "n": 100}"#,
        r#"{"id": "d\u0000"}"#,
        r#"["id"]"#,
        r#"{"id": "e"}"#,
        r#"{"id": "a", "n": 2}"#,
    ];
    let batch = (0..).zip(batch).map(|(offset, payload)| delivered(offset, &[], payload)).collect();
    let dead = run(db, &mut users(ErrorsTolerance::All), batch).await;
    assert_eq!(
        dead,
        [
            (1, "not_json"),
            (2, "schema_mismatch"),
            (3, "schema_mismatch"),
            (5, "schema_mismatch"),
            (6, "schema_mismatch"),
            (4, "refused_by_database"),
        ]
    );
    let rows = texts(db, "SELECT id || '=' || n FROM shop.grnry_live_segment_users ORDER BY id").await;
    assert_eq!(rows, ["a=2", "e=0"]);
}

#[tokio::test]
async fn a_persister_that_tolerates_nothing_stops_at_the_record() {
    let batch = vec![delivered(7, &[], r#"{"id": 5}"#)];
    let Err(Error::Final(reason)) = users(ErrorsTolerance::None).process(batch).await else {
        panic!("it stops")
    };
    assert!(reason.contains("offset 7 of stream") && reason.contains("must be string"), "{reason}");
}

#[tokio::test]
async fn a_missing_table_is_told_apart_from_bad_rows() {
    let database = TestDatabase::create().await.expect("the test server starts");
    let outcome =
        users(ErrorsTolerance::All).process(vec![delivered(0, &[], r#"{"id": "a"}"#)]).await.unwrap();
    let mut client = database.db().client().await.unwrap();
    let tx = client.transaction().await.unwrap();
    let error = outcome.effect.unwrap().apply(&tx).await.unwrap_err();
    assert!(matches!(error, EffectError::Refused(_)), "{error}");
}

#[tokio::test]
async fn events_are_stored_and_bad_ones_become_dead_letters() {
    let database = shop().await;
    let db = database.db();
    let batch = vec![
        visit(0, "c", "1", r#"{"a": 1}"#),
        visit(1, "c", "2", "hello"),
        visit(2, "c", "3", r#"{"a": "\u0000"}"#),
        visit(3, "c", "4", "1e400000"),
        delivered(4, &[("grnry-event-type", "visits")], "{}"),
        visit(5, "c", "1", r#"{"a": "again"}"#),
        visit(6, "c", "5", "[]"),
    ];
    let dead = run(db, &mut EventstorePersister::new("visits", Duration::from_secs(5)), batch).await;
    assert_eq!(
        dead,
        [(1, "not_json"), (2, "nul_character"), (4, "missing_header"), (3, "refused_by_database")]
    );
    let rows =
        texts(db, "SELECT event_id || ' ' || message FROM shop.eventstore_visits ORDER BY event_id").await;
    assert_eq!(rows, ["1 {\"a\": 1}", "5 []"]);
}

#[tokio::test]
async fn a_notice_marks_what_came_before_it_and_nothing_after() {
    let database = shop().await;
    let db = database.db();
    let notice = |offset, correlation_id| {
        let headers = [
            ("grnry-correlation-id", correlation_id),
            ("grnry-event-type", "visits"),
            ("grnry-deletion-flag", "true"),
        ];
        delivered(offset, &headers, "")
    };
    let batch = vec![
        visit(0, "c", "1", "{}"),
        visit(1, "d", "1", "{}"),
        notice(2, "c"),
        visit(3, "d", "2", "{}"),
        visit(4, "c", "2", "{}"),
        notice(5, "d"),
    ];
    let dead = run(db, &mut EventstorePersister::new("visits", Duration::from_secs(86_400)), batch).await;
    assert_eq!(dead, []);
    let rows = texts(
        db,
        "SELECT correlation_id || event_id || ' ' || coalesce(public.event_time_to_act(created, ttl)::text, '-')
           FROM shop.eventstore_visits ORDER BY 1",
    )
    .await;
    assert_eq!(rows, ["c1 1700086400", "c2 -", "d1 1700086400", "d2 1700086400"]);
}
