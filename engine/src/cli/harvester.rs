//! `granary harvester`: try a transform, and the expressions of an event type, before they run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use clap::{Args, Subcommand};
use granary_catalog::harvester::{ExpressionsBody, Program, Transform as Definition, TransformBody};
use granary_catalog::{Problem, Report};
use granary_sandbox::{Error, Kind, Options, Runner, Sandbox};
use granary_stream::Headers;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Failure;
use super::belt::local::cache_dir;
use super::client::Target;
use super::remote::Remote;
use crate::harvester::transform::Transform;
use crate::harvester::trial::{Bench, Sample, posted};
use crate::lines::Lines;
use crate::runtimes::{self, Places, Runtimes};
use crate::supervisor::{language, transform_spec};

#[derive(Args)]
pub(super) struct Harvester {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a transform on payloads and print what comes of each; nothing is written
    ///
    /// Without an engine, in the same sandbox, when a script and payloads are given. With --harvester, --last or --stream, in
    /// an engine: on the payloads, or on the last records of a stream. Exits with 1 when a record fails.
    Test(Test),
}

#[derive(Args)]
struct Test {
    /// The script; its language goes by its ending, .groovy, .js or .py
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Language of the script, where its ending does not tell
    #[arg(long)]
    language: Option<String>,
    /// A payload; may be given several times
    #[arg(long, value_name = "TEXT")]
    payload: Vec<String>,
    /// A file with a payload; may be given several times
    #[arg(long, value_name = "FILE")]
    payload_file: Vec<PathBuf>,
    /// The payloads are what trackers post: each becomes the record that the collector makes of it
    #[arg(long)]
    posted: bool,
    /// A JSON file with the expressions that make the headers: the body of an event type, or a part of it
    #[arg(long, value_name = "FILE")]
    expressions: Option<PathBuf>,
    /// In an engine: a harvester whose transform, event type and source stand for what is not given
    #[arg(long, value_name = "NAME")]
    harvester: Option<String>,
    /// In an engine: the last N records of the stream
    #[arg(long, value_name = "N", conflicts_with_all = ["payload", "payload_file"])]
    last: Option<u32>,
    /// In an engine: the stream; that which the harvester reads when missing, or snowplow
    #[arg(long, conflicts_with_all = ["payload", "payload_file"])]
    stream: Option<String>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    /// Where compiled WebAssembly is kept; ~/.cache/granary when missing
    #[arg(long, env = "GRANARY_CACHE_DIR")]
    cache_dir: Option<PathBuf>,
    /// In an engine: project
    #[arg(long, env = "GRANARY_PROJECT")]
    project: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl Harvester {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Test(test) => test.run().await,
        }
    }
}

impl Test {
    async fn run(self) -> Result<(), Failure> {
        let remote = self.harvester.is_some() || self.last.is_some() || self.stream.is_some();
        let answer = if remote { self.in_an_engine().await? } else { self.here().await? };
        if self.json {
            println!("{answer:#}");
        } else {
            print!("{}", shown(&answer));
        }
        let records = answer["records"].as_array().map(Vec::as_slice).unwrap_or_default();
        match records.iter().filter(|record| record["outcome"] == "error").count() {
            0 => Ok(()),
            failed => Err(Failure::Failed(anyhow!("{failed} of {} records failed", records.len()))),
        }
    }

    async fn in_an_engine(&self) -> Result<Value, Failure> {
        let project = self
            .project
            .as_deref()
            .ok_or_else(|| Failure::Usage("which project? Give --project (or GRANARY_PROJECT)".to_owned()))?;
        let mut body = Map::new();
        if let Some(name) = &self.harvester {
            body.insert("harvester".to_owned(), json!(name));
        }
        if let Some(path) = &self.script {
            let transform = json!({"language": self.language_of(path)?, "script": text(path)?});
            body.insert("transform".to_owned(), transform);
        }
        if let Some(path) = &self.expressions {
            let expressions = expressions(path)?;
            body.insert("expressions".to_owned(), Value::Object(expressions));
        }
        let payloads = self.payloads()?;
        if payloads.is_empty() {
            let stream = json!({"name": self.stream, "last": self.last});
            body.insert("stream".to_owned(), stream);
        } else {
            let field = if self.posted { "body" } else { "payload" };
            let record = |payload: &Bytes| match std::str::from_utf8(payload) {
                Ok(text) => Ok(json!({field: text})),
                Err(_) if self.posted => Err(anyhow!("what is posted must be text in UTF-8")),
                Err(_) => {
                    use base64::Engine as _;
                    let text = base64::engine::general_purpose::STANDARD.encode(payload);
                    Ok(json!({"payload": text, "payloadEncoding": "base64"}))
                }
            };
            let records = payloads.iter().map(record).collect::<Result<_, _>>()?;
            body.insert("records".to_owned(), Value::Array(records));
        }
        Remote::of(&self.target, project)?.post("/harvesters/dry-run", &Value::Object(body)).await
    }

