//! Belts as answers show them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Belt, BeltType, FetchProfile, MEMORY_MIB_DEFAULT, MILLICPU_DEFAULT};

impl Belt {
    /// The fields of an answer, defaults included.
    pub fn to_json(&self) -> Map<String, Value> {
        let defaults = json!({
            "millicpuRequests": 200, "memoryRequests": 512, "image": null, "imagePullSecret": null, "volumes": null,
            "volumeMounts": null, "serviceAccountName": "default",
        });
        let python = json!({"secret": "", "secretUsername": "", "secretPassword": ""});
        let dbt = json!({
            "segmentDefinition": "SELECT 1", "cronExpression": "0 * * * *", "activeDeadlineSeconds": 1800,
            "imageTag": "latest", "restartPolicy": "Never",
        });
        let legacy = json!({"affectedPaths": [], "assumedRole": null, "runtime": null, "parameter": null, "author": null});
        let mut body = match serde_json::to_value(self) {
            Ok(Value::Object(body)) => body,
            _ => Map::new(),
        };
        body.retain(|key, _| !matches!(key.as_str(), "other" | "createdAtMs"));
        body.insert("id".to_owned(), json!(self.id.to_string()));
        body.insert("version".to_owned(), json!(self.version.to_string()));
        body.insert("millicpu".to_owned(), json!(self.millicpu.unwrap_or(MILLICPU_DEFAULT)));
        let kind = if self.belt_type == BeltType::DbtSegment { dbt } else { python };
        for map in [defaults, kind, legacy] {
            body.extend(map.as_object().cloned().unwrap_or_default());
        }
        body.extend(self.other.clone());
        body.insert("kubernetesName".to_owned(), json!(self.kubernetes_name()));
        body.insert("kafkaConsumerGroupName".to_owned(), json!(self.consumer_group_name()));
        body.insert("programSha256".to_owned(), json!(self.program_sha256()));
        body.insert("dlqTopic".to_owned(), json!(self.dlq_topic()));
        body
    }

    /// What a `POST` body needs to make the same belt again: the id and every field that is not at its default.
    pub fn export(&self) -> Map<String, Value> {
        let plain = Self {
            description: String::new(),
            labels: Vec::new(),
            belt_type: BeltType::PythonCallback,
            event_types: Vec::new(),
            output_types: Vec::new(),
            kafka_destination_topic: None,
            replicas: 1,
            millicpu: None,
            memory: MEMORY_MIB_DEFAULT,
            extra_env: None,
            debug: false,
            extractor_fn: String::new(),
            component: None,
            extractor_version: "latest".to_owned(),
            requirements_py: String::new(),
            packages: None,
            outbound_hosts: Vec::new(),
            partition_offsets: BTreeMap::new(),
            fetch_profile: FetchProfile::False,
            profile_type: "_d".to_owned(),
            other: Map::new(),
            name: String::new(),
            ..self.clone()
        };
        let default = plain.to_json();
        let mut body = self.to_json();
        let derived = ["programSha256", "packages"];
        body.retain(|key, value| {
            key == "id" || (!derived.contains(&key.as_str()) && default.get(key) != Some(value))
        });
        body
    }
}
