//! Plans from a reference run: one fault at one point of a run in which nothing goes wrong, and what must be the same as without it.
//!
//! A reference is recorded (`reference`); every fault that had a chance at one of its points becomes a plan; each plan is run and compared with the reference.
//! Beside the invariants of every run it is judged by two oracles: the phones end as they did, and no job had an effect that it did not have before, unless
//! something undid it.
//!
//! Invariants: a plan is one line of text that gives it again; a plan counts only if its fault happened. Not here: runs (`run`), what is written down
//! (`reference`).

use super::reference::RequestPoint;
use super::run::{Outcome, run};
use super::scenario::{AccountPlan, CLOCK, Deed, Mischief, Point, Scenario};
use crate::model::fleet::ProviderKind;
use crate::sim::faults::Kind;
use crate::time::delay::hash;
use std::time::Duration;

pub(super) use oracle::kinds;

mod oracle;
mod report;
mod text;

pub use report::{Found, Report, Told, Work, run_all, run_these};
pub use text::NoPlan;

/// Between two edits of a reference, and from the last one to the end of its storm: every change is over by then when nothing goes wrong.
const APART: Duration = Duration::from_secs(420);
/// After that nothing may happen for so long.
const QUIET: Duration = Duration::from_secs(600);

/// A run in which nothing goes wrong, by what decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The provider of its account.
    pub provider: ProviderKind,
    /// Decides phones, edits and values.
    pub seed: u64,
}

impl Reference {
    /// Its scenario, with so many edits more than it has.
    fn scenario(self, more: u32) -> Scenario {
        let draw = |purpose, below| hash(purpose, 0, self.seed) % below;
        let phones = u32::try_from(5 + draw("phones", 8)).unwrap_or(5);
        let edits = 1 + u32::try_from(draw("edits", 3)).unwrap_or(0) + more;
        Scenario {
            seed: self.seed,
            accounts: vec![AccountPlan {
                name: "lab",
                provider: self.provider,
                phones,
            }],
            hours: (APART * (edits + 1)).as_secs_f64() / 3_600.0,
            quiet: QUIET,
            editions: 0,
            edits: (1..=edits).map(|number| APART * number).collect(),
            record: true,
            ..Scenario::default()
        }
    }
}

/// One fault at one point of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Plan {
    /// Of which run.
    pub reference: Reference,
    /// Where.
    pub point: Point,
    /// What.
    pub mischief: Mischief,
}

impl Plan {
    /// Edits that it brings with it.
    fn more_edits(&self) -> u32 {
        u32::from(self.mischief == Mischief::Edit)
    }

    /// What is allowed beyond the run without the fault, where it happened so often. Where a phone is occupied or away for minutes, each try of them is in vain.
    /// What a list told as it was before our own write looks like drift: what is live is written once more.
    fn allowed(&self, happened: u64) -> Allowed {
        let lasts = matches!(
            self.mischief,
            Mischief::Vendor(Kind::Hang | Kind::Offline | Kind::Abnormal)
                | Mischief::Everywhere(Kind::Hang)
                | Mischief::World(Deed::Cut | Deed::Vanish | Deed::Other | Deed::Fall)
        );
        Allowed {
            vain: if lasts { happened.max(TRIES) } else { happened },
            live: u32::from(self.mischief == Mischief::Vendor(Kind::Stale)),
        }
    }

    /// Under which name its fault is counted.
    fn counted_as(&self) -> &'static str {
        match self.mischief {
            Mischief::Refused => "refused",
            Mischief::RequestLost => "request-lost",
            Mischief::Delayed(_) => "request-delayed",
            Mischief::Doubled(_) => "request-doubled",
            Mischief::Vendor(kind) | Mischief::Everywhere(kind) => kind.as_str(),
            Mischief::CrashBefore => match self.point {
                Point::Request(_) => "crash before a request",
                Point::Write(_) => "crash before a write",
                Point::Wait(_) => "crash",
            },
            Mischief::CrashAfter => match self.point {
                Point::Request(_) | Point::Wait(_) => "crash after a request",
                Point::Write(_) => "crash after a write",
            },
            Mischief::CrashOnAnswer => "crash on an answer",
            Mischief::CrashWithClock(_) => CLOCK,
            Mischief::Stop => "stop",
            Mischief::Edit => "edit",
            Mischief::BadEdit => "bad-edit",
            Mischief::DiskFull => "disk full",
            Mischief::SyncFails => "fsync failed",
            Mischief::ReadOnly => "read-only",
            Mischief::World(deed) => deed.as_str(),
        }
    }
}

/// A reference that was run, and the plans that follow from it.
pub struct Recorded {
    reference: Reference,
    outcome: Outcome,
    /// The same with one more edit at its end, for plans that bring one.
    edited: Outcome,
}

impl Recorded {
    /// Runs a reference.
    pub fn of(reference: Reference) -> Self {
        Self {
            reference,
            outcome: run(&reference.scenario(0)),
            edited: run(&reference.scenario(1)),
        }
    }

    /// Requests that left.
    fn requests(&self) -> u64 {
        self.outcome.requests
    }

    /// Every plan, in the order of its points.
    pub fn plans(&self) -> Vec<Plan> {
        let Some(log) = &self.outcome.log else {
            return Vec::new();
        };
        let mut all = Vec::new();
        let mut add = |point, several: Vec<Mischief>| {
            all.extend(several.into_iter().map(|mischief| Plan {
                reference: self.reference,
                point,
                mischief,
            }));
        };
        for request in &log.requests {
            add(Point::Request(request.number), at_request(request));
        }
        for number in (1..).take(log.writes.len()) {
            let clocks = WRONG.into_iter().map(Mischief::CrashWithClock);
            add(
                Point::Write(number),
                AT_WRITE.into_iter().chain(clocks).collect(),
            );
        }
        for number in 1..=log.waits {
            let clocks = WRONG.into_iter().map(Mischief::CrashWithClock);
            let deeds = Deed::ALL.into_iter().map(Mischief::World);
            add(
                Point::Wait(number),
                AT_WAIT.into_iter().chain(clocks).chain(deeds).collect(),
            );
        }
        all
    }

