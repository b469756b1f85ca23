//! Codes that a vendor changes: when that is asked, and what follows.
//!
//! | seen in a complete listing | then |
//! |---|---|
//! | somebody who matters is missed, and somebody is listed of whom nothing is remembered | the vendor is asked which codes it changed |
//! | nobody is missed, or nobody is new | nothing is asked |
//! | the missed code leads to a listed one, and nothing is sent or followed under the old code | what is known goes on under the new code |
//! | the same, while a request or a job is open under the old code | that is waited for; nothing is sent to the new code meanwhile |
//! | a code that stands for another phone is listed again, for long enough | it is a phone of its own |
//!
//! Who is new gets no orders before it is clear that it is not somebody who is missed, at most for the time of two listings.
//!
//! Invariants: an account is asked only where its provider may tell, once for what one listing shows; a vendor that does not tell is not asked again for an hour,
//! and everything goes on as if a new code were a new phone; a code under which something was done is another phone. Not here: what leads where
//! (`model::rename`).

use super::member::Claimed;
use super::{AccountIx, CallId, Core, PhoneIx, Stance, Work};
use crate::model::id::{PhoneId, PhoneKey, VendorIdentity};
use crate::model::observed::Sight;
use crate::model::record::{History, Record};
use crate::model::rename::{Rename, Renamed, newest};
use crate::model::stamp::Timestamp;
use crate::provider::{CallError, ErrorKind};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A question is asked so often before it is given up.
const ASKED: u32 = 3;
/// A vendor that does not tell is left alone for so long.
const SILENT: Duration = Duration::from_secs(3_600);

/// What is known of changed codes at one account.
#[derive(Debug, Default)]
pub(super) struct Renames {
    /// Phones that are listed for the first time and of which nothing is remembered, since when.
    strangers: BTreeMap<PhoneIx, Timestamp>,
    asking: Asking,
    /// Questions in a row that got no answer.
    failures: u32,
    /// The vendor does not tell: it is not asked before then.
    silent_until: Timestamp,
    /// Old codes under which something is still open, and the phones that they lead to.
    pending: BTreeMap<PhoneId, PhoneIx>,
    /// Old codes that are listed again, since when.
    back: BTreeMap<PhoneIx, Timestamp>,
}

/// Where the question stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Asking {
    #[default]
    Not,
    Due(Timestamp),
    UnderWay,
}

impl Renames {
    /// When the question is to be asked.
    pub(super) fn due_at(&self) -> Option<Timestamp> {
        match self.asking {
            Asking::Due(at) => Some(at),
            Asking::Not | Asking::UnderWay => None,
        }
    }

    /// An answer is waited for.
    pub(super) fn is_open(&self) -> bool {
        self.asking != Asking::Not
    }
}

impl Core {
    /// The phone is listed, and was not before.
    pub(super) fn first_listed(&mut self, ix: PhoneIx, now: Timestamp) {
        let phone = self.state(ix);
        let place = phone.account;
        let account = &self.accounts[place.0];
        let identity = &account.setup.identity;
        let known = self.ledger.history(identity, &phone.key.phone);
        if account.setup.capabilities.renames
            && account.renames.silent_until <= now
            && known.is_none_or(History::is_untouched)
        {
            let strangers = &mut self.accounts[place.0].renames.strangers;
            strangers.insert(ix, now);
        }
    }

    /// Nothing may be sent to the phone yet, before this moment or (`None`) before something has ended: it may be one that is known under another code.
    pub(super) fn held_as_stranger(
        &self,
        ix: PhoneIx,
        now: Timestamp,
    ) -> Option<Option<Timestamp>> {
        let renames = &self.accounts[self.state(ix).account.0].renames;
        if self.is_awaited(ix) {
            return Some(None);
        }
        let since = renames.strangers.get(&ix)?;
        let until = since.after(self.settings.absent_after * 2);
        (now < until).then_some(Some(until))
    }

    /// It is known that the phone is one under whose old code something is still open.
    pub(super) fn is_awaited(&self, ix: PhoneIx) -> bool {
        let renames = &self.accounts[self.state(ix).account.0].renames;
        renames.pending.values().any(|to| *to == ix)
    }

    /// A complete listing is in; `missed` are the phones that it did not show and the one before did, or that count as gone now.
    pub(super) fn look_for_renames(
        &mut self,
        account: AccountIx,
        missed: &[PhoneIx],
        now: Timestamp,
    ) {
        if !self.accounts[account.0].setup.capabilities.renames {
            return;
        }
        self.take_codes_back(account, now);
        let renames = &self.accounts[account.0].renames;
        if renames.is_open() {
            return;
        }
        let told = renames.silent_until <= now;
        let anybody = !renames.strangers.is_empty();
        let wanted = told
            && (missed.iter().any(|ix| self.matters(account, *ix))
                && self.knows_a_stranger(account)
                || anybody && self.misses_somebody(account));
        if wanted {
            let renames = &mut self.accounts[account.0].renames;
            (renames.asking, renames.failures) = (Asking::Due(now), 0);
        } else {
            self.no_strangers(account);
        }
    }

