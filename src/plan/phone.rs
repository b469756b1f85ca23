//! One phone: what differs, the chain of steps that mends it, and what waits.
//!
//! Invariants: at most the first step of the chain may start now; a change is either in the chain or waiting, never both; an attribute that is not managed
//! is never mentioned (but for apps that `appPolicy: exclusive` removes). Not here: comparing (`diff`), routes and merging (`chain`), what waits and why
//! (`gate`), several phones (`batch`).

use super::diff::{self, Prepared};
use super::{chain, gate};

use crate::model::attribute::Attribute;
use crate::model::capability::{CallName, Capabilities, Cost, Costs, Stage};
use crate::model::condition::{Cause, Reason};
use crate::model::desired::{Desired, Fingerprints, Mode, Origin};
use crate::model::fleet::{App, AppSource, Group};
use crate::model::id::{AppName, OperationId, Package, PhoneKey, WishDigest};
use crate::model::observed::{CatalogueApp, CatalogueImage, Observed, ReadKind, Sight};
use crate::model::record::History;
use crate::model::record::OperationState;
use crate::model::settings::Settings;
use crate::model::stamp::Timestamp;
use crate::model::value::Wish;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that bears on one phone.
#[derive(Clone, Copy)]
pub struct PhoneInput<'a> {
    /// Which phone.
    pub key: &'a PhoneKey,
    /// What is desired of it.
    pub desired: &'a Desired,
    /// The group that claims it.
    pub group: &'a Group,
    /// What its provider can do.
    pub capabilities: &'a Capabilities,
    /// App manifests.
    pub apps: &'a BTreeMap<AppName, App>,
    /// What the account's catalogues hold; `None`: not read (then it is not checked).
    pub catalogue: &'a Catalogue,
    /// What was observed.
    pub sight: &'a Sight,
    /// What is durably known; `None`: nothing.
    pub history: Option<&'a History>,
    /// Operations that are not closed on this phone.
    pub open: &'a [&'a OperationState],
    /// Attributes that jobs of ours have written with success and that no read has told of since (phase `Succeeded`). They are neither changes nor in
    /// sync nor a reason to read now: the rest of the chain goes on over them, and the controller makes one closing read-back when the chain is empty.
    pub assumed: &'a std::collections::BTreeSet<Attribute>,
    /// Attributes of which something else is wished since an override ended.
    pub expired: &'a std::collections::BTreeSet<Attribute>,
    /// A read of ours runs as a job on the phone.
    pub reading: bool,
    /// Why nothing may start on the whole account, group or fleet now (`CredentialsRejected`, `VendorDown`, `Expectation`, `Paused`).
    pub gate: Option<Reason>,
    /// Costs the group allows this phone now (`until` and `maxPhones` already counted).
    pub allowed: Costs,
    /// What a person said yes to; `None`: no yes is needed (`run`) or none was asked yet (`plan`).
    pub approval: Option<&'a Approval>,
    /// Fingerprints of write-only values.
    pub fingerprints: &'a dyn Fingerprints,
    /// A journal is there: without one, write-only attributes are unknown rather than changes.
    pub remembers: bool,
    /// The numbers.
    pub settings: &'a Settings,
    /// When the process began that plans; what is remembered of later was written down before the clock went back.
    pub began: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// The account's catalogues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// Apps by the vendor's id.
    pub apps: Option<BTreeMap<SmolStr, CatalogueApp>>,
    /// Images.
    pub images: Option<Vec<CatalogueImage>>,
}

/// What a person said yes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approval {
    /// Costly changes that were shown: phone and attribute, with the wish and the costs.
    pub costly: BTreeMap<(PhoneKey, Attribute), (WishDigest, Costs)>,
    /// Only these phones (`--max-phones`); `None`: all.
    pub phones: Option<std::collections::BTreeSet<PhoneKey>>,
}

