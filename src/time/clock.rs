//! The clock seam: system time, or tokio's clock, which stands still in simulations until everybody waits.
//!
//! Invariants: time never goes back within one process. Not here: sleeping (tokio's own timers follow the same clock).

use crate::model::stamp::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Wall time at the start of the process plus tokio's monotonic clock: real time in the daemon, virtual time under a paused runtime.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    origin: Timestamp,
    start: tokio::time::Instant,
}

impl TokioClock {
    /// Starts at the system's wall time. Call inside a tokio runtime.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one home of the system clock"
    )]
    pub fn system() -> Self {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Self::starting_at(Timestamp::default().after(now))
    }

    /// Starts at the given moment. Call inside a tokio runtime.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one home of the monotonic clock"
    )]
    pub fn starting_at(origin: Timestamp) -> Self {
        Self {
            origin,
            start: tokio::time::Instant::now(),
        }
    }

    /// The tokio instant of a moment, for sleeping until it.
    pub fn instant(&self, at: Timestamp) -> tokio::time::Instant {
        self.start + at.since(self.origin)
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        self.origin.after(self.start.elapsed())
    }
}
