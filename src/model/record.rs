//! Records and the ledger: everything that must survive a crash, and the state that follows from it.
//!
//! Invariants: the ledger is a pure fold over records, the same live and on replay; `snapshot` gives records whose fold is the same ledger.
//! Not here: files and transactions (`journal`).

use super::attribute::Attribute;
use super::id::{
    Fingerprint, GroupName, OperationId, PhoneId, Revision, VendorIdentity, WishDigest,
};
use super::operation::{Illegal, Intent, Outcome, Phase, PhaseEvent};
use super::stamp::Timestamp;
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
        rows: Vec<(PhoneId, Vec<(Attribute, Option<WishDigest>)>)>,
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
    /// An operation as it stands (only in snapshots).
    Standing(OperationState),
    /// The number of the last operation (only in snapshots).
    LastOperation(u64),
}

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
    /// Operations that are not closed on this phone.
    pub open: BTreeSet<OperationId>,
}

/// The record does not fit what came before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The operation is not known, or known already.
    #[error("{0} is out of order")]
    Operation(OperationId),
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
}

/// The state that follows from all records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    /// Operations that are not closed on every phone.
    pub operations: BTreeMap<OperationId, OperationState>,
    /// What is known of each phone.
    pub phones: BTreeMap<VendorIdentity, BTreeMap<PhoneId, History>>,
    /// Phones on which a group spent costs, by revision.
    pub spent: BTreeMap<(GroupName, Revision), BTreeSet<(VendorIdentity, PhoneId)>>,
    /// Calls by second, the last two minutes.
    pub called: BTreeMap<VendorIdentity, BTreeMap<i64, u32>>,
    /// The number of the last operation.
    pub last_operation: u64,
}

impl Ledger {
    /// Takes one record in.
    ///
    /// # Errors
    /// The record does not fit what came before it; the ledger is unchanged for the rows from the offending one on.
    pub fn apply(&mut self, record: &Record) -> Result<(), Misfit> {
        match record {
            Record::Intended(intent) => {
                if intent.operation.0 <= self.last_operation {
                    return Err(Misfit::Operation(intent.operation));
                }
                for phone in intent.phones.iter() {
                    let history = self.history_mut(&intent.identity, phone);
                    for (attribute, _) in intent.writes.iter() {
                        history.asserted.remove(attribute);
                    }
                }
                self.stand(OperationState {
                    intent: intent.clone(),
                    phases: vec![Phase::Intended; intent.phones.len()],
                });
            }
            Record::Moved {
                operation,
                moves,
                at,
            } => self.moved(*operation, moves, *at)?,
            Record::Asserted { identity, rows } => {
                for (phone, attribute, fingerprint) in rows {
                    let asserted = &mut self.history_mut(identity, phone).asserted;
                    match fingerprint {
                        Some(fingerprint) => {
                            asserted.insert(attribute.clone(), fingerprint.clone())
                        }
                        None => asserted.remove(attribute),
                    };
                }
            }
            Record::Converged {
                identity,
                group,
                rows,
                at: _,
            } => {
                for (phone, wishes) in rows {
                    let history = self.history_mut(identity, phone);
                    history.group = Some(group.clone());
                    for (attribute, digest) in wishes {
                        match digest {
                            Some(digest) => history.converged.insert(attribute.clone(), *digest),
                            None => history.converged.remove(attribute),
                        };
                    }
                }
            }
            Record::Trouble {
                identity,
                phone,
                trouble,
            } => self.history_mut(identity, phone).trouble = trouble.clone(),
            Record::Spent {
                group,
                revision,
                identity,
                phones,
            } => {
                let spent = self
                    .spent
                    .entry((group.clone(), revision.clone()))
                    .or_default();
                spent.extend(phones.iter().map(|phone| (identity.clone(), phone.clone())));
            }
            Record::Called {
                identity,
                second,
                calls,
            } => {
                let called = self.called.entry(identity.clone()).or_default();
                *called.entry(*second).or_default() += calls;
                *called = called.split_off(&(second - 120));
            }
            Record::Standing(state) => self.stand(state.clone()),
            Record::LastOperation(number) => self.last_operation = self.last_operation.max(*number),
        }
        Ok(())
    }

