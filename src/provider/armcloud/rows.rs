//! Rows about attributes that the deployments share, each as ArmCloud has it.
//!
//! Invariants: a row says where its knowledge comes from or what is unproven; tables are lists of these rows (`table`, `sisters`). Not here: calls, limits.

use super::table::call;
use crate::model::capability::{Capability, Cost, Costs, Pattern, ReadMethod, Stage, Write};
use crate::model::observed::ReadKind;

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

pub(super) const SETTING: Capability = Capability {
    pattern: Pattern::Setting("global/"),
    read: ReadMethod::By(ReadKind::Shell),
    write: Write::Call(call::COMMAND),
    reset: Some(call::COMMAND),
    note: "by shell: settings put/delete/get; success is judged by reading back",
    ..LIVE
};

pub(super) const IMAGE: Capability = Capability {
    pattern: Pattern::Image,
    read: ReadMethod::By(ReadKind::Listing),
    write: Write::Call(call::IMAGE),
    costs: Costs::of(&[Cost::Restart]),
    stage: Stage::Image,
    effective_after_restart: true,
    note: "wipeData must be said; phones that run on net storage keep their Android version",
    ..LIVE
};

pub(super) const SIM_COUNTRY: Capability = Capability {
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
};

pub(super) const SIM: Capability = Capability {
    pattern: Pattern::Sim,
    write: Write::Call(call::SIM),
    stage: Stage::Sim,
    lost_by_restart: true,
    note: "read from the modem list; cell fields are written, not read; the manual of 2025 calls all five cell fields required",
    ..LIVE
};

pub(super) const READ_ONLY_LISTED: Capability = Capability {
    pattern: Pattern::PropertyNamed(LISTED_READ_ONLY),
    note: "applied at each boot, kept across restart and reset; some values can stop a phone from booting",
    ..ANDROID_PROPERTY
};

pub(super) const READ_ONLY: Capability = Capability {
    read: ReadMethod::By(ReadKind::Shell),
    note: "as the other ro. properties, but no list tells them: read with getprop",
    ..ANDROID_PROPERTY
};

pub(super) const MODEM: Capability = Capability {
    pattern: Pattern::Property("modem/"),
    note: "modem list: live, lost by a restart",
    ..PROPERTY
};

pub(super) const OAID: Capability = Capability {
    pattern: Pattern::Property("oaid/"),
    note: "OAID list: live; whether a restart keeps it is not stated, so it is read again",
    ..PROPERTY
};

pub(super) const VENDOR_SETTING: Capability = Capability {
    pattern: Pattern::Property("setting/"),
    note: "setting list (bt/mac, ssaid/<package>, systemvolume): live; whether a restart keeps it is not stated, so it is read again",
    ..PROPERTY
};

pub(super) const PERSISTENT: Capability = Capability {
    pattern: Pattern::Property("persist."),
    lost_by_restart: false,
    note: "sent to the live and the persistent list; accepted and ignored on real-device phones, which shows as NoEffect",
    ..PROPERTY
};

pub(super) const OTHER_PROPERTY: Capability = Capability {
    note: "live list, lost by a restart; accepted and ignored on real-device phones, which shows as NoEffect",
    ..PROPERTY
};

pub(super) const SETTING_SECURE: Capability = Capability {
    pattern: Pattern::Setting("secure/"),
    ..SETTING
};

pub(super) const SETTING_SYSTEM: Capability = Capability {
    pattern: Pattern::Setting("system/"),
    ..SETTING
};

pub(super) const TIMEZONE: Capability = Capability {
    write: Write::Call(call::TIME_ZONE),
    note: "read from the setting list, else from persist.sys.timezone",
    ..LIVE
};

pub(super) const LANGUAGE: Capability = Capability {
    pattern: Pattern::Language,
    write: Write::Call(call::LANGUAGE),
    note: "language and country; read from the setting list, else from persist.sys.locale",
    ..LIVE
};

pub(super) const LOCATION: Capability = Capability {
    pattern: Pattern::Location,
    read: ReadMethod::Never,
    write: Write::Call(call::LOCATION),
    lost_by_restart: true,
    note: "no read and, in newer builds, no task to follow; whether a restart keeps it is not stated, so it is asserted again; altitude, speed, bearing and accuracy need images after 2025-10-24",
    ..LIVE
};

pub(super) const PROXY: Capability = Capability {
    pattern: Pattern::Proxy,
    read: ReadMethod::Never,
    write: Write::Call(call::PROXY),
    reset: Some(call::PROXY),
    lost_by_restart: true,
    note: "host, account and bypass lists cannot be read; whether a restart keeps them is not stated, so they are asserted again",
    ..LIVE
};

pub(super) const BANDWIDTH: Capability = Capability {
    pattern: Pattern::Bandwidth,
    read: ReadMethod::Never,
    write: Write::Call(call::SPEED),
    reset: Some(call::SPEED),
    lost_by_restart: true,
    note: "Mbit/s, 0 is no limit; cannot be read; whether a restart keeps it is not stated, so it is asserted again",
    ..LIVE
};

pub(super) const ADB: Capability = Capability {
    pattern: Pattern::Adb,
    read: ReadMethod::By(ReadKind::Listing),
    write: Write::Call(call::ADB),
    reset: Some(call::ADB),
    note: "the switch alone; the answer is final, there is no task",
    ..LIVE
};

pub(super) const APP: Capability = Capability {
    pattern: Pattern::App,
    read: ReadMethod::By(ReadKind::Apps),
    write: Write::App {
        catalogue: Some(call::INSTALL),
        url: Some(call::INSTALL_URL),
        described: None,
        remove: Some(call::UNINSTALL),
        remove_known: None,
    },
    stage: Stage::Apps,
    note: "one app a call: answers do not say which app a task is about; an app that is downloading or installing is neither missing nor there",
    ..LIVE
};

pub(super) const RUNNING: Capability = Capability {
    pattern: Pattern::Running,
    read: ReadMethod::By(ReadKind::Shell),
    write: Write::Switch {
        on: call::START,
        off: call::STOP,
        known: None,
    },
    stage: Stage::AppState,
    lost_by_restart: true,
    note: "read with pidof",
    ..LIVE
};
