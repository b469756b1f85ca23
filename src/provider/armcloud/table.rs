//! What ArmCloud can do, as data.
//!
//! Invariants: every attribute finds a row or is unsupported; every call a row names is in the list of calls; limits are the manual's for trial accounts.
//! Not here: the sisters' tables (`sisters`), paths (`flavour`), how calls are made (`order`, `convert`). Source: the vendor's manuals of 2024 and 2025; "unproven" marks what they leave open.

use super::order;
use super::rows::{
    ADB, APP, BANDWIDTH, IMAGE, LANGUAGE, LOCATION, MODEM, OAID, OTHER_PROPERTY, PERSISTENT, PROXY,
    READ_ONLY, READ_ONLY_LISTED, RUNNING, SETTING, SETTING_SECURE, SETTING_SYSTEM, SIM,
    SIM_COUNTRY, TIMEZONE, VENDOR_SETTING,
};
use crate::model::capability::{
    Call, CallName, Capabilities, Capability, CredentialForm, DeadlineClass, Limits, ReadCall,
    Refuses,
};
use crate::model::fleet::ProviderKind;
use crate::model::observed::ReadKind;
use crate::provider::shell::{Bounds, Charset, Shares};
use std::time::Duration;

/// Names of the calls that change phones, as the vendor writes them.
pub(super) mod call {
    use super::CallName;

    pub(crate) const TIME_ZONE: CallName = "updateTimeZone";
    pub(crate) const LANGUAGE: CallName = "updateLanguage";
    pub(crate) const LOCATION: CallName = "gpsInjectInfo";
    pub(crate) const SIM: CallName = "updateSIM";
    pub(crate) const SIM_BY_COUNTRY: CallName = "replacePadAndroidPropByCountry";
    pub(crate) const PROXY: CallName = "network/proxy/set";
    pub(crate) const SPEED: CallName = "setSpeed";
    pub(crate) const ADB: CallName = "openOnlineAdb";
    pub(crate) const PROPERTIES: CallName = "updatePadProperties";
    pub(crate) const ANDROID_PROPERTIES: CallName = "updatePadAndroidProp";
    pub(crate) const IMAGE: CallName = "upgradeImage";
    pub(crate) const INSTALL: CallName = "installApp";
    pub(crate) const INSTALL_URL: CallName = "v3/uploadFile";
    pub(crate) const UNINSTALL: CallName = "uninstallApp";
    pub(crate) const START: CallName = "startApp";
    pub(crate) const STOP: CallName = "stopApp";
    pub(crate) const COMMAND: CallName = "asyncCmd";
    /// What the sisters call [`SIM_BY_COUNTRY`]; the name means something else at ArmCloud.
    pub(crate) const SISTER_SIM_BY_COUNTRY: CallName = "updateSIM";
    /// What the sisters call [`PROXY`].
    pub(crate) const SISTER_PROXY: CallName = "setProxy";
    /// What the sisters call [`INSTALL_URL`].
    pub(crate) const SISTER_INSTALL_URL: CallName = "uploadFileV3";
}

/// What `asyncCmd` takes. Operators report about 4 KB; no manual says.
pub(super) const COMMANDS: Bounds = Bounds {
    bytes: 4096,
    charset: Charset::Any,
    joins: true,
};

/// How many attributes share a script, at most.
pub(super) const SHARES: Shares = Shares {
    writes: 8,
    reads: 24,
};

/// Rows of a page of `infos`.
pub(super) const LISTING_ROWS: u32 = 1000;
/// Rows of a page of `app/list` and `queryImageList`.
pub(super) const CATALOGUE_ROWS: u32 = 100;

const ATTRIBUTES: &[Capability] = &[
    IMAGE,
    SIM_COUNTRY,
    SIM,
    READ_ONLY_LISTED,
    READ_ONLY,
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
    PROXY,
    BANDWIDTH,
    ADB,
    APP,
    RUNNING,
];

/// 200 phones where the manual states a limit, 100 otherwise.
pub(super) const fn a_call(
    name: CallName,
    max_phones: u32,
    seconds: u64,
    deadline: DeadlineClass,
) -> Call {
    Call {
        name,
        max_phones,
        max_attributes: 1,
        expected: Duration::from_secs(seconds),
        deadline,
        absolute: true,
        requests: 1,
    }
}

