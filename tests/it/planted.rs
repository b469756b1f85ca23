//! Planted bugs: mutants of our own behaviour, put in through seams. Each must be found by an invariant within 200 seeds, else the invariants are blind.
//!
//! Invariants: no bug has a branch in the program; the seed and the smallest scenario that shows the bug are printed. Not here: honest runs (`rehearsal`).

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a mutant bends one thing and leaves the rest as it is"
)]

use futures_util::future::BoxFuture;
use phonefleet::journal::{Journal, JournalError};
use phonefleet::model::capability::{Capabilities, Costs, ReadMethod};
use phonefleet::model::desired::Desired;
use phonefleet::model::fleet::{Claim, Claims, PhoneFacts, ProviderKind};
use phonefleet::model::id::{JobId, PhoneId};
use phonefleet::model::observed::{Observation, PhoneReading, ReadKind};
use phonefleet::model::operation::PhaseEvent;
use phonefleet::model::record::{Ledger, Record};
use phonefleet::model::rename::Rename;
use phonefleet::model::stamp::Timestamp;
use phonefleet::provider::{
    Accepted, CallError, Found, JobRef, JobReport, JobState, LostSubmit, Order, Probe, Provider,
    ReadRequest, RowOutcome, Submission,
};
use phonefleet::rehearsal::invariant::Invariant;
use phonefleet::rehearsal::plans::Reference;
use phonefleet::rehearsal::profile::Profile;
use phonefleet::rehearsal::relations::hints;
use phonefleet::rehearsal::run::{Outcome, run_twice, run_with};
use phonefleet::rehearsal::scenario::{AccountPlan, Scenario};
use phonefleet::rehearsal::seam::Seams;
use phonefleet::rehearsal::soak::shrink;
use phonefleet::sim::callback::Callback;
use phonefleet::time::clock::Clock;
use phonefleet::transport::{Request, Response, Transport, TransportError};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Runs that are spent on making a scenario smaller.
const SHRINKING: u32 = 8;

/// A bug is found within so many seeds, or the test fails.
const SEEDS: u64 = 200;

fn scenario(faults: &str) -> Scenario {
    Scenario {
        accounts: vec![AccountPlan {
            name: "lab",
            provider: ProviderKind::ArmCloud,
            phones: 8,
        }],
        hours: 0.5,
        quiet: Duration::from_secs(600),
        editions: 2,
        profile: Profile::parse(faults).unwrap(),
        ..Scenario::default()
    }
}

fn breaks(outcome: &Outcome, wanted: &[Invariant]) -> bool {
    outcome
        .violations
        .iter()
        .any(|violation| wanted.contains(&violation.invariant))
}

/// Runs seed after seed until one of these invariants finds the bug; then makes the scenario small and prints it.
fn found(seams: &Seams, faults: &str, wanted: &[Invariant]) {
    found_by(&|scenario| run_with(scenario, seams), faults, wanted);
}

fn found_by(run: &dyn Fn(&Scenario) -> Outcome, faults: &str, wanted: &[Invariant]) {
    let scenario = Scenario {
        ends_at: wanted.to_vec(),
        ..scenario(faults)
    };
    for seed in 1..=SEEDS {
        let scenario = scenario.with_seed(seed);
        let outcome = run(&scenario);
        if !breaks(&outcome, wanted) {
            continue;
        }
        let small = shrink(&scenario, SHRINKING, &|other| breaks(&run(other), wanted));
        let outcome = run(&small);
        let first = outcome
            .violations
            .iter()
            .find(|violation| wanted.contains(&violation.invariant))
            .unwrap();
        print(&format!("found with {small}\n  {first}\n"));
        return;
    }
    panic!("{SEEDS} seeds with {faults:?} do not show it: {wanted:?} are blind");
}

#[expect(
    clippy::print_stdout,
    reason = "the seed is wanted when a test is looked at"
)]
fn print(text: &str) {
    println!("{text}");
}

