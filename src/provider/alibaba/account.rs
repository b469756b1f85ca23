//! Opening an account: endpoint and credentials, and credentials that change while it is open.
//!
//! Invariants: nothing is sent; keys leave only as signatures and as the headers that carry a temporary identity. Not here: requests (`mod`).

use super::Alibaba;
use crate::model::fleet::{Account, ProviderKind};
use crate::model::value::SecretRef;
use crate::provider::registry::{OpenError, Outfit};
use crate::secret::{SecretError, Secrets};
use http::HeaderValue;
use http::uri::Uri;
use secrecy::{ExposeSecret, SecretString};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What requests are signed with.
#[derive(Clone)]
pub(super) struct Keys {
    /// Access key id.
    pub(super) id: SecretString,
    /// Access key secret.
    pub(super) secret: SecretString,
    /// Token of a temporary identity (STS).
    pub(super) token: Option<SecretString>,
}

impl Keys {
    /// Resolves them.
    ///
    /// # Errors
    /// The name of the credential that is missing, and why.
    pub(super) fn resolve(
        references: &BTreeMap<SmolStr, SecretRef>,
        secrets: &dyn Secrets,
    ) -> Result<Self, (&'static str, SecretError)> {
        let one = |name: &'static str| match references.get(name) {
            Some(reference) => credential(reference, secrets).map_err(|error| (name, error)),
            None => Err((name, unfit(name, "is not given"))),
        };
        Ok(Self {
            id: one("accessKey")?,
            secret: one("secretKey")?,
            token: match references.contains_key("securityToken") {
                true => Some(one("securityToken")?),
                false => None,
            },
        })
    }
}

impl Alibaba {
    /// Opens the account: resolves its credentials, sends nothing.
    ///
    /// # Errors
    /// A credential that cannot be resolved, an endpoint that is none, or another vendor's account.
    pub fn open(account: &Account, outfit: Outfit) -> Result<Self, OpenError> {
        if account.provider != ProviderKind::Alibaba {
            return Err(OpenError::Unsupported(account.provider));
        }
        let endpoint = account.endpoint.trim_end_matches('/').to_owned();
        let host = endpoint
            .parse::<Uri>()
            .ok()
            .filter(|uri| uri.path() == "/" && uri.query().is_none())
            .and_then(|uri| host(&uri))
            .ok_or_else(|| OpenError::Option {
                account: account.name.to_string(),
                name: "endpoint".to_owned(),
                problem: "is no absolute URL of a host alone".to_owned(),
            })?;
        let keys =
            Keys::resolve(&account.credentials, &*outfit.secrets).map_err(|(name, source)| {
                OpenError::Credential {
                    account: account.name.to_string(),
                    name: name.to_owned(),
                    source,
                }
            })?;
        Ok(Self {
            outfit,
            endpoint,
            host,
            references: account.credentials.clone(),
            keys: Mutex::new(Arc::new(keys)),
            memory: Mutex::default(),
        })
    }
}

/// The host as HTTP clients write it: without the port that goes without saying.
fn host(uri: &Uri) -> Option<String> {
    let host = uri.host()?;
    match (uri.scheme_str()?, uri.port_u16()) {
        ("https", Some(443)) | ("http", Some(80)) | (_, None) => Some(host.to_owned()),
        (_, Some(port)) => Some(format!("{host}:{port}")),
    }
}

fn unfit(name: &str, problem: &str) -> SecretError {
    SecretError {
        reference: name.to_owned(),
        problem: problem.to_owned(),
    }
}

fn credential(reference: &SecretRef, secrets: &dyn Secrets) -> Result<SecretString, SecretError> {
    let secret = secrets.resolve(reference)?;
    match HeaderValue::from_str(secret.expose_secret()) {
        Ok(_) => Ok(secret),
        Err(_) => Err(unfit("the value", "holds characters that no key has")),
    }
}
