//! The loop: a pure core that decides, and a thin driver that performs.
//!
//! [`core`]: takes events and the time, gives effects; [`driver`]: performs effects and feeds their results back as events; [`progress`]: counts for people.
//!
//! Invariants: the core reads no clock, does no I/O and iterates nothing in a hasher's order; what it decides is durable before it leaves the driver.
//! Not here: what differs (`plan`), what a vendor understands (`provider`).

pub mod core;
pub mod driver;
pub mod progress;
