//! Operations: our durable record of one provider call, with a state per phone and one transition table for live events and replay.
//!
//! Invariants: [`Phase::next`] is total and unambiguous; a closed phase never opens again; only `Intended`, `Submitted`, `Following` and `Unknown` hold the phone.
//! Not here: where records are kept (`journal`), when to poll or settle (`controller`).

use super::attribute::Attribute;
use super::capability::Costs;
use super::condition::Cause;
use super::id::{JobId, OperationId, PhoneId, Revision, VendorIdentity, first_bytes};
use super::stamp::Timestamp;
use super::value::Wish;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::sync::Arc;

/// What we are about to ask of a provider; durable before the request leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// Counts up.
    pub operation: OperationId,
    /// Which budget and key space.
    pub identity: VendorIdentity,
    /// The provider's call, as in its capability table.
    pub call: SmolStr,
    /// On which phones.
    pub phones: Arc<[PhoneId]>,
    /// What is written; empty for a bare restart.
    pub writes: Arc<[(Attribute, Wish)]>,
    /// What it costs.
    pub costs: Costs,
    /// Why.
    pub cause: Cause,
    /// Of which edit of the manifests.
    pub revision: Revision,
    /// When.
    pub at: Timestamp,
}

impl Intent {
    /// A number that stands for this one operation, also beside those of other state folders: first 8 bytes of the SHA-256 of its number and time.
    pub fn mark(&self) -> u64 {
        first_bytes(format!("{} {}", self.operation, self.at.0).as_bytes())
    }
}

/// Where one phone of an operation stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Durable; the request may have left.
    Intended,
    /// Accepted; the job is ours.
    Submitted(JobId),
    /// The vendor said "same task exists" and named it: followed, never credited.
    Following(JobId),
    /// Nobody knows whether it was or will be done, since then.
    Unknown(Timestamp),
    /// The vendor says it is done, at that time; not read back yet.
    Succeeded(Timestamp),
    /// Unknown and costly: a person must look.
    Parked,
    /// Over.
    Closed(Outcome),
}

/// How it ended on one phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The wanted value was read back (or, for write-only values, the vendor confirmed).
    Verified,
    /// The vendor said done, the value did not change.
    NoEffect,
    /// The vendor said failed.
    Failed,
    /// The vendor refused, nothing was done.
    Refused,
    /// Somebody else's job was in the way.
    Busy,
    /// Unknown, and so much time passed that it cannot happen any more; may be written again.
    Settled,
    /// A person said that it happened.
    Happened,
    /// A person said that it did not happen.
    NotHappened,
}

/// What can happen to one phone of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PhaseEvent {
    /// The answer has a row with this job.
    Accepted(JobId),
    /// The answer says done at once.
    Done,
    /// The answer says "same task exists", perhaps naming it.
    Exists(Option<JobId>),
    /// The answer says no; nothing was done.
    Refused,
    /// No answer, no row, a job past its deadline, or a job the vendor no longer knows.
    Lost,
    /// The job ended well.
    Succeeded,
    /// The job ended badly.
    Failed,
    /// A lost submit was found in the provider's lists.
    Found(JobId),
    /// The wanted value was read back.
    Verified,
    /// It was not, after the read lag.
    NoEffect,
    /// The settle time is over.
    Settled,
    /// Costly and without evidence.
    Parked,
    /// A person's answer.
    Resolved(bool),
}

/// An event that cannot happen in that phase: the journal is corrupt or the program wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} cannot follow {phase:?}")]
pub struct Illegal {
    /// Where it stood.
    pub phase: Phase,
    /// What came.
    pub event: PhaseEvent,
}

impl Phase {
    /// The one transition table, live and on replay. `at` is the time of the event.
    ///
    /// # Errors
    /// The pair is not in the table.
    pub fn next(&self, event: &PhaseEvent, at: Timestamp) -> Result<Self, Illegal> {
        use PhaseEvent as E;
        Ok(match (self, event) {
            (Self::Intended | Self::Unknown(_), E::Accepted(job) | E::Found(job)) => {
                Self::Submitted(job.clone())
            }
            (Self::Intended, E::Done) | (Self::Submitted(_), E::Succeeded) => Self::Succeeded(at),
            (Self::Intended, E::Exists(Some(job))) => Self::Following(job.clone()),
            (Self::Intended, E::Exists(None))
            | (Self::Following(_), E::Succeeded | E::Failed | E::Lost) => {
                Self::Closed(Outcome::Busy)
            }
            (Self::Intended, E::Refused) => Self::Closed(Outcome::Refused),
            (Self::Intended | Self::Submitted(_), E::Lost) => Self::Unknown(at),
            (Self::Submitted(_), E::Failed) => Self::Closed(Outcome::Failed),
            (Self::Succeeded(_) | Self::Unknown(_) | Self::Parked, E::Verified) => {
                Self::Closed(Outcome::Verified)
            }
            (Self::Succeeded(_), E::NoEffect) => Self::Closed(Outcome::NoEffect),
            (Self::Unknown(_), E::Settled) => Self::Closed(Outcome::Settled),
            (Self::Unknown(_), E::Parked) => Self::Parked,
            (Self::Parked, E::Resolved(true)) => Self::Closed(Outcome::Happened),
            (Self::Parked, E::Resolved(false)) => Self::Closed(Outcome::NotHappened),
            (phase, event) => {
                return Err(Illegal {
                    phase: phase.clone(),
                    event: event.clone(),
                });
            }
        })
    }

