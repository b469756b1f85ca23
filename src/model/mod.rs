//! What exists: the nouns of phonefleet and nothing else.
//!
//! | word | type |
//! |---|---|
//! | Fleet, Group, Account, App | [`fleet`] – the validated desired state, shared by `Arc` |
//! | Phone, Attribute, Operation, Job, Revision (their names) | [`id`], [`attribute`] |
//! | Desired, Wish, Value | [`value`], [`desired`] – what is wanted of an attribute |
//! | Observation, Observed, Listed | [`observed`] – what an account told us at one time |
//! | Capability, Cost, Stage | [`capability`] – what a provider can do, as data |
//! | Reason, Actor, Condition | [`condition`] – why something waits, and who must act |
//! | Operation, Record | [`operation`], [`record`], [`past`] – durable work, its transition table, and what is known of it afterwards |
//! | Rename | [`rename`] – a phone that got another code, and what is known of it under the new one |
//! | Timestamp | [`stamp`] |
//! | canonical forms | [`canonical`] |
//!
//! Invariants: no I/O, no async, no clock; equal meanings have equal canonical values; iteration order never depends on
//! a hasher. Not here: reading YAML (`manifest`), deciding (`plan`), talking to vendors (`provider`).

pub mod attribute;
pub mod canonical;
pub mod capability;
mod codes;
pub mod condition;
pub mod desired;
pub mod fleet;
pub mod id;
pub mod observed;
mod open;
pub mod operation;
pub mod past;
pub mod record;
pub mod rename;
pub mod settings;
pub mod stamp;
pub mod value;
