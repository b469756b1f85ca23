//! Counts that tell how far the work is, for progress bars, `status` and exit codes.
//!
//! Invariants: every managed phone is counted once under `in_sync`, `working`, `vendor`, `operator` or `not_read`. Not here: how they are shown (`cli`).

use crate::model::condition::{Actor, Reason};
use crate::model::id::{GroupName, PhoneKey};
use crate::model::operation::Outcome;
use crate::model::rename::Renamed;
use crate::model::stamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How far the work is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Progress {
    /// When.
    pub at: Timestamp,
    /// Revision of the manifests.
    pub revision: String,
    /// What is going on: `reading`, `converging`, `idle`, `draining`.
    pub activity: String,
    /// Managed phones.
    pub phones: u64,
    /// Converged.
    pub in_sync: u64,
    /// Being worked on, or waiting for time.
    pub working: u64,
    /// Waiting for the vendor.
    pub vendor: u64,
    /// Waiting for a person.
    pub operator: u64,
    /// Not read yet, or not readable.
    pub not_read: u64,
    /// Steps that follow by themselves and have not ended yet (jobs on phones).
    pub steps_left: u64,
    /// Steps that ended well since the session began.
    pub steps_done: u64,
    /// Reads still due in this round, in calls.
    pub reads_left: u64,
    /// Calls made since the session began: reads, writes, polls.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
    /// Polls.
    pub polls: u64,
    /// Calls the vendor throttled.
    pub throttled: u64,
    /// Open jobs.
    pub open_jobs: u64,
    /// Ended steps by outcome.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Phones by reason they wait for.
    pub reasons: BTreeMap<Reason, u64>,
    /// By group: phones and phones in sync.
    pub groups: BTreeMap<GroupName, (u64, u64)>,
    /// Up to 1,000 phones that wait for the vendor or a person: phone, reason, detail.
    pub needing: Vec<(PhoneKey, Reason, String)>,
    /// Up to 1,000 phones whose codes the vendor changed: those that manifests still name by the old one, and those found since the session began.
    pub renamed: Vec<Renamed>,
}

impl Progress {
    /// Phones that wait for this actor.
    pub fn waiting_for(&self, actor: Actor) -> u64 {
        match actor {
            Actor::Time => self.working,
            Actor::Vendor => self.vendor,
            Actor::Operator => self.operator,
        }
    }
}
