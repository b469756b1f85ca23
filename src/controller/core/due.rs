//! Phones that are due for a read, in the order in which they have their turn.
//!
//! Invariants: who has waited longest comes first; a phone whose jobs fail comes [`PATIENCE`] later than others that came with it, so that it takes no call from
//! them, and has its turn nevertheless. Not here: which reads a phone needs (`reading`), when a call may leave (`schedule`).

use super::PhoneIx;
use crate::model::stamp::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// So much later than others that are due with them come phones that straggle.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whoever is due has had its turn by then.
pub(super) const ANY_TURN: Timestamp = Timestamp(i64::MAX);

/// How much later its turn comes.
pub(super) fn patience(straggles: bool) -> Duration {
    match straggles {
        true => PATIENCE,
        false => Duration::ZERO,
    }
}

/// See the file's heading.
#[derive(Debug, Default)]
pub(super) struct Due {
    turns: BTreeSet<(Timestamp, PhoneIx)>,
    phones: BTreeMap<PhoneIx, Standing>,
}

#[derive(Clone, Copy, Debug)]
struct Standing {
    since: Timestamp,
    turn: Timestamp,
}

impl Due {
    /// The phone is due from now on, if it was not before.
    pub(super) fn insert(&mut self, phone: PhoneIx, straggles: bool, now: Timestamp) {
        let since = self.phones.get(&phone).map_or(now, |old| old.since);
        let turn = since.after(patience(straggles));
        let standing = Standing { since, turn };
        if let Some(old) = self.phones.insert(phone, standing)
            && old.turn != turn
        {
            self.turns.remove(&(old.turn, phone));
        }
        self.turns.insert((turn, phone));
    }

    /// The phone is not due any more.
    pub(super) fn remove(&mut self, phone: PhoneIx) {
        if let Some(old) = self.phones.remove(&phone) {
            self.turns.remove(&(old.turn, phone));
        }
    }

    pub(super) fn contains(&self, phone: PhoneIx) -> bool {
        self.phones.contains_key(&phone)
    }

    pub(super) fn len(&self) -> usize {
        self.phones.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.phones.is_empty()
    }

    /// Since when the one is due whose turn it is.
    pub(super) fn first_since(&self) -> Option<Timestamp> {
        let (_, phone) = self.turns.first()?;
        self.phones.get(phone).map(|standing| standing.since)
    }

    /// When the first one has its turn.
    pub(super) fn first_turn(&self) -> Option<Timestamp> {
        self.turns.first().map(|(turn, _)| *turn)
    }

    /// So many of them, those first whose turn it is.
    pub(super) fn first(&self, most: usize) -> Vec<PhoneIx> {
        let first = self.turns.iter().take(most);
        first.map(|(_, phone)| *phone).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_straggles_comes_later_but_comes() {
        let at = |seconds: u64| Timestamp(0).after(Duration::from_secs(seconds));
        let mut due = Due::default();
        due.insert(PhoneIx(1), true, at(0));
        due.insert(PhoneIx(3), false, at(5));
        due.insert(PhoneIx(2), false, at(9));
        due.insert(PhoneIx(4), false, at(61));
        let all = |due: &Due| due.first(9).iter().map(|phone| phone.0).collect::<Vec<_>>();
        assert_eq!(all(&due), [3, 2, 1, 4]);
        assert_eq!(due.first_since(), Some(at(5)));
        // It keeps its place, and comes forward as soon as a job of it ends well.
        due.insert(PhoneIx(1), false, at(70));
        assert_eq!(all(&due), [1, 3, 2, 4]);
        due.remove(PhoneIx(1));
        due.remove(PhoneIx(1));
        assert_eq!((due.len(), due.contains(PhoneIx(1))), (3, false));
        assert_eq!(due.turns.len(), 3);
    }
}
