//! Batches: phones of one account due for the same payload become one order.
//!
//! Invariants: a phone is due for at most one payload; an order never holds more phones than the call takes; a partial batch is held only while phones that
//! will be due for the same payload have an open job, and never longer than the hold; phones that were due longest go first; the order of insertion of
//! equal keys does not matter (sorted by phone). Not here: what a phone is due for (`phone`), when calls may be made (`controller`).

use super::phone::Payload;
use crate::model::capability::{CallName, Costs};
use crate::model::condition::Cause;
use crate::model::id::PhoneId;
use crate::model::stamp::Timestamp;
use std::cmp::Reverse;
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
///
/// Phones due for one key stand in *lots*: one for all that go together, and one more for each part that [`Batches::split`] made. Lots lie on shelves by
/// call and urgency, ordered by size and by age, so that neither [`Batches::set`] nor [`Batches::ready`] ever looks at all phones or all keys.
#[derive(Clone, Debug, Default)]
pub struct Batches {
    keys: BTreeMap<BatchKey, KeyId>,
    files: BTreeMap<KeyId, File>,
    lots: BTreeMap<LotId, BTreeSet<Place>>,
    shelves: BTreeMap<Aisle, Shelves>,
    by_phone: BTreeMap<PhoneId, Entry>,
    /// Phones that are sent apart because a batch with them was refused as a whole: part number by phone.
    split: BTreeMap<PhoneId, u32>,
    last_key: u64,
    last_part: u32,
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

type KeyId = u64;
/// Since when a phone is due, and which: no two phones have the same place.
type Place = (Timestamp, PhoneId);
/// Repairs go last; calls differ in how much they take.
type Aisle = (bool, CallName);

/// The phones of a key that go together; part 0 is all that were never split off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct LotId {
    key: KeyId,
    part: u32,
}

#[derive(Clone, Debug)]
struct File {
    key: BatchKey,
    /// Phones that will be due for it.
    coming: usize,
    /// Lots that stand under it.
    lots: usize,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    due: Option<(LotId, Timestamp)>,
    coming: Vec<KeyId>,
}

#[derive(Clone, Debug, Default)]
struct Shelves {
    /// Lots that nothing more is coming for.
    free: Shelf,
    /// Lots that may wait for phones to come.
    held: Shelf,
}

/// Lots by size and by age. The oldest place of a lot is its own alone, so that ties never depend on key numbers.
#[derive(Clone, Debug, Default)]
struct Shelf {
    by_size: BTreeSet<(Reverse<usize>, Place, LotId)>,
    by_age: BTreeSet<(Place, LotId)>,
}

impl Shelf {
    fn put(&mut self, lot: LotId, places: &BTreeSet<Place>) {
        if let Some(oldest) = places.first() {
            self.by_size
                .insert((Reverse(places.len()), oldest.clone(), lot));
            self.by_age.insert((oldest.clone(), lot));
        }
    }

    fn take(&mut self, lot: LotId, places: &BTreeSet<Place>) {
        if let Some(oldest) = places.first() {
            self.by_size
                .remove(&(Reverse(places.len()), oldest.clone(), lot));
            self.by_age.remove(&(oldest.clone(), lot));
        }
    }
}

impl BatchKey {
    fn aisle(&self) -> Aisle {
        (!self.cause.is_intended(), self.payload.call)
    }
}

impl Batches {
    /// Says where a phone stands from `now` on; replaces what was said before. A phone that stays due for the same key keeps its place. One that is said to be due
    /// from a later moment on comes after those that are due before it, and waits for none of them.
    pub fn set(&mut self, phone: &PhoneId, standing: Standing, now: Timestamp) {
        let Standing { due, coming } = standing;
        if due.is_none() && coming.is_empty() && !self.by_phone.contains_key(phone) {
            return;
        }
        let part = self.split.get(phone).copied().unwrap_or(0);
        let old = self.by_phone.remove(phone).unwrap_or_default();
        // New keys are opened before old ones are closed, so that a key that stays is not made twice.
        let due = due.map(|key| LotId {
            key: self.open(key),
            part,
        });
        let mut arriving: Vec<KeyId> = coming.into_iter().map(|key| self.open(key)).collect();
        arriving.sort_unstable();
        arriving.dedup();
        arriving.retain(|key| due.is_none_or(|lot| lot.key != *key));
        let mut entry = Entry {
            due: None,
            coming: Vec::new(),
        };
        match (old.due, due) {
            (Some((was, since)), Some(is)) if was == is => entry.due = Some((is, since)),
            (was, is) => {
                if let Some((lot, since)) = was {
                    self.restock(lot, |places| {
                        places.remove(&(since, phone.clone()));
                    });
                }
                if let Some(lot) = is {
                    // A phone that only moved between parts of one key keeps its place.
                    let since = was
                        .filter(|(old, _)| old.key == lot.key)
                        .map_or(now, |(_, since)| since);
                    self.restock(lot, |places| {
                        places.insert((since, phone.clone()));
                    });
                    entry.due = Some((lot, since));
                }
            }
        }
        for key in &arriving {
            self.expect(*key, |count| count + 1);
        }
        for key in &old.coming {
            self.expect(*key, |count| count.saturating_sub(1));
        }
        for key in old
            .coming
            .iter()
            .copied()
            .chain(old.due.map(|(lot, _)| lot.key))
        {
            self.close(key);
        }
        entry.coming = arriving;
        if entry.due.is_some() || !entry.coming.is_empty() {
            self.by_phone.insert(phone.clone(), entry);
        }
    }