    async fn here(&self) -> Result<Value, Failure> {
        let path = self.script.as_deref().ok_or_else(|| {
            Failure::Usage(
                "what is to be tried? Give --script FILE with --payload TEXT or --payload-file FILE, or --harvester NAME \
                 of an engine"
                    .to_owned(),
            )
        })?;
        let payloads = self.payloads()?;
        if payloads.is_empty() {
            return Err(Failure::Usage(
                "on what? Give --payload TEXT or --payload-file FILE, or --last N for the newest records of an engine's \
                 stream"
                    .to_owned(),
            ));
        }
        let mut report = Report::default();
        let mut definition = Definition::default();
        let (language_name, script) = (Some(self.language_of(path)?), Some(text(path)?));
        definition.apply(
            TransformBody { language: language_name, script, ..TransformBody::default() },
            &mut report,
        );
        let metadata = match &self.expressions {
            None => None,
            Some(path) => {
                let given = serde_json::from_value::<ExpressionsBody>(Value::Object(expressions(path)?))
                    .with_context(|| path.display().to_string())?;
                Some(given.over(None, &mut report))
            }
        };
        report.finish(()).map_err(|problems| Failure::Failed(anyhow!("{}", listed(&problems))))?;
        if let Some(obstacle) = definition.obstacle() {
            return Err(Failure::Failed(anyhow!("{obstacle}")));
        }
        let lines = Arc::new(Lines::default());
        let transform = load(&definition.program(), &lines, cache_dir(self.cache_dir.as_deref())?).await?;
        // No log: ids that look random are those of this try.
        let name = (Uuid::new_v4(), "dry-run");
        let mut bench = Bench::new(transform, lines, name, metadata.as_ref()).map_err(|e| anyhow!(e))?;
        let stream: Arc<str> = "payloads".into();
        let mut records = Vec::with_capacity(payloads.len());
        for (offset, payload) in (0..).zip(payloads) {
            let payload = if self.posted { posted(payload) } else { payload };
            let sample = Sample { place: (Arc::clone(&stream), 0, offset), headers: Headers::new(), payload };
            records.push(bench.run(&sample).await?.render());
        }
        Ok(json!({"records": records}))
    }

    fn language_of(&self, script: &Path) -> Result<String, Failure> {
        if let Some(language) = &self.language {
            return Ok(language.clone());
        }
        match script.extension().and_then(|ending| ending.to_str()) {
            Some("groovy" | "gvy") => Ok("groovy".to_owned()),
            Some("py") => Ok("python".to_owned()),
            Some("js") => Ok("javascript".to_owned()),
            _ => Err(Failure::Usage(format!(
                "in which language is {}? Its ending is none of .groovy, .py and .js: give --language",
                script.display()
            ))),
        }
    }

    fn payloads(&self) -> Result<Vec<Bytes>, Failure> {
        let mut payloads: Vec<Bytes> = self.payload.iter().map(|text| Bytes::from(text.clone())).collect();
        for path in &self.payload_file {
            payloads.push(std::fs::read(path).with_context(|| path.display().to_string())?.into());
        }
        Ok(payloads)
    }
}

