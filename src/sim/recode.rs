//! Codes that the vendor changes: the phone stays, its code is another one.
//!
//! Invariants: the old code works no more from that moment on; what was changed is told for three calendar days, this one among them, as Shanghai has them.
//! Not here: answers that tell it (`armcloud::sister`), phones that vanish and come back (`mishap`).

use super::witness::Fact;
use super::world::World;
use crate::model::stamp::Timestamp;
use smol_str::SmolStr;
use std::time::Duration;

/// Shanghai is so far ahead of UTC, all year.
const SHANGHAI: Duration = Duration::from_secs(8 * 3_600);
/// Days that are told where none is named.
const DAYS: i64 = 3;
const DAY: i64 = 24 * 3_600 * 1_000;

/// A code that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recode {
    pub(super) at: Timestamp,
    pub(super) from: SmolStr,
    pub(super) to: SmolStr,
}

/// The calendar day of a moment in Shanghai, as a number that counts up.
pub(super) fn day(at: Timestamp) -> i64 {
    at.after(SHANGHAI).0.div_euclid(DAY)
}

impl World {
    /// The vendor gives the phone another code.
    pub fn recode(&mut self, id: &str, code: &str) {
        if self.index.contains_key(code) {
            return;
        }
        let Some(index) = self.index.remove(id) else {
            return;
        };
        self.tell(|_| Fact::Changed { phone: id.into() });
        self.index.insert(code.into(), index);
        self.at_mut(index).id = code.into();
        self.note_recode(id.into(), code.into());
    }

    /// Keeps that a code was changed, as long as it is told.
    pub(super) fn note_recode(&mut self, from: SmolStr, to: SmolStr) {
        let at = self.now;
        self.recodes.retain(|old| day(old.at) + DAYS > day(at));
        self.recodes.push(Recode { at, from, to });
    }

    /// Codes that were changed on this day, or on the last three, the newest first.
    pub(super) fn recoded(&self, on: Option<i64>) -> impl Iterator<Item = &Recode> {
        let today = day(self.now);
        let told = move |recode: &&Recode| match on {
            Some(on) => day(recode.at) == on,
            None => day(recode.at) + DAYS > today,
        };
        self.recodes.iter().rev().filter(told)
    }
}
