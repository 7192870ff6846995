//! From a stored definition to a stage that can run.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use granary_catalog::event_type::{PARTITIONS_DEFAULT, RETENTION_MS_DEFAULT};
use granary_catalog::harvester::Program;
use granary_catalog::{
    Belt, EventKind, EventType, Harvester, Object, Persister, SecretValues, StartPosition, VersionChoice,
    VersionRef,
};
use granary_db::definitions;
use granary_sandbox::{
    Component, Crew, HttpClient, Kind, Language, Level, LogSink, NoHttp, NoMetrics, Runner, ScriptSpec,
};
use granary_stream::{StreamLog, TopicSpec};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::Inner;
use crate::belt::figures::Figures;
use crate::belt::meter::Meter;
use crate::belt::routing::{self, RawTopic, Routes, Target};
use crate::harvester::extractor::Extractor;
use crate::harvester::transform::Transform;
use crate::object_log::Ring;
use crate::secrets::Mask;
use crate::stage::worker::{Shared, Source, Spec, Start};
use crate::stage::{Error, Process};
use crate::{belt, harvester, persister};

/// Stream of the profile updates.
pub(super) const PROFILE_UPDATE_TOPIC: &str = "profile-update";
/// Memory that a transform may take, and the time of one call. Belts set their own.
pub(super) const TRANSFORM_MEMORY_BYTES_MAX: usize = 512 << 20;
/// Longest time of one call of a transform.
pub(super) const TRANSFORM_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);
/// Longest time that loading a script may take.
pub(super) const INIT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// What the worker runs.
type Built = (Spec, Box<dyn Process>);

/// Loads the definition and builds the stage.
pub(super) async fn build(
    inner: &Inner,
    object: &Object,
    from: Option<StartPosition>,
    stop: &CancellationToken,
) -> Result<Built, Error> {
    match object {
        Object::Harvester(name) => build_harvester(inner, object, name, from).await,
        Object::Belt(id) => build_belt(inner, object, *id, from, stop).await,
        Object::DataInPersister(name) => build_persister(inner, object, name, EventKind::DataIn).await,
        Object::LiveSegmentPersister(name) => {
            build_persister(inner, object, name, EventKind::LiveSegment).await
        }
    }
}

/// Puts existing cursors of the stage where its start position says.
pub(super) async fn move_cursors(shared: &Shared, spec: &Spec) -> Result<(), Error> {
    granary_db::cursors::delete_stage(&shared.db, &spec.id).await?;
    Ok(())
}

async fn build_harvester(
    inner: &Inner,
    object: &Object,
    name: &str,
    from: Option<StartPosition>,
) -> Result<Built, Error> {
    let Shared { log, db, .. } = &inner.shared;
    let client = db.client().await?;
    let stored: Harvester = definitions::harvester::get(&client, name)
        .await?
        .ok_or_else(|| Error::Final(format!("the harvester '{name}' is not there any more")))?
        .definition;
    if let Some(obstacle) = stored.start_obstacle() {
        return Err(Error::Final(obstacle));
    }
    let target = event_type(inner, &stored.event_type).await?;
    let (topic, partitions) = ensure_topic(log, &target).await?;
    let input = stored.input_topic();
    let source_partitions = log
        .topics()
        .get(&input)
        .map(|t| t.partitions)
        .ok_or_else(|| Error::Final(format!("the source topic '{input}' does not exist")))?;
    let transform_log = inner.logs.ring(&object.stage_id(), "transform");
    let sink = Arc::new(RingSink::new(transform_log.clone()));
    let transform =
        match inner.transform(&stored.project, &stored.transform, sink).await.map_err(Error::Final)? {
            None => Transform::PassThrough,
            Some((component, spec)) => {
                let runner = Runner::new(inner.runtimes.sandbox().clone(), component, spec)
                    .await
                    .map_err(script_error)?;
                Transform::Guest(Box::new(runner), Some(Meter::new("harvester", &stored.project, name)))
            }
        };
    let extractor = Extractor::new(log.id(), name, &(&target).into()).map_err(Error::Final)?;
    let spec = Spec {
        id: object.stage_id(),
        kind: "harvester",
        project: stored.project.clone(),
        object: name.to_owned(),
        version: u64::from(stored.version),
        sources: vec![Source {
            ranged: !matches!(input.as_str(), granary_collector::TOPIC | granary_collector::BAD_TOPIC),
            topic: input.into(),
            partitions: source_partitions,
        }],
        start: start(from, if stored.starts_at_earliest() { Start::Earliest } else { Start::Latest }),
        dead_letter_stream: object.dead_letter_stream(),
        turn: None,
        totals: inner.totals(object),
    };
    let extractor_log = inner.logs.ring(&object.stage_id(), "metadataExtractor");
    let process =
        harvester::Harvester::new(transform, extractor, topic, partitions, transform_log, extractor_log);
    Ok((spec, Box::new(process)))
}

