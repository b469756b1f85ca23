//! I12: only allowed transitions; every crash image opens and holds every record that was acknowledged.
//!
//! Invariants: the monitor folds the durable records itself, so what a process finds when it opens can be compared. Not here: the real file (`journal::sqlite`).

use super::{Check, Invariant};
use crate::model::record::{Ledger, Record};
use crate::rehearsal::monitor::{Happening, View};

/// I12, with what the program was told is durable.
#[derive(Default)]
pub(super) struct Durable {
    acknowledged: Ledger,
    last: Option<Vec<Record>>,
}

impl Check for Durable {
    fn invariant(&self) -> Invariant {
        Invariant::Journal
    }

    fn see(&mut self, happening: &Happening<'_>, view: &View, find: &mut dyn FnMut(String)) {
        match happening {
            Happening::Durable(records) => self.last = Some(records.to_vec()),
            Happening::Acknowledged(records) => {
                if self.last.take().as_deref() != Some(*records) {
                    find("records were acknowledged that are not in the image".to_owned());
                }
                for record in *records {
                    if let Err(misfit) = self.acknowledged.apply(record) {
                        find(format!("a record does not fit: {misfit}"));
                    }
                }
            }
            Happening::Opened(ledger) => {
                if **ledger != view.durable {
                    find("the image opens as something else than what was written".to_owned());
                }
                self.lost(ledger, find);
                // What a crash cut off between disk and acknowledgement is the program's from now on.
                self.acknowledged = Ledger::clone(ledger);
                self.last = None;
            }
            Happening::Unopened(problem) => find(format!("the image does not open: {problem}")),
            _ => {}
        }
    }
}

impl Durable {
    /// Whatever was acknowledged is still there: the image may be ahead, never behind.
    fn lost(&self, found: &Ledger, find: &mut dyn FnMut(String)) {
        if found.last_operation < self.acknowledged.last_operation {
            find(format!(
                "op-{} was acknowledged, the image ends with op-{}",
                self.acknowledged.last_operation, found.last_operation
            ));
        }
        let unsent = |phase: &crate::model::operation::Phase| {
            *phase == crate::model::operation::Phase::Intended
        };
        for (operation, state) in &self.acknowledged.operations {
            let Some(now) = found.operations.get(operation) else {
                continue;
            };
            for (before, after) in state.phases.iter().zip(&now.phases) {
                if unsent(after) && !unsent(before) {
                    find(format!(
                        "{operation} was acknowledged as {before:?}, the image says {after:?}"
                    ));
                }
            }
        }
    }
}
