//! What submit and poll answers mean for operations.
//!
//! Invariants: a phone without a row is lost, never refused; "same task exists" credits nothing; a refusal of the whole batch because of one phone splits
//! the batch; only the vendor's word on the job moves it, its message never does. Not here: lost outcomes (`doubt`), proof (`proof`).

use super::account::{JobKey, OpenJob, Purpose, deadline};
use super::{AccountIx, CallId, Core, PhoneIx, Work};
use crate::model::condition::Reason;
use crate::model::id::{JobId, OperationId, PhoneId};
use crate::model::observed::ReadKind;
use crate::model::operation::PhaseEvent;
use crate::model::record::{Record, Trouble};
use crate::model::stamp::Timestamp;
use crate::provider::{
    Accepted, CallError, ErrorKind, JobReport, JobState, Order, RowOutcome, Submission,
};
use crate::time::delay::backoff;
use std::collections::BTreeMap;
use std::time::Duration;

/// Moves of phones, by operation.
type Moves = BTreeMap<OperationId, Vec<(PhoneId, PhaseEvent)>>;

impl Core {
    pub(super) fn submit_answered(
        &mut self,
        id: CallId,
        result: Result<Submission, CallError>,
        now: Timestamp,
    ) {
        let Some(call) = self.answered(id, now) else {
            return;
        };
        let Work::Submit(operation, order) = call.work else {
            return;
        };
        self.accounts[call.account.0].leaves_something(now);
        match result {
            Ok(submission) => {
                self.account_works(call.account, now);
                self.accepted(call.account, operation, &order, submission, now);
            }
            Err(error) => {
                tracing::warn!(%operation, call = order.call, %error, accepted = ?error.accepted, "An order failed");
                let event = match error.accepted {
                    Accepted::No => PhaseEvent::Refused,
                    Accepted::Maybe => PhaseEvent::Lost,
                };
                self.moved(
                    operation,
                    order
                        .phones
                        .iter()
                        .map(|phone| (phone.clone(), event.clone()))
                        .collect(),
                    now,
                );
                let wait = self.account_fails(call.account, &error, call.sent_at, now);
                match error.accepted {
                    Accepted::No => self.refused_whole(call.account, &order, &error, now),
                    Accepted::Maybe => {
                        self.lost(call.account, operation, &order.phones, now.after(wait), now);
                    }
                }
            }
        }
    }

    fn accepted(
        &mut self,
        account: AccountIx,
        operation: OperationId,
        order: &Order,
        submission: Submission,
        now: Timestamp,
    ) {
        let mut rows: BTreeMap<PhoneId, RowOutcome> = submission.rows.into_iter().collect();
        let mut moves = Vec::with_capacity(order.phones.len());
        let (mut lost, mut done) = (Vec::new(), Vec::new());
        for phone in order.phones.iter() {
            let event = match rows.remove(phone) {
                Some(RowOutcome::Job(job)) => {
                    self.follow(
                        account,
                        operation,
                        order.call,
                        (job.clone(), phone.clone()),
                        now,
                    );
                    PhaseEvent::Accepted(job)
                }
                Some(RowOutcome::Done) => {
                    done.push(phone.clone());
                    PhaseEvent::Done
                }
                Some(RowOutcome::Exists(job)) => {
                    if let Some(job) = &job {
                        self.follow(
                            account,
                            operation,
                            order.call,
                            (job.clone(), phone.clone()),
                            now,
                        );
                    }
                    self.hold(account, phone, Reason::Busy, now);
                    self.done_by_another(account, phone, operation, now);
                    PhaseEvent::Exists(job)
                }
                Some(RowOutcome::Refused(error)) => {
                    self.refused_phone(account, phone, &error, now);
                    // It was tried on the phone, as a job that failed: what was read before tells nothing any more.
                    if let (Accepted::Maybe, Some(ix)) =
                        (error.accepted, self.phone_at(account, phone))
                    {
                        self.raise_floors(ix, operation, now);
                    }
                    PhaseEvent::Refused
                }
                None => {
                    lost.push(phone.clone());
                    PhaseEvent::Lost
                }
            };
            if let Some(ix) = self.phone_at(account, phone) {
                self.accounts[account.0].batches.mend(phone);
                self.dirty.insert(ix);
            }
            moves.push((phone.clone(), event));
        }
        self.moved(operation, moves, now);
        if !lost.is_empty() {
            self.lost(account, operation, &lost, now, now);
        }
        self.confirm(account, operation, &done, now);
    }

