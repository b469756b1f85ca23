//! The controller's core: a pure state machine. [`Core::handle`] takes an event, [`Core::turn`] says what to do now, [`Core::wake_at`] when to ask again.
//!
//! | file | says |
//! |---|---|
//! | `account` | what is kept per account: budget, batches, reads, jobs |
//! | `member` | which phones there are, whose they are, and their plans |
//! | `allowance` | what phones may cost now: until when, and how many of them |
//! | `reading` | which reads are due |
//! | `readings` | what their answers mean |
//! | `renames` | which phones got other codes |
//! | `health` | whether an account answers |
//! | `schedule` | which calls go out now: polls, orders, reads, in that order |
//! | `answers` | what submit and poll answers mean for operations |
//! | `doubt` | operations whose outcome is unknown |
//! | `proof` | reading back: verified, without effect, contested, converged |
//! | `shared` | what phones share: desired states made ready, equal lists of apps and payloads |
//! | `view` | the plan of the fleet and the counts |
//!
//! Invariants: the same events at the same times give the same effects; a record is applied to the ledger before anything else depends on it;
//! a call is only handed out together with the records that must be durable before it leaves. Not here: performing anything (`driver`).

mod account;
mod allowance;
mod answers;
mod doubt;
mod due;
mod health;
mod member;
mod presence;
mod proof;
mod reading;
mod readings;
mod renames;
mod schedule;
mod shared;
mod view;

pub use view::PhoneReport;

use crate::model::attribute::Attribute;
use crate::model::capability::{Capabilities, Reads};
use crate::model::desired::Fingerprints;
use crate::model::fleet::{AccountLimits, Fleet};
use crate::model::id::{AccountName, GroupName, OperationId, PhoneId, PhoneKey, VendorIdentity};
use crate::model::observed::{InstalledApp, Observation, PhoneReading};
use crate::model::operation::{Intent, Outcome, PhaseEvent};
use crate::model::record::{Ledger, Misfit, Record};
use crate::model::rename::Rename;
use crate::model::settings::Settings;
use crate::model::stamp::Timestamp;
use crate::plan::phone::{Approval, Payload};
use crate::provider::{
    CallError, Found, JobRef, JobReport, LostSubmit, Order, ReadRequest, Submission,
};
use account::AccountState;
use member::PhoneState;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How far the core may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stance {
    /// Read everything once, change nothing.
    Preview,
    /// Converge once.
    Apply,
    /// Converge for ever.
    Run,
    /// Start nothing that changes phones; answers still come in.
    Drain,
}

/// Number of one call, for the life of the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u64);

/// One call to be made now, once.
#[derive(Debug)]
pub struct Call {
    /// Its number; comes back with the answer.
    pub id: CallId,
    /// At which account.
    pub account: AccountName,
    /// What.
    pub work: Work,
}

/// What a call does.
#[derive(Clone, Debug)]
pub enum Work {
    /// A read.
    Read(ReadRequest),
    /// A read that is a job on phones.
    StartRead(ReadRequest),
    /// An order, whose `Intended` record comes with it.
    Submit(OperationId, Order),
    /// Asking about jobs.
    Poll(Vec<JobRef>),
    /// Looking for the jobs of a lost submit.
    Find(OperationId, LostSubmit),
    /// Clearing away what is left at the vendor.
    Tidy,
    /// Asking which codes of phones were changed.
    Renames,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A read was answered.
    Read(CallId, Result<Observation, CallError>),
    /// A read that is a job was answered.
    StartedRead(CallId, Result<Submission, CallError>),
    /// An order was answered.
    Submitted(CallId, Result<Submission, CallError>),
    /// A poll was answered.
    Polled(CallId, Result<Vec<JobReport>, CallError>),
    /// A search was answered.
    Found(CallId, Result<Found, CallError>),
    /// Something was cleared away; `true`: there may be more.
    Tidied(CallId, Result<bool, CallError>),
    /// It was asked which codes were changed.
    Renames(CallId, Result<Vec<Rename>, CallError>),
    /// A person looked at a parked operation.
    Resolved(OperationId, bool),
}

