//! What VMOS Cloud and VSPhone can do, as data: ArmCloud's table, less what is not there, with the names that differ.
//!
//! Invariants: what a sister's manual marks as not released, or what clients found missing, has no row; `updateSIM` stands for a new random identity here and
//! for nothing else. Not here: paths (`flavour`). Source: the sisters' manuals and samples, and what public clients of theirs report.

use super::order;
use super::rows::{
    ADB, APP, IMAGE, LANGUAGE, LOCATION, MODEM, OAID, OTHER_PROPERTY, PERSISTENT, PROXY, READ_ONLY,
    READ_ONLY_LISTED, RUNNING, SETTING, SETTING_SECURE, SETTING_SYSTEM, SIM, SIM_COUNTRY, TIMEZONE,
    VENDOR_SETTING,
};
use super::table::{CATALOGUE_ROWS, KEYS, LISTING_ROWS, SHARES, a_call, a_read, call};
use crate::model::capability::{
    Call, Capabilities, Capability, DeadlineClass, Limits, ReadCall, Refuses, Write,
};
use crate::model::fleet::ProviderKind;
use crate::model::observed::ReadKind;
use std::time::Duration;

const ATTRIBUTES: &[Capability] = &[
    Capability {
        note: "wipeData must be said; which images a phone may get is asked for one phone of the account",
        ..IMAGE
    },
    Capability {
        write: Write::Call(call::SISTER_SIM_BY_COUNTRY),
        note: "updateSIM means this here: one phone a call; always restarts and draws a new IMEI, IMSI and ICCID, so it is never sent twice for one wish; cannot be read back",
        ..SIM_COUNTRY
    },
    Capability {
        write: Write::No,
        note: "read from the modem list; no call sets these fields: write sim: { country: … }, or properties such as modem/IMEI",
        ..SIM
    },
    Capability {
        note: "applied at each boot, kept across restart and reset; some values can stop a phone from booting; not on real-device phones",
        ..READ_ONLY_LISTED
    },
    Capability {
        note: "as the other ro. properties, but no list tells them: read with getprop; on real-device phones only ro.sys.cloud.android_id",
        ..READ_ONLY
    },
    MODEM,
    OAID,
    VENDOR_SETTING,
    PERSISTENT,
    OTHER_PROPERTY,
    SETTING,
    SETTING_SECURE,
    SETTING_SYSTEM,
    TIMEZONE,
    LANGUAGE,
    LOCATION,
    Capability {
        write: Write::Call(call::SISTER_PROXY),
        reset: Some(call::SISTER_PROXY),
        ..PROXY
    },
    ADB,
    Capability {
        write: Write::App {
            catalogue: None,
            url: Some(call::SISTER_INSTALL_URL),
            described: None,
            remove: Some(call::UNINSTALL),
            remove_known: None,
        },
        note: "in by url only: there is no catalogue of apps to look in; one app a call; an app that is downloading or installing is neither missing nor there",
        ..APP
    },
    RUNNING,
];

const CALLS: &[Call] = &[
    a_call(call::TIME_ZONE, 100, 3, DeadlineClass::Settings),
    a_call(call::LANGUAGE, 100, 3, DeadlineClass::Settings),
    a_call(call::LOCATION, 100, 3, DeadlineClass::Settings),
    Call {
        absolute: false,
        ..a_call(call::SISTER_SIM_BY_COUNTRY, 1, 120, DeadlineClass::Image)
    },
    a_call(call::SISTER_PROXY, 100, 3, DeadlineClass::Settings),
    a_call(call::ADB, 200, 3, DeadlineClass::Settings),
    Call {
        max_attributes: 100,
        ..a_call(call::PROPERTIES, 100, 3, DeadlineClass::Settings)
    },
    Call {
        max_attributes: 100,
        ..a_call(call::ANDROID_PROPERTIES, 1, 90, DeadlineClass::Image)
    },
    a_call(call::IMAGE, 100, 90, DeadlineClass::Image),
    a_call(call::SISTER_INSTALL_URL, 100, 15, DeadlineClass::Apps),
    a_call(call::UNINSTALL, 100, 15, DeadlineClass::Apps),
    a_call(call::START, 100, 15, DeadlineClass::Apps),
    a_call(call::STOP, 100, 15, DeadlineClass::Apps),
    Call {
        max_attributes: SHARES.writes,
        ..a_call(call::COMMAND, 100, 3, DeadlineClass::Settings)
    },
];

const READS: &[ReadCall] = &[
    a_read(ReadKind::Listing, LISTING_ROWS),
    a_read(ReadKind::Properties, 200),
    a_read(ReadKind::Apps, 100),
    ReadCall {
        max_attributes: SHARES.reads,
        job: true,
        ..a_read(ReadKind::Shell, 100)
    },
    a_read(ReadKind::ImageCatalogue, CATALOGUE_ROWS),
];

const SISTER: Capabilities = Capabilities {
    provider: ProviderKind::VmosCloud,
    attributes: ATTRIBUTES,
    calls: CALLS,
    reads: READS,
    // No figure is published, only the code for "too often" (110014).
    quiet: None,
    limits: Limits {
        requests_per_second: 20,
        requests_per_minute: 600,
        open_jobs: 1000,
        poll_batch: 100,
        poll_one_submit: false,
        poll_interval: Duration::from_secs(5),
        in_flight: 16,
    },
    default_endpoint: "https://api.vmoscloud.com",
    credentials: KEYS,
    options: &["credentialForm", "signature", "signedHost"],
    refuses: Refuses(order::refuses),
    blind: true,
    names_orders: false,
    leaves_late: false,
    tidies: false,
    // VMOS Cloud's OpenAPI, queryPadIdChangeRecords; VSPhone's paths are the same below another prefix. Where it is not there, nothing follows.
    renames: true,
};

/// What VMOS Cloud can do.
pub(super) static VMOS_CLOUD: Capabilities = SISTER;

/// What VSPhone can do.
pub(super) static VS_PHONE: Capabilities = Capabilities {
    provider: ProviderKind::VsPhone,
    default_endpoint: "https://api.vsphone.com",
    ..SISTER
};