    /// Nobody new is held any longer.
    pub(super) fn no_strangers(&mut self, account: AccountIx) {
        let strangers = std::mem::take(&mut self.accounts[account.0].renames.strangers);
        self.dirty.extend(strangers.into_keys());
    }

    /// Whether it matters where the phone went: it is managed, or the manifests name it, or something is remembered of it.
    fn matters(&self, account: AccountIx, ix: PhoneIx) -> bool {
        let phone = self.state(ix);
        let claimed = !matches!(phone.claim, Claimed::Nobody);
        self.matters_by_code(account, &phone.key.phone, claimed)
    }

    fn matters_by_code(&self, account: AccountIx, code: &PhoneId, claimed: bool) -> bool {
        let identity = &self.accounts[account.0].setup.identity;
        !self.is_former(account, code)
            && (claimed
                || self.ledger.history(identity, code).is_some()
                || self.fleet.speaks_of(&self.key(account, code)))
    }

    fn key(&self, account: AccountIx, code: &PhoneId) -> PhoneKey {
        PhoneKey {
            account: self.accounts[account.0].setup.name.clone(),
            phone: code.clone(),
        }
    }

    /// The newest complete listing shows the phone.
    fn is_listed(&self, ix: PhoneIx) -> bool {
        let phone = self.state(ix);
        phone.missed.is_none() && phone.sight.listed.is_some()
    }

    fn is_code_listed(&self, account: AccountIx, code: &PhoneId) -> bool {
        self.phone_at(account, code)
            .is_some_and(|ix| self.is_listed(ix))
    }

    /// A phone is listed of which nothing is remembered.
    fn knows_a_stranger(&self, account: AccountIx) -> bool {
        let identity = &self.accounts[account.0].setup.identity;
        self.indices(account).any(|ix| {
            let known = self.ledger.history(identity, &self.state(ix).key.phone);
            self.is_listed(ix) && known.is_none_or(History::is_untouched)
        })
    }

    /// Somebody who matters is not listed.
    fn misses_somebody(&self, account: AccountIx) -> bool {
        let name = &self.accounts[account.0].setup.name;
        let identity = &self.accounts[account.0].setup.identity;
        let remembered = self.ledger.phones.get(identity).into_iter().flatten();
        let named = self.fleet.named.iter().chain(&self.fleet.mentioned);
        let named = named.filter(|key| key.account == *name);
        let missed =
            |code: &PhoneId| !self.is_code_listed(account, code) && !self.is_former(account, code);
        remembered.map(|(code, _)| code).any(missed)
            || named.map(|key| &key.phone).any(missed)
            || self
                .indices(account)
                .any(|ix| !self.is_listed(ix) && self.matters(account, ix))
    }

    fn indices(&self, account: AccountIx) -> impl Iterator<Item = PhoneIx> {
        let phones = self.phones.iter().enumerate();
        phones
            .filter(move |(_, phone)| phone.account == account)
            .map(|(index, _)| PhoneIx(u32::try_from(index).unwrap_or(u32::MAX)))
    }

    /// The question, if it is to be asked now.
    pub(super) fn ask_renames(&mut self, account: AccountIx, now: Timestamp) -> Option<Work> {
        let renames = &mut self.accounts[account.0].renames;
        renames.due_at().filter(|at| *at <= now)?;
        renames.asking = Asking::UnderWay;
        Some(Work::Renames)
    }

    /// The vendor told, or did not.
    pub(super) fn renames_answered(
        &mut self,
        id: CallId,
        result: Result<Vec<Rename>, CallError>,
        now: Timestamp,
    ) {
        let Some(call) = self.answered(id, now) else {
            return;
        };
        let account = call.account;
        self.accounts[account.0].renames.asking = Asking::Not;
        let error = match result {
            Ok(renames) => {
                self.account_works(account, now);
                self.take_renames(account, &renames);
                self.no_strangers(account);
                self.follow_renames(now);
                return;
            }
            Err(error) => error,
        };
        let name = &self.accounts[account.0].setup.name;
        tracing::debug!(account = %name, %error, "The vendor does not tell which codes it changed");
        let wait = match error.kind {
            ErrorKind::Throttled => self.account_fails(account, &error, call.sent_at, now),
            ErrorKind::Transient | ErrorKind::Malformed | ErrorKind::Busy | ErrorKind::NotReady => {
                self.settings.retry_first
            }
            // Not in this build, or not for this account.
            ErrorKind::Refused | ErrorKind::NotFound | ErrorKind::Unauthorised => {
                self.accounts[account.0].renames.silent_until = now.after(SILENT);
                self.no_strangers(account);
                return;
            }
        };
        let renames = &mut self.accounts[account.0].renames;
        renames.failures += 1;
        if renames.failures < ASKED {
            renames.asking = Asking::Due(now.after(wait * renames.failures));
        } else {
            self.no_strangers(account);
        }
    }

