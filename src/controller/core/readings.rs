//! What the answers to reads mean.
//!
//! Invariants: a listing counts as complete only when every page came and the rows are as many as the vendor says; a phone is absent only after two
//! complete listings far enough apart (three where the vendor tells no total); what a read did not tell is asked again later, not at once.
//! Not here: which reads are due (`reading`), what a reading proves (`proof`).

use super::account::{OpenJob, PageState, Purpose};
use super::member::Claimed;
use super::{AccountIx, CallId, Core, PhoneIx, Work};
use crate::model::attribute::Attribute;
use crate::model::condition::Reason;
use crate::model::id::{PhoneId, PhoneKey};
use crate::model::observed::{Observation, PhoneReading, ReadKind};
use crate::model::settings::Settings;
use crate::model::stamp::Timestamp;
use crate::plan::phone::Catalogue;
use crate::provider::{Accepted, CallError, ErrorKind, ReadRequest, RowOutcome, Submission};
use rustc_hash::FxHashSet;
use std::time::Duration;

/// So many complete listings must miss a phone before it is absent: where the vendor tells how many there are, and where it does not (that there are none at
/// all may be said by one that never tells).
const MISSED_TOLD: u32 = 2;
const MISSED_UNTOLD: u32 = 4;

/// How often a phone that told nothing is asked again soon, and waited for.
const ASKED_AGAIN: u8 = 2;
/// How often a phone is asked again soon whose command got no answer at all: that says nothing about the phone.
const LOST_AGAIN: u8 = 6;

/// How often a phone is asked again soon whose command never ended.
const HUNG_AGAIN: u8 = 3;

/// Why a phone told nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Silence {
    /// Its row is missing, or its command failed.
    Phone,
    /// Its command never ended. While it may be there, others fail, which says nothing of the phone.
    Hung,
    /// The call as a whole was lost.
    Call,
    /// The call as a whole got no answer in time: it may still be on its way.
    Late,
}

impl Silence {
    /// Of a call without an answer.
    fn of_call(sent_at: Timestamp, settings: &Settings, now: Timestamp) -> Self {
        match now >= sent_at.after(settings.request_life / 4) {
            true => Self::Late,
            false => Self::Call,
        }
    }
}

/// A read that was answered.
struct Asked<'a> {
    kind: ReadKind,
    phones: &'a [PhoneId],
    attributes: &'a [Attribute],
    sent_at: Timestamp,
}

impl Asked<'_> {
    /// Whether the reading tells every attribute that was asked for.
    fn is_answered(&self, reading: &PhoneReading) -> bool {
        let told = |attribute: &Attribute| {
            if matches!(attribute, Attribute::App(_)) {
                reading.apps.is_some()
            } else {
                reading.values.iter().any(|(other, _)| other == attribute)
            }
        };
        self.kind != ReadKind::Shell || self.attributes.iter().all(told)
    }
}

impl Core {
    pub(super) fn read_answered(
        &mut self,
        id: CallId,
        result: Result<Observation, CallError>,
        now: Timestamp,
    ) {
        let Some(call) = self.answered(id, now) else {
            return;
        };
        let Work::Read(request) = call.work else {
            return;
        };
        for phone in request.phones.iter() {
            self.read_over(call.account, phone, request.kind);
        }
        match result {
            Ok(observation) => {
                self.account_works(call.account, now);
                match request.kind {
                    ReadKind::Listing => self.listed(call.account, observation, call.sent_at, now),
                    ReadKind::AppCatalogue | ReadKind::ImageCatalogue => {
                        self.catalogued(call.account, &request, observation);
                    }
                    ReadKind::Usage | ReadKind::Properties | ReadKind::Apps | ReadKind::Shell => {
                        let asked = Asked {
                            kind: request.kind,
                            phones: &request.phones,
                            attributes: &request.attributes,
                            sent_at: call.sent_at,
                        };
                        self.read_named(call.account, &asked, observation.rows, now);
                    }
                }
            }
            Err(error) => self.read_failed((call.account, call.sent_at), &request, &error, now),
        }
    }

