//! Which calls go out now: polls, searches, orders, reads, in that order, while the budget and the connections allow.
//!
//! Invariants: an order leaves only together with its `Intended` record; nothing that changes phones starts in a preview or a drain, on a closed account, or
//! before the account's first reading is in; every call is taken out of the budget. Not here: what answers mean (`answers`, `reading`).

use super::account::PageState;
use super::allowance::unlimited;
use super::due::{ANY_TURN, Due};
use super::member::{Claimed, key};
use super::reading::NAMED;
use super::{AccountIx, Core, PhoneIx, Stance, Work};
use crate::model::attribute::Attribute;
use crate::model::capability::{Cost, Costs, ReadCall};
use crate::model::condition::Cause;
use crate::model::desired::Desired;
use crate::model::id::{JobId, OperationId, PhoneId};
use crate::model::observed::{Cursor, ReadKind};
use crate::model::operation::Intent;
use crate::model::record::Record;
use crate::model::stamp::Timestamp;
use crate::plan::batch::{BatchKey, Ready, Standing};
use crate::provider::{AppToInstall, JobRef, LostSubmit, Order, ReadRequest};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Changes start after this long even if the first reading is not complete.
const WARM_AFTER: Duration = Duration::from_secs(60);

impl Core {
    /// Hands out every call that may leave now.
    pub(super) fn schedule(&mut self, now: Timestamp) {
        if self.stance == Stance::Drain {
            return;
        }
        for index in 0..self.accounts.len() {
            let ix = AccountIx(index);
            self.warm_up(ix, now);
            self.start_rounds(ix, now);
            while self.may_call(ix, now) {
                let Some(work) = self.next_work(ix, now) else {
                    break;
                };
                let requests = self.accounts[index].requests_of(&work);
                self.accounts[index].takes(requests, now);
                self.count_call(ix, &work, requests, now);
                self.call(ix, work, now);
            }
        }
    }

    fn may_call(&mut self, ix: AccountIx, now: Timestamp) -> bool {
        let account = &mut self.accounts[ix.0];
        account.in_flight < account.setup.capabilities.limits.in_flight
            && account.again_at <= now
            && account.next_free(now) <= now
    }

    fn next_work(&mut self, ix: AccountIx, now: Timestamp) -> Option<Work> {
        if let Some((_, until, _)) = self.accounts[ix.0].gate {
            // A closed account is tried with one listing page, nothing else.
            return if until <= now && self.accounts[ix.0].in_flight == 0 {
                self.listing_page(ix, now)
            } else {
                None
            };
        }
        if let Some(work) = self.poll(ix, now).or_else(|| self.search(ix, now)) {
            return Some(work);
        }
        if let Some(work) = self.ask_renames(ix, now) {
            return Some(work);
        }
        // One page of a listing tells of hundreds of phones, and without a fresh one nothing is begun. Whose jobs fail comes last.
        self.order(ix, now, now)
            .or_else(|| self.listing_page(ix, now))
            .or_else(|| self.catalogue_page(ix))
            .or_else(|| self.named_read(ix, now, now))
            .or_else(|| self.order(ix, ANY_TURN, now))
            .or_else(|| self.named_read(ix, ANY_TURN, now))
            .or_else(|| self.tidy(ix, now))
    }

    /// Clears away what is left at the vendor, when nothing else is to be done there.
    fn tidy(&mut self, ix: AccountIx, now: Timestamp) -> Option<Work> {
        let changes = matches!(self.stance, Stance::Apply | Stance::Run);
        let account = &mut self.accounts[ix.0];
        let due = account.untidy.is_some_and(|at| at <= now);
        if !changes || !due || account.in_flight > 0 || !account.is_idle() {
            return None;
        }
        account.untidy = None;
        Some(Work::Tidy)
    }

    fn warm_up(&mut self, ix: AccountIx, now: Timestamp) {
        let account = &self.accounts[ix.0];
        if account.warm {
            return;
        }
        let read = account.listing.complete > 0
            && account.due.iter().all(Due::is_empty)
            && !self.under_way.values().any(|call| {
                call.account == ix && matches!(call.work, Work::Read(_) | Work::StartRead(_))
            });
        if read || now >= self.started.after(WARM_AFTER) {
            let account = &mut self.accounts[ix.0];
            account.warm = true;
            account.routine_at = now.after(self.settings.read_interval);
        }
    }

