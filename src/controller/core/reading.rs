//! Which reads are due, and which of them is made next.
//!
//! Invariants: only phones that a group claims are read beyond the listing, and only while they run; one closing read-back a chain of steps.
//! Not here: when the call goes out (`schedule`), what the answer means (`readings`), what it proves (`proof`).

use super::account::{PageState, RESTARTS_APART};
use super::member::Claimed;
use super::{AccountIx, Core, PhoneIx, Stance, Work};
use crate::model::attribute::Attribute;
use crate::model::capability::ReadCall;
use crate::model::condition::Actor;
use crate::model::fleet::AppSource;
use crate::model::observed::{PHONE_READS, ReadKind, RunState};
use crate::model::operation::Phase;
use crate::model::stamp::Timestamp;
use crate::model::value::{ImageTarget, Value, Wish};
use crate::time::delay::jitter;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::Duration;

/// Partial reads wait for phones with open jobs, at most so many poll rounds; once no job is open they go at once, so the end is never later for it.
const READ_HOLD_POLLS: u32 = 4;
/// Partial reads wait this long at most for the rest of a listing.
const LISTING_HOLD: Duration = Duration::from_secs(2);

/// Kinds that are read for named phones.
pub(super) const NAMED: [ReadKind; 4] = [
    ReadKind::Usage,
    ReadKind::Properties,
    ReadKind::Apps,
    ReadKind::Shell,
];

/// The attributes that a read tells of a desired state (by its address and the account), found once for all phones that share it.
#[derive(Default)]
struct Tellable<'a>(FxHashMap<(usize, AccountIx), Vec<&'a Attribute>>);

impl Core {
    /// Puts the phone among those due for the reads it needs, and takes it out of the others.
    pub(super) fn want_reads(&mut self, ix: PhoneIx, now: Timestamp) {
        let phone = self.state(ix);
        let claimed = matches!(phone.claim, Claimed::By(_));
        let running = phone
            .sight
            .listed
            .as_ref()
            .is_some_and(|listed| listed.state == RunState::Running)
            && !invalid(&phone.sight)
            // Who is gone answers nothing; a listing tells when the phone is back.
            && !phone.sight.absent;
        let ours = claimed && (self.busy_with_ours(ix) || self.is_awaited(ix));
        let mut wanted = [false; PHONE_READS];
        let mut proves = false;
        if claimed && running && !ours {
            let closing = self.unproven(ix, now);
            let closing = closing.iter().map(|(_, kind)| *kind);
            proves = closing.clone().any(|kind| kind == ReadKind::Listing);
            let away = self.may_be_away(ix, now);
            for kind in phone.plan.unread.iter().copied().chain(closing).chain(away) {
                if let Some(slot) = kind.slot() {
                    wanted[slot] = self.may_tell(ix, kind);
                }
            }
        }
        if !wanted.contains(&true) {
            let account = self.state(ix).account;
            self.accounts[account.0].again.remove(&ix);
        }
        if claimed && (proves || self.wants_listing(ix)) {
            self.want_listing(ix, now);
        }
        self.want_catalogues(ix);
        for kind in NAMED {
            let Some(slot) = kind.slot() else { continue };
            let phone = self.state(ix);
            let (account, straggles) = (phone.account, phone.straggles);
            let (under_way, after) = (phone.reading & (1 << slot) != 0, phone.read_after[slot]);
            if wanted[slot] && !under_way && after > now {
                self.look_again(ix, after);
            }
            let due = &mut self.accounts[account.0].due[slot];
            if wanted[slot] && !under_way && after <= now {
                due.insert(ix, straggles, now);
            } else {
                due.remove(ix);
            }
        }
    }

    /// Whether reading this kind may tell something, as far as reading may go. What stands in for the usual way tells its part once; the rest stays open.
    fn may_tell(&self, ix: PhoneIx, kind: ReadKind) -> bool {
        let phone = self.state(ix);
        let capabilities = self.accounts[phone.account.0].setup.capabilities;
        let Some(read) = capabilities.read_within(kind, self.reads) else {
            return false;
        };
        if capabilities.read(kind) == Some(read) {
            return true;
        }
        let told = kind
            .slot()
            .and_then(|slot| phone.sight.read_at[slot])
            .is_some_and(|at| at >= self.started);
        let Claimed::By(desired) = &phone.claim else {
            return false;
        };
        let mut asked = desired.attributes.keys().filter(|attribute| {
            self.read_of(phone.account, attribute) == Some(kind)
                && capabilities.tells(read, attribute)
        });
        !told && asked.next().is_some()
    }