async fn build_belt(
    inner: &Inner,
    object: &Object,
    id: i64,
    from: Option<StartPosition>,
    stop: &CancellationToken,
) -> Result<Built, Error> {
    let Shared { log, db, .. } = &inner.shared;
    let client = db.client().await?;
    let stored: Belt = definitions::belt::get(&client, id)
        .await?
        .ok_or_else(|| Error::Final(format!("the belt {id} is not there any more")))?
        .definition;
    if let Some(obstacle) = stored.start_obstacle() {
        return Err(Error::Final(obstacle));
    }
    let secrets = inner.secrets.of(&client, &stored).await?;
    let mask = Mask::of(&secrets);
    drop(client);
    let mut sources = Vec::new();
    for name in &stored.event_types {
        let input =
            event_type(inner, &VersionRef { name: name.clone(), version: VersionChoice::Latest }).await?;
        let (topic, partitions) = ensure_topic(log, &input).await?;
        sources.push(Source { topic, partitions, ranged: true });
    }
    let mut targets = BTreeMap::new();
    let mut outputs = Vec::new();
    for output in &stored.output_types {
        let target = event_type(inner, output).await?;
        outputs.push((target.name.clone(), target.kind));
        let (kind, (topic, partitions)) = match target.kind {
            EventKind::LiveSegment => (routing::Kind::LiveSegment, ensure_topic(log, &target).await?),
            EventKind::DataIn => (routing::Kind::DataIn, ensure_topic(log, &target).await?),
            EventKind::Profile => (routing::Kind::Profile, raw_topic(log, PROFILE_UPDATE_TOPIC).await?),
            other => {
                return Err(Error::Final(format!(
                    "the output type '{}' is of kind {}, which a belt cannot write",
                    target.name,
                    other.as_str()
                )));
            }
        };
        targets.insert(target.name.clone(), Target { kind, topic, partitions, version: target.version });
    }
    let (topic, partitions) = raw_topic(log, PROFILE_UPDATE_TOPIC).await?;
    let profile_updates = RawTopic { topic, partitions };
    let generic = if targets.is_empty() {
        let name = stored.kafka_destination_topic.as_deref().unwrap_or(PROFILE_UPDATE_TOPIC);
        let (topic, partitions) = raw_topic(log, name).await?;
        Some(RawTopic { topic, partitions })
    } else {
        None
    };
    let ring = inner.logs.ring(&object.stage_id(), "callback");
    let packages = inner.packages(&stored).await.map_err(Error::Final)?;
    let sink = Arc::new(RingSink::masked(ring.clone(), mask.clone()));
    let http = inner.outbound.of(&stored);
    let script = ScriptSpec { packages, ..belt_spec(&stored, &outputs, &secrets, sink, http) };
    let component = match stored.program() {
        granary_catalog::belt::Program::Component(hash) => inner.component(&stored.project, hash).await,
        _ => inner.runtimes.of(Kind::Belt, script.language).await,
    };
    let (sandbox, component) = (inner.runtimes.sandbox().clone(), component.map_err(Error::Final)?);
    let crew = Crew::new(sandbox, component, script, stored.replicas as usize)
        .await
        .map_err(|error| mask.hide_in_error(script_error(error)))?;
    let offsets: HashMap<String, Vec<u64>> = stored.partition_offsets.clone().into_iter().collect();
    let first = if offsets.is_empty() { Start::Latest } else { Start::Offsets(offsets) };
    let spec = Spec {
        id: object.stage_id(),
        kind: "belt",
        project: stored.project.clone(),
        object: id.to_string(),
        version: stored.version,
        sources,
        start: start(from, first),
        dead_letter_stream: object.dead_letter_stream(),
        turn: None,
        totals: inner.totals(object),
    };
    let routes = Routes { targets, profile_updates, generic };
    let process = belt::Belt::new(
        crew,
        routes,
        stored.retry(),
        ring,
        mask,
        stop.clone(),
        Meter::new("belt", &stored.project, &id.to_string()),
    );
    Ok((spec, Box::new(process)))
}

