//! phonefleet: fleet-as-code for cloud phones.
//!
//! An operator writes in YAML which cloud phones there are and what each group of them should have: image, time zone, language, location, SIM, proxy,
//! properties, settings, apps. phonefleet reads the fleet through the provider's API, shows the difference (`plan`), and makes it go away, once (`apply`) or
//! for ever (`run`). A change is a job at the vendor that takes seconds to minutes and whose answer may get lost; so every request that changes something is
//! journaled before it leaves, and nothing counts as done before it was read back. The decisions are one pure state machine (`controller::core`); commands,
//! daemon, simulations and tests drive the same one.
//!
//! # The rooms, in the order in which they may name each other
//!
//! | room | is | holds that |
//! |---|---|---|
//! | [`model`] | the nouns: fleet, attribute, observation, operation, record | equal meanings have equal values; no I/O, no clock |
//! | [`time`] | clock, delays, and the budget of calls | nothing else asks what time it is |
//! | [`secret`] | references to secrets, keyed fingerprints | a secret's text reaches no log, plan, journal or error |
//! | [`transport`] | one HTTP request, done well; signing primitives | a request is sent once: repeating is decided by the controller's core alone |
//! | [`plan`] | what differs, in which order it is mended, what waits and why | pure: the same inputs give the same plan, and `apply` does what `plan` showed |
//! | [`journal`] | what survives a crash | an acknowledged record is on disk; replay is the live transition function |
//! | [`manifest`] | YAML to a validated fleet | every value knows file and line; all mistakes are told together; a bad load changes nothing |
//! | [`source`] | where manifests come from | says "changed" and nothing else |
//! | [`provider`] | what a vendor can do, as data, and its calls | never waits, never retries, never decides |
//! | [`controller`] | the loop: a pure core, and a driver that performs what it says | `Intended` is durable before a request leaves; at most one job of ours on a phone |
//! | [`sim`] | the vendors, simulated | shares wire types and signing with the adapters, never their conversions |
//! | [`rehearsal`] | the fleet in virtual time, with everything going wrong | judged from the world's side and the durable image; one seed, one trace |
//! | [`server`] | doors into a running daemon | hands requests over, writes no state |
//! | [`daemon`] | assembly | the only place that constructs everything |
//! | [`cli`] | human in, human out | stdout is data, stderr is talk; one exit code for each ending |
//!
//! `tests/it/tidy.rs` holds the arrows: which room may name which.
//!
//! # Three journeys
//!
//! **A YAML edit becomes a job.** `source` says "changed" → `manifest` reads, resolves and validates → the `Fleet` goes to the controller's core → `plan`
//! compares, orders and batches → budget is taken → the journal has `Intended` → `provider` converts and signs → `transport` sends → the answer's jobs
//! are journaled as `Submitted` → they are polled → the value is read back → `Verified`.
//!
//! **A wake-up becomes an observation.** Timers, file changes and verbs of operators bring the next reading or pass forward. What they claim about phones is
//! dropped; only what is read from the provider counts.
//!
//! **A crash is followed by an ordinary start.** The journal is opened and replayed through the transition table that live events go through; every open operation
//! is due for a poll, every account for a reading, and unknown outcomes are decided by the one table for live time-outs and restarts alike. There is no
//! recovery code to be wrong.

pub mod cli;
pub mod controller;
pub mod daemon;
pub mod journal;
pub mod manifest;
pub mod model;
pub mod plan;
pub mod provider;
pub mod rehearsal;
pub mod secret;
pub mod server;
pub mod sim;
pub mod source;
pub mod time;
pub mod transport;
