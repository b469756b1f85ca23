//! Which phones there are, whose they are, and their plans.
//!
//! Invariants: a phone is planned only when it is dirty; what it is due for is in its account's batches and nowhere else; a phone that no group claims
//! is never touched. Not here: reads (`reading`), calls (`schedule`).

use super::account::AccountState;
use super::allowance::unlimited;
use super::due::patience;
use super::presence::Presence;
use super::{AccountIx, AccountSetup, Core, PhoneIx, Stance, view};
use crate::model::attribute::Attribute;
use crate::model::capability::Costs;
use crate::model::condition::{Cause, Reason};
use crate::model::desired::{Desired, Mode, Unsupported};
use crate::model::fleet::{Claim, Group, PhoneFacts};
use crate::model::id::{GroupName, PhoneKey};
use crate::model::observed::{PHONE_READS, Sight};
use crate::model::operation::Phase;
use crate::model::record::OperationState;
use crate::model::stamp::Timestamp;
use crate::plan::batch::{BatchKey, Standing};
use crate::plan::phone::{PhoneInput, PhonePlan, PhoneStep, Waiting, plan_phone, plan_prepared};
use crate::plan::skip;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One phone.
pub(super) struct PhoneState {
    pub(super) key: PhoneKey,
    pub(super) account: AccountIx,
    pub(super) claim: Claimed,
    pub(super) sight: Sight,
    pub(super) plan: PhonePlan,
    /// Kinds of reads under way (bits by slot).
    pub(super) reading: u8,
    /// A reading job is open on the phone.
    pub(super) reading_job: bool,
    /// Since when the first step of its plan waits for a reading that tells whether a restart is to come.
    pub(super) too_soon_since: Option<Timestamp>,
    /// Its last job failed or was given up, or it was not connected, and none has ended well since: no batch waits for the phone, and
    /// its turn comes after that of others.
    pub(super) straggles: bool,
    /// When our open job on it is expected to end, and when it takes longer than such jobs are known to. Batches wait for the phone around then only.
    pub(super) expected: (Timestamp, Timestamp),
    /// No read of each kind before this moment (the last one told nothing).
    pub(super) read_after: [Timestamp; PHONE_READS],
    /// Reads that told nothing, one after the other.
    pub(super) silences: u8,
    /// Commands in a row that were to read it and got no answer as a whole.
    pub(super) lost_asks: u8,
    /// A command that was to read it never ended: it may keep others from running until then.
    pub(super) hung_until: Timestamp,
    /// Nothing starts on the phone before this moment, for this reason (a refusal that was nobody's failure).
    pub(super) hold: Option<(Timestamp, Reason)>,
    /// The last complete listing that did not show it and counts for that, and how many did.
    pub(super) missed: Option<(Timestamp, u32)>,
    /// When it could not run jobs, and whether it can now.
    pub(super) presence: Presence,
    /// The first read after settling that showed the old value of a costly operation in doubt.
    pub(super) first_old: Option<(crate::model::id::OperationId, Timestamp)>,
    /// When it is looked at again by time alone.
    pub(super) timer: Option<Timestamp>,
    pub(super) class: view::Class,
    /// Nothing that converged on it before is released under this claim (`true`: not even apps that a policy has removed).
    pub(super) kept: Option<bool>,
}

/// Whose a phone is.
#[derive(Clone, Debug)]
pub(super) enum Claimed {
    Nobody,
    By(Arc<Desired>),
    /// It cannot be worked on: reason and detail.
    Not(Reason, String, Option<GroupName>),
}

/// So many read lags a step waits for a reading that tells whether a restart would lose it.
const READING_AWAITED: u32 = 4;

static NOTHING: BTreeSet<Attribute> = BTreeSet::new();

