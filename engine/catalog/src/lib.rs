//! The control plane's nouns: what a user can define, and the rules that each definition obeys.
//!
//! A body that arrives over HTTP is read by `fields`, checked by the type it describes, and either becomes a
//! definition or is refused with every bad field at once ([`Report`]). Nothing here does I/O: whether a name is taken
//! or a referenced event type exists is asked through arguments, and answered by `granary-db`.
//!
//! Adding a field to a definition: add it to the `...Body` (what may be sent), to `read` (how it is checked), to the
//! definition (what is kept, with a serde default so that stored definitions still load), and to the tests.

// What everything else is made of.
mod fields;
mod report;

pub mod duration;
pub mod name;
pub mod outbound;

// The definitions, in path order.
pub mod belt;
pub mod event_type;
pub mod harvester;
pub mod persister;
pub mod project;
pub mod schema;
pub mod secret;
pub mod source_type;
pub mod token;

// How they run.
pub mod object;

mod audit;

pub use audit::{Audit, Person};
pub use belt::Belt;
pub use event_type::{EventKind, EventType, Metadata, VersionChoice, VersionRef};
pub use harvester::Harvester;
pub use object::{Action, Object, StartPosition, Status, Wanted};
pub use outbound::HostPattern;
pub use persister::{Persister, PersisterKind};
pub use project::Project;
pub use report::{Problem, Report};
pub use secret::{Secret, SecretBody, SecretValues};
pub use source_type::SourceType;
pub use token::{Access, Role, Token};
