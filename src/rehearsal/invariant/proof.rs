//! I6 freshness, and I10 no false success.
//!
//! Invariants: reads are dated by when their request arrived, in the world's time. Not here: whether the fleet matches in the end (`ending`).

use super::flight::came_behind_its_copy;
use super::intent::ours;
use super::{Check, Invariant};
use crate::model::attribute::Attribute;
use crate::model::capability::{Cost, ReadMethod};
use crate::model::id::{OperationId, PhoneId, PhoneKey, WishDigest};
use crate::model::observed::ReadKind;
use crate::model::operation::{Intent, PhaseEvent};
use crate::model::record::Record;
use crate::model::stamp::Timestamp;
use crate::rehearsal::monitor::{Happening, View};
use crate::sim::witness::End;
use std::collections::BTreeMap;
use std::time::Duration;

/// Values may have been changed behind our back since they were read: what happened so recently proves nothing.
const RECENT: Duration = Duration::from_secs(90);

/// I6, with the moment since which each attribute must have been read.
#[derive(Default)]
pub(super) struct Fresh {
    written: BTreeMap<PhoneKey, BTreeMap<Attribute, Timestamp>>,
    /// When it was last restarted, and last wiped, by us.
    cost: BTreeMap<PhoneKey, (Timestamp, bool)>,
}

impl Check for Fresh {
    fn invariant(&self) -> Invariant {
        Invariant::Fresh
    }

    fn see(&mut self, happening: &Happening<'_>, view: &View, find: &mut dyn FnMut(String)) {
        let Happening::Acknowledged(records) = happening else {
            return;
        };
        for record in *records {
            match record {
                Record::Intended(intent) => self.decided(intent, view, find),
                Record::Moved {
                    operation, moves, ..
                } => {
                    let over = moves.iter().filter(|(_, event)| {
                        matches!(event, PhaseEvent::Succeeded | PhaseEvent::Failed)
                    });
                    for (phone, _) in over {
                        self.completed(*operation, phone, view);
                    }
                }
                Record::Renamed {
                    identity, from, to, ..
                } => self.renamed(view.renamed(identity, from, to)),
                Record::Asserted { .. }
                | Record::Converged { .. }
                | Record::Trouble { .. }
                | Record::Spent { .. }
                | Record::Called { .. }
                | Record::Past { .. }
                | Record::Standing(_)
                | Record::LastOperation(_) => {}
            }
        }
    }
}

impl Fresh {
    /// What is known of a phone is known of it under its new code.
    fn renamed(&mut self, keys: Option<(PhoneKey, PhoneKey)>) {
        let Some((from, to)) = keys.filter(|(from, to)| from != to) else {
            return;
        };
        let written = self.written.remove(&from).unwrap_or_default();
        let mine = self.written.entry(to.clone()).or_default();
        for (attribute, at) in written {
            let since = mine.entry(attribute).or_insert(at);
            *since = at.max(*since);
        }
        if let Some(cost) = self.cost.remove(&from) {
            let mine = self.cost.entry(to).or_insert(cost);
            *mine = cost.max(*mine);
        }
    }

    fn completed(&mut self, operation: OperationId, phone: &PhoneId, view: &View) {
        let Some(intent) = view.intents.get(&operation) else {
            return;
        };
        let Some(key) = view.key(intent, phone) else {
            return;
        };
        // The write was completed in the world when its job ended; only a read that was sent after that tells of it.
        let ended = ours(operation, &key, view)
            .filter_map(|(_, job)| job.end.map(|(at, ..)| at))
            .max();
        let Some(ended) = ended else { return };
        let written = self.written.entry(key.clone()).or_default();
        for (attribute, _) in intent.writes.iter() {
            written.insert(attribute.clone(), ended);
        }
        if super::scope::costs(intent, view) {
            self.cost.insert(key, (ended, intent.costs.has(Cost::Wipe)));
        }
    }

    fn decided(&self, intent: &Intent, view: &View, find: &mut dyn FnMut(String)) {
        for phone in intent.phones.iter() {
            let Some(key) = view.key(intent, phone) else {
                continue;
            };
            for (attribute, _) in intent.writes.iter() {
                let Some(kind) = read_of(intent, attribute, view) else {
                    continue;
                };
                let of_itself = self
                    .written
                    .get(&key)
                    .and_then(|written| written.get(attribute));
                let lost = self
                    .cost
                    .get(&key)
                    .filter(|(_, wiped)| loses(intent, attribute, *wiped, view));
                let Some(since) = of_itself.max(lost.map(|(at, _)| at)) else {
                    continue;
                };
                let read = read_at(&key, kind, view);
                if read.is_none_or(|read| read < *since) {
                    find(format!(
                        "{key}: {} writes {attribute}, last read at {}, before what it depends on ended at {since}",
                        intent.operation,
                        read.unwrap_or_default()
                    ));
                }
            }
        }
    }
}

/// Whether a restart, or a wipe, may change the attribute.
fn loses(intent: &Intent, attribute: &Attribute, wiped: bool, view: &View) -> bool {
    view.account_of(&intent.identity)
        .and_then(|(_, account)| account.capabilities.of(attribute))
        .is_none_or(|row| row.lost_by_restart || (wiped && row.lost_by_wipe))
}

/// How an attribute is read, by the provider's documented table.
fn read_of(intent: &Intent, attribute: &Attribute, view: &View) -> Option<ReadKind> {
    let (_, account) = view.account_of(&intent.identity)?;
    match account.capabilities.of(attribute)?.read {
        ReadMethod::By(kind) => Some(kind),
        ReadMethod::Never => None,
    }
}

