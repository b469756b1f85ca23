//! Reading back: verified, without effect, contested, converged.
//!
//! Invariants: a readable value counts as converged only when a read sent after the job's end shows it; a write-only value when the vendor confirmed it;
//! the fingerprint of a write-only value is written in the same transaction as the confirmation. Not here: comparing values (`plan::diff`).

use super::member::Claimed;
use super::{AccountIx, Core, PhoneIx, Stance};
use crate::model::attribute::Attribute;
use crate::model::capability::ReadMethod;
use crate::model::desired::{AppPolicy, Desired};
use crate::model::id::{OperationId, PhoneId, WishDigest};
use crate::model::observed::ReadKind;
use crate::model::operation::{Intent, Phase, PhaseEvent};
use crate::model::record::Record;
use crate::model::stamp::Timestamp;
use crate::plan::diff::policy_attribute;
use crate::plan::phone::digest;
use crate::plan::shows::shows;
use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::iter::Peekable;
use std::sync::Arc;

/// How many read lags a read may leave an attribute out that was written, before it counts as read and different.
const SILENT: u32 = 10;

/// A phone's part of a `Converged` record.
pub(super) type ConvergedRow = (PhoneId, Vec<(Attribute, Option<WishDigest>)>);

/// What reads since a moment say about the writes of an operation.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Every attribute can be read.
    pub(super) readable: bool,
    /// Attributes whose wanted value a read since then shows.
    pub(super) shown: usize,
    /// Attributes for which no read since then is in.
    pub(super) pending: usize,
    /// Attributes that show another value, and when the earliest of those reads was sent.
    pub(super) differing: Vec<Attribute>,
    pub(super) differing_since: Option<Timestamp>,
}

impl Looked {
    /// Everything can be read and shows.
    pub(super) fn proven(&self) -> bool {
        self.readable && self.shown > 0 && self.pending == 0 && self.differing.is_empty()
    }
}

impl Core {
    /// How an attribute is read at this account.
    pub(super) fn read_of(&self, account: AccountIx, attribute: &Attribute) -> Option<ReadKind> {
        match self.accounts[account.0]
            .setup
            .capabilities
            .of(attribute)?
            .read
        {
            ReadMethod::By(kind) => Some(kind),
            ReadMethod::Never => None,
        }
    }

    /// Decides what the latest reads prove about the phone's open operations.
    pub(super) fn prove(&mut self, ix: PhoneIx, now: Timestamp) {
        for (operation, phase) in self.phases(ix) {
            match phase {
                Phase::Succeeded(at) => {
                    let at = at.remembered(self.started, now);
                    self.judge_success(ix, operation, at, now);
                }
                Phase::Unknown(since) => {
                    let since = since.remembered(self.started, now);
                    self.decide_doubt(ix, operation, since, now);
                }
                Phase::Intended
                | Phase::Submitted(_)
                | Phase::Following(_)
                | Phase::Parked
                | Phase::Closed(_) => {}
            }
        }
    }

    /// Compares what was read since `since` with what the operation wrote.
    pub(super) fn compare(&self, ix: PhoneIx, intent: &Intent, since: Timestamp) -> Looked {
        let phone = self.state(ix);
        let mut looked = Looked {
            readable: !intent.writes.is_empty(),
            ..Looked::default()
        };
        for (attribute, wish) in intent.writes.iter() {
            let Some(kind) = self.read_of(phone.account, attribute) else {
                looked.readable = false;
                continue;
            };
            let told = phone.sight.told_at(attribute, kind);
            let silent = since.after(self.settings.read_lag * SILENT);
            // A read that goes on leaving it out, long after, says that there is nothing to be told.
            let read = told.filter(|at| *at >= since).or_else(|| {
                let read = kind.slot().and_then(|slot| phone.sight.read_at[slot]);
                read.filter(|at| *at >= silent)
            });
            let Some(read) = read else {
                looked.pending += 1;
                continue;
            };
            if shows(
                &phone.sight,
                attribute,
                wish,
                &self.accounts[phone.account.0].catalogue,
            ) {
                looked.shown += 1;
            } else {
                looked.differing.push(attribute.clone());
                looked.differing_since =
                    Some(looked.differing_since.map_or(read, |at| at.min(read)));
            }
        }
        looked
    }

