//! I2 intent before effect, I4 no invented and no orphaned job, I5 no superseded write.
//!
//! Invariants: what counts as intended is what the durable image says at that moment. Not here: when an intent may be repeated (`flight`, `costly`).

use super::{Check, Invariant};
use crate::model::id::{JobId, OperationId, PhoneId, PhoneKey};
use crate::model::operation::PhaseEvent;
use crate::model::record::Record;
use crate::model::stamp::Timestamp;
use crate::rehearsal::monitor::{Happening, Job, Request, View};
use crate::sim::witness::{End, Fact};
use crate::transport::Effect;
use std::time::Duration;

/// Between a durable intent and its request lies no waiting.
const AT_ONCE: Duration = Duration::from_millis(2);

/// I2: when a mutating request leaves, the durable image holds its intent, and it leaves once.
pub(super) struct IntentFirst;

impl Check for IntentFirst {
    fn invariant(&self) -> Invariant {
        Invariant::IntentFirst
    }

    fn see(&mut self, happening: &Happening<'_>, view: &View, find: &mut dyn FnMut(String)) {
        match happening {
            Happening::Ordered {
                order,
                operation: None,
                ..
            } => find(format!(
                "{} on {} phones is ordered, and no durable intent says so",
                order.call,
                order.phones.len()
            )),
            Happening::Leaves(number) => {
                let Some(request) = view.requests.get(number) else {
                    return;
                };
                if request.effect != Effect::Mutation || !request.order {
                    return;
                }
                let Some(operation) = request.operation else {
                    return;
                };
                let again = view
                    .sent
                    .get(&operation)
                    .into_iter()
                    .flatten()
                    .filter_map(|other| view.requests.get(other))
                    .filter(|other| other.effect == Effect::Mutation)
                    .count();
                if again > 1 {
                    find(format!("{operation} is sent {again} times"));
                }
                let prepared = prepared(request, *number, view);
                let waited = view.intended_at.get(&operation).map(|durable| {
                    request
                        .left
                        .since((*durable).max(prepared.unwrap_or(*durable)))
                });
                if let Some(waited) = waited.filter(|waited| *waited > AT_ONCE) {
                    find(format!("{operation} is sent {waited:?} after its intent"));
                }
            }
            _ => {}
        }
    }
}

/// Where a vendor's calls wait for others (for a token, for what is stored there or looked up first): when the last of the account's calls before this one was answered.
fn prepared(request: &Request, number: u64, view: &View) -> Option<Timestamp> {
    let account = view.accounts.get(&request.account)?;
    let intent = view.intents.get(&request.operation?)?;
    let call = account.capabilities.call(&intent.call);
    if !account.capabilities.leaves_late && call.is_none_or(|call| call.requests < 2) {
        return None;
    }
    // Of one that takes as long as a request may: its own, or another order's that stores the same.
    let last = view.requests.range(..number).rev().take(1_000);
    last.map(|(_, other)| other)
        .filter(|other| other.account == request.account)
        .filter_map(|other| other.answered)
        .max()
}

/// I4: no job without a durable operation, no operation closed over a job that was accepted.
pub(super) struct NoOrphan;

impl Check for NoOrphan {
    fn invariant(&self) -> Invariant {
        Invariant::NoOrphan
    }

    fn see(&mut self, happening: &Happening<'_>, view: &View, find: &mut dyn FnMut(String)) {
        match happening {
            Happening::World {
                account,
                fact:
                    Fact::Accepted {
                        job,
                        phone,
                        mutates: true,
                        ..
                    },
                by: Some((request, _)),
            } => {
                let operation = view
                    .requests
                    .get(request)
                    .and_then(|request| request.operation);
                let known = operation
                    .and_then(|operation| view.intents.get(&operation))
                    .is_some_and(|intent| intent.phones.iter().any(|id| id.as_str() == phone));
                if !known {
                    find(format!(
                        "{account}/{phone}: job {job} was started, and no durable operation asks for it"
                    ));
                }
            }
            Happening::Acknowledged(records) => {
                for record in *records {
                    let Record::Moved {
                        operation, moves, ..
                    } = record
                    else {
                        continue;
                    };
                    for (phone, event) in moves {
                        moved(*operation, phone, event, view, find);
                    }
                }
            }
            _ => {}
        }
    }
}