impl Core {
    pub(super) fn merge_accounts(&mut self, setups: Vec<AccountSetup>, now: Timestamp) {
        for setup in setups {
            if let Some(ix) = self.account_index.get(&setup.name).copied() {
                let account = &mut self.accounts[ix.0];
                let limits = account.setup.limits != setup.limits;
                if account.setup.identity == setup.identity {
                    account.setup = setup;
                    if limits {
                        account.limits_changed();
                    }
                } else {
                    account.setup = setup;
                    account.budget = AccountState::new(account.setup.clone()).budget;
                }
                account.gate = None;
                continue;
            }
            let mut account = AccountState::new(setup);
            if let Some(called) = self.ledger.called.get(&account.setup.identity) {
                let recent = called
                    .iter()
                    .filter(|(second, _)| now.0 / 1000 - **second < 61);
                for (second, calls) in recent {
                    account.budget.used(Timestamp(second * 1000 + 999), *calls);
                }
                // The last second before a crash is not in the journal, and nothing tells when it was: it counts as used up, just now.
                let documented = account.setup.capabilities.limits.requests_per_second;
                let most = account
                    .setup
                    .limits
                    .requests_per_second
                    .map_or(documented, |lowered| lowered.min(documented));
                account.budget.used(now, most);
            }
            self.account_index
                .insert(account.setup.name.clone(), AccountIx(self.accounts.len()));
            self.accounts.push(account);
        }
    }

    /// Phones that the manifests name get a row although no listing shows them yet.
    pub(super) fn add_named_phones(&mut self, now: Timestamp) {
        let fleet = Arc::clone(&self.fleet);
        for key in &fleet.named {
            if let Some(account) = self.account_index.get(&key.account).copied() {
                let key = self.current(key);
                self.phone(account, &key, now);
            }
        }
    }

    /// The row of a phone; a new one if there is none.
    pub(super) fn phone(&mut self, account: AccountIx, key: &PhoneKey, now: Timestamp) -> PhoneIx {
        if let Some(ix) = self.phone_index.get(key) {
            return *ix;
        }
        let ix = PhoneIx(u32::try_from(self.phones.len()).unwrap_or(u32::MAX));
        self.phone_index.insert(key.clone(), ix);
        self.phones.push(PhoneState {
            key: key.clone(),
            account,
            claim: Claimed::Nobody,
            sight: Sight::default(),
            plan: PhonePlan::default(),
            reading: 0,
            reading_job: false,
            too_soon_since: None,
            straggles: false,
            expected: Default::default(),
            read_after: Default::default(),
            silences: 0,
            lost_asks: 0,
            hung_until: Timestamp::default(),
            hold: None,
            missed: None,
            presence: Presence::default(),
            first_old: None,
            timer: None,
            class: view::Class::Unmanaged,
            kept: None,
        });
        self.claim(ix, now);
        ix
    }

    pub(super) fn state(&self, ix: PhoneIx) -> &PhoneState {
        &self.phones[ix.0 as usize]
    }

    pub(super) fn state_mut(&mut self, ix: PhoneIx) -> &mut PhoneState {
        &mut self.phones[ix.0 as usize]
    }

    /// Asks the fleet whose the phone is.
    pub(super) fn claim(&mut self, ix: PhoneIx, now: Timestamp) {
        let phone = self.state(ix);
        let facts = PhoneFacts {
            key: phone.key.clone(),
            former: self.former(phone.account, &phone.key.phone),
            provider_group: phone
                .sight
                .listed
                .as_ref()
                .and_then(|listed| listed.provider_group.clone()),
        };
        let only = self.only.as_ref();
        let selected = only.is_none_or(|only| facts.codes().any(|key| only(key)));
        let gone = self.is_former(phone.account, &phone.key.phone);
        let claim = if gone || !selected || !self.fleet.accounts.contains_key(&facts.key.account) {
            Claimed::Nobody
        } else {
            match self.fleet.claims.claim(&facts, now) {
                Claim::Unclaimed => Claimed::Nobody,
                Claim::Claimed(desired) => Claimed::By(self.possible(ix, desired)),
                Claim::Twice(groups) => {
                    let names: Vec<&str> = groups.iter().map(GroupName::as_str).collect();
                    Claimed::Not(
                        Reason::ClaimedTwice,
                        format!("claimed by {}", names.join(" and ")),
                        groups.first().cloned(),
                    )
                }
                Claim::Broken(group, problem) => Claimed::Not(Reason::Guard, problem, Some(group)),
            }
        };
        let state = self.state_mut(ix);
        state.claim = claim;
        state.kept = None;
        self.groups_dirty = true;
        self.dirty.insert(ix);
    }

