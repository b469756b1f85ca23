//! Orders as the vendor wants them: action and parameters of every call that changes phones.
//!
//! Invariants: what makes no sense is refused before it is sent; commands go in Base64, which no quoting can break. Not here: answers (`jobs`), scripts
//! (`provider/shell`), signing (`sign`).

use super::table::{CAPABILITIES, COMMAND_SECONDS, COMMANDS, call};
use super::wire::{Action, Call, action};
use crate::model::attribute::Attribute;
use crate::model::fleet::AppSource;
use crate::model::id::PhoneId;
use crate::model::value::{ImageTarget, Value, Wish};
use crate::provider::refusal::our_bug;
use crate::provider::{CallError, Order, shell};
use crate::transport::sign::sha256_hex;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// Where a file is put on a phone before it is installed.
const FOLDER: &str = "/sdcard/Download";

/// Makes the request of an order.
///
/// # Errors
/// The order does not fit the call (our bug), or a value the vendor cannot take. Nothing was sent.
pub(super) fn build(order: &Order) -> Result<Call, CallError> {
    let row = CAPABILITIES
        .call(order.call)
        .ok_or_else(|| our_bug(format!("no call is named {}", order.call)))?;
    let (phones, most) = (order.phones.len(), row.max_phones);
    if phones == 0 || phones > usize::try_from(most).unwrap_or(usize::MAX) {
        return Err(our_bug(format!(
            "{phones} phones for {}, which takes 1 to {most}",
            order.call
        )));
    }
    match order.call {
        call::COMMAND => {
            let script = shell::write_script(&order.writes, order.app.as_ref(), &COMMANDS)?;
            let marked = format!("echo {}; {script}", mark(order.mark));
            Ok(command(&order.phones, &marked))
        }
        call::INSTALL => on_app(order, &action::INSTALL),
        call::UNINSTALL => on_app(order, &action::UNINSTALL),
        call::OPERATE => operate(order),
        call::SEND_FILE => send_file(order),
        call::UPDATE_IMAGE => image(order),
        call::MODIFY => modify(order),
        call::START_ADB => adb(order, &action::START_ADB, true),
        call::STOP_ADB => adb(order, &action::STOP_ADB, false),
        other => Err(our_bug(format!("no request is made for {other}"))),
    }
}

/// What the script of an order says first. The vendor's list of tasks tells neither script nor request, but what a command printed: by this the commands of an
/// order are known from all others, readings above all.
pub(super) fn mark(of: u64) -> String {
    format!("=phonefleet-order={of:016x}")
}

/// A script for the shell of these phones.
pub(super) fn command(phones: &[PhoneId], script: &str) -> Call {
    on(&action::COMMAND, "InstanceIds", phones)
        .with("CommandContent", &BASE64_STANDARD.encode(script))
        .with("ContentEncoding", "Base64")
        .with("Timeout", &COMMAND_SECONDS)
}

/// An action on these phones.
pub(super) fn on(action: &'static Action, name: &str, phones: &[PhoneId]) -> Call {
    Call::of(action).with_all(name, phones.iter().map(PhoneId::as_str))
}

fn misfit(order: &Order) -> CallError {
    our_bug(format!("an order does not fit {}", order.call))
}

fn single(order: &Order) -> Result<&(Attribute, Wish), CallError> {
    match &order.writes[..] {
        [write] => Ok(write),
        _ => Err(misfit(order)),
    }
}

/// The catalogue's id of the order's app.
fn app_id(order: &Order) -> Result<&str, CallError> {
    match order.app.as_ref().map(|app| &app.source) {
        Some(AppSource::Catalogue { app_id, .. }) => Ok(app_id),
        Some(AppSource::Url { .. }) | None => Err(misfit(order)),
    }
}

fn on_app(order: &Order, action: &'static Action) -> Result<Call, CallError> {
    Ok(on_phones(action, &order.phones, app_id(order)?))
}

/// An action on one app of the catalogue, for these phones.
fn on_phones(action: &'static Action, phones: &[PhoneId], app_id: &str) -> Call {
    on(action, "InstanceIdList", phones).with_all("AppIdList", [app_id])
}

/// An app of the catalogue onto these phones.
pub(super) fn install(phones: &[PhoneId], app_id: &str) -> Call {
    on_phones(&action::INSTALL, phones, app_id)
}

fn operate(order: &Order) -> Result<Call, CallError> {
    let (Attribute::Running(_), Wish::Set(Value::Flag(running))) = single(order)? else {
        return Err(misfit(order));
    };
    let way = if *running { "start" } else { "stop" };
    Ok(on(&action::OPERATE, "InstanceIdList", &order.phones)
        .with("AppId", app_id(order)?)
        .with("OperateType", way))
}

/// A file from a url, installed when it has arrived. Its name follows from the url, so that sending it again writes over it.
fn send_file(order: &Order) -> Result<Call, CallError> {
    let Some(AppSource::Url { url, md5, .. }) = order.app.as_ref().map(|app| &app.source) else {
        return Err(misfit(order));
    };
    let digest = sha256_hex(url.as_bytes());
    Ok(
        on(&action::SEND_FILE, "AndroidInstanceIdList", &order.phones)
            .with("UploadType", "DOWNLOAD_URL")
            .with("UploadUrl", url)
            .with("SourceFilePath", &format!("{FOLDER}/{}.apk", &digest[..16]))
            .with("AutoInstall", &true)
            .with_some("FileMd5", md5.as_deref()),
    )
}

fn image(order: &Order) -> Result<Call, CallError> {
    let (_, Wish::Set(Value::Image(image))) = single(order)? else {
        return Err(misfit(order));
    };
    let id = match (&order.image, &image.target) {
        (Some(id), _) | (None, ImageTarget::Id(id)) => id,
        (None, ImageTarget::Version(version)) => {
            return Err(our_bug(format!("image version {version} has no id")));
        }
    };
    Ok(on(&action::UPDATE_IMAGE, "InstanceIdList", &order.phones)
        .with("ImageId", id)
        .with("Reset", &image.wipe_data))
}

fn modify(order: &Order) -> Result<Call, CallError> {
    let (_, Wish::Set(Value::Bandwidth(limits))) = single(order)? else {
        return Err(misfit(order));
    };
    Ok(on(&action::MODIFY, "InstanceIds", &order.phones)
        .with("UpBandwidthLimit", &limits.up_mbps)
        .with("DownBandwidthLimit", &limits.down_mbps))
}

fn adb(order: &Order, action: &'static Action, to: bool) -> Result<Call, CallError> {
    match single(order)? {
        (Attribute::Adb, Wish::Set(Value::Flag(on))) if *on != to => Err(misfit(order)),
        (Attribute::Adb, Wish::Reset) if to => Err(misfit(order)),
        (Attribute::Adb, Wish::Set(Value::Flag(_)) | Wish::Reset) => {
            Ok(on(action, "InstanceIds", &order.phones))
        }
        _ => Err(misfit(order)),
    }
}
