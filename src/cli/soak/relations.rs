//! `soak relations`: compares runs that must come out alike although they are asked for differently.
//!
//! Invariants: exit 0 only without a difference; a difference names provider, seed and relation. Not here: the runs (`rehearsal::relations`).

use super::plans::{references, threads};
use crate::cli::error::{CliError, Exit};
use crate::cli::options::Global;
use crate::cli::output::{Format, Mark, Output, count, counted, mark};
use crate::rehearsal::relations::{Report, try_all};

/// Arguments.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct Args {
    /// How many seeds, for each provider
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// Providers, each by itself; several with commas
    #[arg(
        long,
        value_name = "PROVIDER",
        value_delimiter = ',',
        default_value = "armcloud"
    )]
    providers: Vec<String>,
    /// Runs at a time; 0: as many as there are processors
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

/// Runs the pairs and reports.
///
/// # Errors
/// A provider that is none.
pub(super) fn run(args: &Args, global: &Global, output: &Output) -> Result<Exit, CliError> {
    let references = references(&args.providers, args.first_seed, args.seeds)?;
    let report = try_all(&references, threads(args.threads));
    match global.output {
        Format::Json => output.json(&report)?,
        Format::Text | Format::Markdown => output.data(&text(&report))?,
    }
    Ok(if report.violations.is_empty() {
        Exit::Done
    } else {
        Exit::Partly
    })
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
