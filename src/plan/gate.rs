//! What may not be done now, and why: by change, and by phone.
//!
//! Invariants: a change that waits has exactly one reason, the first in the order of [`judge`]; what waits blocks nothing but itself (and the start of an
//! app that waits); costs beyond a restart never follow from drift. Not here: what differs (`diff`), in which order it goes (`chain`).

use super::chain::{Route, route};
use super::diff::{DECIDING, Found, Known};
use super::phone::{Change, PhoneInput, PhonePlan, PhoneStep, Waiting};
use crate::model::attribute::Attribute;
use crate::model::capability::{Capability, Cost};
use crate::model::condition::{Cause, Reason};
use crate::model::desired::Mode;
use crate::model::observed::{ReadKind, RunState};
use crate::model::operation::Phase;
use crate::model::record::OperationState;
use crate::model::stamp::Timestamp;
use crate::model::value::{Value, Wish};
use std::time::Duration;

/// Operations of ours that are not closed on this phone, and where it stands in them.
pub(super) struct OpenWork<'a> {
    standing: Vec<(&'a OperationState, &'a Phase)>,
    began: Timestamp,
    now: Timestamp,
}

impl<'a> OpenWork<'a> {
    pub(super) fn of(input: &PhoneInput<'a>) -> Self {
        let standing = input.open.iter().filter_map(|operation| {
            let position = operation.position(&input.key.phone)?;
            let phase = operation.phases.get(position)?;
            (!phase.is_closed()).then_some((*operation, phase))
        });
        Self {
            standing: standing.collect(),
            began: input.began,
            now: input.now,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.standing.is_empty()
    }

    /// Writes that the vendor says are done, and when.
    fn finished(&self) -> impl Iterator<Item = (&'a OperationState, Timestamp)> {
        let standing = self.standing.iter();
        standing.filter_map(|(operation, phase)| match phase {
            Phase::Succeeded(at) => Some((*operation, at.remembered(self.began, self.now))),
            Phase::Intended
            | Phase::Submitted(_)
            | Phase::Following(_)
            | Phase::Unknown(_)
            | Phase::Parked
            | Phase::Closed(_) => None,
        })
    }

    /// Whether a finished write of ours touched this attribute after `at`.
    pub(super) fn disturbed(&self, attribute: &Attribute, row: &Capability, at: Timestamp) -> bool {
        self.finished().any(|(operation, done)| {
            let costs = operation.intent.costs;
            at < done
                && (costs.has(Cost::Wipe)
                    || costs.has(Cost::NewIdentity)
                    || (costs.has(Cost::Restart) && row.lost_by_restart)
                    || writes(operation, attribute).is_some())
        })
    }

    /// Whether a floor was raised by one of the finished writes that still stand here: at its end, and not by something between or after them.
    pub(super) fn explains(&self, floor: Timestamp) -> bool {
        self.finished()
            .any(|(_, at)| at <= floor && floor <= at.after(Duration::from_millis(1)))
    }

    /// When a live job of ours last ended well on this phone, if it was running when it was last listed.
    pub(super) fn shows_running(&self, input: &PhoneInput<'_>) -> Option<Timestamp> {
        let listed = input.sight.listed.as_ref()?;
        if listed.state != RunState::Running
            || self.finished().any(|(op, _)| !op.intent.costs.is_live())
        {
            return None;
        }
        self.finished().map(|(_, at)| at).max()
    }

    /// Whether a job that wrote this wish has ended well and was not read back yet.
    pub(super) fn succeeded_with(&self, attribute: &Attribute, wish: &Wish) -> bool {
        self.finished()
            .any(|(operation, _)| writes(operation, attribute) == Some(wish))
    }

    /// Why a change waits for an operation that writes the same attribute.
    fn on(&self, input: &PhoneInput<'_>, change: &Change) -> Option<Waiting> {
        self.standing.iter().find_map(|(operation, phase)| {
            let written = writes(operation, &change.attribute)?;
            let same = *written == change.to;
            let call = &operation.intent.call;
            let (reason, detail, until) = match phase {
                Phase::Intended | Phase::Submitted(_) if same => {
                    (Reason::Polling, format!("{call} is running"), None)
                }
                Phase::Unknown(_) if same => (
                    Reason::Settling,
                    format!("what came of {call} is not known yet"),
                    None,
                ),
                Phase::Succeeded(at) if same => (
                    Reason::Settling,
                    format!("{call} is done, the value does not show yet"),
                    Some(
                        at.remembered(self.began, self.now)
                            .after(input.settings.read_lag),
                    ),
                ),
                Phase::Parked => (
                    Reason::UnknownOutcome,
                    format!(
                        "{}: nothing shows whether {call} happened",
                        operation.intent.operation
                    ),
                    None,
                ),
                Phase::Intended
                | Phase::Submitted(_)
                | Phase::Following(_)
                | Phase::Unknown(_)
                | Phase::Succeeded(_)
                | Phase::Closed(_) => return None,
            };
            Some(Waiting {
                attribute: Some(change.attribute.clone()),
                reason,
                detail,
                until,
                operation: Some(operation.intent.operation),
            })
        })
    }
}

fn writes<'a>(operation: &'a OperationState, attribute: &Attribute) -> Option<&'a Wish> {
    operation
        .intent
        .writes
        .iter()
        .find(|(written, _)| written == attribute)
        .map(|(_, wish)| wish)
}

