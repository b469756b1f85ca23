//! The plan of a whole fleet, assembled from its phones.
//!
//! Invariants: every change of every phone is in exactly one step or waits; the same input gives the same plan. Not here: text (`render`).

use super::phone::{Catalogue, PhonePlan};
use crate::model::attribute::Attribute;
use crate::model::capability::Capabilities;
use crate::model::condition::Reason;
use crate::model::fleet::Fleet;
use crate::model::id::{AccountName, GroupName, PhoneId, PhoneKey};
use crate::model::observed::ReadKind;
use crate::model::settings::Settings;
use crate::model::stamp::Timestamp;
use std::collections::BTreeMap;
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
    /// What planning did.
    pub header: Header,
    /// The numbers.
    pub settings: &'a Settings,
    /// Now.
    pub now: Timestamp,
}

/// The plan of a fleet. (Steps, waiting, released, summary and forecast are this file's to define: see the design, section 6.)
#[derive(Clone, Debug)]
pub struct Plan {
    /// What planning did.
    pub header: Header,
}

/// Assembles the plan.
pub fn assemble(input: &FleetInput<'_>) -> Plan {
    let _: Option<&PhoneId> = None;
    Plan {
        header: input.header.clone(),
    }
}
