//! Opening an account: endpoint, credentials and options.
//!
//! Invariants: nothing is sent; credentials are resolved here, once; an option that would have no effect is refused. Not here: requests (`mod`).

use super::ArmCloud;
use super::flavour::Flavour;
use super::sign::{Bodies, CredentialForm, Scheme};
use crate::model::fleet::Account;
use crate::provider::registry::{OpenError, Outfit};
use crate::secret::SecretError;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

impl ArmCloud {
    /// Opens the account: resolves its credentials, sends nothing.
    ///
    /// # Errors
    /// A credential that cannot be resolved, a wrong option, or another vendor's account.
    pub fn open(account: &Account, outfit: Outfit) -> Result<Self, OpenError> {
        let flavour =
            Flavour::of(account.provider).ok_or(OpenError::Unsupported(account.provider))?;
        let endpoint = account.endpoint.trim_end_matches('/').to_owned();
        let uri: http::Uri = endpoint
            .parse()
            .map_err(|_| wrong(account, "endpoint", "is no URL"))?;
        let (Some(_), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(wrong(account, "endpoint", "is no absolute URL"));
        };
        let said = account.options.get("signedHost").map(|host| &**host);
        let host = said
            .or(flavour.signed_host)
            .unwrap_or(authority.as_str())
            .to_owned();
        if host.is_empty() || HeaderValue::from_str(&host).is_err() {
            return Err(wrong(account, "signedHost", "is no host"));
        }
        Ok(Self {
            access_key: credential(account, &outfit, "accessKey")?,
            secret_key: credential(account, &outfit, "secretKey")?,
            outfit,
            flavour,
            base: uri.path().trim_end_matches('/').to_owned(),
            endpoint,
            host,
            scheme: scheme(account)?,
            some_phone: std::sync::Mutex::default(),
            no_task_list: std::sync::atomic::AtomicBool::new(false),
        })
    }
}

fn wrong(account: &Account, name: &str, problem: &str) -> OpenError {
    OpenError::Option {
        account: account.name.to_string(),
        name: name.to_owned(),
        problem: problem.to_owned(),
    }
}

fn scheme(account: &Account) -> Result<Scheme, OpenError> {
    let option = |name: &str| account.options.get(name).map(|text| &**text);
    let bodies = match option("signature") {
        None | Some("v4") => {
            return match option("credentialForm") {
                None | Some("scope") => Ok(Scheme::V4(CredentialForm::Scope)),
                Some("bare") => Ok(Scheme::V4(CredentialForm::Bare)),
                Some(_) => Err(wrong(
                    account,
                    "credentialForm",
                    "is neither scope nor bare",
                )),
            };
        }
        Some("v2") => Bodies::Most,
        Some("v2-all-bodies") => Bodies::All,
        Some(_) => {
            return Err(wrong(
                account,
                "signature",
                "is neither v4, v2 nor v2-all-bodies",
            ));
        }
    };
    match ["credentialForm", "signedHost"]
        .into_iter()
        .find(|name| option(name).is_some())
    {
        Some(name) => Err(wrong(account, name, "belongs to the signature v4")),
        None => Ok(Scheme::V2(bodies)),
    }
}

fn credential(account: &Account, outfit: &Outfit, name: &str) -> Result<SecretString, OpenError> {
    let failed = |source| OpenError::Credential {
        account: account.name.to_string(),
        name: name.to_owned(),
        source,
    };
    let unfit = |problem: &str| SecretError {
        reference: name.to_owned(),
        problem: problem.to_owned(),
    };
    let reference = account
        .credentials
        .get(name)
        .ok_or_else(|| failed(unfit("is not given")))?;
    let secret = outfit.secrets.resolve(reference).map_err(failed)?;
    if HeaderValue::from_str(secret.expose_secret()).is_err() {
        return Err(failed(unfit("holds characters that no key has")));
    }
    Ok(secret)
}
