//! Operations that are open on a phone.
//!
//! Invariants: where the phone stands in each is known without looking through the operation's phones. Not here: how that changes (`record`).

use super::id::OperationId;
use super::operation::Phase;
use super::record::{History, Ledger, Misfit, OperationState};

impl Ledger {
    /// Operations are counted up from 1: a number from the upper half of what fits is damage.
    pub(super) fn counted(&mut self, operation: OperationId) -> Result<(), Misfit> {
        if operation.0 > u64::MAX / 2 {
            return Err(Misfit::Operation(operation));
        }
        self.last_operation = self.last_operation.max(operation.0);
        Ok(())
    }

    /// Operations that are not closed on a phone, and where it stands in each.
    pub fn open_on<'a>(
        &'a self,
        history: Option<&'a History>,
    ) -> impl Iterator<Item = (&'a OperationState, &'a Phase)> {
        let open = history.into_iter().flat_map(|history| &history.open);
        open.filter_map(|(operation, position)| {
            let state = self.operations.get(operation)?;
            Some((state, state.phases.get(*position)?))
        })
    }
}
