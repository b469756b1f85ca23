//! I13 eventually stable, I14 isolation, I15 stop means stop, I16 determinism, I17 no secret escapes.
//!
//! Invariants: a phone may differ in the end only where the program tells a person why. Not here: how long a run waits for its end (`run`).

use super::{Check, Invariant};
use crate::model::stamp::Timestamp;
use crate::rehearsal::monitor::{Happening, View};
use crate::transport::Effect;
use std::time::Duration;

/// Once in a run a batch may be held so long for phones that are about to join it: three polls. Less is no delay that anybody could tell from chance.
const HOLD: Duration = Duration::from_secs(18);
/// After a stop the process is gone within this time.
const GONE: Duration = Duration::from_secs(5);

/// I13, with whether all is quiet.
#[derive(Default)]
pub(super) struct Stable {
    quiet: bool,
}

impl Check for Stable {
    fn invariant(&self) -> Invariant {
        Invariant::Stable
    }

    fn see(&mut self, happening: &Happening<'_>, view: &View, find: &mut dyn FnMut(String)) {
        match happening {
            Happening::Judged {
                phone,
                differing,
                excuse: None,
            } if !differing.is_empty() => {
                find(format!(
                    "{phone}: {} not as wished, and nobody is told",
                    differing.join(", ")
                ));
            }
            Happening::Quiet => self.quiet = true,
            Happening::Leaves(number) if self.quiet => {
                let intent = view
                    .requests
                    .get(number)
                    .filter(|request| request.effect == Effect::Mutation && request.order)
                    .and_then(|request| view.intents.get(&request.operation?));
                let Some(intent) = intent else { return };
                // A phone that restarted by itself is noticed by the next routine reading, and what cannot be read back is written once more.
                let noticed = view.settings.read_interval * 2;
                let awaited = |phone| {
                    view.key(intent, phone).is_some_and(|key| {
                        let changed = view.changed.get(&key);
                        view.excused.contains(&key)
                            || changed.is_some_and(|at| view.now.since(*at) < noticed)
                    })
                };
                if !intent.phones.iter().all(awaited) {
                    find(format!(
                        "{} is sent though everything was as wished and nothing changed",
                        intent.operation
                    ));
                }
            }
            _ => {}
        }
    }
}

/// I14.
pub(super) struct Isolation;

impl Check for Isolation {
    fn invariant(&self) -> Invariant {
        Invariant::Isolation
    }

    fn see(&mut self, happening: &Happening<'_>, _view: &View, find: &mut dyn FnMut(String)) {
        if let Happening::Isolation(alone, beside) = happening
            && *beside > *alone + (*alone / 10).max(HOLD)
        {
            find(format!(
                "healthy phones took {beside:?} beside failing ones, {alone:?} without them"
            ));
        }
    }
}

/// I15, with when the stop was asked for.
#[derive(Default)]
pub(super) struct Stop {
    asked: Option<Timestamp>,
}

impl Check for Stop {
    fn invariant(&self) -> Invariant {
        Invariant::Stop
    }

    fn see(&mut self, happening: &Happening<'_>, view: &View, find: &mut dyn FnMut(String)) {
        match happening {
            Happening::StopAsked => self.asked = Some(view.now),
            Happening::Died | Happening::Opened(_) => self.asked = None,
            Happening::Stopped => {
                if let Some(asked) = self.asked.take()
                    && view.now.since(asked) > GONE
                {
                    find(format!("the stop took {:?}", view.now.since(asked)));
                }
            }
            Happening::Leaves(number) if self.asked.is_some_and(|asked| view.now > asked) => {
                let mutates = view
                    .requests
                    .get(number)
                    .is_some_and(|request| request.effect == Effect::Mutation);
                if mutates {
                    find(format!("request {number} leaves after the stop"));
                }
            }
            _ => {}
        }
    }
}

/// I16.
pub(super) struct Determinism;

impl Check for Determinism {
    fn invariant(&self) -> Invariant {
        Invariant::Determinism
    }

    fn see(&mut self, happening: &Happening<'_>, _view: &View, find: &mut dyn FnMut(String)) {
        if let Happening::Hashes(first, second) = happening
            && first != second
        {
            find(format!(
                "one scenario gave the traces {first:016x} and {second:016x}"
            ));
        }
    }
}

/// I17.
pub(super) struct Secrets;

impl Check for Secrets {
    fn invariant(&self) -> Invariant {
        Invariant::Secrets
    }

    fn see(&mut self, happening: &Happening<'_>, view: &View, find: &mut dyn FnMut(String)) {
        let Happening::Text(place, text) = happening else {
            return;
        };
        if view.canaries.iter().any(|canary| text.contains(&**canary)) {
            find(format!("a secret stands in {place}"));
        }
    }
}
