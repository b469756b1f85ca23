//! The budget of one vendor identity: sliding windows for every limit the vendor documents.
//!
//! Invariants: in no window of any limit are more calls let through than it allows, whatever the pattern (burst and refill together); a throttled vendor
//! lowers the pace, and it rises slowly again. Not here: who calls (`controller/core`), headers (`provider`).

use crate::model::stamp::{Timestamp, millis};
use std::collections::VecDeque;
use std::time::Duration;

/// One documented limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Calls …
    pub calls: u32,
    /// … in any stretch of this length.
    pub length: Duration,
}

/// Counts calls against every window.
#[derive(Clone, Debug)]
pub struct Budget {
    windows: Vec<Window>,
    /// Moments of calls, the oldest first, as long as the longest window.
    calls: VecDeque<Timestamp>,
    /// Calls that were let through and leave at a moment that is not known before they are answered.
    open: u32,
    /// Nothing before this moment (the vendor throttled).
    closed_until: Timestamp,
    /// Share of the documented pace in use, in 1/256.
    share: u32,
    raised_at: Timestamp,
}

/// Full pace, see [`Budget::share`].
const FULL: u32 = 256;
/// Nobody is sent away for longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

impl Budget {
    /// A budget of these windows.
    pub fn new(windows: Vec<Window>) -> Self {
        Self {
            windows,
            calls: VecDeque::new(),
            open: 0,
            closed_until: Timestamp::default(),
            share: FULL,
            raised_at: Timestamp::default(),
        }
    }

    /// From now on these windows hold; calls that were made stay counted.
    pub fn limit(&mut self, windows: Vec<Window>) {
        self.windows = windows;
    }

    /// Takes one call out of the budget, if it allows one now.
    pub fn take(&mut self, now: Timestamp) -> bool {
        self.take_all(1, now)
    }

    /// Takes so many calls out of the budget, if it allows them all now.
    pub fn take_all(&mut self, calls: u32, now: Timestamp) -> bool {
        if self.next_free_for(calls, now) > now {
            return false;
        }
        self.calls.extend((0..calls).map(|_| now));
        true
    }

    /// Takes so many calls out of the budget, if it allows them all now, that may leave at any moment until [`Budget::close`]: they wait for something that
    /// is asked first, and count in every window until then.
    pub fn open(&mut self, calls: u32, now: Timestamp) -> bool {
        if self.next_free_for(calls, now) > now {
            return false;
        }
        self.open += calls;
        true
    }

    /// So many calls that were open have left, now at the latest.
    pub fn close(&mut self, calls: u32, now: Timestamp) {
        self.open = self.open.saturating_sub(calls);
        self.calls.extend((0..calls).map(|_| now));
    }

    /// Counts `calls` that were made at `at` by an earlier process.
    pub fn used(&mut self, at: Timestamp, calls: u32) {
        for _ in 0..calls {
            self.calls.push_back(at);
        }
        self.calls.make_contiguous().sort_unstable();
    }

    /// The moment from which one more call is allowed; `now` if that is already so.
    pub fn next_free(&mut self, now: Timestamp) -> Timestamp {
        self.next_free_for(1, now)
    }

    /// The moment from which so many more calls are allowed at once; the end of time where an open call must be closed before. A limit below that number
    /// lets them through when nothing else is in its window.
    pub fn next_free_for(&mut self, calls: u32, now: Timestamp) -> Timestamp {
        let more = usize::try_from(calls).unwrap_or(usize::MAX).max(1);
        self.forget(now);
        self.raise(now);
        let mut free = now.max(self.closed_until);
        for window in &self.windows {
            let allowed = usize::try_from(
                (u64::from(window.calls) * u64::from(self.share) / u64::from(FULL)).max(1),
            )
            .unwrap_or(1);
            let open = usize::try_from(self.open).unwrap_or(usize::MAX);
            let left = allowed.saturating_sub(open);
            if open > 0 && left < more {
                return Timestamp(i64::MAX);
            }
            let before = left.saturating_sub(more) + 1;
            if let Some(index) = self.calls.len().checked_sub(before) {
                free = free.max(Timestamp(self.calls[index].0 + millis(window.length) + 1));
            }
        }
        free
    }