    fn judge_success(
        &mut self,
        ix: PhoneIx,
        operation: OperationId,
        at: Timestamp,
        now: Timestamp,
    ) {
        let Some(intent) = self.intent_of(operation) else {
            return;
        };
        let phone = self.state(ix).key.phone.clone();
        let looked = self.compare(ix, &intent, at);
        if looked.pending > 0 {
            return;
        }
        if looked.differing.is_empty() {
            self.moved(operation, vec![(phone, PhaseEvent::Verified)], now);
            self.verified(ix, &intent, now);
            return;
        }
        let due = at.after(self.settings.read_lag);
        if looked.differing_since.is_some_and(|read| read >= due) {
            self.moved(operation, vec![(phone, PhaseEvent::NoEffect)], now);
            self.without_effect(ix, &intent, &looked.differing);
        } else {
            // Once it is due, the read decides; where it does not come, that is looked at from time to time.
            let soon = now.after(self.settings.read_lag / 3);
            self.look_again(ix, if now < due { due } else { soon });
        }
    }

    /// When a read must have been sent to judge a success: at its end, and once more when the read lag is over.
    pub(super) fn proof_due(&self, succeeded: Timestamp, now: Timestamp) -> Timestamp {
        let succeeded = succeeded.remembered(self.started, now);
        let second = succeeded.after(self.settings.read_lag);
        if now >= second { second } else { succeeded }
    }

    /// The writes are proven: trouble with them is over.
    pub(super) fn verified(&mut self, ix: PhoneIx, intent: &Intent, _now: Timestamp) {
        let mut trouble = self.trouble_of(ix);
        trouble.failures = 0;
        trouble.last_failure = None;
        trouble.last_message = None;
        for (attribute, _) in intent.writes.iter() {
            trouble.no_effect.remove(attribute);
        }
        self.set_trouble(ix, trouble);
        self.dirty.insert(ix);
    }

    fn without_effect(&mut self, ix: PhoneIx, intent: &Intent, differing: &[Attribute]) {
        let mut trouble = self.trouble_of(ix);
        for (attribute, wish) in intent
            .writes
            .iter()
            .filter(|(attribute, _)| differing.contains(attribute))
        {
            let digest = digest(wish);
            let before = trouble
                .no_effect
                .get(attribute)
                .filter(|(of, _)| *of == digest)
                .map_or(0, |(_, count)| *count);
            trouble
                .no_effect
                .insert(attribute.clone(), (digest, before + 1));
        }
        self.set_trouble(ix, trouble);
        self.dirty.insert(ix);
    }

    /// The vendor says done on these phones: write-only values are remembered, in the same transaction.
    pub(super) fn confirm(
        &mut self,
        account: AccountIx,
        operation: OperationId,
        phones: &[PhoneId],
        now: Timestamp,
    ) {
        if phones.is_empty() {
            return;
        }
        let Some(intent) = self.intent_of(operation) else {
            return;
        };
        let mut rows = Vec::new();
        for (attribute, wish) in intent
            .writes
            .iter()
            .filter(|(attribute, _)| self.read_of(account, attribute).is_none())
        {
            let print = self.fingerprints.fingerprint(attribute, wish);
            rows.extend(
                phones
                    .iter()
                    .map(|phone| (phone.clone(), attribute.clone(), print.clone())),
            );
        }
        if !rows.is_empty() {
            let identity = intent.identity.clone();
            self.record(Record::Asserted { identity, rows });
        }
        for phone in phones {
            if let Some(ix) = self.phone_at(account, phone) {
                self.lost_by(ix, &intent, now);
                self.dirty.insert(ix);
            }
        }
    }