    /// A fresh listing is needed where something is to be decided: the phone was never listed, or a change can start.
    fn wants_listing(&self, ix: PhoneIx) -> bool {
        let phone = self.state(ix);
        let stuck = phone
            .plan
            .waiting
            .iter()
            .filter(|waiting| waiting.reason.actor() == Actor::Operator)
            .count();
        phone.sight.listed.is_none()
            || invalid(&phone.sight)
            || (phone.plan.unread.contains(&ReadKind::Listing)
                && phone.plan.changes.len() > stuck
                && !self.busy_with_ours(ix))
            || self.in_doubt(ix)
    }

    fn want_listing(&mut self, ix: PhoneIx, now: Timestamp) {
        let phone = self.state(ix);
        let account = phone.account;
        let moving = invalid(&phone.sight)
            || phone
                .sight
                .listed
                .as_ref()
                .is_some_and(|listed| listed.state != RunState::Running);
        let pause = if moving {
            self.settings.listing_freshness / 6
        } else {
            self.settings.listing_freshness * 3 / 4
        };
        // Phones that were restarted together come back one after the other: one listing tells of all.
        let together = match self.accounts[account.0].restarting {
            0 => Timestamp::default(),
            // The others can use a listing only then.
            _ if phone.straggles => now.after(RESTARTS_APART),
            _ if invalid(&phone.sight) => phone.sight.floor[0].after(RESTARTS_APART),
            _ => Timestamp::default(),
        };
        let round = &mut self.accounts[account.0].listing;
        if !matches!(round.page, PageState::Done | PageState::Unwanted) {
            return;
        }
        round.next_at = round
            .next_at
            .min(round.started.after(pause).max(together))
            .max(round.started);
        let at = round.next_at;
        if at > now {
            self.look_again(ix, at);
        }
    }

    /// Something on the phone is in doubt, and it is time to look whether the phone is connected: not every listing tells, the details do, or a command that
    /// runs. A job waits at the vendor as long as its phone is away, and settling begins when it is back.
    fn may_be_away(&self, ix: PhoneIx, now: Timestamp) -> Option<ReadKind> {
        let phone = self.state(ix);
        let kind = match self.accounts[phone.account.0].setup.capabilities.blind {
            true => ReadKind::Shell,
            false => ReadKind::Usage,
        };
        let read = kind.slot().and_then(|slot| phone.sight.read_at[slot]);
        let due = self.standings(ix).any(|(_, phase)| match phase {
            Phase::Unknown(since) => {
                let due = self.doubt_due(*since, now);
                read.is_none_or(|read| read < due)
            }
            Phase::Intended
            | Phase::Submitted(_)
            | Phase::Following(_)
            | Phase::Succeeded(_)
            | Phase::Parked
            | Phase::Closed(_) => false,
        });
        due.then_some(kind)
    }

    /// What was written and is to be read back, once nothing more is to be written: attributes, and how they are read.
    fn unproven(&self, ix: PhoneIx, now: Timestamp) -> Vec<(&Attribute, ReadKind)> {
        let phone = self.state(ix);
        let account = &self.accounts[phone.account.0];
        let history = self
            .ledger
            .history(&account.setup.identity, &phone.key.phone);
        let mut unproven = Vec::new();
        for (state, phase) in self.ledger.open_on(history) {
            let since = match phase {
                Phase::Succeeded(at) if phone.plan.next().is_none() => self.proof_due(*at, now),
                Phase::Unknown(at) => self.doubt_due(*at, now),
                Phase::Succeeded(_)
                | Phase::Intended
                | Phase::Submitted(_)
                | Phase::Following(_)
                | Phase::Parked
                | Phase::Closed(_) => continue,
            };
            for (attribute, _) in state.intent.writes.iter() {
                if let Some(kind) = self.read_of(phone.account, attribute)
                    && phone
                        .sight
                        .told_at(attribute, kind)
                        .is_none_or(|told| told < since)
                {
                    unproven.push((attribute, kind));
                }
            }
        }
        unproven
    }

