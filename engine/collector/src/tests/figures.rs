//! Metrics and the access log.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tracing::span;

use super::*;

/// Counters by name and labels.
#[derive(Default)]
struct Counters(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Recorder for Counters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut name = key.name().to_owned();
        for label in key.labels() {
            let _ = write!(name, " {}={}", label.key(), label.value());
        }
        Counter::from_arc(Arc::clone(self.0.lock().unwrap().entry(name).or_default()))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

impl Counters {
    fn of(&self, name: &str) -> u64 {
        let name = format!("granary_collector_{name}");
        self.0.lock().unwrap().get(&name).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}

/// Recorders and subscribers belong to a thread, so all of a test has to run on it.
fn on_this_thread(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

#[test]
fn requests_are_counted_by_route_code_and_vendor() {
    let counters = Counters::default();
    metrics::with_local_recorder(&counters, || {
        on_this_thread(async {
            let setup = setup(Options { vendors: vec!["acme".to_owned()], ..Options::default() }).await;
            setup.send(post(TP2, "{}")).await;
            setup.send(post("/acme/x", "123")).await;
            setup.send(request("GET", "/com.new/x")).await;
            setup.send(request("GET", "/i")).await;
            setup.send(request("DELETE", TP2)).await;
            setup.log.fail_with(Some(Failure::Busy));
            setup.send(post("/com.unheard/x", "{}")).await;
        });
    });
    assert_eq!(counters.of("requests_total route=vendor code=200"), 3);
    assert_eq!(counters.of("requests_total route=vendor code=405"), 1);
    assert_eq!(counters.of("requests_total route=vendor code=503"), 1);
    assert_eq!(counters.of("requests_total route=pixel code=200"), 1);
    let vendor = |vendor, code| counters.of(&format!("vendor_requests_total vendor={vendor} code={code}"));
    assert_eq!(vendor("com.snowplowanalytics.snowplow", 200), 1);
    assert_eq!(vendor("com.snowplowanalytics.snowplow", 405), 1);
    assert_eq!((vendor("acme", 200), vendor("com.new", 200)), (1, 1));
    assert_eq!((vendor("com.unheard", 503), vendor("other", 503)), (0, 1));
    assert_eq!(counters.of("bytes_total"), 5);
}

#[test]
fn vendors_that_anybody_makes_up_take_a_bounded_number_of_labels() {
    let counters = Counters::default();
    metrics::with_local_recorder(&counters, || {
        on_this_thread(async {
            let setup = setup(Options::default()).await;
            for n in 0..500 {
                setup.send(post(&format!("/made.up{n}/x"), "{}")).await;
            }
            setup.send(post(&format!("/{}.x/x", "y".repeat(100)), "{}")).await;
            setup.send(post("/a.%22b/x", "{}")).await;
        });
    });
    let labels = counters.0.lock().unwrap().keys().filter(|name| name.contains("vendor=")).count();
    // 64 new ones, two known ones; seven codes each.
    assert_eq!(labels, 66 * 7);
    assert_eq!(counters.of("vendor_requests_total vendor=other code=200"), 500 - 64 + 2);
}

#[test]
fn what_is_not_stored_is_counted_by_its_reason() {
    let counters = Counters::default();
    metrics::with_local_recorder(&counters, || {
        on_this_thread(async {
            let do_not_track = Some("dnt".parse().unwrap());
            let setup = setup(Options { do_not_track, record_bytes_max: 3_000, ..Options::default() }).await;
            let mut asks = post(TP2, "{}");
            asks.headers_mut().insert("cookie", "dnt=1".parse().unwrap());
            setup.send(asks).await;
            setup.send(post(TP2, "x".repeat(2_900))).await;
        });
    });
    assert_eq!(counters.of("untracked_total"), 1);
    assert!(counters.of("bad_total") >= 1);
}

/// Writes down every event of `tracing` with all its fields.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Lines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::INFO
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Line(String);
        impl tracing::field::Visit for Line {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                let _ = write!(self.0, "{}={value:?} ", field.name());
            }
        }
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
}

#[test]
fn access_log_holds_every_so_manieth_request_and_nothing_personal() {
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), || {
        on_this_thread(async {
            let silent = setup(Options::default()).await;
            silent.send(post(TP2, "{}")).await;
            let setup = setup(Options { access_log_every: 3, ..Options::default() }).await;
            for _ in 0..7 {
                let mut request = post(&format!("{TP2}?uid=secret"), "secret");
                request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 77], 5))));
                for name in ["user-agent", "cookie", "referer", "x-forwarded-for"] {
                    request.headers_mut().insert(name, "secret".parse().unwrap());
                }
                setup.send(request).await;
            }
        });
    });
    let lines = lines.0.lock().unwrap();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for line in lines.iter() {
        assert!(line.contains("route=\"vendor\"") && line.contains("code=200"), "{line}");
        assert!(line.contains("vendor=\"com.snowplowanalytics.snowplow\""), "{line}");
        assert!(!line.contains("secret") && !line.contains("192.0.2"), "{line}");
    }
}
