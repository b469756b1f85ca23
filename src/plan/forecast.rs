//! Forecast: calls, polls and time that a plan will take if nothing goes wrong.
//!
//! Invariants: writes are the fewest the batch limits allow; time is the longest of what the pace of calls, and the longest chain of jobs on one phone,
//! take. Not here: pace itself (`controller`), what is done (`preview`).

use super::phone::PhonePlan;
use super::preview::{FleetInput, Step};
use crate::model::capability::{Capabilities, ReadMethod};
use crate::model::id::AccountName;
use crate::model::observed::ReadKind;
use std::collections::BTreeMap;
use std::time::Duration;

/// Calls and time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forecast {
    /// Calls that change something.
    pub writes: u64,
    /// Calls that ask about jobs.
    pub polls: u64,
    /// Calls that read back what was changed.
    pub reads: u64,
    /// How long it takes.
    pub time: Duration,
    /// By account.
    pub accounts: BTreeMap<AccountName, AccountForecast>,
}

/// Calls and time of one account.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccountForecast {
    /// Calls that change something.
    pub writes: u64,
    /// Calls that ask about jobs.
    pub polls: u64,
    /// Calls that read back.
    pub reads: u64,
    /// How long the calls take at the account's pace.
    pub calls_time: Duration,
    /// How long the longest chain of jobs on one phone takes, with its polls.
    pub chain_time: Duration,
}

impl Forecast {
    /// All calls.
    pub fn calls(&self) -> u64 {
        self.writes + self.polls + self.reads
    }
}

/// How often a job is asked about: once when it should be over, and, since about every second one takes longer than expected, once more.
const POLL_ROUNDS: u64 = 2;

/// What the phones of one account bring.
#[derive(Clone, Debug, Default)]
pub(super) struct Load {
    /// Managed phones.
    pub(super) phones: u64,
    jobs: u64,
    longest: u64,
    chain_time: Duration,
    reads: BTreeMap<ReadKind, u64>,
}

impl Load {
    /// Takes the chain of one phone in.
    pub(super) fn chain(&mut self, plan: &PhonePlan, capabilities: &Capabilities) {
        let jobs = u64::try_from(plan.chain.len()).unwrap_or(u64::MAX);
        self.jobs += jobs;
        self.longest = self.longest.max(jobs);
        let mut time = Duration::ZERO;
        let mut kinds: BTreeMap<ReadKind, u64> = BTreeMap::new();
        for step in &plan.chain {
            let expected = capabilities
                .call(step.payload.call)
                .map_or(Duration::ZERO, |call| call.expected);
            time += expected + capabilities.limits.poll_interval;
            for (attribute, _) in step.payload.writes.iter() {
                if let Some(ReadMethod::By(kind)) = capabilities.of(attribute).map(|row| row.read) {
                    *kinds.entry(kind).or_default() += 1;
                }
            }
        }
        self.chain_time = self.chain_time.max(time);
        for (kind, attributes) in kinds {
            let most = capabilities
                .read(kind)
                .map_or(u32::MAX, |read| read.max_attributes);
            *self.reads.entry(kind).or_default() += attributes.div_ceil(u64::from(most.max(1)));
        }
    }
}

/// What the steps will take.
pub(super) fn forecast(
    input: &FleetInput<'_>,
    steps: &[Step],
    loads: &BTreeMap<&AccountName, Load>,
) -> Forecast {
    let mut forecast = Forecast::default();
    for step in steps {
        forecast.writes += step.batches;
        let account = forecast.accounts.entry(step.account.clone()).or_default();
        account.writes += step.batches;
    }
    for (name, account) in &mut forecast.accounts {
        let (Some(entry), Some(load)) = (input.accounts.get(name), loads.get(name)) else {
            continue;
        };
        let limits = &entry.capabilities.limits;
        let rounds = load.jobs.div_ceil(u64::from(limits.poll_batch.max(1)));
        account.polls = rounds.max(load.longest) * POLL_ROUNDS;
        for (kind, phones) in &load.reads {
            let size = entry
                .capabilities
                .read(*kind)
                .map_or(1, |read| read.max_phones);
            // A listing tells all phones or none.
            let rows = if *kind == ReadKind::Listing {
                load.phones
            } else {
                *phones
            };
            account.reads += rows.div_ceil(entry.batch(size));
        }
        let calls = account.writes + account.polls + account.reads;
        account.calls_time = at_pace(calls, entry.rate);
        account.chain_time = load.chain_time;
        forecast.polls += account.polls;
        forecast.reads += account.reads;
        forecast.time = forecast
            .time
            .max(account.calls_time)
            .max(account.chain_time);
    }
    forecast
}

/// How long this many calls take at so many a second.
fn at_pace(calls: u64, rate: f64) -> Duration {
    let calls = f64::from(u32::try_from(calls).unwrap_or(u32::MAX));
    if rate.is_finite() && rate > 0.0 {
        Duration::try_from_secs_f64(calls / rate).unwrap_or(Duration::MAX)
    } else {
        Duration::ZERO
    }
}
