//! What the core keeps per account: budget, batches, reads that are due, open jobs, and whether the vendor lets us in.
//!
//! Invariants: a phone waits in at most one read of each kind; a job is polled by one call at a time. Not here: phones (`member`).

use super::due::Due;
use super::renames::Renames;
use super::{AccountSetup, PhoneIx, Work};
use crate::model::capability::{Call, DeadlineClass};
use crate::model::condition::Reason;
use crate::model::id::{JobId, OperationId, PhoneId};
use crate::model::observed::{Cursor, PHONE_READS};
use crate::model::settings::Settings;
use crate::model::stamp::Timestamp;
use crate::plan::batch::{BatchKey, Batches};
use crate::plan::phone::Catalogue;
use crate::provider::ReadRequest;
use crate::time::budget::{Budget, Window};
use rustc_hash::FxHashMap;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How far apart phones come back that were restarted together.
pub(super) const RESTARTS_APART: Duration = Duration::from_secs(30);

/// A partial batch waits so many polls for phones that will join it: the first poll of the job before may come too early, the second not.
const HOLD_POLLS: u32 = 3;

/// A job, and the phone it runs on (some vendors give several phones one job).
pub(super) type JobKey = (JobId, PhoneId);

/// One account.
pub(super) struct AccountState {
    pub(super) setup: AccountSetup,
    pub(super) budget: Budget,
    pub(super) in_flight: u32,
    pub(super) batches: Batches,
    pub(super) catalogue: Catalogue,
    pub(super) catalogue_reads: CatalogueReads,
    pub(super) listing: ListingRound,
    pub(super) renames: Renames,
    /// Phones due for a read of each kind.
    pub(super) due: [Due; PHONE_READS],
    /// No read of this kind before this moment (it failed).
    pub(super) read_again_at: [Timestamp; PHONE_READS],
    pub(super) jobs: FxHashMap<JobKey, OpenJob>,
    pub(super) polls: BTreeSet<(Timestamp, JobKey)>,
    /// Why nothing may be done, and when it is tried again.
    pub(super) gate: Option<(Reason, Timestamp, String)>,
    /// Failures in a row of whole calls, and the last of them.
    pub(super) failures: u32,
    /// When the last of them was noticed.
    pub(super) failed_at: Timestamp,
    pub(super) last_error: Option<crate::provider::CallError>,
    /// No call before this moment (the last one failed as a whole).
    pub(super) again_at: Timestamp,
    /// Calls for which the vendor has no list in which lost submits can be found.
    pub(super) cannot_look: BTreeSet<SmolStr>,
    /// Searches for lost submits: when the next is due.
    pub(super) searches: BTreeMap<OperationId, Timestamp>,
    /// Phones that are read one by one, because a read of several was refused.
    pub(super) singles: BTreeSet<PhoneIx>,
    /// Phones whose last read told nothing and that are asked again soon: reading is not over before.
    pub(super) again: BTreeSet<PhoneIx>,
    /// Rounds of routine reading so far, and when the next is due.
    pub(super) rounds: u64,
    pub(super) routine_at: Timestamp,
    /// The first reading of the account is in: changes may start.
    pub(super) warm: bool,
    /// From when on what is left at the vendor is cleared away, where the adapter leaves something.
    pub(super) untidy: Option<Timestamp>,
    /// Open jobs that restart their phones.
    pub(super) restarting: usize,
    /// Last calls by second, to be journaled.
    pub(super) uncounted: (i64, u32),
    /// How long jobs of each call took lately.
    pub(super) learned: BTreeMap<SmolStr, Duration>,
}

/// Which pages of a catalogue are still to be read. `None`: not wanted.
#[derive(Debug, Default)]
pub(super) struct CatalogueReads {
    pub(super) apps: PageState,
    pub(super) images: PageState,
}

/// Progress of a paged read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum PageState {
    /// Nobody asked for it.
    #[default]
    Unwanted,
    /// This page is due.
    Due(Option<Cursor>),
    /// A page is under way.
    UnderWay,
    /// All pages are in.
    Done,
    /// It cannot be read.
    Failed,
}

