//! What survives a crash: records appended in transactions, replayed through the ledger, compacted.
//!
//! [`sqlite`]: the journal of a state folder; [`image`]: one in memory that outlives its writer, for simulations; [`history`]: what it remembers, for people; [`state`]: the other files of the state folder.
//!
//! Invariants: an acknowledged record is on disk; one writer per file; a record that does not fit refuses to open and is named.
//! Not here: what records mean (`model::record`), when they are written (`controller`).

pub mod history;
pub mod image;
mod lock;
mod rows;
pub mod sqlite;
pub mod state;

#[cfg(test)]
mod legal;

use crate::model::record::{Ledger, Misfit, Record};
use crate::model::stamp::Timestamp;

/// The journal cannot be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process holds it.
    #[error("the state folder {folder} is in use by {holder}")]
    Locked {
        /// The folder.
        folder: String,
        /// Process id, command and since when, as the holder wrote it.
        holder: String,
    },
    /// The file cannot be opened, read or written.
    #[error("cannot {step} {path}")]
    Storage {
        /// What was tried.
        step: &'static str,
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The content is damaged, or from another version.
    #[error("{path}{}: {problem}", at_record(.sequence))]
    Damaged {
        /// The file.
        path: String,
        /// Number of the record (0: the file itself).
        sequence: i64,
        /// What is wrong.
        problem: String,
    },
    /// A record does not fit what came before it.
    #[error("{path}: record {sequence} does not fit what came before it")]
    Misfit {
        /// The file.
        path: String,
        /// Number of the record.
        sequence: i64,
        /// Why.
        #[source]
        source: Box<Misfit>,
    },
}

fn at_record(sequence: &i64) -> String {
    match sequence {
        0 => String::new(),
        sequence => format!(" is damaged at record {sequence}"),
    }
}

impl JournalError {
    /// What an operator can do about it.
    pub fn advice(&self) -> String {
        match self {
            Self::Locked { .. } => {
                "wait until it has ended, or stop it; `plan`, `status`, `get` and `explain` work beside it".to_owned()
            }
            Self::Storage { .. } => {
                "check that the folder exists, belongs to the user who runs this, and that the disk is not full".to_owned()
            }
            Self::Damaged { .. } | Self::Misfit { .. } => {
                "restore the state folder from a backup, or move journal.db, journal.db-wal and journal.db-shm out of it and begin anew; that \
                 costs the memory of operations under way (look at costly ones at the vendor first), and write-only values are asserted again"
                    .to_owned()
            }
        }
    }
}

/// Keeps records.
pub trait Journal: Send {
    /// Appends all of these in one transaction and returns when they are on disk.
    ///
    /// # Errors
    /// Nothing was appended.
    fn append(&mut self, records: &[Record], at: Timestamp) -> Result<(), JournalError>;

    /// So much was appended since the last snapshot that [`Journal::compact`] pays.
    fn should_compact(&self) -> bool {
        false
    }

    /// Makes `ledger`, which must be the fold of everything appended so far, the new base of replay.
    ///
    /// # Errors
    /// The old base and everything after it stand.
    fn compact(&mut self, ledger: &Ledger) -> Result<(), JournalError> {
        let _ = ledger;
        Ok(())
    }
}

/// A journal in memory, for previews without a state folder and for simulations.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    /// Everything appended, in order.
    pub records: Vec<Record>,
}

impl Journal for MemoryJournal {
    fn append(&mut self, records: &[Record], _at: Timestamp) -> Result<(), JournalError> {
        self.records.extend_from_slice(records);
        Ok(())
    }
}

