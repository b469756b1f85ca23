//! What ArmCloud can do, as data.
//!
//! Invariants: every attribute finds a row or is unsupported; every call a row names is in the list of calls and has a path; limits are the manual's for
//! trial accounts. Not here: how calls are made (`order`, `convert`). Source: the vendor's manuals of 2024 and 2025; "unproven" marks what they leave open.

use crate::model::capability::{
    Call, CallName, Capabilities, Capability, Cost, Costs, DeadlineClass, Limits, Pattern,
    ReadCall, ReadMethod, Stage, Write,
};
use crate::model::fleet::ProviderKind;
use crate::model::observed::ReadKind;
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
}

/// Paths of the calls and reads.
pub(super) mod path {
    pub(crate) const INFOS: &str = "/openapi/open/pad/infos";
    pub(crate) const DETAILS: &str = "/openapi/open/pad/padDetails";
    pub(crate) const PROPERTIES: &str = "/openapi/open/pad/batchPadProperties";
    pub(crate) const INSTALLED: &str = "/openapi/open/pad/listInstalledApp";
    pub(crate) const APP_LIST: &str = "/file-center/open/app/list";
    pub(crate) const IMAGE_LIST: &str = "/openapi/open/image/queryImageList";
    pub(crate) const TASK_DETAIL: &str = "/task-center/open/task/padTaskDetail";
    pub(crate) const TASK_LIST: &str = "/task-center/open/task/list";
}

/// Path of a call that changes phones; `None` for a name that is not in the table.
pub(super) fn path_of(name: &str) -> Option<&'static str> {
    Some(match name {
        call::TIME_ZONE => "/openapi/open/pad/updateTimeZone",
        call::LANGUAGE => "/openapi/open/pad/updateLanguage",
        call::LOCATION => "/openapi/open/pad/gpsInjectInfo",
        call::SIM => "/openapi/open/pad/updateSIM",
        call::SIM_BY_COUNTRY => "/openapi/open/pad/replacePadAndroidPropByCountry",
        call::PROXY => "/openapi/open/network/proxy/set",
        call::SPEED => "/openapi/open/pad/setSpeed",
        call::ADB => "/openapi/open/pad/openOnlineAdb",
        call::PROPERTIES => "/openapi/open/pad/updatePadProperties",
        call::ANDROID_PROPERTIES => "/openapi/open/pad/updatePadAndroidProp",
        call::IMAGE => "/openapi/open/pad/upgradeImage",
        call::INSTALL => "/openapi/open/pad/installApp",
        call::INSTALL_URL => "/openapi/open/pad/v3/uploadFile",
        call::UNINSTALL => "/openapi/open/pad/uninstallApp",
        call::START => "/openapi/open/pad/startApp",
        call::STOP => "/openapi/open/pad/stopApp",
        call::COMMAND => "/openapi/open/pad/asyncCmd",
        _ => return None,
    })
}

/// Type number of a call's tasks in `task/list`; `None`: the manual gives none, so a lost submit cannot be looked up.
pub(super) fn task_type(name: &str) -> Option<i64> {
    match name {
        call::COMMAND => Some(1002),
        call::UNINSTALL => Some(1004),
        call::STOP => Some(1005),
        call::START => Some(1007),
        call::INSTALL_URL => Some(1009),
        call::PROPERTIES => Some(1010),
        call::IMAGE => Some(1012),
        // `installApp` is 1003 in one manual and 1013 in the other: an empty list of either would prove nothing.
        _ => None,
    }
}

/// `ro.*` names that the property lists tell (manual, VM edition); other `ro.*` names are read with getprop.
pub(super) const LISTED_READ_ONLY: &[&str] = &[
    "ro.product.manufacturer",
    "ro.product.brand",
    "ro.product.model",
    "ro.product.name",
    "ro.product.device",
    "ro.product.board",
    "ro.build.id",
    "ro.build.display.id",
    "ro.build.tags",
    "ro.build.fingerprint",
    "ro.build.date.utc",
    "ro.build.user",
    "ro.build.host",
    "ro.build.description",
    "ro.build.version.incremental",
    "ro.build.version.codename",
    "ro.build.version.release",
];

/// Longest shell script, in bytes. Operators report about 4 KB; no manual says.
pub(super) const SCRIPT_BYTES: usize = 4096;

/// Rows of a page of `infos`.
pub(super) const LISTING_ROWS: u32 = 1000;
/// Rows of a page of `app/list` and `queryImageList`.
pub(super) const CATALOGUE_ROWS: u32 = 100;

