//! `explain PHONE [ATTRIBUTE]`: why a phone is as it is: what is wished and where that was said, what was read, what waits and why, and its history.
//!
//! Invariants: takes no lock, sends only reads about this phone's account, changes nothing. Not here: the fleet as a whole (`status`, `plan`).

mod words;

use super::error::{CliError, Exit};
use super::get::state_name;
use super::options::{Global, Manifests, duration, within};
use super::output::{Format, Output, clean, span, strong, table};
use super::progress::Meter;
use super::status::{actor_name, renamed_text};
use super::stop::Stop;
use crate::controller::core::PhoneReport;
use crate::daemon::{Options, Session};
use crate::journal::history::{self, HistoryRow};
use crate::manifest::{self, LoadOptions};
use crate::model::attribute::Attribute;
use crate::model::capability::{Capabilities, ReadMethod};
use crate::model::desired::{Desired, Mode, Wanted};
use crate::model::fleet::{Claim, Fleet, PhoneFacts};
use crate::model::id::{PhoneId, PhoneKey};
use crate::model::observed::AppState;
use crate::model::rename::Renamed;
use crate::model::stamp::Timestamp;
use crate::plan::phone::{PhonePlan, Waiting};
use crate::plan::render;
use crate::provider::registry;
use crate::time::clock::{Clock, TokioClock};
use serde_json::json;
use std::time::Duration;
use words::{cause_name, happened};

/// Arguments.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The phone: account/id, or its name in an Inventory
    phone: String,
    /// Only this attribute, as the plan writes it: timezone, app/com.example.maps, …
    attribute: Option<Attribute>,
    #[command(flatten)]
    manifests: Manifests,
    /// Show at most this many rows of history
    #[arg(long, default_value_t = 20, value_name = "N")]
    history: usize,
    /// Give up after this long
    #[arg(long, env = "PHONEFLEET_TIMEOUT", value_parser = duration)]
    timeout: Option<Duration>,
}

/// Everything there is to say about one phone.
struct Story {
    key: PhoneKey,
    /// Codes it had before, the newest first.
    former: Vec<Renamed>,
    /// All its codes.
    codes: Vec<PhoneId>,
    alias: Option<String>,
    claim: Claim,
    report: Option<PhoneReport>,
    history: Vec<HistoryRow>,
    capabilities: Option<&'static Capabilities>,
    now: Timestamp,
}

impl Story {
    /// Whether no read tells this attribute.
    fn is_write_only(&self, attribute: &Attribute) -> bool {
        self.capabilities
            .and_then(|table| table.of(attribute))
            .is_some_and(|row| row.read == ReadMethod::Never)
    }
}

/// One attribute of the phone.
struct Facet {
    attribute: Attribute,
    wished: String,
    said_at: String,
    observed: String,
    verdict: String,
}

/// Tells about one phone.
///
/// # Errors
/// Manifests, credentials, an unknown phone, or an account that cannot be read.
pub async fn run(args: Args, global: &Global, output: &Output) -> Result<Exit, CliError> {
    let mut options = global.session(&args.manifests, "explain")?;
    let folder = options.state_dir.clone();
    let key = find(&args, &options)?;
    options.select = vec![key.to_string()];
    let stop = Stop::watch(output)?;
    let mut session = Session::open(options, false).await?;
    session.stop_on(stop.receiver());
    let meter = Meter::new(output);
    let read = within(args.timeout, session.preview(meter.sink())).await;
    meter.finish();
    read??;
    let fleet = session.fleet();
    let asked = key;
    let key = session.current(&asked);
    let report = session.report(&key);
    let now = TokioClock::system().now();
    let identity = fleet
        .accounts
        .get(&key.account)
        .map(|account| &account.identity);
    let former = session.former(&key);
    let codes: Vec<PhoneId> = std::iter::once(&key.phone)
        .chain(former.iter().map(|(old, _)| &old.phone))
        .cloned()
        .collect();
    let history = match (&folder, identity) {
        (Some(folder), Some(identity)) => history::history(folder, identity, &codes, args.history)?,
        (None, _) | (_, None) => Vec::new(),
    };
    let story = Story {
        alias: std::iter::once(&key)
            .chain(former.iter().map(|(old, _)| old))
            .filter_map(|key| fleet.inventory.get(key))
            .find_map(|entry| entry.alias.as_ref().map(ToString::to_string)),
        claim: claim(fleet, (&key, &former), report.as_ref(), now),
        codes,
        report,
        history,
        capabilities: fleet
            .accounts
            .get(&key.account)
            .and_then(|account| registry::capabilities(account.provider)),
        former: former
            .into_iter()
            .map(|(old, until)| Renamed {
                named: fleet.speaks_of(&old),
                from: old,
                to: key.clone(),
                at: until,
            })
            .collect(),
        key,
        now,
    };
    let facets = facets(&story, args.attribute.as_ref());
    if output.format == Format::Json {
        output.json(&as_json(&story, &facets))?;
    } else {
        output.data(&as_text(&story, &facets, fleet, output.format))?;
    }
    Ok(Exit::Done)
}

