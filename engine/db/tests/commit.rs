//! The commit protocol: what counts, who may commit, and what happens when two do at the same time.

use anyhow::Result;
use granary_db::commit::{Commit, CommitError, CursorMove, RangeAdd, commit};
use granary_db::cursors::Share;
use granary_db::dead_letters::change::{Change, change};
use granary_db::dead_letters::retry::{Portion, waiting};
use granary_db::dead_letters::{self, DeadLetter, Filter};
use granary_db::test_util::TestDatabase;
use granary_db::{Db, cursors, nodes, ranges};
use std::collections::BTreeSet;
use uuid::Uuid;

const STAGE: &str = "belt:17";

async fn database() -> Result<TestDatabase> {
    TestDatabase::create().await.map_err(|e| anyhow::anyhow!("{e}"))
}

fn moved(topic: &str, partition: u32, from: u64, to: u64) -> CursorMove {
    CursorMove { topic: topic.to_owned(), partition, from, to, seen: None }
}

fn range(topic: &str, partition: u32, start: u64, end: u64) -> RangeAdd {
    RangeAdd { topic: topic.to_owned(), partition, start, end }
}

fn batch(stage: &str, log_id: Uuid, epoch: u64, moves: Vec<CursorMove>) -> Commit {
    Commit {
        stage: stage.to_owned(),
        epoch,
        log_id,
        moves,
        holds: Vec::new(),
        ranges: Vec::new(),
        dead: Vec::new(),
    }
}

fn letter(offset: u64) -> DeadLetter {
    DeadLetter {
        project: "demo".to_owned(),
        stream: "grnry_belt_dlq_17".to_owned(),
        stage: STAGE.to_owned(),
        code: "exception".to_owned(),
        message: "KeyError: 'a'\0".to_owned(),
        stacktrace: "Traceback ...".to_owned(),
        exception_type: "KeyError".to_owned(),
        topic: "in".to_owned(),
        offset,
        key: Some(vec![0, 1, 0xff].into()),
        payload: vec![0xff, 0, b'{'].into(),
        headers: vec![
            ("b".to_owned(), "\0ü\"".to_owned()),
            ("a".to_owned(), String::new()),
            ("b".to_owned(), "2".to_owned()),
        ],
        definition_version: 3,
        trace_id: u128::MAX,
        ..DeadLetter::default()
    }
}

fn stream(name: &str) -> Filter {
    Filter { stream: Some(name.to_owned()), ..Filter::default() }
}

async fn try_commit(db: &Db, what: &Commit) -> Result<(), CommitError> {
    let mut client = db.client().await?;
    let tx = client.transaction().await?;
    commit(&tx, what).await?;
    Ok(tx.commit().await?)
}

async fn acquire(db: &Db, log_id: Uuid, wanted: &[(&str, u32, u64)]) -> Result<cursors::Acquired> {
    let wanted: Vec<_> = wanted.iter().map(|(t, p, o)| ((*t).to_owned(), *p, *o)).collect();
    Ok(cursors::acquire(db, STAGE, log_id, &wanted).await?)
}

fn places(acquired: &cursors::Acquired) -> Vec<(String, u32, u64)> {
    acquired.cursors.iter().map(|c| (c.topic.clone(), c.partition, c.next)).collect()
}

#[tokio::test]
async fn a_commit_moves_cursors_adds_ranges_and_keeps_dead_letters_together() -> Result<()> {
    let test = database().await?;
    let (db, log) = (test.db(), Uuid::new_v4());
    let acquired = acquire(db, log, &[("in", 0, 5), ("in", 1, 0)]).await?;
    assert_eq!(places(&acquired), [("in".to_owned(), 0, 5), ("in".to_owned(), 1, 0)]);
    let what = Commit {
        ranges: vec![
            range("out", 0, 10, 12),
            range("out", 0, 12, 20),
            range("out", 1, 3, 3),
            range("other", 0, 7, 8),
        ],
        dead: vec![letter(6), letter(7)],
        ..batch(STAGE, log, acquired.epoch, vec![moved("in", 1, 0, 3), moved("in", 0, 5, 9)])
    };
    try_commit(db, &what).await?;

    assert_eq!(cursors::of_stage(db, STAGE, log).await?, [("in".to_owned(), 0, 9), ("in".to_owned(), 1, 3)]);
    let all = ranges::load_ranges(db, log).await?;
    assert_eq!(all[&("out".to_owned(), 0)], [(10, 20)]);
    assert_eq!(all[&("other".to_owned(), 0)], [(7, 8)]);
    assert_eq!(all.len(), 2);
    let stored = dead_letters::list(db, "demo", &stream("grnry_belt_dlq_17"), 10, None).await?;
    assert_eq!(stored.len(), 2);
    // Everything as it was, except the NUL in the message, which the database can not hold.
    let expected = DeadLetter { message: "KeyError: 'a'\u{fffd}".to_owned(), ..letter(7) };
    assert_eq!(stored[0].letter, expected);
    Ok(())
}