    fn count_call(&mut self, ix: AccountIx, work: &Work, requests: u32, now: Timestamp) {
        match work {
            Work::Read(_) | Work::Find(..) | Work::Renames => self.counters.reads += 1,
            Work::StartRead(request) => {
                self.counters.reads += 1;
                self.counters.commands += u64::try_from(request.phones.len()).unwrap_or(0);
            }
            Work::Submit(..) | Work::Tidy => self.counters.writes += 1,
            Work::Poll(_) => self.counters.polls += 1,
        }
        let second = now.0.div_euclid(1000);
        let account = &mut self.accounts[ix.0];
        let (counted, calls) = account.uncounted;
        if counted == second {
            account.uncounted = (second, calls + requests);
            return;
        }
        let first = account.uncounted == (0, 0);
        account.uncounted = (second, requests);
        let identity = account.setup.identity.clone();
        // Before its first call a process says that it calls: the next one cannot know how long it did.
        let counted = if first { second } else { counted };
        if first || calls > 0 {
            self.record(Record::Called {
                identity,
                second: counted,
                calls,
            });
        }
    }

    fn poll(&mut self, ix: AccountIx, now: Timestamp) -> Option<Work> {
        let account = &mut self.accounts[ix.0];
        if account.polls_at().is_none_or(|at| at > now) {
            return None;
        }
        let most = account.poll_batch();
        let alone = account.setup.capabilities.limits.poll_one_submit;
        let (_, (first, _)) = account.polls.first()?;
        let first = first.clone();
        let together = |job: &JobId| !alone || job.submit() == first.submit();
        let due: Vec<_> = account
            .polls
            .iter()
            .take_while(|(at, _)| *at <= now)
            .filter(|(_, (job, _))| together(job))
            .take(most)
            .cloned()
            .collect();
        let mut jobs = Vec::with_capacity(due.len());
        for poll in due {
            account.polls.remove(&poll);
            let (_, key) = poll;
            if let Some(open) = account.jobs.get_mut(&key) {
                open.polling = true;
                jobs.push(JobRef {
                    job: key.0,
                    phone: key.1,
                    call: open.call.clone(),
                });
            }
        }
        (!jobs.is_empty()).then_some(Work::Poll(jobs))
    }

    fn search(&mut self, ix: AccountIx, now: Timestamp) -> Option<Work> {
        let account = &mut self.accounts[ix.0];
        let operation = account
            .searches
            .iter()
            .find(|(_, at)| **at <= now)
            .map(|(operation, _)| *operation)?;
        account.searches.remove(&operation);
        let state = self.ledger.operations.get(&operation)?;
        let phones: Vec<PhoneId> = self.unknown_phones(operation);
        let lost = LostSubmit {
            mark: state.intent.mark(),
            call: state.intent.call.clone(),
            phones: phones.into(),
            writes: Arc::clone(&state.intent.writes),
            sent_at: state.intent.at,
        };
        (!lost.phones.is_empty()).then_some(Work::Find(operation, lost))
    }

    /// The next order of phones whose turn has come by then.
    fn order(&mut self, ix: AccountIx, turn: Timestamp, now: Timestamp) -> Option<Work> {
        let ready = self.ready_order(ix, turn, now)?;
        Some(self.intend(ix, ready, now))
    }

    /// The order that may go next, as far as stance, open jobs and batches allow.
    fn ready_order(&self, ix: AccountIx, turn: Timestamp, now: Timestamp) -> Option<Ready> {
        let account = &self.accounts[ix.0];
        let writes = match self.stance {
            Stance::Apply | Stance::Run => account.warm,
            Stance::Preview | Stance::Drain => false,
        };
        if !writes || account.jobs.len() >= account.open_jobs_limit() {
            return None;
        }
        let size = |key: &BatchKey| {
            account
                .call(key.payload.call)
                .map_or(1, |call| account.batch_size(call.max_phones))
        };
        account
            .batches
            .ready((now, turn), size, |key| account.hold(key))
    }

