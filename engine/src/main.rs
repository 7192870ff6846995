//! The `granary` program: arguments in, exit status out. Everything else lives in the library.

use std::process::ExitCode;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    granary_engine::cli::run()
}