    /// Notes which missed codes lead to listed phones of which nothing is remembered.
    fn take_renames(&mut self, account: AccountIx, renames: &[Rename]) {
        let codes: BTreeSet<&PhoneId> = renames.iter().map(|rename| &rename.from).collect();
        for from in codes {
            let Some(to) = newest(renames, from).and_then(|to| self.phone_at(account, to)) else {
                continue;
            };
            let old = self.phone_at(account, from);
            let claimed = old.is_some_and(|old| !matches!(self.state(old).claim, Claimed::Nobody));
            if self.leads_to(account, from, to) && self.matters_by_code(account, from, claimed) {
                let pending = &mut self.accounts[account.0].renames.pending;
                pending.insert(from.clone(), to);
                self.dirty.insert(to);
            }
        }
    }

    /// The old code is missed, the new one is listed, and nothing was done under it.
    fn leads_to(&self, account: AccountIx, from: &PhoneId, to: PhoneIx) -> bool {
        let identity = &self.accounts[account.0].setup.identity;
        let known = self.ledger.history(identity, &self.state(to).key.phone);
        !self.is_code_listed(account, from)
            && self.is_listed(to)
            && known.is_none_or(History::is_untouched)
    }

    /// Lets what is known go on under the new codes, where nothing is open under the old ones any more.
    pub(super) fn follow_renames(&mut self, now: Timestamp) {
        if self.stance == Stance::Drain {
            return;
        }
        for index in 0..self.accounts.len() {
            if self.accounts[index].renames.pending.is_empty() {
                continue;
            }
            let account = AccountIx(index);
            let pending = std::mem::take(&mut self.accounts[index].renames.pending);
            for (from, to) in pending {
                if !self.leads_to(account, &from, to) {
                    self.dirty.insert(to);
                } else if self.is_at_rest(account, &from, to) {
                    self.follow_rename(account, &from, to, now);
                } else {
                    self.accounts[index].renames.pending.insert(from, to);
                }
            }
        }
    }

    /// Nothing is being sent, searched for or followed under the old code.
    fn is_at_rest(&self, account: AccountIx, from: &PhoneId, to: PhoneIx) -> bool {
        let here = &self.accounts[account.0];
        let asked = |work: &Work| match work {
            Work::Submit(_, order) => order.phones.contains(from),
            Work::Find(_, lost) => lost.phones.contains(from),
            Work::StartRead(request) => request.phones.contains(from),
            Work::Poll(jobs) => jobs.iter().any(|job| job.phone == *from),
            Work::Read(_) | Work::Tidy | Work::Renames => false,
        };
        self.ledger
            .may_rename(&here.setup.identity, from, &self.state(to).key.phone)
            && !here.jobs.keys().any(|(_, phone)| phone == from)
            && !self
                .under_way
                .values()
                .any(|call| call.account == account && asked(&call.work))
    }

    fn follow_rename(&mut self, account: AccountIx, from: &PhoneId, to: PhoneIx, now: Timestamp) {
        let code = self.state(to).key.phone.clone();
        let name = &self.accounts[account.0].setup.name;
        tracing::info!(account = %name, %from, to = %code, "The vendor gave a phone another code; it is followed");
        self.record(Record::Renamed {
            identity: self.accounts[account.0].setup.identity.clone(),
            from: from.clone(),
            to: code,
            at: now,
        });
        if let Some(old) = self.phone_at(account, from) {
            self.hand_over(old, to);
            self.claim(old, now);
        }
        self.claim(to, now);
    }

