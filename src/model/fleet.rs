//! The Fleet: the validated desired state of everything, immutable, shared by `Arc`.
//!
//! Invariants: a phone's desired state is a pure function of the Fleet, the phone's facts and the time; no secret text is inside.
//! Not here: how it came to be (`manifest`), what a provider can do (`capability`).

use super::desired::{Allowance, Desired, Mode, Origin, Unsupported};
use super::id::{
    AccountName, AppName, GroupName, Package, PhoneId, PhoneKey, ProviderGroup, Revision,
    VendorIdentity,
};
use super::stamp::Timestamp;
use super::value::{SecretRef, VersionWish};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The validated desired state of everything.
#[derive(Clone)]
pub struct Fleet {
    /// Which edit of the manifests this is.
    pub revision: Revision,
    /// Accounts by name.
    pub accounts: BTreeMap<AccountName, Account>,
    /// Apps by name.
    pub apps: BTreeMap<AppName, App>,
    /// Groups by name.
    pub groups: BTreeMap<GroupName, Group>,
    /// Phones that a manifest names one by one (group `ids`, inventory rows): they may be missing at the provider. Sorted.
    pub named: Vec<PhoneKey>,
    /// Phones that a manifest says something of and need not be claimed by it (`exclude`, `overrides`): like those of `named`, they may be known under
    /// codes that the vendor has changed. Sorted.
    pub mentioned: Vec<PhoneKey>,
    /// Human names (`alias` of an Inventory) and labels by phone.
    pub inventory: BTreeMap<PhoneKey, InventoryEntry>,
    /// Moments at which a claim may change by itself (ends of overrides), sorted.
    pub expiries: Vec<Timestamp>,
    /// Which group claims a phone and what it desires of it.
    pub claims: Arc<dyn Claims>,
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet")
            .field("revision", &self.revision)
            .field("groups", &self.groups.len())
            .finish_non_exhaustive()
    }
}

/// What is known of a phone before it is claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneFacts {
    /// Which phone.
    pub key: PhoneKey,
    /// Codes it had before the vendor changed them: what manifests say of them is said of the phone.
    pub former: Vec<PhoneKey>,
    /// The provider's group, if it tells.
    pub provider_group: Option<ProviderGroup>,
}

/// Answers which group claims a phone and what it desires of it. Pure; called for each phone when it appears, when its provider group changes,
/// when a Fleet is loaded and when an override ends.
pub trait Claims: Send + Sync {
    /// The claim on this phone at this time.
    fn claim(&self, facts: &PhoneFacts, now: Timestamp) -> Claim;
}

/// The claim on a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// No group selects it: never touched.
    Unclaimed,
    /// One group does.
    Claimed(Arc<Desired>),
    /// More than one does: nothing is done.
    Twice(Vec<GroupName>),
    /// One does, but its desired state cannot be made (a variable is unknown for this phone, a value is wrong); text with file and line.
    Broken(GroupName, String),
}

/// One Account manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: AccountName,
    /// Which provider.
    pub provider: ProviderKind,
    /// Base URL, without a trailing slash.
    pub endpoint: SmolStr,
    /// The digest of provider, endpoint and key reference that budget and journal are kept under.
    pub identity: VendorIdentity,
    /// Secret references by the provider's own name (`accessKey`, `secretKey`, …).
    pub credentials: BTreeMap<SmolStr, SecretRef>,
    /// Lowered limits.
    pub limits: AccountLimits,
    /// What only one vendor has, checked by `manifest` against the provider's list of option names.
    pub options: BTreeMap<SmolStr, SmolStr>,
    /// Where it was said.
    pub origin: Origin,
}

/// Limits an Account may lower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountLimits {
    /// Requests in any second.
    pub requests_per_second: Option<u32>,
    /// Requests in any minute.
    pub requests_per_minute: Option<u32>,
    /// Phones in one call.
    pub batch_size: Option<u32>,
    /// Jobs of ours open at once.
    pub open_jobs: Option<u32>,
    /// Shortest time between two polls of one job.
    pub poll_interval: Option<Duration>,
}

/// A cloud-phone vendor deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the vendors' own")]
pub enum ProviderKind {
    ArmCloud,
    VmosCloud,
    VsPhone,
    Alibaba,
    KooPhone,
    Zenlayer,
}