/// A phone that is not there: nothing else is said of it.
pub(super) fn absent(input: &PhoneInput<'_>) -> Option<Waiting> {
    let gone = input
        .sight
        .listed
        .as_ref()
        .is_some_and(|listed| listed.state == RunState::Gone);
    let detail = match (input.sight.absent, gone) {
        (true, _) => "the account does not list it any more",
        (false, true) => "the vendor says that it is gone",
        (false, false) => return None,
    };
    Some(whole(Reason::Absent, detail.to_owned()))
}

/// Splits the changes into those with a route and those that wait. Both lists stand in the order of `found`.
pub(super) fn sort_out(
    input: &PhoneInput<'_>,
    open: &OpenWork<'_>,
    found: &mut [Found<'_>],
    waiting: &mut Vec<Waiting>,
) -> Vec<Option<Route>> {
    let mut routes = Vec::with_capacity(found.len());
    for found in found {
        let (held, known) = (found.held.take(), found.known());
        let change = &found.change;
        let verdict = match starts_waiting_app(change, waiting) {
            Some(first) => Err(first),
            None => judge(input, open, (change, known), held),
        };
        match verdict {
            Ok(route) => routes.push(Some(route)),
            Err(reason) => {
                waiting.push(reason);
                routes.push(None);
            }
        }
    }
    routes
}

/// An app that waits cannot be started. (App states come in the last stage, so that the apps are sorted out by then.)
fn starts_waiting_app(change: &Change, waiting: &[Waiting]) -> Option<Waiting> {
    let Attribute::Running(package) = &change.attribute else {
        return None;
    };
    if change.to != Wish::Set(Value::Flag(true)) {
        return None;
    }
    let app = Attribute::App(package.clone());
    let first = waiting
        .iter()
        .find(|waiting| waiting.attribute.as_ref() == Some(&app))?;
    Some(Waiting {
        attribute: Some(change.attribute.clone()),
        detail: format!("the app waits: {}", first.detail),
        ..first.clone()
    })
}

/// The route of a change, or the first reason why it waits.
fn judge(
    input: &PhoneInput<'_>,
    open: &OpenWork<'_>,
    (change, known): (&Change, Known<'_>),
    held: Option<Waiting>,
) -> Result<Route, Waiting> {
    if input.group.mode == Mode::Warn {
        let detail = format!("group {} is in mode warn", input.group.name);
        return Err(because(change, Reason::Paused, detail));
    }
    if let Some(waiting) = open.on(input, change).or(held) {
        return Err(waiting);
    }
    let route = route(input, change, known)
        .map_err(|detail| because(change, Reason::Unsupported, detail))?;
    match troubled(input, change)
        .or_else(|| forbidden(input, change))
        .or_else(|| in_use(input, change))
    {
        Some(waiting) => Err(waiting),
        None => Ok(route),
    }
}

/// Earlier attempts speak against another one.
fn troubled(input: &PhoneInput<'_>, change: &Change) -> Option<Waiting> {
    let trouble = &input.history?.trouble;
    if let Some((digest, count)) = trouble.no_effect.get(&change.attribute) {
        let most = if change.costs.is_live() {
            input.settings.no_effect_after
        } else {
            1
        };
        if *digest == change.digest && *count >= most {
            let detail = match count {
                1 => "the vendor reported success, but the value stayed".to_owned(),
                _ => format!("the vendor reported success {count} times, but the value stayed"),
            };
            return Some(because(change, Reason::NoEffect, detail));
        }
    }
    if change.cause != Cause::Corrective {
        return None;
    }
    let since = input.now.before(input.settings.contested_within);
    let corrections = trouble.corrections.get(&change.attribute)?;
    let recent = &corrections[corrections.partition_point(|at| *at < since)..];
    let most = usize::try_from(input.settings.contested_after).unwrap_or(usize::MAX);
    if recent.len() < most.max(1) {
        return None;
    }
    let over = recent[recent.len() - most.max(1)].after(input.settings.contested_within);
    Some(Waiting {
        until: Some(over.after(Duration::from_millis(1))),
        ..because(
            change,
            Reason::Contested,
            format!("corrected {} times lately, and changed back", recent.len()),
        )
    })
}

/// Costs that nobody allowed or approved.
fn forbidden(input: &PhoneInput<'_>, change: &Change) -> Option<Waiting> {
    let costs = change.costs;
    if costs.is_live() {
        return None;
    }
    if !change.cause.is_intended() && costs.beyond_restart() {
        let detail = format!("repairing drift would cost {costs}: a person must decide");
        return Some(because(change, Reason::CostNotAllowed, detail));
    }
    if !input.allowed.covers(costs) {
        let group = &input.group.name;
        let detail = if input.allowed.is_live() {
            format!("costs {costs}; group {group} allows no costs now")
        } else {
            format!("costs {costs}; group {group} allows {} now", input.allowed)
        };
        return Some(because(change, Reason::CostNotAllowed, detail));
    }
    let approval = input.approval?;
    let shown = approval
        .costly
        .get(&(input.key.clone(), change.attribute.clone()));
    let approved =
        shown.is_some_and(|(digest, shown)| *digest == change.digest && shown.covers(costs));
    (!approved).then(|| {
        let detail = format!("costs {costs}, and was not in the plan that was approved");
        because(change, Reason::NotApproved, detail)
    })
}

/// Somebody uses the phone, and has not for longer than such changes wait. An old answer to that question counts for nothing: see [`needs_usage`].
fn in_use(input: &PhoneInput<'_>, change: &Change) -> Option<Waiting> {
    if change.costs.is_live() || input.sight.listed.as_ref()?.in_use != Some(true) {
        return None;
    }
    let at = usage_at(input)?;
    let waited = |since| input.now.since(since) >= input.settings.in_use_most;
    if input.sight.in_use_since.is_some_and(waited) {
        return None;
    }
    Some(Waiting {
        until: Some(stale(at, input.settings.listing_freshness)),
        ..because(
            change,
            Reason::InUse,
            format!("costs {}, and a session is open on the phone", change.costs),
        )
    })
}

/// When it was last told whether the phone is in use, if that is still good.
fn usage_at(input: &PhoneInput<'_>) -> Option<Timestamp> {
    let kind = match input.capabilities.read(ReadKind::Usage) {
        Some(_) => ReadKind::Usage,
        None => ReadKind::Listing,
    };
    let oldest = input.now.before(input.settings.listing_freshness);
    input.sight.fresh(kind, oldest)
}

/// Whether the next step costs something, and whether the phone is in use must be read first.
pub(super) fn needs_usage(input: &PhoneInput<'_>, chain: &[PhoneStep]) -> bool {
    chain.first().is_some_and(|step| !step.costs.is_live())
        && input.capabilities.read(ReadKind::Usage).is_some()
        && usage_at(input).is_none()
}

/// Says what holds the whole phone. A phone on which nothing is to be done is held by nothing but its own open jobs.
pub(super) fn hold_phone(input: &PhoneInput<'_>, open: &OpenWork<'_>, plan: &mut PhonePlan) {
    for (operation, phase) in &open.standing {
        if let Some((reason, detail)) = job(operation, phase) {
            plan.waiting.push(Waiting {
                operation: Some(operation.intent.operation),
                ..whole(reason, detail)
            });
        }
    }
    let changes = !plan.changes.is_empty();
    if changes || !plan.unread.is_empty() {
        if let Some(reason) = input
            .gate
            .filter(|reason| changes || stops_reading(*reason))
        {
            plan.waiting.push(whole(reason, sentence(reason.meaning())));
        }
        if !plan.unread.contains(&ReadKind::Listing) {
            plan.waiting.extend(run_state(input));
        }
    }
    if plan.chain.is_empty() {
        return;
    }
    let phones = input.approval.and_then(|approval| approval.phones.as_ref());
    if phones.is_some_and(|phones| !phones.contains(input.key)) {
        plan.waiting.push(whole(
            Reason::NotApproved,
            "not among the phones that were approved".to_owned(),
        ));
    }
    plan.waiting.extend(resting(input));
    if input.reading {
        plan.waiting.push(whole(
            Reason::Polling,
            "a command of ours reads the phone".to_owned(),
        ));
    }
}

fn job(operation: &OperationState, phase: &Phase) -> Option<(Reason, String)> {
    let call = &operation.intent.call;
    match phase {
        Phase::Intended | Phase::Submitted(_) => {
            Some((Reason::Polling, format!("{call} is running")))
        }
        Phase::Following(_) => Some((
            Reason::Busy,
            format!("somebody else's job is in the way of {call}"),
        )),
        Phase::Unknown(_) => Some((
            Reason::Settling,
            format!("what came of {call} is not known yet"),
        )),
        Phase::Succeeded(_) | Phase::Parked | Phase::Closed(_) => None,
    }
}

fn stops_reading(reason: Reason) -> bool {
    matches!(reason, Reason::CredentialsRejected | Reason::VendorDown)
}

fn run_state(input: &PhoneInput<'_>) -> Option<Waiting> {
    let (reason, detail) = match input.sight.listed.as_ref()?.state {
        RunState::Running => return None,
        RunState::Restarting => (Reason::Restarting, "the phone restarts"),
        RunState::Changing => (Reason::Restarting, "the phone resets or upgrades"),
        RunState::NotReady => (Reason::NotReady, "the phone is not ready"),
        RunState::Unknown => (Reason::NotReady, "the phone is in a state we do not know"),
        RunState::Unreachable => (Reason::Unreachable, "the phone is not connected"),
        RunState::Abnormal => (Reason::Abnormal, "the vendor reports it as abnormal"),
        RunState::Off => (Reason::PoweredOff, "the phone is switched off"),
        RunState::Gone => (Reason::Absent, "the vendor says that it is gone"),
    };
    Some(whole(reason, detail.to_owned()))
}

/// The rest after failures: short at first, long once the phone is quarantined.
fn resting(input: &PhoneInput<'_>) -> Option<Waiting> {
    let trouble = &input.history?.trouble;
    let settings = input.settings;
    let last = trouble.last_failure?.remembered(input.began, input.now);
    let (reason, rest) = match trouble.failures.checked_sub(settings.quarantine_after) {
        Some(beyond) => (
            Reason::Quarantined,
            doubled(settings.quarantine_first, settings.quarantine_most, beyond),
        ),
        None => (
            Reason::BackOff,
            doubled(
                settings.retry_first,
                settings.retry_most,
                trouble.failures.checked_sub(1)?,
            ),
        ),
    };
    let until = last.after(rest);
    (input.now < until).then(|| {
        let failures = match trouble.failures {
            1 => "failed once".to_owned(),
            count => format!("failed {count} times in a row"),
        };
        let detail = match &trouble.last_message {
            Some(message) => format!("{failures}: {message}"),
            None => failures,
        };
        Waiting {
            until: Some(until),
            ..whole(reason, detail)
        }
    })
}

/// `first`, doubled `times` times, at most `most`.
fn doubled(first: Duration, most: Duration, times: u32) -> Duration {
    first.saturating_mul(1 << times.min(20)).min(most)
}

/// When this plan can first differ by the passing of time alone.
pub(super) fn again_at(input: &PhoneInput<'_>, plan: &PhonePlan) -> Option<Timestamp> {
    let waits = plan.waiting.iter().filter_map(|waiting| waiting.until);
    let next = plan.next();
    let ageing = DECIDING.into_iter().filter_map(|kind| {
        let step = next?;
        let freshness = match kind {
            ReadKind::Listing => input.settings.listing_freshness,
            ReadKind::Usage if !step.costs.is_live() => input.settings.listing_freshness,
            ReadKind::Usage
            | ReadKind::Properties
            | ReadKind::Apps
            | ReadKind::Shell
            | ReadKind::AppCatalogue
            | ReadKind::ImageCatalogue => input.settings.reading_freshness,
        };
        Some(stale(input.sight.read_at[kind.slot()?]?, freshness))
    });
    waits.chain(ageing).filter(|at| *at > input.now).min()
}

/// The first moment at which a reading of `at` is too old.
fn stale(at: Timestamp, freshness: Duration) -> Timestamp {
    at.after(freshness).after(Duration::from_millis(1))
}

fn whole(reason: Reason, detail: String) -> Waiting {
    Waiting {
        attribute: None,
        reason,
        detail,
        until: None,
        operation: None,
    }
}

fn because(change: &Change, reason: Reason, detail: String) -> Waiting {
    Waiting {
        attribute: Some(change.attribute.clone()),
        ..whole(reason, detail)
    }
}

/// A meaning without its full stop, in lower case, to stand within a line.
fn sentence(meaning: &str) -> String {
    let text = meaning.trim().trim_end_matches('.');
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}
