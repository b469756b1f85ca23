//! Which reads are due, and what their answers mean.
//!
//! Invariants: only phones that a group claims are read beyond the listing; a listing counts as complete only when every page came and the rows are as many
//! as the vendor says; a phone is absent only after two complete listings far enough apart; what a read did not tell is asked again later, not at once.
//! Not here: when the call goes out (`schedule`), what a reading proves (`proof`).

use super::account::{OpenJob, PageState, Purpose};
use super::member::Claimed;
use super::{AccountIx, CallId, Core, PhoneIx, Stance, Work};
use crate::model::condition::{Actor, Reason};
use crate::model::fleet::AppSource;
use crate::model::id::{PhoneId, PhoneKey};
use crate::model::observed::{Observation, PHONE_READS, PhoneReading, ReadKind, RunState};
use crate::model::operation::Phase;
use crate::model::stamp::Timestamp;
use crate::model::value::{ImageTarget, Value, Wish};
use crate::plan::phone::Catalogue;
use crate::provider::{CallError, ErrorKind, ReadRequest, RowOutcome, Submission};
use crate::time::delay::{backoff, jitter};
use std::time::Duration;

/// Kinds that are read for named phones.
pub(super) const NAMED: [ReadKind; 4] = [
    ReadKind::Usage,
    ReadKind::Properties,
    ReadKind::Apps,
    ReadKind::Shell,
];