/// The ledger of a sequence of records.
///
/// # Errors
/// The first record that does not fit, with its position from 0.
pub fn replay<'a>(
    records: impl IntoIterator<Item = &'a Record>,
) -> Result<Ledger, (usize, Misfit)> {
    let mut ledger = Ledger::default();
    for (position, record) in records.into_iter().enumerate() {
        ledger.apply(record).map_err(|misfit| (position, misfit))?;
    }
    Ok(ledger)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{OperationId, PhoneId};
    use crate::model::operation::PhaseEvent;
    use crate::model::record::Trouble;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_fold_of_a_snapshot_is_the_ledger(choices in prop::collection::vec(any::<u64>(), 0..120)) {
            let (records, ledger) = legal::legal(&choices);
            prop_assert_eq!(&replay(&records).unwrap(), &ledger);
            let snapshot = ledger.snapshot();
            prop_assert_eq!(&replay(&snapshot).unwrap(), &ledger);
            let json = serde_json::to_string(&snapshot).unwrap();
            let back: Vec<Record> = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(&replay(&back).unwrap(), &ledger);
        }

        #[test]
        fn a_misfit_changes_nothing(choices in prop::collection::vec(any::<u64>(), 1..60), other in any::<u64>()) {
            let (_, ledger) = legal::legal(&choices);
            let (strangers, _) = legal::legal(&[other, other / 3, other / 7, other / 11]);
            for record in strangers {
                let mut copy = ledger.clone();
                if copy.apply(&record).is_err() {
                    prop_assert_eq!(&copy, &ledger);
                }
            }
        }
    }

    #[test]
    fn legal_sequences_reach_every_corner() {
        let choices: Vec<u64> = (0..40_000u64)
            .map(|n| {
                n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
                    ^ (n.wrapping_mul(0xd6e8_feb8_6659_fd93) >> 29)
            })
            .collect();
        let (records, ledger) = legal::legal(&choices);
        let has = |found: fn(&Record) -> bool| records.iter().any(found);
        assert!(has(
            |r| matches!(r, Record::Moved { moves, .. } if moves.len() > 1)
        ));
        assert!(has(
            |r| matches!(r, Record::Moved { moves, .. } if moves[0].1 == PhaseEvent::Parked)
        ));
        assert!(has(
            |r| matches!(r, Record::Moved { moves, .. } if moves[0].1 == PhaseEvent::NoEffect)
        ));
        let partly_closed = |state: &crate::model::record::OperationState| {
            state
                .phases
                .iter()
                .any(crate::model::operation::Phase::is_closed)
        };
        assert!(ledger.operations.values().any(partly_closed));
        let begun = records
            .iter()
            .filter(|record| matches!(record, Record::Intended(_)))
            .count();
        assert!(
            begun - ledger.operations.len() > 100,
            "some operations ended"
        );
    }

    #[test]
    fn a_move_is_taken_whole_or_not_at_all() {
        let (records, mut ledger) = legal::legal(&[5 + 13 * 3]);
        let Record::Intended(intent) = &records[0] else {
            panic!("{records:?}");
        };
        let before = ledger.clone();
        let known = intent.phones[0].clone();
        let stranger = PhoneId::new("stranger");
        let misfit = ledger
            .apply(&Record::Moved {
                operation: intent.operation,
                moves: vec![
                    (known, PhaseEvent::Refused),
                    (stranger.clone(), PhaseEvent::Refused),
                ],
                at: Timestamp(1),
            })
            .unwrap_err();
        assert_eq!(misfit, Misfit::Phone(intent.operation, stranger));
        assert_eq!(ledger, before);
    }

    #[test]
    fn an_operation_needs_phones_and_each_of_them_once() {
        let (records, ledger) = legal::legal(&[5 + 13 * 3]);
        let Record::Intended(intent) = &records[0] else {
            panic!("{records:?}");
        };
        let next = OperationId(intent.operation.0 + 1);
        for phones in [vec![], vec!["a".into(), "a".into()]] {
            let mut intent = intent.clone();
            intent.operation = next;
            intent.phones = phones.into();
            let misfit = ledger.clone().apply(&Record::Intended(intent)).unwrap_err();
            assert_eq!(misfit, Misfit::Shape(next));
        }
    }

    #[test]
    fn a_phone_of_which_nothing_is_known_is_forgotten() {
        let (records, mut ledger) = legal::legal(&[5 + 13 * 3]);
        let Record::Intended(intent) = &records[0] else {
            panic!("{records:?}");
        };
        let moves = intent
            .phones
            .iter()
            .map(|id| (id.clone(), PhaseEvent::Refused));
        ledger
            .apply(&Record::Moved {
                operation: intent.operation,
                moves: moves.collect(),
                at: Timestamp(1),
            })
            .unwrap();
        assert!(ledger.operations.is_empty());
        assert_eq!(ledger.last_operation, intent.operation.0);
        // When it was last given an order stays known.
        assert_eq!(ledger.phones[&intent.identity].len(), intent.phones.len());
        let phone = PhoneId::new("never-ordered");
        for failures in [1, 0] {
            let trouble = Trouble {
                failures,
                ..Trouble::default()
            };
            let told = Record::Trouble {
                identity: intent.identity.clone(),
                phone: phone.clone(),
                trouble,
            };
            ledger.apply(&told).unwrap();
            let phones = &ledger.phones[&intent.identity];
            assert_eq!(phones.contains_key(&phone), failures > 0);
        }
    }
}
