//! Many runs, one seed each, and their report.
//!
//! Invariants: a seed's outcome does not depend on how many others run beside it; the report adds up what the runs say. Not here: one run (`run`),
//! printing (`cli::soak`).

use super::invariant::Violation;
use super::run::{Outcome, apart, run, run_listening};
use super::scenario::{Scenario, cast};
use crate::model::fleet::ProviderKind;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// In one of so many runs all that is logged is searched for secrets.
const LISTENED: u64 = 20;

/// What is run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The scenario of every seed, but for its accounts.
    pub scenario: Scenario,
    /// The providers that accounts are drawn from.
    pub providers: Vec<ProviderKind>,
    /// Phones of a run.
    pub phones: u32,
    /// The first seed.
    pub first: u64,
    /// How many.
    pub seeds: u64,
    /// For one of so many seeds two more runs tell how far failing phones delay others; 0: for none.
    pub paired: u64,
    /// Runs at a time.
    pub threads: usize,
}

impl Plan {
    /// The scenario of this seed.
    pub fn scenario_of(&self, seed: u64) -> Scenario {
        Scenario {
            accounts: cast(seed, &self.providers, self.phones),
            ..self.scenario.with_seed(seed)
        }
    }
}

/// What came of it. Times are hours of the simulated worlds.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Runs.
    pub seeds: u64,
    /// Simulated hours of all runs together, calm and quiet included.
    pub simulated_hours: f64,
    /// Requests that left.
    pub requests: u64,
    /// Of these, requests that could change phones.
    pub mutations: u64,
    /// Jobs that vendors accepted.
    pub jobs: u64,
    /// Processes that died.
    pub crashes: u64,
    /// Processes that were asked to end.
    pub stops: u64,
    /// Records that became durable.
    pub records: u64,
    /// Phones that wait for a person in the end.
    pub waiting: u64,
    /// Longest time from the end of the storm until everything was as wished, in seconds.
    pub calmed_seconds: u64,
    /// Faults that happened, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Calls that gained nothing, of all; judged where nothing goes wrong.
    pub wasted: u64,
    /// Lines of the log that were searched for secrets, in the runs in which somebody listened.
    pub logged: u64,
    /// Pairs of runs without and with failing phones.
    pub pairs: u64,
    /// The most that failing phones delayed healthy ones, in percent.
    pub delayed_percent: u64,
    /// What did not hold.
    pub violations: Vec<Found>,
}

/// A violation, and the seed that gives it again.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// The seed.
    pub seed: u64,
    /// The whole scenario, as text.
    pub scenario: String,
    /// What.
    #[serde(flatten)]
    pub violation: Violation,
}

impl Report {
    /// Adds one run.
    pub fn add(&mut self, scenario: &Scenario, outcome: Outcome) {
        self.seeds += 1;
        self.simulated_hours += outcome.simulated.as_secs_f64() / 3_600.0;
        self.requests += outcome.requests;
        self.mutations += outcome.mutations;
        self.jobs += outcome.jobs;
        self.crashes += outcome.crashes;
        self.stops += outcome.stops;
        self.records += outcome.records;
        self.waiting += outcome.waiting;
        self.wasted += outcome.wasted;
        self.logged += outcome.logged;
        self.calmed_seconds = self.calmed_seconds.max(outcome.calmed.as_secs());
        for (kind, count) in outcome.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        self.find(scenario, outcome.violations);
    }

    /// Adds a pair of runs without and with failing phones.
    pub fn add_pair(&mut self, scenario: &Scenario, pair: (Duration, Duration, Vec<Violation>)) {
        let (alone, beside, violations) = pair;
        let later = beside.saturating_sub(alone).as_millis() * 100 / alone.as_millis().max(1);
        self.pairs += 1;
        self.delayed_percent = self
            .delayed_percent
            .max(u64::try_from(later).unwrap_or(u64::MAX));
        self.find(scenario, violations);
    }

    fn find(&mut self, scenario: &Scenario, violations: Vec<Violation>) {
        let found = violations.into_iter().map(|violation| Found {
            seed: scenario.seed,
            scenario: scenario.to_string(),
            violation,
        });
        self.violations.extend(found);
    }
}

/// Runs every seed; `told` hears of each when it is over: how many are, its seed and what came of it.
///
/// # Guarantees
/// The report's violations are in the order of seeds, whatever the number of threads.
pub fn soak(plan: &Plan, told: &(dyn Fn(u64, u64, &Outcome) + Sync)) -> Report {
    let next = AtomicU64::new(0);
    let over = AtomicU64::new(0);
    let report = Mutex::new(Report::default());
    std::thread::scope(|scope| {
        for _ in 0..plan.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= plan.seeds {
                        break;
                    }
                    let scenario = plan.scenario_of(plan.first + number);
                    let outcome = match scenario.seed.is_multiple_of(LISTENED) {
                        true => run_listening(&scenario),
                        false => run(&scenario),
                    };
                    let done = over.fetch_add(1, Ordering::Relaxed) + 1;
                    told(done, scenario.seed, &outcome);
                    super::network::lock(&report).add(&scenario, outcome);
                    if plan.paired > 0 && scenario.seed.is_multiple_of(plan.paired) {
                        let pair = apart(&scenario);
                        super::network::lock(&report).add_pair(&scenario, pair);
                    }
                }
            });
        }
    });
    let mut report = report
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    report
        .violations
        .sort_by_key(|found| (found.seed, found.violation.at));
    report
}

/// A smaller scenario that still breaks the same invariant: fewer kinds of faults, fewer phones, fewer edits, less time; after so many runs at most.
pub fn shrink(scenario: &Scenario, runs: u32, breaks: &dyn Fn(&Scenario) -> bool) -> Scenario {
    let mut best = scenario.clone();
    let mut left = runs;
    loop {
        let smaller = candidates(&best).into_iter().find(|other| {
            left = left.saturating_sub(1);
            left > 0 && breaks(other)
        });
        match smaller {
            Some(smaller) => best = smaller,
            None => return best,
        }
    }
}

fn candidates(scenario: &Scenario) -> Vec<Scenario> {
    let mut all = Vec::new();
    for name in scenario.profile.switched_on() {
        let mut other = scenario.clone();
        other.profile = scenario.profile.without(name);
        all.push(other);
    }
    for place in 0..scenario.mischief.len() {
        let mut other = scenario.clone();
        other.mischief.remove(place);
        all.push(other);
    }
    if scenario.editions > 0 {
        let mut other = scenario.clone();
        other.editions = 0;
        all.push(other);
    }
    if scenario.accounts.iter().any(|account| account.phones > 4) {
        let mut other = scenario.clone();
        for account in &mut other.accounts {
            account.phones = account.phones.div_ceil(2).max(4);
        }
        all.push(other);
    }
    if scenario.hours > 0.1 {
        let mut other = scenario.clone();
        other.hours /= 2.0;
        all.push(other);
    }
    if scenario.quiet > Duration::from_secs(60) {
        let mut other = scenario.clone();
        other.quiet = Duration::from_secs(60);
        all.push(other);
    }
    all
}
