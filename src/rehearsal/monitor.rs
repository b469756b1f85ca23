//! What is known of a run, from the world's side and from the durable image.
//!
//! Invariants: every happening is taken in once, in the order of time, and then shown to every check; nothing here comes from the program's own memory but
//! the records it was told are durable. Not here: what is right (`invariant`).

mod renames;

use super::invariant::{Check, Invariant, Violation, checks};
use super::reference::Log;
use super::truth::Truth;
use super::waste::Waste;
use crate::controller::core::AccountSetup;
use crate::model::capability::{Capabilities, ReadMethod};
use crate::model::fleet::{AccountLimits, Fleet};
use crate::model::id::{AccountName, OperationId, PhoneId, PhoneKey, VendorIdentity};
use crate::model::observed::{PHONE_READS, ReadKind};
use crate::model::operation::Intent;
use crate::model::record::{Ledger, Record};
use crate::model::settings::Settings;
use crate::model::stamp::Timestamp;
use crate::provider::Order;
use crate::sim::witness::{End, Fact};
use crate::transport::Effect;
use rustc_hash::{FxHashMap, FxHasher};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::sync::Arc;

/// One thing that happened.
#[derive(Debug)]
pub enum Happening<'a> {
    /// A process opened the journal and found this.
    Opened(&'a Ledger),
    /// A process could not open the journal.
    Unopened(String),
    /// A process is gone.
    Died,
    /// A process was asked to end.
    StopAsked,
    /// It ended after that.
    Stopped,
    /// A fleet was handed over.
    Fleet,
    /// An order is about to be sent; which operation it belongs to is looked up in the durable image.
    Ordered {
        /// At which account.
        account: &'a AccountName,
        /// What.
        order: &'a Order,
        /// Whose.
        operation: Option<OperationId>,
    },
    /// A request leaves.
    Leaves(u64),
    /// The client has the answer to a request, or has given it up.
    Answered(u64),
    /// A request arrived for the last time, or can no longer arrive.
    Settled(u64),
    /// A read was answered, and told of these phones.
    Read {
        /// At which account.
        account: &'a AccountName,
        /// What was read.
        kind: ReadKind,
        /// Of whom it told.
        phones: &'a [PhoneId],
        /// When its request arrived.
        made: Timestamp,
    },
    /// Something happened in an account's world, by this request if by one.
    World {
        /// At which account.
        account: &'a AccountName,
        /// What.
        fact: &'a Fact,
        /// By which request, and which copy of it (0 is the one that the client sent).
        by: Option<(u64, u32)>,
    },
    /// These records are in the durable image.
    Durable(&'a [Record]),
    /// The program was told that these records are durable.
    Acknowledged(&'a [Record]),
    /// The program counts the phone as gone; whether the world has it, and has had it for a while.
    Absent(&'a PhoneKey, bool),
    /// How a phone stands when everything should be done: what differs, and the reason the program gives for it.
    Judged {
        /// Which phone.
        phone: &'a PhoneKey,
        /// Attributes that are not as wished.
        differing: &'a [String],
        /// What the program says it waits for.
        excuse: Option<String>,
    },
    /// A phone that nobody manages is not as it was.
    Touched(&'a PhoneKey),
    /// Nothing is left to do, and nothing goes wrong any more.
    Quiet,
    /// Hashes of two runs of one scenario.
    Hashes(u64, u64),
    /// Something a person can read.
    Text(&'static str, &'a str),
    /// Time until healthy phones were done: without and with failing ones beside them.
    Isolation(std::time::Duration, std::time::Duration),
    /// The run without faults is over: calls, and those of them that were refused.
    Calls(u64, u64),
}

/// An account of the run.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its key space.
    pub identity: VendorIdentity,
    /// What its provider can do.
    pub capabilities: &'static Capabilities,
    /// What its manifest lowers.
    pub limits: AccountLimits,
}

/// A request that left.
#[derive(Clone, Debug)]
pub struct Request {
    /// At which account.
    pub account: AccountName,
    /// When it left.
    pub left: Timestamp,
    /// Whether it changes anything.
    pub effect: Effect,
    /// The operation it carries out.
    pub operation: Option<OperationId>,
    /// When the client had its answer, or gave it up.
    pub answered: Option<Timestamp>,
    /// It belongs to an order.
    pub order: bool,
    /// It counts against the account's limits, not against those of another service beside it.
    pub counted: bool,
}

/// A job of the client.
#[derive(Clone, Debug)]
pub struct Job {
    /// The phone.
    pub phone: PhoneKey,
    /// The operation it carries out.
    pub operation: Option<OperationId>,
    /// A copy of a request that a proxy made, not the client.
    pub copy: bool,
    /// It can change the phone.
    pub mutates: bool,
    /// It restarts the phone.
    pub costly: bool,
    /// Accepted.
    pub since: Timestamp,
    /// When and how it ended; whether it had an effect.
    pub end: Option<(Timestamp, End, bool)>,
}

impl Job {
    /// It may still do something.
    pub fn is_open(&self) -> bool {
        self.end.is_none()
    }
}

/// What is known.
pub struct View {
    /// Now, in the world's time.
    pub now: Timestamp,
    /// The numbers as documented.
    pub settings: Settings,
    /// Accounts by name.
    pub accounts: BTreeMap<AccountName, Account>,
    /// The newest fleet that was handed over.
    pub fleet: Option<Arc<Fleet>>,
    /// What follows from the durable image.
    pub durable: Ledger,
    /// Intents of operations, also of closed ones, as they became durable.
    pub intents: BTreeMap<OperationId, Arc<Intent>>,
    /// When they became durable, in the world's time.
    pub intended_at: BTreeMap<OperationId, Timestamp>,
    /// Requests that left, newest last.
    pub requests: BTreeMap<u64, Request>,
    /// Those that can still arrive.
    pub under_way: BTreeSet<u64>,
    /// Requests of each operation.
    pub sent: FxHashMap<OperationId, Vec<u64>>,
    /// Jobs of the client.
    pub jobs: FxHashMap<(AccountName, u64), Job>,
    /// Jobs of operations by phone, the newest last.
    pub jobs_of: FxHashMap<PhoneKey, Vec<u64>>,
    /// When a job last ended on a phone, whatever it was for.
    pub ended: FxHashMap<PhoneKey, Timestamp>,
    /// When the request of the last answered read of each kind arrived.
    pub reads: FxHashMap<PhoneKey, [Option<Timestamp>; PHONE_READS]>,
    /// When a phone was last changed behind the client's back.
    pub changed: FxHashMap<PhoneKey, Timestamp>,
    /// Phones on which a job claimed success and did nothing: what cannot be read there, nobody can know.
    pub misled: BTreeSet<PhoneKey>,
    /// Phones that wait for a person when everything is quiet: what the person's word or the time sets free may still be sent.
    pub excused: BTreeSet<PhoneKey>,
    /// Secrets in clear text.
    pub canaries: Vec<String>,
    pub(super) truth: Option<Truth>,
}

impl View {
    /// A view of nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            now: Timestamp::default(),
            settings,
            accounts: BTreeMap::new(),
            fleet: None,
            durable: Ledger::default(),
            intents: BTreeMap::new(),
            intended_at: BTreeMap::new(),
            requests: BTreeMap::new(),
            under_way: BTreeSet::new(),
            sent: FxHashMap::default(),
            jobs: FxHashMap::default(),
            jobs_of: FxHashMap::default(),
            ended: FxHashMap::default(),
            reads: FxHashMap::default(),
            changed: FxHashMap::default(),
            misled: BTreeSet::new(),
            excused: BTreeSet::new(),
            canaries: Vec::new(),
            truth: None,
        }
    }

    /// The account of a key space.
    pub fn account_of(&self, identity: &VendorIdentity) -> Option<(&AccountName, &Account)> {
        self.accounts
            .iter()
            .find(|(_, account)| account.identity == *identity)
    }

    /// The key of an operation's phone.
    pub fn key(&self, intent: &Intent, phone: &PhoneId) -> Option<PhoneKey> {
        let (account, _) = self.account_of(&intent.identity)?;
        Some(PhoneKey {
            account: account.clone(),
            phone: phone.clone(),
        })
    }

    /// Jobs of operations on a phone, the oldest first.
    pub fn jobs_on<'a>(&'a self, phone: &'a PhoneKey) -> impl Iterator<Item = (u64, &'a Job)> {
        self.jobs_of
            .get(phone)
            .into_iter()
            .flatten()
            .filter_map(|number| {
                let job = self.jobs.get(&(phone.account.clone(), *number))?;
                Some((*number, job))
            })
    }

    /// Whether the phone is as wished, in the world, now; `None` where the world cannot tell, or where nobody could know: an attribute that cannot be read,
    /// on a phone where a job lied or whose values were changed behind our back.
    pub fn holds(
        &self,
        phone: &PhoneKey,
        attribute: &crate::model::attribute::Attribute,
        wish: &crate::model::value::Wish,
    ) -> Option<bool> {
        let readable = self.accounts.get(&phone.account).is_some_and(|account| {
            let row = account.capabilities.of(attribute);
            row.is_some_and(|row| row.read != ReadMethod::Never)
        });
        if !readable && self.misled.contains(phone) {
            return None;
        }
        self.truth.as_ref()?.holds(phone, attribute, wish)
    }

    /// Whether a vendor's id stands for this job of the world on this phone. Without a world: whether the number is one of the id's parts.
    pub(super) fn names(&self, key: &PhoneKey, id: &str, number: u64) -> bool {
        if let Some(truth) = &self.truth {
            return truth.job_named(key, id) == Some(number);
        }
        let number = number.to_string();
        id.split(|c: char| !c.is_ascii_digit())
            .any(|part| part.trim_start_matches('0') == number)
    }

    /// The operation whose durable intent this order carries out.
    pub(super) fn operation_of(&self, account: &AccountName, order: &Order) -> Option<OperationId> {
        let identity = &self.accounts.get(account)?.identity;
        self.durable
            .operations
            .iter()
            .rev()
            .find(|(_, state)| {
                let intent = &state.intent;
                intent.call == order.call
                    && intent.identity == *identity
                    && intent.phones == order.phones
                    && intent.writes == order.writes
                    && state
                        .phases
                        .iter()
                        .all(|phase| *phase == crate::model::operation::Phase::Intended)
            })
            .map(|(operation, _)| *operation)
    }

    fn take(&mut self, happening: &Happening<'_>) -> Result<(), String> {
        match happening {
            Happening::Durable(records) => return self.take_records(records),
            Happening::World { account, fact, by } => self.take_fact(account, fact, *by),
            Happening::Answered(request) => {
                if let Some(request) = self.requests.get_mut(request) {
                    request.answered = Some(self.now);
                }
            }
            Happening::Settled(request) => {
                self.under_way.remove(request);
            }
            Happening::Read {
                account,
                kind,
                phones,
                made,
            } => {
                let Some(slot) = kind.slot() else {
                    return Ok(());
                };
                for phone in *phones {
                    let key = PhoneKey {
                        account: AccountName::clone(account),
                        phone: phone.clone(),
                    };
                    let at = &mut self.reads.entry(key).or_default()[slot];
                    *at = (*at).max(Some(*made));
                }
            }
            Happening::Opened(_)
            | Happening::Unopened(_)
            | Happening::Died
            | Happening::StopAsked
            | Happening::Stopped
            | Happening::Fleet
            | Happening::Ordered { .. }
            | Happening::Leaves(_)
            | Happening::Acknowledged(_)
            | Happening::Absent(..)
            | Happening::Judged { .. }
            | Happening::Touched(_)
            | Happening::Quiet
            | Happening::Hashes(..)
            | Happening::Text(..)
            | Happening::Isolation(..)
            | Happening::Calls(..) => {}
        }
        Ok(())
    }

    fn take_records(&mut self, records: &[Record]) -> Result<(), String> {
        for record in records {
            if let Record::Intended(intent) = record {
                self.intents
                    .insert(intent.operation, Arc::new(intent.clone()));
                self.intended_at.insert(intent.operation, self.now);
            }
            self.durable
                .apply(record)
                .map_err(|misfit| format!("a record that does not fit was written: {misfit}"))?;
            if let Record::Renamed {
                identity, from, to, ..
            } = record
            {
                self.rename(identity, from, to);
            }
        }
        Ok(())
    }

    fn take_fact(&mut self, account: &AccountName, fact: &Fact, by: Option<(u64, u32)>) {
        let key = |phone: &smol_str::SmolStr| PhoneKey {
            account: account.clone(),
            phone: PhoneId::new(phone.clone()),
        };
        match fact {
            Fact::Accepted {
                job,
                phone,
                call: _,
                mutates,
                costly,
            } => {
                let operation = by
                    .and_then(|(request, _)| self.requests.get(&request))
                    .and_then(|request| request.operation);
                let phone = key(phone);
                if operation.is_some() {
                    self.jobs_of.entry(phone.clone()).or_default().push(*job);
                }
                self.jobs.insert(
                    (account.clone(), *job),
                    Job {
                        phone,
                        operation,
                        copy: by.is_some_and(|(_, copy)| copy > 0),
                        mutates: *mutates,
                        costly: *costly,
                        since: self.now,
                        end: None,
                    },
                );
            }
            Fact::Ended { job, end, effect } => {
                if let Some(job) = self.jobs.get_mut(&(account.clone(), *job)) {
                    job.end = Some((self.now, *end, *effect));
                    self.ended.insert(job.phone.clone(), self.now);
                    if *end == End::Succeeded && !*effect {
                        self.misled.insert(job.phone.clone());
                    }
                }
            }
            Fact::Changed { phone } => {
                self.changed.insert(key(phone), self.now);
                self.misled.insert(key(phone));
            }
            Fact::Clashed { .. } => {}
        }
    }

    /// Forgets what no check can need any more.
    fn forget(&mut self) {
        let oldest = self.now.before(std::time::Duration::from_secs(7_200));
        let Self {
            jobs,
            jobs_of,
            requests,
            under_way,
            sent,
            ..
        } = self;
        jobs.retain(|(_, number), job| {
            let needed = job.end.is_none_or(|(at, ..)| at >= oldest);
            if !needed && let Some(numbers) = jobs_of.get_mut(&job.phone) {
                numbers.retain(|other| other != number);
            }
            needed
        });
        requests.retain(|number, request| under_way.contains(number) || request.left >= oldest);
        sent.retain(|_, numbers| {
            numbers.retain(|number| requests.contains_key(number));
            !numbers.is_empty()
        });
    }
}