    /// The read of this kind is no longer under way on the phone.
    fn read_over(&mut self, account: AccountIx, phone: &PhoneId, kind: ReadKind) {
        if let (Some(ix), Some(slot)) = (self.phone_at(account, phone), kind.slot()) {
            let state = self.state_mut(ix);
            state.reading &= !(1 << slot);
            if kind == ReadKind::Shell {
                state.reading_job = false;
            }
            self.dirty.insert(ix);
        }
    }

    fn listed(
        &mut self,
        ix: AccountIx,
        observation: Observation,
        sent_at: Timestamp,
        now: Timestamp,
    ) {
        let name = self.accounts[ix.0].setup.name.clone();
        for reading in observation.rows {
            let key = PhoneKey {
                account: name.clone(),
                phone: reading.phone.clone(),
            };
            let phone = self.phone(ix, &key, now);
            let round = &mut self.accounts[ix.0].listing;
            if round.seen.insert(phone) {
                round.rows += 1;
            } else {
                round.doubled = true;
            }
            let first = self.state(phone).sight.listed.is_none();
            self.take(phone, ReadKind::Listing, reading, sent_at, now);
            if first {
                self.first_listed(phone, now);
            }
            let state = self.state_mut(phone);
            state.missed = None;
            state.sight.absent = false;
        }
        match observation.next {
            Some(next) => self.accounts[ix.0].listing.page = PageState::Due(Some(next)),
            None => self.listing_over(ix, observation.total, now),
        }
    }

    fn listing_over(&mut self, ix: AccountIx, total: Option<u64>, now: Timestamp) {
        let round = &mut self.accounts[ix.0].listing;
        round.page = PageState::Done;
        if total.is_some_and(|total| total != round.rows) {
            tracing::warn!(
                rows = round.rows,
                total,
                "The listing was short; it is read again"
            );
            round.next_at = now.after(self.settings.listing_freshness / 12);
            if round.complete > 0 {
                return;
            }
        }
        let (started, seen) = (round.started, std::mem::take(&mut round.seen));
        let whole = total.is_none_or(|total| total == round.rows);
        // Not every vendor tells a total, and a listing that tells a phone twice may lack another one.
        let proves = whole && !round.doubled;
        let enough = if total.is_some_and(|total| total > 0) {
            MISSED_TOLD
        } else {
            MISSED_UNTOLD
        };
        round.complete += 1;
        if whole {
            round.last_complete = Some(started);
        }
        if proves {
            let missed = self.note_missing(ix, &seen, (started, enough), now);
            self.look_for_renames(ix, &missed, now);
        } else {
            self.no_strangers(ix);
        }
        self.groups_dirty = true;
    }

    /// Phones that the listing does not show: those of which it is news that they are missed, or that they count as gone.
    fn note_missing(
        &mut self,
        account: AccountIx,
        seen: &std::collections::BTreeSet<PhoneIx>,
        (started, enough): (Timestamp, u32),
        now: Timestamp,
    ) -> Vec<PhoneIx> {
        let mut news = Vec::new();
        for index in 0..self.phones.len() {
            let ix = PhoneIx(u32::try_from(index).unwrap_or(u32::MAX));
            let apart = self.settings.absent_after;
            let phone = self.state_mut(ix);
            if phone.account != account || seen.contains(&ix) {
                continue;
            }
            let (last, times) = match phone.missed {
                None => {
                    news.push(ix);
                    (started, 1)
                }
                Some((last, times)) if started >= last.after(apart) => (started, times + 1),
                Some(counted) => counted,
            };
            phone.missed = Some((last, times));
            if !phone.sight.absent && times >= enough {
                phone.sight.absent = true;
                news.push(ix);
                self.dirty.insert(ix);
            } else if !phone.sight.absent && !matches!(phone.claim, Claimed::Nobody) {
                let round = &mut self.accounts[account.0].listing;
                round.next_at = round.next_at.min(last.after(apart).max(now));
            }
        }
        news
    }

