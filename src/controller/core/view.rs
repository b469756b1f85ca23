//! The plan of the fleet and the counts, as things stand now.
//!
//! Invariants: every managed phone is in one class; the tally equals a count from scratch. Not here: text (`plan::render`, `cli`).

use super::account::{PageState, Purpose};
use super::due::Due;
use super::member::Claimed;
use super::proof::{Standing, standing};
use super::{Core, PhoneIx, Stance, Work};
use crate::controller::progress::Progress;
use crate::model::attribute::Attribute;
use crate::model::condition::{Actor, Reason};
use crate::model::id::{AccountName, GroupName, PhoneKey};
use crate::model::observed::{ReadKind, RunState, Sight};
use crate::model::operation::Phase;
use crate::model::record::OperationState;
use crate::model::stamp::Timestamp;
use crate::plan::preview::{AccountEntry, FleetInput, Header, PhoneEntry, Plan, assemble};
use crate::provider::{CallError, ErrorKind};
use std::collections::BTreeMap;

/// Where a phone stands, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Unmanaged,
    InSync,
    Working,
    Vendor,
    Operator,
    NotRead,
}

/// Phones by class, and steps that will follow.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    counts: [u64; 6],
    steps: u64,
}

/// One phone as it stands, for `explain` and surveys.
#[derive(Clone, Debug)]
pub struct PhoneReport {
    /// What is remembered of its readings.
    pub sight: Sight,
    /// The group that claims it.
    pub group: Option<GroupName>,
    /// What it needs.
    pub plan: crate::plan::phone::PhonePlan,
}

impl Tally {
    /// A phone's chain has another length now.
    pub(super) fn replanned(&mut self, before: usize, after: usize) {
        let steps = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        self.steps = (self.steps + steps(after)).saturating_sub(steps(before));
    }
}

impl Core {
    pub(super) fn classify(&mut self, ix: PhoneIx, now: Timestamp) {
        let class = self.class_of(ix, now);
        let phone = self.state_mut(ix);
        let before = std::mem::replace(&mut phone.class, class);
        self.tally.counts[before as usize] = self.tally.counts[before as usize].saturating_sub(1);
        self.tally.counts[class as usize] += 1;
    }

    fn class_of(&self, ix: PhoneIx, now: Timestamp) -> Class {
        let phone = self.state(ix);
        match &phone.claim {
            Claimed::Nobody => return Class::Unmanaged,
            Claimed::Not(..) => return Class::Operator,
            Claimed::By(_) => {}
        }
        let plan = &phone.plan;
        let working = self
            .standings(ix)
            .any(|(_, phase)| !matches!(phase, Phase::Parked));
        let worst = plan
            .waiting
            .iter()
            .map(|waiting| waiting.reason.actor())
            .max();
        let can_go_on = plan.next().is_some() || plan.upcoming().is_some();
        if working {
            return Class::Working;
        }
        if can_go_on && self.stance != Stance::Preview {
            return Class::Working;
        }
        let used = plan
            .waiting
            .iter()
            .any(|waiting| waiting.reason == Reason::InUse);
        match worst {
            Some(Actor::Time) if used => return Class::Vendor,
            Some(Actor::Operator) => return Class::Operator,
            Some(Actor::Vendor) => return Class::Vendor,
            Some(Actor::Time) => return Class::Working,
            None => {}
        }
        if phone.sight.absent {
            return Class::Operator;
        }
        let unread = plan.unread.iter().any(|kind| *kind != ReadKind::Listing)
            || phone.sight.listed.is_none();
        if unread {
            let gate = self.accounts[phone.account.0].gate.is_some();
            let asked = phone.read_after.iter().any(|after| *after > now);
            let missing = phone.missed.is_some();
            // A preview only reads: what it has not read yet, nobody works on.
            let preview = self.stance == Stance::Preview;
            return if gate || asked || missing || preview {
                Class::NotRead
            } else {
                Class::Working
            };
        }
        if plan.changes.is_empty() {
            Class::InSync
        } else {
            Class::Working
        }
    }

