//! Where manifests come from: says that something changed, carries no content.
//!
//! [`folder`]: files and folders on disk, watched.
//!
//! Invariants: a change is told after it, never before (trailing edge); a change that no watch saw is told by the next slow tick.
//! Not here: reading and checking manifests (`manifest`), what a change leads to (`controller`).

pub mod folder;
