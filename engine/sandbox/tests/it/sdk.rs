//! The tests of the SDK for Rust as WebAssembly: what it reads there, it reads by other instructions than on this machine.

use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::p2::bindings::Command;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::support::guest_path;

/// More than the tests say.
const OUTPUT_BYTES_MAX: usize = 1 << 20;

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

#[tokio::test]
async fn the_sdk_passes_its_tests_as_webassembly() {
    let engine = Engine::default();
    let component = Component::from_file(&engine, guest_path("sdk-tests.wasm")).unwrap();
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
    let output = MemoryOutputPipe::new(OUTPUT_BYTES_MAX);
    let wasi = WasiCtx::builder().arg("sdk-tests").stdout(output.clone()).stderr(output.clone()).build();
    let mut store = Store::new(&engine, State { wasi, table: ResourceTable::new() });
    let command = Command::instantiate_async(&mut store, &component, &linker).await.unwrap();
    let result = command.wasi_cli_run().call_run(&mut store).await;
    let said = String::from_utf8_lossy(&output.contents()).into_owned();
    assert!(matches!(result, Ok(Ok(()))) && said.contains("test result: ok"), "{result:?}: {said}");
    assert!(said.contains("json::tests::what_is_read_is_what_serde_json_reads ... ok"), "{said}");
}
