//! `plan`: what differs and what would be done. Sends only reads.
//!
//! Invariants: takes no lock and writes nothing; the plan is made by the code that applies it. Not here: how a plan reads (`plan::render`).

use super::error::{CliError, Exit};
use super::options::{Global, Manifests, duration, within};
use super::output::{Format, Output};
use super::progress::Meter;
use crate::daemon::Session;
use crate::model::capability::Reads;
use crate::plan::preview::Plan;
use crate::plan::render;
use std::time::Duration;

/// Arguments.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    manifests: Manifests,
    /// Give up after this long
    #[arg(long, env = "PHONEFLEET_TIMEOUT", value_parser = duration)]
    timeout: Option<Duration>,
    /// How far reading goes: the listing alone, whatever the API tells, or commands on phones too where nothing else tells
    #[arg(long, env = "PHONEFLEET_READS", value_enum, default_value_t = How::Shell)]
    reads: How,
    /// End with 2 when there is any change, waiting or not
    #[arg(long)]
    detailed_exitcode: bool,
}

/// How far reading goes.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Listings and catalogues only
    Listed,
    /// Whatever the API tells; nothing is run on phones
    Api,
    /// Commands on phones too, where nothing else tells
    Shell,
}

/// Reads the fleet and shows the plan.
///
/// # Errors
/// Manifests, credentials, or an account that cannot be read.
pub async fn run(args: Args, global: &Global, output: &Output) -> Result<Exit, CliError> {
    let options = global.session(&args.manifests, "plan")?;
    let mut session = Session::open(options, false).await?;
    session.limit_reads(match args.reads {
        How::Listed => Reads::Listed,
        How::Api => Reads::Api,
        How::Shell => Reads::Shell,
    });
    let meter = Meter::new(output);
    let plan = within(args.timeout, session.preview(meter.sink())).await;
    meter.finish();
    let plan = plan??;
    show(&plan, output)?;
    Ok(if args.detailed_exitcode && plan.has_changes() {
        Exit::Changes
    } else {
        Exit::Done
    })
}

/// Writes the plan to stdout.
///
/// # Errors
/// The output cannot be written.
pub(crate) fn show(plan: &Plan, output: &Output) -> Result<(), CliError> {
    match output.format {
        Format::Text => output.data(&render::text(plan)),
        Format::Json => output.json(&render::json(plan)),
        Format::Markdown => output.data(&render::markdown(plan)),
    }
}
