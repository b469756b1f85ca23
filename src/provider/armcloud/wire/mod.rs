//! ArmCloud's JSON, as their manuals write it: requests, answers, and the ways their types drift.
//!
//! Invariants: reading is tolerant (numbers or text, one object or a list, null, fields we do not know), writing is exact and compact; lists are read
//! into these types, never into a tree. Not here: what any of it means (`convert`).

mod answer;
mod request;

pub use crate::provider::drift::Scalar;
pub use answer::*;
pub use request::*;
