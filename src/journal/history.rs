//! What the journal remembers of one phone, for people (`explain`, `history`).
//!
//! Invariants: read-only, like [`super::sqlite::read`]; a row shows only what concerns the phone that was asked for.
//! Not here: how it is shown (`cli`).

use super::JournalError;
use super::rows::{Read, check_origin, rows_about, standing_about};
use super::sqlite::with_reader;
use crate::model::id::{OperationId, PhoneId, VendorIdentity};
use crate::model::operation::Intent;
use crate::model::record::{OperationState, Record};
use crate::model::stamp::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One durable fact about a phone.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryRow {
    /// Its number in the journal.
    pub sequence: i64,
    /// When it was appended.
    pub at: Timestamp,
    /// The record, cut down to this phone where it tells of several (an `Intended` keeps all its phones).
    pub record: Record,
}

/// What the journal remembers of the phone that has, or had, these codes, the oldest first, the newest `most` rows. Empty when there is no journal.
///
/// # Errors
/// The journal is damaged or cannot be read.
pub fn history(
    folder: &Path,
    identity: &VendorIdentity,
    phones: &[PhoneId],
    most: usize,
) -> Result<Vec<HistoryRow>, JournalError> {
    let rows = with_reader(folder, |connection, path| {
        check_origin(connection, path)?;
        let mut ours = BTreeSet::new();
        let mut found: BTreeMap<i64, HistoryRow> = BTreeMap::new();
        // What was begun under one code may have ended under another.
        for phone in phones {
            let needle = needle(phone);
            for read in standing_about(connection, path, &needle)? {
                cut(read.record(path)?, identity, phones, &mut ours);
            }
        }
        let mut reads: Vec<Read> = Vec::new();
        for phone in phones {
            reads.extend(rows_about(connection, path, &needle(phone))?);
        }
        reads.sort_by_key(|read| read.sequence);
        for read in reads {
            let record = read.record(path)?;
            let Read { sequence, at, .. } = read;
            if let Some(record) = cut(record, identity, phones, &mut ours) {
                let row = HistoryRow {
                    sequence,
                    at,
                    record,
                };
                found.insert(sequence, row);
            }
        }
        Ok(found.into_values().collect::<Vec<_>>())
    })?;
    let mut rows = rows.unwrap_or_default();
    rows.drain(..rows.len().saturating_sub(most));
    Ok(rows)
}

fn needle(phone: &PhoneId) -> String {
    serde_json::Value::from(phone.as_str()).to_string()
}

fn concerns(intent: &Intent, identity: &VendorIdentity, phones: &[PhoneId]) -> bool {
    intent.identity == *identity && intent.phones.iter().any(|phone| phones.contains(phone))
}

/// What of the record concerns the phone of these codes. `ours` are the operations that do, as far as they are known.
fn cut(
    record: Record,
    identity: &VendorIdentity,
    phones: &[PhoneId],
    ours: &mut BTreeSet<OperationId>,
) -> Option<Record> {
    match record {
        Record::Intended(ref intent) | Record::Standing(OperationState { ref intent, .. }) => {
            concerns(intent, identity, phones).then(|| {
                ours.insert(intent.operation);
                record.clone()
            })
        }
        Record::Moved {
            operation,
            mut moves,
            at,
        } => {
            moves.retain(|(id, _)| phones.contains(id));
            (ours.contains(&operation) && !moves.is_empty()).then_some(Record::Moved {
                operation,
                moves,
                at,
            })
        }
        Record::Asserted {
            identity: of,
            mut rows,
        } => {
            rows.retain(|(id, _, _)| phones.contains(id));
            (of == *identity && !rows.is_empty()).then_some(Record::Asserted { identity: of, rows })
        }
        Record::Converged {
            identity: of,
            group,
            mut rows,
            at,
        } => {
            rows.retain(|(id, _)| phones.contains(id));
            (of == *identity && !rows.is_empty()).then_some(Record::Converged {
                identity: of,
                group,
                rows,
                at,
            })
        }
        Record::Trouble {
            identity: ref of,
            phone: ref id,
            ..
        } => (of == identity && phones.contains(id)).then_some(record),
        Record::Spent {
            group,
            revision,
            identity: of,
            phones: mut spent,
        } => {
            spent.retain(|id| phones.contains(id));
            (of == *identity && !spent.is_empty()).then_some(Record::Spent {
                group,
                revision,
                identity: of,
                phones: spent,
            })
        }
        Record::Renamed {
            identity: ref of,
            ref from,
            ref to,
            ..
        } => (of == identity && (phones.contains(from) || phones.contains(to))).then_some(record),
        Record::Called { .. } | Record::Past { .. } | Record::LastOperation(_) => None,
    }
}