#[tokio::test]
async fn a_worker_whose_stage_was_taken_over_can_not_commit() -> Result<()> {
    let test = database().await?;
    let (db, log) = (test.db(), Uuid::new_v4());
    let old = acquire(db, log, &[("in", 0, 0)]).await?;
    let new = acquire(db, log, &[("in", 0, 0)]).await?;
    assert!(new.epoch > old.epoch);
    for moves in [vec![moved("in", 0, 0, 4)], vec![]] {
        let what = Commit { ranges: vec![range("out", 0, 0, 4)], ..batch(STAGE, log, old.epoch, moves) };
        let error = try_commit(db, &what).await.unwrap_err();
        assert!(matches!(error, CommitError::Fenced { in_force: Some(e), .. } if e == new.epoch), "{error}");
    }
    assert!(ranges::load_ranges(db, log).await?.is_empty());
    try_commit(db, &batch(STAGE, log, new.epoch, vec![moved("in", 0, 0, 4)])).await?;
    Ok(())
}

#[tokio::test]
async fn a_take_over_waits_for_a_commit_under_way_and_sees_it() -> Result<()> {
    let test = database().await?;
    let (db, log) = (test.db().clone(), Uuid::new_v4());
    let old = acquire(&db, log, &[("in", 0, 0)]).await?;
    let mut client = db.client().await?;
    let tx = client.transaction().await?;
    commit(&tx, &batch(STAGE, log, old.epoch, vec![moved("in", 0, 0, 4)])).await?;

    let take_over = tokio::spawn({
        let db = db.clone();
        async move { acquire(&db, log, &[("in", 0, 0)]).await }
    });
    await_lock(&db).await?;
    tx.commit().await?;
    assert_eq!(places(&take_over.await??), [("in".to_owned(), 0, 4)]);
    Ok(())
}