    /// What a write invalidates: a wipe or restart loses other values, a new identity the whole SIM.
    fn lost_by(&mut self, ix: PhoneIx, intent: &Intent, now: Timestamp) {
        use crate::model::capability::Cost;
        if intent.costs.is_live() {
            return;
        }
        self.state_mut(ix).sight.overwritten(now);
        let written: Vec<&Attribute> = intent
            .writes
            .iter()
            .map(|(attribute, _)| attribute)
            .collect();
        let wiped = intent.costs.has(Cost::Wipe);
        self.forget_asserted_but(ix, wiped, &written);
    }

    pub(super) fn forget_asserted(&mut self, ix: PhoneIx, wiped: bool) {
        self.forget_asserted_but(ix, wiped, &[]);
    }

    fn forget_asserted_but(&mut self, ix: PhoneIx, wiped: bool, keep: &[&Attribute]) {
        let phone = self.state(ix);
        let account = &self.accounts[phone.account.0];
        let Some(history) = self
            .ledger
            .history(&account.setup.identity, &phone.key.phone)
        else {
            return;
        };
        let lost = history
            .asserted
            .keys()
            .filter(|attribute| !keep.contains(attribute))
            .filter(|attribute| {
                account
                    .setup
                    .capabilities
                    .of(attribute)
                    .is_none_or(|row| row.lost_by_restart || (wiped && row.lost_by_wipe))
            });
        let rows: Vec<_> = lost
            .map(|attribute| (phone.key.phone.clone(), attribute.clone(), None))
            .collect();
        if !rows.is_empty() {
            let identity = account.setup.identity.clone();
            self.record(Record::Asserted { identity, rows });
        }
    }

    /// Reads of what the operation touched must be newer than now.
    pub(super) fn raise_floors(&mut self, ix: PhoneIx, operation: OperationId, now: Timestamp) {
        let Some(intent) = self.intent_of(operation) else {
            return;
        };
        let account = self.state(ix).account;
        for (attribute, _) in intent.writes.iter() {
            if let Some(kind) = self.read_of(account, attribute) {
                self.state_mut(ix).sight.raise_floor(kind, now);
            }
        }
    }

    /// Notes wishes that were found in agreement and were not converged before, and those that are no longer managed.
    pub(super) fn note_converged(&mut self, ix: PhoneIx) {
        if !matches!(self.stance, Stance::Apply | Stance::Run) {
            return;
        }
        let phone = self.state(ix);
        let Claimed::By(desired) = &phone.claim else {
            return;
        };
        let desired = Arc::clone(desired);
        let identity = &self.accounts[phone.account.0].setup.identity;
        let history = self.ledger.history(identity, &phone.key.phone);
        // Most phones are as they were: then there is nothing to look for.
        let in_sync = phone
            .plan
            .in_sync
            .iter()
            .map(|(name, digest)| (name, digest));
        if history.is_some_and(|history| history.converged.iter().eq(in_sync)) {
            return;
        }
        let nothing = BTreeMap::new();
        let converged = history.map_or(&nothing, |history| &history.converged);
        let mut row = newly_agreed(&phone.plan.in_sync, converged);
        let policy = policy_attribute();
        let rid = phone
            .plan
            .in_sync
            .last()
            .is_some_and(|(attribute, _)| *attribute == policy);
        let agreed = row.len();
        if phone.kept.is_none_or(|strays| rid && !strays) {
            let mut named = desired.attributes.iter().peekable();
            let released = converged.keys().filter(|attribute| {
                let stray = rid && matches!(attribute, Attribute::App(_));
                if beside(&mut named, attribute).is_some() {
                    return false;
                }
                match unnamed(&desired, attribute) {
                    Standing::Named => false,
                    Standing::Policy => stray && **attribute != policy,
                    Standing::Released => true,
                }
            });
            row.extend(released.map(|attribute| (attribute.clone(), None)));
        }
        // What agrees later is named, or the policy itself: it changes nothing in this.
        let kept = (row.len() == agreed).then_some(rid || phone.kept == Some(true));
        if !row.is_empty() {
            let (identity, id) = (identity.clone(), phone.key.phone.clone());
            self.converged
                .entry((identity, desired.group.clone()))
                .or_default()
                .push((id, row));
        }
        self.state_mut(ix).kept = kept;
    }

