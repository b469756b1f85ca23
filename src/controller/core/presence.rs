//! Whether a phone is there: when it could not run jobs, what it loses by that, and whether anybody waits for it.
//!
//! Invariants: a phone counts as back only by a reading that can tell; what a restart of our own is known to lose is not lost a second time because a listing
//! showed the phone on its way. Not here: what settling makes of it (`doubt`), phones that no listing shows (`readings`).

use super::{AccountIx, Core, PhoneIx};
use crate::model::observed::{Listed, ReadKind, RunState};
use crate::model::operation::Phase;
use crate::model::stamp::Timestamp;

/// When a phone could not run jobs. What waited at the vendor meanwhile begins when it is back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Presence {
    /// When it was last seen unable to, or met by another job; settling starts anew from there.
    pub(super) away_at: Timestamp,
    /// The first reading since then that can tell, and tells that it runs and is connected.
    pub(super) back_at: Option<Timestamp>,
    /// It was away when a job of ours restarted it, and not since.
    by_us: bool,
}

impl Presence {
    pub(super) fn leaves(&mut self, now: Timestamp) {
        (self.away_at, self.back_at) = (now, None);
    }
}

impl Core {
    /// By which reads an account tells that a phone is connected: where there are details, its listing may not tell.
    pub(super) fn tells_connection(&self, account: AccountIx) -> ReadKind {
        let capabilities = self.accounts[account.0].setup.capabilities;
        match capabilities
            .reads
            .iter()
            .any(|read| read.kind == ReadKind::Usage)
        {
            true => ReadKind::Usage,
            false => ReadKind::Listing,
        }
    }

    /// Notes when the phone was seen again as one that runs and is connected; and that nobody waits for it where it is told not to be.
    pub(super) fn note_presence(&mut self, ix: PhoneIx, kind: ReadKind, now: Timestamp) {
        let away = |listed: &Listed| listed.state == RunState::Unreachable;
        let phone = self.state_mut(ix);
        phone.straggles |= phone.sight.listed.as_ref().is_some_and(away);
        let phone = self.state(ix);
        let runs = |listed: &Listed| listed.state == RunState::Running;
        if phone.presence.back_at.is_none()
            && kind == self.tells_connection(phone.account)
            && phone.sight.listed.as_ref().is_some_and(runs)
        {
            self.state_mut(ix).presence.back_at = Some(now);
        }
    }

    /// Takes a new run state in: what a restart, wipe or absence loses is forgotten.
    pub(super) fn state_changed(&mut self, ix: PhoneIx, before: Option<RunState>, now: Timestamp) {
        let Some(after) = self
            .state(ix)
            .sight
            .listed
            .as_ref()
            .map(|listed| listed.state)
        else {
            return;
        };
        if after != RunState::Running {
            let by_us = self.is_restarted_by_us(ix);
            let presence = &mut self.state_mut(ix).presence;
            presence.leaves(now);
            presence.by_us = by_us;
        }
        let phone = self.state(ix);
        if phone.presence.by_us && !phone.straggles && !self.in_doubt(ix) {
            // Its end tells what is to be read again.
            return;
        }
        let came_back =
            after == RunState::Running && before.is_some_and(|before| before != RunState::Running);
        if came_back || matches!(after, RunState::Restarting | RunState::Changing) {
            for kind in [ReadKind::Properties, ReadKind::Apps, ReadKind::Shell] {
                self.state_mut(ix).sight.raise_floor(kind, now);
            }
        }
        let wiped = matches!(after, RunState::Changing);
        let restarted = came_back || matches!(after, RunState::Restarting);
        if wiped || restarted {
            self.forget_asserted(ix, wiped);
        }
    }

    /// Whether a job of ours that restarts the phone is open on it.
    fn is_restarted_by_us(&self, ix: PhoneIx) -> bool {
        self.standings(ix).any(|(operation, phase)| {
            matches!(phase, Phase::Submitted(_) | Phase::Following(_))
                && self
                    .intent_of(operation)
                    .is_some_and(|intent| !intent.costs.is_live())
        })
    }
}
