//! The binary: parse, run, exit code.
//!
//! Invariants: nothing is decided here. Not here: everything else (`phonefleet::cli`).

use mimalloc::MiMalloc;
use phonefleet::cli;
use std::process::ExitCode;

/// Answers are parsed into, and plans made of, many small pieces that live shortly: measured, the system's allocator costs more.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let invocation = match cli::parse(std::env::args_os()) {
        Ok(invocation) => invocation,
        Err(exit) => return exit,
    };
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => {
            let exit = runtime.block_on(cli::run(invocation));
            runtime.shutdown_background();
            exit
        }
        Err(problem) => cli::no_runtime(&problem),
    }
}