impl ProviderKind {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::ArmCloud,
        Self::VmosCloud,
        Self::VsPhone,
        Self::Alibaba,
        Self::KooPhone,
        Self::Zenlayer,
    ];

    /// As it stands in manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ArmCloud => "armcloud",
            Self::VmosCloud => "vmoscloud",
            Self::VsPhone => "vsphone",
            Self::Alibaba => "alibaba",
            Self::KooPhone => "koophone",
            Self::Zenlayer => "zenlayer",
        }
    }
}

impl fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One App manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Its name.
    pub name: AppName,
    /// The Android package.
    pub package: Package,
    /// What the installed version must be.
    pub version: VersionWish,
    /// Where it comes from, in order of preference.
    pub sources: Vec<AppSource>,
    /// Where it was said.
    pub origin: Origin,
}

/// Where an app comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AppSource {
    /// The vendor's catalogue of one account.
    Catalogue {
        /// The account whose catalogue it is.
        account: AccountName,
        /// The vendor's id of the app.
        app_id: SmolStr,
    },
    /// A download.
    Url {
        /// `https://…` (or `http://…`).
        url: SmolStr,
        /// MD5 of the file, 32 lower hex digits.
        md5: Option<SmolStr>,
        /// Size of the file in megabytes, rounded up; some vendors want it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size_mb: Option<u32>,
        /// The version name in the file, where the App says it exactly; some vendors want it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<SmolStr>,
        /// The version code in the file; some vendors want it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version_code: Option<u64>,
    },
}

impl AppSource {
    /// Whether it is a url with all that a vendor's catalogue wants to know of a file: digest, size, version name and version code.
    pub fn is_described(&self) -> bool {
        match self {
            Self::Catalogue { .. } => false,
            Self::Url {
                url: _,
                md5,
                size_mb,
                version,
                version_code,
            } => md5.is_some() && size_mb.is_some() && version.is_some() && version_code.is_some(),
        }
    }
}

impl App {
    /// The first source that serves phones of this account.
    pub fn source_for(&self, account: &AccountName) -> Option<&AppSource> {
        self.sources.iter().find(|source| match source {
            AppSource::Catalogue { account: owner, .. } => owner == account,
            AppSource::Url { .. } => true,
        })
    }
}

/// One Group manifest, without what it desires (see [`Claims`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: GroupName,
    /// Accounts whose phones it may claim.
    pub accounts: Vec<AccountName>,
    /// How far it goes.
    pub mode: Mode,
    /// What happens to wishes that a phone's provider cannot fulfil.
    pub unsupported: Unsupported,
    /// Costs it allows.
    pub allow: Vec<Allowance>,
    /// Fewest and most phones it expects; outside, nothing is done.
    pub expect: Option<Expect>,
    /// Where it was said.
    pub origin: Origin,
}

/// Bounds on the number of phones a group claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expect {
    /// At least.
    pub min: Option<u32>,
    /// At most.
    pub max: Option<u32>,
}

/// What an Inventory says about a phone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InventoryEntry {
    /// Human name.
    pub alias: Option<SmolStr>,
    /// Labels.
    pub labels: BTreeMap<SmolStr, SmolStr>,
}

impl PhoneFacts {
    /// All its codes, the one it has first.
    pub fn codes(&self) -> impl Iterator<Item = &PhoneKey> {
        std::iter::once(&self.key).chain(&self.former)
    }
}

impl Fleet {
    /// Whether the manifests name the phone by this code.
    pub fn speaks_of(&self, key: &PhoneKey) -> bool {
        self.named.binary_search(key).is_ok() || self.mentioned.binary_search(key).is_ok()
    }

    /// The phone that `text` names: `account/id`, an inventory alias, or an id that is unique among known phones.
    pub fn find_phone(&self, text: &str) -> Option<PhoneKey> {
        if let Some((account, phone)) = text.split_once('/') {
            let key = PhoneKey {
                account: AccountName::new(account),
                phone: PhoneId::new(phone),
            };
            return self.accounts.contains_key(&key.account).then_some(key);
        }
        let mut hits = self.inventory.iter().filter(|(key, entry)| {
            entry.alias.as_deref() == Some(text) || key.phone.as_str() == text
        });
        match (hits.next(), hits.next()) {
            (Some((key, _)), None) => Some(key.clone()),
            _ => None,
        }
    }
}
