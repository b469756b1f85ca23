//! `doctor`: tests credentials, clock, rights and limits of every account.
//!
//! Invariants: sends only reads, one of each kind and account; every ✗ says what to do. Not here: the fleet's state (`status`, `plan`).

use super::error::{CliError, Exit, advice};
use super::options::{Global, Manifests, duration, within};
use super::output::{Format, Mark, Output, clean, count, mark, strong};
use super::providers::read_name;
use crate::daemon::Session;
use crate::model::fleet::Account;
use crate::model::id::{AccountName, PhoneId};
use crate::model::observed::{Observation, ReadKind};
use crate::provider::{CallError, Probe, Provider, ReadRequest};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// A vendor's clock this far from ours, in milliseconds, deserves a look …
const OFFSET_ODD: i64 = 30_000;
/// … and this far makes signatures fail.
const OFFSET_BAD: i64 = 300_000;

/// Arguments.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    manifests: Manifests,
    /// Give up after this long
    #[arg(long, env = "PHONEFLEET_TIMEOUT", default_value = "2m", value_parser = duration)]
    timeout: Duration,
}

/// One line of the report.
struct Check {
    mark: Mark,
    what: &'static str,
    text: String,
    advice: Option<String>,
}

impl Check {
    fn good(what: &'static str, text: String) -> Self {
        Self {
            mark: Mark::Good,
            what,
            text,
            advice: None,
        }
    }

    fn trouble(mark: Mark, what: &'static str, text: String, advice: impl Into<String>) -> Self {
        Self {
            mark,
            what,
            text,
            advice: Some(advice.into()),
        }
    }

    fn failed(what: &'static str, error: &CallError) -> Self {
        Self {
            mark: Mark::Bad,
            what,
            text: clean(&error.message),
            advice: advice(error.kind).map(str::to_owned),
        }
    }
}

/// Tests every account.
///
/// # Errors
/// The manifests are wrong, or a credential is missing.
pub async fn run(args: Args, global: &Global, output: &Output) -> Result<Exit, CliError> {
    let options = global.session(&args.manifests, "doctor")?;
    let session = Session::open(options, false).await?;
    let mut all = Vec::new();
    for (name, provider) in session.providers() {
        let Some(account) = session.fleet().accounts.get(name) else {
            continue;
        };
        let checks = within(Some(args.timeout), examine(account, provider.as_ref())).await?;
        if output.format != Format::Json {
            output.data(&text(account, &checks))?;
        }
        all.push((account.name.clone(), checks));
    }
    if output.format == Format::Json {
        output.json(&all.iter().map(account_json).collect::<Vec<_>>())?;
    }
    let wrong = all
        .iter()
        .flat_map(|(_, checks)| checks)
        .any(|check| check.mark == Mark::Bad);
    Ok(if wrong { Exit::Before } else { Exit::Done })
}

async fn examine(account: &Account, provider: &dyn Provider) -> Vec<Check> {
    let mut checks = Vec::new();
    match provider.probe().await {
        Err(error) => {
            checks.push(Check::failed("credentials", &error));
            return checks;
        }
        Ok(probe) => {
            checks.push(Check::good(
                "credentials",
                format!("accepted at {}", account.endpoint),
            ));
            checks.push(clock(&probe));
            checks.extend(limits(account, provider, &probe));
            if let Some(phones) = probe.phones {
                checks.push(Check::good("phones", format!("{} listed", count(phones))));
            }
        }
    }
    checks.extend(rights(provider).await);
    checks
}

fn clock(probe: &Probe) -> Check {
    let Some(offset) = probe.clock_offset else {
        return Check::good("clock", "the vendor does not tell the time".to_owned());
    };
    let seconds = offset / 1000;
    let text = format!("the vendor's clock is {seconds:+} s from this machine's");
    let what =
        "set this machine's clock (NTP): signatures carry the time, and vendors refuse old ones";
    match offset.abs() {
        OFFSET_BAD.. => Check::trouble(Mark::Bad, "clock", text, what),
        OFFSET_ODD.. => Check::trouble(Mark::Odd, "clock", text, what),
        _ => Check::good("clock", text),
    }
}

