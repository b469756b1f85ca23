//! Values of attributes as they are wished, in canonical form.
//!
//! Invariants: a secret is a reference here, never its text; texts are canonical (see `canonical`).
//! Not here: what was observed (`observed`), resolving references (`secret`).

use super::id::{AppName, WishDigest, first_bytes};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What is said about a managed attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Wish {
    /// It should have this value.
    Set(Value),
    /// It should have the provider's default.
    Reset,
}

impl Wish {
    /// First 8 bytes of SHA-256 of its JSON.
    pub fn digest(&self) -> WishDigest {
        // A wish is plain data with text keys, so it always has a JSON; were that to change, equal wishes would still give equal digests.
        let json = serde_json::to_vec(self)
            .unwrap_or_else(|error| format!("{error}: {self:?}").into_bytes());
        WishDigest(first_bytes(&json))
    }
}

impl Wish {
    /// The reference to a secret inside it. (The reference itself is part of the wish's JSON, too: moving a secret elsewhere counts as another value.)
    pub fn secret(&self) -> Option<&SecretRef> {
        match self {
            Self::Set(Value::Proxy(proxy)) => match proxy.as_ref() {
                Proxy::Via(endpoint) => endpoint.password.as_ref(),
                Proxy::Direct => None,
            },
            Self::Set(
                Value::Text(_)
                | Value::Flag(_)
                | Value::Image(_)
                | Value::Location(_)
                | Value::Sim(_)
                | Value::Bandwidth(_)
                | Value::App(_),
            )
            | Self::Reset => None,
        }
    }
}

/// One canonical value. The variant follows from the attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Value {
    /// Time zone, language, SIM country, property, setting.
    Text(SmolStr),
    /// `adb`, `running/…`.
    Flag(bool),
    /// `image`.
    Image(Image),
    /// `location`.
    Location(Box<Location>),
    /// `proxy`.
    Proxy(Box<Proxy>),
    /// `sim`: the wished fields only, by their manifest name (`imei`, `cell.tac`, …).
    Sim(BTreeMap<SimField, SmolStr>),
    /// `bandwidth`.
    Bandwidth(Bandwidth),
    /// `app/…`.
    App(AppWish),
}

/// A system image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// Which image.
    pub target: ImageTarget,
    /// Whether the upgrade may erase the phone's data; the operator must say it.
    pub wipe_data: bool,
}

/// How an image is named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ImageTarget {
    /// The provider's image id (`img-25030796215`).
    Id(SmolStr),
    /// The provider's image version (`20250307_4`); resolved to an id through the provider's catalogue.
    Version(SmolStr),
}

/// A position. Decimal text with up to seven places, canonical (`1.3521`, `-0.5`, `103`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    /// Degrees, −90 to 90.
    pub latitude: SmolStr,
    /// Degrees, −180 to 180.
    pub longitude: SmolStr,
    /// Metres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altitude: Option<SmolStr>,
    /// Metres per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed: Option<SmolStr>,
    /// Degrees, 0 to 360.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearing: Option<SmolStr>,
    /// Metres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub horizontal_accuracy: Option<SmolStr>,
}

/// How a phone reaches the network.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Proxy {
    /// No proxy.
    Direct,
    /// Through a proxy or VPN endpoint.
    Via(ProxyEndpoint),
}

/// A proxy endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyEndpoint {
    /// `proxy` or `vpn`.
    pub mode: ProxyMode,
    /// `socks5` or `http`.
    pub protocol: ProxyProtocol,
    /// Host name or address.
    pub host: SmolStr,
    /// 1 to 65535.
    pub port: u16,
    /// User name, if the proxy asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<SmolStr>,
    /// Reference to the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
    /// What goes round the proxy.
    #[serde(default)]
    pub bypass: Bypass,
}

/// How the proxy is applied on the phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProxyMode {
    /// Application proxy.
    Proxy,
    /// VPN interface.
    Vpn,
}

/// What the proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProxyProtocol {
    /// SOCKS version 5.
    Socks5,
    /// HTTP CONNECT.
    Http,
}

/// What goes round the proxy; each list sorted and without duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Bypass {
    /// Android packages.
    pub packages: Vec<SmolStr>,
    /// IP addresses or prefixes.
    pub ips: Vec<SmolStr>,
    /// Domains.
    pub domains: Vec<SmolStr>,
}

/// Where a secret stands; resolved only by the room `secret`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SecretRef {
    /// A file of this name under `$CREDENTIALS_DIRECTORY` (systemd `LoadCredential=`).
    Credential(SmolStr),
    /// A file; relative paths start at the manifest's folder and are stored resolved.
    File(SmolStr),
    /// An environment variable.
    Env(SmolStr),
    /// A cell of a CSV file.
    Csv {
        /// Resolved path of the file.
        file: SmolStr,
        /// Value of the first column that selects the row.
        key: SmolStr,
        /// Name of the column that holds the secret.
        column: SmolStr,
    },
}

/// A SIM field that can be wished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the field's standard terms")]
pub enum SimField {
    Imei,
    Iccid,
    Imsi,
    PhoneNumber,
    Mcc,
    Mnc,
    Carrier,
    CellType,
    CellTac,
    CellId,
    CellNarfcn,
    CellPhysicalId,
}

/// Limits in Mbit/s; 0 means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bandwidth {
    /// Up link.
    pub up_mbps: u32,
    /// Down link.
    pub down_mbps: u32,
}

/// What is wished of an app.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AppWish {
    /// Installed; from this App manifest's sources when it is missing or has another version. Without one, any version counts and nothing can be installed.
    Present {
        /// The App manifest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        app: Option<AppName>,
        /// What the installed version must be (the reference's own `version` wins over the App manifest's).
        #[serde(default)]
        version: VersionWish,
    },
    /// Not installed.
    Absent,
}

/// What the installed version must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VersionWish {
    /// Any version.
    #[default]
    Any,
    /// The version name equals this text.
    NameExact(SmolStr),
    /// The version name is this or later, compared by its dot-separated numbers.
    NameAtLeast(SmolStr),
    /// The version code equals this.
    CodeExact(u64),
    /// The version code is this or larger.
    CodeAtLeast(u64),
}
