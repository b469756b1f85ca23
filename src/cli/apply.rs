//! `apply`: make the fleet as the manifests say, once.
//!
//! Invariants: nothing is changed before the plan was shown and a person (or `--yes`) said yes to it; costly changes are done exactly as shown.
//! Not here: how the plan is carried out (`controller`).

use super::error::{CliError, Exit};
use super::options::{Global, Manifests, duration, within};
use super::output::{Format, Mark, Output, count, counted, mark, table};
use super::plan::show;
use super::progress::{Meter, summary_line};
use super::status::needing;
use super::stop::Stop;
use crate::controller::progress::Progress;
use crate::daemon::{Ending, Session};
use crate::model::condition::Reason;
use crate::model::id::PhoneKey;
use crate::model::operation::Outcome;
use crate::plan::phone::Approval;
use crate::plan::preview::Plan;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// Arguments.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    manifests: Manifests,
    /// Do not ask; for scripts
    #[arg(long, short = 'y', env = "PHONEFLEET_YES")]
    yes: bool,
    /// Change at most this many phones: the first ones with changes, by name
    #[arg(long, env = "PHONEFLEET_MAX_PHONES", value_name = "N")]
    max_phones: Option<usize>,
    /// End after this long, even while converging
    #[arg(long, env = "PHONEFLEET_TIMEOUT", value_parser = duration)]
    timeout: Option<Duration>,
    /// Wait this long for what only the vendor can mend [default: the setting `patience`]
    #[arg(long, env = "PHONEFLEET_PATIENCE", value_parser = duration)]
    patience: Option<Duration>,
}

/// Plans, asks, and carries the plan out.
///
/// # Errors
/// Manifests, credentials, lock or journal; the person said no.
pub async fn run(args: Args, global: &Global, output: &Output) -> Result<Exit, CliError> {
    if !args.yes && !Output::can_ask() {
        return Err(CliError::usage(
            "apply asks before it changes anything, and there is no terminal to ask on",
        )
        .hint("look at `phonefleet plan` first, then run `phonefleet apply --yes`"));
    }
    let mut options = global.session(&args.manifests, "apply")?;
    if let Some(patience) = args.patience {
        options.settings.patience = patience;
    }
    let mut session = Session::open(options, true).await?;
    let stop = Stop::watch(output)?;
    session.stop_on(stop.receiver());
    let meter = Meter::new(output);
    let plan = within(args.timeout, session.preview(meter.sink())).await;
    meter.finish();
    let plan = plan??;
    show(&plan, output)?;
    if !plan.has_work() && !plan.has_changes() {
        return Ok(Exit::Done);
    }
    let approval = approve(&plan, args.max_phones);
    if plan.has_work() && !args.yes {
        ask(&plan, &approval, &stop, output).await?;
    }
    if let Some(phones) = &approval.phones {
        meter.expect(steps_on(&plan, phones));
    }
    let ending = session.apply(approval, args.timeout, meter.sink()).await;
    meter.finish();
    let ending = ending?;
    let progress = meter.last();
    report(&ending, &progress, output)?;
    Ok(exit(&ending, &progress))
}

/// What a yes to this plan covers.
fn approve(plan: &Plan, max_phones: Option<usize>) -> Approval {
    Approval {
        costly: plan.costly(),
        phones: max_phones.map(|most| plan.changing_phones().into_iter().take(most).collect()),
    }
}

/// Steps of the plan on these phones.
fn steps_on(plan: &Plan, phones: &BTreeSet<PhoneKey>) -> u64 {
    let chosen = plan.steps.iter().flat_map(|step| &step.phones);
    let chosen = chosen.filter(|phone| phones.contains(*phone)).count();
    u64::try_from(chosen).unwrap_or(u64::MAX)
}

/// Asks, and takes nothing but "yes".
async fn ask(
    plan: &Plan,
    approval: &Approval,
    stop: &Stop,
    output: &Output,
) -> Result<(), CliError> {
    let phones = plan.changing_phones().len();
    let phones = approval.phones.as_ref().map_or(phones, BTreeSet::len);
    let costly = match approval.costly.len() {
        0 => String::new(),
        n => format!(
            " {} of the changes cost something (marked !).",
            count(u64::try_from(n).unwrap_or(u64::MAX))
        ),
    };
    output.ask(&format!(
        "\nApply this to {}?{costly} Only \"yes\" is accepted: ",
        counted(u64::try_from(phones).unwrap_or(u64::MAX), "phone")
    ));
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let answer = tokio::select! {
        answer = line => answer,
        () = stop.asked() => {
            return Err(CliError::new(Exit::Interrupted, "interrupted; nothing was changed"));
        }
    };
    match answer {
        Ok(Ok(line)) if line.trim() == "yes" => Ok(()),
        Ok(_) | Err(_) => Err(CliError::new(
            Exit::Stopped,
            "not applied; nothing was changed",
        )),
    }
}

