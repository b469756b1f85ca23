//! Callbacks on their last step: who is there to take them.
//!
//! Invariants: what arrives while no process lives is lost; who takes a callback cannot delay or change what else happens on the network. Not here: which messages
//! there are and what becomes of them on their way (`sim::callback`), what a process makes of them.

use super::network::Life;
use super::seam::Receiver;
use crate::model::id::AccountName;
use crate::sim::callback::Callback;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

/// Who takes callbacks, and how many came.
#[derive(Default)]
pub(super) struct Post {
    life: Weak<Life>,
    receiver: Option<Receiver>,
    taken: u64,
    dropped: u64,
    to_nobody: u64,
}

impl Post {
    /// Another process begins. The program has no ear of its own for callbacks yet: without a receiver they are dropped.
    pub(super) fn address(&mut self, life: &Arc<Life>, receiver: Option<Receiver>) {
        self.life = Arc::downgrade(life);
        self.receiver = receiver;
    }

    /// Whether anybody takes callbacks, so that it must be woken for them.
    pub(super) fn is_open(&self) -> bool {
        self.receiver.is_some() && self.lives()
    }

    fn lives(&self) -> bool {
        self.life.upgrade().is_some_and(|life| !life.is_dead())
    }

    /// Hands over what has arrived.
    pub(super) fn hand_over(&mut self, account: &AccountName, callbacks: &[Callback]) {
        let count = u64::try_from(callbacks.len()).unwrap_or(u64::MAX);
        match &self.receiver {
            _ if !self.lives() => self.to_nobody += count,
            None => self.dropped += count,
            Some(receiver) => {
                self.taken += count;
                for callback in callbacks {
                    receiver(account, callback);
                }
            }
        }
    }

    /// Callbacks that arrived, whoever took them.
    pub(super) fn arrived(&self) -> u64 {
        self.taken + self.dropped + self.to_nobody
    }

    /// Adds what was not taken to a report's faults.
    pub(super) fn report(&self, faults: &mut BTreeMap<&'static str, u64>) {
        let kinds = [
            ("callback dropped", self.dropped),
            ("callback while no process lived", self.to_nobody),
        ];
        faults.extend(kinds.into_iter().filter(|(_, count)| *count > 0));
    }
}