    pub(super) fn follow(
        &mut self,
        account: AccountIx,
        operation: OperationId,
        call: &str,
        key: JobKey,
        now: Timestamp,
    ) {
        let state = &self.accounts[account.0];
        let mut limit = deadline(state.call(call), &self.settings);
        if state.setup.capabilities.blind {
            limit += self.settings.image_deadline;
        }
        let costly = self
            .ledger
            .operations
            .get(&operation)
            .is_some_and(|state| !state.intent.costs.is_live());
        let open = OpenJob {
            phone: key.1.clone(),
            call: call.into(),
            since: now,
            deadline: now.after(limit),
            interval: Duration::ZERO,
            next: now,
            polling: false,
            restarts: costly,
            straggles: false,
            purpose: Purpose::Change(operation),
        };
        self.follow_job(account, key, open);
    }

    /// Follows a job; batches wait for its phone as long as such jobs are known to take.
    pub(super) fn follow_job(&mut self, account: AccountIx, key: JobKey, mut open: OpenJob) {
        if let Some(ix) = self.phone_at(account, &key.1) {
            open.straggles = self.state(ix).straggles;
            open.restarts &= !open.straggles;
            self.state_mut(ix).expected = self.accounts[account.0].awaited(&open);
        }
        self.accounts[account.0].follow(key, open);
    }

    /// Whether batches wait for the phone now, because our job on it is expected to end soon. Where that changes with time alone, it is looked at again then.
    pub(super) fn ends_soon(&mut self, ix: PhoneIx, now: Timestamp) -> bool {
        let (near, late) = self.state(ix).expected;
        if now < late {
            self.look_again(ix, if now < near { near } else { late });
        }
        !self.state(ix).straggles && (near..late).contains(&now)
    }

    /// The vendor is at the same task for somebody else, or for a copy of an older request of ours: what costs something is decided on a reading made after the
    /// hold, when such jobs are usually over, so that what has been done meanwhile is not done again (and not repeated before that job's deadline, see `plan`).
    fn done_by_another(
        &mut self,
        account: AccountIx,
        phone: &PhoneId,
        operation: OperationId,
        now: Timestamp,
    ) {
        let intent = self.intent_of(operation);
        let (Some(ix), Some(intent)) = (
            self.phone_at(account, phone),
            intent.filter(|intent| !intent.costs.is_live()),
        ) else {
            return;
        };
        let usual = now.after(self.accounts[account.0].usual(&intent.call));
        let until = self
            .state(ix)
            .hold
            .map_or(usual, |(until, _)| until.max(usual));
        for (attribute, _) in intent.writes.iter() {
            match self.read_of(account, attribute) {
                // A listing is read for all phones: the next one will do.
                Some(kind @ (ReadKind::Listing | ReadKind::Usage)) => {
                    self.state_mut(ix).sight.raise_floor(kind, now);
                }
                Some(kind) => {
                    let phone = self.state_mut(ix);
                    phone.sight.raise_floor(kind, until);
                    if let Some(slot) = kind.slot() {
                        phone.read_after[slot] = phone.read_after[slot].max(until);
                    }
                }
                None => {}
            }
        }
    }

    /// The vendor refused the whole order; nothing was done.
    fn refused_whole(
        &mut self,
        account: AccountIx,
        order: &Order,
        error: &CallError,
        now: Timestamp,
    ) {
        let mine: Vec<PhoneId> = error
            .phones
            .iter()
            .filter(|phone| order.phones.contains(phone))
            .cloned()
            .collect();
        match error.kind {
            ErrorKind::Throttled
            | ErrorKind::Transient
            | ErrorKind::Unauthorised
            | ErrorKind::Malformed => {}
            ErrorKind::Busy | ErrorKind::NotReady | ErrorKind::NotFound | ErrorKind::Refused => {
                if !mine.is_empty() {
                    for phone in &mine {
                        self.refused_phone(account, phone, error, now);
                    }
                } else if order.phones.len() > 1 {
                    self.accounts[account.0].batches.split(&order.phones);
                } else if let Some(phone) = order.phones.first() {
                    self.refused_phone(account, phone, error, now);
                }
            }
        }
    }