/// What to do.
#[derive(Debug, Default)]
pub struct Effects {
    /// To be durable before any of the calls leaves.
    pub records: Vec<Record>,
    /// To be made now.
    pub calls: Vec<Call>,
}

/// Turns the output of a reading job into a reading.
pub type Decode = Arc<dyn Fn(&ReadRequest, &PhoneId, &str) -> PhoneReading + Send + Sync>;

/// What the core must know of an account.
#[derive(Clone)]
pub struct AccountSetup {
    /// Its name in the manifests.
    pub name: AccountName,
    /// Its key space and budget.
    pub identity: VendorIdentity,
    /// What its provider can do.
    pub capabilities: &'static Capabilities,
    /// Limits the Account lowers.
    pub limits: AccountLimits,
    /// Decodes reading jobs.
    pub decode: Decode,
}

/// What the core is started with.
pub struct Start {
    /// The numbers.
    pub settings: Settings,
    /// How far it may go.
    pub stance: Stance,
    /// The ledger as replayed.
    pub ledger: Ledger,
    /// Whether a journal keeps it (else write-only values are unknown).
    pub remembers: bool,
    /// Fingerprints of write-only values.
    pub fingerprints: Arc<dyn Fingerprints>,
    /// Only these phones; `None`: all.
    pub only: Option<Only>,
}

/// Decides whether a phone is selected.
pub type Only = Arc<dyn Fn(&PhoneKey) -> bool + Send + Sync>;

/// Position of a phone in the dense table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct PhoneIx(u32);

/// Position of an account in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct AccountIx(usize);

/// A call that is under way.
#[derive(Debug)]
struct UnderWay {
    account: AccountIx,
    work: Work,
    sent_at: Timestamp,
}

/// Counters since the core was started.
#[derive(Clone, Debug, Default)]
struct Counters {
    reads: u64,
    writes: u64,
    polls: u64,
    commands: u64,
    throttled: u64,
    steps_done: u64,
    outcomes: BTreeMap<Outcome, u64>,
}

/// The controller's core.
pub struct Core {
    settings: Settings,
    stance: Stance,
    started: Timestamp,
    remembers: bool,
    fingerprints: Arc<dyn Fingerprints>,
    only: Option<Only>,
    reads: Reads,
    approval: Option<Approval>,
    fleet: Arc<Fleet>,
    accounts: Vec<AccountState>,
    account_index: BTreeMap<AccountName, AccountIx>,
    phones: Vec<PhoneState>,
    phone_index: FxHashMap<PhoneKey, PhoneIx>,
    ready: shared::Ready,
    possible: shared::Possible,
    app_lists: shared::Pool<[InstalledApp]>,
    payloads: shared::Pool<Payload>,
    /// Phones to be planned again.
    dirty: BTreeSet<PhoneIx>,
    /// Phones to be planned again at a time.
    timers: BTreeSet<(Timestamp, PhoneIx)>,
    /// Overrides that have ended are claimed anew up to here.
    claimed_at: Timestamp,
    /// What is wished otherwise of phones since an override ended, under this fleet.
    expired: BTreeMap<PhoneIx, BTreeSet<Attribute>>,
    /// Groups that claim too few or too many phones.
    group_gates: BTreeMap<GroupName, String>,
    groups_dirty: bool,
    /// Phones that hold a place under an allowance's `maxPhones`.
    reserved: BTreeMap<GroupName, BTreeSet<PhoneIx>>,
    ledger: Ledger,
    under_way: BTreeMap<CallId, UnderWay>,
    last_call: u64,
    counters: Counters,
    tally: view::Tally,
    effects: Effects,
    broken: Option<Misfit>,
    /// Rows for `Converged` records of this turn, by key space and group.
    converged: BTreeMap<(VendorIdentity, GroupName), Vec<proof::ConvergedRow>>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("stance", &self.stance)
            .field("phones", &self.phones.len())
            .finish_non_exhaustive()
    }
}

