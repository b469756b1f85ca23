//! Gathering: phone by phone into steps and waiting groups, so that equal things stand together.
//!
//! Invariants: a change goes to the step that carries it, or to what it waits for, never to both; phones within a group are in the order of the input
//! (sorted). Not here: what the groups look like (`render`).

use super::forecast::{Forecast, Load};
use super::phone::{Change, Payload, PhonePlan, PhoneStep, Waiting};
use super::preview::{
    ChangeGroup, FleetInput, PhoneEntry, Plan, Released, Skipped, Step, Summary, WaitingGroup,
};
use super::version::wished_version;
use crate::model::attribute::Attribute;
use crate::model::capability::{CallName, Capabilities, Cost, Costs, Stage};
use crate::model::condition::{Actor, Cause, Reason};
use crate::model::desired::Origin;
use crate::model::fleet::Fleet;
use crate::model::id::{AccountName, GroupName, OperationId, PhoneKey, WishDigest};
use crate::model::observed::{Observed, ReadKind};
use crate::model::stamp::Timestamp;
use crate::model::value::{Value, Wish};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct StepKey<'a> {
    stage: Stage,
    account: &'a AccountName,
    call: CallName,
    payload: &'a Payload,
    costs: Costs,
    cause: Cause,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct ChangeKey<'a> {
    stage: Stage,
    attribute: &'a Attribute,
    from: Option<&'a Observed>,
    to: &'a Wish,
    cause: Cause,
    costs: Costs,
    origin: &'a Origin,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct WaitingKey<'a> {
    actor: Reverse<Actor>,
    reason: Reason,
    attribute: Option<&'a Attribute>,
    detail: &'a str,
}

struct Shared<'a> {
    digest: WishDigest,
    phones: Vec<&'a PhoneKey>,
    afterwards: BTreeSet<&'a Attribute>,
}

type Changes<'a> = BTreeMap<ChangeKey<'a>, Shared<'a>>;

#[derive(Default)]
struct StepDraft<'a> {
    phones: Vec<&'a PhoneKey>,
    changes: Changes<'a>,
}

#[derive(Default)]
struct WaitingDraft<'a> {
    phones: Vec<&'a PhoneKey>,
    changes: Changes<'a>,
    until: Option<Timestamp>,
    operations: BTreeSet<OperationId>,
}

/// The plan as it grows.
pub(super) struct Gather<'a> {
    input: &'a FleetInput<'a>,
    steps: BTreeMap<StepKey<'a>, StepDraft<'a>>,
    waiting: BTreeMap<WaitingKey<'a>, WaitingDraft<'a>>,
    released: BTreeMap<(&'a GroupName, &'a Attribute), Vec<&'a PhoneKey>>,
    unknown: BTreeMap<&'a Attribute, u64>,
    skipped: BTreeMap<(&'a GroupName, &'a AccountName, &'a Attribute), u64>,
    loads: BTreeMap<&'a AccountName, Load>,
    summary: Summary,
    /// Details of accounts that are closed as a whole.
    accounts: Vec<(Reason, String)>,
}

impl<'a> Gather<'a> {
    pub(super) fn new(input: &'a FleetInput<'a>) -> Self {
        Self {
            input,
            steps: BTreeMap::new(),
            waiting: BTreeMap::new(),
            released: BTreeMap::new(),
            unknown: BTreeMap::new(),
            skipped: BTreeMap::new(),
            loads: BTreeMap::new(),
            summary: Summary {
                unclaimed: input.unclaimed,
                ..Summary::default()
            },
            accounts: Vec::new(),
        }
    }

    /// Takes one phone in.
    pub(super) fn phone(&mut self, entry: &PhoneEntry<'a>) {
        let plan = entry.plan;
        self.summary.phones += 1;
        self.summary.changes += u64::try_from(plan.changes.len()).unwrap_or(u64::MAX);
        self.summary.released += u64::from(!entry.released.is_empty());
        for attribute in entry.released {
            self.released
                .entry((entry.group, attribute))
                .or_default()
                .push(entry.key);
        }
        for attribute in entry.left_out {
            let key = (entry.group, &entry.key.account, attribute);
            *self.skipped.entry(key).or_default() += 1;
        }
        for attribute in &plan.unknown {
            *self.unknown.entry(attribute).or_default() += 1;
        }
        let load = self.loads.entry(&entry.key.account).or_default();
        load.phones += 1;
        let worst = worst(plan);
        let starts = !plan.chain.is_empty() && worst.is_none();
        if starts {
            self.steps(entry);
        }
        self.waits(entry, worst);
        self.count(plan, starts, worst.is_some());
    }