fn read_at(key: &PhoneKey, kind: ReadKind, view: &View) -> Option<Timestamp> {
    view.reads.get(key)?[kind.slot()?]
}

/// I10: converged only from an observation made after the job's end, and true.
pub(super) struct NoFalseSuccess;

impl Check for NoFalseSuccess {
    fn invariant(&self) -> Invariant {
        Invariant::NoFalseSuccess
    }

    fn see(&mut self, happening: &Happening<'_>, view: &View, find: &mut dyn FnMut(String)) {
        let Happening::Acknowledged(records) = happening else {
            return;
        };
        for record in *records {
            match record {
                Record::Moved {
                    operation, moves, ..
                } => {
                    for (phone, event) in moves {
                        moved(*operation, phone, event, view, find);
                    }
                }
                Record::Converged { identity, rows, .. } => {
                    let Some((account, _)) = view.account_of(identity) else {
                        continue;
                    };
                    for (phone, wishes) in rows {
                        let key = PhoneKey {
                            account: account.clone(),
                            phone: phone.clone(),
                        };
                        converged(&key, wishes, view, find);
                    }
                }
                Record::Intended(_)
                | Record::Renamed { .. }
                | Record::Asserted { .. }
                | Record::Trouble { .. }
                | Record::Spent { .. }
                | Record::Called { .. }
                | Record::Past { .. }
                | Record::Standing(_)
                | Record::LastOperation(_) => {}
            }
        }
    }
}

fn moved(
    operation: OperationId,
    phone: &PhoneId,
    event: &PhaseEvent,
    view: &View,
    find: &mut dyn FnMut(String),
) {
    let Some(intent) = view.intents.get(&operation) else {
        return;
    };
    let Some(key) = view.key(intent, phone) else {
        return;
    };
    match event {
        PhaseEvent::Succeeded => {
            let said = ours(operation, &key, view).find(|(_, job)| {
                !matches!(job.end, Some((_, End::Succeeded, _)))
                    && !came_behind_its_copy(operation, job, view)
            });
            if let Some((job, found)) = said {
                find(format!(
                    "{key}: {operation} counts as done, but job {job} stands at {:?}",
                    found.end
                ));
            }
        }
        PhaseEvent::Verified => {
            for (job, found) in ours(operation, &key, view) {
                let Some((ended, ..)) = found.end else {
                    find(format!(
                        "{key}: {operation} counts as proven, but job {job} is open"
                    ));
                    continue;
                };
                for (attribute, _) in intent.writes.iter() {
                    let Some(kind) = read_of(intent, attribute, view) else {
                        continue;
                    };
                    let read = read_at(&key, kind, view);
                    if read.is_none_or(|read| read < ended) {
                        find(format!(
                            "{key}: {operation} counts as proven, but {attribute} was not read since job {job} ended"
                        ));
                    }
                }
            }
            for (attribute, wish) in intent.writes.iter() {
                let kind = read_of(intent, attribute, view);
                if kind.is_some_and(|kind| !unseen(&key, kind, view))
                    && !recent(&key, view)
                    && view.holds(&key, attribute, wish) == Some(false)
                {
                    find(format!(
                        "{key}: {operation} counts as proven, but {attribute} is not as written"
                    ));
                }
            }
        }
        PhaseEvent::Accepted(_)
        | PhaseEvent::Done
        | PhaseEvent::Exists(_)
        | PhaseEvent::Refused
        | PhaseEvent::Lost
        | PhaseEvent::Failed
        | PhaseEvent::Found(_)
        | PhaseEvent::NoEffect
        | PhaseEvent::Settled
        | PhaseEvent::Parked
        | PhaseEvent::Resolved(_) => {}
    }
}

/// Whether the phone was changed behind our back after the last reading of this kind was made: where its answer comes late, nobody could know.
fn unseen(key: &PhoneKey, kind: ReadKind, view: &View) -> bool {
    let (changed, read) = (view.changed.get(key), read_at(key, kind, view));
    changed.is_some_and(|changed| read.is_some_and(|read| read <= *changed))
}

fn recent(key: &PhoneKey, view: &View) -> bool {
    view.changed
        .get(key)
        .is_some_and(|at| view.now.since(*at) < RECENT)
}

fn converged(
    key: &PhoneKey,
    wishes: &[(Attribute, Option<WishDigest>)],
    view: &View,
    find: &mut dyn FnMut(String),
) {
    // A reading may be older than it looks by the read lag: after a job of ours it may show what was there before, and that may be what is wished now.
    let lagging = view
        .ended
        .get(key)
        .is_some_and(|at| view.now.since(*at) < view.settings.read_lag * 2);
    if lagging || recent(key, view) {
        return;
    }
    let Some(desired) = super::scope::desired(key, view) else {
        return;
    };
    for (attribute, digest) in wishes {
        let (Some(digest), Some(wanted)) = (digest, desired.attributes.get(attribute)) else {
            continue;
        };
        let row = view.accounts.get(&key.account);
        let row = row.and_then(|account| account.capabilities.of(attribute));
        let unseen = row.is_some_and(|row| match row.read {
            ReadMethod::By(kind) => unseen(key, kind, view),
            ReadMethod::Never => false,
        });
        if crate::plan::phone::digest(&wanted.wish) == *digest
            && !unseen
            && view.holds(key, attribute, &wanted.wish) == Some(false)
        {
            find(format!(
                "{key}: {attribute} counts as converged, but the phone has something else"
            ));
        }
    }
}
