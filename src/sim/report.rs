//! What the provider's side saw: the counts that tests and benchmarks judge a client by.
//!
//! Invariants: counted where it happens in the world, never from what a client says. Not here: what is good or bad.

use serde::Serialize;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Everything that was counted since the world began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Calls that arrived.
    pub calls: u64,
    /// The same by path.
    pub calls_by_path: BTreeMap<SmolStr, u64>,
    /// Calls that can change phones.
    pub mutations: u64,
    /// Calls that only read, polls aside.
    pub reads: u64,
    /// Calls that ask about jobs.
    pub polls: u64,
    /// Calls answered 429 because a limit was reached.
    pub throttled: u64,
    /// Calls with a missing or wrong signature, or an unknown key.
    pub bad_signatures: u64,
    /// Well-signed calls that the surface refused with an error code, by code.
    pub refused: BTreeMap<u32, u64>,
    /// Attempts to start a job on a phone with an open job of the same client.
    pub double_jobs: u64,
    /// Attempts to start a job on a phone with another client's job.
    pub foreign_clashes: u64,
    /// Attempts to start a job on a phone whose job hangs.
    pub hung_clashes: u64,
    /// Jobs by the call that started them.
    pub jobs: BTreeMap<SmolStr, Ends>,
    /// Phones that were restarted by a job, as often as it happened.
    pub restarts: u64,
    /// Phones that were wiped by a job.
    pub wipes: u64,
    /// Phones that drew a new identity.
    pub new_identities: u64,
    /// Costly jobs that were accepted, by phone.
    pub costly: BTreeMap<SmolStr, Costly>,
    /// Costly jobs accepted on a phone on which the same work was accepted before and not in vain (changes behind the client's back aside).
    pub costly_repeated: u64,
    /// Most calls in any stretch of one second.
    pub max_calls_per_second: u64,
    /// Most calls in any stretch of one minute.
    pub max_calls_per_minute: u64,
    /// Answers that were lost after the call was carried out.
    pub lost_answers: u64,
    /// Callbacks that jobs and phones caused, once they are registered.
    pub callbacks: u64,
    /// Callbacks that nobody fetched before there were too many.
    pub callbacks_given_up: u64,
    /// Faults that happened, by kind.
    pub faults: BTreeMap<SmolStr, u64>,
}

/// How jobs of one kind ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ends {
    /// Accepted.
    pub submitted: u64,
    /// Ended well, with effect.
    pub succeeded: u64,
    /// Ended well, without effect.
    pub without_effect: u64,
    /// Ended badly.
    pub failed: u64,
    /// Never end.
    pub hung: u64,
    /// Waited in vain for their phone.
    pub timed_out: u64,
}

/// Costly jobs accepted on one phone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Costly {
    /// That restart it.
    pub restarts: u32,
    /// That wipe it.
    pub wipes: u32,
    /// That draw a new identity.
    pub new_identities: u32,
}

impl Report {
    /// Calls of one path (its last segments), such as `updateTimeZone`.
    pub fn calls_to(&self, name: &str) -> u64 {
        self.calls_by_path
            .iter()
            .filter(|(path, _)| path.ends_with(name))
            .map(|(_, calls)| calls)
            .sum()
    }

    /// Jobs of one kind.
    pub fn jobs_of(&self, name: &str) -> Ends {
        self.jobs.get(name).copied().unwrap_or_default()
    }

    /// Counts one more under a text.
    pub(super) fn count(counts: &mut BTreeMap<SmolStr, u64>, name: &str) {
        match counts.get_mut(name) {
            Some(count) => *count += 1,
            None => {
                counts.insert(name.into(), 1);
            }
        }
    }

    /// The ends of one kind of job.
    pub(super) fn ends(&mut self, name: &'static str) -> &mut Ends {
        self.jobs.entry(SmolStr::new_static(name)).or_default()
    }
}
