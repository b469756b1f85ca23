//! A plan as JSON, version 1.
//!
//! Invariants: every change of every phone is one entry, with its origin and cause; keys are only ever added within a version; secrets are references.
//! Not here: text (`text`).

use super::words;
use crate::model::capability::{Cost, Costs, Stage};
use crate::model::condition::{Actor, Cause, Reason};
use crate::model::desired::Origin;
use crate::model::id::PhoneKey;
use crate::plan::preview::{ChangeGroup, Plan, WaitingGroup};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// The version of the document; a change that breaks readers makes it larger.
const VERSION: u32 = 1;

/// What `phonefleet plan --output json` writes.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "phonefleet plan")]
pub struct PlanDocument {
    /// Version of this document: 1.
    version: u32,
    /// Which edit of the manifests it is for.
    revision: String,
    /// When it was made (RFC 3339).
    at: String,
    /// What planning itself did.
    header: HeaderEntry,
    /// Counts.
    summary: SummaryEntry,
    /// Every change of every phone, those that follow by themselves before those that wait.
    changes: Vec<ChangeEntry>,
    /// What waits, by reason.
    waiting: Vec<WaitingEntry>,
    /// What stopped being managed and stays as it is.
    released: Vec<ReleasedEntry>,
    /// What groups with `unsupported: skip` leave out where a provider lacks it.
    skipped: Vec<SkippedEntry>,
    /// Phones whose codes the vendor changed: those that the manifests still name by the old one, and those found just now.
    renamed: Vec<RenamedEntry>,
    /// Attributes about which nothing is known, with the number of phones.
    unknown: BTreeMap<String, u64>,
    /// Calls and time, if nothing goes wrong.
    forecast: ForecastEntry,
    /// The last line of the text form.
    verdict: String,
}

/// A phone whose code the vendor changed.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct RenamedEntry {
    /// The phone by its old code: `account/id`.
    from: String,
    /// By the code it has.
    to: String,
    /// When that was found.
    at: String,
    /// The manifests still name the old code, which means this phone.
    named_by_manifests: bool,
}

/// What planning itself did.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct HeaderEntry {
    /// Calls that were made to read.
    calls: u64,
    /// Commands that were started on phones to read.
    commands: u64,
    /// Age of the oldest reading, in seconds.
    oldest_seconds: Option<u64>,
    /// Phones left unread, by read.
    unread: BTreeMap<String, u64>,
}

/// Counts, in phones unless it says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SummaryEntry {
    /// Managed phones.
    phones: u64,
    /// Read, and everything agrees.
    in_sync: u64,
    /// With steps that follow by themselves.
    to_change: u64,
    /// With something that waits.
    waiting: u64,
    /// With attributes that are managed no more.
    released: u64,
    /// With steps that cost something.
    with_cost: u64,
    /// Not read well enough.
    unread: u64,
    /// Listed by the accounts and claimed by no group.
    unclaimed: u64,
    /// Changes, waiting or not.
    changes: u64,
}

/// One change of one phone.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ChangeEntry {
    /// The phone: `account/id`.
    phone: String,
    /// The attribute: `timezone`, `app/com.example.maps`, …
    attribute: String,
    /// What is there; absent where it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<serde_json::Value>,
    /// What is wished.
    to: serde_json::Value,
    /// The change in words.
    text: String,
    /// When it comes, relative to others on the same phone.
    stage: StageEntry,
    /// The provider's call; absent where the change waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<String>,
    /// What it costs.
    costs: Vec<CostEntry>,
    /// Why there is a difference.
    cause: CauseEntry,
    /// Where the wish was said.
    origin: OriginEntry,
    /// What it waits for; absent where it follows by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<WaitsFor>,
    /// Attributes that agree now and have to be done again afterwards, on this phone or others with the same change.
    afterwards: Vec<String>,
}

/// What a change waits for.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct WaitsFor {
    /// Stable name of the reason.
    reason: String,
    /// Who must act.
    actor: ActorEntry,
    /// One line for people.
    detail: String,
}

/// Where something was said.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct OriginEntry {
    /// File as the operator named it.
    file: String,
    /// Line, from 1.
    line: u32,
    /// Column, from 1.
    column: u32,
}