/// Waits until the server says that somebody waits for a lock.
async fn await_lock(db: &Db) -> Result<()> {
    let watcher = db.client().await?;
    loop {
        let waiting: i64 = watcher
            .query_one(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
                &[],
            )
            .await?
            .get(0);
        if waiting > 0 {
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_engine_that_fences_all_stages_sees_the_last_word_of_the_one_before() -> Result<()> {
    let test = database().await?;
    let (db, log) = (test.db().clone(), Uuid::new_v4());
    let old = acquire(&db, log, &[("in", 0, 0), ("in", 1, 0)]).await?;
    let mut client = db.client().await?;
    let tx = client.transaction().await?;
    let last = Commit {
        ranges: vec![range("out", 0, 3, 5)],
        ..batch(STAGE, log, old.epoch, vec![moved("in", 0, 0, 4), moved("in", 1, 0, 1)])
    };
    commit(&tx, &last).await?;
    let fencing = tokio::spawn({
        let db = db.clone();
        async move { cursors::fence_all(&db).await }
    });
    await_lock(&db).await?;
    tx.commit().await?;
    fencing.await??;
    assert_eq!(ranges::load_ranges(&db, log).await?[&("out".to_owned(), 0)], [(3, 5)]);
    assert!(ranges::contain(&db, log, &[range("out", 0, 3, 5)]).await?);
    assert!(ranges::contain(&db, log, &[range("out", 0, 3, 4), range("out", 0, 5, 5)]).await?);
    assert!(!ranges::contain(&db, log, &[range("out", 0, 3, 6)]).await?);
    assert!(!ranges::contain(&db, log, &[range("out", 0, 3, 5), range("out", 1, 0, 1)]).await?);
    let late = batch(STAGE, log, old.epoch, vec![moved("in", 0, 4, 5)]);
    let error = try_commit(&db, &late).await.unwrap_err();
    assert!(matches!(error, CommitError::Fenced { .. }), "{error}");
    // Nobody owns them now, and whoever comes goes on where they stood.
    assert_eq!(places(&acquire(&db, log, &[("in", 0, 0)]).await?), [("in".to_owned(), 0, 4)]);
    Ok(())
}

#[tokio::test]
async fn a_batch_that_was_read_elsewhere_is_refused_whole() -> Result<()> {
    let test = database().await?;
    let (db, log) = (test.db(), Uuid::new_v4());
    let epoch = acquire(db, log, &[("in", 0, 0), ("in", 1, 0)]).await?.epoch;
    let first = batch(STAGE, log, epoch, vec![moved("in", 0, 0, 4)]);
    try_commit(db, &first).await?;
    // Again, as after a lost answer; with one right and one wrong cursor; of a partition without a cursor; another log.
    let wrong = [
        first,
        batch(STAGE, log, epoch, vec![moved("in", 0, 4, 5), moved("in", 1, 1, 2)]),
        batch(STAGE, log, epoch, vec![moved("in", 7, 0, 1)]),
        batch(STAGE, Uuid::new_v4(), epoch, vec![moved("in", 0, 4, 5)]),
    ];
    for what in wrong {
        let error = try_commit(db, &what).await.unwrap_err();
        assert!(matches!(error, CommitError::Moved { .. }), "{what:?}: {error}");
    }
    assert_eq!(cursors::of_stage(db, STAGE, log).await?, [("in".to_owned(), 0, 4), ("in".to_owned(), 1, 0)]);
    Ok(())
}

#[tokio::test]
async fn ranges_merge_and_gaps_of_failed_tries_remain() -> Result<()> {
    let test = database().await?;
    let (db, log) = (test.db(), Uuid::new_v4());
    let epoch = acquire(db, log, &[("in", 0, 0)]).await?.epoch;
    for (at, (start, end)) in [(0, 10), (10, 20), (25, 30), (30, 31)].into_iter().enumerate() {
        let at = at as u64;
        let what = Commit {
            ranges: vec![range("out", 0, start, end)],
            ..batch(STAGE, log, epoch, vec![moved("in", 0, at, at + 1)])
        };
        try_commit(db, &what).await?;
    }
    let key = ("out".to_owned(), 0);
    assert_eq!(ranges::load_ranges(db, log).await?[&key], [(0, 20), (25, 31)]);
    ranges::trim(db, log, "out", 0, 15).await?;
    assert_eq!(ranges::load_ranges(db, log).await?[&key], [(15, 20), (25, 31)]);
    assert!(ranges::load_ranges(db, Uuid::new_v4()).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_stage_that_is_made_again_never_gets_an_old_epoch() -> Result<()> {
    let test = database().await?;
    let (db, log) = (test.db(), Uuid::new_v4());
    let old = acquire(db, log, &[("in", 0, 0)]).await?;
    assert!(cursors::delete_stage(db, STAGE).await?);
    assert!(!cursors::delete_stage(db, STAGE).await?);
    let error = try_commit(db, &batch(STAGE, log, old.epoch, vec![moved("in", 0, 0, 1)])).await.unwrap_err();
    assert!(matches!(error, CommitError::Fenced { in_force: None, .. }), "{error}");
    let new = acquire(db, log, &[("in", 0, 0)]).await?;
    assert!(new.epoch > old.epoch);
    let error = try_commit(db, &batch(STAGE, log, old.epoch, vec![moved("in", 0, 0, 1)])).await.unwrap_err();
    assert!(matches!(error, CommitError::Fenced { .. }), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_cursor_that_is_set_fences_the_worker_and_is_where_the_next_one_begins() -> Result<()> {
    let test = database().await?;
    let (db, log) = (test.db(), Uuid::new_v4());
    let old = acquire(db, log, &[("in", 0, 10)]).await?;
    assert!(cursors::set_cursor(db, STAGE, log, "in", 0, 2).await?);
    assert!(!cursors::set_cursor(db, STAGE, log, "in", 1, 7).await?);
    let error =
        try_commit(db, &batch(STAGE, log, old.epoch, vec![moved("in", 0, 10, 11)])).await.unwrap_err();
    assert!(matches!(error, CommitError::Fenced { .. }), "{error}");
    let new = acquire(db, log, &[("in", 0, 99), ("in", 1, 99), ("in", 2, 99)]).await?;
    assert_eq!(new.cursors.iter().map(|c| c.next).collect::<Vec<_>>(), [2, 7, 99]);
    Ok(())
}

#[tokio::test]
async fn the_slowest_stage_decides_what_may_be_dropped() -> Result<()> {
    let test = database().await?;
    let (db, log) = (test.db(), Uuid::new_v4());
    let one = |at| vec![("in".to_owned(), 0, at)];
    cursors::acquire(db, "belt:1", log, &one(50)).await?;
    cursors::acquire(db, "belt:2", log, &one(20)).await?;
    let epoch = cursors::acquire(db, "belt:3", log, &[("gone".to_owned(), 0, 1), ("in".to_owned(), 0, 90)])
        .await?
        .epoch;
    assert_eq!(cursors::cursors_min(db, log).await?[&("in".to_owned(), 0)], 20);
    cursors::delete_stage(db, "belt:2").await?;
    assert_eq!(cursors::keep_topics(db, "belt:3", epoch, &["in"]).await?, 1);
    let min = cursors::cursors_min(db, log).await?;
    assert_eq!(min.len(), 1);
    assert_eq!(min[&("in".to_owned(), 0)], 50);
    cursors::delete_topic_rows(db, "in").await?;
    assert!(cursors::cursors_min(db, log).await?.is_empty());
    Ok(())
}

/// Eight stages write to the same topics, each naming them in another order. A circle of waits would end one of them
/// with an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stages_that_write_to_the_same_topics_do_not_deadlock() -> Result<()> {
    const STAGES: u64 = 8;
    const COMMITS: u64 = 40;
    let test = database().await?;
    let log = Uuid::new_v4();
    let mut tasks = Vec::new();
    for n in 0..STAGES {
        let db = test.db().clone();
        tasks.push(tokio::spawn(async move {
            let stage = format!("belt:{n}");
            let epoch = cursors::acquire(&db, &stage, log, &[("in".to_owned(), 0, 0)]).await?.epoch;
            for at in 0..COMMITS {
                let place = at * STAGES + n;
                let mut ranges: Vec<_> = ["a", "b", "c", "D"]
                    .iter()
                    .flat_map(|t| (0..4).map(|p| range(t, p, place, place + 1)))
                    .collect();
                let turn = usize::try_from(place).unwrap() % ranges.len();
                ranges.rotate_left(turn);
                let what = Commit { ranges, ..batch(&stage, log, epoch, vec![moved("in", 0, at, at + 1)]) };
                try_commit(&db, &what).await?;
            }
            anyhow::Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let all = ranges::load_ranges(test.db(), log).await?;
    assert_eq!(all.len(), 16);
    assert!(all.values().all(|ranges| *ranges == [(0, STAGES * COMMITS)]), "{all:?}");
    Ok(())
}

#[tokio::test]
async fn dead_letters_are_paged_counted_and_discarded_within_their_project() -> Result<()> {
    let test = database().await?;
    let (db, log) = (test.db(), Uuid::new_v4());
    let epoch = acquire(db, log, &[("in", 0, 0)]).await?.epoch;
    let other = DeadLetter { project: "other".to_owned(), ..letter(9) };
    let dead =
        vec![letter(1), letter(2), letter(3), DeadLetter { stream: "else".to_owned(), ..letter(4) }, other];
    try_commit(db, &Commit { dead, ..batch(STAGE, log, epoch, vec![moved("in", 0, 0, 10)]) }).await?;

    let page = dead_letters::list(db, "demo", &Filter::default(), 2, None).await?;
    assert_eq!(page.iter().map(|s| s.letter.offset).collect::<Vec<_>>(), [4, 3]);
    let next = dead_letters::list(db, "demo", &Filter::default(), 2, Some(page[1].id)).await?;
    assert_eq!(next.iter().map(|s| s.letter.offset).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(dead_letters::count(db, "demo", &Filter::default()).await?, 4);
    assert_eq!(dead_letters::count(db, "demo", &stream("else")).await?, 1);
    let ids: Vec<i64> = page.iter().chain(&next).map(|s| s.id).collect();
    let these = Filter { ids: Some(ids), ..Filter::default() };
    assert_eq!(change(db, "other", Change::Discard, &these, "eva").await?.changed, 0);
    assert_eq!(change(db, "demo", Change::Discard, &these, "eva").await?.changed, 4);
    assert_eq!(dead_letters::counts(db).await?, [("other".to_owned(), "grnry_belt_dlq_17".to_owned(), 1)]);
    Ok(())
}

#[tokio::test]
async fn a_process_retries_its_own_letters_however_many_others_wait_before_them() -> Result<()> {
    let test = database().await?;
    let (db, log) = (test.db(), Uuid::new_v4());
    let epoch = acquire(db, log, &[("in", 0, 0)]).await?.epoch;
    let at = |topic: &str, partition: u32, offset: u64| DeadLetter {
        topic: topic.to_owned(),
        partition,
        ..letter(offset)
    };
    let dead = vec![at("gone", 0, 7), at("in", 0, 1), at("in", 0, 2), at("in", 1, 3), at("in", 4, 8)];
    try_commit(db, &Commit { dead, ..batch(STAGE, log, epoch, vec![]) }).await?;
    change(db, "demo", Change::Retry, &Filter::default(), "eva").await?;

    let waiting = async |partitions: &[u32], rest: bool, most: usize| -> Result<Vec<u64>> {
        let portion = Portion {
            partitions: partitions.iter().map(|&partition| ("in", partition)).collect(),
            read: rest.then(|| vec![("in", 2)]),
        };
        let stored = waiting(db, STAGE, &portion, most, usize::MAX).await?;
        Ok(stored.iter().map(|stored| stored.letter.offset).collect())
    };
    assert_eq!(waiting(&[1], false, 1).await?, [3]);
    assert_eq!(waiting(&[0, 1], false, 2).await?, [1, 2]);
    assert_eq!(waiting(&[0], true, 9).await?, [7, 1, 2, 8], "those of partitions that nobody reads too");
    assert_eq!(waiting(&[], true, 1).await?, [7]);
    assert_eq!(waiting(&[], false, 9).await?, [0_u64; 0]);
    Ok(())
}

#[test]
fn the_reason_has_the_header_names_of_its_kind_of_stage() {
    let names = |stage: &str| {
        DeadLetter { stage: stage.to_owned(), ..letter(0) }.reason_headers().map(|(name, _)| name)
    };
    assert_eq!(names("harvester:x"), ["grnry-dlc-exception-message", "grnry-dlc-exception-stacktrace"]);
    assert_eq!(names("belt:1"), ["grnry-exception-message", "grnry-exception-stacktrace"]);
}

#[tokio::test]
async fn what_was_seen_of_producers_is_kept_with_the_cursor_and_forgotten_by_a_replay() -> Result<()> {
    let test = database().await?;
    let (db, log) = (test.db(), Uuid::new_v4());
    let seen = |acquired: &cursors::Acquired| acquired.cursors[0].seen.clone();
    let first = acquire(db, log, &[("in", 0, 0)]).await?;
    assert_eq!(seen(&first), None);
    let with = |from, to, seen: Option<&[u8]>| CursorMove {
        seen: seen.map(<[u8]>::to_vec),
        ..moved("in", 0, from, to)
    };
    try_commit(db, &batch(STAGE, log, first.epoch, vec![with(0, 3, Some(b"abc"))])).await?;
    try_commit(db, &batch(STAGE, log, first.epoch, vec![with(3, 4, None)])).await?;
    assert_eq!(seen(&acquire(db, log, &[("in", 0, 0)]).await?), Some(b"abc".to_vec()));
    cursors::set_cursor(db, STAGE, log, "in", 0, 1).await?;
    assert_eq!(seen(&acquire(db, log, &[("in", 0, 0)]).await?), None);
    Ok(())
}

#[tokio::test]
async fn epochs_in_force_and_the_ranges_of_a_partition_are_told() -> Result<()> {
    let test = database().await?;
    let (db, log) = (test.db(), Uuid::new_v4());
    let epoch = acquire(db, log, &[("in", 0, 0)]).await?.epoch;
    let any = async |tenures: &[(&str, u64)]| {
        let tenures = tenures.iter().map(|(stage, epoch)| ((*stage).to_owned(), *epoch)).collect();
        cursors::any_in_force(db, log, &tenures).await
    };
    assert!(any(&[("belt:gone", epoch), (STAGE, epoch)]).await?);
    assert!(!any(&[("belt:gone", epoch), (STAGE, epoch - 1), (STAGE, epoch + 1)]).await? && !any(&[]).await?);
    let what = Commit {
        ranges: vec![range("out", 1, 3, 5), range("out", 1, 9, 10), range("out", 0, 0, 1)],
        ..batch(STAGE, log, epoch, vec![moved("in", 0, 0, 1)])
    };
    try_commit(db, &what).await?;
    assert_eq!(ranges::of_partition(db, log, "out", 1).await?, [(3, 5), (9, 10)]);
    assert!(ranges::of_partition(db, Uuid::new_v4(), "out", 1).await?.is_empty());
    Ok(())
}

async fn take(
    db: &Db,
    log: Uuid,
    node: &nodes::Node,
    wanted: Vec<(String, u32, u64)>,
    turn: Option<u64>,
) -> Result<cursors::Acquired> {
    let mine = vec![true; wanted.len()];
    Ok(cursors::acquire_free(
        db,
        STAGE,
        log,
        &wanted,
        Share { node: node.id, mine: &mine, turn, again: false },
    )
    .await?)
}

/// A process that is suspended in the middle of a commit leaves a transaction behind that holds the rows of its partitions.
#[tokio::test]
async fn a_transaction_whose_client_has_gone_quiet_does_not_hold_up_a_takeover() -> Result<()> {
    let test = database().await?;
    let (db, log) = (test.db(), Uuid::new_v4());
    let epoch = acquire(db, log, &[("in", 0, 0)]).await?.epoch;
    let mut quiet = db.client().await?;
    let tx = quiet.transaction().await?;
    commit(&tx, &batch(STAGE, log, epoch, vec![moved("in", 0, 0, 5)])).await?;
    // Waits for the row until the server has ended the other one's transaction.
    let taken = acquire(db, log, &[("in", 0, 0)]).await?;
    assert_eq!(taken.cursors[0].next, 0, "what it has not committed does not count");
    assert!(tx.commit().await.is_err());
    try_commit(db, &batch(STAGE, log, taken.epoch, vec![moved("in", 0, 0, 5)])).await?;
    Ok(())
}

#[tokio::test]
async fn processes_take_what_is_free_and_what_the_dead_have_left() -> Result<()> {
    let test = database().await?;
    let (db, log) = (test.db(), Uuid::new_v4());
    let node = |name: &str| nodes::Node {
        id: Uuid::new_v4(),
        name: name.to_owned(),
        address: String::new(),
        roles: vec!["worker".to_owned()],
        log_id: log,
    };
    let (one, other) = (node("one"), node("other"));
    nodes::beat(db, &one).await?;
    assert_eq!(nodes::beat(db, &other).await?.len(), 2);
    let wanted = |partitions: std::ops::Range<u32>| -> Vec<_> {
        partitions.map(|partition| ("in".to_owned(), partition, 0)).collect()
    };
    let partitions = |acquired: &cursors::Acquired| {
        acquired.cursors.iter().map(|place| place.partition).collect::<BTreeSet<_>>()
    };
    let first = take(db, log, &one, wanted(0..4), None).await?;
    assert_eq!(partitions(&first), [0, 1, 2, 3].into());
    try_commit(db, &batch(STAGE, log, first.epoch, vec![moved("in", 3, 0, 7)])).await?;

    // A process that is alive keeps what it has, and its epoch, until it lets go.
    let second = take(db, log, &other, wanted(2..5), None).await?;
    assert_eq!(partitions(&second), [4].into());
    try_commit(db, &batch(STAGE, log, first.epoch, vec![moved("in", 3, 7, 8)])).await?;
    let mine = Share { node: one.id, mine: &[true, true, true, false], turn: None, again: true };
    let first = cursors::acquire_free(db, STAGE, log, &wanted(0..4), mine).await?;
    assert_eq!(partitions(&first), [0, 1, 2].into());
    let third = take(db, log, &other, wanted(2..5), None).await?;
    assert_eq!(partitions(&third), [3, 4].into());
    assert_eq!(third.cursors.iter().find(|place| place.partition == 3).map(|place| place.next), Some(8));
    let late = try_commit(db, &batch(STAGE, log, first.epoch, vec![moved("in", 3, 8, 9)])).await;
    assert!(
        matches!(late, Err(CommitError::Fenced { in_force: Some(epoch), .. }) if epoch == third.epoch),
        "{late:?}"
    );
    // A retry moves nothing, and needs the partitions that its letters came from.
    let holding = |epoch, partition| Commit {
        holds: vec![("in".to_owned(), partition)],
        ..batch(STAGE, log, epoch, vec![])
    };
    try_commit(db, &holding(first.epoch, 0)).await?;
    assert!(matches!(try_commit(db, &holding(first.epoch, 3)).await, Err(CommitError::Fenced { .. })));

    // A partition of somebody else's gets its cursor, and no owner. What is not wanted any more is let go of, and what is
    // under way there is fenced.
    let mine = Share { node: one.id, mine: &[false], turn: None, again: false };
    assert!(
        cursors::acquire_free(db, STAGE, log, &[("in".to_owned(), 5, 9)], mine).await?.cursors.is_empty()
    );
    assert!(matches!(try_commit(db, &holding(first.epoch, 0)).await, Err(CommitError::Fenced { .. })));
    assert_eq!(partitions(&take(db, log, &other, wanted(0..1), None).await?), [0].into());
    let taken = take(db, log, &other, wanted(5..6), None).await?;
    assert_eq!(taken.cursors[0].next, 9, "as the first process has found it");
    // Letting go ends the epoch.
    try_commit(db, &holding(taken.epoch, 5)).await?;
    cursors::release(db, STAGE, taken.epoch).await?;
    assert!(matches!(try_commit(db, &holding(taken.epoch, 5)).await, Err(CommitError::Fenced { .. })));
    assert!(!cursors::any_in_force(db, log, &[(STAGE.to_owned(), taken.epoch)].into()).await?);

    // The dead leave everything.
    db.client()
        .await?
        .execute("UPDATE granary.node SET seen_at = now() - interval '1 minute' WHERE id = $1", &[&one.id])
        .await?;
    assert_eq!(nodes::beat(db, &other).await?.len(), 1);
    let last = take(db, log, &other, wanted(0..5), None).await?;
    assert_eq!(partitions(&last), [0, 1, 2, 3, 4].into());
    let listed = nodes::list(db).await?;
    let seen: Vec<_> =
        listed.iter().map(|node| (node.node.name.as_str(), node.alive, node.partitions.len())).collect();
    assert_eq!(seen, [("one", false, 0), ("other", true, 1)]);
    assert_eq!(listed[1].partitions, [(STAGE.to_owned(), 5)]);
    // A turn puts each partition once where its start position says.
    for (turn, offset, expected) in [(7, 3, 3), (7, 5, 3), (8, 5, 5)] {
        let wanted = vec![("in".to_owned(), 3, offset)];
        let again = take(db, log, &other, wanted, Some(turn)).await?;
        assert_eq!(again.cursors[0].next, expected, "turn {turn}");
    }
    // Who was suspended while the stage got another source, or was removed, makes nothing of it again.
    let old = [("in".to_owned(), 9, 0), ("in".to_owned(), 3, 0)];
    let again = Share { node: other.id, mine: &[true, true], turn: None, again: true };
    assert_eq!(partitions(&cursors::acquire_free(db, STAGE, log, &old, again).await?), [3].into());
    cursors::delete_stage(db, STAGE).await?;
    assert!(cursors::acquire_free(db, STAGE, log, &old, again).await.is_err());
    assert!(cursors::of_stage(db, STAGE, log).await?.is_empty());

    nodes::leave(db, other.id).await?;
    assert_eq!(nodes::list(db).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn turns_and_reports_are_told_to_the_others() -> Result<()> {
    let test = database().await?;
    let (db, log) = (test.db(), Uuid::new_v4());
    let node = nodes::Node {
        id: Uuid::new_v4(),
        name: "n".to_owned(),
        address: String::new(),
        roles: Vec::new(),
        log_id: log,
    };
    nodes::beat(db, &node).await?;
    assert_eq!(nodes::ask(db, "belt:1", None).await?, 1);
    assert_eq!(nodes::ask(db, "belt:1", Some("earliest")).await?, 2);
    let asked = nodes::Turn { turn: 2, from: Some("earliest".to_owned()) };
    assert_eq!(nodes::turns(db).await?, [("belt:1".to_owned(), asked)].into());
    let report = |status: &str| ("belt:1".to_owned(), status.to_owned(), None);
    nodes::report(
        db,
        node.id,
        &[report("DEPLOYING"), ("belt:2".to_owned(), "FAILED".to_owned(), Some("why".to_owned()))],
    )
    .await?;
    nodes::report(db, node.id, &[report("RUNNING")]).await?;
    assert!(nodes::reports_of_others(db, node.id).await?.is_empty());
    assert_eq!(nodes::reports_of_others(db, Uuid::new_v4()).await?, [report("RUNNING")]);
    Ok(())
}