/// The phone's key, from the manifests alone.
fn find(args: &Args, options: &Options) -> Result<PhoneKey, CliError> {
    let bundle = manifest::read_paths(&options.manifests)?;
    let now = TokioClock::system().now();
    let load = LoadOptions {
        allow_plain_http: options.allow_plain_http,
        ..LoadOptions::default()
    };
    let fleet = manifest::load_with(&bundle, &registry::capabilities, now, &load)
        .map_err(CliError::manifests)?;
    if let Some(key) = fleet.find_phone(&args.phone) {
        return Ok(key);
    }
    let mut accounts = fleet.accounts.keys();
    match (accounts.next(), accounts.next()) {
        (Some(only), None) if !args.phone.contains('/') => Ok(PhoneKey {
            account: only.clone(),
            phone: PhoneId::new(args.phone.as_str()),
        }),
        _ => Err(
            CliError::new(Exit::Before, format!("no phone is called {}", args.phone))
                .hint("write account/id; `phonefleet get phones` lists them"),
        ),
    }
}

fn claim(
    fleet: &Fleet,
    (key, former): (&PhoneKey, &[(PhoneKey, Timestamp)]),
    report: Option<&PhoneReport>,
    now: Timestamp,
) -> Claim {
    let listed = report.and_then(|report| report.sight.listed.as_ref());
    let facts = PhoneFacts {
        key: key.clone(),
        former: former.iter().map(|(old, _)| old.clone()).collect(),
        provider_group: listed.and_then(|listed| listed.provider_group.clone()),
    };
    fleet.claims.claim(&facts, now)
}

/// The managed attributes of the phone, or the one that was asked for.
fn facets(story: &Story, only: Option<&Attribute>) -> Vec<Facet> {
    let Claim::Claimed(desired) = &story.claim else {
        return Vec::new();
    };
    let extra = story.report.iter().flat_map(|report| &report.plan.changes);
    let extra = extra.filter(|change| !desired.attributes.contains_key(&change.attribute));
    let mut facets: Vec<Facet> = desired
        .attributes
        .iter()
        .filter(|(attribute, _)| only.is_none_or(|only| only == *attribute))
        .map(|(attribute, wanted)| facet(story, attribute, wanted))
        .collect();
    // Apps that `appPolicy: exclusive` removes are named by no manifest.
    facets.extend(
        extra
            .filter(|change| only.is_none_or(|only| *only == change.attribute))
            .map(|change| {
                let wanted = Wanted {
                    wish: change.to.clone(),
                    origin: change.origin.clone(),
                };
                facet(story, &change.attribute, &wanted)
            }),
    );
    facets
}

fn facet(story: &Story, attribute: &Attribute, wanted: &Wanted) -> Facet {
    Facet {
        attribute: attribute.clone(),
        wished: clean(&render::wish(attribute, &wanted.wish)),
        said_at: wanted.origin.to_string(),
        observed: observed(story, attribute),
        verdict: story.report.as_ref().map_or_else(
            || "not read".to_owned(),
            |report| verdict(&report.plan, attribute, story.is_write_only(attribute)),
        ),
    }
}