    /// What is desired, without what the provider cannot do where the group says to skip that.
    fn possible(&mut self, ix: PhoneIx, desired: Arc<Desired>) -> Arc<Desired> {
        let skips = self
            .fleet
            .groups
            .get(&desired.group)
            .is_some_and(|group| group.unsupported == Unsupported::Skip);
        if !skips {
            return desired;
        }
        let account = self.state(ix).account;
        let setup = &self.accounts[account.0].setup;
        let place = skip::Place {
            account: &setup.name,
            capabilities: setup.capabilities,
            apps: &self.fleet.apps,
        };
        self.possible.of(account, desired, place)
    }

    /// Claims all phones anew when an override has ended.
    pub(super) fn pass_expiries(&mut self, now: Timestamp) {
        let passed = self
            .fleet
            .expiries
            .iter()
            .any(|at| *at > self.claimed_at && *at <= now);
        self.claimed_at = now;
        if passed {
            for index in 0..self.phones.len() {
                let ix = PhoneIx(u32::try_from(index).unwrap_or(u32::MAX));
                let before = self.state(ix).claim.clone();
                self.claim(ix, now);
                if let (Claimed::By(before), Claimed::By(after)) = (&before, &self.state(ix).claim)
                    && !Arc::ptr_eq(before, after)
                {
                    let changed = changed(before, after);
                    if !changed.is_empty() {
                        self.expired.entry(ix).or_default().extend(changed);
                    }
                }
            }
        }
    }

    pub(super) fn pass_timers(&mut self, now: Timestamp) {
        while let Some((at, ix)) = self.timers.first().copied() {
            if at > now {
                break;
            }
            self.timers.pop_first();
            self.state_mut(ix).timer = None;
            self.dirty.insert(ix);
        }
    }

    /// Looks at the phone again at this moment, unless it will be looked at before.
    pub(super) fn look_again(&mut self, ix: PhoneIx, at: Timestamp) {
        let before = self.state(ix).timer;
        if before.is_some_and(|before| before <= at) {
            return;
        }
        if let Some(before) = before {
            self.timers.remove(&(before, ix));
        }
        self.timers.insert((at, ix));
        self.state_mut(ix).timer = Some(at);
    }

    /// Counts the phones of each group against what it expects. A group is only judged when all its accounts were listed completely.
    pub(super) fn judge_groups(&mut self) {
        if !std::mem::take(&mut self.groups_dirty) {
            return;
        }
        let judged = |group: &Group| group.expect.is_some() && self.all_listed(group);
        let counted = self.fleet.groups.values().any(judged);
        let mut counts: std::collections::BTreeMap<&GroupName, u64> =
            std::collections::BTreeMap::new();
        // While an account is listed for the first time this is asked after every page.
        for phone in self.phones.iter().filter(|_| counted) {
            if let Claimed::By(desired) = &phone.claim
                && phone.sight.listed.is_some()
            {
                *counts.entry(&desired.group).or_default() += 1;
            }
        }
        let mut gates = std::collections::BTreeMap::new();
        for (name, group) in &self.fleet.groups {
            let Some(expect) = group.expect else { continue };
            let listed = self.all_listed(group);
            let count = counts.get(name).copied().unwrap_or_default();
            let (min, max) = (
                expect.min.map_or(0, u64::from),
                expect.max.map_or(u64::MAX, u64::from),
            );
            if !listed {
                gates.insert(name.clone(), "its phones are not counted yet".to_owned());
            } else if count < min || count > max {
                let bounds = expect.max.map_or_else(
                    || format!("at least {min}"),
                    |max| format!("{min} to {max}"),
                );
                gates.insert(name.clone(), format!("{count} phones, {bounds} expected"));
            }
        }
        if gates != self.group_gates {
            self.group_gates = gates;
            self.dirty.extend(
                (0..self.phones.len())
                    .map(|index| PhoneIx(u32::try_from(index).unwrap_or(u32::MAX))),
            );
        }
    }

