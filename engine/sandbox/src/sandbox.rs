//! The sandbox of the process: engine, linker, ticker, cache. What guests are granted is decided here and in
//! [`crate::host`].

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Engine, WasmBacktraceDetails};

use crate::bindings::belt::granary::belt;
use crate::bindings::script::granary::script::host;
use crate::bindings::transform::granary::transform::host as transform_host;
use crate::component::{Cache, Component};
use crate::host::State;
use crate::instance::Instance;
use crate::outcome::CallError;
use crate::script::{Diagnostic, Language, Refusal, ScriptSpec};
use crate::ticker::Ticker;
use crate::world;

/// Room for a guest's calls. `json.loads` of 100,000 brackets traps in the Python runtime below 32 MiB instead of raising
/// `RecursionError`. Only pages that are touched take memory.
const STACK_BYTES_MAX: usize = 32 << 20;
/// Room for host functions on top of that: they run on the stack of the call.
const HOST_STACK_BYTES: usize = 2 << 20;
/// The most functions of a stack that are looked at for a dead letter.
const BACKTRACE_FRAMES_MAX: usize = 100;

/// How a sandbox is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where compiled components are kept. Nobody but this user may be able to write there.
    pub cache_dir: PathBuf,
    /// Where runtimes lie that were compiled when the program was installed, so that nobody waits for them; only read. It
    /// is passed over unless it belongs to this user or to root, and nobody else may write there.
    pub compiled_dir: Option<PathBuf>,
    /// Count what guests execute ([`crate::Stats::fuel`]). It costs them about a fifth of their speed.
    pub count_fuel: bool,
    /// What a program gets of one processor, in thousandths, for ten seconds after it wasted time: was busy for 100 ms or
    /// more in a call that had to be ended, or in which it ran out of memory. Its deadline is as much further away. For
    /// engines whose programs are neighbours; `None` leaves it alone.
    pub probation_millicpu: Option<u32>,
}

impl Options {
    /// Options for that cache directory; nothing is compiled ahead, counted or held back.
    #[must_use]
    pub fn of(cache_dir: PathBuf) -> Self {
        Self { cache_dir, compiled_dir: None, count_fuel: false, probation_millicpu: None }
    }
}

