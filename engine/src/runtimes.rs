//! The script runtimes that ship with the engine: components that run a user's source text, one per language, loaded
//! when the first script needs them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use granary_sandbox::{Component, Language, Sandbox};
use tokio::sync::OnceCell;

/// Where the runtimes are; the usual places where nothing is given.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The Python runtime.
    pub python: Option<PathBuf>,
    /// The JavaScript runtime.
    pub javascript: Option<PathBuf>,
    /// The Groovy runtime.
    pub groovy: Option<PathBuf>,
}

/// The sandbox and its runtimes.
pub struct Runtimes {
    sandbox: Sandbox,
    places: Places,
    python: OnceCell<Arc<Component>>,
    javascript: OnceCell<Arc<Component>>,
    groovy: OnceCell<Arc<Component>>,
}

impl Runtimes {
    /// Runtimes that are looked for when they are needed.
    #[must_use]
    pub fn new(sandbox: Sandbox, places: Places) -> Self {
        let (python, javascript, groovy) = Default::default();
        Self { sandbox, places, python, javascript, groovy }
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
            if let Err(why) = runtimes.of(Language::Python).await {
                tracing::debug!(%why, "the Python runtime was not loaded ahead");
            }
        });
    }

    /// The runtime of a language, compiled once. The error says where it was looked for and what to do.
    pub async fn of(&self, language: Language) -> Result<Arc<Component>, String> {
        let (cell, given, name, title) = match language {
            Language::Python => (&self.python, &self.places.python, "python", "Python"),
            Language::JavaScript => (&self.javascript, &self.places.javascript, "javascript", "JavaScript"),
            Language::Groovy => (&self.groovy, &self.places.groovy, "groovy", "Groovy"),
            Language::Component => return Err("a component runs without a script runtime".to_owned()),
        };
        cell.get_or_try_init(|| async {
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
