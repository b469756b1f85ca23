//! I3: costly work at most once per intent; ambiguity waits for a person.
//!
//! Invariants: a second sending counts only while the first had its effect, or may still have it, and nothing changed the phone behind our back since.
//! Not here: work that costs nothing (`flight`).

use super::{Check, Invariant};
use crate::model::id::{OperationId, PhoneKey};
use crate::rehearsal::monitor::{Happening, View};
use crate::sim::witness::Fact;
use crate::transport::Effect;
use std::collections::BTreeMap;

/// I3, with the last costly operation that had its effect on each phone.
#[derive(Default)]
pub(super) struct CostlyOnce {
    done: BTreeMap<PhoneKey, OperationId>,
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
                if let Some(operation) = job.operation.filter(|_| job.costly) {
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
            Happening::Leaves(number) => self.leaves(*number, view, find),
            _ => {}
        }
    }
}

impl CostlyOnce {
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
                .filter_map(|(_, job)| job.operation);
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
