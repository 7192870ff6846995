//! The `granary` program: arguments in, exit status out. Everything else lives in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    granary_engine::cli::run()
}