    /// Where a read asks for few attributes: those to be asked for next, and of the phones only those that need the same ones as the first.
    /// `None`: the read asks for everything that is managed.
    pub(super) fn few_attributes(
        &self,
        read: &ReadCall,
        phones: &mut Vec<PhoneIx>,
        now: Timestamp,
    ) -> Option<Arc<[Attribute]>> {
        let most = usize::try_from(read.max_attributes).unwrap_or(usize::MAX);
        if read.max_attributes == u32::MAX {
            return None;
        }
        let mut tellable = Tellable::default();
        let first = *phones.first()?;
        let next = self.next_attributes(first, (read.kind, most), &mut tellable, now);
        phones.retain(|phone| {
            *phone == first
                || self.lacks(*phone, read.kind, &next, now)
                || self.next_attributes(*phone, (read.kind, most), &mut tellable, now) == next
        });
        Some(next.into_iter().cloned().collect())
    }

    /// Whether the phone has to be asked for all of these sooner or later, whatever is next for it.
    fn lacks(&self, phone: PhoneIx, kind: ReadKind, asked: &[&Attribute], now: Timestamp) -> bool {
        let state = self.state(phone);
        let (Claimed::By(desired), Some(slot)) = (&state.claim, kind.slot()) else {
            return false;
        };
        let oldest = state.sight.firm[slot].max(now.before(self.settings.reading_freshness));
        let unproven = self.unproven(phone, now);
        asked.iter().all(|attribute| {
            let told = state.sight.told_at(attribute, kind);
            desired.attributes.contains_key(*attribute)
                && (told.is_none_or(|at| at < oldest)
                    || unproven.iter().any(|(other, _)| other == attribute))
        })
    }

