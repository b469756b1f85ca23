//! Integration tests: one binary, a module for each concern.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod alibaba;
mod bad_answers;
mod bad_input;
mod bad_journal;
mod brakes;
mod cli;
mod conformance;
mod conformance_alibaba;
mod conformance_koophone;
mod conformance_zenlayer;
mod converge;
mod crash;
mod drift;
mod examples;
mod faulty_line;
mod frugal;
mod killed_writer;
mod koophone;
mod least;
mod manifest;
mod model_check;
mod operator;
mod plans;
mod planted;
mod power_cut;
mod process;
mod providers;
mod rehearsal;
mod rig;
mod shell_abuse;
mod sigkill;
mod sisters;
mod tidy;
mod vendor_errors;
mod zenlayer;
