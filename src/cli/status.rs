//! `status`: how the fleet stands, from what is remembered. Begins with the line people look for.
//!
//! Invariants: takes no lock, sends nothing, writes nothing; says how old its data is. Not here: one phone's story (`explain`).

use super::error::{CliError, Exit};
use super::options::Global;
use super::output::{Format, Output, clean, count, counted, span, strong, table};
use super::progress::summary_line;
use crate::controller::progress::Progress;
use crate::journal::{sqlite, state};
use crate::model::condition::{Actor, Reason};
use crate::model::operation::Phase;
use crate::model::record::Ledger;
use crate::model::rename::Renamed;
use crate::model::stamp::Timestamp;
use crate::time::clock::{Clock, TokioClock};
use serde_json::json;
use std::fmt::Write as _;
use std::path::Path;

/// Arguments.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Args {
    /// Show at most this many phones that need someone
    #[arg(long, default_value_t = 20, value_name = "N")]
    most: usize,
}

/// An operation whose outcome only a person can tell.
struct Parked {
    operation: String,
    call: String,
    phones: Vec<String>,
    at: Timestamp,
}

/// Shows how the fleet stands.
///
/// # Errors
/// Nothing is remembered in the state folder, or it cannot be read.
pub fn run(args: Args, global: &Global, output: &Output) -> Result<Exit, CliError> {
    show(&global.state_dir()?, args.most, output)?;
    Ok(Exit::Done)
}

/// Shows what this state folder remembers.
///
/// # Errors
/// As [`run`].
pub(crate) fn show(folder: &Path, most: usize, output: &Output) -> Result<(), CliError> {
    let progress = read_status(folder)?;
    let ledger = sqlite::read(folder)?.unwrap_or_default();
    let parked = parked(&ledger);
    let age = TokioClock::system().now().since(progress.at);
    if output.format == Format::Json {
        return output.json(&json!({
            "ageSeconds": age.as_secs(),
            "stateDir": folder,
            "status": progress,
            "openOperations": ledger.operations.len(),
            "parked": parked.iter().map(|one| json!({
                "operation": one.operation, "call": one.call, "phones": one.phones, "at": one.at.to_string(),
            })).collect::<Vec<_>>(),
        }));
    }
    let mut text = format!(
        "{}\n{}, revision {}, {}; {} old\n",
        strong(&summary_line(&progress)),
        counted(progress.phones, "phone"),
        progress.revision,
        progress.activity,
        span(age)
    );
    text.push_str(&groups(&progress, output.format));
    text.push_str(&needing(&progress, most, output.format));
    for one in progress.renamed.iter().take(most) {
        let _ = writeln!(text, "\n{}", renamed_text(one));
    }
    for one in &parked {
        let _ = writeln!(
            text,
            "\n{} {} on {} since {}: nobody knows whether it happened\n  look at the phones, then `phonefleet resolve {} --happened` or `--not-happened`",
            one.operation,
            one.call,
            one.phones.join(", "),
            one.at,
            one.operation
        );
    }
    output.data(&text)
}

fn read_status(folder: &Path) -> Result<Progress, CliError> {
    let nothing = || {
        CliError::new(
            Exit::Before,
            format!("nothing is remembered in {}", folder.display()),
        )
        .hint("`phonefleet apply` or `phonefleet run` remember how the fleet stands; `phonefleet plan` reads it now")
        .hint("if another folder was used, name it with `--state-dir`")
    };
    let bytes = state::load_status(folder)?.ok_or_else(nothing)?;
    serde_json::from_slice(&bytes).map_err(|problem| {
        CliError::new(
            Exit::Before,
            format!("the status in {} is not readable", folder.display()),
        )
        .because(&problem)
        .hint("it is written anew by the next `phonefleet apply` or `phonefleet run`")
    })
}

fn parked(ledger: &Ledger) -> Vec<Parked> {
    ledger
        .operations
        .values()
        .filter_map(|state| {
            let phones: Vec<String> = state
                .intent
                .phones
                .iter()
                .zip(&state.phases)
                .filter(|(_, phase)| **phase == Phase::Parked)
                .map(|(phone, _)| phone.to_string())
                .collect();
            (!phones.is_empty()).then(|| Parked {
                operation: state.intent.operation.to_string(),
                call: state.intent.call.to_string(),
                phones,
                at: state.intent.at,
            })
        })
        .collect()
}