    /// Journals the intent and makes the order.
    fn intend(&mut self, ix: AccountIx, ready: Ready, now: Timestamp) -> Work {
        let payload = Arc::clone(&ready.key.payload);
        let operation = OperationId(self.ledger.last_operation + 1);
        let phones: Arc<[PhoneId]> = ready.phones.into();
        let identity = self.accounts[ix.0].setup.identity.clone();
        for phone in phones.iter() {
            let member = self.phone_at(ix, phone);
            // What follows on the phone is coming from now on, not only when it is planned anew: batches for it wait.
            let after = member.and_then(|member| self.state(member).plan.chain.get(1));
            let standing = Standing {
                due: None,
                coming: after.map(key).into_iter().collect(),
            };
            self.accounts[ix.0].batches.set(phone, standing, now);
            if let Some(member) = member {
                // What is read beside a job of ours tells nothing that lasts, and a command that reads would be a second job on the phone.
                for due in &mut self.accounts[ix.0].due {
                    due.remove(member);
                }
                self.note_correction(member, &ready.key, now);
                if !ready.key.costs.is_live() {
                    self.note_spending(member, phone, ready.key.costs, now);
                    // Whatever comes of it: an answer may never arrive, and nothing tells afterwards what a restart or wipe has lost.
                    self.forget_asserted(member, ready.key.costs.has(Cost::Wipe));
                }
                self.dirty.insert(member);
            }
        }
        let intent = Intent {
            operation,
            identity,
            call: payload.call.into(),
            phones: Arc::clone(&phones),
            writes: Arc::clone(&payload.writes),
            costs: ready.key.costs,
            cause: ready.key.cause,
            revision: self.fleet.revision.clone(),
            at: now,
        };
        let mark = intent.mark();
        self.record(Record::Intended(intent));
        let app = payload
            .app
            .clone()
            .map(|(package, source)| AppToInstall { package, source });
        Work::Submit(
            operation,
            Order {
                call: payload.call,
                phones,
                writes: Arc::clone(&payload.writes),
                app,
                image: payload.image.clone(),
                mark,
            },
        )
    }

    fn note_correction(&mut self, ix: PhoneIx, key: &BatchKey, now: Timestamp) {
        if key.cause != Cause::Corrective {
            return;
        }
        let oldest = now.before(self.settings.contested_within);
        let mut trouble = self.trouble_of(ix);
        for (attribute, _) in key.payload.writes.iter() {
            let times = trouble.corrections.entry(attribute.clone()).or_default();
            times.retain(|at| *at >= oldest);
            times.push(now);
        }
        self.set_trouble(ix, trouble);
    }

    /// Counts the phone under the allowance's `maxPhones`, where the costs are not allowed to any number of phones.
    fn note_spending(&mut self, ix: PhoneIx, phone: &PhoneId, costs: Costs, now: Timestamp) {
        let Claimed::By(desired) = self.state(ix).claim.clone() else {
            return;
        };
        let free = self
            .fleet
            .groups
            .get(&desired.group)
            .map_or(Costs::NONE, |group| unlimited(group, now));
        if free.covers(costs) {
            return;
        }
        let identity = self.accounts[self.state(ix).account.0]
            .setup
            .identity
            .clone();
        if let Some(reserved) = self.reserved.get_mut(&desired.group) {
            reserved.remove(&ix);
        }
        self.record(Record::Spent {
            group: desired.group.clone(),
            revision: self.fleet.revision.clone(),
            identity,
            phones: vec![phone.clone()],
        });
    }

    pub(super) fn read_work(
        &mut self,
        ix: AccountIx,
        read: &ReadCall,
        mut phones: Vec<PhoneIx>,
        now: Timestamp,
    ) -> Work {
        let (kind, job) = (read.kind, read.job);
        let Some(slot) = kind.slot() else {
            return Work::Poll(Vec::new());
        };
        let few = self.few_attributes(read, &mut phones, now);
        let mut attributes: BTreeSet<Attribute> = BTreeSet::new();
        let mut last: Option<Arc<Desired>> = None;
        let mut ids = Vec::with_capacity(phones.len());
        for phone in &phones {
            let state = &mut self.phones[phone.0 as usize];
            state.reading |= 1 << slot;
            state.reading_job |= job;
            ids.push(state.key.phone.clone());
            let Claimed::By(desired) = &state.claim else {
                continue;
            };
            let desired = Arc::clone(desired);
            self.accounts[ix.0].due[slot].remove(*phone);
            if job {
                self.accounts[ix.0].batches.set(
                    &self.phones[phone.0 as usize].key.phone,
                    Standing::default(),
                    self.started,
                );
            }
            if last
                .as_ref()
                .is_some_and(|last| Arc::ptr_eq(last, &desired))
            {
                continue;
            }
            attributes.extend(
                desired
                    .attributes
                    .keys()
                    .filter(|attribute| self.read_of(ix, attribute) == Some(kind))
                    .filter(|attribute| {
                        let capabilities = self.accounts[ix.0].setup.capabilities;
                        capabilities.tells(read, attribute)
                    })
                    .cloned(),
            );
            last = Some(desired);
        }
        let request = ReadRequest {
            kind,
            phones: ids.into(),
            attributes: few.unwrap_or_else(|| attributes.into_iter().collect()),
            cursor: None,
        };
        if job {
            Work::StartRead(request)
        } else {
            Work::Read(request)
        }
    }

