//! `get phones`: what the vendor lists, so that one can write a Group.
//!
//! Invariants: sends only listings. Not here: what is wished of the phones (`plan`, `explain`).

use super::error::{CliError, Exit};
use super::options::{Global, Manifests, duration, within};
use super::output::{Format, Output, clean, counted, table};
use super::progress::Meter;
use crate::daemon::{Session, Survey, SurveyRow};
use crate::model::id::{AccountName, PhoneKey};
use crate::model::observed::RunState;
use clap::{Subcommand, ValueEnum};
use serde_json::json;
use std::time::Duration;

/// Arguments.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Clone, Debug)]
enum What {
    /// The phones that the accounts list, with their state and the group that claims them
    Phones(Phones),
}

#[derive(clap::Args, Clone, Debug)]
struct Phones {
    #[command(flatten)]
    manifests: Manifests,
    /// Only this account
    #[arg(long)]
    account: Option<String>,
    /// Only phones that a group claims, or only those that none does
    #[arg(long, value_enum)]
    claimed: Option<Claimed>,
    /// Give up after this long
    #[arg(long, env = "PHONEFLEET_TIMEOUT", value_parser = duration)]
    timeout: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Claimed {
    Yes,
    No,
}

/// Lists.
///
/// # Errors
/// Manifests, credentials, or the account cannot be read.
pub async fn run(args: Args, global: &Global, output: &Output) -> Result<Exit, CliError> {
    let What::Phones(args) = args.what;
    let options = global.session(&args.manifests, "get")?;
    let mut session = Session::open(options, false).await?;
    let meter = Meter::new(output);
    let account = args.account.as_deref().map(AccountName::new);
    let survey = within(
        args.timeout,
        session.survey(account.as_ref(), false, meter.sink()),
    )
    .await;
    meter.finish();
    let mut survey = survey??;
    survey.phones.retain(|_, row| match args.claimed {
        None => true,
        Some(Claimed::Yes) => row.group.is_some(),
        Some(Claimed::No) => row.group.is_none(),
    });
    print(&survey, output)?;
    Ok(Exit::Done)
}

fn print(survey: &Survey, output: &Output) -> Result<(), CliError> {
    if output.format == Format::Json {
        let rows: Vec<_> = survey.phones.iter().map(row_json).collect();
        return output.json(&rows);
    }
    let rows: Vec<Vec<String>> = survey.phones.iter().map(row_text).collect();
    if !rows.is_empty() {
        output.data(&table(
            output.format,
            &["phone", "state", "in use", "provider group", "claimed by"],
            &rows,
        ))?;
    }
    let unclaimed = survey.phones.values().filter(|row| row.group.is_none());
    output.say(&format!(
        "{}, {} of them claimed by no group",
        counted(u64::try_from(rows.len()).unwrap_or(u64::MAX), "phone"),
        unclaimed.count()
    ));
    Ok(())
}

fn row_text((key, row): (&PhoneKey, &SurveyRow)) -> Vec<String> {
    let listed = row.listed.as_ref();
    vec![
        match row.former.first() {
            None => clean(&key.to_string()),
            Some(old) => clean(&format!("{key} (was {})", old.phone)),
        },
        listed
            .map_or("", |listed| state_name(listed.state))
            .to_owned(),
        match listed.and_then(|listed| listed.in_use) {
            Some(true) => "yes",
            Some(false) => "no",
            None => "",
        }
        .to_owned(),
        listed
            .and_then(|listed| listed.provider_group.as_ref())
            .map_or_else(String::new, |group| clean(group.as_str())),
        row.group.clone().unwrap_or_default(),
    ]
}

fn row_json((key, row): (&PhoneKey, &SurveyRow)) -> serde_json::Value {
    let listed = row.listed.as_ref();
    json!({
        "account": key.account,
        "phone": key.phone,
        "formerCodes": row.former.iter().map(|old| &old.phone).collect::<Vec<_>>(),
        "state": listed.map(|listed| listed.state),
        "inUse": listed.and_then(|listed| listed.in_use),
        "providerGroup": listed.and_then(|listed| listed.provider_group.clone()),
        "group": row.group,
    })
}

/// A run state in words.
pub(crate) fn state_name(state: RunState) -> &'static str {
    match state {
        RunState::Running => "running",
        RunState::Restarting => "restarting",
        RunState::Changing => "resetting or upgrading",
        RunState::NotReady => "not ready",
        RunState::Unreachable => "unreachable",
        RunState::Abnormal => "abnormal",
        RunState::Off => "off",
        RunState::Gone => "gone",
        RunState::Unknown => "unknown",
    }
}