impl Core {
    /// A core for this fleet.
    pub fn new(
        start: Start,
        fleet: Arc<Fleet>,
        accounts: Vec<AccountSetup>,
        now: Timestamp,
    ) -> Self {
        let mut core = Self {
            settings: start.settings,
            stance: start.stance,
            started: now,
            remembers: start.remembers,
            fingerprints: start.fingerprints,
            only: start.only,
            reads: Reads::default(),
            approval: None,
            fleet: Arc::clone(&fleet),
            accounts: Vec::new(),
            account_index: BTreeMap::new(),
            phones: Vec::new(),
            phone_index: FxHashMap::default(),
            ready: shared::Ready::default(),
            possible: shared::Possible::default(),
            app_lists: shared::Pool::default(),
            payloads: shared::Pool::default(),
            dirty: BTreeSet::new(),
            timers: BTreeSet::new(),
            claimed_at: now,
            expired: BTreeMap::new(),
            group_gates: BTreeMap::new(),
            groups_dirty: true,
            reserved: BTreeMap::new(),
            ledger: start.ledger,
            under_way: BTreeMap::new(),
            last_call: 0,
            counters: Counters::default(),
            tally: view::Tally::default(),
            effects: Effects::default(),
            broken: None,
            converged: BTreeMap::new(),
        };
        core.set_fleet(fleet, accounts, now);
        core.adopt_open_operations(now);
        core
    }

    /// Takes a new Fleet: everything not yet sent is dropped, submitted jobs are followed to their end.
    pub fn set_fleet(&mut self, fleet: Arc<Fleet>, accounts: Vec<AccountSetup>, now: Timestamp) {
        self.fleet = fleet;
        self.ready.clear();
        self.possible.clear();
        self.expired.clear();
        self.merge_accounts(accounts, now);
        self.claimed_at = now;
        self.groups_dirty = true;
        self.add_named_phones(now);
        for index in 0..self.phones.len() {
            self.claim(PhoneIx(u32::try_from(index).unwrap_or(u32::MAX)), now);
        }
    }

    /// Goes from a preview to an apply, or ends in a drain. With an approval, only what it covers is done.
    pub fn set_stance(&mut self, stance: Stance, approval: Option<Approval>) {
        self.stance = stance;
        self.approval = approval;
        self.dirty.extend(
            (0..self.phones.len()).map(|index| PhoneIx(u32::try_from(index).unwrap_or(u32::MAX))),
        );
    }

    /// Reads no more than this; for a preview. What is not read stays unread.
    pub fn limit_reads(&mut self, reads: Reads) {
        self.reads = reads;
    }

    /// Takes an event in.
    pub fn handle(&mut self, event: Event, now: Timestamp) {
        match event {
            Event::Read(id, result) => self.read_answered(id, result, now),
            Event::StartedRead(id, result) => self.reading_job_answered(id, result, now),
            Event::Submitted(id, result) => self.submit_answered(id, result, now),
            Event::Polled(id, result) => self.poll_answered(id, result, now),
            Event::Found(id, result) => self.search_answered(id, result, now),
            Event::Tidied(id, result) => self.tidied(id, result, now),
            Event::Renames(id, result) => self.renames_answered(id, result, now),
            Event::Resolved(operation, happened) => self.resolved(operation, happened, now),
        }
    }

    /// Plans what is dirty and says what to do now.
    pub fn turn(&mut self, now: Timestamp) -> Effects {
        self.pass_expiries(now);
        self.follow_renames(now);
        self.pass_timers(now);
        self.judge_groups();
        self.plan_dirty(now);
        loop {
            self.schedule(now);
            if self.dirty.is_empty() {
                break;
            }
            self.plan_dirty(now);
        }
        self.write_converged(now);
        std::mem::take(&mut self.effects)
    }