/// Takes happenings in, asks the checks, and keeps the trace.
pub(super) struct Monitor {
    pub(super) view: View,
    checks: Vec<Box<dyn Check>>,
    pub(super) violations: Vec<Violation>,
    trace: FxHasher,
    forgot: Timestamp,
    /// What plans need, where it is wanted.
    pub(super) log: Option<Log>,
    pub(super) waste: Waste,
    pub(super) counts: Counts,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) requests: u64,
    pub(super) jobs: u64,
    pub(super) mutations: u64,
    pub(super) records: u64,
    /// Orders that were refused for every phone.
    pub(super) refused: u64,
}

/// More violations than this are not kept.
const MOST_VIOLATIONS: usize = 50;

impl Monitor {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            view: View::new(settings),
            checks: checks(),
            violations: Vec::new(),
            trace: FxHasher::default(),
            forgot: Timestamp::default(),
            log: None,
            waste: Waste::default(),
            counts: Counts::default(),
        }
    }

    /// Takes a happening in, at this moment.
    pub(super) fn happen(&mut self, at: Timestamp, happening: &Happening<'_>) {
        self.view.now = self.view.now.max(at);
        tracing::debug!(world = %at, ?happening, "Happening");
        if let Err(problem) = self.view.take(happening) {
            self.violate(Invariant::Journal, problem);
        }
        if let (Some(log), Happening::World { account, fact, by }) = (&mut self.log, happening) {
            log.fact(account, fact, *by, &self.view);
        }
        self.tally(happening);
        let mut found: Vec<(Invariant, String)> = Vec::new();
        for check in &mut self.checks {
            let of = check.invariant();
            check.see(happening, &self.view, &mut |problem| {
                found.push((of, problem));
            });
        }
        for (invariant, problem) in found {
            self.violate(invariant, problem);
        }
        if self.view.now.since(self.forgot) > std::time::Duration::from_secs(600) {
            self.forgot = self.view.now;
            self.view.forget();
        }
    }

    /// A request leaves; its number.
    pub(super) fn leaves(&mut self, request: Request) -> u64 {
        self.counts.requests += 1;
        let number = self.counts.requests;
        tracing::debug!(number, ?request, "Request");
        let (left, operation) = (request.left, request.operation);
        if request.effect == Effect::Mutation {
            self.counts.mutations += 1;
        }
        if let Some(operation) = operation {
            self.view.sent.entry(operation).or_default().push(number);
        }
        self.view.under_way.insert(number);
        self.view.requests.insert(number, request);
        self.happen(left, &Happening::Leaves(number));
        number
    }

    /// An account is open.
    pub(super) fn account(&mut self, setup: &AccountSetup) {
        self.view.accounts.insert(
            setup.name.clone(),
            Account {
                identity: setup.identity.clone(),
                capabilities: setup.capabilities,
                limits: setup.limits,
            },
        );
    }

    /// Adds bytes to the trace.
    pub(super) fn trace(&mut self, bytes: &[u8]) {
        self.trace.write(bytes);
    }

    /// The hash of everything that was traced.
    pub(super) fn hash(&self) -> u64 {
        self.trace.finish()
    }

    pub(super) fn violate(&mut self, invariant: Invariant, problem: String) {
        if self.violations.len() < MOST_VIOLATIONS {
            self.violations.push(Violation {
                invariant,
                at: self.view.now,
                problem,
            });
        }
    }
}