    fn count(&mut self, plan: &PhonePlan, starts: bool, held: bool) {
        let waits = held
            || plan
                .waiting
                .iter()
                .any(|waiting| waiting.attribute.is_some());
        let costly = plan.chain.iter().any(|step| !step.costs.is_live());
        self.summary.to_change += u64::from(starts);
        self.summary.with_cost += u64::from(starts && costly);
        self.summary.waiting += u64::from(waits);
        if starts || waits {
            return;
        }
        if unread(plan) {
            self.summary.unread += 1;
        } else if plan.waiting.is_empty() {
            self.summary.in_sync += 1;
        }
    }

    fn steps(&mut self, entry: &PhoneEntry<'a>) {
        let account = &entry.key.account;
        for step in &entry.plan.chain {
            let PhoneStep {
                payload,
                stage,
                costs,
                cause,
            } = step;
            let key = StepKey {
                stage: *stage,
                account,
                call: payload.call,
                payload,
                costs: *costs,
                cause: *cause,
            };
            let draft = self.steps.entry(key).or_default();
            draft.phones.push(entry.key);
            for (attribute, _) in payload.writes.iter() {
                let change = entry
                    .plan
                    .changes
                    .iter()
                    .find(|change| change.attribute == *attribute);
                if let Some(change) = change {
                    share(&mut draft.changes, self.input, entry, change);
                }
            }
        }
        if let (Some(load), Some(account)) = (
            self.loads.get_mut(account),
            self.input.accounts.get(account),
        ) {
            load.chain(entry.plan, account.capabilities);
        }
    }

    fn waits(&mut self, entry: &PhoneEntry<'a>, worst: Option<&Waiting>) {
        for waiting in &entry.plan.waiting {
            let key = WaitingKey {
                actor: Reverse(waiting.reason.actor()),
                reason: waiting.reason,
                attribute: waiting.attribute.as_ref(),
                detail: &waiting.detail,
            };
            let draft = self.waiting.entry(key).or_default();
            if draft.phones.last() != Some(&entry.key) {
                draft.phones.push(entry.key);
            }
            draft.until = match (draft.until, waiting.until) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            draft.operations.extend(waiting.operation);
            match &waiting.attribute {
                Some(attribute) => {
                    for change in &entry.plan.changes {
                        if change.attribute == *attribute {
                            share(&mut draft.changes, self.input, entry, change);
                        }
                    }
                }
                // What is in the chain of a phone that is held waits for the worst that holds it.
                None if worst.is_some_and(|worst| std::ptr::eq(worst, waiting)) => {
                    for change in &entry.plan.changes {
                        if entry.plan.waits_for(&change.attribute).is_none() {
                            share(&mut draft.changes, self.input, entry, change);
                        }
                    }
                }
                None => {}
            }
        }
    }

    /// Takes in what is no phone of ours to plan: phones outside, accounts that are closed.
    pub(super) fn outside(&mut self) {
        for (key, reason, detail) in &self.input.outside {
            self.summary.phones += 1;
            self.summary.waiting += 1;
            let waiting = WaitingKey {
                actor: Reverse(reason.actor()),
                reason: *reason,
                attribute: None,
                detail,
            };
            self.waiting.entry(waiting).or_default().phones.push(key);
        }
        for (name, account) in &self.input.accounts {
            if let Some(reason) = account.gate
                && !self.loads.contains_key(name)
            {
                self.accounts
                    .push((reason, format!("account {name}: no phone of it was read")));
            }
        }
    }

    pub(super) fn finish(self) -> (Plan, BTreeMap<&'a AccountName, Load>) {
        let Self {
            input,
            steps,
            waiting,
            released,
            unknown,
            skipped,
            loads,
            summary,
            accounts,
        } = self;
        let fleet = input.fleet;
        let mut waiting: Vec<WaitingGroup> = waiting
            .into_iter()
            .map(|(key, draft)| draft.finish(&key, fleet))
            .collect();
        waiting.extend(accounts.into_iter().map(|(reason, detail)| WaitingGroup {
            reason,
            attribute: None,
            detail,
            phones: Vec::new(),
            changes: Vec::new(),
            until: None,
            operations: BTreeSet::new(),
        }));
        waiting.sort_by(|a, b| {
            let rank = |group: &WaitingGroup| (Reverse(group.actor()), group.reason);
            rank(a).cmp(&rank(b))
        });
        let plan = Plan {
            header: input.header.clone(),
            revision: fleet.revision.clone(),
            at: input.now,
            steps: steps
                .into_iter()
                .map(|(key, draft)| draft.finish(&key, input))
                .collect(),
            waiting,
            released: released
                .into_iter()
                .map(|((group, attribute), phones)| Released {
                    group: group.clone(),
                    attribute: attribute.clone(),
                    phones: owned(phones),
                })
                .collect(),
            skipped: skipped
                .into_iter()
                .map(|((group, account, attribute), phones)| Skipped {
                    group: group.clone(),
                    account: account.clone(),
                    attribute: attribute.clone(),
                    phones,
                })
                .collect(),
            renamed: input.renamed.clone(),
            unknown: unknown
                .into_iter()
                .map(|(attribute, phones)| (attribute.clone(), phones))
                .collect(),
            summary,
            forecast: Forecast::default(),
        };
        (plan, loads)
    }
}

