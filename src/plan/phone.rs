//! One phone: what differs, the chain of steps that mends it, and what waits.
//!
//! Invariants: at most the first step of the chain may start now; a change is either in the chain or waiting, never both; an attribute that is not managed
//! is never mentioned. Not here: several phones (`batch`).

use crate::model::attribute::Attribute;
use crate::model::capability::{CallName, Capabilities, Costs, Stage};
use crate::model::condition::{Cause, Reason};
use crate::model::desired::{Desired, Fingerprints, Origin};
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
    /// Reads that are missing or too old to decide on.
    pub unread: Vec<ReadKind>,
    /// Managed attributes that were compared and agree, with the digest of the wish. Write-only ones agree by fingerprint.
    pub in_sync: Vec<(Attribute, WishDigest)>,
    /// Write-only attributes about which nothing is known (no journal).
    pub unknown: Vec<Attribute>,
    /// Earliest moment at which this plan can differ by the passing of time alone.
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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Payload {
    /// The provider's call.
    pub call: CallName,
    /// What it writes, sorted.
    pub writes: Arc<[(Attribute, Wish)]>,
    /// Install: the package and where it comes from.
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

/// Digest of a wish: first 8 bytes of SHA-256 of its JSON.
pub fn digest(wish: &Wish) -> WishDigest {
    unimplemented!("{wish:?}")
}

/// Plans one phone.
///
/// Order of thoughts: what is unread; what differs, and why (against `history.converged`: no entry is `NewMember` where the phone has no history and
/// `Intended` where it has, another digest is `Intended`, the same digest is `Corrective`; a write-only value whose fingerprint differs under the same
/// digest is `SecretRotated`); what may be done (mode, gate, capability, catalogue, `NoEffect`, `Contested`, `Quarantined`, costs, approval, run state,
/// use, open operations); the chain by stages, merged where the call takes several attributes (one restart for all restart properties).
pub fn plan_phone(input: &PhoneInput<'_>) -> PhonePlan {
    unimplemented!("{}", input.key)
}
