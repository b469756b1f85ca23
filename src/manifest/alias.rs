//! The table of aliases: facets of a phone that can be said in more than one way.
//!
//! Invariants: two statements that reach the same facet are an error naming both places. Not here: one slot said twice (`layer`).

use super::finding::{Mark, Sink, Sources};
use super::layer::Slot;
use crate::model::attribute::Attribute;
use crate::model::value::SimField;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Properties and settings that reach what another attribute manages. Names in lower case; a facet that ends with `*` stands for a family.
const ALIASES: &[(&str, &[&str])] = &[
    ("property/persist.sys.timezone", &["timezone"]),
    ("property/setting/timezone", &["timezone"]),
    ("property/persist.sys.locale", &["language"]),
    ("property/setting/language", &["language"]),
    ("property/modem/imei", &["imei"]),
    ("property/modem/aic.deviceid", &["imei"]),
    ("property/persist.sys.cloud.imeinum", &["imei"]),
    ("property/modem/iccid", &["iccid"]),
    ("property/modem/aic.iccid", &["iccid"]),
    ("property/persist.sys.cloud.iccidnum", &["iccid"]),
    ("property/modem/imsi", &["imsi"]),
    ("property/modem/aic.imsi", &["imsi"]),
    ("property/persist.sys.cloud.imsinum", &["imsi"]),
    ("property/modem/phonenum", &["phoneNumber"]),
    ("property/modem/aic.phonenum", &["phoneNumber"]),
    ("property/persist.sys.cloud.phonenum", &["phoneNumber"]),
    ("property/modem/mccmnc", &["mcc", "mnc"]),
    ("property/modem/aic.operator.numeric", &["mcc", "mnc"]),
    ("property/persist.sys.cloud.mobileinfo", &["mcc", "mnc"]),
    ("property/modem/opname", &["carrier"]),
    ("property/modem/aic.cellinfo", CELL),
    ("property/persist.sys.cloud.cellinfo", CELL),
    ("property/persist.sys.cloud.gps.lat", &["gps.lat"]),
    ("property/persist.sys.cloud.gps.lon", &["gps.lon"]),
    ("property/persist.sys.cloud.gps.altitude", &["gps.altitude"]),
    ("property/persist.sys.cloud.gps.speed", &["gps.speed"]),
    ("property/persist.sys.cloud.gps.bearing", &["gps.bearing"]),
    ("property/ro.sys.cloud.proxy.mode", &["proxy.mode"]),
    ("property/ro.sys.cloud.proxy.type", &["proxy.type"]),
    ("property/ro.sys.cloud.proxy.data", &["proxy.data"]),
    ("setting/global/http_proxy", &["proxy.http"]),
    ("setting/global/global_http_proxy_host", &["proxy.host"]),
    ("setting/global/global_http_proxy_port", &["proxy.port"]),
];

const CELL: &[&str] = &[
    "cell.type",
    "cell.tac",
    "cell.cellId",
    "cell.narfcn",
    "cell.physicalCellId",
];
const GPS: &[&str] = &[
    "gps.lat",
    "gps.lon",
    "gps.altitude",
    "gps.speed",
    "gps.bearing",
];
const PROXY: &[&str] = &[
    "proxy.mode",
    "proxy.type",
    "proxy.data",
    "proxy.http",
    "proxy.host",
    "proxy.port",
];
const SIM: &[&str] = &[
    "imei",
    "iccid",
    "imsi",
    "phoneNumber",
    "mcc",
    "mnc",
    "carrier",
    "cell.type",
    "cell.tac",
    "cell.cellId",
    "cell.narfcn",
    "cell.physicalCellId",
];

fn facets(slot: &Slot) -> &'static [&'static str] {
    match slot {
        Slot::Attribute(Attribute::Timezone) => &["timezone"],
        Slot::Attribute(Attribute::Language) => &["language"],
        Slot::Attribute(Attribute::Location) => GPS,
        Slot::Attribute(Attribute::Proxy) => PROXY,
        Slot::Attribute(Attribute::Sim) => SIM,
        Slot::Sim(field) => match field {
            SimField::Imei => &["imei"],
            SimField::Iccid => &["iccid"],
            SimField::Imsi => &["imsi"],
            SimField::PhoneNumber => &["phoneNumber"],
            SimField::Mcc => &["mcc"],
            SimField::Mnc => &["mnc"],
            SimField::Carrier => &["carrier"],
            SimField::CellType => &["cell.type"],
            SimField::CellTac => &["cell.tac"],
            SimField::CellId => &["cell.cellId"],
            SimField::CellNarfcn => &["cell.narfcn"],
            SimField::CellPhysicalId => &["cell.physicalCellId"],
        },
        Slot::Attribute(attribute @ (Attribute::Property(_) | Attribute::Setting(_))) => {
            let name = attribute.to_string().to_ascii_lowercase();
            ALIASES
                .iter()
                .find(|(known, _)| *known == name)
                .map_or(&[], |(_, facets)| facets)
        }
        Slot::Attribute(
            Attribute::Image
            | Attribute::SimCountry
            | Attribute::Bandwidth
            | Attribute::Adb
            | Attribute::App(_)
            | Attribute::Running(_),
        )
        | Slot::AppPolicy => &[],
    }
}

/// Vendor lists take their names in any case: `modem/imei` and `modem/IMEI` are one.
fn folded(slot: &Slot) -> Option<SmolStr> {
    let Slot::Attribute(Attribute::Property(name)) = slot else {
        return None;
    };
    let vendor = ["modem/", "oaid/"];
    let lower = name.to_ascii_lowercase();
    vendor
        .iter()
        .any(|prefix| lower.starts_with(prefix))
        .then(|| lower.into())
}

/// Reports statements that reach the same facet.
pub(super) fn check<'a>(
    statements: impl Iterator<Item = (&'a Slot, Mark)>,
    sources: &Sources,
    sink: &mut Sink,
) {
    let mut first: BTreeMap<SmolStr, (&Slot, Mark)> = BTreeMap::new();
    for (slot, at) in statements {
        let names = facets(slot)
            .iter()
            .map(|facet| SmolStr::new_static(facet))
            .chain(folded(slot));
        for facet in names {
            match first.get(&facet) {
                None => {
                    first.insert(facet, (slot, at));
                }
                Some((other, _)) if *other == slot => {}
                Some((other, other_at)) => {
                    let (earlier, later) = if *other_at <= at {
                        ((*other, *other_at), (slot, at))
                    } else {
                        ((slot, at), (*other, *other_at))
                    };
                    sink.say(
                        later.1,
                        "said-twice",
                        format!(
                            "`{}` and `{}` ({}) are the same thing",
                            later.0,
                            earlier.0,
                            sources.show(earlier.1)
                        ),
                    )
                    .hint("say it once");
                    break;
                }
            }
        }
    }
}
