//! A plan as a line of text: `armcloud/1 request 57 lost`.
//!
//! Invariants: what is printed is read as the same plan. Not here: which plans there are.

use super::{Plan, Reference};
use crate::model::fleet::ProviderKind;
use crate::rehearsal::scenario::{Deed, Mischief, Point};
use crate::sim::faults::Kind;
use std::fmt;
use std::str::FromStr;

/// The text is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no plan: a plan is written as `armcloud/1 request 57 lost`")]
pub struct NoPlan(String);

/// Mischief without a number of its own, by name.
const NAMES: [(&str, Mischief); 12] = [
    ("refused", Mischief::Refused),
    ("request-lost", Mischief::RequestLost),
    ("crash-before", Mischief::CrashBefore),
    ("crash-after", Mischief::CrashAfter),
    ("crash-on-answer", Mischief::CrashOnAnswer),
    ("stop", Mischief::Stop),
    ("edit", Mischief::Edit),
    ("bad-edit", Mischief::BadEdit),
    ("disk-full", Mischief::DiskFull),
    ("sync-fails", Mischief::SyncFails),
    ("read-only", Mischief::ReadOnly),
    ("drift", Mischief::World(Deed::Drift)),
];

const CLOCK_WRONG: &str = "crash-with-clock";

fn mischief(text: &str) -> Option<Mischief> {
    if let Some((_, mischief)) = NAMES.iter().find(|(name, _)| *name == text) {
        return Some(*mischief);
    }
    let kind = |name: &str| Kind::ALL.into_iter().find(|kind| kind.as_str() == name);
    let deed = |name: &str| Deed::ALL.into_iter().find(|deed| deed.as_str() == name);
    match text.split_once('=') {
        Some((CLOCK_WRONG, seconds)) => seconds.parse().ok().map(Mischief::CrashWithClock),
        Some(("delayed", seconds)) => seconds.parse().ok().map(Mischief::Delayed),
        Some(("doubled", seconds)) => seconds.parse().ok().map(Mischief::Doubled),
        Some(("everywhere", name)) => kind(name).map(Mischief::Everywhere),
        Some(_) => None,
        None => kind(text)
            .map(Mischief::Vendor)
            .or_else(|| deed(text).map(Mischief::World)),
    }
}

/// A mischief as it stands in a plan.
pub(super) struct Named(pub(super) Mischief);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Mischief::CrashWithClock(seconds) => write!(f, "{CLOCK_WRONG}={seconds}"),
            Mischief::Delayed(seconds) => write!(f, "delayed={seconds}"),
            Mischief::Doubled(seconds) => write!(f, "doubled={seconds}"),
            Mischief::Vendor(kind) => f.write_str(kind.as_str()),
            Mischief::Everywhere(kind) => write!(f, "everywhere={}", kind.as_str()),
            Mischief::World(deed) => f.write_str(deed.as_str()),
            other @ (Mischief::Refused
            | Mischief::RequestLost
            | Mischief::CrashBefore
            | Mischief::CrashAfter
            | Mischief::CrashOnAnswer
            | Mischief::Stop
            | Mischief::Edit
            | Mischief::BadEdit
            | Mischief::DiskFull
            | Mischief::SyncFails
            | Mischief::ReadOnly) => {
                let name = NAMES.iter().find(|(_, mischief)| *mischief == other);
                f.write_str(name.map_or("", |(name, _)| name))
            }
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reference { provider, seed } = self.reference;
        let (place, number) = match self.point {
            Point::Request(number) => ("request", number),
            Point::Write(number) => ("write", number),
            Point::Wait(number) => ("wait", number),
        };
        write!(
            f,
            "{provider}/{seed} {place} {number} {}",
            Named(self.mischief)
        )
    }
}

impl FromStr for Plan {
    type Err = NoPlan;

    fn from_str(text: &str) -> Result<Self, NoPlan> {
        let parsed = || {
            let mut words = text.split_whitespace();
            let (provider, seed) = words.next()?.split_once('/')?;
            let provider = ProviderKind::ALL
                .into_iter()
                .find(|kind| kind.as_str() == provider)?;
            let seed = seed.parse().ok()?;
            let (place, number) = (words.next()?, words.next()?.parse().ok()?);
            let point = match place {
                "request" => Point::Request(number),
                "write" => Point::Write(number),
                "wait" => Point::Wait(number),
                _ => return None,
            };
            let mischief = mischief(words.next()?)?;
            words.next().is_none().then_some(Self {
                reference: Reference { provider, seed },
                point,
                mischief,
            })
        };
        parsed().ok_or_else(|| NoPlan(text.to_owned()))
    }
}
