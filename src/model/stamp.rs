//! Timestamps: milliseconds since 1970 in UTC, as plain numbers.
//!
//! Invariants: arithmetic saturates; nothing here asks the clock. Not here: the clock (`time`).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A moment, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// A duration in whole milliseconds, saturating.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Timestamp {
    /// The moment `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// The moment `duration` earlier.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// A moment that is remembered, as a process sees it that began at `began`: one that lies ahead was written down by an earlier process, before the clock
    /// went back, and so before this one began.
    #[must_use]
    pub fn remembered(self, began: Self, now: Self) -> Self {
        if self > now { began.min(now) } else { self }
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(f, "{moment:.0}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_of_the_future_was_before_the_beginning() {
        let (began, now) = (Timestamp(100), Timestamp(150));
        for (written, meant) in [(90, 90), (120, 120), (150, 150), (151, 100), (9_000, 100)] {
            assert_eq!(
                Timestamp(written).remembered(began, now),
                Timestamp(meant),
                "{written}"
            );
        }
    }
}
