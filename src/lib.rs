//! phonefleet: fleet-as-code for cloud phones.

pub mod cli;
pub mod controller;
pub mod daemon;
pub mod journal;
pub mod manifest;
pub mod model;
pub mod plan;
pub mod provider;
pub mod secret;
pub mod server;
pub mod sim;
pub mod source;
pub mod time;
pub mod transport;
