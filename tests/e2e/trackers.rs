//! Snowplow's own trackers, unchanged: what they track is what the eventstore has, each event once, also when answers are lost
//! and the collector is killed meanwhile.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use granary_tests::event;
use granary_tests::lossy::Lossy;
use granary_tests::node::{Node, Settings, repository};
use granary_tests::project::{Project, base64_decode};
use granary_tests::wait::{Look, PATIENCE, await_condition};
use granary_tests::walkthrough::json_of;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// What all of them track.
const EVENTS: &str = include_str!("../trackers/events.json");
const TRANSFORM: &str = include_str!("../trackers/transform.groovy");
/// The user of a client that asks not to be known.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// Set where the browser is to be part of it.
const BROWSER: &str = "GRANARY_TEST_BROWSER";

/// How long the collector is away.
fn outage() -> Result<Duration> {
    let seconds = std::env::var("GRANARY_TEST_OUTAGE_SECONDS").unwrap_or_else(|_| "3".to_owned());
    Ok(Duration::from_secs(seconds.parse().context("GRANARY_TEST_OUTAGE_SECONDS")?))
}

/// An engine whose harvester makes an event of each that a tracker sends.
struct Pipeline {
    node: Node,
    project: Project,
    event_type: String,
}

impl Pipeline {
    async fn start() -> Result<Self> {
        let arguments = ["--collector-cookie", "sp"].map(str::to_owned).to_vec();
        let node = Node::start_with(Settings { arguments, ..Settings::default() }).await?;
        let project = Project::create(&node.api()?, "trackers").await?;
        // The row of an event is the one of its user and id, however often it comes.
        let event_type = project
            .create_event_type(&json!({
                "displayName": "tracked",
                "type": "data_in",
                "eventIdExpression": "#jsonPath(payload, 'event.eid')",
                "correlationIdExpression": "#safeJsonPath(payload, 'event.uid') ?: 'nobody'",
                "timestampExpression": "#nowMillis()",
                "eventstoreTTL": "P100Y",
            }))
            .await?;
        let persister = format!("{}/state", project.data_in_persister_path(&event_type));
        project.api.await_status(&persister, "RUNNING").await?;
        let harvester = project
            .create_harvester(&json!({
                "displayName": "trackers",
                "sourceType": {"name": "grnry-topic", "version": "latest"},
                "transform": {
                    "app": "grnry-scriptable",
                    "version": "latest",
                    "language": "groovy",
                    "script": TRANSFORM,
                },
                "eventType": {"name": event_type, "version": "1"},
            }))
            .await?;
        project.run_harvester(&harvester).await?;
        Ok(Self { node, project, event_type })
    }

    async fn restart(&mut self) -> Result<()> {
        self.node.restart().await?;
        self.project.api = self.node.api()?;
        Ok(())
    }

    /// The rows by the id of their event, once everything that was stored is through and there are so many.
    async fn rows(&self, expected: usize) -> Result<BTreeMap<String, Value>> {
        let view = self.project.eventstore(&self.event_type);
        self.project.await_rows(&view, u64::try_from(expected)?).await?;
        // More would be rows of what is still under way.
        for stream in ["snowplow".to_owned(), format!("grnry_data_in_{}", self.event_type)] {
            self.await_read(&stream).await?;
        }
        ensure!(self.project.dead_letter_count().await? == 0, "no event should be a dead letter");
        let table = self.project.sql(&format!("select event_id, message from {view}")).await?;
        ensure!(table.rows.len() == expected, "expected {expected} rows, got {}", table.rows.len());
        table
            .rows
            .into_iter()
            .map(|row| {
                let [id, message] = <[Value; 2]>::try_from(row).ok().context("two columns")?;
                Ok((id.as_str().context("an id")?.to_owned(), message))
            })
            .collect()
    }

    /// Waits until everybody who reads a stream is at its end.
    async fn await_read(&self, stream: &str) -> Result<()> {
        await_condition(&format!("{stream} to be read to its end"), PATIENCE, async || {
            let body = self.project.api.get(&format!("/streams/{stream}")).await?.ok()?;
            let readers = body["readers"].as_array().with_context(|| format!("readers in {body}"))?;
            let done = !readers.is_empty() && readers.iter().all(|reader| reader["lag"] == 0);
            Ok(Look::from_option(done.then_some(()), body["readers"].to_string()))
        })
        .await
    }
}

/// One of the programs in `tests/trackers`, running.
struct Tracker {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    errors: NamedTempFile,
}

/// Where `scripts/trackers.sh` puts what a client needs; `None`, with a line that says why, where this machine cannot have it.
async fn arrange(client: &str) -> Result<Option<PathBuf>> {
    // A browser is a lot to fetch for one test.
    if client == "browser" && std::env::var_os(BROWSER).is_none() {
        eprintln!("skipped: the {client} tracker: `make test-trackers` runs it (it sets {BROWSER})");
        return Ok(None);
    }
    let output = Command::new(repository().join("scripts/trackers.sh"))
        .arg(client)
        .stdin(Stdio::null())
        .output()
        .await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => Ok(Some(repository().join(".granary/trackers"))),
        Some(3) => {
            eprintln!("skipped: the {client} tracker: {}", errors.trim());
            Ok(None)
        }
        _ => bail!("scripts/trackers.sh {client} ended with {}: {errors}", output.status),
    }
}

