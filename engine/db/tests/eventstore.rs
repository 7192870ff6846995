//! The event store on a real server.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod support;

use granary_db::eventstore::{self, DeletionNotice, EventRow, Partition};
use granary_db::{Db, Written};
use support::{Project, project};

const DAY_MS: i64 = 86_400_000;

fn event(correlation_id: &str, event_id: &str, message: &str) -> EventRow {
    EventRow {
        correlation_id: correlation_id.into(),
        event_id: event_id.into(),
        created: 1_600_000_000_000,
        message: message.into(),
        event_type_version: 2,
        event_harvester: "h".into(),
        partition_id: 3,
        partition_offset: 17,
    }
}

async fn insert(db: &Db, event_type: &str, events: &[EventRow]) -> Written {
    let mut client = db.client().await.unwrap();
    let tx = client.transaction().await.unwrap();
    let written = eventstore::insert(&tx, &Partition::new(event_type), events).await.unwrap();
    tx.commit().await.unwrap();
    written
}

async fn expire(db: &Db, event_type: &str, notices: &[DeletionNotice]) -> u64 {
    let mut client = db.client().await.unwrap();
    let tx = client.transaction().await.unwrap();
    let marked = eventstore::expire(&tx, &Partition::new(event_type), notices, 5 * DAY_MS).await.unwrap();
    tx.commit().await.unwrap();
    marked
}

async fn with_event_type(name: &str) -> Project {
    let project = project("shop").await;
    eventstore::create(&project.db, "shop", name).await.unwrap();
    project
}

