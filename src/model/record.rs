//! Records and the ledger: everything that must survive a crash, and the state that follows from it.
//!
//! Invariants: the ledger is a pure fold over records, the same live and on replay; `snapshot` gives records whose fold is the same ledger.
//! Not here: files and transactions (`journal`).

use super::attribute::Attribute;
use super::id::{
    Fingerprint, GroupName, OperationId, PhoneId, Revision, VendorIdentity, WishDigest,
};
use super::operation::{Illegal, Intent, Outcome, Phase, PhaseEvent};
use super::past::Past;
use super::rename::Former;
use super::stamp::Timestamp;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One durable fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Record {
    /// A request is about to leave. Removes the fingerprints of what it writes.
    Intended(Intent),
    /// Something happened to phones of an operation.
    #[serde(rename_all = "camelCase")]
    Moved {
        /// Which operation.
        operation: OperationId,
        /// What, per phone.
        moves: Vec<(PhoneId, PhaseEvent)>,
        /// When.
        at: Timestamp,
    },
    /// Fingerprints of confirmed write-only values (`None`: dropped).
    #[serde(rename_all = "camelCase")]
    Asserted {
        /// Key space.
        identity: VendorIdentity,
        /// Phone, attribute, fingerprint.
        rows: Vec<(PhoneId, Attribute, Option<Fingerprint>)>,
    },
    /// These wishes were read back (or confirmed) on these phones: what differs from now on is drift. `None`: no longer managed.
    #[serde(rename_all = "camelCase")]
    Converged {
        /// Key space.
        identity: VendorIdentity,
        /// The group that claims them.
        group: GroupName,
        /// Phone and its wishes.
        rows: Vec<ConvergedRow>,
        /// When.
        at: Timestamp,
    },
    /// Counts of trouble with one phone, as they stand now.
    #[serde(rename_all = "camelCase")]
    Trouble {
        /// Key space.
        identity: VendorIdentity,
        /// Which phone.
        phone: PhoneId,
        /// The counts.
        trouble: Trouble,
    },
    /// Costs spent under a group's allowance.
    #[serde(rename_all = "camelCase")]
    Spent {
        /// The group.
        group: GroupName,
        /// The edit of the manifests.
        revision: Revision,
        /// Key space of the phones.
        identity: VendorIdentity,
        /// The phones.
        phones: Vec<PhoneId>,
    },
    /// Calls made under a vendor's budget in one second (Unix time), counted as used after a restart.
    #[serde(rename_all = "camelCase")]
    Called {
        /// Whose budget.
        identity: VendorIdentity,
        /// Start of the second.
        second: i64,
        /// How many.
        calls: u32,
    },
    /// The vendor gave the phone another code: what is known of it goes on under that, and the old code stands for it. Where both are one: the code
    /// stands for the phone that has it, and no longer for the one that had it.
    #[serde(rename_all = "camelCase")]
    Renamed {
        /// Key space.
        identity: VendorIdentity,
        /// The code it had.
        from: PhoneId,
        /// The code it has.
        to: PhoneId,
        /// When that was found.
        at: Timestamp,
    },
    /// What of operations that are over must still be known (only in snapshots).
    #[serde(rename_all = "camelCase")]
    Past {
        /// Key space.
        identity: VendorIdentity,
        /// Phone and what is known.
        rows: Vec<(PhoneId, Past)>,
    },
    /// An operation as it stands (only in snapshots).
    Standing(OperationState),
    /// The number of the last operation (only in snapshots).
    LastOperation(u64),
}

/// A phone and its converged wishes (`None`: no longer managed).
pub type ConvergedRow = (PhoneId, Vec<(Attribute, Option<WishDigest>)>);

/// Counts of trouble with one phone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Trouble {
    /// Failures in a row.
    pub failures: u32,
    /// When the last one was.
    pub last_failure: Option<Timestamp>,
    /// What the vendor said then.
    pub last_message: Option<String>,
    /// Successes without effect in a row, by attribute, for one wish.
    pub no_effect: BTreeMap<Attribute, (WishDigest, u32)>,
    /// Times of corrections, by attribute, the newest last; only those that can still count.
    pub corrections: BTreeMap<Attribute, Vec<Timestamp>>,
}

/// An operation and where each phone stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationState {
    /// What was asked.
    pub intent: Intent,
    /// Where each phone stands, in the order of `intent.phones`.
    pub phases: Vec<Phase>,
}