fn groups(progress: &Progress, format: Format) -> String {
    if progress.groups.is_empty() {
        return String::new();
    }
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
    format!(
        "\n{}\n",
        table(format, &["group", "phones", "in sync", "not"], &rows)
    )
}

/// Reasons with their phones: who must act, and what to do.
pub(crate) fn reasons(progress: &Progress, format: Format) -> String {
    let rows: Vec<Vec<String>> = progress
        .reasons
        .iter()
        .map(|(reason, phones)| {
            vec![
                reason.to_string(),
                count(*phones),
                actor_name(reason.actor()).to_owned(),
                reason.next_step().to_owned(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "\n{}\n",
        table(
            format,
            &["waits as", "phones", "who acts", "what to do"],
            &rows
        )
    )
}

/// Reasons, then the phones that need someone.
pub(crate) fn needing(progress: &Progress, most: usize, format: Format) -> String {
    let mut text = reasons(progress, format);
    // Phones that were left out on purpose are many, and one is like the other.
    let told = progress
        .needing
        .iter()
        .filter(|(_, reason, _)| *reason != Reason::NotApproved);
    let all = told.clone().count();
    let rows: Vec<Vec<String>> = told
        .take(most)
        .map(|(phone, reason, detail)| {
            vec![clean(&phone.to_string()), reason.to_string(), clean(detail)]
        })
        .collect();
    if rows.is_empty() {
        return text;
    }
    let _ = writeln!(
        text,
        "\n{}",
        table(format, &["phone", "waits as", "detail"], &rows)
    );
    if all > rows.len() {
        let more = u64::try_from(all - rows.len()).unwrap_or(u64::MAX);
        let _ = writeln!(
            text,
            "… and {} more (`--most N`); `phonefleet explain PHONE` tells about one",
            count(more)
        );
    }
    text
}

/// A phone that got another code, in words.
pub(crate) fn renamed_text(renamed: &Renamed) -> String {
    let Renamed {
        from,
        to,
        at,
        named,
    } = renamed;
    let told = format!(
        "the vendor changed the code of {}: it is {} now (found {at})",
        clean(&from.to_string()),
        clean(&to.to_string())
    );
    if *named {
        format!(
            "{told}\n  the manifests still name the old code; it means this phone, write the new one when you can"
        )
    } else {
        told
    }
}

/// Who acts, in words.
pub(crate) fn actor_name(actor: Actor) -> &'static str {
    match actor {
        Actor::Time => "nobody",
        Actor::Vendor => "the vendor",
        Actor::Operator => "you",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{AccountName, PhoneId, PhoneKey};

    #[test]
    fn a_changed_code_is_told_with_what_to_do_where_manifests_name_the_old_one() {
        let phone = |id: &str| PhoneKey {
            account: AccountName::new("hk"),
            phone: PhoneId::new(id),
        };
        let mut renamed = Renamed {
            from: phone("VP1"),
            to: phone("VP2"),
            at: Timestamp(0),
            named: false,
        };
        let text = renamed_text(&renamed);
        assert!(text.contains("hk/VP1: it is hk/VP2 now"), "{text}");
        assert!(!text.contains("manifests"), "{text}");
        renamed.named = true;
        let text = renamed_text(&renamed);
        assert!(text.contains("manifests still name the old code"), "{text}");
    }

    #[test]
    fn phones_that_need_someone_are_named_and_the_rest_counted() {
        let phone = |id: &str| PhoneKey {
            account: AccountName::new("hk"),
            phone: PhoneId::new(id),
        };
        let progress = Progress {
            operator: 3,
            reasons: [(Reason::CostNotAllowed, 3)].into(),
            needing: vec![
                (phone("AC1"), Reason::CostNotAllowed, "wipe".to_owned()),
                (phone("AC2"), Reason::CostNotAllowed, "wipe".to_owned()),
                (phone("AC3"), Reason::CostNotAllowed, "wipe".to_owned()),
            ],
            ..Progress::default()
        };
        let text = needing(&progress, 2, Format::Text);
        assert!(text.contains("hk/AC1") && text.contains("hk/AC2"), "{text}");
        assert!(!text.contains("hk/AC3"), "{text}");
        assert!(text.contains("and 1 more"), "{text}");
        assert!(text.contains("you"), "{text}");
    }
}
