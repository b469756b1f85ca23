//! `soak relations`: compares runs that must come out alike although they are asked for differently.
//!
//! Invariants: exit 0 only without a difference; a difference names provider, seed and relation. Not here: the runs (`rehearsal::relations`).

use super::runs::{Which, finish};
use crate::cli::error::{CliError, Exit};
use crate::cli::options::Global;
use crate::cli::output::{Mark, Output, count, counted, mark};
use crate::rehearsal::relations::{Report, try_all};

/// Arguments.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct Args {
    /// How many seeds, for each provider
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    #[command(flatten)]
    which: Which,
}

/// Runs the pairs and reports.
///
/// # Errors
/// The output cannot be written.
pub(super) fn run(args: &Args, global: &Global, output: &Output) -> Result<Exit, CliError> {
    let references = args.which.references(args.seeds);
    let report = try_all(&references, args.which.threads());
    let violations = report.violations.len();
    finish((&report, violations), text, global, output)
}

fn text(report: &Report) -> String {
    let pairs = report.relations.values().sum();
    let mut lines = vec![counted(pairs, "pair") + " of runs"];
    let relations = report.relations.iter();
    lines.extend(relations.map(|(name, pairs)| format!("  {name}: {}", count(*pairs))));
    for found in &report.violations {
        lines.push(format!(
            "{}, seed {}, {}: {}",
            found.provider, found.seed, found.relation, found.problem
        ));
    }
    let violations = u64::try_from(report.violations.len()).unwrap_or(u64::MAX);
    lines.push(match violations {
        0 => format!("{} all alike", mark(Mark::Good)),
        found => format!("{} {}", mark(Mark::Bad), counted(found, "difference")),
    });
    lines.join("\n")
}