/// Why something could not be set up. What a script does wrong in a call is a [`CallError`] or a
/// [`crate::Failure`] instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine could not be made.
    #[error("could not set up the WebAssembly engine: {0}")]
    Engine(String),
    /// The folder of compiled components cannot be used.
    #[error(
        "cannot use {path} for compiled components: {source}; make the folder writable or name another one"
    )]
    Cache {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A component file cannot be read.
    #[error("cannot read the component {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The bytes are not a component that this engine can run.
    #[error("not a WebAssembly component that can be run here: {0}")]
    Compile(String),
    /// The component imports or exports other things than its world says.
    #[error("the component does not fit the world {world}: {}", .problems.join("; "))]
    World {
        /// The world that was expected.
        world: &'static str,
        /// What does not fit, each import and export by name.
        problems: Vec<String>,
    },
    /// The script is wrong, or does not finish loading within its limits.
    #[error("the script cannot run: {0}")]
    Refused(#[from] Refusal),
}

/// Runs guests. Cheap to clone; all clones share one engine. Calls need a tokio runtime with time enabled.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

struct Inner {
    programs: Side,
    runtimes: Side,
    ticker: Ticker,
    count_fuel: bool,
    probation_millicpu: Option<u32>,
}

/// What runs one sort of component: they differ in how a guest is made to give way.
pub(crate) struct Side {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<State>,
    cache: Arc<Cache>,
}

impl Side {
    fn new(options: &Options, metered: bool) -> Result<Self, Error> {
        let text = |e: wasmtime::Error| Error::Engine(format!("{e:#}"));
        let engine = Engine::new(&config(options.count_fuel, metered)).map_err(text)?;
        let linker = linker(&engine).map_err(text)?;
        let compiled_dir = options.compiled_dir.clone().filter(|_| metered);
        let cache = Arc::new(Cache::open(options.cache_dir.clone(), compiled_dir, &engine, metered)?);
        Ok(Self { engine, linker, cache })
    }

    async fn load(&self, bytes: Vec<u8>) -> Result<Arc<Component>, Error> {
        self.cache.load(&self.engine, bytes).await
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Sets up the engine and starts its ticker thread, which ends with the last clone.
    pub fn new(options: Options) -> Result<Self, Error> {
        let (programs, runtimes) = (Side::new(&options, false)?, Side::new(&options, true)?);
        let ticker = Ticker::start(programs.engine.clone()).map_err(|e| Error::Engine(e.to_string()))?;
        let Options { count_fuel, probation_millicpu, .. } = options;
        Ok(Self { inner: Arc::new(Inner { programs, runtimes, ticker, count_fuel, probation_millicpu }) })
    }

    /// Loads a script runtime of the engine's own from a file; compiled on first sight, which takes seconds.
    ///
    /// It runs faster than a component loaded by [`Sandbox::load_file`], which trusts nothing; what a hostile script can
    /// make of it ends at its deadline all the same.
    pub async fn load_runtime(&self, path: impl AsRef<Path>) -> Result<Arc<Component>, Error> {
        self.inner.runtimes.load(read(path.as_ref()).await?).await
    }

    /// Loads a user's component from a file; compiled on first sight.
    pub async fn load_file(&self, path: impl AsRef<Path>) -> Result<Arc<Component>, Error> {
        self.load_bytes(read(path.as_ref()).await?).await
    }

    /// Loads a user's component from its bytes; compiled on first sight.
    pub async fn load_bytes(&self, bytes: Vec<u8>) -> Result<Arc<Component>, Error> {
        self.inner.programs.load(bytes).await
    }

    /// Loads a program and throws it away again: answers its warnings, or [`Error::Refused`] or [`Error::World`] with
    /// what is wrong. `component` is the runtime of its language, or the program itself.
    pub async fn check(&self, component: &Component, spec: &ScriptSpec) -> Result<Vec<Diagnostic>, Error> {
        self.check_world(component, spec)?;
        Instance::new(self, component, spec).await.map(|(_, warnings)| warnings)
    }

    /// Whether a program that is a component fits its world; runtimes of scripts do.
    pub(crate) fn check_world(&self, component: &Component, spec: &ScriptSpec) -> Result<(), Error> {
        match spec.language {
            Language::Component => world::check(component, &self.side(component).engine, spec.kind),
            Language::Python | Language::JavaScript | Language::Groovy => Ok(()),
        }
    }

    /// Loads a program, ready to be called.
    pub async fn instantiate(&self, component: &Component, spec: &ScriptSpec) -> Result<Instance, Error> {
        Instance::new(self, component, spec).await.map(|(instance, _)| instance)
    }

    /// What runs the component.
    pub(crate) fn side(&self, component: &Component) -> &Side {
        if component.is_metered() { &self.inner.runtimes } else { &self.inner.programs }
    }

    pub(crate) fn counts_fuel(&self) -> bool {
        self.inner.count_fuel
    }

    pub(crate) fn probation_millicpu(&self) -> Option<u32> {
        self.inner.probation_millicpu
    }

    pub(crate) fn ticker(&self) -> &Ticker {
        &self.inner.ticker
    }
}

impl From<CallError> for Refusal {
    /// A script that does not survive being loaded.
    fn from(error: CallError) -> Self {
        Self { reason: format!("while the script was loaded: {error}"), diagnostics: Vec::new() }
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, Error> {
    tokio::fs::read(path).await.map_err(|source| Error::Read { path: path.to_owned(), source })
}

fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    host::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    transform_host::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    belt::logging::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    belt::configuration::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    belt::metrics::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    belt::profiles::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    belt::eventstore::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    belt::http::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    Ok(linker)
}

fn config(count_fuel: bool, metered: bool) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // Bookkeeping for concurrent calls, which WASI p2 does not have, makes every call dearer.
        .concurrency_support(false)
        .epoch_interruption(!metered)
        // What a metered component hardly ever does is kept out of the way of what it does.
        .wasm_branch_hinting(metered)
        // Tables are filled when an instance is made, so that no call through them need look whether it is: interpreters
        // live on such calls.
        .table_lazy_init(false)
        .consume_fuel(count_fuel)
        .max_wasm_stack(STACK_BYTES_MAX)
        .async_stack_size(STACK_BYTES_MAX + HOST_STACK_BYTES)
        // A fresh instance maps the memory of its component and copies pages as it writes them.
        .memory_init_cow(true)
        // Otherwise an environment variable decides. Lines are shown where a component carries debug information.
        .wasm_backtrace_details(WasmBacktraceDetails::Enable)
        // The default of 20 may end within the standard library, above the author's own functions.
        .wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES_MAX));
    // Backtraces of host errors are slow. They are never captured, because wasmtime's feature `backtrace` is off:
    // RUST_LIB_BACKTRACE makes no difference here.
    config
}