async fn build_persister(
    inner: &Inner,
    object: &Object,
    name: &str,
    kind: EventKind,
) -> Result<Built, Error> {
    let Shared { log, db, .. } = &inner.shared;
    let latest = VersionRef { name: name.to_owned(), version: VersionChoice::Latest };
    let event_type = event_type(inner, &latest).await?;
    let persister_kind =
        kind.persister().ok_or_else(|| Error::Final(format!("'{name}' has no persister")))?;
    let client = db.client().await?;
    let stored: Persister = definitions::persister::get(&client, name, persister_kind)
        .await?
        .ok_or_else(|| Error::Final(format!("the persister of '{name}' is not there any more")))?
        .definition;
    drop(client);
    let (topic, partitions) = ensure_topic(log, &event_type).await?;
    let process = persister::build(&event_type, &stored).map_err(Error::Final)?;
    let spec = Spec {
        id: object.stage_id(),
        kind: "persister",
        project: event_type.project.clone(),
        object: name.to_owned(),
        version: u64::from(event_type.version),
        sources: vec![Source { topic, partitions, ranged: true }],
        // A persister stores everything there is of its event type, also what came before it was first started.
        start: Start::Earliest,
        dead_letter_stream: object.dead_letter_stream(),
        turn: None,
        totals: inner.totals(object),
    };
    Ok((spec, process))
}

/// A script that does not load needs a human; anything else may pass.
fn script_error(error: granary_sandbox::Error) -> Error {
    match error {
        granary_sandbox::Error::Refused(refusal) => Error::Final(refusal.to_string()),
        other => Error::Unavailable(other.to_string()),
    }
}

/// Resolves a reference to an event type.
async fn event_type(inner: &Inner, wanted: &VersionRef) -> Result<EventType, Error> {
    let client = inner.shared.db.client().await?;
    definitions::event_type::get(&client, &wanted.name, wanted.version)
        .await?
        .map(|stored| stored.definition)
        .ok_or_else(|| {
            Error::Final(format!(
                "the event type '{}' version {} does not exist",
                wanted.name, wanted.version
            ))
        })
}

/// The stream of an event type, made where it is missing.
pub(super) async fn ensure_topic(
    log: &Arc<dyn StreamLog>,
    event_type: &EventType,
) -> Result<(Arc<str>, u32), Error> {
    let name = event_type
        .topic_name()
        .ok_or_else(|| Error::Final(format!("the event type '{}' has no stream", event_type.name)))?;
    let partitions = event_type.partition_count.unwrap_or(1).max(1);
    let spec =
        TopicSpec { partitions, retention_ms: event_type.retention_ms, replication: event_type.replication };
    log.create_topic(&name, spec).await?;
    Ok((name.into(), partitions))
}

/// A stream without an event type, made with the partitions of an event type's where it is missing.
async fn raw_topic(log: &Arc<dyn StreamLog>, name: &str) -> Result<(Arc<str>, u32), Error> {
    if let Some(spec) = log.topics().get(name) {
        return Ok((name.into(), spec.partitions));
    }
    let spec = TopicSpec { retention_ms: Some(RETENTION_MS_DEFAULT), ..TopicSpec::of(PARTITIONS_DEFAULT) };
    log.create_topic(name, spec).await?;
    Ok((name.into(), spec.partitions))
}

fn start(from: Option<StartPosition>, first: Start) -> Start {
    match from {
        None => first,
        Some(StartPosition::Earliest) => Start::Earliest,
        Some(StartPosition::Latest) => Start::Latest,
        Some(StartPosition::Time(ms)) => Start::Time(ms),
        Some(StartPosition::Offset(offset)) => Start::Offset(offset),
    }
}

