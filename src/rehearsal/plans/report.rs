//! Many plans, and their report.
//!
//! Invariants: the report does not depend on the number of threads. Not here: single plans.

use super::text::Named;
use super::{Plan, Recorded, Reference, Tried};
use crate::rehearsal::network::lock;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A plan that did not come out as it should.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// The plan, as text that gives it again.
    pub plan: String,
    /// The invariant or oracle.
    pub what: &'static str,
    /// What happened.
    pub problem: String,
}

/// What came of many plans.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Reference runs.
    pub references: u64,
    /// Plans that follow from them.
    pub derived: u64,
    /// Plans that were run and whose fault happened.
    pub plans: u64,
    /// Plans that were run and whose fault found nothing to happen to.
    pub vacuous: u64,
    /// Simulated hours of all plans together.
    pub simulated_hours: f64,
    /// Requests that left.
    pub requests: u64,
    /// Jobs that vendors accepted.
    pub jobs: u64,
    /// Most requests of one plan beyond those of its reference, and which plan that was.
    pub most_more: (u64, String),
    /// Processes that died.
    pub crashes: u64,
    /// Plans in which an edit overtook work, so that less was done than in the reference.
    pub overtaken: u64,
    /// Plans in which work was undone by the fault and done again.
    pub repaired: u64,
    /// Plans in which a phone waits for a person in the end.
    pub waiting: u64,
    /// Plans by fault.
    pub by_fault: BTreeMap<String, u64>,
    /// Plans by point.
    pub by_point: BTreeMap<String, u64>,
    /// What did not hold.
    pub violations: Vec<Found>,
}

impl Report {
    fn add(&mut self, recorded: &Recorded, plan: &Plan, tried: Tried) {
        let Tried {
            happened,
            outcome,
            found,
            fewer,
            again,
            waits,
        } = tried;
        if happened {
            self.plans += 1;
            *self
                .by_fault
                .entry(Named(plan.mischief).to_string())
                .or_default() += 1;
            *self.by_point.entry(recorded.label(plan)).or_default() += 1;
        } else {
            self.vacuous += 1;
        }
        self.simulated_hours += outcome.simulated.as_secs_f64() / 3_600.0;
        self.requests += outcome.requests;
        self.jobs += outcome.jobs;
        let more = outcome.requests.saturating_sub(recorded.requests());
        if more > self.most_more.0 {
            self.most_more = (more, plan.to_string());
        }
        self.crashes += outcome.crashes;
        self.overtaken += u64::from(fewer);
        self.repaired += u64::from(again);
        self.waiting += u64::from(waits);
        let text = plan.to_string();
        self.violations
            .extend(found.into_iter().map(|(what, problem)| Found {
                plan: text.clone(),
                what,
                problem,
            }));
    }

    /// A reference is judged like a plan without a fault.
    fn add_reference(&mut self, recorded: &Recorded) {
        self.references += 1;
        let Reference { provider, seed } = recorded.reference;
        for outcome in [&recorded.outcome, &recorded.edited] {
            for violation in &outcome.violations {
                self.violations.push(Found {
                    plan: format!("{provider}/{seed}"),
                    what: violation.invariant.as_str(),
                    problem: violation.problem.clone(),
                });
            }
        }
    }
}

/// Which plans are run.
#[derive(Clone, Debug)]
pub struct Work {
    /// The references.
    pub references: Vec<Reference>,
    /// So many plans at most, spread evenly over all that follow; `None`: all.
    pub most: Option<usize>,
    /// Runs at a time.
    pub threads: usize,
}

/// Hears how many of how many plans are over, and what was wrong with the last one.
pub type Told<'a> = dyn Fn(usize, usize, usize) + Sync + 'a;

/// Runs plans.
///
/// # Guarantees
/// The report does not depend on the number of threads.
pub fn run_all(work: &Work, told: &Told<'_>) -> Report {
    let recorded = in_parallel(work.threads, &work.references, |reference| {
        Recorded::of(*reference)
    });
    let mut all: Vec<(usize, Plan)> = Vec::new();
    for (place, recorded) in recorded.iter().enumerate() {
        all.extend(recorded.plans().into_iter().map(|plan| (place, plan)));
    }
    let derived = u64::try_from(all.len()).unwrap_or(u64::MAX);
    let chosen = spread(&all, work.most.unwrap_or(usize::MAX));
    Report {
        derived,
        ..run_chosen(&recorded, &chosen, work.threads, told)
    }
}

/// Runs these plans only.
pub fn run_these(plans: &[Plan], told: &Told<'_>) -> Report {
    let mut references: Vec<Reference> = plans.iter().map(|plan| plan.reference).collect();
    references.sort_unstable();
    references.dedup();
    let recorded = in_parallel(1, &references, |reference| Recorded::of(*reference));
    let chosen: Vec<(usize, Plan)> = plans
        .iter()
        .map(|plan| (references.partition_point(|of| *of < plan.reference), *plan))
        .collect();
    run_chosen(&recorded, &chosen, 1, told)
}

fn run_chosen(
    recorded: &[Recorded],
    chosen: &[(usize, Plan)],
    threads: usize,
    told: &Told<'_>,
) -> Report {
    let mut report = Report {
        derived: u64::try_from(chosen.len()).unwrap_or(u64::MAX),
        ..Report::default()
    };
    for recorded in recorded {
        report.add_reference(recorded);
    }
    let report = Mutex::new(report);
    let over = AtomicUsize::new(0);
    in_parallel(threads, chosen, |(place, plan)| {
        let recorded = &recorded[*place];
        let tried = recorded.tried(plan);
        let found = tried.found.len();
        lock(&report).add(recorded, plan, tried);
        let over = over.fetch_add(1, Ordering::Relaxed) + 1;
        told(over, chosen.len(), found);
    });
    let mut report = report
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    report.violations.sort();
    report
}

/// At most so many of them, evenly spread.
fn spread<T: Copy>(all: &[T], most: usize) -> Vec<T> {
    if all.len() <= most {
        return all.to_vec();
    }
    (0..most)
        .filter_map(|place| all.get(place * all.len() / most).copied())
        .collect()
}

/// Does something to each of them, so many at a time; results in their order.
fn in_parallel<T: Sync, R: Send>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results: Mutex<BTreeMap<usize, R>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while let Some((place, item)) = {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    items.get(place).map(|item| (place, item))
                } {
                    let result = work(item);
                    lock(&results).insert(place, result);
                }
            });
        }
    });
    let results = results
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    results.into_values().collect()
}
