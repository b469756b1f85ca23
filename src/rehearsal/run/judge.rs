//! How things stand at moments of a run: what differs, what is excused, what a person does about it, and the outcome.
//!
//! Invariants: looked at from the world's side; the program is asked only for its reasons. Not here: when it is looked (`run`).

use super::{Outcome, Run};
use crate::controller::core::Event;
use crate::model::condition::{Actor, Reason};
use crate::model::id::{AccountName, OperationId, PhoneId, PhoneKey};
use crate::model::operation::{Intent, Phase};
use crate::model::record::Ledger;
use crate::plan::render;
use crate::rehearsal::invariant::Invariant;
use crate::rehearsal::monitor::Happening;
use crate::rehearsal::network::{Network, lock};
use crate::rehearsal::scenario::BEGINNING;
use crate::rehearsal::truth::fingerprint;
use std::collections::{BTreeMap, BTreeSet};

impl Run {
    /// Every phone is as wished or waits for a person, and no operation is open but parked ones.
    pub(super) fn is_settled(&self) -> bool {
        let Some(process) = &self.process else {
            return false;
        };
        let open = !self.open(process.driver.core().ledger()).is_empty();
        // A phone that is away comes back.
        let here = self.worlds.iter().zip(&self.scenario.accounts);
        let mut here = here.map(|((_, world), plan)| wide(world.phones().len()) >= plan.phones);
        !open
            && here.all(|all| all)
            && self.standing().iter().all(|(key, differing, excuse)| {
                // A phone that was away may have lost what cannot be read: it is seen again first.
                let report = process.driver.core().report(key);
                let seen = report
                    .is_some_and(|report| report.sight.listed.is_some() && !report.sight.absent);
                seen && (differing.is_empty() || excuse.is_some())
            })
    }

    /// The program has nothing left to do by itself. What cannot be read it may have to write once more where the world is as wished already; it is given the time,
    /// not believed: quiet comes without it in the end.
    pub(super) fn has_no_steps(&self) -> bool {
        self.process
            .as_ref()
            .is_some_and(|process| process.driver.core().counts().steps_left == 0)
    }

    /// What is still open on phones that are there, but for what waits for a person.
    fn open(&self, ledger: &Ledger) -> Vec<String> {
        let monitor = self.network.monitor();
        let here = |intent: &Intent, phone: &PhoneId| {
            let world = |key: PhoneKey| self.worlds.get(&key.account)?.phone(key.phone.as_str());
            monitor.view.key(intent, phone).and_then(world).is_some()
        };
        let mut open = Vec::new();
        for state in ledger.operations.values() {
            let phones = state.intent.phones.iter().zip(&state.phases);
            for (phone, phase) in phones {
                if !phase.is_closed() && *phase != Phase::Parked && here(&state.intent, phone) {
                    open.push(format!("{} on {phone}: {phase:?}", state.intent.operation));
                }
            }
        }
        open
    }

    /// Managed phones: what differs, and why the program says that it stays so.
    pub(super) fn standing(&self) -> Vec<(PhoneKey, Vec<String>, Option<String>)> {
        let monitor = self.network.monitor();
        let view = &monitor.view;
        let mut all = Vec::new();
        for (account, world) in &self.worlds {
            for id in world.phones() {
                let key = PhoneKey {
                    account: account.clone(),
                    phone: id.as_str().into(),
                };
                let Some(desired) = crate::rehearsal::invariant::desired(&key, view) else {
                    continue;
                };
                let differing: Vec<String> = desired
                    .attributes
                    .iter()
                    .filter(|(attribute, wanted)| {
                        view.holds(&key, attribute, &wanted.wish) == Some(false)
                    })
                    .map(|(attribute, _)| attribute.to_string())
                    .collect();
                let excuse = if differing.is_empty() {
                    None
                } else {
                    self.excuse(&key)
                };
                all.push((key, differing, excuse));
            }
        }
        all
    }

    pub(super) fn excuse(&self, key: &PhoneKey) -> Option<String> {
        let report = self.process.as_ref()?.driver.core().report(key)?;
        let waiting = report
            .plan
            .waiting
            .iter()
            .find(|waiting| accepted(waiting.reason))?;
        Some(format!("{:?}", waiting.reason))
    }

