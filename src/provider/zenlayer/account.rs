//! Opening an account: endpoint, credentials and options.
//!
//! Invariants: nothing is sent; credentials are resolved here, once; an option that would have no effect is refused. Not here: requests (`mod`).

use super::Zenlayer;
use super::book::Book;
use super::script::Prefix;
use super::sign::Proof;
use crate::model::fleet::Account;
use crate::provider::registry::{OpenError, Outfit};
use crate::secret::SecretError;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use smol_str::SmolStr;

impl Zenlayer {
    /// Opens the account: resolves its credentials, sends nothing.
    ///
    /// # Errors
    /// A credential that cannot be resolved, or a wrong option.
    pub fn open(account: &Account, outfit: Outfit) -> Result<Self, OpenError> {
        let endpoint = account.endpoint.trim_end_matches('/').to_owned();
        let host = host(account, &endpoint)?;
        let option = |name: &str| account.options.get(name).map(|text| &**text);
        let prefix = Prefix::new(option("commandPrefix"))
            .map_err(|problem| wrong(account, "commandPrefix", problem))?;
        let group_tag = match option("groupTag").map(str::trim) {
            Some("") => return Err(wrong(account, "groupTag", "is empty: name the tag's key")),
            key => key.map(SmolStr::from),
        };
        let proof = if account.credentials.contains_key("token") {
            Proof::Token(credential(account, &outfit, "token")?)
        } else {
            Proof::Key {
                id: credential(account, &outfit, "accessKey")?,
                password: credential(account, &outfit, "secretKey")?,
            }
        };
        Ok(Self {
            opened: outfit.clock.now(),
            outfit,
            endpoint,
            host,
            proof,
            prefix,
            group_tag,
            book: Book::default(),
            last_polled: std::sync::Mutex::default(),
        })
    }
}

/// The `Host` header that goes with the endpoint, which is signed: a port that the scheme has anyway is left out, as clients do.
fn host(account: &Account, endpoint: &str) -> Result<String, OpenError> {
    let uri: http::Uri = endpoint
        .parse()
        .map_err(|_| wrong(account, "endpoint", "is no URL"))?;
    let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return Err(wrong(account, "endpoint", "is no absolute URL"));
    };
    let host = host.to_ascii_lowercase();
    Ok(match (scheme, uri.port_u16()) {
        ("https", Some(443)) | ("http", Some(80)) | (_, None) => host,
        (_, Some(port)) => format!("{host}:{port}"),
    })
}

fn wrong(account: &Account, name: &str, problem: &str) -> OpenError {
    OpenError::Option {
        account: account.name.to_string(),
        name: name.to_owned(),
        problem: problem.to_owned(),
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