    /// Hands the noted wishes out as records.
    pub(super) fn write_converged(&mut self, now: Timestamp) {
        for ((identity, group), mut rows) in std::mem::take(&mut self.converged) {
            // A phone may have been planned twice in a turn: the last word counts.
            rows.reverse();
            let mut seen = std::collections::BTreeSet::new();
            rows.retain(|(phone, _)| seen.insert(phone.clone()));
            self.record(Record::Converged {
                identity,
                group,
                rows,
                at: now,
            });
        }
    }
}

/// What agrees and was not converged before with this wish. Both stand in the order of attributes, but for what agrees as a policy, which comes last.
fn newly_agreed(
    in_sync: &[(Attribute, WishDigest)],
    converged: &BTreeMap<Attribute, WishDigest>,
) -> Vec<(Attribute, Option<WishDigest>)> {
    let policy = policy_attribute();
    let mut before = converged.iter().peekable();
    let new = in_sync.iter().filter(|(attribute, digest)| {
        let known = match *attribute == policy {
            true => converged.get(attribute),
            false => beside(&mut before, attribute),
        };
        known != Some(digest)
    });
    new.map(|(attribute, digest)| (attribute.clone(), Some(*digest)))
        .collect()
}

/// The value of this attribute, in a walk over a map in which attributes are asked for in their order: one walk over both instead of a look-up for each.
fn beside<'a, V>(
    walk: &mut Peekable<btree_map::Iter<'a, Attribute, V>>,
    attribute: &Attribute,
) -> Option<&'a V> {
    while let Some((other, value)) = walk.peek() {
        match (*other).cmp(attribute) {
            Ordering::Less => walk.next(),
            Ordering::Equal => return Some(*value),
            Ordering::Greater => return None,
        };
    }
    None
}

/// How the manifests speak of an attribute that converged before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is named.
    Named,
    /// `appPolicy: exclusive` itself, or an app that it removes.
    Policy,
    /// Nothing is said of it any more.
    Released,
}

pub(super) fn standing(desired: &Desired, attribute: &Attribute) -> Standing {
    if desired.attributes.contains_key(attribute) {
        return Standing::Named;
    }
    unnamed(desired, attribute)
}

/// The same of an attribute that is not named.
fn unnamed(desired: &Desired, attribute: &Attribute) -> Standing {
    match (desired.app_policy, attribute) {
        (AppPolicy::Exclusive, Attribute::App(package))
            if !desired.ignored_apps.contains(package) =>
        {
            Standing::Policy
        }
        (AppPolicy::Exclusive | AppPolicy::Additive, _) => Standing::Released,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::desired::{Origin, Wanted};
    use crate::model::value::{AppWish, Value, Wish};

    #[test]
    fn an_exclusive_policy_is_released_when_it_goes_and_its_apps_are_not_while_it_stands() {
        let origin = Origin {
            file: "fleet.yaml".into(),
            line: 1,
            column: 1,
        };
        let named: Attribute = "app/com.named".parse().unwrap();
        let wish = Wish::Set(Value::App(AppWish::Absent));
        let mut desired = Desired {
            group: "qa".into(),
            attributes: [(named.clone(), Wanted { wish, origin })].into(),
            app_policy: AppPolicy::Exclusive,
            ignored_apps: vec!["com.lent".into()],
            left_out: Vec::new(),
        };
        let other: Attribute = "app/com.other".parse().unwrap();
        let lent: Attribute = "app/com.lent".parse().unwrap();
        let all = [named, policy_attribute(), other, lent, Attribute::Timezone];
        let of = |desired: &Desired| all.each_ref().map(|attribute| standing(desired, attribute));
        use Standing::{Named, Policy, Released};
        assert_eq!(of(&desired), [Named, Policy, Policy, Released, Released]);
        desired.app_policy = AppPolicy::Additive;
        assert_eq!(
            of(&desired),
            [Named, Released, Released, Released, Released]
        );
    }
}