/// What a planted provider does otherwise. Each method's default does what the adapter does.
trait Bug: Send + Sync {
    fn known(&self, _request: &ReadRequest) -> Option<Observation> {
        None
    }
    fn order(&self, order: &Order) -> Order {
        order.clone()
    }
    fn submitted(
        &self,
        _order: &Order,
        result: Result<Submission, CallError>,
    ) -> Result<Submission, CallError> {
        result
    }
    fn polled(
        &self,
        result: Result<Vec<JobReport>, CallError>,
    ) -> Result<Vec<JobReport>, CallError> {
        result
    }
    fn found(
        &self,
        _lost: &LostSubmit,
        result: Result<Found, CallError>,
    ) -> Result<Found, CallError> {
        result
    }
    fn read(
        &self,
        _request: &ReadRequest,
        result: Result<Observation, CallError>,
    ) -> Result<Observation, CallError> {
        result
    }
}

struct Planted {
    inner: Arc<dyn Provider>,
    bug: Arc<dyn Bug>,
}

impl Provider for Planted {
    fn capabilities(&self) -> &'static Capabilities {
        self.inner.capabilities()
    }
    fn read<'a>(
        &'a self,
        request: &'a ReadRequest,
    ) -> BoxFuture<'a, Result<Observation, CallError>> {
        Box::pin(async move {
            match self.bug.known(request) {
                Some(known) => Ok(known),
                None => self.bug.read(request, self.inner.read(request).await),
            }
        })
    }
    fn start_read<'a>(
        &'a self,
        request: &'a ReadRequest,
    ) -> BoxFuture<'a, Result<Submission, CallError>> {
        self.inner.start_read(request)
    }
    fn decode_read(&self, request: &ReadRequest, phone: &PhoneId, output: &str) -> PhoneReading {
        self.inner.decode_read(request, phone, output)
    }
    fn submit<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Submission, CallError>> {
        Box::pin(async move {
            let changed = self.bug.order(order);
            self.bug.submitted(order, self.inner.submit(&changed).await)
        })
    }
    fn poll<'a>(&'a self, jobs: &'a [JobRef]) -> BoxFuture<'a, Result<Vec<JobReport>, CallError>> {
        Box::pin(async move { self.bug.polled(self.inner.poll(jobs).await) })
    }
    fn find<'a>(&'a self, missing: &'a LostSubmit) -> BoxFuture<'a, Result<Found, CallError>> {
        Box::pin(async move { self.bug.found(missing, self.inner.find(missing).await) })
    }
    fn renames(&self) -> BoxFuture<'_, Result<Vec<Rename>, CallError>> {
        self.inner.renames()
    }
    fn probe(&self) -> BoxFuture<'_, Result<Probe, CallError>> {
        self.inner.probe()
    }
}

fn provider(bug: impl Bug + 'static) -> Seams {
    let bug: Arc<dyn Bug> = Arc::new(bug);
    Seams {
        provider: Some(Arc::new(move |inner| {
            Arc::new(Planted {
                inner,
                bug: Arc::clone(&bug),
            })
        })),
        ..Seams::default()
    }
}

/// What a planted journal writes in place of what it should.
struct Forgetful {
    inner: Box<dyn Journal>,
    keep: fn(&Record) -> Vec<Record>,
}

impl Journal for Forgetful {
    fn append(&mut self, records: &[Record], at: Timestamp) -> Result<(), JournalError> {
        let kept: Vec<Record> = records.iter().flat_map(self.keep).collect();
        self.inner.append(&kept, at)
    }
}

fn journal(keep: fn(&Record) -> Vec<Record>) -> Seams {
    Seams {
        journal: Some(Arc::new(move |inner| Box::new(Forgetful { inner, keep }))),
        ..Seams::default()
    }
}

#[test]
fn planted_no_intent_is_written() {
    let seams = journal(|record| match record {
        Record::Intended(_) | Record::Moved { .. } => vec![],
        _ => vec![record.clone()],
    });
    found(&seams, "none", &[Invariant::IntentFirst]);
}

#[test]
fn planted_answers_are_not_written() {
    let seams = journal(|record| match record {
        Record::Moved { moves, .. }
            if moves
                .iter()
                .any(|(_, event)| matches!(event, PhaseEvent::Accepted(_))) =>
        {
            vec![]
        }
        _ => vec![record.clone()],
    });
    found(&seams, "crash=6", &[Invariant::Journal]);
}

#[test]
fn planted_a_record_is_written_twice() {
    let seams = journal(|record| match record {
        Record::Moved { .. } => vec![record.clone(), record.clone()],
        _ => vec![record.clone()],
    });
    found(&seams, "none", &[Invariant::Journal]);
}