fn observed(story: &Story, attribute: &Attribute) -> String {
    let Some(report) = &story.report else {
        return String::new();
    };
    if let Attribute::App(package) = attribute {
        let Some(apps) = &report.sight.apps else {
            return "not read".to_owned();
        };
        return match apps.iter().find(|app| app.package == *package) {
            None => "not installed".to_owned(),
            Some(app) => match app.state {
                AppState::InProgress => "being installed".to_owned(),
                AppState::Installed => format!(
                    "installed{}",
                    app.version_name
                        .as_ref()
                        .map_or_else(String::new, |version| format!(", {}", clean(version)))
                ),
            },
        };
    }
    match report.sight.values.get(attribute) {
        Some(seen) => format!(
            "{}, {} ago",
            clean(&render::observed(&seen.value)),
            span(story.now.since(seen.at))
        ),
        None if story.is_write_only(attribute) => "cannot be read".to_owned(),
        None => "not read".to_owned(),
    }
}

/// What the plan makes of it.
fn verdict(plan: &PhonePlan, attribute: &Attribute, write_only: bool) -> String {
    if let Some(waiting) = plan.waits_for(attribute) {
        return format!("waits: {}", waiting.reason);
    }
    if let Some(change) = plan
        .changes
        .iter()
        .find(|change| change.attribute == *attribute)
    {
        let step = plan.chain.iter().position(|step| {
            step.payload
                .writes
                .iter()
                .any(|(written, _)| written == attribute)
        });
        let by = step.map_or_else(String::new, |position| {
            format!(
                ", step {} of {} ({})",
                position + 1,
                plan.chain.len(),
                plan.chain[position].payload.call
            )
        });
        return format!("{}{by}", cause_name(change.cause));
    }
    if plan.in_sync.iter().any(|(known, _)| known == attribute) {
        return if write_only {
            "asserted, not verified"
        } else {
            "in sync"
        }
        .to_owned();
    }
    if plan.unknown.contains(attribute) {
        return "unknown: it cannot be read, and nothing is remembered of it".to_owned();
    }
    "not decided yet: a reading is missing".to_owned()
}

fn as_text(story: &Story, facets: &[Facet], fleet: &Fleet, format: Format) -> String {
    let mut parts = vec![heading(story, fleet)];
    if !facets.is_empty() {
        let rows: Vec<Vec<String>> = facets
            .iter()
            .map(|facet| {
                vec![
                    facet.attribute.to_string(),
                    facet.wished.clone(),
                    facet.said_at.clone(),
                    facet.observed.clone(),
                    facet.verdict.clone(),
                ]
            })
            .collect();
        parts.push(table(
            format,
            &["attribute", "wished", "said at", "observed", "verdict"],
            &rows,
        ));
    }
    if let Some(report) = &story.report {
        parts.extend(report.plan.waiting.iter().map(waiting_text));
    }
    if !story.history.is_empty() {
        let rows: Vec<Vec<String>> = story
            .history
            .iter()
            .map(|row| vec![row.at.to_string(), happened(&row.record, &story.codes)])
            .collect();
        parts.push(table(format, &["when", "what"], &rows));
    }
    parts.join("\n\n")
}

fn heading(story: &Story, fleet: &Fleet) -> String {
    let alias = story
        .alias
        .as_ref()
        .map_or_else(String::new, |alias| format!(" ({})", clean(alias)));
    let claimed = match &story.claim {
        Claim::Unclaimed => "no group claims it: it is never touched".to_owned(),
        Claim::Claimed(desired) => claimed_by(desired, fleet),
        Claim::Twice(groups) => {
            let names: Vec<&str> = groups
                .iter()
                .map(crate::model::id::GroupName::as_str)
                .collect();
            format!(
                "claimed by {}: nothing is done; exclude it from all but one",
                names.join(" and ")
            )
        }
        Claim::Broken(group, why) => format!(
            "claimed by group {group}, but what is wished of it cannot be made: {}",
            clean(why)
        ),
    };
    let seen = match story.report.as_ref().map(|report| &report.sight) {
        None => "the account does not list it".to_owned(),
        Some(sight) if sight.absent => "two complete listings did not show it".to_owned(),
        Some(sight) => sight.listed.as_ref().map_or_else(
            || "not listed yet".to_owned(),
            |listed| {
                format!(
                    "state: {}{}{}",
                    state_name(listed.state),
                    match listed.in_use {
                        Some(true) => ", in use",
                        Some(false) => ", not in use",
                        None => "",
                    },
                    listed
                        .provider_group
                        .as_ref()
                        .map_or_else(String::new, |group| format!(
                            ", provider group {}",
                            clean(group.as_str())
                        ))
                )
            },
        ),
    };
    let renamed: String = story
        .former
        .iter()
        .map(|renamed| format!("\n{}", renamed_text(renamed)))
        .collect();
    format!(
        "{}{alias}{renamed}\n{claimed}\n{seen}",
        strong(&clean(&story.key.to_string()))
    )
}

