//! I11: calls per window never above the limit, also right after a restart; at most one in twenty is wasted.
//!
//! Invariants: calls are counted when they leave, in the world's time. Not here: what the vendor counts (`sim`).

use super::{Check, Invariant};
use crate::model::id::AccountName;
use crate::model::stamp::Timestamp;
use crate::rehearsal::monitor::{Account, Happening, View};
use std::collections::{BTreeMap, VecDeque};

/// Of fewer calls a share says nothing: one edit between two readings makes two of forty.
const SHARED_FROM: u64 = 500;

/// I11, with the calls of the last minute.
#[derive(Default)]
pub(super) struct Budget {
    calls: BTreeMap<AccountName, VecDeque<Timestamp>>,
    /// Accounts already found above their limit: once is enough.
    found: BTreeMap<AccountName, Timestamp>,
}

impl Check for Budget {
    fn invariant(&self) -> Invariant {
        Invariant::Budget
    }

    fn see(&mut self, happening: &Happening<'_>, view: &View, find: &mut dyn FnMut(String)) {
        match happening {
            Happening::Leaves(number) => {
                let Some(request) = view.requests.get(number).filter(|left| left.counted) else {
                    return;
                };
                let Some(account) = view.accounts.get(&request.account) else {
                    return;
                };
                self.count(&request.account, account, request.left, find);
            }
            Happening::Calls(all, wasted)
                if *all >= SHARED_FROM && wasted.saturating_mul(20) > *all =>
            {
                find(format!(
                    "{wasted} of {all} calls gained nothing, though nothing went wrong"
                ));
            }
            _ => {}
        }
    }
}

impl Budget {
    fn count(
        &mut self,
        name: &AccountName,
        account: &Account,
        now: Timestamp,
        find: &mut dyn FnMut(String),
    ) {
        let calls = self.calls.entry(name.clone()).or_default();
        calls.push_back(now);
        while calls.front().is_some_and(|at| at.0 <= now.0 - 60_000) {
            calls.pop_front();
        }
        let documented = account.capabilities.limits;
        let lowered = account.limits;
        let limits = [
            (
                1_000,
                documented.requests_per_second,
                lowered.requests_per_second,
            ),
            (
                60_000,
                documented.requests_per_minute,
                lowered.requests_per_minute,
            ),
        ];
        let quiet = self.found.get(name).is_some_and(|at| now.0 < at.0 + 60_000);
        for (length, most, lowered) in limits {
            let most = lowered.map_or(most, |lowered| lowered.min(most));
            let within = calls.iter().rev().take_while(|at| at.0 > now.0 - length);
            let count = within.count();
            if u64::try_from(count).unwrap_or(u64::MAX) > u64::from(most) && !quiet {
                self.found.insert(name.clone(), now);
                find(format!(
                    "{name}: {count} calls in {length} ms, {most} are allowed"
                ));
            }
        }
    }
}
