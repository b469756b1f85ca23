//! The sisters' surfaces, VMOS Cloud and VSPhone: ArmCloud's handlers under other paths, with what is not there left out.
//!
//! Invariants: a name exists here only where a manual or a client of a sister has it; `updateSIM` draws a new identity; refusals carry the sisters' codes.
//! Not here: what calls do (`read`, `write`, `task`), V4 signatures (`signature`).

use super::{Class, Refusal, Route, form, read, refuse, success, task, write};
use crate::model::stamp::Timestamp;
use crate::sim::world::World;
use crate::sim::{ACCESS_KEY, SECRET_KEY, recode};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use smol_str::SmolStr;

/// How far the time of an older signature may be from now, by the manual.
const WINDOW_SECONDS: i64 = 300;
/// Calls whose body some clients leave out of the older signature; both ways are said to work.
const BODY_MAY_BE_UNSIGNED: [&str; 4] = ["uploadFile", "uploadFileV3", "asyncCmd", "syncCmd"];

/// A deployment beside ArmCloud's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sister {
    VmosCloud,
    VsPhone,
}

macro_rules! routes {
    ($prefix:literal) => {
        [
            (concat!($prefix, "infos"), Class::Read, read::infos),
            (
                concat!($prefix, "padProperties"),
                Class::Read,
                read::properties_of_one,
            ),
            (
                concat!($prefix, "batchPadProperties"),
                Class::Read,
                read::properties_of_many,
            ),
            (
                concat!($prefix, "listInstalledApp"),
                Class::Read,
                read::installed_apps,
            ),
            (
                concat!($prefix, "imageVersionList"),
                Class::Read,
                read::images_for,
            ),
            (
                concat!($prefix, "queryPadIdChangeRecords"),
                Class::Read,
                code_changes,
            ),
            (
                concat!($prefix, "padTaskDetail"),
                Class::Poll,
                task::details,
            ),
            (
                concat!($prefix, "updateTimeZone"),
                Class::Mutation,
                write::time_zone,
            ),
            (
                concat!($prefix, "updateLanguage"),
                Class::Mutation,
                write::language,
            ),
            (
                concat!($prefix, "gpsInjectInfo"),
                Class::Mutation,
                write::gps,
            ),
            (
                concat!($prefix, "updateSIM"),
                Class::Mutation,
                write::sim_by_country,
            ),
            (
                concat!($prefix, "updatePadProperties"),
                Class::Mutation,
                write::properties,
            ),
            (
                concat!($prefix, "updatePadAndroidProp"),
                Class::Mutation,
                write::android_properties,
            ),
            (concat!($prefix, "setProxy"), Class::Mutation, write::proxy),
            (
                concat!($prefix, "openOnlineAdb"),
                Class::Mutation,
                write::adb,
            ),
            (
                concat!($prefix, "asyncCmd"),
                Class::Mutation,
                write::command,
            ),
            (concat!($prefix, "restart"), Class::Mutation, write::restart),
            (concat!($prefix, "reset"), Class::Mutation, write::reset),
            (
                concat!($prefix, "upgradeImage"),
                Class::Mutation,
                write::upgrade,
            ),
            (
                concat!($prefix, "installApp"),
                Class::Mutation,
                write::install,
            ),
            (
                concat!($prefix, "uploadFileV3"),
                Class::Mutation,
                write::push,
            ),
            (
                concat!($prefix, "uninstallApp"),
                Class::Mutation,
                write::uninstall,
            ),
            (concat!($prefix, "startApp"), Class::Mutation, write::start),
            (concat!($prefix, "stopApp"), Class::Mutation, write::stop),
        ]
    };
}

static VMOS_CLOUD: [Route; 24] = routes!("/vcpcloud/api/padApi/");
static VS_PHONE: [Route; 24] = routes!("/vsphone/api/padApi/");

/// The call that tells which codes were changed.
pub(super) const CODE_CHANGES: &str = "/queryPadIdChangeRecords";