fn claimed_by(desired: &Desired, fleet: &Fleet) -> String {
    fleet.groups.get(&desired.group).map_or_else(
        || format!("claimed by group {}", desired.group),
        |group| {
            format!(
                "claimed by group {} ({}), mode {}",
                group.name,
                group.origin,
                match group.mode {
                    Mode::Observe => "observe: differences are not even reported",
                    Mode::Warn => "warn: differences are reported, nothing is changed",
                    Mode::Enforce => "enforce",
                }
            )
        },
    )
}

fn waiting_text(waiting: &Waiting) -> String {
    let what = waiting.attribute.as_ref().map_or_else(
        || "everything on this phone".to_owned(),
        ToString::to_string,
    );
    let mut lines = vec![
        format!(
            "{what} waits as {}: {}",
            waiting.reason,
            clean(&waiting.detail)
        ),
        format!("  meaning: {}", waiting.reason.meaning()),
        format!("  who acts: {}", actor_name(waiting.reason.actor())),
        format!("  what to do: {}", waiting.reason.next_step()),
    ];
    if let Some(operation) = waiting.operation {
        lines.push(format!("  operation: {operation}"));
    }
    if let Some(until) = waiting.until {
        lines.push(format!("  looked at again: {until}"));
    }
    lines.join("\n")
}

fn as_json(story: &Story, facets: &[Facet]) -> serde_json::Value {
    let (claim, groups, problem) = match &story.claim {
        Claim::Unclaimed => ("unclaimed", Vec::new(), None),
        Claim::Claimed(desired) => ("claimed", vec![desired.group.clone()], None),
        Claim::Twice(groups) => ("twice", groups.clone(), None),
        Claim::Broken(group, why) => ("broken", vec![group.clone()], Some(why.clone())),
    };
    let plan = story.report.as_ref().map(|report| &report.plan);
    let waiting: Vec<_> = plan
        .into_iter()
        .flat_map(|plan| &plan.waiting)
        .map(|waiting| {
            json!({
                "attribute": waiting.attribute,
                "reason": waiting.reason,
                "actor": waiting.reason.actor(),
                "detail": waiting.detail,
                "meaning": waiting.reason.meaning(),
                "whatToDo": waiting.reason.next_step(),
                "operation": waiting.operation.map(|operation| operation.to_string()),
                "until": waiting.until.map(|until| until.to_string()),
            })
        })
        .collect();
    json!({
        "phone": story.key.to_string(),
        "formerCodes": story.former.iter().map(|old| json!({
            "phone": old.from.to_string(),
            "until": old.at.to_string(),
            "namedByManifests": old.named,
        })).collect::<Vec<_>>(),
        "alias": story.alias,
        "claim": claim,
        "groups": groups,
        "problem": problem,
        "attributes": facets.iter().map(|facet| json!({
            "attribute": facet.attribute,
            "wished": facet.wished,
            "saidAt": facet.said_at,
            "observed": facet.observed,
            "verdict": facet.verdict,
        })).collect::<Vec<_>>(),
        "waiting": waiting,
        "history": story.history.iter().map(|row| json!({
            "sequence": row.sequence,
            "at": row.at.to_string(),
            "what": happened(&row.record, &story.codes),
            "record": row.record,
        })).collect::<Vec<_>>(),
    })
}