/// What is durably known of one phone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The group that claimed it when it last converged.
    pub group: Option<GroupName>,
    /// Confirmed write-only values.
    pub asserted: BTreeMap<Attribute, Fingerprint>,
    /// Wishes that were converged last.
    pub converged: BTreeMap<Attribute, WishDigest>,
    /// Counts of trouble.
    pub trouble: Trouble,
    /// Operations that are not closed on this phone, with its position in each.
    pub open: BTreeMap<OperationId, usize>,
    /// What must still be known of those that are over.
    pub past: Past,
    /// Codes that it had, the newest first.
    pub former: Vec<Former>,
}

/// The record does not fit what came before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The operation is not known, or known already.
    #[error("{0} is out of order")]
    Operation(OperationId),
    /// The operation has no phone, one phone twice, or not one phase for each.
    #[error("{0} does not have one phase for each of its phones")]
    Shape(OperationId),
    /// The operation has no such phone.
    #[error("{0} has no phone {1}")]
    Phone(OperationId, PhoneId),
    /// The transition table forbids it.
    #[error("{operation}, phone {phone}: {illegal}")]
    Transition {
        /// Which operation.
        operation: OperationId,
        /// Which phone.
        phone: PhoneId,
        /// What came where.
        illegal: Illegal,
    },
    /// Work is open on the phone, or the other code is another phone's.
    #[error("{0} cannot be {1}: work is open on it, or {1} is another phone")]
    Rename(PhoneId, PhoneId),
}

/// Calls older than this many seconds before the newest are forgotten; no documented window is longer than a minute.
const CALLS_KEPT_SECONDS: i64 = 120;

/// Rows that one record of a snapshot holds at most: keeps records small enough to look at.
const SNAPSHOT_ROWS: usize = 256;

/// The state that follows from all records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    /// Operations that are not closed on every phone.
    pub operations: BTreeMap<OperationId, OperationState>,
    /// What is known of each phone; phones of which nothing is known are not in it.
    pub phones: BTreeMap<VendorIdentity, FxHashMap<PhoneId, History>>,
    /// Phones on which a group spent costs, by revision.
    pub spent: BTreeMap<(GroupName, Revision), BTreeSet<(VendorIdentity, PhoneId)>>,
    /// Calls by second, the last two minutes.
    pub called: BTreeMap<VendorIdentity, BTreeMap<i64, u32>>,
    /// Codes that phones had, and the codes that they have now.
    pub renamed: BTreeMap<VendorIdentity, BTreeMap<PhoneId, PhoneId>>,
    /// The number of the last operation.
    pub last_operation: u64,
}

impl Ledger {
    /// Takes one record in.
    ///
    /// # Errors
    /// The record does not fit what came before it; the ledger is unchanged.
    pub fn apply(&mut self, record: &Record) -> Result<(), Misfit> {
        match record {
            Record::Intended(intent) => self.intended(intent)?,
            Record::Moved {
                operation,
                moves,
                at,
            } => self.moved(*operation, moves, *at)?,
            Record::Asserted { identity, rows } => {
                for (phone, attribute, fingerprint) in rows {
                    self.change(identity, phone, |history| match fingerprint {
                        Some(print) => {
                            history.asserted.insert(attribute.clone(), print.clone());
                        }
                        None => {
                            history.asserted.remove(attribute);
                        }
                    });
                }
            }
            Record::Converged {
                identity,
                group,
                rows,
                at: _,
            } => {
                for (phone, wishes) in rows {
                    self.change(identity, phone, |history| history.converge(group, wishes));
                }
            }
            Record::Trouble {
                identity,
                phone,
                trouble,
            } => self.change(identity, phone, |history| history.trouble = trouble.clone()),
            Record::Spent {
                group,
                revision,
                identity,
                phones,
            } => {
                if !phones.is_empty() {
                    let spent = self
                        .spent
                        .entry((group.clone(), revision.clone()))
                        .or_default();
                    spent.extend(phones.iter().map(|phone| (identity.clone(), phone.clone())));
                }
            }
            Record::Called {
                identity,
                second,
                calls,
            } => self.called(identity, *second, *calls),
            Record::Renamed {
                identity,
                from,
                to,
                at,
            } => self.rename(identity, (from, to), *at)?,
            Record::Past { identity, rows } => {
                for (phone, past) in rows {
                    self.change(identity, phone, |history| history.past = past.clone());
                }
            }
            Record::Standing(state) => self.standing(state)?,
            Record::LastOperation(number) => self.counted(OperationId(*number))?,
        }
        Ok(())
    }

    fn intended(&mut self, intent: &Intent) -> Result<(), Misfit> {
        if intent.operation.0 <= self.last_operation {
            return Err(Misfit::Operation(intent.operation));
        }
        let state = OperationState {
            intent: intent.clone(),
            phases: vec![Phase::Intended; intent.phones.len()],
        };
        state.check()?;
        self.counted(intent.operation)?;
        for phone in intent.phones.iter() {
            self.change(&intent.identity, phone, |history| {
                for (attribute, _) in intent.writes.iter() {
                    history.asserted.remove(attribute);
                }
                history.past.ordered(intent.at);
            });
        }
        self.stand(state);
        Ok(())
    }