/// Loads a transform that runs here.
async fn load(program: &Program<'_>, lines: &Arc<Lines>, cache_dir: PathBuf) -> Result<Transform, Failure> {
    if *program == Program::Identity {
        return Ok(Transform::PassThrough);
    }
    let compiled_dir = Some(runtimes::compiled_dir());
    let sandbox = Sandbox::new(Options { compiled_dir, ..Options::of(cache_dir) })?;
    let runtimes = Runtimes::new(sandbox.clone(), Places::default());
    let runtime = runtimes.of(Kind::Transform, language(program)).await.map_err(|e| anyhow!(e))?;
    let log = Arc::clone(lines) as Arc<dyn granary_sandbox::LogSink>;
    let spec = transform_spec(program, log);
    let runner = Runner::new(sandbox, runtime, spec).await.map_err(|error| match error {
        Error::Refused(refusal) => anyhow!("the script is not valid: {refusal}"),
        other => anyhow!(other),
    })?;
    Ok(Transform::Guest(Box::new(runner), None))
}

/// The expressions among the fields of a JSON file.
fn expressions(path: &Path) -> Result<Map<String, Value>, Failure> {
    let fields: Map<String, Value> = serde_json::from_str(&text(path)?)
        .with_context(|| format!("{} must hold a JSON object", path.display()))?;
    let known = ["correlationIdExpression", "eventIdExpression", "timestampExpression", "deletionExpression"];
    Ok(fields.into_iter().filter(|(name, _)| known.contains(&name.as_str())).collect())
}

fn text(path: &Path) -> Result<String, Failure> {
    Ok(std::fs::read_to_string(path).with_context(|| path.display().to_string())?)
}

fn listed(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(|problem| format!("{} {}", problem.name, problem.reason))
        .collect::<Vec<_>>()
        .join("\n")
}

/// An answer for people.
fn shown(answer: &Value) -> String {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut out = String::new();
    for warning in list(&answer["warnings"]) {
        out.push_str(&format!("warning: {}\n", text(&warning)));
    }
    for record in list(&answer["records"]) {
        let source = &record["source"];
        let place = format!("{}/{}@{}", text(&source["stream"]), source["partition"], source["offset"]);
        out.push_str(&format!("{place}: {} ({} ms)\n", text(&record["outcome"]), record["durationMs"]));
        for message in list(&record["messages"]) {
            let kind = if message["deletion"] == true { "deletion " } else { "" };
            out.push_str(&format!("  {kind}{}\n", message["payload"]));
            for (name, value) in message["headers"].as_object().into_iter().flatten() {
                out.push_str(&format!("    {name}: {}\n", text(value)));
            }
        }
        if let Some(error) = record.get("error") {
            out.push_str(&format!("  {}: {}\n", text(&error["type"]), text(&error["message"])));
            for line in text(&error["stacktrace"]).lines() {
                out.push_str(&format!("  | {line}\n"));
            }
        }
        for line in list(&record["logs"]) {
            out.push_str(&format!("  log: {}\n", text(&line)));
        }
    }
    if list(&answer["records"]).is_empty() {
        out.push_str("the stream holds no records\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::shown;

    #[test]
    fn an_answer_is_shown_record_by_record() {
        let answer = json!({"warnings": ["odd"], "records": [
            {"source": {"stream": "s", "partition": 1, "offset": 7}, "outcome": "list", "durationMs": 0.5, "logs": ["info [x] y"],
             "messages": [{"payload": {"a": 1}, "deletion": false, "headers": {"grnry-event-id": "e"}},
                          {"payload": {"correlationId": "c"}, "deletion": true}]},
            {"source": {"stream": "s", "partition": 1, "offset": 8}, "outcome": "error", "durationMs": 1, "logs": [],
             "error": {"type": "E", "message": "no", "stacktrace": "E: no\n\tat run(script:1:2)"}},
        ]});
        let wanted = "warning: odd\n\
                      s/1@7: list (0.5 ms)\n  {\"a\":1}\n    grnry-event-id: e\n  deletion {\"correlationId\":\"c\"}\n  \
                      log: info [x] y\n\
                      s/1@8: error (1 ms)\n  E: no\n  | E: no\n  | \tat run(script:1:2)\n";
        assert_eq!(shown(&answer), wanted);
        assert_eq!(shown(&json!({"records": []})), "the stream holds no records\n");
    }
}
