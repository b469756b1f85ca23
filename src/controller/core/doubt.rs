//! Operations whose outcome is unknown: one table for live time-outs and for crashes.
//!
//! | known | absolute and live | costly, or not absolute |
//! |---|---|---|
//! | job found | it happened | it happened |
//! | wanted value read back, and the request life over | it happened | wait |
//! | wanted value read back, and settled | it happened | it happened |
//! | settle time not over | wait | wait |
//! | settled | write again | only with evidence: phone running, old value in two reads further apart than the read lag, no job in the lists |
//! | settled, no evidence possible | write again | parked: a person must look |
//!
//! A value that shows before the request life is over may have come from elsewhere (a copy of an older request, a person): ours may still arrive then.
//!
//! Settle time: request life + the call's job deadline, counted from the loss, from the start of this process, or from when the phone was last seen unable
//! to run jobs, whichever is latest.
//!
//! Invariants: nothing costly is repeated without evidence that it did not happen. Not here: ordinary outcomes (`answers`, `proof`).

use super::account::deadline;
use super::{AccountIx, CallId, Core, PhoneIx, Work};
use crate::model::id::{JobId, OperationId, PhoneId};
use crate::model::observed::{ReadKind, RunState};
use crate::model::operation::{Intent, Phase, PhaseEvent};
use crate::model::stamp::Timestamp;
use crate::provider::{CallError, Found};
use std::time::Duration;

/// Lost submits are searched for at these distances from the loss.
const SEARCHES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_secs(60),
];

impl Core {
    /// Nobody knows what became of these phones of the operation.
    pub(super) fn lost(
        &mut self,
        account: AccountIx,
        operation: OperationId,
        phones: &[PhoneId],
        search_at: Timestamp,
        now: Timestamp,
    ) {
        if phones.is_empty() {
            return;
        }
        self.search_at(account, operation, search_at.max(now).after(SEARCHES[0]));
        for phone in phones {
            self.no_command_yet(account, phone, now);
        }
    }

    /// Searches for the lost submit then, unless the vendor has no list for its call, or one in which its jobs cannot be told from others.
    fn search_at(&mut self, account: AccountIx, operation: OperationId, at: Timestamp) {
        let Some(state) = self.ledger.operations.get(&operation) else {
            return;
        };
        let mut phones = state.intent.phones.iter();
        let told = phones.any(|phone| self.can_be_told(operation, phone));
        let call = state.intent.call.clone();
        let account = &mut self.accounts[account.0];
        if told && !account.cannot_look.contains(&call) {
            account.searches.insert(operation, at);
        }
    }

    /// A job of ours may run on the phone: a command that reads would be a second one. Readings wait for it.
    fn no_command_yet(&mut self, account: AccountIx, phone: &PhoneId, now: Timestamp) {
        let after = now.after(self.settings.read_lag);
        if let (Some(ix), Some(slot)) = (self.phone_at(account, phone), ReadKind::Shell.slot()) {
            self.state_mut(ix).read_after[slot] = after;
            self.accounts[account.0].again.insert(ix);
            self.dirty.insert(ix);
        }
    }

    pub(super) fn unknown_phones(&self, operation: OperationId) -> Vec<PhoneId> {
        let Some(state) = self.ledger.operations.get(&operation) else {
            return Vec::new();
        };
        let unknown = state
            .intent
            .phones
            .iter()
            .zip(&state.phases)
            .filter(|(_, phase)| matches!(phase, Phase::Unknown(_)));
        unknown.map(|(phone, _)| phone.clone()).collect()
    }

    pub(super) fn in_doubt(&self, ix: PhoneIx) -> bool {
        self.standings(ix)
            .any(|(_, phase)| matches!(phase, Phase::Unknown(_)))
    }

    /// Open operations on the phone with where they stand.
    pub(super) fn phases(&self, ix: PhoneIx) -> Vec<(OperationId, Phase)> {
        self.standings(ix)
            .map(|(operation, phase)| (operation, phase.clone()))
            .collect()
    }

    /// The same, to be looked at only.
    pub(super) fn standings(&self, ix: PhoneIx) -> impl Iterator<Item = (OperationId, &Phase)> {
        let phone = self.state(ix);
        let identity = &self.accounts[phone.account.0].setup.identity;
        let history = self.ledger.history(identity, &phone.key.phone);
        self.ledger
            .open_on(history)
            .map(|(state, phase)| (state.intent.operation, phase))
    }

