//! Calls that gained nothing: refused for pace, or asked for what was fresh.
//!
//! Invariants: what was read is fresh until something happens to the phone, to the manifests or to the process that knew it, and for a while of its own; only
//! a call of which nothing at all was worth asking counts. Not here: how many calls may be made (`invariant::budget`).

use super::monitor::{Happening, Monitor};
use crate::model::attribute::Attribute;
use crate::model::id::{AccountName, PhoneId, PhoneKey};
use crate::model::observed::ReadKind;
use crate::model::operation::PhaseEvent;
use crate::model::record::Record;
use crate::model::settings::Settings;
use crate::model::stamp::Timestamp;
use crate::provider::ReadRequest;
use crate::sim::witness::Fact;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is known of readings and of what outdates them.
#[derive(Debug, Default)]
pub(super) struct Waste {
    /// When each attribute (or, where a read names none, everything of its kind) was last asked for.
    asked: FxHashMap<PhoneKey, FxHashMap<(ReadKind, Option<Attribute>), Timestamp>>,
    /// When each account was last listed from the beginning.
    listed: BTreeMap<AccountName, Timestamp>,
    /// When something last happened to a phone, and to any of an account.
    happened: FxHashMap<PhoneKey, Timestamp>,
    anywhere: BTreeMap<AccountName, Timestamp>,
    /// When the manifests or the process changed: everything is to be known anew.
    began: Timestamp,
    /// Calls for nothing.
    pub(super) calls: u64,
}

impl Waste {
    /// A process or an edition begins.
    pub(super) fn begins(&mut self, now: Timestamp) {
        self.began = now;
    }

    /// Something happened to a phone.
    pub(super) fn happens(&mut self, phone: &PhoneKey, now: Timestamp) {
        self.happened.insert(phone.clone(), now);
        self.anywhere.insert(phone.account.clone(), now);
    }

    /// A read is asked for.
    pub(super) fn asks(
        &mut self,
        account: &AccountName,
        kind: ReadKind,
        (phones, attributes): (&[PhoneId], &[Attribute]),
        settings: &Settings,
        now: Timestamp,
    ) {
        let began = self.began;
        let fresh = |asked: Option<Timestamp>, happened: Option<Timestamp>, span: Duration| {
            asked.is_some_and(|asked| {
                asked >= began && happened.is_none_or(|at| at < asked) && now.since(asked) < span
            })
        };
        if phones.is_empty() {
            if kind == ReadKind::Listing {
                let before = self.listed.insert(account.clone(), now);
                let happened = self.anywhere.get(account).copied();
                self.calls += u64::from(fresh(before, happened, settings.listing_freshness / 6));
            }
            return;
        }
        // The routine reading comes a fifth early at most.
        let span = settings.read_interval * 3 / 4;
        let mut worth = false;
        let names: Vec<(ReadKind, Option<Attribute>)> = match attributes {
            [] => vec![(kind, None)],
            some => some.iter().map(|name| (kind, Some(name.clone()))).collect(),
        };
        for phone in phones {
            let key = PhoneKey {
                account: account.clone(),
                phone: phone.clone(),
            };
            let happened = self.happened.get(&key).copied();
            let asked = self.asked.entry(key).or_default();
            for name in &names {
                let before = asked.insert(name.clone(), now);
                worth |= !fresh(before, happened, span);
            }
        }
        self.calls += u64::from(!worth);
    }
}

impl Monitor {
    /// Counts what is counted, and notes what makes another look worth a call.
    pub(super) fn tally(&mut self, happening: &Happening<'_>) {
        let now = self.view.now;
        match happening {
            Happening::Opened(_) | Happening::Fleet => self.waste.begins(now),
            Happening::Durable(records) => self.counts.refused += refused_orders(records),
            Happening::World { account, fact, .. } => {
                let of_job = |job: &u64| {
                    let job = self.view.jobs.get(&(AccountName::clone(account), *job))?;
                    Some(job.phone.clone())
                };
                let of_code = |phone: &smol_str::SmolStr| {
                    Some(PhoneKey {
                        account: AccountName::clone(account),
                        phone: PhoneId::new(phone.clone()),
                    })
                };
                let phone = match fact {
                    Fact::Accepted { mutates, phone, .. } => {
                        self.counts.jobs += 1;
                        mutates.then(|| of_code(phone)).flatten()
                    }
                    Fact::Ended { job, .. } => of_job(job),
                    Fact::Clashed { phone, .. } | Fact::Changed { phone } => of_code(phone),
                };
                if let Some(phone) = phone {
                    self.waste.happens(&phone, now);
                }
            }
            Happening::Unopened(_)
            | Happening::Died
            | Happening::StopAsked
            | Happening::Stopped
            | Happening::Ordered { .. }
            | Happening::Leaves(_)
            | Happening::Answered(_)
            | Happening::Settled(_)
            | Happening::Read { .. }
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
    }

    /// A read is about to be made.
    pub(super) fn asks(&mut self, account: &AccountName, request: &ReadRequest, now: Timestamp) {
        if request.cursor.is_none() {
            let what = (&*request.phones, &*request.attributes);
            self.waste
                .asks(account, request.kind, what, &self.view.settings, now);
        }
    }

    /// Reads that were made for nothing, and orders that the vendor refused.
    pub(super) fn wasted(&self) -> u64 {
        self.waste.calls + self.counts.refused
    }
}

/// How many of these records say that an order was refused for all its phones.
fn refused_orders(records: &[Record]) -> u64 {
    let refused = |record: &&Record| match record {
        Record::Moved { moves, .. } => moves
            .iter()
            .all(|(_, event)| matches!(event, PhaseEvent::Refused | PhaseEvent::Exists(None))),
        Record::Intended(_)
        | Record::Converged { .. }
        | Record::Asserted { .. }
        | Record::Trouble { .. }
        | Record::Spent { .. }
        | Record::Called { .. }
        | Record::Standing(_)
        | Record::Renamed { .. }
        | Record::Past { .. }
        | Record::LastOperation(_) => false,
    };
    u64::try_from(records.iter().filter(refused).count()).unwrap_or(0)
}
