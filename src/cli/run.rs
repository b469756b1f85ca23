//! `run`: keep the fleet as the manifests say, for ever; what the systemd unit starts.
//!
//! Invariants: the first SIGINT or SIGTERM drains (nothing new starts, the journal is consistent), the second ends the process at once.
//! Not here: the loop (`controller`), watching files (`source`).

use super::error::{CliError, Exit};
use super::options::{Global, Manifests};
use super::output::Output;
use super::stop::Stop;
use crate::daemon::{Ending, Session};

/// Arguments.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    manifests: Manifests,
}

/// Runs until it is stopped.
///
/// # Errors
/// Manifests, credentials, lock or journal.
pub async fn run(args: Args, global: &Global, output: &Output) -> Result<Exit, CliError> {
    let options = global.session(&args.manifests, "run")?;
    let mut session = Session::open(options, true).await?;
    let stop = Stop::watch(output)?;
    output
        .say("running; SIGTERM or Ctrl-C ends it, `phonefleet status` shows how the fleet stands");
    let ending = session.run(stop.receiver()).await?;
    Ok(match ending {
        Ending::Converged | Ending::Partly | Ending::Interrupted => Exit::Done,
        Ending::TimedOut => Exit::TimedOut,
    })
}
