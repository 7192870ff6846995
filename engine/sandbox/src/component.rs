//! Compiled components, and the folder that keeps them.
//!
//! Compiling the Python runtime takes seconds, loading its machine code milliseconds. An entry of the cache is a pair of
//! files: `<sha256 of the component>-<engine>.cwasm`, the machine code, and the same with `.sha256` appended, the hash
//! of the machine code. `<engine>` stands for wasmtime's version, its settings and the processor (wasmtime's own
//! compatibility hash covers all three). Both are written under temporary names and renamed; a pair that does not match
//! is compiled anew. Script runtimes are compiled metered, under another name for the engine.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::{InstancePre, Linker};

use crate::bindings::belt::BeltPre;
use crate::bindings::framed_belt::FramedBeltPre;
use crate::bindings::framed_transform::FramedTransformPre;
use crate::bindings::script::ScriptPre;
use crate::bindings::transform::TransformPre;
use crate::host::State;
use crate::meter;
use crate::sandbox::Error;

/// A compiled component, ready to be instantiated any number of times.
pub struct Component {
    wasm: wasmtime::component::Component,
    metered: bool,
    digest: String,
    entry: String,
    script: OnceLock<ScriptPre<State>>,
    transform: OnceLock<TransformPre<State>>,
    belt: OnceLock<BeltPre<State>>,
    framed_belt: OnceLock<FramedBeltPre<State>>,
    framed_transform: OnceLock<FramedTransformPre<State>>,
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component").field("digest", &self.digest).finish_non_exhaustive()
    }
}

impl Component {
    /// SHA-256 of the component's bytes, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The name of the file with its machine code, in the folder that keeps it.
    #[must_use]
    pub fn entry(&self) -> &str {
        &self.entry
    }

    /// Whether it asks by itself whether it may go on ([`crate::meter`]), and not through epochs.
    pub(crate) fn is_metered(&self) -> bool {
        self.metered
    }

    pub(crate) fn wasm(&self) -> &wasmtime::component::Component {
        &self.wasm
    }

    /// The component as a script runtime, its imports resolved.
    pub(crate) fn script(&self, linker: &Linker<State>) -> Result<&ScriptPre<State>, Error> {
        self.linked(linker, &self.script, "granary:script/script", ScriptPre::new)
    }

    /// The component as an uploaded transform, its imports resolved.
    pub(crate) fn transform(&self, linker: &Linker<State>) -> Result<&TransformPre<State>, Error> {
        self.linked(linker, &self.transform, "granary:transform/transform", TransformPre::new)
    }

    /// The component as an uploaded belt, its imports resolved.
    pub(crate) fn belt(&self, linker: &Linker<State>) -> Result<&BeltPre<State>, Error> {
        self.linked(linker, &self.belt, "granary:belt/belt", BeltPre::new)
    }

    /// The component as an uploaded belt whose batches go in one piece, its imports resolved.
    pub(crate) fn framed_belt(&self, linker: &Linker<State>) -> Result<&FramedBeltPre<State>, Error> {
        self.linked(linker, &self.framed_belt, "granary:belt/framed-belt", FramedBeltPre::new)
    }

    /// The component as an uploaded transform whose batches go in one piece, its imports resolved.
    pub(crate) fn framed_transform(
        &self,
        linker: &Linker<State>,
    ) -> Result<&FramedTransformPre<State>, Error> {
        let world = "granary:transform/framed-transform";
        self.linked(linker, &self.framed_transform, world, FramedTransformPre::new)
    }

    fn linked<'a, T>(
        &self,
        linker: &Linker<State>,
        place: &'a OnceLock<T>,
        world: &'static str,
        of: impl FnOnce(InstancePre<State>) -> wasmtime::Result<T>,
    ) -> Result<&'a T, Error> {
        if let Some(pre) = place.get() {
            return Ok(pre);
        }
        let pre = linker
            .instantiate_pre(&self.wasm)
            .and_then(of)
            .map_err(|e| Error::World { world, problems: vec![format!("{e:#}")] })?;
        Ok(place.get_or_init(|| pre))
    }
}

/// Loads components, each content once.
pub(crate) struct Cache {
    dir: PathBuf,
    /// Entries that came with the program.
    compiled_dir: Option<PathBuf>,
    /// Stands for wasmtime and its settings in file names.
    engine_name: String,
    /// Whether components are metered before they are compiled.
    metered: bool,
    /// What is loaded now. The lock of a slot is held while its component is compiled.
    loaded: Mutex<HashMap<String, Slot>>,
}

type Slot = Arc<tokio::sync::Mutex<Weak<Component>>>;

impl Cache {
    /// Makes the folder where it is missing, readable by its owner only: what lies in it is run as machine code.
    pub(crate) fn open(
        dir: PathBuf,
        compiled_dir: Option<PathBuf>,
        engine: &Engine,
        metered: bool,
    ) -> Result<Self, Error> {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(|source| Error::Cache { path: dir.clone(), source })?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        metered.then(meter::version).hash(&mut hasher);
        let engine_name = format!("{:016x}", hasher.finish());
        Ok(Self { dir, compiled_dir, engine_name, metered, loaded: Mutex::default() })
    }

