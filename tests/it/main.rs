//! Integration tests: one binary, a module for each concern.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod cli;
mod converge;
mod crash;
mod killed_writer;
mod manifest;
mod rig;
mod sisters;
mod tidy;
