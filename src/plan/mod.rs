//! Pure decision: what differs, in which order it is mended, what waits and why, and how that reads.
//!
//! [`phone`] plans one phone: [`diff`] compares (attribute by attribute in `reader`), `gate` says what waits, `chain` orders and merges what goes. [`batch`] gathers phones due for the same
//! payload into orders; [`preview`] assembles the plan of a whole fleet (`gather` groups it), with [`forecast`]; [`render`] writes it as text, JSON or Markdown. `apply`, `run`
//! and `plan` share all of it.
//!
//! Invariants: pure, total, deterministic; capabilities, limits and time are arguments; no secret is ever printed.
//! Not here: reading (`provider`), pace (`controller`).

pub mod batch;
mod chain;
pub mod diff;
#[cfg(test)]
mod fixture;
pub mod forecast;
mod gate;
mod gather;
pub mod phone;
pub mod preview;
mod reader;
pub mod render;
pub mod shows;
pub mod skip;
mod version;
