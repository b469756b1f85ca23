//! The vendor's rate limits: two sliding windows that every call of the account shares.
//!
//! Invariants: in no stretch of a second or a minute are more calls let through than allowed; refused calls do not count. Not here: headers (`armcloud`).

use crate::model::stamp::Timestamp;
use std::collections::VecDeque;

/// Calls of the last second and of the last minute.
#[derive(Debug)]
pub(super) struct Rate {
    second: Window,
    minute: Window,
}

#[derive(Debug)]
struct Window {
    length: i64,
    limit: usize,
    calls: VecDeque<i64>,
    most: usize,
}

/// Where the account stands with the limit that is nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether the call is let through.
    pub(super) allowed: bool,
    /// Calls the limit allows.
    pub(super) limit: usize,
    /// Calls that are left of it.
    pub(super) remaining: usize,
    /// When there is room again, in unix seconds.
    pub(super) reset: i64,
}

impl Rate {
    pub(super) fn new(per_second: u32, per_minute: u32) -> Self {
        Self {
            second: Window::new(1_000, per_second),
            minute: Window::new(60_000, per_minute),
        }
    }

    /// Counts one call, if both limits allow it.
    pub(super) fn call(&mut self, now: Timestamp) -> Standing {
        self.second.forget(now.0);
        self.minute.forget(now.0);
        for window in [&self.minute, &self.second] {
            if window.calls.len() >= window.limit {
                return window.standing(now.0, false);
            }
        }
        self.second.count(now.0);
        self.minute.count(now.0);
        self.second.standing(now.0, true)
    }

    /// Where the account stands, for a call that these limits are not about.
    pub(super) fn aside(&mut self, now: Timestamp) -> Standing {
        self.second.forget(now.0);
        self.second.standing(now.0, true)
    }

    /// Most calls in any second and in any minute.
    pub(super) fn most(&self) -> (u64, u64) {
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        (wide(self.second.most), wide(self.minute.most))
    }
}

impl Window {
    fn new(length: i64, limit: u32) -> Self {
        Self {
            length,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            calls: VecDeque::new(),
            most: 0,
        }
    }

    fn forget(&mut self, now: i64) {
        while self
            .calls
            .front()
            .is_some_and(|at| *at <= now - self.length)
        {
            self.calls.pop_front();
        }
    }

    fn count(&mut self, now: i64) {
        self.calls.push_back(now);
        self.most = self.most.max(self.calls.len());
    }

    fn standing(&self, now: i64, allowed: bool) -> Standing {
        let free = self.calls.front().map_or(now, |at| at + self.length);
        Standing {
            allowed,
            limit: self.limit,
            remaining: self.limit.saturating_sub(self.calls.len()),
            reset: free.div_euclid(1_000) + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_windows_hold() {
        let mut rate = Rate::new(2, 3);
        let call = |rate: &mut Rate, at| rate.call(Timestamp(at)).allowed;
        assert!(call(&mut rate, 0) && call(&mut rate, 10));
        assert!(!call(&mut rate, 999), "a third in one second");
        assert!(call(&mut rate, 1_000), "the first has left the window");
        assert!(!call(&mut rate, 30_000), "a fourth in one minute");
        assert!(call(&mut rate, 60_000));
        assert_eq!(rate.most(), (2, 3));
    }

    #[test]
    fn a_refusal_says_when_there_is_room() {
        let mut rate = Rate::new(1, 100);
        rate.call(Timestamp(5_500));
        let refused = rate.call(Timestamp(5_600));
        assert_eq!(
            (
                refused.allowed,
                refused.limit,
                refused.remaining,
                refused.reset
            ),
            (false, 1, 0, 7)
        );
    }
}
