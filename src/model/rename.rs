//! Codes that a vendor changes: the phone and its data stay, its code is another one.
//!
//! Invariants: a code that is another phone's, or that leads to itself, leads nowhere; a code stands for one phone at most, and what is known moves as a whole.
//! Not here: when that is asked and what follows from it (`controller`).

use super::id::{OperationId, PhoneId, PhoneKey, VendorIdentity};
use super::operation::Phase;
use super::past::Past;
use super::record::{History, Ledger, Misfit, Record, Trouble};
use super::stamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A phone got another code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rename {
    /// The code it had.
    pub from: PhoneId,
    /// The code it has.
    pub to: PhoneId,
}

/// A phone that is known under another code than before, for people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Renamed {
    /// Under which code it was known.
    pub from: PhoneKey,
    /// Under which it is.
    pub to: PhoneKey,
    /// When that was found.
    pub at: Timestamp,
    /// The manifests still name the old code.
    pub named: bool,
}

/// A code that a phone had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Former {
    /// The code.
    pub phone: PhoneId,
    /// When it was found to be another one.
    pub until: Timestamp,
}

/// The code that a phone has now which had the code `from` last, by what a vendor tells, the newest first. `None`: nothing is told of it, it has its code
/// again, or another phone got the code where that leads.
pub fn newest<'a>(renames: &'a [Rename], from: &PhoneId) -> Option<&'a PhoneId> {
    let mut place = renames.iter().position(|rename| rename.from == *from)?;
    // Only what came later goes on from there.
    while let Some(next) = renames[..place]
        .iter()
        .rposition(|rename| rename.from == renames[place].to)
    {
        place = next;
    }
    let to = &renames[place].to;
    let taken = renames[..place].iter().any(|rename| rename.to == *to);
    (to != from && !taken).then_some(to)
}

impl History {
    /// Nothing was ever ordered on the phone under this code, as far as is remembered: it may turn out to be one that is known under another.
    pub fn is_untouched(&self) -> bool {
        let Self {
            group: _,
            asserted,
            converged: _,
            trouble,
            open,
            past,
            former: _,
        } = self;
        asserted.is_empty()
            && *trouble == Trouble::default()
            && open.is_empty()
            && *past == Past::default()
    }
}

impl Ledger {
    /// The code under which the phone is known now that is, or was, known under this one.
    pub fn current<'a>(&'a self, identity: &VendorIdentity, phone: &'a PhoneId) -> &'a PhoneId {
        self.renamed
            .get(identity)
            .and_then(|renamed| renamed.get(phone))
            .unwrap_or(phone)
    }

    /// Codes that the phone had, the newest first.
    pub fn former(&self, identity: &VendorIdentity, phone: &PhoneId) -> &[Former] {
        self.history(identity, phone)
            .map_or(&[], |history| &history.former)
    }

    /// Whether what is known of `from` may go on under `to`: nothing is being sent or followed there, and nothing was done under `to`.
    pub fn may_rename(&self, identity: &VendorIdentity, from: &PhoneId, to: &PhoneId) -> bool {
        let rests = |operation: &OperationId| {
            let state = self.operations.get(operation);
            let phase = state.and_then(|state| Some(&state.phases[state.position(from)?]));
            let other = state.is_some_and(|state| state.position(to).is_some());
            phase.is_some_and(may_move) && !other
        };
        from == to
            || self
                .history(identity, from)
                .is_none_or(|history| history.open.keys().all(rests))
                && self.history(identity, to).is_none_or(History::is_untouched)
    }

    /// Takes a changed code in.
    pub(super) fn rename(
        &mut self,
        identity: &VendorIdentity,
        (from, to): (&PhoneId, &PhoneId),
        at: Timestamp,
    ) -> Result<(), Misfit> {
        if !self.may_rename(identity, from, to) {
            return Err(Misfit::Rename(from.clone(), to.clone()));
        }
        for code in [from, to] {
            self.forget_alias(identity, code);
        }
        if from == to {
            return Ok(());
        }
        let mut known = History::default();
        self.change(identity, from, |history| known = std::mem::take(history));
        let mut former = vec![Former {
            phone: from.clone(),
            until: at,
        }];
        former.append(&mut known.former);
        let renamed = self.renamed.entry(identity.clone()).or_default();
        renamed.extend(former.iter().map(|old| (old.phone.clone(), to.clone())));
        // Each phone keeps its position.
        for operation in known.open.keys() {
            let Some(state) = self.operations.get_mut(operation) else {
                continue;
            };
            let mut phones = state.intent.phones.to_vec();
            for phone in phones.iter_mut().filter(|phone| *phone == from) {
                *phone = to.clone();
            }
            state.intent.phones = Arc::from(phones);
        }
        self.change(identity, to, |history| {
            let mut theirs = std::mem::take(&mut history.former);
            if known != History::default() {
                *history = known;
            }
            history.former = former;
            history.former.append(&mut theirs);
        });
        let (old, new) = (
            (identity.clone(), from.clone()),
            (identity.clone(), to.clone()),
        );
        for spent in self.spent.values_mut() {
            if spent.remove(&old) {
                spent.insert(new.clone());
            }
        }
        Ok(())
    }

    /// The code stands for the phone that has it, and for no other.
    fn forget_alias(&mut self, identity: &VendorIdentity, code: &PhoneId) {
        let Some(renamed) = self.renamed.get_mut(identity) else {
            return;
        };
        let holder = renamed.remove(code);
        if renamed.is_empty() {
            self.renamed.remove(identity);
        }
        if let Some(holder) = holder {
            self.change(identity, &holder, |history| {
                history.former.retain(|old| old.phone != *code);
            });
        }
    }

