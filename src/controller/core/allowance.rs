//! What a group's allowances leave for a phone: costs until a moment, and for so many phones of a revision.
//!
//! Invariants: a phone that has spent keeps its place; places are counted durably and for one revision. Not here: whether a change costs something (`plan::gate`).

use super::{Core, PhoneIx};
use crate::model::capability::Costs;
use crate::model::fleet::Group;
use crate::model::stamp::Timestamp;
use std::collections::BTreeSet;

impl Core {
    /// Costs the group allows this phone now.
    pub(super) fn allowed(
        &self,
        ix: PhoneIx,
        group: &Group,
        now: Timestamp,
        with_limited: bool,
    ) -> Costs {
        let spent = self.spent_here(ix, group);
        let with_limited = with_limited && self.has_place(ix, group, now);
        group
            .allow
            .iter()
            .filter(|allowance| allowance.until.is_none_or(|until| until > now))
            .filter(|allowance| allowance.max_phones.is_none() || with_limited || spent)
            .fold(Costs::NONE, |costs, allowance| costs.union(allowance.costs))
    }

    fn spent_here(&self, ix: PhoneIx, group: &Group) -> bool {
        let phone = self.state(ix);
        let who = (
            self.accounts[phone.account.0].setup.identity.clone(),
            phone.key.phone.clone(),
        );
        self.ledger
            .spent
            .get(&(group.name.clone(), self.fleet.revision.clone()))
            .is_some_and(|spent| spent.contains(&who))
    }

    /// Whether the phone holds one of the places that `maxPhones` leaves, or one is free for it.
    fn has_place(&self, ix: PhoneIx, group: &Group, now: Timestamp) -> bool {
        let most = group
            .allow
            .iter()
            .filter(|allowance| allowance.until.is_none_or(|until| until > now))
            .filter_map(|allowance| allowance.max_phones)
            .min();
        let Some(most) = most else { return true };
        if self.spent_here(ix, group) {
            return true;
        }
        let spent = self
            .ledger
            .spent
            .get(&(group.name.clone(), self.fleet.revision.clone()))
            .map_or(0, BTreeSet::len);
        let reserved = self.reserved.get(&group.name);
        reserved.is_some_and(|reserved| reserved.contains(&ix))
            || spent + reserved.map_or(0, BTreeSet::len)
                < usize::try_from(most).unwrap_or(usize::MAX)
    }

    /// Takes one of the places that `maxPhones` leaves, if there is one.
    pub(super) fn reserve(&mut self, ix: PhoneIx, group: &Group, now: Timestamp) -> bool {
        if !self.has_place(ix, group, now) {
            return false;
        }
        if !self.spent_here(ix, group) {
            self.reserved
                .entry(group.name.clone())
                .or_default()
                .insert(ix);
        }
        true
    }
}

/// Costs the group allows any number of phones now.
pub(super) fn unlimited(group: &Group, now: Timestamp) -> Costs {
    group
        .allow
        .iter()
        .filter(|allowance| {
            allowance.max_phones.is_none() && allowance.until.is_none_or(|until| until > now)
        })
        .fold(Costs::NONE, |costs, allowance| costs.union(allowance.costs))
}
