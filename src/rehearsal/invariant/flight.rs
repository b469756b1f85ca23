//! I1 single flight, and I8 settle.
//!
//! Invariants: a job that hangs for ever counts as over; a copy that a proxy made of a request is nobody's fault. Not here: costly work (`costly`).

use super::{Check, Invariant};
use crate::model::id::{AccountName, OperationId, PhoneId, PhoneKey};
use crate::model::operation::{Intent, Phase, PhaseEvent};
use crate::model::record::Record;
use crate::rehearsal::monitor::{Happening, Job, View};
use crate::sim::witness::Fact;
use crate::transport::Effect;
use std::time::Duration;

/// I1: never two open mutating jobs of ours on one phone.
pub(super) struct SingleFlight;

impl Check for SingleFlight {
    fn invariant(&self) -> Invariant {
        Invariant::SingleFlight
    }

    fn see(&mut self, happening: &Happening<'_>, view: &View, find: &mut dyn FnMut(String)) {
        match happening {
            Happening::World {
                account,
                fact:
                    Fact::Clashed {
                        phone,
                        job,
                        hung: false,
                    },
                by: Some((request, 0)),
            } => {
                let (open, asked) = (
                    view.jobs.get(&((*account).clone(), *job)),
                    view.requests.get(request),
                );
                let (Some(open), Some(asked)) = (open, asked) else {
                    return;
                };
                // A phone that got another code is another one, where the vendor does not tell of it.
                let same = open.phone.phone.as_str() == phone.as_str();
                let ours = same
                    && asked.effect == Effect::Mutation
                    && asked.operation.is_some_and(|operation| {
                        !arrived_as_copy(operation, account, &phone.as_str().into(), view)
                    });
                let behind = open
                    .operation
                    .is_some_and(|operation| came_behind_its_copy(operation, open, view));
                if ours
                    && open.mutates
                    && open.operation != asked.operation
                    && !open.copy
                    && !behind
                {
                    find(format!(
                        "{phone}: {} was sent while job {job} of {} is open",
                        named(asked.operation),
                        named(open.operation)
                    ));
                }
            }
            Happening::Acknowledged(records) => {
                for record in *records {
                    if let Record::Intended(intent) = record {
                        two_at_once(intent, view, find);
                    }
                }
            }
            _ => {}
        }
    }
}

fn two_at_once(intent: &Intent, view: &View, find: &mut dyn FnMut(String)) {
    for phone in intent.phones.iter() {
        let Some(history) = view.durable.history(&intent.identity, phone) else {
            continue;
        };
        let others = history.open.keys().filter(|id| **id != intent.operation);
        for state in others.filter_map(|id| view.durable.operations.get(id)) {
            let holds = state
                .position(phone)
                .is_some_and(|at| state.phases[at].holds_phone());
            if holds {
                find(format!(
                    "{phone}: {} is intended while {} holds the phone",
                    intent.operation, state.intent.operation
                ));
            }
        }
    }
}

fn named(operation: Option<OperationId>) -> String {
    operation.map_or_else(|| "no operation".to_owned(), |id| id.to_string())
}

/// I8: a write in doubt is repeated only after request life and job deadline of the one before it.
pub(super) struct Settle;

impl Check for Settle {
    fn invariant(&self) -> Invariant {
        Invariant::Settle
    }

    fn see(&mut self, happening: &Happening<'_>, view: &View, find: &mut dyn FnMut(String)) {
        match happening {
            Happening::Leaves(number) => left_too_early(*number, view, find),
            Happening::Acknowledged(records) => {
                for record in *records {
                    let Record::Moved {
                        operation, moves, ..
                    } = record
                    else {
                        continue;
                    };
                    let settled = moves.iter().any(|(_, event)| *event == PhaseEvent::Settled);
                    if settled {
                        settled_too_early(*operation, view, find);
                    }
                }
            }
            _ => {}
        }
    }
}

