//! Opening an account: endpoint, credentials and options.
//!
//! Invariants: nothing is sent; credentials are resolved here, once; an option that would have no effect is refused. Not here: requests (`mod`), tokens
//! (`token`).

use super::convert::StatusTable;
use super::token::{Login, Tokens};
use super::{Access, KooPhone};
use crate::model::fleet::Account;
use crate::provider::registry::{OpenError, Outfit};
use crate::secret::SecretError;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// The one region that the vendor's SDK knows.
const REGION: &str = "cn-south-1";

impl KooPhone {
    /// Opens the account: resolves its credentials, sends nothing.
    ///
    /// # Errors
    /// A credential that cannot be resolved or a wrong option.
    pub fn open(account: &Account, outfit: Outfit) -> Result<Self, OpenError> {
        let endpoint = account.endpoint.trim_end_matches('/').to_owned();
        let uri = absolute(&endpoint).ok_or_else(|| wrong(account, "endpoint", "is no URL"))?;
        let option = |name: &str| account.options.get(name).map(|text| text.trim());
        let statuses = match option("statusTable") {
            None | Some("running") => StatusTable::Running,
            Some("lifecycle") => StatusTable::Lifecycle,
            Some(_) => {
                return Err(wrong(
                    account,
                    "statusTable",
                    "is neither running nor lifecycle",
                ));
            }
        };
        let all_apps = match option("apps") {
            None | Some("thirdParty") => false,
            Some("all") => true,
            Some(_) => return Err(wrong(account, "apps", "is neither thirdParty nor all")),
        };
        let content_type = option("contentType").unwrap_or("1").to_owned();
        if content_type.is_empty() {
            return Err(wrong(account, "contentType", "is empty"));
        }
        let project_id = option("projectId").map(str::to_owned);
        if let Some(id) = &project_id
            && (id.is_empty() || HeaderValue::from_str(id).is_err())
        {
            return Err(wrong(account, "projectId", "is no project id"));
        }
        Ok(Self {
            access: access(account, &outfit)?,
            outfit,
            base: uri.path().trim_end_matches('/').to_owned(),
            host: uri.authority().map(ToString::to_string).unwrap_or_default(),
            endpoint,
            project_id,
            statuses,
            all_apps,
            content_type,
            requests: AtomicU64::new(0),
        })
    }
}

/// An absolute URL.
fn absolute(text: &str) -> Option<http::Uri> {
    let uri: http::Uri = text.parse().ok()?;
    let whole = uri.scheme().is_some() && uri.authority().is_some();
    whole.then_some(uri)
}

fn wrong(account: &Account, name: &str, problem: &str) -> OpenError {
    OpenError::Option {
        account: account.name.to_string(),
        name: name.to_owned(),
        problem: problem.to_owned(),
    }
}

/// How the account signs in; which way was checked by `manifest`.
fn access(account: &Account, outfit: &Outfit) -> Result<Access, OpenError> {
    let has = |name: &str| account.credentials.contains_key(name);
    let secret = |name: &str| credential(account, outfit, name);
    if has("username") {
        let login = Login {
            endpoint: iam_endpoint(account)?,
            user: secret("username")?,
            password: secret("password")?,
            domain: secret("domain")?,
            project: secret("project")?,
        };
        return Ok(Access::Password(Box::new(Tokens::new(login))));
    }
    if let Some(name) = ["iamEndpoint", "region"]
        .into_iter()
        .find(|name| account.options.contains_key(*name))
    {
        return Err(wrong(
            account,
            name,
            "belongs to the credentials username, password, domain and project",
        ));
    }
    if has("token") {
        let token = in_header(account, "token", secret("token")?)?;
        return Ok(Access::Token(Arc::new(token)));
    }
    let security_token = if has("securityToken") {
        let token = secret("securityToken")?;
        Some(in_header(account, "securityToken", token)?)
    } else {
        None
    };
    Ok(Access::Keys {
        access_key: in_header(account, "accessKey", secret("accessKey")?)?,
        secret_key: secret("secretKey")?,
        security_token,
    })
}

fn iam_endpoint(account: &Account) -> Result<String, OpenError> {
    let option = |name: &str| account.options.get(name).map(|text| text.trim());
    if let Some(endpoint) = option("iamEndpoint") {
        if option("region").is_some() {
            return Err(wrong(account, "region", "has no effect beside iamEndpoint"));
        }
        let endpoint = endpoint.trim_end_matches('/');
        let fits = absolute(endpoint).is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("https" | "http")) && uri.query().is_none()
        });
        if !fits {
            return Err(wrong(account, "iamEndpoint", "is no URL"));
        }
        return Ok(endpoint.to_owned());
    }
    let region = option("region").unwrap_or(REGION);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if region.is_empty() || !region.bytes().all(fits) {
        return Err(wrong(account, "region", "is no region such as cn-south-1"));
    }
    Ok(format!("https://iam.{region}.myhuaweicloud.com"))
}

fn credential(account: &Account, outfit: &Outfit, name: &str) -> Result<SecretString, OpenError> {
    let reference = account
        .credentials
        .get(name)
        .ok_or_else(|| unfit(account, name, "is not given"))?;
    outfit
        .secrets
        .resolve(reference)
        .map_err(|source| OpenError::Credential {
            account: account.name.to_string(),
            name: name.to_owned(),
            source,
        })
}

/// A secret that stands in a header.
fn in_header(
    account: &Account,
    name: &str,
    secret: SecretString,
) -> Result<SecretString, OpenError> {
    if HeaderValue::from_str(secret.expose_secret()).is_err() {
        return Err(unfit(account, name, "holds characters that no key has"));
    }
    Ok(secret)
}

fn unfit(account: &Account, name: &str, problem: &str) -> OpenError {
    OpenError::Credential {
        account: account.name.to_string(),
        name: name.to_owned(),
        source: SecretError {
            reference: name.to_owned(),
            problem: problem.to_owned(),
        },
    }
}
