//! Orders as the vendor wants them: method, path and body of every call that changes phones.
//!
//! Invariants: the body is made once and its bytes are what is signed and sent; what makes no sense is refused before it is sent. Not here: answers (`jobs`),
//! commands (`provider::shell`).

use super::refuses::{self, NAME};
use super::table::{BOUNDS, CAPABILITIES, call};
use super::wire::{CommandRequest, InstallRequest};
use crate::model::fleet::AppSource;
use crate::model::id::PhoneId;
use crate::provider::refusal::{our_bug, refused};
use crate::provider::shell;
use crate::provider::{AppToInstall, CallError, Order};
use crate::transport::sign::sha256_hex;
use bytes::Bytes;
use serde::Serialize;
use smol_str::{SmolStr, ToSmolStr};

/// An order, ready to be signed.
pub(super) struct Ready {
    /// The call, as in the table.
    pub(super) name: &'static str,
    /// Where it goes.
    pub(super) path: &'static str,
    /// Body.
    pub(super) body: Bytes,
}

/// Makes the body of an order. `content_type` is what the account says about installs.
///
/// # Errors
/// The order does not fit the call (our bug), or a value the vendor cannot take. Nothing was sent.
pub(super) fn build(order: &Order, content_type: &str) -> Result<Ready, CallError> {
    let Some(row) = CAPABILITIES.call(order.call) else {
        return Err(our_bug(format!("no call is named {}", order.call)));
    };
    let (phones, most) = (order.phones.len(), row.max_phones);
    if phones == 0 || phones > usize::try_from(most).unwrap_or(usize::MAX) {
        return Err(our_bug(format!(
            "{phones} phones for {}, which takes 1 to {most}",
            order.call
        )));
    }
    if row.name == call::INSTALL {
        let Some(app) = &order.app else {
            return Err(our_bug("an install without an app"));
        };
        let body = json(&install(app, order.phones.to_vec(), content_type)?)?;
        return Ok(Ready {
            name: call::INSTALL,
            path: "/v1/instances/app/install",
            body,
        });
    }
    let script = shell::write_script(&order.writes, None, &BOUNDS)?;
    command(script, &order.phones)
}

/// A command on phones.
pub(super) fn command(script: String, phones: &[PhoneId]) -> Result<Ready, CallError> {
    Ok(Ready {
        name: call::COMMAND,
        path: "/v1/instances/async-command",
        body: json(&CommandRequest {
            command: script,
            instance_ids: phones.to_vec(),
        })?,
    })
}

/// Compact JSON: these bytes are signed and sent.
fn json<T: Serialize>(body: &T) -> Result<Bytes, CallError> {
    serde_json::to_vec(body)
        .map(Bytes::from)
        .map_err(|problem| our_bug(format!("a body cannot be written: {problem}")))
}

fn install(
    app: &AppToInstall,
    phones: Vec<PhoneId>,
    content_type: &str,
) -> Result<InstallRequest, CallError> {
    if let Some(reason) = refuses::source(&app.package, &app.source) {
        return Err(refused(reason));
    }
    let AppSource::Url {
        url,
        md5,
        size_mb,
        version,
        version_code: _,
    } = &app.source
    else {
        return Err(our_bug("an install from a catalogue"));
    };
    // The vendor may know a file by these two: where nothing is said, the digest of the url tells files apart.
    let digest = sha256_hex(url.as_bytes());
    let mark = digest.get(..32).unwrap_or(&digest);
    Ok(InstallRequest {
        fast_install: SmolStr::new_static("0"),
        object_name: app.package.as_str().into(),
        file_name: file_name(url),
        object_version: version.clone().unwrap_or_else(|| mark.into()),
        object_size: size_mb.unwrap_or_default().to_smolstr(),
        biz_type: SmolStr::new_static("apk"),
        content_type: content_type.into(),
        content_md5: md5.clone().unwrap_or_else(|| mark.into()),
        install_package_url: url.clone(),
        instance_id_list: phones,
    })
}

/// The last part of a url's path, as the name of an APK.
fn file_name(url: &str) -> SmolStr {
    let last = url.rsplit('/').next().unwrap_or_default();
    let name = if last.is_empty() { "app.apk" } else { last };
    let start = name.len().saturating_sub(NAME);
    name.get(start..).unwrap_or("app.apk").into()
}