fn exit(ending: &Ending, progress: &Progress) -> Exit {
    match ending {
        Ending::Converged => Exit::Done,
        Ending::Partly if progress.writes == 0 && only_policy(progress) => Exit::Stopped,
        Ending::Partly => Exit::Partly,
        Ending::TimedOut => Exit::TimedOut,
        Ending::Interrupted => Exit::Interrupted,
    }
}

/// Whether everything that waits was stopped by what the manifests or a person allow.
fn only_policy(progress: &Progress) -> bool {
    !progress.reasons.is_empty()
        && progress.reasons.keys().all(|reason| {
            matches!(
                reason,
                Reason::CostNotAllowed
                    | Reason::NotApproved
                    | Reason::Guard
                    | Reason::Window
                    | Reason::Held
                    | Reason::Paused
                    | Reason::Expectation
                    | Reason::ClaimedTwice
            )
        })
}

fn report(ending: &Ending, progress: &Progress, output: &Output) -> Result<(), CliError> {
    if output.format == Format::Json {
        return output.json_line(&json!({ "ending": name(ending), "status": progress }));
    }
    let (sign, headline) = match ending {
        Ending::Converged => (Mark::Good, "converged: everything desired was read back"),
        Ending::Partly => (Mark::Odd, "partly converged"),
        Ending::TimedOut => (
            Mark::Odd,
            "time is up, still converging; run again to go on",
        ),
        Ending::Interrupted => (
            Mark::Odd,
            "interrupted; the journal is consistent, run again to go on",
        ),
    };
    output.say(&format!("\n{} {headline}", mark(sign)));
    output.say(&summary_line(progress));
    let rows: Vec<Vec<String>> = progress
        .groups
        .iter()
        .map(|(group, (phones, in_sync))| {
            vec![
                group.to_string(),
                count(*phones),
                count(*in_sync),
                count(phones.saturating_sub(*in_sync)),
            ]
        })
        .collect();
    if !rows.is_empty() {
        output.say(&format!(
            "\n{}",
            table(Format::Text, &["group", "phones", "in sync", "not"], &rows)
        ));
    }
    let outcomes: Vec<String> = progress
        .outcomes
        .iter()
        .map(|(outcome, jobs)| format!("{} {}", outcome_name(*outcome), count(*jobs)))
        .collect();
    output.say(&format!(
        "\njobs: {}; calls: {}, {}, {}, {} throttled",
        if outcomes.is_empty() {
            "none".to_owned()
        } else {
            outcomes.join(", ")
        },
        counted(progress.reads, "read"),
        counted(progress.writes, "write"),
        counted(progress.polls, "poll"),
        count(progress.throttled)
    ));
    if *ending != Ending::Converged {
        output.say(needing(progress, 20, Format::Text).trim_end());
        output.say("next: `phonefleet explain PHONE` tells about one phone, `phonefleet status` shows this again");
    }
    Ok(())
}

fn name(ending: &Ending) -> &'static str {
    match ending {
        Ending::Converged => "converged",
        Ending::Partly => "partly",
        Ending::TimedOut => "timedOut",
        Ending::Interrupted => "interrupted",
    }
}

/// An outcome in words.
pub(crate) fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Verified => "verified",
        Outcome::NoEffect => "without effect",
        Outcome::Failed => "failed",
        Outcome::Refused => "refused",
        Outcome::Busy => "busy",
        Outcome::Settled => "settled, to be written again",
        Outcome::Happened => "happened, as a person said",
        Outcome::NotHappened => "did not happen, as a person said",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_by_policy_is_told_from_trouble() {
        let waiting = |reasons: &[Reason], writes| Progress {
            writes,
            reasons: reasons.iter().map(|reason| (*reason, 1)).collect(),
            ..Progress::default()
        };
        let policy = waiting(&[Reason::CostNotAllowed, Reason::Expectation], 0);
        assert_eq!(exit(&Ending::Partly, &policy), Exit::Stopped);
        let changed = waiting(&[Reason::CostNotAllowed], 4);
        assert_eq!(exit(&Ending::Partly, &changed), Exit::Partly);
        let trouble = waiting(&[Reason::CostNotAllowed, Reason::Abnormal], 0);
        assert_eq!(exit(&Ending::Partly, &trouble), Exit::Partly);
        let parked = waiting(&[Reason::UnknownOutcome], 0);
        assert_eq!(exit(&Ending::Partly, &parked), Exit::Partly);
        assert_eq!(exit(&Ending::Converged, &Progress::default()), Exit::Done);
    }
}