    /// Counts from the tally alone: cheap.
    pub fn counts(&self) -> Progress {
        let count = |class: Class| self.tally.counts[class as usize];
        Progress {
            activity: self.activity().to_owned(),
            revision: self.fleet.revision.to_string(),
            phones: self
                .tally
                .counts
                .iter()
                .sum::<u64>()
                .saturating_sub(count(Class::Unmanaged)),
            in_sync: count(Class::InSync),
            working: count(Class::Working),
            vendor: count(Class::Vendor),
            operator: count(Class::Operator),
            not_read: count(Class::NotRead),
            steps_left: self.tally.steps,
            steps_done: self.counters.steps_done,
            reads_left: self.reads_left(),
            reads: self.counters.reads,
            writes: self.counters.writes,
            polls: self.counters.polls,
            throttled: self.counters.throttled,
            open_jobs: self
                .accounts
                .iter()
                .map(|account| account.jobs.len() as u64)
                .sum(),
            outcomes: self.counters.outcomes.clone(),
            ..Progress::default()
        }
    }

    fn reads_left(&self) -> u64 {
        let due =
            |count: usize, size: usize| u64::try_from(count.div_ceil(size.max(1))).unwrap_or(0);
        let mut calls = self
            .under_way
            .values()
            .filter(|call| matches!(call.work, Work::Read(_) | Work::StartRead(_)))
            .count() as u64;
        for account in &self.accounts {
            calls += u64::from(matches!(account.listing.page, PageState::Due(_)));
            for kind in super::reading::NAMED {
                let size = account
                    .setup
                    .capabilities
                    .read_within(kind, self.reads)
                    .map_or(1, |read| account.batch_size(read.max_phones));
                calls += kind
                    .slot()
                    .map_or(0, |slot| due(account.due[slot].len(), size));
            }
        }
        calls
    }

    /// All counts, with reasons, groups and the phones that need someone.
    pub fn progress(&self, now: Timestamp) -> Progress {
        let mut progress = Progress {
            at: now,
            ..self.counts()
        };
        progress.steps_left = 0;
        progress.renamed = self.renamed();
        progress.renamed.truncate(1000);
        for phone in &self.phones {
            progress.steps_left += phone.plan.chain.len() as u64;
            let (group, reason) = match &phone.claim {
                Claimed::Nobody => continue,
                Claimed::Not(reason, detail, group) => {
                    (group.as_ref(), Some((*reason, detail.as_str())))
                }
                Claimed::By(desired) => {
                    let worst = phone
                        .plan
                        .waiting
                        .iter()
                        .max_by_key(|waiting| waiting.reason.actor());
                    let absent = phone
                        .sight
                        .absent
                        .then_some((Reason::Absent, "two complete listings do not show it"));
                    (
                        Some(&desired.group),
                        worst
                            .map(|waiting| (waiting.reason, waiting.detail.as_str()))
                            .or(absent),
                    )
                }
            };
            if let Some(group) = group {
                let counts = progress.groups.entry(group.clone()).or_default();
                counts.0 += 1;
                counts.1 += u64::from(phone.class == Class::InSync);
            }
            if let Some((reason, detail)) = reason {
                *progress.reasons.entry(reason).or_default() += 1;
                if reason.actor() != Actor::Time && progress.needing.len() < 1000 {
                    progress
                        .needing
                        .push((phone.key.clone(), reason, detail.to_owned()));
                }
            }
        }
        progress
    }

