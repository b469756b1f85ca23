//! Clock and delay: the one place that asks what time it is, delays between attempts, and the budget of calls per window.
//!
//! Invariants: nothing else reads a clock; delays and budgets are pure values that take the time as an argument.
//! Not here: who waits for what (`controller`).

pub mod budget;
pub mod clock;
pub mod delay;
