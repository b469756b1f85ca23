//! Names of things: one newtype per kind of id.
//!
//! Invariants: an id is never empty; ids compare as text; a provider's ids are opaque.
//! Not here: what the ids stand for.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::fmt;

macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(SmolStr);

        impl $name {
            /// Wraps the text as it is.
            pub fn new(text: impl Into<SmolStr>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    )*};
}

text_id! {
    /// Name of an Account manifest.
    AccountName;
    /// Name of a Group manifest.
    GroupName;
    /// Name of an App manifest.
    AppName;
    /// The provider's code of one phone, unique within an account, opaque.
    PhoneId;
    /// The provider's code of a group of phones.
    ProviderGroup;
    /// An Android package, such as `com.example.maps`.
    Package;
    /// The provider's handle of its asynchronous work on one phone.
    JobId;
    /// Digest of provider, endpoint and key id: what shares one budget and one journal key space. Never a secret.
    VendorIdentity;
    /// Git commit, or the digest of the manifest files.
    Revision;
}

/// One phone by our account name and the provider's code; written `account/id`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PhoneKey {
    /// The account that lists the phone.
    pub account: AccountName,
    /// The provider's code.
    pub phone: PhoneId,
}

impl fmt::Display for PhoneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.phone)
    }
}

impl JobId {
    /// A number that stands for this id: first 8 bytes of its SHA-256.
    pub fn mark(&self) -> u64 {
        first_bytes(self.0.as_bytes())
    }

    /// The id as a number, where it is one.
    pub fn number(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// The text before the first `/`, which the jobs of one submit share at vendors that are asked about a whole submit; else the whole text.
    pub fn submit(&self) -> &str {
        self.0
            .split_once('/')
            .map_or(&*self.0, |(submit, _)| submit)
    }
}

/// Our durable record of one provider call; counts up for the life of a state folder. Written `op-17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(pub u64);

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "op-{}", self.0)
    }
}

impl std::str::FromStr for OperationId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix("op-").unwrap_or(text).parse().map(Self)
    }
}

/// Keyed digest (HMAC-SHA-256, first 16 bytes, lower hex) of a value that cannot be read back. Reveals nothing without the state folder's key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub SmolStr);

/// Digest of a wish (first 8 bytes of SHA-256 of its JSON), to tell an intended change from drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WishDigest(pub u64);

/// A short stand-in for a text: the first 8 bytes of its SHA-256, as a number.
pub(super) fn first_bytes(bytes: &[u8]) -> u64 {
    use sha2::{Digest, Sha256};
    let mut first = [0; 8];
    first.copy_from_slice(&Sha256::digest(bytes)[..8]);
    u64::from_be_bytes(first)
}
