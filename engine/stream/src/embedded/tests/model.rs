//! Random appends, trims, removals and restarts against vectors.

use proptest::prelude::*;

use super::*;
use crate::contract_tests::{PLENTY, payloads};
use crate::embedded::sim::SimDisk;
use crate::message::Message;

const TOPICS: [&str; 3] = ["a", "b", "c"];
const SPEC: TopicSpec = TopicSpec::of(2);

#[derive(Debug, Clone)]
enum Step {
    Append { topic: usize, partition: u32, count: usize, bytes: usize },
    Trim { topic: usize, partition: u32, part: u8 },
    Delete { topic: usize },
    Close,
    Kill,
    ReadFrom { topic: usize, partition: u32, part: u8, records: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = || (0..TOPICS.len(), 0..SPEC.partitions);
    let step = prop_oneof![
        8 => (place(), 1..6_usize, 0..700_usize)
            .prop_map(|((topic, partition), count, bytes)| Step::Append { topic, partition, count, bytes }),
        2 => (place(), any::<u8>()).prop_map(|((topic, partition), part)| Step::Trim { topic, partition, part }),
        1 => (0..TOPICS.len()).prop_map(|topic| Step::Delete { topic }),
        1 => Just(Step::Close),
        1 => Just(Step::Kill),
        4 => (place(), any::<u8>(), 1..20_usize)
            .prop_map(|((topic, partition), part, records)| Step::ReadFrom { topic, partition, part, records }),
    ];
    proptest::collection::vec(step, 1..80)
}

#[derive(Debug, Default)]
struct Model {
    payloads: Vec<String>,
    /// The greatest trim, and the one that a clean stop has made durable.
    trimmed: u64,
}

struct Run {
    disk: SimDisk,
    log: Option<EmbeddedLog>,
    models: HashMap<(usize, u32), Model>,
    written: u64,
}

impl Run {
    async fn start() -> Self {
        let mut run = Self { disk: SimDisk::default(), log: None, models: HashMap::new(), written: 0 };
        run.open().await;
        for topic in TOPICS {
            run.log().create_topic(topic, SPEC).await.unwrap();
        }
        run
    }

    async fn open(&mut self) {
        let opened = EmbeddedLog::open_in(Path::new("log"), SimDisk::options(), self.disk.world()).await;
        self.log = Some(opened.unwrap());
    }

    fn log(&self) -> &EmbeddedLog {
        self.log.as_ref().unwrap()
    }

    fn model(&mut self, topic: usize, partition: u32) -> &mut Model {
        self.models.entry((topic, partition)).or_default()
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Append { topic, partition, count, bytes } => {
                let texts: Vec<String> =
                    (0..count).map(|n| format!("{}-{n}-{}", self.written, "z".repeat(bytes))).collect();
                self.written += 1;
                let messages = texts.iter().cloned().map(Message::of).collect();
                let append = Append { topic: TOPICS[topic].to_owned(), partition, messages };
                let ranges = self.log().append(vec![append]).await.unwrap();
                let model = self.model(topic, partition);
                assert_eq!(ranges[0].start, model.payloads.len() as u64);
                model.payloads.extend(texts);
                assert_eq!(ranges[0].end, model.payloads.len() as u64);
            }
            Step::Trim { topic, partition, part } => {
                let before = self.model(topic, partition).payloads.len() as u64 * u64::from(part) / 255;
                self.log().trim(TOPICS[topic], partition, before).await.unwrap();
                let model = self.model(topic, partition);
                model.trimmed = model.trimmed.max(before);
            }
            Step::Delete { topic } => {
                self.log().delete_topic(TOPICS[topic]).await.unwrap();
                self.log().create_topic(TOPICS[topic], SPEC).await.unwrap();
                self.models.retain(|(of, _), _| *of != topic);
            }
            Step::Close => {
                self.log().close().await;
                self.open().await;
            }
            Step::Kill => {
                self.disk.restart();
                self.log = None;
                self.open().await;
            }
            Step::ReadFrom { topic, partition, part, records } => {
                let model = self.model(topic, partition);
                let end = model.payloads.len() as u64;
                let from = model.trimmed + (end - model.trimmed) * u64::from(part) / 255;
                let expected: Vec<String> = model
                    .payloads
                    .iter()
                    .skip(usize::try_from(from).unwrap())
                    .take(records)
                    .cloned()
                    .collect();
                let limit = ReadLimit { records, bytes: usize::MAX };
                let read = self.log().read(TOPICS[topic], partition, from, limit).await.unwrap();
                assert_eq!(payloads(&read), expected);
            }
        }
    }

    async fn check(&mut self) {
        for (topic, name) in TOPICS.iter().enumerate() {
            for partition in 0..SPEC.partitions {
                let bounds = self.log().bounds(name, partition).await.unwrap();
                let records = self.log().read(name, partition, bounds.start, PLENTY).await.unwrap();
                let model = self.model(topic, partition);
                assert_eq!(bounds.end, model.payloads.len() as u64);
                assert!(bounds.start <= model.trimmed);
                assert_eq!(payloads(&records), model.payloads[usize::try_from(bounds.start).unwrap()..]);
                assert!(records.iter().zip(bounds.start..).all(|(record, offset)| record.offset == offset));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_log_behaves_like_vectors(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::start().await;
            for step in steps {
                run.step(step).await;
            }
            run.check().await;
            run.step(Step::Close).await;
            run.check().await;
        });
    }
}