#[test]
fn planted_writes_are_acknowledged_before_they_are_durable() {
    let seams = Seams {
        disk: Some(Arc::new(|image| image.lose(6))),
        ..Seams::default()
    };
    found(&seams, "crash=8", &[Invariant::Journal]);
}

#[test]
fn planted_nothing_settles() {
    let seams = Seams {
        settings: Some(Arc::new(|settings| {
            settings.request_life = Duration::from_millis(1);
            settings.settings_deadline = Duration::from_secs(1);
            settings.apps_deadline = Duration::from_secs(1);
        })),
        ..Seams::default()
    };
    found(
        &seams,
        "network,request-delayed=0.1",
        &[Invariant::Settle, Invariant::SingleFlight],
    );
}

#[test]
fn planted_a_request_is_thought_to_live_shortly() {
    let seams = Seams {
        settings: Some(Arc::new(|settings| {
            settings.request_life = Duration::from_millis(1);
        })),
        ..Seams::default()
    };
    found(&seams, "request-lost=0.1,lost=0.1", &[Invariant::Settle]);
}

struct SwapsJobs;
impl Bug for SwapsJobs {
    fn submitted(
        &self,
        _: &Order,
        result: Result<Submission, CallError>,
    ) -> Result<Submission, CallError> {
        result.map(|submission| {
            let phones: Vec<PhoneId> = submission
                .rows
                .iter()
                .map(|(phone, _)| phone.clone())
                .collect();
            let rows = submission.rows.into_iter().rev().map(|(_, row)| row);
            Submission {
                rows: phones.into_iter().zip(rows).collect(),
            }
        })
    }
}

#[test]
fn planted_the_wrong_job_is_adopted() {
    found(&provider(SwapsJobs), "none", &[Invariant::NoOrphan]);
}

struct FindsAnything(Mutex<BTreeMap<PhoneId, JobId>>);
impl Bug for FindsAnything {
    fn submitted(
        &self,
        _: &Order,
        result: Result<Submission, CallError>,
    ) -> Result<Submission, CallError> {
        if let Ok(submission) = &result {
            for (phone, row) in &submission.rows {
                if let RowOutcome::Job(job) = row {
                    self.0.lock().unwrap().insert(phone.clone(), job.clone());
                }
            }
        }
        result
    }
    fn found(&self, lost: &LostSubmit, _: Result<Found, CallError>) -> Result<Found, CallError> {
        let last = self.0.lock().unwrap();
        let jobs = lost
            .phones
            .iter()
            .filter_map(|phone| Some((phone.clone(), last.get(phone)?.clone())));
        Ok(Found::Jobs(jobs.collect()))
    }
}

#[test]
fn planted_a_lost_submit_finds_an_older_job() {
    let seams = provider(FindsAnything(Mutex::default()));
    found(&seams, "lost=0.1,request-lost=0.1", &[Invariant::NoOrphan]);
}

/// Reads properties once and goes on with that.
struct Remembers(Mutex<BTreeMap<String, Observation>>);
impl Bug for Remembers {
    fn known(&self, request: &ReadRequest) -> Option<Observation> {
        self.0.lock().unwrap().get(&format!("{request:?}")).cloned()
    }
    fn read(
        &self,
        request: &ReadRequest,
        result: Result<Observation, CallError>,
    ) -> Result<Observation, CallError> {
        if let (ReadKind::Properties, Ok(observation)) = (request.kind, &result) {
            let mut known = self.0.lock().unwrap();
            known.insert(format!("{request:?}"), observation.clone());
        }
        result
    }
}

#[test]
fn planted_a_stale_read_is_accepted() {
    let seams = provider(Remembers(Mutex::default()));
    found(
        &seams,
        "no-effect=0.3",
        &[
            Invariant::NoFalseSuccess,
            Invariant::Stable,
            Invariant::Fresh,
        ],
    );
}

/// Sends again what was not answered.
struct Impatient(Arc<dyn Transport>);
impl Transport for Impatient {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(async move {
            let again = Request {
                http: request.http.clone(),
                ..request
            };
            match self.0.send(request).await {
                Err(error) if error.may_have_left() => self.0.send(again).await,
                result => result,
            }
        })
    }
}

#[test]
fn planted_a_timeout_is_sent_again() {
    let seams = Seams {
        transport: Some(Arc::new(|inner| Arc::new(Impatient(inner)))),
        ..Seams::default()
    };
    found(&seams, "lost=0.1", &[Invariant::IntentFirst]);
}

