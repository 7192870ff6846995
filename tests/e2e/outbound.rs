//! HTTP requests of belts: to the hosts that the belt was granted, and to no others.

use anyhow::{Context, Result, ensure};
use axum::{Router, routing::get};
use granary_tests::node::{Node, Settings};
use granary_tests::walkthrough::{EVENT, Walkthrough, belt_with};
use serde_json::json;
use tokio::net::TcpListener;

/// A callback that asks a server for the name that it writes.
fn callback(url: &str) -> String {
    format!(
        "\
import requests
from grnry_belt.models.direct_update import DirectUpdate

def execute(event_headers, event_payload):
    answer = requests.get('{url}', headers={{'X-Asked-By': 'belt'}}, timeout=2)
    answer.raise_for_status()
    return [DirectUpdate('livesegment-dataoutp', {{
        'id': event_headers['grnry-correlation-id'], 'firstName': answer.text, 'lastName': 'x', 'fullName': 'x'}})]
"
    )
}

#[tokio::test]
async fn a_belt_reaches_the_host_that_it_was_granted_and_no_other() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let host = listener.local_addr()?.to_string();
    let server = Router::new().route("/name", get(async || "Ada"));
    let server = tokio::spawn(axum::serve(listener, server).into_future());

    let arguments = vec!["--outbound-hosts".to_owned(), host.clone()];
    let node = Node::start_with(Settings { arguments, ..Settings::default() }).await?;
    let mut body = belt_with(&callback(&format!("http://{host}/name")));
    body["outboundHosts"] = json!([host]);
    let walk = Walkthrough::run_with(&node.api()?, &body).await?;
    let project = &walk.project;
    let path = project.belt_path(&walk.belt);
    let stored = project.api.get(&path).await?.ok()?;
    assert_eq!(stored["outboundHosts"], json!([host]));
    project.api.event(EVENT).await?;
    walk.await_rows(1).await?;
    let names = project.sql(&format!("select * from {}", walk.table())).await?;
    ensure!(names.rows[0].contains(&json!("Ada")), "{names:?}");

    // The same callback without the grant: a dead letter that names the host.
    body["outboundHosts"] = json!([]);
    project.api.put(&format!("{path}?apply=true"), &body).await?.ok()?;
    project.api.event(EVENT).await?;
    let letters = project.await_dead_letters(&walk.belt_dead_letters(), 1).await?;
    let told = letters[0].everything();
    ensure!(told.contains("127.0.0.1") && told.contains("outboundHosts"), "{told}");

    // What the operator does not allow cannot be granted at all.
    body["outboundHosts"] = json!(["example.org"]);
    let refused = project.api.put(&path, &body).await?;
    let refused = refused.refused(400, "bad_parameter_value", &["example.org"])?;
    refused["invalidParams"].as_array().context("problems")?;
    server.abort();
    Ok(())
}