    /// Takes one reading of one phone in.
    fn take(
        &mut self,
        ix: PhoneIx,
        kind: ReadKind,
        reading: PhoneReading,
        sent_at: Timestamp,
        now: Timestamp,
    ) {
        let phone = self.state_mut(ix);
        let before = phone
            .sight
            .listed
            .as_ref()
            .map(|listed| (listed.state, listed.provider_group.clone()));
        let told_apps = reading.apps.is_some();
        phone.sight.take(kind, reading, sent_at);
        let group = phone
            .sight
            .listed
            .as_ref()
            .and_then(|listed| listed.provider_group.clone());
        let first = before.is_none() && phone.sight.listed.is_some();
        if first || before.as_ref().is_some_and(|(_, before)| *before != group) {
            self.claim(ix, now);
        }
        if told_apps && let Some(apps) = &mut self.phones[ix.0 as usize].sight.apps {
            self.app_lists.share(apps);
        }
        self.state_changed(ix, before.map(|(state, _)| state), now);
        self.note_presence(ix, kind, now);
        self.dirty.insert(ix);
    }

    fn read_named(
        &mut self,
        account: AccountIx,
        asked: &Asked<'_>,
        rows: Vec<PhoneReading>,
        now: Timestamp,
    ) {
        let mut told: Vec<PhoneId> = Vec::with_capacity(rows.len());
        let mut partly: Vec<PhoneIx> = Vec::new();
        for reading in rows {
            if let Some(ix) = self.phone_at(account, &reading.phone) {
                // What was left out is not asked for again at once.
                if asked.is_answered(&reading) {
                    told.push(reading.phone.clone());
                    let phone = self.state_mut(ix);
                    (phone.silences, phone.lost_asks) = (0, 0);
                    self.accounts[account.0].again.remove(&ix);
                } else {
                    partly.push(ix);
                }
                self.accounts[account.0].singles.remove(&ix);
                self.take(ix, asked.kind, reading, asked.sent_at, now);
            }
        }
        told.sort_unstable();
        let silent: Vec<PhoneId> = asked
            .phones
            .iter()
            .filter(|phone| told.binary_search(phone).is_err())
            .cloned()
            .collect();
        let wait = self.settings.read_lag;
        self.ask_later(account, &silent, asked.kind, (wait, Silence::Phone), now);
        // A phone that cannot tell all of it will hardly do so in a moment.
        for ix in partly {
            self.accounts[account.0].again.remove(&ix);
        }
    }

    /// These phones were asked and told nothing: not again before `wait` is over; the first times soon, since a command may fail once.
    fn ask_later(
        &mut self,
        account: AccountIx,
        phones: &[PhoneId],
        kind: ReadKind,
        (wait, silence): (Duration, Silence),
        now: Timestamp,
    ) {
        let lag = self.settings.read_lag;
        for phone in phones {
            if let (Some(ix), Some(slot)) = (self.phone_at(account, phone), kind.slot()) {
                let phone = self.state_mut(ix);
                let occupied = silence == Silence::Phone && now < phone.hung_until;
                let (count, most) = match silence {
                    Silence::Phone => (&mut phone.silences, ASKED_AGAIN),
                    Silence::Hung => (&mut phone.lost_asks, HUNG_AGAIN),
                    Silence::Call | Silence::Late => (&mut phone.lost_asks, LOST_AGAIN),
                };
                *count = count.saturating_add(u8::from(!occupied));
                let soon = occupied || *count <= most;
                let wait = match (soon, silence) {
                    _ if occupied => wait.min(lag),
                    (true, Silence::Phone | Silence::Hung | Silence::Call) => {
                        wait.min(lag / 3 * u32::from(*count))
                    }
                    // A second command beside a late one would be two jobs of ours on one phone.
                    (true, Silence::Late)
                    | (false, Silence::Phone | Silence::Hung | Silence::Call | Silence::Late) => {
                        wait
                    }
                };
                phone.read_after[slot] = now.after(wait);
                let again = &mut self.accounts[account.0].again;
                if soon {
                    again.insert(ix);
                } else {
                    again.remove(&ix);
                }
                self.dirty.insert(ix);
            }
        }
    }

