//! Whether an account answers: failures of whole calls, pauses, and being let in again.
//!
//! Invariants: an account that rejects us or does not answer is tried with one listing page at a time, ever more rarely; a throttled one is paused by its
//! budget alone. Not here: failures of single phones (`answers`).

use super::{AccountIx, Core, PhoneIx};
use crate::model::condition::Reason;
use crate::model::stamp::Timestamp;
use crate::provider::{CallError, ErrorKind};
use crate::time::delay::backoff;
use std::time::Duration;

impl Core {
    /// A whole call of the account failed that was sent then. Gives the time to wait before the same is tried again. Calls that were under way together fail
    /// together: they count as one failure.
    pub(super) fn account_fails(
        &mut self,
        ix: AccountIx,
        error: &CallError,
        sent_at: Timestamp,
        now: Timestamp,
    ) -> Duration {
        let settings = &self.settings;
        let account = &mut self.accounts[ix.0];
        let another = u32::from(account.failures == 0 || sent_at >= account.failed_at);
        account.last_error = Some(error.clone());
        let gate_before = account.gate.is_some();
        let name = account.setup.name.as_str();
        let mut pause = true;
        let wait = match error.kind {
            ErrorKind::Throttled => {
                self.counters.throttled += 1;
                account.budget.throttled(now, error.retry_at);
                return Duration::from_millis(1);
            }
            ErrorKind::Unauthorised => {
                account.failures += another;
                let wait = backoff(
                    settings.quarantine_first,
                    settings.quarantine_most,
                    account.failures,
                    name,
                    settings.seed,
                );
                account.gate = Some((
                    Reason::CredentialsRejected,
                    now.after(wait),
                    error.message.clone(),
                ));
                wait
            }
            ErrorKind::Transient | ErrorKind::Malformed => {
                account.failures += another;
                let wait = backoff(
                    settings.retry_first,
                    settings.retry_most,
                    account.failures,
                    name,
                    settings.seed,
                );
                if account.failures >= 5 {
                    account.gate =
                        Some((Reason::VendorDown, now.after(wait), error.message.clone()));
                }
                wait
            }
            ErrorKind::Busy | ErrorKind::NotReady | ErrorKind::NotFound | ErrorKind::Refused => {
                pause = false;
                settings.retry_first
            }
        };
        if pause {
            account.again_at = now.after(wait);
        }
        if pause && another > 0 {
            account.failed_at = now;
        }
        if account.gate.is_some() && !gate_before {
            self.dirty_account(ix);
        }
        wait
    }

    /// A call of the account was answered as it should be.
    pub(super) fn account_works(&mut self, ix: AccountIx, now: Timestamp) {
        let account = &mut self.accounts[ix.0];
        account.failures = 0;
        if account.gate.take().is_some() {
            tracing::info!(account = %account.setup.name, at = %now, "The account answers again");
            self.dirty_account(ix);
        }
    }

    fn dirty_account(&mut self, account: AccountIx) {
        let of_account = self
            .phones
            .iter()
            .enumerate()
            .filter(|(_, phone)| phone.account == account);
        self.dirty
            .extend(of_account.map(|(index, _)| PhoneIx(u32::try_from(index).unwrap_or(u32::MAX))));
    }
}
