//! Attributes: the reconcilable facets of a phone, and how they are written as text.
//!
//! Invariants: `parse(display(a)) == a`; two spellings of one facet never give two attributes (see `manifest`'s table of aliases).
//! Not here: values (`value`), what a vendor can do with them (`capability`).

use super::id::Package;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;
use std::fmt;
use std::str::FromStr;

/// One reconcilable facet of a phone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attribute {
    /// The system image: `image`.
    Image,
    /// A new SIM identity by country: `sim-country`. Written as `sim: { country: … }`; draws new random IMEI, IMSI and ICCID.
    SimCountry,
    /// SIM fields: `sim`.
    Sim,
    /// A property by name: `property/ro.product.model`, `property/modem/IMEI`, `property/oaid/OAID`, `property/setting/bt/mac`.
    Property(SmolStr),
    /// An Android setting: `setting/global/name`.
    Setting(SmolStr),
    /// IANA zone name: `timezone`.
    Timezone,
    /// BCP 47 tag: `language`.
    Language,
    /// GPS position: `location`.
    Location,
    /// Proxy: `proxy`.
    Proxy,
    /// Bandwidth limits: `bandwidth`.
    Bandwidth,
    /// ADB switch: `adb`.
    Adb,
    /// An app in or out: `app/com.example.maps`.
    App(Package),
    /// An app running or stopped: `running/com.example.maps`.
    Running(Package),
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image => f.write_str("image"),
            Self::SimCountry => f.write_str("sim-country"),
            Self::Sim => f.write_str("sim"),
            Self::Property(name) => write!(f, "property/{name}"),
            Self::Setting(name) => write!(f, "setting/{name}"),
            Self::Timezone => f.write_str("timezone"),
            Self::Language => f.write_str("language"),
            Self::Location => f.write_str("location"),
            Self::Proxy => f.write_str("proxy"),
            Self::Bandwidth => f.write_str("bandwidth"),
            Self::Adb => f.write_str("adb"),
            Self::App(package) => write!(f, "app/{package}"),
            Self::Running(package) => write!(f, "running/{package}"),
        }
    }
}

/// The text names no attribute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no attribute is called {0:?}")]
pub struct UnknownAttribute(pub String);

impl FromStr for Attribute {
    type Err = UnknownAttribute;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "image" => Self::Image,
            "sim-country" => Self::SimCountry,
            "sim" => Self::Sim,
            "timezone" => Self::Timezone,
            "language" => Self::Language,
            "location" => Self::Location,
            "proxy" => Self::Proxy,
            "bandwidth" => Self::Bandwidth,
            "adb" => Self::Adb,
            _ => match text.split_once('/') {
                Some(("property", name)) if !name.is_empty() => Self::Property(name.into()),
                Some(("setting", name)) if !name.is_empty() => Self::Setting(name.into()),
                Some(("app", name)) if !name.is_empty() => Self::App(Package::new(name)),
                Some(("running", name)) if !name.is_empty() => Self::Running(Package::new(name)),
                Some(_) | None => return Err(UnknownAttribute(text.to_owned())),
            },
        })
    }
}

impl Serialize for Attribute {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Attribute {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