    fn standing(&mut self, state: &OperationState) -> Result<(), Misfit> {
        state.check()?;
        if self.operations.contains_key(&state.intent.operation) {
            return Err(Misfit::Operation(state.intent.operation));
        }
        self.counted(state.intent.operation)?;
        self.stand(state.clone());
        Ok(())
    }

    fn stand(&mut self, state: OperationState) {
        let operation = state.intent.operation;
        let standing = state.intent.phones.iter().zip(&state.phases);
        for (position, (phone, phase)) in standing.enumerate() {
            if !phase.is_closed() {
                self.change(&state.intent.identity, phone, |history| {
                    history.open.insert(operation, position);
                });
            }
        }
        self.operations.insert(operation, state);
    }

    fn moved(
        &mut self,
        operation: OperationId,
        moves: &[(PhoneId, PhaseEvent)],
        at: Timestamp,
    ) -> Result<(), Misfit> {
        let state = self
            .operations
            .get_mut(&operation)
            .ok_or(Misfit::Operation(operation))?;
        let closed = state.advance(moves, at)?;
        let intent = state.intent.clone();
        if state.phases.iter().all(Phase::is_closed) {
            self.operations.remove(&operation);
        }
        let identity = &intent.identity;
        for (phone, event) in moves {
            self.change(identity, phone, |history| {
                history.past.take(&intent, event, at);
            });
        }
        for phone in closed {
            self.change(identity, &phone, |history| {
                history.open.remove(&operation);
            });
        }
        Ok(())
    }

    fn called(&mut self, identity: &VendorIdentity, second: i64, calls: u32) {
        let called = self.called.entry(identity.clone()).or_default();
        let count = called.entry(second).or_default();
        *count = count.saturating_add(calls);
        // Seconds after this one are kept too: the clock went back.
        *called = called.split_off(&second.saturating_sub(CALLS_KEPT_SECONDS));
    }

    /// Changes what is known of a phone, and forgets the phone when nothing is known of it any more.
    pub(super) fn change(
        &mut self,
        identity: &VendorIdentity,
        phone: &PhoneId,
        edit: impl FnOnce(&mut History),
    ) {
        let phones = match self.phones.get_mut(identity) {
            Some(phones) => phones,
            None => self.phones.entry(identity.clone()).or_default(),
        };
        match phones.get_mut(phone) {
            Some(history) => {
                edit(history);
                if *history == History::default() {
                    phones.remove(phone);
                }
            }
            None => {
                let mut history = History::default();
                edit(&mut history);
                if history != History::default() {
                    phones.insert(phone.clone(), history);
                }
            }
        }
        if phones.is_empty() {
            self.phones.remove(identity);
        }
    }

    /// What is known of one phone.
    pub fn history(&self, identity: &VendorIdentity, phone: &PhoneId) -> Option<&History> {
        self.phones.get(identity)?.get(phone)
    }

    /// Records whose fold is this ledger: what compaction keeps.
    pub fn snapshot(&self) -> Vec<Record> {
        let mut records = vec![Record::LastOperation(self.last_operation)];
        self.snapshot_of_renames(&mut records);
        for (identity, phones) in &self.phones {
            snapshot_of_phones(identity, phones, &mut records);
        }
        for ((group, revision), spent) in &self.spent {
            let mut phones: BTreeMap<&VendorIdentity, Vec<PhoneId>> = BTreeMap::new();
            for (identity, phone) in spent {
                phones.entry(identity).or_default().push(phone.clone());
            }
            for (identity, phones) in phones {
                records.extend(phones.chunks(SNAPSHOT_ROWS).map(|phones| Record::Spent {
                    group: group.clone(),
                    revision: revision.clone(),
                    identity: identity.clone(),
                    phones: phones.to_vec(),
                }));
            }
        }
        for (identity, seconds) in &self.called {
            // The newest first: a second makes room among those before it.
            records.extend(seconds.iter().rev().map(|(second, calls)| Record::Called {
                identity: identity.clone(),
                second: *second,
                calls: *calls,
            }));
        }
        records.extend(self.operations.values().cloned().map(Record::Standing));
        records
    }
}

