//! The cookie of a client, anonymous clients, and those that ask not to be tracked.

use super::*;

fn with(mut request: Request, headers: &[(&'static str, &str)]) -> Request {
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request
}

fn cookies(headers: &http::HeaderMap) -> Vec<&str> {
    headers.get_all(header::SET_COOKIE).iter().map(|line| line.to_str().unwrap()).collect()
}

#[tokio::test]
async fn without_the_switch_no_cookie_is_set_nor_read() {
    let setup = setup(Options::default()).await;
    let (_, headers, _) = setup.answer(with(post(TP2, "{}"), &[("cookie", "sp=known")])).await;
    assert!(cookies(&headers).is_empty());
    assert_ne!(text(&setup.only().await.network_user_id), "known");
}

#[tokio::test]
async fn cookie_carries_the_recorded_id_with_every_kind_of_event() {
    let domains = vec!["acme.com".parse().unwrap()];
    let options = Options {
        cookie: Some(Cookie { domains, ..Cookie::sp() }),
        redirect_domains: vec!["acme.com".parse().unwrap()],
        ..Options::default()
    };
    let setup = setup(options).await;
    let origin = ("origin", "https://shop.acme.com");
    for sent in [
        post(TP2, "{}"),
        request("GET", "/i"),
        request("HEAD", TP2),
        request("GET", "/r/tp2?u=https://acme.com/"),
    ] {
        let (_, headers, _) = setup.answer(with(sent, &[origin])).await;
        let [line] = cookies(&headers)[..] else { panic!("one cookie is expected, got {headers:?}") };
        let payloads = setup.payloads().await;
        let id = text(&payloads.last().unwrap().network_user_id).to_owned();
        assert!(line.starts_with(&format!("sp={id}; Expires=")), "{line}");
        assert!(line.ends_with("; Domain=acme.com; Path=/; Secure; HttpOnly; SameSite=None"), "{line}");
    }
    for path in ["/robots.txt", "/sink-health"] {
        let (_, headers, _) = setup.answer(request("GET", path)).await;
        assert!(cookies(&headers).is_empty(), "{path} is no event");
    }
}

#[tokio::test]
async fn id_is_the_parameter_else_the_cookie_else_fresh() {
    let setup = setup(Options { cookie: Some(Cookie::sp()), ..Options::default() }).await;
    let known = [("cookie", "x=y; sp=known")];
    setup.send(with(post(&format!("{TP2}?nuid=named"), "{}"), &known)).await;
    let (_, headers, _) = setup.answer(with(post(TP2, "{}"), &known)).await;
    assert!(cookies(&headers)[0].starts_with("sp=known; "));
    setup.send(with(post(TP2, "{}"), &[("cookie", "sp=")])).await;
    let payloads = setup.payloads().await;
    let ids: Vec<&str> = payloads.iter().map(|payload| text(&payload.network_user_id)).collect();
    assert_eq!(ids[..2], ["named", "known"]);
    assert_eq!(ids[2].parse::<uuid::Uuid>().unwrap().get_version_num(), 4);
}

#[tokio::test]
async fn id_that_no_cookie_can_hold_is_recorded_and_not_set() {
    let setup = setup(Options { cookie: Some(Cookie::sp()), ..Options::default() }).await;
    let uri = format!("{TP2}?nuid=a%3B%20Domain%3Devil.com");
    let (status, headers, _) = setup.answer(post(&uri, "{}")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(cookies(&headers).is_empty());
    assert_eq!(text(&setup.only().await.network_user_id), "a; Domain=evil.com");
}

#[tokio::test]
async fn anonymous_client_is_made_to_forget_its_cookie() {
    let setup = setup(Options { cookie: Some(Cookie::sp()), ..Options::default() }).await;
    let (_, headers, _) =
        setup.answer(with(post(TP2, "{}"), &[("sp-anonymous", "*"), ("cookie", "sp=known")])).await;
    let [line] = cookies(&headers)[..] else { panic!("one cookie is expected, got {headers:?}") };
    assert!(line.starts_with("sp=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; "), "{line}");
    let (_, headers, _) = setup.answer(with(post(TP2, "{}"), &[("sp-anonymous", "*")])).await;
    assert!(cookies(&headers).is_empty());
    let payloads = setup.payloads().await;
    assert!(payloads.iter().all(|p| text(&p.network_user_id) == uuid::Uuid::nil().to_string()));
}

#[tokio::test]
async fn client_that_asks_not_to_be_tracked_is_answered_and_not_stored() {
    let options = Options {
        cookie: Some(Cookie::sp()),
        do_not_track: Some("dnt=yes|1".parse().unwrap()),
        ..Options::default()
    };
    let setup = setup(options).await;
    // Nothing is stored, so it does not matter that nothing could be.
    setup.log.fail_with(Some(Failure::Failed));
    let (status, headers, body) = setup.answer(with(post(TP2, "{}"), &[("cookie", "a=b; dnt=1")])).await;
    assert_eq!((status, &body[..]), (StatusCode::OK, &b"ok"[..]));
    assert!(cookies(&headers).is_empty());
    let (status, _, body) = setup.answer(with(request("GET", "/i"), &[("cookie", "dnt=yes")])).await;
    assert_eq!((status, body.len()), (StatusCode::OK, 43));
    setup.log.fail_with(None);
    assert!(setup.messages(TOPIC).await.is_empty());
    setup.send(with(post(TP2, "{}"), &[("cookie", "dnt=no")])).await;
    assert_eq!(setup.messages(TOPIC).await.len(), 1);
}