    /// The compiled form of a component's bytes. Concurrent callers with the same bytes wait for one compilation.
    pub(crate) async fn load(
        self: &Arc<Self>,
        engine: &Engine,
        bytes: Vec<u8>,
    ) -> Result<Arc<Component>, Error> {
        let hashed = tokio::task::spawn_blocking(move || (hex(&Sha256::digest(&bytes)), bytes));
        let (digest, bytes) = hashed.await.map_err(|e| Error::Compile(e.to_string()))?;
        let slot = {
            let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(loaded.entry(digest.clone()).or_default())
        };
        let mut component = slot.lock().await;
        if let Some(component) = component.upgrade() {
            return Ok(component);
        }
        let (cache, engine) = (Arc::clone(self), engine.clone());
        let entry = format!("{digest}-{}.cwasm", self.engine_name);
        let wasm = {
            let entry = entry.clone();
            tokio::task::spawn_blocking(move || cache.load_blocking(&engine, &entry, &bytes))
        };
        let wasm = wasm.await.map_err(|e| Error::Compile(e.to_string()))??;
        let made = Arc::new(Component {
            wasm,
            metered: self.metered,
            digest,
            entry,
            script: OnceLock::new(),
            transform: OnceLock::new(),
            belt: OnceLock::new(),
            framed_belt: OnceLock::new(),
            framed_transform: OnceLock::new(),
        });
        *component = Arc::downgrade(&made);
        Ok(made)
    }

    fn load_blocking(
        &self,
        engine: &Engine,
        entry: &str,
        bytes: &[u8],
    ) -> Result<wasmtime::component::Component, Error> {
        let shipped = self.compiled_dir.as_ref().and_then(|dir| trusted(&dir.join(entry)));
        if let Some(component) = shipped.and_then(|code| load_entry(engine, &code)) {
            return Ok(component);
        }
        let code = self.dir.join(entry);
        if let Some(component) = load_entry(engine, &code) {
            return Ok(component);
        }
        // Another process may be compiling the same bytes. Where locks do not work both compile.
        let lock = std::fs::File::create(code.with_extension("lock"));
        let locked = lock.and_then(|file| file.lock().map(|()| file));
        if let Some(component) = locked.as_ref().ok().and_then(|_| load_entry(engine, &code)) {
            return Ok(component);
        }
        let started = std::time::Instant::now();
        let metered = self.metered.then(|| meter::metered(bytes)).transpose().map_err(Error::Compile)?;
        let wasm = metered.as_deref().unwrap_or(bytes);
        let machine_code = engine.precompile_component(wasm).map_err(|e| Error::Compile(format!("{e:#}")))?;
        tracing::info!(entry, bytes = bytes.len(), elapsed = ?started.elapsed(), "compiled a component");
        if let Err(error) = write_entry(&code, &machine_code) {
            tracing::warn!(%error, path = %code.display(), "could not keep a compiled component");
        } else if let Some(component) = load_entry(engine, &code) {
            return Ok(component);
        }
        // Without the cache there is only the slow way, which is also the one without unsafe code.
        wasmtime::component::Component::new(engine, wasm).map_err(|e| Error::Compile(format!("{e:#}")))
    }
}

fn hash_path(code: &Path) -> PathBuf {
    code.with_added_extension("sha256")
}

/// The file itself, if it is there and nobody but root and this user could have put it there: that is said of the file and
/// of all folders above it.
fn trusted(code: &Path) -> Option<PathBuf> {
    const WRITABLE_BY_OTHERS: u32 = 0o022;
    const STICKY: u32 = 0o1000;
    let file = code.canonicalize().ok()?;
    for place in file.ancestors() {
        let found = std::fs::symlink_metadata(place).ok()?;
        // In a sticky folder others can add files, but neither rename nor remove ours.
        let shared =
            found.mode() & WRITABLE_BY_OTHERS != 0 && !(found.is_dir() && found.mode() & STICKY != 0);
        let foreign = ![0, rustix::process::geteuid().as_raw()].contains(&found.uid());
        if shared || foreign {
            let why = if foreign { "belongs to another user" } else { "others may write here" };
            tracing::info!(path = %place.display(), why, "what came compiled is not trusted, and compiled anew");
            return None;
        }
    }
    Some(file)
}

/// Loads an entry if it is there and intact.
#[expect(
    unsafe_code,
    reason = "deserialize_file runs what the file says: the file lies in a folder where only this user may write (or root, \
              where it came with the program), we wrote it, and its content has just been compared with the hash that \
              we noted when we wrote it"
)]
fn load_entry(engine: &Engine, code: &Path) -> Option<wasmtime::component::Component> {
    let noted = std::fs::read_to_string(hash_path(code)).ok()?;
    let found = hash_of_file(code).ok()?;
    if noted.trim_end() != found {
        tracing::warn!(path = %code.display(), "a compiled component does not match its hash and is made anew");
        return None;
    }
    // SAFETY: the content is the output of `Engine::precompile_component`, see the reason above.
    let loaded = unsafe { wasmtime::component::Component::deserialize_file(engine, code) };
    loaded
        .inspect_err(
            |error| tracing::warn!(%error, path = %code.display(), "could not load a compiled component"),
        )
        .ok()
}

fn write_entry(code: &Path, machine_code: &[u8]) -> io::Result<()> {
    write_atomically(code, machine_code)?;
    write_atomically(&hash_path(code), format!("{}\n", hex(&Sha256::digest(machine_code))).as_bytes())
}

/// Readers see the old file or the new one, also when two processes write at once.
fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_added_extension(format!("{}.tmp", std::process::id()));
    let written = std::fs::write(&temporary, content).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

fn hash_of_file(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    io::copy(&mut std::fs::File::open(path)?, &mut hasher)?;
    Ok(hex(&hasher.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