    /// The next batch that may be sent. User-caused before repairs; among those full ones first, then partial ones whose hold is over or for which nobody
    /// is coming; among those the one with the phone that was due longest. Does not remove it: the phones' standing changes when their operation is open.
    /// `size` and `hold` tell a key's limits; both must depend on its call alone. Only batches count of which a phone is due by `turn`.
    pub fn ready(
        &self,
        (now, turn): (Timestamp, Timestamp),
        size: impl Fn(&BatchKey) -> usize,
        hold: impl Fn(&BatchKey) -> Duration,
    ) -> Option<Ready> {
        // (partial, oldest place): full ones first, then the oldest.
        let mut best: Option<(bool, bool, &Place, LotId)> = None;
        for ((repair, _), shelves) in &self.shelves {
            if best.is_some_and(|(found, ..)| found != *repair) {
                break;
            }
            let candidate = self.candidate(shelves, (now, turn), &size, &hold);
            let Some((partial, place, lot)) = candidate else {
                continue;
            };
            let candidate = (*repair, partial, place, lot);
            if best.is_none_or(|best| candidate < best) {
                best = Some(candidate);
            }
        }
        let (.., lot) = best?;
        let key = &self.files.get(&lot.key)?.key;
        let mut phones: Vec<PhoneId> = self
            .lots
            .get(&lot)?
            .iter()
            .take(size(key).max(1))
            .map(|(_, phone)| phone.clone())
            .collect();
        phones.sort_unstable();
        Some(Ready {
            key: key.clone(),
            phones,
        })
    }