    pub(super) fn search_answered(
        &mut self,
        id: CallId,
        result: Result<Found, CallError>,
        now: Timestamp,
    ) {
        let Some(call) = self.answered(id, now) else {
            return;
        };
        let Work::Find(operation, lost) = call.work else {
            return;
        };
        match result {
            Ok(Found::CannotLook) => {
                let operations = &self.ledger.operations;
                let account = &mut self.accounts[call.account.0];
                account.searches.retain(|id, _| {
                    operations
                        .get(id)
                        .is_some_and(|state| state.intent.call != lost.call)
                });
                account.cannot_look.insert(lost.call);
            }
            Ok(Found::NotYet) if !self.unknown_phones(operation).is_empty() => {
                self.search_at(call.account, operation, now.after(SEARCHES[1]));
            }
            Ok(Found::NotYet) => {}
            Ok(Found::Jobs(jobs)) => {
                let unknown = self.unknown_phones(operation);
                let before = self.highest_before(operation);
                let mut moves = Vec::new();
                for (phone, job) in jobs {
                    let identity = &self.accounts[call.account.0].setup.identity;
                    let known = self
                        .ledger
                        .history(identity, &phone)
                        .is_some_and(|history| history.past.knows(&job))
                        || job.number().is_some_and(|number| number <= before);
                    let ours = !known && self.can_be_told(operation, &phone);
                    if unknown.contains(&phone) && ours {
                        self.follow(
                            call.account,
                            operation,
                            &lost.call,
                            (job.clone(), phone.clone()),
                            now,
                        );
                        moves.push((phone, PhaseEvent::Found(job)));
                    }
                }
                self.moved(operation, moves, now);
                self.search_again(call.account, operation, now);
            }
            Err(error) => {
                self.account_fails(call.account, &error, call.sent_at, now);
                self.search_again(call.account, operation, now);
            }
        }
    }

    /// Whether a job of the operation on this phone can be told from others. A list that does not name orders may show a late copy of the order before, unless that
    /// one can have no copies any more; what is costly has a kind that only few orders are of.
    fn can_be_told(&self, operation: OperationId, phone: &PhoneId) -> bool {
        let Some(intent) = self.intent_of(operation) else {
            return false;
        };
        let named = self
            .account_of(operation)
            .is_some_and(|ix| self.accounts[ix.0].setup.capabilities.names_orders);
        let alone = self
            .ledger
            .history(&intent.identity, phone)
            .is_none_or(|history| history.past.was_alone(self.settings.request_life));
        named || alone || !intent.costs.is_live()
    }

    /// The highest number of a job that an older operation of the same keys follows: what was sent later has a higher one. Times would not do, since a clock may have
    /// jumped between two processes.
    fn highest_before(&self, operation: OperationId) -> u64 {
        let operations = &self.ledger.operations;
        let Some(ours) = operations.get(&operation) else {
            return 0;
        };
        operations
            .range(..operation)
            .filter(|(_, other)| other.intent.identity == ours.intent.identity)
            .flat_map(|(_, other)| other.phases.iter().filter_map(Phase::job))
            .filter_map(JobId::number)
            .max()
            .unwrap_or(0)
    }

    fn search_again(&mut self, account: AccountIx, operation: OperationId, now: Timestamp) {
        if self.unknown_phones(operation).is_empty() {
            return;
        }
        let Some(state) = self.ledger.operations.get(&operation) else {
            return;
        };
        let next = SEARCHES
            .iter()
            .map(|wait| state.intent.at.after(*wait))
            .find(|at| *at > now);
        if let Some(at) = next {
            self.search_at(account, operation, at);
        }
    }

    /// When a read of a phone in doubt is due again: at once, then ever more rarely, so that the settle time can end early.
    pub(super) fn doubt_due(&self, since: Timestamp, now: Timestamp) -> Timestamp {
        let since = since.remembered(self.started, now);
        let age = now.since(since);
        let steps = [
            Duration::from_secs(5),
            Duration::from_secs(15),
            Duration::from_secs(45),
            Duration::from_secs(75),
            Duration::from_secs(120),
        ];
        let passed = steps.iter().copied().rfind(|step| *step <= age);
        let late = passed.map_or(since, |step| since.after(step));
        if age > Duration::from_secs(180) {
            since.after(Duration::from_secs(60 * (age.as_secs() / 60)))
        } else {
            late
        }
    }

    /// Decides what can be decided about an operation in doubt on one phone.
    pub(super) fn decide_doubt(
        &mut self,
        ix: PhoneIx,
        operation: OperationId,
        since: Timestamp,
        now: Timestamp,
    ) {
        let Some(intent) = self.intent_of(operation) else {
            return;
        };
        let phone = self.state(ix).key.phone.clone();
        let settled_at = self.settles_at(ix, &intent, since, now);
        // By then the request has arrived, and a job that costs nothing is over; others may run for long. A value that showed before may be a copy's.
        let over_at = if intent.costs.is_live() {
            let account = &self.accounts[self.state(ix).account.0];
            let arrived = since.max(self.started).after(self.settings.request_life);
            arrived
                .after(account.expected(&intent.call))
                .min(settled_at)
        } else {
            settled_at
        };
        if now >= over_at && self.compare(ix, &intent, over_at).proven() {
            self.moved(operation, vec![(phone, PhaseEvent::Verified)], now);
            self.verified(ix, &intent, now);
            return;
        }
        if now < settled_at {
            let look = self.next_look(since, settled_at, now);
            let earlier = Some(over_at).filter(|at| *at > now);
            self.look_again(ix, earlier.map_or(look, |at| at.min(look)));
            return;
        }
        let absolute = self.accounts[self.state(ix).account.0]
            .call(&intent.call)
            .is_some_and(|call| call.absolute);
        if absolute && intent.costs.is_live() {
            self.raise_floors(ix, operation, now);
            self.moved(operation, vec![(phone, PhaseEvent::Settled)], now);
            return;
        }
        self.seek_evidence(ix, &intent, settled_at, now);
    }