/// One listing of all phones, page by page.
#[derive(Debug, Default)]
pub(super) struct ListingRound {
    /// Page that is due.
    pub(super) page: PageState,
    pub(super) started: Timestamp,
    pub(super) seen: BTreeSet<PhoneIx>,
    pub(super) rows: u64,
    /// A phone was told twice: something else may be missing for it.
    pub(super) doubled: bool,
    /// Complete rounds so far; the last one's start.
    pub(super) complete: u64,
    pub(super) last_complete: Option<Timestamp>,
    pub(super) next_at: Timestamp,
}

/// A job that is polled.
#[derive(Clone, Debug)]
pub(super) struct OpenJob {
    pub(super) phone: PhoneId,
    pub(super) call: SmolStr,
    pub(super) since: Timestamp,
    pub(super) deadline: Timestamp,
    pub(super) interval: Duration,
    pub(super) next: Timestamp,
    pub(super) polling: bool,
    /// It restarts its phone, or more, and others wait for that.
    pub(super) restarts: bool,
    /// Nobody waits for its phone, see [`straggles`](super::member::PhoneState::straggles).
    pub(super) straggles: bool,
    pub(super) purpose: Purpose,
}

/// What a job is for.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    /// A phone of this operation.
    Change(OperationId),
    /// A read.
    Read(ReadRequest, Timestamp),
}

impl AccountState {
    pub(super) fn new(setup: AccountSetup) -> Self {
        let budget = Budget::new(windows(&setup));
        Self {
            setup,
            budget,
            in_flight: 0,
            batches: Batches::default(),
            catalogue: Catalogue::default(),
            catalogue_reads: CatalogueReads::default(),
            listing: ListingRound {
                page: PageState::Due(None),
                next_at: Timestamp(i64::MAX),
                ..ListingRound::default()
            },
            renames: Renames::default(),
            due: Default::default(),
            read_again_at: Default::default(),
            jobs: FxHashMap::default(),
            polls: BTreeSet::new(),
            gate: None,
            failures: 0,
            failed_at: Timestamp::default(),
            last_error: None,
            again_at: Timestamp::default(),
            cannot_look: BTreeSet::new(),
            searches: BTreeMap::new(),
            singles: BTreeSet::new(),
            again: BTreeSet::new(),
            rounds: 0,
            routine_at: Timestamp(i64::MAX),
            warm: false,
            untidy: None,
            restarting: 0,
            uncounted: (0, 0),
            learned: BTreeMap::new(),
        }
    }

