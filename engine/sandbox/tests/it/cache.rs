//! Compiled components on disk.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use granary_sandbox::{Error, Options, Sandbox};

/// The smallest component there is.
const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

fn sandbox(dir: &Path) -> Sandbox {
    Sandbox::new(Options::of(dir.to_owned())).unwrap()
}

/// A sandbox with what came with the program.
fn installed(cache: &Path, compiled: &Path) -> Sandbox {
    let compiled_dir = Some(compiled.to_owned());
    Sandbox::new(Options { compiled_dir, ..Options::of(cache.to_owned()) }).unwrap()
}

fn entries(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect()
}

#[tokio::test]
async fn a_component_is_compiled_once_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let first = sandbox(dir.path());
    let one = first.load_bytes(EMPTY.to_vec()).await.unwrap();
    let two = first.load_bytes(EMPTY.to_vec()).await.unwrap();
    assert!(Arc::ptr_eq(&one, &two));
    let [code] = entries(dir.path(), "cwasm").try_into().unwrap();
    let written = std::fs::metadata(&code).unwrap().modified().unwrap();
    assert!(code.file_name().unwrap().to_string_lossy().starts_with(one.digest()));

    sandbox(dir.path()).load_bytes(EMPTY.to_vec()).await.unwrap();
    assert_eq!(std::fs::metadata(&code).unwrap().modified().unwrap(), written);
    assert_eq!(entries(dir.path(), "tmp"), [] as [PathBuf; 0]);
}

#[tokio::test]
async fn concurrent_callers_share_one_component() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = sandbox(dir.path());
    let (one, two) = tokio::join!(sandbox.load_bytes(EMPTY.to_vec()), sandbox.load_bytes(EMPTY.to_vec()));
    assert!(Arc::ptr_eq(&one.unwrap(), &two.unwrap()));
}

#[tokio::test]
async fn a_damaged_entry_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    sandbox(dir.path()).load_bytes(EMPTY.to_vec()).await.unwrap();
    let [code] = entries(dir.path(), "cwasm").try_into().unwrap();
    let [hash] = entries(dir.path(), "sha256").try_into().unwrap();
    let good = std::fs::read(&code).unwrap();

    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damaged in [flipped, good[..good.len() / 2].to_vec(), Vec::new()] {
        std::fs::write(&code, damaged).unwrap();
        sandbox(dir.path()).load_bytes(EMPTY.to_vec()).await.unwrap();
        assert_eq!(std::fs::read(&code).unwrap(), good);
    }
    std::fs::remove_file(&hash).unwrap();
    sandbox(dir.path()).load_bytes(EMPTY.to_vec()).await.unwrap();
    assert!(hash.exists());
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_costs_time_only() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = sandbox(dir.path());
    std::fs::remove_dir(dir.path()).unwrap();
    sandbox.load_bytes(EMPTY.to_vec()).await.unwrap();
}

#[tokio::test]
async fn the_cache_is_closed_to_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("a/b");
    sandbox(&cache);
    assert_eq!(std::fs::metadata(&cache).unwrap().permissions().mode() & 0o077, 0);
}

#[tokio::test]
async fn what_is_no_component_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = sandbox(dir.path());
    for bytes in [b"".as_slice(), b"hello", b"\0asm\x01\0\0\0", &EMPTY[..6]] {
        assert!(matches!(sandbox.load_bytes(bytes.to_vec()).await, Err(Error::Compile(_))), "{bytes:?}");
    }
}

#[tokio::test]
async fn a_component_of_another_world_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = sandbox(dir.path());
    let component = sandbox.load_bytes(EMPTY.to_vec()).await.unwrap();
    let error = sandbox.instantiate(&component, &crate::support::belt_spec("").0).await.unwrap_err();
    assert!(error.to_string().contains("does not fit the world granary:script/script"), "{error}");
}

#[tokio::test]
async fn a_runtime_that_came_compiled_is_not_compiled_again() {
    let (shipped, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = cache.path().join("runtime.wasm");
    std::fs::write(&path, EMPTY).unwrap();
    sandbox(shipped.path()).load_runtime(&path).await.unwrap();
    installed(cache.path(), shipped.path()).load_runtime(&path).await.unwrap();
    assert_eq!(entries(cache.path(), "cwasm"), [] as [PathBuf; 0]);

    // A user's component is not looked for there.
    installed(cache.path(), shipped.path()).load_bytes(EMPTY.to_vec()).await.unwrap();
    assert_eq!(entries(cache.path(), "cwasm").len(), 1);
}

#[tokio::test]
async fn what_others_may_have_written_is_compiled_anew() {
    let shipped = tempfile::tempdir().unwrap();
    let path = shipped.path().join("runtime.wasm");
    std::fs::write(&path, EMPTY).unwrap();
    sandbox(shipped.path()).load_runtime(&path).await.unwrap();
    let [code] = entries(shipped.path(), "cwasm").try_into().unwrap();
    for (open, mode) in [(shipped.path(), 0o777), (&code, 0o664)] {
        let was = std::fs::metadata(open).unwrap().permissions();
        std::fs::set_permissions(open, Permissions::from_mode(mode)).unwrap();
        let cache = tempfile::tempdir().unwrap();
        installed(cache.path(), shipped.path()).load_runtime(&path).await.unwrap();
        assert_eq!(entries(cache.path(), "cwasm").len(), 1, "{} was trusted", open.display());
        std::fs::set_permissions(open, was).unwrap();
    }
}