    /// What the core knows of a phone under its old code, and no record tells.
    fn hand_over(&mut self, old: PhoneIx, new: PhoneIx) {
        let phone = self.state_mut(old);
        let sight = std::mem::take(&mut phone.sight);
        let (hold, first_old) = (phone.hold.take(), phone.first_old.take());
        let (away_at, read_after) = (phone.presence.away_at, phone.read_after);
        let too_soon_since = phone.too_soon_since.take();
        let phone = self.state_mut(new);
        let Sight { floor, firm, .. } = sight;
        for (mine, theirs) in phone.sight.floor.iter_mut().zip(floor) {
            *mine = theirs.max(*mine);
        }
        for (mine, theirs) in phone.sight.firm.iter_mut().zip(firm) {
            *mine = theirs.max(*mine);
        }
        for (mine, theirs) in phone.read_after.iter_mut().zip(read_after) {
            *mine = theirs.max(*mine);
        }
        phone.presence.leaves(away_at.max(phone.presence.away_at));
        phone.hold = phone.hold.max(hold);
        phone.first_old = phone.first_old.or(first_old);
        phone.too_soon_since = phone.too_soon_since.or(too_soon_since);
        if let Some(expired) = self.expired.remove(&old) {
            self.expired.entry(new).or_default().extend(expired);
        }
        for places in self.reserved.values_mut() {
            if places.remove(&old) {
                places.insert(new);
            }
        }
    }

    /// Old codes that are listed again, in two complete listings far enough apart, are phones of their own.
    fn take_codes_back(&mut self, account: AccountIx, now: Timestamp) {
        let identity = self.accounts[account.0].setup.identity.clone();
        let mut back = std::mem::take(&mut self.accounts[account.0].renames.back);
        let Some(renamed) = self.ledger.renamed.get(&identity) else {
            return;
        };
        let listed: BTreeMap<PhoneIx, PhoneId> = renamed
            .iter()
            .filter_map(|(old, new)| Some((self.phone_at(account, old)?, new.clone())))
            .filter(|(ix, _)| self.is_listed(*ix))
            .collect();
        back.retain(|ix, _| listed.contains_key(ix));
        for (ix, holder) in listed {
            let first = *back.entry(ix).or_insert(now);
            let due = first.after(self.settings.absent_after);
            if now < due {
                let round = &mut self.accounts[account.0].listing;
                round.next_at = round.next_at.min(due);
                continue;
            }
            back.remove(&ix);
            let code = self.state(ix).key.phone.clone();
            self.record(Record::Renamed {
                identity: VendorIdentity::clone(&identity),
                from: code.clone(),
                to: code,
                at: now,
            });
            self.claim(ix, now);
            if let Some(holder) = self.phone_at(account, &holder) {
                self.claim(holder, now);
            }
        }
        self.accounts[account.0].renames.back = back;
    }

    /// The code is one that a phone had, and that phone has another one now.
    pub(super) fn is_former(&self, account: AccountIx, code: &PhoneId) -> bool {
        let identity = &self.accounts[account.0].setup.identity;
        self.ledger.current(identity, code) != code
    }

    /// The key under which the phone of this key is known now.
    pub fn current(&self, key: &PhoneKey) -> PhoneKey {
        let current = self.account_index.get(&key.account).map(|account| {
            let identity = &self.accounts[account.0].setup.identity;
            self.ledger.current(identity, &key.phone)
        });
        PhoneKey {
            account: key.account.clone(),
            phone: current.unwrap_or(&key.phone).clone(),
        }
    }

    /// Codes that the phone had before, the newest first.
    pub(super) fn former(&self, account: AccountIx, phone: &PhoneId) -> Vec<PhoneKey> {
        let identity = &self.accounts[account.0].setup.identity;
        let former = self.ledger.former(identity, phone).iter();
        former.map(|old| self.key(account, &old.phone)).collect()
    }

    /// The same for people, with when each was found to be another one.
    pub fn former_codes(&self, key: &PhoneKey) -> Vec<(PhoneKey, Timestamp)> {
        let Some(account) = self.account_index.get(&key.account).copied() else {
            return Vec::new();
        };
        let identity = &self.accounts[account.0].setup.identity;
        let former = self.ledger.former(identity, &key.phone).iter();
        former
            .map(|old| (self.key(account, &old.phone), old.until))
            .collect()
    }

    /// Codes of phones that were changed, as far as somebody should know: the manifests name the old code, or it was found since this core was started.
    pub fn renamed(&self) -> Vec<Renamed> {
        let mut told = Vec::new();
        for (index, account) in self.accounts.iter().enumerate() {
            let identity = &account.setup.identity;
            for (old, new) in self.ledger.renamed.get(identity).into_iter().flatten() {
                let mut former = self.ledger.former(identity, new).iter();
                let at = former
                    .find(|former| former.phone == *old)
                    .map_or(Timestamp::default(), |former| former.until);
                let from = self.key(AccountIx(index), old);
                let named = self.fleet.speaks_of(&from);
                if named || at >= self.started {
                    let to = self.key(AccountIx(index), new);
                    told.push(Renamed {
                        from,
                        to,
                        at,
                        named,
                    });
                }
            }
        }
        told.sort_unstable();
        told
    }
}
