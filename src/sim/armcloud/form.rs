//! Requests as the manual describes them, and the checks every request with phones goes through.
//!
//! Invariants: a missing field, a wrong type, too many, doubled or unknown phones refuse the whole request with the vendor's code. Unknown fields are ignored, as
//! the vendor does. Not here: what the request then does (`read`, `write`, `task`).

use super::{Refusal, refuse};
use crate::sim::world::World;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Most phones in one call.
const MOST_PHONES: usize = 200;
/// Most rows of one page.
const MOST_ROWS: usize = 1_000;

/// Reads a body.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).or_else(|error| {
        let text = error.to_string();
        match error.is_data() && !text.starts_with("missing field") {
            true => refuse(100_013, format!("parameter type error: {text}")),
            false => refuse(100_000, format!("parameter error: {text}")),
        }
    })
}

/// The phones of these codes, in their order.
pub(super) fn phones(world: &World, codes: &[SmolStr]) -> Result<Vec<u32>, Refusal> {
    if codes.is_empty() {
        return refuse(100_000, "padCodes cannot be empty");
    }
    if codes.len() > MOST_PHONES {
        return refuse(100_000, format!("padCodes: at most {MOST_PHONES}"));
    }
    let mut sorted: Vec<&SmolStr> = codes.iter().collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return refuse(110_027, "duplicate instance codes");
    }
    codes
        .iter()
        .map(|code| match world.find(code) {
            Some(index) => Ok(index),
            None => refuse(110_028, format!("instance does not exist: {code}")),
        })
        .collect()
}

/// A page of something.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    pub(super) page: Option<usize>,
    pub(super) rows: Option<usize>,
    #[serde(default)]
    pub(super) pad_codes: Vec<SmolStr>,
    #[serde(default)]
    pub(super) group_ids: Vec<u32>,
    pub(super) group_id: Option<u32>,
    pub(super) last_id: Option<u64>,
    #[serde(rename = "type")]
    pub(super) kind: Option<u32>,
    #[serde(default)]
    pub(super) app_ids: Vec<Number>,
    pub(super) package_name: Option<SmolStr>,
}

impl Page {
    /// Page (from 1) and rows, both required where `required`.
    pub(super) fn bounds(&self, required: bool) -> Result<(usize, usize), Refusal> {
        if required && (self.page.is_none() || self.rows.is_none()) {
            return refuse(100_000, "page and rows are required");
        }
        let (page, rows) = (self.page.unwrap_or(1), self.rows.unwrap_or(10));
        if page == 0 || rows == 0 || rows > MOST_ROWS {
            return refuse(100_000, format!("page from 1, rows from 1 to {MOST_ROWS}"));
        }
        Ok((page, rows))
    }
}

/// A number that some clients send as text.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Number {
    Plain(u64),
    Text(SmolStr),
}

