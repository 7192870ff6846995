//! How an event type looks in answers.

use granary_catalog::EventType;
use granary_db::{
    Error,
    definitions::{Stored, belt, harvester},
};
use serde_json::{Map, Value, json};
use tokio_postgres::Client;

use super::{ApiState, href, version_href};
use crate::api::{
    answer::{add_audit, add_self, object, self_link},
    query::encode,
};

/// What goes beyond the plain fields.
#[derive(Clone, Copy)]
pub(super) struct Expand {
    /// Harvesters and belts that write it.
    pub(super) inputs: bool,
    /// Persisters and belts that read it.
    pub(super) outputs: bool,
    /// The state of its persister.
    pub(super) persisters: bool,
}

/// The fields of one version, without what needs the database.
pub(super) fn plain(state: &ApiState, stored: &Stored<EventType>) -> Map<String, Value> {
    let event_type = &stored.definition;
    let mut body = object(event_type);
    // Fields of other kinds are not part of the answer.
    body.retain(|_, value| !value.is_null());
    if let Some(topic) = event_type.topic_name() {
        body.insert("topicName".to_owned(), json!(topic));
    }
    body.insert("physicalLocations".to_owned(), event_type.locations());
    add_audit(&mut body, &stored.audit);
    add_self(&mut body, &version_href(state, event_type));
    body
}

fn belts(state: &ApiState, project: &str, belts: &[Stored<granary_catalog::Belt>]) -> Value {
    let project = encode(project);
    let list = belts.iter().map(|belt| {
        let id = belt.definition.id;
        let link = format!("{}/projects/{project}/belts/{id}", state.public_url);
        json!({"projectName": belt.definition.project, "id": id.to_string(), "name": belt.definition.name,
            "_links": self_link(&link)})
    });
    Value::Array(list.collect())
}

/// All fields of one version.
pub(super) async fn full(
    state: &ApiState,
    client: &Client,
    stored: &Stored<EventType>,
    expand: Expand,
) -> Result<Map<String, Value>, Error> {
    let EventType { project, name, .. } = &stored.definition;
    let mut body = plain(state, stored);
    let links = body.shift_remove("_links");
    if expand.inputs {
        let harvesters = harvester::of_event_type(client, name).await?;
        let harvesters: Vec<_> = harvesters
            .iter()
            .map(|harvester| {
                let id = &harvester.definition.name;
                let link = format!(
                    "{}/projects/{}/harvesters/instances/{}",
                    state.public_url,
                    encode(project),
                    encode(id)
                );
                json!({"projectName": project, "id": id, "_links": self_link(&link)})
            })
            .collect();
        let writers = belt::writing(client, name).await?;
        body.insert(
            "inputs".to_owned(),
            json!({"harvesters": harvesters, "belts": belts(state, project, &writers)}),
        );
    }
    if expand.outputs {
        let readers = belt::reading(client, name).await?;
        let persisters = persisters(state, &stored.definition, expand.persisters);
        body.insert(
            "outputs".to_owned(),
            json!({"persisters": persisters, "belts": belts(state, project, &readers)}),
        );
    } else if expand.persisters {
        body.insert("persisters".to_owned(), json!(persisters(state, &stored.definition, true)));
    }
    body.extend(links.map(|links| ("_links".to_owned(), links)));
    Ok(body)
}

fn persisters(state: &ApiState, event_type: &EventType, with_state: bool) -> Vec<Value> {
    let Some(kind) = event_type.kind.persister() else { return Vec::new() };
    let persister = granary_catalog::Persister::new(&event_type.project, &event_type.name, kind);
    let link = persister_href(state, &persister);
    let mut body = json!({
        "eventTypeName": event_type.name, "eventStoreType": kind.as_str(), "projectName": event_type.project,
        "_links": self_link(&link),
    });
    if with_state {
        let report = state.runtime.status(&persister.object());
        body["state"] = Value::Object(crate::api::running::report(&report, Some(&format!("{link}/state"))));
    }
    vec![body]
}

/// The address of a persister.
pub(super) fn persister_href(state: &ApiState, persister: &granary_catalog::Persister) -> String {
    let event_type = href(state, &persister.project, &persister.event_type);
    format!("{event_type}/eventstores/{}/persister", persister.kind().as_str())
}
