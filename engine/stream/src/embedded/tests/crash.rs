//! Cuts and flips in the files of a log that was stopped.

use super::*;
use crate::contract_tests::{PLENTY, batch, payloads};
use crate::embedded::format::FORMAT_PLACE;
use crate::embedded::sim::SimDisk;

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
    log.create_topic("t", TopicSpec::of(1)).await.unwrap();
}

async fn append(log: &EmbeddedLog, payload: &str) {
    log.append(vec![batch("t", [payload.to_owned()])]).await.unwrap();
}

async fn all(log: &EmbeddedLog) -> Vec<String> {
    let start = log.bounds("t", 0).await.unwrap().start;
    payloads(&log.read("t", 0, start, PLENTY).await.unwrap())
}

/// Every record that can be read, by offset, and every offset whose reader is told that it is damaged.
async fn told_apart(log: &EmbeddedLog) -> (HashMap<u64, String>, Vec<u64>) {
    let (mut served, mut refused) = (HashMap::new(), Vec::new());
    let Bounds { start, end } = log.bounds("t", 0).await.unwrap();
    let mut at = start;
    while at < end {
        match log.read("t", 0, at, PLENTY).await {
            Ok(records) => {
                assert_eq!(records[0].offset, at);
                at = records.last().unwrap().offset + 1;
                let text = |record: &Record| String::from_utf8_lossy(&record.message.payload).into_owned();
                served.extend(records.iter().map(|record| (record.offset, text(record))));
            }
            Err(Error::Corrupt { .. }) => {
                refused.push(at);
                at += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    (served, refused)
}

const GROUPS: [&str; 3] = ["first", "second", "third"];

/// Of the groups that were acknowledged, whole ones are served at their offsets and the others are refused; what comes
/// next gets an offset that none of them had, now and after another stop.
async fn serves_the_rest(disk: &SimDisk, log: EmbeddedLog, whole: usize, what: &str) {
    let (served, refused) = told_apart(&log).await;
    let expected = GROUPS[..whole].iter().zip(0..).map(|(text, offset)| (offset, (*text).to_owned()));
    assert_eq!(served, expected.collect(), "{what}");
    for lost in whole..GROUPS.len() {
        assert!(refused.contains(&(lost as u64)), "{what}: {refused:?}");
    }
    assert!(!log.damages().is_empty(), "{what}");
    let next = log.append(vec![batch("t", ["next".to_owned()])]).await.unwrap()[0].start;
    assert!(next >= GROUPS.len() as u64, "{what}: {next}");
    disk.restart();
    drop(log);
    let log = open(disk).await.unwrap();
    let (mut again, _) = told_apart(&log).await;
    assert_eq!(again.remove(&next).as_deref(), Some("next"), "{what}");
    assert_eq!(again, served, "{what}");
    assert!(log.append(vec![batch("t", ["more".to_owned()])]).await.unwrap()[0].start > next, "{what}");
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
    for payload in GROUPS {
        append(&log, payload).await;
        marks.push(disk.get(&path(mark::NAME)));
        let bytes = disk.get(&log_path(1));
        ends.push(bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1);
    }
    let copy = disk.fork();
    Killed { disk: copy, marks, ends }
}

/// A damaged copy of which `acknowledged` groups are known to have been acknowledged.
fn damaged(killed: &Killed, acknowledged: usize, bytes: &[u8]) -> SimDisk {
    let disk = killed.disk.fork();
    disk.put(&path(mark::NAME), &killed.marks[acknowledged]);
    disk.put(&log_path(1), bytes);
    disk
}

async fn reopen(killed: &Killed, acknowledged: usize, bytes: &[u8]) -> Result<EmbeddedLog, Error> {
    open(&damaged(killed, acknowledged, bytes)).await
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
        let disk = damaged(&killed, 3, &whole[..cut]);
        let log = open(&disk).await.unwrap();
        let left = (1..=3).filter(|group| killed.ends[*group] <= cut).count();
        serves_the_rest(&disk, log, left, &format!("cut at {cut}")).await;
    }
}

#[tokio::test]
async fn a_flipped_bit_in_the_last_acknowledged_group_is_damage_and_in_a_torn_one_it_is_cut_off() {
    let killed = killed().await;
    let whole = killed.disk.get(&log_path(1));
    for at in killed.ends[2]..killed.ends[3] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        let disk = damaged(&killed, 3, &bytes);
        let log = open(&disk).await.unwrap();
        let what = log.damages()[0].to_string();
        let place = format!("{} at byte {}", file::name(1), killed.ends[2]);
        assert!(what.contains(&place), "'{what}' names '{place}'");
        serves_the_rest(&disk, log, 2, &format!("byte {at}")).await;
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
        if FORMAT_PLACE.contains(&at) {
            let newer = matches!(&outcome, Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::Unsupported);
            assert!(newer, "byte {at}: {outcome:?}");
            continue;
        }
        let log = outcome.unwrap();
        assert!(!log.damages().is_empty(), "byte {at}");
        let (served, refused) = told_apart(&log).await;
        let hit = (1..=2).position(|group| at >= 64.max(killed.ends[group - 1]) && at < killed.ends[group]);
        for (text, offset) in GROUPS.iter().zip(0_u64..) {
            if hit == Some(usize::try_from(offset).unwrap()) {
                assert!(refused.contains(&offset), "byte {at}: {refused:?}");
            } else {
                assert_eq!(served.get(&offset).map(String::as_str), Some(*text), "byte {at}");
            }
        }
    }
}

#[tokio::test]
async fn a_whole_frame_of_a_torn_group_never_comes_back() {
    let disk = SimDisk::default();
    let log = open(&disk).await.unwrap();
    log.create_topic("t", TopicSpec::of(2)).await.unwrap();
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
    assert_eq!(log.bounds("t", 1).await.unwrap(), Bounds { start: 0, end: 0 });
}

#[tokio::test]
async fn whole_frames_behind_the_mark_are_kept_and_written_again() {
    let killed = killed().await;
    let whole = killed.disk.get(&log_path(1));
    let log = reopen(&killed, 1, &whole).await.unwrap();
    assert_eq!(all(&log).await, ["first", "second", "third"]);
}

#[tokio::test]
async fn without_a_mark_all_that_is_there_counts_and_one_slot_is_enough() {
    let killed = killed().await;
    let mut mark = killed.disk.get(&path(mark::NAME));
    let disk = killed.disk.fork();
    mark[20] ^= 1;
    disk.put(&path(mark::NAME), &mark);
    assert_eq!(all(&open(&disk).await.unwrap()).await.len(), 3);
    mark[512 + 20] ^= 1;
    disk.put(&path(mark::NAME), &mark);
    disk.restart();
    let log = open(&disk).await.unwrap();
    assert!(log.damages()[0].path.ends_with(mark::NAME));
    assert_eq!(all(&log).await, GROUPS);
    drop(log);
    // Nothing says any more that the end of the log was torn before it was acknowledged.
    let bytes = killed.disk.get(&log_path(1));
    let disk = damaged(&killed, 3, &bytes[..killed.ends[3] - 1]);
    disk.put(&path(mark::NAME), &mark);
    let log = open(&disk).await.unwrap();
    serves_the_rest(&disk, log, 2, "no mark").await;
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
        let there = all(&open(&disk.fork()).await.unwrap()).await;
        disk.delete(&log_path(number));
        let log = open(&disk).await.unwrap();
        assert!(!log.damages().is_empty(), "file {number}");
        let (served, refused) = told_apart(&log).await;
        assert!(served.len() > 20 && !refused.is_empty(), "file {number}: {}", served.len());
        for (text, offset) in there.iter().zip(0_u64..) {
            assert!(
                refused.contains(&offset) || served.get(&offset) == Some(text),
                "file {number}: {offset}"
            );
        }
        let next = log.append(vec![batch("t", ["next".to_owned()])]).await.unwrap()[0].start;
        assert!(next >= 40, "file {number}: {next}");
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
    let before = log.read("t", 0, 0, PLENTY).await.unwrap();
    assert!((1..30).contains(&before.len()), "{}", before.len());
    let outcome = log.read("t", 0, before.len() as u64, PLENTY).await;
    assert!(matches!(&outcome, Err(Error::Corrupt { what }) if what.contains(&file::name(2))), "{outcome:?}");
    assert_eq!(log.read("t", 0, 30, PLENTY).await.unwrap().len(), 10);
    let (served, refused) = told_apart(&log).await;
    assert_eq!((served.len(), refused.len()), (39, 1));
}

async fn verified(disk: &SimDisk) -> Report {
    EmbeddedLog::verify(Path::new(DIRECTORY), disk.world()).await.unwrap()
}

async fn repaired(disk: &SimDisk) -> Report {
    EmbeddedLog::repair(Path::new(DIRECTORY), SimDisk::options(), disk.world()).await.unwrap()
}

#[tokio::test]
async fn a_whole_log_is_found_whole_and_left_as_it_is() {
    for disk in [long().await, killed().await.disk, SimDisk::default()] {
        open(&disk).await.unwrap().close().await;
        let files = |disk: &SimDisk| {
            disk.names().into_iter().map(|name| (disk.get(&path(&name)), name)).collect::<Vec<_>>()
        };
        let before = files(&disk);
        let report = verified(&disk).await;
        assert_eq!((report.damages.as_slice(), report.losses.as_slice()), (&[][..], &[][..]));
        assert_eq!(
            report.records,
            open(&disk.fork()).await.unwrap().bounds("t", 0).await.map_or(0, |bounds| bounds.end)
        );
        assert!(files(&disk) == before);
    }
}

#[tokio::test]
async fn every_flipped_bit_is_reported_and_nothing_wrong_is_ever_served() {
    let disk = long().await;
    let there = all(&open(&disk.fork()).await.unwrap()).await;
    let names: Vec<_> =
        disk.names().into_iter().filter(|name| file::number(name).is_some() || name == mark::NAME).collect();
    let mut flips = 0;
    for name in names {
        let whole = disk.get(&path(&name));
        let used = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        for at in 0..used {
            // Between the slots of the mark there is nothing.
            if name == mark::NAME && (32..512).contains(&at) {
                continue;
            }
            flips += 1;
            let disk = disk.fork();
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            disk.put(&path(&name), &bytes);
            let outcome = EmbeddedLog::verify(Path::new(DIRECTORY), disk.world()).await;
            let Ok(report) = outcome else {
                assert!(FORMAT_PLACE.contains(&at), "{name}, byte {at}: {outcome:?}");
                continue;
            };
            assert!(!report.damages.is_empty(), "{name}, byte {at}");
            let log = open(&disk).await.unwrap();
            let (served, refused) = told_apart(&log).await;
            for (text, offset) in there.iter().zip(0_u64..) {
                assert!(
                    refused.contains(&offset) || served.get(&offset) == Some(text),
                    "{name}, byte {at}: {offset}"
                );
            }
            assert!(served.len() >= there.len() - 1, "{name}, byte {at}: {}", served.len());
            assert_eq!(report.is_whole(), served.len() == there.len(), "{name}, byte {at}: {report:?}");
        }
    }
    assert!(flips > 10_000, "{flips}");
}

#[tokio::test]
async fn a_repaired_log_is_read_past_what_is_lost() {
    let disk = long().await;
    let there = all(&open(&disk.fork()).await.unwrap()).await;
    let mut bytes = disk.get(&log_path(2));
    bytes[700] ^= 1;
    disk.put(&log_path(2), &bytes);
    let found = verified(&disk).await;
    assert!(!found.is_whole());
    let report = repaired(&disk).await;
    assert_eq!(report.damages, found.damages);
    let [loss] = report.losses.as_slice() else { panic!("{report:?}") };
    assert_eq!((loss.end - loss.start, loss.accepted), (1, true));
    for _ in 0..2 {
        let log = open(&disk).await.unwrap();
        let mut left = there.clone();
        left.remove(usize::try_from(loss.start).unwrap());
        assert_eq!(all(&log).await, left);
        assert_eq!(log.read("t", 0, loss.start, PLENTY).await.unwrap()[0].offset, loss.end);
        assert_eq!(log.stats().lost_records, 1);
        log.close().await;
        assert!(verified(&disk).await.is_whole());
    }
    // Again changes nothing.
    assert_eq!(repaired(&disk).await, report);
    let log = open(&disk).await.unwrap();
    log.trim("t", 0, loss.end).await.unwrap();
    assert_eq!(log.stats().lost_records, 0);
}

#[tokio::test]
async fn a_repaired_end_is_passed_too() {
    let killed = killed().await;
    let mut bytes = killed.disk.get(&log_path(1));
    // The header of the last frame: which records it held is not known.
    bytes[killed.ends[2] + 20] ^= 1;
    let disk = damaged(&killed, 3, &bytes);
    let report = verified(&disk).await;
    assert!(report.hidden && !report.is_whole(), "{report:?}");
    let log = open(&disk).await.unwrap();
    let next = log.append(vec![batch("t", ["next".to_owned()])]).await.unwrap()[0].start;
    log.close().await;
    let report = verified(&disk).await;
    assert!(!report.hidden && !report.is_whole(), "{report:?}");
    let report = repaired(&disk).await;
    assert_eq!(report.losses.iter().map(|loss| (loss.start, loss.end)).collect::<Vec<_>>(), [(2, next)]);
    assert_eq!(all(&open(&disk).await.unwrap()).await, ["first", "second", "next"]);
}

#[tokio::test]
async fn a_log_in_use_is_not_verified() {
    let disk = long().await;
    let _log = open(&disk).await.unwrap();
    let error = EmbeddedLog::verify(Path::new(DIRECTORY), disk.world()).await.unwrap_err();
    assert!(error.to_string().contains("another engine uses this directory"), "{error}");
    let error = EmbeddedLog::verify(Path::new(DIRECTORY), SimDisk::default().world()).await.unwrap_err();
    assert!(error.to_string().contains("manifest.json is missing"), "{error}");
}

#[tokio::test]
async fn a_stop_while_a_file_is_closed_or_made_ready_loses_nothing() {
    let disk = long().await;
    let last = disk.names().iter().filter_map(|name| file::number(name)).max().unwrap();
    // The footer of the file before the last one was not written, and a file was made ready.
    let bytes = disk.get(&log_path(last - 1));
    let log_end = open(&disk.fork()).await.unwrap().bounds("t", 0).await.unwrap().end;
    let mut open_file = bytes[..bytes.len() - 60].to_vec();
    open_file.resize(4096, 0);
    disk.put(&log_path(last - 1), &open_file);
    let ready = disk.create(&log_path(last + 1)).unwrap();
    ready.allocate(4096).unwrap();
    let log = open(&disk).await.unwrap();
    assert_eq!(log.bounds("t", 0).await.unwrap().end, log_end);
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
