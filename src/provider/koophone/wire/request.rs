//! What KooPhone and IAM are asked.
//!
//! Invariants: names are the vendor's; secrets stand in [`TokenRequest`] alone. Not here: limits (`table`).

use crate::model::id::PhoneId;
use serde::Serialize;
use smol_str::SmolStr;

/// `POST /v1/instances/async-command` (AsyncInvokeInstance).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CommandRequest {
    /// At most 1,024 bytes of letters, digits, `_ . / : -` and space.
    pub command: String,
    /// At most 100.
    pub instance_ids: Vec<PhoneId>,
}

/// `POST /v1/instances/app/install` (InstallApp). All fields are text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InstallRequest {
    /// `0` or `1`.
    pub fast_install: SmolStr,
    /// The Android package, at most 100 characters.
    pub object_name: SmolStr,
    /// Name of the file, at most 100 characters.
    pub file_name: SmolStr,
    /// Version of the file, at most 100 characters.
    pub object_version: SmolStr,
    /// Size of the file in MB.
    pub object_size: SmolStr,
    /// `apk`.
    pub biz_type: SmolStr,
    /// `1` (OBS) by the parameter's description, `application/octet-stream` by the manual's example.
    pub content_type: SmolStr,
    /// MD5 of the file, at most 200 characters; any text that is not empty, says the SDK.
    pub content_md5: SmolStr,
    /// Where the vendor fetches it, at most 2,000 characters.
    pub install_package_url: SmolStr,
    /// At most 100.
    pub instance_id_list: Vec<PhoneId>,
}

/// `POST /v3/auth/tokens` of IAM, with a password, for one project.
#[derive(Clone, Copy, Serialize)]
pub struct TokenRequest<'a> {
    /// Everything.
    pub auth: Auth<'a>,
}

/// Who asks, and for what.
#[derive(Clone, Copy, Serialize)]
pub struct Auth<'a> {
    /// Who asks.
    pub identity: Identity<'a>,
    /// For what.
    pub scope: Scope<'a>,
}

/// Who asks.
#[derive(Clone, Copy, Serialize)]
pub struct Identity<'a> {
    /// `["password"]`.
    pub methods: [&'static str; 1],
    /// The user.
    pub password: Password<'a>,
}

/// A user with a password.
#[derive(Clone, Copy, Serialize)]
pub struct Password<'a> {
    /// The user.
    pub user: User<'a>,
}

/// A user.
#[derive(Clone, Copy, Serialize)]
pub struct User<'a> {
    /// Name.
    pub name: &'a str,
    /// Password.
    pub password: &'a str,
    /// The account the user belongs to.
    pub domain: Named<'a>,
}

/// Something with a name.
#[derive(Clone, Copy, Serialize)]
pub struct Named<'a> {
    /// The name.
    pub name: &'a str,
}

/// For what a token is.
#[derive(Clone, Copy, Serialize)]
pub struct Scope<'a> {
    /// The project, such as `cn-south-1`.
    pub project: Named<'a>,
}