impl Number {
    pub(super) fn value(&self) -> Option<u64> {
        match self {
            Self::Plain(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Phones {
    #[serde(default)]
    pub(super) pad_codes: Vec<SmolStr>,
    #[serde(default)]
    pub(super) group_ids: Vec<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OnePhone {
    pub(super) pad_code: SmolStr,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TaskIds {
    pub(super) task_ids: Vec<Number>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AppId {
    pub(super) app_id: Number,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TimeZone {
    pub(super) pad_codes: Vec<SmolStr>,
    pub(super) time_zone: SmolStr,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Language {
    pub(super) pad_codes: Vec<SmolStr>,
    pub(super) language: SmolStr,
    pub(super) country: Option<SmolStr>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Gps {
    pub(super) pad_codes: Vec<SmolStr>,
    pub(super) longitude: f64,
    pub(super) latitude: f64,
    pub(super) altitude: Option<f64>,
    pub(super) speed: Option<f64>,
    pub(super) bearing: Option<f64>,
    pub(super) horizontal_accuracy_meters: Option<f64>,
}

/// `updateSIM`; `operatorShortnam` is misspelt in the manual's samples, its table spells it out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sim {
    pub(super) pad_codes: Vec<SmolStr>,
    pub(super) imei: Option<SmolStr>,
    pub(super) imeisv: Option<SmolStr>,
    #[serde(alias = "operatorShortname")]
    pub(super) operator_shortnam: Option<SmolStr>,
    pub(super) operator_longname: Option<SmolStr>,
    pub(super) iccid: Option<SmolStr>,
    pub(super) imsi: Option<SmolStr>,
    pub(super) phonenum: Option<SmolStr>,
    pub(super) mcc: Option<SmolStr>,
    pub(super) mnc: Option<SmolStr>,
    #[serde(rename = "type")]
    pub(super) kind: Option<SmolStr>,
    pub(super) tac: Option<SmolStr>,
    pub(super) cellid: Option<SmolStr>,
    pub(super) narfcn: Option<SmolStr>,
    pub(super) physicalcellid: Option<SmolStr>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SimByCountry {
    pub(super) pad_code: SmolStr,
    pub(super) country_code: SmolStr,
    #[serde(default)]
    pub(super) props: BTreeMap<SmolStr, SmolStr>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Property {
    pub(super) properties_name: SmolStr,
    pub(super) properties_value: SmolStr,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Properties {
    pub(super) pad_codes: Vec<SmolStr>,
    #[serde(default)]
    pub(super) modem_persist_properties_list: Vec<Property>,
    #[serde(default)]
    pub(super) modem_properties_list: Vec<Property>,
    #[serde(default)]
    pub(super) system_persist_properties_list: Vec<Property>,
    #[serde(default)]
    pub(super) system_properties_list: Vec<Property>,
    #[serde(default)]
    pub(super) setting_properties_list: Vec<Property>,
    #[serde(default)]
    pub(super) oaid_properties_list: Vec<Property>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AndroidProperties {
    pub(super) pad_code: SmolStr,
    pub(super) props: BTreeMap<SmolStr, SmolStr>,
    #[serde(default)]
    pub(super) restart: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SetProxy {
    pub(super) pad_codes: Vec<SmolStr>,
    pub(super) enable: bool,
    pub(super) ip: Option<SmolStr>,
    pub(super) port: Option<u16>,
    pub(super) account: Option<SmolStr>,
    pub(super) password: Option<SmolStr>,
    pub(super) proxy_type: Option<SmolStr>,
    pub(super) proxy_name: Option<SmolStr>,
    #[serde(default)]
    pub(super) bypass_package_list: Vec<SmolStr>,
    #[serde(default)]
    pub(super) bypass_ip_list: Vec<SmolStr>,
    #[serde(default)]
    pub(super) bypass_domain_list: Vec<SmolStr>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Speed {
    pub(super) pad_codes: Vec<SmolStr>,
    pub(super) up_bandwidth: f64,
    pub(super) down_bandwidth: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Adb {
    pub(super) pad_codes: Vec<SmolStr>,
    pub(super) open_status: u8,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Command {
    pub(super) pad_codes: Vec<SmolStr>,
    pub(super) script_content: SmolStr,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Upgrade {
    pub(super) pad_codes: Vec<SmolStr>,
    pub(super) image_id: SmolStr,
    pub(super) wipe_data: bool,
}

#[derive(Deserialize)]
pub(super) struct Apps {
    pub(super) apps: Vec<AppOnPhones>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AppOnPhones {
    pub(super) app_id: Option<Number>,
    pub(super) pkg_name: Option<SmolStr>,
    #[serde(alias = "PadCodes")]
    pub(super) pad_codes: Vec<SmolStr>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Push {
    pub(super) pad_codes: Vec<SmolStr>,
    pub(super) url: Option<SmolStr>,
    pub(super) md5: Option<SmolStr>,
    pub(super) file_unique_id: Option<SmolStr>,
    #[serde(default)]
    pub(super) auto_install: u8,
    pub(super) package_name: Option<SmolStr>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Package {
    pub(super) pad_codes: Vec<SmolStr>,
    pub(super) pkg_name: SmolStr,
}