    /// A record did not fit the ledger: a defect of ours. The driver must stop.
    pub fn broken(&self) -> Option<&Misfit> {
        self.broken.as_ref()
    }

    /// The ledger as it stands, for compaction.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The fleet it works for.
    pub fn fleet(&self) -> &Arc<Fleet> {
        &self.fleet
    }

    /// Applies a record and hands it to the driver.
    fn record(&mut self, record: Record) {
        if let Err(misfit) = self.ledger.apply(&record) {
            tracing::error!(%misfit, "A record does not fit the ledger");
            self.broken.get_or_insert(misfit);
            return;
        }
        self.effects.records.push(record);
    }

    /// Moves phones of an operation and hands the record to the driver.
    fn moved(&mut self, operation: OperationId, moves: Vec<(PhoneId, PhaseEvent)>, now: Timestamp) {
        if moves.is_empty() {
            return;
        }
        let account = self.account_of(operation);
        for (phone, event) in &moves {
            if let Some(outcome) = closing(event) {
                *self.counters.outcomes.entry(outcome).or_default() += 1;
                if matches!(outcome, Outcome::Verified | Outcome::Happened) {
                    self.counters.steps_done += 1;
                }
            }
            if let Some(ix) = account.and_then(|account| self.phone_at(account, phone)) {
                self.dirty.insert(ix);
            }
        }
        self.record(Record::Moved {
            operation,
            moves,
            at: now,
        });
    }

    /// What an open operation set out to do.
    fn intent_of(&self, operation: OperationId) -> Option<Intent> {
        let state = self.ledger.operations.get(&operation)?;
        Some(state.intent.clone())
    }

    fn account_of(&self, operation: OperationId) -> Option<AccountIx> {
        let identity = &self.ledger.operations.get(&operation)?.intent.identity;
        self.accounts
            .iter()
            .position(|account| account.setup.identity == *identity)
            .map(AccountIx)
    }

    fn phone_at(&self, account: AccountIx, phone: &PhoneId) -> Option<PhoneIx> {
        let key = PhoneKey {
            account: self.accounts[account.0].setup.name.clone(),
            phone: phone.clone(),
        };
        self.phone_index.get(&key).copied()
    }

    fn call(&mut self, account: AccountIx, work: Work, now: Timestamp) {
        self.last_call += 1;
        let id = CallId(self.last_call);
        self.accounts[account.0].in_flight += 1;
        self.under_way.insert(
            id,
            UnderWay {
                account,
                work: work.clone(),
                sent_at: now,
            },
        );
        let account = self.accounts[account.0].setup.name.clone();
        self.effects.calls.push(Call { id, account, work });
    }

    fn answered(&mut self, id: CallId, now: Timestamp) -> Option<UnderWay> {
        let call = self.under_way.remove(&id)?;
        let account = &mut self.accounts[call.account.0];
        account.in_flight = account.in_flight.saturating_sub(1);
        let requests = account.requests_of(&call.work);
        account.gives_back(requests, now);
        Some(call)
    }
}

/// The outcome an event closes a phone with, as far as the event alone tells.
fn closing(event: &PhaseEvent) -> Option<Outcome> {
    match event {
        PhaseEvent::Verified => Some(Outcome::Verified),
        PhaseEvent::NoEffect => Some(Outcome::NoEffect),
        PhaseEvent::Failed => Some(Outcome::Failed),
        PhaseEvent::Refused => Some(Outcome::Refused),
        PhaseEvent::Exists(None) => Some(Outcome::Busy),
        PhaseEvent::Settled => Some(Outcome::Settled),
        PhaseEvent::Resolved(true) => Some(Outcome::Happened),
        PhaseEvent::Resolved(false) => Some(Outcome::NotHappened),
        PhaseEvent::Accepted(_)
        | PhaseEvent::Done
        | PhaseEvent::Exists(Some(_))
        | PhaseEvent::Lost
        | PhaseEvent::Succeeded
        | PhaseEvent::Found(_)
        | PhaseEvent::Parked => None,
    }
}