    fn all_listed(&self, group: &Group) -> bool {
        group.accounts.iter().all(|account| {
            self.account_index
                .get(account)
                .is_some_and(|ix| self.accounts[ix.0].listing.complete > 0)
        })
    }

    /// Plans every dirty phone.
    pub(super) fn plan_dirty(&mut self, now: Timestamp) {
        while let Some(ix) = self.dirty.pop_first() {
            self.prove(ix, now);
            self.plan_one(ix, now);
            self.want_reads(ix, now);
            self.classify(ix, now);
        }
    }

    fn plan_one(&mut self, ix: PhoneIx, now: Timestamp) {
        let claim = self.state(ix).claim.clone();
        let mut plan = match &claim {
            Claimed::By(desired) => self.plan_claimed(ix, desired, now),
            Claimed::Nobody | Claimed::Not(..) => PhonePlan::default(),
        };
        if let Some(at) = plan.again_at {
            self.look_again(ix, at.max(Timestamp(now.0 + 1)));
        }
        for step in &mut plan.chain {
            self.payloads.share(&mut step.payload);
        }
        self.await_reading(ix, &mut plan, now);
        let after = plan.chain.len();
        let before = std::mem::replace(&mut self.state_mut(ix).plan, plan);
        self.tally.replanned(before.chain.len(), after);
        self.stand(ix, now);
        self.note_converged(ix);
    }

    /// What a restart would lose waits for the reading that tells whether one is to come, but not for ever: where no reading comes, it is written all the same.
    fn await_reading(&mut self, ix: PhoneIx, plan: &mut PhonePlan, now: Timestamp) {
        let most = self.settings.read_lag * READING_AWAITED;
        let phone = self.state_mut(ix);
        if !plan.too_soon {
            phone.too_soon_since = None;
            return;
        }
        let until = phone.too_soon_since.get_or_insert(now).after(most);
        if now < until {
            self.look_again(ix, until);
        } else {
            plan.too_soon = false;
        }
    }

    fn plan_claimed(&mut self, ix: PhoneIx, desired: &Arc<Desired>, now: Timestamp) -> PhonePlan {
        let fleet = Arc::clone(&self.fleet);
        let Some(group) = fleet.groups.get(&desired.group) else {
            return PhonePlan::default();
        };
        let limited = group
            .allow
            .iter()
            .any(|allowance| allowance.max_phones.is_some());
        let capabilities = self.accounts[self.state(ix).account.0].setup.capabilities;
        self.ready.keep(
            desired,
            capabilities,
            self.fingerprints.as_ref(),
            self.remembers,
        );
        let allowed = self.allowed(ix, group, now, true);
        let mut plan = self.plan_with(ix, desired, group, allowed, now);
        if limited {
            let free = unlimited(group, now);
            let spends = plan.chain.iter().any(|step| !free.covers(step.costs));
            if !spends {
                self.reserved
                    .entry(group.name.clone())
                    .or_default()
                    .remove(&ix);
            } else if !self.reserve(ix, group, now) {
                let allowed = self.allowed(ix, group, now, false);
                plan = self.plan_with(ix, desired, group, allowed, now);
            }
        }
        plan
    }

    fn plan_with(
        &self,
        ix: PhoneIx,
        desired: &Arc<Desired>,
        group: &Group,
        allowed: Costs,
        now: Timestamp,
    ) -> PhonePlan {
        let phone = self.state(ix);
        let account = &self.accounts[phone.account.0];
        let history = self
            .ledger
            .history(&account.setup.identity, &phone.key.phone);
        let open = self.ledger.open_on(history);
        let open: Vec<&OperationState> = open.map(|(state, _)| state).collect();
        let assumed = assumed(self.ledger.open_on(history));
        let gate = account
            .gate
            .as_ref()
            .map(|(reason, ..)| *reason)
            .or_else(|| {
                self.group_gates
                    .get(&group.name)
                    .map(|_| Reason::Expectation)
            });
        let input = PhoneInput {
            key: &phone.key,
            desired,
            group,
            capabilities: account.setup.capabilities,
            apps: &self.fleet.apps,
            catalogue: &account.catalogue,
            sight: &phone.sight,
            history,
            open: &open,
            assumed: &assumed,
            expired: self.expired.get(&ix).unwrap_or(&NOTHING),
            reading: phone.reading_job,
            gate,
            allowed,
            approval: self.approval.as_ref(),
            fingerprints: self.fingerprints.as_ref(),
            remembers: self.remembers,
            settings: &self.settings,
            began: self.started,
            now,
        };
        let mut plan = match self.ready.get(desired, account.setup.capabilities) {
            Some(prepared) => plan_prepared(prepared, &input),
            None => plan_phone(&input),
        };
        if let Some((until, reason)) = phone.hold
            && until > now
            && !(plan.changes.is_empty() && plan.waiting.is_empty())
        {
            plan.waiting.push(Waiting {
                attribute: None,
                reason,
                detail: "the vendor refused the last attempt for now".to_owned(),
                until: Some(until),
                operation: None,
            });
            plan.again_at = Some(plan.again_at.map_or(until, |at| at.min(until)));
        }
        plan
    }

