//! What must still be known of one phone's operations when they are over.
//!
//! Invariants: bounded; follows from the records alone, in their order. Not here: operations that are open (`record`), what is decided by it (`plan`,
//! `controller`).

use super::attribute::Attribute;
use super::id::{JobId, WishDigest};
use super::operation::{Intent, PhaseEvent};
use super::stamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// So many of the last jobs of a phone are known by their marks: more than a vendor's list of recent tasks gives for one phone and call.
const JOBS_KEPT: usize = 16;

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Past {
    /// Marks of the phone's last jobs, the newest last: a job that is known from one operation is never taken for another's.
    jobs: Vec<u64>,
    /// The highest number of any job of the phone, at vendors whose jobs have numbers.
    highest: u64,
    /// When the phone's last order was made, and the one before it.
    orders: (Timestamp, Timestamp),
    /// Costly writes that happened last, or failed and may have happened all the same, by attribute: of what, and when that was known.
    costly: BTreeMap<Attribute, (WishDigest, Timestamp)>,
    /// Costly writes that the vendor last refused because the same was under way already, by attribute: of what, and when.
    under_way: BTreeMap<Attribute, (WishDigest, Timestamp)>,
}

impl Past {
    /// Whether this job is one of the phone's last jobs, or older than one of them: vendors that number their jobs count up. Where one does not, a lost job
    /// is not found, and settles.
    pub fn knows(&self, job: &JobId) -> bool {
        self.jobs.contains(&job.mark()) || job.number().is_some_and(|number| number <= self.highest)
    }

    /// Whether no copy of an earlier order could arrive any more when the phone's last order was made, where requests live so long.
    pub fn was_alone(&self, life: Duration) -> bool {
        let (last, before) = self.orders;
        last > before.after(life)
    }

    /// When this costly write was last known to have happened, or to have failed: what failed may have had its effect.
    pub fn wrote(&self, attribute: &Attribute, wish: WishDigest) -> Option<Timestamp> {
        let (digest, at) = self.costly.get(attribute)?;
        (*digest == wish).then_some(*at)
    }

    /// When the vendor last said that this costly write is under way already: for somebody else, or by a copy of an order of ours.
    pub fn met(&self, attribute: &Attribute, wish: WishDigest) -> Option<Timestamp> {
        let (digest, at) = self.under_way.get(attribute)?;
        (*digest == wish).then_some(*at)
    }

    /// Takes in that an order was made for the phone.
    pub(super) fn ordered(&mut self, at: Timestamp) {
        self.orders = (at, self.orders.0);
    }

    /// Takes in what happened to the phone.
    pub(super) fn take(&mut self, intent: &Intent, event: &PhaseEvent, at: Timestamp) {
        match event {
            PhaseEvent::Accepted(job) | PhaseEvent::Found(job) | PhaseEvent::Exists(Some(job)) => {
                self.remember(job.mark());
                self.highest = self.highest.max(job.number().unwrap_or(0));
            }
            PhaseEvent::Done
            | PhaseEvent::Succeeded
            | PhaseEvent::Verified
            | PhaseEvent::Failed
            | PhaseEvent::Resolved(true) => note(&mut self.costly, intent, at),
            PhaseEvent::NoEffect | PhaseEvent::Settled | PhaseEvent::Resolved(false) => {
                for (attribute, _) in intent.writes.iter() {
                    self.costly.remove(attribute);
                }
            }
            PhaseEvent::Exists(None) => note(&mut self.under_way, intent, at),
            PhaseEvent::Refused | PhaseEvent::Lost | PhaseEvent::Parked => {}
        }
    }

    fn remember(&mut self, mark: u64) {
        if self.jobs.contains(&mark) {
            return;
        }
        if self.jobs.len() >= JOBS_KEPT {
            self.jobs.remove(0);
        }
        self.jobs.push(mark);
    }
}

/// Notes when each costly write of an intent was last heard of.
fn note(costly: &mut BTreeMap<Attribute, (WishDigest, Timestamp)>, intent: &Intent, at: Timestamp) {
    if intent.costs.is_live() {
        return;
    }
    for (attribute, wish) in intent.writes.iter() {
        costly.insert(attribute.clone(), (wish.digest(), at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::capability::{Cost, Costs};
    use crate::model::condition::Cause;
    use crate::model::value::{Value, Wish};

    fn intent(writes: &[(Attribute, Wish)], costs: Costs) -> Intent {
        Intent {
            operation: crate::model::id::OperationId(1),
            identity: "identity".into(),
            call: "call".into(),
            phones: ["A".into()].into(),
            writes: writes.into(),
            costs,
            cause: Cause::Intended,
            revision: "revision".into(),
            at: Timestamp(1),
        }
    }

    #[test]
    fn a_costly_write_that_failed_may_have_happened_and_is_known_by_its_time() {
        let wish = Wish::Set(Value::Text("Fleet One".into()));
        let write = (Attribute::Property("ro.product.model".into()), wish.clone());
        let wrote = |costs: Costs, event: PhaseEvent| {
            let mut past = Past::default();
            past.take(
                &intent(std::slice::from_ref(&write), costs),
                &event,
                Timestamp(7),
            );
            past.wrote(&write.0, wish.digest())
        };
        for event in [PhaseEvent::Succeeded, PhaseEvent::Failed] {
            assert_eq!(
                wrote(Costs::of(&[Cost::Restart]), event.clone()),
                Some(Timestamp(7))
            );
            assert_eq!(wrote(Costs::default(), event), None);
        }
        assert_eq!(
            wrote(Costs::of(&[Cost::Restart]), PhaseEvent::NoEffect),
            None
        );
    }

    #[test]
    fn a_costly_write_that_is_under_way_already_is_known_by_when_that_was_said() {
        let wish = Wish::Set(Value::Text("Fleet One".into()));
        let write = (Attribute::Property("ro.product.model".into()), wish.clone());
        for (costs, met) in [
            (Costs::of(&[Cost::Restart]), Some(Timestamp(7))),
            (Costs::default(), None),
        ] {
            let mut past = Past::default();
            let intent = intent(std::slice::from_ref(&write), costs);
            past.take(&intent, &PhaseEvent::Exists(None), Timestamp(7));
            assert_eq!(past.met(&write.0, wish.digest()), met);
            assert_eq!(past.met(&write.0, Wish::Reset.digest()), None);
            assert_eq!(past.wrote(&write.0, wish.digest()), None);
        }
    }

    #[test]
    fn an_order_is_alone_when_no_copy_of_the_one_before_can_come() {
        let life = Duration::from_secs(60);
        let mut past = Past::default();
        for (at, alone) in [
            (100_000, true),
            (160_000, false),
            (220_001, true),
            (90_000, false),
        ] {
            past.ordered(Timestamp(at));
            assert_eq!(past.was_alone(life), alone, "{at}");
        }
    }

    #[test]
    fn jobs_that_were_made_before_a_known_one_are_not_taken_for_new() {
        let intent = intent(&[], Costs::default());
        let mut past = Past::default();
        for job in ["1000", "t-one"] {
            past.take(&intent, &PhaseEvent::Accepted(job.into()), Timestamp(2));
        }
        let known = |job: &str| past.knows(&job.into());
        assert!(known("1000") && known("999") && known("t-one"));
        assert!(!known("1001") && !known("t-two"));
    }
}
