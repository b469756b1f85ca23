//! What is sent to ArmCloud.
//!
//! Invariants: fields stand in the order of the vendor's samples; what was not asked for is left out. Not here: answers.

use super::Scalar;
use crate::model::id::{Package, PhoneId};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// `infos`, `app/list`, `queryImageList`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageRequest {
    /// From 1.
    pub page: u32,
    /// Rows on a page.
    pub rows: u32,
    /// `infos`: these phones only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pad_codes: Option<Vec<PhoneId>>,
}

/// `padDetails`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PadDetailsRequest {
    /// From 1.
    pub page: u32,
    /// Rows on a page.
    pub rows: u32,
    /// The phones.
    #[serde(default)]
    pub pad_codes: Vec<PhoneId>,
}

/// `batchPadProperties`, `listInstalledApp`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PadCodesRequest {
    /// The phones.
    pub pad_codes: Vec<PhoneId>,
}

/// `imageVersionList`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PadCodeRequest {
    /// The phone.
    pub pad_code: PhoneId,
}

/// `queryPadIdChangeRecords` (VMOS Cloud's OpenAPI): the last three days, where no day is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RenamesRequest {}

/// `asyncCmd`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AsyncCmdRequest {
    /// The phones.
    pub pad_codes: Vec<PhoneId>,
    /// Commands, separated by semicolons.
    pub script_content: String,
}

/// `updateTimeZone`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateTimeZoneRequest {
    /// The phones.
    pub pad_codes: Vec<PhoneId>,
    /// IANA name.
    pub time_zone: SmolStr,
}

/// `updateLanguage`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateLanguageRequest {
    /// The phones.
    pub pad_codes: Vec<PhoneId>,
    /// `zh`.
    pub language: SmolStr,
    /// `CN`; may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<SmolStr>,
}

/// `gpsInjectInfo`. Degrees, metres, metres per second. (The manual of 2024 swaps the labels of the two first fields, not their names.)
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GpsInjectInfoRequest {
    /// The phones.
    pub pad_codes: Vec<PhoneId>,
    /// East.
    pub longitude: f64,
    /// North.
    pub latitude: f64,
    /// Newest images only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altitude: Option<f64>,
    /// Newest images only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
    /// Newest images only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearing: Option<f64>,
    /// Newest images only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub horizontal_accuracy_meters: Option<f64>,
}

/// `updateSIM`. `operatorShortnam` is the vendor's spelling.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub struct UpdateSimRequest {
    /// The phones.
    #[serde(rename = "padCodes")]
    pub pad_codes: Vec<PhoneId>,
    /// IMEI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imei: Option<SmolStr>,
    /// Operator, short.
    #[serde(
        default,
        rename = "operatorShortnam",
        alias = "operatorShortname",
        skip_serializing_if = "Option::is_none"
    )]
    pub operator_shortnam: Option<SmolStr>,
    /// Operator, long.
    #[serde(
        default,
        rename = "operatorLongname",
        skip_serializing_if = "Option::is_none"
    )]
    pub operator_longname: Option<SmolStr>,
    /// ICCID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iccid: Option<SmolStr>,
    /// IMSI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imsi: Option<SmolStr>,
    /// Phone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phonenum: Option<SmolStr>,
    /// Country code of the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcc: Option<SmolStr>,
    /// Network code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mnc: Option<SmolStr>,
    /// Cell: radio type (9 is 5G).
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<SmolStr>,
    /// Cell: tracking area.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tac: Option<SmolStr>,
    /// Cell: id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cellid: Option<SmolStr>,
    /// Cell: channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narfcn: Option<SmolStr>,
    /// Cell: physical id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub physicalcellid: Option<SmolStr>,
}

/// `replacePadAndroidPropByCountry`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplaceByCountryRequest {
    /// The phone.
    pub pad_code: PhoneId,
    /// Two letters.
    pub country_code: SmolStr,
}

/// `network/proxy/set`. Carries the password in clear: never shown, hence no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxySetRequest {
    /// The phones.
    pub pad_codes: Vec<PhoneId>,
    /// `false` removes the proxy.
    pub enable: bool,
    /// Host name or address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<SmolStr>,
    /// Port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// User name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<SmolStr>,
    /// Password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// `proxy` or `vpn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_type: Option<SmolStr>,
    /// `socks5` or `http-relay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_name: Option<SmolStr>,
    /// Packages that go round it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bypass_package_list: Vec<SmolStr>,
    /// Addresses that go round it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bypass_ip_list: Vec<SmolStr>,
    /// Domains that go round it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bypass_domain_list: Vec<SmolStr>,
}

/// `setSpeed`. Mbit/s; 0 is no limit, −1 is no internet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetSpeedRequest {
    /// The phones.
    pub pad_codes: Vec<PhoneId>,
    /// Up.
    pub up_bandwidth: i64,
    /// Down.
    pub down_bandwidth: i64,
}

/// `openOnlineAdb`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenOnlineAdbRequest {
    /// The phones.
    pub pad_codes: Vec<PhoneId>,
    /// 1 on, 0 off.
    pub open_status: u8,
}

/// `updatePadProperties`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdatePadPropertiesRequest {
    /// The phones.
    pub pad_codes: Vec<PhoneId>,
    /// Now, lost by a restart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modem_properties_list: Vec<super::NamedValue>,
    /// After a restart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modem_persist_properties_list: Vec<super::NamedValue>,
    /// Now, lost by a restart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub system_properties_list: Vec<super::NamedValue>,
    /// After a restart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub system_persist_properties_list: Vec<super::NamedValue>,
    /// Settings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub setting_properties_list: Vec<super::NamedValue>,
    /// OAID.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub oaid_properties_list: Vec<super::NamedValue>,
}

/// `updatePadAndroidProp`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdatePadAndroidPropRequest {
    /// The phone.
    pub pad_code: PhoneId,
    /// Name to value.
    pub props: BTreeMap<SmolStr, SmolStr>,
    /// Restart when set.
    #[serde(default)]
    pub restart: bool,
}

/// `upgradeImage`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeImageRequest {
    /// The phones.
    pub pad_codes: Vec<PhoneId>,
    /// The image.
    pub image_id: SmolStr,
    /// Whether the data partition is erased. Required by the vendor, and by us.
    pub wipe_data: bool,
}

/// `installApp`, `uninstallApp`. One app a call: answer rows do not say which app they are about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppsRequest {
    /// The app.
    pub apps: Vec<AppOnPads>,
}

/// One app and the phones it goes to or leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppOnPads {
    /// The vendor's id (install).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<Scalar>,
    /// Package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pkg_name: Option<Package>,
    /// The phones.
    #[serde(alias = "PadCodes")]
    pub pad_codes: Vec<PhoneId>,
}

/// `v3/uploadFile` of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadFileV3Request {
    /// The phones.
    pub pad_codes: Vec<PhoneId>,
    /// Where the file is.
    pub url: SmolStr,
    /// Its MD5: the platform reuses a file it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<SmolStr>,
    /// 1 installs it.
    pub auto_install: u8,
    /// Required with `autoInstall`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_name: Option<Package>,
}

/// `startApp`, `stopApp`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageRequest {
    /// The phones.
    pub pad_codes: Vec<PhoneId>,
    /// Package.
    pub pkg_name: Package,
}

/// `padTaskDetail`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskIdsRequest {
    /// The tasks.
    pub task_ids: Vec<Scalar>,
}

/// `task/list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskListRequest {
    /// Type number.
    #[serde(rename = "type")]
    pub kind: i64,
    /// From 1.
    pub page: u32,
    /// Rows on a page.
    pub rows: u32,
}