    /// What its point is called in reports.
    fn label(&self, plan: &Plan) -> String {
        let log = self.outcome.log.as_ref();
        let found = match plan.point {
            Point::Request(number) => log.and_then(|log| {
                let request = log.requests.iter().find(|point| point.number == number)?;
                Some(format!("request {}", request.call))
            }),
            Point::Write(number) => log.and_then(|log| {
                let place = usize::try_from(number.checked_sub(1)?).ok()?;
                Some(format!("write {}", log.writes.get(place)?))
            }),
            Point::Wait(_) => Some("wait".to_owned()),
        };
        found.unwrap_or_else(|| "nowhere".to_owned())
    }

    /// Runs one of its plans and judges it.
    fn tried(&self, plan: &Plan) -> Tried {
        let reference = if plan.more_edits() > 0 {
            &self.edited
        } else {
            &self.outcome
        };
        let mut scenario = self.reference.scenario(0);
        scenario.mischief.push((plan.point, plan.mischief));
        let outcome = run(&scenario);
        let name = plan.counted_as();
        let count = |of: &Outcome| of.faults.get(name).copied().unwrap_or(0);
        let before = count(&self.outcome);
        let mut tried = Tried {
            happened: count(&outcome) > before,
            ..Tried::default()
        };
        for violation in &outcome.violations {
            let what = violation.invariant.as_str();
            let problem = format!("at {}: {}", violation.at, violation.problem);
            tried.found.push((what, problem));
        }
        if let (Some(before), Some(after)) = (&reference.log, &outcome.log) {
            oracle::compare(before, after, &plan.allowed(count(&outcome)), &mut tried);
        }
        tried.outcome = outcome;
        tried
    }
}

/// So many tries the back-off makes in about five minutes: after 2, 4, 8, 16 and 32 s, then every minute.
const TRIES: u64 = 9;

/// What a run with a fault may do beyond the run without it.
struct Allowed {
    /// So often the same in vain.
    vain: u64,
    /// So often the same again with effect, where it is live.
    live: u32,
}

/// What came of a plan.
#[derive(Default)]
struct Tried {
    happened: bool,
    outcome: Outcome,
    found: Vec<(&'static str, String)>,
    /// Jobs had less to do than in the reference: an edit overtook them.
    fewer: bool,
    /// Jobs had to be done again, because something undid them.
    again: bool,
    /// Somebody is told of a phone that is not as in the reference.
    waits: bool,
}

/// What can be put at every write of the journal.
const AT_WRITE: [Mischief; 8] = [
    Mischief::CrashBefore,
    Mischief::CrashAfter,
    Mischief::DiskFull,
    Mischief::SyncFails,
    Mischief::ReadOnly,
    Mischief::Stop,
    Mischief::Edit,
    Mischief::BadEdit,
];

/// How far clocks are wrong after a restart, in seconds. Forty minutes is longer than any deadline of a job and than the rest of most references: what is
/// written down lies in the future of the next process for as long as it lives, or everything in doubt looks long over; when the clock is put right, it is the
/// other way round. Ninety seconds is longer than a request may live, than the read lag and than a window of the budget, and caught up with while work goes on.
const WRONG: [i32; 4] = [-2_400, -90, 90, 2_400];

/// What can be put wherever the program waits.
const AT_WAIT: [Mischief; 4] = [
    Mischief::CrashBefore,
    Mischief::Stop,
    Mischief::Edit,
    Mischief::BadEdit,
];

/// What can be put at every request.
const AT_REQUEST: [Mischief; 12] = [
    Mischief::Refused,
    Mischief::RequestLost,
    Mischief::Delayed(10),
    Mischief::Delayed(40),
    Mischief::Doubled(1),
    Mischief::Doubled(45),
    Mischief::CrashBefore,
    Mischief::CrashAfter,
    Mischief::CrashOnAnswer,
    Mischief::Stop,
    Mischief::Edit,
    Mischief::BadEdit,
];

/// Faults of the vendor's that the network has for its own, or that are two others together.
const NOT_PUT: [Kind; 3] = [Kind::Refused, Kind::Late, Kind::ServerError];

/// Faults that happen to the job of one phone.
const OF_JOBS: [Kind; 8] = [
    Kind::Fail,
    Kind::Hang,
    Kind::NoEffect,
    Kind::FailDone,
    Kind::Twice,
    Kind::Revert,
    Kind::Lag,
    Kind::MissingRow,
];

/// What can be put at this request.
fn at_request(point: &RequestPoint) -> Vec<Mischief> {
    let mut all = AT_REQUEST.to_vec();
    let had = point.chances.iter().filter(|kind| !NOT_PUT.contains(kind));
    all.extend(had.clone().map(|kind| Mischief::Vendor(*kind)));
    if point.jobs > 1 {
        let rows = had.filter(|kind| OF_JOBS.contains(kind));
        all.extend(rows.map(|kind| Mischief::Everywhere(*kind)));
    }
    // These have their chance when a job ends.
    if point.jobs > 0 {
        all.push(Mischief::Vendor(Kind::Offline));
    }
    if point.costly > 0 {
        all.push(Mischief::Vendor(Kind::Abnormal));
    }
    all
}
