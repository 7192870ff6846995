//! The embedded Postgres of a node, from outside: its process, and a superuser's connection for audits.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::node::{is_alive, terminate};

/// The cluster of a data directory. The engine keeps it there, or, where the server could not reach it, in a place
/// that it notes in `postgres.json`.
#[must_use]
pub fn cluster(data_dir: &Path) -> Option<PathBuf> {
    let noted = fs::read_to_string(data_dir.join("postgres.json")).ok();
    let noted: Value = noted.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null);
    let mut places = vec![data_dir.to_path_buf()];
    places.extend(texts(&noted).into_iter().map(|text| data_dir.join(text)));
    places.iter().find_map(|place| find(place, 3))
}

/// All texts in a JSON value.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(map) => map.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// A folder with a cluster in it, at most `depth` levels below.
fn find(folder: &Path, depth: usize) -> Option<PathBuf> {
    if folder.join("PG_VERSION").is_file() {
        return Some(folder.to_path_buf());
    }
    if depth == 0 {
        return None;
    }
    fs::read_dir(folder).ok()?.flatten().filter(|e| e.path().is_dir()).find_map(|e| find(&e.path(), depth - 1))
}

/// Process id of the server.
#[must_use]
pub fn postmaster_pid(data_dir: &Path) -> Option<u32> {
    let text = fs::read_to_string(cluster(data_dir)?.join("postmaster.pid")).ok()?;
    text.lines().next()?.trim().parse().ok().filter(|pid| is_alive(*pid))
}

/// Ends the server without regard for its data, and removes the cluster.
pub fn discard(data_dir: &Path) {
    if let Some(pid) = postmaster_pid(data_dir) {
        terminate(pid, Signal::QUIT);
        let until = Instant::now() + Duration::from_secs(5);
        while is_alive(pid) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    if let Some(cluster) = cluster(data_dir)
        && !cluster.starts_with(data_dir)
    {
        let _ = fs::remove_dir_all(cluster);
    }
}