const CALLS: &[Call] = &[
    a_call(call::TIME_ZONE, 100, 3, DeadlineClass::Settings),
    a_call(call::LANGUAGE, 100, 3, DeadlineClass::Settings),
    a_call(call::LOCATION, 100, 3, DeadlineClass::Settings),
    a_call(call::SIM, 100, 3, DeadlineClass::Settings),
    Call {
        absolute: false,
        ..a_call(call::SIM_BY_COUNTRY, 1, 90, DeadlineClass::Image)
    },
    a_call(call::PROXY, 100, 3, DeadlineClass::Settings),
    a_call(call::SPEED, 100, 3, DeadlineClass::Settings),
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
    a_call(call::INSTALL, 100, 15, DeadlineClass::Apps),
    a_call(call::INSTALL_URL, 100, 15, DeadlineClass::Apps),
    a_call(call::UNINSTALL, 100, 15, DeadlineClass::Apps),
    a_call(call::START, 100, 15, DeadlineClass::Apps),
    a_call(call::STOP, 100, 15, DeadlineClass::Apps),
    Call {
        max_attributes: SHARES.writes,
        ..a_call(call::COMMAND, 100, 3, DeadlineClass::Settings)
    },
];

pub(super) const fn a_read(kind: ReadKind, max_phones: u32) -> ReadCall {
    ReadCall {
        kind,
        max_phones,
        max_attributes: u32::MAX,
        job: false,
        requests: 1,
    }
}

const READS: &[ReadCall] = &[
    a_read(ReadKind::Listing, LISTING_ROWS),
    a_read(ReadKind::Usage, 100),
    a_read(ReadKind::Properties, 200),
    a_read(ReadKind::Apps, 100),
    ReadCall {
        max_attributes: SHARES.reads,
        job: true,
        ..a_read(ReadKind::Shell, 100)
    },
    a_read(ReadKind::AppCatalogue, CATALOGUE_ROWS),
    a_read(ReadKind::ImageCatalogue, CATALOGUE_ROWS),
];

/// How an Account signs in.
pub(super) const KEYS: &[CredentialForm] = &[CredentialForm {
    required: &["accessKey", "secretKey"],
    optional: &[],
}];

/// What ArmCloud can do.
pub(super) static CAPABILITIES: Capabilities = Capabilities {
    provider: ProviderKind::ArmCloud,
    attributes: ATTRIBUTES,
    calls: CALLS,
    reads: READS,
    quiet: None,
    limits: Limits {
        requests_per_second: 200,
        requests_per_minute: 5000,
        open_jobs: 20_000,
        poll_batch: 100,
        poll_one_submit: false,
        poll_interval: Duration::from_secs(5),
        in_flight: 32,
    },
    default_endpoint: "https://openapi-hk.armcloud.net",
    credentials: KEYS,
    options: &["credentialForm", "signedHost"],
    refuses: Refuses(order::refuses),
    blind: false,
    names_orders: false,
    leaves_late: false,
    tidies: false,
    renames: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::attribute::Attribute;
    use crate::model::capability::{Cost, Costs, ReadMethod, Write};

    #[test]
    fn every_attribute_has_a_row() {
        for text in [
            "image",
            "sim-country",
            "sim",
            "timezone",
            "language",
            "location",
            "proxy",
            "bandwidth",
            "adb",
            "app/com.example.maps",
            "running/com.example.maps",
            "property/ro.product.model",
            "property/ro.sys.cloud.android_id",
            "property/modem/IMEI",
            "property/oaid/OAID",
            "property/setting/bt/mac",
            "property/persist.sys.cloud.wifi.ssid",
            "property/debug.something",
            "setting/global/adb_enabled",
            "setting/secure/android_id",
            "setting/system/screen_brightness",
        ] {
            let attribute: Attribute = text.parse().unwrap();
            let row = CAPABILITIES.of(&attribute).unwrap();
            assert!(!row.note.is_empty(), "{text}");
        }
        // A setting outside the three name spaces of Android is not supported.
        assert_eq!(
            CAPABILITIES.of(&"setting/elsewhere/x".parse().unwrap()),
            None
        );
    }

    #[test]
    fn names_decide_where_a_property_goes() {
        let row = |text: &str| {
            let row = CAPABILITIES.of(&text.parse().unwrap()).unwrap();
            (row.write, row.read, row.costs, row.lost_by_restart)
        };
        let shell = ReadMethod::By(ReadKind::Shell);
        let listed = ReadMethod::By(ReadKind::Properties);
        let restart = Costs::of(&[Cost::Restart]);
        let android = Write::Call(call::ANDROID_PROPERTIES);
        let live = Write::Call(call::PROPERTIES);
        assert_eq!(
            row("property/ro.product.model"),
            (android, listed, restart, false)
        );
        assert_eq!(
            row("property/ro.sys.cloud.boot_id"),
            (android, shell, restart, false)
        );
        assert_eq!(
            row("property/persist.x"),
            (live, listed, Costs::NONE, false)
        );
        assert_eq!(row("property/debug.x"), (live, listed, Costs::NONE, true));
        assert_eq!(
            row("property/modem/IMEI"),
            (live, listed, Costs::NONE, true)
        );
    }
}
