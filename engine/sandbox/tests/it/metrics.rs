//! Figures that scripts report.

use std::sync::{Arc, Mutex};

use granary_sandbox::{Figure, Language, MetricSink, Runner, ScriptSpec};

use crate::support::{belt_spec, guest_path, python, run};

type Seen = (String, Figure, Vec<(String, String)>);

#[derive(Default)]
struct Sink(Mutex<Vec<Seen>>);

impl MetricSink for Sink {
    fn figure(&self, name: &str, figure: Figure, labels: &[(String, String)]) {
        self.0.lock().unwrap().push((name.to_owned(), figure, labels.to_vec()));
    }
}

async fn reported(language: Language, source: &str) -> Vec<Seen> {
    let sink = Arc::new(Sink::default());
    let spec = ScriptSpec { language, metrics: sink.clone(), ..belt_spec(source).0 };
    let (sandbox, python) = python().await;
    let runtime = match language {
        Language::JavaScript => sandbox.load_runtime(guest_path("javascript.wasm")).await.unwrap(),
        _ => python,
    };
    let mut runner = Runner::new(sandbox, runtime, spec).await.unwrap();
    assert_eq!(run(&mut runner, &[b"{}"]).await, [Ok(vec![])]);
    std::mem::take(&mut sink.0.lock().unwrap())
}

fn expected() -> Vec<Seen> {
    let label = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    vec![
        ("orders_total".to_owned(), Figure::Counter(3), label("country", "DE")),
        ("open_carts".to_owned(), Figure::Gauge(17.0), vec![]),
        ("value_eur".to_owned(), Figure::Histogram(41.97), vec![]),
    ]
}

#[tokio::test]
async fn of_python() {
    let source = "from grnry_belt import metrics\n\
                  def execute(h, p):\n    \
                      metrics.increment('orders_total', 3, country='DE')\n    \
                      metrics.gauge('open_carts', 17)\n    \
                      metrics.observe('value_eur', 41.97)\n";
    assert_eq!(reported(Language::Python, source).await, expected());
}

#[tokio::test]
async fn of_javascript() {
    let source = "import { metrics } from 'granary-belt';\n\
                  export function execute() {\n\
                      metrics.increment('orders_total', 3, { country: 'DE' });\n\
                      metrics.gauge('open_carts', 17);\n\
                      metrics.observe('value_eur', 41.97);\n\
                  }\n";
    assert_eq!(reported(Language::JavaScript, source).await, expected());
}