fn limits(account: &Account, provider: &dyn Provider, probe: &Probe) -> Option<Check> {
    let documented = provider.capabilities().limits;
    let ours = account
        .limits
        .requests_per_second
        .unwrap_or(documented.requests_per_second);
    let (limit, remaining) = probe.rate?;
    let text = format!(
        "the vendor grants {limit} requests/s ({remaining} left), phonefleet uses at most {ours}"
    );
    Some(if ours > limit {
        Check::trouble(
            Mark::Bad,
            "limits",
            text,
            format!(
                "set `limits.requestsPerSecond: {limit}` (or less) in Account {}",
                account.name
            ),
        )
    } else {
        Check::good("limits", text)
    })
}

/// One read of each kind, on one phone where it is about phones.
async fn rights(provider: &dyn Provider) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut phone = None;
    for read in provider.capabilities().reads {
        if read.job {
            checks.push(Check::good(
                "rights",
                format!(
                    "{}: not tried, it would run a command on a phone",
                    read_name(read.kind)
                ),
            ));
            continue;
        }
        let about_phones = !matches!(
            read.kind,
            ReadKind::Listing | ReadKind::AppCatalogue | ReadKind::ImageCatalogue
        );
        let phones: Arc<[PhoneId]> = match (&phone, about_phones) {
            (_, false) => Arc::new([]),
            (Some(phone), true) => Arc::new([PhoneId::clone(phone)]),
            (None, true) => {
                checks.push(Check::trouble(
                    Mark::Odd,
                    "rights",
                    format!(
                        "{}: not tried, the account lists no phone",
                        read_name(read.kind)
                    ),
                    "give this account a phone to test it with",
                ));
                continue;
            }
        };
        let request = ReadRequest {
            kind: read.kind,
            phones,
            attributes: Arc::new([]),
            cursor: None,
        };
        match provider.read(&request).await {
            Ok(answer) => {
                if read.kind == ReadKind::Listing {
                    phone = answer.rows.first().map(|row| row.phone.clone());
                }
                checks.push(Check::good("rights", readable(read.kind, &answer)));
            }
            Err(error) => {
                let mut check = Check::failed("rights", &error);
                check.text = format!("{}: {}", read_name(read.kind), check.text);
                checks.push(check);
            }
        }
    }
    checks
}

fn readable(kind: ReadKind, answer: &Observation) -> String {
    let name = read_name(kind);
    match kind {
        ReadKind::AppCatalogue => format!("{name}: {} apps on the first page", answer.apps.len()),
        ReadKind::ImageCatalogue => {
            format!("{name}: {} images on the first page", answer.images.len())
        }
        ReadKind::Listing
        | ReadKind::Usage
        | ReadKind::Properties
        | ReadKind::Apps
        | ReadKind::Shell => format!("{name}: readable"),
    }
}

fn text(account: &Account, checks: &[Check]) -> String {
    let mut lines = vec![strong(&format!(
        "account {} ({} at {})",
        account.name, account.provider, account.endpoint
    ))];
    for check in checks {
        lines.push(format!(
            "  {} {}: {}",
            mark(check.mark),
            check.what,
            check.text
        ));
        if let Some(advice) = &check.advice {
            lines.push(format!("      what to do: {advice}"));
        }
    }
    lines.join("\n")
}

fn account_json((account, checks): &(AccountName, Vec<Check>)) -> serde_json::Value {
    let rows: Vec<_> = checks
        .iter()
        .map(|check| {
            json!({
                "check": check.what,
                "result": match check.mark {
                    Mark::Good => "good",
                    Mark::Odd => "odd",
                    Mark::Bad => "bad",
                },
                "text": check.text,
                "whatToDo": check.advice,
            })
        })
        .collect();
    json!({ "account": account, "checks": rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(offset: i64) -> Probe {
        Probe {
            clock_offset: Some(offset),
            phones: None,
            rate: None,
        }
    }

    #[test]
    fn a_clock_far_off_is_wrong_in_either_direction() {
        assert_eq!(clock(&probe(900)).mark, Mark::Good);
        assert_eq!(clock(&probe(-45_000)).mark, Mark::Odd);
        assert_eq!(clock(&probe(301_000)).mark, Mark::Bad);
        assert_eq!(clock(&probe(-301_000)).mark, Mark::Bad);
        assert!(clock(&probe(-301_000)).advice.is_some());
    }
}