    /// The attributes of a phone that are asked for next: what waits for its proof first, then what was told longest ago.
    fn next_attributes<'a>(
        &'a self,
        phone: PhoneIx,
        (kind, most): (ReadKind, usize),
        tellable: &mut Tellable<'a>,
        now: Timestamp,
    ) -> Vec<&'a Attribute> {
        let state = self.state(phone);
        let Claimed::By(desired) = &state.claim else {
            return Vec::new();
        };
        let unproven = self.unproven(phone, now);
        let place = (Arc::as_ptr(desired).addr(), state.account);
        let told = tellable.0.entry(place).or_insert_with(|| {
            let read = |attribute: &&Attribute| self.read_of(state.account, attribute);
            desired
                .attributes
                .keys()
                .filter(|attribute| read(attribute) == Some(kind))
                .collect()
        });
        let mut all: Vec<_> = told
            .iter()
            .map(|attribute| {
                let proven = !unproven.iter().any(|(other, _)| other == attribute);
                (proven, state.sight.told_at(attribute, kind), *attribute)
            })
            .collect();
        all.sort_unstable();
        let mut next: Vec<&Attribute> = all
            .into_iter()
            .take(most)
            .map(|(_, _, attribute)| attribute)
            .collect();
        next.sort_unstable();
        next
    }

    fn want_catalogues(&mut self, ix: PhoneIx) {
        let phone = self.state(ix);
        let Claimed::By(desired) = &phone.claim else {
            return;
        };
        let by_version = desired.attributes.get(&Attribute::Image).is_some_and(|wanted| {
            matches!(&wanted.wish, Wish::Set(Value::Image(image)) if matches!(image.target, ImageTarget::Version(_)))
        });
        let ix = phone.account;
        let account = &mut self.accounts[ix.0];
        if by_version
            && account.catalogue_reads.images == PageState::Unwanted
            && account
                .setup
                .capabilities
                .read(ReadKind::ImageCatalogue)
                .is_some()
        {
            account.catalogue_reads.images = PageState::Due(None);
        }
        if account.catalogue_reads.apps == PageState::Unwanted
            && account
                .setup
                .capabilities
                .read(ReadKind::AppCatalogue)
                .is_some()
        {
            let name = &account.setup.name;
            let wanted = self
                .fleet
                .apps
                .values()
                .any(|app| matches!(app.source_for(name), Some(AppSource::Catalogue { .. })));
            account.catalogue_reads.apps = if wanted {
                PageState::Due(None)
            } else {
                PageState::Done
            };
        }
    }

    /// The read that tells of the most phones, of those of which the first one's turn has come by then: thousands that are asked one by one do not keep back
    /// those that are asked together.
    pub(super) fn named_read(
        &mut self,
        ix: AccountIx,
        turn: Timestamp,
        now: Timestamp,
    ) -> Option<Work> {
        let mut most: Option<(&ReadCall, Vec<PhoneIx>)> = None;
        for kind in NAMED {
            let account = &self.accounts[ix.0];
            let read = account.setup.capabilities.read_within(kind, self.reads);
            let (Some(slot), Some(read)) = (kind.slot(), read) else {
                continue;
            };
            let comes = account.due[slot].first_turn().is_some_and(|at| at <= turn);
            if !comes || account.read_again_at[slot] > now {
                continue;
            }
            let size = account
                .batch_size(read.max_phones)
                .min(usize::try_from(read.max_phones).unwrap_or(1));
            let Some(phones) = self.read_batch(ix, read, (slot, size), now) else {
                continue;
            };
            if most
                .as_ref()
                .is_none_or(|(_, others)| phones.len() > others.len())
            {
                most = Some((read, phones));
            }
        }
        let (read, phones) = most?;
        Some(self.read_work(ix, read, phones, now))
    }

    /// Phones for one read: a full batch at once, a partial one when nobody is about to join, singles alone.
    fn read_batch(
        &self,
        ix: AccountIx,
        read: &ReadCall,
        (slot, size): (usize, usize),
        now: Timestamp,
    ) -> Option<Vec<PhoneIx>> {
        let account = &self.accounts[ix.0];
        let due = &account.due[slot];
        // Neither look goes over all that is due: there may be a hundred thousand, and this is asked for every call.
        if let Some(single) = account.singles.iter().find(|phone| due.contains(**phone)) {
            return Some(vec![*single]);
        }
        if due.len() >= size {
            return Some(due.first(size));
        }
        let since = due.first_since()?;
        (since.after(self.read_hold(ix, read, due.len(), now)) <= now).then(|| due.first(size))
    }

    /// How long a partial read waits for others to join: the fewer may join and the more wait, the shorter.
    pub(super) fn read_hold(
        &self,
        ix: AccountIx,
        read: &ReadCall,
        waiting: usize,
        now: Timestamp,
    ) -> Duration {
        let account = &self.accounts[ix.0];
        let ending = match read.max_attributes {
            // Those who may join hardly want the same one.
            1 => 0,
            _ => account.ending(now, waiting.saturating_mul(3)),
        };
        if ending > 0 {
            let whole = account.poll_interval() * READ_HOLD_POLLS;
            let [ending, all] =
                [ending, ending + waiting].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
            return whole.mul_f64(f64::from(ending) / f64::from(all));
        }
        if matches!(
            account.listing.page,
            PageState::Due(_) | PageState::UnderWay
        ) && account.listing.complete == 0
        {
            return LISTING_HOLD;
        }
        Duration::ZERO
    }

    /// Starts a listing round that is due, and a round of routine reading.
    pub(super) fn start_rounds(&mut self, ix: AccountIx, now: Timestamp) {
        let account = &mut self.accounts[ix.0];
        let idle = matches!(account.listing.page, PageState::Done | PageState::Unwanted);
        if self.stance == Stance::Run && account.warm && account.routine_at <= now {
            account.routine_at = now.after(jitter(
                self.settings.read_interval,
                self.settings.read_jitter_percent,
                account.setup.name.as_str(),
                account.rounds,
                self.settings.seed,
            ));
            account.rounds += 1;
            account.listing.next_at = now;
            account.leaves_something(now);
            self.read_everything_again(ix, now);
        }
        let account = &mut self.accounts[ix.0];
        let reopen = account
            .gate
            .as_ref()
            .is_some_and(|(_, until, _)| *until <= now);
        let listing = &mut account.listing;
        if idle && (listing.next_at <= now || reopen) {
            listing.page = PageState::Due(None);
            listing.started = now;
            listing.rows = 0;
            listing.doubled = false;
            listing.seen.clear();
            listing.next_at = Timestamp(i64::MAX);
        }
    }

    fn read_everything_again(&mut self, account: AccountIx, now: Timestamp) {
        for index in 0..self.phones.len() {
            let phone = &mut self.phones[index];
            if phone.account != account || !matches!(phone.claim, Claimed::By(_)) {
                continue;
            }
            for kind in [ReadKind::Properties, ReadKind::Apps, ReadKind::Shell] {
                phone.sight.raise_floor(kind, now);
            }
            self.dirty
                .insert(PhoneIx(u32::try_from(index).unwrap_or(u32::MAX)));
        }
    }
}

/// The last listing is older than something that changed the phone's state.
pub(super) fn invalid(sight: &crate::model::observed::Sight) -> bool {
    sight.read_at[0].is_some_and(|at| at < sight.floor[0])
}