    pub(super) fn call(&self, name: &str) -> Option<&'static Call> {
        self.setup.capabilities.call(name)
    }

    /// HTTP requests that this call may take, at most.
    pub(super) fn requests_of(&self, work: &Work) -> u32 {
        let capabilities = self.setup.capabilities;
        match work {
            Work::Read(request) | Work::StartRead(request) => capabilities
                .read(request.kind)
                .map_or(1, |read| read.requests),
            Work::Submit(_, order) => self.call(order.call).map_or(1, |call| call.requests),
            Work::Poll(_) | Work::Find(..) | Work::Tidy | Work::Renames => 1,
        }
    }

    /// From when on the budget allows any call of this vendor, with the requests that prepare it.
    pub(super) fn next_free(&mut self, now: Timestamp) -> Timestamp {
        let capabilities = self.setup.capabilities;
        let calls = capabilities.calls.iter().map(|call| call.requests);
        let reads = capabilities.reads.iter().map(|read| read.requests);
        let most = calls.chain(reads).max().unwrap_or(1);
        self.budget.next_free_for(most, now)
    }

    /// Other limits hold from now on; calls that were made stay counted.
    pub(super) fn limits_changed(&mut self) {
        self.budget.limit(windows(&self.setup));
    }

    /// So many requests are handed out. Of several the later ones leave when those before them are answered.
    pub(super) fn takes(&mut self, requests: u32, now: Timestamp) {
        if self.setup.capabilities.leaves_late || requests > 1 {
            self.budget.open(requests, now);
        } else {
            self.budget.take_all(requests, now);
        }
    }

    /// A call of so many requests is answered.
    pub(super) fn gives_back(&mut self, requests: u32, now: Timestamp) {
        if self.setup.capabilities.leaves_late || requests > 1 {
            self.budget.close(requests, now);
        }
    }

    /// Nothing is open, due or held here.
    pub(super) fn is_idle(&self) -> bool {
        self.warm
            && self.jobs.is_empty()
            && self.searches.is_empty()
            && self.due.iter().all(Due::is_empty)
            && self.batches.is_idle()
    }

    /// Something may have been left at the vendor.
    pub(super) fn leaves_something(&mut self, now: Timestamp) {
        if self.setup.capabilities.tidies {
            self.untidy = self.untidy.or(Some(now));
        }
    }

    /// Phones in one call.
    pub(super) fn batch_size(&self, most: u32) -> usize {
        usize::try_from(
            self.setup
                .limits
                .batch_size
                .map_or(most, |limit| limit.min(most))
                .max(1),
        )
        .unwrap_or(1)
    }

    pub(super) fn poll_interval(&self) -> Duration {
        self.setup
            .limits
            .poll_interval
            .unwrap_or(self.setup.capabilities.limits.poll_interval)
    }

    pub(super) fn open_jobs_limit(&self) -> usize {
        let most = self.setup.capabilities.limits.open_jobs;
        usize::try_from(
            self.setup
                .limits
                .open_jobs
                .map_or(most, |limit| limit.min(most))
                .max(1),
        )
        .unwrap_or(1)
    }

    /// How long jobs of this call take, as learned or documented.
    pub(super) fn expected(&self, call: &str) -> Duration {
        self.learned
            .get(call)
            .copied()
            .or_else(|| self.call(call).map(|call| call.expected))
            .unwrap_or(Duration::from_secs(3))
    }

    /// From when and until when batches wait for the phone of a job: some polls before it is expected to end, and until it is late.
    pub(super) fn awaited(&self, job: &OpenJob) -> (Timestamp, Timestamp) {
        let near = job.since.after(self.expected(&job.call));
        (
            near.before(self.poll_interval() * HOLD_POLLS),
            job.since.after(self.usual(&job.call)),
        )
    }

    /// Within this time jobs of the call end: twice what they are known to take, and a poll.
    pub(super) fn usual(&self, call: &str) -> Duration {
        self.expected(call) * 2 + self.poll_interval()
    }

    /// How many jobs that others wait for are expected to end about now, counted up to `most`.
    pub(super) fn ending(&self, now: Timestamp, most: usize) -> usize {
        let soon = |job: &&OpenJob| {
            let (near, late) = self.awaited(job);
            !job.straggles && (near..late).contains(&now)
        };
        self.jobs.values().filter(soon).take(most).count()
    }

    /// How long a partial batch is held: some polls, or the expected duration if longer; and where phones are restarting, as long as the last of them
    /// may come back after the first.
    pub(super) fn hold(&self, key: &BatchKey) -> Duration {
        let usual = (self.poll_interval() * HOLD_POLLS).max(self.expected(key.payload.call));
        if self.restarting > 0 {
            usual.max(RESTARTS_APART)
        } else {
            usual
        }
    }

    /// When jobs are to be asked about: at once when a call is full, else a fifth of the poll interval after the first is due, so that others join.
    pub(super) fn polls_at(&self) -> Option<Timestamp> {
        let (first, _) = self.polls.first()?;
        let full = self
            .polls
            .iter()
            .nth(self.poll_batch() - 1)
            .map(|(at, _)| *at);
        let joined = first.after(self.poll_interval() / 5);
        Some(full.map_or(joined, |full| full.min(joined)))
    }

    /// Jobs in one poll.
    pub(super) fn poll_batch(&self) -> usize {
        usize::try_from(self.setup.capabilities.limits.poll_batch)
            .unwrap_or(1)
            .max(1)
    }

    /// Follows a job: first poll in the round in which half the time has passed that jobs of its call usually take (a poll is shared by
    /// a hundred jobs; waiting is not).
    pub(super) fn follow(&mut self, job: JobKey, mut open: OpenJob) {
        let rounds = (self.expected(&open.call).as_millis() / 2)
            .div_ceil(self.poll_interval().as_millis().max(1));
        let rounds = u32::try_from(rounds).unwrap_or(1).max(1);
        let next = open.since.after(self.poll_interval() * rounds);
        open.next = next;
        open.interval = self.poll_interval();
        self.polls.insert((next, job.clone()));
        self.restarting += usize::from(open.restarts);
        if let Some(before) = self.jobs.insert(job, open) {
            self.restarting -= usize::from(before.restarts);
        }
    }

    /// Drops a job that has ended.
    pub(super) fn unfollow(&mut self, job: &JobKey) -> Option<OpenJob> {
        let open = self.jobs.remove(job)?;
        self.restarting -= usize::from(open.restarts);
        self.polls.remove(&(open.next, job.clone()));
        Some(open)
    }

    /// Asks again later: half as long again each time.
    pub(super) fn poll_later(&mut self, job: &JobKey, now: Timestamp, most: Duration) {
        let step = self.poll_interval();
        let Some(open) = self.jobs.get(job) else {
            return;
        };
        let wait = open.interval;
        // Counted from when it was due, not from the answer: else rounds would drift.
        let next = open
            .next
            .after(wait)
            .max(now.after(Duration::from_millis(1)));
        if let Some(open) = self.jobs.get_mut(job) {
            self.polls.remove(&(open.next, job.clone()));
            open.polling = false;
            open.interval = (wait * 3 / 2).clamp(step, most.max(step));
            open.next = next;
            self.polls.insert((next, job.clone()));
        }
    }

    /// Remembers how long a job took, as far as polling tells (it ended about half a round before it was seen): a moving average.
    pub(super) fn learn(&mut self, call: &SmolStr, seen_after: Duration) {
        let took = seen_after.saturating_sub(self.poll_interval() / 2);
        let before = self.expected(call);
        self.learned.insert(call.clone(), (before * 3 + took) / 4);
    }
}

