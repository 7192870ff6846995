use serde_json::json;

use super::support::{Api, URL, belt, data_in, harvester, live_segment};

#[tokio::test]
async fn the_steps_of_the_guide_answer_as_specified() {
    let api = Api::new().await;
    let body = json!({"name": "projecttotestlivesegment", "displayName": "projecttotestlivesegment", "description": "d"});
    let project = api.post("/projects?deploy=sqlpad", body).await.ok();
    assert_eq!(project["name"], "projecttotestliveseg");
    let base = "/projects/projecttotestliveseg";

    let input = api.post(&format!("{base}/event-types"), data_in()).await.ok();
    for (field, value) in [
        ("name", json!("livesegment-datain")),
        ("type", json!("data_in")),
        ("version", json!(1)),
        ("topicName", json!("grnry_data_in_livesegment-datain")),
        ("eventstoreTTL", json!("P100Y")),
        ("partitionCount", json!(32)),
        ("projectName", json!("projecttotestliveseg")),
    ] {
        assert_eq!(input[field], value, "{field}");
    }
    assert_eq!(input["createdBy"]["name"], "tester");
    assert_eq!(input["_links"]["self"]["href"], format!("{URL}{base}/event-types/livesegment-datain/1"));

    // The persister was started with its type, so this says RUNNING at once.
    let persister = format!("{base}/event-types/livesegment-datain/eventstores/pg/persister/state");
    assert_eq!(api.post(&persister, json!({"action": "START"})).await.ok()["status"], "RUNNING");
    assert_eq!(api.get(&persister).await.ok()["status"], "RUNNING");

    let output = api.post(&format!("{base}/event-types"), live_segment()).await.ok();
    assert_eq!((&output["name"], &output["version"]), (&json!("livesegment-dataoutp"), &json!(1)));
    let locations = output["physicalLocations"].as_array().unwrap();
    assert_eq!(locations[0]["locationName"], "grnry_live_segment_livesegment-dataoutp");
    assert_eq!(locations[1]["type"], "database");
    let persister =
        format!("{base}/event-types/livesegment-dataoutp/eventstores/live-segment/persister/state");
    assert_eq!(api.get(&persister).await.ok()["status"], "RUNNING");

    let made = api.post(&format!("{base}/harvesters/instances"), harvester()).await.ok();
    assert_eq!(made["name"], "harvesterforlivesegm");
    assert_eq!(made["streamName"], "g-h-harvesterforlivesegm");
    assert_eq!(made["dlqTopic"], "grnry_harvester_dlq_harvesterforlivesegm");
    let state = format!("{base}/harvesters/instances/harvesterforlivesegm/state");
    assert_eq!(api.get(&state).await.ok()["status"], "STOPPED");
    assert_eq!(api.post(&state, json!({"action": "START"})).await.ok()["status"], "DEPLOYING");
    assert_eq!(api.get(&state).await.ok()["status"], "RUNNING");
    let latest = api.get(&format!("{base}/event-types/livesegment-datain/latest")).await.ok();
    assert_eq!(latest["inputs"]["harvesters"][0]["id"], "harvesterforlivesegm");

    let made = api.post(&format!("{base}/belts"), belt()).await.ok();
    let id = made["id"].as_str().unwrap().to_owned();
    assert!(id.parse::<u64>().is_ok());
    assert_eq!((&made["status"], &made["fetchProfile"]), (&json!("STOPPED"), &json!("FALSE")));
    assert_eq!(made["dlqTopic"], format!("grnry_belt_dlq_{id}"));
    let state = format!("{base}/belts/{id}/state");
    assert_eq!(api.post(&state, json!({"action": "START"})).await.ok(), json!({"status": "DEPLOYING"}));
    assert_eq!(api.get(&state).await.ok()["status"], "RUNNING");

    assert_eq!(
        api.runtime.take_calls(),
        [
            "project projecttotestliveseg",
            "created livesegment-datain",
            "start persister:pg:livesegment-datain",
            "start persister:pg:livesegment-datain",
            "created livesegment-dataoutp",
            "start persister:live-segment:livesegment-dataoutp",
            "check transform harvesterforlivesegm",
            "start harvester:harvesterforlivesegm",
            "check belt liveSegement-belt -> livesegment-dataoutp:live_segment",
            &format!("start belt:{id}"),
        ]
    );
}

#[tokio::test]
async fn what_was_started_is_wanted_and_what_was_stopped_is_not() {
    let api = Api::with_guide().await;
    let id = api.post("/projects/p/belts?start=true", belt()).await.ok()["id"].as_str().unwrap().to_owned();
    let harvester = "/projects/p/harvesters/instances/harvesterforlivesegm/state";
    api.post(harvester, json!({"action": "START"})).await.ok();
    let pg = "/projects/p/event-types/livesegment-datain/eventstores/pg/persister/state";
    api.post(pg, json!({"action": "STOP"})).await.ok();
    let client = api.database.db().client().await.unwrap();
    let wanted = granary_db::definitions::wanted(&client).await.unwrap();
    let ids: Vec<_> = wanted.iter().map(|object| object.stage_id()).collect();
    assert_eq!(
        ids,
        [
            "persister:live-segment:livesegment-dataoutp".to_owned(),
            format!("belt:{id}"),
            "harvester:harvesterforlivesegm".to_owned()
        ]
    );
}

#[tokio::test]
async fn an_integer_id_is_accepted_with_a_warning() {
    let api = Api::with_project().await;
    let mut body = live_segment();
    body["schema"]["schema"] = json!(r#"{"type": "object", "properties": {"id": {"type": "integer"}}}"#);
    let made = api.post("/projects/p/event-types", body).await.ok();
    assert!(made["warnings"][0].as_str().unwrap().contains("id"), "{made:#}");
}

#[tokio::test]
async fn labels_in_place_of_names_are_understood_or_explained() {
    let api = Api::with_guide().await;
    let message = api
        .post("/projects/p/harvesters/instances/harvesterforlivesegment/state", json!({"action": "START"}))
        .await
        .refused(404, "entity_not_found");
    assert_eq!(
        message,
        "Harvester 'harvesterforlivesegment' not found. That is a displayName; its technical name is 'harvesterforlivesegm'."
    );
    let message = api
        .get("/projects/p/event-types/livesegment-dataoutput/latest")
        .await
        .refused(404, "entity_not_found");
    assert!(message.contains("'livesegment-dataoutp'"), "{message}");
    let message = api.get("/projects/p/event-types/livesegment-datin").await.refused(404, "entity_not_found");
    assert!(message.contains("Did you mean 'livesegment-datain'?"), "{message}");
    let mut body = belt();
    body["outputTypes"][0]["name"] = json!("livesegment-dataoutput");
    let made = api.post("/projects/p/belts", body).await.ok();
    assert_eq!(made["outputTypes"][0]["name"], "livesegment-dataoutp");
    assert!(made["warnings"][0].as_str().unwrap().contains("displayName"));
}
