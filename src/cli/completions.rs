//! `completions SHELL`: completions for bash, zsh, fish, elvish and PowerShell.
//!
//! Invariants: none. Not here: the command line they complete (`cli`).

use super::error::{CliError, Exit};
use super::output::Output;
use clap_complete::Shell;

/// Arguments.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Args {
    /// Which shell
    shell: Shell,
}

/// Prints the completions.
///
/// # Errors
/// The output cannot be written.
pub fn run(args: Args, output: &Output) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "phonefleet", &mut script);
    output.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