    fn refused_phone(
        &mut self,
        account: AccountIx,
        phone: &PhoneId,
        error: &CallError,
        now: Timestamp,
    ) {
        match error.kind {
            ErrorKind::Busy => self.hold(account, phone, Reason::Busy, now),
            ErrorKind::NotReady => match error.retry_at {
                // What all phones of an order wait for, they wait for together.
                Some(at) => {
                    let most = now.after(self.settings.retry_most);
                    self.hold_until(account, phone, (at.max(now).min(most), Reason::NotReady));
                }
                None => self.hold(account, phone, Reason::NotReady, now),
            },
            ErrorKind::Throttled | ErrorKind::Transient => {
                self.hold(account, phone, Reason::BackOff, now);
            }
            ErrorKind::NotFound
            | ErrorKind::Refused
            | ErrorKind::Unauthorised
            | ErrorKind::Malformed => {
                if let Some(ix) = self.phone_at(account, phone) {
                    self.fails(ix, &error.message, now);
                }
            }
        }
    }

    /// Nothing starts on the phone for a moment; nobody's failure.
    pub(super) fn hold(
        &mut self,
        account: AccountIx,
        phone: &PhoneId,
        reason: Reason,
        now: Timestamp,
    ) {
        let Some(ix) = self.phone_at(account, phone) else {
            return;
        };
        let settings = &self.settings;
        let before = self.state(ix).hold.map_or(0, |(until, _)| {
            u32::from(until.after(settings.retry_most) > now)
        });
        let wait = backoff(
            settings.retry_first * 2,
            settings.retry_most,
            1 + before * 2,
            phone.as_str(),
            settings.seed,
        );
        self.hold_until(account, phone, (now.after(wait), reason));
    }

    fn hold_until(&mut self, account: AccountIx, phone: &PhoneId, held: (Timestamp, Reason)) {
        if let Some(ix) = self.phone_at(account, phone) {
            self.state_mut(ix).hold = Some(held);
            self.look_again(ix, held.0);
            self.dirty.insert(ix);
        }
    }

    /// The phone failed: counted, and told to the plan.
    pub(super) fn fails(&mut self, ix: PhoneIx, message: &str, now: Timestamp) {
        let mut trouble = self.trouble_of(ix);
        trouble.failures += 1;
        trouble.last_failure = Some(now);
        trouble.last_message = Some(message.chars().take(300).collect());
        self.set_trouble(ix, trouble);
        self.dirty.insert(ix);
    }

    pub(super) fn trouble_of(&self, ix: PhoneIx) -> Trouble {
        let phone = self.state(ix);
        let identity = &self.accounts[phone.account.0].setup.identity;
        self.ledger
            .history(identity, &phone.key.phone)
            .map(|history| history.trouble.clone())
            .unwrap_or_default()
    }

    pub(super) fn set_trouble(&mut self, ix: PhoneIx, trouble: Trouble) {
        if trouble == self.trouble_of(ix) {
            return;
        }
        let phone = self.state(ix);
        let identity = self.accounts[phone.account.0].setup.identity.clone();
        let phone = phone.key.phone.clone();
        self.record(Record::Trouble {
            identity,
            phone,
            trouble,
        });
    }