/// What holds the whole phone and does not pass by itself; the one that needs a person before the one that needs the vendor.
fn worst(plan: &PhonePlan) -> Option<&Waiting> {
    plan.held()
        .filter(|waiting| waiting.reason.actor() != Actor::Time)
        .max_by_key(|waiting| (waiting.reason.actor(), Reverse(waiting.reason)))
}

/// Whether too little was read to call a phone without changes in sync. An aged listing alone does not matter for that.
fn unread(plan: &PhonePlan) -> bool {
    let nothing = plan.in_sync.is_empty() && plan.unknown.is_empty();
    plan.unread.iter().any(|kind| match kind {
        ReadKind::Listing => nothing,
        ReadKind::Usage => false,
        ReadKind::Properties
        | ReadKind::Apps
        | ReadKind::Shell
        | ReadKind::AppCatalogue
        | ReadKind::ImageCatalogue => true,
    })
}

fn share<'a>(
    changes: &mut Changes<'a>,
    input: &FleetInput<'_>,
    entry: &PhoneEntry<'a>,
    change: &'a Change,
) {
    let Change {
        attribute,
        from,
        to,
        digest,
        cause,
        origin,
        costs,
        stage,
    } = change;
    let key = ChangeKey {
        stage: *stage,
        attribute,
        from: from.as_ref(),
        to,
        cause: *cause,
        costs: *costs,
        origin,
    };
    let shared = changes.entry(key).or_insert_with(|| Shared {
        digest: *digest,
        phones: Vec::new(),
        afterwards: BTreeSet::new(),
    });
    shared.phones.push(entry.key);
    if let Some(account) = input.accounts.get(&entry.key.account) {
        let lost = entry
            .plan
            .afterwards
            .iter()
            .filter(|attribute| loses(account.capabilities, *costs, attribute));
        shared.afterwards.extend(lost);
    }
}

fn loses(capabilities: &Capabilities, costs: Costs, attribute: &Attribute) -> bool {
    capabilities.of(attribute).is_some_and(|row| {
        (costs.has(Cost::Wipe) && row.lost_by_wipe)
            || (costs.has(Cost::Restart) && row.lost_by_restart)
    })
}

fn owned(phones: Vec<&PhoneKey>) -> Vec<PhoneKey> {
    phones.into_iter().cloned().collect()
}

fn groups(changes: Changes<'_>, fleet: &Fleet) -> Vec<ChangeGroup> {
    let group = |(key, shared): (ChangeKey<'_>, Shared<'_>)| ChangeGroup {
        stage: key.stage,
        attribute: key.attribute.clone(),
        from: key.from.cloned(),
        version: match key.to {
            Wish::Set(Value::App(wish)) => wished_version(&fleet.apps, wish),
            Wish::Set(_) | Wish::Reset => None,
        },
        to: key.to.clone(),
        digest: shared.digest,
        cause: key.cause,
        costs: key.costs,
        origin: key.origin.clone(),
        phones: owned(shared.phones),
        afterwards: shared.afterwards.into_iter().cloned().collect(),
    };
    changes.into_iter().map(group).collect()
}

impl StepDraft<'_> {
    fn finish(self, key: &StepKey<'_>, input: &FleetInput<'_>) -> Step {
        let phones = u64::try_from(self.phones.len()).unwrap_or(u64::MAX);
        let size = input.accounts.get(key.account).map_or(1, |account| {
            let most = account.capabilities.call(key.call);
            account.batch(most.map_or(1, |call| call.max_phones))
        });
        Step {
            stage: key.stage,
            account: key.account.clone(),
            call: key.call,
            costs: key.costs,
            cause: key.cause,
            batches: phones.div_ceil(size),
            phones: owned(self.phones),
            changes: groups(self.changes, input.fleet),
        }
    }
}

impl WaitingDraft<'_> {
    fn finish(self, key: &WaitingKey<'_>, fleet: &Fleet) -> WaitingGroup {
        WaitingGroup {
            reason: key.reason,
            attribute: key.attribute.cloned(),
            detail: key.detail.to_owned(),
            phones: owned(self.phones),
            changes: groups(self.changes, fleet),
            until: self.until,
            operations: self.operations,
        }
    }
}
