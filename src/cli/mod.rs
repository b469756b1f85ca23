//! Human in, human out: the command line. A file per command; [`error`]: kinds, hints, exit codes; [`output`]: the only place that prints;
//! [`options`]: what commands share; [`progress`]: bars and lines.
//!
//! Invariants: stdout is data, stderr is talk; every end has one of the documented exit codes; a command decides nothing about phones.
//! Not here: what happens to phones (`daemon` and below).

pub mod apply;
pub mod completions;
pub mod demo;
pub mod doctor;
pub mod error;
pub mod explain;
pub mod get;
pub mod import;
pub mod options;
pub mod output;
pub mod plan;
pub mod progress;
pub mod providers;
pub mod resolve;
pub mod run;
pub mod schema;
pub mod sim;
pub mod soak;
pub mod status;
pub mod stop;
pub mod validate;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use error::{CliError, Exit};
use options::Global;
use output::Output;
use std::ffi::OsString;
use std::process::ExitCode;

/// Fleet-as-code for cloud phones: declare a fleet in YAML, preview the difference, converge it and keep it so.
#[derive(Parser, Clone, Debug)]
#[command(name = "phonefleet", version, max_term_width = 110)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub struct Invocation {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Clone, Debug)]
enum Command {
    /// Show everything in half a minute, on simulated phones
    Demo(demo::Args),
    /// Check manifests, offline
    Validate(validate::Args),
    /// Show what differs and what would be done; sends only reads
    Plan(plan::Args),
    /// Make the fleet as the manifests say, once
    Apply(apply::Args),
    /// Keep the fleet as the manifests say, for ever
    Run(run::Args),
    /// Show how the fleet stands, from what is remembered
    Status(status::Args),
    /// List what the vendor has
    Get(get::Args),
    /// Write an Inventory and a Group for the phones an account has
    Import(import::Args),
    /// Test credentials, clock, rights and limits of every account
    Doctor(doctor::Args),
    /// Tell why a phone is as it is
    Explain(explain::Args),
    /// Answer whether a costly operation with unknown outcome happened
    Resolve(resolve::Args),
    /// Show what each provider can do, and what it costs
    Providers(providers::Args),
    /// Serve simulated vendors over HTTP
    Sim(sim::Args),
    /// Run the program in virtual time while everything goes wrong, and check every invariant
    Soak(soak::Args),
    /// Print a JSON schema
    Schema(schema::Args),
    /// Print completions for a shell
    Completions(completions::Args),
}

/// Reads the command line.
///
/// # Errors
/// It asks for help (exit 0) or is wrong (exit 64); the text has been printed.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, ExitCode> {
    let command = command();
    let parsed = command
        .try_get_matches_from(args)
        .and_then(|matches| Invocation::from_arg_matches(&matches));
    parsed.map_err(|problem| {
        // Nobody reading the help is no error.
        drop(problem.print());
        if problem.use_stderr() {
            ExitCode::from(Exit::Usage.code())
        } else {
            ExitCode::SUCCESS
        }
    })
}

/// The whole command line, for help and completions.
pub(crate) fn command() -> clap::Command {
    Invocation::command().after_long_help(format!("{}\n{EXIT_CODES}", options::settings_help()))
}

const EXIT_CODES: &str = "Exit codes:
  0  done, or nothing to do            6    state folder in use by another process
  1  error before anything changed     7    error after changes had begun; run again to go on
  2  plan --detailed-exitcode: changes 64   wrong command line
  3  stopped by a guard or by you      124  --timeout passed
  4  partly converged                  130  interrupted; run again to go on";

/// Runs the command.
pub async fn run(invocation: Invocation) -> ExitCode {
    let Invocation { global, command } = invocation;
    let output = Output::new(global.output, global.log_format, global.no_color);
    // Of what goes wrong in a soak, everything is on purpose: nothing is logged unless it is asked for.
    if !matches!(command, Command::Soak(_)) || global.verbose > 0 {
        output.start_log(global.verbose);
    }
    let result = Box::pin(dispatch(command, &global, &output)).await;
    let exit = result.unwrap_or_else(|error| {
        output.error(&error);
        error.exit
    });
    ExitCode::from(exit.code())
}

async fn dispatch(command: Command, global: &Global, output: &Output) -> Result<Exit, CliError> {
    match command {
        Command::Demo(args) => Box::pin(demo::run(args, output)).await,
        Command::Validate(args) => validate::run(&args, output),
        Command::Plan(args) => Box::pin(plan::run(args, global, output)).await,
        Command::Apply(args) => Box::pin(apply::run(args, global, output)).await,
        Command::Run(args) => Box::pin(run::run(args, global, output)).await,
        Command::Status(args) => status::run(args, global, output),
        Command::Get(args) => Box::pin(get::run(args, global, output)).await,
        Command::Import(args) => Box::pin(import::run(args, global, output)).await,
        Command::Doctor(args) => Box::pin(doctor::run(args, global, output)).await,
        Command::Explain(args) => Box::pin(explain::run(args, global, output)).await,
        Command::Resolve(args) => Box::pin(resolve::run(args, global, output)).await,
        Command::Providers(args) => providers::run(&args, output),
        Command::Sim(args) => Box::pin(sim::run(args, output)).await,
        Command::Soak(args) => soak::run(&args, global, output),
        Command::Schema(args) => schema::run(args, output),
        Command::Completions(args) => completions::run(args, output),
    }
}

/// The process cannot even start its runtime.
pub fn no_runtime(problem: &std::io::Error) -> ExitCode {
    let output = Output::new(output::Format::Text, output::LogFormat::Text, false);
    output.error(&CliError::new(Exit::Before, "cannot start").because(problem));
    ExitCode::from(Exit::Before.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }
}