/// `queryPadIdChangeRecords` (VMOS Cloud's OpenAPI; the answer's fields as public clients read them): one day, or the last three.
fn code_changes(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: Day = form::parse(body)?;
    let day = match form.query_date {
        Some(date) => match date.parse::<jiff::civil::Date>() {
            Ok(date) => Some(date),
            Err(_) => return refuse(100_000, "queryDate: yyyy-MM-dd"),
        },
        None => None,
    };
    let day = day.map(|date| (date - jiff::civil::date(1970, 1, 1)).get_days().into());
    if day.is_some_and(|asked| asked > recode::day(world.now)) {
        return refuse(100_000, "queryDate is in the future");
    }
    let rows: Vec<CodeChange<'_>> = world
        .recoded(day)
        .map(|recode| CodeChange {
            old_pad_code: &recode.from,
            new_pad_code: &recode.to,
        })
        .collect();
    success(world, rows)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Day {
    query_date: Option<SmolStr>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CodeChange<'a> {
    old_pad_code: &'a str,
    new_pad_code: &'a str,
}

impl Sister {
    /// Whose path this is, by its first segment.
    pub(super) fn of(path: &str) -> Option<Self> {
        if path.starts_with("/vcpcloud/") {
            Some(Self::VmosCloud)
        } else if path.starts_with("/vsphone/") {
            Some(Self::VsPhone)
        } else {
            None
        }
    }

    /// Its calls.
    pub(super) fn routes(self) -> &'static [Route] {
        match self {
            Self::VmosCloud => &VMOS_CLOUD,
            Self::VsPhone => &VS_PHONE,
        }
    }
}

/// Whether a request carries the older signature (V2).
pub(super) fn is_older(request: &http::Request<Bytes>) -> bool {
    ["x-sign", "x-access-key"]
        .iter()
        .any(|name| request.headers().contains_key(*name))
}

/// Whether a request has the older signature (V2) that it should have.
pub(super) fn check_older(request: &http::Request<Bytes>, now: Timestamp) -> Result<(), Refusal> {
    let header = |name: &str| {
        let value = request.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    if header("x-access-key") != ACCESS_KEY {
        return refuse(2031, "unknown access key");
    }
    let time = header("x-timestamp");
    let fresh = time.len() == 10
        && time
            .parse::<i64>()
            .is_ok_and(|seconds| (seconds - now.0 / 1000).abs() <= WINDOW_SECONDS);
    if !fresh {
        return refuse(2033, "timestamp expired");
    }
    let path = request.uri().path();
    let payload: &[u8] = match *request.method() == http::Method::GET {
        true => request.uri().query().unwrap_or_default().as_bytes(),
        false => request.body(),
    };
    let sign = |payload| older_sign(SECRET_KEY, time, path, payload);
    let name = path.rsplit('/').next().unwrap_or_default();
    let without_body = BODY_MAY_BE_UNSIGNED.contains(&name) && header("x-sign") == sign(b"");
    match without_body || header("x-sign") == sign(payload) {
        true => Ok(()),
        false => refuse(2019, "signature check failed"),
    }
}

/// The older signature.
pub(super) fn older_sign(secret: &str, time: &str, path: &str, payload: &[u8]) -> String {
    let digest = Sha256::new()
        .chain_update(secret)
        .chain_update(time)
        .chain_update(path)
        .chain_update(payload);
    base16ct::lower::encode_string(&digest.finalize())
}

/// The refusal as the sisters write it.
pub(super) fn in_words_of_its_own(refusal: Refusal) -> Refusal {
    let code = match refusal.code {
        100_003 => 2032,
        100_004 => 2031,
        100_005 => 2019,
        110_028 => 2020,
        code => code,
    };
    Refusal { code, ..refusal }
}

/// One call too many.
pub(super) fn too_often() -> Refusal {
    Refusal {
        code: 110_014,
        msg: "submitted too often".to_owned(),
    }
}
