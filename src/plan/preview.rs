//! The plan of a whole fleet, assembled from its phones.
//!
//! Invariants: every change of every phone is in exactly one step or waits; the same input gives the same plan; a yes covers what may follow by itself
//! and nothing that waits for a person. Not here: text (`render`), calls and time (`forecast`), grouping (`gather`).

use super::forecast::{Forecast, forecast};
use super::gather::Gather;
use super::phone::{Approval, Catalogue, PhonePlan};
use crate::model::attribute::Attribute;
use crate::model::capability::{CallName, Capabilities, Costs, Stage};
use crate::model::condition::{Actor, Cause, Reason};
use crate::model::desired::Origin;
use crate::model::fleet::Fleet;
use crate::model::id::{AccountName, GroupName, OperationId, PhoneKey, Revision, WishDigest};
use crate::model::observed::{Observed, ReadKind};
use crate::model::rename::Renamed;
use crate::model::settings::Settings;
use crate::model::stamp::Timestamp;
use crate::model::value::{VersionWish, Wish};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One phone's part of the input.
#[derive(Clone, Copy, Debug)]
pub struct PhoneEntry<'a> {
    /// Which phone.
    pub key: &'a PhoneKey,
    /// Its group.
    pub group: &'a GroupName,
    /// What it needs.
    pub plan: &'a PhonePlan,
    /// Attributes that were managed when the phone last converged and are not any more.
    pub released: &'a [Attribute],
    /// Attributes that its group skips because the provider lacks them.
    pub left_out: &'a [Attribute],
}

/// What planning itself did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Calls that were made to read.
    pub calls: u64,
    /// Commands that were started on phones to read.
    pub commands: u64,
    /// Age of the oldest reading the plan rests on.
    pub oldest: Option<Duration>,
    /// Reads that failed, with how many phones they left unread.
    pub unread: BTreeMap<ReadKind, u64>,
}

/// Per account: what the forecast needs.
#[derive(Clone, Debug)]
pub struct AccountEntry<'a> {
    /// Its capabilities.
    pub capabilities: &'a Capabilities,
    /// Phones in one call, if the Account lowers it.
    pub batch_size: Option<u32>,
    /// Calls per second at the present pace.
    pub rate: f64,
    /// Why nothing may start on it.
    pub gate: Option<Reason>,
    /// Its catalogues.
    pub catalogue: &'a Catalogue,
}

impl AccountEntry<'_> {
    /// Phones in one call that takes `most` by the vendor's table.
    pub(super) fn batch(&self, most: u32) -> u64 {
        u64::from(self.batch_size.unwrap_or(most).min(most).max(1))
    }
}

/// Everything the assembly looks at.
#[derive(Clone, Debug)]
pub struct FleetInput<'a> {
    /// The fleet.
    pub fleet: &'a Fleet,
    /// Its accounts.
    pub accounts: BTreeMap<AccountName, AccountEntry<'a>>,
    /// Its phones, sorted by key.
    pub phones: Vec<PhoneEntry<'a>>,
    /// Phones the manifests name and no complete listing shows; phones claimed twice; phones whose claim is broken: reason and detail.
    pub outside: Vec<(PhoneKey, Reason, String)>,
    /// Phones that the accounts list and no group claims.
    pub unclaimed: u64,
    /// Phones whose codes the vendor changed, as far as somebody should know.
    pub renamed: Vec<Renamed>,
    /// What planning did.
    pub header: Header,
    /// The numbers.
    pub settings: &'a Settings,
    /// Now.
    pub now: Timestamp,
}

/// The plan of a fleet.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What planning did.
    pub header: Header,
    /// Which edit of the manifests it is for.
    pub revision: Revision,
    /// When it was made.
    pub at: Timestamp,
    /// What will follow by itself: by stage, account, call and payload.
    pub steps: Vec<Step>,
    /// What the plan cannot lift now: what a person must do first, then what the vendor, then what time.
    pub waiting: Vec<WaitingGroup>,
    /// What stopped being managed and stays as it is.
    pub released: Vec<Released>,
    /// What groups with `unsupported: skip` leave out where a provider lacks it.
    pub skipped: Vec<Skipped>,
    /// Phones whose codes the vendor changed: those that the manifests still name by the old one, and those found just now.
    pub renamed: Vec<Renamed>,
    /// Attributes about which nothing is known, with the number of phones.
    pub unknown: BTreeMap<Attribute, u64>,
    /// Counts.
    pub summary: Summary,
    /// Calls and time.
    pub forecast: Forecast,
}

/// An attribute that a group leaves out at one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The group, which says `unsupported: skip`.
    pub group: GroupName,
    /// The account, whose provider lacks it.
    pub account: AccountName,
    /// What is left out; `app/*` stands for `appPolicy: exclusive`.
    pub attribute: Attribute,
    /// Number of phones.
    pub phones: u64,
}

/// Jobs that carry one payload to phones of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When it comes.
    pub stage: Stage,
    /// Whose phones.
    pub account: AccountName,
    /// The provider's call.
    pub call: CallName,
    /// What it costs.
    pub costs: Costs,
    /// Why.
    pub cause: Cause,
    /// The phones, sorted.
    pub phones: Vec<PhoneKey>,
    /// Calls it takes at best.
    pub batches: u64,
    /// What it changes: one group for each difference that some of the phones share.
    pub changes: Vec<ChangeGroup>,
}

