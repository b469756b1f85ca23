//! What must hold in every run, whatever goes wrong: each invariant a check of its own over the stream of happenings.
//!
//! | file | holds |
//! |---|---|
//! | `flight` | I1 single flight, I8 settle |
//! | `intent` | I2 intent before effect, I4 no invented and no orphaned job, I5 no superseded write |
//! | `costly` | I3 costly work at most once |
//! | `proof` | I6 freshness, I10 no false success |
//! | `scope` | I7 scope |
//! | `budget` | I11 budget |
//! | `durable` | I12 journal |
//! | `ending` | I13 eventually stable, I14 isolation, I15 stop means stop, I16 determinism, I17 no secret escapes |
//!
//! Invariants: a check keeps state of its own and changes nothing else; every check has a test in which it finds something. I9 compares runs, so it
//! is none of these (`relations::hints`). Not here: where happenings come from (`network`, `witness`, `run`).

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a check names the happenings it judges; all others are nothing to it"
)]

mod budget;
mod costly;
mod durable;
mod ending;
mod flight;
mod intent;
mod proof;
mod scope;

pub(super) use scope::desired;

use super::monitor::{Happening, View};
use crate::model::stamp::Timestamp;
use serde::{Serialize, Serializer};
use std::fmt;

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// I1: never two open mutating jobs of ours on one phone.
    SingleFlight,
    /// I2: when a mutating request leaves, the durable image holds its intent, and it leaves once.
    IntentFirst,
    /// I3: costly work at most once per intent; ambiguity waits for a person.
    CostlyOnce,
    /// I4: no job without a durable operation, no operation closed over an open job.
    NoOrphan,
    /// I5: nothing of an older revision starts after a newer one was taken.
    NotSuperseded,
    /// I6: a decision uses an observation newer than what it depends on.
    Fresh,
    /// I7: nothing unmanaged is touched; a short list is not "all gone".
    Scope,
    /// I8: a write in doubt is repeated only after request life and job deadline.
    Settle,
    /// I10: converged only from an observation made after the job's end, and true.
    NoFalseSuccess,
    /// I11: calls per window never above the limit; few are wasted.
    Budget,
    /// I12: only allowed transitions; every image opens and holds what was acknowledged.
    Journal,
    /// I13: once faults stop, the fleet matches within a bound, and stays.
    Stable,
    /// I14: failing phones do not delay others by more than a tenth.
    Isolation,
    /// I15: after a stop nothing mutating starts; exit within 5 s.
    Stop,
    /// I16: the same seed gives the same trace.
    Determinism,
    /// I17: no secret in anything that people or files see.
    Secrets,
}

impl Invariant {
    /// All that are judged.
    pub const ALL: [Self; 16] = [
        Self::SingleFlight,
        Self::IntentFirst,
        Self::CostlyOnce,
        Self::NoOrphan,
        Self::NotSuperseded,
        Self::Fresh,
        Self::Scope,
        Self::Settle,
        Self::NoFalseSuccess,
        Self::Budget,
        Self::Journal,
        Self::Stable,
        Self::Isolation,
        Self::Stop,
        Self::Determinism,
        Self::Secrets,
    ];

    /// As it stands in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SingleFlight => "I1 single flight",
            Self::IntentFirst => "I2 intent before effect",
            Self::CostlyOnce => "I3 costly work at most once",
            Self::NoOrphan => "I4 no invented and no orphaned job",
            Self::NotSuperseded => "I5 no superseded write",
            Self::Fresh => "I6 freshness",
            Self::Scope => "I7 scope",
            Self::Settle => "I8 settle",
            Self::NoFalseSuccess => "I10 no false success",
            Self::Budget => "I11 budget",
            Self::Journal => "I12 journal",
            Self::Stable => "I13 eventually stable",
            Self::Isolation => "I14 isolation",
            Self::Stop => "I15 stop means stop",
            Self::Determinism => "I16 determinism",
            Self::Secrets => "I17 no secret escapes",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Invariant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// When, in the world's time.
    pub at: Timestamp,
    /// What happened.
    pub problem: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.invariant, self.at, self.problem)
    }
}

/// Judges one invariant over the stream of happenings.
pub trait Check: Send {
    /// Which.
    fn invariant(&self) -> Invariant;

    /// Sees a happening after the view has taken it in; tells `find` what is wrong.
    fn see(&mut self, happening: &Happening<'_>, view: &View, find: &mut dyn FnMut(String));
}

/// A fresh check of every invariant.
pub fn checks() -> Vec<Box<dyn Check>> {
    vec![
        Box::new(flight::SingleFlight),
        Box::new(flight::Settle),
        Box::new(intent::IntentFirst),
        Box::new(intent::NoOrphan),
        Box::new(intent::NotSuperseded),
        Box::new(costly::CostlyOnce::default()),
        Box::new(proof::Fresh::default()),
        Box::new(proof::NoFalseSuccess),
        Box::new(scope::Scope),
        Box::new(budget::Budget::default()),
        Box::new(durable::Durable::default()),
        Box::new(ending::Stable::default()),
        Box::new(ending::Isolation),
        Box::new(ending::Stop::default()),
        Box::new(ending::Determinism),
        Box::new(ending::Secrets),
    ]
}

#[cfg(test)]
mod doctored;
