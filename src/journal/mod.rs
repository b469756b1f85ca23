//! What survives a crash: records appended in transactions, replayed through the ledger, compacted.
//!
//! Invariants: an acknowledged record is on disk; one writer per file; a record that does not fit refuses to open and is named.
//! Not here: what records mean (`model::record`), when they are written (`controller`).

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
    #[error("{path}: record {sequence} is damaged: {problem}")]
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
        source: Misfit,
    },
}

/// Keeps records.
pub trait Journal: Send {
    /// Appends all of these in one transaction and returns when they are on disk.
    ///
    /// # Errors
    /// Nothing was appended.
    fn append(&mut self, records: &[Record], at: Timestamp) -> Result<(), JournalError>;
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
