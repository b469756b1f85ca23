//! `soak`: runs the program in virtual time against simulated vendors while everything goes wrong, and says whether every invariant held.
//!
//! Invariants: nothing outside this process is touched; exit 0 only without a violation; a violation names the seed that gives it again.
//! Not here: the runs (`rehearsal`).

use super::error::{CliError, Exit};
use super::options::Global;
use super::output::{Mark, Output, count, counted, mark, span};
use crate::model::fleet::ProviderKind;
use crate::rehearsal::profile::Profile;
use crate::rehearsal::run::Outcome;
use crate::rehearsal::scenario::Scenario;
use crate::rehearsal::soak::{Plan, Report, soak};
use runs::{finish, threads};
use std::time::Duration;

mod plans;
mod relations;
mod runs;

/// So many violations of a run are told as soon as it is over; the report has all.
const TOLD_AT_ONCE: usize = 3;

/// Edits of the manifests per run, unless told otherwise.
const EDITIONS: u32 = 3;

/// Arguments.
#[derive(clap::Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    /// Another kind of runs
    #[command(subcommand)]
    other: Option<Other>,
    /// How many runs, each of another seed
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// Simulated hours in which things go wrong, per run
    #[arg(long, default_value_t = 6.0)]
    hours: f64,
    /// Simulated hours after that in which nothing may happen any more
    #[arg(long, default_value_t = 1.0)]
    quiet_hours: f64,
    /// What goes wrong: none, network, vendor, crash, world, callbacks, all; or a list as lost=0.05,crash=2
    #[arg(long, value_name = "PROFILE", default_value = "all")]
    faults: String,
    /// Whose phones take part: a seed takes one of these providers, or two, or all
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = super::sim::provider, default_values_t = ProviderKind::ALL)]
    providers: Vec<ProviderKind>,
    /// Phones of a run, dealt to its accounts
    #[arg(long, default_value_t = 100)]
    phones: u32,
    /// For one of so many seeds two more runs tell how far failing phones delay others; 0: for none
    #[arg(long, value_name = "SEEDS", default_value_t = 10)]
    pairs: u64,
    /// Edits of the manifests per run
    #[arg(long, default_value_t = EDITIONS)]
    editions: u32,
    /// Runs at a time; 0: as many as there are processors
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

/// Other kinds of runs.
#[derive(clap::Subcommand, Clone, Debug)]
enum Other {
    /// Put every fault at every point of runs in which nothing goes wrong, and compare
    Plans(plans::Args),
    /// Compare runs that must come out alike although they are asked for differently
    Relations(relations::Args),
}

/// Runs the seeds and reports.
///
/// # Errors
/// A fault that is none.
pub fn run(args: &Args, global: &Global, output: &Output) -> Result<Exit, CliError> {
    match &args.other {
        Some(Other::Plans(args)) => return plans::run(args, global, output),
        Some(Other::Relations(args)) => return relations::run(args, global, output),
        None => {}
    }
    let profile = Profile::parse(&args.faults).map_err(|problem| {
        CliError::from_error(Exit::Usage, &problem)
            .hint("write `--faults all`, or `--faults lost=0.05,crash=2`")
    })?;
    let hours = |hours: f64, name: &str| {
        Some(hours)
            .filter(|hours| (0.0..=10_000.0).contains(hours))
            .ok_or_else(|| CliError::usage(format!("--{name} is a number from 0 to 10000")))
    };
    let scenario = Scenario {
        hours: hours(args.hours, "hours")?,
        quiet: Duration::from_secs_f64(hours(args.quiet_hours, "quiet-hours")? * 3_600.0),
        profile,
        editions: args.editions,
        ..Scenario::default()
    };
    let plan = Plan {
        scenario,
        providers: args.providers.clone(),
        phones: args.phones,
        paired: args.pairs,
        first: args.first_seed,
        seeds: args.seeds,
        threads: threads(args.threads),
    };
    let told = |over: u64, seed: u64, outcome: &Outcome| {
        if !outcome.violations.is_empty() {
            output.say(&format!(
                "{} seed {seed}: {} after {} of {} runs",
                mark(Mark::Bad),
                counted(violations(outcome), "violation"),
                count(over),
                count(args.seeds)
            ));
            for violation in outcome.violations.iter().take(TOLD_AT_ONCE) {
                output.say(&format!("  {violation}"));
            }
            output.say(&format!("  again: {}", again(seed, args)));
        } else if over.is_multiple_of((args.seeds / 20).max(1)) {
            output.say(&format!("{} of {} runs", count(over), count(args.seeds)));
        }
    };
    let report = soak(&plan, &told);
    let violations = report.violations.len();
    finish(
        (&report, violations),
        |report| text(report, args),
        global,
        output,
    )
}

/// The command that gives one seed again.
fn again(seed: u64, args: &Args) -> String {
    let providers: Vec<&str> = args
        .providers
        .iter()
        .map(|provider| provider.as_str())
        .collect();
    let providers = match args.providers.len() {
        all if all == ProviderKind::ALL.len() => String::new(),
        _ => format!(" --providers {}", providers.join(",")),
    };
    let editions = match args.editions {
        EDITIONS => String::new(),
        other => format!(" --editions {other}"),
    };
    let pairs = u64::from(args.pairs > 0 && seed.is_multiple_of(args.pairs.max(1)));
    format!(
        "phonefleet soak --seeds 1 --first-seed {seed} --hours {} --quiet-hours {} --phones {} --faults {}{providers} --pairs {pairs}{editions}",
        args.hours, args.quiet_hours, args.phones, args.faults,
    )
}

fn violations(outcome: &Outcome) -> u64 {
    u64::try_from(outcome.violations.len()).unwrap_or(u64::MAX)
}

fn text(report: &Report, args: &Args) -> String {
    let mut lines = vec![
        format!(
            "{} of {:.0} simulated hours in all",
            counted(report.seeds, "run"),
            report.simulated_hours
        ),
        format!(
            "{}, {} of them mutating; {}; {}",
            counted(report.requests, "request"),
            count(report.mutations),
            counted(report.jobs, "job"),
            counted(report.records, "durable record")
        ),
        format!(
            "{}, {}; calm again after {} at the latest; {} for a person",
            counted(report.crashes, "crash"),
            counted(report.stops, "stop"),
            span(Duration::from_secs(report.calmed_seconds)),
            if report.waiting == 1 {
                "1 phone waits".to_owned()
            } else {
                format!("{} phones wait", count(report.waiting))
            }
        ),
    ];
    let faults: Vec<String> = report
        .faults
        .iter()
        .map(|(kind, happened)| format!("{kind} {}", count(*happened)))
        .collect();
    lines.push(format!("faults: {}", faults.join(", ")));
    lines.push(format!(
        "{} gained nothing; {} searched for secrets; {} with failing phones beside healthy ones, delayed by {} % at most",
        counted(report.wasted, "call"),
        counted(report.logged, "log line"),
        counted(report.pairs, "run"),
        report.delayed_percent
    ));
    let found = u64::try_from(report.violations.len()).unwrap_or(u64::MAX);
    for of_seed in report
        .violations
        .chunk_by(|one, next| one.seed == next.seed)
    {
        lines.extend(
            of_seed
                .iter()
                .map(|found| format!("seed {}: {}", found.seed, found.violation)),
        );
        lines.extend(
            of_seed
                .first()
                .map(|found| format!("  again: {}", again(found.seed, args))),
        );
    }
    lines.push(match found {
        0 => format!("{} every invariant held", mark(Mark::Good)),
        found => format!("{} {}", mark(Mark::Bad), counted(found, "violation")),
    });
    lines.join("\n")
}
