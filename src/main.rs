//! The binary: parse, run, exit code.
//!
//! Invariants: nothing is decided here. Not here: everything else (`phonefleet::cli`).

use phonefleet::cli;
use std::process::ExitCode;

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