/// What one phone needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhonePlan {
    /// Every difference between desired and observed, in the order of stages, then of attributes.
    pub changes: Vec<Change>,
    /// What will follow by itself, in order; each step is one job.
    pub chain: Vec<PhoneStep>,
    /// What the plan cannot lift now: by change, or by the whole phone (no attribute).
    pub waiting: Vec<Waiting>,
    /// Reads that are missing or too old to decide on, sorted. What only has to be read back after a write of ours is named here once the chain is
    /// empty: one closing read-back a chain. Costly next steps need to know whether the phone is in use (`Usage`).
    pub unread: Vec<ReadKind>,
    /// The first step of the chain would be lost by a restart, and whether one is to come was not read yet.
    pub too_soon: bool,
    /// Managed attributes that were compared and agree, with the digest of the wish. Write-only ones agree by fingerprint. An exclusive policy agrees as
    /// [`diff::policy_attribute`] where no stray app is.
    pub in_sync: Vec<(Attribute, WishDigest)>,
    /// Attributes about which nothing is known: write-only ones without a journal, and those that a read should tell and did not.
    pub unknown: Vec<Attribute>,
    /// Managed attributes that agree now and that a restart or wipe among the changes will undo: they follow as changes of their own afterwards.
    pub afterwards: Vec<Attribute>,
    /// Earliest moment at which this plan can differ by the passing of time alone. The ageing of readings counts only while a step may start on them.
    pub again_at: Option<Timestamp>,
}

/// Desired differs from observed for one attribute of one phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which attribute.
    pub attribute: Attribute,
    /// What is there; `None`: write-only, not known.
    pub from: Option<Observed>,
    /// What is wished.
    pub to: Wish,
    /// Digest of the wish.
    pub digest: WishDigest,
    /// Why there is a difference.
    pub cause: Cause,
    /// Where the wish was said.
    pub origin: Origin,
    /// What it costs.
    pub costs: Costs,
    /// When it comes.
    pub stage: Stage,
}

/// One job on one phone: changes that go in one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneStep {
    /// The provider's call and all that goes in; equal payloads of phones of one account become one order.
    pub payload: Arc<Payload>,
    /// When it comes.
    pub stage: Stage,
    /// What it costs.
    pub costs: Costs,
    /// Why; the weakest cause of its changes (`Corrective` if any is).
    pub cause: Cause,
}

/// What one call carries.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Payload {
    /// The provider's call.
    pub call: CallName,
    /// What it writes, sorted.
    pub writes: Arc<[(Attribute, Wish)]>,
    /// Install: the package and where it comes from. Other work on an app that the vendor knows by an id of its own: the package and that id.
    pub app: Option<(Package, AppSource)>,
    /// Upgrade: the image's id.
    pub image: Option<SmolStr>,
}

/// Why something does not start now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// What waits; `None`: everything on this phone.
    pub attribute: Option<Attribute>,
    /// Why.
    pub reason: Reason,
    /// One line for people: which cost, which operation, until when.
    pub detail: String,
    /// When it is looked at again by itself.
    pub until: Option<Timestamp>,
    /// The operation it hangs on.
    pub operation: Option<OperationId>,
}

impl PhonePlan {
    /// The step that may start now: the first of the chain, if nothing holds the whole phone and what it needs to know was read.
    pub fn next(&self) -> Option<&PhoneStep> {
        let first = self.chain.first()?;
        let undecided = self.unread.iter().any(|kind| match kind {
            ReadKind::Listing => true,
            ReadKind::Usage => !first.costs.is_live(),
            ReadKind::Properties
            | ReadKind::Apps
            | ReadKind::Shell
            | ReadKind::AppCatalogue
            | ReadKind::ImageCatalogue => false,
        });
        (!undecided && !self.too_soon && self.held().next().is_none()).then_some(first)
    }

    /// The step that may start as soon as our open job on the phone has ended, or a listing is in; batches may wait for it. `None` when something else
    /// holds the phone.
    pub fn upcoming(&self) -> Option<&PhoneStep> {
        let mut held = self.held().peekable();
        if held.peek().is_none() && !self.unread.contains(&ReadKind::Listing) {
            return None;
        }
        held.all(|waiting| waiting.reason == Reason::Polling)
            .then(|| self.chain.first())?
    }

    /// What holds the whole phone.
    pub fn held(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting
            .iter()
            .filter(|waiting| waiting.attribute.is_none())
    }

    /// What this change waits for; `None`: it is in the chain.
    pub fn waits_for(&self, attribute: &Attribute) -> Option<&Waiting> {
        self.waiting
            .iter()
            .find(|waiting| waiting.attribute.as_ref() == Some(attribute))
    }