/// Snapshot of what is known of the phones of one vendor identity; open operations tell of themselves (`Standing`).
fn snapshot_of_phones(
    identity: &VendorIdentity,
    phones: &FxHashMap<PhoneId, History>,
    records: &mut Vec<Record>,
) {
    let mut phones: Vec<(&PhoneId, &History)> = phones.iter().collect();
    phones.sort_unstable_by_key(|(phone, _)| *phone);
    let mut converged: BTreeMap<&GroupName, Vec<ConvergedRow>> = BTreeMap::new();
    let (mut asserted, mut pasts) = (Vec::new(), Vec::new());
    for (phone, history) in phones {
        let History {
            group,
            asserted: prints,
            converged: wishes,
            trouble,
            open: _,
            past,
            former: _,
        } = history;
        if *past != Past::default() {
            pasts.push((phone.clone(), past.clone()));
        }
        if let Some(group) = group {
            let wishes = wishes
                .iter()
                .map(|(attribute, digest)| (attribute.clone(), Some(*digest)))
                .collect();
            converged
                .entry(group)
                .or_default()
                .push((phone.clone(), wishes));
        }
        asserted.extend(
            prints
                .iter()
                .map(|(attribute, print)| (phone.clone(), attribute.clone(), Some(print.clone()))),
        );
        if *trouble != Trouble::default() {
            records.push(Record::Trouble {
                identity: identity.clone(),
                phone: phone.clone(),
                trouble: trouble.clone(),
            });
        }
    }
    for (group, rows) in converged {
        records.extend(rows.chunks(SNAPSHOT_ROWS).map(|rows| Record::Converged {
            identity: identity.clone(),
            group: group.clone(),
            rows: rows.to_vec(),
            at: Timestamp::default(),
        }));
    }
    records.extend(pasts.chunks(SNAPSHOT_ROWS).map(|rows| Record::Past {
        identity: identity.clone(),
        rows: rows.to_vec(),
    }));
    records.extend(asserted.chunks(SNAPSHOT_ROWS).map(|rows| Record::Asserted {
        identity: identity.clone(),
        rows: rows.to_vec(),
    }));
}

impl History {
    fn converge(&mut self, group: &GroupName, wishes: &[(Attribute, Option<WishDigest>)]) {
        if self.group.as_ref() != Some(group) {
            self.group = Some(group.clone());
        }
        for (attribute, digest) in wishes {
            match digest {
                Some(digest) => {
                    self.converged.insert(attribute.clone(), *digest);
                }
                None => {
                    self.converged.remove(attribute);
                }
            }
        }
    }
}

impl OperationState {
    /// Position of a phone in this operation.
    pub fn position(&self, phone: &PhoneId) -> Option<usize> {
        // Orders are made with their phones sorted, but nothing depends on it.
        let phones = &self.intent.phones;
        phones
            .binary_search(phone)
            .ok()
            .or_else(|| phones.iter().position(|candidate| candidate == phone))
    }

    /// One phase for each of its phones, each phone once, at least one.
    fn check(&self) -> Result<(), Misfit> {
        let phones: BTreeSet<&PhoneId> = self.intent.phones.iter().collect();
        if phones.is_empty()
            || phones.len() != self.intent.phones.len()
            || phones.len() != self.phases.len()
        {
            return Err(Misfit::Shape(self.intent.operation));
        }
        Ok(())
    }

    /// Moves phones on, all or none, and tells which are closed by it.
    fn advance(
        &mut self,
        moves: &[(PhoneId, PhaseEvent)],
        at: Timestamp,
    ) -> Result<Vec<PhoneId>, Misfit> {
        let mut before: Vec<(usize, Phase)> = Vec::with_capacity(moves.len());
        let mut closed = Vec::new();
        for (phone, event) in moves {
            match self.step(phone, event, at) {
                Ok((index, old)) => {
                    if self.phases[index].is_closed() {
                        closed.push(phone.clone());
                    }
                    before.push((index, old));
                }
                Err(misfit) => {
                    for (index, phase) in before.into_iter().rev() {
                        self.phases[index] = phase;
                    }
                    return Err(misfit);
                }
            }
        }
        Ok(closed)
    }

    fn step(
        &mut self,
        phone: &PhoneId,
        event: &PhaseEvent,
        at: Timestamp,
    ) -> Result<(usize, Phase), Misfit> {
        let operation = self.intent.operation;
        let index = self
            .position(phone)
            .ok_or_else(|| Misfit::Phone(operation, phone.clone()))?;
        let next = self.phases[index]
            .next(event, at)
            .map_err(|illegal| Misfit::Transition {
                operation,
                phone: phone.clone(),
                illegal,
            })?;
        Ok((index, std::mem::replace(&mut self.phases[index], next)))
    }

    /// Phones on which it ended with this outcome.
    pub fn ended(&self, outcome: Outcome) -> impl Iterator<Item = &PhoneId> {
        self.intent
            .phones
            .iter()
            .zip(&self.phases)
            .filter(move |(_, phase)| **phase == Phase::Closed(outcome))
            .map(|(phone, _)| phone)
    }
}