const LIVE: Capability = Capability {
    pattern: Pattern::Timezone,
    read: ReadMethod::By(ReadKind::Properties),
    write: Write::No,
    reset: None,
    costs: Costs::NONE,
    stage: Stage::Live,
    effective_after_restart: false,
    lost_by_restart: false,
    lost_by_wipe: true,
    note: "",
};

const ANDROID_PROPERTY: Capability = Capability {
    pattern: Pattern::Property("ro."),
    write: Write::Call(call::ANDROID_PROPERTIES),
    costs: Costs::of(&[Cost::Restart]),
    stage: Stage::RestartProperties,
    effective_after_restart: true,
    // The manual: kept across restart and reset.
    lost_by_wipe: false,
    ..LIVE
};

const PROPERTY: Capability = Capability {
    pattern: Pattern::Property(""),
    write: Write::Call(call::PROPERTIES),
    lost_by_restart: true,
    ..LIVE
};

const SETTING: Capability = Capability {
    pattern: Pattern::Setting("global/"),
    read: ReadMethod::By(ReadKind::Shell),
    write: Write::Call(call::COMMAND),
    reset: Some(call::COMMAND),
    note: "by shell: settings put/delete/get; success is judged by reading back",
    ..LIVE
};

const ATTRIBUTES: &[Capability] = &[
    Capability {
        pattern: Pattern::Image,
        read: ReadMethod::By(ReadKind::Listing),
        write: Write::Call(call::IMAGE),
        costs: Costs::of(&[Cost::Restart]),
        stage: Stage::Image,
        effective_after_restart: true,
        note: "wipeData must be said; phones that run on net storage keep their Android version",
        ..LIVE
    },
    Capability {
        pattern: Pattern::SimCountry,
        read: ReadMethod::Never,
        write: Write::Call(call::SIM_BY_COUNTRY),
        costs: Costs::of(&[Cost::Restart, Cost::NewIdentity]),
        stage: Stage::Identity,
        effective_after_restart: true,
        // Android properties survive a reset; drawing a new identity after each would be worse than a stale one.
        lost_by_wipe: false,
        note: "one phone a call; always restarts and draws a new IMEI, IMSI and ICCID, so it is never sent twice for one wish; cannot be read back",
        ..LIVE
    },
    Capability {
        pattern: Pattern::Sim,
        write: Write::Call(call::SIM),
        stage: Stage::Sim,
        lost_by_restart: true,
        note: "read from the modem list; cell fields are written, not read; the manual of 2025 calls all five cell fields required",
        ..LIVE
    },
    Capability {
        pattern: Pattern::PropertyNamed(LISTED_READ_ONLY),
        note: "applied at each boot, kept across restart and reset; some values can stop a phone from booting",
        ..ANDROID_PROPERTY
    },
    Capability {
        read: ReadMethod::By(ReadKind::Shell),
        note: "as the other ro. properties, but no list tells them: read with getprop",
        ..ANDROID_PROPERTY
    },
    Capability {
        pattern: Pattern::Property("modem/"),
        note: "modem list: live, lost by a restart",
        ..PROPERTY
    },
    Capability {
        pattern: Pattern::Property("oaid/"),
        note: "OAID list: live; whether a restart keeps it is not stated, so it is read again",
        ..PROPERTY
    },
    Capability {
        pattern: Pattern::Property("setting/"),
        note: "setting list (bt/mac, ssaid/<package>, systemvolume): live; whether a restart keeps it is not stated, so it is read again",
        ..PROPERTY
    },
    Capability {
        pattern: Pattern::Property("persist."),
        lost_by_restart: false,
        note: "sent to the live and the persistent list; accepted and ignored on real-device phones, which shows as NoEffect",
        ..PROPERTY
    },
    Capability {
        note: "live list, lost by a restart; accepted and ignored on real-device phones, which shows as NoEffect",
        ..PROPERTY
    },
    SETTING,
    Capability {
        pattern: Pattern::Setting("secure/"),
        ..SETTING
    },
    Capability {
        pattern: Pattern::Setting("system/"),
        ..SETTING
    },
    Capability {
        write: Write::Call(call::TIME_ZONE),
        note: "read from the setting list, else from persist.sys.timezone",
        ..LIVE
    },
    Capability {
        pattern: Pattern::Language,
        write: Write::Call(call::LANGUAGE),
        note: "language and country; read from the setting list, else from persist.sys.locale",
        ..LIVE
    },
    Capability {
        pattern: Pattern::Location,
        read: ReadMethod::Never,
        write: Write::Call(call::LOCATION),
        lost_by_restart: true,
        note: "no read and, in newer builds, no task to follow; whether a restart keeps it is not stated, so it is asserted again; altitude, speed, bearing and accuracy need images after 2025-10-24",
        ..LIVE
    },
    Capability {
        pattern: Pattern::Proxy,
        read: ReadMethod::Never,
        write: Write::Call(call::PROXY),
        reset: Some(call::PROXY),
        lost_by_restart: true,
        note: "host, account and bypass lists cannot be read; whether a restart keeps them is not stated, so they are asserted again",
        ..LIVE
    },
    Capability {
        pattern: Pattern::Bandwidth,
        read: ReadMethod::Never,
        write: Write::Call(call::SPEED),
        reset: Some(call::SPEED),
        lost_by_restart: true,
        note: "Mbit/s, 0 is no limit; cannot be read; whether a restart keeps it is not stated, so it is asserted again",
        ..LIVE
    },
    Capability {
        pattern: Pattern::Adb,
        read: ReadMethod::By(ReadKind::Listing),
        write: Write::Call(call::ADB),
        reset: Some(call::ADB),
        note: "the switch alone; the answer is final, there is no task",
        ..LIVE
    },
    Capability {
        pattern: Pattern::App,
        read: ReadMethod::By(ReadKind::Apps),
        write: Write::App {
            catalogue: Some(call::INSTALL),
            url: Some(call::INSTALL_URL),
            remove: Some(call::UNINSTALL),
        },
        stage: Stage::Apps,
        note: "one app a call: answers do not say which app a task is about; an app that is downloading or installing is neither missing nor there",
        ..LIVE
    },
    Capability {
        pattern: Pattern::Running,
        read: ReadMethod::By(ReadKind::Shell),
        write: Write::Switch {
            on: call::START,
            off: call::STOP,
        },
        stage: Stage::AppState,
        lost_by_restart: true,
        note: "read with pidof",
        ..LIVE
    },
];