    fn catalogued(&mut self, ix: AccountIx, request: &ReadRequest, observation: Observation) {
        let account = &mut self.accounts[ix.0];
        let Catalogue { apps, images } = &mut account.catalogue;
        let page = match request.kind {
            ReadKind::AppCatalogue => {
                apps.get_or_insert_default().extend(
                    observation
                        .apps
                        .into_iter()
                        .map(|app| (app.app_id.clone(), app)),
                );
                &mut account.catalogue_reads.apps
            }
            ReadKind::ImageCatalogue => {
                images.get_or_insert_default().extend(observation.images);
                &mut account.catalogue_reads.images
            }
            ReadKind::Listing
            | ReadKind::Usage
            | ReadKind::Properties
            | ReadKind::Apps
            | ReadKind::Shell => return,
        };
        *page = observation
            .next
            .map_or(PageState::Done, |next| PageState::Due(Some(next)));
        if *page == PageState::Done {
            self.dirty.extend(
                (0..self.phones.len())
                    .map(|index| PhoneIx(u32::try_from(index).unwrap_or(u32::MAX))),
            );
        }
    }

    fn read_failed(
        &mut self,
        (ix, sent_at): (AccountIx, Timestamp),
        request: &ReadRequest,
        error: &CallError,
        now: Timestamp,
    ) {
        tracing::warn!(account = %self.accounts[ix.0].setup.name, kind = ?request.kind, %error, "A read failed");
        let wait = self.account_fails(ix, error, sent_at, now);
        match request.kind {
            ReadKind::Listing => {
                let listing = &mut self.accounts[ix.0].listing;
                listing.page = PageState::Done;
                listing.next_at = now.after(wait);
            }
            ReadKind::AppCatalogue => self.accounts[ix.0].catalogue_reads.apps = retry_page(error),
            ReadKind::ImageCatalogue => {
                self.accounts[ix.0].catalogue_reads.images = retry_page(error);
            }
            ReadKind::Usage | ReadKind::Properties | ReadKind::Apps | ReadKind::Shell => {
                let whole = matches!(
                    error.kind,
                    ErrorKind::NotFound
                        | ErrorKind::Refused
                        | ErrorKind::NotReady
                        | ErrorKind::Busy
                );
                if whole && request.phones.len() > 1 {
                    let ixs: Vec<PhoneIx> = request
                        .phones
                        .iter()
                        .filter_map(|phone| self.phone_at(ix, phone))
                        .collect();
                    self.accounts[ix.0].singles.extend(ixs);
                } else if whole {
                    self.ask_later(
                        ix,
                        &request.phones,
                        request.kind,
                        (self.settings.quarantine_first, Silence::Phone),
                        now,
                    );
                } else if let Some(slot) = request.kind.slot() {
                    self.accounts[ix.0].read_again_at[slot] = now.after(wait);
                }
            }
        }
    }

    /// A read that is a job was submitted.
    pub(super) fn reading_job_answered(
        &mut self,
        id: CallId,
        result: Result<Submission, CallError>,
        now: Timestamp,
    ) {
        let Some(call) = self.answered(id, now) else {
            return;
        };
        let Work::StartRead(request) = call.work else {
            return;
        };
        self.accounts[call.account.0].leaves_something(now);
        match result {
            Ok(submission) => {
                self.account_works(call.account, now);
                let mut told: FxHashSet<PhoneId> = FxHashSet::default();
                for (phone, outcome) in submission.rows {
                    let job = match outcome {
                        RowOutcome::Job(job) => job,
                        RowOutcome::Exists(_) => {
                            self.occupied(call.account, &phone, now);
                            continue;
                        }
                        RowOutcome::Done | RowOutcome::Refused(_) => continue,
                    };
                    told.insert(phone.clone());
                    let open = OpenJob {
                        phone: phone.clone(),
                        call: "read".into(),
                        since: call.sent_at,
                        deadline: call.sent_at.after(self.settings.settings_deadline),
                        interval: Duration::ZERO,
                        next: now,
                        polling: false,
                        restarts: false,
                        straggles: false,
                        purpose: Purpose::Read(request.clone(), call.sent_at),
                    };
                    self.follow_job(call.account, (job, phone), open);
                }
                let silent = request.phones.iter().filter(|phone| !told.contains(*phone));
                let silent: Vec<PhoneId> = silent.cloned().collect();
                self.untold(call.account, &silent, Silence::Phone, now);
            }
            Err(error) => {
                match error.accepted {
                    Accepted::Maybe => {
                        let silence = Silence::of_call(call.sent_at, &self.settings, now);
                        self.untold(call.account, &request.phones, silence, now);
                    }
                    Accepted::No => {
                        for phone in request.phones.iter() {
                            self.read_over(call.account, phone, ReadKind::Shell);
                        }
                    }
                }
                self.read_failed((call.account, call.sent_at), &request, &error, now);
            }
        }
    }

