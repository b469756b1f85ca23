//! What happens in the world, told as it happens: what simulations judge a client by.
//!
//! Invariants: nothing is kept until somebody watches; a fact is told at its moment, in the order of the world's course; what another client does is not told.
//! Not here: counts (`report`), what is right or wrong (`rehearsal`).

use super::job::{State, Work};
use super::world::World;
use crate::model::stamp::Timestamp;
use smol_str::SmolStr;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A job was accepted.
    Accepted {
        /// Its number.
        job: u64,
        /// The phone it is for.
        phone: SmolStr,
        /// The call that started it, as the vendor writes it.
        call: SmolStr,
        /// Whether it can change the phone.
        mutates: bool,
        /// Whether the phone restarts by it.
        costly: bool,
    },
    /// A job was asked for on a phone that has an open one; nothing was started.
    Clashed {
        /// The phone.
        phone: SmolStr,
        /// The open job.
        job: u64,
        /// The open job never ends by itself.
        hung: bool,
    },
    /// A job is over, or hangs from now on.
    Ended {
        /// Its number.
        job: u64,
        /// How.
        end: End,
        /// Whether the phone was changed by it.
        effect: bool,
    },
    /// A phone was changed behind the client's back.
    Changed {
        /// The phone.
        phone: SmolStr,
    },
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The vendor says it went well.
    Succeeded,
    /// The vendor says it failed, or waited in vain for its phone.
    Failed,
    /// It is shown as running for ever.
    Hung,
}

impl World {
    /// From now on what happens is told.
    pub fn watch(&mut self) {
        self.witness.get_or_insert_default();
    }

    /// What happened since this was asked last, with its moments.
    pub fn facts(&mut self) -> Vec<(Timestamp, Fact)> {
        self.witness
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// Tells a fact, if somebody watches.
    pub(super) fn tell(&mut self, fact: impl FnOnce(&Self) -> Fact) {
        if self.witness.is_none() {
            return;
        }
        let (now, fact) = (self.now, fact(self));
        if let Some(told) = &mut self.witness {
            told.push((now, fact));
        }
    }

    /// Tells that a job is over, or hangs.
    pub(super) fn tell_end(&mut self, job: u64, state: State, effect: bool) {
        let end = match state {
            State::Succeeded => End::Succeeded,
            State::Hung => End::Hung,
            State::Failed | State::TimedOut | State::Parked | State::Running | State::Cut => {
                End::Failed
            }
        };
        self.tell(|_| Fact::Ended { job, end, effect });
    }

    /// Tells that a job was accepted on a phone.
    pub(super) fn tell_accepted(&mut self, job: u64, index: u32, work: &Work) {
        self.tell(|world| Fact::Accepted {
            job,
            phone: world.at(index).id.clone(),
            call: SmolStr::new_static(work.name()),
            mutates: work.mutates(),
            costly: work.restarts(),
        });
    }
}
