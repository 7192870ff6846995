//! Cuts and flips in the files of a log that was stopped.

use super::disk::SimDisk;
use super::*;
use crate::contract_tests::{PLENTY, batch, payloads};

const DIRECTORY: &str = "log";

fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

fn log_path(number: u64) -> PathBuf {
    path(&file::name(number))
}

async fn open(disk: &SimDisk) -> Result<EmbeddedLog, Error> {
    EmbeddedLog::open_in(Path::new(DIRECTORY), SimDisk::options(), disk.world()).await
}

async fn topic(log: &EmbeddedLog) {
    log.create_topic("t", TopicSpec { partitions: 1, retention_ms: None }).await.unwrap();
}

async fn append(log: &EmbeddedLog, payload: &str) {
    log.append(vec![batch("t", [payload.to_owned()])]).await.unwrap();
}

async fn all(log: &EmbeddedLog) -> Vec<String> {
    let start = log.bounds("t", 0).unwrap().start;
    payloads(&log.read("t", 0, start, PLENTY).await.unwrap())
}

/// A killed log of three groups, its mark as it was after each of them, and where their frames end.
struct Killed {
    disk: SimDisk,
    marks: Vec<Vec<u8>>,
    ends: Vec<usize>,
}

async fn killed() -> Killed {
    let disk = SimDisk::default();
    let log = open(&disk).await.unwrap();
    topic(&log).await;
    let (mut marks, mut ends) = (vec![disk.get(&path(mark::NAME))], vec![0]);
    for payload in ["first", "second", "third"] {
        append(&log, payload).await;
        marks.push(disk.get(&path(mark::NAME)));
        let bytes = disk.get(&log_path(1));
        ends.push(bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1);
    }
    let copy = disk.fork();
    Killed { disk: copy, marks, ends }
}

/// Opens a damaged copy of which `acknowledged` groups are known to have been acknowledged.
async fn reopen(killed: &Killed, acknowledged: usize, bytes: &[u8]) -> Result<EmbeddedLog, Error> {
    let disk = killed.disk.fork();
    disk.put(&path(mark::NAME), &killed.marks[acknowledged]);
    disk.put(&log_path(1), bytes);
    open(&disk).await
}

#[tokio::test]
async fn a_last_group_cut_at_any_byte_is_cut_off_and_the_log_goes_on() {
    let killed = killed().await;
    let whole = killed.disk.get(&log_path(1));
    for cut in killed.ends[2]..killed.ends[3] {
        for zeros in [false, true] {
            let mut bytes = whole[..cut].to_vec();
            if zeros {
                bytes.resize(whole.len(), 0);
            }
            let log = reopen(&killed, 2, &bytes).await.unwrap();
            assert_eq!(all(&log).await, ["first", "second"], "cut at {cut}");
            append(&log, "again").await;
            assert_eq!(all(&log).await, ["first", "second", "again"], "cut at {cut}");
        }
    }
}

#[tokio::test]
async fn an_acknowledged_group_cut_at_any_byte_is_damage() {
    let killed = killed().await;
    let whole = killed.disk.get(&log_path(1));
    for cut in 0..killed.ends[3] {
        let outcome = reopen(&killed, 3, &whole[..cut]).await;
        assert!(matches!(outcome, Err(Error::Corrupt { .. })), "cut at {cut}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_flipped_bit_in_the_last_acknowledged_group_is_damage_and_in_a_torn_one_it_is_cut_off() {
    let killed = killed().await;
    let whole = killed.disk.get(&log_path(1));
    for at in killed.ends[2]..killed.ends[3] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        let outcome = reopen(&killed, 3, &bytes).await;
        let Err(Error::Corrupt { what }) = outcome else { panic!("byte {at}: {outcome:?}") };
        let place = format!("{} at byte {}", file::name(1), killed.ends[2]);
        assert!(what.contains(&place), "'{what}' names '{place}'");
        let log = reopen(&killed, 2, &bytes).await.unwrap();
        assert_eq!(all(&log).await, ["first", "second"], "byte {at}");
    }
}

#[tokio::test]
async fn a_later_group_proves_that_a_damaged_one_was_acknowledged_whatever_the_mark_says() {
    let killed = killed().await;
    let whole = killed.disk.get(&log_path(1));
    for at in 0..killed.ends[2] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        let outcome = reopen(&killed, 0, &bytes).await;
        // The version of the format is told apart from damage, and the last eight bytes of the header mean nothing.
        let newer = matches!(&outcome, Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::Unsupported);
        assert!(newer || matches!(outcome, Err(Error::Corrupt { .. })), "byte {at}: {outcome:?}");
        assert!(!newer || (8..12).contains(&at));
    }
}

#[tokio::test]
async fn a_whole_frame_of_a_torn_group_never_comes_back() {
    let disk = SimDisk::default();
    let log = open(&disk).await.unwrap();
    log.create_topic("t", TopicSpec { partitions: 2, retention_ms: None }).await.unwrap();
    append(&log, "kept").await;
    let kept = disk.fork();
    let begin = kept.get(&log_path(1)).iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let other = Append { partition: 1, ..batch("t", ["other".to_owned()]) };
    log.append(vec![batch("t", ["torn!".to_owned()]), other]).await.unwrap();
    // The first frame of the group is damaged, the second one is whole, and neither was acknowledged.
    let mut bytes = disk.get(&log_path(1));
    bytes[begin + 50] ^= 1;
    kept.put(&log_path(1), &bytes);
    let log = open(&kept).await.unwrap();
    // A group as long as the damaged frame ends where the whole one begins.
    append(&log, "again").await;
    drop(log);
    kept.restart();
    let log = open(&kept).await.unwrap();
    assert_eq!(all(&log).await, ["kept", "again"]);
    assert_eq!(log.bounds("t", 1).unwrap(), Bounds { start: 0, end: 0 });
}