    fn catalogue_page(&mut self, ix: AccountIx) -> Option<Work> {
        let reads = &mut self.accounts[ix.0].catalogue_reads;
        take_page(&mut reads.apps)
            .map(|cursor| page(ReadKind::AppCatalogue, cursor))
            .or_else(|| {
                take_page(&mut reads.images).map(|cursor| page(ReadKind::ImageCatalogue, cursor))
            })
    }

    fn listing_page(&mut self, ix: AccountIx, now: Timestamp) -> Option<Work> {
        let listing = &mut self.accounts[ix.0].listing;
        let cursor = take_page(&mut listing.page)?;
        if cursor.is_none() {
            listing.started = now;
        }
        Some(page(ReadKind::Listing, cursor))
    }

    /// The next moment at which [`Core::turn`] has something to do without an event. `None`: only events matter.
    pub fn wake_at(&mut self, now: Timestamp) -> Option<Timestamp> {
        if self.stance == Stance::Drain {
            return None;
        }
        let mut at: Vec<Timestamp> = Vec::new();
        at.extend(self.timers.first().map(|(at, _)| *at));
        at.extend(
            self.fleet
                .expiries
                .iter()
                .copied()
                .find(|at| *at > self.claimed_at),
        );
        for index in 0..self.accounts.len() {
            self.account_wakes(AccountIx(index), now, &mut at);
        }
        at.into_iter()
            .min()
            .filter(|at| at.0 != i64::MAX)
            .map(|at| at.max(Timestamp(now.0 + 1)))
    }

    fn account_wakes(&mut self, ix: AccountIx, now: Timestamp, at: &mut Vec<Timestamp>) {
        let holds = NAMED.map(|kind| {
            let account = &self.accounts[ix.0];
            let waiting = kind.slot().map_or(0, |slot| account.due[slot].len());
            let read = account.setup.capabilities.read_within(kind, self.reads);
            match read.filter(|_| waiting > 0) {
                Some(read) => self.read_hold(ix, read, waiting, now),
                None => Duration::ZERO,
            }
        });
        let run = self.stance == Stance::Run;
        let reads = self.reads;
        // What may go now and has not gone waits for the budget alone.
        let ready = self.ready_order(ix, ANY_TURN, now).is_some();
        let account = &mut self.accounts[ix.0];
        let free = account.next_free(now).max(account.again_at);
        let mut own: Vec<Timestamp> = Vec::new();
        own.extend(account.polls_at());
        own.extend(account.searches.values().min());
        own.extend(account.renames.due_at());
        match account.listing.page {
            PageState::Done | PageState::Unwanted | PageState::Failed => {
                own.push(account.listing.next_at);
            }
            PageState::Due(_) => own.push(now),
            PageState::UnderWay => {}
        }
        let catalogues = &account.catalogue_reads;
        let wanted = |page: &PageState| matches!(page, PageState::Due(_));
        if wanted(&catalogues.apps) || wanted(&catalogues.images) {
            own.push(now);
        }
        if run && account.warm {
            own.push(account.routine_at);
        }
        if self.stance != Stance::Preview && account.in_flight == 0 && account.is_idle() {
            own.extend(account.untidy);
        }
        if !account.warm {
            own.push(self.started.after(WARM_AFTER).max(now));
        }
        if account.warm && account.jobs.len() < account.open_jobs_limit() {
            own.extend(account.batches.next_release(|key| account.hold(key)));
            own.extend(ready.then_some(now));
        }
        for (kind, hold) in NAMED.into_iter().zip(holds) {
            let capabilities = account.setup.capabilities;
            let (Some(slot), Some(read)) = (kind.slot(), capabilities.read_within(kind, reads))
            else {
                continue;
            };
            let due = &account.due[slot];
            let release = if due.len() >= account.batch_size(read.max_phones) {
                Some(now)
            } else {
                due.first_since().map(|since| since.after(hold))
            };
            own.extend(release.map(|at| at.max(account.read_again_at[slot])));
        }
        if let Some((_, until, _)) = account.gate {
            own = vec![until];
        }
        let probing = account.gate.is_some() && account.in_flight > 0;
        let full = probing || account.in_flight >= account.setup.capabilities.limits.in_flight;
        if !full {
            at.extend(own.into_iter().min().map(|at| at.max(free)));
        }
    }
}

fn take_page(page: &mut PageState) -> Option<Option<Cursor>> {
    let PageState::Due(cursor) = page else {
        return None;
    };
    let cursor = cursor.take();
    *page = PageState::UnderWay;
    Some(cursor)
}

fn page(kind: ReadKind, cursor: Option<Cursor>) -> Work {
    Work::Read(ReadRequest {
        kind,
        phones: Arc::new([]),
        attributes: Arc::new([]),
        cursor,
    })
}