    /// Tells the account's batches where the phone stands.
    fn stand(&mut self, ix: PhoneIx, now: Timestamp) {
        let phone = self.state(ix);
        let writes = match (&phone.claim, self.stance) {
            (Claimed::By(desired), Stance::Apply | Stance::Run) => self
                .fleet
                .groups
                .get(&desired.group)
                .is_some_and(|group| group.mode == Mode::Enforce),
            (
                Claimed::By(_) | Claimed::Nobody | Claimed::Not(..),
                Stance::Apply | Stance::Run | Stance::Preview | Stance::Drain,
            ) => false,
        };
        let held = self.held_as_stranger(ix, now).filter(|_| writes);
        if let Some(until) = held.flatten() {
            self.look_again(ix, until);
        }
        let phone = self.state(ix);
        let mut standing = Standing::default();
        if writes && held.is_none() {
            if !phone.reading_job {
                standing.due = phone.plan.next().map(key);
            }
            let upcoming = phone.plan.upcoming().map(key);
            if standing.due.is_none() && upcoming.is_some() && self.ends_soon(ix, now) {
                standing.coming.extend(upcoming);
            }
        }
        let phone = self.state(ix);
        let (account, id) = (phone.account, phone.key.phone.clone());
        let since = now.after(patience(phone.straggles));
        self.accounts[account.0].batches.set(&id, standing, since);
    }

    /// Whether an open operation keeps reads off the phone: reads during a job of ours tell nothing that lasts, unless its outcome is unknown.
    pub(super) fn busy_with_ours(&self, ix: PhoneIx) -> bool {
        self.standings(ix).any(|(_, phase)| {
            matches!(
                phase,
                Phase::Intended | Phase::Submitted(_) | Phase::Following(_)
            )
        })
    }
}

/// Attributes of which these two wish something else.
fn changed(before: &Desired, after: &Desired) -> BTreeSet<Attribute> {
    let (old, new) = (&before.attributes, &after.attributes);
    old.keys()
        .chain(new.keys())
        .filter(|attribute| {
            old.get(attribute).map(|wanted| &wanted.wish)
                != new.get(attribute).map(|wanted| &wanted.wish)
        })
        .cloned()
        .collect()
}

/// What is already written, or being written, and not read back.
fn assumed<'a>(open: impl Iterator<Item = (&'a OperationState, &'a Phase)>) -> BTreeSet<Attribute> {
    let mut assumed = BTreeSet::new();
    for (state, phase) in open {
        if matches!(
            phase,
            Phase::Intended | Phase::Submitted(_) | Phase::Succeeded(_)
        ) {
            assumed.extend(
                state
                    .intent
                    .writes
                    .iter()
                    .map(|(attribute, _)| attribute.clone()),
            );
        }
    }
    assumed
}

/// What a step is batched by. Of the cause only whether a person wanted it: finer causes would tear batches apart.
pub(super) fn key(step: &PhoneStep) -> BatchKey {
    let cause = if step.cause.is_intended() {
        Cause::Intended
    } else {
        Cause::Corrective
    };
    BatchKey {
        payload: Arc::clone(&step.payload),
        costs: step.costs,
        cause,
    }
}