    /// Snapshot of changed codes; they come before everything else that is known of phones.
    pub(super) fn snapshot_of_renames(&self, records: &mut Vec<Record>) {
        for (identity, renamed) in &self.renamed {
            let mut holders: Vec<&PhoneId> = renamed.values().collect();
            holders.sort_unstable();
            holders.dedup();
            for to in holders {
                let former = self.former(identity, to).iter().rev();
                records.extend(former.map(|old| Record::Renamed {
                    identity: identity.clone(),
                    from: old.phone.clone(),
                    to: to.clone(),
                    at: old.until,
                }));
            }
        }
    }
}

/// Whether an operation may go on under another code: what was sent has been answered, and no job is followed by its old one.
fn may_move(phase: &Phase) -> bool {
    match phase {
        Phase::Unknown(_) | Phase::Succeeded(_) | Phase::Parked | Phase::Closed(_) => true,
        Phase::Intended | Phase::Submitted(_) | Phase::Following(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(from: &str, to: &str) -> Record {
        Record::Renamed {
            identity: "vendor".into(),
            from: from.into(),
            to: to.into(),
            at: Timestamp(7),
        }
    }

    fn asserted(phone: &str) -> Record {
        Record::Asserted {
            identity: "vendor".into(),
            rows: vec![(
                phone.into(),
                crate::model::attribute::Attribute::Proxy,
                Some(crate::model::id::Fingerprint("00ff".into())),
            )],
        }
    }

    fn codes(ledger: &Ledger, phone: &str) -> Vec<String> {
        let former = ledger.former(&"vendor".into(), &phone.into());
        former.iter().map(|old| old.phone.to_string()).collect()
    }

    fn now(ledger: &Ledger, phone: &str) -> String {
        ledger.current(&"vendor".into(), &phone.into()).to_string()
    }

    #[test]
    fn what_is_known_goes_with_the_phone_through_all_its_codes() {
        let mut ledger = Ledger::default();
        for record in [asserted("A"), renamed("A", "B"), renamed("B", "C")] {
            ledger.apply(&record).unwrap();
        }
        let vendor = VendorIdentity::from("vendor");
        assert_eq!(ledger.phones[&vendor].len(), 1);
        assert_eq!(
            ledger.history(&vendor, &"C".into()).unwrap().asserted.len(),
            1
        );
        assert_eq!(
            (now(&ledger, "A"), now(&ledger, "B")),
            ("C".into(), "C".into())
        );
        assert_eq!(codes(&ledger, "C"), ["B", "A"]);
        let mut again = Ledger::default();
        for record in ledger.snapshot() {
            again.apply(&record).unwrap();
        }
        assert_eq!(again, ledger);
    }

    #[test]
    fn a_code_that_is_given_to_another_phone_stands_for_that_one() {
        let mut ledger = Ledger::default();
        for record in [asserted("A"), renamed("A", "B"), renamed("X", "A")] {
            ledger.apply(&record).unwrap();
        }
        assert_eq!(
            (now(&ledger, "A"), now(&ledger, "X")),
            ("A".into(), "A".into())
        );
        assert_eq!(
            (codes(&ledger, "A"), codes(&ledger, "B")),
            (vec!["X".to_owned()], vec![])
        );
        // It is said of a code that it stands for itself.
        ledger.apply(&renamed("X", "X")).unwrap();
        assert_eq!(
            (now(&ledger, "X"), codes(&ledger, "A")),
            ("X".into(), vec![])
        );
        let before = ledger.clone();
        ledger.apply(&renamed("Y", "Y")).unwrap();
        assert_eq!(ledger, before);
    }

    #[test]
    fn a_code_under_which_something_was_done_is_another_phone() {
        let mut ledger = Ledger::default();
        for record in [asserted("A"), asserted("B")] {
            ledger.apply(&record).unwrap();
        }
        let before = ledger.clone();
        let misfit = ledger.apply(&renamed("A", "B")).unwrap_err();
        assert_eq!(misfit, Misfit::Rename("A".into(), "B".into()));
        assert_eq!(ledger, before);
    }

    /// `"A>B C>D"`, the newest first, and where these codes lead.
    #[test]
    fn changes_are_followed_to_the_newest_code() {
        for (told, from, to) in [
            ("", "A", None),
            ("A>B", "A", Some("B")),
            ("A>B", "B", None),
            ("B>C A>B", "A", Some("C")),
            ("B>C A>B", "B", Some("C")),
            // It has its code again.
            ("B>A A>B", "A", None),
            ("A>C B>A A>B", "A", Some("C")),
            ("A>C B>A A>B", "B", Some("C")),
            ("A>A", "A", None),
            ("A>B A>A", "A", Some("B")),
            // Another phone had that code before.
            ("A>D D>E", "A", Some("D")),
            // Another phone got that code since.
            ("C>B A>B", "A", None),
            ("C>B A>B", "C", Some("B")),
        ] {
            let renames: Vec<Rename> = told
                .split_whitespace()
                .map(|text| {
                    let (from, to) = text.split_once('>').unwrap();
                    Rename {
                        from: from.into(),
                        to: to.into(),
                    }
                })
                .collect();
            let found = newest(&renames, &from.into());
            assert_eq!(found.map(PhoneId::as_str), to, "{told}: {from}");
        }
    }
}
