//! I3: costly work at most once per intent; ambiguity waits for a person.
//!
//! Invariants: a second sending counts only while the first had its effect, or may still have it, and nothing changed the phone behind our back since.
//! A copy that a proxy made of an order that the vendor had refused is nobody's fault. Not here: work that costs nothing (`flight`).

use super::{Check, Invariant};
use crate::model::id::{OperationId, PhoneId, PhoneKey};
use crate::model::operation::PhaseEvent;
use crate::model::record::Record;
use crate::rehearsal::monitor::{Happening, Job, View};
use crate::sim::witness::Fact;
use crate::transport::Effect;
use std::collections::{BTreeMap, BTreeSet};

/// I3, with the last costly operation that had its effect on each phone.
#[derive(Default)]
pub(super) struct CostlyOnce {
    done: BTreeMap<PhoneKey, OperationId>,
    /// Operations of which the client was told that nothing was done on a phone.
    refused: BTreeSet<(OperationId, PhoneId)>,
}

impl Check for CostlyOnce {
    fn invariant(&self) -> Invariant {
        Invariant::CostlyOnce
    }

    fn see(&mut self, happening: &Happening<'_>, view: &View, find: &mut dyn FnMut(String)) {
        match happening {
            Happening::World {
                account,
                fact: Fact::Ended {
                    job, effect: true, ..
                },
                ..
            } => {
                let Some(job) = view.jobs.get(&((*account).clone(), *job)) else {
                    return;
                };
                if let Some(operation) = self.known(job).filter(|_| job.costly) {
                    self.done.insert(job.phone.clone(), operation);
                }
            }
            Happening::World {
                account,
                fact: Fact::Changed { phone },
                ..
            } => {
                self.done.remove(&PhoneKey {
                    account: (*account).clone(),
                    phone: phone.as_str().into(),
                });
            }
            Happening::Durable(records) => {
                for record in records.iter() {
                    self.durable(record, view);
                }
            }
            Happening::Leaves(number) => self.leaves(*number, view, find),
            _ => {}
        }
    }
}

impl CostlyOnce {
    fn durable(&mut self, record: &Record, view: &View) {
        if let Record::Renamed {
            identity, from, to, ..
        } = record
            && let Some((old, new)) = view.renamed(identity, from, to)
            && let Some(operation) = self.done.remove(&old)
        {
            self.done.insert(new, operation);
        }
        let Record::Moved {
            operation, moves, ..
        } = record
        else {
            return;
        };
        let refused = moves
            .iter()
            .filter(|(_, event)| *event == PhaseEvent::Refused);
        self.refused
            .extend(refused.map(|(phone, _)| (*operation, phone.clone())));
    }

    /// The operation that a job carries out, unless the client was told that nothing was done and a proxy sent the order again.
    fn known(&self, job: &Job) -> Option<OperationId> {
        let told_no = |operation: &OperationId| {
            job.copy
                && self
                    .refused
                    .contains(&(*operation, job.phone.phone.clone()))
        };
        job.operation.filter(|operation| !told_no(operation))
    }

    fn leaves(&self, number: u64, view: &View, find: &mut dyn FnMut(String)) {
        let Some(request) = view
            .requests
            .get(&number)
            .filter(|request| request.effect == Effect::Mutation)
        else {
            return;
        };
        // What the vendor's own table calls costly counts, not what the program thinks of it.
        let Some(intent) = request
            .operation
            .and_then(|operation| view.intents.get(&operation))
            .filter(|intent| super::scope::costs(intent, view))
        else {
            return;
        };
        for phone in intent.phones.iter() {
            let Some(key) = view.key(intent, phone) else {
                continue;
            };
            let open = view
                .jobs_on(&key)
                .filter(|(_, job)| job.costly && job.is_open())
                .filter_map(|(_, job)| self.known(job));
            let earlier = self.done.get(&key).copied().into_iter().chain(open);
            for earlier in earlier.filter(|id| *id != intent.operation) {
                let same = view.intents.get(&earlier).is_some_and(|other| {
                    other.call == intent.call && other.writes == intent.writes
                });
                if same {
                    find(format!(
                        "{key}: {} repeats the costly {earlier}, which was carried out or may still be",
                        intent.operation
                    ));
                }
            }
        }
    }
}