/// No request of an earlier operation on one of these phones may still arrive.
fn left_too_early(number: u64, view: &View, find: &mut dyn FnMut(String)) {
    let Some(request) = view.requests.get(&number) else {
        return;
    };
    let Some(intent) = request
        .operation
        .filter(|_| request.effect == Effect::Mutation)
        .and_then(|operation| view.intents.get(&operation))
    else {
        return;
    };
    let under_way = view.under_way.range(..number);
    for other in under_way.filter_map(|other| view.requests.get(other)) {
        let earlier = other
            .operation
            .filter(|id| *id != intent.operation)
            .filter(|_| other.account == request.account && other.effect == Effect::Mutation)
            .and_then(|id| view.intents.get(&id));
        let Some(earlier) = earlier else { continue };
        let mut both = intent
            .phones
            .iter()
            .filter(|id| earlier.phones.contains(id));
        // Where a proxy's copy began the job, nobody can know that the request itself comes later.
        if let Some(phone) =
            both.find(|id| !arrived_as_copy(earlier.operation, &request.account, id, view))
        {
            find(format!(
                "{phone}: {} leaves while the request of {} may still arrive",
                intent.operation, earlier.operation
            ));
        }
    }
}

fn arrived_as_copy(
    operation: OperationId,
    account: &AccountName,
    phone: &PhoneId,
    view: &View,
) -> bool {
    let key = PhoneKey {
        account: account.clone(),
        phone: phone.clone(),
    };
    let numbers = view.jobs_of.get(&key).into_iter().flatten();
    numbers
        .filter_map(|number| view.jobs.get(&(account.clone(), *number)))
        .any(|job| job.copy && job.operation == Some(operation))
}

/// Whether a proxy's copy of the operation's request had begun a job on the phone before, and the request itself began this one after its answer was given up:
/// the client follows the copy's, and cannot know of another.
pub(super) fn came_behind_its_copy(operation: OperationId, job: &Job, view: &View) -> bool {
    let copied = view.jobs_on(&job.phone).any(|(_, other)| {
        other.copy && other.operation == Some(operation) && other.since <= job.since
    });
    let mut numbers = view.sent.get(&operation).into_iter().flatten();
    copied
        && numbers.all(|number| {
            let answered = view
                .requests
                .get(number)
                .and_then(|request| request.answered);
            answered.is_none_or(|at| at <= job.since)
        })
}

fn settled_too_early(operation: OperationId, view: &View, find: &mut dyn FnMut(String)) {
    let Some(intent) = view.intents.get(&operation) else {
        return;
    };
    let last = view
        .sent
        .get(&operation)
        .into_iter()
        .flatten()
        .filter_map(|number| view.requests.get(number))
        .map(|request| request.left)
        .max();
    let due = last.map(|left| left.after(life(intent, view)));
    if let Some(due) = due.filter(|due| view.now < *due) {
        find(format!(
            "{operation} counts as settled at {}, {:?} before its time",
            view.now,
            due.since(view.now)
        ));
    }
    for phone in intent.phones.iter() {
        let Some(key) = view.key(intent, phone) else {
            continue;
        };
        let open = view
            .jobs_on(&key)
            .find(|(_, job)| job.operation == Some(operation) && job.is_open() && !job.copy);
        let closed = closed_as_settled(operation, phone, view);
        if let (Some((job, _)), true) = (open, closed) {
            find(format!(
                "{phone}: {operation} counts as settled while its job {job} is open"
            ));
        }
    }
}

/// Whether the operation is no longer open on the phone.
fn closed_as_settled(operation: OperationId, phone: &PhoneId, view: &View) -> bool {
    view.durable.operations.get(&operation).is_none_or(|state| {
        state
            .position(phone)
            .is_some_and(|at| matches!(state.phases[at], Phase::Closed(_)))
    })
}

/// How long after its request an operation may still begin or end something.
fn life(intent: &Intent, view: &View) -> Duration {
    use crate::model::capability::DeadlineClass;
    let class = view
        .account_of(&intent.identity)
        .and_then(|(_, account)| account.capabilities.call(&intent.call))
        .map_or(DeadlineClass::Settings, |call| call.deadline);
    let settings = &view.settings;
    settings.request_life
        + match class {
            DeadlineClass::Settings => settings.settings_deadline,
            DeadlineClass::Apps => settings.apps_deadline,
            DeadlineClass::Image => settings.image_deadline,
        }
}