#[tokio::test]
async fn whole_frames_behind_the_mark_are_kept_and_written_again() {
    let killed = killed().await;
    let whole = killed.disk.get(&log_path(1));
    let log = reopen(&killed, 1, &whole).await.unwrap();
    assert_eq!(all(&log).await, ["first", "second", "third"]);
}

#[tokio::test]
async fn a_mark_with_both_slots_damaged_is_damage_and_one_slot_is_enough() {
    let killed = killed().await;
    let mut mark = killed.disk.get(&path(mark::NAME));
    let disk = killed.disk.fork();
    mark[20] ^= 1;
    disk.put(&path(mark::NAME), &mark);
    assert_eq!(all(&open(&disk).await.unwrap()).await.len(), 3);
    mark[512 + 20] ^= 1;
    disk.put(&path(mark::NAME), &mark);
    disk.restart();
    assert!(matches!(open(&disk).await, Err(Error::Corrupt { .. })));
}

/// A killed log of several files.
async fn long() -> SimDisk {
    let disk = SimDisk::default();
    let log = open(&disk).await.unwrap();
    topic(&log).await;
    for n in 0..40 {
        append(&log, &format!("{n}{}", "x".repeat(400))).await;
    }
    log.close().await;
    disk.fork()
}

#[tokio::test]
async fn a_missing_file_is_damage() {
    let disk = long().await;
    let files: Vec<u64> = disk.names().iter().filter_map(|name| file::number(name)).collect();
    assert!(files.len() > 4, "{files:?}");
    for number in files {
        let disk = disk.fork();
        disk.delete(&log_path(number));
        let outcome = open(&disk).await;
        assert!(matches!(outcome, Err(Error::Corrupt { .. })), "file {number}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_missing_or_damaged_topic_table_or_manifest_is_damage() {
    for name in ["topics.json", manifest::NAME] {
        let disk = long().await;
        let bytes = disk.get(&path(name));
        disk.put(&path(name), &bytes[..bytes.len() / 2]);
        assert!(matches!(open(&disk).await, Err(Error::Corrupt { .. })), "{name}");
        disk.restart();
        disk.delete(&path(name));
        assert!(matches!(open(&disk).await, Err(Error::Corrupt { .. })), "{name}");
    }
}

#[tokio::test]
async fn a_closed_file_without_a_readable_footer_is_scanned() {
    let disk = long().await;
    let whole = disk.get(&log_path(2));
    for damage in [1, 10, 24, 30, 60] {
        let disk = disk.fork();
        let mut bytes = whole.clone();
        let at = bytes.len() - damage;
        bytes[at] ^= 4;
        disk.put(&log_path(2), &bytes);
        let log = open(&disk).await.unwrap();
        assert_eq!(all(&log).await.len(), 40, "damaged {damage} bytes before the end");
        log.close().await;
        assert_eq!(disk.get(&log_path(2)), whole, "the footer is there again");
    }
}

#[tokio::test]
async fn a_flipped_bit_in_a_closed_file_is_found_by_the_reader_that_meets_it() {
    let disk = long().await;
    let mut bytes = disk.get(&log_path(2));
    bytes[700] ^= 1;
    disk.put(&log_path(2), &bytes);
    let log = open(&disk).await.unwrap();
    let outcome = log.read("t", 0, 0, PLENTY).await;
    assert!(matches!(&outcome, Err(Error::Corrupt { what }) if what.contains(&file::name(2))), "{outcome:?}");
    assert_eq!(log.read("t", 0, 30, PLENTY).await.unwrap().len(), 10);
}

#[tokio::test]
async fn a_stop_while_a_file_is_closed_or_made_ready_loses_nothing() {
    let disk = long().await;
    let last = disk.names().iter().filter_map(|name| file::number(name)).max().unwrap();
    // The footer of the file before the last one was not written, and a file was made ready.
    let bytes = disk.get(&log_path(last - 1));
    let log_end = open(&disk.fork()).await.unwrap().bounds("t", 0).unwrap().end;
    let mut open_file = bytes[..bytes.len() - 60].to_vec();
    open_file.resize(4096, 0);
    disk.put(&log_path(last - 1), &open_file);
    let ready = disk.create(&log_path(last + 1)).unwrap();
    ready.allocate(4096).unwrap();
    let log = open(&disk).await.unwrap();
    assert_eq!(log.bounds("t", 0).unwrap().end, log_end);
    assert_eq!(all(&log).await.len(), 40);
    append(&log, "next").await;
    assert_eq!(all(&log).await.len(), 41);
}

#[tokio::test]
async fn a_newer_format_is_refused_and_left_alone() {
    let disk = long().await;
    let manifest = String::from_utf8(disk.get(&path(manifest::NAME))).unwrap();
    disk.put(&path(manifest::NAME), manifest.replace("\"format\": 1", "\"format\": 2").as_bytes());
    let error = open(&disk).await.unwrap_err();
    let text = std::error::Error::source(&error).unwrap().to_string();
    assert!(text.contains("format 2") && text.contains("reads format 1"), "{text}");
}

#[tokio::test]
async fn a_second_log_on_the_directory_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(root.path(), small()).await.unwrap();
    let error = EmbeddedLog::open(root.path(), small()).await.unwrap_err();
    assert!(format!("{error}").contains("another engine uses this directory"), "{error}");
    log.close().await;
    EmbeddedLog::open(root.path(), small()).await.unwrap();
}