struct LostIsRefused;
impl Bug for LostIsRefused {
    fn submitted(
        &self,
        _: &Order,
        result: Result<Submission, CallError>,
    ) -> Result<Submission, CallError> {
        result.map_err(|error| CallError {
            accepted: Accepted::No,
            ..error
        })
    }
}

#[test]
fn planted_a_lost_answer_counts_as_refused() {
    found(
        &provider(LostIsRefused),
        "lost=0.1,5xx-after=0.1",
        &[Invariant::NoOrphan],
    );
}

struct MissingIsRefused;
impl Bug for MissingIsRefused {
    fn submitted(
        &self,
        order: &Order,
        result: Result<Submission, CallError>,
    ) -> Result<Submission, CallError> {
        result.map(|mut submission| {
            for phone in order.phones.iter() {
                if !submission.rows.iter().any(|(other, _)| other == phone) {
                    let error = CallError {
                        kind: phonefleet::provider::ErrorKind::Refused,
                        accepted: Accepted::No,
                        code: None,
                        message: "no row".to_owned(),
                        retry_at: None,
                        phones: Vec::new(),
                    };
                    submission
                        .rows
                        .push((phone.clone(), RowOutcome::Refused(error)));
                }
            }
            submission
        })
    }
}

#[test]
fn planted_a_missing_row_counts_as_refused() {
    found(
        &provider(MissingIsRefused),
        "missing-row=0.2",
        &[Invariant::NoOrphan],
    );
}

struct ShortIsAll;
impl Bug for ShortIsAll {
    fn read(
        &self,
        request: &ReadRequest,
        result: Result<Observation, CallError>,
    ) -> Result<Observation, CallError> {
        result.map(|mut observation| {
            if request.kind == ReadKind::Listing {
                observation.total = None;
            }
            observation
        })
    }
}

#[test]
fn planted_an_empty_list_means_all_gone() {
    let seams = Seams {
        settings: Some(Arc::new(|settings| {
            settings.absent_after = Duration::from_millis(1);
        })),
        ..provider(ShortIsAll)
    };
    found(&seams, "empty-page=0.8,short-page=0.8", &[Invariant::Scope]);
}

#[test]
fn planted_back_off_never_ends() {
    let seams = Seams {
        settings: Some(Arc::new(|settings| {
            settings.quarantine_after = 1;
            settings.quarantine_first = Duration::from_secs(360_000);
            settings.quarantine_most = Duration::from_secs(360_000);
        })),
        ..Seams::default()
    };
    found(&seams, "fail=0.3", &[Invariant::Stable]);
}

/// A table that is wrong in a way.
fn doctored(change: fn(&mut Capabilities)) -> &'static Capabilities {
    let mut table = phonefleet::provider::registry::capabilities(ProviderKind::ArmCloud)
        .unwrap()
        .clone();
    change(&mut table);
    Box::leak(Box::new(table))
}

fn table(change: fn(&mut Capabilities)) -> Seams {
    let table = doctored(change);
    Seams {
        setup: Some(Arc::new(move |setup| {
            setup.capabilities = table;
        })),
        ..Seams::default()
    }
}

#[test]
fn planted_the_budget_is_not_kept() {
    let seams = Seams {
        setup: Some(Arc::new(|setup| {
            setup.limits.requests_per_second = None;
            setup.limits.requests_per_minute = None;
            setup.limits.batch_size = Some(1);
        })),
        ..Seams::default()
    };
    found(&seams, "none", &[Invariant::Budget]);
}

#[test]
fn planted_calls_are_forgotten_by_a_restart() {
    let seams = Seams {
        ledger: Some(Arc::new(|ledger: &mut Ledger| ledger.called.clear())),
        setup: Some(Arc::new(|setup| {
            setup.limits.batch_size = Some(1);
        })),
        ..Seams::default()
    };
    found(&seams, "crash-at-request=0.1", &[Invariant::Budget]);
}

