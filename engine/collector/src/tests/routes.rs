//! Routes that an operator switches on, and those of a port of the collector's own.

use super::*;

fn domains(patterns: &[&str]) -> Vec<DomainPattern> {
    patterns.iter().map(|pattern| pattern.parse().unwrap()).collect()
}

#[tokio::test]
async fn redirects_are_off_until_domains_are_named() {
    let setup = setup(Options::default()).await;
    let (status, _) = setup.send(request("GET", "/r/tp2?u=https%3A%2F%2Facme.com%2F")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(setup.messages(TOPIC).await.is_empty());
}

#[tokio::test]
async fn redirect_is_followed_after_its_event_is_stored() {
    let setup = setup(Options { redirect_domains: domains(&["acme.com"]), ..Options::default() }).await;
    for path in ["/r/tp2", "/api/r/tp2"] {
        let uri = format!("{path}?u=https%3A%2F%2Facme.com%2Fx&e=se");
        let (status, headers, body) = setup.answer(request("GET", &uri)).await;
        assert_eq!((status, body.len()), (StatusCode::FOUND, 0));
        assert_eq!(headers[header::LOCATION], "https://acme.com/x");
    }
    let payloads = setup.payloads().await;
    assert_eq!(payloads.len(), 2);
    assert!(payloads.iter().all(|payload| text(&payload.path) == "/r/tp2"));
    assert_eq!(text(&payloads[0].querystring), "u=https%3A%2F%2Facme.com%2Fx&e=se");

    setup.log.fail_with(Some(Failure::Busy));
    let (status, headers, _) = setup.answer(request("GET", "/r/tp2?u=https://acme.com/")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!headers.contains_key(header::LOCATION), "an event that is not stored is not passed over");
}

#[tokio::test]
async fn redirect_elsewhere_is_refused_and_not_stored() {
    let setup = setup(Options { redirect_domains: domains(&["acme.com"]), ..Options::default() }).await;
    for query in ["", "?u=", "?u=https://evil.com/", "?u=javascript:alert(1)", "?u=//acme.com/"] {
        let (status, headers, body) = setup.answer(request("GET", &format!("/r/tp2{query}"))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert!(!headers.contains_key(header::LOCATION));
        assert!(String::from_utf8(body).unwrap().contains("parameter u"));
    }
    let (status, headers, _) = setup.answer(post("/r/tp2?u=https://acme.com/", "{}")).await;
    assert_eq!(
        (status, &headers[header::ALLOW]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD, OPTIONS".parse().unwrap())
    );
    assert!(setup.messages(TOPIC).await.is_empty());
}

#[tokio::test]
async fn policy_of_plug_ins_is_there_when_it_is_asked_for() {
    let off = setup(Options::default()).await;
    assert_eq!(off.send(request("GET", "/crossdomain.xml")).await.0, StatusCode::NOT_FOUND);
    let on = setup(Options { crossdomain: domains(&["*.acme.com", "acme.org"]), ..Options::default() }).await;
    let (status, headers, body) = on.answer(request("GET", "/crossdomain.xml")).await;
    assert_eq!(
        (status, &headers[header::CONTENT_TYPE]),
        (StatusCode::OK, &"text/xml; charset=utf-8".parse().unwrap())
    );
    let body = String::from_utf8(body).unwrap();
    assert!(body.contains(r#"<allow-access-from domain="*.acme.com" secure="true"/>"#), "{body}");
    assert!(body.contains(r#"domain="acme.org""#) && body.ends_with("</cross-domain-policy>\n"), "{body}");
    assert_eq!(on.send(post("/crossdomain.xml", "{}")).await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn root_answers_what_is_configured() {
    let off = setup(Options::default()).await;
    assert_eq!(off.send(request("GET", "/")).await.0, StatusCode::NOT_FOUND);
    let moved =
        setup(Options { root: Some("https://acme.com/".parse().unwrap()), ..Options::default() }).await;
    let (status, headers, _) = moved.answer(request("GET", "/")).await;
    assert_eq!(
        (status, &headers[header::LOCATION]),
        (StatusCode::FOUND, &"https://acme.com/".parse().unwrap())
    );
    let told = setup(Options { root: Some("200 collector".parse().unwrap()), ..Options::default() }).await;
    assert_eq!(told.send(request("GET", "/")).await, (StatusCode::OK, b"collector".to_vec()));
    assert_eq!(told.send(request("GET", "/api/")).await.0, StatusCode::NOT_FOUND);
    assert!(told.messages(TOPIC).await.is_empty());
}

#[tokio::test]
async fn robots_are_asked_to_stay_away() {
    let setup = setup(Options::default()).await;
    let (status, body) = setup.send(request("GET", "/robots.txt")).await;
    assert_eq!((status, &body[..]), (StatusCode::OK, &b"User-agent: *\nDisallow: /\n"[..]));
}

#[tokio::test]
async fn health_says_that_the_process_lives_and_sink_health_that_events_are_stored() {
    let setup = setup(Options::default()).await;
    setup.log.fail_with(Some(Failure::Failed));
    assert_eq!(setup.send(request("GET", "/health")).await, (StatusCode::OK, b"ok".to_vec()));
    assert_eq!(setup.send(request("GET", "/sink-health")).await.0, StatusCode::SERVICE_UNAVAILABLE);
    let collector = Collector::new(setup.log.clone(), Options::default());
    assert!(!collector.owns("/health"), "on a shared port it is the engine's");
}

#[tokio::test]
async fn mapped_paths_are_recorded_as_what_they_stand_for() {
    let paths = ["/acme/track=/com.snowplowanalytics.snowplow/tp2", "/acme/pixel=/i", "/acme/go=/r/tp2"];
    let paths: Vec<PathMapping> = paths.iter().map(|path| path.parse().unwrap()).collect();
    let setup = setup(Options { paths, ..Options::default() }).await;
    assert_eq!(setup.send(post("/acme/track", "{}")).await, (StatusCode::OK, b"ok".to_vec()));
    assert_eq!(setup.send(request("GET", "/api/acme/pixel?e=pv")).await.0, StatusCode::OK);
    assert_eq!(setup.send(post("/acme/other", "{}")).await.0, StatusCode::NOT_FOUND);
    let go = request("GET", "/acme/go?u=https://acme.com/");
    assert_eq!(setup.send(go).await.0, StatusCode::NOT_FOUND, "redirects are off");
    let payloads = setup.payloads().await;
    assert_eq!(payloads.iter().map(|payload| text(&payload.path)).collect::<Vec<_>>(), [TP2, "/i"]);
    for wrong in ["", "/a/b", "/a=/com.acme/x", "/a/b=/c", "a/b=/c/d", "/a/b=/c/.."] {
        assert!(wrong.parse::<PathMapping>().unwrap_err().contains("two paths"), "{wrong}");
    }
}

#[tokio::test]
async fn every_path_of_the_port_answers_a_preflight() {
    let setup = setup(Options::default()).await;
    for path in [TP2, "/i", "/anything", "/r/tp2"] {
        let mut asked = request("OPTIONS", path);
        asked.headers_mut().insert("origin", "https://shop.acme.com".parse().unwrap());
        let (status, headers, _) = setup.answer(asked).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://shop.acme.com");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_HEADERS], "Content-Type, SP-Anonymous");
        assert_eq!(headers[header::ACCESS_CONTROL_MAX_AGE], "3600");
    }
    assert!(setup.messages(TOPIC).await.is_empty());
}

#[tokio::test]
async fn heads_over_the_limits_get_an_answer_that_trackers_do_not_repeat() {
    let setup = setup(Options::default()).await;
    let frame = "GET /i?q= HTTP/1.1\r\n".len();
    let line = |bytes: usize| format!("/i?q={}", "x".repeat(bytes - frame));
    assert_eq!(setup.send(request("GET", &line(20_480))).await.0, StatusCode::OK);
    let (status, body) = setup.send(request("GET", &line(20_481))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let body = String::from_utf8(body).unwrap();
    assert!(body.contains("20481 bytes") && body.contains("POST"), "{body}");

    for (bytes, expected) in [(40_960, StatusCode::OK), (40_961, StatusCode::BAD_REQUEST)] {
        let mut large = request("GET", "/i");
        for name in ["x-a", "x-b"] {
            let value = "y".repeat(20_480 - name.len() - 4);
            large.headers_mut().insert(name, value.parse().unwrap());
        }
        let value = "y".repeat(20_480 - 7 + (bytes - 40_960));
        large.headers_mut().insert("x-b", value.parse().unwrap());
        assert_eq!(setup.send(large).await.0, expected, "{bytes}");
    }

    let mut twice = request("GET", "/i");
    for host in ["a.example", "b.example"] {
        twice.headers_mut().append("host", host.parse().unwrap());
    }
    assert_eq!(setup.send(twice).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(setup.messages(TOPIC).await.len(), 2);
}
