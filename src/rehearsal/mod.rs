//! The fleet in virtual time: the program as it ships, except for sockets and disk, against simulated vendors, with everything going wrong that can.
//!
//! | file | says |
//! |---|---|
//! | [`scenario`] | what happens in one run: a seed, accounts, editions of the manifests, faults, disturbances |
//! | `text` | a scenario's manifests |
//! | [`profile`] | named mixtures of faults |
//! | `network` | what happens to requests and answers on their way |
//! | `line` | how one process waits for answers |
//! | `post` | who takes callbacks |
//! | `witness` | wrappers that see every order, read and record |
//! | `monitor` | what is known of the run, from the world's side and from the durable image; it asks every invariant at every happening |
//! | [`invariant`] | I1 to I17, each by itself |
//! | `truth` | whether a phone of the world is as wished |
//! | `life` | one process: from opening the journal to its death or end |
//! | [`run`] | one whole run: faults, then calm, then quiet |
//! | [`seam`] | where planted bugs are put in |
//! | [`soak`] | many runs, and their report |
//! | [`reference`] | a run written down: its points, its jobs, its phones in the end |
//! | [`plans`] | one fault at one point of a reference run, and what must be the same as without it |
//! | `waste` | calls that gained nothing |
//! | `listen` | what is logged, searched for secrets |
//! | [`relations`] | runs that must come out alike although they are asked for differently |
//! | `storm` | what goes wrong at moments of its own |
//!
//! Invariants: a run depends on its scenario only, so one seed gives one trace; what is judged comes from the world and from the durable image, never from
//! what the program says of itself. Not here: how phones and vendors behave (`sim`).

pub mod invariant;
mod life;
mod line;
mod listen;
mod monitor;
mod network;
pub mod plans;
mod post;
pub mod profile;
pub mod reference;
pub mod relations;
pub mod run;
pub mod scenario;
pub mod seam;
pub mod soak;
mod storm;
mod text;
mod truth;
mod waste;
mod witness;

pub use monitor::{Account, Happening, View};
