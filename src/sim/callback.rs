//! Callbacks: what a vendor tells unasked, of jobs that ended and of phones whose status changed, and what becomes of these messages on their way.
//!
//! Invariants: nothing is told until callbacks are registered; lots are drawn by counters of their own, so that nothing else in the world goes another way; a
//! message changes nothing and waits until it is fetched, the oldest gives way when there are too many. Not here: what stands in a message (`armcloud::callback`),
//! who fetches it.

use super::armcloud;
use super::course::Ended;
use super::faults::Kind;
use super::job::{Job, State, Work};
use super::phone::RUNNING;
use super::report::Report;
use super::world::World;
use crate::model::fleet::ProviderKind;
use crate::model::stamp::Timestamp;
use crate::time::delay::{hash, jitter};
use bytes::Bytes;
use smol_str::{SmolStr, format_smolstr};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Deliveries that wait to be fetched, at most.
const MOST: usize = 10_000;
/// A message that is doubled comes again so much later: five times in all.
const AGAIN: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_secs(5),
    Duration::from_secs(60),
    Duration::from_secs(300),
];
/// A forger knows so many of the newest jobs.
const KNOWN: usize = 64;

/// A message that reaches the address that was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// When.
    pub at: Timestamp,
    /// JSON, as the vendor documents it.
    pub body: Bytes,
    /// The fault that made this delivery; `None`: it is true and in time.
    pub fault: Option<Kind>,
}

/// What a message tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Notice<'a> {
    /// The phone's code.
    pub(super) phone: &'a str,
    /// When it happened.
    pub(super) at: Timestamp,
    /// What happened.
    pub(super) news: News<'a>,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub(super) enum News<'a> {
    /// A job ended.
    Job {
        id: u64,
        work: &'a Work,
        state: State,
        /// What a command printed, or why it failed.
        text: Option<&'a str>,
    },
    /// A phone's status or connection changed.
    Phone { status: i16, connected: bool },
}

/// Messages under way.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    registered: bool,
    /// Messages that jobs and phones caused, to number decisions.
    messages: u64,
    deliveries: u64,
    due: BTreeMap<(Timestamp, u64), Callback>,
    /// Status and connection of phones as told last; the others run and are connected.
    told: BTreeMap<u32, (i16, bool)>,
}