    /// The vendor says that a job runs on the phone: if one of ours is in doubt there, it may be that one, and its settle time begins anew.
    fn occupied(&mut self, account: AccountIx, phone: &PhoneId, now: Timestamp) {
        if let Some(ix) = self.phone_at(account, phone) {
            self.state_mut(ix).presence.away_at = now;
        }
    }

    /// A command that reads may run on these phones, and its job is not known: nothing is started there until it must be over.
    fn untold(&mut self, account: AccountIx, phones: &[PhoneId], silence: Silence, now: Timestamp) {
        let wait = match silence {
            Silence::Phone | Silence::Hung | Silence::Call => self.settings.read_lag,
            Silence::Late => self.settings.read_lag.max(self.settings.request_life / 2),
        };
        for phone in phones {
            self.read_over(account, phone, ReadKind::Shell);
            if let Some(ix) = self.phone_at(account, phone) {
                self.state_mut(ix).hold = Some((now.after(wait), Reason::Settling));
                self.look_again(ix, now.after(wait));
            }
        }
        self.ask_later(account, phones, ReadKind::Shell, (wait, silence), now);
    }

    /// Something was cleared away at the vendor, or could not be: then with the next round.
    pub(super) fn tidied(&mut self, id: CallId, result: Result<bool, CallError>, now: Timestamp) {
        let Some(call) = self.answered(id, now) else {
            return;
        };
        match result {
            Ok(more) => {
                self.account_works(call.account, now);
                if more {
                    self.accounts[call.account.0].leaves_something(now);
                }
            }
            Err(error) => {
                let account = &self.accounts[call.account.0].setup.name;
                tracing::warn!(%account, %error, "What is left at the vendor could not be cleared away");
                self.account_fails(call.account, &error, call.sent_at, now);
            }
        }
    }

    /// A reading job ended: with output, or without.
    pub(super) fn reading_job_over(
        &mut self,
        account: AccountIx,
        open: &OpenJob,
        output: Option<&str>,
        now: Timestamp,
    ) {
        let Purpose::Read(request, sent_at) = &open.purpose else {
            return;
        };
        self.read_over(account, &open.phone, ReadKind::Shell);
        match output {
            Some(output) => {
                let reading = (self.accounts[account.0].setup.decode)(request, &open.phone, output);
                let asked = Asked {
                    kind: ReadKind::Shell,
                    phones: std::slice::from_ref(&open.phone),
                    attributes: &request.attributes,
                    sent_at: *sent_at,
                };
                self.read_named(account, &asked, vec![reading], now);
            }
            None => {
                let silence = match now >= open.deadline {
                    true => Silence::Hung,
                    false => Silence::Phone,
                };
                if let (Silence::Hung, Some(ix)) = (silence, self.phone_at(account, &open.phone)) {
                    self.state_mut(ix).hung_until = sent_at.after(self.settings.patience);
                }
                self.ask_later(
                    account,
                    std::slice::from_ref(&open.phone),
                    ReadKind::Shell,
                    (self.settings.quarantine_first, silence),
                    now,
                );
            }
        }
    }
}

fn retry_page(error: &CallError) -> PageState {
    match error.kind {
        ErrorKind::Throttled
        | ErrorKind::Transient
        | ErrorKind::Malformed
        | ErrorKind::Busy
        | ErrorKind::NotReady
        | ErrorKind::Unauthorised => PageState::Due(None),
        ErrorKind::NotFound | ErrorKind::Refused => PageState::Failed,
    }
}