/// What waits for one reason.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct WaitingEntry {
    /// Stable name of the reason.
    reason: String,
    /// Who must act.
    actor: ActorEntry,
    /// What waits; absent: everything on these phones.
    #[serde(skip_serializing_if = "Option::is_none")]
    attribute: Option<String>,
    /// One line for people.
    detail: String,
    /// What to do, for people.
    next: String,
    /// The phones; empty: the account that the detail names.
    phones: Vec<String>,
    /// When the first of them is looked at again by itself (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    /// The operations they hang on.
    operations: Vec<String>,
}

/// An attribute that is not managed any more.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ReleasedEntry {
    /// The group that claims the phones.
    group: String,
    /// The attribute.
    attribute: String,
    /// The phones.
    phones: Vec<String>,
}

/// An attribute that a group leaves out at one account.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SkippedEntry {
    /// The group.
    group: String,
    /// The account, whose provider lacks it.
    account: String,
    /// The attribute; `app/*` stands for `appPolicy: exclusive`.
    attribute: String,
    /// Number of phones.
    phones: u64,
}

/// Calls and time.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ForecastEntry {
    /// All calls.
    calls: u64,
    /// Calls that change something.
    writes: u64,
    /// Calls that ask about jobs.
    polls: u64,
    /// Calls that read back.
    reads: u64,
    /// How long it takes, in seconds.
    seconds: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum StageEntry {
    Image,
    Identity,
    RestartProperties,
    Sim,
    Live,
    Apps,
    AppState,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum CostEntry {
    Restart,
    Wipe,
    NewIdentity,
    AppData,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum CauseEntry {
    Intended,
    NewMember,
    OverrideExpired,
    SecretRotated,
    Corrective,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum ActorEntry {
    Time,
    Vendor,
    Operator,
}

/// The JSON schema (draft-07) of [`PlanDocument`]; stored as `schemas/plan.schema.json`.
pub fn schema() -> serde_json::Value {
    let settings = schemars::generate::SchemaSettings::draft07();
    let schema = settings
        .into_generator()
        .into_root_schema_for::<PlanDocument>();
    schema.to_value()
}

impl PlanDocument {
    pub(super) fn of(plan: &Plan) -> Self {
        let follows = plan.steps.iter().flat_map(|step| {
            step.changes
                .iter()
                .map(move |change| (change, Some(step.call), None))
        });
        let waits = plan.waiting.iter().flat_map(|group| {
            group
                .changes
                .iter()
                .map(move |change| (change, None, Some(group)))
        });
        let changes = follows
            .chain(waits)
            .flat_map(|(change, call, group)| entries(change, call, group))
            .collect();
        Self {
            version: VERSION,
            revision: plan.revision.to_string(),
            at: plan.at.to_string(),
            header: HeaderEntry::of(plan),
            summary: SummaryEntry::of(plan),
            changes,
            waiting: plan.waiting.iter().map(WaitingEntry::of).collect(),
            released: plan
                .released
                .iter()
                .map(|released| ReleasedEntry {
                    group: released.group.to_string(),
                    attribute: released.attribute.to_string(),
                    phones: texts(&released.phones),
                })
                .collect(),
            skipped: plan
                .skipped
                .iter()
                .map(|skipped| SkippedEntry {
                    group: skipped.group.to_string(),
                    account: skipped.account.to_string(),
                    attribute: skipped.attribute.to_string(),
                    phones: skipped.phones,
                })
                .collect(),
            renamed: plan
                .renamed
                .iter()
                .map(|renamed| RenamedEntry {
                    from: renamed.from.to_string(),
                    to: renamed.to.to_string(),
                    at: renamed.at.to_string(),
                    named_by_manifests: renamed.named,
                })
                .collect(),
            unknown: plan
                .unknown
                .iter()
                .map(|(attribute, phones)| (attribute.to_string(), *phones))
                .collect(),
            forecast: ForecastEntry {
                calls: plan.forecast.calls(),
                writes: plan.forecast.writes,
                polls: plan.forecast.polls,
                reads: plan.forecast.reads,
                seconds: plan.forecast.time.as_secs_f64(),
            },
            verdict: words::verdict(plan),
        }
    }
}

/// One entry for each phone of a group of changes.
fn entries(
    change: &ChangeGroup,
    call: Option<&'static str>,
    group: Option<&WaitingGroup>,
) -> Vec<ChangeEntry> {
    let (left, right) = words::sides(change);
    let text = match left {
        Some(left) => format!("{} {left} → {right}", change.attribute),
        None => format!("{} → {right}", change.attribute),
    };
    // Values are plain data with text keys: they always have a JSON.
    let entry = ChangeEntry {
        phone: String::new(),
        attribute: change.attribute.to_string(),
        from: change
            .from
            .as_ref()
            .and_then(|from| serde_json::to_value(from).ok()),
        to: serde_json::to_value(&change.to).unwrap_or_default(),
        text,
        stage: StageEntry::of(change.stage),
        call: call.map(str::to_owned),
        costs: costs(change.costs),
        cause: CauseEntry::of(change.cause),
        origin: OriginEntry::of(&change.origin),
        waiting: group.map(|group| WaitsFor {
            reason: group.reason.to_string(),
            actor: ActorEntry::of(group.reason),
            detail: group.detail.clone(),
        }),
        afterwards: change.afterwards.iter().map(ToString::to_string).collect(),
    };
    change
        .phones
        .iter()
        .map(|phone| ChangeEntry {
            phone: phone.to_string(),
            ..entry.clone()
        })
        .collect()
}

fn texts(phones: &[PhoneKey]) -> Vec<String> {
    phones.iter().map(ToString::to_string).collect()
}

fn costs(costs: Costs) -> Vec<CostEntry> {
    costs
        .iter()
        .map(|cost| match cost {
            Cost::Restart => CostEntry::Restart,
            Cost::Wipe => CostEntry::Wipe,
            Cost::NewIdentity => CostEntry::NewIdentity,
            Cost::AppData => CostEntry::AppData,
        })
        .collect()
}

impl HeaderEntry {
    fn of(plan: &Plan) -> Self {
        Self {
            calls: plan.header.calls,
            commands: plan.header.commands,
            oldest_seconds: plan.header.oldest.map(|age| age.as_secs()),
            unread: plan
                .header
                .unread
                .iter()
                .map(|(kind, phones)| (words::read(*kind).to_owned(), *phones))
                .collect(),
        }
    }
}

impl SummaryEntry {
    fn of(plan: &Plan) -> Self {
        let crate::plan::preview::Summary {
            phones,
            in_sync,
            to_change,
            waiting,
            released,
            with_cost,
            unread,
            unclaimed,
            changes,
        } = plan.summary;
        Self {
            phones,
            in_sync,
            to_change,
            waiting,
            released,
            with_cost,
            unread,
            unclaimed,
            changes,
        }
    }
}

impl WaitingEntry {
    fn of(group: &WaitingGroup) -> Self {
        Self {
            reason: group.reason.to_string(),
            actor: ActorEntry::of(group.reason),
            attribute: group.attribute.as_ref().map(ToString::to_string),
            detail: group.detail.clone(),
            next: group.reason.next_step().to_owned(),
            phones: texts(&group.phones),
            until: group.until.map(|until| until.to_string()),
            operations: group.operations.iter().map(ToString::to_string).collect(),
        }
    }
}

impl OriginEntry {
    fn of(origin: &Origin) -> Self {
        Self {
            file: origin.file.to_string(),
            line: origin.line,
            column: origin.column,
        }
    }
}

impl StageEntry {
    fn of(stage: Stage) -> Self {
        match stage {
            Stage::Image => Self::Image,
            Stage::Identity => Self::Identity,
            Stage::RestartProperties => Self::RestartProperties,
            Stage::Sim => Self::Sim,
            Stage::Live => Self::Live,
            Stage::Apps => Self::Apps,
            Stage::AppState => Self::AppState,
        }
    }
}

impl CauseEntry {
    fn of(cause: Cause) -> Self {
        match cause {
            Cause::Intended => Self::Intended,
            Cause::NewMember => Self::NewMember,
            Cause::OverrideExpired => Self::OverrideExpired,
            Cause::SecretRotated => Self::SecretRotated,
            Cause::Corrective => Self::Corrective,
        }
    }
}

impl ActorEntry {
    fn of(reason: Reason) -> Self {
        match reason.actor() {
            Actor::Time => Self::Time,
            Actor::Vendor => Self::Vendor,
            Actor::Operator => Self::Operator,
        }
    }
}
