//! `neighbour_p99_rise`: from acknowledgement to row at 500 events/s through a belt whose neighbour is attacked, as a
//! ratio to the same without the attack.
//!
//! Beside it stands what a program that has nothing to do with the engine does to the same figure when it keeps one
//! processor busy: that is the machine's part, and no sandbox takes it away.
//!
//! The neighbour gets the same events. One after the other they are an endless loop, memory without end, recursion
//! without end, and a flood of log lines; each is ended after a second at the latest.

use anyhow::Result;
use granary_tests::figure::{Bar, Figure, median};
use granary_tests::pipeline::{Pipeline, RowId};
use granary_tests::postgres;
use granary_tests::walkthrough::{BELT_BODY, json_of};
use serde_json::json;
use tokio::process::Command;

use crate::Size;
use crate::end_to_end::latency;

const ATTACK: &str = "\
count = 0

def endless():
    return endless()

def execute(event_headers, event_payload):
    global count
    count += 1
    kind = (int(event_payload['clientId'].rsplit('-', 1)[-1]) + count) % 4
    if kind == 0:
        while True:
            pass
    if kind == 1:
        hoard = []
        while True:
            hoard.append(bytearray(1 << 20))
    if kind == 2:
        endless()
    while True:
        print('x' * 1000)
";

pub(crate) async fn measure(size: Size) -> Result<Vec<Figure>> {
    let node = crate::node().await?;
    let pipeline = Pipeline::run(&node.api()?, RowId::Client).await?;
    let database = postgres::superuser(node.data_dir()).await?;
    let project = &pipeline.project;
    let mut body = json_of(BELT_BODY);
    body["name"] = json!("attacked");
    body["eventTypes"] = json!([pipeline.input]);
    body["outputTypes"] = json!([{"name": pipeline.output, "version": "latest"}]);
    body["extractorFn"] = json!(ATTACK);
    let environment = json!({"extraEnv": [{"name": "CALLBACK_TIMEOUT_SEC", "value": "1"}]});
    body["extraEnv"] = json!(environment.to_string());
    let attacked = project.belt_path(&project.create_belt(&body).await?);
    let table = pipeline.table();
    let run = async |name: &str| latency(&node, &database, &table, name, size.run * 2).await;
    run("warm").await?;
    let (mut calm, mut beside, mut rise, mut foreign) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for n in 0..size.runs {
        let (_, alone) = run(&format!("calm{n}")).await?;
        project.run(&attacked).await?;
        let (_, with_attack) = run(&format!("attack{n}")).await?;
        project.halt(&attacked).await?;
        let mut stranger = Command::new(std::env::current_exe()?).arg("--spin").kill_on_drop(true).spawn()?;
        let (_, with_stranger) = run(&format!("foreign{n}")).await?;
        stranger.kill().await?;
        calm.push(alone);
        beside.push(with_attack);
        rise.push(with_attack / alone);
        foreign.push(with_stranger / alone);
    }
    let figure = |name, value, unit, bar| Figure { name, value, unit, bar };
    Ok(vec![
        figure("neighbour_calm_p99_ms", median(&calm), "ms", None),
        figure("neighbour_attacked_p99_ms", median(&beside), "ms", None),
        figure("foreign_load_p99_rise", median(&foreign), "ratio", None),
        figure("neighbour_p99_rise", median(&rise), "ratio", Some(Bar::AtMost(1.2))),
    ])
}
