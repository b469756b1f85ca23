//! A journal whose disk is memory: the same text forms, checksums, snapshots and replay as the real one, in an image that outlives its writer.
//!
//! For simulations: a process that dies leaves exactly what was durable, and the next one opens that.
//!
//! Invariants: what was appended is in the image when `append` returns; opening goes through text, checksum and [`Ledger::apply`] as with a file.
//! Not here: files, locks and power cuts inside SQLite (`sqlite`).

use super::rows::{Read, encode};
use super::state::Step;
use super::{Journal, JournalError};
use crate::model::record::{Ledger, Record};
use crate::model::stamp::Timestamp;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What errors call the image.
const PLACE: &str = "journal image";
/// Records after a snapshot that make another one worth its while.
const COMPACT_AFTER: usize = 1_000;

/// What is durable. Clones share it.
#[derive(Clone, Default)]
pub struct Image {
    rows: Arc<Mutex<Rows>>,
}

#[derive(Default)]
struct Rows {
    base: Vec<Read>,
    since: Vec<Read>,
    last: i64,
    latest: Timestamp,
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image")
            .field("last", &self.rows().last)
            .finish_non_exhaustive()
    }
}

impl Image {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replays the image, and opens it for writing.
    ///
    /// # Errors
    /// `Damaged` or `Misfit`, naming the record.
    pub fn open(&self) -> Result<(ImageJournal, Ledger), JournalError> {
        let ledger = self.replay()?;
        Ok((
            ImageJournal {
                image: self.clone(),
            },
            ledger,
        ))
    }

    /// The ledger that follows from what is durable.
    ///
    /// # Errors
    /// `Damaged` or `Misfit`, naming the record.
    pub fn replay(&self) -> Result<Ledger, JournalError> {
        let rows = self.rows();
        let path = Path::new(PLACE);
        let mut ledger = Ledger::default();
        for row in rows.base.iter().chain(&rows.since) {
            let record = row.record(path)?;
            ledger
                .apply(&record)
                .map_err(|source| JournalError::Misfit {
                    path: PLACE.to_owned(),
                    sequence: row.sequence,
                    source: Box::new(source),
                })?;
        }
        Ok(ledger)
    }

    /// Gives the text of every record to `look`.
    pub fn texts(&self, mut look: impl FnMut(&str)) {
        let rows = self.rows();
        for row in rows.base.iter().chain(&rows.since) {
            look(&row.body);
        }
    }

    /// How many records were ever appended.
    pub fn last(&self) -> i64 {
        self.rows().last
    }

    /// Loses the newest records, as a disk does that was never told to keep them.
    pub fn lose(&self, records: usize) {
        let mut rows = self.rows();
        let keep = rows.since.len().saturating_sub(records);
        rows.since.truncate(keep);
        let lost = rows.since.last().or(rows.base.last());
        rows.last = lost.map_or(0, |row| row.sequence);
    }
}

/// The writer of an [`Image`].
#[derive(Debug)]
pub struct ImageJournal {
    image: Image,
}

impl Journal for ImageJournal {
    fn append(&mut self, records: &[Record], at: Timestamp) -> Result<(), JournalError> {
        let mut rows = self.image.rows();
        let mut fresh = Vec::with_capacity(records.len());
        let mut last = rows.last;
        for record in records {
            last += 1;
            fresh.push(written(record, (last, -1, at))?);
        }
        rows.since.extend(fresh);
        rows.last = last;
        rows.latest = rows.latest.max(at);
        Ok(())
    }

    fn should_compact(&self) -> bool {
        let rows = self.image.rows();
        rows.since.len() > COMPACT_AFTER.max(2 * rows.base.len())
    }

    fn compact(&mut self, ledger: &Ledger) -> Result<(), JournalError> {
        let mut rows = self.image.rows();
        let (last, at) = (rows.last, rows.latest);
        let base: Result<Vec<Read>, JournalError> = ledger
            .snapshot()
            .iter()
            .zip(0_i64..)
            .map(|(record, position)| written(record, (last, position, at)))
            .collect();
        rows.base = base?;
        rows.since.clear();
        Ok(())
    }
}

fn written(record: &Record, place: (i64, i64, Timestamp)) -> Result<Read, JournalError> {
    let text = encode(record, place).map_err(|error| JournalError::Storage {
        step: Step("write").0,
        path: PLACE.to_owned(),
        source: Box::new(error),
    })?;
    Ok(Read::written(text, place))
}

#[cfg(test)]
mod tests {
    use super::super::legal;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_appended_is_what_opens(choices in prop::collection::vec(any::<u64>(), 0..120), cut in 0_usize..120) {
            let (records, ledger) = legal::legal(&choices);
            let image = Image::default();
            let (mut journal, empty) = image.open().unwrap();
            prop_assert_eq!(empty, Ledger::default());
            let cut = cut.min(records.len());
            journal.append(&records[..cut], Timestamp(1)).unwrap();
            let before = image.replay().unwrap();
            journal.compact(&before).unwrap();
            prop_assert_eq!(&image.replay().unwrap(), &before);
            journal.append(&records[cut..], Timestamp(2)).unwrap();
            drop(journal);
            prop_assert_eq!(&image.open().unwrap().1, &ledger);
        }
    }

    #[test]
    fn what_is_lost_is_the_newest() {
        let (records, _) = legal::legal(&[5, 6, 17, 29, 41, 5 + 13 * 3]);
        let image = Image::default();
        let (mut journal, _) = image.open().unwrap();
        journal.append(&records, Timestamp(1)).unwrap();
        image.lose(1);
        let shorter = super::super::replay(&records[..records.len() - 1]).unwrap();
        assert_eq!(image.replay().unwrap(), shorter);
        assert_eq!(image.last(), i64::try_from(records.len()).unwrap() - 1);
    }
}