/// Writes a message; `None`: the vendor tells nothing of this.
type Writer = fn(&World, &Notice<'_>) -> Option<Bytes>;

/// Who writes a vendor's messages; `None`: no manual of the vendor's describes callbacks.
fn writer(kind: ProviderKind) -> Option<Writer> {
    match kind {
        ProviderKind::ArmCloud | ProviderKind::VmosCloud => Some(armcloud::callback),
        ProviderKind::VsPhone
        | ProviderKind::Alibaba
        | ProviderKind::KooPhone
        | ProviderKind::Zenlayer => None,
    }
}

/// Whether a vendor is known to send callbacks.
pub fn are_sent_by(kind: ProviderKind) -> bool {
    writer(kind).is_some()
}

impl Outbox {
    /// Puts a delivery on its way; whether another one had to give way.
    fn push(&mut self, callback: Callback) -> bool {
        self.deliveries += 1;
        self.due.insert((callback.at, self.deliveries), callback);
        self.due.len() > MOST && self.due.pop_first().is_some()
    }
}

impl World {
    /// From now on callbacks are sent, or no longer; what is under way arrives.
    pub fn register_callbacks(&mut self, on: bool) {
        self.outbox.registered = on && are_sent_by(self.spec.provider);
        self.outbox.told = (0_u32..)
            .zip(&self.phones)
            .map(|(index, phone)| (index, (phone.status, phone.connected)))
            .filter(|(_, stands)| *stands != (RUNNING, true))
            .collect();
    }

    /// Callbacks that have arrived and were not fetched yet, in order.
    pub fn callbacks(&mut self) -> Vec<Callback> {
        let mut arrived = Vec::new();
        while let Some(first) = self.outbox.due.first_entry() {
            if first.key().0 > self.now {
                break;
            }
            arrived.push(first.remove());
        }
        arrived
    }

    /// When the next callback arrives, of those that are under way.
    pub fn next_callback(&self) -> Option<Timestamp> {
        let ((at, _), _) = self.outbox.due.first_key_value()?;
        Some(*at)
    }

    /// A job is over, and the vendor knows it, whatever its lists say yet.
    pub(super) fn announce_end(&mut self, id: u64, state: State, ended: Option<&Ended>) {
        if !self.outbox.registered {
            return;
        }
        let Some(job) = self.job(id) else { return };
        let (work, phone) = (Arc::clone(&job.work), self.at(job.phone).id.clone());
        let text = match ended {
            Some(Ended::Ran(ran)) => Some(ran.all.as_str()),
            Some(Ended::Because(why)) => Some(*why),
            None => None,
        };
        self.send(&Notice {
            phone: &phone,
            at: self.now,
            news: News::Job {
                id,
                work: &work,
                state,
                text,
            },
        });
    }

    /// A phone's status or connection may have changed.
    pub(super) fn announce_status(&mut self, index: u32) {
        if !self.outbox.registered {
            return;
        }
        let phone = self.at(index);
        let (id, (status, connected)) = (phone.id.clone(), (phone.status, phone.connected));
        let before = self.outbox.told.insert(index, (status, connected));
        if before.unwrap_or((RUNNING, true)) == (status, connected) {
            return;
        }
        self.send(&Notice {
            phone: &id,
            at: self.now,
            news: News::Phone { status, connected },
        });
    }

    /// Sends a message, and what is added to it on the way.
    fn send(&mut self, notice: &Notice<'_>) {
        let Some(body) = self.write(notice) else {
            return;
        };
        let number = self.outbox.messages;
        self.outbox.messages += 1;
        self.report.callbacks += 1;
        let soon = self.now.after(self.way("callback", number));
        if self.befalls(Kind::CallbackForged, number)
            && let Some(forged) = self.forge(notice, number)
        {
            self.post(soon, &forged, Some(Kind::CallbackForged));
        }
        if self.befalls(Kind::CallbackForeign, number)
            && let Some(foreign) = self.foreign(notice, number)
        {
            self.post(soon, &foreign, Some(Kind::CallbackForeign));
        }
        if self.befalls(Kind::CallbackLost, number) {
            return;
        }
        let (at, fault) = match self.befalls(Kind::CallbackLate, number) {
            true => {
                let (span, seed) = (self.faults.callback_late_by.0, self.spec.seed);
                let late = jitter(span, 50, "callback late", number, seed);
                (soon.after(late), Some(Kind::CallbackLate))
            }
            false => (soon, None),
        };
        self.post(at, &body, fault);
        if self.befalls(Kind::CallbackDoubled, number) {
            for later in AGAIN {
                self.post(at.after(later), &body, Some(Kind::CallbackDoubled));
            }
        }
    }

    fn write(&self, notice: &Notice<'_>) -> Option<Bytes> {
        writer(self.spec.provider)?(self, notice)
    }

    fn post(&mut self, at: Timestamp, body: &Bytes, fault: Option<Kind>) {
        let body = body.clone();
        let gone = self.outbox.push(Callback { at, body, fault });
        self.report.callbacks_given_up += u64::from(gone);
    }

    fn way(&self, key: &str, number: u64) -> Duration {
        jitter(self.spec.latency, 25, key, number, self.spec.seed)
    }

    /// Rolls the dice for a fault of this message, and counts it. Forced faults and points of plans are for requests: these are not among them.
    fn befalls(&mut self, kind: Kind, number: u64) -> bool {
        let happens = self.faults.happens(kind, number, self.spec.seed);
        if happens {
            Report::count(&mut self.report.faults, kind.as_str());
        }
        happens
    }

    fn drawn(&self, key: &str, number: u64) -> u64 {
        hash(key, number, self.spec.seed)
    }

    /// A message that nobody's job caused. It tells of success: of a job that is under way, else of one that failed, or of one that
    /// does not exist yet.
    fn forge(&self, notice: &Notice<'_>, number: u64) -> Option<Bytes> {
        let draw = self.drawn("callback forged", number);
        let success = |phone: &str, id, work: &Work| {
            let news = News::Job {
                id,
                work,
                state: State::Succeeded,
                text: None,
            };
            let at = self.now;
            self.write(&Notice { phone, at, news })
        };
        if draw.is_multiple_of(2) {
            let newest = (self.first_job..self.next_job()).rev().take(KNOWN);
            let newest: Vec<(u64, &Job)> = newest
                .filter_map(|id| Some((id, self.job(id)?)))
                .filter(|(_, job)| job.state != State::Succeeded)
                .collect();
            let lies = [false, true].map(|over| {
                let jobs = newest.iter().filter(|(_, job)| job.ended.is_some() == over);
                let lie = |(id, job): &(u64, &Job)| success(&self.at(job.phone).id, *id, &job.work);
                jobs.filter_map(lie).collect::<Vec<Bytes>>()
            });
            if let Some(lies) = lies.into_iter().find(|lies| !lies.is_empty()) {
                let count = u64::try_from(lies.len()).unwrap_or(1);
                let place = usize::try_from(draw / 2 % count).unwrap_or(0);
                return lies.into_iter().nth(place);
            }
        }
        let unknown = self.next_job() + draw / 2 % 1_000;
        success(notice.phone, unknown, notice.work())
    }

    /// A message of another client's job: on this phone, or on one of another account.
    fn foreign(&self, notice: &Notice<'_>, number: u64) -> Option<Bytes> {
        let draw = self.drawn("callback foreign", number);
        let phone = match draw.is_multiple_of(2) {
            true => SmolStr::new(notice.phone),
            false => {
                let number = 5_000_000 + draw / 4 % 1_000_000;
                format_smolstr!("{}{number:07}", self.spec.phone_prefix)
            }
        };
        let state = match (draw / 2).is_multiple_of(2) {
            true => State::Succeeded,
            false => State::Failed,
        };
        self.write(&Notice {
            phone: &phone,
            at: self.now,
            news: News::Job {
                // The vendor's numbers are one row for all its clients; ours begin later.
                id: draw / 8 % 1_000_000,
                work: notice.work(),
                state,
                text: None,
            },
        })
    }
}

impl<'a> Notice<'a> {
    /// Work that a vendor would tell of in such a moment.
    fn work(&self) -> &'a Work {
        match self.news {
            News::Job { work, .. } => work,
            News::Phone { .. } => &Work::Restart,
        }
    }
}

#[cfg(test)]
mod tests;