fn moved(
    operation: OperationId,
    phone: &PhoneId,
    event: &PhaseEvent,
    view: &View,
    find: &mut dyn FnMut(String),
) {
    let Some(key) = view
        .intents
        .get(&operation)
        .and_then(|intent| view.key(intent, phone))
    else {
        return;
    };
    match event {
        PhaseEvent::Accepted(job) | PhaseEvent::Found(job) => {
            adopted(operation, &key, job, view, find);
        }
        PhaseEvent::Refused => {
            // A job that failed before the answer was written is told as a refusal.
            let begun = ours(operation, &key, view)
                .find(|(_, job)| !matches!(job.end, Some((_, End::Failed, _))));
            if let Some((job, _)) = begun {
                find(format!(
                    "{key}: {operation} counts as refused, but job {job} of it was started"
                ));
            }
        }
        PhaseEvent::Failed => {
            let failed = |job: &Job| matches!(job.end, Some((_, End::Failed, _)));
            // Where a proxy sent the order twice, nobody can know which of its two jobs is the one that is told.
            let any_failed = view
                .jobs_on(&key)
                .any(|(_, job)| job.operation == Some(operation) && failed(job));
            let ended_well = ours(operation, &key, view).find(|(_, job)| !failed(job));
            if let Some((job, found)) = ended_well.filter(|_| !any_failed) {
                find(format!(
                    "{key}: {operation} counts as failed, but job {job} stands at {:?}",
                    found.end
                ));
            }
        }
        PhaseEvent::Done
        | PhaseEvent::Exists(_)
        | PhaseEvent::Lost
        | PhaseEvent::Succeeded
        | PhaseEvent::Verified
        | PhaseEvent::NoEffect
        | PhaseEvent::Settled
        | PhaseEvent::Parked
        | PhaseEvent::Resolved(_) => {}
    }
}

/// Jobs of an operation on a phone, without those of copies that a proxy made.
pub(super) fn ours<'a>(
    operation: OperationId,
    key: &'a PhoneKey,
    view: &'a View,
) -> impl Iterator<Item = (u64, &'a Job)> {
    view.jobs_on(key)
        .filter(move |(_, job)| job.operation == Some(operation) && !job.copy)
}

fn adopted(
    operation: OperationId,
    key: &PhoneKey,
    job: &JobId,
    view: &View,
    find: &mut dyn FnMut(String),
) {
    let mut jobs = view
        .jobs_on(key)
        .filter(|(_, job)| job.operation == Some(operation))
        .peekable();
    if ours(operation, key, view).next().is_none() && view.names(key, job.as_str(), 0) {
        // It ended before any job of it began (a copy of it may have come first), and the vendor has a name for that.
    } else if jobs.peek().is_none() && came_late(operation, key, job, view) {
        // An order that was refused and made again has the same words: a proxy's late copy of the refused one cannot be told from it.
    } else if jobs.peek().is_none() {
        find(format!(
            "{key}: {operation} follows job {job}, but has none there"
        ));
    } else if !jobs.any(|(number, _)| view.names(key, job.as_str(), number)) {
        find(format!(
            "{key}: {operation} follows job {job}, which is not its own"
        ));
    }
}

/// Whether the job is that of a proxy's copy of another order that wrote the same.
fn came_late(operation: OperationId, key: &PhoneKey, job: &JobId, view: &View) -> bool {
    let words = |id: OperationId| {
        let intent = view.intents.get(&id)?;
        Some((&intent.call, &intent.writes))
    };
    view.jobs_on(key)
        .filter(|(number, found)| found.copy && view.names(key, job.as_str(), *number))
        .filter_map(|(_, found)| found.operation)
        .any(|other| words(other).is_some() && words(other) == words(operation))
}

/// I5: nothing of an older revision starts after a newer one was taken.
pub(super) struct NotSuperseded;

impl Check for NotSuperseded {
    fn invariant(&self) -> Invariant {
        Invariant::NotSuperseded
    }

    fn see(&mut self, happening: &Happening<'_>, view: &View, find: &mut dyn FnMut(String)) {
        let Happening::Acknowledged(records) = happening else {
            return;
        };
        let Some(fleet) = &view.fleet else { return };
        for record in *records {
            if let Record::Intended(intent) = record
                && intent.revision != fleet.revision
            {
                find(format!(
                    "{} is of revision {}, but {} was taken before",
                    intent.operation, intent.revision, fleet.revision
                ));
            }
        }
    }
}