    /// Whether everything managed was read, agrees, and nothing is waited for.
    pub fn is_converged(&self) -> bool {
        self.changes.is_empty() && self.waiting.is_empty() && self.unread.is_empty()
    }
}

/// Digest of a wish: first 8 bytes of SHA-256 of its JSON.
pub fn digest(wish: &Wish) -> WishDigest {
    wish.digest()
}

/// Plans one phone.
///
/// Order of thoughts: what is unread; what differs, and why (against `history.converged`: no entry is `NewMember` where the phone has no history and
/// `Intended` where it has, another digest is `Intended` (`OverrideExpired` where it is among `expired`), the same digest is `Corrective`; a write-only value whose fingerprint differs under the same
/// digest is `SecretRotated`); what may be done (mode, gate, capability, catalogue, `NoEffect`, `Contested`, `Quarantined`, costs, approval, run state,
/// use, open operations); the chain by stages, merged where the call takes several attributes (one restart for all restart properties).
pub fn plan_phone(input: &PhoneInput<'_>) -> PhonePlan {
    let prepared = Prepared::new(
        input.desired,
        input.capabilities,
        input.fingerprints,
        input.remembers,
    );
    plan_prepared(&prepared, input)
}

/// [`plan_phone`], with what depends on the desired state alone made ready once: for fleets in which many phones are planned again and again.
/// `prepared` must come from `input.desired`, and be made anew when a secret may have changed.
pub fn plan_prepared(prepared: &Prepared, input: &PhoneInput<'_>) -> PhonePlan {
    let mut plan = PhonePlan::default();
    if let Some(waiting) = gate::absent(input) {
        plan.waiting.push(waiting);
        return plan;
    }
    let open = gate::OpenWork::of(input);
    let mut compared = diff::compare(prepared, input, &open);
    plan.in_sync = compared.in_sync;
    plan.unknown = compared.unknown;
    if !compared.found.is_empty() && input.group.mode != Mode::Observe {
        compared.found.sort_by(|a, b| {
            (a.change.stage, &a.change.attribute).cmp(&(b.change.stage, &b.change.attribute))
        });
        let routed = gate::sort_out(input, &open, &mut compared.found, &mut plan.waiting);
        plan.chain = chain::build(input, &compared.found, routed);
        plan.changes = compared
            .found
            .into_iter()
            .map(|found| found.change)
            .collect();
        plan.afterwards = afterwards(input, &plan);
        plan.too_soon = compared.may_restart && is_lost_by_restart(input, &plan);
    }
    let mut unread = compared.unread;
    if plan.chain.is_empty() {
        unread = unread.union(compared.read_back);
    }
    plan.unread = unread.list();
    gate::hold_phone(input, &open, &mut plan);
    if plan.held().next().is_none() && gate::needs_usage(input, &plan.chain) {
        plan.unread = unread.with(ReadKind::Usage).list();
    }
    plan.again_at = gate::again_at(input, &plan);
    // Plans of whole fleets are kept.
    plan.changes.shrink_to_fit();
    plan.chain.shrink_to_fit();
    plan.in_sync.shrink_to_fit();
    plan.waiting.shrink_to_fit();
    plan
}

/// Whether the first step writes something that a restart loses.
fn is_lost_by_restart(input: &PhoneInput<'_>, plan: &PhonePlan) -> bool {
    let lost = |attribute: &Attribute| {
        let row = input.capabilities.of(attribute);
        row.is_some_and(|row| row.lost_by_restart)
    };
    let first = plan.chain.first();
    first.is_some_and(|step| step.payload.writes.iter().any(|(write, _)| lost(write)))
}

fn afterwards(input: &PhoneInput<'_>, plan: &PhonePlan) -> Vec<Attribute> {
    let costs = plan
        .changes
        .iter()
        .fold(Costs::NONE, |costs, change| costs.union(change.costs));
    let (wipe, restart) = (costs.has(Cost::Wipe), costs.has(Cost::Restart));
    if !wipe && !restart {
        return Vec::new();
    }
    plan.in_sync
        .iter()
        .map(|(attribute, _)| attribute)
        // No restart or wipe puts a stray app there.
        .filter(|attribute| **attribute != diff::policy_attribute())
        .filter(|attribute| {
            input
                .capabilities
                .of(attribute)
                .is_some_and(|row| (wipe && row.lost_by_wipe) || (restart && row.lost_by_restart))
        })
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests;