/// One change that phones share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeGroup {
    /// When it comes.
    pub stage: Stage,
    /// Which attribute.
    pub attribute: Attribute,
    /// What is there; `None`: write-only, not known.
    pub from: Option<Observed>,
    /// What is wished.
    pub to: Wish,
    /// For an app that is to be there: the version that follows from the reference and the App manifest.
    pub version: Option<VersionWish>,
    /// Digest of the wish.
    pub digest: WishDigest,
    /// Why there is a difference.
    pub cause: Cause,
    /// What it costs.
    pub costs: Costs,
    /// Where the wish was said.
    pub origin: Origin,
    /// The phones, sorted.
    pub phones: Vec<PhoneKey>,
    /// What agrees now and has to be done again on some of the phones after this change.
    pub afterwards: BTreeSet<Attribute>,
}

/// What waits for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingGroup {
    /// Why.
    pub reason: Reason,
    /// What waits; `None`: everything on these phones.
    pub attribute: Option<Attribute>,
    /// One line for people.
    pub detail: String,
    /// The phones, sorted. Empty: the account as a whole (the detail names it).
    pub phones: Vec<PhoneKey>,
    /// The changes that wait here. A phone that waits for time alone has its changes among the steps.
    pub changes: Vec<ChangeGroup>,
    /// When the first of them is looked at again by itself.
    pub until: Option<Timestamp>,
    /// The operations they hang on.
    pub operations: BTreeSet<OperationId>,
}

impl WaitingGroup {
    /// Who must act.
    pub fn actor(&self) -> Actor {
        self.reason.actor()
    }
}

/// An attribute that is not managed any more on phones of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// The group that claims them.
    pub group: GroupName,
    /// Which attribute.
    pub attribute: Attribute,
    /// The phones, sorted.
    pub phones: Vec<PhoneKey>,
}

/// Counts of a plan, in phones unless it says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Managed phones, those outside included.
    pub phones: u64,
    /// Read, and everything agrees.
    pub in_sync: u64,
    /// With steps that follow by themselves.
    pub to_change: u64,
    /// With something that waits for a person, the vendor, or the end of a session.
    pub waiting: u64,
    /// With attributes that were not managed before and are no more.
    pub released: u64,
    /// With steps that cost something.
    pub with_cost: u64,
    /// Not read well enough to say anything else of them.
    pub unread: u64,
    /// Listed by the accounts and claimed by no group.
    pub unclaimed: u64,
    /// Changes (phone and attribute), waiting or not.
    pub changes: u64,
}

/// Assembles the plan.
pub fn assemble(input: &FleetInput<'_>) -> Plan {
    let mut gather = Gather::new(input);
    for entry in &input.phones {
        gather.phone(entry);
    }
    gather.outside();
    let (mut plan, loads) = gather.finish();
    plan.forecast = forecast(input, &plan.steps, &loads);
    plan
}

impl Plan {
    /// Nothing differs, nothing waits, everything was read.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.waiting.is_empty() && self.summary.unread == 0
    }

    /// Whether there is any change, waiting or not.
    pub fn has_changes(&self) -> bool {
        self.summary.changes > 0
    }

    /// Whether anything may follow by itself: now, or as soon as time or the vendor allows. It is what a yes is asked for.
    pub fn has_work(&self) -> bool {
        !self.steps.is_empty() || self.following().next().is_some()
    }

    /// All changes, those that follow before those that wait.
    pub fn changes(&self) -> impl Iterator<Item = &ChangeGroup> {
        let waiting = self.waiting.iter().flat_map(|group| &group.changes);
        self.steps
            .iter()
            .flat_map(|step| &step.changes)
            .chain(waiting)
    }

    /// Changes that may follow by themselves: those of the steps, and those that wait for time or the vendor alone.
    fn following(&self) -> impl Iterator<Item = &ChangeGroup> {
        let waiting = self
            .waiting
            .iter()
            .filter(|group| group.actor() != Actor::Operator)
            .flat_map(|group| &group.changes);
        self.steps
            .iter()
            .flat_map(|step| &step.changes)
            .chain(waiting)
    }

    /// Phones on which anything may follow by itself.
    pub fn changing_phones(&self) -> BTreeSet<PhoneKey> {
        self.following()
            .flat_map(|change| change.phones.iter().cloned())
            .collect()
    }

    /// What a yes to this plan covers: exactly these costly changes.
    pub fn costly(&self) -> BTreeMap<(PhoneKey, Attribute), (WishDigest, Costs)> {
        self.following()
            .filter(|change| !change.costs.is_live())
            .flat_map(|change| {
                change.phones.iter().map(|phone| {
                    let what = (phone.clone(), change.attribute.clone());
                    (what, (change.digest, change.costs))
                })
            })
            .collect()
    }

    /// [`Plan::costly`], on all phones.
    pub fn approval(&self) -> Approval {
        Approval {
            costly: self.costly(),
            phones: None,
        }
    }

    /// Whether there are changes, and every one of them waits for this.
    pub fn waits_only_for(&self, reason: Reason) -> bool {
        self.has_changes()
            && self.steps.is_empty()
            && self
                .waiting
                .iter()
                .filter(|group| !group.changes.is_empty())
                .all(|group| group.reason == reason)
    }
}

#[cfg(test)]
mod tests;
