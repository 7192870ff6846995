//! The interface for tests of trackers.

use super::*;

async fn asked(setup: &Setup, method: &str, path: &str, body: &str) -> Value {
    let request = Request::builder().method(method).uri(path).body(Body::from(body.to_owned())).unwrap();
    let (status, headers, answer) = setup.answer(request).await;
    assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&answer));
    assert_eq!(headers[header::CONTENT_TYPE], "application/json");
    serde_json::from_slice(&answer).unwrap()
}

fn ids(events: &Value) -> Vec<&str> {
    events.as_array().unwrap().iter().map(|event| event["event"]["event_id"].as_str().unwrap()).collect()
}

async fn with_events() -> Setup {
    let setup = setup(Options { micro_events_max: 100, record_bytes_max: 3_000, ..Options::default() }).await;
    let contexts =
        json!({"schema": "cs", "data": [{"schema": "iglu:c/1", "data": {}}, {"schema": "iglu:c/2"}]});
    let own = json!({"schema": "u", "data": {"schema": "iglu:own/1", "data": {"x": 1}}});
    let coded = "eyJzY2hlbWEiOiJ1IiwiZGF0YSI6eyJzY2hlbWEiOiJpZ2x1Om93bi8yIiwiZGF0YSI6e319fQ";
    let batch = json!({"schema": "payload_data", "data": [
        {"e": "pv", "eid": "1", "aid": "shop", "url": "https://acme.com/", "co": contexts.to_string()},
        {"e": "ue", "eid": "2", "ue_pr": own.to_string()},
        {"e": "ue", "eid": "3", "ue_px": coded},
    ]});
    assert_eq!(setup.send(post(TP2, batch.to_string())).await.0, StatusCode::OK);
    assert_eq!(setup.send(request("GET", "/i?e=se&eid=4&se_ca=c")).await.0, StatusCode::OK);
    assert_eq!(setup.send(post(TP2, "x".repeat(4_000))).await.0, StatusCode::OK);
    setup
}

#[tokio::test]
async fn it_is_off_until_it_is_asked_for() {
    let setup = setup(Options::default()).await;
    for path in ["/micro/all", "/micro/good", "/micro/bad", "/micro/reset"] {
        assert_eq!(setup.send(request("GET", path)).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn events_are_counted_and_shown_the_newest_first() {
    let setup = with_events().await;
    let all = asked(&setup, "GET", "/micro/all", "").await;
    assert!(all["good"] == json!(4) && all["bad"].as_u64().unwrap() >= 1);
    assert_eq!(all["total"].as_u64(), Some(4 + all["bad"].as_u64().unwrap()));
    let good = asked(&setup, "GET", "/micro/good", "").await;
    assert_eq!(ids(&good), ["4", "3", "2", "1"]);
    let first = &good[3];
    assert_eq!(
        first["rawEvent"]["api"],
        json!({"vendor": "com.snowplowanalytics.snowplow", "version": "tp2"})
    );
    assert_eq!(first["rawEvent"]["parameters"]["aid"], json!("shop"));
    assert_eq!(first["event"]["page_url"], json!("https://acme.com/"));
    assert_eq!(first["event"]["app_id"], json!("shop"));
    assert_eq!(first["eventType"], json!("page_view"));
    assert_eq!(first["contexts"], json!(["iglu:c/1", "iglu:c/2"]));
    assert_eq!(good[0]["event"]["se_category"], json!("c"));
    let bad = asked(&setup, "GET", "/micro/bad", "").await;
    assert!(bad[0]["errors"][0].as_str().unwrap().contains("too large"), "{bad}");
}

#[tokio::test]
async fn filters_leave_what_fits_all_of_them() {
    let setup = with_events().await;
    for (filter, expected) in [
        (json!({"event_type": "ue"}), &["3", "2"][..]),
        (json!({"event_type": "unstruct", "limit": 1}), &["3"]),
        (json!({"schema": "iglu:own/1"}), &["2"]),
        (json!({"schema": "iglu:own/2"}), &["3"]),
        (json!({"contexts": ["iglu:c/2"]}), &["1"]),
        (json!({"contexts": ["iglu:c/2", "iglu:c/3"]}), &[]),
        (json!({"event_id": "2"}), &["2"]),
        (json!({"event_id": "2", "event_type": "pv"}), &[]),
        (json!({"version": "tp1"}), &["4"]),
    ] {
        let found = asked(&setup, "POST", "/micro/good", &filter.to_string()).await;
        assert_eq!(ids(&found), expected, "{filter}");
    }
    assert_eq!(ids(&asked(&setup, "GET", "/micro/good?event_id=3", "").await), ["3"]);
    let (status, answer) = setup.send(post("/micro/good", r#"{"evnt": 1}"#)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(String::from_utf8(answer).unwrap().contains("evnt"));
    let (status, _) = setup.send(post("/micro/good", " ".repeat(70_000))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(setup.send(request("PUT", "/micro/all")).await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn reset_forgets_all() {
    let setup = with_events().await;
    let none = json!({"total": 0, "good": 0, "bad": 0});
    assert_eq!(asked(&setup, "GET", "/micro/reset", "").await, none);
    assert_eq!(asked(&setup, "GET", "/micro/all", "").await, none);
    assert_eq!(asked(&setup, "GET", "/micro/good", "").await, json!([]));
}

#[tokio::test]
async fn oldest_events_are_forgotten_and_still_counted() {
    let setup = setup(Options { micro_events_max: 3, ..Options::default() }).await;
    for id in 0..10 {
        setup.send(request("GET", &format!("/i?e=pv&eid={id}"))).await;
    }
    assert_eq!(ids(&asked(&setup, "GET", "/micro/good", "").await), ["9", "8", "7"]);
    assert_eq!(asked(&setup, "GET", "/micro/all", "").await["good"], json!(10));
}

#[tokio::test]
async fn event_that_was_not_stored_is_not_shown() {
    let setup = setup(Options { micro_events_max: 3, ..Options::default() }).await;
    setup.log.fail_with(Some(Failure::Busy));
    setup.send(request("GET", "/i?e=pv")).await;
    assert_eq!(asked(&setup, "GET", "/micro/all", "").await["total"], json!(0));
}