    pub(super) fn poll_answered(
        &mut self,
        id: CallId,
        result: Result<Vec<JobReport>, CallError>,
        now: Timestamp,
    ) {
        let Some(call) = self.answered(id, now) else {
            return;
        };
        let Work::Poll(asked) = call.work else { return };
        let mut reports: BTreeMap<JobKey, JobState> = BTreeMap::new();
        match result {
            Ok(rows) => {
                self.account_works(call.account, now);
                reports.extend(
                    rows.into_iter()
                        .map(|report| ((report.job, report.phone), report.state)),
                );
            }
            Err(error) => {
                self.account_fails(call.account, &error, call.sent_at, now);
            }
        }
        let mut moves = Moves::new();
        for job in asked {
            let key = (job.job, job.phone);
            let state = reports.remove(&key).unwrap_or(JobState::Open);
            self.job_reported(call.account, &key, state, &mut moves, now);
        }
        for (operation, moves) in moves {
            let done: Vec<PhoneId> = moves
                .iter()
                .filter(|(_, event)| *event == PhaseEvent::Succeeded)
                .map(|(phone, _)| phone.clone())
                .collect();
            // A job past its deadline is not searched for: the vendor's lists would give the same job again, for ever.
            self.moved(operation, moves, now);
            self.confirm(call.account, operation, &done, now);
        }
    }

    fn job_reported(
        &mut self,
        account: AccountIx,
        key: &JobKey,
        state: JobState,
        moves: &mut Moves,
        now: Timestamp,
    ) {
        let Some(open) = self.accounts[account.0].jobs.get(key).cloned() else {
            return;
        };
        let over = now >= open.deadline;
        if let Some(ix) = self.phone_at(account, &key.1) {
            let before = self.state(ix).straggles;
            let straggles = match &state {
                JobState::Succeeded(_) => false,
                JobState::Failed(_) => true,
                JobState::Open => before || over,
            };
            if straggles != before {
                self.state_mut(ix).straggles = straggles;
                self.dirty.insert(ix);
            }
        }
        if state == JobState::Open && !over {
            self.accounts[account.0].poll_later(key, now, self.settings.poll_most);
            return;
        }
        self.accounts[account.0].unfollow(key);
        let Purpose::Change(operation) = open.purpose else {
            let output = match &state {
                JobState::Succeeded(output) => Some(output.as_deref().unwrap_or_default()),
                JobState::Open | JobState::Failed(_) => None,
            };
            self.reading_job_over(account, &open, output, now);
            return;
        };
        let event = match state {
            JobState::Succeeded(_) => {
                self.accounts[account.0].learn(&open.call, now.since(open.since));
                PhaseEvent::Succeeded
            }
            JobState::Failed(message) => {
                if let Some(ix) = self.phone_at(account, &key.1) {
                    self.fails(ix, &message, now);
                    self.raise_floors(ix, operation, now);
                }
                PhaseEvent::Failed
            }
            JobState::Open => PhaseEvent::Lost,
        };
        moves
            .entry(operation)
            .or_default()
            .push((key.1.clone(), event));
    }

    /// After a restart: jobs are followed, everything else that is open is in doubt since now.
    pub(super) fn adopt_open_operations(&mut self, now: Timestamp) {
        let mut lost: Vec<(AccountIx, OperationId, Vec<PhoneId>)> = Vec::new();
        let mut jobs: Vec<(AccountIx, OperationId, String, JobId, PhoneId)> = Vec::new();
        for (operation, state) in &self.ledger.operations {
            let Some(account) = self.account_of(*operation) else {
                continue;
            };
            let mut phones = Vec::new();
            for (phone, phase) in state.intent.phones.iter().zip(&state.phases) {
                if let Some(job) = phase.job() {
                    jobs.push((
                        account,
                        *operation,
                        state.intent.call.to_string(),
                        job.clone(),
                        phone.clone(),
                    ));
                } else if *phase == crate::model::operation::Phase::Intended {
                    phones.push(phone.clone());
                }
            }
            lost.push((account, *operation, phones));
        }
        for (account, operation, call, job, phone) in jobs {
            self.follow(account, operation, &call, (job, phone), now);
        }
        for (account, operation, phones) in lost {
            self.moved(
                operation,
                phones
                    .iter()
                    .map(|phone| (phone.clone(), PhaseEvent::Lost))
                    .collect(),
                now,
            );
            self.lost(account, operation, &phones, now, now);
        }
    }
}
