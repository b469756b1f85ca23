//! Property lists, read as attributes: time zone, language, SIM and single properties.
//!
//! Invariants: a phone that told no list told nothing; an empty value is no value; names match in any case where the exact spelling is not there.
//! Not here: other reads (`convert`), properties that only a command reads (`shell`).

use super::convert::{AskedFor, observation};
use super::wire::{NamedValue, PropertiesRow};
use crate::model::attribute::Attribute;
use crate::model::canonical;
use crate::model::id::PhoneId;
use crate::model::observed::{Observation, Observed, PhoneReading, ReadKind};
use crate::model::value::SimField;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// `batchPadProperties`: a row for each attribute asked for, of each phone that told any list.
pub(super) fn observed(
    rows: Vec<PropertiesRow>,
    phones: &[PhoneId],
    attributes: &[Attribute],
) -> Observation {
    let asked = AskedFor::new(phones, "batchPadProperties");
    let rows = rows
        .into_iter()
        .filter_map(|row| {
            let phone = asked.phone(row.pad_code.as_deref())?;
            let lists = Lists::of(&row)?;
            let values = attributes
                .iter()
                .filter_map(|attribute| Some((attribute.clone(), lists.observed(attribute)?)))
                .collect();
            Some(PhoneReading {
                phone,
                listed: None,
                values,
                apps: None,
            })
        })
        .collect();
    observation(ReadKind::Properties, rows)
}

/// The four lists of one phone.
struct Lists<'a> {
    modem: &'a [NamedValue],
    system: &'a [NamedValue],
    setting: &'a [NamedValue],
    oaid: &'a [NamedValue],
}

impl<'a> Lists<'a> {
    /// `None` when the answer has none of them: then it told nothing.
    fn of(row: &'a PropertiesRow) -> Option<Self> {
        let all = [
            &row.modem_properties_list,
            &row.system_properties_list,
            &row.setting_properties_list,
            &row.oaid_properties_list,
        ];
        if all.iter().all(|list| list.is_none()) {
            return None;
        }
        let [modem, system, setting, oaid] = all.map(|list| list.as_deref().unwrap_or_default());
        Some(Self {
            modem,
            system,
            setting,
            oaid,
        })
    }

    /// What they say of the attribute; `None` for an attribute they never tell.
    fn observed(&self, attribute: &Attribute) -> Option<Observed> {
        let text = |found: Option<&str>, canonical: fn(&str) -> SmolStr| {
            found.map_or(Observed::Missing, |text| Observed::Text(canonical(text)))
        };
        Some(match attribute {
            Attribute::Timezone => text(
                value(self.setting, "timezone")
                    .or_else(|| value(self.system, "persist.sys.timezone")),
                canonical::timezone_or_text,
            ),
            Attribute::Language => text(
                value(self.setting, "language")
                    .or_else(|| value(self.system, "persist.sys.locale")),
                canonical::language_or_text,
            ),
            Attribute::Sim => self.sim(),
            Attribute::Property(name) => text(self.property(name), |text| text.into()),
            Attribute::Image
            | Attribute::SimCountry
            | Attribute::Setting(_)
            | Attribute::Location
            | Attribute::Proxy
            | Attribute::Bandwidth
            | Attribute::Adb
            | Attribute::App(_)
            | Attribute::Running(_) => return None,
        })
    }

    fn property(&self, name: &str) -> Option<&str> {
        match name.split_once('/') {
            Some(("modem", name)) => value(self.modem, name),
            Some(("oaid", name)) => value(self.oaid, name),
            Some(("setting", name)) => value(self.setting, name),
            Some(_) | None => value(self.system, name),
        }
    }

    /// Reads spell the fields in more ways than writes.
    fn sim(&self) -> Observed {
        let find = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| value(self.modem, name))
                .or_else(|| names.iter().find_map(|name| value(self.system, name)))
        };
        let mut fields = BTreeMap::new();
        if let Some(text) = find(&["IMEI"]) {
            fields.insert(SimField::Imei, valid_or_text(text, canonical::imei));
        }
        if let Some(text) = find(&["ICCID", "aic.iccid"]) {
            fields.insert(SimField::Iccid, valid_or_text(text, canonical::iccid));
        }
        if let Some(text) = find(&["IMSI", "aic.imsi"]) {
            fields.insert(SimField::Imsi, text.into());
        }
        if let Some(text) = find(&["PhoneNum", "phoneNumber", "aic.phonenum"]) {
            fields.insert(SimField::PhoneNumber, text.into());
        }
        if let Some(text) = find(&[
            "OpName",
            "SimOperatorName",
            "operatorLongname",
            "aic.operator.shortname",
        ]) {
            fields.insert(SimField::Carrier, text.into());
        }
        let both = find(&["MCCMNC", "aic.operator.numeric"]).and_then(mcc_mnc);
        if let Some(mcc) = find(&["MCC"]).or(both.map(|(mcc, _)| mcc)) {
            fields.insert(SimField::Mcc, mcc.into());
        }
        if let Some(mnc) = find(&["MNC"]).or(both.map(|(_, mnc)| mnc)) {
            fields.insert(SimField::Mnc, mnc.into());
        }
        if fields.is_empty() {
            Observed::Missing
        } else {
            Observed::Sim(fields)
        }
    }
}

/// The value of this name: exact spelling first, then any case. An empty value is none.
fn value<'a>(list: &'a [NamedValue], name: &str) -> Option<&'a str> {
    let named = |same: fn(&str, &str) -> bool| {
        list.iter()
            .filter(|row| {
                row.properties_name
                    .as_deref()
                    .is_some_and(|found| same(found.trim(), name))
            })
            .find_map(|row| {
                row.properties_value
                    .as_deref()
                    .map(str::trim)
                    .filter(|value| !value.is_empty())
            })
    };
    named(|a, b| a == b).or_else(|| named(str::eq_ignore_ascii_case))
}

fn valid_or_text(
    text: &str,
    canonical: fn(&str) -> Result<SmolStr, canonical::Invalid>,
) -> SmolStr {
    canonical(text).unwrap_or_else(|_| text.into())
}

/// `461,01`, or both numbers in one word.
fn mcc_mnc(text: &str) -> Option<(&str, &str)> {
    if let Some((mcc, mnc)) = text.split_once(',') {
        return Some((mcc.trim(), mnc.trim()));
    }
    (matches!(text.len(), 5 | 6) && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.split_at(3))
}