    pub(super) fn judge(&mut self) {
        let now = self.now();
        let standing = self.standing();
        let mut monitor = self.network.monitor();
        let mut waiting = 0;
        let mut waiting_for = BTreeMap::new();
        for (phone, differing, excuse) in &standing {
            waiting += u64::from(excuse.is_some());
            if let Some(excuse) = excuse {
                waiting_for.insert(phone.clone(), excuse.clone());
            }
            monitor.happen(
                now,
                &Happening::Judged {
                    phone,
                    differing,
                    excuse: excuse.clone(),
                },
            );
        }
        drop(monitor);
        let open = self.process.as_ref();
        let open = open.map(|process| self.open(process.driver.core().ledger()));
        for open in open.unwrap_or_default() {
            let problem = format!("{open} after everything should be over");
            self.network.monitor().violate(Invariant::Stable, problem);
        }
        self.waiting = waiting;
        self.waiting_for = waiting_for;
        let after = self.unmanaged();
        let changed: Vec<&PhoneKey> = self
            .untouched
            .iter()
            .filter(|(key, before)| after.get(*key).is_some_and(|after| after != *before))
            .map(|(key, _)| key)
            .collect();
        let mut monitor = self.network.monitor();
        for key in changed {
            if !monitor.view.changed.contains_key(key) {
                monitor.happen(now, &Happening::Touched(key));
            }
        }
    }

    /// Phones that nobody manages, as they stand.
    pub(super) fn unmanaged(&self) -> BTreeMap<PhoneKey, String> {
        let mut all = BTreeMap::new();
        for (plan, excluded) in self.scenario.accounts.iter().zip(&self.parts.excluded) {
            let account = AccountName::new(plan.name);
            let Some(world) = self.worlds.get(&account) else {
                continue;
            };
            for id in excluded {
                if let Some(phone) = world.phone(id) {
                    let key = PhoneKey {
                        account: account.clone(),
                        phone: id.as_str().into(),
                    };
                    all.insert(key, fingerprint(&phone));
                }
            }
        }
        all
    }

    /// Phones for which the program waits for something.
    pub(super) fn waiting_phones(&self) -> BTreeSet<PhoneKey> {
        let Some(process) = &self.process else {
            return BTreeSet::new();
        };
        let waits = |key: &PhoneKey| {
            let report = process.driver.core().report(key);
            report.is_some_and(|report| !report.plan.waiting.is_empty())
        };
        self.standing()
            .into_iter()
            .map(|(key, ..)| key)
            .filter(waits)
            .collect()
    }

    /// Phones that were always there must not count as gone.
    pub(super) fn look_for_absent(&self) {
        let Some(process) = &self.process else { return };
        let now = self.now();
        for (account, world) in &self.worlds {
            for id in world.phones() {
                if self.vanished.contains(&id) {
                    continue;
                }
                let key = PhoneKey {
                    account: account.clone(),
                    phone: id.as_str().into(),
                };
                let report = process.driver.core().report(&key);
                if report.is_some_and(|report| report.sight.absent) {
                    self.network
                        .monitor()
                        .happen(now, &Happening::Absent(&key, true));
                }
            }
        }
    }

    /// A person looks at parked operations and tells the truth.
    pub(super) fn operate(&mut self) {
        let Some(process) = &mut self.process else {
            return;
        };
        let parked: Vec<OperationId> = process
            .driver
            .core()
            .ledger()
            .operations
            .iter()
            .filter(|(_, state)| state.phases.contains(&Phase::Parked))
            .map(|(operation, _)| *operation)
            .collect();
        if parked.is_empty() {
            return;
        }
        let now = process.driver.now();
        for operation in parked {
            let happened = happened(&self.network, operation);
            process
                .driver
                .core_mut()
                .handle(Event::Resolved(operation, happened), now);
        }
        let result = process.driver.turn();
        let dead = process.life.is_dead();
        match result {
            Ok(()) => {}
            Err(_) if dead => self.dies(),
            Err(error) => self.failed(&error),
        }
    }

    /// What a person is shown at such a moment: the plan in its forms, and the status.
    pub(super) fn show(&mut self) {
        let Some(process) = &self.process else { return };
        let (core, theirs) = (process.driver.core(), process.driver.now());
        let plan = core.plan(theirs);
        let json = |told: serde_json::Result<String>| told.unwrap_or_default();
        let texts = [
            ("a plan", render::text(&plan)),
            ("a plan in markdown", render::markdown(&plan)),
            (
                "a plan in JSON",
                json(serde_json::to_string(&render::json(&plan))),
            ),
            (
                "the status",
                json(serde_json::to_string(&core.progress(theirs))),
            ),
        ];
        let now = self.now();
        let mut monitor = self.network.monitor();
        for (place, text) in &texts {
            monitor.happen(now, &Happening::Text(place, text));
        }
    }