/// 200 phones where the manual states a limit, 100 otherwise.
const fn a_call(name: CallName, max_phones: u32, seconds: u64, deadline: DeadlineClass) -> Call {
    Call {
        name,
        max_phones,
        max_attributes: 1,
        expected: Duration::from_secs(seconds),
        deadline,
        absolute: true,
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
        max_attributes: 16,
        ..a_call(call::COMMAND, 100, 3, DeadlineClass::Settings)
    },
];

const fn a_read(kind: ReadKind, max_phones: u32) -> ReadCall {
    ReadCall {
        kind,
        max_phones,
        job: false,
    }
}

const READS: &[ReadCall] = &[
    a_read(ReadKind::Listing, LISTING_ROWS),
    a_read(ReadKind::Usage, 100),
    a_read(ReadKind::Properties, 200),
    a_read(ReadKind::Apps, 100),
    ReadCall {
        job: true,
        ..a_read(ReadKind::Shell, 100)
    },
    a_read(ReadKind::AppCatalogue, CATALOGUE_ROWS),
    a_read(ReadKind::ImageCatalogue, CATALOGUE_ROWS),
];

/// What ArmCloud can do.
pub(super) static CAPABILITIES: Capabilities = Capabilities {
    provider: ProviderKind::ArmCloud,
    attributes: ATTRIBUTES,
    calls: CALLS,
    reads: READS,
    limits: Limits {
        requests_per_second: 200,
        requests_per_minute: 5000,
        open_jobs: 2000,
        poll_batch: 100,
        poll_interval: Duration::from_secs(5),
        in_flight: 32,
    },
    default_endpoint: "https://openapi-hk.armcloud.net",
    credentials: &["accessKey", "secretKey"],
    options: &["credentialForm", "signedHost"],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::attribute::Attribute;

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

    #[test]
    fn every_call_that_a_row_names_exists_and_has_a_path() {
        let mut named = Vec::new();
        for row in CAPABILITIES.attributes {
            named.extend(row.reset);
            match row.write {
                Write::No => panic!("a row that cannot be written: {:?}", row.pattern),
                Write::Call(name) => named.push(name),
                Write::App {
                    catalogue,
                    url,
                    remove,
                } => named.extend([catalogue, url, remove].into_iter().flatten()),
                Write::Switch { on, off } => named.extend([on, off]),
            }
        }
        for name in &named {
            assert!(CAPABILITIES.call(name).is_some(), "{name}");
            assert!(path_of(name).is_some(), "{name}");
        }
        for call in CAPABILITIES.calls {
            assert!(named.contains(&call.name), "{} serves no row", call.name);
            assert_eq!(
                call.absolute,
                call.name != call::SIM_BY_COUNTRY,
                "{}",
                call.name
            );
        }
    }

    #[test]
    fn every_read_that_a_row_names_exists() {
        for row in CAPABILITIES.attributes {
            if let ReadMethod::By(kind) = row.read {
                assert!(CAPABILITIES.read(kind).is_some(), "{kind:?}");
            }
        }
    }
}
