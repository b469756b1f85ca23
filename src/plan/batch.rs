//! Batches: phones of one account due for the same payload become one order.
//!
//! Invariants: a phone is due for at most one payload; an order never holds more phones than the call takes; a partial batch is held only while phones that
//! will be due for the same payload have an open job, and never longer than the hold; phones that were due longest go first; the order of insertion of
//! equal keys does not matter (sorted by phone). Not here: what a phone is due for (`phone`), when calls may be made (`controller`).

use super::phone::Payload;
use crate::model::capability::Costs;
use crate::model::condition::Cause;
use crate::model::id::PhoneId;
use crate::model::stamp::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What batches are made by: payload, and what must be equal to be journaled as one operation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchKey {
    /// What is sent.
    pub payload: Arc<Payload>,
    /// What it costs.
    pub costs: Costs,
    /// Why (user-caused batches go before repairs).
    pub cause: Cause,
}

/// The phones of one account, by what they are due for. Kept up to date phone by phone.
#[derive(Clone, Debug, Default)]
pub struct Batches {
    due: BTreeMap<BatchKey, BTreeMap<PhoneId, Timestamp>>,
    coming: BTreeMap<BatchKey, BTreeSet<PhoneId>>,
    by_phone: BTreeMap<PhoneId, Standing>,
    /// Phones that are sent alone because a batch with them was refused as a whole: part number by phone.
    split: BTreeMap<PhoneId, u32>,
}

/// What a phone is due for now, or will be as soon as its open job has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Due now.
    pub due: Option<BatchKey>,
    /// Due once the open job has ended; the batch may wait for it.
    pub coming: Vec<BatchKey>,
}

/// A batch that may be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// What it is.
    pub key: BatchKey,
    /// Its phones, sorted.
    pub phones: Vec<PhoneId>,
}

impl Batches {
    /// Says where a phone stands; replaces what was said before.
    pub fn set(&mut self, phone: &PhoneId, standing: Standing, now: Timestamp) {
        unimplemented!(
            "{phone} {standing:?} {now} {:?}",
            self.due.len() + self.coming.len() + self.by_phone.len() + self.split.len()
        )
    }

    /// The next batch that may be sent: full ones first, then partial ones whose hold is over or for which nobody is coming; user-caused before repairs.
    /// Does not remove it: the phones' standing changes when their operation is open. `size` and `hold` tell a key's limits.
    pub fn ready(
        &self,
        now: Timestamp,
        size: impl Fn(&BatchKey) -> usize,
        hold: impl Fn(&BatchKey) -> Duration,
    ) -> Option<Ready> {
        unimplemented!(
            "{now} {} {:?}",
            self.due.keys().next().map_or(0, size),
            self.due.keys().next().map(hold)
        )
    }

    /// When the next held batch is released by time alone.
    pub fn next_release(&self, hold: impl Fn(&BatchKey) -> Duration) -> Option<Timestamp> {
        unimplemented!("{:?}", self.due.keys().next().map(hold))
    }

    /// A batch of these phones was refused as a whole because of one of them: from now on they go in halves, until the one is found.
    pub fn split(&mut self, phones: &[PhoneId]) {
        unimplemented!("{phones:?}")
    }

    /// This phone no longer needs to be sent apart.
    pub fn mend(&mut self, phone: &PhoneId) {
        self.split.remove(phone);
    }

    /// Whether nothing is due.
    pub fn is_idle(&self) -> bool {
        self.due.is_empty()
    }
}
