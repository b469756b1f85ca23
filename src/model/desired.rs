//! What is desired of one phone, after profiles, group, overrides and variables were merged.
//!
//! Invariants: every wish has an origin; equal desired states of phones of one group share one `Arc`.
//! Not here: merging (`manifest`), comparing (`plan`).

use super::attribute::Attribute;
use super::capability::Costs;
use super::id::{Fingerprint, GroupName};
use super::stamp::Timestamp;
use super::value::Wish;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// File and line that a value came from; line and column count from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// The path as the operator named it.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A wish and where it was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// What is wished.
    pub wish: Wish,
    /// Where it was said.
    pub origin: Origin,
}

/// Everything desired of one phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// The group that claims the phone.
    pub group: GroupName,
    /// Managed attributes.
    pub attributes: BTreeMap<Attribute, Wanted>,
    /// What happens to third-party apps that are not named.
    pub app_policy: AppPolicy,
    /// What the operator says of apps outside the policy: packages listed under `ignore`.
    pub ignored_apps: Vec<super::id::Package>,
    /// Attributes that the group says to skip where a provider lacks them, and that this phone's provider lacks.
    pub left_out: Vec<Attribute>,
}

/// What happens to third-party apps that are not named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AppPolicy {
    /// They stay.
    #[default]
    Additive,
    /// They are removed (cost: app data). System apps never are.
    Exclusive,
}

/// How far a group goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Read and show.
    Observe,
    /// Also report differences.
    Warn,
    /// Also change the phones.
    #[default]
    Enforce,
}

/// What happens to wishes that a phone's provider cannot fulfil.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Unsupported {
    /// They are mistakes.
    #[default]
    Error,
    /// They are left out at that provider, as if they were listed under `ignore`.
    Skip,
}

/// A permission to spend a cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Allowance {
    /// The costs it covers.
    pub costs: Costs,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// On how many phones per Revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_phones: Option<u32>,
    /// Where it was said.
    pub origin: Origin,
}

/// Fingerprints values that cannot be read back. Implemented by the room `secret`, called by `plan` and `controller`.
pub trait Fingerprints: Send + Sync {
    /// Keyed fingerprint of the wish with its secrets resolved; `None` when a secret cannot be resolved.
    fn fingerprint(&self, attribute: &Attribute, wish: &Wish) -> Option<Fingerprint>;
}