    /// Where nothing went wrong, few calls gained nothing.
    pub(super) fn judge_calls(&mut self) {
        if !self.scenario.profile.switched_on().is_empty() || !self.scenario.mischief.is_empty() {
            return;
        }
        let (now, wasted) = (self.now(), self.wasted());
        let mut monitor = self.network.monitor();
        let calls = monitor.counts.requests;
        monitor.happen(now, &Happening::Calls(calls, wasted));
    }

    fn wasted(&self) -> u64 {
        let throttled = self.worlds.values().map(|world| world.report().throttled);
        throttled.sum::<u64>() + self.network.monitor().wasted()
    }

    /// Everything a person could read is searched for secrets.
    pub(super) fn read_everything(&mut self) {
        let now = self.now();
        let mut texts: Vec<String> = Vec::new();
        self.parts.image.texts(|text| texts.push(text.to_owned()));
        let mut monitor = self.network.monitor();
        for text in &texts {
            monitor.trace(text.as_bytes());
            monitor.happen(now, &Happening::Text("the journal", text));
        }
    }

    pub(super) fn outcome(self) -> Outcome {
        let standing = self
            .worlds
            .iter()
            .flat_map(|(account, world)| {
                let phones = world.phones().into_iter();
                phones.filter_map(move |id| {
                    let key = PhoneKey {
                        account: account.clone(),
                        phone: id.as_str().into(),
                    };
                    Some((key, fingerprint(&world.phone(&id)?)))
                })
            })
            .collect();
        let mut faults: BTreeMap<String, u64> = self
            .network
            .faults()
            .into_iter()
            .map(|(kind, count)| (kind.to_owned(), count))
            .collect();
        let mut jobs_by_call = BTreeMap::new();
        let mut costly = 0;
        for world in self.worlds.values() {
            let report = world.report();
            for (kind, count) in report.faults {
                *faults.entry(kind.to_string()).or_default() += count;
            }
            for (call, ends) in report.jobs {
                *jobs_by_call.entry(call.to_string()).or_default() += ends.submitted;
            }
            costly += report
                .costly
                .values()
                .map(|costly| u64::from(costly.restarts))
                .sum::<u64>();
        }
        let simulated = self.now().since(BEGINNING);
        let wasted = self.wasted();
        let writes = self.parts.writes.count();
        let monitor = self.network.shared_monitor();
        let mut monitor = lock(&monitor);
        let mut log = monitor.log.take();
        if let Some(log) = &mut log {
            log.ended(&self.worlds, self.waiting_for, &monitor.view);
        }
        Outcome {
            trace: monitor.hash(),
            violations: std::mem::take(&mut monitor.violations),
            simulated,
            requests: monitor.counts.requests,
            mutations: monitor.counts.mutations,
            jobs: monitor.counts.jobs,
            crashes: self.crashes,
            stops: self.stops,
            records: monitor.counts.records,
            writes,
            faults,
            calmed: self.calmed,
            waiting: self.waiting,
            standing,
            jobs_by_call,
            costly,
            log,
            callbacks: self.network.callbacks(),
            wasted,
            logged: 0,
        }
    }
}

fn wide(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Reasons for which a phone may stay as it is: a person was told, and has to do something.
fn accepted(reason: Reason) -> bool {
    reason.actor() == Actor::Operator
        && matches!(
            reason,
            Reason::UnknownOutcome | Reason::NoEffect | Reason::Contested | Reason::CostNotAllowed
        )
}

/// Whether an operation happened on any of its phones, as the world knows.
fn happened(network: &Network, operation: OperationId) -> bool {
    let monitor = network.monitor();
    let view = &monitor.view;
    let Some(intent) = view.intents.get(&operation) else {
        return false;
    };
    let done = view
        .jobs
        .values()
        .any(|job| job.operation == Some(operation) && matches!(job.end, Some((_, _, true))));
    done || intent.phones.iter().any(|phone| {
        view.key(intent, phone).is_some_and(|key| {
            !intent.writes.is_empty()
                && intent
                    .writes
                    .iter()
                    .all(|(attribute, wish)| view.holds(&key, attribute, wish) == Some(true))
        })
    })
}