    fn activity(&self) -> &'static str {
        let writes = self
            .accounts
            .iter()
            .any(|account| !account.jobs.is_empty() || !account.batches.is_idle());
        match self.stance {
            Stance::Drain => "draining",
            Stance::Preview => "reading",
            Stance::Apply | Stance::Run if writes => "converging",
            Stance::Apply | Stance::Run if self.reads_left() > 0 => "reading",
            Stance::Apply | Stance::Run => "idle",
        }
    }

    /// Every reading that is due and possible is in.
    pub fn reading_is_over(&self) -> bool {
        let reads = self
            .under_way
            .values()
            .any(|call| matches!(call.work, Work::Read(_) | Work::StartRead(_)));
        !reads
            && self.accounts.iter().all(|account| {
                // Among hundreds of reads three in a row fail by chance; a vendor that is down closes the gate soon.
                let given_up = account.gate.is_some()
                    || (account.failures >= 3 && account.listing.complete == 0);
                let catalogues = [
                    &account.catalogue_reads.apps,
                    &account.catalogue_reads.images,
                ];
                let jobs = account
                    .jobs
                    .values()
                    .any(|job| matches!(job.purpose, Purpose::Read(..)));
                given_up
                    || (account.listing.complete > 0
                        && !jobs
                        && !account.renames.is_open()
                        && account.due.iter().all(Due::is_empty)
                        && account.again.is_empty()
                        && !catalogues
                            .iter()
                            .any(|page| matches!(page, PageState::Due(_))))
            })
    }

    /// The first account that could not be read at all, and why.
    pub fn unreadable(&self) -> Option<(AccountName, CallError)> {
        let account = self.accounts.iter().find(|account| {
            account.listing.complete == 0 && (account.failures > 0 || account.gate.is_some())
        })?;
        Some((account.setup.name.clone(), account.last_error.clone()?))
    }

    /// An account whose credentials the vendor rejects.
    pub fn rejected(&self) -> Option<(AccountName, CallError)> {
        let account = self.accounts.iter().find(|account| {
            account
                .last_error
                .as_ref()
                .is_some_and(|error| error.kind == ErrorKind::Unauthorised)
                && account.gate.is_some()
        })?;
        Some((account.setup.name.clone(), account.last_error.clone()?))
    }

    /// Nothing is under way and nothing will follow by itself: what is left waits for the vendor, for a person, or cannot be read.
    pub fn is_still(&self) -> bool {
        let jobs = self.follows_jobs();
        self.under_way.is_empty()
            && !jobs
            && self.tally.counts[Class::Working as usize] == 0
            && self.reading_is_over()
            && !self.is_untidy()
    }

    /// Something is to be cleared away at a vendor before the work is done.
    fn is_untidy(&self) -> bool {
        self.stance == Stance::Apply
            && self.accounts.iter().any(|account| {
                account.untidy.is_some() && account.gate.is_none() && account.failures < 3
            })
    }

    /// Jobs of ours that change phones are open at a vendor.
    pub fn follows_jobs(&self) -> bool {
        let changes = |job: &super::account::OpenJob| matches!(job.purpose, Purpose::Change(_));
        self.accounts
            .iter()
            .any(|account| account.jobs.values().any(changes))
    }

    /// Operations that are open at an account the fleet no longer has: nobody could follow them.
    pub fn orphans(&self) -> Vec<crate::model::id::OperationId> {
        self.ledger
            .operations
            .keys()
            .filter(|operation| self.account_of(**operation).is_none())
            .copied()
            .collect()
    }

    /// Work of an earlier session is still going on: jobs are open, or phones are not up and read again after costly ones.
    pub fn has_earlier_work(&self) -> bool {
        self.follows_jobs()
            || self
                .ledger
                .operations
                .values()
                .any(|state| self.is_coming_back(state))
    }

    /// Whether a phone on which this operation ended well is not up yet, or not read since.
    fn is_coming_back(&self, state: &OperationState) -> bool {
        let Some(account) = self.account_of(state.intent.operation) else {
            return false;
        };
        let ended = state
            .intent
            .phones
            .iter()
            .zip(&state.phases)
            .filter(|(_, phase)| matches!(phase, Phase::Succeeded(_)));
        ended
            .filter_map(|(phone, _)| self.phone_at(account, phone))
            .any(|ix| {
                let phone = self.state(ix);
                let running = phone
                    .sight
                    .listed
                    .as_ref()
                    .is_some_and(|listed| listed.state == RunState::Running);
                !running || super::reading::invalid(&phone.sight) || !phone.plan.unread.is_empty()
            })
    }

    /// No request of ours is without an answer.
    pub fn is_quiet(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Everything managed was read and agrees, and nothing is open.
    pub fn is_converged(&self) -> bool {
        let counts = &self.tally.counts;
        self.is_still()
            && counts[Class::Vendor as usize]
                + counts[Class::Operator as usize]
                + counts[Class::NotRead as usize]
                == 0
    }

    /// One phone as it stands.
    pub fn report(&self, key: &PhoneKey) -> Option<PhoneReport> {
        let phone = self.state(*self.phone_index.get(&self.current(key))?);
        let group = match &phone.claim {
            Claimed::By(desired) => Some(desired.group.clone()),
            Claimed::Not(_, _, group) => group.clone(),
            Claimed::Nobody => None,
        };
        Some(PhoneReport {
            sight: phone.sight.clone(),
            group,
            plan: phone.plan.clone(),
        })
    }

    /// All phones that were listed or named, sorted.
    pub fn keys(&self) -> Vec<PhoneKey> {
        let phones = self.phones.iter();
        let known = phones.filter(|phone| !self.is_former(phone.account, &phone.key.phone));
        let mut keys: Vec<PhoneKey> = known.map(|phone| phone.key.clone()).collect();
        keys.sort_unstable();
        keys
    }

    /// The plan of the fleet as things stand now.
    pub fn plan(&self, now: Timestamp) -> Plan {
        let mut order: Vec<usize> = (0..self.phones.len()).collect();
        order.sort_unstable_by(|a, b| self.phones[*a].key.cmp(&self.phones[*b].key));
        let released: BTreeMap<usize, Vec<Attribute>> = order
            .iter()
            .filter_map(|index| self.released(*index).map(|released| (*index, released)))
            .collect();
        let mut phones = Vec::new();
        let mut outside = Vec::new();
        let mut unclaimed = 0;
        for index in order {
            let phone = &self.phones[index];
            match &phone.claim {
                Claimed::Nobody => unclaimed += u64::from(phone.sight.listed.is_some()),
                Claimed::Not(reason, detail, _) => {
                    outside.push((phone.key.clone(), *reason, detail.clone()));
                }
                Claimed::By(_)
                    if phone.sight.listed.is_none()
                        && phone.missed.is_some()
                        && !phone.sight.absent =>
                {
                    outside.push((
                        phone.key.clone(),
                        Reason::Absent,
                        "the listing does not show it".to_owned(),
                    ));
                }
                Claimed::By(desired) => phones.push(PhoneEntry {
                    key: &phone.key,
                    group: &desired.group,
                    plan: &phone.plan,
                    left_out: &desired.left_out,
                    released: released.get(&index).map_or(&[], Vec::as_slice),
                }),
            }
        }
        let accounts = self.accounts.iter().map(|account| {
            let entry = AccountEntry {
                capabilities: account.setup.capabilities,
                batch_size: account.setup.limits.batch_size,
                rate: account.budget.rate(),
                gate: account.gate.as_ref().map(|(reason, ..)| *reason),
                catalogue: &account.catalogue,
            };
            (account.setup.name.clone(), entry)
        });
        assemble(&FleetInput {
            fleet: &self.fleet,
            accounts: accounts.collect(),
            phones,
            outside,
            unclaimed,
            renamed: self.renamed(),
            header: self.header(now),
            settings: &self.settings,
            now,
        })
    }

    /// Attributes that were managed when the phone last converged and are not any more.
    fn released(&self, index: usize) -> Option<Vec<Attribute>> {
        let phone = &self.phones[index];
        let Claimed::By(desired) = &phone.claim else {
            return None;
        };
        let identity = &self.accounts[phone.account.0].setup.identity;
        let history = self.ledger.history(identity, &phone.key.phone)?;
        let gone: Vec<Attribute> = history
            .converged
            .keys()
            .filter(|attribute| standing(desired, attribute) == Standing::Released)
            .cloned()
            .collect();
        (!gone.is_empty()).then_some(gone)
    }

    fn header(&self, now: Timestamp) -> Header {
        let mut header = Header {
            calls: self.counters.reads + self.counters.polls,
            commands: self.counters.commands,
            ..Header::default()
        };
        for phone in self
            .phones
            .iter()
            .filter(|phone| matches!(phone.claim, Claimed::By(_)))
        {
            let oldest = phone
                .sight
                .read_at
                .iter()
                .flatten()
                .map(|at| now.since(*at))
                .max();
            header.oldest = header.oldest.max(oldest);
            for kind in &phone.plan.unread {
                *header.unread.entry(*kind).or_default() += 1;
            }
        }
        header
    }
}
