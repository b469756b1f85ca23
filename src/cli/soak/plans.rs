//! `soak plans`: puts one fault at one point of a run in which nothing goes wrong, for every fault and every point, and compares with that run.
//!
//! Invariants: exit 0 only without a violation; a violation names the plan, and `--plan` with that text gives it again. Not here: the runs (`rehearsal::plans`).

use crate::cli::error::{CliError, Exit};
use crate::cli::options::Global;
use crate::cli::output::{Format, Mark, Output, count, counted, mark};
use crate::model::fleet::ProviderKind;
use crate::rehearsal::plans::{Plan, Reference, Report, Work, run_all, run_these};
use std::num::NonZero;

/// Arguments.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct Args {
    /// How many runs without faults the plans are made from, each of another seed, for each provider
    #[arg(long, default_value_t = 1)]
    references: u64,
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
    /// So many plans at most, evenly spread over all that there are; 0: all
    #[arg(long, default_value_t = 0)]
    most: usize,
    /// One plan, as a report names it; can be given several times
    #[arg(long, value_name = "PLAN", conflicts_with_all = ["references", "first_seed", "providers", "most"])]
    plan: Vec<String>,
    /// Runs at a time; 0: as many as there are processors
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

/// Runs the plans and reports.
///
/// # Errors
/// A provider or a plan that is none.
pub(super) fn run(args: &Args, global: &Global, output: &Output) -> Result<Exit, CliError> {
    let report = if args.plan.is_empty() {
        all(args, output)?
    } else {
        let plans: Result<Vec<Plan>, _> = args.plan.iter().map(|text| text.parse()).collect();
        run_these(
            &plans.map_err(|problem| CliError::from_error(Exit::Usage, &problem))?,
            &|_, _, _| {},
        )
    };
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

fn all(args: &Args, output: &Output) -> Result<Report, CliError> {
    let references = references(&args.providers, args.first_seed, args.references)?;
    let work = Work {
        references,
        most: Some(args.most).filter(|most| *most > 0),
        threads: threads(args.threads),
    };
    let told = |over: usize, whole: usize, found: usize| {
        if over.is_multiple_of((whole / 20).max(1)) || (found > 0 && whole < 1_000) {
            output.say(&format!("{} of {} plans", number(over), number(whole)));
        }
    };
    Ok(run_all(&work, &told))
}

/// So many seeds of each of these providers.
pub(super) fn references(
    providers: &[String],
    first: u64,
    seeds: u64,
) -> Result<Vec<Reference>, CliError> {
    let mut references = Vec::new();
    for name in providers {
        let provider = ProviderKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or_else(|| CliError::usage(format!("{name:?} is no provider")))?;
        let seeds = first..first.saturating_add(seeds);
        references.extend(seeds.map(|seed| Reference { provider, seed }));
    }
    Ok(references)
}

/// Runs at a time; 0: as many as there are processors.
pub(super) fn threads(wanted: usize) -> usize {
    match wanted {
        0 => std::thread::available_parallelism().map_or(1, NonZero::get),
        threads => threads,
    }
}

fn number(size: usize) -> String {
    count(u64::try_from(size).unwrap_or(u64::MAX))
}

fn text(report: &Report) -> String {
    let list = |counts: &std::collections::BTreeMap<String, u64>| {
        let parts = counts.iter();
        let parts: Vec<String> = parts
            .map(|(name, plans)| format!("{name} {}", count(*plans)))
            .collect();
        parts.join(", ")
    };
    let mut lines = vec![
        format!(
            "{} from {}, of {:.0} simulated hours in all; {} more found nothing to happen to",
            counted(report.plans, "plan"),
            counted(report.references, "reference run"),
            report.simulated_hours,
            count(report.vacuous)
        ),
        format!(
            "{}, {}, {}",
            counted(report.requests, "request"),
            counted(report.jobs, "job"),
            counted(report.crashes, "crash")
        ),
        format!(
            "{} with work done again that was undone, {} with work that an edit overtook, {} in which a person is asked",
            count(report.repaired),
            count(report.overtaken),
            count(report.waiting)
        ),
        format!("by fault: {}", list(&report.by_fault)),
        format!("by point: {}", list(&report.by_point)),
    ];
    for found in &report.violations {
        lines.push(format!("{}: {}", found.what, found.problem));
        lines.push(format!("  phonefleet soak plans --plan \"{}\"", found.plan));
    }
    let violations = u64::try_from(report.violations.len()).unwrap_or(u64::MAX);
    lines.push(match violations {
        0 => format!(
            "{} every plan came out as without its fault",
            mark(Mark::Good)
        ),
        found => format!("{} {}", mark(Mark::Bad), counted(found, "violation")),
    });
    lines.join("\n")
}