impl Tracker {
    /// Starts a program with its arguments behind the collector's address.
    fn start(program: &Path, source: &str, arguments: &[PathBuf], url: &str) -> Result<Self> {
        let errors = NamedTempFile::new()?;
        let mut child = Command::new(program)
            .arg(repository().join("tests/trackers").join(source))
            .arg(url)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors.reopen()?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("could not start {}", program.display()))?;
        let stdout = child.stdout.take().context("its output")?;
        Ok(Self { child, lines: BufReader::new(stdout).lines(), errors })
    }

    /// The next line, which must be about `what`.
    async fn says(&mut self, what: &str) -> Result<Value> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        let errors = || std::fs::read_to_string(self.errors.path()).unwrap_or_default();
        let line = line
            .with_context(|| format!("the tracker should say {what:?} within {PATIENCE:?}: {}", errors()))??
            .with_context(|| format!("the tracker should say {what:?}, and ended: {}", errors()))?;
        let said = json_of(&line);
        ensure!(!said[what].is_null(), "the tracker should say {what:?}, and said {line}");
        Ok(said)
    }

    async fn ends(mut self) -> Result<()> {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.context("it should end")??;
        ensure!(status.success(), "the tracker ended with {status}");
        Ok(())
    }
}

/// Lets a tracker track before, during and after an outage in which answers are lost, and answers what it said in the end.
async fn through_an_outage(
    pipeline: &mut Pipeline,
    start: impl FnOnce(&str) -> Result<Tracker>,
) -> Result<Value> {
    let proxy = Lossy::before(pipeline.node.address()).await?;
    let mut tracker = start(&proxy.url())?;
    tracker.says("steady").await?;
    // What is posted now is stored, and sent again because the tracker does not hear of it.
    proxy.lose_answers(true);
    let failed = tracker.says("failed").await?;
    ensure!(failed["failed"] == true, "a lost answer should be a failure to the tracker");
    await_condition("an event to be stored without its tracker hearing of it", PATIENCE, async || {
        Ok(Look::from_option((proxy.lost() > 0).then_some(()), "no such answer was lost"))
    })
    .await?;
    pipeline.node.kill().await?;
    // How long it lasts is part of the story.
    tokio::time::sleep(outage()?).await;
    pipeline.restart().await?;
    proxy.lead_to(pipeline.node.address());
    proxy.lose_answers(false);
    let said = tracker.says("tracked").await?;
    tracker.ends().await?;
    Ok(said)
}

/// The list of events below a name.
fn list<'a>(said: &'a Value, name: &str) -> Result<&'a [Value]> {
    said[name].as_array().map(Vec::as_slice).with_context(|| format!("a list {name:?} in {said}"))
}

/// The text of a field.
fn text<'a>(event: &'a Value, name: &str) -> Result<&'a str> {
    event[name].as_str().with_context(|| format!("a text {name:?} in {event}"))
}

/// Compares what arrived with what was tracked, field by field. The tracker adds the time of sending (`stm`) later.
fn compare(rows: &BTreeMap<String, Value>, tracked: &[Value]) -> Result<()> {
    for event in tracked {
        let row = rows.get(text(event, "eid")?).with_context(|| format!("there is no row of {event}"))?;
        let mut arrived = row["event"].as_object().context("an event")?.clone();
        arrived.remove("stm");
        let tracked = event.as_object().context("an event")?;
        for name in tracked.keys().chain(arrived.keys()) {
            let (expected, got) = (tracked.get(name), arrived.get(name));
            ensure!(expected == got, "{name:?} should be {expected:?}, got {got:?} in {event}");
        }
    }
    Ok(())
}