async fn count(db: &Db, sql: &str) -> i64 {
    db.client().await.unwrap().query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn events_are_seen_through_the_view_of_their_type() {
    let project = with_event_type("livesegment-datain").await;
    let message = r#"{"b": "ü \" \\u0000", "a": 123456789012345678901234567890}"#;
    let written = insert(&project.db, "livesegment-datain", &[event("c", "e", message)]).await;
    assert_eq!(written, Written { rows: 1, refused: vec![] });
    let sql = r#"SELECT correlation_id, event_id, created, message::text, event_type, event_type_version, event_harvester,
                        partition_id, partition_offset, ttl
                   FROM shop."eventstore_livesegment-datain""#;
    let row = project.db.client().await.unwrap().query_one(sql, &[]).await.unwrap();
    let texts: Vec<&str> = [0, 1, 4, 6].into_iter().map(|n| row.get(n)).collect();
    assert_eq!(texts, ["c", "e", "livesegment-datain", "h"]);
    let integers: Vec<i64> = [2, 5, 7, 8].into_iter().map(|n| row.get(n)).collect();
    assert_eq!(integers, [1_600_000_000_000, 2, 3, 17]);
    let stored: &str = row.get(3);
    assert!(stored.contains("123456789012345678901234567890") && stored.contains("\\\\u0000"), "{stored}");
    assert_eq!(row.get::<_, Option<&str>>(9), None);
    assert_eq!(count(&project.db, "SELECT count(*) FROM public.eventstore").await, 1);
    assert!(support::may(&project, "SELECT", "\"eventstore_livesegment-datain\"").await);
}

#[tokio::test]
async fn repeated_keys_are_stored_once() {
    let project = with_event_type("t").await;
    let events = [event("c", "1", "1"), event("c", "1", "2"), event("c", "2", "3"), event("d", "1", "null")];
    assert_eq!(insert(&project.db, "t", &events).await.rows, 3);
    assert_eq!(insert(&project.db, "t", &events).await.rows, 0);
    let first =
        "SELECT message::text::bigint FROM shop.eventstore_t WHERE correlation_id = 'c' AND event_id = '1'";
    assert_eq!(count(&project.db, first).await, 1);
}

#[tokio::test]
async fn events_that_the_database_refuses_are_told_and_the_rest_is_stored() {
    let project = with_event_type("t").await;
    let deep = format!("{}{}", "[".repeat(300_000), "]".repeat(300_000));
    let events = [
        event("c", "1", "{}"),
        event("c", "2", r#"{"a": "\u0000"}"#),
        event("c", "3", "not json"),
        event("c", "4", &deep),
        event("c\0", "5", "{}"),
        event("c", "6", "1e400000"),
        event("c", "7", "{}"),
    ];
    let written = insert(&project.db, "t", &events).await;
    assert_eq!(written.rows, 2);
    let refused: Vec<_> = written.refused.iter().map(|r| (r.index, r.sqlstate.as_str())).collect();
    assert_eq!(refused, [(1, "22P05"), (2, "22P02"), (3, "54001"), (4, "22021"), (5, "22003")]);
}

#[tokio::test]
async fn a_notice_lets_events_expire_one_grace_after_it() {
    let project = with_event_type("t").await;
    let events = [event("c", "1", "1"), event("c", "2", "2"), event("d", "1", "3"), event("d", "2", "4")];
    insert(&project.db, "t", &events).await;
    let created = events[0].created;
    let notice = |correlation_id: &str, event_id: Option<&str>, now| DeletionNotice {
        correlation_id: correlation_id.into(),
        event_id: event_id.map(str::to_owned),
        now,
    };
    let notices = [
        notice("c", None, created + 2 * DAY_MS + 3_600_004),
        notice("d", Some("2"), created - 100 * DAY_MS),
        notice("nobody", None, 0),
    ];
    assert_eq!(expire(&project.db, "t", &notices).await, 3);
    let sql = "SELECT correlation_id, event_id, ttl, public.event_time_to_act(created, ttl)
                 FROM public.eventstore ORDER BY 1, 2";
    let rows = project.db.client().await.unwrap().query(sql, &[]).await.unwrap();
    let rows: Vec<(&str, &str, Option<&str>, Option<i64>)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect();
    let at = created / 1000;
    assert_eq!(
        rows,
        [
            ("c", "1", Some("P7DT3600.004S"), Some(at + 7 * 86_400 + 3600)),
            ("c", "2", Some("P7DT3600.004S"), Some(at + 7 * 86_400 + 3600)),
            ("d", "1", None, None),
            ("d", "2", Some("P0DT0.000S"), Some(at)),
        ]
    );
}

#[tokio::test]
async fn rows_of_extreme_times_can_expire_too() {
    let project = with_event_type("t").await;
    let extreme = 253_402_300_799_999;
    let events =
        [extreme, -extreme].map(|created| EventRow { created, ..event("c", &created.to_string(), "{}") });
    insert(&project.db, "t", &events).await;
    let notice = DeletionNotice { correlation_id: "c".into(), event_id: None, now: extreme };
    assert_eq!(expire(&project.db, "t", &[notice]).await, 2);
}

#[tokio::test]
async fn deleting_an_event_type_leaves_its_rows_and_making_it_again_shows_them() {
    let project = with_event_type("Kept").await;
    insert(&project.db, "Kept", &[event("c", "1", "{}")]).await;
    for _ in 0..2 {
        eventstore::remove(&project.db, "shop", "Kept").await.unwrap();
    }
    assert_eq!(count(&project.db, "SELECT count(*) FROM public.eventstore").await, 1);
    for _ in 0..2 {
        eventstore::create(&project.db, "shop", "Kept").await.unwrap();
    }
    assert_eq!(count(&project.db, "SELECT count(*) FROM shop.\"eventstore_Kept\"").await, 1);
    eventstore::remove(&project.db, "shop", "Kept").await.unwrap();
    eventstore::erase(&project.db, "Kept").await.unwrap();
    assert_eq!(count(&project.db, "SELECT count(*) FROM public.eventstore").await, 0);
}

#[tokio::test]
async fn an_event_type_of_another_project_does_not_see_the_rows_of_its_namesake() {
    let project = with_event_type("name").await;
    insert(&project.db, "name", &[event("c", "1", "{}")]).await;
    eventstore::remove(&project.db, "shop", "name").await.unwrap();
    support::add_project(&project.db, "other").await;
    eventstore::create(&project.db, "other", "name").await.unwrap();
    assert_eq!(count(&project.db, "SELECT count(*) FROM other.eventstore_name").await, 0);
    assert_eq!(count(&project.db, "SELECT count(*) FROM public.\"eventstore_name@shop\"").await, 1);
    assert_eq!(insert(&project.db, "name", &[event("c", "1", "{}")]).await.rows, 1);
}

#[tokio::test]
async fn event_types_of_all_projects_share_the_store_but_not_their_views() {
    let project = with_event_type("one").await;
    support::add_project(&project.db, "other").await;
    eventstore::create(&project.db, "other", "two").await.unwrap();
    insert(&project.db, "one", &[event("c", "1", "{}"), event("c", "2", "{}")]).await;
    insert(&project.db, "two", &[event("c", "1", "{}")]).await;
    assert_eq!(count(&project.db, "SELECT count(*) FROM public.eventstore").await, 3);
    assert_eq!(count(&project.db, "SELECT count(*) FROM shop.eventstore_one").await, 2);
    assert_eq!(count(&project.db, "SELECT count(*) FROM other.eventstore_two").await, 1);
}
