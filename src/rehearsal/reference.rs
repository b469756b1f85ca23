//! A run written down: the points at which something can go wrong, the jobs it had done, and its phones as they are in the end.
//!
//! Invariants: written from the world's side and from the durable image; a request's points are the faults that the vendor drew lots for when it arrived.
//! Not here: what is put at a point (`plans`).

use super::monitor::View;
use super::truth::facets;
use crate::model::capability::ReadMethod;
use crate::model::id::{AccountName, PhoneKey};
use crate::model::record::Record;
use crate::model::stamp::Timestamp;
use crate::sim::Simulator;
use crate::sim::faults::Kind;
use crate::sim::witness::{End, Fact};
use std::collections::{BTreeMap, BTreeSet};

/// A request, as a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPoint {
    /// Its number, from 1.
    pub number: u64,
    /// The call, as the vendor writes it.
    pub call: &'static str,
    /// It can change phones.
    pub mutates: bool,
    /// Faults of the vendor's that had a chance at it.
    pub chances: Vec<Kind>,
    /// Jobs that it started.
    pub jobs: u32,
    /// Jobs that restart their phones among these.
    pub costly: u32,
}

/// A job that a vendor accepted from us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The phone, by the code it had in the beginning.
    pub phone: PhoneKey,
    /// The call that started it, as the vendor writes it, and the attributes that it writes.
    pub work: String,
    /// What it writes cannot be read.
    pub blind: bool,
    /// It can change the phone.
    pub mutates: bool,
    /// It restarts the phone.
    pub costly: bool,
    /// A copy of a request that a proxy made, not we, or one that came after its sender had given it up.
    pub copy: bool,
    /// How it ended, and whether the phone was changed by it.
    pub end: Option<(End, bool)>,
}

/// What is written down of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Requests that arrived while things could go wrong.
    pub requests: Vec<RequestPoint>,
    /// Writes to the journal, by what was written first.
    pub writes: Vec<&'static str>,
    /// How often the program waited.
    pub waits: u64,
    /// Jobs, in the order in which they were accepted.
    pub jobs: Vec<Done>,
    /// How often each phone was changed by something that was no job of ours.
    pub changed: BTreeMap<PhoneKey, u32>,
    /// Phones that came back with another code, at a vendor that does not tell: they count as others.
    pub renamed: BTreeSet<PhoneKey>,
    /// Phones in the end, by the codes they had in the beginning: each part by its name.
    pub phones: BTreeMap<PhoneKey, Vec<(&'static str, String)>>,
    /// Phones that wait for a person in the end, and why.
    pub waiting: BTreeMap<PhoneKey, String>,
    /// Points so far: what comes after the storm is none.
    numbers: BTreeMap<(AccountName, u64), usize>,
    calm: bool,
}

impl Log {
    /// Whether anything was ever done to the phone.
    pub(super) fn managed(&self, phone: &PhoneKey) -> bool {
        self.jobs.iter().any(|job| job.phone == *phone)
    }

    /// A request arrived.
    pub(super) fn requested(
        &mut self,
        number: u64,
        (call, mutates): (&'static str, bool),
        chances: &[Kind],
        facts: &[(Timestamp, Fact)],
    ) {
        if self.calm {
            return;
        }
        let mut point = RequestPoint {
            number,
            call,
            mutates,
            chances: chances.to_vec(),
            jobs: 0,
            costly: 0,
        };
        for (_, fact) in facts {
            if let Fact::Accepted { costly, .. } = fact {
                point.jobs += 1;
                point.costly += u32::from(*costly);
            }
        }
        self.requests.push(point);
    }

    /// Records became durable.
    pub(super) fn written(&mut self, records: &[Record]) {
        if !self.calm {
            self.writes.push(records.first().map_or("nothing", kind));
        }
    }

    /// Something happened in a world.
    pub(super) fn fact(
        &mut self,
        account: &AccountName,
        fact: &Fact,
        by: Option<(u64, u32)>,
        view: &View,
    ) {
        match fact {
            Fact::Accepted {
                job,
                phone,
                call,
                mutates,
                costly,
            } => {
                self.numbers
                    .insert((account.clone(), *job), self.jobs.len());
                let (written, blind) = written(view, account, *job);
                self.jobs.push(Done {
                    phone: key(account, phone),
                    work: format!("{call}{written}"),
                    blind,
                    mutates: *mutates,
                    costly: *costly,
                    copy: by.is_some_and(|(_, copy)| copy > 0),
                    end: None,
                });
            }
            Fact::Ended { job, end, effect } => {
                if let Some(place) = self.numbers.get(&(account.clone(), *job)) {
                    self.jobs[*place].end = Some((*end, *effect));
                }
            }
            Fact::Changed { phone } => *self.changed.entry(key(account, phone)).or_default() += 1,
            Fact::Clashed { .. } => {}
        }
    }

    /// Nothing goes wrong from now on: there are no more points.
    pub(super) fn calm(&mut self, waits: u64) {
        self.calm = true;
        self.waits = waits;
    }

    /// The run is over.
    pub(super) fn ended(
        &mut self,
        worlds: &BTreeMap<AccountName, Simulator>,
        waiting: BTreeMap<PhoneKey, String>,
        view: &View,
    ) {
        self.waiting = waiting;
        for (account, world) in worlds {
            let account_of = view.accounts.get(account);
            let told = account_of.is_some_and(|of| of.capabilities.renames);
            for id in world.phones() {
                let original = key(account, &id);
                if original.phone.as_str() != id && !told {
                    self.renamed.insert(original.clone());
                }
                if let Some(phone) = world.phone(&id) {
                    self.phones.insert(original, facets(&phone));
                }
            }
        }
    }
}

/// A phone by the code it had in the beginning: one that comes back with another code carries the old one in it.
fn key(account: &AccountName, phone: &str) -> PhoneKey {
    let original = phone
        .split_once(super::storm::AGAIN)
        .map_or(phone, |(code, _)| code);
    PhoneKey {
        account: account.clone(),
        phone: original.into(),
    }
}

/// The attributes that a job writes, and whether none of them can be read.
fn written(view: &View, account: &AccountName, job: u64) -> (String, bool) {
    let operation = view.jobs.get(&(account.clone(), job));
    let intent = operation
        .and_then(|job| job.operation)
        .and_then(|operation| view.intents.get(&operation));
    let (Some(intent), Some(of)) = (intent, view.accounts.get(account)) else {
        return (String::new(), false);
    };
    let blind = !intent.writes.is_empty()
        && intent.writes.iter().all(|(attribute, _)| {
            let row = of.capabilities.of(attribute);
            row.is_some_and(|row| row.read == ReadMethod::Never)
        });
    let names = intent.writes.iter();
    (
        names
            .map(|(attribute, _)| format!(" {attribute}"))
            .collect(),
        blind,
    )
}

fn kind(record: &Record) -> &'static str {
    match record {
        Record::Intended(_) => "Intended",
        Record::Moved { .. } => "Moved",
        Record::Asserted { .. } => "Asserted",
        Record::Converged { .. } => "Converged",
        Record::Trouble { .. } => "Trouble",
        Record::Spent { .. } => "Spent",
        Record::Called { .. } => "Called",
        Record::Renamed { .. } => "Renamed",
        Record::Past { .. } => "Past",
        Record::Standing(_) => "Standing",
        Record::LastOperation(_) => "LastOperation",
    }
}
