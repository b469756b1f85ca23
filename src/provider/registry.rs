//! The registry: one line a vendor. Invariants: every provider kind is answered. Not here: what a vendor can do.

use super::{Provider, alibaba, armcloud, koophone, zenlayer};
use crate::model::capability::Capabilities;
use crate::model::fleet::{Account, ProviderKind};
use crate::secret::{SecretError, Secrets};
use crate::time::clock::Clock;
use crate::transport::Transport;
use std::sync::Arc;

/// What an adapter needs.
#[derive(Clone)]
pub struct Outfit {
    /// Sends requests.
    pub transport: Arc<dyn Transport>,
    /// Resolves references when a request is signed or a payload is made.
    pub secrets: Arc<dyn Secrets>,
    /// Dates requests.
    pub clock: Arc<dyn Clock>,
    /// Deadline of one request.
    pub request_timeout: std::time::Duration,
}

impl std::fmt::Debug for Outfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outfit").finish_non_exhaustive()
    }
}

/// An account cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// This build has no adapter for the provider.
    #[error("provider {0} is not supported yet")]
    Unsupported(ProviderKind),
    /// A credential is missing.
    #[error("credential {name} of account {account}")]
    Credential {
        /// The account.
        account: String,
        /// The credential's name.
        name: String,
        /// Why.
        #[source]
        source: SecretError,
    },
    /// An option has a wrong value.
    #[error("option {name} of account {account}: {problem}")]
    Option {
        /// The account.
        account: String,
        /// The option's name.
        name: String,
        /// What is wrong.
        problem: String,
    },
}

/// What a provider can do; `None` while there is no adapter.
pub fn capabilities(kind: ProviderKind) -> Option<&'static Capabilities> {
    match kind {
        ProviderKind::ArmCloud | ProviderKind::VmosCloud | ProviderKind::VsPhone => {
            armcloud::capabilities(kind)
        }
        ProviderKind::Alibaba => Some(alibaba::capabilities()),
        ProviderKind::KooPhone => Some(koophone::capabilities()),
        ProviderKind::Zenlayer => Some(zenlayer::capabilities()),
    }
}

/// Opens an account: resolves its credentials, sends nothing.
///
/// # Errors
/// No adapter, or a credential that cannot be resolved.
pub fn open(account: &Account, outfit: Outfit) -> Result<Arc<dyn Provider>, OpenError> {
    match account.provider {
        ProviderKind::ArmCloud | ProviderKind::VmosCloud | ProviderKind::VsPhone => {
            Ok(Arc::new(armcloud::ArmCloud::open(account, outfit)?))
        }
        ProviderKind::Alibaba => Ok(Arc::new(alibaba::Alibaba::open(account, outfit)?)),
        ProviderKind::KooPhone => Ok(Arc::new(koophone::KooPhone::open(account, outfit)?)),
        ProviderKind::Zenlayer => Ok(Arc::new(zenlayer::Zenlayer::open(account, outfit)?)),
    }
}