/// Deadline of jobs of a call.
pub(super) fn deadline(call: Option<&Call>, settings: &Settings) -> Duration {
    match call.map_or(DeadlineClass::Settings, |call| call.deadline) {
        DeadlineClass::Settings => settings.settings_deadline,
        DeadlineClass::Apps => settings.apps_deadline,
        DeadlineClass::Image => settings.image_deadline,
    }
}

fn windows(setup: &AccountSetup) -> Vec<Window> {
    let documented = setup.capabilities.limits;
    let limit =
        |most: u32, lowered: Option<u32>| lowered.map_or(most, |lowered| lowered.min(most)).max(1);
    vec![
        Window {
            calls: limit(
                documented.requests_per_second,
                setup.limits.requests_per_second,
            ),
            length: Duration::from_secs(1),
        },
        Window {
            calls: limit(
                documented.requests_per_minute,
                setup.limits.requests_per_minute,
            ),
            length: Duration::from_secs(60),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fleet::AccountLimits;
    use crate::model::id::{AccountName, VendorIdentity};
    use crate::provider::alibaba;
    use std::sync::Arc;

    fn account() -> AccountState {
        AccountState::new(AccountSetup {
            name: AccountName::from("lab"),
            identity: VendorIdentity::from("one"),
            capabilities: alibaba::capabilities(),
            limits: AccountLimits {
                requests_per_second: Some(4),
                ..AccountLimits::default()
            },
            decode: Arc::new(|_, _, _| unreachable!("nothing is read")),
        })
    }

    #[test]
    fn the_later_request_of_a_call_counts_when_it_leaves() {
        let mut account = account();
        account.takes(2, Timestamp(0));
        assert_eq!(
            account.budget.next_free_for(2, Timestamp(1_500)),
            Timestamp(1_500)
        );
        account.gives_back(2, Timestamp(2_000));
        assert_eq!(
            account.budget.next_free_for(3, Timestamp(2_500)),
            Timestamp(3_001)
        );
    }
}