struct Believes(Mutex<BTreeMap<PhoneId, BTreeMap<String, phonefleet::model::observed::Observed>>>);
impl Bug for Believes {
    fn submitted(
        &self,
        order: &Order,
        result: Result<Submission, CallError>,
    ) -> Result<Submission, CallError> {
        use phonefleet::model::observed::Observed;
        use phonefleet::model::value::{Value, Wish};
        for (attribute, wish) in order.writes.iter() {
            if let Wish::Set(Value::Text(text)) = wish {
                for phone in order.phones.iter() {
                    let mut written = self.0.lock().unwrap();
                    written
                        .entry(phone.clone())
                        .or_default()
                        .insert(attribute.to_string(), Observed::Text(text.clone()));
                }
            }
        }
        result
    }
    fn read(
        &self,
        _: &ReadRequest,
        result: Result<Observation, CallError>,
    ) -> Result<Observation, CallError> {
        result.map(|mut observation| {
            let written = self.0.lock().unwrap();
            for row in &mut observation.rows {
                for (attribute, value) in &mut row.values {
                    let believed = written
                        .get(&row.phone)
                        .and_then(|values| values.get(&attribute.to_string()));
                    if let Some(believed) = believed {
                        *value = believed.clone();
                    }
                }
            }
            observation
        })
    }
}

#[test]
fn planted_what_was_written_is_believed_in_place_of_read() {
    let seams = provider(Believes(Mutex::default()));
    found(&seams, "no-effect=0.2", &[Invariant::NoFalseSuccess]);
}

struct Optimist(fn(JobState) -> JobState);
impl Bug for Optimist {
    fn polled(
        &self,
        result: Result<Vec<JobReport>, CallError>,
    ) -> Result<Vec<JobReport>, CallError> {
        result.map(|reports| {
            let told = reports.into_iter().map(|report| JobReport {
                state: (self.0)(report.state),
                ..report
            });
            told.collect()
        })
    }
}

#[test]
fn planted_a_failed_job_counts_as_done() {
    let bug = Optimist(|state| match state {
        JobState::Failed(_) => JobState::Succeeded(None),
        other => other,
    });
    found(&provider(bug), "fail=0.3", &[Invariant::NoFalseSuccess]);
}

#[test]
fn planted_an_open_job_counts_as_done() {
    let bug = Optimist(|_| JobState::Succeeded(None));
    found(&provider(bug), "lag=0.2", &[Invariant::NoFalseSuccess]);
}

#[test]
fn planted_an_open_job_counts_as_failed() {
    let bug = Optimist(|state| match state {
        JobState::Open => JobState::Failed("still running".to_owned()),
        other => other,
    });
    found(&provider(bug), "none", &[Invariant::NoOrphan]);
}

/// Claims phones that nobody selected.
struct Greedy(Arc<dyn Claims>, Mutex<Option<Arc<Desired>>>);
impl Claims for Greedy {
    fn claim(&self, facts: &PhoneFacts, now: Timestamp) -> Claim {
        match self.0.claim(facts, now) {
            Claim::Claimed(desired) => {
                *self.1.lock().unwrap() = Some(Arc::clone(&desired));
                Claim::Claimed(desired)
            }
            other => match self.1.lock().unwrap().clone() {
                Some(desired) => Claim::Claimed(desired),
                None => other,
            },
        }
    }
}

#[test]
fn planted_phones_of_nobody_are_claimed() {
    let seams = Seams {
        core_fleet: Some(Arc::new(|fleet| {
            fleet.claims = Arc::new(Greedy(Arc::clone(&fleet.claims), Mutex::default()));
        })),
        ..Seams::default()
    };
    found(&seams, "none", &[Invariant::Scope]);
}

struct OneMore;
impl Bug for OneMore {
    fn order(&self, order: &Order) -> Order {
        let mut phones = order.phones.to_vec();
        phones.push(PhoneId::new("AC32010000004"));
        phones.dedup();
        Order {
            phones: phones.into(),
            ..order.clone()
        }
    }
}

#[test]
fn planted_an_order_grows_on_its_way() {
    found(
        &provider(OneMore),
        "none",
        &[
            Invariant::IntentFirst,
            Invariant::Scope,
            Invariant::NoOrphan,
        ],
    );
}

#[test]
fn planted_edits_are_not_heard() {
    let seams = Seams {
        stubborn: true,
        ..Seams::default()
    };
    found(&seams, "drift=20", &[Invariant::NotSuperseded]);
}

#[test]
fn planted_a_stop_is_not_heard() {
    let seams = Seams {
        deaf: true,
        ..Seams::default()
    };
    found(&seams, "stop=60,drift=120", &[Invariant::Stop]);
}