    fn next_look(&self, since: Timestamp, settled_at: Timestamp, now: Timestamp) -> Timestamp {
        let steps = [5_u64, 15, 45, 75, 120].map(|secs| since.after(Duration::from_secs(secs)));
        steps
            .into_iter()
            .chain([settled_at, now.after(Duration::from_secs(60))])
            .filter(|at| *at > now)
            .min()
            .unwrap_or(settled_at)
    }

    fn settles_at(
        &self,
        ix: PhoneIx,
        intent: &Intent,
        since: Timestamp,
        now: Timestamp,
    ) -> Timestamp {
        let phone = self.state(ix);
        let call = self.accounts[phone.account.0].call(&intent.call);
        let account = &self.accounts[phone.account.0];
        let cannot_run = phone
            .sight
            .listed
            .as_ref()
            .is_some_and(|listed| listed.state != RunState::Running);
        let begun = since.max(self.started);
        let told = self
            .tells_connection(phone.account)
            .slot()
            .and_then(|slot| phone.sight.read_at[slot])
            .is_some_and(|read| read >= begun);
        // The time does not begin before the phone is back, and that is known.
        let seen = match phone.presence.back_at {
            Some(back) if told && !cannot_run => phone.presence.away_at.max(back),
            Some(_) | None => now,
        };
        let from = begun.max(seen);
        let arrived_by = from.after(self.settings.request_life);
        let usual = arrived_by.after(deadline(call, &self.settings));
        let ran_since = ReadKind::Shell
            .slot()
            .and_then(|slot| phone.sight.read_at[slot])
            .is_some_and(|read| read >= arrived_by);
        // The job may wait at the vendor for a phone that nobody sees is away; where a command ran since, none waits.
        if account.setup.capabilities.blind && !ran_since {
            usual.after(self.settings.image_deadline)
        } else {
            usual
        }
    }

    /// Costly work: it did not happen only if two reads, further apart than the read lag and both after settling, show the old value on a running phone.
    fn seek_evidence(
        &mut self,
        ix: PhoneIx,
        intent: &Intent,
        settled_at: Timestamp,
        now: Timestamp,
    ) {
        let lag = self.settings.read_lag;
        let phone = self.state(ix);
        let (key, running) = (
            phone.key.phone.clone(),
            phone
                .sight
                .listed
                .as_ref()
                .is_some_and(|listed| listed.state == RunState::Running),
        );
        let looked = self.compare(ix, intent, settled_at);
        if !looked.readable {
            self.moved(intent.operation, vec![(key, PhaseEvent::Parked)], now);
            return;
        }
        let old = looked.differing_since.filter(|_| running);
        match (old, self.state(ix).first_old) {
            (Some(read), Some((operation, first)))
                if operation == intent.operation && read >= first.after(lag) =>
            {
                self.raise_floors(ix, intent.operation, now);
                self.state_mut(ix).first_old = None;
                self.moved(intent.operation, vec![(key, PhaseEvent::Settled)], now);
                return;
            }
            (Some(read), first)
                if first.is_none_or(|(operation, _)| operation != intent.operation) =>
            {
                self.state_mut(ix).first_old = Some((intent.operation, read));
            }
            (Some(_) | None, _) => {}
        }
        if now >= settled_at.after(lag * 10) {
            self.moved(intent.operation, vec![(key, PhaseEvent::Parked)], now);
        } else {
            self.look_again(ix, now.after(lag));
        }
    }

    /// Whether a person must look at the operation.
    pub fn is_parked(&self, operation: OperationId) -> bool {
        self.ledger
            .operations
            .get(&operation)
            .is_some_and(|state| state.phases.contains(&Phase::Parked))
    }

    /// A person looked at a parked operation. What happened is remembered as if the vendor had confirmed it: nothing else can tell of write-only values.
    pub(super) fn resolved(&mut self, operation: OperationId, happened: bool, now: Timestamp) {
        let Some(state) = self.ledger.operations.get(&operation) else {
            return;
        };
        let parked: Vec<PhoneId> = state
            .intent
            .phones
            .iter()
            .zip(&state.phases)
            .filter(|(_, phase)| **phase == Phase::Parked)
            .map(|(phone, _)| phone.clone())
            .collect();
        if happened && let Some(account) = self.account_of(operation) {
            self.confirm(account, operation, &parked, now);
        }
        let moves = parked
            .into_iter()
            .map(|phone| (phone, PhaseEvent::Resolved(happened)))
            .collect();
        self.moved(operation, moves, now);
    }
}