    /// Whether no other mutating job may start on the phone.
    pub fn holds_phone(&self) -> bool {
        matches!(
            self,
            Self::Intended | Self::Submitted(_) | Self::Following(_) | Self::Unknown(_)
        )
    }

    /// Whether it is over.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// The job to poll.
    pub fn job(&self) -> Option<&JobId> {
        match self {
            Self::Submitted(job) | Self::Following(job) => Some(job),
            Self::Intended
            | Self::Unknown(_)
            | Self::Succeeded(_)
            | Self::Parked
            | Self::Closed(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: Timestamp = Timestamp(1);
    const NOW: Timestamp = Timestamp(2);

    fn phases() -> Vec<Phase> {
        let outcomes = [
            Outcome::Verified,
            Outcome::NoEffect,
            Outcome::Failed,
            Outcome::Refused,
            Outcome::Busy,
            Outcome::Settled,
            Outcome::Happened,
            Outcome::NotHappened,
        ];
        let mut phases = vec![
            Phase::Intended,
            Phase::Submitted("old".into()),
            Phase::Following("old".into()),
            Phase::Unknown(THEN),
            Phase::Succeeded(THEN),
            Phase::Parked,
        ];
        phases.extend(outcomes.map(Phase::Closed));
        phases
    }

    fn events() -> Vec<PhaseEvent> {
        vec![
            PhaseEvent::Accepted("new".into()),
            PhaseEvent::Done,
            PhaseEvent::Exists(Some("new".into())),
            PhaseEvent::Exists(None),
            PhaseEvent::Refused,
            PhaseEvent::Lost,
            PhaseEvent::Succeeded,
            PhaseEvent::Failed,
            PhaseEvent::Found("new".into()),
            PhaseEvent::Verified,
            PhaseEvent::NoEffect,
            PhaseEvent::Settled,
            PhaseEvent::Parked,
            PhaseEvent::Resolved(true),
            PhaseEvent::Resolved(false),
        ]
    }

    fn successors(phase: &Phase) -> Vec<Phase> {
        let next = |event: &PhaseEvent| phase.next(event, NOW).ok();
        events().iter().filter_map(next).collect()
    }

    #[test]
    fn what_is_over_stays_over_and_everything_else_can_end() {
        for phase in phases() {
            if phase.is_closed() {
                assert_eq!(successors(&phase), [], "{phase:?}");
                continue;
            }
            let mut reached = vec![phase.clone()];
            let mut at = 0;
            while at < reached.len() {
                for next in successors(&reached[at]) {
                    if !reached.contains(&next) {
                        reached.push(next);
                    }
                }
                at += 1;
            }
            assert!(
                reached.iter().any(Phase::is_closed),
                "{phase:?} can never end"
            );
        }
    }

    #[test]
    fn each_outcome_has_the_evidence_it_names() {
        for phase in phases() {
            for event in events() {
                let Ok(Phase::Closed(outcome)) = phase.next(&event, NOW) else {
                    continue;
                };
                let fits = match outcome {
                    Outcome::Verified => event == PhaseEvent::Verified,
                    Outcome::NoEffect => event == PhaseEvent::NoEffect,
                    Outcome::Failed => {
                        event == PhaseEvent::Failed && matches!(phase, Phase::Submitted(_))
                    }
                    Outcome::Refused => event == PhaseEvent::Refused && phase == Phase::Intended,
                    Outcome::Busy => {
                        matches!(phase, Phase::Following(_)) || event == PhaseEvent::Exists(None)
                    }
                    Outcome::Settled => {
                        event == PhaseEvent::Settled && matches!(phase, Phase::Unknown(_))
                    }
                    Outcome::Happened => event == PhaseEvent::Resolved(true),
                    Outcome::NotHappened => event == PhaseEvent::Resolved(false),
                };
                assert!(fits, "{phase:?} and {event:?} give {outcome:?}");
            }
        }
    }

    #[test]
    fn somebody_elses_job_is_never_credited() {
        for event in events() {
            if let Ok(next) = Phase::Following("theirs".into()).next(&event, NOW) {
                assert_eq!(next, Phase::Closed(Outcome::Busy), "{event:?}");
            }
        }
    }

    #[test]
    fn what_is_polled_holds_the_phone_and_what_a_person_must_look_at_does_not() {
        for phase in phases() {
            if phase.job().is_some() {
                assert!(phase.holds_phone(), "{phase:?}");
            }
            if phase.is_closed() {
                assert!(!phase.holds_phone(), "{phase:?}");
            }
        }
        assert!(!Phase::Parked.holds_phone());
        assert!(Phase::Unknown(THEN).holds_phone());
    }

    #[test]
    fn times_are_those_of_the_event() {
        let lost = Phase::Intended.next(&PhaseEvent::Lost, NOW).unwrap();
        assert_eq!(lost, Phase::Unknown(NOW));
        let done = Phase::Submitted("job".into())
            .next(&PhaseEvent::Succeeded, NOW)
            .unwrap();
        assert_eq!(done, Phase::Succeeded(NOW));
    }
}