    fn stand(&mut self, state: OperationState) {
        self.last_operation = self.last_operation.max(state.intent.operation.0);
        for (phone, phase) in state.intent.phones.iter().zip(&state.phases) {
            if !phase.is_closed() {
                self.history_mut(&state.intent.identity, phone)
                    .open
                    .insert(state.intent.operation);
            }
        }
        self.operations.insert(state.intent.operation, state);
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
        let identity = state.intent.identity.clone();
        let mut closed: Vec<PhoneId> = Vec::new();
        for (phone, event) in moves {
            let index = state
                .position(phone)
                .ok_or_else(|| Misfit::Phone(operation, phone.clone()))?;
            let next =
                state.phases[index]
                    .next(event, at)
                    .map_err(|illegal| Misfit::Transition {
                        operation,
                        phone: phone.clone(),
                        illegal,
                    })?;
            if next.is_closed() {
                closed.push(phone.clone());
            }
            state.phases[index] = next;
        }
        let all_closed = state.phases.iter().all(Phase::is_closed);
        for phone in closed {
            self.history_mut(&identity, &phone).open.remove(&operation);
        }
        if all_closed {
            self.operations.remove(&operation);
        }
        Ok(())
    }

    fn history_mut(&mut self, identity: &VendorIdentity, phone: &PhoneId) -> &mut History {
        if !self.phones.contains_key(identity) {
            self.phones.insert(identity.clone(), BTreeMap::new());
        }
        self.phones
            .entry(identity.clone())
            .or_default()
            .entry(phone.clone())
            .or_default()
    }

    /// What is known of one phone.
    pub fn history(&self, identity: &VendorIdentity, phone: &PhoneId) -> Option<&History> {
        self.phones.get(identity)?.get(phone)
    }

    /// Records whose fold is this ledger: what compaction keeps.
    pub fn snapshot(&self) -> Vec<Record> {
        let mut records = vec![Record::LastOperation(self.last_operation)];
        for (identity, phones) in &self.phones {
            for (phone, history) in phones {
                history.records(identity, phone, &mut records);
            }
        }
        for ((group, revision), spent) in &self.spent {
            for (identity, phone) in spent {
                records.push(Record::Spent {
                    group: group.clone(),
                    revision: revision.clone(),
                    identity: identity.clone(),
                    phones: vec![phone.clone()],
                });
            }
        }
        for (identity, seconds) in &self.called {
            records.extend(seconds.iter().map(|(second, calls)| Record::Called {
                identity: identity.clone(),
                second: *second,
                calls: *calls,
            }));
        }
        records.extend(self.operations.values().cloned().map(Record::Standing));
        records
    }
}

impl History {
    fn records(&self, identity: &VendorIdentity, phone: &PhoneId, records: &mut Vec<Record>) {
        if let Some(group) = &self.group {
            records.push(Record::Converged {
                identity: identity.clone(),
                group: group.clone(),
                rows: vec![(
                    phone.clone(),
                    self.converged
                        .iter()
                        .map(|(attribute, digest)| (attribute.clone(), Some(*digest)))
                        .collect(),
                )],
                at: Timestamp::default(),
            });
        }
        if !self.asserted.is_empty() {
            records.push(Record::Asserted {
                identity: identity.clone(),
                rows: self
                    .asserted
                    .iter()
                    .map(|(attribute, print)| {
                        (phone.clone(), attribute.clone(), Some(print.clone()))
                    })
                    .collect(),
            });
        }
        if self.trouble != Trouble::default() {
            records.push(Record::Trouble {
                identity: identity.clone(),
                phone: phone.clone(),
                trouble: self.trouble.clone(),
            });
        }
    }
}

impl OperationState {
    /// Position of a phone in this operation.
    pub fn position(&self, phone: &PhoneId) -> Option<usize> {
        self.intent
            .phones
            .iter()
            .position(|candidate| candidate == phone)
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