/// A read that was answered.
struct Asked<'a> {
    kind: ReadKind,
    phones: &'a [PhoneId],
    sent_at: Timestamp,
}

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
            && !invalid(&phone.sight);
        let ours = claimed && self.busy_with_ours(ix);
        let mut wanted = [false; PHONE_READS];
        if claimed && running && !ours {
            for kind in phone.plan.unread.iter().chain(&self.closing_reads(ix, now)) {
                if let Some(slot) = kind.slot() {
                    wanted[slot] = self.accounts[phone.account.0]
                        .setup
                        .capabilities
                        .read(*kind)
                        .is_some();
                }
            }
        }
        if claimed && self.wants_listing(ix) {
            self.want_listing(ix, now);
        }
        self.want_catalogues(ix);
        for kind in NAMED {
            let Some(slot) = kind.slot() else { continue };
            let phone = self.state(ix);
            let (account, under_way, after) = (
                phone.account,
                phone.reading & (1 << slot) != 0,
                phone.read_after[slot],
            );
            if wanted[slot] && !under_way && after > now {
                self.look_again(ix, after);
            }
            let due = &mut self.accounts[account.0].due[slot];
            if wanted[slot] && !under_way && after <= now {
                due.entry(ix).or_insert(now);
            } else {
                due.remove(&ix);
            }
        }
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
            || (phone.plan.unread.contains(&ReadKind::Listing) && phone.plan.changes.len() > stuck)
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
        let round = &mut self.accounts[account.0].listing;
        if !matches!(round.page, PageState::Done | PageState::Unwanted) {
            return;
        }
        round.next_at = round
            .next_at
            .min(round.started.after(pause))
            .max(round.started);
        let at = round.next_at;
        if at > now {
            self.look_again(ix, at);
        }
    }

    /// Reads that prove what was written, once nothing more is to be written.
    fn closing_reads(&self, ix: PhoneIx, now: Timestamp) -> Vec<ReadKind> {
        let phone = self.state(ix);
        let account = &self.accounts[phone.account.0];
        let Some(history) = self
            .ledger
            .history(&account.setup.identity, &phone.key.phone)
        else {
            return Vec::new();
        };
        let mut kinds = Vec::new();
        for state in history
            .open
            .iter()
            .filter_map(|id| self.ledger.operations.get(id))
        {
            let Some(at) = state.position(&phone.key.phone) else {
                continue;
            };
            let since = match &state.phases[at] {
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
                    && kind.slot().is_some_and(|slot| {
                        phone.sight.read_at[slot].is_none_or(|read| read < since)
                    })
                {
                    kinds.push(kind);
                }
            }
        }
        kinds
    }

    fn want_catalogues(&mut self, ix: PhoneIx) {
        let phone = self.state(ix);
        let Claimed::By(desired) = &phone.claim else {
            return;
        };
        let by_version = desired.attributes.get(&crate::model::attribute::Attribute::Image).is_some_and(|wanted| {
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
                if let Some(slot) = kind.slot() {
                    phone.sight.floor[slot] = phone.sight.floor[slot].max(now);
                }
            }
            self.dirty
                .insert(PhoneIx(u32::try_from(index).unwrap_or(u32::MAX)));
        }
    }

    pub(super) fn read_answered(
        &mut self,
        id: CallId,
        result: Result<Observation, CallError>,
        now: Timestamp,
    ) {
        let Some(call) = self.answered(id) else {
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
                        self.catalogued(call.account, &request, observation)
                    }
                    ReadKind::Usage | ReadKind::Properties | ReadKind::Apps | ReadKind::Shell => {
                        let asked = Asked {
                            kind: request.kind,
                            phones: &request.phones,
                            sent_at: call.sent_at,
                        };
                        self.read_named(call.account, &asked, observation.rows, now);
                    }
                }
            }
            Err(error) => self.read_failed(call.account, &request, &error, now),
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
            }
            self.take(phone, ReadKind::Listing, reading, sent_at, now);
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
        round.complete += 1;
        if whole {
            round.last_complete = Some(started);
            self.note_missing(ix, &seen, started, now);
        }
        self.groups_dirty = true;
    }

    fn note_missing(
        &mut self,
        account: AccountIx,
        seen: &std::collections::BTreeSet<PhoneIx>,
        started: Timestamp,
        now: Timestamp,
    ) {
        for index in 0..self.phones.len() {
            let ix = PhoneIx(u32::try_from(index).unwrap_or(u32::MAX));
            let apart = self.settings.absent_after;
            let phone = self.state_mut(ix);
            if phone.account != account || seen.contains(&ix) {
                continue;
            }
            let first = *phone.missed.get_or_insert(started);
            if !phone.sight.absent && started >= first.after(apart) {
                phone.sight.absent = true;
                self.dirty.insert(ix);
            } else if !phone.sight.absent && !matches!(phone.claim, Claimed::Nobody) {
                let round = &mut self.accounts[account.0].listing;
                round.next_at = round.next_at.min(first.after(apart).max(now));
            }
        }
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
        self.state_changed(ix, before.map(|(state, _)| state), now);
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
        for reading in rows {
            if let Some(ix) = self.phone_at(account, &reading.phone) {
                told.push(reading.phone.clone());
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
        self.ask_later(account, &silent, asked.kind, self.settings.read_lag, now);
    }

    /// These phones were asked and told nothing: not again before `wait` is over.
    fn ask_later(
        &mut self,
        account: AccountIx,
        phones: &[PhoneId],
        kind: ReadKind,
        wait: Duration,
        now: Timestamp,
    ) {
        for phone in phones {
            if let (Some(ix), Some(slot)) = (self.phone_at(account, phone), kind.slot()) {
                self.state_mut(ix).read_after[slot] = now.after(wait);
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
        ix: AccountIx,
        request: &ReadRequest,
        error: &CallError,
        now: Timestamp,
    ) {
        tracing::warn!(account = %self.accounts[ix.0].setup.name, kind = ?request.kind, %error, "A read failed");
        let wait = self.account_fails(ix, error, now);
        match request.kind {
            ReadKind::Listing => {
                let listing = &mut self.accounts[ix.0].listing;
                listing.page = PageState::Done;
                listing.next_at = now.after(wait);
            }
            ReadKind::AppCatalogue => self.accounts[ix.0].catalogue_reads.apps = retry_page(error),
            ReadKind::ImageCatalogue => {
                self.accounts[ix.0].catalogue_reads.images = retry_page(error)
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
                        self.settings.quarantine_first,
                        now,
                    );
                } else if let Some(slot) = request.kind.slot() {
                    self.accounts[ix.0].read_again_at[slot] = now.after(wait);
                }
            }
        }
    }

    /// A whole call of the account failed. Gives the time to wait before the same is tried again.
    pub(super) fn account_fails(
        &mut self,
        ix: AccountIx,
        error: &CallError,
        now: Timestamp,
    ) -> Duration {
        let settings = &self.settings;
        let account = &mut self.accounts[ix.0];
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
                account.failures += 1;
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
                account.failures += 1;
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

    /// A read that is a job was submitted.
    pub(super) fn reading_job_answered(
        &mut self,
        id: CallId,
        result: Result<Submission, CallError>,
        now: Timestamp,
    ) {
        let Some(call) = self.answered(id) else {
            return;
        };
        let Work::StartRead(request) = call.work else {
            return;
        };
        match result {
            Ok(submission) => {
                self.account_works(call.account, now);
                let mut silent: Vec<PhoneId> = request.phones.to_vec();
                for (phone, outcome) in submission.rows {
                    let RowOutcome::Job(job) = outcome else {
                        continue;
                    };
                    silent.retain(|other| *other != phone);
                    let open = OpenJob {
                        phone: phone.clone(),
                        call: "read".into(),
                        since: call.sent_at,
                        deadline: call.sent_at.after(self.settings.settings_deadline),
                        interval: Duration::ZERO,
                        next: now,
                        polling: false,
                        purpose: Purpose::Read(request.clone(), call.sent_at),
                    };
                    self.accounts[call.account.0].follow((job, phone), open);
                }
                for phone in &silent {
                    self.read_over(call.account, phone, ReadKind::Shell);
                }
                self.ask_later(
                    call.account,
                    &silent,
                    ReadKind::Shell,
                    self.settings.read_lag,
                    now,
                );
            }
            Err(error) => {
                for phone in request.phones.iter() {
                    self.read_over(call.account, phone, ReadKind::Shell);
                }
                self.read_failed(call.account, &request, &error, now);
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
                    sent_at: *sent_at,
                };
                self.read_named(account, &asked, vec![reading], now);
            }
            None => self.ask_later(
                account,
                std::slice::from_ref(&open.phone),
                ReadKind::Shell,
                self.settings.quarantine_first,
                now,
            ),
        }
    }
}

/// The last listing is older than something that changed the phone's state.
fn invalid(sight: &crate::model::observed::Sight) -> bool {
    sight.read_at[0].is_some_and(|at| at < sight.floor[0])
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
