//! HTTP requests of belts: to the hosts that the belt was granted, and to no others; in each language.

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::http::HeaderMap;
use axum::routing::post;
use granary_tests::node::{Node, Settings, guest};
use granary_tests::project::Project;
use granary_tests::walkthrough::{BELT_BODY, EVENT, Walkthrough, json_of};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Asks a server for the name that it writes, at the address of its variable `URL`, as the guests in the other languages
/// do.
const PYTHON: &str = "\
import os
import requests
from grnry_belt.models.direct_update import DirectUpdate

def execute(event_headers, event_payload):
    answer = requests.post(os.environ['URL'], data='Ada', headers={'X-Asked-By': 'belt'}, timeout=60)
    answer.raise_for_status()
    return [DirectUpdate('livesegment-dataoutp', {
        'id': event_headers['grnry-correlation-id'],
        'firstName': answer.text,
        'lastName': answer.headers['x-answered-by']})]
";
const JAVASCRIPT: &str = include_str!("../guests/outbound-javascript/belt.js");

/// A server that answers what it was sent and who asked, and its `host:port`.
async fn server() -> Result<(JoinHandle<std::io::Result<()>>, String)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let host = listener.local_addr()?.to_string();
    let name = async |headers: HeaderMap, body: String| {
        let by = headers.get("x-asked-by").and_then(|value| value.to_str().ok()).unwrap_or("nobody");
        ([("x-answered-by", "server")], format!("{body}, asked by a {by}"))
    };
    let router = Router::new().route("/name", post(name));
    Ok((tokio::spawn(axum::serve(listener, router).into_future()), host))
}

/// What a belt runs.
#[derive(Clone, Copy)]
enum Program {
    /// Type of the belt, and its source.
    Source(&'static str, &'static str),
    /// File of a component.
    Component(&'static str),
}

impl Program {
    /// The guide's belt with this program.
    async fn belt(self, project: &Project) -> Result<Value> {
        let mut body = json_of(BELT_BODY);
        let fields = body.as_object_mut().context("an object")?;
        match self {
            Self::Source(kind, text) => {
                fields.insert("beltType".to_owned(), json!(kind));
                fields.insert("extractorFn".to_owned(), json!(text));
            }
            Self::Component(file) => {
                let content = Some(("application/wasm", guest(file)?));
                let stored =
                    project.api.send(Method::POST, &project.path("/components"), content).await?.ok()?;
                fields.remove("extractorFn");
                fields.insert("beltType".to_owned(), json!("component"));
                fields.insert("component".to_owned(), stored["sha256"].clone());
            }
        }
        Ok(body)
    }
}

/// A belt reaches the host that it was granted; without the grant, its events are dead letters that name it.
async fn reaches(program: Program) -> Result<()> {
    let (server, host) = server().await?;
    let arguments = vec!["--outbound-hosts".to_owned(), host.clone()];
    let node = Node::start_with(Settings { arguments, ..Settings::default() }).await?;
    let project = Walkthrough::harvester(&node.api()?).await?;
    let mut body = program.belt(&project).await?;
    let variables = json!({"extraEnv": [{"name": "URL", "value": format!("http://{host}/name")}]});
    body["extraEnv"] = json!(variables.to_string());
    body["outboundHosts"] = json!([host]);
    let belt = project.create_belt(&body).await?;
    project.run_belt(&belt).await?;
    let walk = Walkthrough { project, belt };
    let project = &walk.project;
    let path = project.belt_path(&walk.belt);
    let stored = project.api.get(&path).await?.ok()?;
    assert_eq!(stored["outboundHosts"], json!([host]));
    project.api.event(EVENT).await?;
    walk.await_rows(1).await?;
    let names = project.sql(&format!("select \"firstName\", \"lastName\" from {}", walk.table())).await?;
    assert_eq!(names.rows, [[json!("Ada, asked by a belt"), json!("server")]]);

    // The same belt without the grant: a dead letter that names the host, and what to do.
    body["outboundHosts"] = json!([]);
    project.api.put(&format!("{path}?apply=true"), &body).await?.ok()?;
    project.api.event(EVENT).await?;
    let letters = project.await_dead_letters(&walk.belt_dead_letters(), 1).await?;
    let told = letters[0].everything();
    ensure!(told.contains(&host) && told.contains("outboundHosts"), "{told}");

    // What the operator does not allow cannot be granted at all.
    body["outboundHosts"] = json!(["example.org"]);
    let refused = project.api.put(&path, &body).await?;
    let refused = refused.refused(400, "bad_parameter_value", &["example.org"])?;
    refused["invalidParams"].as_array().context("problems")?;
    server.abort();
    Ok(())
}

#[tokio::test]
async fn a_python_belt_reaches_the_host_that_it_was_granted_and_no_other() -> Result<()> {
    reaches(Program::Source("python-callback", PYTHON)).await
}

#[tokio::test]
async fn a_javascript_belt_reaches_the_host_that_it_was_granted_and_no_other() -> Result<()> {
    reaches(Program::Source("javascript-callback", JAVASCRIPT)).await
}

#[tokio::test]
async fn a_compiled_belt_reaches_the_host_that_it_was_granted_and_no_other() -> Result<()> {
    reaches(Program::Component("outbound-rust.wasm")).await
}