    fn candidate<'a>(
        &self,
        shelves: &'a Shelves,
        (now, turn): (Timestamp, Timestamp),
        size: &impl Fn(&BatchKey) -> usize,
        hold: &impl Fn(&BatchKey) -> Duration,
    ) -> Option<(bool, &'a Place, LotId)> {
        let key = |lot: LotId| self.files.get(&lot.key).map(|file| &file.key);
        let full = |shelf: &'a Shelf| {
            let (Reverse(count), place, lot) = shelf.by_size.first()?;
            let comes = place.0 <= turn;
            (comes && *count >= size(key(*lot)?).max(1)).then_some((false, place, *lot))
        };
        let oldest = |shelf: &'a Shelf| {
            let (place, lot) = shelf.by_age.first()?;
            (place.0 <= turn).then_some((true, place, *lot))
        };
        let over = |shelf: &'a Shelf| {
            oldest(shelf).filter(|(_, (since, _), lot)| {
                key(*lot).is_some_and(|key| since.after(hold(key)) <= now)
            })
        };
        let Shelves { free, held } = shelves;
        let full = [full(free), full(held)].into_iter().flatten().min();
        full.or_else(|| [oldest(free), over(held)].into_iter().flatten().min())
    }

    /// When the next held batch is released by time alone. `hold` must depend on a key's call alone.
    pub fn next_release(&self, hold: impl Fn(&BatchKey) -> Duration) -> Option<Timestamp> {
        self.shelves
            .values()
            .filter_map(|shelves| {
                let ((since, _), lot) = shelves.held.by_age.first()?;
                Some(since.after(hold(&self.files.get(&lot.key)?.key)))
            })
            .min()
    }

    /// A batch of these phones was refused as a whole because of one of them: from now on they go in halves, until the one is found.
    pub fn split(&mut self, phones: &[PhoneId]) {
        let mut phones: Vec<&PhoneId> = phones.iter().collect();
        phones.sort_unstable();
        phones.dedup();
        let middle = phones.len().div_ceil(2);
        let (left, right) = phones.split_at(middle);
        for half in [left, right] {
            self.last_part += 1;
            for phone in half {
                self.split.insert((*phone).clone(), self.last_part);
                self.move_part(phone, self.last_part);
            }
        }
    }

    /// This phone no longer needs to be sent apart.
    pub fn mend(&mut self, phone: &PhoneId) {
        if self.split.remove(phone).is_some() {
            self.move_part(phone, 0);
        }
    }

    /// Whether this phone is sent apart because of a refused batch.
    pub fn is_apart(&self, phone: &PhoneId) -> bool {
        self.split.contains_key(phone)
    }

    /// Whether nothing is due.
    pub fn is_idle(&self) -> bool {
        self.lots.is_empty()
    }

    /// How many phones are due.
    pub fn due(&self) -> usize {
        self.lots.values().map(BTreeSet::len).sum()
    }

    fn move_part(&mut self, phone: &PhoneId, part: u32) {
        let Some((lot, since)) = self.by_phone.get(phone).and_then(|entry| entry.due) else {
            return;
        };
        let place = (since, phone.clone());
        let to = LotId { part, ..lot };
        if to == lot {
            return;
        }
        self.restock(to, |places| {
            places.insert(place.clone());
        });
        self.restock(lot, |places| {
            places.remove(&place);
        });
        if let Some(entry) = self.by_phone.get_mut(phone) {
            entry.due = Some((to, since));
        }
    }

    /// The number of a key; opens its file if it has none.
    fn open(&mut self, key: BatchKey) -> KeyId {
        if let Some(id) = self.keys.get(&key) {
            return *id;
        }
        self.last_key += 1;
        self.files.insert(
            self.last_key,
            File {
                key: key.clone(),
                coming: 0,
                lots: 0,
            },
        );
        self.keys.insert(key, self.last_key);
        self.last_key
    }

    /// Drops the file of a key that no phone is due for or coming to.
    fn close(&mut self, id: KeyId) {
        if self
            .files
            .get(&id)
            .is_some_and(|file| file.coming == 0 && file.lots == 0)
            && let Some(file) = self.files.remove(&id)
        {
            self.keys.remove(&file.key);
        }
    }

    /// Changes a lot, and puts it where it belongs now.
    fn restock(&mut self, lot: LotId, change: impl FnOnce(&mut BTreeSet<Place>)) {
        let Some(file) = self.files.get_mut(&lot.key) else {
            return;
        };
        let aisle = file.key.aisle();
        let shelves = self.shelves.entry(aisle).or_default();
        let shelf = if lot.part == 0 && file.coming > 0 {
            &mut shelves.held
        } else {
            &mut shelves.free
        };
        let places = self.lots.entry(lot).or_default();
        shelf.take(lot, places);
        let was = places.is_empty();
        change(places);
        shelf.put(lot, places);
        match (was, places.is_empty()) {
            (true, false) => file.lots += 1,
            (false, true) => file.lots -= 1,
            (true, true) | (false, false) => {}
        }
        if places.is_empty() {
            self.lots.remove(&lot);
        }
        self.sweep(aisle);
    }

    /// Changes how many phones are coming for a key; its lot changes shelves when the first is announced or the last has come.
    fn expect(&mut self, id: KeyId, count: impl FnOnce(usize) -> usize) {
        let Some(file) = self.files.get_mut(&id) else {
            return;
        };
        let was = file.coming > 0;
        file.coming = count(file.coming);
        let is = file.coming > 0;
        let lot = LotId { key: id, part: 0 };
        let Some(places) = self.lots.get(&lot).filter(|_| was != is) else {
            return;
        };
        let shelves = self.shelves.entry(file.key.aisle()).or_default();
        let (from, to) = if is {
            (&mut shelves.free, &mut shelves.held)
        } else {
            (&mut shelves.held, &mut shelves.free)
        };
        from.take(lot, places);
        to.put(lot, places);
    }

    fn sweep(&mut self, aisle: Aisle) {
        if self
            .shelves
            .get(&aisle)
            .is_some_and(|shelves| shelves.free.by_age.is_empty() && shelves.held.by_age.is_empty())
        {
            self.shelves.remove(&aisle);
        }
    }
}

#[cfg(test)]
mod tests;
