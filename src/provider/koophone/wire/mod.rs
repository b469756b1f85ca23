//! KooPhone's JSON and that of the identity service (IAM) beside it, as their manuals and the official SDK's models write it.
//!
//! Invariants: reading is tolerant (numbers or text, null, fields we do not know), writing is exact and compact; every field of an answer may be missing.
//! Not here: what any of it means (`convert`, `jobs`, `answer`).

mod answer;
mod request;

pub use answer::*;
pub use request::*;