/// The program of a belt, with the limits of its definition and what its variables take from secrets.
pub(crate) fn belt_spec(
    belt: &Belt,
    outputs: &[(String, EventKind)],
    secrets: &SecretValues,
    log: Arc<dyn LogSink>,
    http: Arc<dyn HttpClient>,
) -> ScriptSpec {
    let (language, source) = match belt.program() {
        granary_catalog::belt::Program::Component(_) => (Language::Component, String::new()),
        granary_catalog::belt::Program::JavaScript(source) => (Language::JavaScript, source.to_owned()),
        _ => (Language::Python, granary_catalog::harvester::unescape(&belt.extractor_fn)),
    };
    let outputs: Vec<_> =
        outputs.iter().map(|(name, kind)| json!({"name": name, "kind": kind.as_str()})).collect();
    let env: serde_json::Map<String, serde_json::Value> =
        belt.env_with(secrets).into_iter().map(|(name, value)| (name, value.into())).collect();
    ScriptSpec {
        kind: Kind::Belt,
        language,
        source,
        config: json!({
            "beltId": belt.id.to_string(),
            "outputTypes": outputs,
            "fetchProfile": belt.fetch_profile.as_str(),
            "debug": belt.debug,
            "env": env,
        }),
        packages: Arc::default(),
        memory_bytes_max: usize::try_from(belt.memory_bytes()).unwrap_or(usize::MAX),
        millicpu: belt.millicpu,
        call_timeout: belt.callback_timeout(),
        long_call: belt.callback_long_running(),
        init_timeout: INIT_TIMEOUT,
        log,
        metrics: Arc::new(Figures::new(&belt.project, &belt.id.to_string(), Mask::of(secrets))),
        http,
    }
}

impl Inner {
    /// What runs a transform, and how; `None` where nothing has to run. The error is for the user.
    pub(super) async fn transform(
        &self,
        project: &str,
        transform: &granary_catalog::harvester::Transform,
        log: Arc<dyn LogSink>,
    ) -> Result<Option<(Arc<Component>, ScriptSpec)>, String> {
        if let Some(obstacle) = transform.obstacle() {
            return Err(obstacle);
        }
        let program = transform.program();
        let component = match &program {
            Program::Identity | Program::Unsupported(_) => return Ok(None),
            Program::Component(hash) => self.component(project, hash).await?,
            Program::Python(_) | Program::Groovy(_) | Program::JavaScript(_) => {
                self.runtimes.of(Kind::Transform, language(&program)).await?
            }
        };
        Ok(Some((component, transform_spec(&program, log))))
    }
}

/// What the program of a transform is written in.
pub(crate) fn language(program: &Program<'_>) -> Language {
    match program {
        Program::Python(_) => Language::Python,
        Program::Groovy(_) => Language::Groovy,
        Program::JavaScript(_) => Language::JavaScript,
        Program::Component(_) | Program::Identity | Program::Unsupported(_) => Language::Component,
    }
}

/// The program of a transform, with its limits.
pub(crate) fn transform_spec(program: &Program<'_>, log: Arc<dyn LogSink>) -> ScriptSpec {
    let source = match program {
        Program::Python(source) => source.clone(),
        Program::Groovy(source) | Program::JavaScript(source) => (*source).to_owned(),
        Program::Component(_) | Program::Identity | Program::Unsupported(_) => String::new(),
    };
    ScriptSpec {
        kind: Kind::Transform,
        language: language(program),
        source,
        config: json!({}),
        packages: Arc::default(),
        memory_bytes_max: TRANSFORM_MEMORY_BYTES_MAX,
        millicpu: None,
        call_timeout: TRANSFORM_TIMEOUT,
        long_call: std::time::Duration::MAX,
        init_timeout: INIT_TIMEOUT,
        log,
        metrics: Arc::new(NoMetrics),
        http: Arc::new(NoHttp),
    }
}

/// What a script logs goes to the logs endpoint of its object, without the secrets that it was given.
pub(super) struct RingSink {
    ring: Ring,
    mask: Mask,
}

impl RingSink {
    /// For a script that was given none.
    pub(super) fn new(ring: Ring) -> Self {
        Self::masked(ring, Mask::default())
    }

    pub(super) fn masked(ring: Ring, mask: Mask) -> Self {
        Self { ring, mask }
    }
}

impl LogSink for RingSink {
    fn line(&self, level: Level, logger: &str, message: &str) {
        let message = self.mask.hide(message);
        // What a script prints goes out as it is, without the prefix (spec: belts 11).
        if logger == "stdout" || logger == "stderr" {
            self.ring.push(&message);
        } else {
            self.ring.push(&format!("{:>5} [{logger}] {message}", level.as_str()));
        }
    }
}
