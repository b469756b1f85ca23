//! `soak plans`: puts one fault at one point of a run in which nothing goes wrong, for every fault and every point, and compares with that run.
//!
//! Invariants: exit 0 only without a violation; a violation names the plan, and `--plan` with that text gives it again. Not here: the runs (`rehearsal::plans`).

use super::runs::{Which, finish};
use crate::cli::error::{CliError, Exit};
use crate::cli::options::Global;
use crate::cli::output::{Mark, Output, count, counted, mark};
use crate::rehearsal::plans::{Plan, Report, Work, run_all, run_these};

/// Arguments.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct Args {
    /// How many runs without faults the plans are made from, each of another seed, for each provider
    #[arg(long, default_value_t = 1)]
    references: u64,
    #[command(flatten)]
    which: Which,
    /// So many plans at most, evenly spread over all that there are; 0: all
    #[arg(long, default_value_t = 0)]
    most: usize,
    /// One plan, as a report names it; can be given several times
    #[arg(long, value_name = "PLAN", conflicts_with_all = ["references", "first_seed", "providers", "most"])]
    plan: Vec<String>,
}

/// Runs the plans and reports.
///
/// # Errors
/// A plan that is none.
pub(super) fn run(args: &Args, global: &Global, output: &Output) -> Result<Exit, CliError> {
    let report = if args.plan.is_empty() {
        all(args, output)
    } else {
        let plans: Result<Vec<Plan>, _> = args.plan.iter().map(|text| text.parse()).collect();
        run_these(
            &plans.map_err(|problem| CliError::from_error(Exit::Usage, &problem))?,
            &|_, _, _| {},
        )
    };
    let violations = report.violations.len();
    finish((&report, violations), text, global, output)
}

fn all(args: &Args, output: &Output) -> Report {
    let work = Work {
        references: args.which.references(args.references),
        most: Some(args.most).filter(|most| *most > 0),
        threads: args.which.threads(),
    };
    let told = |over: usize, whole: usize, found: usize| {
        if over.is_multiple_of((whole / 20).max(1)) || (found > 0 && whole < 1_000) {
            output.say(&format!("{} of {} plans", number(over), number(whole)));
        }
    };
    run_all(&work, &told)
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
