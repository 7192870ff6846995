//! A long harvest: a million records go through a harvester whose script throws for one of a thousand. The dead letters must
//! be exactly those, each with the bytes of its record, in the order of each partition; every other record is an event.
//!
//! ```text
//! harvest [--events 1000000] [--one-of 1000]
//! ```

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use granary_collector::CollectorPayload;
use granary_tests::event;
use granary_tests::load::{self, Plan};
use granary_tests::node::{Node, Settings, target_dir};
use granary_tests::project::{DeadLetter, Project};
use granary_tests::wait::{Look, await_condition};
use granary_tests::walkthrough::{HARVESTER_BODY, INPUT, INPUT_BODY, Walkthrough, json_of};
use serde_json::json;
use tokio::time::Instant;

/// How long the harvester may work on after the last record was taken.
const PATIENCE: Duration = Duration::from_secs(900);
const CONNECTIONS: usize = 64;

/// Harvests a million records, some of which fail, and audits the dead letters.
#[derive(Parser)]
struct Arguments {
    /// Records
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Of so many records, one fails; a thousand letters at most can be looked at
    #[arg(long, default_value_t = 1_000)]
    one_of: u64,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let Arguments { events, one_of } = Arguments::parse();
    let failing = events / one_of;
    ensure!(
        (1..=1_000).contains(&failing),
        "{failing} records would fail; give numbers that make 1 to 1,000"
    );
    let scratch = target_dir().join("bench");
    std::fs::create_dir_all(&scratch)?;
    let node = Node::start_with(Settings { scratch: Some(scratch), ..Settings::default() }).await?;
    let project = Walkthrough::project(&node.api()?).await?;
    project.create_event_type(&json_of(INPUT_BODY)).await?;
    let mut body = json_of(HARVESTER_BODY);
    // Texts end in the number of the event.
    body["transform"]["script"] = json!(format!(
        "import io.grnry.scdfapps.scriptable.snowplow.SnowplowSerDe\nimport groovy.json.JsonSlurper\n\
         def body = SnowplowSerDe.deserialize(payload).getBody()\n\
         def number = new JsonSlurper().parseText(body).lastName.split(' ')[1] as int\n\
         if (number % {one_of} == {last}) throw new IllegalStateException(\"refused $number\")\n\
         return body\n",
        last = one_of - 1
    ));
    let harvester = project.create_harvester(&body).await?;
    project.run_harvester(&harvester).await?;
    println!("harvest: posting {events} events, {failing} of which the script refuses");
    let begun = Instant::now();
    let plan = Plan::events(events, CONNECTIONS);
    let report = load::run(load::fixed(node.address()), plan, event::guide, |_| {}).await?;
    report.all_acknowledged()?;
    println!("harvest: all acknowledged, {:.0} per second", report.per_second());
    await_condition("the eventstore to hold the others", PATIENCE, async || {
        let rows = project.rows_in(&project.eventstore(INPUT)).await?;
        let dead = project.dead_letter_count().await?;
        ensure!(
            rows <= events - failing && dead <= failing,
            "{rows} events and {dead} dead letters are too many"
        );
        let done = rows == events - failing && dead == failing;
        Ok(Look::from_option(done.then_some(()), format!("{rows} events, {dead} dead letters")))
    })
    .await?;
    println!("harvest: everything came out {:.0} s after the first post", begun.elapsed().as_secs_f64());
    match audit(&project, one_of, failing).await {
        Ok(()) => {
            println!(
                "harvest: the {failing} dead letters are the refused records, byte for byte and in order"
            );
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            println!("harvest: FAILED: {error:#}");
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn audit(project: &Project, one_of: u64, failing: u64) -> Result<()> {
    let letters = project.dead_letters(&Walkthrough::harvester_dead_letters()).await?;
    ensure!(letters.len() as u64 == failing, "{} letters are listed", letters.len());
    let mut numbers = Vec::new();
    let mut before: BTreeMap<u64, u64> = BTreeMap::new();
    for letter in &letters {
        let place = &letter.body["source"];
        let number = |name: &str| place[name].as_u64().with_context(|| format!("a {name} in {place}"));
        let (partition, offset) = (number("partition")?, number("offset")?);
        if let Some(before) = before.insert(partition, offset)
            && before >= offset
        {
            bail!("partition {partition}: offset {offset} was written behind {before}");
        }
        let bytes = letter.payload_bytes()?;
        ensure!(
            bytes == stored(project, partition, offset).await?,
            "{place}: the bytes are not those of the record"
        );
        numbers.push(number_of(letter, &bytes)?);
    }
    numbers.sort_unstable();
    let wanted: Vec<u64> = (0..failing).map(|nth| nth * one_of + one_of - 1).collect();
    ensure!(numbers == wanted, "other records than those that the script refuses are dead letters");
    Ok(())
}

/// The number of the event in a letter, which its reason names too.
fn number_of(letter: &DeadLetter, bytes: &[u8]) -> Result<u64> {
    let body = CollectorPayload::decode(bytes)?.body.context("a body")?;
    let event: serde_json::Value = serde_json::from_slice(&body)?;
    let number = event["lastName"]
        .as_str()
        .and_then(event::number_of)
        .with_context(|| format!("a number in {event}"))?;
    ensure!(letter.reason() == format!("refused {number}"), "event {number}: {:?}", letter.reason());
    Ok(number)
}

/// The record of the stream at a place.
async fn stored(project: &Project, partition: u64, offset: u64) -> Result<Vec<u8>> {
    let path = format!("/streams/snowplow/records?partition={partition}&from={offset}&limit=1");
    let answer = project.api.get(&path).await?.ok()?;
    let record = &answer["records"][0];
    ensure!(
        record["offset"] == offset,
        "the record at offset {offset} of partition {partition} is not there"
    );
    DeadLetter { body: record.clone() }.payload_bytes()
}
