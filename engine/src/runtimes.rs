//! The script runtimes that ship with the engine: components that run a user's source text, one per language, loaded
//! when the first script needs them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use granary_sandbox::{Component, Kind, Language, Sandbox};
use tokio::sync::OnceCell;

/// Where the runtimes are; the usual places where nothing is given.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The Python runtime.
    pub python: Option<PathBuf>,
    /// The runtime of JavaScript belts.
    pub javascript: Option<PathBuf>,
    /// The runtime of JavaScript transforms.
    pub javascript_transform: Option<PathBuf>,
    /// The Groovy runtime.
    pub groovy: Option<PathBuf>,
}

/// The sandbox and its runtimes.
pub struct Runtimes {
    sandbox: Sandbox,
    places: Places,
    python: OnceCell<Arc<Component>>,
    javascript: OnceCell<Arc<Component>>,
    javascript_transform: OnceCell<Arc<Component>>,
    groovy: OnceCell<Arc<Component>>,
}

impl Runtimes {
    /// Runtimes that are looked for when they are needed.
    #[must_use]
    pub fn new(sandbox: Sandbox, places: Places) -> Self {
        let (python, javascript, javascript_transform, groovy) = Default::default();
        Self { sandbox, places, python, javascript, javascript_transform, groovy }
    }

    /// What runs them.
    #[must_use]
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Loads the Python runtime in the background, so that the first script of a fresh engine does not wait until it is
    /// compiled. Where it is missing or broken, whoever needs it is told.
    pub fn preload(self: &Arc<Self>) {
        let runtimes = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(why) = runtimes.of(Kind::Belt, Language::Python).await {
                tracing::debug!(%why, "the Python runtime was not loaded ahead");
            }
        });
    }

    /// The runtime of what is written in a language, compiled once. The error says where it was looked for and what to do.
    pub async fn of(&self, kind: Kind, language: Language) -> Result<Arc<Component>, String> {
        let Self { places, .. } = self;
        let (cell, given) = match (language, kind) {
            (Language::Python, _) => (&self.python, &places.python),
            (Language::JavaScript, Kind::Belt) => (&self.javascript, &places.javascript),
            (Language::JavaScript, Kind::Transform) => {
                (&self.javascript_transform, &places.javascript_transform)
            }
            (Language::Groovy, _) => (&self.groovy, &places.groovy),
            (Language::Component, _) => return Err("a component runs without a script runtime".to_owned()),
        };
        cell.get_or_try_init(|| async {
            let (name, title) = names(kind, language);
            let path = given.clone().map_or_else(|| find(name, title), Ok)?;
            self.sandbox
                .load_runtime(&path)
                .await
                .map_err(|e| format!("the {title} runtime {} cannot be loaded: {e}", path.display()))
        })
        .await
        .cloned()
    }
}

/// The runtimes that there are.
pub const ALL: [(Kind, Language); 4] = [
    (Kind::Belt, Language::Python),
    (Kind::Belt, Language::JavaScript),
    (Kind::Transform, Language::JavaScript),
    (Kind::Transform, Language::Groovy),
];

/// Where a runtime lies that nobody has named; the error says where it was looked for and what to do.
pub fn place(kind: Kind, language: Language) -> Result<PathBuf, String> {
    let (name, title) = names(kind, language);
    find(name, title)
}

/// Of a runtime, the name of its file without the ending, and what messages call it.
fn names(kind: Kind, language: Language) -> (&'static str, &'static str) {
    match (language, kind) {
        (Language::Python, _) => ("python", "Python"),
        (Language::JavaScript, Kind::Belt) => ("javascript", "JavaScript"),
        (Language::JavaScript, Kind::Transform) => ("javascript-transform", "JavaScript transform"),
        (Language::Groovy, _) => ("groovy", "Groovy"),
        (Language::Component, _) => ("component", "component"),
    }
}

/// The folder beside the program in which the runtimes lie as they were compiled when it was installed.
#[must_use]
pub fn compiled_dir() -> PathBuf {
    share_dir().join("compiled")
}

/// What belongs beside the program.
fn share_dir() -> PathBuf {
    install_dir().join("share/granary")
}

/// The folder above that of the program.
fn install_dir() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    program.parent().and_then(Path::parent).unwrap_or_else(|| Path::new("/")).to_owned()
}

/// Beside the program, then where the set-up of a checkout leaves it.
fn find(name: &str, title: &str) -> Result<PathBuf, String> {
    let file = format!("{name}.wasm");
    let places = [share_dir().join(&file), install_dir().join("guest").join(&file)];
    places.iter().find(|place| place.is_file()).cloned().ok_or_else(|| {
        let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
        format!(
            "the {title} runtime is in none of {}: run `make setup`, or give --{name}-runtime",
            places.join(", ")
        )
    })
}