    /// The vendor throttled a call: nothing until `until` (or a second from now), then at half the pace.
    pub fn throttled(&mut self, now: Timestamp, until: Option<Timestamp>) {
        let pause = until
            .filter(|at| *at > now)
            .unwrap_or_else(|| now.after(Duration::from_secs(1)));
        self.closed_until = self.closed_until.max(pause.min(now.after(LONGEST_PAUSE)));
        self.share = (self.share / 2).max(8);
        self.raised_at = self.closed_until;
    }

    /// Calls per second at the present pace over the tightest window.
    pub fn rate(&self) -> f64 {
        self.windows
            .iter()
            .map(|window| {
                f64::from(window.calls) * f64::from(self.share)
                    / f64::from(FULL)
                    / window.length.as_secs_f64()
            })
            .fold(f64::INFINITY, f64::min)
    }

    fn raise(&mut self, now: Timestamp) {
        while self.share < FULL && now.since(self.raised_at) >= Duration::from_secs(10) {
            self.share = (self.share + 16).min(FULL);
            self.raised_at = self.raised_at.after(Duration::from_secs(10));
        }
    }

    fn forget(&mut self, now: Timestamp) {
        // No call was made later than now: where one seems to be, the clock went back, and closes the budget for no longer than a window.
        let later = self.calls.iter_mut().rev().take_while(|at| **at > now);
        later.for_each(|at| *at = now);
        self.closed_until = self.closed_until.min(now.after(LONGEST_PAUSE));
        let longest = self
            .windows
            .iter()
            .map(|window| window.length)
            .max()
            .unwrap_or_default();
        let oldest = Timestamp(now.before(longest).0 - 1);
        while self.calls.front().is_some_and(|at| *at < oldest) {
            self.calls.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(calls: u32) -> Budget {
        Budget::new(vec![Window {
            calls,
            length: Duration::from_secs(1),
        }])
    }

    #[test]
    fn an_open_call_counts_until_it_is_closed_and_a_window_longer() {
        let mut budget = budget(3);
        assert!(budget.open(2, Timestamp(0)));
        assert!(budget.take(Timestamp(5_000)));
        assert_eq!(budget.next_free_for(1, Timestamp(5_001)), Timestamp(6_001));
        // With two calls still to leave no more than one is ever let through beside them.
        assert_eq!(
            budget.next_free_for(2, Timestamp(9_000)),
            Timestamp(i64::MAX)
        );
        budget.close(2, Timestamp(9_000));
        assert_eq!(budget.next_free_for(1, Timestamp(9_000)), Timestamp(9_000));
        assert_eq!(budget.next_free_for(2, Timestamp(9_000)), Timestamp(10_001));
        // More than the window takes goes alone.
        assert_eq!(budget.next_free_for(9, Timestamp(9_500)), Timestamp(10_001));
        assert!(budget.open(9, Timestamp(10_001)));
        assert_eq!(
            budget.next_free_for(1, Timestamp(60_000)),
            Timestamp(i64::MAX)
        );
    }

    #[test]
    fn a_clock_that_went_back_closes_for_no_longer_than_a_window() {
        let mut budget = budget(3);
        budget.used(Timestamp(3_600_000), 3);
        assert_eq!(budget.next_free(Timestamp(5_000)), Timestamp(6_001));
        budget.throttled(Timestamp(3_600_000), None);
        assert_eq!(budget.next_free(Timestamp(7_000)), Timestamp(127_000));
    }

    #[test]
    fn other_limits_forget_no_call() {
        let mut budget = budget(3);
        for _ in 0..3 {
            assert!(budget.take(Timestamp(0)));
        }
        budget.limit(vec![Window {
            calls: 4,
            length: Duration::from_secs(1),
        }]);
        assert!(budget.take(Timestamp(10)));
        assert!(!budget.take(Timestamp(10)));
    }
}