struct Talkative;
impl Bug for Talkative {
    fn polled(
        &self,
        result: Result<Vec<JobReport>, CallError>,
    ) -> Result<Vec<JobReport>, CallError> {
        result.map(|mut reports| {
            for report in &mut reports {
                if let JobState::Failed(message) = &mut report.state {
                    message.push_str(" (signed with simulated-secret-key-opens-nothing)");
                }
            }
            reports
        })
    }
}

#[test]
fn planted_an_error_tells_a_secret() {
    found(&provider(Talkative), "fail=0.2", &[Invariant::Secrets]);
}

/// A clock that is never the same twice.
struct Restless(Arc<dyn Clock>);
static TICKS: AtomicI64 = AtomicI64::new(0);
impl Clock for Restless {
    fn now(&self) -> Timestamp {
        let ticks = TICKS.fetch_add(1, Ordering::Relaxed);
        Timestamp(self.0.now().0 + ticks / 5_000)
    }
}

#[test]
fn planted_time_comes_from_outside() {
    let seams = Seams {
        clock: Some(Arc::new(|inner| Arc::new(Restless(inner)))),
        ..Seams::default()
    };
    found_by(
        &|scenario| run_twice(scenario, &seams),
        "none",
        &[Invariant::Determinism],
    );
}

#[test]
fn planted_an_upgrade_counts_as_free() {
    let seams = table(|table| {
        let rows: Vec<_> = table
            .attributes
            .iter()
            .map(|row| {
                let mut row = row.clone();
                row.costs = Costs::NONE;
                // Nothing can tell that it happened.
                row.read = match row.read {
                    ReadMethod::By(ReadKind::Listing) => ReadMethod::Never,
                    other => other,
                };
                row
            })
            .collect();
        table.attributes = Box::leak(rows.into_boxed_slice());
    });
    found(&seams, "lost=0.2,5xx-after=0.1", &[Invariant::CostlyOnce]);
}

/// Takes what callbacks say for what happened: the open job of the phone that one names has ended like that, whatever job it was told of.
#[derive(Clone, Default)]
struct Believer(Arc<Mutex<BTreeMap<String, bool>>>);

impl Believer {
    fn hear(&self, callback: &Callback) {
        let body: serde_json::Value = serde_json::from_slice(&callback.body).unwrap();
        if let (Some(phone), Some(status)) = (body["padCode"].as_str(), body.get("taskStatus")) {
            let good = *status == 3;
            self.0.lock().unwrap().insert(phone.to_owned(), good);
        }
    }
}

impl Bug for Believer {
    fn polled(
        &self,
        result: Result<Vec<JobReport>, CallError>,
    ) -> Result<Vec<JobReport>, CallError> {
        let mut told = self.0.lock().unwrap();
        result.map(|mut reports| {
            for report in &mut reports {
                let Some(good) = told.remove(report.phone.as_str()) else {
                    continue;
                };
                if report.state == JobState::Open {
                    report.state = match good {
                        true => JobState::Succeeded(None),
                        false => JobState::Failed("a callback said so".to_owned()),
                    };
                }
            }
            reports
        })
    }
}

/// I9 is a comparison of runs, in which all other invariants hold too: it must find who believes callbacks, and nothing of who only hears them.
#[test]
fn planted_callbacks_are_believed() {
    let reference = |seed| Reference {
        provider: ProviderKind::ArmCloud,
        seed,
    };
    let heard: Arc<Mutex<u64>> = Arc::default();
    let count = Arc::clone(&heard);
    let ear = Seams {
        receiver: Some(Arc::new(move |_, _| *count.lock().unwrap() += 1)),
        ..Seams::default()
    };
    for seed in 1..=3 {
        assert_eq!(hints(reference(seed), &ear), Some(Vec::new()), "{seed}");
    }
    assert!(*heard.lock().unwrap() > 100);
    let bug = Believer::default();
    let (forgets, hears) = (bug.clone(), bug.clone());
    let seams = Seams {
        receiver: Some(Arc::new(move |_, callback| hears.hear(callback))),
        // Every process begins without anything heard.
        settings: Some(Arc::new(move |_| forgets.0.lock().unwrap().clear())),
        ..provider(bug)
    };
    for seed in 1..=SEEDS {
        let problems = hints(reference(seed), &seams).unwrap();
        if let Some(problem) = problems.first() {
            print(&format!("found with seed {seed}\n  {problem}\n"));
            return;
        }
    }
    panic!("not found within {SEEDS} seeds");
}
