//! What can be started and stopped, the states it can be in, and what can be asked of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something that runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Object {
    /// A harvester, by name.
    Harvester(String),
    /// A belt, by id.
    Belt(i64),
    /// The persister that writes a `data_in` event type into the eventstore, by event type name.
    DataInPersister(String),
    /// The persister that writes a live segment's table, by event type name.
    LiveSegmentPersister(String),
}

impl Object {
    /// The stage's id: the name of its cursors and ranges, of its log fields and metrics.
    pub fn stage_id(&self) -> String {
        match self {
            Object::Harvester(name) => format!("harvester:{name}"),
            Object::Belt(id) => format!("belt:{id}"),
            Object::DataInPersister(event_type) => format!("persister:pg:{event_type}"),
            Object::LiveSegmentPersister(event_type) => format!("persister:live-segment:{event_type}"),
        }
    }

    /// The stream name under which its dead letters are shown.
    pub fn dead_letter_stream(&self) -> String {
        match self {
            Object::Harvester(name) => format!("grnry_harvester_dlq_{name}"),
            Object::Belt(id) => format!("grnry_belt_dlq_{id}"),
            Object::DataInPersister(event_type) => format!("grnry_data_in_{event_type}_dlq"),
            Object::LiveSegmentPersister(event_type) => format!("grnry_live_segment_{event_type}_dlq"),
        }
    }
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.stage_id())
    }
}

/// The state of an object, as the API prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Not deployed.
    Stopped,
    /// Start requested: its component is compiled and initialised, its start position resolved and stored.
    Deploying,
    /// Operational.
    Running,
    /// Running an older definition than the stored one; stop and start to apply it.
    RunningButOutdated,
    /// Stop requested, the batch at hand is being finished.
    Stopping,
    /// Deployed, but it needs a human; the reason is reported beside.
    Failed,
    /// Can not be determined.
    Unknown,
}

impl Status {
    /// As the API prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Stopped => "STOPPED",
            Status::Deploying => "DEPLOYING",
            Status::Running => "RUNNING",
            Status::RunningButOutdated => "RUNNING_BUT_OUTDATED",
            Status::Stopping => "STOPPING",
            Status::Failed => "FAILED",
            Status::Unknown => "UNKNOWN",
        }
    }

    /// Whether a start has nothing to do.
    pub fn is_up(self) -> bool {
        matches!(self, Status::Running | Status::RunningButOutdated | Status::Deploying)
    }
}

/// What a state call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
    /// Run from now on, also after a restart of the engine.
    Start,
    /// Finish the batch at hand and stay down.
    Stop,
    /// Stop, then start with the stored definition.
    Restart,
}

impl Action {
    /// Reads an action; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "START" => Some(Action::Start),
            "STOP" => Some(Action::Stop),
            "RESTART" => Some(Action::Restart),
            _ => None,
        }
    }

    /// The state that the object shall be in from now on.
    pub fn wanted(self) -> Wanted {
        match self {
            Action::Start | Action::Restart => Wanted::Running,
            Action::Stop => Wanted::Stopped,
        }
    }
}

/// What the supervisor works towards; stored, so that what was running starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Wanted {
    /// Down.
    Stopped,
    /// Up.
    Running,
}

impl Wanted {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Wanted::Stopped => "STOPPED",
            Wanted::Running => "RUNNING",
        }
    }

    /// Reads the stored text. Anything but `RUNNING` is down.
    pub fn from_stored(text: &str) -> Self {
        if text == "RUNNING" { Wanted::Running } else { Wanted::Stopped }
    }
}

/// Where a stage begins to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartPosition {
    /// The first record still there.
    Earliest,
    /// What is appended from now on.
    Latest,
    /// The first record appended at or after this time, in milliseconds since the epoch.
    Time(u64),
    /// This offset in every partition.
    Offset(u64),
}

impl StartPosition {
    /// Reads the query parameter `from`: `earliest`, `latest`, an offset, or an RFC 3339 time.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "earliest" => return Ok(Self::Earliest),
            "latest" => return Ok(Self::Latest),
            _ => {}
        }
        if let Ok(offset) = text.parse() {
            return Ok(Self::Offset(offset));
        }
        let format = &time::format_description::well_known::Rfc3339;
        // A `+` of an offset arrives as a blank when the client did not escape it.
        let moment = time::OffsetDateTime::parse(&text.replace(' ', "+"), format).ok();
        let millis = moment.and_then(|at| u64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok());
        millis.map(Self::Time).ok_or_else(|| {
            format!("must be 'earliest', 'latest', an offset or a time such as 2026-01-31T12:00:00Z but is '{text}'")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stage_ids_and_dead_letter_streams_follow_the_kind() {
        for (object, stage, stream) in [
            (Object::Harvester("h".into()), "harvester:h", "grnry_harvester_dlq_h"),
            (Object::Belt(7), "belt:7", "grnry_belt_dlq_7"),
            (Object::DataInPersister("e".into()), "persister:pg:e", "grnry_data_in_e_dlq"),
            (
                Object::LiveSegmentPersister("e".into()),
                "persister:live-segment:e",
                "grnry_live_segment_e_dlq",
            ),
        ] {
            assert_eq!(object.stage_id(), stage);
            assert_eq!(object.dead_letter_stream(), stream);
        }
    }

    #[test]
    fn states_print_as_in_the_api() {
        for status in [
            Status::Stopped,
            Status::Deploying,
            Status::Running,
            Status::RunningButOutdated,
            Status::Stopping,
            Status::Failed,
            Status::Unknown,
        ] {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
    }

    #[test]
    fn start_positions_are_read() {
        assert_eq!(StartPosition::parse("earliest"), Ok(StartPosition::Earliest));
        assert_eq!(StartPosition::parse("latest"), Ok(StartPosition::Latest));
        assert_eq!(StartPosition::parse("42"), Ok(StartPosition::Offset(42)));
        assert_eq!(StartPosition::parse("1970-01-01T00:00:01.5Z"), Ok(StartPosition::Time(1500)));
        assert_eq!(StartPosition::parse("1970-01-01T01:00:01 01:00"), Ok(StartPosition::Time(1000)));
        for text in ["", "-1", "now", "1969-01-01T00:00:00Z", "2026-13-01T00:00:00Z"] {
            assert!(StartPosition::parse(text).is_err(), "{text}");
        }
    }
}