/// JSON in a field, or in Base64 in another.
fn embedded(event: &Value, plain: &str, encoded: &str) -> Result<Value> {
    if let Some(text) = event[plain].as_str() {
        return Ok(serde_json::from_str(text)?);
    }
    let bytes =
        base64_decode(text(event, encoded)?).with_context(|| format!("Base64 in {encoded}: {event}"))?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// Whether what the tracker made is what it was asked for: one event of each kind by POST, one by GET, and the numbered ones.
fn check_request(tracked: &[Value], events: &Value) -> Result<()> {
    let of_kind = |kind: &'static str| tracked.iter().filter(move |event| event["e"] == kind);
    for event in tracked {
        ensure!(event["aid"] == events["appId"] && event["uid"] == events["userId"], "whose is {event}?");
    }
    ensure!(of_kind("pv").count() == 2 && of_kind("ue").count() == 2, "two of each kind in {tracked:?}");
    let view = &events["pageView"];
    for event in of_kind("pv") {
        let found = [&event["url"], &event["page"], &event["refr"]];
        ensure!(found == [&view["url"], &view["title"], &view["referrer"]], "{event}");
    }
    for event in of_kind("ue") {
        ensure!(embedded(event, "ue_pr", "ue_px")?["data"] == events["selfDescribing"], "{event}");
    }
    for event in of_kind("pv").chain(of_kind("ue")) {
        let contexts = embedded(event, "co", "cx")?;
        ensure!(list(&contexts, "data")?.contains(&events["context"]), "{event}");
    }
    let structured = &events["structured"];
    let value = structured["value"].to_string();
    for event in of_kind("se") {
        let found = [&event["se_ca"], &event["se_ac"], &event["se_la"]];
        ensure!(found == [&structured["category"], &structured["action"], &structured["label"]], "{event}");
        ensure!(event["se_va"] == value, "{event}");
    }
    let with = |property: &Value| of_kind("se").filter(|event| event["se_pr"] == *property).count();
    ensure!(with(&structured["property"]) == 2, "two structured events with a strange text");
    for number in 0..events["batch"].as_u64().context("a number")? {
        for name in ["batch", "away"] {
            let property = json!(format!("{name} {number}"));
            ensure!(with(&property) == 1, "{property} should be tracked once");
        }
    }
    Ok(())
}

/// Whether events came both ways.
fn check_paths(rows: &BTreeMap<String, Value>) -> Result<()> {
    for path in ["/com.snowplowanalytics.snowplow/tp2", "/i"] {
        ensure!(rows.values().any(|row| row["path"] == path), "something should have come to {path}");
    }
    Ok(())
}

/// The story of a tracker that runs on a server.
async fn on_a_server(start: impl FnOnce(&str) -> Result<Tracker>) -> Result<()> {
    let mut pipeline = Pipeline::start().await?;
    let said = through_an_outage(&mut pipeline, start).await?;
    let tracked = list(&said, "tracked")?;
    check_request(tracked, &json_of(EVENTS))?;
    let rows = pipeline.rows(tracked.len()).await?;
    compare(&rows, tracked)?;
    check_paths(&rows)
}

#[tokio::test]
async fn events_of_the_python_tracker_become_rows_once_through_an_outage() -> Result<()> {
    let Some(folder) = arrange("python").await? else { return Ok(()) };
    on_a_server(|url| Tracker::start(&folder.join("venv/bin/python"), "python.py", &[], url)).await
}

#[tokio::test]
async fn events_of_the_node_tracker_become_rows_once_through_an_outage() -> Result<()> {
    let Some(folder) = arrange("node").await? else { return Ok(()) };
    on_a_server(|url| Tracker::start("node".as_ref(), "node.mjs", &[folder.join("node")], url)).await
}

#[tokio::test]
async fn events_of_a_browser_on_other_sites_become_rows_of_one_visitor_through_an_outage() -> Result<()> {
    let Some(folder) = arrange("browser").await? else { return Ok(()) };
    let mut pipeline = Pipeline::start().await?;
    let arguments = [folder.join("node"), folder.join("chromium/chromium")];
    let said = through_an_outage(&mut pipeline, |url| {
        Tracker::start("node".as_ref(), "browser.mjs", &arguments, url)
    })
    .await?;
    let (tracked, anonymous) = (list(&said, "tracked")?, list(&said["anonymous"], "tracked")?);
    check_request(tracked, &json_of(EVENTS))?;
    let rows = pipeline.rows(tracked.len() + anonymous.len()).await?;
    compare(&rows, tracked)?;
    compare(&rows, anonymous)?;
    check_paths(&rows)?;

    // The collector's cookie makes them one visitor on all sites, before and after the outage.
    let [cookie] = list(&said, "cookies")? else { bail!("one cookie, not {}", said["cookies"]) };
    let visitor = &cookie["value"];
    let expected = json!({
        "name": "sp",
        "value": visitor,
        "httpOnly": true,
        "secure": true,
        "sameSite": "None",
        "path": "/",
    });
    ensure!(*cookie == expected, "the cookie should be {expected}, not {cookie}");
    ensure!(said["cookiesAfter"] == said["cookies"], "the cookie should stay the same: {said}");
    // Somebody who asks for it stays unknown, and gets no cookie.
    ensure!(anonymous.len() == 3, "an event of each kind, not {anonymous:?}");
    ensure!(said["anonymous"]["cookies"] == json!([]), "no cookie, not {}", said["anonymous"]["cookies"]);
    for (events, id) in [(tracked, visitor), (anonymous, &json!(NOBODY))] {
        for event in events {
            let row = &rows[text(event, "eid")?];
            ensure!(row["networkUserId"] == *id, "the visitor should be {id}: {row}");
            ensure!(text(row, "userAgent")?.contains("Chrome/"), "{row}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_whole_buffer_of_a_tracker_in_one_post_becomes_rows_event_by_event() -> Result<()> {
    const COUNT: usize = 10_000;
    let pipeline = Pipeline::start().await?;
    let events = event::structured(COUNT);
    let body = event::buffer(&events);
    ensure!(body.len() > 19_500_000, "the body should have 20 MB, not {}", body.len());
    pipeline.project.api.event(body).await?;
    let rows = pipeline.rows(COUNT).await?;
    compare(&rows, &events)
}
